"""Roll-outs with a late endpoint, a held one, and a record that is not understood."""

from shared.core.run.record import Phase
from shared.core.serving.references import EndpointAddress
from shared.core.serving.state import EndpointState
from shared.operations.commands import OperatorCommand
from tests.unit.fleet import Fleet

BOSS = OperatorCommand(by="boss")
SECOND = b"a,b,label\n5,6,1\n7,8,0\n"


def test_more_first_ones_than_endpoints_are_all_the_first() -> None:
    fleet = Fleet(size=2, roll_out={"first": 9, "then": 1})
    fleet.start()
    assert fleet.finish().phase is Phase.PROMOTED
    assert sorted(fleet.patched()) == ["e1", "e2"]


def test_an_older_roll_out_never_replaces_a_newer_one_whenever_it_is_retried() -> None:
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
    assert fleet.finish().phase is Phase.PROMOTED
    fleet.until(
        fleet.app.endpoints.rollback(EndpointAddress("sample", "e2"), None, BOSS), Phase.PROMOTED
    )
    assert fleet.serves("e2") == old
    newer = fleet.until(fleet.next_run("two.csv", SECOND), Phase.PARKED)
    assert "e2 parked: e2 is held" in (newer.reason or "")
    assert fleet.serves("e2") == old
    fleet.app.endpoints.resume(EndpointAddress("sample", "e2"))
    fleet.run_operations.retry(newer.run_id)
    fleet.until(newer, Phase.PROMOTED)
    assert fleet.serves("e1") == fleet.serves("e2") != old


def test_an_endpoint_state_that_is_not_understood_stops_its_endpoint_alone() -> None:
    fleet = Fleet(size=2, roll_out={"first": 2, "then": 1})
    fleet.start("one.csv")
    assert fleet.finish().phase is Phase.PROMOTED
    endpoint_states = [name for name in fleet.documents.rows if name.startswith("endpoints/")]
    mine = [
        name
        for name in endpoint_states
        if EndpointState.model_validate_json(fleet.documents.rows[name].body).ref.name.endswith(
            "/e2"
        )
    ]
    fleet.damage(mine[0], b'{"schema_version": 3}')
    parent = fleet.until(fleet.next_run("two.csv", SECOND), Phase.PARKED)
    assert "1 of 2 endpoints are done; e2 parked" in (parent.reason or "")
    assert fleet.documents.rows[mine[0]].body == b'{"schema_version": 3}'
