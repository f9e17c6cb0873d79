"""Reads spans of time: `30s`, `2m`, `1h30m`, `3d`, or `00:06:00`."""

import re
from datetime import timedelta
from typing import Annotated, Final

from pydantic import BeforeValidator, PlainSerializer, WithJsonSchema

from shared.core.config.problems import WrongValueError

_UNITS: Final = re.compile(r"(?:(\d{1,9})d)?(?:(\d{1,9})h)?(?:(\d{1,9})m)?(?:(\d{1,9})s)?")
_MOST_DAYS: Final = 10_000
_CLOCK: Final = re.compile(r"(?:(\d{1,9})\.)?(\d{1,2}):(\d{2}):(\d{2})")


def parse_duration(text: object) -> timedelta:
    """Return the span that `text` names.

    Raises:
        ValueError: it is none; the message shows how to write one.
    """
    if isinstance(text, timedelta):
        return text
    for form in (_UNITS, _CLOCK):
        found = form.fullmatch(text.strip()) if isinstance(text, str) else None
        if found and any(found.groups()):
            days, hours, minutes, seconds = (int(part or 0) for part in found.groups())
            if days > _MOST_DAYS or hours > 24 * _MOST_DAYS:
                break
            return timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds)
    raise WrongValueError("not a span of time", "write it like 30s, 2m, 1h30m or 3d")


def show_duration(span: timedelta) -> str:
    """Return `span` as `parse_duration` reads it, to the second."""
    minutes, seconds = divmod(round(span.total_seconds()), 60)
    hours, minutes = divmod(minutes, 60)
    parts = ((hours, "h"), (minutes, "m"), (seconds, "s"))
    return "".join(f"{number}{unit}" for number, unit in parts if number) or "0s"


Duration = Annotated[
    timedelta,
    BeforeValidator(parse_duration),
    PlainSerializer(show_duration, return_type=str),
    WithJsonSchema({"type": "string", "examples": ["30s", "2m", "1h30m", "3d"]}),
]
