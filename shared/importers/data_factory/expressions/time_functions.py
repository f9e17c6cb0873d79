"""The functions of version 2: those that compute with times, and how any of them is called.

There a time is a text. What is given to a function is read again as the time that was written.
"""

from collections.abc import Callable
from datetime import timedelta
from typing import Any, Final, Literal

from shared.importers.data_factory.expressions.constant_functions import CONSTANT_FUNCTIONS, text_of
from shared.importers.data_factory.expressions.moments import (
    ROUND_TRIP,
    Moment,
    constant_date,
    custom_form,
    cut_form,
    moment_written,
    replaced_form,
    split_form,
    whole_number,
)
from shared.importers.data_factory.expressions.resolved import (
    EVENT_FOLDER,
    EventFolders,
    Field,
    Text,
    Value,
    joined,
    parts_of,
)
from shared.importers.data_factory.expressions.syntax import UnresolvedError

_UTC: Final = frozenset({"utc", "etc/utc", "coordinated universal time", "gmt"})
_ZONE: Final = "it converts a time to another time zone; a window time is in UTC"
_COMPUTES: Final = "it computes with a time of the window in a way that no window time can say"
_SHIFTS: Final = {
    "second": timedelta(seconds=1),
    "minute": timedelta(minutes=1),
    "hour": timedelta(hours=1),
    "day": timedelta(days=1),
    "week": timedelta(weeks=1),
}
_MONTHS: Final = {"month": 1, "year": 12}


def written(moment: Moment, form: str | None = None) -> Value:
    """Return a time as a text, in the format of a function's last argument.

    Args:
        moment: the time.
        form: a format of .NET; without one, that which keeps all of it.
    """
    field = Field(moment, ROUND_TRIP) if form is None else Field(moment, *custom_form(form))
    if isinstance(moment.base, str) or field.guess:
        return Text((field,))
    return joined((moment.written(field.form),))


def moment_of(value: Value) -> Moment:
    """Return the time that a text says.

    Args:
        value: a constant, or a text that is one time and nothing else.

    Raises:
        UnresolvedError: it says no time.
    """
    if not isinstance(value, Text):
        return constant_date(value)
    only = value.parts[0]
    if len(value.parts) > 1 or not isinstance(only, Field):
        raise UnresolvedError("a text in it is used as a time, and is none")
    return moment_written(only.moment, only.form)


def _form(given: tuple[Value, ...]) -> str | None:
    if len(given) > 1 and not (len(given) == 2 and text_of(given[1]).lower().startswith("en")):  # noqa: PLR2004
        raise UnresolvedError("a function of time in it is given too much, or another language")
    return text_of(given[0]) if given and given[0] is not None else None


def _adding(unit: str) -> Callable[..., Value]:
    def added(time: Value, number: Value, *form: Value) -> Value:
        return _added(time, number, unit, *form)

    return added


def _added(time: Value, number: Value, unit: Value, *form: Value) -> Value:
    named, count = text_of(unit).strip().casefold(), whole_number(number)
    moment = moment_of(time)
    if named in _MONTHS:
        return written(moment.moved(months=count * _MONTHS[named]), _form(form))
    if named not in _SHIFTS:
        raise UnresolvedError("it shifts a time by a unit that Data Factory does not have")
    return written(moment.moved(by=count * _SHIFTS[named]), _form(form))


def _subtracted(time: Value, number: Value, unit: Value, *form: Value) -> Value:
    return _added(time, -whole_number(number), unit, *form)


def _start_of(unit: Literal["hour", "day", "month"]) -> Callable[..., Value]:
    def start(time: Value, *form: Value) -> Value:
        return written(moment_of(time).floored(unit), _form(form))

    return start


def _of_one_zone(time: Value, zone: Value, *form: Value) -> Value:
    if text_of(zone).strip().casefold() not in _UTC:
        raise UnresolvedError(_ZONE)
    return written(moment_of(time), _form(form))


def _of_two_zones(time: Value, source: Value, *more: Value) -> Value:
    if text_of(source).strip().casefold() not in _UTC or not more:
        raise UnresolvedError(_ZONE)
    return _of_one_zone(time, *more)


