"""When a pipeline of version 1 runs: the availability of its output dataset, and its active period.

Every function that reads a key reports it. The rules: data-factory §2.2, §2.3, §2.4.
"""

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from shared.core.config.types import show_duration
from shared.importers.data_factory.account import Element
from shared.importers.data_factory.drafts import ImportContext

_TIMESPAN: Final = re.compile(
    r"(-?)(?:(\d{1,8})(?:\.|:(?=\d+:\d+:)))?(\d{1,8}):(\d{1,2})(?::(\d{1,2}))?(?:\.\d+)?"
)
_HOURS: Final = 24
_FREQUENCIES: Final = ("Minute", "Hour", "Day", "Week", "Month")
_STYLES: Final = ("EndOfInterval", "StartOfInterval")
_FOREVER: Final = 9999
_LONGEST_INTERVAL: Final = 100_000
#: The end of a period where none is given (data-factory §2.3).
_DEFAULT_PERIOD: Final = timedelta(hours=48)
_UNREADABLE: Final = "cannot be read"
#: The places in the pipelines file, by the folded names of the keys.
_PLACES: Final = {
    "frequency": "frequency",
    "interval": "interval",
    "offset": "offset",
    "anchordatetime": "anchor",
    "style": "style",
}
_WRITE_IT: Final = "write the value under `schedule` in pipelines.yaml"


def timespan(text: object) -> timedelta | None:
    """Return a TimeSpan such as `1.02:30:00`, as .NET reads it; None: it is none.

    Without a day, hours of 24 and more are days: `24:00:00` is 24 days (data-factory §2.2).
    """
    said = str(text).strip()
    if said.removeprefix("-").isdecimal() and len(said) < _HOURS // 3:
        return timedelta(days=int(said))
    found = _TIMESPAN.fullmatch(said)
    if found is None:
        return None
    sign, *parts = found.groups()
    days, hours, minutes, seconds = (int(part or 0) for part in parts)
    if found[2] is None and hours >= _HOURS:
        days, hours, minutes, seconds = hours, minutes, seconds, 0
    try:
        span = timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds)
    except OverflowError:
        return None
    return -span if sign else span


def means_days(text: object) -> bool:
    """Whether a TimeSpan looks like hours, and is read as days."""
    found = _TIMESPAN.fullmatch(str(text).strip())
    return found is not None and found[2] is None and int(found[3]) >= _HOURS


def written(span: timedelta) -> str:
    """Return a span as the pipelines file has it, such as `1d2h`."""
    sign, span = ("-", -span) if span < timedelta() else ("", span)
    days = f"{span.days}d" if span.days else ""
    rest = timedelta(seconds=span.seconds)
    return f"{sign}{days}{show_duration(rest) if rest or not days else ''}"


def moment(value: object) -> datetime | None:
    """Return a time of a definition, in UTC; None: it is none, such as a placeholder."""
    try:
        at = datetime.fromisoformat(str(value).strip())
        return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def iso(at: datetime) -> str:
    """Return a time as the pipelines file has it, such as `2016-02-13T00:00:00Z`."""
    return f"{at.replace(tzinfo=None).isoformat(timespec='seconds')}Z"


@dataclass(frozen=True, slots=True)
class Cadence:
    """At which times slices of a dataset, or of an activity, begin and end."""

    frequency: str
    interval: int = 1
    offset: timedelta = timedelta()
    anchor: str = ""
    style: str = _STYLES[0]

    @property
    def schedule(self) -> dict[str, Any]:
        """The keys of `schedule` in the pipelines file; those with the default are left out."""
        keys: dict[str, Any] = {"frequency": self.frequency, "interval": self.interval}
        if self.anchor:
            keys["anchor"] = self.anchor
        if self.offset:
            keys["offset"] = written(self.offset)
        if self.style != _STYLES[0]:
            keys["style"] = self.style
        return keys

    def value(self, key: str) -> str:
        """Return what a key of `availability` means, as the pipelines file has it."""
        return str(
            {
                "frequency": self.frequency,
                "interval": self.interval,
                "offset": written(self.offset),
                "anchordatetime": self.anchor,
                "style": self.style,
            }.get(key.casefold(), "")
        )


