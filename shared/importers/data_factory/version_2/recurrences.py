"""Reads the recurrence of a trigger, by the clock of its time zone."""

from collections.abc import Container
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from tzlocal.windows_tz import win_tz

from shared.importers.data_factory.account import Element
from shared.importers.data_factory.values import FOREVER, verbatim, written

WEEKDAYS: Final = ("MON", "TUE", "WED", "THU", "FRI", "SAT", "SUN")
#: The longest interval that a trigger has.
_LONGEST: Final = 1000
_MONTHS: Final = 12
FREQUENCIES: Final = ("Minute", "Hour", "Day", "Week", "Month")
_MONTH_DAYS: Final = frozenset({*range(-31, 0), *range(1, 32)})
_OCCURRENCES: Final = range(-5, 6)
#: Members of `schedule` that only one frequency may have.
_FREQUENCY_OF: Final = {"weekDays": "Week", "monthDays": "Month", "monthlyOccurrences": "Month"}
#: The keys below `schedule`.
SCHEDULE: Final = ("hours", "minutes", *_FREQUENCY_OF)


@dataclass(frozen=True, slots=True)
class Zone:
    """A time zone of a trigger: its standard time is what its due times are written by."""

    tz: tzinfo = UTC
    standard: timedelta = timedelta()
    differs: str = ""  #: how its due times differ from those in UTC
    known: bool = True

    def utc(self, local: datetime) -> datetime:
        """Return a time by the zone's standard clock, in UTC."""
        return (local - self.standard).replace(tzinfo=UTC)


def zone_of(name: str, now: datetime) -> Zone:
    """Return the time zone of a name: one of Windows, or one of the IANA data base.

    Args:
        name: as the trigger has it.
        now: the present moment; whether there is summer time follows from its year.
    """
    folded = name.strip().casefold()
    if folded in ("", "utc"):
        return Zone()
    known = next((iana for windows, iana in win_tz.items() if windows.casefold() == folded), name)
    try:
        tz = ZoneInfo(known.strip())
    except (ZoneInfoNotFoundError, ValueError, OSError):
        text = f"the time zone {name} is unknown, and its times are read as UTC"
        return Zone(differs=text, known=False)
    moments = (datetime(now.year, month, 1, tzinfo=tz) for month in (1, 7))
    offsets = sorted(moment.utcoffset() or timedelta() for moment in moments)
    differs = ""
    if offsets[0] != offsets[1]:
        later = written(offsets[1] - offsets[0])
        differs = (
            f"due times are in UTC, by the standard time of {name}: while summer time lasts there, "
            f"a run begins {later} later by the clock than in the factory"
        )
    return Zone(tz, offsets[0], differs)


@dataclass(frozen=True, slots=True)
class TriggerRecurrence:
    """What `recurrence` of a trigger says, in the time of its zone."""

    frequency: str
    interval: int
    start: datetime  #: by the clock of the zone, without a zone
    instant: datetime  #: the same, in UTC
    zone: Zone
    hours: tuple[int, ...] = ()
    minutes: tuple[int, ...] = ()
    weekdays: tuple[int, ...] = ()  #: Monday is 0
    month_days: tuple[int, ...] = ()
    occurrences: tuple[tuple[int, int], ...] = ()  #: day of the week, and which one; 0: each
    wrong: tuple[str, ...] = ()  #: what cannot be read of it, or contradicts itself

    @property
    def is_plain(self) -> bool:
        """Whether it has no `schedule`, so that it is due at each interval from its start."""
        return not any((self.hours, self.minutes, self.weekdays, self.month_days, self.occurrences))


def recurrence_of(element: Element, start: datetime | None, zone: Zone) -> TriggerRecurrence:
    """Return what a `recurrence` says; what is wrong in it is replaced and named.

    Args:
        element: the recurrence; what it holds is not taken.
        start: its `startTime`, with or without a zone; None where it cannot be read.
        zone: its time zone.
    """
    reader = _Reader(element)
    frequency, interval = reader.every()
    begin = start or datetime(2001, 1, 1, tzinfo=zone.tz)  # a Monday
    local = begin.astimezone(zone.tz).replace(tzinfo=None) if begin.tzinfo else begin
    return TriggerRecurrence(
        frequency,
        interval,
        local,
        local.replace(tzinfo=zone.tz).astimezone(UTC),
        zone,
        reader.numbers("hours", range(24)),
        reader.numbers("minutes", range(60)),
        reader.weekdays(),
        reader.numbers("monthDays", _MONTH_DAYS),
        reader.occurrences(),
        tuple(reader.wrong),
    )