#: By their names in lower case.
_TIME_FUNCTIONS: Final[dict[str, Callable[..., Value]]] = {
    "formatdatetime": lambda time, *form: written(moment_of(time), _form(form)),
    "adddays": _adding("day"),
    "addhours": _adding("hour"),
    "addminutes": _adding("minute"),
    "addseconds": _adding("second"),
    "addtotime": _added,
    "subtractfromtime": _subtracted,
    "startofhour": _start_of("hour"),
    "startofday": _start_of("day"),
    "startofmonth": _start_of("month"),
    "convertfromutc": _of_one_zone,
    "converttoutc": _of_one_zone,
    "converttimezone": _of_two_zones,
}


def _folders_from(folders: EventFolders, count: Value) -> Value:
    if whole_number(count) < 0:
        raise UnresolvedError(_COMPUTES)
    return EventFolders(folders.first + whole_number(count))


def _folders_joined(folders: EventFolders, by: Value) -> Value:
    if by != "/":
        raise UnresolvedError(_COMPUTES)
    return folders.joined()


_OF_FOLDERS: Final[dict[str, Callable[..., Value]]] = {
    "first": lambda folders: folders.at(0),
    "last": lambda folders: folders.at(-1),
    "skip": _folders_from,
    "join": _folders_joined,
}


def _of_text_with_time(name: str, given: list[Value]) -> Value:
    """Return what a function of constants makes of one time, or of the folder of a blob event.

    Args:
        name: of the function, in lower case.
        given: what it is given; the first is the text, or the list of folders.

    Raises:
        UnresolvedError: no window time can say that.
    """
    text, *more = given
    if name in _OF_FOLDERS and isinstance(text, EventFolders):
        return _OF_FOLDERS[name](text, *more)
    only = text.parts[0] if isinstance(text, Text) and len(text.parts) == 1 else None
    if only == EVENT_FOLDER and (name, more) == ("split", ["/"]):
        return EventFolders()
    if not isinstance(only, Field) or any(isinstance(one, Text) for one in more):
        raise UnresolvedError(_COMPUTES)
    if name == "dayofmonth" and not more:
        return Text((Field(moment_of(text), "%d"),))
    if name == "substring" and more:
        length = whole_number(more[1]) if len(more) > 1 else None
        form = ROUND_TRIP if only.guess else only.form
        return Text((Field(only.moment, cut_form(form, whole_number(more[0]), length)),))
    if name == "replace" and len(more) == 2:  # noqa: PLR2004
        form = replaced_form(only.form, text_of(more[0]), text_of(more[1]))
        return Text((Field(only.moment, form, only.guess),))
    if name == "split" and len(more) == 1:
        forms = split_form(ROUND_TRIP if only.guess else only.form, text_of(more[0]))
        return [Text((Field(only.moment, form),)) for form in forms]
    if name == "trim" and not more:
        return text
    raise UnresolvedError(_COMPUTES)


def computed(name: str, given: list[Value]) -> Value:
    """Return what a function makes of its values.

    Args:
        name: of the function, in lower case.
        given: its values.

    Raises:
        UnresolvedError: it cannot be computed ahead of a run.
    """
    if name in _TIME_FUNCTIONS:
        return _applied(_TIME_FUNCTIONS[name], given)
    if name == "concat":
        return joined(part for one in given for part in parts_of(one))
    if name == "string" and len(given) == 1:
        return joined(parts_of(given[0]))
    if name not in CONSTANT_FUNCTIONS:
        raise UnresolvedError("it calls a function that is unknown here")
    if name == "join" and len(given) == 2 and isinstance(given[0], list):  # noqa: PLR2004
        by = text_of(given[1])
        return joined([part for one in given[0] for part in (by, *parts_of(one))][1:])
    if any(isinstance(one, Text | EventFolders) for one in given):
        return _of_text_with_time(name, given)
    return _applied(CONSTANT_FUNCTIONS[name], given)


def _applied(function: Callable[..., Any], given: list[Value]) -> Value:
    try:
        found: Value = function(*given)
    except (TypeError, ValueError, LookupError, AttributeError, ArithmeticError):
        raise UnresolvedError("a function in it is given something that it does not take") from None
    return found
