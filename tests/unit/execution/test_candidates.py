"""Runs over an endpoint that holds several models: staging, shares of the requests, rollback."""

from datetime import timedelta
from typing import Any

from local.azureml.containers import error_of_model
from local.azureml.switches import Switches
from shared.core.config.azureml_models import model_version
from shared.core.run.record import Origin, Phase, Run
from shared.core.serving.references import EndpointAddress
from shared.operations.commands import OperatorCommand
from tests.fakes.azureml_world import CENSUS, QUICK, AzureMlWorld

MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
ADA = OperatorCommand(by="ada", reason="sales fell")
SECOND = b"a,b,label\n5,6,1\n7,8,0\n"
THIRD = b"a,b,label\n5,6,0\n7,8,1\n"


def version_of(run: Run) -> str:
    return f"sample/{model_version(run.run_id, 1)}"


def candidate(world: AzureMlWorld, run: Run) -> str:
    found = world.now_of(run).candidate
    assert found is not None
    return found.name


def world_of(**switches: Any) -> AzureMlWorld:
    return AzureMlWorld(switches=Switches(**{**QUICK, **switches}))


def promoted(world: AzureMlWorld, run: Run) -> str:
    world.until(run, Phase.PROMOTED, ticks=60)
    return candidate(world, run)


def shifts(world: AzureMlWorld) -> int:
    return world.azureml.calls.count("PUT endpoint")


def rolled_back(world: AzureMlWorld) -> Run:
    return world.app.endpoints.rollback(EndpointAddress("sample", "production"), None, ADA)


def fails(world: AzureMlWorld, run: Run) -> None:
    """Have the deployment of a run fail that is about to be made."""
    (one,) = world.endpoint_state().staged
    assert one.run_id == run.run_id
    world.azureml.hooks.fail_next(f"{CENSUS}/{one.candidate.name}", "ResourceNotReady", "score.py")


def test_a_model_gets_its_requests_in_steps_after_it_was_scored_without_any() -> None:
    world = AzureMlWorld()
    run = world.start()
    world.until(run, Phase.VERIFYING)
    judged = world.now_of(run)
    assert judged.evidence is not None
    assert judged.evidence.cursor == 2
    name = candidate(world, run)
    asked = [who for _, who in world.azureml.scoring.answered]
    assert asked.count(name) == 2  # both before the first request of another one
    assert world.traffic() == {"blue": 100}
    assert promoted(world, run) == name
    assert world.traffic() == {name: 100}
    promotion = world.now_of(run).promotion
    assert promotion is not None
    before = [one.before and one.before.shares for one in promotion.steps]
    assert before == [{"blue": 100}, {"blue": 90, name: 10}, {"blue": 50, name: 50}]
    assert [one.wanted and one.wanted.shares for one in promotion.steps] == [
        *before[1:],
        {name: 100},
    ]
    assert all(one.sent_at and one.seen for one in promotion.steps)
    assert shifts(world) == 3
    assert not world.open_runs()


def test_provisioning_is_checked_and_nothing_is_written_meanwhile() -> None:
    world = world_of(provisioning=10 * MINUTE)
    run = world.start()
    world.until(run, Phase.STAGING)
    world.tick()
    record = world.documents.rows[f"runs/{run.run_id}"].etag
    for _ in range(10):
        world.tick()
    assert world.documents.rows[f"runs/{run.run_id}"].etag == record
    assert world.azureml.calls.count("PUT deployment") == 1
    promoted(world, run)


def test_a_candidate_that_cannot_be_made_ready_is_rejected_and_discarded() -> None:
    world = AzureMlWorld()
    run = world.start()
    world.azureml.calls.before("PUT deployment", lambda: fails(world, run))
    ended = world.until_idle(run, ticks=60)
    assert ended.phase is Phase.REJECTED
    assert "ResourceNotReady: score.py" in (ended.reason or "")
    assert (world.traffic(), shifts(world)) == ({"blue": 100}, 0)
    world.idle(2 * HOUR, 10 * MINUTE)
    assert world.deployments() == {"blue"}


def test_a_broken_candidate_is_rejected_before_it_gets_a_request() -> None:
    world = AzureMlWorld()
    run = world.start()
    world.azureml.hooks.set_model(version_of(run), error_of_model(500, "KeyError"))
    ended = world.until_idle(run, ticks=60)
    assert ended.phase is Phase.REJECTED
    assert "the candidate does not score" in (ended.reason or "")
    assert (world.traffic(), shifts(world)) == ({"blue": 100}, 0)
    name = candidate(world, run)
    assert name in world.deployments()
    world.idle(2 * HOUR, 10 * MINUTE)
    assert world.deployments() == {"blue"}
    assert world.endpoint_state().staged == ()


