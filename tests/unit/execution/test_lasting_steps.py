"""Steps that last: their requests, commands of operators, and changes by other programs."""

from datetime import timedelta
from typing import Any

import pytest

from shared.core.run.record import Origin, Phase
from shared.core.run.waiting import waits_of
from shared.errors import InvalidTransitionError
from tests.fakes.azureml_world import CENSUS, AzureMlWorld
from tests.unit.execution.lasting_steps import RULES, baked, baking
from tests.unit.execution.test_candidates import ADA, SECOND, rolled_back, version_of

ALLOWED: dict[str, Any] = {"pipeline": {"gate": {"first_model": "allow"}}}
MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)


def test_each_step_lasts_its_time_and_asks_for_its_own_requests() -> None:
    world = baking()
    began = world.at(0).began_at
    step = world.at(1)
    assert began is not None
    assert step.began_at is not None
    assert step.began_at - began >= 10 * MINUTE
    assert step.evidence.requests == 0  # nothing of the step before it
    ended = world.ended()
    assert ended.phase is Phase.PROMOTED
    assert ended.promotion is not None
    for one in ended.promotion.steps:
        assert one.evidence.requests >= 20
    assert "0 of" in ended.history[-1].note
    world.safe()


def test_no_request_holds_a_step_and_an_operator_decides_after_a_time() -> None:
    world = baking(requests=0)
    parked = world.ended()
    assert parked.phase is Phase.PARKED
    assert parked.promotion is not None
    assert parked.promotion.position == 0
    assert "0 requests of the 20 that are needed" in (parked.reason or "")
    assert world.traffic() == {world.old: 90, world.new: 10}
    assert "approve" in (parked.advice or "")


def test_a_retry_holds_the_step_again() -> None:
    world = baking(requests=0)
    world.ended()
    world.run_operations.retry(world.second.run_id, ADA)
    assert world.at(0).evidence.requests == 0
    world.requests = 20
    assert world.ended().phase is Phase.PROMOTED


def test_an_approval_is_for_one_step() -> None:
    world = baking(requests=0)
    world.ended()
    world.run_operations.approve(world.second.run_id, ADA)
    step = world.at(1)
    assert step.share == 50
    parked = world.ended()
    assert (parked.phase, parked.promotion and parked.promotion.position) == (Phase.PARKED, 1)
    assert parked.promotion is not None
    assert parked.promotion.steps[0].approved_by == "ada"


@pytest.mark.parametrize("parked", [False, True])
def test_a_cancel_gives_all_requests_back(parked: bool) -> None:  # noqa: FBT001
    world = baking(requests=0)
    if parked:
        world.ended()
    world.run_operations.cancel(world.second.run_id, ADA)
    ended = world.ended()
    assert ended.phase is Phase.CANCELLED
    assert "cancelled by ada" in (ended.reason or "")
    assert world.traffic() == {world.old: 100}
    world.idle(HOUR, 2 * MINUTE)
    assert world.deployments() == {"blue", world.old}
    world.safe()


def test_requests_that_fail_roll_back_though_every_probe_is_good() -> None:
    world = baking()
    world.fail_for_clients()
    ended = world.ended()
    assert ended.phase is Phase.ROLLED_BACK
    assert "requests failed" in (ended.reason or ""), ended.reason
    assert world.traffic() == {world.old: 100}
    world.safe()


def test_requests_that_take_longer_than_those_to_others_roll_back() -> None:
    world = baking(max_latency_increase="50%")
    world.azureml.hooks.set_milliseconds(version_of(world.second), 100.0)
    ended = world.ended()
    assert ended.phase is Phase.ROLLED_BACK
    assert "more than 50 % longer" in (ended.reason or "")


def test_metrics_that_cannot_be_read_hold_the_step_and_the_record_says_why() -> None:
    world = baking()
    world.azureml.switches.metrics_refused = "no_role_403"
    parked = world.ended()
    assert parked.phase is Phase.PARKED
    assert "Monitoring Reader" in (parked.reason or "")


def test_without_rules_no_metrics_are_read_and_a_step_lasts_its_time() -> None:
    world = baking(min_requests=None, max_error_rate=None)
    world.azureml.switches.metrics_refused = "no_role_403"
    assert world.ended().phase is Phase.PROMOTED
    assert world.azureml.calls.count("GET platformMetrics") == 0


