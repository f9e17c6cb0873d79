"""Starts what schedules ask for: each due time at most once, also after a long downtime."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from shared.asked import Asked
from shared.context import Context, log
from shared.core import names
from shared.core.blobs import BlobVersion
from shared.core.pipeline import Pipeline
from shared.core.schedule import dues_between
from shared.errors import Conflict
from shared.gathering import key_of
from shared.journal import Event, report
from shared.records import Due, DueTime

#: A due time that is noticed within this long was not missed.
_ON_TIME: Final = timedelta(minutes=10)


def to_start(pipeline: Pipeline, since: datetime, now: datetime) -> list[datetime]:
    """Return the due times after `since` that are to be started now, in order."""
    if pipeline.schedule is None:
        return []
    if pipeline.catch_up == "none":
        since = max(since, now - _ON_TIME)
    most = pipeline.catch_up_most if pipeline.catch_up == "all" else 1
    return dues_between(pipeline.schedule, since, now, most)


@dataclass(slots=True)
class _Books:
    """What is known of a pipeline's due times while they are dealt with."""

    last_due: datetime
    trained: dict[str, str]
    waiting: list[Due] = field(default_factory=list)

    def kept(self) -> DueTime:
        return DueTime(
            last_due=self.last_due,
            trained=self.trained,
            waiting=tuple(self.waiting),
        )


@dataclass(frozen=True, slots=True)
class DueTimes:
    """Due times are counted from the ledger, not from ticks; run ids are derived from them."""

    context: Context
    asked: Asked

    def start(self, pipeline: Pipeline, scheduled_since: datetime | None, until: datetime) -> None:
        """Open the runs of the due times that have come, and of those whose data has.

        Args:
            pipeline: whose schedule it is.
            scheduled_since: since when it has this schedule; None where that is not known.
            until: when no further run may be begun.

        Raises:
            TransientError: storage does not work now, or time is up; the next tick goes on.
        """
        now, known = self.context.clock.now(), self.context.ledger.last_due(pipeline.name)
        since = self._since(known.record if known else None, scheduled_since)
        waiting = known.record.waiting if known else ()
        dues = to_start(pipeline, since, now)
        looks = [due for due in waiting if now >= due.next_look]
        moved = known is None or since != known.record.last_due
        if not dues and not looks and not moved:
            return
        books = _Books(since, dict(known.record.trained) if known else {})
        books.waiting = [due for due in waiting if now < due.next_look]
        # The runs first: their ids are derived from the due time, so a repetition meets them.
        for due in looks:
            self._deal(pipeline, due, books, until)
        for at in dues:
            self._deal(pipeline, self._first_look(pipeline, at), books, until)
            books.last_due = at
        try:
            self.context.ledger.put_due_times(
                pipeline.name, books.kept(), known.etag if known else None
            )
        except Conflict:
            return  # another worker was as fast

    def _since(self, known: DueTime | None, scheduled_since: datetime | None) -> datetime:
        """Return since when due times count: never from before there was this schedule."""
        now = self.context.clock.now()
        since = scheduled_since or (now - _ON_TIME if known is None else known.last_due)
        if known is None:
            return since
        if known.last_due > now + _ON_TIME:
            return now  # it was dealt with by a host whose clock was ahead
        return max(since, known.last_due)

    def _first_look(self, pipeline: Pipeline, at: datetime) -> Due:
        waits = pipeline.wait_for_data
        return Due(at=at, next_look=at, until=at + waits.at_most if waits else at)

    def _deal(self, pipeline: Pipeline, due: Due, books: _Books, until: datetime) -> None:
        now, waits = self.context.clock.now(), pipeline.wait_for_data
        last_look = waits is None or now >= due.until
        only_new = pipeline.skip_if_no_new_data or not last_look

        def had(blob: BlobVersion, run_id: str) -> bool:
            return only_new and self._had_run(pipeline, blob, run_id, due, books)

        begun = self.asked.due(pipeline, due.at, until, had)
        for run in begun.runs:
            if run.newest is not None:
                known = f"{_bytes_of(pipeline, run.newest)} {due.at.isoformat()}"
                books.trained[names.digest("key", *run.key)] = known
        if begun.without and waits is not None and not last_look:
            next_look = min(now + waits.every, due.until)
            books.waiting.append(due.model_copy(update={"next_look": next_look}))
        elif begun.without and not begun.runs:
            _tell(pipeline, due)

    def _had_run(
        self, pipeline: Pipeline, blob: BlobVersion, run_id: str, due: Due, books: _Books
    ) -> bool:
        key, same = key_of(pipeline, blob.name), _bytes_of(pipeline, blob)
        trained = books.trained.get(names.digest("key", *key), "")
        if trained.partition(" ")[0] == same:
            return trained != f"{same} {due.at.isoformat()}"
        version = _version(pipeline, blob)
        entry = self.context.ledger.version(version)
        if entry is None:
            return self.context.ledger.in_inbox(key, pipeline.name, version)  # it will have one
        return entry.note != "old" and entry.run_id != run_id


def _bytes_of(pipeline: Pipeline, blob: BlobVersion) -> str:
    """Return what tells these bytes from others; a metadata write changes the ETag alone."""
    if blob.content_md5 is None:
        return _version(pipeline, blob)
    created, size = blob.created.isoformat(), str(blob.size)
    return names.digest(blob.container, blob.name, created, size, blob.content_md5)


def _version(pipeline: Pipeline, blob: BlobVersion) -> str:
    return names.version_id(pipeline.name, blob.container, blob.name, blob.etag)


def _tell(pipeline: Pipeline, due: Due) -> None:
    at = due.at.isoformat()
    if pipeline.skip_if_no_new_data:
        log.info("pipeline %s: due at %s, and there is no new data: skipped", pipeline.name, at)
        return
    where = pipeline.data.blob if pipeline.data else ""
    report(
        Event.NO_DATA,
        f"pipeline {pipeline.name}: due at {at}, and no blob matches {where}",
        pipeline=pipeline.name,
    )
