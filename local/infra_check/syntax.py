"""Parses Bicep, and finds the parts of a parsed text: names, texts, keys, values, positions."""

import difflib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from local.infra_check.tree import Node, parse

_NAMES: Final = ("identifier", "property_identifier", "compatible_identifier", "loop_variable")
_ESCAPES: Final = {"\\'": "'", "\\\\": "\\", "\\n": "\n", "\\r": "\r", "\\t": "\t", "\\$": "$"}


@dataclass(frozen=True, slots=True, order=True)
class Finding:
    """A mistake: where it is, what it is, and what to do."""

    file: str
    line: int
    what: str
    advice: str = ""

    def __str__(self) -> str:
        advice = f". {self.advice}" if self.advice else ""
        return f"{self.file}:{self.line}: {self.what}{advice}"


@dataclass(frozen=True, slots=True)
class Source:
    """A file of Bicep, parsed."""

    name: str  #: the path from the root of the project
    text: str
    root: Node


@lru_cache(maxsize=64)
def parsed(name: str, text: str) -> Source:
    """Return a parsed file.

    Args:
        name: its path from the root of the project.
        text: its content.
    """
    return Source(name, text, parse(text))


def parts(node: Node) -> list[Node]:
    """Return the named children of a node, without comments."""
    return node.parts


def part(node: Node, kind: str) -> Node | None:
    """Return the first child of a kind.

    Args:
        node: where it is looked for.
        kind: as the grammar calls it.
    """
    return node.part(kind)


def everything(node: Node) -> Iterator[Node]:
    """Return the node and everything below it, in the order of the text."""
    return node.everything()


def text_of(node: Node | None) -> str:
    """Return the text of a node."""
    return node.text if node is not None else ""


def line_of(node: Node) -> int:
    """Return the line of a node, counted from 1."""
    return node.line


def literal(node: Node | None) -> str | None:
    """Return the value of a string without interpolation; None for all else."""
    if node is None or node.type != "string" or part(node, "interpolation") is not None:
        return None
    inside = [child for child in node.children if child.type in ("string_content", *_ESCAPED)]
    return "".join(map(unescaped, inside))


_ESCAPED: Final = ("escape_sequence",)


def unescaped(content: Node) -> str:
    """Return what a part of a string stands for."""
    return _ESCAPES.get(content.text, content.text)


def name_of(declaration: Node) -> Node | None:
    """Return the node of the name that a declaration gives."""
    return next((child for child in parts(declaration) if child.type in _NAMES), None)


def key_of(member: Node) -> tuple[Node, str] | None:
    """Return the key of a property of an object: its node and its text."""
    key = next(iter(parts(member)), None)
    if key is None or member.type != "object_property" or key.type == "resource_declaration":
        return None
    known = literal(key)
    return key, known if known is not None else text_of(key).strip("'")


def is_key(node: Node) -> bool:
    """Whether a name is the key of a property, and names nothing else."""
    above = node.above
    key = key_of(above) if above is not None and above.type == "object_property" else None
    return key is not None and key[0] == node


def value_of(member: Node) -> Node | None:
    """Return the value of a property, a parameter, a variable, an output."""
    after = False
    for child in member.children:
        if after and child.named and "comment" not in child.type:
            return child
        after = after or child.type in (":", "=")
    return None


def member_of(body: Node, name: str) -> Node | None:
    """Return the value of the property `name` of an object.

    Args:
        body: the object.
        name: of the property.
    """
    for member in parts(body):
        key = key_of(member)
        if key is not None and key[1] == name:
            return value_of(member)
    return None


def bare(node: Node) -> Node:
    """Return what is inside of parentheses."""
    while node.type == "parenthesized_expression" and len(parts(node)) == 1:
        node = parts(node)[0]
    return node


def meant(name: str, known: Iterable[str]) -> str:
    """Return a sentence with the known name that is closest to a wrong one, or with all of them.

    Args:
        name: the wrong one.
        known: the right ones.
    """
    names = sorted(set(known))
    folded = [one for one in names if one.lower() == name.lower()]
    close = folded or difflib.get_close_matches(name, names, 1, 0.6)
    if close:
        return f"Write '{close[0]}'"
    few = 12
    listed = ", ".join(names[:few]) + (", …" if len(names) > few else "")
    return f"Known here: {listed}" if listed else ""