def test_a_change_of_the_traffic_while_a_step_lasts_is_kept_and_a_retry_continues_from_it() -> None:
    world = baking()
    world.azureml.hooks.set_traffic(CENSUS, {world.old: 70, world.new: 30})
    parked = world.ended()
    assert parked.phase is Phase.PARKED
    assert f"{world.new} 30 %" in (parked.reason or "")
    assert world.traffic() == {world.old: 70, world.new: 30}
    world.run_operations.retry(world.second.run_id, ADA)
    assert world.at(0).share == 50  # not back to 10
    ended = world.ended()
    assert ended.phase is Phase.PROMOTED
    assert world.traffic() == {world.new: 100}
    world.safe()


def test_a_second_change_is_not_covered_by_the_first_retry() -> None:
    world = baking()
    world.azureml.hooks.set_traffic(CENSUS, {world.old: 70, world.new: 30})
    world.ended()
    world.azureml.hooks.set_traffic(CENSUS, {world.old: 60, world.new: 40})
    world.run_operations.retry(world.second.run_id, ADA)
    assert world.ended().phase is Phase.PARKED
    assert world.traffic() == {world.old: 60, world.new: 40}


def test_a_cancel_after_a_change_of_others_leaves_the_endpoint_as_it_is() -> None:
    world = baking()
    world.azureml.hooks.set_traffic(CENSUS, {world.old: 70, world.new: 30})
    world.ended()
    world.run_operations.cancel(world.second.run_id, ADA)
    assert world.ended().phase is Phase.CANCELLED
    world.idle(2 * HOUR, 2 * MINUTE)
    assert world.traffic() == {world.old: 70, world.new: 30}
    assert world.new in world.deployments()


def test_an_update_that_the_platform_undoes_is_sent_again() -> None:
    world = baking(requests=0, min_requests=None, max_error_rate=None)
    sent = world.azureml.calls.count("PUT endpoint")
    world.azureml.hooks.undo_next(CENSUS, timedelta(seconds=30))
    ended = world.ended()
    assert ended.phase is Phase.PROMOTED
    assert world.traffic() == {world.new: 100}
    assert world.azureml.calls.count("PUT endpoint") == sent + 3  # one of two twice
    world.safe()


def test_an_operators_rollback_ends_a_step_that_lasts() -> None:
    world = baking(requests=0)
    rollback = rolled_back(world)
    ended = world.ended()
    assert ended.phase is Phase.ROLLED_BACK
    assert "ada rolled the endpoint back" in (ended.reason or "")
    done = world.until_idle(rollback, ticks=60)
    assert (done.origin, done.phase) == (Origin.ROLLBACK, Phase.PROMOTED)
    world.safe()


def test_drift_of_the_traffic_is_reported_and_nothing_is_set_again() -> None:
    world = baked()
    world.azureml.hooks.set_traffic(CENSUS, {world.old: 100})
    world.requests = 0
    drifted = world.when(
        lambda: next((run for run in world.runs() if run.origin is Origin.DRIFT), None)
    )
    assert drifted.phase is Phase.PARKED
    assert world.traffic() == {world.old: 100}
    world.run_operations.retry(drifted.run_id, ADA)
    assert world.until_idle(drifted).phase is Phase.PROMOTED
    assert world.traffic() == {world.new: 100}
    world.safe()


def test_new_data_after_drift_waits_for_an_operator_too() -> None:
    world = baked()
    world.azureml.hooks.set_traffic(CENSUS, {world.old: 100})
    world.requests = 0
    third = world.next_run("3.csv", b"a,b,label\n9,6,1\n7,8,0\n")
    parked = world.until_idle(third, ticks=100)
    assert parked.phase is Phase.PARKED
    assert "others changed production" in (parked.reason or "")
    assert world.traffic() == {world.old: 100}
    world.run_operations.retry(third.run_id, ADA)
    world.requests = 20
    assert world.until_idle(third, ticks=600).phase is Phase.PROMOTED


