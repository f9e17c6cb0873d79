"""The proof says what it found, and fails when a promise was broken."""

import sys
from pathlib import Path

import pytest

from proofs import runner
from proofs.trial import Outcome, Violation

HELD = Outcome("one start", 10, (), "quick")
MORE = Outcome("one start", 5, (), "slow")
BROKEN = Outcome("no secret", 3, (Violation("seed 1, trial 2", "a key in a log"),))


def prove(monkeypatch: pytest.MonkeyPatch, file: Path, *outcomes: Outcome) -> int:
    monkeypatch.setattr(sys, "argv", ["proofs", "--seed", "7"])
    monkeypatch.setattr(runner, "_all", lambda *_: list(outcomes))
    monkeypatch.setattr(runner, "_FILE", file)
    return runner.main()


def test_a_broken_promise_fails_the_proof_and_is_written_with_its_plan(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    file = tmp_path / "docs" / "reliability.md"
    file.parent.mkdir()
    assert prove(monkeypatch, file, HELD, BROKEN) == 1
    text = file.read_text()
    assert "| no secret | 3 | 1 |" in text
    assert "`seed 1, trial 2`: a key in a log" in text
    assert "seed 7" in text


def test_held_promises_pass(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    file = tmp_path / "docs" / "reliability.md"
    file.parent.mkdir()
    assert prove(monkeypatch, file, HELD) == 0
    assert "Violations" not in file.read_text()


def test_shards_of_a_part_are_one_line() -> None:
    (merged,) = runner._merged([HELD, MORE])
    assert (merged.trials, merged.notes) == (15, "quick; slow")
