"""Whose turn it is: who may run now, who waits, and what a pipeline may still spend.

A slot is written by compare-and-swap alone. Places in it are never given back: a place is
free when the record of the run that holds it says so, so that no crash can keep one.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from pydantic import AwareDatetime

from shared.core.config.pipeline import Pipeline
from shared.core.counting import counted, they
from shared.core.frozen import FrozenModel, RecordModel
from shared.core.run.record import Phase, Run

_DAY: Final = timedelta(days=1)
#: Runs that are remembered for budgets and failures; more than any configuration asks for.
_REMEMBERED: Final = 1000
#: Phases, besides those that end a run, in which it keeps nobody waiting: in front of a person.
_IDLE: Final = frozenset({Phase.PARKED, Phase.AWAITING_APPROVAL})
#: While a run is in one of these, it has or may have a job at the service.
_AT_SERVICE: Final = frozenset({Phase.WAITING, Phase.RECEIVED, Phase.CREATED, Phase.TRAINING})
_SUCCESSES: Final = frozenset({Phase.PROMOTED, Phase.UNCHANGED, Phase.FINISHED})
_FAILURES: Final = frozenset({Phase.FAILED, Phase.TIMED_OUT, Phase.ROLLED_BACK, Phase.PARKED})


class QueueEntry(FrozenModel):
    """A run that waits or began, and since when."""

    run_id: str
    at: AwareDatetime
    number: int = 0  #: in the order of this slot; clocks of hosts may jump


class Pause(FrozenModel):
    """Nothing new is begun until somebody resumes; or that somebody did: who, when and why."""

    by: str
    at: AwareDatetime
    reason: str = ""


class Pauses(RecordModel):
    """What keeps the runs of a pipeline from beginning, and since when its failures count.

    One small record for all its customers: to resume them is one write, however many they are.
    """

    pause: Pause | None = None  #: by a person
    resumed_at: AwareDatetime | None = (
        None  #: pauses by failures, and failures, until then are over
    )
    by_failures: Pause | None = None  #: the last one, of whichever customer
    resumed: Pause | None = None  #: who resumed it last, and why

    def counts(self, at: datetime) -> bool:
        """Whether what happened at this time is of importance since the last resume."""
        return self.resumed_at is None or at > self.resumed_at

    def of_failures(self, run_queue: "RunQueue | None" = None) -> Pause | None:
        """Return the pause by failures that is in force, for a slot or for any of them."""
        pause = run_queue.paused if run_queue else self.by_failures
        return pause if pause is not None and self.counts(pause.at) else None

    def after(self, resumed: Pause) -> "Pauses":
        """Return the record with nothing paused any more; no pause that it tells of is later."""
        told = [pause.at for pause in (self.pause, self.by_failures) if pause is not None]
        return Pauses(resumed_at=max([resumed.at, *told]), resumed=resumed)

    def of(self, run_queue: "RunQueue") -> Pause | None:
        """Return the pause that is in force for a slot; None where nothing is paused."""
        return self.pause or self.of_failures(run_queue)


class RunQueue(RecordModel):
    """The runs of one pipeline and key; of a pipeline; or at a training service."""

    pipeline: str = ""
    key: tuple[str, ...] = ()
    batch_run: str | None = None  #: the run that takes what landed, or took it last
    batch_since: AwareDatetime | None = None  #: since when
    claimed_to: str = ""  #: how far it has come in the inbox, where that takes several calls
    holders: tuple[str, ...] = ()  #: who may run
    waiting: tuple[QueueEntry, ...] = ()  #: in the order of their coming
    newest_first: bool = False  #: whose turn it is next, as the last one who came was configured
    numbers: int = 0  #: turns that were given a number so far
    begun: tuple[QueueEntry, ...] = ()  #: who ran lately, the newest last
    paused: Pause | None = None  #: by failures; whether it is in force is told by `Pauses`

    def without(self, gone: Callable[[str], bool]) -> "RunQueue":
        """Return the slot without the runs that `gone` tells of."""
        holders = tuple(run for run in self.holders if not gone(run))
        waiting = tuple(queue_entry for queue_entry in self.waiting if not gone(queue_entry.run_id))
        return self.evolve(holders=holders, waiting=waiting)

    def begin(self, run_id: str, at: datetime, *, keep: int, holds: bool = True) -> "RunQueue":
        """Return the slot with `run_id` running; a run that began before begins no second time.

        Args:
            run_id: the run.
            at: now.
            keep: how many beginnings are remembered.
            holds: whether places are counted here at all.
        """
        holders = self.holders if run_id in self.holders else (*self.holders, run_id)
        waiting = tuple(queue_entry for queue_entry in self.waiting if queue_entry.run_id != run_id)
        begun, number = self.begun, self.numbers
        if all(queue_entry.run_id != run_id for queue_entry in begun):
            number += 1
            begun = (*begun, QueueEntry(run_id=run_id, at=at, number=number))
        kept = begun[-min(keep, _REMEMBERED) :] if keep else ()
        changes: dict[str, object] = {"holders": holders if holds else (), "waiting": waiting}
        changes |= {"begun": kept, "numbers": number}
        return self.evolve(**changes)

    def enqueue(self, run_id: str, at: datetime, *, newest_first: bool) -> "RunQueue":
        """Return the slot with `run_id` waiting, once."""
        if any(queue_entry.run_id == run_id for queue_entry in self.waiting):
            return self
        number = self.numbers + 1
        waiting = (*self.waiting, QueueEntry(run_id=run_id, at=at, number=number))
        changes = {"waiting": waiting, "numbers": number, "newest_first": newest_first}
        return self.evolve(**changes)

    @property
    def next_queued(self) -> str | None:
        """The waiting run whose turn it is."""
        return self.waiting[-1 if self.newest_first else 0].run_id if self.waiting else None


def releases_slot(run: Run) -> bool:
    """Whether `run` holds no place among the runs of its key or pipeline any more."""
    return run.phase.ended or run.phase in _IDLE


def releases_service_slot(run: Run) -> bool:
    """Whether `run` has no job at its training service, and needs none now."""
    phase = run.parked_in if run.phase is Phase.PARKED and run.job is not None else run.phase
    return phase not in _AT_SERVICE


def concurrency_limit(pipeline: Pipeline) -> int | None:
    """Return how many runs of one key may run at once; None for any number."""
    return None if pipeline.when_busy == "parallel" else 1


def starts_to_keep(pipeline: Pipeline) -> int:
    """Return how many beginnings a slot of `pipeline` has to remember."""
    budget = pipeline.budget
    # Runs that gave way stand between failures and are neither.
    return max(budget.most_per_day or 1, 10 * (pipeline.pause_after or 0))


def over_budget(run_queue: RunQueue, pipeline: Pipeline, run_id: str, now: datetime) -> str | None:
    """Return why `run_id` must not begin yet; None when it may.

    A run that began already, and comes back from a person, has been paid for.
    """
    budget = pipeline.budget
    begun = run_queue.begun
    if any(queue_entry.run_id == run_id for queue_entry in begun):
        return None
    if budget.least_interval and begun and now - begun[-1].at < budget.least_interval:
        next_at = begun[-1].at + budget.least_interval
        return f"the budget allows the next run at {next_at.isoformat(timespec='seconds')}"
    most = budget.most_per_day
    today = [queue_entry for queue_entry in begun if now - queue_entry.at < _DAY]
    if most is not None and len(today) >= most:
        return (
            f"the budget's {counted(most, 'run')} within 24 hours {they(most, 'is', 'are')} used up"
        )
    return None


def next_allowed(run_queue: RunQueue, pipeline: Pipeline) -> datetime | None:
    """Return when the budget lets the next run begin; None where it limits nothing now."""
    budget, begun = pipeline.budget, run_queue.begun
    times = []
    if budget.least_interval and begun:
        times.append(begun[-1].at + budget.least_interval)
    if budget.most_per_day is not None and len(begun) >= budget.most_per_day:
        times.append(begun[-budget.most_per_day].at + _DAY)
    return max(times, default=None)


def newest_first(pipeline: Pipeline) -> bool:
    """Whether the newest of the waiting runs of `pipeline` is next."""
    return pipeline.when_busy == "newest" or pipeline.order == "newest_first"


def superseded_by(run_queue: RunQueue, pipeline: Pipeline, run_id: str) -> str | None:
    """Return the newer run that makes waiting run `run_id` needless; None where none does."""
    if pipeline.when_busy != "newest":
        return None
    mine = next(
        (queue_entry for queue_entry in run_queue.waiting if queue_entry.run_id == run_id), None
    )
    if mine is None:
        return None
    others = [
        queue_entry
        for queue_entry in (*run_queue.begun, *run_queue.waiting)
        if queue_entry.run_id != run_id
    ]
    newest = max((mine, *others), key=lambda queue_entry: queue_entry.number)
    return newest.run_id if newest is not mine else None


@dataclass(frozen=True, slots=True)
class RecentRuns:
    """How the runs that began lately stand."""

    phase_of: Callable[[str], Phase | None]

    def failures(self, run_queue: RunQueue, pauses: Pauses) -> tuple[str, ...]:
        """Return the runs that failed in a row since the last resume, the newest first.

        Args:
            run_queue: whose runs; those that still run do not count.
            pauses: tells of the last resume.
        """
        failed: list[str] = []
        for queue_entry in reversed(run_queue.begun):
            if not pauses.counts(queue_entry.at):
                break
            phase = self.phase_of(queue_entry.run_id)
            if phase in _FAILURES:
                failed.append(queue_entry.run_id)
            elif phase in _SUCCESSES:
                break
        return tuple(failed)
