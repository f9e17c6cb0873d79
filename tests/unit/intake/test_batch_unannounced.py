"""Data that no event announced, stored markers, and data of removed pipelines."""

from typing import Any

import pytest

from shared.core.names import run_id, run_queue_id
from shared.core.run.record import Origin, Phase, Run
from shared.ports.storage import Page
from tests.fakes.faults import Kind
from tests.fakes.world import DATA, pipeline
from tests.unit.intake.burst_worlds import HOUR, MINUTE, finished_with, ticks
from tests.unit.intake.test_batches import (
    BURST,
    NEWEST,
    arrive,
    trained_on,
    waiting,
    world_of,
)
from tests.unit.worlds import Observed


def in_order(world: Observed) -> list[Run]:
    return sorted(world.runs(), key=lambda run: run.opened_at)


# Data that no event announced


def swept(world: Observed, minutes: int = 16) -> None:
    world.clock.move(minutes * MINUTE)
    world.app.search.run_until(world.clock.now() + 3 * MINUTE)


def test_data_is_found_after_a_host_whose_clock_was_a_day_ahead() -> None:
    world = world_of(NEWEST)
    world.app.activations.refresh()
    swept(world)
    world.clock.move(24 * HOUR)
    swept(world, 0)
    world.clock.move(-24 * HOUR)
    world.upload("lost.csv")
    for _ in range(110):
        swept(world)
    ticks(world, 5)
    assert trained_on(world) == [["lost.csv"]]


@pytest.mark.parametrize("broken", ["sample", "other"])
def test_a_damaged_record_does_not_keep_found_data_from_another_pipeline(broken: str) -> None:
    world = Observed()
    other = world.sibling(data={"blob": "{name}.csv"})
    app = world.another(other)
    app.activations.refresh()
    world.damage(f"pipelines/{broken}")
    app = world.another(other)
    poll = app.poll
    world.upload("lost.csv")
    for _ in range(3):
        world.clock.move(16 * MINUTE)
        app.search.run_until(world.clock.now() + 3 * MINUTE)
        poll.tick()
    assert {run.pipeline for run in world.runs()} == {"sample", "other"} - {broken}


class HotLoopError(Exception):
    """The container was listed again and again within one call."""


def test_a_backfill_of_nothing_does_not_list_the_container_again_and_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    data = {"blob": "{name}.csv", "backfill": "all"}
    world = world_of({**NEWEST, "data": data})
    page, asked = world.blobs.page, []

    def counted(container: str, cursor: str | None, prefix: str = "") -> Page[Any]:
        asked.append(cursor)
        if len(asked) > 10:
            raise HotLoopError
        return page(container, cursor, prefix)

    monkeypatch.setattr(world.blobs, "page", counted)
    swept(world)  # ahead of the first tick of the poll, which notes when a pipeline began


@pytest.mark.parametrize("backfill", ["none", "newest"])
def test_a_metadata_only_update_of_data_older_than_the_pipeline_is_not_eligible(
    backfill: str,
) -> None:
    world = world_of(
        {**NEWEST, "data": {"blob": "{name}.csv", "backfill": backfill}, "endpoints": []}
    )
    for name in ("a.csv", "b.csv"):
        world.upload(name, name.encode() * 9)
        world.clock.move(MINUTE)
    world.clock.move(HOUR)
    world.restart()
    world.app.activations.refresh()
    swept(world)
    swept(world)
    ticks(world, 20)
    world.blobs.update_metadata(DATA, "a.csv")
    world.deliver("a.csv")
    ticks(world, 20)
    assert "a.csv" not in finished_with(world)


@pytest.mark.parametrize("backfill", ["newest", "all"])
def test_a_backfill_that_dies_anywhere_takes_each_version_once(backfill: str) -> None:
    for call in range(0, 14, 3):
        data = {"blob": "{name}.csv", "backfill": backfill}
        world = world_of({"when_busy": "queue", "data": data, "endpoints": []})
        for name in ("a.csv", "b.csv"):
            world.clock.move(MINUTE)
            world.upload(name, name.encode() * 9)
        world.clock.move(HOUR)
        world.restart()
        world.app.activations.refresh()
        world.faults.plan = {len(world.faults.sites) + call: Kind.CRASH_AFTER}
        for _ in range(3):
            world.survive(lambda world=world: swept(world))
        for _ in range(12):
            world.survive(world.tick)
        wanted = [["b.csv"]] if backfill == "newest" else [["a.csv"], ["b.csv"]]
        assert sorted(trained_on(world)) == wanted, call


