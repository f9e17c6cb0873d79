"""Evaluations in whole runs: missing, late, of any spelling, or of several rows."""

import logging
from collections.abc import Iterator
from datetime import timedelta

import pytest

from shared.core.run.record import Phase, Run
from tests.fakes.world import MODELS
from tests.unit.execution.gated_worlds import ABOVE, MINUTE, ended_run, gated, opened, reasons, why
from tests.unit.worlds import Observed

# What the evaluation says, or does not


def test_a_model_that_holds_every_rule_is_promoted_with_every_number_in_its_record() -> None:
    world = gated(ABOVE)
    run = ended_run(world, 1, b"Accuracy,AUC\n0.5,0.85\n")
    assert run.phase is Phase.PROMOTED
    assert run.verdict is not None
    assert run.verdict.metrics == {"Accuracy": 0.5, "AUC": 0.85}
    assert reasons(run) == ["AUC 0.85 holds at_least 0.8"]


@pytest.mark.parametrize(
    ("evaluation", "said"),
    [
        (b"AUC\n0.7\n", "below at_least 0.8"),
        (b"AUC\nInfinity\n", "Infinity"),
        (b"AUC\nNaN\n", "NaN"),
        (b"AUC\n1e400\n", "Infinity"),
        (b"Accuracy,F-Score\n0.9,0.9\n", "it has Accuracy, F-Score"),
        (b'AUC\n"0,95"\n', "not a number"),
        (b"Model,AUC\none,0.9\ntwo,0.95\n", "row"),
        (b"", "empty"),
        (b"\xff\xfe\x00", "UTF-8"),
        (b"AUC\n", "no rows"),
        (b'AUC\n"0.9\n', "not a table"),
        (b"AUC\n" + b"9" * 1024 * 1024, "holds more than 1 MB"),
        (b"AUC\n0.9\x00\n", ""),
    ],
)
def test_an_evaluation_that_shows_nothing_promotes_nothing_and_is_said(
    evaluation: bytes, said: str
) -> None:
    world = gated(ABOVE)
    before = world.serving()
    run = ended_run(world, 1, evaluation)
    assert run.phase is Phase.REJECTED
    assert said in why(run)
    assert world.serving() == before
    assert not world.changes()
    assert not world.open_runs()


@pytest.mark.parametrize(
    "evaluation",
    [b"\xef\xbb\xbfAUC\r\n8.5E-01\r\n", b"auc\n0.9\n", b"A_U C\n.9\n", b"AUC,auc\n0.9,0.1\n"],
)
def test_the_spelling_of_an_evaluation_keeps_no_good_model_back(evaluation: bytes) -> None:
    assert ended_run(gated(ABOVE), 1, evaluation).phase is Phase.PROMOTED


def test_the_row_is_chosen_by_rule_among_several() -> None:
    rows = b"Model,AUC\nold,0.99\nnew,0.7\n"
    assert ended_run(gated(ABOVE, row={"Model": "old"}), 1, rows).phase is Phase.PROMOTED
    refused = ended_run(gated(ABOVE, row={"Model": "new"}), 1, rows)
    assert (refused.phase, reasons(refused)) == (
        Phase.REJECTED,
        ["AUC 0.7 is below at_least 0.8"],
    )
    assert ended_run(gated(ABOVE, row={"number": 2}), 1, rows).phase is Phase.REJECTED
    assert "there are: row 1 (Model: old)" in why(
        ended_run(gated(ABOVE, row={"number": 3}), 1, rows)
    )
    assert ended_run(gated(ABOVE), 1, rows).phase is Phase.REJECTED


def train(world: Observed) -> None:
    """Let jobs end before the app checks them."""
    for _ in range(4):
        world.clock.move(timedelta(seconds=5))
        world.studio.work()


def evaluation_path(run: Run) -> str:
    return f"runs/sample/{run.run_id}/1/evaluation.csv"


def test_a_missing_evaluation_is_waited_for_and_then_promotes_nothing() -> None:
    world = gated(ABOVE)
    run = opened(world, 1)
    while world.studio.jobs[-1].state.name != "FINISHED":
        train(world)
    world.blobs.remove(MODELS, evaluation_path(run))
    world.idle(MINUTE)
    assert world.now_of(run).phase is Phase.JUDGED
    world.idle(5 * MINUTE)
    over = world.now_of(run)
    assert over.phase is Phase.REJECTED
    assert evaluation_path(run) in why(over)
    assert "there is model.ilearner" in why(over)
    assert not world.changes()


def test_an_evaluation_that_comes_late_is_judged() -> None:
    world = gated(ABOVE)
    run = opened(world, 1)
    while world.studio.jobs[-1].state.name != "FINISHED":
        train(world)
    world.blobs.remove(MODELS, evaluation_path(run))
    world.idle(MINUTE)
    world.blobs.put(MODELS, evaluation_path(run), b"AUC\n0.9\n")
    assert world.until(run, Phase.PROMOTED).verdict is not None


def test_an_output_that_the_job_does_not_have_is_named_with_those_it_has() -> None:
    world = Observed(config={"pipeline": {"gate": {"metrics": "output9", "rules": [ABOVE]}}})
    run = world.until_idle(world.start())
    assert run.phase is Phase.REJECTED
    assert "output9" in why(run)
    assert not world.changes()


def test_without_a_name_the_evaluation_beside_the_model_is_read() -> None:
    world = Observed(config={"pipeline": {"gate": {"rules": [ABOVE]}}})
    run = world.start()
    folder = evaluation_path(run).rpartition("/")[0]
    world.blobs.put(MODELS, f"{folder}/evaluation.json", b'{"metrics": {"AUC": 0.95}}')
    over = world.until(run, Phase.PROMOTED)
    assert over.verdict is not None
    assert over.verdict.metrics == {"AUC": 0.95}


# After a crash at each effect


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    logging.disable(logging.CRITICAL)  # faults are reported by the plan
    yield
    logging.disable(logging.NOTSET)
