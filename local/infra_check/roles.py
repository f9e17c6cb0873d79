"""Checks roles, and the values that types of resources leave open though only some are right."""

import re
from typing import Final

from local.infra_check.declared import type_of
from local.infra_check.expressions import around, shape_of
from local.infra_check.files import File, Symbol, body_of
from local.infra_check.syntax import (
    bare,
    everything,
    key_of,
    literal,
    meant,
    member_of,
    name_of,
    part,
    parts,
    text_of,
)
from local.infra_check.tree import Node
from local.infra_check.types import data, known_types

_ID: Final = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_LIKE_ID: Final = re.compile(r"[0-9a-zA-Z]{6,10}(?:-[0-9a-zA-Z]{3,5}){3}-[0-9a-zA-Z]{10,14}")
_ASSIGNMENT: Final = "Microsoft.Authorization/roleAssignments"
_DEFINITION: Final = "Microsoft.Authorization/roleDefinitions"
_LIKE_SUBJECT: Final = re.compile(r"(?i)/blob(?!s/)")
_PROVIDER: Final = re.compile(r"/providers/([\w.]+/\w+)")
_SUBJECT: Final = re.compile(r"/blobServices/default/containers(/.*)?")
_PLACED: Final = ("resourceId", "subscriptionResourceId", "extensionResourceId", "tenantResourceId")
_FEWEST: Final = 3


def check_values(file: File) -> None:
    """Report wrong ids of roles, wrong assignments of roles, and values that are none of the known.

    Args:
        file: that is checked.
    """
    for node in everything(file.source.root):
        if node.type == "string":
            _check_id(file, node)
        elif node.type == "string_content":
            _check_text(file, node)
        elif node.type == "call_expression" and text_of(parts(node)[0]) in _PLACED:
            _check_type_name(file, node)
    for symbol in file.all_of("resource"):
        kind = type_of(symbol).split("@", maxsplit=1)[0]
        if kind == _ASSIGNMENT:
            _check_assignment(file, symbol)


def _roles() -> dict[str, str]:
    return {one["id"]: one["name"] for one in data("roles.json")}


def _check_text(file: File, node: Node) -> None:
    """Report a wrong begin of an event's subject, and a wrong type in the id of a resource."""
    if _LIKE_SUBJECT.match(node.text) and not _SUBJECT.fullmatch(node.text):
        what = f"'{node.text}' is not the begin of an event's subject"
        file.report(node, what, "Write /blobServices/default/containers/<container>/blobs/")
    for one in _PROVIDER.findall(node.text):
        if one not in _types():
            file.report(node, f"the type '{one}' is not known", meant(one, _types()))


def _types() -> set[str]:
    return {one.split("@", maxsplit=1)[0] for one in known_types()} | {_DEFINITION}


def _plain(name: str) -> str:
    return re.sub(r"[^a-z]", "", name.lower())


def _check_id(file: File, node: Node) -> None:
    """Report an id that no role has, and one of another role than its name says."""
    known, value = _roles(), literal(node) or ""
    if not _LIKE_ID.fullmatch(value):
        return
    above = node.above
    if above is None or above.type not in ("variable_declaration", "object_property"):
        file.report(
            node, f"the id '{value}' has no name", "Give it to a variable named like its role"
        )
        return
    key = key_of(above) if above.type == "object_property" else None
    called = key[1] if key is not None else text_of(name_of(above))
    by_name = {_plain(name): one for one, name in known.items()}
    right = by_name.get(_plain(called))
    if value not in known:
        advice = f"The id of '{known[right]}' is {right}" if right else meant(value, known)
        file.report(node, f"'{value}' is the id of no role in roles.json", advice)
    elif right != value:
        advice = f"Name it like its role: {known[value]}"
        file.report(node, f"'{called}' has the id of the role '{known[value]}'", advice)


def _check_type_name(file: File, call: Node) -> None:
    """Report a type of resource that does not exist, in a call that makes an id."""
    inside = part(call, "arguments")
    texts = [literal(one) for one in (parts(inside) if inside is not None else [])]
    named = [one for one in texts if one is not None and "/" in one]
    for one in named:
        if one not in _types():
            file.report(call, f"the type '{one}' is not known", meant(one, _types()))
    if not named:
        file.report(call, f"'{text_of(parts(call)[0])}' names no type of resource", "Write it out")


def _check_assignment(file: File, symbol: Symbol) -> None:
    body = body_of(symbol)
    properties = member_of(body.node, "properties") if body is not None else None
    if body is None or properties is None:
        return
    if member_of(properties, "principalType") is None:
        what = f"'{symbol.name}' has no 'principalType'"
        file.report(properties, what, "Without it a new identity is not found (PrincipalNotFound)")
    role = member_of(properties, "roleDefinitionId")
    asked = _role_of(file, role) if role is not None else None
    scope = member_of(body.node, "scope")
    if scope is None:
        file.report(symbol.node, f"'{symbol.name}' has no 'scope'", "Name the resource it is for")
    name = member_of(body.node, "name")
    if name is not None and asked is not None and scope is not None:
        _check_guid(file, name, scope, [asked, member_of(properties, "principalId")])


def _role_of(file: File, node: Node) -> Node | None:
    """Return the expression of the role's id; report one of no role."""
    inside = part(node, "arguments") if node.type == "call_expression" else None
    given = parts(inside) if inside is not None else []
    right = text_of(parts(node)[0]) == "subscriptionResourceId" if given else False
    if not right or literal(given[0]) != _DEFINITION or len(given) != _FEWEST - 1:
        advice = f"Write subscriptionResourceId('{_DEFINITION}', <id>)"
        file.report(node, f"'{text_of(node)}' is not the id of a role", advice)
        return None
    for value in shape_of(file, given[1], around(file, given[1])).values:
        if value not in _roles():
            file.report(given[1], f"'{value}' is the id of no role in roles.json")
    return given[1]


def _check_guid(file: File, name: Node, scope: Node, wanted: list[Node | None]) -> None:
    """Report a name that two assignments could have."""
    name = bare(name)
    inside = part(name, "arguments")
    if name.type != "call_expression" or text_of(parts(name)[0]) != "guid" or inside is None:
        file.report(name, "a role assignment is named by guid(scope.id, principal, role)")
        return
    given = [text_of(one) for one in parts(inside)]
    early = [one for one in wanted if one is not None and one.type != "member_expression"]
    lacking = [text_of(one) for one in early if text_of(one) not in given]
    if f"{text_of(scope)}.id" not in given:
        lacking.append(f"{text_of(scope)}.id")
    if len(given) < _FEWEST or lacking:
        what = f"two assignments could get the same name: it lacks {', '.join(lacking)}"
        file.report(name, what, "Name it by guid(scope.id, principal, role)")
