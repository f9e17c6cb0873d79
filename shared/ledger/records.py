"""What the ledger keeps besides runs, heads, slots and watches: its small records, typed."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final, Generic, TypeVar

from pydantic import AwareDatetime, Field

from shared.core.blobs import BlobVersion
from shared.core.config.pipeline import Pipeline
from shared.core.frozen import FrozenModel, RecordModel
from shared.ports.storage import ETag, Listed


class Record(RecordModel):
    """A small record of the ledger: frozen, complete, of a known schema version."""


#: Why a version opened no run: it was there before its pipeline was.
OLD: Final = "old"
#: Why a version waits that no event or search could tell of.
APPEARED: Final = "found by the daily listing"


class VersionEntry(Record):
    """A data version that was seen: with the run it opened, or the reason why it opened none."""

    pipeline: str
    blob: BlobVersion
    run_id: str | None
    note: str = ""
    in_batch: bool = False  #: claimed for a run that takes all that waited; its record follows
    deleted_run: str | None = None  #: the run that it opened, once its record was forgotten

    @property
    def taken_by(self) -> str | None:
        """The run that took it, whether its record is still there or not."""
        return self.run_id or self.deleted_run

    @property
    def is_old(self) -> bool:
        """Whether it is only known as older than its pipeline: a backfill or rename may take it."""
        return self.run_id is None and self.note == OLD

    def without_run(self) -> "VersionEntry":
        """Return the entry once its run is forgotten: known, and the run is not opened anew."""
        note = f"run {self.run_id}, whose record was forgotten"
        changes = {"run_id": None, "deleted_run": self.run_id, "note": note}
        return self.evolve(**changes)


class Activation(Record):
    """When a pipeline was first known; older blobs are not news to it."""

    activated_at: AwareDatetime
    backfilled_at: AwareDatetime | None = None  #: when older blobs were taken, where they are
    backfilled_to: str = ""  #: up to this name they were, where that takes several calls


class KeptConfiguration(Record):
    """The last configuration of a pipeline that had no error, probe rows included."""

    pipeline: Pipeline
    recorded_at: AwareDatetime  #: since when it is configured like this
    scheduled_since: AwareDatetime  #: since when it has this schedule; no earlier time is due


class PendingDueTime(FrozenModel):
    """A due time that is being dealt with, or that came before its data."""

    at: AwareDatetime
    next_check: AwareDatetime
    until: AwareDatetime
    after: str = ""  #: the key where the last call stopped; it goes on behind it
    opened: int = 0  #: keys that have their run, of those before `after`
    without: int = 0  #: keys without data of their own for it
    failed: int = 0  #: keys whose run could not be opened
    failing_since: AwareDatetime | None = None  #: since when a key's run cannot be opened


class ScheduleRecord(Record):
    """The newest due time of a schedule that was dealt with, and those that wait for data."""

    last_due: AwareDatetime
    waiting: tuple[PendingDueTime, ...] = ()
    trained: dict[str, str] = Field(default_factory=dict)  #: key -> bytes and due time


class Rotation(Record):
    """Whose turn it is first, where the last round had no time for all."""

    first: str = ""


class SearchState(Record):
    """How far a search for blobs that no event announced has got: for data, or for models."""

    started_at: AwareDatetime  #: of the sweep under way, or of the last one
    since: AwareDatetime | None = None  #: what changed before was looked at by an earlier one
    cursor: str | None = None  #: the page where it goes on; None: the first one
    checked_to: str = ""  #: the last blob of that page that was looked at; empty: none was
    complete: bool = False
    checked: int = 0  #: blobs that were looked up
    found: int = 0  #: data versions that no event had announced
    unread: tuple[str, ...] = ()  #: names that could not be looked up: each is tried again alone
    again: tuple[str, ...] = ()  #: those of the sweep before that are still to be tried
    completed_at: AwareDatetime | None = None
    wanted_from: AwareDatetime | None = None
    """Search again at once for what changed since then: the pipelines file was changed."""
    at_once: bool = False  #: whether this search is such a one: no event is waited for


class Heartbeat(Record):
    """The last tick of the poll."""

    at: AwareDatetime
    checked: int
    open: int
    parked: int = 0  #: how many of the open runs were parked when the tick listed them
    missing: int = 0  #: how many of the app's containers did not exist when that was last checked
    resume_after: str = ""  #: the open run that the tick stopped at, for want of time
    next_batch_key: dict[str, str] = Field(default_factory=dict)
    """Pipeline -> the key whose waiting data is looked at first by the next tick."""


class Tick(Record):
    """A late tick of the timer for schedules."""

    at: AwareDatetime


R = TypeVar("R", bound=RecordModel)


@dataclass(frozen=True, slots=True)
class Stored(Generic[R]):
    """A record with the version it was read at, and its age by the storage's clock."""

    record: R
    etag: ETag
    age: timedelta = timedelta()


@dataclass(frozen=True, slots=True)
class Marker:
    """An open run as the listing shows it."""

    run_id: str
    etag: ETag
    modified: datetime
    hints: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class DueDriftCheck:
    """A watch over an endpoint as the listing shows it."""

    drift_check_id: str
    due: datetime
    host: str = ""  #: that a look calls, as far as it is known
    silent: bool = False  #: whether the last look got no answer


@dataclass(frozen=True, slots=True)
class InboxEntry:
    """A data version that waits in the inbox."""

    pipeline: str
    version_id: str
    blob: BlobVersion
    pointer: Listed
    returned_by: str | None = None  #: the run that was to train on it and did not
    appeared: bool = False  #: the full listing found it: it appeared with an old time

    @property
    def seen_at(self) -> datetime:
        """When the app first saw it, by the storage's clock."""
        return self.pointer.modified
