"""Blobs that existed before a pipeline are recorded, and open no run."""

import pytest

from shared.core.run.record import Phase
from tests.fakes.world import DATA, pipeline
from tests.unit.intake.listed_worlds import (
    DAY,
    HOUR,
    MINUTE,
    ROWS,
    a_day_later,
    existing_in,
    ticks,
    world_of,
)
from tests.unit.intake.test_batches import trained_on
from tests.unit.worlds import Observed


@pytest.mark.parametrize(
    ("backfill", "before"), [("none", []), ("newest", ["b.csv"]), ("all", ["a.csv", "b.csv"])]
)
def test_existing_data_is_taken_only_by_a_backfill(backfill: str, before: list[str]) -> None:
    data = {"blob": "{name}.csv", "backfill": backfill}
    world = Observed(config={"pipeline": {"when_busy": "newest", "data": data}})
    for name in ("a.csv", "b.csv"):
        world.clock.move(MINUTE)
        world.upload(name, name.encode() * 9)
    world.clock.move(HOUR)
    world.restart()
    ticks(world, 20)
    a_day_later(world)
    assert trained_on(world) == ([before] if before else [])
    world.blobs.appear(DATA, "c.csv", ROWS, world.clock.now() - 99 * DAY)
    a_day_later(world)
    a_day_later(world)
    assert trained_on(world) == [*([before] if before else []), ["c.csv"]] or trained_on(world) == [
        ["c.csv"],
        before,
    ]


def test_what_existed_and_matches_another_pattern_later_is_still_older_than_the_pipeline() -> None:
    world = world_of("other-1.csv", data={"blob": "{name}.txt"})
    ticks(world)
    world.blobs.appear(DATA, "other-2.csv", ROWS, world.clock.now() - DAY)
    a_day_later(world)
    assert world.runs() == []  # it is not for the pipeline
    changed = {"when_busy": "newest", "data": {"blob": "{name}.csv"}}
    world.pipeline = pipeline(world.training, world.endpoint, {"pipeline": changed})
    world.restart()
    a_day_later(world)
    assert trained_on(world) == [["other-2.csv"]]  # it appeared after the pipeline


def test_a_pipeline_that_is_added_later_has_its_own_time() -> None:
    world = world_of("existing.csv", "other-1.csv")
    ticks(world)
    world.blobs.appear(DATA, "other-2.csv", ROWS, world.clock.now() - DAY)
    world.clock.move(DAY)
    ticks(world)
    other = world.sibling(when_busy="newest")
    world.app = world.another(other)
    ticks(world)
    assert len(existing_in(world)) == 2
    world.blobs.appear(DATA, "other-3.csv", ROWS + b"1,1,1\n", world.clock.now() - 99 * DAY)
    a_day_later(world)
    a_day_later(world)
    found = sorted((run.pipeline, blob.name) for run in world.runs() for blob in run.manifest)
    assert found == [
        ("other", "other-3.csv"),
        ("sample", "other-2.csv"),
        ("sample", "other-3.csv"),
    ]


def test_a_pipeline_for_which_an_arrival_opened_no_run_begins_with_what_is_there() -> None:
    world = world_of(data={"blob": "{name}.csv", "opens_runs": False})
    ticks(world)
    assert existing_in(world) == []  # nothing is recorded for it
    world.upload("landed.csv")
    ticks(world, 60)
    world.pipeline = pipeline(world.training, world.endpoint, {"pipeline": {"when_busy": "newest"}})
    world.restart()
    ticks(world)
    world.blobs.appear(DATA, "renamed.csv", ROWS, world.clock.now() - DAY)
    a_day_later(world)
    a_day_later(world)
    assert trained_on(world) == [["renamed.csv"]]


def test_data_that_arrives_while_an_arrival_opens_no_run_counts_as_existing() -> None:
    world = world_of()
    ticks(world)
    usual = world.pipeline
    assert usual.data is not None
    silent = usual.data.model_copy(update={"opens_runs": False})
    world.pipeline = usual.model_copy(update={"data": silent})
    world.restart()
    ticks(world, 60)
    world.upload("landed.csv")
    ticks(world, 60)
    world.pipeline = usual
    world.restart()
    ticks(world, 60)
    a_day_later(world)
    assert world.runs() == []


def test_a_new_version_of_the_app_begins_with_what_is_there() -> None:
    world = world_of("older.csv")
    world.app.search.run_until(world.clock.now() + MINUTE)
    world.clock.move(300 * DAY)
    world.app.search.run_until(world.clock.now() + MINUTE)
    world.blobs.appear(DATA, "appeared-before.csv", ROWS, world.clock.now() - DAY)
    world.restart()
    ticks(world)
    a_day_later(world)
    assert world.runs() == []
    world.blobs.appear(DATA, "appeared-since.csv", ROWS, world.clock.now() - 200 * DAY)
    a_day_later(world)
    assert trained_on(world) == [["appeared-since.csv"]]


def test_a_blob_that_is_renamed_over_a_known_one_is_another_version() -> None:
    world = world_of()
    ticks(world)
    world.until(world.start("a.csv"), Phase.PROMOTED)
    world.blobs.appear(DATA, "a.csv", ROWS, world.clock.now() - 200 * DAY)
    a_day_later(world)
    assert trained_on(world) == [["a.csv"], ["a.csv"]]
    assert len({run.manifest[0].etag for run in world.runs()}) == 2
