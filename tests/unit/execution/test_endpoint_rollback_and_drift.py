"""Former bugs of rollback, holds and drift."""

import json
from datetime import timedelta
from functools import partial
from typing import Any

import pytest

from shared.core.config.pipeline import Pipeline
from shared.core.run.record import Phase
from shared.core.serving.references import EndpointAddress
from shared.execution.drift_schedule import schedule_drift_check
from shared.maintenance import drift
from shared.maintenance.retention import Retention
from shared.providers.http.client import Answer
from tests.fakes.faults import Faults, Kind
from tests.fakes.world import RESOURCE
from tests.unit.maintenance.drifted_worlds import HOUR, live, meddle, pass_time, repairs
from tests.unit.operations.test_rollback import (
    SECOND,
    THIRD,
    endpoints_of,
    promoted,
    roll_back,
    shown,
)
from tests.unit.samples import state_of
from tests.unit.worlds import Observed, refused

HALF_A_MINUTE = timedelta(seconds=30)


def ticks(world: Observed, count: int = 20) -> None:
    for _ in range(count):
        world.survive(world.tick)


def test_a_rollback_after_a_resume_is_carried_out() -> None:
    world, runs, models = promoted(2)
    world.until(world.next_run("2.csv", THIRD), Phase.VERIFYING)
    first = roll_back(world, runs[0].run_id)  # waits for a slot
    endpoints_of(world).resume(EndpointAddress("sample", "production"))
    ticks(world)
    assert world.now_of(first).phase is Phase.SUPERSEDED
    again = roll_back(world, runs[0].run_id)
    ticks(world)
    assert world.now_of(again).phase is Phase.PROMOTED
    assert world.serving() == models[0]


def test_a_rollback_that_was_cancelled_and_resumed_can_be_asked_for_again() -> None:
    world, _, models = promoted(2)
    works = world.script("POST", "/execute", Answer(404, {}, b"gone"), times=None)
    run = roll_back(world)
    assert world.now_of(run).phase is Phase.PARKED
    world.run_operations.cancel(run.run_id)
    endpoints_of(world).resume(EndpointAddress("sample", "production"))
    works()
    again = roll_back(world)
    ticks(world)
    assert world.now_of(again).phase is Phase.PROMOTED
    assert world.serving() == models[0]


def test_a_rollback_request_that_was_written_is_carried_out_though_its_worker_died() -> None:
    world, _, models = promoted(2)
    endpoint_state = len(world.faults.sites) + 1  # after its marker
    world.faults.plan = {endpoint_state: Kind.CRASH_AFTER}
    assert not world.survive(partial(roll_back, world))
    assert shown(world)["held"]
    ticks(world, 40)
    assert world.serving() == models[0]


def test_a_rollback_request_that_was_never_written_leaves_nothing_behind() -> None:
    world, _, models = promoted(2)
    world.faults.plan = {len(world.faults.sites): Kind.CRASH_AFTER}
    assert not world.survive(partial(roll_back, world))
    ticks(world, 40)
    assert "held" not in shown(world)
    assert world.serving() == models[1]
    assert not world.open_runs()


def test_a_promotion_that_crashed_after_the_endpoint_state_is_checked_for_drift() -> None:
    calm = Observed()
    calm.until(calm.start(), Phase.PROMOTED)
    endpoint_states = [i for i, site in enumerate(calm.faults.sites) if site.endswith(" endpoints")]
    world = Observed(faults=Faults({endpoint_states[-1]: Kind.CRASH_AFTER}))
    run = world.start()
    ticks(world, 40)
    assert world.now_of(run).phase is Phase.PROMOTED
    assert [name for name in world.documents.rows if name.startswith("drift_checks/")]


def test_two_resources_of_one_endpoint_are_both_set_again() -> None:
    world, run = live()
    second = "Second [trained model]"
    known = world.endpoint_state().resource(RESOURCE)
    assert known.serving is not None
    serving = known.serving.model_copy(update={"named": "models/second.ilearner", "answers": None})
    both = {RESOURCE: known, second: known.model_copy(update={"serving": serving})}
    (name,) = [name for name in world.documents.rows if name.startswith("endpoints/")]
    world.context.ledger.endpoint_states.put(
        name.removeprefix("endpoints/"),
        world.endpoint_state().model_copy(update={"resources": both}),
        world.documents.rows[name].etag,
    )
    tree = world.pipeline.model_dump(mode="json")
    tree["endpoints"] += [{**tree["endpoints"][0], "name": "second", "resource": second}]
    world.pipeline = Pipeline.model_validate(tree)
    world.restart()
    schedule_drift_check(world.context, run, world.pipeline.endpoints[1])
    foreign = {"BaseLocation": "https://x/", "RelativeLocation": "x/f.ilearner", "SasBlobToken": ""}
    listed = [{"Name": name, "Location": foreign} for name in both]
    reported = Answer(200, {}, json.dumps({"Name": "production", "Resources": listed}).encode())
    world.script("GET", "/production", reported, times=None)
    world.clock.move(HOUR * 1.1)
    for _ in range(4):
        world.clock.move(HALF_A_MINUTE)
        world.poll.tick()
    assert {one.config.endpoints[0].resource_name for one in repairs(world)} == set(both)


