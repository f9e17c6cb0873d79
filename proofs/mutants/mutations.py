"""Finds the mutants of a module: the same code with one small mistake.

Docstrings, types, decorators, texts for people (in errors, logs and elsewhere) and the way in which
a thing is shown are not changed: no test should depend on them.
"""

import ast
from collections.abc import Iterator
from copy import copy
from dataclasses import dataclass, replace
from typing import Final

from proofs.mutants.operators import Enums, instead_of, returned

_SHOWN: Final = frozenset({"__repr__", "__str__"})
#: Keyword arguments that describe something for people.
_DESCRIBES: Final = frozenset({"description", "examples", "title", "note"})
_UNTRIED: Final = frozenset({"returns", "decorator_list", "bases", "keywords", "type_params"})
_LOGS: Final = ("log.", "_LOG.", "logging.", "warnings.")


@dataclass(frozen=True, slots=True)
class Mutant:
    """One mistake in one module."""

    file: str
    where: str  #: the class and function that it is in
    line: int
    was: str
    becomes: str
    number: int  #: in the order of the module
    runs_in: str = ""  #: the function whose call runs it; none: the import of its module

    def __str__(self) -> str:
        return f"{self.file}:{self.line} {self.where}\n  - {self.was}\n  + {self.becomes}"


@dataclass(frozen=True, slots=True)
class _Context:
    """Where a part of the tree is."""

    line: ast.AST  #: the nearest statement or case
    names: tuple[str, ...] = ()
    returns: ast.expr | None = None
    function: bool = False  #: whether it is inside of one


@dataclass(frozen=True, slots=True)
class _Edit:
    """A field of the tree, and the value that it gets instead."""

    parent: ast.AST
    field: str
    value: object
    context: _Context
    new_line: ast.AST


def mutants_of(file: str, text: str, enums: Enums) -> list[Mutant]:
    """Return the mutants of a module, in order, each once.

    Args:
        file: where the module is.
        text: its code.
        enums: the members of the enums that it may use.
    """
    found: dict[tuple[object, ...], Mutant] = {}
    tree = ast.parse(text)
    for number, edit in enumerate(_edits(tree, _Context(tree), enums)):
        was, line = _line_of(edit.context.line), getattr(edit.context.line, "lineno", 0)
        before = _applied(edit)
        becomes = _line_of(edit.new_line)
        setattr(edit.parent, edit.field, before)
        where = ".".join(edit.context.names)
        if was != becomes:
            runs_in = where if edit.context.function else ""
            one = Mutant(file, where, line, was, becomes, number, runs_in)
            found.setdefault((where, line, was, becomes), one)
    return list(found.values())


def code_of(mutant: Mutant, text: str, enums: Enums) -> str:
    """Return the code of a module with the mistake.

    Args:
        mutant: the mistake.
        text: the code of its module.
        enums: as they were given to `mutants_of`.
    """
    tree = ast.parse(text)
    for number, edit in enumerate(_edits(tree, _Context(tree), enums)):
        if number == mutant.number:
            _applied(edit)
            break
    return ast.unparse(ast.fix_missing_locations(tree))


def _applied(edit: _Edit) -> object:
    before: object = getattr(edit.parent, edit.field)
    setattr(edit.parent, edit.field, edit.value)
    return before


def _line_of(node: ast.AST) -> str:
    if hasattr(node, "body") and not isinstance(node, ast.Lambda | ast.IfExp):
        node = copy(node)
        node.body = [ast.Pass()]
    if isinstance(node, ast.ClassDef | ast.FunctionDef):
        node.decorator_list = []
    return ast.unparse(node).partition("\n")[0]


def _edits(node: ast.AST, context: _Context, enums: Enums) -> Iterator[_Edit]:
    context = _within(node, context)
    for field, value in list(ast.iter_fields(node)):
        if _is_untried(node, field):
            continue
        children = value if isinstance(value, list) else [value]
        for at, child in enumerate(children):
            if not isinstance(child, ast.AST) or _is_for_people(child) or _says_length(node, child):
                continue
            if isinstance(node, ast.JoinedStr) and isinstance(child, ast.Constant):
                continue
            for new in _instead(node, child, context, enums):
                changed = [*children[:at], new, *children[at + 1 :]]
                whole = changed if isinstance(value, list) else new
                here = replace(context, line=child) if isinstance(child, ast.stmt) else context
                shown = new if isinstance(child, ast.stmt) else context.line
                yield _Edit(node, field, whole, here, shown)
            yield from _edits(child, context, enums)
    yield from _left_out(node, context)


