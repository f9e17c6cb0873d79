"""The evaluation of a model is judged before its promotion, and an operator may be asked."""

from datetime import timedelta
from typing import Any

import pytest

from shared.core.run.record import Phase, Run
from shared.errors import InvalidTransitionError
from shared.operations.commands import OperatorCommand
from tests.fakes.blobs import ACCOUNT
from tests.fakes.world import MODELS
from tests.unit.worlds import Observed

MINUTE = timedelta(minutes=1)


def gated(*rules: dict[str, Any], **gate: Any) -> Observed:
    judged = {"metrics": "output2", "rules": list(rules)} if rules else {}
    return Observed(config={"pipeline": {"gate": {"first_model": "allow", **judged, **gate}}})


def evaluated(world: Observed, run: Run, text: str) -> None:
    """Let the job end with this evaluation instead of its own."""
    world.studio.work()
    path = f"runs/sample/{run.run_id}/{run.attempt}/evaluation.csv"
    world.blobs.put(MODELS, path, text.encode())


def test_a_model_that_passes_is_promoted_with_every_number_in_its_record() -> None:
    world = gated({"metric": "AUC", "at_least": 0.8})
    run = world.start()
    evaluated(world, run, "Accuracy,AUC\n0.9,0.85\n")
    ended = world.until(run, Phase.PROMOTED)
    assert ended.verdict is not None
    assert ended.verdict.metrics == {"Accuracy": 0.9, "AUC": 0.85}
    assert [result.passed for result in ended.verdict.results] == [True]
    (known,) = world.endpoint_state().resources.values()
    assert known.serving is not None
    assert known.serving.metrics == {"Accuracy": 0.9, "AUC": 0.85}


def test_a_model_that_is_not_good_enough_never_reaches_the_endpoint() -> None:
    world = gated({"metric": "AUC", "at_least": 0.9})
    run = world.start()
    evaluated(world, run, "AUC\n0.85\n")
    ended = world.until(run, Phase.REJECTED)
    assert "0.85" in str(ended.reason)
    assert world.changes() == []


def test_a_model_worse_than_the_live_one_is_not_promoted() -> None:
    world = gated({"metric": "AUC", "max_drop": 0.01})
    first = world.start()
    evaluated(world, first, "AUC\n0.90\n")
    world.until(first, Phase.PROMOTED)
    worse = world.next_run("b.csv", b"a,b,label\n5,5,1\n3,4,0\n")
    evaluated(world, worse, "AUC\n0.88\n")
    world.until(worse, Phase.REJECTED)
    alike = world.next_run("c.csv", b"a,b,label\n6,6,1\n3,4,0\n")
    evaluated(world, alike, "AUC\n0.895\n")
    world.until(alike, Phase.PROMOTED)


def test_without_an_evaluation_nothing_is_promoted_and_it_says_what_was_there() -> None:
    world = gated({"metric": "AUC", "at_least": 0.5})
    run = world.start()
    world.studio.work()
    world.blobs.remove(MODELS, f"runs/sample/{run.run_id}/1/evaluation.csv")
    world.idle(6 * MINUTE)
    ended = world.now_of(run)
    assert ended.phase is Phase.REJECTED
    assert "there is model.ilearner" in str(ended.reason)


def test_an_evaluation_from_before_the_job_is_none_and_is_named() -> None:
    world = gated({"metric": "AUC", "at_least": 0.5})
    run = world.start()
    path = f"{ACCOUNT}{MODELS}/runs/sample/{run.run_id}/1/evaluation.csv"
    world.studio.work()
    world.blobs.facts[path].modified -= MINUTE  # it lay there before the job was made
    world.idle(2 * MINUTE)
    assert "job" in str(world.now_of(run).step_failure)
    world.idle(6 * MINUTE)
    ended = world.now_of(run)
    assert ended.phase is Phase.REJECTED
    assert "the file there is of 2026-03-01 11:59:" in str(ended.reason)


def test_a_metric_that_the_evaluation_lacks_is_reported_with_those_it_has() -> None:
    world = gated({"metric": "F1", "at_least": 0.5})
    run = world.start()
    evaluated(world, run, "AUC,Accuracy\n0.9,0.8\n")
    reason = str(world.until(run, Phase.REJECTED).reason)
    assert "AUC" in reason
    assert "Accuracy" in reason


