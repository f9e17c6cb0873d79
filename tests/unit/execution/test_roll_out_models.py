"""What once went wrong with roll-outs, keys and collected models, and does not any more."""

from collections.abc import Mapping
from datetime import timedelta
from itertools import count
from typing import Any

import pytest

from local.studio import InstantTrainer, OutputKind, Trained
from shared.core import names
from shared.core.config.kinds import Endpoint
from shared.core.config.pipeline import Pipeline
from shared.core.run.record import Delivery, Origin, Phase, Run
from shared.core.run.rollout import next_deliveries
from shared.intake.requests import ManualRequest
from shared.providers.http.client import Answer
from tests.fakes.faults import Faults, Kind
from tests.fakes.world import RESOURCE, ROWS
from tests.unit.core.run.test_rollout import rolling
from tests.unit.fleet import BASE, Fleet
from tests.unit.worlds import Observed, refused

HOUR = timedelta(hours=1)
ARM = (
    "https://management.azure.com/subscriptions/s/resourceGroups/g/providers/"
    "Microsoft.MachineLearning/webServices/{customer}?api-version=2017-01-01"
)
MISSING = refused(400, "LibraryExecutionError", "missing feature(s): 'hello'")


def written(world: Observed) -> dict[str, Any]:
    tree: dict[str, Any] = world.pipeline.model_dump(mode="json")
    return tree


def read(world: Observed, tree: Mapping[str, Any]) -> None:
    """Have workers from now on read this file."""
    world.pipeline = Pipeline.model_validate(tree, context={"development": False})
    world.restart()


def ticks(world: Observed, number: int = 40) -> None:
    for _ in range(number):
        world.survive(world.tick)


def content_of(fleet: Fleet, run: Run) -> bytes:
    model = next(iter(fleet.now_of(run).models.values()))
    return fleet.blobs.store.contents[f"https://account.blob.core.windows.net/{model.name}"]


class FromNothing:
    """Trains another model each time, on nothing."""

    def __init__(self) -> None:
        self._numbers = count()

    def train(
        self, inputs: Mapping[str, bytes], parameters: Mapping[str, str], *, label: str | None
    ) -> Trained:
        data = {"x": f"a,b,label\n{next(self._numbers)},1,0\n".encode()}
        return InstantTrainer().train(inputs or data, parameters, label=label)


def test_an_older_run_without_data_does_not_overtake_a_newer_one() -> None:
    fleet = Fleet(size=2, inputs=())
    fleet.studio._board._trainer = FromNothing()
    tree = written(fleet)
    read(fleet, {**tree, "data": None, "training": {**tree["training"], "inputs": {}}})
    wrong = fleet.environment.pop("KEY_e1")
    older = fleet.app.requests.requested(fleet.pipeline, "older", ManualRequest())
    ticks(fleet, 15)
    assert fleet.now_of(older).phase is Phase.PARKED
    fleet.environment["KEY_e1"] = wrong
    newer = fleet.app.requests.requested(fleet.pipeline, "newer", ManualRequest())
    ticks(fleet)
    assert fleet.now_of(newer).phase is Phase.PROMOTED
    fleet.run_operations.retry(older.run_id)
    ticks(fleet)
    assert fleet.endpoints_serving(content_of(fleet, newer)) == ["e1", "e2"]


@pytest.mark.parametrize("how", ["added", "renamed"])
def test_an_endpoint_that_a_retry_adds_gets_the_model(how: str) -> None:
    fleet = Fleet(size=3)
    tree = written(fleet)
    one, two, _ = tree["endpoints"]
    read(fleet, {**tree, "endpoints": [one, two]})
    wrong = fleet.environment.pop("KEY_e2")
    fleet.start()
    assert fleet.settle().phase is Phase.PARKED
    fleet.environment["KEY_e2"] = wrong
    read(fleet, tree if how == "added" else {**tree, "endpoints": [one, {**two, "name": "new"}]})
    fleet.run_operations.retry(fleet.parent().run_id)
    parent = fleet.settle()
    assert parent.phase is Phase.PROMOTED, parent.reason
    assert fleet.patched().count("e1") == fleet.patched().count("e2") == 1
    ticks(fleet, 3)
    assert not fleet.open_runs()


