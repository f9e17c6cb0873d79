"""Rollback, drift and verification when records or services fail."""

import json
from collections.abc import Iterator
from datetime import timedelta
from functools import cache
from typing import Any

import pytest

from local.studio import InstantTrainer
from shared.core.run.record import Origin, Phase, Run
from shared.core.serving.references import EndpointAddress
from shared.operations.commands import OperatorCommand
from tests.fakes.faults import FAULTS, Kind
from tests.fakes.ways import Trials, Way
from tests.fakes.world import MODELS, RESOURCE
from tests.unit.samples import state_of
from tests.unit.worlds import Observed, refused

BOSS = OperatorCommand(by="boss")
MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
SECOND = b"a,b,label\n5,6,1\n7,8,0\n"
THIRD = b"a,b,label\n9,9,1\n1,1,0\n"


def resource(world: Observed) -> Any:
    return world.endpoint_state().resource(RESOURCE)


@pytest.mark.parametrize("status", [401, 403, 404, 500, 503])
def test_an_endpoint_that_is_not_shown_while_it_is_verified_goes_live_all_the_same(
    status: int,
) -> None:
    world = Observed()
    run = world.start()
    world.until(run, Phase.VERIFYING)
    path = world.endpoint.management_url.partition("?")[0]
    world.script("GET", path, refused(status, "No", "not now"), times=None)
    assert world.until_idle(run).phase is Phase.PROMOTED


def test_a_late_update_of_a_dead_worker_after_a_rollback_is_set_right_within_the_hour() -> None:
    world = Observed()
    world.until(world.start(), Phase.PROMOTED)
    wanted = world.serving()
    second = world.until(world.next_run("2.csv", SECOND), Phase.PROMOTED)
    world.until(
        world.app.endpoints.rollback(EndpointAddress("sample", "production"), None, BOSS),
        Phase.PROMOTED,
    )
    assert world.serving() == wanted
    assert second.model is not None
    world.context.providers.serving(world.pipeline.endpoints[0]).restore(state_of(second.model))
    world.clock.move(MINUTE)
    assert world.serving() != wanted
    world.idle(HOUR * 1.3)
    assert world.serving() == wanted
    assert resource(world).held is not None


def test_a_rollback_takes_over_a_lease_that_a_parked_run_left() -> None:
    world = Observed()
    first = world.until(world.start(), Phase.PROMOTED)
    wanted = world.serving()
    stop = world.script("PATCH", "/production", refused(400, "BadArgument", "No."), times=None)
    second = world.until(world.next_run("2.csv", SECOND), Phase.PARKED)
    stop()
    run = world.app.endpoints.rollback(EndpointAddress("sample", "production"), first.run_id, BOSS)
    world.until(run, Phase.PROMOTED)
    assert world.serving() == wanted
    world.run_operations.retry(second.run_id)
    parked = world.until_idle(second)
    assert parked.phase is Phase.PARKED
    assert "held" in (parked.reason or "")
    assert world.serving() == wanted


def test_a_rollback_to_what_serves_already_changes_nothing_and_holds() -> None:
    world = Observed()
    world.until(world.start("1.csv"), Phase.PROMOTED)
    second = world.until(world.next_run("2.csv", SECOND), Phase.PROMOTED)
    wanted, previous = world.serving(), resource(world).previous
    run = world.app.endpoints.rollback(EndpointAddress("sample", "production"), second.run_id, BOSS)
    world.until(run, Phase.PROMOTED)
    assert world.serving() == wanted
    assert resource(world).previous == previous
    assert resource(world).serving.run_id == second.run_id