def test_several_rows_are_not_guessed() -> None:
    world = gated({"metric": "AUC", "at_least": 0.5})
    run = world.start()
    evaluated(world, run, "AUC\n0.9\n0.6\n")
    assert "gate.row" in str(world.until(run, Phase.REJECTED).reason)


def test_a_row_is_chosen_by_rule() -> None:
    world = gated({"metric": "AUC", "at_least": 0.8}, row={"number": 2})
    run = world.start()
    evaluated(world, run, "AUC\n0.1\n0.9\n")
    world.until(run, Phase.PROMOTED)


def test_an_operator_approves_and_the_endpoint_knows_who() -> None:
    world = gated(approval="required")
    run = world.start()
    world.until(run, Phase.AWAITING_APPROVAL)
    assert world.changes() == []
    world.run_operations.approve(run.run_id, OperatorCommand("ada", "looks good"))
    ended = world.until(run, Phase.PROMOTED)
    assert ended.approval is not None
    assert (ended.approval.by, ended.approval.why) == ("ada", "looks good")
    (known,) = world.endpoint_state().resources.values()
    assert known.history[-1].approved_by == "ada"


def test_an_operator_says_no_and_nothing_changes() -> None:
    world = gated(approval="required")
    run = world.start()
    world.until(run, Phase.AWAITING_APPROVAL)
    world.run_operations.reject(run.run_id, OperatorCommand("ada", "too few rows"))
    assert world.now_of(run).phase is Phase.REJECTED
    assert world.now_of(run).reason == "rejected by ada: too few rows"
    assert world.changes() == []
    with pytest.raises(InvalidTransitionError, match="rejected"):
        world.run_operations.approve(run.run_id, OperatorCommand("bob"))


@pytest.mark.parametrize(
    ("answer", "end"), [("reject", Phase.REJECTED), ("approve", Phase.PROMOTED)]
)
def test_without_an_answer_the_configured_answer_is_given(answer: str, end: Phase) -> None:
    world = gated(approval="required", expires="1h", on_expiry=answer)
    run = world.start()
    world.until(run, Phase.AWAITING_APPROVAL)
    world.idle(59 * MINUTE)
    assert world.now_of(run).phase is Phase.AWAITING_APPROVAL
    world.idle(12 * MINUTE)
    assert world.until(run, end).approval is not None


def test_the_configured_answer_is_given_when_it_is_due() -> None:
    world = gated(approval="required", expires="90s")
    run = world.start()
    world.until(run, Phase.AWAITING_APPROVAL)
    world.idle(2 * MINUTE, step=timedelta(seconds=30))
    assert world.now_of(run).phase is Phase.REJECTED


@pytest.mark.parametrize(
    ("answer", "now"), [("reject", Phase.REJECTED), ("approve", Phase.VERIFYING)]
)
def test_a_word_that_comes_after_the_configured_answer_was_due_is_refused(
    answer: str, now: Phase
) -> None:
    world = gated(approval="required", expires="60s", on_expiry=answer)
    run = world.start()
    world.until(run, Phase.AWAITING_APPROVAL)
    world.clock.move(MINUTE)  # and no tick
    for word in (world.run_operations.approve, world.run_operations.reject):
        with pytest.raises(InvalidTransitionError, match=str(now)):
            word(run.run_id, OperatorCommand("ada", "late"))
    assert "ada" not in str(world.now_of(run).approval)


def test_an_older_run_that_is_approved_later_replaces_nothing() -> None:
    world = gated(approval="required")
    older = world.start()
    world.until(older, Phase.AWAITING_APPROVAL)
    newer = world.next_run("b.csv", b"a,b,label\n5,5,1\n3,4,0\n")
    world.until(newer, Phase.AWAITING_APPROVAL)
    world.run_operations.approve(newer.run_id, OperatorCommand("ada"))
    world.until(newer, Phase.PROMOTED)
    world.run_operations.approve(older.run_id, OperatorCommand("ada"))
    world.until(older, Phase.SUPERSEDED)
    assert world.serving() == world.model_of(newer)


def test_an_operators_model_past_a_gate_waits_for_approval() -> None:
    world = gated({"metric": "AUC", "at_least": 0.5})
    world.until(world.start(), Phase.PROMOTED)
    world.clock.move(MINUTE)
    model = world.model_of(world.run())
    world.blobs.put(MODELS, "promote/sample/mine.ilearner", model.replace(b"}", b" }", 1))
    run = world.app.model_events.model_arrived("promote/sample/mine.ilearner")
    assert run is not None
    world.until(run, Phase.AWAITING_APPROVAL)
