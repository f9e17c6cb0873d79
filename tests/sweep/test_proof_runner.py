"""What `make prove` tells of a broken promise, and that the told command breaks it again."""

import io
import logging
import shlex
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import partial

import pytest
from rich.console import Console

from proofs import duplicates, faults, noise, runner, storage_trouble
from proofs.hostile import part as hostile
from proofs.trial import DueTimePart, Effort, Outcome, Violation
from tests.sweep import test_fault_sweep as to_live

ODD = Violation("kill 'a[/b].csv'", "INFO [host] poll_jobs [/red] gone | too")


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    yield
    logging.disable(logging.NOTSET)  # the parts switch it off


def asked(monkeypatch: pytest.MonkeyPatch, *options: str) -> int:
    monkeypatch.setattr(sys, "argv", ["proofs", *options])
    return runner.main()


def test_whatever_stands_in_a_violation_is_printed_and_written() -> None:
    outcomes = [Outcome("a [/promise]", 1, (ODD,), "a | b\nc")]
    printed = io.StringIO()
    runner.show(outcomes, Console(file=printed, width=80))
    for text in (ODD.plan, ODD.what, "a [/promise]"):
        assert text in printed.getvalue()
    page = runner.page(outcomes, 1, 1.0, datetime.now(UTC))
    assert f"~~~\n{ODD.plan}\n\n{ODD.what}\n~~~" in page
    assert "| a [/promise] | 1 | 1 | a \\| b c |" in page


def broken_faults(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(faults, "SCENARIOS", faults.SCENARIOS[:1])
    monkeypatch.setattr(to_live, "problems", lambda world: ["gone"] if world.faults.plan else [])


def broken_duplicates(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(duplicates, "_problems", lambda world: [f"{len(world.runs())} runs"])


def broken_http_faults(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(noise, "_problems", lambda world, _: [f"{world.http.asked} calls"])


def broken_storage_faults(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(storage_trouble, "_troubled", lambda chance: [str(chance.random())])


def broken_hostile(monkeypatch: pytest.MonkeyPatch) -> None:
    def evaluation(chance: object, *_: object) -> None:
        raise AssertionError(str(getattr(chance, "random", str)()))

    monkeypatch.setattr(hostile, "evaluation", evaluation)
    for other in ("urls", "redirects", "echoes"):
        monkeypatch.setattr(hostile, other, lambda *_: None)


@pytest.mark.parametrize(
    ("part", "size", "breaks"),
    [
        (partial(faults.part, shards=40), 1, broken_faults),
        (duplicates.part, 3, broken_duplicates),
        (noise.part, 3, broken_http_faults),
        (storage_trouble.part, 3, broken_storage_faults),
        (hostile.part, 3, broken_hostile),
    ],
    ids=["faults", "duplicates", "noise", "storage trouble", "hostile input"],
)
def test_the_command_that_is_told_breaks_the_promise_again(
    part: DueTimePart, size: int, breaks: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert callable(breaks)
    breaks(monkeypatch)
    wrong = [one for outcome in part(Effort(7, size)) for one in outcome.violations]
    violation = wrong[-1]
    interpreter, _, module, *options = shlex.split(violation.plan, comments=True)
    assert (interpreter, module) == (".venv/bin/python", "proofs")
    effort = again(options)
    found = [one for outcome in part(effort) for one in outcome.violations]
    assert (violation.plan, violation.what) in [(one.plan, one.what) for one in found]
    assert len(found) < len(wrong)


def again(options: list[str]) -> Effort:
    asked_for = runner._parser().parse_args(options)
    (task,) = runner._tasks(asked_for)
    return runner._effort(task, asked_for)


@pytest.mark.parametrize(
    "options",
    [
        ("--jobs", "0"),
        ("--scale", "-1"),
        ("--scale", "nan"),
        ("--size", "0"),
        ("--trial", "3"),
        ("--only", "load", "--trial", "3"),
        ("--only", "noise", "faults", "--plan", "x"),
        ("--only", "nothing"),
    ],
)
def test_what_makes_no_sense_is_refused_with_what_does(
    options: tuple[str, ...], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as refused:
        asked(monkeypatch, *options)
    assert refused.value.code == 2
    assert "error:" in capsys.readouterr().err


def test_one_trial_is_made_again_from_the_command_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert asked(monkeypatch, "--only", "duplicates", "--seed", "7", "--trial", "2") == 0
    assert "duplicates: 1 trial, 0 violations" in capsys.readouterr().out
