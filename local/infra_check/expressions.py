"""Works out the possible values of a Bicep expression, and reports names that do not exist."""

from collections.abc import Callable, Mapping
from typing import Final

from local.infra_check.calls import call_shape
from local.infra_check.declared import symbol_shape
from local.infra_check.files import File, Locals, loop_names
from local.infra_check.functions import FUNCTIONS
from local.infra_check.shapes import (
    ANY,
    BOOL,
    INT,
    NULL,
    STRING,
    Member,
    Shape,
    array_of,
    items_of,
    one_of,
)
from local.infra_check.syntax import (
    bare,
    key_of,
    literal,
    meant,
    parts,
    text_of,
    unescaped,
    value_of,
)
from local.infra_check.tree import Node

_SCALARS: Final = ("string", "int", "bool")
_COMPARED: Final = ("==", "!=", "=~", "!~")
_NAMESPACES: Final = ("az", "sys")


def shape_of(file: File, node: Node, local: Locals) -> Shape:
    """Return what an expression may be.

    Args:
        file: where it is; it gets what is wrong.
        node: the expression.
        local: the variables of loops and lambdas around it.
    """
    work = _WORK.get(node.type)
    return work(file, node, local) if work is not None else ANY


def _string(file: File, node: Node, local: Locals) -> Shape:
    known = literal(node)
    if known is not None:
        return Shape("string", (known,))
    text: str | None = ""
    for child in parts(node):
        inside = [one for one in parts(child) if child.type == "interpolation"]
        shapes = [shape_of(file, inner, local) for inner in inside]
        for inner, shape in zip(inside, shapes, strict=True):
            _only_scalar(file, inner, shape)
        values = shapes[0].values if shapes else (unescaped(child),)
        text = text + values[0] if text is not None and len(values) == 1 else None
    return STRING if text is None else Shape("string", (text,))


def _only_scalar(file: File, node: Node, shape: Shape) -> None:
    if shape.kind in ("object", "array"):
        what = f"'{text_of(node)}' is an {shape.kind}, and cannot be a part of a text"
        file.report(node, what, "Name one of its members")


def _number(_file: File, node: Node, _local: Locals) -> Shape:
    return Shape("int", (text_of(node),))


def _boolean(_file: File, node: Node, _local: Locals) -> Shape:
    return Shape("bool", (text_of(node),))


def _null(_file: File, _node: Node, _local: Locals) -> Shape:
    return NULL


def _identifier(file: File, node: Node, local: Locals) -> Shape:
    name = text_of(node)
    if name in local:
        return local[name]
    symbol = file.symbols.get(name)
    if symbol is None:
        if name not in _NAMESPACES:
            known = [*local, *file.symbols, *FUNCTIONS]
            file.report(node, f"nothing is called '{name}'", meant(name, known))
        return ANY
    file.used.add(name)
    return symbol_shape(file, symbol, shape_of)


def _object(file: File, node: Node, local: Locals) -> Shape:
    members: dict[str, Member] = {}
    for written in parts(node):
        key, value = key_of(written), value_of(written)
        if written.type != "object_property" or key is None or value is None:
            continue
        place, name = key
        computed = place.type == "string" and literal(place) is None
        if computed:
            shape_of(file, place, local)
        if name in members:
            file.report(place, f"'{name}' is written twice in one object", "Remove one")
        shape = shape_of(file, value, local)
        members[name] = Member(
            lambda shape=shape: shape,  # type: ignore[misc]
            node=place,
            value=value,
            computed=computed,
        )
    return Shape("object", members=members)


def _array(file: File, node: Node, local: Locals) -> Shape:
    found = [shape_of(file, one, local) for one in parts(node)]
    return array_of(one_of(found) if found else NULL)


def _for(file: File, node: Node, local: Locals) -> Shape:
    return array_of(shape_of(file, parts(node)[-1], looped(file, node, local)))


def looped(file: File, loop: Node, local: Locals) -> Locals:
    """Return the variables inside of a loop.

    Args:
        file: where it is.
        loop: the `for`.
        local: the variables around it.
    """
    name, counter, through = loop_names(loop)
    shape = shape_of(file, through, local)
    if shape.kind not in ("array", "any", "one_of"):
        file.report(through, f"'for' needs an array, and this is: {shape.kind}", "Use items(…)")
    found = {text_of(name): items_of(shape)}
    if counter is not None:
        found[text_of(counter)] = INT
    return {**local, **found}


def around(file: File, node: Node) -> Locals:
    """Return the variables of the loops around an expression.

    Args:
        file: where it is.
        node: the expression.
    """
    loops: list[Node] = []
    below, above = node, node.above
    while above is not None:
        if above.type == "for_statement" and below == parts(above)[-1]:
            loops.append(above)
        below, above = above, above.above
    local: Locals = {}
    for loop in reversed(loops):
        local = looped(file, loop, local)
    return local


def _if(file: File, node: Node, local: Locals) -> Shape:
    condition, body = parts(node)
    shape_of(file, condition, local)
    return shape_of(file, body, local)


def _parentheses(file: File, node: Node, local: Locals) -> Shape:
    return one_of(shape_of(file, one, local) for one in parts(node)[:1])


def _ternary(file: File, node: Node, local: Locals) -> Shape:
    condition, *rest = parts(node)
    _expected(file, condition, shape_of(file, condition, local), "bool")
    return one_of(shape_of(file, one, local) for one in rest)


