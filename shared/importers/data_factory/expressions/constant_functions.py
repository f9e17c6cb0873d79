"""The functions of version 2 that are computed at once, since all that they are given is constant.

A time of a window is never constant, so these functions cannot be given one.
"""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import quote

from shared.importers.data_factory.expressions.moments import constant_date
from shared.importers.data_factory.expressions.syntax import MOST_CHARACTERS, UnresolvedError

_FIRST: Final = datetime(1, 1, 1, tzinfo=UTC)
_TICKS: Final = 10_000_000  #: of a second


def text_of(value: Any) -> str:
    """Return a constant as a text.

    Raises:
        UnresolvedError: it is none.
    """
    if not isinstance(value, str):
        raise UnresolvedError("a function of texts in it is given something else")
    return value


def _number(value: Any) -> int | float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise UnresolvedError("a function of numbers in it is given something else")
    return value


def _truth(value: Any) -> bool:
    if not isinstance(value, bool):
        raise UnresolvedError("a condition in it is neither true nor false")
    return value


def _substring(text: Any, start: Any, length: Any = None) -> str:
    whole, first = text_of(text), int(_number(start))
    count = len(whole) - first if length is None else int(_number(length))
    if first < 0 or count < 0 or first + count > len(whole):
        raise UnresolvedError("substring in it asks for more than the text has")
    return whole[first : first + count]


def _replace(text: Any, old: Any, new: Any) -> str:
    whole, what, by = text_of(text), text_of(old), text_of(new)
    if not what:
        raise UnresolvedError("replace in it is given an empty text")
    if len(whole) + whole.count(what) * len(by) > MOST_CHARACTERS:
        raise UnresolvedError("a text in it becomes too long")
    return whole.replace(what, by)


def _equal(left: Any, right: Any) -> bool:
    return isinstance(left, bool) == isinstance(right, bool) and bool(left == right)


def _divided(left: Any, right: Any) -> int | float:
    first, second = _number(left), _number(right)
    if isinstance(first, int) and isinstance(second, int):
        quotient = abs(first) // abs(second)
        return quotient if (first < 0) == (second < 0) else -quotient
    return first / second


def _split(text: Any, by: Any) -> list[str]:
    return text_of(text).split(by) if by else [text_of(text)]


def _no_list(*_given: Any) -> Any:
    raise UnresolvedError("join in it is given no list")


def _index(value: Any) -> int:
    count = int(_number(value))
    if count < 0:
        raise UnresolvedError("a function of lists in it is given a negative number")
    return count


def _contained(within: Any, what: Any) -> bool:
    return what in within if isinstance(within, list | dict) else text_of(what) in text_of(within)


def _date(value: Any) -> datetime:
    base = constant_date(value).base
    if isinstance(base, datetime):
        return base
    raise UnresolvedError("a text in it is used as a time, and is none")


def _as_bool(value: Any) -> bool:
    if isinstance(value, bool | int | float):
        return bool(value)
    known = {"true": True, "false": False, "1": True, "0": False}
    if text_of(value).strip().casefold() not in known:
        raise UnresolvedError("a condition in it is neither true nor false")
    return known[value.strip().casefold()]


def _ticks(value: Any) -> int:
    passed = _date(value) - _FIRST
    return (passed.days * 86_400 + passed.seconds) * _TICKS + passed.microseconds * 10


#: By their names in lower case; they raise what resolving an expression catches.
CONSTANT_FUNCTIONS: Final[dict[str, Callable[..., Any]]] = {
    "tolower": lambda text: text_of(text).lower(),
    "toupper": lambda text: text_of(text).upper(),
    "trim": lambda text: text_of(text).strip(),
    "substring": _substring,
    "replace": _replace,
    "split": _split,
    "join": _no_list,
    "skip": lambda values, count: values[_index(count) :],
    "take": lambda values, count: values[: _index(count)],
    "json": lambda text: json.loads(text_of(text)),
    "indexof": lambda text, part: text_of(text).lower().find(text_of(part).lower()),
    "lastindexof": lambda text, part: text_of(text).lower().rfind(text_of(part).lower()),
    "startswith": lambda text, part: text_of(text).lower().startswith(text_of(part).lower()),
    "endswith": lambda text, part: text_of(text).lower().endswith(text_of(part).lower()),
    "contains": _contained,
    "empty": lambda value: value is None or len(value) == 0,
    "length": len,
    "first": lambda value: value[0],
    "last": lambda value: value[-1],
    "createarray": lambda *values: [*values],
    "array": lambda value: [value],
    "uricomponent": lambda text: quote(text_of(text), safe="-_.~"),
    "encodeuricomponent": lambda text: quote(text_of(text), safe="-_.~"),
    "int": int,
    "float": float,
    "bool": _as_bool,
    "equals": _equal,
    "not": lambda value: not _truth(value),
    "and": lambda left, right: _truth(left) and _truth(right),
    "or": lambda left, right: _truth(left) or _truth(right),
    "greater": lambda left, right: left > right,
    "greaterorequals": lambda left, right: left >= right,
    "less": lambda left, right: left < right,
    "lessorequals": lambda left, right: left <= right,
    "add": lambda left, right: _number(left) + _number(right),
    "sub": lambda left, right: _number(left) - _number(right),
    "mul": lambda left, right: _number(left) * _number(right),
    "div": _divided,
    "mod": lambda left, right: _number(left) - _number(right) * int(_divided(left, right)),
    "min": lambda *values: min(map(_number, values)),
    "max": lambda *values: max(map(_number, values)),
    "dayofmonth": lambda value: _date(value).day,
    "dayofweek": lambda value: _date(value).isoweekday() % 7,
    "dayofyear": lambda value: _date(value).timetuple().tm_yday,
    "ticks": _ticks,
}
