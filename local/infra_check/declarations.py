"""Checks each declaration of a file: its decorators, its type, its default, its value, its use."""

from collections.abc import Mapping
from typing import Final

from local.infra_check.declared import declared_type, type_of, value_of_default
from local.infra_check.expressions import shape_of
from local.infra_check.files import File, Symbol, body_of
from local.infra_check.functions import DECORATORS
from local.infra_check.names import check_name
from local.infra_check.resources import check_module, check_resource
from local.infra_check.start import check_conditions, check_start, cycles
from local.infra_check.syntax import (
    everything,
    is_key,
    literal,
    meant,
    member_of,
    name_of,
    parts,
    text_of,
    value_of,
)
from local.infra_check.tree import Node
from local.infra_check.values import check

_TARGETS: Final = ("resourceGroup", "subscription", "managementGroup", "tenant")
_WORDS: Final[Mapping[str, str]] = {"param": "parameter", "var": "variable"}
_TOP: Final = (
    "target_scope_assignment",
    "metadata_declaration",
    "decorators",
    "parameter_declaration",
    "variable_declaration",
    "resource_declaration",
    "module_declaration",
    "output_declaration",
    "type_declaration",
    "user_defined_function",
)


def check_file(file: File) -> None:
    """Check every declaration of a file; the file gets what is wrong in it."""
    _syntax(file)
    for symbol in [*file.symbols.values(), *file.outputs.values()]:
        _decorators(file, symbol)
        _check(file, symbol)
    for symbol in file.all_of("resource"):
        check_name(file, symbol)
    _same_names(file)
    check_start(file)
    check_conditions(file)
    cycles(file)
    _unused(file)


def _syntax(file: File) -> None:
    """Report the parts that cannot be parsed; later checks are of the rest."""
    for node in everything(file.source.root):
        if node.missing or node.type == "ERROR":
            seen = " ".join(text_of(node).split())[:40]
            advice = "Spreads, extensions and resourceInput<> cannot be read by this check either"
            file.report(node, f"this cannot be parsed: '{seen}'", advice)
            return
    for node in parts(file.source.root):
        if node.type not in _TOP:
            file.report(node, f"'{text_of(node)[:40]}' is not a declaration")
        if node.type == "target_scope_assignment":
            target = literal(value_of(node)) or ""
            if target not in _TARGETS:
                what = f"'{target}' is nothing that a template can be deployed to"
                file.report(node, what, meant(target, _TARGETS))


def _decorators(file: File, symbol: Symbol) -> None:
    for decorator in symbol.decorators:
        call = next(iter(parts(decorator)), None)
        function = call.child("function") if call is not None else None
        if call is None or function is None:
            file.report(decorator, "a decorator is a call", "Write @name(…)")
            continue
        whose, _, name = text_of(function).rpartition(".")
        before = DECORATORS.get(name)
        if before is None or whose not in ("", "sys"):
            file.report(
                decorator, f"there is no decorator '{text_of(function)}'", meant(name, DECORATORS)
            )
        elif symbol.kind not in before:
            file.report(decorator, f"'@{name}' cannot stand before '{symbol.kind}'")
        body = body_of(symbol) if name == "batchSize" else None
        if body is not None and not body.loops:
            file.report(decorator, f"'@{name}' stands before '{symbol.name}', which is not a loop")
        for argument in parts(parts(call)[-1]) if len(parts(call)) > 1 else ():
            shape_of(file, argument, {})


def _check(file: File, symbol: Symbol) -> None:
    if symbol.kind == "resource":
        check_resource(file, symbol)
        return
    if symbol.kind == "module":
        check_module(file, symbol)
        return
    expected = None
    if symbol.kind in ("param", "output"):
        expected = declared_type(file, symbol)
    value = value_of_default(symbol) if symbol.kind == "param" else value_of(symbol.node)
    if symbol.kind == "param" and value is not None:
        _only_known_places(file, value)
    if value is None or symbol.kind in ("type", "func"):
        return
    if expected is not None:
        check(file, value, expected, {})
    else:
        shape_of(file, value, {})


def _only_known_places(file: File, default: Node) -> None:
    """Report a default that names something else than a parameter."""
    for node in everything(default):
        symbol = file.symbols.get(text_of(node)) if node.type == "identifier" else None
        if symbol is not None and symbol.kind in ("var", "resource", "module") and not is_key(node):
            what = f"the default of a parameter names '{symbol.name}', a {symbol.kind}"
            file.report(node, what, "It may name only other parameters")


def _same_names(file: File) -> None:
    """Report two resources, or two modules, that would be one: of one type, name and place."""
    seen: dict[tuple[str, ...], str] = {}
    for symbol in [*file.all_of("resource"), *file.all_of("module")]:
        body = body_of(symbol)
        name = member_of(body.node, "name") if body is not None else None
        if body is None or name is None or symbol.existing or body.loops:
            continue
        kind = type_of(symbol) if symbol.kind == "resource" else "module"
        places = [text_of(member_of(body.node, one)) for one in ("parent", "scope")]
        within = symbol.within.name if symbol.within else ""
        key = (kind, text_of(name), within, *places)
        if key in seen:
            what = f"'{symbol.name}' has the name of '{seen[key]}': {text_of(name)}"
            file.report(name, what, "Give it another one")
        seen[key] = symbol.name


def _unused(file: File) -> None:
    for symbol in file.symbols.values():
        if symbol.kind not in ("param", "var", "type") or symbol.name in file.used:
            continue
        name = name_of(symbol.node) or symbol.node
        word = _WORDS.get(symbol.kind, symbol.kind)
        file.report(name, f"the {word} '{symbol.name}' is not used", "Use it, or remove it")