def test_an_endpoint_that_has_drifted_is_held_until_an_operator_decides() -> None:
    world = baked()
    world.requests = 0
    world.azureml.hooks.change_model(CENSUS, world.new, "census/1")
    drifted = world.when(
        lambda: next((run for run in world.runs() if run.origin is Origin.DRIFT), None)
    )
    third = world.next_run("3.csv", b"a,b,label\n9,6,1\n7,8,0\n")
    for _ in range(10):
        world.tick()
    waits = waits_of(world.now_of(third))
    assert waits is not None
    assert f"run {drifted.run_id} waits for an operator" in waits.waits_for, waits
    assert world.traffic() == {world.new: 100}
    world.run_operations.cancel(drifted.run_id, ADA)
    assert world.until_idle(third, ticks=100).phase is Phase.PARKED  # it asks for itself
    world.run_operations.retry(third.run_id, ADA)
    world.requests = 20
    assert world.until_idle(third, ticks=600).phase is Phase.PROMOTED


def test_a_model_that_others_put_into_our_deployment_is_kept_until_an_operator_agrees() -> None:
    world = baked()
    world.requests = 0
    world.azureml.hooks.change_model(CENSUS, world.new, "census/1")
    third = world.next_run("3.csv", b"a,b,label\n9,6,1\n7,8,0\n")  # ahead of the drift check
    parked = world.until_idle(third, ticks=40)
    assert "its traffic goes to azureml:census:1" in (parked.reason or "")
    assert (parked.phase, world.traffic()) == (Phase.PARKED, {world.new: 100})


def test_copies_last_one_bake_ahead_of_the_first_step_and_decide_nothing_without_metrics() -> None:
    world = baking(requests=0, mirror=20, min_requests=None, max_error_rate=None)
    promotion = world.now_of(world.second).promotion
    assert promotion is not None
    assert [(one.share, one.mirror) for one in promotion.steps] == [
        (0, 20),
        (10, 0),
        (50, 0),
        (100, 0),
    ]
    assert world.ended().phase is Phase.PROMOTED
    world.safe()


def test_copies_that_others_ask_for_stay_and_are_no_drift() -> None:
    world = AzureMlWorld()
    world.azureml.hooks.add_deployment(CENSUS, "shadow", "census/1")
    world.azureml.hooks.set_traffic(CENSUS, {"blue": 100}, {"shadow": 5})
    assert world.until_idle(world.start(), ticks=60).phase is Phase.PROMOTED
    assert world.azureml.state.endpoints[CENSUS].mirror == {"shadow": 5}
    world.idle(3 * HOUR, 10 * MINUTE)
    assert [run.origin for run in world.runs()] == [Origin.DATA]
    second = world.next_run("2.csv", SECOND)
    assert world.until_idle(second, ticks=60).phase is Phase.PROMOTED


def test_a_first_model_gets_all_requests_at_once() -> None:
    world = AzureMlWorld(traffic_rules=RULES, config=ALLOWED)
    world.azureml.hooks.set_traffic(CENSUS, {})
    world.azureml.hooks.remove_deployment(CENSUS, "blue")
    run = world.start()
    ended = world.until_idle(run, ticks=60)
    assert ended.phase is Phase.PROMOTED, ended.reason
    assert ended.promotion is not None
    assert [(one.share, one.bake) for one in ended.promotion.steps] == [(100, timedelta())]


def test_a_first_model_needs_to_be_allowed() -> None:
    world = AzureMlWorld()
    world.azureml.hooks.set_traffic(CENSUS, {})
    world.azureml.hooks.remove_deployment(CENSUS, "blue")
    ended = world.until_idle(world.start(), ticks=60)
    assert ended.phase is Phase.PARKED
    assert "first_model: allow" in (ended.advice or "")


def test_traffic_on_two_deployments_that_are_not_ours_is_for_an_operator() -> None:
    world = AzureMlWorld()
    world.azureml.hooks.add_deployment(CENSUS, "green", "census/1")
    world.azureml.hooks.set_traffic(CENSUS, {"blue": 50, "green": 50})
    ended = world.until_idle(world.start(), ticks=60)
    assert ended.phase is Phase.PARKED
    assert "green" in (ended.reason or "")
    assert world.traffic() == {"blue": 50, "green": 50}


def test_a_command_that_does_not_fit_a_step_says_what_does() -> None:
    world = baking()
    with pytest.raises(InvalidTransitionError, match="cancelled"):
        world.run_operations.approve(world.second.run_id, ADA)
