"""Due times of schedules: NCRONTAB as Azure Functions timers read it, or a recurrence; in UTC."""

from datetime import datetime, timedelta

from shared.core.config.ncrontab import checked, parsed
from shared.core.config.problems import WrongValueError
from shared.core.config.recurrence import Recurrence, due_after, due_at_or_before

#: The text is an NCRONTAB of six fields, or of five.
Schedule = str | Recurrence


def checked_schedule(text: str) -> str:
    """Return `text` when it is a schedule that fires at all.

    Raises:
        ValueError: it is none; the message names the field, and says what to write.
    """
    try:
        return checked(text)
    except ValueError as exc:
        raise WrongValueError("not a schedule", str(exc)) from None


def hints_of(schedule: Schedule | None) -> tuple[str, ...]:
    """Return what a schedule does that its writer may not expect."""
    return parsed(schedule).hints if isinstance(schedule, str) else ()


def last_due_of(schedule: Schedule, now: datetime) -> datetime | None:
    """Return the newest due time that is not after `now`, in UTC; None: there is none.

    Args:
        schedule: the schedule of the pipeline.
        now: the present moment.
    """
    if isinstance(schedule, Recurrence):
        return due_at_or_before(schedule, now)
    return parsed(schedule).at_or_before(now)


def next_due_of(schedule: Schedule, now: datetime) -> datetime | None:
    """Return the first due time after `now`, in UTC; None: none is known.

    Args:
        schedule: the schedule of the pipeline.
        now: the present moment.
    """
    if isinstance(schedule, str):
        return parsed(schedule).after(now)
    try:
        return due_after(schedule, now)
    except OverflowError:
        return None


def dues_between(schedule: Schedule, after: datetime, until: datetime, most: int) -> list[datetime]:
    """Return the newest at most `most` due times after `after` and not after `until`, in order.

    The search goes backwards, so that it costs as much after years as after a minute.

    Args:
        schedule: the schedule of the pipeline.
        after: the moment before the first due time.
        until: the last moment that counts.
        most: how many due times to return.
    """
    found: list[datetime] = []
    while len(found) < most:
        due = last_due_of(schedule, until)
        if due is None or due <= after:
            break
        found.append(due)
        until = due - timedelta.resolution
    return found[::-1]