class _Reader:
    """Reads the keys of a recurrence, and collects what is wrong."""

    def __init__(self, element: Element) -> None:
        self._element, self._schedule = element, element.get("schedule")
        self.wrong: list[str] = []
        if not isinstance(self._schedule.value or {}, dict):
            self.wrong.append(unread(element, "schedule"))

    def every(self) -> tuple[str, int]:
        """Return the frequency and the interval; years are months."""
        frequency = self._element.get("frequency").peek().capitalize()
        interval = interval_of(self._element.get("interval"))
        if interval is None:
            self.wrong.append(unread(self._element, "interval"))
        factor = _MONTHS if frequency == "Year" else 1
        frequency = "Month" if frequency == "Year" else frequency
        if frequency not in FREQUENCIES:
            self.wrong.append(unread(self._element, "frequency"))
            frequency = "Day"
        self._compare(frequency)
        return frequency, (interval or 1) * factor

    def _compare(self, frequency: str) -> None:
        """Compare the keys of `schedule` with the frequency, and with each other."""
        for key, of in _FREQUENCY_OF.items():
            if self._schedule.get(key).list() and of != frequency:
                self.wrong.append(f"schedule.{key} does not go with frequency {frequency}")
        if self._schedule.get("monthDays").list() and self._schedule.get("monthlyOccurrences"):
            self.wrong.append("schedule has both monthDays and monthlyOccurrences")

    def numbers(self, key: str, allowed: Container[int]) -> tuple[int, ...]:
        """Return the numbers of a key, in order.

        Args:
            key: below `schedule`.
            allowed: the numbers that there can be.
        """
        found = [_number(one.value) for one in self._schedule.get(key).list()]
        return tuple(sorted(set(self._right(key, found, allowed))))

    def weekdays(self) -> tuple[int, ...]:
        """Return the days of the week, in order."""
        found = [_weekday(one.value) for one in self._schedule.get("weekDays").list()]
        return tuple(sorted(set(self._right("weekDays", found, range(7)))))

    def occurrences(self) -> tuple[tuple[int, int], ...]:
        """Return days such as the second Monday of a month; each Monday has the number 0."""
        found = []
        for one in self._schedule.get("monthlyOccurrences").list():
            number = one.get("occurrence")
            which = _number(number.value) if number else 0
            day = [_weekday(one.get("day").value)]
            days = self._right("monthlyOccurrences", day, range(7))
            if self._right("monthlyOccurrences", [which], _OCCURRENCES):
                found += [(day, which or 0) for day in days]
        return tuple(found)

    def _right(self, key: str, found: list[int | None], allowed: Container[int]) -> list[int]:
        """Return the values that can be, and note a key that has others.

        Args:
            key: below `schedule`.
            found: its values; None for one that cannot be read.
            allowed: the values that there can be.
        """
        right = [one for one in found if one is not None and one in allowed]
        text = f"schedule.{unread(self._schedule, key)}"
        if len(right) < len(found) and text not in self.wrong:
            self.wrong.append(text)
        return right


def unread(element: Element, key: str) -> str:
    """Return that a key says nothing that a schedule can take, with what it says.

    Args:
        element: that may have the key.
        key: its name.
    """
    said = element.get(key)
    if not isinstance(element.value, dict):
        return f"{key}: `{verbatim(element.value)}` cannot be read"
    return f"{key} `{verbatim(said.value)}` cannot be read" if said else f"there is no {key}"


def interval_of(element: Element) -> int | None:
    """Return how many units an interval has, 1 by default; None: it cannot be read."""
    number = _number(element.value) if element else 1
    return number if number is not None and 1 <= number <= _LONGEST else None


def _number(value: object) -> int | None:
    try:
        return int(str(value).strip().removesuffix(".0"))
    except ValueError:
        return None


def _weekday(value: object) -> int | None:
    text = str(value).strip().upper()[:3]
    return WEEKDAYS.index(text) if text in WEEKDAYS else None


def time_of(element: Element) -> datetime | None:
    """Return a time of a trigger: in UTC if it is written with a zone, otherwise without one.

    None: it is none. One of the last year of the calendar is never, and no later than its second
    day.
    """
    try:
        at = datetime.fromisoformat(element.peek())
    except ValueError:
        return None
    if at.year >= FOREVER:
        at = datetime(FOREVER, 1, 2, tzinfo=at.tzinfo)
    if at.year == 1:  # what .NET has for a time that is not set
        return None
    return at.astimezone(UTC) if at.tzinfo else at
