"""One model for several endpoints: each with a record of its own, and never repeated."""

import pytest

from shared.core.run.record import Origin, Phase
from shared.errors import InvalidTransitionError
from shared.providers.http.client import Answer
from tests.unit.fleet import Fleet
from tests.unit.worlds import refused


def test_every_endpoint_serves_the_model_and_has_a_record_of_its_own() -> None:
    fleet = Fleet()
    fleet.start()
    parent = fleet.finish()
    assert parent.phase is Phase.PROMOTED, parent.reason
    assert fleet.endpoints_serving(fleet.model()) == ["e1", "e2", "e3"]
    assert fleet.patched() == ["e1", "e2", "e3"]
    for name in fleet.members:
        child = fleet.child(name)
        assert child.phase is Phase.PROMOTED
        assert child.origin is Origin.ROLL_OUT
        assert child.parent == parent.run_id
        assert child.manifest == parent.manifest
        assert [endpoint.name for endpoint in child.config.endpoints] == [name]
    assert not fleet.open_runs()
    assert len(fleet.starts) == 1


def test_the_next_endpoint_is_not_updated_before_the_one_ahead_is_verified() -> None:
    fleet = Fleet()
    fleet.start()
    seen: list[tuple[int, int]] = []
    for _ in range(40):
        fleet.tick()
        done = len([r for r in fleet.runs() if r.parent and r.phase is Phase.PROMOTED])
        seen.append((len(fleet.patched()), done))
    assert all(patched <= done + 1 for patched, done in seen)
    assert seen[-1] == (3, 3)


@pytest.mark.parametrize("name", ["1.csv", "2.csv", "3.csv"])  # runs are checked by their ids
def test_the_tick_that_verifies_an_endpoint_updates_the_next_and_the_last_one_ends_the_run(
    name: str,
) -> None:
    fleet = Fleet()
    fleet.start(name)
    for number, one in enumerate(fleet.members, start=1):
        fleet.tick()
        while not (fleet.parent().deliveries and fleet.child(one).phase is Phase.PROMOTED):
            fleet.tick()
        assert len(fleet.patched()) == min(number + 1, 3)
    assert fleet.parent().phase is Phase.PROMOTED


def test_after_the_first_ones_many_are_updated_at_once() -> None:
    fleet = Fleet(size=6, roll_out={"first": 1, "then": 5})
    fleet.start()
    most = 0
    for _ in range(20):
        fleet.tick()
        most = max(most, len([r for r in fleet.runs() if r.phase is Phase.VERIFYING]))
    assert most == 5
    assert fleet.parent().phase is Phase.PROMOTED


def test_a_model_that_does_not_work_stops_at_the_first_endpoint() -> None:
    fleet = Fleet()
    old = fleet.serves("e1")
    fleet.start("new.csv")
    broken = refused(400, "LibraryExecutionError", "missing feature(s): 'hello'")

    def broken_while_new(method: str, path: str) -> Answer | None:
        if method != "POST" or not path.endswith("/execute") or not fleet.patched():
            return None
        return broken if fleet.serves("e1") != old else None

    fleet.http.answers.append(broken_while_new)
    parent = fleet.finish()
    assert parent.phase is Phase.ROLLED_BACK, parent.reason
    assert fleet.patched() == ["e1"]
    assert fleet.serves("e1") == fleet.serves("e2") == fleet.serves("e3") == old
    assert "not begun: e2, e3" in (parent.reason or "")


def test_a_partial_failure_is_retried_at_its_endpoint_and_the_others_are_left_alone() -> None:
    fleet = Fleet()
    wrong = fleet.environment.pop("KEY_e2")
    fleet.start()
    parent = fleet.finish()
    assert parent.phase is Phase.PARKED
    assert "1 of 3" in (parent.reason or "")
    assert "e2 parked" in (parent.reason or "")
    assert "not begun: e3" in (parent.reason or "")
    assert fleet.patched() == ["e1"]
    fleet.environment["KEY_e2"] = wrong
    fleet.run_operations.retry(parent.run_id)
    parent = fleet.finish()
    assert parent.phase is Phase.PROMOTED, parent.reason
    assert fleet.patched() == ["e1", "e2", "e3"]
    assert fleet.endpoints_serving(fleet.model()) == ["e1", "e2", "e3"]
    assert not fleet.open_runs()