def test_a_model_that_breaks_among_requests_is_rolled_back_and_discarded() -> None:
    world = AzureMlWorld()
    run = world.start()
    world.until(run, Phase.VERIFYING)
    world.azureml.hooks.set_model(version_of(run), error_of_model(500, "KeyError"))
    ended = world.until_idle(run, ticks=80)
    assert ended.phase is Phase.ROLLED_BACK
    assert world.traffic() == {"blue": 100}
    world.idle(2 * HOUR, 10 * MINUTE)
    assert world.deployments() == {"blue"}


def test_a_change_of_the_traffic_by_another_writer_is_never_overwritten() -> None:
    world = AzureMlWorld()
    run = world.start()
    world.until(run, Phase.VERIFYING)
    world.clock.move(MINUTE)
    name = candidate(world, run)
    assert world.traffic() == {"blue": 90, name: 10}
    world.azureml.hooks.set_traffic(CENSUS, {"blue": 70, name: 30})
    ended = world.until_idle(run, ticks=40)
    assert ended.phase is Phase.PARKED
    assert "others changed production" in (ended.reason or "")
    assert world.traffic() == {"blue": 70, name: 30}
    world.azureml.hooks.set_traffic(CENSUS, {"blue": 90, name: 10})
    world.run_operations.retry(run.run_id)
    assert promoted(world, run) == name


def test_what_served_before_is_deleted_a_day_later_and_no_run_stays_open_for_it() -> None:
    world = AzureMlWorld()
    old = promoted(world, world.start())
    new = promoted(world, world.next_run("2.csv", SECOND))
    assert not world.open_runs()
    world.idle(23 * HOUR, 20 * MINUTE)
    assert world.deployments() == {"blue", old, new}
    world.idle(3 * HOUR, 20 * MINUTE)
    assert world.deployments() == {"blue", new}
    assert [one.candidate.name for one in world.endpoint_state().staged] == [new]
    assert world.azureml.calls.count("DELETE deployment") == 1


def test_a_rollback_within_the_day_is_one_change_of_the_traffic() -> None:
    world = AzureMlWorld()
    old = promoted(world, world.start())
    promoted(world, world.next_run("2.csv", SECOND))
    before = shifts(world)
    rollback = world.until_idle(rolled_back(world), ticks=60)
    assert (rollback.origin, rollback.phase) == (Origin.ROLLBACK, Phase.PROMOTED)
    assert (world.traffic(), shifts(world)) == ({old: 100}, before + 1)
    serving = world.endpoint_state().resource(world.pipeline.endpoints[0].resource_name).serving
    assert serving is not None
    assert serving.candidate == old


def test_a_rollback_after_the_day_makes_the_deployment_again() -> None:
    world = AzureMlWorld()
    old = promoted(world, world.start())
    new = promoted(world, world.next_run("2.csv", SECOND))
    world.idle(27 * HOUR, 20 * MINUTE)
    assert world.deployments() == {"blue", new}
    rollback = world.until_idle(rolled_back(world), ticks=60)
    assert rollback.phase is Phase.PROMOTED
    assert world.traffic() == {old: 100}
    world.idle(27 * HOUR, 20 * MINUTE)
    assert world.deployments() == {"blue", old}


def test_a_candidate_that_never_gets_ready_is_for_an_operator() -> None:
    world = world_of(provisioning=5 * HOUR)
    run = world.start()
    world.until(run, Phase.STAGING)
    world.idle(HOUR + 5 * MINUTE)
    parked = world.now_of(run)
    assert parked.phase is Phase.PARKED
    assert "is not ready after 1h" in (parked.reason or "")
    world.idle(4 * HOUR, 20 * MINUTE)
    world.run_operations.retry(run.run_id)
    promoted(world, run)
    assert world.azureml.calls.count("PUT deployment") == 1


def test_a_run_that_is_cancelled_while_it_stages_leaves_nothing_behind() -> None:
    world = world_of(provisioning=10 * MINUTE)
    run = world.start()
    world.until(run, Phase.STAGING)
    world.tick()
    world.run_operations.cancel(run.run_id)
    assert world.until_idle(run).phase is Phase.CANCELLED
    world.idle(2 * HOUR, 10 * MINUTE)
    assert (world.deployments(), world.traffic()) == ({"blue"}, {"blue": 100})