def test_an_endpoint_that_is_not_configured_any_more_gets_no_model_by_a_retry() -> None:
    fleet = Fleet(size=3)
    wrong = fleet.environment.pop("KEY_e2")
    fleet.start()
    parent = fleet.settle()
    fleet.environment["KEY_e2"] = wrong
    tree = written(fleet)
    one, _, three = tree["endpoints"]
    read(fleet, {**tree, "endpoints": [one, three]})
    fleet.run_operations.retry(parent.run_id)
    assert fleet.settle().phase is Phase.PROMOTED
    ticks(fleet, 5)
    assert fleet.patched() == ["e1", "e3"]
    assert not fleet.open_runs()


def test_what_serves_newer_data_already_proves_nothing_of_this_model() -> None:
    done = Delivery(endpoint="a", run_id="x", outcome=Phase.SUPERSEDED)
    shape = rolling(first=1, then=20, deliveries=(done,))
    assert len(next_deliveries(shape)) == 1


def test_a_model_known_to_be_broken_goes_no_further() -> None:
    fleet = Fleet(size=2)
    first = fleet.start("one.csv")
    fleet.until(fleet.parent(), Phase.ROLLING_OUT)
    bad = fleet.model()

    def broken_while_bad(method: str, path: str) -> Answer | None:
        for name, member in fleet.members.items():
            mine = method == "POST" and path.endswith(member.execute_url)
            if mine and fleet.serves(name) == bad:
                return MISSING
        return None

    fleet.http.answers.append(broken_while_bad)
    while "e1" not in fleet.patched():
        fleet.tick()
    works = fleet.script("POST", "/e1/refresh", refused(400, "BadArgument", "No."), times=None)
    fleet.settle()
    assert fleet.child("e1").parked_in is Phase.ROLLING_BACK
    works()
    wrong = fleet.environment.pop("KEY_e2")  # a newer run takes e1 over, and parks at e2
    newer = fleet.next_run("two.csv", b"a,b,label\n5,6,1\n7,8,0\n")
    fleet.until(newer, Phase.PARKED)
    fleet.environment["KEY_e2"] = wrong
    fleet.run_operations.retry(first.run_id)
    for _ in range(30):
        fleet.tick()
        assert fleet.serves("e2") != bad


def test_a_delivery_that_was_only_named_is_not_begun_after_a_cancel() -> None:
    calm = Fleet(size=2)
    calm.start()
    calm.settle()
    markers = [i for i, site in enumerate(calm.faults.sites) if site == "create open"]
    fleet = Fleet(size=2, faults=Faults({markers[1]: Kind.CRASH_BEFORE}))
    fleet.start()
    while fleet.survive(fleet.tick):
        pass
    assert fleet.parent().deliveries
    assert len(fleet.runs()) == 1
    fleet.run_operations.cancel(fleet.parent().run_id)
    ticks(fleet)
    assert fleet.parent().phase is Phase.CANCELLED
    assert fleet.patched() == []


def test_a_run_of_one_endpoint_can_be_retried_with_two() -> None:
    fleet = Fleet(size=2)
    tree = written(fleet)
    read(fleet, {**tree, "endpoints": tree["endpoints"][:1]})
    wrong = fleet.environment.pop("KEY_e1")
    run = fleet.until_idle(fleet.start())
    assert run.parked_in is Phase.PROMOTING
    fleet.environment["KEY_e1"] = wrong
    read(fleet, tree)
    fleet.run_operations.retry(run.run_id)
    assert fleet.until_idle(run, 60).phase is Phase.PROMOTED
    assert fleet.patched() == ["e1", "e2"]


def test_a_roll_out_that_no_endpoint_wants_any_more_ends_well() -> None:
    fleet = Fleet(size=2)
    fleet.environment.pop("KEY_e1")
    fleet.start()
    parent = fleet.settle()
    read(fleet, {**written(fleet), "endpoints": []})
    fleet.run_operations.retry(parent.run_id)
    assert fleet.settle().phase is Phase.FINISHED
    ticks(fleet, 3)
    assert not fleet.open_runs()