def _binary(file: File, node: Node, local: Locals) -> Shape:
    left, right = parts(node)[0], parts(node)[-1]
    shapes = shape_of(file, left, local), shape_of(file, right, local)
    operator = text_of(node.child("operator"))
    if operator == "??":
        return one_of(shapes)
    if operator in _COMPARED:
        compared(file, node, *shapes)
        return BOOL
    if operator in ("&&", "||"):
        for one, shape in zip((left, right), shapes, strict=True):
            _expected(file, one, shape, "bool")
        return BOOL
    return INT if operator in ("+", "-", "*", "/", "%") else BOOL


def _expected(file: File, node: Node, shape: Shape, kind: str) -> None:
    if shape.kind not in (kind, "any", "one_of", "null"):
        file.report(node, f"'{text_of(node)}' is a {shape.kind} where a {kind} is needed")


def compared(file: File, node: Node, left: Shape, right: Shape) -> None:
    """Report a comparison that is always false: by its kinds, or by a value that cannot be.

    Args:
        file: where it is.
        node: the comparison.
        left: what one side may be.
        right: what the other side may be.
    """
    if left.kind in _SCALARS and right.kind in _SCALARS and left.kind != right.kind:
        file.report(node, f"a {left.kind} is compared with a {right.kind}", "It is never the same")
    if left.values and right.values and not set(left.values) & set(right.values):
        value, known = right.values[0], left.values
        what = f"'{text_of(node)}' is always the same: '{value}' is none of the possible values"
        file.report(node, what, meant(value, known))


def _unary(file: File, node: Node, local: Locals) -> Shape:
    inside = parts(node)[-1]
    shape = shape_of(file, inside, local)
    if text_of(node).startswith("!"):
        _expected(file, inside, shape, "bool")
        return BOOL
    return INT


def _member(file: File, node: Node, local: Locals) -> Shape:
    inside = node.child("object")
    name = node.child("property")
    if inside is None or name is None:
        return ANY
    sure = all(child.type != ".?" for child in node.children)
    return property_of(file, name, shape_of(file, inside, local), text_of(name), sure=sure)


def property_of(file: File, node: Node, shape: Shape, name: str, *, sure: bool = True) -> Shape:
    """Return what a property of a value may be.

    Args:
        file: where it is read.
        node: the name, for what is reported.
        shape: of the value.
        name: of the property.
        sure: whether the property has to be there (`.?` says that it need not).
    """
    if shape.kind in ("any", "null"):
        return ANY
    if shape.kind == "one_of":
        having = [one for one in shape.choices if sure or name in _members(one)]
        return one_of(property_of(file, node, one, name) for one in having or shape.choices)
    if shape.kind != "object":
        file.report(node, f"'.{name}' is read of a value that is: {shape.kind}", "It has none")
        return ANY
    members = _members(shape)
    if name in members:
        return members[name].shape()
    if shape.other is not None:
        return shape.other()
    if sure or members:
        called = f"'{shape.called}'" if shape.called else "this object"
        file.report(node, f"{called} has no property '{name}'", meant(name, members))
    return ANY


def _members(shape: Shape) -> Mapping[str, Member]:
    """Return all members of an object, those of its variants too."""
    found = dict(shape.members)
    for variant in shape.variants.values():
        found |= {name: one for name, one in variant().members.items() if name not in found}
    return found


def _subscript(file: File, node: Node, local: Locals) -> Shape:
    inside, index = parts(node)[0], parts(node)[-1]
    shape, by = shape_of(file, inside, local), shape_of(file, index, local)
    known = literal(index)
    if known is not None:
        return property_of(file, index, shape, known)
    if shape.kind == "object":
        return ANY
    if by.kind == "string" and shape.kind == "array":
        file.report(index, "an array is read by a text", "Use a number")
    return items_of(shape)


def _lambda(file: File, node: Node, local: Locals) -> Shape:
    return shape_of(file, parts(node)[-1], local)


def _nested(file: File, node: Node, local: Locals) -> Shape:
    """Return what `resource::nested` is."""
    outer, name = parts(node)[0], parts(node)[-1]
    shape_of(file, outer, local)
    several = file.nested.get(text_of(bare(outer)), [])
    for symbol in several:
        if symbol.name == text_of(name):
            return symbol_shape(file, symbol, shape_of)
    what = f"'{text_of(outer)}' has no nested resource '{text_of(name)}'"
    file.report(name, what, meant(text_of(name), [one.name for one in several]))
    return ANY


def _call(file: File, node: Node, local: Locals) -> Shape:
    return call_shape(file, node, local, shape_of)


_WORK: Final[Mapping[str, Callable[[File, Node, Locals], Shape]]] = {
    "array": _array,
    "binary_expression": _binary,
    "boolean": _boolean,
    "call_expression": _call,
    "for_statement": _for,
    "identifier": _identifier,
    "if_statement": _if,
    "lambda_expression": _lambda,
    "member_expression": _member,
    "null": _null,
    "number": _number,
    "object": _object,
    "parenthesized_expression": _parentheses,
    "resource_expression": _nested,
    "string": _string,
    "subscript_expression": _subscript,
    "ternary_expression": _ternary,
    "unary_expression": _unary,
}
