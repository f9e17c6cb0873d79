"""The kinds of mutations: each replaces a small part of the code by a wrong one."""

import ast
from collections.abc import Iterator, Mapping

_COMPARED: Mapping[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
}
_COUNTED: Mapping[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Add,
    ast.Div: ast.Mult,
    ast.FloorDiv: ast.Mult,
    ast.Mod: ast.Add,
}
_TWINS: Mapping[str, str] = {"min": "max", "max": "min", "any": "all", "all": "any"}
_EMPTY: Mapping[str, str] = {"str": "''", "tuple": "()", "dict": "{}", "list": "[]", "int": "0"}

#: The members of each enum, by its name.
Enums = Mapping[str, tuple[str, ...]]


def enums_of(tree: ast.Module) -> dict[str, tuple[str, ...]]:
    """Return the members of every enum that a module defines."""
    return {
        node.name: tuple(
            target.id
            for line in node.body
            if isinstance(line, ast.Assign)
            for target in line.targets
            if isinstance(target, ast.Name)
        )
        for node in tree.body
        if isinstance(node, ast.ClassDef)
        and any(ast.unparse(base).endswith("Enum") for base in node.bases)
    }


def instead_of(node: ast.AST, enums: Enums) -> Iterator[ast.AST]:
    """Yield what may wrongly replace `node`."""
    match node:
        case ast.Compare():
            yield from _compared(node)
        case ast.BoolOp():
            yield from _connected(node)
        case ast.UnaryOp(op=ast.Not() | ast.USub()):
            yield node.operand
        case ast.BinOp():
            yield from _calculated(node)
        case ast.Constant():
            yield from (ast.Constant(value) for value in _values(node.value))
        case ast.Attribute(value=ast.Name(id=name)) if node.attr in enums.get(name, ()):
            members = enums[name]
            other = members[(members.index(node.attr) + 1) % len(members)]
            yield ast.Attribute(node.value, other, node.ctx)
        case ast.Name(id=name) if name in _TWINS:
            yield ast.Name(_TWINS[name], node.ctx)
        case ast.IfExp():
            yield ast.IfExp(_not(node.test), node.body, node.orelse)
        case ast.stmt():
            yield from _done(node)
        case _:
            pass


def returned(node: ast.Return, annotation: ast.expr | None) -> Iterator[ast.stmt]:
    """Yield wrong values that a function could return, by its declared return type."""
    declared = ast.unparse(annotation) if annotation else ""
    if node.value is None or isinstance(node.value, ast.Constant):
        return
    if declared == "bool":
        yield ast.Return(_not(node.value))
        return
    empty = _EMPTY.get(declared.partition("[")[0], "None")
    if ast.unparse(node.value) != empty:
        yield ast.Return(ast.parse(empty, mode="eval").body)


def _compared(node: ast.Compare) -> Iterator[ast.expr]:
    for at, op in enumerate(node.ops):
        ops = [*node.ops[:at], _COMPARED[type(op)](), *node.ops[at + 1 :]]
        yield ast.Compare(node.left, ops, node.comparators)


def _connected(node: ast.BoolOp) -> Iterator[ast.expr]:
    yield ast.BoolOp(ast.And() if isinstance(node.op, ast.Or) else ast.Or(), node.values)
    for at in range(len(node.values)):
        left = [*node.values[:at], *node.values[at + 1 :]]
        yield left[0] if len(left) == 1 else ast.BoolOp(node.op, left)


def _calculated(node: ast.BinOp) -> Iterator[ast.expr]:
    if isinstance(node.op, ast.BitOr | ast.BitAnd):
        yield node.left
        yield node.right
    elif type(node.op) in _COUNTED:
        yield ast.BinOp(node.left, _COUNTED[type(node.op)](), node.right)


def _values(value: object) -> Iterator[bool | int | float | str]:
    if isinstance(value, bool):
        yield not value
    elif isinstance(value, int | float):
        yield from (value + 1, value - 1)
    elif isinstance(value, str) and value and not is_text(value):
        yield f"{value}_"


def _done(node: ast.stmt) -> Iterator[ast.stmt]:
    match node:
        case ast.If():
            yield ast.If(_not(node.test), node.body, node.orelse)
        case ast.Expr() if not isinstance(node.value, ast.Constant):
            yield ast.Pass()
        case ast.Raise() | ast.Continue() | ast.Break():
            yield ast.Pass()
        case ast.Assign(targets=[ast.Attribute() | ast.Subscript()]) | ast.Delete():
            yield ast.Pass()
        case ast.AugAssign():
            yield ast.Pass()
            if isinstance(node.op, ast.Add):
                yield ast.AugAssign(node.target, ast.Sub(), node.value)
        case _:
            pass


def is_text(value: str) -> bool:
    """Whether it is written for people: it has several words."""
    return len(value.split()) > 1


def _not(node: ast.expr) -> ast.expr:
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
        return node.operand
    if isinstance(node, ast.Compare) and len(node.ops) == 1:
        opposite = {ast.Lt: ast.GtE, ast.GtE: ast.Lt, ast.Gt: ast.LtE, ast.LtE: ast.Gt}
        ops: Mapping[type[ast.cmpop], type[ast.cmpop]] = {**_COMPARED, **opposite}
        return ast.Compare(node.left, [ops[type(node.ops[0])]()], node.comparators)
    return ast.UnaryOp(ast.Not(), node)
