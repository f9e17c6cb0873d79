"""Decides which run may begin: slots, queues, budgets and pauses.

A run queue is written only by compare-and-swap. A slot is never released: it is free when the
record of its holder says so, so a crash never leaks one.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import ClassVar, Final

from pydantic import AwareDatetime

from shared.core.config.pipeline import Pipeline
from shared.core.counting import counted, they
from shared.core.frozen import FrozenModel, RecordModel, left_out
from shared.core.run.record import Phase, Run

_DAY: Final = timedelta(days=1)
#: Runs that are remembered for budgets and failures; no configuration needs more.
_REMEMBERED: Final = 1000
#: Phases in which an open run waits for an operator: its slot is free.
_IDLE: Final = frozenset({Phase.PARKED, Phase.AWAITING_APPROVAL})
#: Phases in which a run has a job at the service, or may have one.
_AT_SERVICE: Final = frozenset({Phase.WAITING, Phase.RECEIVED, Phase.CREATED, Phase.TRAINING})
_SUCCESSES: Final = frozenset({Phase.PROMOTED, Phase.UNCHANGED, Phase.FINISHED})
_FAILURES: Final = frozenset({Phase.FAILED, Phase.TIMED_OUT, Phase.ROLLED_BACK, Phase.PARKED})


@dataclass(frozen=True, slots=True)
class BusyPolicy:
    """What one value of `when_busy` means while a run of the key is open."""

    limit: int | None  #: how many runs of the key may run at once; None: any number
    newest_only: bool = False
    """The next run takes all data that waits, and supersedes the older runs that wait."""
    in_order: bool = False  #: data waits behind the runs that wait already


BUSY_POLICIES: Final = {
    "newest": BusyPolicy(limit=1, newest_only=True),
    "queue": BusyPolicy(limit=1, in_order=True),
    "parallel": BusyPolicy(limit=None),
}


class QueueEntry(FrozenModel):
    """A run that waits or began, and since when."""

    run_id: str
    at: AwareDatetime
    number: int = 0  #: its number in the order of this queue; clocks of hosts may jump
    due: AwareDatetime | None = left_out()  #: of a run with a window: windows wait in their order


class Pause(FrozenModel):
    """That a pipeline was paused, or resumed: by whom, when and why."""

    by: str
    at: AwareDatetime
    reason: str = ""


class Pauses(RecordModel):
    """What pauses a pipeline, and since when its failures count.

    It is one record for all keys: to resume them takes one write, however many there are.
    """

    pause: Pause | None = None  #: by an operator
    resumed_at: AwareDatetime | None = None
    """Failures until then, and pauses by them, do not count any more."""
    by_failures: Pause | None = None  #: the last one, of any key
    resumed: Pause | None = None  #: the last resume

    def counts(self, at: datetime) -> bool:
        """Whether a failure at this time was after the last resume."""
        return self.resumed_at is None or at > self.resumed_at

    def of_failures(self, run_queue: "RunQueue | None" = None) -> Pause | None:
        """Return the pause by failures that is in force, for a run queue or for any of them."""
        pause = run_queue.paused if run_queue else self.by_failures
        return pause if pause is not None and self.counts(pause.at) else None

    def after(self, resumed: Pause) -> "Pauses":
        """Return the record after a resume, which is later than every pause in it."""
        paused = [pause.at for pause in (self.pause, self.by_failures) if pause is not None]
        return Pauses(resumed_at=max([resumed.at, *paused]), resumed=resumed)

    def of(self, run_queue: "RunQueue") -> Pause | None:
        """Return the pause that is in force for a run queue; None where nothing is paused."""
        return self.pause or self.of_failures(run_queue)


class RunQueue(RecordModel):
    """The runs that have a slot of one limit, and those that wait for one."""

    pipeline: str = ""
    key: tuple[str, ...] = ()
    batch_run: str | None = None  #: the run that takes the batch under way, or took the last one
    batch_since: AwareDatetime | None = None  #: since when
    claimed_to: str = ""  #: how far it is in the inbox, where that takes several calls
    holders: tuple[str, ...] = ()  #: the runs that have a slot
    waiting: tuple[QueueEntry, ...] = ()  #: in the order in which they came
    newest_first: bool = (
        False  #: whether the newest is next, by the configuration of the last one that came
    )
    numbers: int = 0  #: the last number that was given
    begun: tuple[QueueEntry, ...] = ()  #: the runs that began lately, the newest last
    paused: Pause | None = None  #: by failures; `Pauses` says whether it is in force

    newest_form: ClassVar[int] = 2

    @property
    def form(self) -> int:
        """The second form has windows."""
        return 2 if any(entry.due for entry in (*self.waiting, *self.begun)) else 1

    def without(self, gone: Callable[[str], bool]) -> "RunQueue":
        """Return the queue without the runs for which `gone` returns true."""
        holders = tuple(run for run in self.holders if not gone(run))
        waiting = tuple(entry for entry in self.waiting if not gone(entry.run_id))
        return self.evolve(holders=holders, waiting=waiting)

    def begin(self, run_id: str, at: datetime, *, keep: int, holds: bool = True) -> "RunQueue":
        """Return the queue after a run began; a run that began before does not begin again.

        Args:
            run_id: the run.
            at: now.
            keep: how many runs that began are remembered.
            holds: whether this queue has a limit: else no slots are counted.
        """
        holders = self.holders if run_id in self.holders else (*self.holders, run_id)
        waiting = tuple(entry for entry in self.waiting if entry.run_id != run_id)
        begun, number = self.begun, self.numbers
        if all(entry.run_id != run_id for entry in begun):
            number += 1
            begun = (*begun, QueueEntry(run_id=run_id, at=at, number=number))
        kept = begun[-min(keep, _REMEMBERED) :] if keep else ()
        held = holders if holds else ()
        return self.evolve(holders=held, waiting=waiting, begun=kept, numbers=number)

    def enqueue(
        self, run_id: str, at: datetime, *, newest_first: bool, due: datetime | None = None
    ) -> "RunQueue":
        """Return the queue with a run waiting in it, once.

        Args:
            run_id: the run.
            at: now.
            newest_first: whether the newest of the waiting runs is next.
            due: when its window is due: it comes ahead of later windows, whenever it was opened.
        """
        if any(entry.run_id == run_id for entry in self.waiting):
            return self
        number = self.numbers + 1
        later = (at for at, one in enumerate(self.waiting) if due and one.due and one.due > due)
        place = next(later, len(self.waiting))
        entry = QueueEntry(run_id=run_id, at=at, number=number, due=due)
        waiting = (*self.waiting[:place], entry, *self.waiting[place:])
        return self.evolve(waiting=waiting, numbers=number, newest_first=newest_first)

    @property
    def next_queued(self) -> str | None:
        """The waiting run that is next."""
        return self.waiting[-1 if self.newest_first else 0].run_id if self.waiting else None

    @property
    def run_ids(self) -> frozenset[str]:
        """The runs that have a slot, wait for one, or take the batch under way."""
        batch = (self.batch_run,) if self.batch_run else ()
        return frozenset((*self.holders, *(entry.run_id for entry in self.waiting), *batch))


def releases_slot(run: Run) -> bool:
    """Whether the slot of `run` among the runs of its key or pipeline is free."""
    return run.phase.ended or run.phase in _IDLE


def releases_service_slot(run: Run) -> bool:
    """Whether `run` has no job at its training service, and needs none now."""
    phase = run.parked_in if run.phase is Phase.PARKED and run.job is not None else run.phase
    return phase not in _AT_SERVICE


def policy_of(pipeline: Pipeline) -> BusyPolicy:
    """Return what happens while a run of the key is open."""
    return BUSY_POLICIES[pipeline.when_busy]


def starts_to_keep(pipeline: Pipeline) -> int:
    """Return how many runs that began a run queue of `pipeline` has to remember."""
    budget = pipeline.budget
    # Superseded runs lie between failures, and are neither failures nor successes.
    return max(budget.most_per_day or 1, 10 * (pipeline.pause_after or 0))


def over_budget(run_queue: RunQueue, pipeline: Pipeline, run_id: str, now: datetime) -> str | None:
    """Return why a run must not begin yet; None when it may.

    Args:
        run_queue: of its key.
        pipeline: whose budget.
        run_id: the run; one that began before is already counted in the budget.
        now: the present moment.
    """
    budget = pipeline.budget
    begun = run_queue.begun
    if any(entry.run_id == run_id for entry in begun):
        return None
    if budget.least_interval and begun and now - begun[-1].at < budget.least_interval:
        next_at = begun[-1].at + budget.least_interval
        return f"the budget allows the next run at {next_at.isoformat(timespec='seconds')}"
    most = budget.most_per_day
    today = [entry for entry in begun if now - entry.at < _DAY]
    if most is not None and len(today) >= most:
        return (
            f"the budget's {counted(most, 'run')} within 24 hours {they(most, 'is', 'are')} used up"
        )
    return None


def next_allowed(run_queue: RunQueue, pipeline: Pipeline) -> datetime | None:
    """Return when the budget lets the next run begin; None where it limits nothing now.

    Args:
        run_queue: of a key.
        pipeline: whose budget.
    """
    budget, begun = pipeline.budget, run_queue.begun
    times = []
    if budget.least_interval and begun:
        times.append(begun[-1].at + budget.least_interval)
    if budget.most_per_day is not None and len(begun) >= budget.most_per_day:
        times.append(begun[-budget.most_per_day].at + _DAY)
    return max(times, default=None)


def newest_first(pipeline: Pipeline) -> bool:
    """Whether the newest of the waiting runs of `pipeline` is next."""
    return policy_of(pipeline).newest_only or pipeline.order == "newest_first"


def superseded_by(run_queue: RunQueue, pipeline: Pipeline, run_id: str) -> str | None:
    """Return the newer run that supersedes a waiting run; None where none does.

    Args:
        run_queue: of its key.
        pipeline: that it belongs to.
        run_id: the waiting run.
    """
    if not policy_of(pipeline).newest_only:
        return None
    mine = next((entry for entry in run_queue.waiting if entry.run_id == run_id), None)
    if mine is None:
        return None
    others = [e for e in (*run_queue.begun, *run_queue.waiting) if e.run_id != run_id]
    newest = max((mine, *others), key=lambda entry: entry.number)
    return newest.run_id if newest is not mine else None


@dataclass(frozen=True, slots=True)
class RecentRuns:
    """The runs that began lately, and which of them failed."""

    phase_of: Callable[[str], Phase | None]

    def failures(self, run_queue: RunQueue, pauses: Pauses) -> tuple[str, ...]:
        """Return the runs that failed in a row since the last resume, the newest first.

        Args:
            run_queue: whose runs; those that are open do not count.
            pauses: which say when the last resume was.
        """
        failed: list[str] = []
        for entry in reversed(run_queue.begun):
            if not pauses.counts(entry.at):
                break
            phase = self.phase_of(entry.run_id)
            if phase in _FAILURES:
                failed.append(entry.run_id)
            elif phase in _SUCCESSES:
                break
        return tuple(failed)
