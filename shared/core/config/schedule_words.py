"""Says in plain words when a schedule is due, what it waits for, and which windows come next.

All times are in UTC. The HTTP API, `relearn validate` and the importer's report use the same words.
"""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import product
from typing import Final

from shared.core.config.ncrontab import MONTHS, WEEKDAYS, Ncrontab, parsed
from shared.core.config.problems import Mistake
from shared.core.config.schedule import (
    Recurrence,
    Schedule,
    delay_of,
    due_after,
    due_at_or_before,
)
from shared.core.config.types import show_duration
from shared.core.config.windows import Window, upcoming
from shared.core.counting import counted

_DAY: Final = timedelta(days=1)
_EVERY_DAY: Final = tuple(range(1, 32))
_EVERY_MONTH: Final = tuple(range(1, 13))
_WEEK: Final = 7
#: Far from both ends of the calendar.
_ANY_TIME: Final = datetime(2001, 1, 1, tzinfo=UTC)
#: The days that every month has.
_LEAST_DAYS: Final = 28
#: From this many values in a row on, only the first and the last are named.
_A_RANGE: Final = 3
#: Times of a day that are named one by one.
_MOST_NAMED: Final = 4
_UNITS: Final = {"Minute": timedelta(minutes=1), "Hour": timedelta(hours=1)}


@dataclass(frozen=True, slots=True)
class NextWindow:
    """A window that is still to come."""

    start: datetime
    end: datetime
    due: datetime
    begins: datetime | None  #: when its run begins; None: no run begins while it is paused

    def __str__(self) -> str:
        begins = f"a run begins {moment(self.begins)}" if self.begins else "no run begins: paused"
        return f"{window_words(self)}; {begins}"


def moment(at: datetime, zone: str = " UTC") -> str:
    """Return a time as people read it, such as `2026-01-05 03:00 UTC`.

    Args:
        at: the time, in UTC.
        zone: what follows it.
    """
    seconds = ":%S" if at.second else ""
    return f"{at.year:04}-{at:%m-%d %H:%M}{at.strftime(seconds)}{zone}"


def window_words(window: Window | NextWindow) -> str:
    """Return a window as people read it, such as `2026-01-05 00:00 to 2026-01-12 00:00 UTC`."""
    return span_words(window.start, window.end)


def span_words(start: datetime, end: datetime) -> str:
    """Return a span of time as people read it.

    Args:
        start: its start, in UTC.
        end: its end.
    """
    return f"{moment(start, zone='')} to {moment(end)}"


def words_of(schedule: Schedule) -> str:
    """Return a schedule in words: how often, when its runs begin, its active period, its pause."""
    if isinstance(schedule, str):
        often = _often_of(parsed(schedule))
        return f"{often}; a run begins then, and its window is the time since the due time before"
    parts = [_often(schedule), f"a run begins {_begins(schedule)}"]
    if schedule.start or schedule.end:
        parts.append(f"active {_period(schedule)}")
    if schedule.backfill:
        parts.append("windows of the active period that passed before get runs too")
    if schedule.paused:
        parts.append("paused")
    return "; ".join(parts)


def window_lines(schedule: Schedule, now: datetime, most: int = 10) -> list[NextWindow]:
    """Return the windows whose runs have not begun yet, in order.

    None: the active period is over; `what_it_waits_for` says so. Those of a paused schedule are
    returned too, as windows that begin no run.

    Args:
        schedule: the schedule of the pipeline.
        now: the present moment.
        most: how many windows to return.
    """
    paused = is_paused(schedule)
    return [
        NextWindow(one.start, one.end, one.due, None if paused else _begin_of(schedule, one.due))
        for one in upcoming(schedule, now, most)
    ]


def what_it_waits_for(schedule: Schedule, now: datetime) -> str:
    """Return what must happen before the schedule opens its next run, in words.

    Args:
        schedule: the schedule of the pipeline.
        now: the present moment.
    """
    if isinstance(schedule, Recurrence) and schedule.end and is_over(schedule, now):
        over = f"its active period was over at {moment(schedule.end)}"
        return f"nothing: {over}, no window follows{_past(schedule)}"
    if is_paused(schedule):
        return "an operator: the schedule is paused, no run begins before `paused` is removed"
    following = window_lines(schedule, now, 1)
    if not following:
        return "nothing: no due time follows"
    window = following[0]
    of = f"for the window {window_words(window)}"
    begins = window.begins or window.due
    delay = delay_of(schedule)
    if window.due <= now:
        return (
            f"its delay of {show_duration(delay)}: it was due {moment(window.due)}, and a run "
            f"begins {moment(begins)}, {of}"
        )
    later = f", a run begins {show_duration(delay)} later" if delay else ""
    due = f"its due time {moment(window.due)}{later}, {of}"
    first = schedule.start if isinstance(schedule, Recurrence) else None
    if first and window.due < first:  # its run does not wait for the start of the period
        return f"{due}, in which its active period begins, {moment(first)}"
    if first and now < first:
        return f"its active period, from {moment(first)} on, and {due}"
    return due


