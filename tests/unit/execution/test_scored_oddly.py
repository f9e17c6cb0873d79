"""Holdouts that the app scores, where something is unusual: operators' models, workers, sizes."""

import json
from collections.abc import Mapping
from typing import Any

import pytest

from local.azureml.answers import Answer, RequestBody
from local.azureml.containers import error_of_model, rows_of
from shared.core.decisions.comparison import RuleOutcome
from shared.core.run.manual_request import ManualRequest
from shared.core.run.record import Phase, Run
from shared.errors import ConflictError
from shared.execution import holdout as scoring
from shared.operations.commands import OperatorCommand
from shared.ports.serving import ModelAnswer
from shared.providers.azureml.serving import AzureMlServing
from tests.fakes.azureml_world import AzureMlWorld
from tests.fakes.world import DATA
from tests.unit.execution.gated_worlds import why
from tests.unit.execution.scored_worlds import (
    BUSY,
    CRASHES,
    HOUR,
    MINUTE,
    NO_DROP,
    ROWS,
    Failing,
    Model,
    Scores,
    bad,
    better,
    ended,
    good,
    made,
    model_of,
    only,
    promoted,
    serves,
    started,
    world_with,
)

OBSERVED = {**NO_DROP, "observe": True}
LINES = "holdouts/rows.jsonl"
ABOVE = {"metric": "Precision", "at_least": 0.5}


def with_evaluation(*rules: dict[str, Any]) -> AzureMlWorld:
    """Return a world whose gate names an evaluation, and a holdout; one model serves."""
    world = world_with()
    promoted(world)
    gate = world.pipeline.gate
    given = [type(gate.rules[0]).model_validate(rule) for rule in rules]
    world.pipeline = world.pipeline.evolve(gate=gate.evolve(metrics="evaluation", rules=given))
    world.restart()
    return world


def brought(world: AzureMlWorld, scores: Scores) -> Run:
    """Return the run of a model that an operator names; it has no evaluation."""
    known = {"modelType": "mlflow_model", "modelUri": "azureml://datastores/models/paths/2"}
    world.azureml.put_model("census", "2", {"properties": known})
    world.azureml.hooks.set_model("census/2", model_of(scores))
    request = ManualRequest(model="azureml:census:2")
    return world.app.requests.requested(world.pipeline, f"k{len(world.runs())}", request)


def test_a_worse_model_of_an_operator_is_refused_though_it_has_no_evaluation() -> None:
    for rules in ([NO_DROP], [NO_DROP, ABOVE]):
        world = with_evaluation(*rules)
        run = world.until_idle(brought(world, bad), ticks=60)
        assert run.phase is Phase.REJECTED
        assert "AUC is 0.6116, and 0.9442 of the live model" in why(run)


def test_an_operator_reads_what_the_rows_say_and_which_rules_were_not_checked() -> None:
    world = with_evaluation(NO_DROP, ABOVE)
    run = world.until(brought(world, better), Phase.AWAITING_APPROVAL, ticks=60)
    assert run.verdict is None
    assert "the 1 rule of the gate was not checked: there is no evaluation" in why(run)
    assert "on rows: the rule holds: AUC is 1.0000" in why(run)


def test_an_operators_model_needs_no_evaluation_where_every_rule_is_of_rows() -> None:
    world = with_evaluation(NO_DROP)
    run = world.until(brought(world, better), Phase.AWAITING_APPROVAL, ticks=60)
    assert (only(run).outcome, run.unchecked) == (RuleOutcome.FIT, None)


def refuses(body: RequestBody) -> Answer:
    return Answer(400, {"error": str(body)})


