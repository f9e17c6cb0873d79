"""NCRONTAB as the library NCrontab of Azure Functions timers reads it; in UTC.

Its rules differ from cron's: day and day of week must both fit; names may be cut short
(`Tues`, `Janu`); a range whose ends are the wrong way round is turned (`SAT-MON` is Monday to
Saturday); Sunday is 0 and never 7; five fields have no seconds, and mean second 0.
"""

import re
from calendar import monthrange
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from typing import Final

from shared.core.config.problems import WrongValueError

_LONGEST: Final = 200
_MOST_NUMBER: Final = 2**31 - 1
MONTHS: Final = (
    *("January", "February", "March", "April", "May", "June", "July", "August", "September"),
    *("October", "November", "December"),
)
WEEKDAYS: Final = (*("Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"),)
_LEAP_YEAR: Final = 2024
_FORM: Final = (
    "write {second} {minute} {hour} {day} {month} {day of week}, "
    'for example "0 0 3 * * 1" for Mondays at 03:00 UTC'
)
#: What other tools write, and what says the same here.
_OTHERS: Final = (
    (r".*\?.*", "? is of Quartz", "write *"),
    (r".*#.*", "# is of Quartz", "write both day and day of week: 1-7 and MON for a first Monday"),
    (r"(?:.*\d|L)?W", "W is of Quartz", "write days of the week, as 1-5"),
    (
        r"L|L-\d+|(?:\d+|[A-Z]{3})L",
        "L is of Quartz",
        "a schedule {frequency: Month, offset: -24h} is due on the last day",
    ),
    (r"[RH](?:/.*|\(.*)?", "a random time has no due time", "write a number"),
)


@dataclass(frozen=True, slots=True)
class _Field:
    name: str
    least: int
    most: int
    names: tuple[str, ...] = ()


_FIELDS: Final = (
    _Field("second", 0, 59),
    _Field("minute", 0, 59),
    _Field("hour", 0, 23),
    _Field("day", 1, 31),
    _Field("month", 1, 12, MONTHS),
    _Field("day of week", 0, 6, WEEKDAYS),
)


@dataclass(frozen=True, slots=True)
class Ncrontab:
    """The values of each field, in order; and what a reader may not expect of them."""

    times: tuple[tuple[int, ...], ...]  #: hours, minutes, seconds
    days: tuple[int, ...]
    months: tuple[int, ...]
    weekdays: frozenset[int]
    hints: tuple[str, ...]

    @property
    def fires(self) -> bool:
        """Whether there is a day that it ever fires on."""
        return any(self.days[0] <= monthrange(_LEAP_YEAR, month)[1] for month in self.months)

    def after(self, moment: datetime) -> datetime | None:
        """Return the first due time after `moment`; None: there is none in the calendar."""
        try:
            start = moment.astimezone(UTC) + timedelta(seconds=1)
        except OverflowError:
            return None
        return self._nearest(start, ahead=True)

    def at_or_before(self, moment: datetime) -> datetime | None:
        """Return the newest due time that is not after `moment`; None: there is none."""
        return self._nearest(moment.astimezone(UTC), ahead=False)

    def _nearest(self, start: datetime, *, ahead: bool) -> datetime | None:
        first = start.date()
        for day in self._dates(first, ahead=ahead):
            bound = (start.hour, start.minute, start.second) if day == first else None
            time = _nearest_of(self.times, bound, ahead=ahead)
            if time is not None:
                hour, minute, second = time
                return datetime(day.year, day.month, day.day, hour, minute, second, tzinfo=UTC)
        return None

    def _dates(self, start: date, *, ahead: bool) -> Iterator[date]:
        """Yield the days that fit, from `start` on, the nearest first."""
        step = 1 if ahead else -1
        last = date.max if ahead else date.min
        for year in range(start.year, last.year + step, step):
            for month in self.months[::step]:
                if year == start.year and (month < start.month if ahead else month > start.month):
                    continue
                for number in self.days[::step]:
                    try:
                        day = date(year, month, number)
                    except ValueError:
                        continue
                    if (day >= start if ahead else day <= start) and self._on(day):
                        yield day

    def _on(self, day: date) -> bool:
        return day.isoweekday() % 7 in self.weekdays


def _nearest_of(
    levels: Sequence[tuple[int, ...]], bound: tuple[int, ...] | None, *, ahead: bool
) -> tuple[int, ...] | None:
    """Return the combination of values, one of each level, that is nearest to `bound`.

    Args:
        levels: the values of each level in order, the weightiest level first.
        bound: what it must not be before (or after); None: any is fine.
        ahead: whether to find the first one at or after `bound`, or the last one before.
    """
    if not levels:
        return ()
    values, *rest = levels
    for value in values if ahead else values[::-1]:
        if bound is not None and (value < bound[0] if ahead else value > bound[0]):
            continue
        held = bound[1:] if bound is not None and value == bound[0] else None
        inner = _nearest_of(rest, held, ahead=ahead)
        if inner is not None:
            return (value, *inner)
    return None