def two_models(fleet: Fleet, *wanted: str) -> dict[str, Any]:
    """Have the training service leave two models, and the endpoints want these."""
    kinds = {"output1": OutputKind.MODEL, "output2": OutputKind.EVALUATION}
    service = fleet.studio.publish_training("two", outputs={**kinds, "output3": OutputKind.MODEL})
    fleet.environment["TRAINING_KEY"] = service.api_key
    tree = written(fleet)
    tree["training"]["service"] = BASE + service.jobs_url
    files = {"output1": "one.ilearner", "output2": "e.csv", "output3": "three.ilearner"}
    tree["training"]["outputs"] = files
    for endpoint, output in zip(tree["endpoints"], wanted, strict=True):
        endpoint["model"] = output
    read(fleet, tree)
    return tree


def test_each_endpoint_gets_the_model_that_it_wants() -> None:
    fleet = Fleet(size=2)
    two_models(fleet, "output1", "output3")
    fleet.start()
    assert fleet.settle().phase is Phase.PROMOTED
    named = [model.name for name in ("e1", "e2") if (model := fleet.child(name).model)]
    assert [name.rsplit("/", 1)[1] for name in named] == ["one.ilearner", "three.ilearner"]


def test_a_corrected_model_output_is_what_the_endpoint_gets() -> None:
    fleet = Fleet(size=2)
    tree = two_models(fleet, "output1", "output1")
    wrong = fleet.environment.pop("KEY_e1")
    fleet.start()
    parent = fleet.settle()
    fleet.environment["KEY_e1"] = wrong
    for endpoint in tree["endpoints"]:
        endpoint["model"] = "output3"
    read(fleet, tree)
    fleet.run_operations.retry(parent.run_id)
    assert fleet.settle().phase is Phase.PROMOTED
    for name in ("e1", "e2"):
        model = fleet.child(name).model
        assert model is not None
        assert model.name.endswith("three.ilearner")


def test_a_model_by_hand_does_not_go_to_endpoints_that_want_different_models() -> None:
    fleet = Fleet(size=2)
    two_models(fleet, "output1", "output3")
    fleet.poll.tick()
    trained = InstantTrainer().train({"input1": b"a,b,label\n9,9,1\n"}, {}, label=None)
    fleet.blobs.put("models", "promote/sample/one.ilearner", trained.model)
    run = fleet.app.model_events.model_arrived("promote/sample/one.ilearner")
    assert run is not None
    ticks(fleet, 10)
    assert fleet.now_of(run).phase is Phase.PARKED
    assert fleet.endpoints_serving(trained.model) == []


def keyed(world: Observed, *endpoints: dict[str, Any], **more: Any) -> None:
    """Have tokens of the data's path choose these endpoints, over the usual templated one."""
    usual = {
        "name": "theirs",
        "update": BASE + world.endpoint.management_url.replace("production", "{customer}"),
        "workspace_token": "${WORKSPACE_TOKEN}",
        "resource": RESOURCE,
        "verify": {"rows": ROWS, "within": "3m"},
    }
    listed = [{**usual, **endpoint} for endpoint in endpoints]
    world.environment["WORKSPACE_TOKEN"] = world.studio.workspace_token
    blob = {"data": {"blob": "{customer}/{name}.csv"}, "key": None}
    read(world, {**written(world), **blob, "endpoints": listed, **more})


@pytest.mark.parametrize("folder", ["{zz}", "{name}"])
def test_braces_in_a_path_do_not_make_a_record_unreadable(folder: str) -> None:
    world = Observed()
    fixed = BASE + world.endpoint.management_url
    keyed(world, {"update": fixed, "resource": "{customer} [trained model]"})
    assert world.start(f"{folder}/a.csv").phase is Phase.REJECTED
    ticks(world, 3)
    assert world.run().phase is Phase.REJECTED


def test_two_endpoints_that_a_key_makes_the_same_are_refused_for_that_key() -> None:
    world = Observed()
    fixed = BASE + world.endpoint.management_url
    keyed(world, {"name": "canary", "update": fixed}, {})
    assert world.start("production/a.csv").phase is Phase.REJECTED
    ticks(world, 3)
    assert "the same one" in (world.run().reason or "")


def test_a_value_with_a_full_stop_does_not_lead_to_another_service() -> None:
    endpoint = Endpoint.model_validate(
        {"name": "theirs", "kind": "webservice", "update": ARM}, context={"development": False}
    )
    assert "/acme?" in endpoint.chosen_by({"customer": "acme"}).update
    with pytest.raises(ValueError, match="not a URL that an endpoint can have"):
        endpoint.chosen_by({"customer": "acme."})