@pytest.mark.parametrize("model", [CRASHES, refuses, None], ids=["fails", "refuses", "no holdout"])
def test_rules_that_are_tried_out_decide_nothing_where_the_rows_cannot_be_scored(
    model: Model | None,
) -> None:
    world = world_with(OBSERVED)
    promoted(world)
    run = world.start()
    serves(world, run, Failing(model_of(better), 1, model) if model else model_of(better))
    if model is None:
        world.blobs.remove(DATA, ROWS)
    done = world.until(run, Phase.PROMOTED, ticks=80)
    assert ended(done) == (Phase.PROMOTED, RuleOutcome.FIT)
    assert done.verdict is not None
    assert "no rule decides; observed only: AUC" in done.verdict.reason
    assert done.verdict.results[0].outcome is not RuleOutcome.FIT


def test_a_slow_worker_leaves_the_predictions_of_another_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(scoring, "_MOST_REQUESTS", 1)
    world, answer = world_with(), AzureMlServing.answer
    promoted(world)
    run = world.until(started(world, better), Phase.JUDGED, ticks=60)
    steps = world.app.driver

    def late(one: AzureMlServing, rows: Mapping[str, Any], name: str) -> ModelAnswer:
        monkeypatch.setattr(AzureMlServing, "answer", answer)
        while world.now_of(run).phase is Phase.JUDGED:
            steps.advance(run.run_id)
        return answer(one, rows, name)

    monkeypatch.setattr(AzureMlServing, "answer", late)
    with pytest.raises(ConflictError):
        steps.advance(run.run_id)
    assert len(made(world, run)) == 451
    assert scoring.HoldoutSteps(world.app.context).read(world.now_of(run)) is not None


def test_a_model_gets_fewer_rows_than_fit_into_the_request_that_failed() -> None:
    world = world_with()
    lines = ["id,a,b,label", *(f"r{at},{at},{'x' * 60_000},{at % 2}" for at in range(30))]
    world.blobs.put(DATA, ROWS, "\n".join(lines).encode())
    run = world.start()
    sizes: list[int] = []

    def small(body: RequestBody) -> Answer:
        count = len(rows_of(body))
        sizes.append(count)
        return model_of(good)(body) if count <= 4 else error_of_model(413, "too large")(body)

    serves(world, run, small)
    world.until(run, Phase.PROMOTED, ticks=80)
    assert [one for one in sizes if one > 2] == [15, *[3] * 10]  # two at a time are probes


def test_a_model_that_does_not_answer_many_rows_in_time_gets_fewer() -> None:
    world = world_with()
    run = world.start()

    def slow(body: RequestBody) -> Answer:
        return model_of(good)(body) if len(rows_of(body)) <= 50 else BUSY(body)

    serves(world, run, slow)
    world.idle(HOUR, MINUTE)
    assert len(made(world, run)) == 451
    assert world.now_of(run).phase is Phase.PROMOTED


def test_a_model_that_serves_already_is_promoted_by_one_approval() -> None:
    world = world_with()
    promoted(world)
    for _ in range(2):
        run = world.until(brought(world, better), Phase.AWAITING_APPROVAL, ticks=60)
        world.run_operations.approve(run.run_id, OperatorCommand("ada", "good"))
        world.until(run, Phase.PROMOTED, ticks=60)


def test_cells_with_ends_of_lines_are_cells_of_the_predictions() -> None:
    world = world_with(slices=["b"])
    lines = (f'"r\r{at}",{at},"x\r\n{at % 2}",{at % 2}' for at in range(450))
    world.blobs.put(DATA, ROWS, "\n".join(["id,a,b,label", *lines]).encode())
    promoted(world)
    assert only(world.until(started(world, better), Phase.VERIFYING, ticks=60)).rows == 450


def test_predictions_that_cannot_be_read_again_park_the_run() -> None:
    world = world_with(holdout=f"{DATA}/{LINES}")
    long = "x" * 140_000
    rows = ({"id": long if at == 3 else f"r{at}", "a": at, "label": at % 2} for at in range(60))
    world.blobs.put(DATA, LINES, "\n".join(map(json.dumps, rows)).encode())
    run = world.until(started(world, good), Phase.PARKED, ticks=60)
    assert "predictions.csv cannot be read: line 5: not a table" in why(run)
    assert "correct the holdout" in str(run.advice)
