"""Checks resources against this project's own rules, which are stricter than their types.

`known-values.json` has the values that a member may have; `required-values.json` has the members
that a resource must have here, and the values that they must have: no keys, no open storage.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from local.infra_check.declared import type_of
from local.infra_check.expressions import around, shape_of
from local.infra_check.files import File, body_of
from local.infra_check.shapes import Shape, items_of, known_values
from local.infra_check.syntax import meant
from local.infra_check.tree import Node
from local.infra_check.types import data

_NETWORK: Final = "Microsoft.Network/virtualNetworks@"
_SUBNET: Final = re.compile(r"/subnets/([\w.-]+)")
_RANGE: Final = re.compile(r"\d+\.\d+\.\d+\.\d+/\d+")
_RANGES: Final = (
    "properties.addressSpace.addressPrefixes[]",
    "properties.subnets[].properties.addressPrefix",
)

#: Where a member is written, and what it may be.
Leaf = tuple[Node, Shape]


def check_wanted(file: File, required: Mapping[str, Any] | None = None) -> None:
    """Report values that are none of the known ones, and members that are missing here.

    Args:
        file: that is checked.
        required: type -> path -> values; left out: those of this project.
    """
    wanted = data("required-values.json") if required is None else required
    for symbol in file.all_of("resource"):
        body = body_of(symbol)
        if body is None or symbol.existing:
            continue
        kind = type_of(symbol).split("@", maxsplit=1)[0]
        shape = shape_of(file, body.node, around(file, body.node))
        _check_known(file, body.node, shape, data("known-values.json").get(kind, {}))
        _check_required(file, body.node, shape, wanted.get(kind, {}))
    _check_subnets(file)


def _check_known(file: File, body: Node, shape: Shape, known: dict[str, list[str]]) -> None:
    for path, values in known.items():
        for node, leaf in leaves(shape, path, body):
            for value in (value for value in known_values(leaf) if value not in values):
                what = f"'{value}' is none of the known values of {path.replace('[]', '')}"
                file.report(node, what, meant(value, values))


def _check_required(file: File, body: Node, shape: Shape, wanted: dict[str, list[Any]]) -> None:
    for path, values in wanted.items():
        found = list(leaves(shape, path, body))
        shown = path.replace("[]", "")
        if not found:
            should = f"Write {' or '.join(values)}" if values else "Add it"
            file.report(body, f"'{shown}' is missing, which this project needs", should)
        for node, leaf in found:
            for value in (value for value in known_values(leaf) if values and value not in values):
                file.report(node, f"{shown} is '{value}' here", f"Write {' or '.join(values)}")


def leaves(shape: Shape, path: str, node: Node) -> Iterator[Leaf]:
    """Yield what is at a path of members, as in `properties.rules[].name`.

    Args:
        shape: of the whole.
        path: `[]` goes into a list; a name that begins with `*` stands for all that end like it.
        node: where the whole is written.
    """
    if shape.kind == "one_of":
        for one in shape.choices:
            yield from leaves(one, path, node)
        return
    if not path:
        yield node, shape
        return
    if path.startswith("[]"):
        yield from leaves(items_of(shape), path[2:].removeprefix("."), node)
        return
    name, bracket, rest = re.fullmatch(r"([^.\[]+)(\[\])?\.?(.*)", path).groups("")  # type: ignore[union-attr]
    for own, member in shape.members.items():
        if own == name or (name.startswith("*") and own.endswith(name[1:])):
            place = member.value if member.value is not None else node
            yield from leaves(
                member.shape(), f"{bracket}{'.' * bool(bracket)}{rest}".rstrip("."), place
            )


def _check_subnets(file: File) -> None:
    """Report an id of a subnet that no network of the file has, and wrong ranges of addresses."""
    networks = [one for one in file.all_of("resource") if type_of(one).startswith(_NETWORK)]
    names = set[str]()
    for body in (body for one in networks if (body := body_of(one)) is not None):
        shape = shape_of(file, body.node, {})
        for _, leaf in leaves(shape, "properties.subnets[].name", body.node):
            names |= {*known_values(leaf)}
        for node, leaf in (found for path in _RANGES for found in leaves(shape, path, body.node)):
            for value in (value for value in known_values(leaf) if not _RANGE.fullmatch(value)):
                file.report(node, f"'{value}' is not a range of addresses", "As in 10.0.0.0/16")
    for node in file.source.root.everything() if networks else ():
        read = _SUBNET.search(node.text) if node.type == "string_content" else None
        if read is not None and read[1] not in names:
            file.report(node, f"no network here has the subnet '{read[1]}'", meant(read[1], names))
