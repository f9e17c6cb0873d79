"""What the recurrence of a trigger says, by the clock of its time zone."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from tzlocal.windows_tz import win_tz

from shared.importers.data_factory.account import Element
from shared.importers.data_factory.values import written

WEEKDAYS: Final = ("MON", "TUE", "WED", "THU", "FRI", "SAT", "SUN")
#: The longest interval that a schedule of Relearn has.
_LONGEST: Final = 100_000
FREQUENCIES: Final = ("Minute", "Hour", "Day", "Week", "Month", "Year")


@dataclass(frozen=True, slots=True)
class Zone:
    """A time zone of a trigger: its standard time is what its due times are written by."""

    tz: tzinfo = UTC
    standard: timedelta = timedelta()
    differs: str = ""  #: how its due times differ from those in UTC

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
        return Zone(differs=f"the time zone {name} is not known, and its times are read as UTC")
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
class Recurrence:
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

    @property
    def is_plain(self) -> bool:
        """Whether it has no `schedule`, so that it is due at each interval from its start."""
        return not any((self.hours, self.minutes, self.weekdays, self.month_days, self.occurrences))


def recurrence_of(element: Element, start: datetime | None, zone: Zone) -> Recurrence | None:
    """Return what a `recurrence` says; None: its frequency is not known.

    Args:
        element: the recurrence; what it holds is not taken.
        start: its `startTime`, with or without a zone; None where it cannot be read.
        zone: its time zone.
    """
    said = element.get("frequency")
    frequency = said.peek().capitalize()
    if frequency not in FREQUENCIES:
        return None
    begin = start or datetime(2001, 1, 1, tzinfo=zone.tz)  # a Monday
    local = begin.astimezone(zone.tz).replace(tzinfo=None) if begin.tzinfo else begin
    interval = element.get("interval")
    return Recurrence(
        frequency,
        interval_of(interval),
        local,
        local.replace(tzinfo=zone.tz).astimezone(UTC),
        zone,
        _numbers(element.get("schedule", "hours"), 0, 23),
        _numbers(element.get("schedule", "minutes"), 0, 59),
        _days(element.get("schedule", "weekDays")),
        tuple(day for day in _numbers(element.get("schedule", "monthDays"), -31, 31) if day),
        _occurrences(element.get("schedule", "monthlyOccurrences")),
    )


def interval_of(element: Element) -> int:
    """Return how many units an interval has, as far as Relearn takes so many; 1 by default."""
    return min(max(1, _number(element.value) or 1), _LONGEST)


def _number(value: object) -> int | None:
    try:
        return int(str(value).strip())
    except ValueError:
        return None


def _numbers(element: Element, least: int, most: int) -> tuple[int, ...]:
    found = [_number(one.value) for one in element.list()]
    return tuple(sorted({one for one in found if one is not None and least <= one <= most}))


def _weekday(value: object) -> int | None:
    text = str(value).strip().upper()[:3]
    return WEEKDAYS.index(text) if text in WEEKDAYS else None


def _days(element: Element) -> tuple[int, ...]:
    found = [_weekday(one.value) for one in element.list()]
    return tuple(sorted({one for one in found if one is not None}))


def _occurrences(element: Element) -> tuple[tuple[int, int], ...]:
    found = []
    for one in element.list():
        day = _weekday(one.get("day").value)
        if day is not None:
            found.append((day, _number(one.get("occurrence").value) or 0))
    return tuple(found)


def time_of(element: Element) -> datetime | None:
    """Return a time of a trigger, with a zone if it is written with one; None: it is none."""
    try:
        return datetime.fromisoformat(element.peek())
    except ValueError:
        return None
