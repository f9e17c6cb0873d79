"""Blobs of a burst that were deleted or replaced keep no other from training."""

from typing import Any

import pytest

from shared.core.run.record import Phase
from shared.operations.commands import OperatorCommand
from tests.fakes.faults import Kind
from tests.fakes.world import DATA
from tests.unit.intake.burst_worlds import FAULTS, MINUTE, SECOND, finished_with, ticks
from tests.unit.intake.test_batches import (
    BURST,
    LISTED,
    arrive,
    trained_on,
    world_of,
)
from tests.unit.worlds import Observed

#: A burst whose job is given the list of all its blobs, and no endpoint to wait for.
LIST_OF_BURST: dict[str, Any] = {**BURST, "endpoints": []}


def listed_burst(*names: str, **pipeline_: Any) -> Observed:
    """A burst that has arrived and is in no run yet; its job gets a manifest."""
    world = world_of({**LIST_OF_BURST, **pipeline_}, **LISTED)
    arrive(world, *names)
    return world


# What was deleted


def test_a_blob_deleted_before_the_job_does_not_take_the_rest_of_its_burst_along() -> None:
    world = listed_burst("a.csv", "b.csv", "c.csv")
    world.blobs.remove(DATA, "b.csv")
    ticks(world, 20)
    assert {"a.csv", "c.csv"} <= finished_with(world)


def test_when_the_newest_snapshot_of_a_burst_is_deleted_the_one_before_is_trained_on() -> None:
    burst = {"when_busy": "newest", "data": {"blob": "{name}.csv", "settle": "2m"}}
    world = Observed(config={"pipeline": burst})
    arrive(world, "a.csv", "b.csv", "wrong.csv")
    world.blobs.remove(DATA, "wrong.csv")
    ticks(world, 30)
    (finished,) = [run for run in world.runs() if run.phase is Phase.PROMOTED]
    assert finished.newest is not None
    assert finished.newest.name == "b.csv"
    (gave_way,) = [run for run in world.runs() if run.phase is Phase.SUPERSEDED]
    assert "wrong.csv was deleted" in str(gave_way.reason)


def test_a_deleted_blob_does_not_have_every_later_run_rejected() -> None:
    world = listed_burst("a.csv", "b.csv")
    world.blobs.remove(DATA, "b.csv")
    ticks(world, 10)
    for name in ("c.csv", "d.csv"):
        arrive(world, name)
        ticks(world, 15)
    assert {"c.csv", "d.csv"} <= finished_with(world)


def test_a_blob_emptied_under_its_run_does_not_have_every_later_run_superseded() -> None:
    world = listed_burst("a.csv", "b.csv")
    world.clock.move(MINUTE)
    world.upload("b.csv", b"")
    world.deliver("b.csv")
    ticks(world, 10)
    for name in ("c.csv", "d.csv"):
        arrive(world, name)
        ticks(world, 15)
    assert {"a.csv", "c.csv", "d.csv"} <= finished_with(world)


def test_the_rest_of_a_burst_is_trained_on_when_one_of_its_blobs_was_emptied() -> None:
    world = listed_burst("a.csv", "b.csv", "c.csv")
    world.clock.move(MINUTE)
    world.upload("b.csv", b"")
    world.deliver("b.csv")
    ticks(world, 30)
    assert {"a.csv", "c.csv"} <= finished_with(world)


def test_a_burst_deleted_as_a_whole_ends_with_its_reason() -> None:
    world = listed_burst("a.csv", "b.csv")
    for name in ("a.csv", "b.csv"):
        world.blobs.remove(DATA, name)
    ticks(world, 10)
    assert world.run().phase is Phase.REJECTED
    assert "deleted" in str(world.run().reason)
    assert world.starts == []


def test_a_blob_deleted_under_its_job_changes_nothing() -> None:
    world = listed_burst("a.csv", "b.csv")
    world.clock.move(3 * MINUTE)
    world.poll.tick()
    assert world.run().phase is Phase.TRAINING
    world.blobs.remove(DATA, "a.csv")
    ticks(world, 10)
    assert world.run().phase is Phase.FINISHED


# What was replaced


def replaced_under_its_job() -> Observed:
    """A superseded run of three blobs; the new version of one waits in the inbox."""
    world = listed_burst("a.csv", "b.csv", "c.csv")
    world.clock.move(3 * MINUTE)
    world.poll.tick()
    world.upload("b.csv", b"a,b,label\n9,9,1\n")
    world.deliver("b.csv")
    world.until(world.run(), Phase.SUPERSEDED)
    return world


