"""Decides whether a waiting run may begin: limits, budget, pause, newer runs."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final, TypeAlias

from shared.core.config.pipeline import Pipeline
from shared.core.counting import counted
from shared.core.names import run_queue_id, shared_queue_id
from shared.core.run import concurrency as core
from shared.core.run.commands import Event
from shared.core.run.concurrency import Pause, RecentRuns, RunQueue
from shared.core.run.control_events import Superseded
from shared.core.run.gate_events import Admitted, StillWaiting
from shared.core.run.record import Origin, Phase, Run
from shared.core.service import service
from shared.errors import CorruptRecordError
from shared.execution.context import Context
from shared.ledger.store import Stored, retried
from shared.telemetry import Alert, LogOnce, log, report

#: How long a run whose record is unreadable keeps its slot, where its time-out is not known.
_UNREAD: Final = timedelta(days=1)
#: Phases in a marker of runs that may have no slot: only their records show it.
MAY_BE_IDLE: Final = (None, Phase.PARKED, Phase.AWAITING_APPROVAL)
#: How many of the runs behind in a queue are checked when another run begins.
_BEHIND: Final = 20

#: Reads the record of a run by its id.
ReadRun: TypeAlias = Callable[[str], Stored[Run] | None]


@dataclass(frozen=True, slots=True)
class _Level:
    """One concurrency limit of a run: its record, and how many slots it has."""

    name: str
    most: int | None
    what: str
    newest_first: bool
    queue_name: str  #: the queue that is named in the run; empty: no run may begin before it
    releases_slot: Callable[[Run], bool] = core.releases_slot
    unread: timedelta = _UNREAD  #: how long a run whose record is unreadable keeps a slot


@service
class ConcurrencyLimits:
    """Assigns slots. Each call may be repeated, by any number of workers (decision 10)."""

    context: Context
    _reported: LogOnce = field(default_factory=LogOnce)

    def take(self, run: Run) -> Event | None:
        """Return that the run has its slots, or its reason to wait; None where that is recorded."""
        levels = list(_levels(run))
        for at, level in enumerate(levels):
            waits = self._take(level, run)
            if isinstance(waits, Superseded):
                return waits
            if waits is not None:
                # A run that waits here must not block the runs of later queues.
                if run.job is None:  # a run that continues with its job keeps its slot there
                    self._leave(levels[at + 1 :], run)
                same = (waits, level.queue_name) == (run.reason, run.queue_name)
                return None if same else StillWaiting(waits, level.queue_name)
        return Admitted()

    def blocked_reason(self, run_queue: RunQueue, pipeline: Pipeline, run_id: str) -> str | None:
        """Return why no run of the queue may begin now; None where one may.

        Args:
            run_queue: the queue, with its pause and its last runs.
            pipeline: the pipeline as it is configured now.
            run_id: the run that wants to begin.

        Returns:
            The reason, for an operator, or None.
        """
        pause = self.context.ledger.pauses.read(pipeline.name).record.of(run_queue)
        if pause is not None:
            return f"paused by {pause.by}" + (f": {pause.reason}" if pause.reason else "")
        return core.over_budget(run_queue, pipeline, run_id, self.context.clock.now())

    def pruned(
        self,
        run_queue: RunQueue,
        releases_slot: Callable[[Run], bool] = core.releases_slot,
        unread: timedelta = _UNREAD,
        read: ReadRun | None = None,
    ) -> RunQueue:
        """Return the queue without the runs that need their slots no more.

        Args:
            run_queue: the queue as it is stored.
            releases_slot: whether a run needs its slot no more.
            unread: how long a run whose record is unreadable keeps its slot.
            read: reads the records; None: from the ledger.

        Returns:
            The queue; it is not stored.
        """
        gone = {
            one
            for one in run_queue.holders
            if self._gone(run_queue, one, releases_slot, unread, read)
        }
        return run_queue.without(gone.__contains__)

    def in_queue(self, run_queue: RunQueue, run_id: str = "") -> RunQueue:
        """Return the queue without the runs before `run_id` that wait no more.

        Args:
            run_queue: the queue as it is stored.
            run_id: the run up to which records are read.

        Returns:
            The queue; it is not stored.
        """
        while (first := run_queue.next_queued) not in (None, run_id):
            gone = str(first)
            if not self._gone(run_queue, gone, core.releases_slot):
                break
            run_queue = run_queue.without({gone}.__contains__)
        return run_queue

    def paused_by_failures(self, stored: Stored[RunQueue], pipeline: Pipeline) -> bool:
        """Pause a pipeline after repeated failures, for this key.

        Args:
            stored: the queue of the key.
            pipeline: the pipeline as it is configured now.

        Returns:
            Whether it was paused.
        """
        most, run_queue = pipeline.pause_after, stored.record
        if most is None or not run_queue.begun:
            return False
        now = self.context.clock.now()  # before the read: an operator may resume meanwhile
        pauses = self.context.ledger.pauses.read(pipeline.name).record
        failed = RecentRuns(self._phase_of).failures(run_queue, pauses)
        if pauses.of_failures(run_queue) is not None or len(failed) < most:
            return False
        why = f"{counted(len(failed), 'run')} in a row failed, the last one was {failed[0]}"
        pause = Pause(by="relearn", at=now, reason=why)
        self.context.ledger.pauses.pause_by_failures(pipeline.name, pause)
        name = run_queue_id(pipeline.name, run_queue.key)
        self.context.ledger.run_queues.put(name, run_queue.evolve(paused=pause), stored.etag)
        report(
            Alert.PAUSED,
            f"pipeline {pipeline.name} is paused: {why}. To do: see why, then resume it",
            pipeline=pipeline.name,
            run_id=failed[0],
            key=run_queue.key,
        )
        return True

    def has_free_slot(self, pipeline: Pipeline) -> bool:
        """Whether another run of the pipeline may be open, over all its keys."""
        if pipeline.max_parallel is None:
            return True
        stored = self.context.ledger.run_queues.read(shared_queue_id("pipeline", pipeline.name))
        if stored is None or len(stored.record.holders) < pipeline.max_parallel:
            return True
        # One listing shows most runs that work: only the records of the others are read.
        run_queue, phases = stored.record, self.context.ledger.open_markers.phases(pipeline.name)
        idle = [one for one in run_queue.holders if phases.get(one) in MAY_BE_IDLE]
        free = pipeline.max_parallel - len(run_queue.holders)
        for run_id in idle:
            free += self._gone(run_queue, run_id, core.releases_slot)
            if free > 0:
                return True
        return False

    def enqueue(self, run: Run) -> None:
        """Have a new run with a window wait in its first queue, ahead of later windows.

        Else the first window that the poll happens to advance would begin first. A run that is
        not in a queue yet enters it when it is advanced.

        Raises:
            TransientError, ConflictError: it is not in its queue now.
            CorruptRecordError: the queue is not understood.
        """
        limited = (one for one in _levels(run) if one.most is not None)
        level = next(limited, None)
        if level is None or run.phase is not Phase.WAITING:
            return
        now, new = self.context.clock.now(), RunQueue(pipeline=run.pipeline, key=run.key)

        def enqueued(queue: RunQueue | None) -> RunQueue | None:
            has_slot = queue is not None and run.run_id in queue.holders
            return queue if has_slot else _enqueued(queue or new, run, level, now)

        self.context.ledger.run_queues.update(level.name, enqueued)

    def _take(self, level: _Level, run: Run) -> Superseded | str | None:
        try:
            return retried(level.name, lambda: self._taken(level, run))
        except CorruptRecordError as exc:
            self._report_once(level.name, exc)
            return str(exc)  # this key or service waits for an operator; others continue

    def _taken(self, level: _Level, run: Run) -> Superseded | str | None:
        stored = self.context.ledger.run_queues.of(level.name, run.pipeline, run.key)
        run_queue = stored.record
        if run.run_id in run_queue.holders:
            return None
        is_key = level.name == run_queue_id(run.pipeline, run.key)
        if is_key and self.paused_by_failures(stored, run.config):
            return self._taken(level, run)  # again, now that the pause is recorded
        changed, waits = self._decided(level, run_queue, run, is_key=is_key)
        if changed != run_queue:
            self.context.ledger.run_queues.put(level.name, changed, stored.etag)
        return waits

    def _decided(
        self, level: _Level, run_queue: RunQueue, run: Run, *, is_key: bool
    ) -> tuple[RunQueue, Superseded | str | None]:
        now = self.context.clock.now()
        queued = _enqueued(run_queue, run, level, now)
        run_queue = self.in_queue(queued, run.run_id)
        if is_key:
            newer = core.superseded_by(run_queue, run.config, run.run_id)
            newer = None if run.window else newer  # a newer window has other data
            # No other run may train on this data. The run stays in the queue until that is known.
            if newer and run.origin is not Origin.DATA:
                return run_queue, Superseded(f"run {newer} is newer and trains instead")
            if why := self.blocked_reason(run_queue, run.config, run.run_id):
                return run_queue, why
        if level.most is not None and len(run_queue.holders) >= level.most:
            run_queue = self.pruned(run_queue, level.releases_slot, level.unread)
        if is_key and run.job is not None:
            # Its job exists already: a run without a job waits.
            run_queue = run_queue.without(
                lambda run_id: run_id != run.run_id and self._not_begun(run_id)
            )
        if level.most is not None and len(run_queue.holders) >= level.most:
            return run_queue, f"{level.what}: {', '.join(run_queue.holders[:5])}"
        first = run_queue.next_queued
        if level.most is not None and first != run.run_id:
            return run_queue, f"{level.what}: {first} is next"
        if run_queue.newest_first:  # the front of the queue never reaches the runs behind
            gone = {
                one
                for one in _behind(run_queue, run)
                if self._gone(run_queue, one, core.releases_slot)
            }
            run_queue = run_queue.without(gone.__contains__)
        keep = core.starts_to_keep(run.config) if is_key else 0
        return run_queue.begin(run.run_id, now, keep=keep, holds=level.most is not None), None

    def _not_begun(self, run_id: str) -> bool:
        try:
            stored = self.context.ledger.runs.read(run_id)
        except CorruptRecordError:
            return False  # not known
        return stored is not None and _waits_without_job(stored.record)

    def _leave(self, levels: Sequence[_Level], run: Run) -> None:
        def left(queue: RunQueue | None) -> RunQueue | None:
            return queue.without({run.run_id}.__contains__) if queue else None

        for level in levels:
            try:
                self.context.ledger.run_queues.update(level.name, left)
            except CorruptRecordError as exc:
                self._report_once(level.name, exc)

    def _gone(
        self,
        run_queue: RunQueue,
        run_id: str,
        releases_slot: Callable[[Run], bool],
        unread: timedelta = _UNREAD,
        read: ReadRun | None = None,
    ) -> bool:
        try:
            stored = (read or self.context.ledger.runs.read)(run_id)
        except CorruptRecordError as exc:
            # It may have a job, so it keeps a slot for as long as a job may take. A run that
            # waits returns to the queue once its record is corrected.
            if run_id in run_queue.holders and self.context.ledger.runs.age(run_id) <= unread:
                return False
            self._report_once(run_id, exc)
            return True
        if stored is None:  # its record is not written yet, or was deleted by retention
            return run_id != run_queue.batch_run or not self.context.ledger.open_markers.has(run_id)
        if run_id not in run_queue.holders:
            return stored.record.phase is not Phase.WAITING
        return releases_slot(stored.record)

    def _phase_of(self, run_id: str) -> Phase | None:
        try:
            stored = self.context.ledger.runs.read(run_id)
        except CorruptRecordError:
            return None  # it is neither a failure nor a success
        return stored.record.phase if stored else None

    def _report_once(self, name: str, exc: CorruptRecordError) -> None:
        if self._reported.first(name):
            log.error("%s; the queue continues without it", exc)


def _enqueued(run_queue: RunQueue, run: Run, level: _Level, now: datetime) -> RunQueue:
    # The queue of a service has runs of several pipelines, whose windows have no common order.
    window = run.window if level.releases_slot is core.releases_slot else None
    due = window.due if window else None
    return run_queue.enqueue(run.run_id, now, newest_first=level.newest_first, due=due)


def _behind(run_queue: RunQueue, run: Run) -> Sequence[str]:
    """Return some runs that wait behind `run`; the choice changes, so that each is checked."""
    left = [
        queue_entry.run_id for queue_entry in run_queue.waiting if queue_entry.run_id != run.run_id
    ]
    start = run_queue.numbers * _BEHIND % len(left) if left else 0
    return (left[start:] + left[:start])[:_BEHIND]


def _waits_without_job(run: Run) -> bool:
    return run.phase is Phase.WAITING and run.job is None


def _levels(run: Run) -> Iterator[_Level]:
    pipeline = run.config
    policy = core.policy_of(pipeline)
    newest_first, timeout = core.newest_first(pipeline), pipeline.training.timeout
    name, what = run_queue_id(pipeline.name, run.key), "another run is open"
    # Where only the newest run counts, each older run has to be checked to be superseded.
    queue_name = "" if policy.newest_only else name
    if run.window:  # each window has data of its own, so that none is superseded
        newest_first, queue_name = pipeline.order == "newest_first", name
    yield _Level(name, policy.limit, what, newest_first, queue_name, unread=timeout)
    if pipeline.max_parallel is not None:
        name, most = shared_queue_id("pipeline", pipeline.name), pipeline.max_parallel
        what = f"max_parallel is {most}"
        yield _Level(name, most, what, newest_first, name, unread=timeout)
    if (jobs := pipeline.training.max_parallel) is not None:
        name = shared_queue_id("service", pipeline.training.identity)
        what = f"the training service has its {counted(jobs, 'job')}"
        # One queue for all pipelines, so that no two of them wait for each other.
        releases_slot = core.releases_service_slot
        yield _Level(
            name, jobs, what, newest_first=False, queue_name=name, releases_slot=releases_slot
        )