def hint_of(schedule: Schedule | None, now: datetime) -> Mistake | None:
    """Return what an operator should know of a schedule that opens no run; None: it opens runs.

    Args:
        schedule: the schedule of the pipeline.
        now: the present moment.
    """
    if not isinstance(schedule, Recurrence):
        return None
    if schedule.end and is_over(schedule, now):
        over = f"its active period was over at {moment(schedule.end)}"
        what = f"{over}, so that no window follows{_past(schedule)}"
        return Mistake(what, "write a later `end`, or remove the schedule")
    if schedule.paused:
        what = "it is paused, so that no due time opens a run"
        return Mistake(what, "remove `paused`, and catch_up decides what passed")
    return None


def _past(schedule: Recurrence) -> str:
    """Return what becomes of the windows of an active period that is over; empty: nothing."""
    runs = schedule.backfill and not schedule.paused
    return "; windows of the past get runs (`backfill`)" if runs else ""


def is_paused(schedule: Schedule) -> bool:
    """Whether the file says that no due time opens a run."""
    return isinstance(schedule, Recurrence) and schedule.paused


def is_over(schedule: Schedule, now: datetime) -> bool:
    """Whether the last window of the active period has passed, with its delay.

    Args:
        schedule: the schedule of the pipeline.
        now: the present moment.
    """
    ends = isinstance(schedule, Recurrence) and schedule.end is not None
    return ends and not upcoming(schedule, now, 1)


def _begin_of(schedule: Schedule, due: datetime) -> datetime:
    last = datetime.max.replace(tzinfo=UTC)
    return due + min(delay_of(schedule), last - due)


def _period(schedule: Recurrence) -> str:
    if schedule.start and schedule.end:
        return f"from {span_words(schedule.start, schedule.end)}"
    if schedule.start:
        return f"from {moment(schedule.start)} on"
    return f"until {moment(schedule.end)}" if schedule.end else ""


def _begins(schedule: Recurrence) -> str:
    which = "end" if schedule.style == "EndOfInterval" else "start"
    if schedule.delay:
        return f"{show_duration(schedule.delay)} after the {which} of its window"
    return f"at the {which} of its window"


def _often(schedule: Recurrence) -> str:
    unit, number = schedule.frequency.lower(), schedule.interval
    every = f"every {unit}" if number == 1 else f"every {counted(number, unit)}"
    if schedule.frequency == "Month":
        return f"{every}, {_in_month(schedule)}{_counted_from(schedule)}"
    first = _boundary(schedule)
    clock = _clock(_of_day(first))
    if schedule.frequency == "Week":
        return f"{every}, from {_weekday(first)} {clock} UTC{_counted_from(schedule)}"
    if schedule.frequency == "Day":
        return f"{every}, from {clock} UTC{_counted_from(schedule)}"
    step = _UNITS[schedule.frequency] * number
    if _DAY % step:
        return f"{every}, counted from {moment(first)}"
    return f"{every}{_from(_of_day(first) % step, number)}"


def _in_month(schedule: Recurrence) -> str:
    offset = schedule.offset
    if timedelta() <= offset < _LEAST_DAYS * _DAY:
        day, rest = divmod(offset, _DAY)
        return f"from day {day + 1}, {_clock(rest)} UTC"
    side = "before" if offset < timedelta() else "after"
    return f"from {show_duration(abs(offset))} {side} day 1, 00:00 UTC"


def _counted_from(schedule: Recurrence) -> str:
    """Return the boundary that several units are counted from; nothing is to say of one."""
    return f", counted from {moment(_boundary(schedule))}" if schedule.interval > 1 else ""


def _boundary(schedule: Recurrence) -> datetime:
    """Return a due time near the anchor, or another one where the calendar has none there."""
    for moment in (schedule.anchor, _ANY_TIME):
        with suppress(OverflowError):
            near = due_at_or_before(schedule, moment + max(schedule.offset, timedelta()))
            return near or due_after(schedule, moment + abs(schedule.offset))
    return schedule.anchor


