"""What counts as a mutant: small mistakes in what runs, and nothing that is for people."""

import gc
import io
import json
import subprocess
import sys
from functools import partial
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest
from rich.console import Console

from proofs.mutants import tests_of as table
from proofs.mutants.__main__ import _show, listed
from proofs.mutants.calls import Calls, Known
from proofs.mutants.forks import Job, ended
from proofs.mutants.in_place import Loaded, changed
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
        ("x = a.rstrip('/')", {"x = a.rstrip('')"}),
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


def test_that_what_is_zipped_has_one_length_is_not_changed() -> None:
    assert changes("x = zip(a, b, strict=True)") == []
    assert "x = zip(a, b, strict=True)" in changes("x = zip(a, b, strict=False)")
    assert "x = Field(strict=False)" in changes("x = Field(strict=True)")


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


MODULE = """
from dataclasses import dataclass

MOST = 5

@dataclass
class Slot:
    holders: tuple[str, ...] = ()

    def has_free_slot(self, most: int = MOST) -> bool:
        return len(self.holders) < most

    @property
    def first(self) -> str:
        names = [one.lower() for one in self.holders if one]
        return names[0] if names else "nobody"

def until(now: int) -> int:
    def later(by: int) -> int:
        return now + by
    return later(1)
"""


def test_a_mistake_in_a_function_is_put_into_the_loaded_one_and_any_other_is_imported() -> None:
    for mutant in mutants_of("shared/module.py", MODULE, ENUMS):
        change = changed("shared/module.py", MODULE, code_of(mutant, MODULE, ENUMS))
        name = change.name if change else ""
        assert name == ("until" if mutant.where == "until.later" else mutant.runs_in), mutant
    assert changed("shared/module.py", MODULE, MODULE) is None


def test_a_loaded_function_is_found_by_its_code_wherever_it_is_used() -> None:
    (mutant,) = [
        one for one in mutants_of("shared/module.py", MODULE, ENUMS) if "names[1]" in one.becomes
    ]
    change = changed("shared/module.py", MODULE, code_of(mutant, MODULE, ENUMS))
    assert change is not None
    names: dict[str, object] = {}
    exec(compile(MODULE, str(ROOT / "shared/module.py"), "exec"), names)  # noqa: S102 -- ours
    gc.collect()
    (function,) = Loaded().those_of(change)
    assert function.__qualname__ == "Slot.first"
    function.__code__ = change.code
    run_queue = names["Slot"]
    assert callable(run_queue)
    assert run_queue(("A", "B")).first == "b"


def test_the_fast_tests_and_those_of_the_nearest_file_are_tried_first(tmp_path: Path) -> None:
    noted = [
        ("near.py::slow", (0.9, ["shared/a.py:f"])),
        ("near.py::fast", (0.1, ["shared/a.py:f", "shared/a.py:g"])),
        ("far.py::fast", (0.15, ["shared/a.py:f"])),
        ("other.py::fast", (0.1, ["shared/a.py:f"])),
    ]
    (tmp_path / "calls.json").write_text(json.dumps(noted), encoding="utf-8")
    known = Known([tmp_path / "calls.json"])
    files = ("near.py", "far.py")
    (in_f, *_) = mutants_of("shared/a.py", "def f():\n    x = 5", ENUMS)
    (in_g, *_) = mutants_of("shared/a.py", "def g():\n    x = 5", ENUMS)
    assert known.tests_for(in_f, files) == ("near.py::fast", "far.py::fast", "near.py::slow")
    assert known.tests_for(in_g, files) == ("near.py::fast",)


def test_each_trial_ends_with_its_own_answer_whichever_is_the_first() -> None:
    jobs = [Job(partial(int, code)) for code in (0, 1, 0, 3)]
    assert dict(ended(jobs, 2)) == {0: 0, 1: 1, 2: 0, 3: 3}


def test_each_module_has_its_tests_and_each_of_them_is_there() -> None:
    for module in table.modules():
        assert table.tests_of(module), module
        assert all((ROOT / name).is_file() for name in table.tests_of(module)), module
    assert table.MORE.keys() <= {table.key_of(module) for module in table.modules()}


def test_what_is_listed_is_a_mutant_of_today_and_has_a_reason() -> None:
    for one in listed():
        assert one.why
        found = mutants_of(one.file, (ROOT / one.file).read_text(encoding="utf-8"), ENUMS)
        assert any(one.is_of(mutant) for mutant in found), one


def shown(missed: int, tries: int) -> int:
    """Return how the command ends when `missed` unlisted mutants of so many are not found."""
    mutant = mutants_of("module.py", "x = 5", ENUMS)[0]
    return _show([mutant] * tries, [mutant] * missed, Console(file=io.StringIO()))


def test_the_command_fails_when_too_little_is_found_or_something_is_not_listed() -> None:
    assert shown(0, 100) == 0
    assert shown(1, 100) == 1
    assert shown(6, 100) == 1


def test_what_a_test_calls_is_noted_though_an_earlier_one_had_it_cached() -> None:
    # By its name: a file that imports a module is one of its tests.
    parsed = import_module("shared.core.config.ncrontab").parsed
    parsed("0 0 3 * * 1")
    assert parsed.cache_info().currsize
    protocol = Calls().pytest_runtest_protocol(cast(pytest.Item, SimpleNamespace(nodeid="test")))
    next(protocol)
    assert not parsed.cache_info().currsize
    assert list(protocol) == []


def test_a_sample_is_tried_from_the_command_line() -> None:
    command = [sys.executable, "-m", "proofs.mutants", "--only", "placeholders", "--count", "2"]
    done = subprocess.run(  # noqa: S603 -- our own command
        command, cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert "mutants: 2 tried" in done.stdout, done.stderr