def test_a_delivery_that_was_retried_by_itself_is_not_made_twice() -> None:
    fleet = Fleet()
    wrong = fleet.environment.pop("KEY_e2")
    fleet.start()
    parent = fleet.finish()
    fleet.environment["KEY_e2"] = wrong
    fleet.run_operations.retry(fleet.child("e2").run_id)
    fleet.until(fleet.child("e2"), Phase.PROMOTED)
    assert fleet.parent().phase is Phase.PARKED
    fleet.run_operations.retry(parent.run_id)
    assert fleet.finish().phase is Phase.PROMOTED
    assert fleet.patched() == ["e1", "e2", "e3"]


def test_an_endpoint_that_was_rolled_back_is_tried_again_by_a_run_of_its_own() -> None:
    fleet = Fleet()
    fleet.start()
    fleet.until(fleet.parent(), Phase.ROLLING_OUT)
    first = fleet.child("e1") if fleet.parent().deliveries else None
    fleet.until(fleet.child("e1"), Phase.PROMOTED)
    old = fleet.serves("e3")
    broken = refused(400, "LibraryExecutionError", "missing feature(s): 'hello'")
    execute = fleet.members["e2"].execute_url.partition("?")[0]

    def broken_while_new(method: str, path: str) -> Answer | None:
        mine = method == "POST" and path.endswith(execute)
        return broken if mine and fleet.serves("e2") != old else None

    fleet.http.answers.append(broken_while_new)
    parent = fleet.finish()
    assert parent.phase is Phase.PARKED, parent.reason
    failed = fleet.child("e2")
    assert failed.phase is Phase.ROLLED_BACK
    assert fleet.serves("e2") == old
    fleet.http.answers.remove(broken_while_new)
    fleet.run_operations.retry(parent.run_id)
    assert fleet.finish().phase is Phase.PROMOTED
    assert fleet.child("e2").run_id != failed.run_id
    assert fleet.child("e2").phase is Phase.PROMOTED
    assert fleet.endpoints_serving(fleet.model()) == ["e1", "e2", "e3"]
    assert fleet.patched().count("e1") == fleet.patched().count("e3") == 1
    assert first is None or first.run_id == fleet.child("e1").run_id


def test_a_cancelled_roll_out_begins_no_further_endpoint_and_finishes_what_it_began() -> None:
    fleet = Fleet()
    fleet.start()
    for _ in range(40):
        fleet.tick()
        if fleet.patched():
            break
    fleet.run_operations.cancel(fleet.parent().run_id)
    parent = fleet.finish()
    assert parent.phase is Phase.CANCELLED
    assert fleet.patched() == ["e1"]
    assert fleet.child("e1").phase is Phase.PROMOTED
    assert not fleet.open_runs()


def test_cancelling_a_parked_roll_out_leaves_no_delivery_open() -> None:
    fleet = Fleet()
    fleet.environment.pop("KEY_e2")
    fleet.start()
    parent = fleet.finish()
    assert parent.phase is Phase.PARKED
    fleet.run_operations.cancel(parent.run_id)
    assert fleet.finish().phase is Phase.CANCELLED
    assert fleet.child("e2").phase is Phase.CANCELLED
    fleet.tick()
    assert not fleet.open_runs()


def test_an_ended_roll_out_accepts_no_retry() -> None:
    fleet = Fleet()
    fleet.start()
    with pytest.raises(InvalidTransitionError):
        fleet.run_operations.retry(fleet.finish().run_id)


def test_a_newer_run_meanwhile_is_as_good_for_an_endpoint() -> None:
    fleet = Fleet()
    fleet.start("one.csv")
    fleet.tick()
    newer = fleet.next_run("two.csv", b"a,b,label\n5,6,1\n7,8,0\n")
    for _ in range(60):
        fleet.tick()
    phases = {run.run_id: run.phase for run in fleet.runs() if run.parent is None}
    assert phases[newer.run_id] is Phase.PROMOTED
    assert set(phases.values()) <= {Phase.PROMOTED, Phase.SUPERSEDED}
    model = next(iter(fleet.now_of(newer).models.values()))
    content = fleet.blobs.store.contents[f"https://account.blob.core.windows.net/{model.name}"]
    assert fleet.endpoints_serving(content) == ["e1", "e2", "e3"]


def test_waves_take_no_longer_each_than_one_endpoint_alone() -> None:
    def ticks(size: int) -> int:
        fleet = Fleet(size=size, roll_out={"first": 1, "then": 20})
        fleet.start()
        for count in range(1, 100):
            fleet.tick()
            if fleet.parent().phase is Phase.PROMOTED:
                return count
        raise AssertionError(fleet.parent().phase)

    assert ticks(41) <= 1.5 * ticks(2)  # three waves of 1, 20 and 20, and two waves of 1
