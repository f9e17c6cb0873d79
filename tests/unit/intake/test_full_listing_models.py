"""Models that appear with an old time, and the records that retention deletes."""

from typing import Any

import pytest

from shared.core.run.record import Origin, Phase
from shared.core.versions import version_id
from tests.fakes.world import MODELS
from tests.unit.intake.listed_worlds import (
    DAY,
    FOUND,
    HOUR,
    MINUTE,
    a_day_later,
    existing_in,
    state_of,
    ticks,
    world_of,
)
from tests.unit.maintenance.cleaning import cleaned
from tests.unit.worlds import Observed


def put_model(world: Observed, name: str, modified: Any = None) -> None:
    first = world.until(world.start("first.csv"), Phase.PROMOTED)
    content = world.model_of(first) + b" "
    world.blobs.appear(MODELS, name, content, modified or world.clock.now() - 30 * DAY)


def test_a_model_that_is_moved_to_promote_with_an_old_time_has_one_run_within_a_day() -> None:
    world = world_of()
    world.blobs.put(MODELS, "promote/sample/existing.ilearner", b"an old one")
    world.clock.move(HOUR)
    world.restart()
    ticks(world)
    put_model(world, "promote/sample/moved.ilearner")
    old = world.clock.now() - 30 * DAY
    world.blobs.appear(MODELS, "promote/other/unknown.ilearner", b"of no pipeline", old)
    world.app.model_events.model_arrived("promote/sample/moved.ilearner")
    assert [run.origin for run in world.runs()] == [Origin.DATA]
    a_day_later(world)
    (run,) = [run for run in world.runs() if run.origin is Origin.MODEL]
    assert run.cause == f"blob models/promote/sample/moved.ilearner, {FOUND}"
    assert run.phase is Phase.SUPERSEDED  # by its time it is older than the live model
    a_day_later(world)
    assert len(world.runs()) == 2


def test_a_model_that_no_event_announced_is_found_once() -> None:
    world = world_of()
    ticks(world)
    put_model(world, "promote/sample/moved.ilearner", world.clock.now() - MINUTE)
    a_day_later(world)
    a_day_later(world)
    assert [run.origin for run in world.runs()].count(Origin.MODEL) == 1


@pytest.mark.parametrize("noted", [False, True])
def test_a_model_that_is_found_is_recorded_as_other_versions_are(*, noted: bool) -> None:
    world = world_of()
    ticks(world)
    name = "promote/sample/moved.ilearner"
    put_model(world, name)
    first = None
    if noted:  # an event came upon it, and noted that it is older than its pipeline
        world.app.model_events.model_arrived(name)
        first = world.clock.now()
    world.clock.move(DAY)
    ticks(world)
    blob = world.blobs.head(MODELS, name)
    assert blob is not None
    entry = world.context.ledger.versions.entry(version_id(world.pipeline.name, blob))
    assert entry is not None
    assert entry.run_id is not None
    assert entry.blob.recorded_at is not None
    assert first is None or entry.blob.recorded_at == first


def test_records_that_no_pipeline_needs_any_more_are_removed() -> None:
    world = world_of("existing.csv")
    ticks(world)
    (first,) = existing_in(world)
    world.upload("other-1.csv")
    world.clock.move(HOUR)
    both = world.another(world.sibling(when_busy="newest"))
    ticks(world, lister=both.full_listings)
    assert len(existing_in(world)) == 2
    for days in (1, 1, 200, 150):
        world.clock.move(days * DAY)
        ticks(world)
        cleaned(world)
    assert len(existing_in(world)) == 2  # it may come back
    world.clock.move(60 * DAY)
    ticks(world)
    for _ in range(2):
        world.clock.move(2 * DAY)
        cleaned(world)
    assert existing_in(world) == [first]
    assert set(state_of(world).covered) == {"sample"}
