"""The full listing is bounded in calls and time."""

import pytest

from tests.fakes.world import DATA
from tests.unit.intake.listed_worlds import (
    DAY,
    MINUTE,
    listing,
    pages_of,
    state_of,
    ticks,
    world_of,
)
from tests.unit.intake.test_batches import waiting


def test_an_idle_tick_costs_nothing_and_a_new_process_two_small_reads() -> None:
    world = world_of("existing.csv")
    ticks(world)
    lister = listing(world)
    lister.run_until(world.clock.now() + MINUTE)
    world.calls.clear()
    pages = world.blobs.pages
    for _ in range(60):
        world.clock.move(MINUTE)
        lister.run_until(world.clock.now() + MINUTE)
    assert (world.calls, world.blobs.pages) == ([], pages)
    listing(world).run_until(world.clock.now() + MINUTE)
    reads = [call for call in world.calls if call != "list configurations"]
    assert reads == ["read full_listing_models", "read full_listing"]


def test_a_daily_listing_looks_up_nothing_that_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    world = world_of(*[f"old{number}.csv" for number in range(20)])
    ticks(world)
    for number in range(20):
        world.upload(f"{number}.csv", f"{number}".encode())
        world.deliver(f"{number}.csv")
    for _ in range(5):
        world.tick()
    world.clock.move(DAY)
    pages_of(world, 5, monkeypatch)
    world.calls.clear()
    listing(world).run_until(world.clock.now() + 3 * MINUTE)
    assert state_of(world).complete
    assert [call for call in world.calls if call.startswith(("read v", "create"))] == []
    assert world.calls.count("replace full_listing") == 9  # its begin, and each page


def test_a_tick_is_bounded_in_calls_and_time(monkeypatch: pytest.MonkeyPatch) -> None:
    world = world_of()
    ticks(world)
    for number in range(200):
        old = world.clock.now() - 2 * DAY
        world.blobs.appear(DATA, f"{number:03}.csv", f"{number}".encode() * 9, old)
    world.clock.move(DAY)
    lister = listing(world)
    lister.run_until(world.clock.now() + 3 * MINUTE)
    assert not state_of(world).complete
    assert 90 <= len(waiting(world)) <= 100
    for _ in range(2):
        lister.run_until(world.clock.now() + 3 * MINUTE)
    assert state_of(world).complete
    assert len(waiting(world)) == 200
    assert state_of(world).found == 200
