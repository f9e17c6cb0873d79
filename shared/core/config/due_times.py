"""The due times of a schedule: up to which it is done, which wait, and which must start now."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from pydantic import AwareDatetime

from shared.core.config.pipeline import Pipeline
from shared.core.config.schedule import (
    Recurrence,
    Schedule,
    begins_windows,
    delay_of,
    due_at_or_before,
    dues_between,
    just_before,
)
from shared.core.config.windows import Window, window_of
from shared.core.frozen import FrozenModel, left_out

#: A due time that is noticed within this long was not missed.
ON_TIME: Final = timedelta(minutes=10)
_EARLIEST: Final = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Done:
    """Up to which due time a schedule is done.

    A due time is the end of its window or its start, and a schedule may change that. So where it
    is the start, the end is known too: no window is done twice, and none is left out.
    """

    due: datetime
    end: datetime | None = None  #: of its window, where the due time is the start of it


class PendingDueTime(FrozenModel):
    """A due time that is being dealt with, or that came before its data."""

    at: AwareDatetime
    next_check: AwareDatetime
    until: AwareDatetime
    after: str = ""  #: the last key of the last call; the next call continues after it
    opened: int = 0  #: keys that have their run, of those before `after`
    without: int = 0  #: keys without data of their own for it
    failed: int = 0  #: keys whose run could not be opened
    failing_since: AwareDatetime | None = None  #: since when a key's run cannot be opened
    start: AwareDatetime | None = left_out()  #: of its window, where its runs have one
    end: AwareDatetime | None = left_out()

    @property
    def ends(self) -> datetime:
        """When its window ends, by which its runs are named."""
        return self.end or self.at

    @property
    def window(self) -> Window | None:
        """Its window, which stays the same when the schedule changes; None: it is not kept."""
        if self.start is None or self.end is None:
            return None
        return Window(self.start, self.end, self.at)


def to_start(pipeline: Pipeline, since: datetime, now: datetime) -> list[datetime]:
    """Return the due times that are to be started now, in order.

    Args:
        pipeline: the pipeline, with its schedule.
        since: only due times after this count.
        now: the present time.
    """
    if pipeline.schedule is None:
        return []
    come = now - delay_of(pipeline.schedule)
    if pipeline.catch_up == "none":
        since = max(since, come - ON_TIME)
    most = pipeline.catch_up_most if pipeline.catch_up == "all" else 1
    return dues_between(pipeline.schedule, since, come, most)


def done_up_to(
    schedule: Schedule, known: Done | None, scheduled_since: datetime | None, now: datetime
) -> Done:
    """Return up to which due time a schedule is done: not before it existed.

    Args:
        schedule: as it is configured now.
        known: what the ledger says; None: there is no record.
        scheduled_since: since when there is this schedule; None where that is not known.
        now: the present time.
    """
    delay = delay_of(schedule)
    first = scheduled_since - delay if scheduled_since else None
    if known is None:
        return _of(schedule, first or now - delay - ON_TIME)
    if known.due > now + ON_TIME:
        return _of(schedule, now - delay)  # it was done by a host whose clock was ahead
    done = as_due_now(schedule, known)
    return done if first is None or first <= done.due else _of(schedule, first)


def to_backfill(pipeline: Pipeline, since: datetime | None, until: datetime) -> list[datetime]:
    """Return the due times from before Relearn saw the schedule that are to be started, in order.

    Args:
        pipeline: the pipeline, with its schedule.
        since: since when due times were backfilled before; None: none were.
        until: the newest that counts. An active period that begins later has none before it.
    """
    schedule = pipeline.schedule
    if not isinstance(schedule, Recurrence) or not schedule.backfill or schedule.start is None:
        return []
    if since is not None and since <= schedule.start:
        return []
    # The active period says where they begin.
    until = until if since is None else min(since, until)
    return dues_between(schedule, _EARLIEST, until, pipeline.catch_up_most)


def _of(schedule: Schedule, due: datetime) -> Done:
    return Done(due, due if begins_windows(schedule) else None)


def as_due_now(schedule: Schedule, known: Done) -> Done:
    """Return what is known with a due time as the schedule has it now.

    The end of a window that began lately is still to come. So it is not stored as a due time:
    it would look as if a host whose clock was ahead had done it.

    Args:
        schedule: as it is configured now.
        known: what the ledger says.
    """
    if begins_windows(schedule) == (known.end is not None):
        return known
    if known.end is not None:
        return Done(known.end if _is_window(schedule, known.due, known.end) else known.due)
    if not isinstance(schedule, Recurrence):
        return known
    end = due_at_or_before(schedule, known.due) or known.due
    start = due_at_or_before(schedule, just_before(end)) or end
    return Done(start, known.due)


def _is_window(schedule: Schedule, start: datetime, end: datetime) -> bool:
    """Whether these times are still the start and the end of a window."""
    return window_of(schedule, end) == Window(start, end, end)


def as_they_begin(pipeline: Pipeline, dues: list[PendingDueTime]) -> list[PendingDueTime]:
    """Return due times in the order in which their runs are to begin.

    The poll may come between two of them, and begins the first run that is there.

    Args:
        pipeline: as it is configured now.
        dues: the earliest first.
    """
    newest_first = pipeline.uses_windows and pipeline.order == "newest_first"
    return sorted(dues, key=lambda due: due.at, reverse=True) if newest_first else dues


def window_at(pipeline: Pipeline, due: datetime) -> Window:
    """Return the window of a due time that was begun without one.

    Args:
        pipeline: as it is configured now.
        due: the due time.
    """
    if pipeline.schedule is None or not pipeline.uses_windows:
        return Window(due, due, due)  # only its end matters
    return window_of(pipeline.schedule, due)
