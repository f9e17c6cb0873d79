"""Rules that are only observed decide nothing, for any problem of their input."""

from typing import Any

import pytest

from shared.core.evaluation.gate import Verdict
from shared.core.run.record import Phase, Run
from tests.unit.execution.compared_worlds import ONE_FILE, good, rows, world_with
from tests.unit.execution.gated_worlds import ended_run, gated

NO_DROP = {"metric": "AUC", "max_drop": 0.01, "observe": True}
ABOVE = {"metric": "AUC", "at_least": 0.8, "observe": True}
UNREADABLE = b"PK\x03\x04"


def verdict_of(run: Run) -> Verdict:
    assert run.verdict is not None
    return run.verdict


@pytest.mark.parametrize("content", [UNREADABLE, b"id,label\na,1\n", rows(candidate=lambda _: "")])
@pytest.mark.parametrize("rules", [[NO_DROP], [NO_DROP, ABOVE]], ids=["one rule", "two rules"])
def test_predictions_that_are_of_no_use_do_not_decide_where_rules_are_tried_out(
    content: bytes, rules: list[dict[str, Any]]
) -> None:
    world = world_with(ONE_FILE, *rules)
    first = ended_run(world, 1, content)
    second = ended_run(world, 2, content)

    for run in (first, second):
        assert run.phase is Phase.PROMOTED
        assert verdict_of(run).passed
        assert verdict_of(run).reason.startswith("no rule decides; observed only: AUC ")
        assert all(result.outcome != "fit" for result in verdict_of(run).results)


@pytest.mark.parametrize(
    "decides", [{"metric": "AUC", "at_least": 0.1}, {"metric": "AUC", "max_drop": 0.1}]
)
def test_one_rule_that_decides_by_such_predictions_refuses_the_model(
    decides: dict[str, Any],
) -> None:
    world = world_with(ONE_FILE, NO_DROP, decides)
    run = ended_run(world, 1, UNREADABLE)
    assert run.phase is Phase.REJECTED
    assert "the predictions" in str(run.reason)


def test_a_rule_that_is_tried_out_is_recorded_with_what_its_rows_say() -> None:
    world = world_with(ONE_FILE, NO_DROP)
    assert ended_run(world, 1, rows(candidate=good)).phase is Phase.PROMOTED


@pytest.mark.parametrize("evaluation", [b"", b"Precision\n0.5\n", UNREADABLE])
def test_an_evaluation_that_is_of_no_use_does_not_decide_either(evaluation: bytes) -> None:
    run = ended_run(gated(ABOVE), 1, evaluation)
    assert run.phase is Phase.PROMOTED
    assert verdict_of(run).reason.startswith("no rule decides; observed only: ")
    decides = {**ABOVE, "observe": False}
    assert ended_run(gated(decides), 1, evaluation).phase is Phase.REJECTED
