"""A candidate is compared with the live model, also if no run promoted that."""

import pytest

from shared.core.decisions.comparison import RuleOutcome
from shared.core.evaluation.forest_plot import forest_plot
from shared.core.run.record import Phase, Run
from shared.core.serving.references import EndpointAddress
from shared.execution import holdout as holdout_steps
from shared.operations.commands import OperatorCommand
from tests.fakes.azureml_world import CENSUS, AzureMlWorld
from tests.unit.execution.gated_worlds import why
from tests.unit.execution.scored_worlds import (
    HOLDOUT,
    NO_DROP,
    approve,
    asked,
    bad,
    better,
    ended,
    good,
    made,
    model_of,
    name_of,
    only,
    promoted,
    started,
    world_with,
)
from tests.unit.operations.judged_worlds import backtest, gate_of

BLUE = "deployment blue of model azureml:census:1"
GATE = {"compare": {"holdout": HOLDOUT}, "rules": [NO_DROP], "first_model": "allow"}


def world_of_blue(approval: str = "none", **compare: str) -> AzureMlWorld:
    world = world_with(approval=approval, blue=True, **compare)
    world.azureml.hooks.set_model("census/1", model_of(good))
    return world


def moved_to_blue(world: AzureMlWorld) -> None:
    world.azureml.hooks.set_model("census/1", model_of(better))
    world.azureml.hooks.set_traffic(CENSUS, {"blue": 100})


def retried(world: AzureMlWorld, run: Run) -> None:
    assert world.now_of(run).phase is Phase.PARKED
    world.run_operations.retry(run.run_id, OperatorCommand("ada", "continue from the present"))


def test_a_first_run_is_compared_with_the_deployment_that_was_there_before() -> None:
    world = world_of_blue()
    run = world.until(started(world, better), Phase.PROMOTED, ticks=80)
    found = only(run)
    assert (found.run_id, found.model, found.rows) == (BLUE, "azureml:census:1", 450)
    assert made(world, run)[2] == f"r1,1,{better(1)!r},{good(1)!r}"
    assert run.verdict is not None
    assert f"of the live model ({BLUE})" in run.verdict.reason
    assert f"is of {BLUE}." in forest_plot(run.verdict, "a run")
    assert "comparing again" not in " ".join(line.note for line in run.history)


def test_a_worse_first_model_is_refused_though_first_model_is_allowed() -> None:
    world = world_of_blue()
    run = world.until_idle(started(world, bad), ticks=60)
    assert ended(run) == (Phase.REJECTED, RuleOutcome.WORSE)
    assert world.traffic() == {"blue": 100}


def test_a_candidate_is_compared_with_the_deployment_that_requests_were_moved_to() -> None:
    world = world_of_blue()
    promoted(world)
    run = started(world, good, "newer.csv")
    world.until(run, Phase.STAGING, ticks=60)
    moved_to_blue(world)
    world.until_idle(run, ticks=60)
    now = world.now_of(run)
    assert ended(now) == (Phase.REJECTED, RuleOutcome.WORSE)
    assert only(now).run_id == BLUE


def test_a_deployment_with_another_model_is_another_live_model() -> None:
    world = world_of_blue(approval="required")
    run = started(world, better)
    world.until(run, Phase.AWAITING_APPROVAL, ticks=60)
    world.azureml.hooks.set_model("census/2", model_of(better))
    world.azureml.hooks.change_model(CENSUS, "blue", "census/2")
    world.run_operations.approve(run.run_id, OperatorCommand("ada", "good"))
    world.tick()
    again = approve(world, run)
    assert only(again).run_id == "deployment blue of model azureml:census:2"
    assert world.until(run, Phase.PROMOTED, ticks=80).approval is not None


def test_requests_that_were_moved_before_the_promotion_make_it_compare_again() -> None:
    world = world_of_blue(approval="required")
    first = started(world, good)
    approve(world, first)
    world.until(first, Phase.PROMOTED, ticks=80)
    run = started(world, better, "newer.csv")
    world.until(run, Phase.AWAITING_APPROVAL, ticks=60)
    assert only(world.now_of(run)).run_id == first.run_id
    moved_to_blue(world)
    approve(world, run)
    world.until(run, Phase.PARKED, ticks=20)
    assert "others changed production" in str(world.now_of(run).reason)
    retried(world, run)
    world.tick()
    again = approve(world, run)
    assert only(again).run_id == BLUE


def test_the_model_that_was_promoted_is_scored_while_nothing_gets_requests() -> None:
    world = world_of_blue()
    first = promoted(world)
    run = started(world, better, "newer.csv")
    world.until(run, Phase.STAGING, ticks=60)
    world.azureml.hooks.set_traffic(CENSUS, {})
    world.until(run, Phase.PARKED, ticks=60)
    assert "no deployment gets requests" in str(world.now_of(run).reason)
    assert only(world.now_of(run)).run_id == first.run_id
    assert only(world.now_of(run)).outcome is RuleOutcome.FIT