def test_an_endpoint_with_a_lease_left_behind_is_still_checked_for_drift() -> None:
    world, _ = live()
    ours = world.serving()
    works = world.script("PATCH", "/production", refused(400, "BadArgument", "No."), times=None)
    second = world.until(world.next_run("2.csv", SECOND), Phase.PARKED)
    world.run_operations.cancel(second.run_id)
    works()
    assert world.endpoint_state().endpoint_lease is not None
    meddle(world)
    pass_time(world, 3)
    assert world.serving() == ours


def test_retention_keeps_the_run_that_a_hold_names() -> None:
    world, _, _ = promoted(2)
    run = world.until(roll_back(world), Phase.PROMOTED)
    world.clock.move(timedelta(days=401))
    Retention(world.context, world.app.catalogue).clean(world.clock.now() + timedelta(minutes=1))
    assert f"runs/{run.run_id}" in world.documents.rows


def test_one_odd_endpoint_does_not_stop_the_tick(monkeypatch: pytest.MonkeyPatch) -> None:
    world, _ = live()
    world.clock.move(HOUR * 2)

    def boom(*_: Any) -> None:
        raise RuntimeError("a mistake of ours")

    monkeypatch.setattr(drift, "drift_finding", boom)
    beat = world.poll.tick()
    assert beat.at == world.clock.now()


def test_going_back_once_more_does_not_go_forward() -> None:
    world, _, models = promoted(3)
    world.until(roll_back(world), Phase.PROMOTED)
    assert world.serving() == models[1]
    endpoints_of(world).resume(EndpointAddress("sample", "production"))
    world.until(roll_back(world), Phase.PROMOTED)
    assert world.serving() == models[0]


def test_back_while_an_update_is_verified_means_the_model_before_it() -> None:
    world, _, models = promoted(2)
    world.until(world.next_run("2.csv", THIRD), Phase.VERIFYING)
    run = roll_back(world)
    ticks(world, 30)
    assert world.now_of(run).phase is Phase.PROMOTED
    assert world.serving() == models[1]


def test_a_signature_in_a_relative_location_is_kept_nowhere() -> None:
    world = Observed()
    signed = {
        "BaseLocation": "https://elsewhere.blob.core.windows.net/",
        "RelativeLocation": "models/x.ilearner?sv=2020&sp=r&sig=LEAKEDSIGNATURE",
        "SasBlobToken": "",
    }
    reported = {"Name": "production", "Resources": [{"Name": RESOURCE, "Location": signed}]}
    world.script("GET", "/production", Answer(200, {}, json.dumps(reported).encode()), times=None)
    world.until_idle(world.start())
    assert "LEAKEDSIGNATURE" not in world.everything_stored()


def test_an_endpoint_that_was_taken_out_of_the_file_is_left_alone() -> None:
    world, run = live()
    meddle(world)
    theirs = world.serving()
    world.pipeline = world.pipeline.model_copy(update={"endpoints": ()})
    world.restart()
    pass_time(world, 2)
    assert world.serving() == theirs
    assert world.now_of(run).phase is Phase.PROMOTED


def test_a_later_drift_is_repaired_after_a_repair_that_never_changed_the_endpoint() -> None:
    world, run = live()
    ours = world.serving()
    meddle(world)
    world.clock.move(HOUR * 1.1)
    world.poll.tick()
    world.clock.move(HALF_A_MINUTE)
    world.poll.tick()
    works = world.script("GET", "/production", refused(500, "X", "y"), times=None)
    world.idle(HOUR * 1.2)
    works()
    (repair,) = repairs(world)
    assert repair.phase is Phase.PARKED
    world.run_operations.cancel(repair.run_id)
    assert run.model is not None
    world.context.providers.serving(world.pipeline.endpoints[0]).restore(state_of(run.model))
    pass_time(world, 3)
    assert world.serving() == ours
    meddle(world, "again", b"a,b,label\n8,8,0\n")
    pass_time(world, 3)
    assert world.serving() == ours


def test_a_drift_that_an_operator_accepted_is_left_and_reported_no_more_as_an_error() -> None:
    world, _ = live()
    meddle(world)
    pass_time(world)
    meddle(world, "again", b"a,b,label\n8,8,0\n")
    theirs = world.serving()
    pass_time(world)
    parked = next(run for run in repairs(world) if run.phase is Phase.PARKED)
    world.run_operations.cancel(parked.run_id)
    pass_time(world, 4)
    assert world.serving() == theirs
    assert len(repairs(world)) == 2
