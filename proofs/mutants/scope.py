"""Chooses the modules to change, and the test files that may find a change."""

import ast
from functools import cache
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[2]

#: Everything that is deployed, except the triggers.
_CHANGED: Final = "shared/**/*.py"
_TESTS: Final = (
    "tests/unit/**/test_*.py",
    "tests/functions/**/test_*.py",
    "tests/contract/test_*.py",
)
#: They start this program themselves.
_NOT_OURS: Final = "tests/unit/proofs/"
#: This many files are tried before all others.
_NEAREST: Final = 6


def modules() -> list[Path]:
    """Return the modules that are changed, from the root of the project, in order."""
    found = ROOT.glob(_CHANGED)
    return sorted(file.relative_to(ROOT) for file in found if file.stat().st_size)


def every_test_file() -> list[str]:
    """Return all test files that may find a change, in order."""
    found = {file.relative_to(ROOT).as_posix() for one in _TESTS for file in ROOT.glob(one)}
    return sorted(file for file in found if not file.startswith(_NOT_OURS))


@cache
def nearest(module: str) -> tuple[str, ...]:
    """Return the few test files that most likely find a change of a module, the best first."""
    name = module.removesuffix(".py").replace("/", ".")
    word = name.rpartition(".")[2]  # each file that imports it has this word
    named = [file for file in every_test_file() if word in _text(file)]
    using = {file for file in named if name in _imports(file)}
    near = {file for file in every_test_file() if distance(module, file) < _FAR}
    first = sorted(using | near, key=lambda file: (distance(module, file), file not in using, file))
    return tuple(first[:_NEAREST])


_FAR: Final = 2


def distance(module: str, tests: str) -> int:
    """Return how far a test file is from a module: 0 has its name, 1 its folder, 2 neither.

    Args:
        module: its path from the root of the project.
        tests: the path of the test file.
    """
    there, here = Path(module), Path(tests)
    if here.parent.parts[2:] != there.parent.parts[1:]:
        return _FAR
    return 0 if here.stem == f"test_{there.stem}" else 1


@cache
def _text(file: str) -> str:
    return (ROOT / file).read_text(encoding="utf-8")


@cache
def _imports(file: str) -> frozenset[str]:
    nodes = ast.walk(ast.parse(_text(file)))
    found = [node for node in nodes if isinstance(node, ast.ImportFrom)]
    names = {f"{node.module}.{alias.name}" for node in found for alias in node.names}
    return frozenset(names | {f"{node.module}" for node in found})
