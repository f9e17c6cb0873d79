"""Due times of a schedule trigger as schedules of Relearn: recurrences, or NCRONTAB, in UTC.

A recurrence says one due time in each interval; NCRONTAB says several. What neither can say becomes
several schedules.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final

from shared.importers.data_factory.values import iso, written
from shared.importers.data_factory.version_2.recurrences import WEEKDAYS, Recurrence

Spec = dict[str, Any] | str
Time = tuple[int, int]  #: hour and minute
_DAY: Final = 24 * 60
_SHORTEST_MONTH: Final = 28
_LONGEST_MONTH: Final = 31
_MONTHS: Final = 12
#: A fifth weekday of a month is the last one there can be.
_FIFTH: Final = 5
#: More schedules than these are no help to a reader.
_MOST: Final = 12


def specs(recurrence: Recurrence) -> tuple[list[Spec], list[str]]:
    """Return the schedules that say the due times of a recurrence, and what differs.

    Args:
        recurrence: what a trigger says.
    """
    made = _Maker(recurrence)
    found: list[Spec] = []
    for spec in made.specs():
        found += [] if spec in found else [spec]
    if len(found) > _MOST:
        made.differs.append(f"only the first {_MOST} of {len(found)} due times are written")
    return found[:_MOST], list(dict.fromkeys(made.differs))


def plain(frequency: str, interval: int, start: datetime) -> dict[str, Any]:
    """Return the recurrence that is due at each interval from a time on.

    Args:
        frequency: Minute, Hour, Day, Week or Month.
        interval: how many of them.
        start: the first due time, in UTC.
    """
    midnight = start.replace(hour=0, minute=0, second=0, microsecond=0)
    anchor = midnight
    if frequency == "Hour":
        anchor = start.replace(minute=0, second=0, microsecond=0)
    elif frequency == "Minute":
        anchor = start.replace(second=0, microsecond=0)
    elif frequency == "Month":
        anchor = midnight.replace(day=1)
    made: dict[str, Any] = {"frequency": frequency, "interval": interval}
    if interval > 1 or frequency == "Week":
        made["anchor"] = iso(anchor)
    if start - anchor:
        made["offset"] = written(start - anchor)
    return made


class _Maker:
    """Makes the schedules of one recurrence."""

    def __init__(self, recurrence: Recurrence) -> None:
        self._said = recurrence
        self.differs: list[str] = []

    def specs(self) -> Iterator[Spec]:
        """Yield the schedules."""
        said = self._said
        fine = said.frequency in ("Minute", "Hour")
        if said.is_plain and fine:
            yield plain(said.frequency, said.interval, said.instant)
            return
        if said.zone.differs:
            self.differs.append(said.zone.differs)
        if said.is_plain and said.frequency in ("Day", "Week"):
            yield plain(said.frequency, said.interval, said.zone.utc(said.start))
        elif fine or said.frequency == "Day":
            yield from self._daily()
        elif said.frequency == "Week":
            yield from self._weekly()
        else:
            yield from self._monthly()

    def _times(self) -> dict[int, list[Time]]:
        """Return hours and minutes of the due times of a day in UTC, by the shift of the day."""
        said = self._said
        shift = round(said.zone.standard.total_seconds() / 60)
        found: dict[int, list[Time]] = defaultdict(list)
        for hour in said.hours or self._every("Hour", said.start.hour, 24):
            for minute in said.minutes or self._every("Minute", said.start.minute, 60):
                days, rest = divmod(hour * 60 + minute - shift, _DAY)
                found[days].append(divmod(rest, 60))
        return {days: sorted(times) for days, times in found.items()}

    def _every(self, unit: str, first: int, most: int) -> Iterable[int]:
        """Return the hours of a day, or the minutes of an hour, at which it is due."""
        said = self._said
        if said.frequency == "Minute" and unit == "Hour":
            return range(24)
        if said.frequency != unit:
            return (first,)
        if most % said.interval:
            self.differs.append(f"intervals of {said.interval} begin anew at each {unit.lower()} 0")
        return range(first % min(said.interval, most), most, min(said.interval, most))

    def _daily(self) -> Iterator[Spec]:
        said = self._said
        times = self._times()
        single = sum(map(len, times.values())) == 1
        coarse = said.interval > 1 and said.frequency == "Day"
        if said.weekdays and not coarse:
            for shift, at in times.items():
                yield from _crons(at, "*", "*", _names(said.weekdays, shift))
        elif single or coarse:
            for shift, group in times.items():
                first = said.start.date()
                yield from (plain("Day", said.interval, _at(first, shift, one)) for one in group)
        else:
            yield from _crons([one for group in times.values() for one in group], "*", "*", "*")

    def _weekly(self) -> Iterator[Spec]:
        said = self._said
        days = said.weekdays or (said.start.weekday(),)
        times = self._times()
        if said.interval > 1 or len(days) * sum(map(len, times.values())) == 1:
            for day in days:
                first = said.start.date() + timedelta(days=(day - said.start.weekday()) % 7)
                for shift, group in times.items():
                    yield from (plain("Week", said.interval, _at(first, shift, at)) for at in group)
            return
        for shift, group in times.items():
            yield from _crons(group, "*", "*", _names(days, shift))

    def _monthly(self) -> Iterator[Spec]:
        said = self._said
        months = self._months()
        times = self._times()
        for shift, group in times.items():
            if said.occurrences:
                yield from self._occurring(group, shift, months)
                continue
            days = said.month_days or (said.start.day,)
            listed = [day for day in days if day > 0 and day + shift > 0]
            exact = len(days) * sum(map(len, times.values())) == 1 and months != ""
            if exact and 0 < days[0] <= _SHORTEST_MONTH and said.frequency == "Month":
                listed = []
            for day in (day for day in days if day not in listed):
                yield from (self._in_month(day, shift, at) for at in group)
            if listed:
                if shift and max(listed) + shift >= _SHORTEST_MONTH:
                    self.differs.append("at the end of short months the day can differ by one")
                numbers = ",".join(str(min(_LONGEST_MONTH, day + shift)) for day in sorted(listed))
                yield from _crons(group, numbers, months, "*")

    def _months(self) -> str:
        """Return the months of an NCRONTAB."""
        said = self._said
        if said.frequency == "Year":
            if said.interval > 1:
                self.differs.append("it is due each year")
            return str(said.start.month)
        if said.interval == 1:
            return "*"
        if _MONTHS % said.interval:
            self.differs.append(f"an interval of {said.interval} months begins anew each year")
        step = min(said.interval, _MONTHS)
        months = sorted({(said.start.month - 1 + n) % _MONTHS + 1 for n in range(0, _MONTHS, step)})
        return ",".join(map(str, months))

    def _in_month(self, day: int, shift: int, at: Time) -> Spec:
        """Return the recurrence of one day of a month; a negative day counts from its end."""
        said = self._said
        month = date(said.start.year, said.start.month, 1)
        if day < -_SHORTEST_MONTH or day > _SHORTEST_MONTH:
            self.differs.append(f"in short months, day {day} is one of another month")
        made: dict[str, Any] = {"frequency": "Month", "interval": said.interval}
        if said.interval > 1:
            following = (month + timedelta(days=32)).replace(day=1)
            first = following if day < 0 else month
            made["anchor"] = iso(datetime(first.year, first.month, 1, tzinfo=UTC))
        days = (day if day < 0 else day - 1) + shift
        made["offset"] = written(timedelta(days=days, hours=at[0], minutes=at[1]))
        return made

    def _occurring(self, times: Sequence[Time], shift: int, months: str) -> Iterator[Spec]:
        """Yield the schedules of days such as the second Monday of a month."""
        by_number: dict[int, list[int]] = defaultdict(list)
        for day, number in self._said.occurrences:
            by_number[number].append(day)
        by_days: dict[tuple[int, ...], list[int]] = defaultdict(list)
        for number, days in by_number.items():
            by_days[tuple(sorted(set(days)))].append(number)
        for weekdays, numbers in by_days.items():
            ranges = [self._range(number, shift) for number in sorted(numbers)]
            fields = "*" if "*" in ranges else ",".join(ranges)
            yield from _crons(times, fields, months, _names(weekdays, shift))

    def _range(self, number: int, shift: int) -> str:
        """Return the days of a month that an occurrence of a weekday can be on."""
        if not number:
            return "*"
        if number < 0:
            from_start = max(1, _FIFTH + number)
            what = f"occurrence {number} of a weekday, from the end of a month, is read as"
            self.differs.append(f"{what} number {from_start} from its start")
            number = from_start
        first, last = 7 * number - 6 + shift, 7 * number + shift
        if first < 1 or (last > _LONGEST_MONTH and number < _FIFTH):
            self.differs.append("a due time just before or after a month is left out")
        return f"{max(1, first)}-{min(_LONGEST_MONTH, last)}"


def _at(day: date, shift: int, at: Time) -> datetime:
    moment = datetime(day.year, day.month, day.day, *at, tzinfo=UTC)
    return moment + timedelta(days=shift)


def _crons(times: Iterable[Time], days: str, months: str, weekdays: str) -> Iterator[str]:
    """Yield NCRONTABs of due times of a day; hours that have the same minutes share one.

    Args:
        times: hours and minutes, in UTC.
        days: the field for the days of a month.
        months: the field for the months.
        weekdays: the field for the days of a week.
    """
    minutes_of: dict[int, list[int]] = defaultdict(list)
    for hour, minute in sorted(set(times)):
        minutes_of[hour].append(minute)
    hours_of: dict[tuple[int, ...], list[int]] = defaultdict(list)
    for hour, minutes in minutes_of.items():
        hours_of[tuple(minutes)].append(hour)
    for same, hours in hours_of.items():
        fields = (_field(same, 60), _field(hours, 24), days, months, weekdays)
        yield " ".join(["0", *fields])


def _field(values: Sequence[int], most: int) -> str:
    return "*" if len(values) == most else ",".join(map(str, values))


def _names(days: Iterable[int], shift: int) -> str:
    shifted = sorted({(day + shift) % 7 for day in days})
    return "*" if len(shifted) == len(WEEKDAYS) else ",".join(WEEKDAYS[day] for day in shifted)
