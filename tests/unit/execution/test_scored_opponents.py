"""Which models a candidate is compared with on a holdout that the app scores, and its end."""

from datetime import timedelta

import pytest

from shared.core.decisions.comparison import RuleOutcome
from shared.core.run.manual_request import ManualRequest
from shared.core.run.record import Phase
from shared.operations.commands import OperatorCommand
from tests.fakes.world import DATA
from tests.unit.execution.gated_worlds import why
from tests.unit.execution.scored_worlds import (
    HOUR,
    MINUTE,
    ROWS,
    approve,
    bad,
    better,
    ended,
    good,
    holdout,
    made,
    model_of,
    name_of,
    only,
    promoted,
    started,
    world_with,
)


def between(at: int) -> float:
    return (good(at) + better(at)) / 2


def test_another_live_model_at_the_promotion_is_scored_too() -> None:
    world = world_with(approval="required")
    first = started(world, good)
    approve(world, first)
    world.until(first, Phase.PROMOTED, ticks=80)
    overtakes = started(world, between)
    world.clock.move(MINUTE)
    waits = started(world, better, "newer.csv")
    world.until(waits, Phase.AWAITING_APPROVAL, ticks=60)
    approve(world, overtakes)
    assert only(world.now_of(waits)).run_id == first.run_id
    world.until(overtakes, Phase.PROMOTED, ticks=80)
    world.run_operations.approve(waits.run_id, OperatorCommand("ada", "good"))
    world.tick()
    again = approve(world, waits)
    assert only(again).run_id == overtakes.run_id
    assert made(world, again)[2] == f"r1,1,{better(1)!r},{between(1)!r}"
    world.until(waits, Phase.PROMOTED, ticks=80)
    assert "comparing again" in " ".join(line.note for line in world.now_of(waits).history)


def test_a_holdout_is_not_scored_while_another_run_updates_the_endpoint() -> None:
    world = world_with(steps={"bake": "15m"})
    started(world, good)
    world.idle(HOUR, MINUTE)
    second = world.until(started(world, between), Phase.VERIFYING, ticks=60)
    third = world.until(started(world, better, "newer.csv"), Phase.JUDGED, ticks=60)
    world.tick()
    waits = world.now_of(third)
    assert waits.evidence is not None
    assert waits.evidence.holdout is None
    assert waits.step_failure is not None
    assert waits.step_failure.reason == f"run {second.run_id} is updating this endpoint"
    world.idle(2 * HOUR, MINUTE)
    assert world.now_of(second).phase is Phase.PROMOTED
    done = world.now_of(third)
    assert done.phase is Phase.PROMOTED
    assert only(done).run_id == second.run_id
    assert "comparing again" not in str([line.note for line in done.history])


def test_a_model_is_scored_again_before_unsure_reject_refuses_it() -> None:
    world = world_with(approval="required", unsure="reject")
    first = started(world, good)
    approve(world, first)
    world.until(first, Phase.PROMOTED, ticks=80)
    overtakes = started(world, between)
    world.clock.move(MINUTE)
    waits = world.until(started(world, better, "newer.csv"), Phase.AWAITING_APPROVAL, ticks=60)
    approve(world, overtakes)
    world.until(overtakes, Phase.PROMOTED, ticks=80)
    world.run_operations.approve(waits.run_id, OperatorCommand("ada", "good"))
    world.tick()
    again = approve(world, waits)
    assert (only(again).run_id, only(again).outcome) == (overtakes.run_id, RuleOutcome.FIT)


@pytest.mark.parametrize("end", ["rejected", "expired", "superseded", "cancelled"])
def test_a_candidate_that_is_not_promoted_is_discarded(end: str) -> None:
    world = world_with(approval="required")
    first = started(world, good)
    approve(world, first)
    world.until(first, Phase.PROMOTED, ticks=80)
    run = world.until(started(world, better), Phase.AWAITING_APPROVAL, ticks=60)
    name = name_of(world, run)
    assert name in world.deployments()
    operator = OperatorCommand("ada", "no")
    match end:
        case "rejected":
            world.run_operations.reject(run.run_id, operator)
        case "expired":
            world.idle(timedelta(days=4), HOUR)
        case "superseded":
            newer = started(world, good)
            approve(world, newer)
            world.until(newer, Phase.PROMOTED, ticks=80)
            world.run_operations.approve(run.run_id, operator)
            world.until_idle(run, ticks=60)
        case _:
            world.run_operations.cancel(run.run_id, operator)
    world.idle(3 * HOUR, 10 * MINUTE)
    phase = "rejected" if end == "expired" else end
    assert world.now_of(run).phase.value == phase
    assert name not in world.deployments()
    assert name not in [one.candidate.name for one in world.endpoint_state().staged]


def test_the_anchor_is_compared_by_what_it_scored_when_it_was_new() -> None:
    world = world_with(anchor="pinned")
    first = promoted(world, better)
    second = promoted(world, lambda at: better(at) + 1e-9 * at)
    run = world.until(started(world, better), Phase.VERIFYING, ticks=60)
    assert run.verdict is not None
    live, anchor = run.verdict.results[0].comparisons
    assert (live.against, live.run_id) == ("live", second.run_id)
    assert (anchor.against, anchor.run_id) == ("anchor", first.run_id)
    assert (anchor.rows, anchor.outcome) == (450, RuleOutcome.FIT)


def test_an_anchor_that_scored_another_holdout_is_said() -> None:
    world = world_with(anchor="pinned")
    first = promoted(world, better)
    promoted(world, better)
    world.blobs.put(DATA, ROWS, holdout(449))
    run = world.until(started(world, better), Phase.AWAITING_APPROVAL, ticks=60)
    assert f"run {first.run_id} scored another version of the holdout" in why(run)


def test_a_model_that_an_operator_names_is_compared_and_asked_about() -> None:
    world = world_with()
    first = promoted(world)
    known = {"modelType": "mlflow_model", "modelUri": "azureml://datastores/models/paths/2"}
    world.azureml.put_model("census", "2", {"properties": known})
    world.azureml.hooks.set_model("census/2", model_of(bad))
    request = ManualRequest(model="azureml:census:2")
    run = world.app.requests.requested(world.pipeline, "k", request)
    assert ended(world.until_idle(run, ticks=60)) == (Phase.REJECTED, RuleOutcome.WORSE)
    world.azureml.hooks.set_model("census/2", model_of(better))
    run = world.app.requests.requested(world.pipeline, "k2", request)
    asked_about = world.until(run, Phase.AWAITING_APPROVAL, ticks=60)
    assert (only(asked_about).run_id, only(asked_about).outcome) == (first.run_id, RuleOutcome.FIT)


def test_of_models_that_the_app_scored_by_name_no_mistake_is_guessed() -> None:
    world = world_with()
    first = started(world, good)
    world.until(first, Phase.PROMOTED, ticks=80)
    again = started(world, good, "newer.csv")
    run = world.until(again, Phase.PROMOTED, ticks=80)
    assert only(run).why.startswith("both models say the same in each row; ")
    assert "scored twice" not in only(run).why
