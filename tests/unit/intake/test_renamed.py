"""Data that waits when its pipeline is renamed is trained on; any worker may find it first."""

from collections.abc import Callable
from datetime import timedelta

import pytest

from shared.core.run.record import Phase
from shared.core.versions import version_id
from tests.fakes.faults import Kind
from tests.fakes.world import DATA
from tests.unit.intake.configured_hosts import MINUTE, NO_ENDPOINT, configure, ticks
from tests.unit.intake.test_batches import BURST, arrive, trained_on, waiting, world_of
from tests.unit.worlds import Observed


def search(world: Observed) -> None:
    until = world.clock.now() + 3 * MINUTE
    world.app.search.run_until(until)


def events(world: Observed) -> None:
    for name in ("a.csv", "b.csv"):
        world.deliver(name)


def renamed() -> Observed:
    """Two blobs wait for a pipeline that has another name from now on."""
    world = world_of({**BURST, **NO_ENDPOINT})
    arrive(world, "a.csv", "b.csv")
    world.clock.move(6 * MINUTE)
    configure(world, name="renamed")
    world.app.activations.refresh()
    return world


@pytest.mark.parametrize("come_upon", [search, events])
def test_a_search_or_an_event_before_the_tick_does_not_lose_what_waits(
    come_upon: Callable[[Observed], None],
) -> None:
    world = renamed()
    come_upon(world)
    ticks(world)
    assert [run.pipeline for run in world.runs()] == ["renamed"]
    assert trained_on(world) == [["a.csv", "b.csv"]]
    assert waiting(world) == []


def test_a_version_whose_record_cannot_be_read_keeps_none_of_the_others() -> None:
    world = renamed()
    blob = world.blobs.head(DATA, "a.csv")
    assert blob is not None
    world.damage(f"versions/{version_id(world.pipeline.name, blob)}")
    ticks(world)
    assert trained_on(world) == [["b.csv"]]
    assert len(waiting(world)) == 1  # until that record is corrected


def test_a_pointer_that_is_leased_keeps_none_of_the_others() -> None:
    world = renamed()
    held = waiting(world)[0]
    world.documents.leased.add(held)
    ticks(world)
    assert trained_on(world) == [["a.csv", "b.csv"]]
    assert waiting(world) == [held]
    world.documents.leased.clear()
    ticks(world)
    assert trained_on(world) == [["a.csv", "b.csv"]]
    assert waiting(world) == []


def test_a_leased_pointer_of_what_was_trained_does_not_keep_new_data_waiting() -> None:
    world = world_of({"when_busy": "newest", **NO_ENDPOINT})
    world.upload("a.csv")
    blob = world.blobs.head(DATA, "a.csv")
    assert blob is not None
    assert world.discover(blob)
    world.documents.leased.update(waiting(world))
    ticks(world, 10)
    arrive(world, "b.csv", "c.csv")
    ticks(world, 10)
    assert trained_on(world) == [["a.csv"], ["b.csv"], ["c.csv"]]
    assert {run.phase for run in world.runs()} == {Phase.FINISHED}
    world.documents.leased.clear()
    arrive(world, "d.csv")
    ticks(world, 10)
    assert len(world.runs()) == 4
    assert waiting(world) == []


def test_a_run_that_was_announced_and_never_opened_goes_to_the_new_name() -> None:
    """Each version has its own run at once; the worker died before it stored the record."""
    world = world_of({"when_busy": "parallel", **NO_ENDPOINT})
    world.upload("a.csv")
    world.clock.move(timedelta(seconds=5))
    calm = world_of({"when_busy": "parallel", **NO_ENDPOINT})
    calm.upload("a.csv")
    calm.deliver("a.csv")
    at = [s for s in calm.faults.sites if not s.endswith(" clock")].index("create versions")
    world.faults.plan = {len(world.faults.sites) + at: Kind.CRASH_AFTER}
    assert not world.survive(lambda: world.deliver("a.csv"))
    assert world.runs() == []
    world.clock.move(MINUTE)
    configure(world, name="renamed")
    world.app.activations.refresh()
    ticks(world, 60)
    assert [run.pipeline for run in world.runs()] == ["renamed"]
    assert trained_on(world) == [["a.csv"]]
    assert world.open_runs() == []
    assert waiting(world) == []


def test_such_a_run_is_opened_where_its_pipeline_comes_back() -> None:
    world = world_of({"when_busy": "parallel", **NO_ENDPOINT})
    before = world.pipeline
    world.upload("a.csv")
    blob = world.blobs.head(DATA, "a.csv")
    assert blob is not None
    world.discover(blob)  # recorded, and its run is left to the poll
    world.pipeline = world.sibling(endpoints=[])
    world.restart()
    ticks(world, 60)
    assert world.runs() == []
    world.pipeline = before
    world.restart()
    ticks(world, 10)
    assert trained_on(world) == [["a.csv"]]
    assert {run.phase for run in world.runs()} == {Phase.FINISHED}
    assert waiting(world) == []


def test_data_that_was_found_more_than_400_days_late_is_trained_on() -> None:
    world = world_of({"when_busy": "newest", **NO_ENDPOINT})
    world.app.activations.refresh()
    world.clock.move(MINUTE)
    world.upload("a.csv")  # and no event ever announced it
    world.clock.move(world.limits.keep + timedelta(days=2))
    search(world)
    ticks(world)
    assert trained_on(world) == [["a.csv"]]
