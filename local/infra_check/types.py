"""The types of resources, and which properties each has: tests/vectors/deploy/bicep-types.json."""

import json
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any, Final

from local.infra_check.shapes import ANY, BOOL, INT, STRING, Member, Shape, member

DATA: Final = Path(__file__).parents[2] / "tests" / "vectors" / "deploy"
_PLAIN: Final[Mapping[str, Shape]] = {"s": STRING, "i": INT, "b": BOOL, "any": ANY}


@cache
def data(name: str) -> Any:
    """Return the content of a file of `tests/vectors/deploy/`."""
    return json.loads((DATA / name).read_text(encoding="utf-8"))


@cache
def known_types() -> frozenset[str]:
    """Return all types with their versions."""
    return frozenset(data("bicep-types.json"))


@cache
def resource_shape(name: str) -> Shape:
    """Return what a resource of a type is; `name` is `type@version`, and known."""
    entry = data("bicep-types.json")[name]
    kind = name.split("@", maxsplit=1)[0]
    body = _shape(entry["body"], entry["defs"], kind)
    usual = {one: member(STRING) for one in ("id", "name", "type", "apiVersion")}
    found = {one: body.members.get(one, usual[one]) for one in usual}
    found = {
        one: Member(_text_or(got), required=got.required, read_only=one != "name")
        for one, got in found.items()
    }
    return Shape(
        "object",
        members={**body.members, **found},
        other=body.other,
        told_by=body.told_by,
        variants=body.variants,
        called=kind,
        resource=name,
    )


def _text_or(found: Member) -> Callable[[], Shape]:
    shape = found.shape()
    return (lambda: STRING) if shape.kind == "any" else (lambda: shape)


def scopes_of(name: str) -> str:
    """Return where a type may be deployed: `resourceGroup`, `subscription` or `extension`."""
    return str(data("bicep-types.json")[name].get("scopes", "resourceGroup"))


def _shape(node: Any, defs: Mapping[str, Any], called: str) -> Shape:
    if isinstance(node, str):
        return _named(node, defs) if node.startswith("#") else _PLAIN[node]
    if "e" in node:
        return Shape("string", tuple(node["e"]), called=called)
    if "s" in node:
        return Shape("string", limits=node["s"], called=called)
    if "i" in node:
        return Shape("int", limits=node["i"], called=called)
    if "a" in node:
        return Shape("array", item=_later(node["a"], defs, called), called=called)
    return _object(node, defs, called)


def _named(reference: str, defs: Mapping[str, Any]) -> Shape:
    return _shape(defs[reference[1:]], defs, reference[1:])


def _object(node: Mapping[str, Any], defs: Mapping[str, Any], called: str) -> Shape:
    members = {
        written.rstrip("!~"): Member(
            _later(inner or "any", defs, written.rstrip("!~")),
            required=written.endswith("!"),
            read_only=written.endswith("~"),
        )
        for written, inner in node.get("o", {}).items()
    }
    return Shape(
        "object",
        members=members,
        other=_later(node["m"], defs, called) if "m" in node else None,
        told_by=node.get("d", ""),
        variants={value: _later(inner, defs, value) for value, inner in node.get("v", {}).items()},
        called=called,
    )


def _later(node: Any, defs: Mapping[str, Any], called: str) -> Callable[[], Shape]:
    """Return the shape when it is asked for, once: types contain themselves."""
    made: list[Shape] = []

    def shape() -> Shape:
        if not made:
            made.append(_shape(node, defs, called))
        return made[0]

    return shape