def test_one_customers_damaged_record_does_not_stop_the_schedule_of_the_others() -> None:
    world = Observed()
    keyed(world, {}, schedule="0 0 * * * *")
    world.poll.tick()
    for name in ("a", "b", "c"):
        world.upload(f"{name}/x.csv")
    due = (world.clock.now() + HOUR).replace(minute=0, second=0)
    world.damage(f"runs/{names.run_id('sample', 'schedule', 'a', due.isoformat())}")
    world.clock.move(HOUR)
    world.poll.start_scheduled()
    bodies = [row.body for name, row in world.documents.rows.items() if name.startswith("runs/")]
    runs = [Run.model_validate_json(body) for body in bodies if body != b"{not json"]
    assert {run.tokens["customer"] for run in runs} == {"b", "c"}
    assert {run.origin for run in runs} == {Origin.SCHEDULE}


def test_the_schedule_of_many_customers_ends_in_time_and_is_gone_on_with() -> None:
    world = Observed()
    keyed(world, {}, schedule="0 0 * * * *")
    world.poll.tick()
    for number in range(30):
        world.upload(f"c{number}/x.csv")
    world.clock.move(HOUR)

    def slow(_: str, __: str) -> Answer | None:
        world.clock.move(timedelta(seconds=10))
        return None

    world.http.answers.append(slow)
    began = world.clock.now()
    world.poll.start_scheduled()
    assert world.clock.now() - began <= world.limits.tick
    assert len(world.runs()) == 30  # opened first, and driven as far as there is time
    assert 0 < len(world.starts) < 30
    world.http.answers.remove(slow)
    world.tick()
    assert len(world.starts) == 30


def test_the_reads_of_a_roll_out_grow_no_faster_than_its_endpoints() -> None:
    def reads(size: int) -> int:
        fleet = Fleet(size=size, roll_out={"first": 1, "then": 200})
        fleet.start()
        assert fleet.settle().phase is Phase.PROMOTED
        return fleet.calls.count("read runs")

    assert reads(80) <= 5 * reads(20)


def test_a_model_that_changed_nothing_goes_no_further_although_its_return_was_taken_over() -> None:
    fleet = Fleet(size=2)
    ignore = fleet.script("PATCH", "/e1", Answer(200, {}, b""), times=None)
    refuse = fleet.script("POST", "/e1/refresh", refused(400, "BadArgument", "No."), times=None)
    fleet.start("one.csv")
    first = fleet.settle(80)
    model = fleet.model()
    child = fleet.child("e1")
    assert child.parked_in is Phase.ROLLING_BACK
    assert child.promotion is not None
    assert child.promotion.after_rollback == "unchanged"
    ignore()
    refuse()
    wrong = fleet.environment.pop("KEY_e2")  # a newer run takes e1 over, and parks at e2
    newer = fleet.next_run("two.csv", b"a,b,label\n5,6,1\n7,8,0\n")
    fleet.until(newer, Phase.PARKED, 80)
    fleet.environment["KEY_e2"] = wrong
    fleet.run_operations.retry(first.run_id)
    fleet.until_idle(first, 60)
    assert fleet.now_of(child).phase is Phase.SUPERSEDED
    assert fleet.now_of(first).phase is not Phase.PROMOTED
    assert "e2" not in fleet.patched()
    assert model not in (fleet.serves("e1"), fleet.serves("e2"))


@pytest.mark.parametrize("parked", [True, False])
def test_a_delivery_whose_record_was_removed_is_followed_by_another(*, parked: bool) -> None:
    fleet = Fleet(size=3)
    key = fleet.environment.pop("KEY_e1") if parked else fleet.environment["KEY_e1"]
    fleet.start()
    while not fleet.parent().deliveries:
        fleet.tick()
    if parked:
        fleet.settle()
    child = fleet.child("e1")
    del fleet.documents.rows[f"runs/{child.run_id}"]
    del fleet.documents.rows[f"open/{child.run_id}"]
    if not parked:
        assert "its record was removed" in str(fleet.settle().reason)
    fleet.environment["KEY_e1"] = key
    fleet.run_operations.retry(fleet.parent().run_id)
    assert fleet.settle(120).phase is Phase.PROMOTED
    assert fleet.child("e1").run_id != child.run_id
    assert fleet.endpoints_serving(fleet.model()) == ["e1", "e2", "e3"]
