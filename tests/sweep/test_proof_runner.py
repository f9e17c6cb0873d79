"""`make prove` reports a broken promise, and the reported command repeats it."""

import io
import logging
import shlex
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import partial

import pytest
from rich.console import Console

from proofs import duplicate_events, fault_sweep, http_faults, runner, storage_fault_trials
from proofs.hostile import suite as hostile
from proofs.outcomes import Effort, Outcome, Part, Violation
from tests.sweep import test_fault_sweep as to_live

ODD = Violation("kill 'a[/b].csv'", "INFO [host] poll_jobs [/red] gone | too")


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    yield
    logging.disable(logging.NOTSET)  # the parts switch it off


def run_proofs(monkeypatch: pytest.MonkeyPatch, *options: str) -> int:
    monkeypatch.setattr(sys, "argv", ["proofs", *options])
    return runner.main()


def test_any_text_in_a_violation_is_printed_and_written() -> None:
    outcomes = [Outcome("a [/promise]", 1, (ODD,), "a | b\nc")]
    printed = io.StringIO()
    runner.show(outcomes, Console(file=printed, width=80))
    for text in (ODD.plan, ODD.what, "a [/promise]"):
        assert text in printed.getvalue()
    page = runner.page(outcomes, 1, 1.0, datetime.now(UTC))
    assert f"~~~\n{ODD.plan}\n\n{ODD.what}\n~~~" in page
    assert "| a [/promise] | 1 | 1 | a \\| b c |" in page


def broken_faults(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fault_sweep, "SCENARIOS", fault_sweep.SCENARIOS[:1])
    monkeypatch.setattr(to_live, "problems", lambda world: ["gone"] if world.faults.plan else [])


def broken_duplicates(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(duplicate_events, "_problems", lambda world: [f"{len(world.runs())} runs"])


def broken_http_faults(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_faults, "_problems", lambda world, _: [f"{world.http.calls} calls"])


def broken_storage_faults(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(storage_fault_trials, "_troubled", lambda chance: [str(chance.random())])


def broken_hostile(monkeypatch: pytest.MonkeyPatch) -> None:
    def evaluation(chance: object, *_: object) -> None:
        raise AssertionError(str(getattr(chance, "random", str)()))

    monkeypatch.setattr(hostile, "evaluation", evaluation)
    for other in ("urls", "redirects", "echoes"):
        monkeypatch.setattr(hostile, other, lambda *_: None)


@pytest.mark.parametrize(
    ("part", "size", "breaks"),
    [
        (partial(fault_sweep.part, shards=40), 1, broken_faults),
        (duplicate_events.part, 3, broken_duplicates),
        (http_faults.part, 3, broken_http_faults),
        (storage_fault_trials.part, 3, broken_storage_faults),
        (hostile.part, 3, broken_hostile),
    ],
    ids=["faults", "duplicates", "HTTP faults", "storage faults", "hostile input"],
)
def test_the_reported_command_breaks_the_promise_again(
    part: Part, size: int, breaks: object, monkeypatch: pytest.MonkeyPatch
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
        ("--only", "HTTP faults", "faults", "--plan", "x"),
        ("--only", "nothing"),
    ],
)
def test_options_that_make_no_sense_are_refused(
    options: tuple[str, ...], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as refused:
        run_proofs(monkeypatch, *options)
    assert refused.value.code == 2
    assert "error:" in capsys.readouterr().err


def test_one_trial_is_made_again_from_the_command_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_proofs(monkeypatch, "--only", "duplicates", "--seed", "7", "--trial", "2") == 0
    assert "duplicates: 1 trial, 0 violations" in capsys.readouterr().out
