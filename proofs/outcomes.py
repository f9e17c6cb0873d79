"""The size that a part of the proofs gets, and the outcome that it returns."""

import shlex
from collections.abc import Callable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Violation:
    """A promise that was broken, and the command that shows it again."""

    plan: str  #: the command, or the code, that shows it again
    what: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """One promise, how often it was tried, and each time that it did not hold."""

    promise: str
    trials: int
    violations: tuple[Violation, ...] = ()
    notes: str = ""  #: other measurements


def no_progress() -> None:
    """Show nothing. A function of the module, because an effort is sent to other processes."""


@dataclass(frozen=True, slots=True)
class Effort:
    """How much is tried.

    Args:
        seed: what every random choice is derived from.
        size: how many trials, in the part's own unit.
        progress: called after each trial.
        trial: the number of the one trial to repeat, instead of all.
        plan: the plan of the one trial to repeat, for a part that has plans.
    """

    seed: int
    size: int
    progress: Callable[[], None] = no_progress
    trial: int | None = None
    plan: str | None = None

    @property
    def trials(self) -> Sequence[int]:
        """The numbers of the trials."""
        return range(self.size) if self.trial is None else (self.trial,)


def again(part: str, *options: object) -> str:
    """Return the command that repeats a trial of a part.

    Args:
        part: its name.
        options: which trial.
    """
    return shlex.join([".venv/bin/python", "-m", "proofs", "--only", part, *map(str, options)])


#: Tries its promises with this effort, and returns one outcome for each of them.
Part = Callable[[Effort], list[Outcome]]
