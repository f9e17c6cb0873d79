"""Blobs that appear with an old time are found once a day; existing ones open no run."""

import pytest

from shared.core.run.record import Phase
from tests.fakes.world import DATA
from tests.unit.intake.listed_worlds import (
    DAY,
    FOUND,
    HOUR,
    ROWS,
    a_day_later,
    state_of,
    ticks,
    world_of,
)
from tests.unit.intake.test_batches import trained_on


@pytest.mark.parametrize("when_busy", ["newest", "queue", "parallel"])
def test_a_blob_that_appears_with_an_old_time_has_one_run_within_a_day(when_busy: str) -> None:
    world = world_of("existing.csv", when_busy=when_busy)
    ticks(world)
    world.blobs.appear(DATA, "renamed.csv", ROWS, world.clock.now() - 30 * DAY)
    ticks(world, 60)
    assert world.runs() == []  # neither an event nor the search reports it
    a_day_later(world)
    assert trained_on(world) == [["renamed.csv"]]
    assert world.run().cause == f"blob training-data/renamed.csv, {FOUND}"
    assert world.run().phase is Phase.PROMOTED
    for _ in range(3):
        a_day_later(world)
    assert len(world.runs()) == 1
    assert state_of(world).found == 0


def test_a_blob_renamed_into_place_that_is_younger_than_the_pipeline_is_found_too() -> None:
    world = world_of()
    ticks(world)
    world.clock.move(30 * DAY)
    ticks(world)
    world.blobs.appear(DATA, "renamed.csv", ROWS, world.clock.now() - 10 * DAY)
    a_day_later(world)
    assert trained_on(world) == [["renamed.csv"]]


def test_an_event_or_a_search_that_calls_it_old_does_not_hide_it() -> None:
    world = world_of("existing.csv")
    ticks(world)
    world.blobs.appear(DATA, "copied.csv", ROWS, world.clock.now() - 30 * DAY)
    world.deliver("copied.csv")
    world.deliver("existing.csv")
    assert world.runs() == []
    world.restart()
    a_day_later(world)
    assert trained_on(world) == [["copied.csv"]]


def test_what_is_deleted_and_restored_is_trained_on_as_often_as_before() -> None:
    world = world_of("existing.csv")
    ticks(world)
    world.upload("known.csv", ROWS)
    world.deliver("known.csv")
    world.upload("unseen.csv", ROWS + b"1,1,1\n")  # its event is lost, and it goes at once
    for name in ("existing.csv", "known.csv", "unseen.csv"):
        world.blobs.delete_softly(DATA, name)
    world.clock.move(3 * DAY)
    ticks(world)
    for name in ("existing.csv", "known.csv", "unseen.csv"):
        world.blobs.undelete(DATA, name)
    a_day_later(world)
    assert sorted(trained_on(world)) == [["known.csv"], ["unseen.csv"]]


def test_a_burst_with_old_times_says_how_many_were_found() -> None:
    world = world_of()
    ticks(world)
    for name in ("a.csv", "b.csv"):
        world.blobs.appear(DATA, name, name.encode() * 9, world.clock.now() - DAY)
    a_day_later(world)
    assert world.run().cause == ("2 blobs arrived, 2 of them found by the daily listing")


def test_a_small_or_empty_blob_that_appears_opens_no_run() -> None:
    world = world_of(data={"blob": "{name}.csv", "min_size": "10B"})
    ticks(world)
    world.blobs.appear(DATA, "small.csv", b"1", world.clock.now() - DAY)
    a_day_later(world)
    assert world.runs() == []


def test_a_metadata_only_update_of_an_existing_blob_is_left_to_the_other_rules() -> None:
    world = world_of("existing.csv")
    ticks(world)
    world.clock.move(HOUR)
    world.blobs.update_metadata(DATA, "existing.csv")
    world.deliver("existing.csv")
    for _ in range(3):
        a_day_later(world)
    assert world.runs() == []