@pytest.mark.parametrize("kind", FAULTS)
def test_the_rest_of_a_superseded_burst_survives_a_fault_at_any_call(
    kind: Kind,
) -> None:
    lost = []
    for call in range(FAULTS.index(kind), 20, 5):
        world = replaced_under_its_job()
        world.faults.plan = {len(world.faults.sites) + call: kind}
        for _ in range(20):
            world.survive(world.tick)
        left = {"a.csv", "b.csv", "c.csv"} - finished_with(world)
        if left:
            lost.append((call, sorted(left)))
    assert lost == []


def test_the_rest_of_a_burst_is_trained_on_when_its_run_was_parked_meanwhile() -> None:
    world = world_of(LIST_OF_BURST, **LISTED)
    key = world.environment.pop("TRAINING_KEY")
    arrive(world, "a.csv", "b.csv")
    world.tick(150)
    parked = world.run()
    assert parked.phase is Phase.PARKED
    world.environment["TRAINING_KEY"] = key
    arrive(world, "b.csv")
    ticks(world, 20)
    world.run_operations.retry(parked.run_id)
    ticks(world, 20)
    assert world.now_of(parked).phase is Phase.SUPERSEDED
    assert finished_with(world) == {"a.csv", "b.csv"}


def test_the_rest_of_a_burst_is_trained_on_when_another_burst_came_between() -> None:
    world = listed_burst("a.csv", "b.csv", when_busy="parallel")
    world.clock.move(3 * MINUTE)
    world.poll.tick()
    arrive(world, "c.csv")
    world.clock.move(3 * MINUTE)
    world.poll.tick()
    assert trained_on(world) == [["a.csv", "b.csv"], ["c.csv"]]
    arrive(world, "b.csv")
    ticks(world, 30)
    assert finished_with(world) == {"a.csv", "b.csv", "c.csv"}


def test_what_was_trained_and_rejected_by_an_operator_is_not_trained_on_again() -> None:
    first = world_of(BURST).pipeline.endpoints[0].model_dump(mode="json")
    second = {**first, "name": "second", "resource": "another", "verify": None}
    changes = {**BURST, "gate": {"approval": "required"}, "endpoints": [first, second]}
    world = world_of(changes, **LISTED)
    arrive(world, "a.csv")
    world.tick(150)
    run = world.until(world.run(), Phase.AWAITING_APPROVAL)
    world.run_operations.reject(run.run_id, OperatorCommand("ada", "no"))
    arrive(world, "b.csv")
    world.tick(150)
    assert trained_on(world) == [["a.csv"], ["b.csv"]]


def burnt_etags(*, newer_first: bool) -> int:
    """How many writes come before two whose ETags, the last tie-breaker, are in this order."""
    return next(n - 1 for n in range(1, 99) if (f"0x{n + 1}" < f"0x{n}") is newer_first)


@pytest.mark.parametrize("newer_first", [True, False])
@pytest.mark.parametrize("training", [{}, LISTED], ids=["newest", "listed"])
def test_a_blob_written_twice_within_a_second_is_trained_on_as_it_is_now(
    training: dict[str, Any], *, newer_first: bool
) -> None:
    world = world_of(LIST_OF_BURST, **training)
    for _ in range(burnt_etags(newer_first=newer_first)):
        world.blobs.put("elsewhere", "any", b"")
    for content in (b"a,b,label\n1,2,0\n", b"a,b,label\n1,2,0\n3,4,1\n"):
        world.upload("a.csv", content)
        world.deliver("a.csv")
    ticks(world, 30)
    assert [run.phase for run in world.runs()] == [Phase.FINISHED]


def test_bytes_that_were_there_before_are_eligible_after_others() -> None:
    world = world_of(LIST_OF_BURST)
    created = world.clock.now()
    for content in (b"a,b,label\n1,2,0\n", b"a,b,label\n3,4,1\n", b"a,b,label\n1,2,0\n"):
        world.upload("a.csv", content)
        facts = world.blobs.facts[f"https://account.blob.core.windows.net/{DATA}/a.csv"]
        facts.created = created  # a service that keeps the time of the first writing
        world.deliver("a.csv")
        world.clock.move(SECOND)
    ticks(world, 30)
    assert finished_with(world) == {"a.csv"}
