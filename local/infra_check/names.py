"""Checks names of resources: how long they can become, and which characters they have."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from local.infra_check.declared import type_of, value_of_default
from local.infra_check.expressions import around, shape_of
from local.infra_check.files import File, Symbol, body_of, decorator_of, loop_names
from local.infra_check.shapes import known_values
from local.infra_check.syntax import bare, literal, member_of, part, parts, text_of, value_of
from local.infra_check.tree import Node
from local.infra_check.types import data
from shared.core.counting import counted

_FIXED: Final = {"uniqueString": 13, "guid": 36, "newGuid": 36}
_SAME: Final = ("toLower", "toUpper", "trim", "replace", "string")
_DEEPEST: Final = 20


@dataclass(frozen=True, slots=True)
class Span:
    """How long a text is at least and at most; None: without an end."""

    least: int
    most: int | None

    def plus(self, other: "Span") -> "Span":
        """Return the span of both texts together."""
        ends = None if self.most is None or other.most is None else self.most + other.most
        return Span(self.least + other.least, ends)

    def either(self, other: "Span") -> "Span":
        """Return the span of a text that is one of both."""
        ends = None if self.most is None or other.most is None else max(self.most, other.most)
        return Span(min(self.least, other.least), ends)


_UNKNOWN: Final = Span(0, None)


def check_name(file: File, symbol: Symbol) -> None:
    """Report a name of a resource that can be too long or too short, or has wrong characters.

    Args:
        file: where the resource is.
        symbol: the resource; one that exists already has its name.
    """
    rule = data("name-rules.json").get(type_of(symbol).split("@", maxsplit=1)[0])
    body = body_of(symbol)
    name = member_of(body.node, "name") if body is not None else None
    if rule is None or name is None or symbol.existing:
        return
    for text in [*_texts(name), *known_values(shape_of(file, name, around(file, name)))]:
        wrong = _wrong(text, rule)
        if wrong:
            shown = " ".join(sorted(set(wrong)))
            file.report(name, f"the name of '{symbol.name}' cannot have: {shown}", "Remove it")
    span = span_of(file, name)
    most, least = int(rule["max"]), int(rule["min"])
    if span.most is None or span.most > most:
        size = "any length" if span.most is None else counted(span.most, "character")
        what = f"the name of '{symbol.name}' can have {size}, and {most} are allowed"
        file.report(name, what, f"Write take(…, {most}), or @maxLength at the parameters")
    if span.most is not None and span.most < least:
        file.report(
            name, f"the name of '{symbol.name}' is shorter than {counted(least, 'character')}"
        )


def _wrong(text: str, rule: dict[str, Any]) -> str:
    if "characters" in rule:
        return re.sub(f"[{rule['characters']}]", "", text)
    return "".join(one for one in text if one in rule["forbidden"])


def _texts(name: Node) -> Iterator[str]:
    """Yield the parts of a name that are written out."""
    name = bare(name)
    if name.type == "string":
        yield from (text_of(one) for one in parts(name) if one.type == "string_content")
    elif name.type == "ternary_expression":
        for one in parts(name)[1:]:
            yield from _texts(one)
    elif name.type == "call_expression" and text_of(parts(name)[0]) in ("take", "toLower"):
        yield from _texts(parts(parts(name)[1])[0])


def span_of(file: File, node: Node, deep: int = 0) -> Span:
    """Return how long a text can be.

    Args:
        file: where it is.
        node: the expression.
        deep: how many names were followed to it.
    """
    node = bare(node)
    if deep > _DEEPEST:
        return _UNKNOWN
    sizes = [len(value) for value in shape_of(file, node, around(file, node)).values]
    if sizes:
        return Span(min(sizes), max(sizes))
    if node.type == "string":
        return _of_string(file, node, deep)
    if node.type == "ternary_expression":
        one, other = (span_of(file, inner, deep) for inner in parts(node)[1:])
        return one.either(other)
    if node.type == "call_expression":
        return _of_call(file, node, deep)
    if node.type == "identifier":
        return _of_name(file, node, deep + 1)
    if node.type in ("member_expression", "subscript_expression"):
        return _of_member(file, node, deep + 1)
    return _UNKNOWN


def _of_string(file: File, node: Node, deep: int) -> Span:
    known = literal(node)
    if known is not None:
        return Span(len(known), len(known))
    span = Span(0, 0)
    for one in parts(node):
        if one.type == "interpolation":
            span = span.plus(span_of(file, parts(one)[0], deep))
        else:
            span = span.plus(Span(len(text_of(one)), len(text_of(one))))
    return span


def _of_call(file: File, node: Node, deep: int) -> Span:
    name, inside = text_of(parts(node)[0]), part(node, "arguments")
    given = parts(inside) if inside is not None else []
    if name in _FIXED:
        return Span(_FIXED[name], _FIXED[name])
    if name == "take" and len(given) > 1 and text_of(given[1]).isdigit():
        span, most = span_of(file, given[0], deep), int(text_of(given[1]))
        return Span(min(span.least, most), most if span.most is None else min(span.most, most))
    if name in _SAME and given:
        span = span_of(file, given[0], deep)
        grows = name == "replace" and len(literal(given[2]) or "") > 1
        return _UNKNOWN if grows else Span(0 if name == "replace" else span.least, span.most)
    return _UNKNOWN


def _of_name(file: File, node: Node, deep: int) -> Span:
    symbol = file.symbols.get(text_of(node))
    if symbol is None:
        return _of_loop(file, node, deep)
    value = value_of(symbol.node)
    if symbol.kind == "var" and value is not None:
        return span_of(file, value, deep)
    return _of_param(file, symbol, deep) if symbol.kind == "param" else _UNKNOWN


def _of_param(file: File, symbol: Symbol, deep: int) -> Span:
    """Return the span of a parameter: by the arguments of modules, or by its decorators."""
    allowed = decorator_of(symbol, "allowed")
    if allowed is not None:
        sizes = [len(literal(one) or "") for one in parts(allowed)]
        return Span(min(sizes, default=0), max(sizes, default=0))
    declared = {name: decorator_of(symbol, name) for name in ("minLength", "maxLength")}
    low, high = declared["minLength"], declared["maxLength"]
    if high is not None:
        return Span(int(text_of(low)) if low is not None else 0, int(text_of(high)))
    spans = [
        span_of(caller, value, deep)
        for caller, _, value in file.program.arguments(file, symbol.name)
    ]
    default = value_of_default(symbol)
    if spans and default is not None:
        spans.append(span_of(file, default, deep))
    return _all(spans)


def _of_loop(file: File, node: Node, deep: int) -> Span:
    """Return the span of a loop's variable: of the items that it goes through."""
    above = node.above
    while above is not None and above.type != "for_statement":
        above = above.above
    if above is None:
        return _UNKNOWN
    name, _, through = loop_names(above)
    if text_of(name) != text_of(node):
        return _UNKNOWN
    return _of_items(file, through, deep)