@lru_cache(maxsize=1024)
def parsed(text: str) -> Ncrontab:
    """Return a schedule.

    Raises:
        ValueError: it is none; the message names the field, and says what to write.
    """
    written = text.split(" ") if len(text) <= _LONGEST else []
    parts = [part for part in written if part]
    if len(parts) == 1 and ":" in text:
        raise WrongValueError("a TimeSpan works on App Service plans only", _FORM)
    if any(part.split() != [part] for part in parts):
        raise WrongValueError(
            "fields are separated only by blanks, not by tabs or line breaks", "write blanks"
        )
    if len(parts) == len(_FIELDS) + 1:
        raise WrongValueError("seven fields", "NCRONTAB knows no year, remove the last field")
    if len(parts) not in (len(_FIELDS) - 1, len(_FIELDS)):
        raise WrongValueError("not six fields", _FORM)
    if len(parts) < len(_FIELDS):
        parts.insert(0, "0")
    hints: list[str] = []
    second, minute, hour, day, month, weekday = _fields(parts, hints)
    if len(second) == len(range(60)):
        hints.insert(0, "second: it fires every second, write 0 there for once a minute")
    return Ncrontab((hour, minute, second), day, month, frozenset(weekday), tuple(hints))


def checked(text: str) -> str:
    """Return `text` when it is a schedule that fires at all.

    Raises:
        ValueError: it is none, or never fires; the message says what to write.
    """
    if not parsed(text).fires:
        raise WrongValueError(
            "it never fires, because no such month has such a day", "write another day"
        )
    return text


def _fields(parts: Sequence[str], hints: list[str]) -> Iterator[tuple[int, ...]]:
    """Return the values of all fields; one error names everything that is wrong."""
    found, wrong = [], []
    for field, part in zip(_FIELDS, parts, strict=True):
        try:
            found.append(_values(field, part, hints))
        except ValueError as exc:
            wrong.append(str(exc))
    if wrong:
        raise ValueError("; ".join(wrong))
    return iter(found)


def _values(field: _Field, text: str, hints: list[str]) -> tuple[int, ...]:
    found: set[int] = set()
    for item in text.split(",") if text.find(",") > 0 else [text]:
        try:
            found.update(_item(field, item, hints))
        except ValueError as exc:
            raise WrongValueError(field.name, str(exc)) from None
    return tuple(sorted(found))


def _item(field: _Field, text: str, hints: list[str]) -> range:
    """Return the values of one element of a list."""
    body, slash, step = text, "", ""
    if text.find("/") > 0:
        body, slash, step = text.partition("/")
    every = _step(step, text) if slash else 1
    if body == "*":
        first, last = field.least, field.most
    elif body.find("-") > 0:
        ends = body.partition("-")
        first, last = _value(field, ends[0]), _value(field, ends[2])
        if first > last:
            first, last = last, first
            hints.append(f"{field.name}: {text} is read from {first} to {last}, lower end first")
    else:
        first = _value(field, body)
        last = field.most if slash else first
    for value in (first, last):
        if not field.least <= value <= field.most:
            raise _outside(field, value)
    if slash and every > last - first:
        hints.append(
            f"{field.name}: {text} fires only at {first}, because steps begin anew each time: "
            "for longer intervals write {frequency: Minute, interval: 90} or the like"
        )
    return range(first, last + 1, max(1, every))


def _step(step: str, text: str) -> int:
    if not re.fullmatch(r"[+-]?[0-9]+", step) or abs(int(step)) > _MOST_NUMBER:
        raise WrongValueError(f"{text} has a step that is not a number", "write it like */5")
    return int(step)


def _outside(field: _Field, value: int) -> WrongValueError:
    if value == len(WEEKDAYS):  # every other field has it
        return WrongValueError("7 is unknown", "write 0 for Sunday")
    what = f"{value} is not within {field.least} to {field.most}"
    return WrongValueError(what, "write one that is")


def _value(field: _Field, text: str) -> int:
    if re.fullmatch(r"[0-9]+", text):
        return min(int(text), _MOST_NUMBER)
    if text:
        for at, name in enumerate(field.names):
            if name.lower().startswith(text.lower()):
                return at + field.least
    for form, what, advice in _OTHERS:
        if re.fullmatch(form, text, re.IGNORECASE):
            raise WrongValueError(f"{what}, and unknown here", advice)
    names = f", or {field.names[0]} to {field.names[-1]}" if field.names else ""
    shown = f"{text} is" if text.isascii() and text else "that is"
    raise WrongValueError(
        f"{shown} not a value",
        f"write * or {field.least} to {field.most}{names}, "
        "with , between several, - for a range and / for steps",
    )
