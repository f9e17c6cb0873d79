"""Times, spans, numbers and names of definitions, as the pipelines file has them.

How Data Factory reads a TimeSpan: data-factory §2.2.
"""

import json
import re
from collections.abc import Collection
from datetime import UTC, datetime, timedelta
from typing import Final

from shared.core.config.types import show_duration

#: The year of an end that is never.
FOREVER: Final = 9999
_TIMESPAN: Final = re.compile(
    r"(-?)(?:(\d{1,8})(?:\.|:(?=\d+:\d+:)))?(\d{1,8}):(\d{1,2})(?::(\d{1,2}))?(?:\.\d+)?"
)
_DAYS: Final = re.compile(r"-?\d{1,7}")
_HOURS: Final = 24


class NoNumber(str):
    """A number such as NaN that no JSON can be written with, as its text."""

    __slots__ = ()


def timespan(text: object) -> timedelta | None:
    """Return a TimeSpan such as `1.02:30:00`, as .NET reads it; None: it is none.

    Without a day, hours of 24 and more are days: `24:00:00` is 24 days.
    """
    written_as = str(text).strip()
    if _DAYS.fullmatch(written_as):
        return timedelta(days=int(written_as))
    found = _TIMESPAN.fullmatch(written_as)
    if found is None:
        return None
    sign, *parts = found.groups()
    days, hours, minutes, seconds = (int(part or 0) for part in parts)
    if means_days(text):
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


def span_of(text: object) -> timedelta:
    """Return a TimeSpan that is not negative; 0 where it is none."""
    return max(timespan(text) or timedelta(), timedelta())


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


def number(value: object) -> int | None:
    """Return a whole number that is not negative; None: it is none."""
    text = str(value).strip().removesuffix(".0")
    return int(text[:9]) if text.isdecimal() else None


def verbatim(value: object) -> str:
    """Return a value as its definition has it, in JSON; of an expression, its text."""
    known = value.get("value") if isinstance(value, dict) else None
    found = value if known is None else known
    return found if isinstance(found, str) else json.dumps(found, ensure_ascii=False, default=str)


def unique(name: str, taken: Collection[str], most: int, sign: str = "-") -> str:
    """Return the name, with a number behind it where it is taken already.

    Args:
        name: the name.
        taken: the names that there are.
        most: how long it may be.
        sign: what stands before the number.
    """
    number, found = 1, name
    while found in taken:
        number += 1
        behind = f"{sign}{number}"
        found = f"{name[: most - len(behind)].rstrip(sign)}{behind}"
    return found
