"""Opens the runs of due times: each at most once, and fairly to all pipelines.

Each call opens a part of what one pipeline has to open; then the next pipeline follows.
When time runs out, the ledger keeps the next pipeline, so that any worker continues there.
"""

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from shared.core import names
from shared.core.blobs import BlobVersion
from shared.core.config.pipeline import Pipeline
from shared.core.config.schedule import dues_between
from shared.core.counting import counted
from shared.core.data_version import key_of
from shared.core.versions import Newest, version_id
from shared.errors import ConflictError, CorruptRecordError, RelearnError
from shared.execution.context import Context
from shared.intake.catalogue import Catalogue
from shared.intake.eligibility import Activations
from shared.intake.requests import DueTimePart, Requests
from shared.ledger.progress import Rotation
from shared.ledger.schedules import PendingDueTime, ScheduleRecord, TrainedData
from shared.ledger.store import Stored
from shared.telemetry import Alert, log, report

#: A due time that is noticed within this long was not missed.
_ON_TIME: Final = timedelta(minutes=10)
#: A run that could not be opened is tried again so often, and for so long.
_SOON: Final = timedelta(minutes=1)
_AGAIN: Final = timedelta(minutes=5)
_FAILING: Final = timedelta(days=1)
#: No new due times are begun while so many are not done.
_MOST_BEGUN: Final = 1000


#: The newest data of each key, by the name of the pipeline.
Listed = dict[str, Mapping[str, Newest | None]]


def to_start(pipeline: Pipeline, since: datetime, now: datetime) -> list[datetime]:
    """Return the due times that are to be started now, in order.

    Args:
        pipeline: the pipeline, with its schedule.
        since: only due times after this count.
        now: the present time.
    """
    if pipeline.schedule is None:
        return []
    if pipeline.catch_up == "none":
        since = max(since, now - _ON_TIME)
    most = pipeline.catch_up_most if pipeline.catch_up == "all" else 1
    return dues_between(pipeline.schedule, since, now, most)


@dataclass(slots=True)
class _ScheduleState:
    """The state of a pipeline's due times during one call."""

    last_due: datetime
    trained: dict[str, TrainedData]
    waiting: list[PendingDueTime] = field(default_factory=list)
    opened: list[str] = field(default_factory=list)  #: runs, by this call
    blobs: Mapping[str, Newest | None] = field(default_factory=dict)

    def kept(self) -> ScheduleRecord:
        return ScheduleRecord(
            last_due=self.last_due,
            trained=self.trained,
            waiting=tuple(sorted(self.waiting, key=lambda due: due.at)),
        )


@dataclass(frozen=True, slots=True)
class DueTimesResult:
    """The result of one call for a pipeline."""

    opened: tuple[str, ...] = ()  #: runs that are new
    more: bool = False  #: whether there is more to open now


