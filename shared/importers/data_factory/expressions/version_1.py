"""Expressions of version 1: `$$Text.Format('…{0:yyyyMMdd}…', SliceStart)`, and partitioned paths.

They become texts with window times (data-factory §2.8). The two pairs of variables, WindowStart and
WindowEnd, SliceStart and SliceEnd, are the same times.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Final

from shared.importers.data_factory.expressions.moments import (
    DEFAULT,
    NO_FORMAT,
    Moment,
    constant_date,
    custom_form,
    has_zone,
    whole_number,
)
from shared.importers.data_factory.expressions.resolved import (
    Field,
    Part,
    Resolved,
    Text,
    Value,
    joined,
    parts_of,
    resolved_by,
)
from shared.importers.data_factory.expressions.syntax import (
    Call,
    Constant,
    Member,
    Node,
    UnresolvedError,
    whole,
)

__all__ = ["SLICE", "Resolved", "partitions", "resolved", "time_of"]

#: The expressions for the start and the end of a slice, where an input names no others.
SLICE: Final = ("SliceStart", "SliceEnd")
_PREFIX: Final = "$$"
_WITHIN: Final = re.compile(
    r"\$\$\s*(?:(?:Time|Date|DateTime|Text)\.|(?:Slice|Window)(?:Start|End))", re.IGNORECASE
)
_VARIABLE: Final = re.compile(r"\{([^{}]+)\}")
_INDEXED: Final = re.compile(r"\s*(\d{1,3})\s*(?:,\s*(-?\d{1,4})\s*)?(?::([^{}]*))?\}")
_ZEROS: Final = re.compile(r"0{1,20}|[Dd]\d{0,2}")
_START: Final = Moment("start")
_END: Final = Moment("end")
_UNKNOWN: Final = "it uses a name that is not one of the variables of Data Factory"
_ZONE: Final = "it writes the zone of a time; Relearn writes that of UTC, such as Z"
_LOOSE: Final = "a quote within its text is not escaped; Relearn takes it for a part of the text"


def resolved(
    text: str, partitions: Mapping[str, Resolved | str], slices: tuple[str, str] = SLICE
) -> Resolved:
    """Return what a text of version 1 stands for; a text without an expression, as it is.

    Args:
        text: `$$…`, or a text in which `{Year}` stands for a variable of `partitionedBy`.
        partitions: these variables with what they stand for; without them, braces are text.
        slices: expressions for the start and the end of the slice of the dataset that has this
            text, such as `Date.AddDays(SliceStart, -1)` of the input that uses it.
    """

    def evaluate(notes: list[str]) -> Value:
        stripped = text.strip()
        if stripped.startswith(_PREFIX):
            scope = _scope(slices, notes)
            return scope.text(scope.parsed(stripped.removeprefix(_PREFIX)))
        if _WITHIN.search(text):
            raise UnresolvedError("an expression begins within a text, not at its start")
        return joined(_filled(text, partitions, notes)) if partitions else text

    return resolved_by(evaluate, text)


def partitions(value: Any, slices: tuple[str, str] = SLICE) -> dict[str, Resolved]:
    """Return the variables of `partitionedBy`, and what each stands for (data-factory §2.2).

    Args:
        value: the list, as the definition has it; what is not a variable is left out.
        slices: as for `resolved`.
    """
    found = (dict(_lower(one)) for one in value) if isinstance(value, list) else ()
    return {
        str(one["name"]).strip(): resolved_by(_variable(one.get("value"), slices), one)
        for one in found
        if "name" in one
    }


def time_of(text: str) -> Moment | None:
    """Return the time that an expression such as `Date.AddDays(SliceStart, -1)` stands for.

    Args:
        text: `startTime` or `endTime` of an input; None where it is no such time.
    """
    found: list[Moment] = []

    def evaluate(notes: list[str]) -> Value:
        found.append(_scope(SLICE, notes).time(text))
        return ""

    resolved_by(evaluate, text)
    return found[0] if found else None


def _lower(value: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict):
        yield from ((str(key).casefold(), one) for key, one in value.items())


def _variable(value: Any, slices: tuple[str, str]) -> Callable[[list[str]], Value]:
    """Return the evaluation of one variable of `partitionedBy`."""
    given = dict(_lower(value)) if isinstance(value, dict) else {"type": "text"}

    def evaluate(notes: list[str]) -> Value:
        if str(given.get("type", "DateTime")).casefold() != "datetime":
            raise UnresolvedError("a variable of partitionedBy is not a DateTime")
        moment = _scope(slices, notes).time(str(given.get("date", "")))
        form = given.get("format")
        return Text((_field(moment, form if isinstance(form, str) else ""),))

    return evaluate


def _filled(
    text: str, partitions: Mapping[str, Resolved | str], notes: list[str]
) -> Iterator[Part]:
    """Yield the parts of a text whose variables are replaced."""
    known = {name.casefold(): one for name, one in partitions.items()}
    for at, part in enumerate(_VARIABLE.split(text)):
        if at % 2 == 0:
            yield part
            continue
        one = known.get(part.strip().casefold())
        if one is None:
            raise UnresolvedError("a variable in braces is not in partitionedBy")
        if isinstance(one, str):
            yield one
            continue
        if one.text is None:
            raise UnresolvedError(f"a variable of partitionedBy cannot be carried over: {one.why}")
        notes += one.notes
        yield from parts_of(one.parts)


def _field(moment: Moment, form: str) -> Field:
    custom, guess = custom_form(form)
    return Field(moment, custom, guess or (_ZONE if has_zone(custom) else ""))


def _scope(slices: tuple[str, str], notes: list[str]) -> "_Scope":
    """Return the variables, where the slice of a dataset is given by expressions."""
    window = {"windowstart": _START, "windowend": _END}
    usual = _Scope({**window, "slicestart": _START, "sliceend": _END}, notes)
    start, end = slices
    of_dataset = {"slicestart": usual.time(start), "sliceend": usual.time(end)}
    return _Scope({**window, **of_dataset}, notes)


@dataclass(frozen=True, slots=True)
class _Scope:
    """The variables of an expression, and how its result differs."""

    variables: Mapping[str, Moment]
    notes: list[str] = field(repr=False)

    def parsed(self, text: str) -> Value:
        """Return the value of an expression without `$$`."""
        node, parser = whole(text, 1)
        if parser.loose_quotes:
            self.notes.append(_LOOSE)
        return self.value(node)

    def time(self, text: str) -> Moment:
        """Return the time that an expression stands for; it need not begin with `$$`."""
        return _moment(self.parsed(text.strip().removeprefix(_PREFIX)))

    def text(self, value: Value) -> Value:
        """Return a value as a text where it is a time."""
        return Text((Field(value, DEFAULT, NO_FORMAT),)) if isinstance(value, Moment) else value

    def value(self, node: Node) -> Value:
        """Return the value of a part of an expression."""
        if isinstance(node, Constant):
            return node.value
        if isinstance(node, Member):
            raise UnresolvedError(_UNKNOWN)
        name = node.name.casefold()
        if not isinstance(node, Call):
            if name not in self.variables:
                raise UnresolvedError(_UNKNOWN)
            return self.variables[name]
        given = [self.value(one) for one in node.arguments]
        if name == "text.format":
            return self._formatted(given)
        if name == "datetime.from" and len(given) == 1:
            return given[0] if isinstance(given[0], Moment) else constant_date(given[0])
        if name in _CHANGES and len(given) == 2:  # noqa: PLR2004
            return _CHANGES[name](_moment(given[0]), whole_number(given[1]))
        if name in _PARTS and len(given) == 1:
            return _PARTS[name](_moment(given[0]))
        raise UnresolvedError(_NOT_HERE.get(name, "it calls a function in a way unknown here"))

    def _formatted(self, given: list[Value]) -> Value:
        if not given or not isinstance(given[0], str):
            raise UnresolvedError("the format of Text.Format is not a text")
        return joined(_composite(given[0], [self.text(one) for one in given[1:]]))


def _composite(form: str, given: list[Value]) -> Iterator[Part]:
    """Yield the parts of a composite format of .NET: `{0}`, `{0:yyyy}`, `{{` and `}}`."""
    at = 0
    while (sign := re.compile(r"[{}]").search(form, at)) is not None:
        yield form[at : sign.start()]
        at = sign.end()
        if form.startswith(sign[0], at):
            yield sign[0]
            at += 1
            continue
        found = _INDEXED.match(form, at) if sign[0] == "{" else None
        if found is None or int(found[1]) >= len(given):
            raise UnresolvedError("a {0} of Text.Format has no value, or is not closed")
        yield from _item(given[int(found[1])], found[2], found[3] or "")
        at = found.end()
    yield form[at:]


def _item(value: Value, width: str | None, form: str) -> Iterator[Part]:
    """Yield one value of a composite format."""
    if isinstance(value, Text):
        if width is not None:
            raise UnresolvedError("Text.Format pads a time with blanks")
        yield from (_timed(value.parts[0], form),) if form else value.parts
        return
    shown = "".join(str(part) for part in parts_of(value))
    if form and not isinstance(value, str):
        if not isinstance(value, int) or not _ZEROS.fullmatch(form):
            raise UnresolvedError("Text.Format writes a number in a format of its own")
        digits = int(form[1:] or 1) if form[0] in "dD" else len(form)
        shown = f"{value:0{digits + (value < 0)}}"
    wide = int(width or 0)
    yield shown.ljust(-wide) if wide < 0 else shown.rjust(wide)


def _timed(part: Part, form: str) -> Part:
    """Return a time in the format of a composite format."""
    if isinstance(part, Field) and part.guess == NO_FORMAT:
        return _field(part.moment, form)
    if isinstance(part, Field) and part.form == _DAY and form in _DAYS:
        return Field(part.moment, _DAYS[form])
    raise UnresolvedError("Text.Format gives a format to something that is not a time")


def _moment(value: Value) -> Moment:
    if not isinstance(value, Moment):
        raise UnresolvedError("a function of time in it is given something else")
    return value


_TICK: Final = timedelta(microseconds=1)
_CHANGES: Final[dict[str, Callable[[Moment, int], Moment]]] = {
    "time.addhours": lambda at, number: at.moved(by=timedelta(hours=number)),
    "time.addminutes": lambda at, number: at.moved(by=timedelta(minutes=number)),
    "date.adddays": lambda at, number: at.moved(by=timedelta(days=number)),
    "date.addweeks": lambda at, number: at.moved(by=timedelta(weeks=number)),
    "date.addmonths": lambda at, number: at.moved(months=number),
    "date.addquarters": lambda at, number: at.moved(months=3 * number),
    "date.addyears": lambda at, number: at.moved(months=12 * number),
}
_PARTS: Final[dict[str, Callable[[Moment], Value]]] = {
    "time.startofhour": lambda at: at.floored("hour"),
    "date.startofday": lambda at: at.floored("day"),
    "date.endofday": lambda at: at.floored("day").moved(by=timedelta(days=1) - _TICK),
    "date.endofmonth": lambda at: at.floored("month").moved(months=1).moved(by=-_TICK),
    "date.day": lambda at: Text((Field(at, _DAY),)),
    "date.dayofweek": lambda at: Text((Field(at, "dddd", _DAY_NAME),)),
}
_DAY: Final = "%d"
_DAYS: Final = {"0": _DAY, "00": "dd"}
_DAY_NAME: Final = "it writes a day of the week; Relearn writes its English name"
_NOT_HERE: Final = {
    "date.dayofyear": "the day of the year has no form as a window time",
    "date.daysinmonth": "the number of days of a month has no form as a window time",
    "datetime.ticks": "ticks have no form as a window time",
}
