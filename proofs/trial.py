"""What a part of the proof is given, and what it comes to."""

import shlex
from collections.abc import Callable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Violation:
    """A promise that was broken, and what replays it."""

    plan: str  #: the command, or the code, that shows it again
    what: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """One promise, how often it was tried, and where it did not hold."""

    promise: str
    trials: int
    violations: tuple[Violation, ...] = ()
    notes: str = ""  #: what was measured besides


def unseen() -> None:
    """Be told of a trial, and show it to nobody. An effort travels to other processes."""


@dataclass(frozen=True, slots=True)
class Effort:
    """How much is tried.

    Args:
        seed: what every random choice is derived from.
        size: how many trials, in the part's own unit.
        progress: told of each trial that is done.
        trial: the number of the one trial that is wanted again, instead of all.
        plan: what one trial does that is wanted again, where a part names it so.
    """

    seed: int
    size: int
    progress: Callable[[], None] = unseen
    trial: int | None = None
    plan: str | None = None

    @property
    def trials(self) -> Sequence[int]:
        """The numbers of the trials to be made."""
        return range(self.size) if self.trial is None else (self.trial,)


def again(part: str, *options: object) -> str:
    """Return the command that makes one trial of a part again."""
    return shlex.join([".venv/bin/python", "-m", "proofs", "--only", part, *map(str, options)])


#: A part: tries its promises with this effort, and returns one outcome for each of them.
DueTimePart = Callable[[Effort], list[Outcome]]
