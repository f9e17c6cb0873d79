"""Due times of schedules: NCRONTAB, or a frequency and an interval; in UTC."""

from collections.abc import Iterator
from datetime import MAXYEAR, MINYEAR, UTC, datetime, timedelta
from operator import not_
from typing import Annotated, Any, Final, Literal

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BeforeValidator,
    Field,
    PlainSerializer,
    WithJsonSchema,
)

from shared.core.config.cross_field import together
from shared.core.config.ncrontab import checked, parsed
from shared.core.config.problems import Mistake, WrongValueError
from shared.core.config.types import Duration, Strict, parse_duration, show_duration
from shared.core.frozen import left_out

_MONTHS: Final = 12
_STEPS: Final = {
    "Minute": timedelta(minutes=1),
    "Hour": timedelta(hours=1),
    "Day": timedelta(days=1),
    "Week": timedelta(weeks=1),
}
#: What is ignored of an anchor, being finer than the frequency; a week keeps its day.
_FINER: Final[dict[str, dict[str, int]]] = {
    "Minute": {"second": 0, "microsecond": 0},
    "Hour": {"minute": 0, "second": 0, "microsecond": 0},
    "Day": {"hour": 0, "minute": 0, "second": 0, "microsecond": 0},
    "Week": {"hour": 0, "minute": 0, "second": 0, "microsecond": 0},
}
#: A Monday; the base of all slices where none is given.
_FIRST_ANCHOR: Final = datetime(1, 1, 1, tzinfo=UTC)
_LONGEST_OFFSET: Final = timedelta(days=366)
#: Keys that version 0.1.0 does not know, and what it means to leave them out.
_LATER_KEYS: Final[dict[str, Any]] = {
    "style": "EndOfInterval",
    "delay": timedelta(),
    "start": None,
    "end": None,
    "paused": False,
    "backfill": False,
}
#: What a window's boundaries depend on.
_BOUNDARIES: Final = ("frequency", "interval", "anchor", "offset")
_END: Final = "EndOfInterval"
_START: Final = "StartOfInterval"


def _frequency(value: object) -> object:
    return value.capitalize() if isinstance(value, str) else value


def _style(value: object) -> object:
    known = {one.lower(): one for one in (_END, _START)}
    return known.get(value.lower(), value) if isinstance(value, str) else value


def _aware(value: object) -> object:
    try:
        at = datetime.fromisoformat(value) if isinstance(value, str) else value
    except ValueError:
        raise WrongValueError("not a time", "write it like 2026-01-05T03:00:00Z") from None
    return at.replace(tzinfo=UTC) if isinstance(at, datetime) and at.tzinfo is None else at


def _offset(value: object) -> timedelta:
    if isinstance(value, str) and value.strip().startswith("-"):
        return -parse_duration(value.strip()[1:])
    return parse_duration(value)


def _shown(offset: timedelta) -> str:
    return f"-{show_duration(-offset)}" if offset < timedelta() else show_duration(offset)


def _utc(at: datetime) -> datetime:
    try:
        return at.astimezone(UTC)
    except OverflowError:
        raise ValueError("not a time that exists in UTC") from None


Time = Annotated[AwareDatetime, BeforeValidator(_aware), AfterValidator(_utc)]
Offset = Annotated[
    timedelta,
    BeforeValidator(_offset),
    PlainSerializer(_shown, return_type=str),
    WithJsonSchema({"type": "string", "examples": ["03:00:00", "-1h"]}),
]


class Recurrence(Strict):
    """A due time at each boundary of equal intervals, as Data Factory defines a schedule."""

    frequency: Annotated[
        Literal["Minute", "Hour", "Day", "Week", "Month"], BeforeValidator(_frequency)
    ] = Field(description="The unit of an interval.")
    interval: Annotated[int, Field(ge=1, le=100_000)] = Field(
        default=1, description="How many units an interval has."
    )
    anchor: Time = Field(
        default=_FIRST_ANCHOR,
        description="The time that intervals are counted from; parts finer than the frequency are "
        "ignored.",
    )
    offset: Offset = Field(
        default_factory=timedelta, description="Added to each due time; may be negative."
    )
    style: Annotated[Literal["EndOfInterval", "StartOfInterval"], BeforeValidator(_style)] = (
        left_out(_END, description="Whether the due time is the end of its window, or its start.")
    )
    delay: Duration = Field(
        default_factory=timedelta,
        exclude_if=not_,
        description="How long after its due time a run begins.",
    )
    start: Time | None = left_out(
        description="The begin of the active period: windows that end before it have no run.",
    )
    end: Time | None = left_out(
        description="The end of the active period: windows that start at it or later have no run.",
    )
    paused: bool = left_out(
        default=False,
        description="true: no due time opens a run. When it is false again, catch_up decides about "
        "those that passed meanwhile.",
    )
    backfill: bool = left_out(
        default=False,
        description="true: windows since `start` from before Relearn first saw the schedule get "
        "runs too, the newest catch_up_most of them.",
    )

    @property
    def uses_later_keys(self) -> bool:
        """Whether it has a key that version 0.1.0 does not know."""
        return any(getattr(self, name) != default for name, default in _LATER_KEYS.items())

    @together
    def _a_sensible_offset(self) -> Iterator[Mistake]:
        if self.offset > _LONGEST_OFFSET or self.offset < -_LONGEST_OFFSET:
            yield Mistake("at most a year before or after", at=("offset",))

    @together
    def _a_sensible_delay(self) -> Iterator[Mistake]:
        if self.delay > _LONGEST_OFFSET:
            yield Mistake("at most a year", at=("delay",))

    @together
    def _a_period_with_an_end_after_its_start(self) -> Iterator[Mistake]:
        if self.start is not None and self.end is not None and self.end <= self.start:
            yield Mistake("the period ends before it starts", "write a later time", ("end",))
        if self.backfill and self.start is None:
            what = "nothing says from when windows count"
            yield Mistake(what, "write the start of the period as `start`", ("backfill",))


