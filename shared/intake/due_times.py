"""Finds the due times of one pipeline that start now, and opens a run for each key."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from shared.core import names
from shared.core.blobs import BlobVersion
from shared.core.config.due_times import (
    Done,
    PendingDueTime,
    as_due_now,
    as_they_begin,
    done_up_to,
    to_backfill,
    to_start,
    window_at,
)
from shared.core.config.pipeline import Pipeline
from shared.core.config.schedule import (
    Recurrence,
    Schedule,
    begins_windows,
    delay_of,
    dues_between,
    just_before,
)
from shared.core.config.windows import window_of
from shared.core.counting import counted
from shared.core.run.data_version import key_of
from shared.core.service import service
from shared.core.versions import Newest, version_id
from shared.errors import ConflictError
from shared.execution.context import Context
from shared.intake.requests import DueTimePart, Requests
from shared.ledger.schedules import ScheduleRecord, TrainedData
from shared.telemetry import Alert, log, report

#: A run that could not be opened is tried again so often, and for so long.
_SOON: Final = timedelta(minutes=1)
_AGAIN: Final = timedelta(minutes=5)
_FAILING: Final = timedelta(days=1)
#: No new due times are begun while this number is not done.
_MOST_BEGUN: Final = 1000


#: The newest data of each key, by the name of the pipeline and the pattern.
NewestByKey = dict[str, Mapping[str, Newest | None]]


@dataclass(slots=True)
class _ScheduleState:
    """The state of a pipeline's due times during one call."""

    done: Done
    trained: dict[str, TrainedData]
    listed: NewestByKey
    first_due: datetime | None = None  #: earlier ones are from before the schedule was seen
    backfilled_from: datetime | None = None
    waiting: list[PendingDueTime] = field(default_factory=list)
    opened: list[str] = field(default_factory=list)  #: runs, by this call
    keys: set[str] = field(default_factory=set)  #: that have data

    @classmethod
    def of(cls, record: ScheduleRecord | None, done: Done, listed: NewestByKey) -> "_ScheduleState":
        if record is None:
            return cls(done, {}, listed)
        return cls(done, dict(record.trained), listed, backfilled_from=record.backfilled_from)

    def kept(self) -> ScheduleRecord:
        past = self.keys and not self.waiting  # past keys are needed no more
        trained = {k: one for k, one in self.trained.items() if not past or k in self.keys}
        return ScheduleRecord(
            last_due=self.done.due,
            last_end=self.done.end,
            backfilled_from=self.backfilled_from,
            trained=trained,
            waiting=tuple(sorted(self.waiting, key=lambda due: due.at)),
        )


@dataclass(frozen=True, slots=True)
class DueTimesResult:
    """The result of one call for a pipeline."""

    opened: tuple[str, ...] = ()  #: runs that are new
    more: bool = False  #: whether there is more to open now


