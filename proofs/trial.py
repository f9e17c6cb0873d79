"""What a part of the proof is given, and what it comes to."""

from collections.abc import Callable
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Violation:
    """A promise that was broken, and what replays it."""

    plan: str  #: everything that must be known to see it again: seed, fault, kill point
    what: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """One promise, how often it was tried, and where it did not hold."""

    promise: str
    trials: int
    violations: tuple[Violation, ...] = ()
    notes: str = ""  #: what was measured besides


@dataclass(frozen=True, slots=True)
class Effort:
    """How much is tried.

    Args:
        seed: what every random choice is derived from.
        size: how many trials, in the part's own unit.
        progress: told of each trial that is done.
    """

    seed: int
    size: int
    progress: Callable[[], None] = field(default=lambda: None)


#: A part: tries its promises with this effort, and returns one outcome for each of them.
Part = Callable[[Effort], list[Outcome]]
