"""Works out what a declared name stands for: parameters, variables, resources, modules."""

from collections.abc import Callable, Mapping
from typing import Final

from local.infra_check.files import (
    File,
    Locals,
    Symbol,
    body_of,
    decorator_of,
    type_text,
)
from local.infra_check.shapes import (
    ANY,
    ARRAY,
    BOOL,
    INT,
    OBJECT,
    STRING,
    Member,
    Shape,
    array_of,
    member,
    object_of,
    one_of,
)
from local.infra_check.syntax import key_of, literal, meant, part, parts, text_of, value_of
from local.infra_check.tree import Node
from local.infra_check.types import known_types, resource_shape

ShapeOf = Callable[[File, Node, Locals], Shape]
_PRIMITIVE: Final[Mapping[str, Shape]] = {
    "string": STRING,
    "int": INT,
    "bool": BOOL,
    "object": OBJECT,
    "array": ARRAY,
}
_LIMITS: Final = ("minLength", "maxLength", "minValue", "maxValue")


def symbol_shape(file: File, symbol: Symbol, shape_of: ShapeOf) -> Shape:
    """Return what a name stands for; it is worked out once.

    Args:
        file: where it is declared.
        symbol: the declaration.
        shape_of: works out expressions.
    """
    key = f"{symbol.kind} {symbol.name} {symbol.within.name if symbol.within else ''}"
    if key in file.shapes:
        return file.shapes[key]
    if key in file.expected:
        return ANY  # it names itself; `start.py` reports that
    file.expected.add(key)
    try:
        file.shapes[key] = _made(file, symbol, shape_of)
    finally:
        file.expected.discard(key)
    return file.shapes[key]


def _made(file: File, symbol: Symbol, shape_of: ShapeOf) -> Shape:
    if symbol.kind == "param":
        return _param(file, symbol, shape_of)
    if symbol.kind == "var":
        value = value_of(symbol.node)
        return shape_of(file, value, {}) if value is not None else ANY
    if symbol.kind == "module":
        return _several(symbol, _module(file, symbol, shape_of))
    if symbol.kind == "resource":
        found = type_of(symbol)
        known = found in known_types()
        return _several(symbol, resource_shape(found) if known else ANY)
    return ANY


def _several(symbol: Symbol, shape: Shape) -> Shape:
    body = body_of(symbol)
    return array_of(shape) if body is not None and body.loops else shape


def type_of(symbol: Symbol) -> str:
    """Return `type@version` of a resource; a nested one continues the type of its parent."""
    written = type_text(symbol) or ""
    if symbol.within is None:
        return written
    outer, _, version = type_of(symbol.within).partition("@")
    name, _, own = written.partition("@")
    return f"{outer}/{name}@{own or version}"


def _param(file: File, symbol: Symbol, shape_of: ShapeOf) -> Shape:
    """Return the possible values of a parameter: by its type, or by the arguments of modules."""
    shape = declared_type(file, symbol)
    if shape not in _PRIMITIVE.values():
        return shape
    callers = file.program.arguments(file, symbol.name)
    given = [shape_of(caller, value, {}) for caller, module, value in callers if _plain(module)]
    default = value_of_default(symbol)
    if default is not None and len(given) < len(callers) + 1:
        given.append(shape_of(file, default, {}))
    exact = one_of(given) if given else ANY
    empty = exact.kind == "object" and not exact.members and exact.other is None
    return exact if exact.kind in (shape.kind, "one_of") and not empty else shape


def _plain(module: Symbol) -> bool:
    """Whether a module has no loop, whose variable its arguments could name."""
    body = body_of(module)
    return body is not None and not body.loops


def value_of_default(symbol: Symbol) -> Node | None:
    """Return the default of a parameter."""
    return value_of(symbol.node) if part(symbol.node, "=") is not None else None


def declared_type(file: File, symbol: Symbol) -> Shape:
    """Return what the type and the decorators of a parameter or an output allow.

    Args:
        file: where it is declared.
        symbol: the parameter or output.
    """
    node = part(symbol.node, "type") or next(iter(parts(symbol.node)[1:]), None)
    shape = type_shape(file, node) if node is not None else ANY
    allowed = decorator_of(symbol, "allowed")
    if allowed is not None and allowed.type == "array":
        known = [(literal(one), text_of(one)) for one in parts(allowed)]
        values = [written if value is None else value for value, written in known]
        return Shape(shape.kind, tuple(values), called=symbol.name)
    given = {name: decorator_of(symbol, name) for name in _LIMITS}
    limits: dict[str, int | str] = {
        name: int(text_of(node))
        for name, node in given.items()
        if node is not None and text_of(node).lstrip("-").isdigit()
    }
    if not limits or shape.kind not in ("string", "int"):
        return shape
    return Shape(shape.kind, shape.values, limits=limits, called=symbol.name)


def type_shape(file: File, node: Node) -> Shape:
    """Return what a written type allows.

    Args:
        file: where it is.
        node: the type.
    """
    inside = parts(node)
    if node.type in ("type", "parenthesized_type", "nullable_type"):
        return type_shape(file, inside[0]) if inside else ANY
    if node.type == "primitive_type":
        return _PRIMITIVE.get(text_of(node), ANY)
    if node.type == "array_type":
        return array_of(type_shape(file, inside[0]))
    if node.type == "union_type":
        return one_of(type_shape(file, one) for one in inside)
    if node.type == "string":
        return Shape("string", (literal(node) or "",))
    if node.type == "object":
        return _object_type(file, node)
    if node.type in ("identifier", "compatible_identifier"):
        return _own_type(file, node)
    return ANY


def _own_type(file: File, node: Node) -> Shape:
    name = text_of(node)
    symbol = file.symbols.get(name)
    if symbol is not None and symbol.kind == "type":
        file.used.add(name)
        value = value_of(symbol.node)
        return type_shape(file, value) if value is not None else ANY
    kinds = [one.name for one in file.symbols.values() if one.kind == "type"]
    file.report(node, f"there is no type '{name}'", meant(name, [*_PRIMITIVE, *kinds]))
    return ANY


def _object_type(file: File, node: Node) -> Shape:
    members: dict[str, Member] = {}
    for one in parts(node):
        key, value = key_of(one), value_of(one)
        if key is not None and value is not None:
            inner = type_shape(file, value)
            required = value.type != "nullable_type"
            members[key[1]] = Member(lambda inner=inner: inner, required=required)  # type: ignore[misc]
    return Shape("object", members=members, called="the type")


def _module(file: File, symbol: Symbol, shape_of: ShapeOf) -> Shape:
    """Return what a module is: its name and its outputs."""
    target = file.program.module(file, symbol)
    if target is None:
        return ANY
    outputs = {
        name: member(output_shape(target, one, shape_of)) for name, one in target.outputs.items()
    }
    whole = Shape("object", members=outputs, called=f"outputs of {target.source.name}")
    return object_of(f"module {symbol.name}", name=STRING, outputs=whole)


def output_shape(file: File, symbol: Symbol, shape_of: ShapeOf) -> Shape:
    """Return what an output may be: by its type, or more exactly by its value.

    Args:
        file: where it is declared.
        symbol: the output.
        shape_of: works out expressions.
    """
    key = f"output {symbol.name}"
    if key in file.expected:
        return ANY
    shape, value = declared_type(file, symbol), value_of(symbol.node)
    if value is None or shape not in (OBJECT, ARRAY):
        return shape
    file.expected.add(key)
    try:
        exact = shape_of(file, value, {})
    finally:
        file.expected.discard(key)
    return shape if exact.kind == "any" else exact