@service
class DueTimes:
    """Due times are counted from the ledger, not from ticks; run ids are derived from them.

    A due time that is not done stays in the record with the key where the next call continues,
    so that a call may stop anywhere. A call opens at most `most` runs, and calls no service.
    """

    context: Context
    requests: Requests
    most: int = 50

    def start(
        self,
        pipeline: Pipeline,
        scheduled_since: datetime | None,
        until: datetime,
        listed: NewestByKey,
    ) -> DueTimesResult:
        """Open the runs of due times that have passed, and of those whose data arrived late.

        Args:
            pipeline: the pipeline, with its schedule.
            scheduled_since: since when it has this schedule; None where that is not known.
            until: when no further run may be opened.
            listed: the data that was listed lately, so that the next call need not list it again.

        Returns:
            The runs that are new, and whether there is more to open now.

        Raises:
            TransientError: storage does not work now; the next call continues.
        """
        schedule = pipeline.schedule
        if schedule is None or (isinstance(schedule, Recurrence) and schedule.paused):
            return DueTimesResult()
        now, known = self.context.clock.now(), self.context.ledger.schedules.read(pipeline.name)
        record = known.record if known else None
        done = done_up_to(schedule, record.done if record else None, scheduled_since, now)
        waiting = record.waiting if record else ()
        due_checks = [due for due in waiting if now >= due.next_check]
        same = record is not None and done == as_due_now(schedule, record.done)
        stored = record.done if record is not None and same else done
        schedule_state = _ScheduleState.of(record, stored, listed)
        if scheduled_since is not None:
            schedule_state.first_due = scheduled_since - delay_of(schedule)
        # Begun due times come first, so that a slow one does not delay all later ones.
        begins = len(due_checks) < _MOST_BEGUN
        dues = self._begun(pipeline, schedule_state, done.due) if begins else []
        ends = {due.ends for due in waiting}  # the clock may have been set back
        dues = [due for due in dues if due.ends not in ends]
        moved = record is None or schedule_state.done != record.done
        if not dues and not due_checks and not moved:
            return DueTimesResult()
        schedule_state.waiting = [due for due in waiting if now < due.next_check]
        # The runs first: their ids are derived from the window, so a repetition finds them.
        for due in as_they_begin(pipeline, [*due_checks, *dues]):
            self._deal(pipeline, due, schedule_state, until)
        try:
            self.context.ledger.schedules.put(
                pipeline.name, schedule_state.kept(), known.etag if known else None
            )
        except ConflictError:
            return DueTimesResult(tuple(schedule_state.opened))  # another worker was as fast
        more = any(due.next_check <= now for due in schedule_state.waiting)
        return DueTimesResult(tuple(schedule_state.opened), more)

    def _begun(
        self, pipeline: Pipeline, schedule_state: _ScheduleState, done: datetime
    ) -> list[PendingDueTime]:
        """Return the due times that begin now, and note that they did."""
        schedule, until = pipeline.schedule, min(done, schedule_state.first_due or done)
        if schedule is None:
            return []
        before = to_backfill(pipeline, schedule_state.backfilled_from, until)
        if isinstance(schedule, Recurrence) and schedule.backfill and schedule.start is not None:
            since = schedule_state.backfilled_from or schedule.start
            schedule_state.backfilled_from = min(since, schedule.start)
        new = to_start(pipeline, done, self.context.clock.now())
        if new:
            end = window_of(schedule, new[-1]).end
            schedule_state.done = Done(new[-1], end if begins_windows(schedule) else None)
            if pipeline.uses_windows:
                _log_left_out(pipeline, schedule, done, new[0])
        return [self._first_check(pipeline, schedule, at) for at in (*before, *new)]

    def _first_check(self, pipeline: Pipeline, schedule: Schedule, at: datetime) -> PendingDueTime:
        waits, begin = pipeline.wait_for_data, at + delay_of(schedule)
        until = begin + waits.at_most if waits else begin
        if not (pipeline.uses_windows or begins_windows(schedule)):
            return PendingDueTime(at=at, next_check=begin, until=until)
        window = window_of(schedule, at)
        return PendingDueTime(
            at=at, next_check=begin, until=until, start=window.start, end=window.end
        )

    def _deal(
        self,
        pipeline: Pipeline,
        due: PendingDueTime,
        schedule_state: _ScheduleState,
        until: datetime,
    ) -> None:
        now, most = self.context.clock.now(), self.most - len(schedule_state.opened)
        if most <= 0 or now >= until:
            schedule_state.waiting.append(due)
            return
        window = due.window or window_at(pipeline, due.at)
        try:
            here = pipeline.in_window(window)
        except ValueError as exc:
            log.error("pipeline %s: due at %s, no run: %s", pipeline.name, due.at, exc)
            return
        blobs = self._listed(here, schedule_state)
        last_check = self._is_last_check(pipeline, due)
        only_new = pipeline.skip_if_no_new_data or not last_check

        def had(blob: BlobVersion, run_id: str) -> bool:
            return only_new and self._had_run(here, blob, run_id, due, schedule_state)

        part = DueTimePart(blobs, due.after, until, most)
        begun = self.requests.due(pipeline, window, part, had)
        schedule_state.opened += begun.opened
        for run in begun.runs:
            if run.newest is not None:
                known = TrainedData(bytes_id=_bytes_of(here, run.newest), due=due.at)
                schedule_state.trained[names.digest("key", *run.key)] = known
        counts = {
            "opened": due.opened + len(begun.runs),
            "without": due.without + begun.without,
            "failed": due.failed + begun.failed,
        }
        due = due.evolve(**counts)
        if begun.after is not None:
            next_check = now + _SOON if begun.failed else now
            schedule_state.waiting.append(due.evolve(after=begun.after, next_check=next_check))
        elif (again := self._again(pipeline, due, last_check=last_check)) is not None:
            schedule_state.waiting.append(again)
        elif due.without and not due.opened:
            first = schedule_state.first_due
            _log_due(here, due, of_before=first is not None and due.at < first)

    def _listed(self, here: Pipeline, state: _ScheduleState) -> Mapping[str, Newest | None]:
        """Return the newest data of each key, of a pipeline as it is in one window."""
        where = f"{here.name} {here.data.blob if here.data else ''}"
        if where not in state.listed:
            state.listed[where] = self.requests.by_key(here)
        blobs = state.listed[where]
        state.keys |= blobs.keys()
        return blobs

    def _is_last_check(self, pipeline: Pipeline, due: PendingDueTime) -> bool:
        return pipeline.wait_for_data is None or self.context.clock.now() >= due.until

    def _again(
        self, pipeline: Pipeline, due: PendingDueTime, *, last_check: bool
    ) -> PendingDueTime | None:
        """Return when to check the keys once more; None: the due time is done."""
        now, waits = self.context.clock.now(), pipeline.wait_for_data
        anew = {"after": "", "opened": 0, "without": 0, "failed": 0, "failing_since": None}
        if due.failed:
            since = due.failing_since or now
            if now - since < _FAILING:
                again = {**anew, "failing_since": since, "next_check": now + _AGAIN}
                return due.evolve(**again)
            what = f"pipeline {pipeline.name}: due at {due.at.isoformat()}, "
            what += counted(due.failed, "run")
            log.error("%s could not be opened for a day: given up", what)
        # Whose data a window will have is known only when it is there.
        may_come = due.without or (pipeline.uses_windows and pipeline.key_tokens)
        if may_come and waits is not None and not last_check:
            return due.evolve(**anew, next_check=min(now + waits.every, due.until))
        return None

    def _had_run(
        self,
        pipeline: Pipeline,
        blob: BlobVersion,
        run_id: str,
        due: PendingDueTime,
        schedule_state: _ScheduleState,
    ) -> bool:
        key, same = key_of(pipeline, blob.name), _bytes_of(pipeline, blob)
        trained = schedule_state.trained.get(names.digest("key", *key))
        if trained is not None and trained.bytes_id == same:
            return trained.due != due.at
        version = version_id(pipeline.name, blob)
        entry = self.context.ledger.versions.entry(version)
        if entry is None:
            return self.context.ledger.inbox.has(key, pipeline.name, version)  # it will have one
        return not entry.is_old and entry.run_id != run_id


