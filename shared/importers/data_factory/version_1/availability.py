"""Reads when a version 1 pipeline runs: its output dataset's availability, active period.

Every function that reads a key reports it. The rules: data-factory §2.2, §2.3, §2.4.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from shared.importers.data_factory.account import Element
from shared.importers.data_factory.values import (
    iso,
    means_days,
    moment,
    number,
    timespan,
    verbatim,
    written,
)

_KIND: Final = "availability"
_FREQUENCIES: Final = ("Minute", "Hour", "Day", "Week", "Month")
#: Lengths that are compared, in minutes: a month counts as 30 days.
_LENGTHS: Final = dict(zip(_FREQUENCIES, (1, 60, 1440, 10_080, 43_200), strict=True))
_STYLES: Final = ("EndOfInterval", "StartOfInterval")
_LONGEST_INTERVAL: Final = 100_000
#: The places in the pipelines file, by the folded names of the keys.
_PLACES: Final = {
    "frequency": "frequency",
    "interval": "interval",
    "offset": "offset",
    "anchordatetime": "anchor",
    "style": "style",
}
_UNKNOWN: Final = "Relearn has nothing for this key"
_WRITE_IT: Final = "write the value under `schedule` in pipelines.yaml"
#: What slices are counted from.
_FIRST: Final = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Cadence:
    """At which times slices of a dataset, or of an activity, begin and end."""

    frequency: str
    interval: int = 1
    offset: timedelta = timedelta()
    anchor: str = ""
    style: str = _STYLES[0]

    @property
    def length(self) -> int:
        """How long a slice is, in minutes."""
        return _LENGTHS[self.frequency] * self.interval

    @property
    def often(self) -> tuple[bool, int]:
        """How often a slice begins: the same for an hour as for 60 minutes."""
        return self.frequency == "Month", self.length

    @property
    def slices(self) -> tuple[object, ...]:
        """Where slices begin: the same for two that have the same slices."""
        anchor = moment(self.anchor) or _FIRST
        if self.frequency == "Month":
            months = anchor.year * 12 + anchor.month - 1
            return self.frequency, self.interval, months % self.interval, self.offset
        length = timedelta(minutes=self.length)
        passed = anchor - _FIRST
        finer = timedelta(minutes=min(_LENGTHS[self.frequency], _LENGTHS["Day"]))
        return length, (passed // finer * finer + self.offset) % length

    @property
    def shown(self) -> str:
        """How often a slice begins, for people."""
        return self.frequency if self.interval == 1 else f"{self.interval} times {self.frequency}"

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


def cadence(availability: Element) -> Cadence | None:
    """Return what `availability` or `scheduler` says; None where its frequency is unknown.

    Nothing is taken or reported by that; a value that cannot be read counts as its default.
    """
    frequency = _one_of(_FREQUENCIES, availability.get("frequency"))
    if frequency is None:
        return None
    anchor = moment(availability.get("anchorDateTime").value)
    return Cadence(
        frequency,
        _interval(availability.get("interval")) or 1,
        timespan(availability.get("offset").value) or timedelta(),
        "" if anchor is None else iso(anchor),
        _one_of(_STYLES, availability.get("style")) or _STYLES[0],
    )


def unread(availability: Element) -> list[str]:
    """Return the keys of an availability whose values cannot be read."""
    return [
        key
        for key, element in availability.items()
        if key.casefold() in _PLACES and not _readable(key, element)
    ]


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
            element.left(_KIND, key, _UNKNOWN, _WRITE_IT)
        elif said is None or not _readable(key, element):
            element.left(_KIND, key, f"`{verbatim(element.value)[:100]}` cannot be read", _WRITE_IT)
        elif key.casefold() == "offset" and means_days(element.value):
            element.approximated(
                _KIND,
                key,
                f"{place}: schedule.offset: {said.value(key)}: Data Factory reads "
                f"{element.value} as days, as it has no day part",
                "if hours are meant, correct schedule.offset",
            )
        else:
            text = f"{place}: schedule.{target}: {said.value(key)}"
            element.mapped(_KIND, key, text)


def report_other(availability: Element, driver: Cadence | None, what: str) -> None:
    """Report each key of an availability that is not the schedule of the pipeline.

    Args:
        availability: of a dataset, or the `scheduler` of an activity.
        driver: what the output dataset of the job says.
        what: what these slices are of, for people: what follows from a difference.
    """
    said = cadence(availability)
    for key, element in availability.items():
        if _is_policy(key, element):
            continue
        if key.casefold() not in _PLACES:
            element.left(_KIND, key, _UNKNOWN, _WRITE_IT)
        elif said is not None and driver is not None and _is_same(key, said, driver):
            text = "the same as that of the output dataset, which is the schedule"
            if said.value(key) != driver.value(key):
                text = f"{said.shown} is as often as {driver.shown}, which is the schedule"
            element.mapped(_KIND, key, text)
        else:
            theirs = driver.value(key) if driver is not None else ""
            element.approximated(
                _KIND,
                key,
                f"{element.value}, where the schedule has {theirs or 'none'}: {what}",
                "nothing, unless that difference matters",
            )


def _is_same(key: str, one: Cadence, other: Cadence) -> bool:
    """Whether a key of two availabilities says the same; 60 minutes are an hour.

    Args:
        key: such as `frequency`.
        one: what the first one says.
        other: what the second one says.
    """
    as_often = key.casefold() in ("frequency", "interval") and one.often == other.often
    return as_often or one.value(key) == other.value(key)


def _is_policy(key: str, element: Element) -> bool:
    """Whether a key is a policy of the dataset, which stood here in 2014 and 2015."""
    return key.casefold() == "waitonexternal" and isinstance(element.value, dict)


def _one_of(values: tuple[str, ...], element: Element) -> str | None:
    folded = element.peek().casefold()
    return next((value for value in values if value.casefold() == folded), None)


def _interval(element: Element) -> int | None:
    count = number(element.value)
    return count if count and count <= _LONGEST_INTERVAL else None


def _readable(key: str, element: Element) -> bool:
    checks: dict[str, object] = {
        "frequency": _one_of(_FREQUENCIES, element),
        "interval": _interval(element),
        "offset": timespan(element.value),
        "anchordatetime": moment(element.value),
        "style": _one_of(_STYLES, element),
    }
    return checks[key.casefold()] is not None
