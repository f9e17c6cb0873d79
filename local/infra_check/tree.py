"""Parses Bicep into a tree of Python objects, in which each member access has its true operand.

The grammar takes `a ? b : c.d` for a member `d` of the whole ternary, and treats other operators
and lambdas alike. Here each binds as tightly as in Bicep.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

import tree_sitter
import tree_sitter_bicep

_PARSER: Final = tree_sitter.Parser(tree_sitter.Language(tree_sitter_bicep.language()))
_COMMENTS: Final = ("comment", "diagnostic_comment")
#: How tightly an operator binds, the loosest first; those of two operands are told by their sign.
_BINDING: Final = {
    "lambda_expression": 0,
    "ternary_expression": 1,
    "unary_expression": 9,
    "call_expression": 10,
    "member_expression": 10,
    "resource_expression": 10,
    "subscript_expression": 10,
}
_SIGNS: Final = (("??",), ("||",), ("&&",), ("==", "!=", "=~", "!~"), ("<", "<=", ">", ">="))
_ROTATED: Final = frozenset({*_BINDING, "binary_expression"} - {"lambda_expression"})
_FIRST_SIGN, _SUM, _PRODUCT, _TIGHTEST = 2, 7, 8, 99


@dataclass(slots=True, eq=False)
class Node:
    """A part of a parsed text."""

    type: str
    source: bytes
    start: int
    end: int
    line: int  #: counted from 1
    named: bool
    missing: bool = False
    role: str = ""  #: what it is in the node above, as the grammar calls it
    above: "Node | None" = None
    children: list["Node"] = field(default_factory=list)
    parts: list["Node"] = field(default_factory=list)  #: the named children, without comments

    @property
    def text(self) -> str:
        """The text of the node."""
        return self.source[self.start : self.end].decode()

    def child(self, role: str) -> "Node | None":
        """Return the child that has a role."""
        return next((one for one in self.children if one.role == role), None)

    def part(self, kind: str) -> "Node | None":
        """Return the first child of a type."""
        return next((one for one in self.children if one.type == kind), None)

    def everything(self) -> Iterator["Node"]:
        """Yield the node and everything below it, in the order of the text."""
        left = [self]
        while left:
            one = left.pop()
            yield one
            left += reversed(one.children)


def parse(text: str) -> Node:
    """Return the root of a parsed text."""
    source = text.encode()
    return _made(_PARSER.parse(source).walk(), source)


def _made(cursor: tree_sitter.TreeCursor, source: bytes) -> Node:
    found = cursor.node
    assert found is not None  # noqa: S101 -- a cursor is always at a node
    node = Node(
        found.type,
        source,
        found.start_byte,
        found.end_byte,
        found.start_point[0] + 1,
        found.is_named,
        missing=found.is_missing,
        role=cursor.field_name or "",
    )
    if cursor.goto_first_child():
        while True:
            _give(node, _made(cursor, source))
            if not cursor.goto_next_sibling():
                break
        cursor.goto_parent()
    return _rotated(node) if node.type in _ROTATED else node


def _give(node: Node, child: Node) -> None:
    child.above = node
    node.children.append(child)
    if child.named and child.type not in _COMMENTS:
        node.parts.append(child)


def _binding(node: Node) -> int:
    if node.type != "binary_expression":
        return _BINDING.get(node.type, _TIGHTEST)
    sign = (node.child("operator") or node).text
    for binding, signs in enumerate(_SIGNS, start=_FIRST_SIGN):
        if sign in signs:
            return binding
    return _PRODUCT if sign in ("*", "/", "%") else _SUM


def _rotated(node: Node) -> Node:
    """Return the node, or the looser operator that it stands on, with the node at its last operand.

    `a ? b : c.d` is a member of a ternary before, and a ternary with a member afterwards.
    """
    own, top = _binding(node), node.children[0]
    if _binding(top) >= own:
        return node
    over = top
    while _binding(over.parts[-1]) < own:
        over = over.parts[-1]
    last = over.parts[-1]
    last.role, node.role, top.role = top.role, last.role, node.role
    for inside in (over.children, over.parts):
        inside[inside.index(last)] = node
    node.children[0] = node.parts[0] = last
    last.above, node.above, top.above = node, over, None
    node.start, node.line = last.start, last.line
    one: Node | None = over
    while one is not None:
        one.end = max(one.end, node.end)
        one = one.above
    return top
