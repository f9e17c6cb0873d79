"""To which endpoints a roll-out goes, also after a retry or a cancel."""

from collections.abc import Mapping
from itertools import count

import pytest

from local.studio import InstantTrainer, Trained
from shared.core.run.manual_request import ManualRequest
from shared.core.run.record import Delivery, Phase, Run
from shared.core.run.rollout import next_deliveries
from shared.providers.http.client import Answer
from tests.fakes.faults import Faults, Kind
from tests.unit.core.run.test_rollout import rolling
from tests.unit.execution.roll_out_worlds import read, ticks, written
from tests.unit.fleet import Fleet
from tests.unit.worlds import refused

MISSING = refused(400, "LibraryExecutionError", "missing feature(s): 'hello'")


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


def test_an_older_run_without_data_does_not_replace_a_newer_one() -> None:
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
    assert fleet.finish().phase is Phase.PARKED
    fleet.environment["KEY_e2"] = wrong
    read(fleet, tree if how == "added" else {**tree, "endpoints": [one, {**two, "name": "new"}]})
    fleet.run_operations.retry(fleet.parent().run_id)
    parent = fleet.finish()
    assert parent.phase is Phase.PROMOTED, parent.reason
    assert fleet.patched().count("e1") == fleet.patched().count("e2") == 1
    ticks(fleet, 3)
    assert not fleet.open_runs()


def test_an_endpoint_that_is_not_configured_any_more_gets_no_model_by_a_retry() -> None:
    fleet = Fleet(size=3)
    wrong = fleet.environment.pop("KEY_e2")
    fleet.start()
    parent = fleet.finish()
    fleet.environment["KEY_e2"] = wrong
    tree = written(fleet)
    one, _, three = tree["endpoints"]
    read(fleet, {**tree, "endpoints": [one, three]})
    fleet.run_operations.retry(parent.run_id)
    assert fleet.finish().phase is Phase.PROMOTED
    ticks(fleet, 5)
    assert fleet.patched() == ["e1", "e3"]
    assert not fleet.open_runs()


def test_what_serves_newer_data_already_shows_nothing_of_this_model() -> None:
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
    fleet.finish()
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
    calm.finish()
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
    parent = fleet.finish()
    read(fleet, {**written(fleet), "endpoints": []})
    fleet.run_operations.retry(parent.run_id)
    assert fleet.finish().phase is Phase.FINISHED
    ticks(fleet, 3)
    assert not fleet.open_runs()


def test_the_reads_of_a_roll_out_grow_no_faster_than_its_endpoints() -> None:
    def reads(size: int) -> int:
        fleet = Fleet(size=size, roll_out={"first": 1, "then": 200})
        fleet.start()
        assert fleet.finish().phase is Phase.PROMOTED
        return fleet.calls.count("read runs")

    assert reads(80) <= 5 * reads(20)


def test_a_model_that_changed_nothing_goes_no_further_although_its_return_was_taken_over() -> None:
    fleet = Fleet(size=2)
    ignore = fleet.script("PATCH", "/e1", Answer(200, {}, b""), times=None)
    refuse = fleet.script("POST", "/e1/refresh", refused(400, "BadArgument", "No."), times=None)
    fleet.start("one.csv")
    first = fleet.finish(80)
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
        fleet.finish()
    child = fleet.child("e1")
    del fleet.documents.rows[f"runs/{child.run_id}"]
    del fleet.documents.rows[f"open/{child.run_id}"]
    if not parked:
        assert "its record was removed" in str(fleet.finish().reason)
    fleet.environment["KEY_e1"] = key
    fleet.run_operations.retry(fleet.parent().run_id)
    assert fleet.finish(120).phase is Phase.PROMOTED
    assert fleet.child("e1").run_id != child.run_id
    assert fleet.endpoints_serving(fleet.model()) == ["e1", "e2", "e3"]
