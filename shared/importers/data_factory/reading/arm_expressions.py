"""Evaluates expressions of ARM templates: `[concat(parameters('name'), '/x')]`.

What depends on the deployment, such as `reference()`, `listKeys()` or `resourceGroup()`, and what
names a secret parameter, has no value here: `UnresolvedError` says why.
"""

import re
from collections.abc import Callable, Sequence
from typing import Any, Final

#: Azure takes expressions of at most this length.
_LONGEST: Final = 24_576
_DEEPEST: Final = 40
#: No definition has a longer text; it bounds what a hostile template can make.
_LONGEST_VALUE: Final = 32_768
_TOKEN: Final = re.compile(r"\s*+(?:('(?:[^']|'')*+')|([A-Za-z_][\w.]*+)|(-?\d++)|([()\[\],.]))")
_PLACE: Final = re.compile(r"\{(\d{1,3})\}")
_BRACES: Final = re.compile(r"\{\{|\}\}|\{[^{}]*\}")

#: Returns the value of a parameter or a variable.
Lookup = Callable[[str], Any]


class UnresolvedError(Exception):
    """An expression has no value here.

    Args:
        why: what stands in the way, for people.
        is_secret: whether that is a parameter whose value is a secret.
    """

    def __init__(self, why: str, *, is_secret: bool = False) -> None:
        super().__init__(why)
        self.why, self.is_secret = why, is_secret


class OpenText(str):
    """An expression inside of a variable that has no value here."""

    __slots__ = ("error",)
    error: UnresolvedError


def is_expression(text: str) -> bool:
    """Whether a text is an expression: in brackets, and the first one is not doubled."""
    return text.startswith("[") and text.endswith("]") and not text.startswith("[[")


def literal(text: str) -> str:
    """Return a text that is no expression, without the bracket that escapes another."""
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
    if len(text) > _LONGEST:
        raise UnresolvedError(f"the expression has more than {_LONGEST} characters")
    return _Expression(text[1:-1], parameter, variable, with_gaps=with_gaps).value()


class _Expression:
    """One expression, read from left to right."""

    def __init__(self, text: str, parameter: Lookup, variable: Lookup, *, with_gaps: bool) -> None:
        self._with_gaps = with_gaps
        self._lookups = {"parameters": parameter, "variables": variable}
        self._tokens: list[str] = []
        self._at = 0
        done = 0
        text = text.rstrip()
        while done < len(text):
            token = _TOKEN.match(text, done)
            if token is None:
                raise UnresolvedError("the expression is not complete")
            self._tokens.append(token[0].strip())
            done = token.end()

    def value(self) -> Any:
        """Return the value.

        Raises:
            UnresolvedError: it has none, or the text is no expression.
        """
        value = self._operand(0)
        if self._at != len(self._tokens):
            raise UnresolvedError("the expression is not complete")
        return value

    def _next(self) -> str:
        if self._at == len(self._tokens):
            raise UnresolvedError("the expression is not complete")
        self._at += 1
        return self._tokens[self._at - 1]

    def _is_next(self, token: str) -> bool:
        found = self._at < len(self._tokens) and self._tokens[self._at] == token
        self._at += found
        return found

    def _operand(self, depth: int) -> Any:
        if depth > _DEEPEST:
            raise UnresolvedError(f"the expression is nested more than {_DEEPEST} deep")
        token = self._next()
        if token[0] == "'":
            return token[1:-1].replace("''", "'")
        if token.lstrip("-").isdigit():
            return _whole(token)
        if not self._is_next("("):
            raise UnresolvedError("the expression is not complete")
        given = self._arguments(depth)
        try:
            value = self._called(token, given)
        except UnresolvedError as error:
            if not self._with_gaps or not depth:
                raise
            value = _gap(token, error)
        while self._at < len(self._tokens) and self._tokens[self._at][0] in ".[":
            value = _member(value, self._key(depth))
        if isinstance(value, OpenText) and not (self._with_gaps and depth):
            raise value.error
        return value

    def _key(self, depth: int) -> Any:
        if self._next() == ".":
            return self._next()
        key = self._operand(depth + 1)
        if not self._is_next("]"):
            raise UnresolvedError("the expression is not complete")
        return key

    def _arguments(self, depth: int) -> list[Any]:
        found: list[Any] = []
        while not self._is_next(")"):
            if found and not self._is_next(","):
                raise UnresolvedError("the expression is not complete")
            found.append(self._operand(depth + 1))
        return found

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


def _gap(name: str, error: UnresolvedError) -> OpenText:
    """Return what stands in a text for a part without a value."""
    made = OpenText(f"<{name}>")
    made.error = error
    return made


def _whole(token: str) -> int:
    try:
        return int(token)
    except ValueError:
        raise UnresolvedError("the expression has a number that is too long") from None


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
