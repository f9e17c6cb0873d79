"""Measures what `test_house.py` asserts of every file.

A file is measured in code lines: lines that are not blank, no comment and no docstring. A public
function with two or more parameters is described if its docstring has `Args:`, says what it
returns (`Returns:`, or a summary that begins with Return, Yield or Whether), and has `Raises`
if it raises. A method of an abstract base class is described there, once for all its subclasses.
"""

import ast
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Final

ROOT: Final = Path(__file__).parents[2]
MOST_LINES: Final = 250
_MEASURED: Final = ("functions", "shared", "cli", "infra", "local", "proofs", "benchmarks", "tests")
_DESCRIBED: Final = ("ports", "providers", "operations", "core")
_FEWEST: Final = 2
EMPTY: Final[Mapping[str, frozenset[str]]] = MappingProxyType({})
#: The members of a node that hold statements, or what holds statements.
_BODIES: Final = ("orelse", "finalbody", "handlers", "cases", "body")
_SAYS_RESULT: Final = ("Return ", "Yield ", "Whether ")

Function = ast.FunctionDef | ast.AsyncFunctionDef


def files() -> list[Path]:
    """Return every Python file of the project."""
    found = [file for folder in _MEASURED for file in (ROOT / folder).rglob("*.py")]
    return sorted([ROOT / "function_app.py", *found])


def described_files() -> list[Path]:
    """Return the files whose public functions have to be described."""
    found = [file for name in _DESCRIBED for file in (ROOT / "shared" / name).rglob("*.py")]
    return sorted(found)


def name_of(file: Path) -> str:
    """Return the path of a file from the root of the project."""
    return file.relative_to(ROOT).as_posix()


@cache
def text_of(file: Path) -> str:
    """Return what is in a file, which several rules are about."""
    return file.read_text(encoding="utf-8")


@cache
def tree_of(file: Path) -> ast.Module:
    """Return the statements of a file; several rules are about the same files."""
    return ast.parse(text_of(file))


def summary_of(text: str) -> str | None:
    """Return the first line of the docstring of a module; None: the file is empty."""
    if not text:
        return None
    end = text.find('"""', 3) if text.startswith('"""') else -1
    beginning = text if end < 0 else text[: end + 3]  # to parse what follows takes much longer
    return (ast.get_docstring(ast.parse(beginning)) or "").partition("\n")[0]


def code_lines(text: str) -> int:
    """Return how many lines are code."""
    texts = [
        node.value
        for node in statements(ast.parse(text))
        if isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
    ]
    described = {n for one in texts for n in range(one.lineno, (one.end_lineno or 0) + 1)}
    return len([number for number in _written_lines(text) if number not in described])


def _written_lines(text: str) -> list[int]:
    """Return the numbers of the lines that are not blank and no comment."""
    lines = enumerate(map(str.strip, text.splitlines()), start=1)
    return [number for number, line in lines if line and not line.startswith("#")]


def statements(tree: ast.Module) -> Iterator[ast.stmt]:
    """Yield every statement: there are far fewer than nodes."""
    left: list[ast.AST] = [tree]
    while left:
        node = left.pop()
        if isinstance(node, ast.stmt):
            yield node
        for name in _BODIES:
            left += getattr(node, name, ())


def undescribed(module: ast.Module, inherited: Mapping[str, frozenset[str]] = EMPTY) -> list[str]:
    """Return the names of the public functions whose docstrings lack something.

    Args:
        module: the statements of a module.
        inherited: abstract class -> its methods, which are described there.
    """
    return [
        function.name
        for function in _public_functions(module, inherited)
        if _parameters(function) >= _FEWEST and not _is_described(function)
    ]


def abstract_methods() -> dict[str, frozenset[str]]:
    """Return the abstract methods of each abstract class."""
    classes = [
        node
        for file in described_files()
        for node in tree_of(file).body
        if isinstance(node, ast.ClassDef) and "ABC" in map(ast.unparse, node.bases)
    ]
    return {
        node.name: frozenset(
            child.name
            for child in node.body
            if isinstance(child, Function)
            and "abstractmethod" in map(ast.unparse, child.decorator_list)
        )
        for node in classes
    }


def _public_functions(
    node: ast.Module | ast.ClassDef, inherited: Mapping[str, frozenset[str]]
) -> Iterator[Function]:
    bases = map(ast.unparse, node.bases) if isinstance(node, ast.ClassDef) else ()
    described = frozenset[str]().union(*(inherited.get(base, frozenset()) for base in bases))
    for child in node.body:
        if isinstance(child, Function) and not child.name.startswith("_"):
            if child.name not in described:
                yield child
        elif isinstance(child, ast.ClassDef) and not child.name.startswith("_"):
            yield from _public_functions(child, inherited)


def _parameters(function: Function) -> int:
    given = function.args
    names = [one.arg for one in (*given.posonlyargs, *given.args, *given.kwonlyargs)]
    names += [one.arg for one in (given.vararg, given.kwarg) if one is not None]
    return len([name for name in names if name not in ("self", "cls")])


def _is_described(function: Function) -> bool:
    text = ast.get_docstring(function) or ""
    returns = ast.unparse(function.returns) if function.returns else "None"
    says_result = text.startswith(_SAYS_RESULT) or "Returns:" in text or "; return" in text
    if returns not in ("None", "NoReturn") and not says_result:
        return False
    return "Args:" in text and ("Raises" in text or not _raises(function))


def _raises(function: Function) -> bool:
    """Whether the function itself raises something, other than what it caught."""
    left: list[ast.AST] = list(function.body)
    while left:
        node = left.pop()
        if isinstance(node, ast.Raise) and node.exc is not None:
            return True
        if not isinstance(node, Function | ast.Lambda | ast.ClassDef):
            left += ast.iter_child_nodes(node)
    return False


def too_long() -> dict[str, int]:
    """Return the code lines of each file that has too many."""
    texts = {name_of(file): text_of(file) for file in files()}
    # No other file can have that many, and to parse them all would take seconds.
    long = {name: text for name, text in texts.items() if len(_written_lines(text)) > MOST_LINES}
    sizes = {name: code_lines(text) for name, text in long.items()}
    return {name: lines for name, lines in sizes.items() if lines > MOST_LINES}


def without_description() -> dict[str, list[str]]:
    """Return the public functions of each file whose docstrings lack something."""
    inherited = abstract_methods()
    found = {name_of(file): undescribed(tree_of(file), inherited) for file in described_files()}
    return {name: functions for name, functions in found.items() if functions}
