"""Times in custom .NET date formats, as partitioned paths write them; invariant culture, UTC."""

import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Final

from shared.core.config.problems import WrongValueError

_DAYS: Final = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_MONTHS: Final = (
    *("January", "February", "March", "April", "May", "June", "July"),
    *("August", "September", "October", "November", "December"),
)
_SHORT: Final = 3  #: letters of a short name; a longer form is the whole name
_PAIR: Final = 2
_CENTURY: Final = 100
_NOON: Final = 12
_MOST_DIGITS: Final = 7  #: of a second's fraction
_QUOTES: Final = "'\""
_QUOTED: Final = re.compile(r"'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\"", re.DOTALL)
_EXAMPLE: Final = "write it like yyyy/MM/dd or yyyyMMddHH"


def _number(value: int, count: int) -> str:
    return f"{value:0{min(count, _PAIR)}}"


def _year(at: datetime, count: int) -> str:
    return f"{at.year:0{count}}" if count > _PAIR else f"{at.year % _CENTURY:0{count}}"


def _name(names: tuple[str, ...], at: int, count: int) -> str:
    return names[at][:_SHORT] if count <= _SHORT else names[at]


def _day(at: datetime, count: int) -> str:
    return _number(at.day, count) if count <= _PAIR else _name(_DAYS, at.weekday(), count)


def _month(at: datetime, count: int) -> str:
    return _number(at.month, count) if count <= _PAIR else _name(_MONTHS, at.month - 1, count)


def _fraction(at: datetime, count: int) -> str:
    return f"{at.microsecond:06}0"[:count]


#: What each letter of a format stands for, and how often it is written; times are in UTC.
_LETTERS: Final[dict[str, Callable[[datetime, int], str]]] = {
    "y": _year,
    "M": _month,
    "d": _day,
    "H": lambda at, count: _number(at.hour, count),
    "h": lambda at, count: _number(at.hour % _NOON or _NOON, count),
    "m": lambda at, count: _number(at.minute, count),
    "s": lambda at, count: _number(at.second, count),
    "f": _fraction,
    "F": lambda at, count: _fraction(at, count).rstrip("0"),
    "t": lambda at, count: ("AM" if at.hour < _NOON else "PM")[:count],
    "g": lambda at, count: "A.D.",  # noqa: ARG005
    "K": lambda at, count: "Z" * count,  # noqa: ARG005
    "z": lambda at, count: ("+0", "+00", "+00:00")[min(count, _SHORT) - 1],  # noqa: ARG005
}


def formatted(moment: datetime, form: str) -> str:
    """Return a time as a custom .NET date format writes it, in UTC and the invariant culture.

    Args:
        moment: an aware time.
        form: the format, such as `yyyy/MM/dd`.

    Raises:
        ValueError: it is no such format; the message says what to write.
    """
    at = moment.astimezone(UTC)
    written = ""
    for letter, text in _parts(form):
        if not letter:
            written += text
            continue
        shown = _LETTERS[letter](at, len(text))
        if letter == "F" and not shown and written.endswith("."):
            written = written[:-1]  # a point ahead of no digits is left out too
        written += shown
    return written


def checked_form(form: str) -> str:
    """Return `form` when it is a custom .NET date format.

    Raises:
        ValueError: it is none; the message says what to write.
    """
    letters = {letter for letter, _ in _parts(form)}
    if letters <= {""}:
        raise WrongValueError("the date format has no part of a date", _EXAMPLE)
    return form


def _parts(form: str) -> Iterator[tuple[str, str]]:
    """Yield the letter of each part and the part as it is written; literals have no letter.

    Raises:
        ValueError: the format cannot be read.
    """
    if not form:
        raise WrongValueError("the date format is empty", _EXAMPLE)
    if len(form) == 1:
        raise WrongValueError(
            f"{form} by itself is not a custom format: .NET takes it for a standard one",
            f"write %{form} for only this part" if form in _LETTERS else _EXAMPLE,
        )
    at = 0
    while at < len(form):
        letter = form[at]
        if letter in _LETTERS:
            text = letter * (len(form) - at - len(form[at:].lstrip(letter)))
            at += len(text)
            yield _letters(letter, text)
        else:
            text, at = _literal(form, at)
            yield ("", text) if letter != "%" else _letters(text, text)


def _letters(letter: str, text: str) -> tuple[str, str]:
    if letter not in _LETTERS:
        return "", text
    if letter in "fF" and len(text) > _MOST_DIGITS:
        raise WrongValueError(f"{text} has more than 7 digits of a second", "write at most 7")
    return letter, text


def _literal(form: str, at: int) -> tuple[str, int]:
    """Return what stands at a place that begins with no letter of a date, and where it ends."""
    sign, following = form[at], form[at + 1 : at + 2]
    if sign in _QUOTES:
        quoted = _QUOTED.match(form, at)
        if quoted is None:
            raise WrongValueError(f"the {sign} in the date format is not closed", f"add a {sign}")
        return re.sub(r"\\(.)", r"\1", quoted[0][1:-1], flags=re.DOTALL), quoted.end()
    if sign not in "%\\":
        return sign, at + 1
    if not following or (sign == "%" and following == "%"):
        raise WrongValueError(
            f"{sign} in the date format has nothing after it", f"write \\{sign} for the sign itself"
        )
    return following, at + _PAIR
