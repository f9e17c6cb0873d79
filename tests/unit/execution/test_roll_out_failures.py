"""Roll-outs, rollback, drift and keys under hands that mean no good."""

import json
from datetime import timedelta
from typing import Any

import pytest

from local.studio import InstantTrainer
from shared.core.config.kinds import Endpoint
from shared.core.config.pipeline import Pipeline
from shared.core.run.record import Origin, Phase
from shared.core.serving.state import EndpointState
from shared.intake.rollbacks import EndpointAddress
from shared.operations.commands import OperatorCommand
from shared.operations.endpoints import Endpoints
from shared.providers.http.client import Answer
from tests.fakes.faults import Faults, Kind
from tests.fakes.world import MODELS, RESOURCE, ROWS
from tests.unit.fleet import BASE, Fleet
from tests.unit.samples import state_of
from tests.unit.worlds import Observed, refused

BOSS = OperatorCommand(by="boss")
MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
SECOND = b"a,b,label\n5,6,1\n7,8,0\n"
THIRD = b"a,b,label\n9,9,1\n1,1,0\n"
ARM = (
    "https://management.azure.com/subscriptions/s/resourceGroups/g/providers/"
    "Microsoft.MachineLearning/webServices/{customer}?api-version=2017-01-01"
)


def hand(world: Observed) -> Endpoints:
    return world.app.endpoints


def keyed(world: Observed, **changes: Any) -> None:
    """Have each customer's data go to the Classic endpoint of the customer's name."""
    update = BASE + world.endpoint.management_url.replace("/production", "/{customer}")
    endpoint = {
        "name": "theirs",
        "update": update,
        "workspace_token": "${WS}",
        "resource": RESOURCE,
        "verify": {"rows": ROWS, "within": "3m"},
    }
    tree = world.pipeline.model_dump(mode="json")
    tree |= {"data": {"blob": "{customer}/{name}.csv"}, "endpoints": [endpoint], "key": None}
    world.pipeline = Pipeline.model_validate(tree | changes, context={"development": False})
    world.environment["WS"] = "a-workspace-token"
    world.restart()


def resource(world: Observed) -> Any:
    return world.endpoint_state().resource(RESOURCE)


@pytest.mark.parametrize(
    "customer", ["default", "%2e%2e", "ACME", "a b", "{x}", "ü", "a" * 25, "a.b", "-"]
)
def test_a_value_that_cannot_name_an_endpoint_is_rejected_and_nothing_is_started(
    customer: str,
) -> None:
    world = Observed()
    keyed(world)
    run = world.start(f"{customer}/a.csv")
    assert run.phase is Phase.REJECTED
    assert not world.starts
    world.tick()
    assert not world.open_runs()
    world.blobs.put("models", f"promote/sample/{customer}/m.ilearner", b"{}")
    manual_model = world.app.model_events.model_arrived(f"promote/sample/{customer}/m.ilearner")
    assert manual_model is not None
    assert manual_model.phase is Phase.REJECTED
    assert not world.changes()


@pytest.mark.parametrize("customer", ["..", ".", "", "a\nb"])
def test_a_value_never_leads_out_of_its_segment(customer: str) -> None:
    endpoint = Endpoint.model_validate(
        {"name": "theirs", "kind": "webservice", "update": ARM}, context={"development": False}
    )
    with pytest.raises(ValueError, match=r"URL|URI|not"):
        endpoint.chosen_by({"customer": customer})


@pytest.mark.parametrize("customer", ["a/b", "a?b", "a#b", "%2e%2e", "ü", "a b"])
def test_a_value_is_one_segment_whatever_it_holds(customer: str) -> None:
    endpoint = Endpoint.model_validate(
        {"name": "theirs", "kind": "webservice", "update": ARM}, context={"development": False}
    )
    chosen = endpoint.chosen_by({"customer": customer})
    assert chosen.update.count("/") == ARM.count("/")
    assert chosen.tokens == ()
    again = Endpoint.model_validate_json(chosen.model_dump_json(), context={"development": False})
    assert again == chosen


@pytest.mark.parametrize(
    "path", ["promote/sample/m.ilearner", "promote/sample/a/b/m.ilearner", "promote/m.ilearner"]
)
def test_a_model_by_hand_without_its_key_opens_no_run(path: str) -> None:
    world = Observed()
    keyed(world)
    world.poll.tick()
    world.blobs.put("models", path, b"{}")
    assert world.app.model_events.model_arrived(path) is None
    world.tick()
    assert not world.runs()


