"""Bursts that take longer than a call: no version is lost, and none is used twice."""

from datetime import timedelta
from functools import cache
from typing import Any

import pytest

from shared.intake.batch_claims import PART
from tests.fakes.documents import MemoryDocuments
from tests.fakes.faults import Kind
from tests.fakes.world import DATA
from tests.unit.intake.configured_hosts import MINUTE, NO_ENDPOINT, counted, ticks
from tests.unit.intake.test_batches import (
    BURST,
    LISTED,
    NEWEST,
    arrive,
    trained_on,
    waiting,
    world_of,
)
from tests.unit.worlds import Observed

# Bursts that take longer than a call


class SlowDocuments(MemoryDocuments):
    """A storage whose every call takes a while."""

    takes = timedelta(milliseconds=20)
    calls = 0

    def read(self, name: str) -> Any:
        self._take()
        return super().read(name)

    def create(self, *args: Any, **kwargs: Any) -> Any:
        self._take()
        return super().create(*args, **kwargs)

    def replace(self, *args: Any, **kwargs: Any) -> Any:
        self._take()
        return super().replace(*args, **kwargs)

    def delete(self, *args: Any, **kwargs: Any) -> None:
        self._take()
        super().delete(*args, **kwargs)

    def listing(self, prefix: str) -> Any:
        self._take()
        yield from super().listing(prefix)

    def _take(self) -> None:
        self.calls += 1
        self.clock.move(self.takes)


def slow_world(pipeline: dict[str, Any], blobs: int) -> Observed:
    """Return a world with a burst in its inbox, over a storage that is slow from now on."""
    world = world_of({**pipeline, **NO_ENDPOINT}, **LISTED)
    world.app.activations.refresh()
    for number in range(blobs):
        world.upload(f"{number:05}.csv", b"a,b,label\n%d,2,0\n" % number)
        found = world.blobs.head(DATA, f"{number:05}.csv")
        assert found is not None
        world.discover(found)
    slow = SlowDocuments(world.clock, world.faults, world.documents.rows, world.documents.versions)
    world.documents = slow
    world.restart()
    world.clock.move(3 * MINUTE)
    return world


@cache
def prepared() -> Observed:
    """Return a world with a burst of 2,000 blobs, which is only to be copied."""
    return slow_world(BURST, 2_000)


def test_a_great_burst_ends_over_several_ticks_and_none_is_over_its_budget() -> None:
    world = prepared().copied()
    assert isinstance(world.documents, SlowDocuments)
    world.documents.takes = timedelta(milliseconds=100)  # as long as 10,000 faster ones
    most = []
    for _ in range(20):
        began = world.clock.now()
        world.poll.tick()
        most.append(world.clock.now() - began)
        if world.runs() and not waiting(world):
            break
        world.clock.move(timedelta(seconds=30))
    (run,) = world.runs()
    assert len(run.manifest) == 2_000
    assert waiting(world) == []
    assert max(most) <= world.limits.tick
    assert len(most) > 2


@pytest.mark.parametrize("kill_at", [300, 1000, 2500, 4000])
def test_a_worker_killed_in_a_great_burst_leaves_something_to_continue_from(kill_at: int) -> None:
    world = prepared().copied()
    assert isinstance(world.documents, SlowDocuments)
    world.faults.plan = {len(world.faults.sites) + kill_at: Kind.CRASH_AFTER}
    world.survive(world.poll.tick)
    assert len(world.faults.sites) >= kill_at
    before = world.documents.calls
    for _ in range(10):
        world.clock.move(MINUTE)
        world.poll.tick()
    (run,) = world.runs()
    assert len(run.manifest) == 2_000
    assert waiting(world) == []
    claimed = min(kill_at, 2_000) // PART * PART
    # A version costs a claim and its pointer's deletion, and nothing more where it was claimed.
    assert world.documents.calls - before < 2 * 2_000 - claimed + 2 * PART + 500


def test_no_more_versions_than_a_record_can_hold_go_into_one_run(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("shared.intake.batch_claims.MOST_VERSIONS", 30)
    world = world_of({**BURST, **NO_ENDPOINT}, **LISTED)
    arrive(world, *(f"{number:02}.csv" for number in range(70)))
    world.clock.move(3 * MINUTE)
    ticks(world, 60)
    assert [len(found) for found in trained_on(world)] == [30, 30, 10]
    assert set(counted(world).values()) == {1}


def test_data_that_comes_while_a_burst_is_being_taken_is_not_lost() -> None:
    world = prepared().copied()
    world.faults.plan = {len(world.faults.sites) + 1000: Kind.CRASH_AFTER}
    world.survive(world.poll.tick)
    for number in range(50):
        world.upload(f"late-{number}.csv", b"a,b,label\n%d,7,0\n" % number)
        found = world.blobs.head(DATA, f"late-{number}.csv")
        assert found is not None
        world.discover(found)
    for _ in range(10):
        world.clock.move(3 * MINUTE)
        world.studio.work()
        world.poll.tick()
    assert len(counted(world)) == 2_050
    assert set(counted(world).values()) == {1}
    assert waiting(world) == []


# What an event costs


@pytest.mark.parametrize("blobs", [80, 800])
def test_an_event_of_a_burst_costs_as_much_however_many_came_before(blobs: int) -> None:
    world = world_of({**NEWEST, **NO_ENDPOINT})
    world.app.activations.refresh()
    endpoint_states = world.blobs.head_calls
    world.calls.clear()
    for number in range(blobs):
        world.upload(f"{number}.csv", b"a,b,label\n%d,2,0\n" % number)
        world.deliver(f"{number}.csv")
    ticks(world, 12)
    assert len(trained_on(world)) == 2
    calls = (
        len(world.calls) + world.blobs.head_calls - endpoint_states - blobs
    )  # an upload here looks once
    assert calls <= 12 * blobs
