"""Evaluates expressions of ARM templates: `[concat(parameters('name'), '/x')]`.

What depends on the deployment, such as `reference()`, `listKeys()` or `resourceGroup()`, and what
names a secret parameter, has no value here: `UnresolvedError` says why.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from shared.importers.data_factory.expressions.syntax import (
    Call,
    Constant,
    Member,
    Node,
    UnresolvedError,
    whole,
)

#: Azure takes expressions of at most this length.
_LONGEST: Final = 24_576
#: No definition has a longer text; it bounds what a hostile template can make.
_LONGEST_VALUE: Final = 32_768
_PLACE: Final = re.compile(r"\{(\d{1,3})\}")
_BRACES: Final = re.compile(r"\{\{|\}\}|\{[^{}]*\}")

#: Returns the value of a parameter or a variable.
Lookup = Callable[[str], Any]


class OpenText(str):
    """An expression inside of a variable that has no value here."""

    __slots__ = ("error",)
    error: UnresolvedError


def is_expression(text: str) -> bool:
    """Whether a text is an expression: in brackets, and the first one is not doubled."""
    return text.startswith("[") and text.endswith("]") and not text.startswith("[[")


def literal(text: str) -> str:
    """Return a text that is not an expression, without the bracket that escapes another."""
    return text[1:] if text.startswith("[[") and text.endswith("]") else text


def evaluated(text: str, parameter: Lookup, variable: Lookup, *, with_gaps: bool = False) -> Any:
    """Return the value of an expression.

    Args:
        text: the expression, with its brackets.
        parameter: gives the value of a parameter.
        variable: gives the value of a variable.
        with_gaps: whether a text may have `<parameters>` or `<listKeys>` in place of a part that
            has no value here.

    Raises:
        UnresolvedError: it has none here.
    """
    node, _ = whole(text[1:-1], 2, most=_LONGEST)
    lookups = {"parameters": parameter, "variables": variable}
    value = _Evaluation(lookups, with_gaps=with_gaps).value(node)
    if isinstance(value, OpenText):
        raise value.error
    return value


class _Evaluation:
    """One evaluation of an expression."""

    def __init__(self, lookups: Mapping[str, Lookup], *, with_gaps: bool) -> None:
        self._lookups, self._with_gaps = lookups, with_gaps

    def value(self, node: Node) -> Any:
        """Return the value of an expression, or of a part of it.

        Raises:
            UnresolvedError: it has none here.
        """
        if isinstance(node, Constant):
            return node.value
        if isinstance(node, Member):
            return _member(self._part(node.of), self._part(node.key))
        if isinstance(node, Call):
            return self._called(node.name, [self._part(one) for one in node.arguments])
        raise UnresolvedError("a name in it is neither a function nor a constant")

    def _part(self, node: Node) -> Any:
        """Return the value of a part; with gaps, what stands in place of one without a value."""
        try:
            value = self.value(node)
            if isinstance(value, OpenText) and not self._with_gaps:
                raise value.error
        except UnresolvedError as error:
            if not self._with_gaps or not isinstance(node, Call):
                raise
            value = OpenText(f"<{node.name}>")
            value.error = error
        return value

    def _called(self, name: str, given: Sequence[Any]) -> Any:
        folded = name.casefold()
        lookup = self._lookups.get(folded)
        if lookup is not None and len(given) == 1 and isinstance(given[0], str):
            return lookup(given[0])
        function = _FUNCTIONS.get(folded)
        gap = next((one for one in given if isinstance(one, OpenText)), None)
        if gap is not None and folded != "concat":
            raise gap.error
        if function is None:
            raise UnresolvedError(f"{name}() has its value only when the template is deployed")
        try:
            value = function(*given)
        except (TypeError, ValueError, AttributeError, LookupError):
            raise UnresolvedError(f"{name}() has arguments that it does not take") from None
        if isinstance(value, str) and len(value) > _LONGEST_VALUE:
            raise UnresolvedError(f"its value has more than {_LONGEST_VALUE} characters")
        return value


def _member(value: Any, key: Any) -> Any:
    """Return a member of an object or a list.

    Raises:
        UnresolvedError: there is none.
    """
    if isinstance(value, OpenText):
        return value
    if isinstance(value, list) and isinstance(key, int) and -1 < key < len(value):
        return value[key]
    if isinstance(value, dict):
        for name, found in value.items():
            if name.casefold() == str(key).casefold():
                return found
    if isinstance(value, list) and str(key).isdecimal() and int(key) < len(value):
        return value[int(key)]
    raise UnresolvedError("a value has no such member")


def _concat(*parts: Any) -> Any:
    if parts and all(isinstance(part, list) for part in parts):
        return [one for part in parts for one in part]
    return "".join(map(_text, parts))


def _text(value: Any) -> str:
    """Return a scalar as a template writes it into a text.

    Raises:
        TypeError: it is an object or a list.
    """
    if value is None or isinstance(value, dict | list):
        raise TypeError
    return str(value) if not isinstance(value, bool) else str(value).capitalize()


def _format(form: str, *given: Any) -> str:
    """Return a text with its places filled; `{0:N2}` has no value here.

    Raises:
        ValueError: a place has a format of its own.
    """

    def filled(found: re.Match[str]) -> str:
        if found[0] in ("{{", "}}"):
            return found[0][0]
        place = _PLACE.fullmatch(found[0])
        if place is None:
            raise ValueError(form)
        return _text(given[int(place[1])])

    longest = max((len(one) for one in given if isinstance(one, str)), default=0)
    _bound(len(_BRACES.findall(form)) * longest)
    return _BRACES.sub(filled, form)


def _replace(text: str, old: str, new: str) -> str:
    """Return a text with another part in place of one.

    Raises:
        ValueError: that part is empty, or the text would be too long.
    """
    if not old:
        raise ValueError(old)
    _bound(text.count(old) * len(new))
    return text.replace(old, new)


def _bound(length: int) -> None:
    """Refuse a text before it is made, where it would be too long.

    Raises:
        ValueError: it would.
    """
    if length > 4 * _LONGEST_VALUE:
        raise ValueError(length)


def _resource_id(*parts: str) -> str:
    """Return the end of a resource's id, which names it: `TYPE/NAME/TYPE/NAME`."""
    at = next(n for n, part in enumerate(parts) if "/" in part)
    namespace, *types = parts[at].split("/")
    names = parts[at + 1 :]
    if len(names) != len(types):
        raise ValueError(parts[at])
    pairs = (f"{kind}/{_text(name)}" for kind, name in zip(types, names, strict=True))
    return "/".join(("/providers", namespace, *pairs))


def _equals(one: Any, other: Any) -> bool:
    if isinstance(one, str) and isinstance(other, str):
        return one.casefold() == other.casefold()
    return bool(one == other)


def _truth(value: Any) -> bool:
    """Return a value that is true or false.

    Raises:
        TypeError: it is neither.
    """
    if not isinstance(value, bool):
        raise TypeError
    return value


_FUNCTIONS: Final[dict[str, Callable[..., Any]]] = {
    "and": lambda *given: all(map(_truth, given)),
    "concat": _concat,
    "createarray": lambda *given: list(given),
    "empty": lambda one: not one,
    "equals": _equals,
    "false": lambda: False,
    "first": lambda many: many[0],
    "format": _format,
    "if": lambda condition, yes, no: yes if _truth(condition) else no,
    "int": int,
    "last": lambda many: many[-1],
    "not": lambda one: not _truth(one),
    "null": lambda: None,
    "or": lambda *given: any(map(_truth, given)),
    "replace": _replace,
    "resourceid": _resource_id,
    "split": lambda text, at: text.split(at),
    "string": _text,
    "tolower": lambda text: text.lower(),
    "toupper": lambda text: text.upper(),
    "trim": lambda text: text.strip(),
    "true": lambda: True,
}