def due_at_or_before(recurrence: Recurrence, moment: datetime) -> datetime | None:
    """Return the newest due time that is not after `moment`, in UTC.

    Intervals are counted from the anchor in both directions. None: the due time would lie
    outside the calendar, as it can with very long intervals.

    Args:
        recurrence: the schedule.
        moment: an aware time.
    """
    try:
        return _boundary(recurrence, moment, ahead=0)
    except OverflowError:
        return None


def due_after(recurrence: Recurrence, moment: datetime) -> datetime:
    """Return the first due time after `moment`, in UTC.

    Args:
        recurrence: the schedule.
        moment: an aware time.

    Raises:
        OverflowError: it would lie outside the calendar.
    """
    return _boundary(recurrence, moment, ahead=1)


def _boundary(recurrence: Recurrence, moment: datetime, *, ahead: int) -> datetime:
    at = moment.astimezone(UTC) - recurrence.offset
    if recurrence.frequency == "Month":
        base = _months(recurrence.anchor)
        passed = (_months(at) - base) // recurrence.interval + ahead
        return _first_of(base + passed * recurrence.interval) + recurrence.offset
    # What is replaced are numbers; the checker asks whether it could be the time zone.
    anchor = recurrence.anchor.replace(**_FINER[recurrence.frequency])  # type: ignore[arg-type]
    step = _STEPS[recurrence.frequency] * recurrence.interval
    return anchor + ((at - anchor) // step + ahead) * step + recurrence.offset


def _months(at: datetime) -> int:
    return at.year * _MONTHS + at.month - 1


def _first_of(months: int) -> datetime:
    year, month = divmod(months, _MONTHS)
    if not MINYEAR <= year <= MAXYEAR:
        raise OverflowError(f"no year {year}")
    return datetime(year, month + 1, 1, tzinfo=UTC)


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


def bounds_of(schedule: Schedule, due: datetime) -> tuple[datetime, datetime]:
    """Return the start and the end of the window of a due time, in UTC.

    Where the calendar has no boundary on one side, the window is empty.

    Args:
        schedule: the schedule of the pipeline.
        due: one of its due times.
    """
    if begins_windows(schedule) and isinstance(schedule, Recurrence):
        try:
            return due, due_after(schedule, due)
        except OverflowError:
            return due, due
    if isinstance(schedule, str):
        before = parsed(schedule).at_or_before(just_before(due))
    else:
        before = due_at_or_before(schedule, just_before(due))
    return before or due, due


def begins_windows(schedule: Schedule) -> bool:
    """Whether a due time is the start of its window."""
    return isinstance(schedule, Recurrence) and schedule.style == _START


def same_boundaries(one: Schedule | None, other: Schedule | None) -> bool:
    """Whether two schedules have the same windows; other fields may differ.

    Args:
        one: a schedule, or None.
        other: another one.
    """
    if not isinstance(one, Recurrence) or not isinstance(other, Recurrence):
        return one == other
    return all(getattr(one, name) == getattr(other, name) for name in _BOUNDARIES)


def delay_of(schedule: Schedule) -> timedelta:
    """Return how long after its due time a run begins."""
    return schedule.delay if isinstance(schedule, Recurrence) else timedelta()


def just_before(moment: datetime) -> datetime:
    """Return the last time before a moment; the first moment of the calendar has none."""
    first = datetime.min.replace(tzinfo=UTC)
    return moment - timedelta.resolution if moment > first else moment


def last_due_of(schedule: Schedule, now: datetime) -> datetime | None:
    """Return the newest due time that is not after `now`, in UTC; None: there is none.

    Only due times count whose windows overlap the active period.

    Args:
        schedule: the schedule of the pipeline.
        now: the present moment.
    """
    if isinstance(schedule, str):
        return parsed(schedule).at_or_before(now)
    first, last = _active(schedule)
    due = due_at_or_before(schedule, now if last is None else min(now, last))
    return None if due is None or (first is not None and due < first) else due


def next_due_of(schedule: Schedule, now: datetime) -> datetime | None:
    """Return the first due time after `now`, in UTC; None: none is known.

    Only due times count whose windows overlap the active period.

    Args:
        schedule: the schedule of the pipeline.
        now: the present moment.
    """
    if isinstance(schedule, str):
        return parsed(schedule).after(now)
    first, last = _active(schedule)
    try:
        due = first if first is not None and first > now else due_after(schedule, now)
    except OverflowError:
        return None
    return None if last is not None and due > last else due


def _active(schedule: Recurrence) -> tuple[datetime | None, datetime | None]:
    """Return the first and the last due time whose windows overlap the active period.

    A period that is shorter than a window has one, the one that it begins in.
    """
    start, end = schedule.start, schedule.end
    first = _due_holding(schedule, start) if start else None
    last = _due_holding(schedule, just_before(end)) if end else None
    if first is not None and start and end:
        begun, ended = bounds_of(schedule, first)
        last = first if end - start < ended - begun else last
    return first, last


def _due_holding(schedule: Recurrence, moment: datetime) -> datetime:
    """Return the due time whose window holds a moment, or an end of the calendar beyond it."""
    if schedule.style == _START:
        return due_at_or_before(schedule, moment) or datetime.min.replace(tzinfo=UTC)
    try:
        return due_after(schedule, moment)
    except OverflowError:
        return datetime.max.replace(tzinfo=UTC)


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
        until = just_before(due)
    return found[::-1]
