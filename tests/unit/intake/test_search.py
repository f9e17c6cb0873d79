"""The search finds data whose event was lost, once."""

import pytest

from shared.core.run.record import Phase
from tests.fakes.faults import Faults
from tests.unit.intake.searched_worlds import HOUR, MINUTE, search, world_of
from tests.unit.intake.test_batches import arrive, trained_on, waiting
from tests.unit.worlds import Observed


@pytest.mark.parametrize("when_busy", ["newest", "queue", "parallel"])
def test_data_whose_event_never_came_is_trained_on(when_busy: str) -> None:
    world = world_of(when_busy=when_busy)
    search(world)
    world.upload("lost.csv")
    search(world)
    for _ in range(20):
        world.tick()
    assert trained_on(world) == [["lost.csv"]]
    stored_search = world.context.ledger.search.read()
    assert stored_search is not None
    assert (stored_search.record.complete, stored_search.record.found) == (True, 1)
    world.deliver("lost.csv")  # a day late
    search(world)
    assert len(world.runs()) == 1


def test_data_that_was_announced_is_not_reported_as_found() -> None:
    world = world_of(when_busy="newest")
    arrive(world, "a.csv", "b.csv")
    search(world)
    stored_search = world.context.ledger.search.read()
    assert stored_search is not None
    assert (stored_search.record.checked, stored_search.record.found) == (2, 0)


def test_an_event_that_is_under_way_is_given_time() -> None:
    world = world_of(when_busy="newest")
    world.clock.move(HOUR)
    world.upload("young.csv")
    search(world, minutes=1)
    assert waiting(world) == []
    search(world)
    assert len(waiting(world)) == 1


def test_only_what_changed_since_the_last_search_is_looked_up() -> None:
    world = world_of(when_busy="newest")
    arrive(world, *[f"{number}.csv" for number in range(20)])
    search(world)
    search(world, minutes=60)
    world.upload("new.csv")
    world.calls.clear()
    search(world, minutes=60)
    assert world.calls.count("read versions") == 1


def test_old_data_is_left_alone_unless_it_is_wanted() -> None:
    world = Observed(config={"pipeline": {"when_busy": "newest"}})
    world.upload("old.csv")
    world.clock.move(HOUR)
    world.restart()
    search(world)
    search(world)
    assert world.runs() == []
    assert waiting(world) == []


@pytest.mark.parametrize(
    ("backfill", "expected"), [("newest", ["b.csv"]), ("all", ["a.csv", "b.csv"])]
)
def test_old_data_is_taken_once_where_it_is_wanted(backfill: str, expected: list[str]) -> None:
    data = {"blob": "{name}.csv", "backfill": backfill}
    world = Observed(config={"pipeline": {"when_busy": "newest", "data": data}})
    for name in ("a.csv", "b.csv"):
        world.clock.move(MINUTE)
        world.upload(name, name.encode() * 9)
    world.clock.move(HOUR)
    world.restart()
    search(world)
    search(world)
    world.tick()
    assert trained_on(world) == [expected]
    activated = world.context.ledger.activations.read("sample")
    assert activated is not None
    assert activated.record.backfilled_at is not None  # no search begins at the front any more
    for _ in range(3):
        search(world)
        world.restart()
        world.tick()
    assert trained_on(world) == [expected]


def test_a_marker_may_be_empty_and_names_the_data_beside_it() -> None:
    data = {"blob": "days/{day}/_SUCCESS", "marker": True}
    inputs = {"input1": "days/{day}/train.csv"}
    world = Observed(
        config={"pipeline": {"when_busy": "newest", "data": data}, "training": {"inputs": inputs}}
    )
    world.upload("days/monday/train.csv")
    assert world.deliver("days/monday/train.csv") == []
    world.upload("days/monday/_SUCCESS", b"")
    (run,) = world.deliver("days/monday/_SUCCESS")
    assert run.phase is Phase.TRAINING
    assert run.inputs["input1"].name == "days/monday/train.csv"
    assert world.until(run, Phase.PROMOTED).tokens == {"day": "monday"}


def test_data_beside_a_marker_that_comes_late_is_waited_for() -> None:
    data = {"blob": "days/{day}/_SUCCESS", "marker": True}
    inputs = {"input1": "days/{day}/train.csv"}
    world = Observed(
        config={"pipeline": {"when_busy": "newest", "data": data}, "training": {"inputs": inputs}}
    )
    world.upload("days/monday/_SUCCESS", b"")
    (run,) = world.deliver("days/monday/_SUCCESS")
    assert run.phase is Phase.RECEIVED
    world.idle(3 * MINUTE)
    world.upload("days/monday/train.csv")
    world.until(run, Phase.PROMOTED)


def test_data_beside_a_marker_that_is_replaced_under_the_job_is_trained_on_again() -> None:
    data = {"blob": "days/{day}/_SUCCESS", "marker": True}
    training = {"inputs": {"input1": "days/{day}/train.csv"}, "attempts": 2}
    config = {"pipeline": {"when_busy": "newest", "data": data}, "training": training}
    world = Observed(config=config, faults=Faults({}))
    world.upload("days/monday/train.csv")
    world.upload("days/monday/_SUCCESS", b"")
    (run,) = world.deliver("days/monday/_SUCCESS")
    world.clock.move(MINUTE)
    world.upload("days/monday/train.csv", b"a,b,label\n7,7,1\n3,4,0\n")
    ended = world.until(run, Phase.PROMOTED)
    assert ended.attempt == 2
    assert "was replaced while the job ran" in ended.ended_attempts[0].reason