def test_more_first_ones_than_endpoints_are_all_the_first() -> None:
    fleet = Fleet(size=2, roll_out={"first": 9, "then": 1})
    fleet.start()
    assert fleet.settle().phase is Phase.PROMOTED
    assert sorted(fleet.patched()) == ["e1", "e2"]


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
        hand(world).rollback(EndpointAddress("sample", "production"), None, BOSS), Phase.PROMOTED
    )
    assert world.serving() == wanted
    assert second.model is not None
    world.context.providers.serving(world.pipeline.endpoints[0]).restore(state_of(second.model))
    world.clock.move(MINUTE)
    assert world.serving() != wanted
    world.idle(HOUR * 1.3)
    assert world.serving() == wanted
    assert resource(world).held is not None


def test_a_rollback_takes_over_a_reservation_that_a_parked_run_left() -> None:
    world = Observed()
    first = world.until(world.start(), Phase.PROMOTED)
    wanted = world.serving()
    stop = world.script("PATCH", "/production", refused(400, "BadArgument", "No."), times=None)
    second = world.until(world.next_run("2.csv", SECOND), Phase.PARKED)
    stop()
    run = hand(world).rollback(EndpointAddress("sample", "production"), first.run_id, BOSS)
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
    run = hand(world).rollback(EndpointAddress("sample", "production"), second.run_id, BOSS)
    world.until(run, Phase.PROMOTED)
    assert world.serving() == wanted
    assert resource(world).previous == previous
    assert resource(world).serving.run_id == second.run_id


def test_a_head_of_the_version_before_is_read_rolled_back_and_not_taken_for_drift() -> None:
    world = Observed()
    world.until(world.start("1.csv"), Phase.PROMOTED)
    wanted = world.serving()
    world.until(world.next_run("2.csv", SECOND), Phase.PROMOTED)
    (name,) = [name for name in world.documents.rows if name.startswith("endpoints/")]
    told = json.loads(world.documents.rows[name].body)
    for known in told["resources"].values():
        known.pop("held")
        for served in (known["serving"], *known["previous"]):
            for new in ("answers", "named", "set_by", "repairs"):
                served.pop(new)
    world.damage(name, json.dumps(told).encode())
    world.idle(HOUR * 3)
    assert not [run for run in world.runs() if run.origin is Origin.DRIFT]
    world.until(
        hand(world).rollback(EndpointAddress("sample", "production"), None, BOSS), Phase.PROMOTED
    )
    assert world.serving() == wanted


def test_a_damaged_watch_stops_neither_the_tick_nor_the_runs_and_is_left_as_it_is() -> None:
    world = Observed()
    world.until(world.start("1.csv"), Phase.PROMOTED)
    (name,) = [name for name in world.documents.rows if name.startswith("drift_checks/")]
    world.damage(name)
    world.idle(HOUR * 2)
    world.until(world.next_run("2.csv", SECOND), Phase.PROMOTED)
    assert world.documents.rows[name].body == b"{not json"
    beat = json.loads(world.documents.rows["poll"].body)
    assert beat["at"][:19] == world.clock.now().isoformat()[:19]


@pytest.mark.parametrize("kind", [kind for kind in Kind if kind is not Kind.OK])
def test_a_repair_survives_every_single_fault(kind: Kind) -> None:
    def drifted(faults: Faults) -> tuple[Observed, bytes | None]:
        world = Observed(faults=faults)
        world.until(world.start(), Phase.PROMOTED)
        ours = world.serving()
        trained = InstantTrainer().train({"input1": THIRD}, {}, label=None)
        foreign = world.blobs.put(MODELS, "baselines/foreign.ilearner", trained.model)
        world.context.providers.serving(world.pipeline.endpoints[0]).restore(state_of(foreign))
        world.clock.move(HOUR * 1.1)
        return world, ours

    calm, _ = drifted(Faults())
    begin = len(calm.faults.sites)
    calm.idle(10 * MINUTE, timedelta(seconds=30))
    for site in range(begin, len(calm.faults.sites) + 1):
        world, ours = drifted(Faults({site: kind}))
        for _ in range(60):
            world.survive(world.tick)
        assert world.serving() == ours, (site, kind)
        mine = [run for run in world.runs() if run.origin is Origin.DRIFT]
        assert [run.phase for run in mine] == [Phase.PROMOTED], (site, kind)
        assert not world.open_runs()


