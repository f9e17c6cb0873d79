"""A file of Bicep with its declarations, and all files of a deployment together."""

import posixpath
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from local.infra_check.shapes import Shape
from local.infra_check.syntax import (
    Finding,
    Source,
    everything,
    key_of,
    line_of,
    literal,
    meant,
    member_of,
    name_of,
    parsed,
    parts,
    text_of,
    value_of,
)
from local.infra_check.tree import Node

_KINDS: Final = {
    "parameter_declaration": "param",
    "variable_declaration": "var",
    "resource_declaration": "resource",
    "module_declaration": "module",
    "output_declaration": "output",
    "type_declaration": "type",
    "user_defined_function": "func",
}


@dataclass(frozen=True, slots=True, eq=False)
class Symbol:
    """One declaration."""

    kind: str  #: the word of Bicep: param, var, resource, module, output, type, func
    name: str
    node: Node
    decorators: tuple[Node, ...] = ()
    within: "Symbol | None" = None  #: the resource that this one is nested in

    @property
    def existing(self) -> bool:
        """Whether a resource is only referred to."""
        return any(child.type == "existing" for child in self.node.children)


@dataclass(frozen=True, slots=True)
class Body:
    """The declaration of a resource or a module.

    Args:
        node: the object.
        conditions: of `if`.
        loops: of `for`.
    """

    node: Node
    conditions: tuple[Node, ...]
    loops: tuple[Node, ...]


@dataclass(slots=True, eq=False)
class File:
    """A file of a deployment, and what is wrong in it."""

    source: Source
    program: "Program"
    symbols: dict[str, Symbol] = field(default_factory=dict)
    outputs: dict[str, Symbol] = field(default_factory=dict)
    nested: dict[str, list[Symbol]] = field(default_factory=dict)
    found: dict[Finding, None] = field(default_factory=dict)
    shapes: dict[str, Shape] = field(default_factory=dict)
    expected: set[str] = field(default_factory=set)  #: whose shape is being worked out
    used: set[str] = field(default_factory=set)

    def report(self, node: Node, what: str, advice: str = "") -> None:
        """Note a mistake.

        Args:
            node: where it is.
            what: it is.
            advice: what to do.
        """
        self.found[Finding(self.source.name, line_of(node), what, advice)] = None

    def all_of(self, kind: str) -> Iterator[Symbol]:
        """Yield the declarations of a kind, nested resources too."""
        yield from (one for one in self.symbols.values() if one.kind == kind)
        if kind == "resource":
            for several in self.nested.values():
                yield from several

    @property
    def target(self) -> str:
        """Where the file is deployed: `resourceGroup` if it does not say so."""
        for node in parts(self.source.root):
            if node.type == "target_scope_assignment":
                return literal(part_of(node)) or ""
        return "resourceGroup"


def part_of(node: Node) -> Node | None:
    """Return the value that a declaration or assignment gives."""
    return value_of(node)


def body_of(symbol: Symbol) -> Body | None:
    """Return the body of a resource or module; None if it has none."""
    node = value_of(symbol.node)
    conditions: list[Node] = []
    loops: list[Node] = []
    while node is not None and node.type in ("if_statement", "for_statement"):
        inside = parts(node)
        if node.type == "if_statement":
            conditions.append(inside[0])
        else:
            loops.append(node)
        node = inside[-1]
    if node is None or node.type != "object":
        return None
    return Body(node, tuple(conditions), tuple(loops))


@dataclass(slots=True, eq=False)
class Program:
    """All files of a deployment.

    Args:
        content: of a file of this name, which a template loads; None: there is none.
        files: by their paths from the root of the project.
        calls: who passes what to a file; filled when first needed.
    """

    content: Callable[[str], str | None]
    files: dict[str, File] = field(default_factory=dict)
    calls: "dict[str, list[Call]]" = field(default_factory=dict)

    def add(self, name: str, text: str) -> File:
        """Parse a file and note what it declares.

        Args:
            name: the path from the root of the project.
            text: the content.
        """
        file = File(parsed(name, text), self)
        self.files[name] = file
        _declare(file)
        return file

    def beside(self, file: File, path: str) -> str:
        """Return the path, from the root, of a file that another one names.

        Args:
            file: which names it.
            path: as it is written there.
        """
        return posixpath.normpath(posixpath.join(posixpath.dirname(file.source.name), path))

    def module(self, file: File, symbol: Symbol) -> File | None:
        """Return the file that a module stands for.

        Args:
            file: where the module is declared.
            symbol: the module.
        """
        return self.files.get(self.beside(file, type_text(symbol) or ""))

    def arguments(self, file: File, param: str) -> list[tuple[File, Symbol, Node]]:
        """Return what every module that stands for `file` passes to a parameter.

        Args:
            file: whose parameter it is.
            param: its name.
        """
        if not self.calls:
            self.calls.update(_calls(self))
        return [
            (caller, symbol, given[param])
            for caller, symbol, given in self.calls.get(file.source.name, ())
            if param in given
        ]