def test_two_searches_at_once_find_each_version_once() -> None:
    world = world_of(NEWEST)
    world.app.activations.refresh()
    swept(world)
    for name in ("a.csv", "b.csv"):
        world.upload(name, name.encode() * 9)
    world.clock.move(16 * MINUTE)
    other = world._worker()
    page = world.blobs.page

    def with_another(container: str, cursor: str | None, prefix: str = "") -> Page[Any]:
        if prefix:  # the search for models is another one
            return page(container, cursor, prefix)
        world.blobs.page = page  # type: ignore[method-assign]
        other.search.run_until(world.clock.now() + MINUTE)
        return page(container, cursor)

    world.blobs.page = with_another  # type: ignore[method-assign]
    swept(world, 0)
    ticks(world, 10)
    assert [sorted(names) for names in trained_on(world)] == [["a.csv", "b.csv"]]


# Markers


def marked(**training: Any) -> Observed:
    data = {"blob": "days/{day}/_SUCCESS", "marker": True}
    inputs = {"input1": "days/{day}/train.csv"}
    return world_of({"when_busy": "newest", "data": data}, inputs=inputs, **training)


def test_data_missing_beside_a_marker_parks_the_run_and_a_retry_trains_on_it() -> None:
    world = marked()
    world.upload("days/monday/_SUCCESS", b"")
    (run,) = world.deliver("days/monday/_SUCCESS")
    world.idle(15 * MINUTE)
    parked = world.now_of(run)
    assert parked.phase is Phase.PARKED
    assert "days/monday/train.csv" in str(parked.reason)
    world.upload("days/monday/train.csv")
    world.run_operations.retry(run.run_id)
    assert world.until(run, Phase.PROMOTED).inputs["input1"].name == "days/monday/train.csv"


def test_a_marker_written_again_with_its_data_is_one_run_for_each_writing() -> None:
    world = marked()
    for content in (b"a,b,label\n1,2,0\n3,4,1\n", b"a,b,label\n8,2,0\n3,4,1\n"):
        world.clock.move(MINUTE)
        world.upload("days/monday/train.csv", content)
        world.upload("days/monday/_SUCCESS", b"")
        world.deliver("days/monday/_SUCCESS")
    ticks(world, 20)
    assert [run.phase for run in in_order(world)] == [Phase.SUPERSEDED, Phase.PROMOTED]


# What is left behind


def test_a_run_announced_and_never_opened_keeps_no_slot() -> None:
    world = world_of({**NEWEST, "endpoints": []})
    world.poll.tick()
    world.upload("a.csv")
    created = len(world.faults.sites)
    world.faults.plan = {created + 2: Kind.CRASH_AFTER}  # the slot is written, and no record
    world.survive(world.deliver)
    world.survive(lambda: world.deliver("a.csv"))
    ticks(world, 12)
    assert trained_on(world) == [["a.csv"]]
    assert world.open_runs() == []
    run_queue = world.context.ledger.run_queues.read(run_queue_id("sample", ()))
    assert run_queue is not None
    version = next(name for name in world.documents.rows if name.startswith("versions/"))
    expected = run_id("sample", Origin.DATA, version.removeprefix("versions/"))
    assert run_queue.record.batch_run == expected == world.run().run_id


def test_a_pipeline_that_left_the_file_finds_its_data_when_it_comes_back() -> None:
    world = world_of({**BURST, "endpoints": []})
    arrive(world, "a.csv")
    kept = world.pipeline
    other = pipeline(world.training, world.endpoint, {"pipeline": {"name": "other"}})
    world.pipeline = other
    world.restart()
    ticks(world, 10)
    assert len(waiting(world)) == 1
    world.pipeline = kept
    world.restart()
    ticks(world, 10)
    assert trained_on(world) == [["a.csv"]]