@dataclass(frozen=True, slots=True)
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
        listed: Listed,
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
        now, known = self.context.clock.now(), self.context.ledger.schedules.read(pipeline.name)
        since = self._since(known.record if known else None, scheduled_since)
        waiting = known.record.waiting if known else ()
        due_checks = [due for due in waiting if now >= due.next_check]
        # Begun due times come first, so that a slow one does not delay all later ones.
        dues = to_start(pipeline, since, now) if len(due_checks) < _MOST_BEGUN else []
        moved = known is None or since != known.record.last_due
        if not dues and not due_checks and not moved:
            return DueTimesResult()
        schedule_state = _ScheduleState(since, dict(known.record.trained) if known else {})
        schedule_state.waiting = [due for due in waiting if now < due.next_check]
        if dues or due_checks:
            if pipeline.name not in listed:
                listed[pipeline.name] = self.requests.by_key(pipeline)
            schedule_state.blobs = listed[pipeline.name]
        # The runs first: their ids are derived from the due time, so a repetition finds them.
        for due in [*due_checks, *(self._first_check(pipeline, at) for at in dues)]:
            self._deal(pipeline, due, schedule_state, until)
            schedule_state.last_due = max(schedule_state.last_due, due.at)
        if schedule_state.blobs and not schedule_state.waiting:  # past keys are needed no more
            schedule_state.trained = {
                k: known for k, known in schedule_state.trained.items() if k in schedule_state.blobs
            }
        try:
            self.context.ledger.schedules.put(
                pipeline.name, schedule_state.kept(), known.etag if known else None
            )
        except ConflictError:
            return DueTimesResult(tuple(schedule_state.opened))  # another worker was as fast
        more = any(due.next_check <= now for due in schedule_state.waiting)
        return DueTimesResult(tuple(schedule_state.opened), more)

    def _since(self, known: ScheduleRecord | None, scheduled_since: datetime | None) -> datetime:
        """Return since when due times count: not before this schedule existed."""
        now = self.context.clock.now()
        since = scheduled_since or (now - _ON_TIME if known is None else known.last_due)
        if known is None:
            return since
        if known.last_due > now + _ON_TIME:
            return now  # it was done by a host whose clock was ahead
        return max(since, known.last_due)

    def _first_check(self, pipeline: Pipeline, at: datetime) -> PendingDueTime:
        waits = pipeline.wait_for_data
        return PendingDueTime(at=at, next_check=at, until=at + waits.at_most if waits else at)

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
        last_check = self._is_last_check(pipeline, due)
        only_new = pipeline.skip_if_no_new_data or not last_check

        def had(blob: BlobVersion, run_id: str) -> bool:
            return only_new and self._had_run(pipeline, blob, run_id, due, schedule_state)

        begun = self.requests.due(
            pipeline, due.at, DueTimePart(schedule_state.blobs, due.after, until, most), had
        )
        schedule_state.opened += begun.opened
        for run in begun.runs:
            if run.newest is not None:
                known = TrainedData(bytes_id=_bytes_of(pipeline, run.newest), due=due.at)
                schedule_state.trained[names.digest("key", *run.key)] = known
        counts = {
            "opened": due.opened + len(begun.runs),
            "without": due.without + begun.without,
            "failed": due.failed + begun.failed,
        }
        due = due.evolve(**counts)
        if begun.after is not None:
            next_check = now + _SOON if begun.failed else now
            stopped = {"after": begun.after, "next_check": next_check}
            schedule_state.waiting.append(due.evolve(**stopped))
        elif (again := self._again(pipeline, due, last_check=last_check)) is not None:
            schedule_state.waiting.append(again)
        elif due.without and not due.opened:
            _log_due(pipeline, due)

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
        if due.without and waits is not None and not last_check:
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
    """Return a digest of these bytes; a metadata-only update changes the ETag alone."""
    if blob.content_md5 is None and not pipeline.trusts_size:
        return version_id(pipeline.name, blob)
    created, size = blob.created.isoformat(), str(blob.size)
    return names.digest(blob.container, blob.name, created, size, blob.content_md5 or "")


def _log_due(pipeline: Pipeline, due: PendingDueTime) -> None:
    at = due.at.isoformat()
    if pipeline.skip_if_no_new_data:
        log.info("pipeline %s: due at %s, and there is no new data: skipped", pipeline.name, at)
        return
    where = pipeline.data.blob if pipeline.data else ""
    report(
        Alert.NO_DATA,
        f"pipeline {pipeline.name}: due at {at}, and no blob matches {where}",
        pipeline=pipeline.name,
    )


@dataclass(frozen=True, slots=True)
class Schedules:
    """The due times of all pipelines. Safe for any number of workers at once."""

    context: Context
    catalogue: Catalogue
    activations: Activations
    due_times: DueTimes

    def open_due(self, until: datetime) -> list[str]:
        """Open the runs whose due times have come, and return their ids; none is advanced.

        Args:
            until: when no further run may be opened.
        """
        pipelines = sorted(self.catalogue.scheduled(), key=lambda one: one.name)
        if not pipelines:
            return []
        stored = self._rotation()
        first = stored.record.first if stored else ""
        at = next((at for at, one in enumerate(pipelines) if one.name >= first), 0)
        order = deque(pipelines[at:] + pipelines[:at])
        opened: list[str] = []
        listed: Listed = {}
        while order and self.context.clock.now() < until:
            pipeline = order.popleft()
            started = self._start(pipeline, until, listed)
            opened += started.opened
            if started.more:
                order.append(pipeline)
        following = order[0].name if order else ""
        if following != first:
            self._keep(following, stored)
        return opened

    def _start(self, pipeline: Pipeline, until: datetime, listed: Listed) -> DueTimesResult:
        try:
            since = self.activations.scheduled_since(pipeline.name)
            return self.due_times.start(pipeline, since, until, listed)
        except RelearnError as exc:
            log.error("pipeline %s: its schedule must wait: %s", pipeline.name, exc)
            return DueTimesResult()

    def _rotation(self) -> Stored[Rotation] | None:
        try:
            return self.context.ledger.rotation.read()
        except CorruptRecordError as exc:
            log.error("%s", exc)  # it only says which pipeline is first
        except RelearnError as exc:
            log.warning("it is not known whose due times are first: %s", exc)
        return None

    def _keep(self, first: str, stored: Stored[Rotation] | None) -> None:
        try:
            etag = stored.etag if stored else None
            self.context.ledger.rotation.put(Rotation(first=first), etag)
        except ConflictError:
            return  # another worker stored it: both are right
        except RelearnError as exc:
            log.warning("whose due times are first is not kept: %s", exc)
