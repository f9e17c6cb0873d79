"""Checks resources and modules: type, parent, scope, properties, parameters."""

from collections.abc import Iterator
from typing import Final

from local.infra_check.declared import declared_type, type_of, value_of_default
from local.infra_check.expressions import looped, shape_of
from local.infra_check.files import Body, File, Locals, Symbol, body_of, type_text
from local.infra_check.shapes import ANY, ARRAY, STRING, Member, Shape
from local.infra_check.syntax import (
    bare,
    key_of,
    meant,
    member_of,
    parts,
    text_of,
    value_of,
)
from local.infra_check.tree import Node
from local.infra_check.types import known_types, resource_shape, scopes_of
from local.infra_check.values import check, lacking, member_shape, taken

_OWN: Final = ("dependsOn", "parent", "scope")
_OF_EXISTING: Final = ("name", "parent", "scope")
_OF_MODULE: Final = ("name", "scope", "params", "dependsOn")
_GROUP: Final = "Microsoft.Resources/resourceGroups"


def check_resource(file: File, symbol: Symbol) -> None:
    """Report what is wrong with a resource and with those nested in it.

    Args:
        file: where it is declared.
        symbol: the resource.
    """
    body = body_of(symbol)
    if body is None:
        file.report(symbol.node, f"the resource '{symbol.name}' has no body")
        return
    local = _around(file, body)
    found = type_of(symbol)
    if found in known_types():
        _check_body(file, symbol, body.node, resource_shape(found), local)
        _check_place(file, symbol, found)
    else:
        file.report(symbol.node, f"the type '{found}' is not known", meant(found, known_types()))
        shape_of(file, body.node, local)
    _check_links(file, symbol, body.node, found, local)
    for nested in file.nested.get(symbol.name, []):
        check_resource(file, nested)


def _around(file: File, body: Body) -> Locals:
    """Return the variables of loops; conditions are checked on the way."""
    local: Locals = {}
    for loop in body.loops:
        local = looped(file, loop, local)
    for condition in body.conditions:
        shape = shape_of(file, condition, local)
        if shape.kind not in ("bool", "any", "one_of"):
            file.report(condition, f"a condition is a bool, and this is: {shape.kind}")
    return local


def _properties(body: Node) -> Iterator[tuple[Node, str, Node]]:
    for written in parts(body):
        key, value = key_of(written), value_of(written)
        if key is not None and value is not None:
            yield key[0], key[1], value


def _check_body(file: File, symbol: Symbol, body: Node, expected: Shape, local: Locals) -> None:
    shape = shape_of(file, body, local)
    known = taken(file, body, shape, expected)
    for key, name, value in _properties(body):
        if symbol.existing and name not in _OF_EXISTING:
            what = f"'{name}' cannot be set: '{symbol.name}' is 'existing'"
            file.report(key, what, f"Only {', '.join(_OF_EXISTING)} may be written")
        elif name not in _OWN:
            names = {**known, **{one: Member(lambda: ANY) for one in _OWN}}
            check(file, value, member_shape(file, key, name, names, expected), local)
    if symbol.existing:
        known = {"name": Member(lambda: STRING, required=True)}
    lacking(file, body, shape, known, expected)


def _check_place(file: File, symbol: Symbol, found: str) -> None:
    """Report a resource in a template that is deployed to something else."""
    scope, kind = scopes_of(found), found.split("@", maxsplit=1)[0]
    body = body_of(symbol)
    placed = body is not None and member_of(body.node, "scope") is not None
    wrong = scope not in ("extension", file.target) and not (symbol.existing and placed)
    if wrong and symbol.within is None:
        what = f"'{kind}' belongs into a {scope}, and this file is for a {file.target}"
        file.report(symbol.node, what, f"Move it into a module for a {scope}")


def _check_links(file: File, symbol: Symbol, body: Node, found: str, local: Locals) -> None:
    """Check `parent`, `scope` and `dependsOn`."""
    parent, scope = member_of(body, "parent"), member_of(body, "scope")
    depends = member_of(body, "dependsOn")
    kind = found.split("@", maxsplit=1)[0]
    if parent is not None:
        _check_parent(file, parent, kind, local)
    elif symbol.within is None:
        _check_segments(file, symbol, body, kind)
    if scope is not None:
        _check_scope(file, scope, local, module=None)
        extends = found in known_types() and scopes_of(found) == "extension"
        if not symbol.existing and not extends:
            what = f"'{symbol.name}' is placed by 'scope', and extends no resource"
            file.report(scope, what, "Move it into a module with that scope")
    for near in (parent, scope):
        if near is not None and not symbol.existing and _elsewhere(file, near):
            what = f"'{symbol.name}' belongs to '{text_of(near)}', which is in another place"
            file.report(near, what, "Move both into a module with that scope")
    if depends is not None:
        _check_depends(file, depends, local)


def _elsewhere(file: File, node: Node) -> bool:
    """Whether a resource that exists is placed somewhere else than the file is deployed to."""
    symbol = file.symbols.get(text_of(node))
    body = body_of(symbol) if symbol is not None and symbol.kind == "resource" else None
    return (
        body is not None
        and symbol is not None
        and symbol.existing
        and (member_of(body.node, "scope") is not None)
    )