Call = tuple[File, Symbol, dict[str, Node]]


def _calls(program: Program) -> dict[str, list[Call]]:
    """Return, for each file, the modules that stand for it and what they pass."""
    found: dict[str, list[Call]] = {}
    for caller in program.files.values():
        for symbol in caller.all_of("module"):
            body = body_of(symbol)
            passed = member_of(body.node, "params") if body is not None else None
            given: dict[str, Node] = {}
            for member in parts(passed) if passed is not None else ():
                key, value = key_of(member), value_of(member)
                if key is not None and value is not None:
                    given[key[1]] = value
            path = program.beside(caller, type_text(symbol) or "")
            found.setdefault(path, []).append((caller, symbol, given))
    return found


def check_outputs(program: Program) -> None:
    """Report outputs of modules that no template reads."""
    for name, several in _calls(program).items():
        file = program.files.get(name)
        read = {one for caller, symbol, _ in several for one in _outputs_read(caller, symbol)}
        for output in file.outputs.values() if file is not None else ():
            if file is not None and output.name not in read:
                what = f"no template reads the output '{output.name}'"
                file.report(output.node, what, meant(output.name, read - file.outputs.keys()))


def _outputs_read(file: File, symbol: Symbol) -> Iterator[str]:
    for node in everything(file.source.root):
        whole = node.children[0] if node.type == "member_expression" else None
        if whole is None or whole.type != "member_expression" or parts(whole)[-1].text != "outputs":
            continue
        if text_of(parts(whole)[0]).partition("[")[0] == symbol.name:
            yield text_of(parts(node)[-1])


def type_text(symbol: Symbol) -> str | None:
    """Return the type of a resource, with its version, or the path of a module."""
    node = next((child for child in parts(symbol.node) if child.type == "string"), None)
    return literal(node)


def _declare(file: File) -> None:
    decorators: tuple[Node, ...] = ()
    for node in parts(file.source.root):
        if node.type == "decorators":
            decorators = tuple(parts(node))
            continue
        kind = _KINDS.get(node.type)
        name = name_of(node)
        if kind is not None and name is not None:
            symbol = Symbol(kind, text_of(name), node, decorators)
            _add(file, symbol, name)
        decorators = ()


def _add(file: File, symbol: Symbol, name: Node) -> None:
    """Add a declaration; outputs have names of their own."""
    table = file.outputs if symbol.kind == "output" else file.symbols
    if symbol.name in table:
        file.report(name, f"'{symbol.name}' is declared twice", "Give one of them another name")
    table[symbol.name] = symbol
    if symbol.kind == "resource":
        _add_nested(file, symbol)


def _add_nested(file: File, symbol: Symbol) -> None:
    body = body_of(symbol)
    for member in parts(body.node) if body is not None else ():
        inner = next(iter(parts(member)), None)
        if key_of(member) is None and inner is not None and inner.type == "resource_declaration":
            name = name_of(inner)
            nested = Symbol("resource", text_of(name), inner, within=symbol)
            file.nested.setdefault(symbol.name, []).append(nested)
            _add_nested(file, nested)


def decorator_of(symbol: Symbol, name: str) -> Node | None:
    """Return the argument of a decorator; None if the declaration does not have it.

    Args:
        symbol: the declaration.
        name: of the decorator.
    """
    for decorator in symbol.decorators:
        call = next(iter(parts(decorator)), None)
        if call is None or call.type != "call_expression":
            continue
        function, arguments = call.child("function"), parts(call)[-1]
        if text_of(function).removeprefix("sys.") == name:
            return next(iter(parts(arguments)), None)
    return None


def loop_names(loop: Node) -> tuple[Node | None, Node | None, Node]:
    """Return the variable of a loop, its counter, and what it goes through."""
    inside = parts(loop)
    both = next((one for one in inside if one.type == "for_loop_parameters"), None)
    if both is None:
        return inside[0], None, inside[1]
    names = parts(both)
    return names[0], names[1] if len(names) > 1 else None, inside[1]


Locals = Mapping[str, Shape]
