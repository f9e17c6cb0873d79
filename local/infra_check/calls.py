"""Works out what a call of a function returns, and reports calls that cannot be right."""

import json
from collections.abc import Callable, Mapping
from typing import Any, Final

from local.infra_check.files import File, Locals
from local.infra_check.functions import FORBIDDEN, FUNCTIONS
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
    merged,
    object_of,
    one_of,
    values_of,
)
from local.infra_check.syntax import literal, meant, part, parts, text_of
from local.infra_check.tree import Node
from shared.core.counting import counted

ShapeOf = Callable[[File, Node, Locals], Shape]
Shapes = list[Shape]

_OF_ITEMS: Final = ("map", "filter", "sort", "toObject", "groupBy", "reduce")
_ONLY_DEFAULTS: Final = ("newGuid", "utcNow")
_KINDS: Final[Mapping[str, tuple[str, ...]]] = {
    "contains": ("string", "array", "object"),
    "empty": ("string", "array", "object", "null"),
    "endsWith": ("string",),
    "filter": ("array",),
    "first": ("string", "array"),
    "flatten": ("array",),
    "items": ("object",),
    "join": ("array",),
    "json": ("string",),
    "last": ("string", "array"),
    "length": ("string", "array", "object"),
    "map": ("array",),
    "objectKeys": ("object",),
    "replace": ("string",),
    "split": ("string",),
    "startsWith": ("string",),
    "substring": ("string",),
    "take": ("string", "array"),
    "toLower": ("string",),
    "toUpper": ("string",),
    "trim": ("string",),
}


def call_shape(file: File, node: Node, local: Locals, shape_of: ShapeOf) -> Shape:
    """Return what a call returns.

    Args:
        file: where it is; it gets what is wrong.
        node: the call.
        local: the variables of loops and lambdas around it.
        shape_of: works out the arguments.
    """
    function = node.child("function") or parts(node)[0]
    arguments = part(node, "arguments")
    given = parts(arguments) if arguments is not None else []
    name = _function_name(file, function, local, shape_of)
    if name in FORBIDDEN or name.startswith("list"):
        advice = "Nothing here uses a key: give the identity a role"
        file.report(node, f"'{name}' reads keys of a resource", advice)
        return ANY
    shapes = _arguments(file, name, given, local, shape_of)
    own = file.symbols.get(name)
    if own is not None and own.kind == "func":
        file.used.add(name)
        returned = own.node.child("returns")
        return {"string": STRING, "int": INT, "bool": BOOL}.get(text_of(returned), ANY)
    known = FUNCTIONS.get(name)
    if known is None:
        if name != "getSecret":
            file.report(function, f"there is no function '{name}'", meant(name, FUNCTIONS))
        return ANY
    if not known.fewest <= len(given) <= known.most:
        what = f"'{name}' has {counted(len(given), 'argument')} and takes {known.counted}"
        file.report(node, what)
    if name in _ONLY_DEFAULTS and not _in_default(node):
        file.report(node, f"'{name}' is allowed in the default of a parameter only")
    _check_first(file, name, given, shapes)
    special = _SPECIAL.get(name)
    if special is not None and shapes:
        return special(shapes)
    return _loaded(file, name, given) or known.result


def _function_name(file: File, function: Node, local: Locals, shape_of: ShapeOf) -> str:
    if function.type != "member_expression":
        return text_of(function)
    whose, name = parts(function)[0], parts(function)[-1]
    if text_of(whose) not in ("az", "sys"):
        shape_of(file, whose, local)
    return text_of(name)


def _arguments(
    file: File, name: str, given: list[Node], local: Locals, shape_of: ShapeOf
) -> Shapes:
    shapes: Shapes = []
    for number, one in enumerate(given):
        names = _lambda_names(one)
        item = items_of(shapes[0]) if number and shapes and name in _OF_ITEMS else ANY
        bound = dict.fromkeys(names, item)
        shapes.append(shape_of(file, one, {**local, **bound}))
    return shapes