def cadence(availability: Element | None) -> Cadence | None:
    """Return what `availability` or `scheduler` says; None where its frequency is unknown.

    Nothing is taken or reported by that; a value that cannot be read counts as its default.
    """
    if availability is None:
        return None
    frequency = _one_of(_FREQUENCIES, availability.get("frequency"))
    if frequency is None:
        return None
    anchor = availability.get("anchorDateTime")
    at = None if anchor is None else moment(anchor.value)
    offset = availability.get("offset")
    span = None if offset is None else timespan(offset.value)
    return Cadence(
        frequency,
        _interval(availability.get("interval")) or 1,
        span or timedelta(),
        "" if at is None else iso(at),
        _one_of(_STYLES, availability.get("style")) or _STYLES[0],
    )


def report_driver(availability: Element, place: str) -> None:
    """Report each key of the availability that is the schedule of a pipeline.

    Args:
        availability: of the output dataset, or the `scheduler` of its activity.
        place: the pipeline in the pipelines file.
    """
    said = cadence(availability)
    for key, element in availability.items():
        target = _PLACES.get(key.casefold())
        if _is_policy(key, element):
            continue
        if target is None:
            element.left("availability", key, "Relearn has nothing for this key", _WRITE_IT)
        elif said is None or not _readable(key, element):
            shown = str(element.value)[:100]
            element.left("availability", key, f"`{shown}` {_UNREADABLE}", _WRITE_IT)
        elif key.casefold() == "offset" and means_days(element.value):
            element.approximated(
                "availability",
                key,
                f"{place}: schedule.offset: {said.value(key)}: Data Factory reads "
                f"{element.value} as days, as it has no day part",
                "if hours are meant, correct schedule.offset",
            )
        else:
            text = f"{place}: schedule.{target}: {said.value(key)}"
            element.mapped("availability", key, text)


def report_other(availability: Element | None, driver: Cadence | None, what: str) -> None:
    """Report each key of an availability that is not the schedule of the pipeline.

    Args:
        availability: of a dataset, or the `scheduler` of an activity.
        driver: what the output dataset of the job says.
        what: what these slices are of, for people: what follows from a difference.
    """
    said = cadence(availability)
    for key, element in () if availability is None else availability.items():
        if _is_policy(key, element):
            continue
        if key.casefold() not in _PLACES:
            element.left("availability", key, "Relearn has nothing for this key", _WRITE_IT)
        elif said is not None and driver is not None and said.value(key) == driver.value(key):
            text = "the same as that of the output dataset, which is the schedule"
            element.mapped("availability", key, text)
        else:
            theirs = driver.value(key) if driver is not None else ""
            element.approximated(
                "availability",
                key,
                f"{element.value}, where the schedule has {theirs or 'none'}: {what}",
                "nothing, unless that difference matters",
            )


def _is_policy(key: str, element: Element) -> bool:
    """Whether a key is a policy of the dataset, which stood here in 2014 and 2015."""
    return key.casefold() == "waitonexternal" and isinstance(element.value, dict)


@dataclass(frozen=True, slots=True)
class Period:
    """The active period of a pipeline."""

    start: datetime | None = None
    end: datetime | None = None
    paused: bool = False
    one_time: bool = False

    @property
    def schedule(self) -> dict[str, Any]:
        """The keys of `schedule` in the pipelines file."""
        keys: dict[str, Any] = {}
        if self.start is not None:
            keys["start"] = iso(self.start)
        if self.end is not None:
            keys["end"] = iso(self.end)
        if self.paused or self.one_time:
            keys["paused"] = True
        return keys


def period(properties: Element) -> Period:
    """Return the active period that a pipeline says; nothing is taken or reported by that."""
    start, end = properties.get("start"), properties.get("end")
    begin = None if start is None else moment(start.value)
    until = None if end is None else moment(end.value)
    if begin is not None and end is None:
        until = begin + _DEFAULT_PERIOD
    if until is not None and (until.year == _FOREVER or (begin is not None and until <= begin)):
        until = None
    mode = properties.get("pipelineMode")
    one_time = mode is not None and str(mode.value).strip().casefold() == "onetime"
    paused = begin is None or truth(properties.get("isPaused"))
    unread = end is not None and moment(end.value) is None
    empty = begin is not None and end is not None and _not_after(end, begin)
    return Period(begin, until, paused or unread or empty, one_time)