def _of_items(file: File, through: Node, deep: int) -> Span:
    through = bare(through)
    if through.type == "identifier":
        symbol = file.symbols.get(text_of(through))
        if symbol is None:
            return _UNKNOWN
        if symbol.kind == "param":
            given = file.program.arguments(file, symbol.name)
            full = [(caller, value) for caller, _, value in given if text_of(value) != "[]"]
            spans = [_of_items(caller, value, deep + 1) for caller, value in full]
            return _all(spans) if deep < _DEEPEST else _UNKNOWN
        value = value_of(symbol.node)
        return _of_items(file, value, deep + 1) if value and deep < _DEEPEST else _UNKNOWN
    if through.type != "array":
        return _UNKNOWN
    return _all([span_of(file, one, deep) for one in parts(through)])


def _all(spans: list[Span]) -> Span:
    whole = spans[0] if spans else _UNKNOWN
    for one in spans[1:]:
        whole = whole.either(one)
    return whole


def _of_member(file: File, node: Node, deep: int) -> Span:
    """Return the span of `resource.name`; other members are not followed."""
    inside, name = parts(node)[0], text_of(parts(node)[-1])
    symbol = file.symbols.get(text_of(inside))
    if name != "name" or symbol is None or symbol.kind != "resource" or symbol.existing:
        return _UNKNOWN
    body = body_of(symbol)
    value = member_of(body.node, "name") if body is not None else None
    return span_of(file, value, deep) if value is not None else _UNKNOWN
