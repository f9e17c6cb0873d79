"""`make test` runs each test exactly once."""

import pytest

from local.checks import ROOT, TESTS
from local.test_parts import parts, total, without_progress


def test_each_file_of_tests_is_in_exactly_one_part() -> None:
    files = [file.relative_to(ROOT) for file in (ROOT / "tests").rglob("test_*.py")]
    assert files
    owners = {file: [part.name for part in parts() if part.has(file)] for file in files}
    assert {file: found for file, found in owners.items() if len(found) != 1} == {}


def test_each_path_of_a_part_exists_and_its_command_names_it() -> None:
    for part, check in zip(parts(), TESTS, strict=True):
        assert [path for path in (*part.paths, *part.without) if not (ROOT / path).exists()] == []
        asked = set(check.command)
        assert {*part.paths, *(f"--ignore={path}" for path in part.without)} <= asked


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
