"""`make test` runs each test exactly once, and those that need Azurite after its installation."""

import sys
from dataclasses import replace
from pathlib import Path

import pytest

from local import checks
from local.checks import ROOT, TESTS, WITHOUT_AZURITE, Check
from local.test_parts import parts, total, without_progress


def files_of_tests() -> list[Path]:
    return [file.relative_to(ROOT) for file in (ROOT / "tests").rglob("test_*.py")]


def test_each_file_of_tests_is_in_exactly_one_part() -> None:
    files = files_of_tests()
    assert files
    owners = {file: [part.name for part in parts() if part.has(file)] for file in files}
    assert {file: found for file, found in owners.items() if len(found) != 1} == {}


def test_each_path_of_a_part_exists_and_its_command_names_it() -> None:
    for part, check in zip(parts(), TESTS, strict=True):
        assert [path for path in (*part.paths, *part.without) if not (ROOT / path).exists()] == []
        asked = set(check.command)
        assert {*part.paths, *(f"--ignore={path}" for path in part.without)} <= asked


def test_what_begins_before_azurite_is_installed_does_not_use_it() -> None:
    early = [part for part, check in zip(parts(), TESTS, strict=True) if check in WITHOUT_AZURITE]
    assert len(early) == 1
    files = [ROOT / file for file in files_of_tests() if early[0].has(file)]
    assert files
    assert [file for file in files if "azurite" in file.read_text(encoding="utf-8").lower()] == []


@pytest.mark.parametrize(
    ("code", "told"),
    [(0, "checks: 3 passed, 0 failed"), (2, "checks: 1 passed, 1 failed, 1 NOT CHECKED")],
)
def test_what_needs_azurite_is_not_made_where_it_cannot_be_installed(
    code: int, told: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def check(name: str, code: int = 0) -> Check:
        script = f"print('{name} ran'); print('1 passed in 0.01s'); raise SystemExit({code})"
        return Check(name, "something", (sys.executable, "-S", "-c", script))

    tests = (check("early"), check("late"))
    monkeypatch.setattr(sys, "argv", ["checks"])
    monkeypatch.setattr(checks, "FIRST", ())
    monkeypatch.setattr(checks, "AZURITE", check("Azurite", code))
    monkeypatch.setattr(checks, "WITHOUT_AZURITE", tests[:1])
    monkeypatch.setattr(checks, "WITH_AZURITE", tests[1:])
    monkeypatch.setattr(checks, "TESTS", tests)
    assert checks.main() == bool(code)
    said = capsys.readouterr().out
    assert {"Azurite ran", "early ran"} <= set(said.splitlines())
    assert ("late ran" in said) == (not code)
    assert told in said


@pytest.mark.parametrize(
    "script",
    ["print('INTERNALERROR> no'); raise SystemExit(3)", "print('1 passed in 0.1s'); exit(3)", ""],
    ids=["internal error", "the code of NOT CHECKED", "ended early"],
)
def test_a_part_that_did_not_run_to_its_end_fails(script: str) -> None:
    (part, *_) = TESTS
    broken = replace(part, command=(sys.executable, "-S", "-c", script))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(checks, "TESTS", (broken,))
        assert checks._made(broken).code == 1


PASSED = "....s. [ 50%]\n...... [100%]\n11 passed, 1 skipped in 3.21s\n"
FAILED = (
    "..F [100%]\n== FAILURES ==\nassert 1\nFAILED a.py::b\n1 failed, 2 passed in 61.00s (0:01:01)\n"
)


@pytest.mark.parametrize(
    ("said", "found"),
    [
        ([PASSED, PASSED], "22 passed, 2 skipped"),
        ([PASSED, FAILED], "13 passed, 1 skipped, 1 failed"),
        ([PASSED * 200], "11 passed, 1 skipped"),
        (["1001 passed in 1.00s"] * 2, "2,002 passed"),
        ([PASSED, "Killed"], "11 passed, 1 skipped, 1 part not run to the end"),
    ],
)
def test_the_total_is_over_all_parts(said: list[str], found: str) -> None:
    assert total(said) == found


def test_what_is_shown_of_a_part_has_no_dots_and_every_failure() -> None:
    assert without_progress(PASSED) == "11 passed, 1 skipped in 3.21s\n"
    shown = without_progress(FAILED)
    assert shown == FAILED.partition("\n")[2]
