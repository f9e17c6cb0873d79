"""Compares values in templates with the values that a type of resource, or a parameter, allows."""

import re
from collections.abc import Mapping
from typing import Final

from local.infra_check.expressions import looped, shape_of
from local.infra_check.files import File, Locals
from local.infra_check.shapes import ANY, Member, Shape, items_of
from local.infra_check.syntax import bare, key_of, literal, meant, parts, text_of, value_of
from local.infra_check.tree import Node

_NAMES: Final[Mapping[str, str]] = {
    "string": "a text",
    "int": "a number",
    "bool": "true or false",
    "object": "an object",
    "array": "an array",
    "null": "null",
}


def check(file: File, node: Node, expected: Shape, local: Locals) -> None:
    """Report everything in a value that is not taken.

    Args:
        file: where it is.
        node: the value.
        expected: what is taken.
        local: the variables of loops around it.
    """
    node = bare(node)
    if node.type == "object" and expected.kind == "object":
        _check_object(file, node, expected, local)
    elif node.type == "array" and expected.kind == "array":
        for one in parts(node):
            check(file, one, items_of(expected), local)
    elif node.type == "for_statement" and expected.kind == "array":
        check(file, parts(node)[-1], items_of(expected), looped(file, node, local))
    elif node.type == "if_statement":
        shape_of(file, parts(node)[0], local)
        check(file, parts(node)[-1], expected, local)
    elif node.type == "ternary_expression":
        shape_of(file, node, local)
        for one in parts(node)[1:]:
            check(file, one, expected, local)
    else:
        fits(file, node, shape_of(file, node, local), expected)


def _check_object(file: File, node: Node, expected: Shape, local: Locals) -> None:
    shape = shape_of(file, node, local)  # reports double names and what is in computed keys
    known = taken(file, node, shape, expected)
    for written in parts(node):
        key, value = key_of(written), value_of(written)
        if key is None or value is None:
            continue
        if shape.members[key[1]].computed:
            check(file, value, expected.other() if expected.other else ANY, local)
        else:
            inner = member_shape(file, key[0], key[1], known, expected)
            check(file, value, inner, local)
    lacking(file, node, shape, known, expected)


def taken(file: File, node: Node, shape: Shape, expected: Shape) -> dict[str, Member]:
    """Return the members that an object may have: those of its variant too.

    Args:
        file: where it is.
        node: the object, for what is reported.
        shape: what it has.
        expected: what is taken.
    """
    known = dict(expected.members)
    if not expected.told_by:
        return known
    chosen = shape.members.get(expected.told_by)
    values = chosen.shape().values if chosen is not None else ()
    if chosen is None and not shape.loose:
        what = f"'{expected.told_by}' is missing in '{expected.called}'"
        file.report(node, what, f"It is one of: {', '.join(sorted(expected.variants))}")
    for value in values:
        if value not in expected.variants:
            what = f"'{value}' is not a valid '{expected.told_by}' of '{expected.called}'"
            place = chosen.value if chosen is not None else None
            file.report(place or node, what, meant(value, expected.variants))
    return {**known, **_variants(expected, values)}


def _variants(expected: Shape, values: tuple[str, ...]) -> dict[str, Member]:
    """Return the members of the chosen variant; of all, not looked into, if it is not known."""
    if len(values) == 1 and values[0] in expected.variants:
        return dict(expected.variants[values[0]]().members)
    names = {name for variant in expected.variants.values() for name in variant().members}
    return {name: Member(lambda: ANY) for name in names}


def member_shape(
    file: File, node: Node, name: str, known: Mapping[str, Member], expected: Shape
) -> Shape:
    """Return what a property may be; report one that is unknown or read-only.

    Args:
        file: where it is.
        node: its name.
        name: likewise.
        known: the properties that are taken.
        expected: the object that is taken.
    """
    called = f"'{expected.called}'" if expected.called else "this object"
    one = known.get(name)
    if one is None:
        if expected.other is None:
            writable = [n for n, m in known.items() if not m.read_only]
            file.report(node, f"{called} has no property '{name}'", meant(name, writable))
            return ANY
        return expected.other()
    if one.read_only:
        file.report(node, f"'{name}' of {called} is read-only", "Remove it: the service sets it")
        return ANY
    return one.shape()


def lacking(
    file: File, node: Node, shape: Shape, known: Mapping[str, Member], expected: Shape
) -> None:
    """Report the required properties that an object does not have.

    Args:
        file: where it is.
        node: the object.
        shape: what it has.
        known: the properties that are taken.
        expected: the object that is taken.
    """
    if shape.other is not None:
        return
    missing = [n for n, one in known.items() if one.required and n not in shape.members]
    for name in missing:
        called = f" of '{expected.called}'" if expected.called else ""
        file.report(node, f"the required property '{name}'{called} is missing", "Add it")


def fits(file: File, node: Node, shape: Shape, expected: Shape) -> None:
    """Report what is wrong with a value whose shape is known.

    Args:
        file: where it is.
        node: the expression that gives it.
        shape: what it may be.
        expected: what is taken.
    """
    if shape.kind == "one_of":
        for one in shape.choices:
            fits(file, node, one, expected)
        return
    if expected.kind in ("any", "one_of") or shape.kind in ("any", "null"):
        return
    if shape.kind != expected.kind:
        what = f"'{_short(node)}' is {_NAMES[shape.kind]}"
        file.report(node, f"{what}, and {_NAMES[expected.kind]} is needed here")
    elif shape.kind == "object":
        _fits_object(file, node, shape, expected)
    elif shape.kind == "array":
        fits(file, node, items_of(shape), items_of(expected))
    elif shape.values and expected.values:
        for value in shape.values:
            if value not in expected.values:
                file.report(node, f"'{value}' is not allowed here", meant(value, expected.values))
    else:
        _within(file, node, shape, expected)


def _fits_object(file: File, node: Node, shape: Shape, expected: Shape) -> None:
    known = taken(file, node, shape, expected)
    for name, one in shape.members.items():
        if one.computed:
            continue
        place = one.node if one.node is not None else node
        inner = member_shape(file, place, name, known, expected)
        fits(file, one.value if one.value is not None else node, one.shape(), inner)
    lacking(file, node, shape, known, expected)


def _within(file: File, node: Node, shape: Shape, expected: Shape) -> None:
    """Report a text that is too long or of a wrong form, and a number out of bounds."""
    limits = expected.limits
    for value in shape.values:
        size = int(value) if shape.kind == "int" else len(value)
        low = limits.get("minValue" if shape.kind == "int" else "minLength")
        high = limits.get("maxValue" if shape.kind == "int" else "maxLength")
        unit = "" if shape.kind == "int" else " characters"
        if low is not None and size < int(low):
            file.report(node, f"'{value}' is below {low}{unit}, the least that is allowed")
        if high is not None and size > int(high):
            file.report(node, f"'{value}' is above {high}{unit}, the most that is allowed")
        pattern = str(limits.get("pattern", ""))
        if pattern and shape.kind == "string" and not re.search(pattern, value):
            file.report(node, f"'{value}' does not have the form {pattern}")


def _short(node: Node) -> str:
    known = literal(node)
    text = known if known is not None else " ".join(text_of(node).split())
    most = 40
    return text if len(text) <= most else f"{text[:most]}…"
