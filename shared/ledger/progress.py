"""The progress of the work of timers: one record for each kind of work.

* `poll`, `tick`   the last tick of the poll, and of the timer for schedules
* `rotation`   which pipeline's due times are first in the next tick
* `last_event`   the last event by which the way of events was tried
* `undelivered`   how many messages and events were given up when that was last looked at
* `search`, `search_models`   how far the search for lost events is
"""

from pydantic import AwareDatetime, Field

from shared.core.frozen import FrozenModel, RecordModel


class Rotation(RecordModel):
    """Which one is first, where the last round had no time for all."""

    first: str = ""


class SearchState(RecordModel):
    """How far a search for blobs that no event announced has got: for data, or for models."""

    started_at: AwareDatetime  #: of the search under way, or of the last one
    since: AwareDatetime | None = None  #: what changed before was checked by an earlier one
    cursor: str | None = None  #: the page where it continues; None: the first one
    checked_to: str = ""  #: the last blob of that page that was checked; empty: none was
    complete: bool = False
    checked: int = 0  #: blobs that were looked up
    found: int = 0  #: data versions that no event had announced
    unread: tuple[str, ...] = ()  #: names that could not be looked up; each is tried again
    again: tuple[str, ...] = ()  #: those of the search before that are still to be tried
    completed_at: AwareDatetime | None = None
    wanted_from: AwareDatetime | None = None
    """Search again at once from that time on: the pipelines file was changed."""
    at_once: bool = False  #: whether this search is such a one: no event is waited for


class Heartbeat(RecordModel):
    """The last tick of the poll."""

    at: AwareDatetime
    checked: int
    open: int
    parked: int = 0  #: how many of the open runs were parked when the tick listed them
    missing: int = 0  #: how many of the app's containers did not exist when that was last checked
    resume_after: str = ""  #: the open run that the tick stopped at, for want of time
    next_batch_key: dict[str, str] = Field(default_factory=dict)
    """Pipeline -> the key whose waiting data the next tick reads first."""


class LastEvent(RecordModel):
    """The last event of a blob that was written to see that its event arrives."""

    at: AwareDatetime
    blob: str
    function: str  #: the trigger that got it


class PoisonQueue(FrozenModel):
    """A queue of messages that could not be handled."""

    account: str
    name: str
    messages: int


class Undelivered(RecordModel):
    """What was given up: by the app after several tries, or by Event Grid."""

    at: AwareDatetime
    poison: tuple[PoisonQueue, ...] = ()  #: those that exist
    dead_letters: int | None = None  #: None: there is no container for them
    reported_at: AwareDatetime | None = None  #: when the last alert was raised


class Tick(RecordModel):
    """A late tick of the timer for schedules."""

    at: AwareDatetime