def _bytes_of(pipeline: Pipeline, blob: BlobVersion) -> str:
    """Return a digest of these bytes; a metadata-only update changes only the ETag."""
    if blob.content_md5 is None and not pipeline.trusts_size:
        return version_id(pipeline.name, blob)
    created, size = blob.created.isoformat(), str(blob.size)
    return names.digest(blob.container, blob.name, created, size, blob.content_md5 or "")


def _log_left_out(pipeline: Pipeline, schedule: Schedule, after: datetime, first: datetime) -> None:
    left = dues_between(schedule, after, just_before(first), _MOST_BEGUN)
    if left:
        log.warning(
            "pipeline %s: %s before the one due at %s had no run and get none, as catch_up says; "
            "a manual run with `due` trains one",
            pipeline.name,
            counted(len(left), "window"),
            first.isoformat(),
        )


def _log_due(pipeline: Pipeline, due: PendingDueTime, *, of_before: bool) -> None:
    at = due.at.isoformat()
    if pipeline.skip_if_no_new_data:
        log.info("pipeline %s: due at %s, and there is no new data: skipped", pipeline.name, at)
        return
    where = pipeline.data.blob if pipeline.data else ""
    what = f"pipeline {pipeline.name}: due at {at}, and no blob matches {where}"
    if of_before:  # nobody waits for the data of up to a thousand windows at once
        log.warning("%s: a window from before the schedule was seen, skipped", what)
        return
    report(Alert.NO_DATA, what, pipeline=pipeline.name)
