"""Due times of a schedule trigger as schedules of Relearn: recurrences, or NCRONTAB, in UTC.

A recurrence says one due time in each interval; NCRONTAB says several. What neither can say becomes
several schedules.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final

from shared.importers.data_factory.values import iso, written
from shared.importers.data_factory.version_2.recurrences import WEEKDAYS, TriggerRecurrence

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


def specs(recurrence: TriggerRecurrence, *, limited: bool) -> tuple[list[Spec], list[str]]:
    """Return the schedules that say the due times of a recurrence, and what differs.

    Args:
        recurrence: what a trigger says.
        limited: whether they need an active period or a pause, which NCRONTAB does not have.
    """
    found, differs = _made(recurrence, limited=limited)
    if len(found) > _MOST and limited:
        found, differs = _made(recurrence, limited=False)
    if len(found) > _MOST:
        differs.append(f"only the first {_MOST} of {len(found)} due times are written")
    return found[:_MOST], differs


def _made(recurrence: TriggerRecurrence, *, limited: bool) -> tuple[list[Spec], list[str]]:
    made = _Maker(recurrence, limited=limited)
    found: list[Spec] = []
    for spec in made.specs():
        found += [] if spec in found else [spec]
    return found, list(dict.fromkeys(made.differs))


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

    def __init__(self, recurrence: TriggerRecurrence, *, limited: bool) -> None:
        self._said, self._limited = recurrence, limited
        self.differs: list[str] = []

    def specs(self) -> Iterator[Spec]:
        """Yield the schedules."""
        said = self._said
        fine = said.frequency in ("Minute", "Hour")
        of_clock = said.hours or (said.frequency == "Hour" and said.interval > 1)
        same = fine and (said.is_plain or not of_clock)  # whatever the clock of the zone shows
        if said.zone.differs and not (same and said.zone.known):
            self.differs.append(said.zone.differs)
        if said.is_plain and fine:
            yield plain(said.frequency, said.interval, said.instant)
        elif said.is_plain and said.frequency in ("Day", "Week"):
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
        if said.minutes and not said.hours and said.frequency not in ("Minute", "Hour"):
            text = f"without schedule.hours it is due in hour {said.start.hour} of startTime only"
            self.differs.append(f"{text}: Microsoft has examples that are due in each hour")
        listed = said.hours if said.frequency == "Hour" else said.minutes
        if listed and said.interval > 1 and said.frequency in ("Minute", "Hour"):
            text = f"schedule says each {said.frequency.lower()} that it is due in"
            self.differs.append(f"{text}: its interval of {said.interval} is left out")
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
        interval = said.interval if said.frequency == "Day" else 1
        first = said.start.date()
        dues = [_at(first, shift, at) for shift, group in self._times().items() for at in group]
        step = _step(dues) if self._limited and interval == 1 else 0
        if step:
            hours, rest = divmod(step, 60)
            yield plain("Minute", step, dues[0]) if rest else plain("Hour", hours, dues[0])
        elif interval > 1 or self._limited or len(dues) == 1:
            yield from (plain("Day", interval, due) for due in dues)
        else:
            yield from _crons([(due.hour, due.minute) for due in dues], "*", "*", "*")

    def _weekly(self) -> Iterator[Spec]:
        said = self._said
        days = said.weekdays or (said.start.weekday(),)
        times = self._times()
        if said.interval > 1 and min(days) < said.start.weekday():
            text = "the weeks of each day are counted from its first one after startTime"
            self.differs.append(text)
        if said.interval > 1 or self._limited or len(days) * sum(map(len, times.values())) == 1:
            for day in days:
                first = said.start.date() + timedelta(days=(day - said.start.weekday()) % 7)
                for shift, group in times.items():
                    yield from (plain("Week", said.interval, _at(first, shift, at)) for at in group)
            return
        for shift, group in times.items():
            yield from _crons(group, "*", "*", _names(days, shift))

    def _monthly(self) -> Iterator[Spec]:
        said = self._said
        times = self._times()
        days = said.month_days or (said.start.day,)
        if not said.month_days and not said.occurrences and days[0] > _SHORTEST_MONTH:
            text = f"in months without day {days[0]} it is not due"
            self.differs.append(f"{text}: the factory may take their last day")
        single = len(days) * sum(map(len, times.values())) == 1
        alone = single or self._limited or _MONTHS % said.interval != 0
        for shift, group in times.items():
            if said.occurrences:
                yield from self._occurring(group, shift, self._months())
                continue
            most = _SHORTEST_MONTH if alone else 0
            listed = [day for day in days if day > max(most, -shift)]
            for day in (day for day in days if day not in listed):
                yield from (self._in_month(day, shift, at) for at in group)
            if listed:
                if shift and max(listed) + shift >= _SHORTEST_MONTH:
                    self.differs.append("at the end of short months the day can differ by one")
                numbers = ",".join(str(min(_LONGEST_MONTH, day + shift)) for day in listed)
                yield from _crons(group, numbers, self._months(), "*")

    def _months(self) -> str:
        """Return the months of an NCRONTAB."""
        said = self._said
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
        offset = timedelta(days=days, hours=at[0], minutes=at[1])
        return made | ({"offset": written(offset)} if offset else {})

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
        if shift and not 1 <= first <= last <= _SHORTEST_MONTH:
            self.differs.append("next to the end of a month a due time can be wrong or left out")
        return f"{max(1, first)}-{min(_LONGEST_MONTH + min(shift, 0), last)}"


def _step(dues: Sequence[datetime]) -> int:
    """Return how many minutes lie between the due times of a day; 0: not always as many."""
    minutes = sorted({due.hour * 60 + due.minute for due in dues})
    step = _DAY // len(minutes)
    even = _DAY % step == 0 and minutes == list(range(minutes[0], _DAY, step))
    return step if even and len(minutes) > 1 else 0


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
