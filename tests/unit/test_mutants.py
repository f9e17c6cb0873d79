"""What counts as a mutant: small mistakes in what runs, and nothing that is for people."""

import io
import subprocess
import sys

import pytest
from rich.console import Console

from proofs.mutants import tests_of as table
from proofs.mutants.__main__ import _show, listed
from proofs.mutants.mutations import code_of, mutants_of
from proofs.mutants.tests_of import ROOT

ENUMS = {"Phase": ("RECEIVED", "TRAINING", "ENDED")}


def changes(code: str) -> list[str]:
    """Return what becomes of the lines of a module."""
    return [mutant.becomes for mutant in mutants_of("module.py", code, ENUMS)]


@pytest.mark.parametrize(
    ("line", "becomes"),
    [
        ("x = a < b", {"x = a <= b"}),
        ("x = a is not b", {"x = a is b"}),
        ("x = a or b", {"x = a and b", "x = a", "x = b"}),
        ("x = not a", {"x = a"}),
        ("x = now - span", {"x = now + span"}),
        ("x = min(a, b)", {"x = max(a, b)"}),
        ("x = 5", {"x = 6", "x = 4"}),
        ("x = True", {"x = False"}),
        ("x = 'queue'", {"x = 'queue_'"}),
        ("x = Phase.ENDED", {"x = Phase.RECEIVED"}),
        ("f(a, most=b)", {"pass", "f(a)"}),
        ("raise ValueError('it is none')", {"pass"}),
        ("x = [a for a in b if a]", {"x = [a for a in b]"}),
        ("x.at = a", {"pass"}),
    ],
)
def test_a_line_becomes_each_small_mistake(line: str, becomes: set[str]) -> None:
    assert set(changes(line)) == becomes


@pytest.mark.parametrize(
    "code",
    [
        '"""Says what it does, in 5 words."""',
        "import os",
        "log.info('run %s: %d of 5', a, b)",
        "x = f'run {a + 1} is over'",
        "def f(x: dict[str, int] | None) -> Literal['a']:\n    pass",
        "@dataclass(frozen=True)\nclass A:\n    x: int | None",
        "class A:\n    def __repr__(self) -> str:\n        return f'A({self.x + 1})'",
        "x = Field(description='queue')",
    ],
)
def test_nothing_that_is_for_people_or_for_the_checker_is_changed(code: str) -> None:
    assert [change for change in changes(code) if change not in ("x = Field()", "pass")] == []


def test_a_function_returns_the_opposite_or_nothing() -> None:
    assert "return not x" in changes("def f(x) -> bool:\n    return x")
    assert "return ()" in changes("def f(x) -> tuple[int, ...]:\n    return x")
    assert "return None" in changes("def f(x) -> Run:\n    return x")


def test_the_code_of_a_mutant_holds_its_one_mistake() -> None:
    code = "def f(a, b):\n    if a and b:\n        return a\n    return b"
    for mutant in mutants_of("module.py", code, ENUMS):
        lines = code_of(mutant, code, ENUMS).splitlines()
        changed = [line.strip() for line in lines if line not in code.splitlines()]
        assert changed in ([mutant.becomes], [f"{mutant.becomes}"], ["return None"])


def test_each_module_has_its_tests_and_each_of_them_is_there() -> None:
    for module in table.modules():
        assert table.tests_of(module), module
        assert all((ROOT / name).is_file() for name in table.tests_of(module)), module
    assert table.MORE.keys() <= {module.stem for module in table.modules()}


def test_what_is_listed_is_a_mutant_of_today_and_has_a_reason() -> None:
    for one in listed():
        assert one.why
        found = mutants_of(one.file, (ROOT / one.file).read_text(encoding="utf-8"), ENUMS)
        assert any(one.is_of(mutant) for mutant in found), one


def shown(missed: int, tried: int) -> int:
    """Return how the command ends when `missed` unlisted mutants of so many are not found."""
    mutant = mutants_of("module.py", "x = 5", ENUMS)[0]
    return _show([mutant] * tried, [mutant] * missed, Console(file=io.StringIO()))


def test_the_command_fails_when_too_little_is_found_or_something_is_not_listed() -> None:
    assert shown(0, 100) == 0
    assert shown(1, 100) == 1
    assert shown(6, 100) == 1


def test_a_sample_is_tried_from_the_command_line() -> None:
    command = [sys.executable, "-m", "proofs.mutants", "--only", "durations", "--count", "2"]
    done = subprocess.run(  # noqa: S603 -- our own command
        command, cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert "mutants: 2 tried" in done.stdout, done.stderr