def _left_out(node: ast.AST, context: _Context) -> Iterator[_Edit]:
    """Yield calls, filters and handlers without one of their parts."""
    fields: list[tuple[str, list[ast.AST]]] = []
    match node:
        case ast.Call(keywords=keywords):
            idle = [one for one in keywords if _changes_nothing(one) or _says_length(node, one)]
            fields.append(("keywords", [one for one in keywords if one not in idle]))
        case ast.comprehension(ifs=conditions) if conditions:
            fields.append(("ifs", list(conditions)))
        case ast.match_case(guard=ast.expr()):
            yield _Edit(node, "guard", None, context, context.line)
        case ast.ExceptHandler(type=ast.Tuple() as kinds):
            for at in range(len(kinds.elts)):
                fewer = [*kinds.elts[:at], *kinds.elts[at + 1 :]]
                yield _Edit(kinds, "elts", fewer, context, context.line)
        case _:
            pass
    for field, children in fields:
        whole = getattr(node, field)
        for child in children:
            yield _Edit(
                node, field, [one for one in whole if one is not child], context, context.line
            )


def _changes_nothing(keyword: ast.keyword) -> bool:
    """Whether a call does the same without it."""
    # Linters want it to be said of `zip`.
    default = keyword.arg == "strict" and ast.unparse(keyword.value) == "False"
    return default or keyword.arg in _DESCRIBES


def _says_length(call: ast.AST, keyword: ast.AST) -> bool:
    """Whether a keyword says that zipped sequences have the same length.

    Where it is, the lines before it make sure of that, and those lines are changed.
    """
    of_zip = isinstance(call, ast.Call) and ast.unparse(call.func) == "zip"
    return of_zip and isinstance(keyword, ast.keyword) and ast.unparse(keyword) == "strict=True"


def _instead(parent: ast.AST, child: ast.AST, context: _Context, enums: Enums) -> Iterator[ast.AST]:
    union = isinstance(child, ast.BinOp) and isinstance(child.op, ast.BitOr)
    if union and not context.function:
        return  # of types
    if _is_stripped(parent) and isinstance(child, ast.Constant):
        # A set of characters: one more shows in no text that does not end with it.
        yield ast.Constant("")
        return
    yield from instead_of(child, enums)
    if isinstance(child, ast.Return):
        yield from returned(child, context.returns)


def _is_stripped(node: ast.AST) -> bool:
    """Whether a call takes characters off the ends of a text."""
    called = node.func if isinstance(node, ast.Call) else None
    return isinstance(called, ast.Attribute) and called.attr in ("strip", "lstrip", "rstrip")


def _within(node: ast.AST, context: _Context) -> _Context:
    if isinstance(node, ast.FunctionDef | ast.ClassDef):
        function = isinstance(node, ast.FunctionDef)
        returns = node.returns if isinstance(node, ast.FunctionDef) else None
        return _Context(node, (*context.names, node.name), returns, function)
    if isinstance(node, ast.stmt | ast.match_case | ast.ExceptHandler):
        return replace(context, line=node)
    return context


def _is_untried(node: ast.AST, field: str) -> bool:
    if isinstance(node, ast.FunctionDef | ast.ClassDef) and field in _UNTRIED:
        return True
    if isinstance(node, ast.AnnAssign | ast.arg) and field == "annotation":
        return not ast.unparse(getattr(node, field) or ast.Pass()).startswith("Annotated")
    if isinstance(node, ast.Subscript) and field == "slice":
        return ast.unparse(node.value) in ("Literal", "list", "dict", "tuple", "set", "Callable")
    if isinstance(node, ast.FormattedValue):
        return field != "value"
    return field == "ctx"


def _is_for_people(node: ast.AST) -> bool:
    match node:
        case ast.FunctionDef(name=name):
            return name in _SHOWN
        case ast.Expr(value=ast.Constant()):
            return True  # a docstring
        case ast.Expr(value=ast.Call() as call):
            return ast.unparse(call.func).startswith(_LOGS)
        case ast.JoinedStr(values=values):
            return any(isinstance(v, ast.Constant) and " " in str(v.value) for v in values)
        case ast.Call(func=ast.Name(id="WithJsonSchema")):
            return True
        case ast.keyword(arg=arg):
            return arg in _DESCRIBES
        case ast.Import() | ast.ImportFrom():
            return True
        case _:
            return False
