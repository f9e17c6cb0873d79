"""Mutants: which small changes are made, in which order tests run, and the report."""

import gc
import io
import json
import subprocess
import sys
from functools import cache, partial
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest
from rich.console import Console

from proofs.mutants.__main__ import _show, listed, main
from proofs.mutants.calls import CallMap, CallRecorder
from proofs.mutants.forks import Job, ended
from proofs.mutants.in_place import Loaded, changed
from proofs.mutants.mutations import Mutant, code_of, mutants_of
from proofs.mutants.scope import ROOT, distance, every_test_file, modules, nearest
from proofs.mutants.trials import MOST_SECONDS, Trials

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
def test_texts_for_people_and_types_are_not_changed(code: str) -> None:
    assert [change for change in changes(code) if change not in ("x = Field()", "pass")] == []


def test_the_check_that_zipped_sequences_have_one_length_is_not_changed() -> None:
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
    slot = names["Slot"]
    assert callable(slot)
    assert slot(("A", "B")).first == "b"


@pytest.fixture
def calls(tmp_path: Path) -> CallMap:
    noted = [
        ("tests/unit/core/test_b.py::many", (0.1, ["shared/core/a.py:f", "shared/core/b.py:f"])),
        ("tests/unit/core/test_b.py::few", (0.9, ["shared/core/a.py:f"])),
        ("tests/unit/core/test_a.py::own", (9.0, ["shared/core/a.py:f", "shared/core/a.py:g"])),
        ("tests/unit/intake/test_a.py::far", (0.1, ["shared/core/a.py:f"])),
        ("tests/unit/core/test_c.py::other", (0.1, ["shared/core/b.py:f"])),
    ]
    (tmp_path / "calls.json").write_text(json.dumps(noted), encoding="utf-8")
    return CallMap([tmp_path / "calls.json"])


def first_mutant(code: str) -> Mutant:
    return mutants_of("shared/core/a.py", code, ENUMS)[0]


def test_the_nearest_tests_are_tried_first_and_of_these_the_one_with_the_fewest_calls(
    calls: CallMap,
) -> None:
    assert calls.tests_for(first_mutant("def f():\n    x = 5")) == (
        "tests/unit/core/test_a.py::own",
        "tests/unit/core/test_b.py::few",
        "tests/unit/core/test_b.py::many",
        "tests/unit/intake/test_a.py::far",
    )
    only_own = ("tests/unit/core/test_a.py::own",)
    assert calls.tests_for(first_mutant("def g():\n    x = 5")) == only_own
    assert calls.tests_for(first_mutant("def h():\n    x = 5")) == ()


def test_what_runs_at_import_has_the_tests_that_call_anything_of_the_module(
    calls: CallMap,
) -> None:
    tests = calls.tests_for(first_mutant("X = 5"), at_import=True)
    assert len(tests) == 4
    assert "tests/unit/core/test_c.py::other" not in tests


def test_so_many_tests_are_tried_as_fit_into_the_time(calls: CallMap) -> None:
    tests = calls.tests_for(first_mutant("def f():\n    x = 5"))
    assert calls.within(tests, 60) == tests
    assert calls.within(tests, 9.95) == tests[:2]
    assert calls.within(tests, 1) == tests[:1]


def test_a_mutant_whose_tests_take_too_long_says_so(calls: CallMap) -> None:
    calls.seconds |= {"tests/unit/core/test_a.py::own": MOST_SECONDS}
    trials = Trials(1, Console(file=io.StringIO()))
    trials._calls = calls
    mutant = first_mutant("def f():\n    x = 5")
    assert trials._tests_for(mutant) == ("tests/unit/core/test_a.py::own",)
    assert trials._missed[mutant] == "not found by the 1 of 4 tests that take 60 s"


def test_each_trial_ends_with_its_own_answer_in_any_order() -> None:
    jobs = [Job(partial(int, code)) for code in (0, 1, 0, 3)]
    assert dict(ended(jobs, 2)) == {0: 0, 1: 1, 2: 0, 3: 3}


def test_every_module_of_shared_is_tried_and_its_nearest_tests_are_those_named_after_it() -> None:
    found = {file.as_posix() for file in modules()}
    assert found == {
        file.relative_to(ROOT).as_posix()
        for file in (ROOT / "shared").rglob("*.py")
        if file.stat().st_size
    }
    assert nearest("shared/core/versions.py")[0] == "tests/unit/core/test_versions.py"
    assert set(nearest("shared/core/versions.py")) <= set(every_test_file())


@pytest.mark.parametrize(
    ("tests", "far"),
    [
        ("tests/unit/core/run/test_machine.py", 0),
        ("tests/unit/core/run/test_record.py", 1),
        ("tests/unit/core/test_machine.py", 2),
        ("tests/functions/test_health.py", 2),
    ],
)
def test_a_test_file_is_near_by_its_name_and_by_its_folder(tests: str, far: int) -> None:
    assert distance("shared/core/run/machine.py", tests) == far


def test_what_is_listed_is_a_mutant_of_today_and_has_a_reason() -> None:
    @cache
    def mutants(file: str) -> list[Mutant]:
        return mutants_of(file, (ROOT / file).read_text(encoding="utf-8"), ENUMS)

    for one in listed():
        assert one.why
        found = mutants(one.file)
        assert any(one.is_of(mutant) for mutant in found), one


def shown(missed: int, tries: int) -> int:
    """Return the exit code of the command when `missed` of the unlisted mutants are not found."""
    mutant = mutants_of("module.py", "x = 5", ENUMS)[0]
    return _show([mutant] * tries, [mutant] * missed, Console(file=io.StringIO()))


def test_the_command_fails_when_too_little_is_found_or_something_is_not_listed() -> None:
    assert shown(0, 100) == 0
    assert shown(1, 100) == 1
    assert shown(6, 100) == 1


def test_what_a_test_calls_is_noted_though_an_earlier_one_had_it_cached() -> None:
    # By its name: a file that imports a module is one of its nearest tests.
    parsed = import_module("shared.core.config.ncrontab").parsed
    parsed("0 0 3 * * 1")
    assert parsed.cache_info().currsize
    protocol = CallRecorder().pytest_runtest_protocol(
        cast(pytest.Item, SimpleNamespace(nodeid="test"))
    )
    next(protocol)
    assert not parsed.cache_info().currsize
    assert list(protocol) == []


def test_a_sample_is_tried_from_the_command_line() -> None:
    # Of a module whose tests are few and short: each is run anew, and its calls are noted.
    command = [sys.executable, "-m", "proofs.mutants", "--only", "clock", "--count", "2"]
    done = subprocess.run(  # noqa: S603 -- our own command
        command, cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert "mutants: 2 tried" in done.stdout, done.stderr


def test_a_module_that_does_not_exist_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--only", "queues", "nowhere"])
    assert "there is no module nowhere" in capsys.readouterr().err
