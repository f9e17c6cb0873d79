"""Checks that a deployment can begin: values needed at its start, and no circular dependency.

Names, scopes, conditions and loops are worked out before any resource exists. So they can use
parameters, ids and names, and no other property of a resource and no output of a module.
"""

from collections.abc import Iterator, Mapping
from typing import Final

from local.infra_check.files import File, Symbol, body_of, loop_names
from local.infra_check.syntax import (
    everything,
    is_key,
    member_of,
    name_of,
    parts,
    text_of,
    value_of,
)
from local.infra_check.tree import Node

_KNOWN_EARLY: Final = ("id", "name", "type", "apiVersion")


def check_start(file: File) -> None:
    """Report everything that has to be known earlier than it is."""
    for symbol in [*file.all_of("resource"), *file.all_of("module")]:
        body = body_of(symbol)
        if body is None:
            continue
        early = [*body.conditions, *(loop_names(one)[2] for one in body.loops)]
        early += [
            one for one in (member_of(body.node, "name"), _scope(body.node)) if one is not None
        ]
        for node in early:
            _check_early(file, node, symbol)
        for loop in _inner_loops(body.node):
            _check_early(file, loop_names(loop)[2], symbol)
    for symbol in [*file.all_of("var"), *file.outputs.values()]:
        for loop in _inner_loops(symbol.node):
            _check_early(file, loop_names(loop)[2], symbol)


def _scope(body: Node) -> Node | None:
    """Return the scope if it is worked out: a call, not the resource itself."""
    scope = member_of(body, "scope")
    return scope if scope is not None and scope.type == "call_expression" else None


def _inner_loops(node: Node) -> Iterator[Node]:
    return (one for one in everything(node) if one.type == "for_statement")


def _check_early(file: File, node: Node, symbol: Symbol) -> None:
    for place, late in _late(file, node, frozenset()):
        what = (
            f"'{late}' is not known when the deployment begins, and '{symbol.name}' needs it then"
        )
        file.report(place, what, "Use a parameter, or the id or name of a resource")


def _late(file: File, node: Node, seen: frozenset[str]) -> Iterator[tuple[Node, str]]:
    """Yield what an expression reads that is known only later, variables followed."""
    for one in everything(node):
        if one.type != "identifier" or is_key(one):
            continue
        symbol = file.symbols.get(text_of(one))
        if symbol is None or symbol.name in seen:
            continue
        if symbol.kind == "var":
            value = value_of(symbol.node)
            inner = _late(file, value, seen | {symbol.name}) if value is not None else ()
            yield from ((one, late) for _, late in inner)
        elif symbol.kind in ("resource", "module"):
            read = _read(one)
            if read not in _KNOWN_EARLY or (symbol.kind == "module" and read != "name"):
                yield one, f"{symbol.name}.{read}" if read else symbol.name


def _read(node: Node) -> str:
    """Return the first property that is read of a name."""
    above = node.above
    while above is not None and above.type in ("subscript_expression", "resource_expression"):
        if parts(above)[0] != node and above.type == "subscript_expression":
            return ""
        node, above = above, above.above
    if above is None or above.type != "member_expression":
        return ""
    return text_of(above.child("property"))


def check_conditions(file: File) -> None:
    """Report what is read of a resource or module that need not be there.

    Its properties and outputs may be read only where a condition names the same as its own `if`.
    """
    several = [*file.all_of("resource"), *file.all_of("module")]
    wanted = {one.name: _conditions(file, one) for one in several if one.name in file.symbols}
    for node in everything(file.source.root):
        wants = wanted.get(text_of(node)) if node.type == "identifier" else None
        if not wants or is_key(node) or _shadowed(node) or _read(node) in ("", *_KNOWN_EARLY):
            continue
        if not wants & _guards(file, node):
            what = (
                f"'{text_of(node)}.{_read(node)}' is read, and '{text_of(node)}' need not be there"
            )
            advice = f"Read it behind a condition that names: {', '.join(sorted(wants))}"
            file.report(node, what, advice)


def _conditions(file: File, symbol: Symbol) -> frozenset[str]:
    """Return the parameters that the condition of a resource follows from."""
    body = body_of(symbol)
    if body is None or body.loops:
        return frozenset()
    return frozenset[str]().union(*(_follows(file, one) for one in body.conditions))


def _guards(file: File, node: Node) -> frozenset[str]:
    """Return the parameters that the conditions around an expression follow from."""
    found, below, above = frozenset[str](), node, node.above
    while above is not None:
        if above.type in ("ternary_expression", "if_statement") and below != parts(above)[0]:
            found |= _follows(file, parts(above)[0])
        below, above = above, above.above
    return found


def _follows(file: File, node: Node, seen: frozenset[str] = frozenset()) -> frozenset[str]:
    found = frozenset[str]()
    for one in everything(node):
        symbol = file.symbols.get(text_of(one)) if one.type == "identifier" else None
        if symbol is None or is_key(one) or symbol.name in seen:
            continue
        value = value_of(symbol.node) if symbol.kind == "var" else None
        found |= {symbol.name}
        if value is not None:
            found |= _follows(file, value, seen | {symbol.name})
    return found


def cycles(file: File) -> None:
    """Report declarations that need themselves."""
    needs = {name: _needs(file, symbol) for name, symbol in file.symbols.items()}
    for name, symbol in file.symbols.items():
        if _leads_to(name, needs):
            what = f"'{name}' depends on itself"
            file.report(name_of(symbol.node) or symbol.node, what, "Break the circle")


def _needs(file: File, symbol: Symbol) -> frozenset[str]:
    own = name_of(symbol.node)
    names = {
        text_of(one)
        for one in everything(symbol.node)
        if one.type == "identifier" and one != own and not is_key(one) and not _shadowed(one)
    }
    return frozenset(names & file.symbols.keys())


def _shadowed(node: Node) -> bool:
    """Whether a loop or a lambda around a name declares it."""
    name, above = text_of(node), node.above
    while above is not None:
        if above.type == "for_statement":
            declared = [text_of(one) for one in loop_names(above)[:2] if one is not None]
            if name in declared:
                return True
        if above.type == "lambda_expression" and name in text_of(parts(above)[0]):
            return True
        above = above.above
    return False


def _leads_to(name: str, needs: Mapping[str, frozenset[str]]) -> bool:
    left, seen = list(needs[name]), set[str]()
    while left:
        one = left.pop()
        if one == name:
            return True
        if one not in seen:
            seen.add(one)
            left += needs[one]
    return False