def _often_of(found: Ncrontab) -> str:
    when, which = _times(found), _days(found)
    if when.startswith("at "):
        return f"{which or 'every day'} {when}"
    return f"{when}, {which}" if which else when


def _times(found: Ncrontab) -> str:
    hours, minutes, seconds = found.times
    all_hours, all_minutes = hours == tuple(range(24)), minutes == tuple(range(60))
    if len(hours) * len(minutes) * len(seconds) <= _MOST_NAMED:
        named = [_clock(_time(*one)) for one in product(hours, minutes, seconds)]
        return f"at {_and(named)} UTC"
    first = _time(hours[0], minutes[0], seconds[0])
    if len(seconds) == 1 and all_hours and (step := _step(minutes, 60)):
        return f"{_every(step, 'minute')}{_from(first, step)}"
    if len(seconds) == len(minutes) == 1 and (step := _step(hours, 24)):
        return f"{_every(step, 'hour')}{_from(first, step)}"
    if all_hours and all_minutes and (step := _step(seconds, 60)):
        return _every(step, "second")
    if len(seconds) == 1 and (step := _step(minutes, 60)) and hours == _range_of(hours):
        last = _clock(_time(hours[-1], minutes[-1], seconds[0]))
        return f"{_every(step, 'minute')} from {_clock(first)} to {last} UTC"
    parts = (("hour", hours, 24), ("minute", minutes, 60), ("second", seconds, 60))
    named = [f"the {name} is {_values(values, total)}" for name, values, total in parts]
    return f"where {_and(named)} (UTC)"


def _days(found: Ncrontab) -> str:
    weekdays = sorted((number - 1) % _WEEK for number in found.weekdays)
    every_weekday, every_day = len(weekdays) == _WEEK, found.days == _EVERY_DAY
    of_weekdays = _names(weekdays, [*WEEKDAYS[1:], WEEKDAYS[0]])
    months = _names([month - 1 for month in found.months], MONTHS)
    of_month = f"of {months}" if found.months != _EVERY_MONTH else "of every month"
    in_months = f" of {months}" if found.months != _EVERY_MONTH else ""
    if every_day and every_weekday:
        return f"every day{in_months}" if in_months else ""
    if every_day:
        each = f"every {of_weekdays}" if len(weekdays) == 1 else of_weekdays
        return f"{each}{in_months}"
    days = f"day {_or_range([str(day) for day in found.days], found.days)} {of_month}"
    return f"on {days}" if every_weekday else f"on each {of_weekdays} that is {days}"


def _from(first: timedelta, step: int) -> str:
    """Return where a step begins in the day; nothing is to say of each whole hour or minute."""
    return f", from {_clock(first)} UTC" if step > 1 or first else ""


def _every(step: int, unit: str) -> str:
    return f"every {unit}" if step == 1 else f"every {counted(step, unit)}"


def _step(values: Sequence[int], total: int) -> int:
    """Return the step of values that follow each other evenly, also from one round to the next."""
    step = values[1] - values[0] if len(values) > 1 else 0
    even = step and total % step == 0 and list(values) == list(range(values[0], total, step))
    return step if even and values[0] < step else 0


def _range_of(values: Sequence[int]) -> tuple[int, ...]:
    return tuple(range(values[0], values[-1] + 1))


def _values(values: Sequence[int], total: int) -> str:
    return "any" if len(values) == total else _or_range([str(one) for one in values], values)


def _names(numbers: Sequence[int], names: Sequence[str]) -> str:
    return _or_range([names[number] for number in numbers], numbers)


def _or_range(shown: Sequence[str], numbers: Sequence[int]) -> str:
    """Return values one by one, or the first and the last of three and more in a row."""
    if len(numbers) >= _A_RANGE and tuple(numbers) == _range_of(numbers):
        return f"{shown[0]} to {shown[-1]}"
    return _and(shown)


def _and(parts: Sequence[str]) -> str:
    *head, last = parts
    return f"{', '.join(head)} and {last}" if head else last


def _weekday(at: datetime) -> str:
    return WEEKDAYS[at.isoweekday() % _WEEK]


def _of_day(at: datetime) -> timedelta:
    return _time(at.hour, at.minute, at.second)


def _time(hour: int, minute: int, second: int) -> timedelta:
    return timedelta(hours=hour, minutes=minute, seconds=second)


def _clock(time: timedelta) -> str:
    """Return a time of the day, such as `03:00`."""
    minutes, second = divmod(round(time.total_seconds()), 60)
    hour, minute = divmod(minutes, 60)
    return f"{hour:02}:{minute:02}" + (f":{second:02}" if second else "")