def test_a_repair_gives_way_to_a_rollback_that_was_asked_for_meanwhile() -> None:
    world = Observed()
    first = world.until(world.start("1.csv"), Phase.PROMOTED)
    wanted = world.serving()
    world.until(world.next_run("2.csv", SECOND), Phase.PROMOTED)
    trained = InstantTrainer().train({"input1": THIRD}, {}, label=None)
    foreign = world.blobs.put(MODELS, "baselines/foreign.ilearner", trained.model)
    world.context.providers.serving(world.pipeline.endpoints[0]).restore(state_of(foreign))
    world.clock.move(HOUR * 1.1)
    while not (mine := [run for run in world.runs() if run.origin is Origin.DRIFT]):
        world.tick()
    run = hand(world).rollback(EndpointAddress("sample", "production"), first.run_id, BOSS)
    for _ in range(40):
        world.tick()
    assert world.now_of(run).phase is Phase.PROMOTED
    assert world.now_of(mine[0]).phase.ended
    assert world.serving() == wanted


def test_an_older_roll_out_never_overtakes_a_newer_one_whenever_it_is_retried() -> None:
    fleet = Fleet(size=3)
    key = fleet.environment.pop("KEY_e2")
    older = fleet.start("one.csv")
    fleet.until(older, Phase.PARKED)
    fleet.environment["KEY_e2"] = key
    newer = fleet.next_run("two.csv", SECOND)
    for ticks in range(60):
        if ticks == 3:
            fleet.run_operations.retry(older.run_id)
        fleet.tick()
    assert fleet.now_of(newer).phase is Phase.PROMOTED
    assert fleet.now_of(older).phase in (Phase.PROMOTED, Phase.SUPERSEDED)
    model = next(iter(fleet.now_of(newer).models.values()))
    content = fleet.blobs.store.contents[f"https://account.blob.core.windows.net/{model.name}"]
    assert fleet.endpoints_serving(content) == ["e1", "e2", "e3"]
    assert not fleet.open_runs()


def test_a_held_endpoint_keeps_its_model_through_a_roll_out() -> None:
    fleet = Fleet(size=2)
    old = fleet.serves("e2")
    fleet.start("one.csv")
    assert fleet.settle().phase is Phase.PROMOTED
    fleet.until(hand(fleet).rollback(EndpointAddress("sample", "e2"), None, BOSS), Phase.PROMOTED)
    assert fleet.serves("e2") == old
    newer = fleet.until(fleet.next_run("two.csv", SECOND), Phase.PARKED)
    assert "e2 parked: e2 is held" in (newer.reason or "")
    assert fleet.serves("e2") == old
    hand(fleet).resume(EndpointAddress("sample", "e2"))
    fleet.run_operations.retry(newer.run_id)
    fleet.until(newer, Phase.PROMOTED)
    assert fleet.serves("e1") == fleet.serves("e2") != old


def test_no_secret_of_a_keyed_pipeline_reaches_the_ledger_or_a_log(
    caplog: pytest.LogCaptureFixture,
) -> None:
    world = Observed()
    keyed(world)
    secrets = [world.environment["WS"], world.environment["TRAINING_KEY"]]
    echo = json.dumps(
        {"error": {"code": "BadArgument", "message": f"no: {' '.join(secrets)}", "details": []}}
    ).encode()
    world.script("GET", "/production", Answer(400, {}, echo), times=None)
    run = world.until_idle(world.start("production/a.csv"), 30)
    assert run.phase is not Phase.PROMOTED
    said = world.said() + caplog.text
    assert not [secret for secret in secrets if secret in said]


def test_a_head_that_is_not_understood_stops_its_endpoint_alone() -> None:
    fleet = Fleet(size=2, roll_out={"first": 2, "then": 1})
    fleet.start("one.csv")
    assert fleet.settle().phase is Phase.PROMOTED
    endpoint_states = [name for name in fleet.documents.rows if name.startswith("endpoints/")]
    mine = [
        name
        for name in endpoint_states
        if EndpointState.model_validate_json(fleet.documents.rows[name].body).ref.name.endswith(
            "/e2"
        )
    ]
    fleet.damage(mine[0], b'{"schema_version": 2}')
    parent = fleet.until(fleet.next_run("two.csv", SECOND), Phase.PARKED)
    assert "1 of 2 endpoints are done; e2 parked" in (parent.reason or "")
    assert fleet.documents.rows[mine[0]].body == b'{"schema_version": 2}'