def report_period(
    properties: Element, place: str, context: ImportContext, *, wanting: bool = False
) -> None:
    """Report the keys of a pipeline that say when it is active.

    Args:
        properties: of the pipeline.
        place: the pipeline in the pipelines file.
        context: of the import.
        wanting: whether something is to be filled in before its first run.
    """
    said = period(properties)
    if (paused := properties.get("isPaused")) is not None:
        _report_paused(paused, place, is_paused=said.paused or said.one_time or wanting)
    if (mode := properties.get("pipelineMode")) is not None:
        if said.one_time:
            mode.approximated(
                "key",
                "pipelineMode",
                f"{place}: schedule.paused: true: a pipeline that runs once has no schedule",
                "ask for a manual run when it is needed",
            )
        else:
            mode.mapped("key", "pipelineMode", "each pipeline with a schedule is like this")
    if (expires := properties.get("expirationTime")) is not None:
        text = "no pipeline expires: Relearn keeps the records of runs by its own retention"
        expires.approximated("key", "expirationTime", text)
    _report_start(properties, said, place, context)
    if (end := properties.get("end")) is not None:
        _report_end(end, said, place)


def truth(element: Element | None) -> bool:
    """Whether a value is true, as a word too."""
    return element is not None and str(element.value).strip().casefold() == "true"


def _report_paused(said: Element, place: str, *, is_paused: bool) -> None:
    text = f"{place}: schedule.paused: {str(is_paused).lower()}"
    if is_paused == truth(said):
        said.mapped("key", "isPaused", text)
    else:
        why = "until what is missing is written: see the lines of the pipeline and its activity"
        said.approximated("key", "isPaused", f"{text}, {why}", "then remove schedule.paused")


def _report_start(properties: Element, said: Period, place: str, context: ImportContext) -> None:
    start = properties.get("start")
    if start is None:
        return
    if said.start is None:
        text = f"`{str(start.value)[:100]}` is no time; {place}: schedule.paused: true"
        cure = "write schedule.start and schedule.end, and remove schedule.paused"
        start.left("key", "start", text, cure)
        return
    text = f"{place}: schedule.start: {iso(said.start)}"
    if properties.get("end") is None and said.end is not None:
        text += f"; schedule.end: {iso(said.end)}, as Data Factory ends a period without end"
        text += " after 48 hours"
        start.approximated("key", "start", text, "remove schedule.end if it is to continue")
    elif said.start < context.now and not context.options.backfill:
        text += "; windows that passed before the import get no runs"
        cure = "nothing, if the factory has trained on them; else import with --backfill"
        start.approximated("key", "start", text, cure)
    else:
        start.mapped("key", "start", text)


def _report_end(end: Element, said: Period, place: str) -> None:
    at = moment(end.value)
    if at is None:
        text = f"`{str(end.value)[:100]}` is no time; {place}: schedule.paused: true"
        end.left("key", "end", text, "write schedule.end, and remove schedule.paused")
    elif at.year == _FOREVER:
        end.mapped("key", "end", f"{place}: no schedule.end: it goes on")
    elif said.end is None and said.start is not None:
        text = f"not after the start, so that there is no window; {place}: schedule.paused: true"
        end.left("key", "end", text, "write schedule.end, and remove schedule.paused")
    else:
        end.mapped("key", "end", f"{place}: schedule.end: {iso(at)}")


def _not_after(end: Element, start: datetime) -> bool:
    at = moment(end.value)
    return at is not None and at <= start


def _one_of(values: tuple[str, ...], element: Element | None) -> str | None:
    said = "" if element is None else str(element.value).strip().casefold()
    return next((value for value in values if value.casefold() == said), None)


def _interval(element: Element | None) -> int | None:
    said = "" if element is None else str(element.value).strip()
    number = int(said) if said.isdecimal() and len(said) < _HOURS // 3 else 0
    return number if 1 <= number <= _LONGEST_INTERVAL else None


def _readable(key: str, element: Element) -> bool:
    checks: dict[str, object] = {
        "frequency": _one_of(_FREQUENCIES, element),
        "interval": _interval(element),
        "offset": timespan(element.value),
        "anchordatetime": moment(element.value),
        "style": _one_of(_STYLES, element),
    }
    return checks[key.casefold()] is not None
