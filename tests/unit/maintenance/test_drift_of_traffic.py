"""Drift of an endpoint with a traffic map: an operator decides, and nothing is set again before."""

from datetime import timedelta
from typing import Any

import pytest

from shared.core.run.record import Origin, Phase, Run
from shared.core.serving.drift import DriftKind, drift_finding
from shared.core.serving.probes import EndpointCheck, UpdateProgress
from shared.core.serving.references import EndpointAddress, ServingState
from shared.core.serving.state import ServedModel
from shared.core.serving.traffic import TrafficMap
from shared.operations.commands import OperatorCommand
from tests.fakes.azureml_world import CENSUS, AzureMlWorld
from tests.unit.samples import MODEL, NOW, good

MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
ADA = OperatorCommand(by="ada", reason="sales fell")
OURS = TrafficMap.of({"m-1": 100})


def served() -> ServedModel:
    return ServedModel(
        model=MODEL,
        state=ServingState(model=MODEL, traffic=OURS),
        candidate="m-1",
        run_id="sample-1",
        since=NOW,
        verification="live",
        manifest=(),
        answers=good("1"),
    )


def check(traffic: TrafficMap | None, **changes: Any) -> EndpointCheck:
    known = {"progress": UpdateProgress.DONE, "probe": good("1"), "traffic": traffic}
    return EndpointCheck(**{**known, **changes})


def test_changed_traffic_is_drift_with_any_answer_to_the_probe() -> None:
    found = drift_finding(served(), check(TrafficMap.of({"m-1": 90, "green": 10})))
    assert found.drift_kind is DriftKind.TRAFFIC
    assert found.drift == "its traffic is green 10 %, m-1 90 %; it should be m-1 100 %"


@pytest.mark.parametrize("seen", [OURS, TrafficMap.of({"m-1": 100}, {"shadow": 20}), None])
def test_the_recorded_shares_are_not_drift_with_any_mirror(seen: TrafficMap | None) -> None:
    assert drift_finding(served(), check(seen)).drift == ""


def test_traffic_says_nothing_while_an_update_runs() -> None:
    pending = check(TrafficMap(), progress=UpdateProgress.PENDING)
    assert not drift_finding(served(), pending).decided


# Whole worlds.


def live(**config: Any) -> tuple[AzureMlWorld, str]:
    """Return a world where the model of a run has all requests, and its deployment."""
    world = AzureMlWorld(config=config)
    run = world.until(world.start(), Phase.PROMOTED, ticks=80)
    assert run.candidate is not None
    world.azureml.hooks.add_deployment(CENSUS, "green", "census/2")
    return world, run.candidate.name


def drift_runs(world: AzureMlWorld) -> list[Run]:
    return [run for run in world.runs() if run.origin is Origin.DRIFT]


def drifted() -> tuple[AzureMlWorld, str, Run]:
    world, ours = live()
    world.azureml.hooks.set_traffic(CENSUS, {"green": 100})
    world.idle(2 * HOUR, 5 * MINUTE)
    (run,) = drift_runs(world)
    return world, ours, run


def test_a_drift_opens_one_run_that_waits_for_an_operator_and_sets_nothing() -> None:
    world, _, run = drifted()
    assert run.phase is Phase.PARKED
    assert "nothing is set again before an operator decides" in (run.reason or "")
    world.idle(6 * HOUR, 20 * MINUTE)
    assert [one.run_id for one in drift_runs(world)] == [run.run_id]
    assert world.traffic() == {"green": 100}


def test_a_retry_sets_again_what_was_recorded() -> None:
    world, ours, run = drifted()
    world.run_operations.retry(run.run_id)
    world.until(run, Phase.PROMOTED)
    assert world.traffic() == {ours: 100}
    assert world.azureml.violations == []


def test_a_retry_does_not_overwrite_what_was_changed_since_the_drift_was_found() -> None:
    world, ours, run = drifted()
    world.azureml.hooks.set_traffic(CENSUS, {"blue": 100})
    world.run_operations.retry(run.run_id)
    world.tick()
    asked = world.now_of(run)
    assert asked.phase is Phase.PARKED
    assert "its traffic is blue 100 %" in (asked.reason or "")
    assert world.traffic() == {"blue": 100}
    world.run_operations.retry(run.run_id)
    world.until(run, Phase.PROMOTED)
    assert world.traffic() == {ours: 100}


def test_a_cancel_accepts_what_is_there_and_other_changes_are_reported_again() -> None:
    world, _, run = drifted()
    world.run_operations.cancel(run.run_id)
    world.idle(4 * HOUR, 20 * MINUTE)
    assert world.now_of(run).phase is Phase.CANCELLED
    assert len(drift_runs(world)) == 1
    assert world.traffic() == {"green": 100}
    world.azureml.hooks.set_traffic(CENSUS, {"blue": 100})
    world.idle(2 * HOUR, 5 * MINUTE)
    assert len(drift_runs(world)) == 2


def test_a_model_that_was_changed_in_place_is_drift() -> None:
    world, ours = live()
    world.azureml.hooks.change_model(CENSUS, ours, "census/2")
    world.idle(2 * HOUR, 5 * MINUTE)
    (run,) = drift_runs(world)
    assert run.phase is Phase.PARKED
    assert "it names" in run.cause


def test_an_operators_rollback_ends_the_steps_of_a_run_and_is_carried_out() -> None:
    world, ours = live()
    world.correct(traffic=world.pipeline.endpoints[0].traffic.evolve(bake=HOUR))  # type: ignore[union-attr]
    new = world.next_run("2.csv", b"a,b,label\n5,6,1\n7,8,0\n")
    world.until(new, Phase.VERIFYING, ticks=80)
    for _ in range(10):
        world.tick()
    assert world.now_of(new).step_bakes
    back = world.app.endpoints.rollback(EndpointAddress("sample", "production"), "baseline", ADA)
    world.until(back, Phase.PROMOTED, ticks=80)
    stopped = world.now_of(new)
    assert stopped.phase is Phase.ROLLED_BACK
    assert "ada rolled the endpoint back meanwhile" in (stopped.reason or "")
    assert world.traffic() == {"blue": 100}
    assert world.azureml.violations == []
    assert ours in world.deployments()


def test_a_deployment_that_a_rollback_made_again_is_deleted_after_the_next_model() -> None:
    world, old = live()
    world.until(world.next_run("2.csv", b"a,b,label\n5,6,1\n7,8,0\n"), Phase.PROMOTED, ticks=80)
    world.idle(27 * HOUR, 20 * MINUTE)
    assert old not in world.deployments()
    address = EndpointAddress("sample", "production")
    world.until_idle(world.app.endpoints.rollback(address, None, ADA), ticks=60)
    assert world.traffic() == {old: 100}
    world.app.endpoints.resume(address, ADA)
    world.until(world.next_run("3.csv", b"a,b,label\n1,6,1\n7,2,0\n"), Phase.PROMOTED, ticks=80)
    world.idle(27 * HOUR, 20 * MINUTE)
    assert old not in world.deployments()
