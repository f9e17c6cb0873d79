"""Windows of time of a schedule, and the texts that hold their times, as {start:yyyy/MM/dd}."""

import re
from calendar import monthrange
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from shared.core.config.dotnet_dates import checked_form, formatted
from shared.core.config.problems import WrongValueError
from shared.core.config.schedule import Schedule, bounds_of, delay_of, last_due_of, next_due_of

_MONTHS: Final = 12
_UNITS: Final = {
    "m": timedelta(minutes=1),
    "h": timedelta(hours=1),
    "d": timedelta(days=1),
    "w": timedelta(weeks=1),
}
_MONTHS_OF: Final = {"mo": 1, "y": _MONTHS}
#: What is meant as a template. A parameter may hold other braces with a colon, as in JSON.
_TEMPLATE: Final = re.compile(r"(?<!\$)\{((?:start|end)[^{}:\"']*):([^{}]*)\}", re.IGNORECASE)
#: What other tools write for it, where braces have no other meaning.
_MEANT: Final = re.compile(r"(?<!\$)\{[^{}:]*:[^{}()*+\[\]\\]*\}")
_MOMENT: Final = re.compile(r"(start|end)(?:([+-])([0-9]{1,6})(m|h|d|w|mo|y))?")
_WRITE: Final = "write it like {start:yyyy/MM/dd}, {end:HHmm} or {start-1d:yyyyMMdd}"
_NAMES: Final = ("window.start", "window.end", "window.due")
_ALL: Final = frozenset(_NAMES)


@dataclass(frozen=True, slots=True)
class Window:
    """The time from one boundary of a schedule to the next, and when its run is due."""

    start: datetime
    end: datetime
    due: datetime  #: without the delay of the schedule

    def tokens(self) -> dict[str, str]:
        """Return the window as a run keeps it; no data can capture such names."""
        times = (self.start, self.end, self.due)
        return {name: at.isoformat() for name, at in zip(_NAMES, times, strict=True)}

    @classmethod
    def of_tokens(cls, tokens: Mapping[str, str]) -> "Window | None":
        """Return the window that the tokens of a run keep; None: they keep none."""
        if not has_window(tokens):
            return None
        return cls(*(datetime.fromisoformat(tokens[name]).astimezone(UTC) for name in _NAMES))


def has_window(tokens: Mapping[str, str]) -> bool:
    """Whether the tokens of a run keep a window."""
    return tokens.keys() >= _ALL


#: A window that texts are tried with before there is one: long ago, so that no run is meant.
SAMPLE: Final = Window(
    datetime(2001, 2, 3, 4, 5, 6, tzinfo=UTC),
    datetime(2002, 3, 4, 5, 6, 7, tzinfo=UTC),
    datetime(2002, 3, 4, 5, 6, 7, tzinfo=UTC),
)


def window_of(schedule: Schedule, due: datetime) -> Window:
    """Return the window of a due time.

    Args:
        schedule: the schedule of the pipeline.
        due: one of its due times, without its delay.
    """
    due = due.astimezone(UTC)
    return Window(*bounds_of(schedule, due), due)


def newest_window(schedule: Schedule, now: datetime) -> Window | None:
    """Return the window whose due time, with the delay, is the newest that has come.

    Args:
        schedule: the schedule of the pipeline.
        now: the present moment.
    """
    due = last_due_of(schedule, now - delay_of(schedule))
    return None if due is None else window_of(schedule, due)


def upcoming(schedule: Schedule, now: datetime, most: int) -> list[Window]:
    """Return the next windows whose runs have not begun yet, in order.

    Args:
        schedule: the schedule of the pipeline; whether it is paused does not count.
        now: the present moment.
        most: how many to return.
    """
    found: list[Window] = []
    due = next_due_of(schedule, now - delay_of(schedule))
    while due is not None and len(found) < most:
        found.append(window_of(schedule, due))
        due = next_due_of(schedule, due)
    return found


def window_tokens(text: str) -> tuple[str, ...]:
    """Return the templates of a window's times in `text`, in order, each once and as written.

    Raises:
        ValueError: something in braces with a colon is none; the message says what to write.
    """
    return tuple(dict.fromkeys(written for written, _, _ in _templates(text)))


def checked_path(text: str, check: Callable[[str], str]) -> str:
    """Return a path when its templates are right, and it is right with their times.

    Args:
        text: the path, with or without templates.
        check: raises ValueError where a path is wrong that has no templates.

    Raises:
        ValueError: the path is wrong; the message says what to write.
    """
    shown = filled(text, SAMPLE)
    if meant := _MEANT.search(shown):
        raise WrongValueError(f"{meant[0]} is not a time of a window", _WRITE)
    check(shown)
    return text


def of_any_window(text: str) -> str:
    """Return a pattern that matches the names of every window, and perhaps more.

    Each template becomes as many tokens as its times have folders.
    """
    number = 0
    for written in window_tokens(text):
        parts = filled(written, SAMPLE).split("/")
        for at in range(len(parts)):
            number += 1
            parts[at] = f"{{window_{number}}}"
        text = text.replace(written, "/".join(parts))
    return text


def filled(text: str, window: Window) -> str:
    """Return `text` with each template replaced by its time of the window.

    Args:
        text: a text that may hold templates.
        window: the window.

    Raises:
        ValueError: a template is wrong, or its time is outside the calendar.
    """
    for written, moment, form in _templates(text):
        text = text.replace(written, formatted(_moved(moment, window), form))
    return text


def _templates(text: str) -> Iterator[tuple[str, re.Match[str], str]]:
    for found in _TEMPLATE.finditer(text):
        moment = _MOMENT.fullmatch(found[1])
        if moment is None:
            raise WrongValueError(f"{found[0]} is not a time of a window", _WRITE)
        if "$" in found[2]:
            advice = "write the sign outside of the braces"
            raise WrongValueError(f"{found[0]}: a date format has no dollar sign here", advice)
        try:
            yield found[0], moment, checked_form(found[2])
        except ValueError as exc:
            raise WrongValueError(f"{found[0]}: {exc}") from None


def _moved(moment: re.Match[str], window: Window) -> datetime:
    """Return the time that is meant, moved as written; a month that is too short has a last day."""
    at = window.start if moment[1] == "start" else window.end
    if moment[2] is None:
        return at
    number = int(moment[2] + moment[3])
    try:
        if moment[4] in _UNITS:
            return at + number * _UNITS[moment[4]]
        months = at.year * _MONTHS + at.month - 1 + number * _MONTHS_OF[moment[4]]
        year, month = divmod(months, _MONTHS)
        return at.replace(
            year=year, month=month + 1, day=min(at.day, monthrange(year, month + 1)[1])
        )
    except (OverflowError, ValueError, IndexError):
        raise WrongValueError(
            f"{{{moment[0]}:…}} is outside the calendar", "write a smaller number"
        ) from None