def _lambda_names(argument: Node) -> list[str]:
    """Return the variables of a lambda; the grammar takes `(x) => x.y` for a member of a lambda."""
    node: Node | None = argument
    while node is not None and node.type != "lambda_expression":
        inside = parts(node)
        node = inside[0] if inside and node.type != "object" else None
    if node is None:
        return []
    return [text_of(one) for one in parts(parts(node)[0])] or [text_of(parts(node)[0])]


def _in_default(node: Node) -> bool:
    above: Node | None = node
    while above is not None and above.type != "parameter_declaration":
        above = above.above
    return above is not None


def _check_first(file: File, name: str, given: list[Node], shapes: Shapes) -> None:
    allowed = _KINDS.get(name)
    if allowed is None or not shapes or shapes[0].kind in ("any", "one_of", *allowed):
        return
    what = f"'{name}' cannot take '{text_of(given[0])}', which is: {shapes[0].kind}"
    file.report(given[0], what, f"It takes: {', '.join(allowed)}")


def _loaded(file: File, name: str, given: list[Node]) -> Shape | None:
    """Return what a file contains that is loaded; report one that is missing."""
    if not name.startswith("load") or not given or name == "loadDirectoryFileInfo":
        return None
    path = literal(given[0])
    if path is None:
        file.report(given[0], f"'{name}' needs a path that is written out")
        return None
    content = file.program.content(file.program.beside(file, path))
    if content is None:
        file.report(given[0], f"this file's folder has no '{path}'", "Correct the path")
    elif name == "loadJsonContent":
        try:
            return shape_of_json(json.loads(content))
        except ValueError as exc:
            file.report(given[0], f"'{path}' is not JSON: {exc}")
    return None


def shape_of_json(value: Any) -> Shape:
    """Return what a value is that JSON contains."""
    if isinstance(value, Mapping):
        members = {
            name: Member(lambda inner=inner: shape_of_json(inner))  # type: ignore[misc]
            for name, inner in value.items()
        }
        return Shape("object", members=members)
    if isinstance(value, list):
        return array_of(one_of(shape_of_json(one) for one in value))
    if isinstance(value, bool):
        return Shape("bool", (str(value).lower(),))
    if isinstance(value, int):
        return Shape("int", (str(value),))
    return Shape("string", (value,)) if isinstance(value, str) else NULL


def _items(shapes: Shapes) -> Shape:
    whole = shapes[0]
    names = tuple(whole.members) if whole.other is None else ()
    key = Shape("string", names if whole.kind == "object" else ())
    return array_of(object_of("an item", key=key, value=values_of(whole)))


def _same(shapes: Shapes) -> Shape:
    return shapes[0]


def _first(shapes: Shapes) -> Shape:
    return STRING if shapes[0].kind == "string" else items_of(shapes[0])


def _concat(shapes: Shapes) -> Shape:
    if all(one.kind == "array" for one in shapes):
        return array_of(one_of(items_of(one) for one in shapes))
    return STRING if all(one.kind == "string" for one in shapes) else ANY


def _union(shapes: Shapes) -> Shape:
    return _concat(shapes) if shapes[0].kind == "array" else merged(shapes)


def _map(shapes: Shapes) -> Shape:
    return array_of(shapes[-1])


def _to_object(shapes: Shapes) -> Shape:
    value = shapes[2] if shapes[2:] else items_of(shapes[0])
    return Shape("object", other=lambda: value)


def _part(shapes: Shapes) -> Shape:
    return STRING if shapes[0].kind == "string" else shapes[0]


def _any(_shapes: Shapes) -> Shape:
    return ANY


_SPECIAL: Final[Mapping[str, Callable[[Shapes], Shape]]] = {
    "any": _any,
    "coalesce": one_of,
    "concat": _concat,
    "filter": _same,
    "first": _first,
    "flatten": lambda shapes: items_of(shapes[0]),
    "items": _items,
    "last": _first,
    "map": _map,
    "skip": _part,
    "sort": _same,
    "take": _part,
    "toObject": _to_object,
    "union": _union,
}