@pytest.mark.parametrize("deleted", [True, False])
def test_a_model_that_a_comparison_began_with_counts_though_it_lost_its_requests(
    *, deleted: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(holdout_steps, "_MOST_REQUESTS", 1)
    world = world_of_blue()
    run = world.until(started(world, bad), Phase.JUDGED, ticks=60)
    while not (evidence := world.now_of(run).evidence) or not evidence.holdout:
        world.tick()
    if deleted:
        world.azureml.hooks.remove_deployment(CENSUS, "blue")
    else:
        world.azureml.hooks.set_traffic(CENSUS, {})
    world.until_idle(run, ticks=60)
    wanted = (
        (Phase.AWAITING_APPROVAL, RuleOutcome.UNSURE)
        if deleted
        else (Phase.REJECTED, RuleOutcome.WORSE)
    )
    assert ended(world.now_of(run)) == wanted
    assert only(world.now_of(run)).run_id == BLUE


def test_an_operator_decides_where_others_gave_all_requests_to_a_model_without_a_verdict() -> None:
    world = world_of_blue()
    run = world.until(started(world, bad), Phase.STAGING, ticks=60)
    while name_of(world, run) not in world.deployments():
        world.tick()
    world.azureml.hooks.set_traffic(CENSUS, {name_of(world, run): 100})
    world.until(run, Phase.PARKED, ticks=20)
    assert "and that model has no verdict yet" in str(world.now_of(run).reason)
    world.azureml.hooks.set_traffic(CENSUS, {"blue": 100})
    retried(world, run)
    world.until_idle(run, ticks=60)
    assert ended(world.now_of(run)) == (Phase.REJECTED, RuleOutcome.WORSE)


@pytest.mark.parametrize(
    ("deployment", "model"), [("blue", "pa55word77"), ("pa55word77", "census")]
)
def test_what_others_named_like_a_secret_is_scored_once_and_not_shown(
    deployment: str, model: str
) -> None:
    world = world_with(blue=True, approval="required")
    world.app.context.redactor.learn("pa55word77")
    world.azureml.hooks.add_deployment(CENSUS, deployment, f"{model}/1")
    world.azureml.hooks.set_model(f"{model}/1", model_of(good))
    world.azureml.hooks.set_traffic(CENSUS, {deployment: 100})
    run = world.until(started(world, better), Phase.AWAITING_APPROVAL, ticks=80)
    shown = BLUE.replace("blue", deployment).replace("census", model).replace("pa55word77", "***")
    assert only(run).run_id == shown
    assert asked(world).count(deployment) < 20


def test_observed_rules_do_not_park_a_run_at_an_endpoint_with_two_deployments() -> None:
    world = world_with({**NO_DROP, "observe": True}, approval="required")
    world.azureml.hooks.add_deployment(CENSUS, "green", "census/1")
    world.azureml.hooks.set_traffic(CENSUS, {"blue": 50, "green": 50})
    world.until(started(world, good), Phase.AWAITING_APPROVAL, ticks=60)


def test_an_operator_is_asked_where_the_deployment_of_the_live_model_is_gone() -> None:
    world = world_of_blue()
    first = promoted(world)
    run = started(world, better, "newer.csv")
    world.until(run, Phase.STAGING, ticks=60)
    world.azureml.hooks.remove_deployment(CENSUS, name_of(world, first))
    world.until(run, Phase.AWAITING_APPROVAL, ticks=20)
    now = world.now_of(run)
    assert ended(now) == (Phase.AWAITING_APPROVAL, RuleOutcome.UNSURE)
    gone = f"its deployment {name_of(world, first)} is not there any more"
    assert f"cannot be compared with the live model (run {first.run_id}): {gone}" in why(now)


def test_what_a_parked_run_left_in_flight_is_not_the_live_model() -> None:
    rules = {"steps": [60, 100], "bake": "10m", "max_error_rate": "1%", "give_up_after": "1h"}
    world = world_with(steps=rules)
    first = promoted(world)
    left = started(world, better, "newer.csv")
    for _ in range(200):  # no requests come, so that its first step is given up
        world.tick(60)
        if world.now_of(left).phase is Phase.PARKED:
            break
    assert world.traffic()[name_of(world, left)] == 60
    run = started(world, better, "newest.csv")
    for _ in range(40):
        world.tick()
    notes = " ".join(line.note for line in world.now_of(run).history)
    assert "went live" not in notes
    assert only(world.now_of(run)).run_id == first.run_id


def test_a_run_continues_in_its_steps_from_the_traffic_that_an_operator_set() -> None:
    world = world_with(blue=True, steps={"steps": [50, 100], "bake": "30m"})
    world.azureml.hooks.set_model("census/1", model_of(good))
    run = started(world, better)
    while world.traffic().get("blue") != 50:
        world.tick()
    world.azureml.hooks.set_traffic(CENSUS, {"blue": 40, name_of(world, run): 60})
    world.until(run, Phase.PARKED, ticks=80)
    retried(world, run)
    world.until(run, Phase.PROMOTED, ticks=200)
    assert "since the verdict" not in " ".join(line.note for line in world.now_of(run).history)


def test_after_a_rollback_to_the_baseline_candidates_are_compared_with_it() -> None:
    world = world_of_blue()
    promoted(world, better)
    address, ada = EndpointAddress("sample", "production"), OperatorCommand("ada", "bad")
    back = world.app.endpoints.rollback(address, "baseline", ada)
    world.until(world.now_of(back), Phase.PROMOTED, ticks=60)
    world.app.endpoints.resume(address, ada)
    run = world.until(started(world, good, "newer.csv"), Phase.PROMOTED, ticks=80)
    assert made(world, run)[2] == f"r1,1,{good(1)!r},{good(1)!r}"


def test_a_backtest_gives_a_verdict_with_such_a_deployment_again() -> None:
    world = world_of_blue()
    run = world.until(started(world, better), Phase.PROMOTED, ticks=80)
    for from_files in (False, True):
        (replay,) = backtest(world, gate_of(**GATE), from_files=from_files)
        assert replay.verdict == run.verdict
    (replay,) = backtest(world, gate_of(**{**GATE, "rules": [{"metric": "Brier", "max_drop": 1}]}))
    assert replay.verdict is not None
    assert replay.verdict.results[0].comparisons[0].run_id == BLUE
