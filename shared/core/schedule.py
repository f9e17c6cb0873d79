"""Due times of schedules: NCRONTAB as Azure Functions timers read it, or a recurrence; in UTC."""

import re
from datetime import UTC, datetime, timedelta
from typing import Final

from croniter import CroniterBadDateError, croniter

from shared.core.recurrence import Recurrence, due_after, due_at_or_before

#: The text is an NCRONTAB of six fields.
Schedule = str | Recurrence

_FIELDS: Final = 6
#: A longer one takes longer to read than it is worth.
_LONGEST: Final = 200
_ITEM: Final = r"(?:\*|\d{1,4}|[A-Za-z]{3})"
_FIELD: Final = re.compile(rf"{_ITEM}(?:[-/,]{_ITEM})*")


def checked_schedule(text: str) -> str:
    """Return `text` when it is a schedule that fires at all.

    Raises:
        ValueError: it is none; the message shows how one is written.
    """
    fields = text.split()
    known = len(text) <= _LONGEST and all(map(_FIELD.fullmatch, fields))
    if len(fields) != _FIELDS or not known:
        raise ValueError(
            "not a schedule: six fields {second} {minute} {hour} {day} {month} {day of week}, "
            'for example "0 0 3 * * 1" for Mondays at 03:00 UTC'
        )
    try:
        _walk(text, datetime(2026, 1, 1, tzinfo=UTC)).get_next(datetime)
    except (ValueError, KeyError) as exc:
        raise ValueError(f"not a schedule that ever fires: {exc}") from None
    return text


def last_due(schedule: str, now: datetime) -> datetime:
    """Return the newest due time of `schedule` that is not after `now`."""
    if croniter.match(schedule, now, day_or=False, second_at_beginning=True):
        return now.replace(microsecond=0)
    due: datetime = _walk(schedule, now).get_prev(datetime)
    return due


def last_due_of(schedule: Schedule, now: datetime) -> datetime | None:
    """Return the newest due time that is not after `now`, in UTC; None: there is none."""
    if isinstance(schedule, Recurrence):
        return due_at_or_before(schedule, now)
    try:
        return last_due(schedule, now.astimezone(UTC))
    except CroniterBadDateError:
        return None


def next_due_of(schedule: Schedule, now: datetime) -> datetime | None:
    """Return the first due time after `now`, in UTC; None: there is none that can be told."""
    try:
        if isinstance(schedule, Recurrence):
            return due_after(schedule, now)
        due: datetime = _walk(schedule, now.astimezone(UTC)).get_next(datetime)
    except (CroniterBadDateError, OverflowError):
        return None
    return due


def dues_between(schedule: Schedule, after: datetime, until: datetime, most: int) -> list[datetime]:
    """Return the newest at most `most` due times after `after` and not after `until`, in order.

    Walks backwards, so that it costs as much after years as after a minute.
    """
    found: list[datetime] = []
    while len(found) < most:
        due = last_due_of(schedule, until)
        if due is None or due <= after:
            break
        found.append(due)
        until = due - timedelta(microseconds=1)
    return found[::-1]


def _walk(schedule: str, start: datetime) -> croniter:
    # NCRONTAB wants both the day and the day of week to fit; cron wants either.
    return croniter(schedule, start, second_at_beginning=True, day_or=False)
