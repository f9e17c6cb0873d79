"""Whose turn it is: who may run now, who waits, and what a pipeline may still spend.

A slot is written by compare-and-swap alone. Places in it are never given back: a place is
free when the record of the run that holds it says so, so that no crash can keep one.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Literal

from pydantic import AwareDatetime

from shared.core.pipeline import Pipeline
from shared.core.run import Phase, Value

_DAY: Final = timedelta(days=1)
#: Runs that are remembered for budgets and failures; more than any configuration asks for.
_REMEMBERED: Final = 1000
#: Phases in which a run keeps nobody waiting: over, or in front of a person.
_IDLE: Final = frozenset({Phase.PARKED, Phase.AWAITING_APPROVAL})
_FAILURES: Final = frozenset({Phase.FAILED, Phase.TIMED_OUT, Phase.ROLLED_BACK, Phase.PARKED})


class Turn(Value):
    """A run that waits or began, and since when."""

    run_id: str
    at: AwareDatetime


class Pause(Value):
    """Nothing new is begun until somebody resumes."""

    by: str
    at: AwareDatetime
    reason: str = ""


class Slot(Value):
    """The runs of one pipeline and key; of a pipeline; or at a training service."""

    schema_version: Literal[1] = 1
    pipeline: str = ""
    key: tuple[str, ...] = ()
    gathering: str | None = None  #: the run that takes what landed, or took it last
    holders: tuple[str, ...] = ()  #: who may run
    waiting: tuple[Turn, ...] = ()  #: in the order of their coming
    begun: tuple[Turn, ...] = ()  #: who ran lately, the newest last
    paused: Pause | None = None
    resumed_at: AwareDatetime | None = None  #: failures from before count no more

    def without(self, gone: Callable[[str], bool]) -> "Slot":
        """Return the slot without the runs that `gone` tells of."""
        holders = tuple(run for run in self.holders if not gone(run))
        waiting = tuple(turn for turn in self.waiting if not gone(turn.run_id))
        return self.model_copy(update={"holders": holders, "waiting": waiting})

    def begin(self, run_id: str, at: datetime, *, keep: int) -> "Slot":
        """Return the slot with `run_id` running; a run that began before begins no second time.

        Args:
            run_id: the run.
            at: now.
            keep: how many beginnings are remembered.
        """
        holders = self.holders if run_id in self.holders else (*self.holders, run_id)
        waiting = tuple(turn for turn in self.waiting if turn.run_id != run_id)
        begun = self.begun
        if all(turn.run_id != run_id for turn in begun):
            begun = (*begun, Turn(run_id=run_id, at=at))
        kept = begun[-min(keep, _REMEMBERED) :] if keep else ()
        changes = {"holders": holders, "waiting": waiting, "begun": kept}
        return self.model_copy(update=changes)

    def enqueue(self, run_id: str, at: datetime) -> "Slot":
        """Return the slot with `run_id` waiting, once."""
        if any(turn.run_id == run_id for turn in self.waiting):
            return self
        return self.model_copy(update={"waiting": (*self.waiting, Turn(run_id=run_id, at=at))})


def lets_go(phase: Phase) -> bool:
    """Whether a run in `phase` holds no place."""
    return phase.ended or phase in _IDLE


def runs_at_once(pipeline: Pipeline) -> int | None:
    """Return how many runs of one key may run at once; None for any number."""
    return None if pipeline.when_busy == "parallel" else 1


def remembers(pipeline: Pipeline) -> int:
    """Return how many beginnings a slot of `pipeline` has to remember."""
    budget = pipeline.budget
    return max(1, budget.most_per_day or 0, pipeline.pause_after or 0)


def over_budget(slot: Slot, pipeline: Pipeline, run_id: str, now: datetime) -> str | None:
    """Return why `run_id` must not begin yet; None when it may.

    A run that began already, and comes back from a person, has been paid for.
    """
    budget, begun = pipeline.budget, slot.begun
    if any(turn.run_id == run_id for turn in begun):
        return None
    if budget.least_interval and begun and now - begun[-1].at < budget.least_interval:
        next_at = begun[-1].at + budget.least_interval
        return f"the budget allows the next run at {next_at.isoformat(timespec='seconds')}"
    most = budget.most_per_day
    today = [turn for turn in begun if now - turn.at < _DAY]
    if most is not None and len(today) >= most:
        return f"the budget's {most} runs within 24 hours are used up"
    return None


def next_in_line(slot: Slot, pipeline: Pipeline) -> str | None:
    """Return the waiting run whose turn it is."""
    if not slot.waiting:
        return None
    newest_first = pipeline.when_busy == "newest" or pipeline.order == "newest_first"
    return slot.waiting[-1 if newest_first else 0].run_id


def overtaken_by(slot: Slot, pipeline: Pipeline, run_id: str) -> str | None:
    """Return the newer run that makes waiting run `run_id` needless; None where none does."""
    if pipeline.when_busy != "newest":
        return None
    mine = next((turn for turn in slot.waiting if turn.run_id == run_id), None)
    if mine is None:
        return None
    begun = tuple(turn for turn in slot.begun if turn.at > mine.at and turn.run_id != run_id)
    newer = (*begun, *slot.waiting[slot.waiting.index(mine) + 1 :])
    return newer[-1].run_id if newer else None


@dataclass(frozen=True, slots=True)
class Past:
    """How the runs that began lately stand."""

    phase_of: Callable[[str], Phase | None]

    def failures(self, slot: Slot) -> tuple[str, ...]:
        """Return the runs that failed in a row, the newest first; running ones do not count."""
        failed: list[str] = []
        for turn in reversed(slot.begun):
            if slot.resumed_at is not None and turn.at <= slot.resumed_at:
                break
            phase = self.phase_of(turn.run_id)
            if phase in _FAILURES:
                failed.append(turn.run_id)
            elif phase is not None and phase.ended:
                break
        return tuple(failed)