def test_an_endpoint_state_of_the_version_before_is_read_rolled_back_and_not_taken_for_drift() -> (
    None
):
    world = Observed()
    world.until(world.start("1.csv"), Phase.PROMOTED)
    wanted = world.serving()
    world.until(world.next_run("2.csv", SECOND), Phase.PROMOTED)
    (name,) = [name for name in world.documents.rows if name.startswith("endpoints/")]
    reported = json.loads(world.documents.rows[name].body)
    for known in reported["resources"].values():
        known.pop("held")
        for served in (known["serving"], *known["previous"]):
            for new in ("answers", "named", "set_by", "repairs"):
                served.pop(new)
    world.damage(name, json.dumps(reported).encode())
    world.idle(HOUR * 3)
    assert not [run for run in world.runs() if run.origin is Origin.DRIFT]
    world.until(
        world.app.endpoints.rollback(EndpointAddress("sample", "production"), None, BOSS),
        Phase.PROMOTED,
    )
    assert world.serving() == wanted


def test_a_damaged_drift_check_stops_neither_the_tick_nor_the_runs_and_is_left_as_it_is() -> None:
    world = Observed()
    world.until(world.start("1.csv"), Phase.PROMOTED)
    (name,) = [name for name in world.documents.rows if name.startswith("drift_checks/")]
    world.damage(name)
    world.idle(HOUR * 2)
    world.until(world.next_run("2.csv", SECOND), Phase.PROMOTED)
    assert world.documents.rows[name].body == b"{not json"
    beat = json.loads(world.documents.rows["poll"].body)
    assert beat["at"][:19] == world.clock.now().isoformat()[:19]


@cache
def drifted() -> tuple[Observed, bytes | None]:
    """Return a world whose endpoint serves another model than its own; it is to be copied."""
    world = Observed()
    world.until(world.start(), Phase.PROMOTED)
    ours = world.serving()
    trained = InstantTrainer().train({"input1": THIRD}, {}, label=None)
    foreign = world.blobs.put(MODELS, "baselines/foreign.ilearner", trained.model)
    world.context.providers.serving(world.pipeline.endpoints[0]).restore(state_of(foreign))
    world.clock.move(HOUR * 1.1)
    return world, ours


def mine(world: Observed) -> list[Run]:
    """Return the repairs."""
    return [run for run in world.runs() if run.origin is Origin.DRIFT]


def _repaired(way: Way[Observed]) -> bool:
    world = way.world
    world.survive(world.tick)
    over = mine(world) and not world.open_runs() and not world.faults.late
    return not over and way.tries + 1 < 60


def _later(way: Way[Observed]) -> bool:
    way.world.survive(way.world.tick)
    return way.tries + 1 < 10  # nothing more comes of it


@cache
def trials() -> Trials[Observed]:
    return Trials(Way(drifted()[0].copied(), (_repaired, _later)))


def problems(world: Observed) -> Iterator[str]:
    if world.serving() != drifted()[1]:
        yield "another model serves"
    if [run.phase for run in mine(world)] != [Phase.PROMOTED]:
        yield f"{[(run.phase, run.reason) for run in mine(world)]}"
    if world.open_runs():
        yield "a marker is left behind"


@pytest.mark.parametrize("kind", FAULTS)
def test_a_repair_survives_every_single_fault(kind: Kind) -> None:
    assert list(problems(trials().world)) == []
    assert trials().after_each(kind, problems) == []


def test_a_repair_yields_to_a_rollback_that_was_asked_for_meanwhile() -> None:
    world = Observed()
    first = world.until(world.start("1.csv"), Phase.PROMOTED)
    wanted = world.serving()
    world.until(world.next_run("2.csv", SECOND), Phase.PROMOTED)
    trained = InstantTrainer().train({"input1": THIRD}, {}, label=None)
    foreign = world.blobs.put(MODELS, "baselines/foreign.ilearner", trained.model)
    world.context.providers.serving(world.pipeline.endpoints[0]).restore(state_of(foreign))
    world.clock.move(HOUR * 1.1)
    while not (repairs := mine(world)):
        world.tick()
    run = world.app.endpoints.rollback(EndpointAddress("sample", "production"), first.run_id, BOSS)
    for _ in range(40):
        world.tick()
    assert world.now_of(run).phase is Phase.PROMOTED
    assert world.now_of(repairs[0]).phase.ended
    assert world.serving() == wanted