def _check_parent(file: File, parent: Node, kind: str, local: Locals) -> None:
    shape = shape_of(file, parent, local)
    outer = shape.resource.split("@", maxsplit=1)[0]
    if shape.kind == "any":
        return
    if not outer:
        file.report(parent, f"'{text_of(parent)}' is not a resource, so it cannot be a parent")
    elif kind.rpartition("/")[0] != outer:
        what = f"a '{kind}' has a parent of the type '{kind.rpartition('/')[0]}', not '{outer}'"
        file.report(parent, what)


def _check_segments(file: File, symbol: Symbol, body: Node, kind: str) -> None:
    """Report a child without a parent whose name does not have the parts that its type has."""
    name = member_of(body, "name")
    wanted = kind.count("/") - 1
    slashes = _slashes(name) if name is not None else None
    if slashes is not None and slashes != wanted:
        word = "has no 'parent'" if wanted > slashes else "has too many parts in its name"
        what = f"'{symbol.name}' is a '{kind}' and {word}"
        outer = kind.rpartition("/")[0]
        file.report(symbol.node, what, f"Write parent: <a resource of the type '{outer}'>")


def _slashes(name: Node) -> int | None:
    """Return the slashes of a name that is a text or a plain name; None if it cannot be told."""
    name = bare(name)
    if name.type == "string":
        return sum(text_of(one).count("/") for one in parts(name) if one.type == "string_content")
    if name.type == "ternary_expression":
        found = {_slashes(one) for one in parts(name)[1:]}
        return found.pop() if len(found) == 1 else None
    return 0 if name.type in ("identifier", "call_expression", "member_expression") else None


def _check_scope(file: File, scope: Node, local: Locals, module: File | None) -> None:
    """Check what a resource or a module is placed on.

    Args:
        file: where it is.
        scope: the expression.
        local: the variables around it.
        module: the file of the module, if it is one.
    """
    scope = bare(scope)
    if scope.type == "ternary_expression":
        shape_of(file, parts(scope)[0], local)
        for one in parts(scope)[1:]:
            _check_scope(file, one, local, module)
        return
    shape = shape_of(file, scope, local)
    where = shape.resource.split("@", maxsplit=1)[0]
    if shape.kind == "any":
        return
    if not where and shape.called not in (
        "resourceGroup",
        "subscription",
        "managementGroup",
        "tenant",
    ):
        file.report(scope, f"'{text_of(scope)}' is nothing that something can be placed on")
    elif module is not None:
        got = "resourceGroup" if where == _GROUP else shape.called
        if got != module.target:
            what = f"the module is for a {module.target}, and is placed on a {got}"
            file.report(scope, what, f"'targetScope' of {module.source.name} and 'scope' differ")


def _check_depends(file: File, depends: Node, local: Locals) -> None:
    for one in parts(depends) if depends.type == "array" else ():
        shape = shape_of(file, one, local)
        name = text_of(one).partition("[")[0]
        symbol = file.symbols.get(name)
        known = symbol is not None and symbol.kind in ("resource", "module")
        if shape.kind != "any" and not shape.resource and not known:
            file.report(one, f"'{text_of(one)}' is neither a resource nor a module")
    if depends.type != "array":
        check(file, depends, ARRAY, local)


def check_module(file: File, symbol: Symbol) -> None:
    """Report what is wrong with a module: its file, its scope, its parameters.

    Args:
        file: where it is declared.
        symbol: the module.
    """
    body = body_of(symbol)
    if body is None:
        file.report(symbol.node, f"the module '{symbol.name}' has no body")
        return
    local = _around(file, body)
    shape_of(file, body.node, local)
    target = file.program.module(file, symbol)
    for key, name, value in _properties(body.node):
        if name not in _OF_MODULE:
            file.report(key, f"a module has no property '{name}'", meant(name, _OF_MODULE))
        if name == "name":
            check(file, value, Shape("string", limits={"maxLength": 64}), local)
        elif name == "scope":
            _check_scope(file, value, local, target)
        elif name == "dependsOn":
            _check_depends(file, value, local)
    if target is None:
        path = type_text(symbol)
        near = [one.rpartition("/")[2] for one in file.program.files]
        file.report(
            symbol.node, f"there is no file '{path}'", meant(str(path).rpartition("/")[2], near)
        )
        return
    if member_of(body.node, "scope") is None and target.target != file.target:
        what = f"the module is for a {target.target}, and this file is for a {file.target}"
        file.report(symbol.node, what, "Add 'scope'")
    _check_params(file, symbol, body.node, target, local)


def _check_params(file: File, symbol: Symbol, body: Node, target: File, local: Locals) -> None:
    wanted: dict[str, Member] = {}
    for one in target.all_of("param"):
        shape = declared_type(target, one)
        required = value_of_default(one) is None and "?" not in text_of(one.node)
        wanted[one.name] = Member(lambda shape=shape: shape, required=required)  # type: ignore[misc]
    called = f"params of {target.source.name}"
    expected = Shape("object", members=wanted, called=called)
    passed = member_of(body, "params")
    if passed is not None:
        check(file, passed, expected, local)
    elif any(one.required for one in wanted.values()):
        missing = [name for name, one in wanted.items() if one.required]
        file.report(symbol.node, f"the module needs params: {', '.join(missing)}", "Add them")
