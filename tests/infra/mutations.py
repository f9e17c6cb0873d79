"""Changes one name of a template by one letter, as a typing error does."""

import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from local.infra_check.files import Program
from local.infra_check.syntax import everything, is_key, literal, name_of, parsed, parts, text_of
from local.infra_check.tree import Node
from local.infra_check.types import data, known_types

_NAMES = ("identifier", "property_identifier", "compatible_identifier", "primitive_type")
_DECLARED = ("resource_declaration", "module_declaration")
_HEX = "0123456789abcdef"


@dataclass(frozen=True)
class Mutation:
    """One name of one file, written differently."""

    file: str
    line: int
    start: int
    end: int
    old: str
    new: str

    def of(self, text: str) -> str:
        """Return the changed text of the file."""
        raw = text.encode()
        return (raw[: self.start] + self.new.encode() + raw[self.end :]).decode()

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.old} -> {self.new}"


def mutations(texts: Mapping[str, str], seed: int, count: int) -> list[Mutation]:
    """Return a number of changes, each of another place."""
    chosen = random.Random(seed)  # noqa: S311 -- the same changes each time
    places = [
        (name, node)
        for name, text in sorted(texts.items())
        if name.endswith(".bicep")
        for node in names_in(name, text)
    ]
    return [_mistyped(name, node, chosen) for name, node in chosen.sample(places, count)]


def names_in(name: str, text: str) -> Iterator[Node]:
    """Yield every name whose change is a mistake: names, keys, values out of a list, ids."""
    values = enumerated() | _allowed(name, text)
    referred = _referred(name, text)
    for node in everything(parsed(name, text).root):
        if node.type in _NAMES:
            if not _is_free(node, referred):
                yield node
        elif node.type == "string" and literal(node) and (literal(node) in values or is_key(node)):
            yield from (one for one in node.children if one.type == "string_content")


def enumerated() -> frozenset[str]:
    """Return every value of a list, of any type of resource, and every id of a role."""
    known = {one["id"] for one in data("roles.json")} | known_types()
    known |= {one.split("@")[0] for one in known_types()}
    known |= set(_values(data("bicep-types.json"))) | set(_strings(data("known-values.json")))
    return frozenset(known)


def _values(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        found = node.get("e")
        yield from found if isinstance(found, list) else ()
        for inner in node.values():
            yield from _values(inner)


def _strings(node: Any) -> Iterator[str]:
    for inner in node.values() if isinstance(node, dict) else node:
        if isinstance(inner, str):
            yield inner
        else:
            yield from _strings(inner)


def _allowed(name: str, text: str) -> frozenset[str]:
    program = Program(lambda _name: None)
    file = program.add(name, text)
    found: set[str] = set()
    for symbol in file.all_of("param"):
        for decorator in symbol.decorators:
            if text_of(decorator).startswith("@allowed"):
                found |= {literal(one) or "" for one in everything(decorator)}
    return frozenset(found - {""})


def _referred(name: str, text: str) -> frozenset[str]:
    """Return the names that are used somewhere else than where they are declared."""
    found = [
        text_of(node)
        for node in everything(parsed(name, text).root)
        if node.type == "identifier" and not is_key(node) and not _declares(node)
    ]
    return frozenset(found)


def _declares(node: Node) -> bool:
    above = node.above
    return above is not None and above.type in _DECLARED and name_of(above) == node


def _is_free(node: Node, referred: frozenset[str]) -> bool:
    """Whether another name would mean the same: a resource that nothing names; a tag's name."""
    return _declares(node) and text_of(node) not in referred


def _mistyped(file: str, node: Node, chosen: random.Random) -> Mutation:
    old = text_of(node)
    new = old
    while new == old:
        new = _change(old, chosen)
    return Mutation(file, node.line, node.start, node.end, old, new)


def _change(old: str, chosen: random.Random) -> str:
    at = chosen.choice([n for n, sign in enumerate(old) if sign.isalnum()])
    before, sign, after = old[:at], old[at], old[at + 1 :]
    if old in {one["id"] for one in data("roles.json")}:
        return before + chosen.choice(_HEX) + after
    ways = [before + sign + sign + after, before + sign.swapcase() + after]
    if len(old) > 1:
        ways.append(before + after)
        ways.append(before + after[:1] + sign + after[1:])
    return chosen.choice([one for one in ways if one and not one[0].isdigit()] or [old + "x"])


__all__ = ["Mutation", "mutations", "names_in", "parts"]
