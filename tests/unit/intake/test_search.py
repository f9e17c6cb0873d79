"""Data that no event announced is found, once, however long and interrupted the search is."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from shared.core.blobs import BlobVersion
from shared.core.run.record import Phase
from shared.core.versions import version_id
from shared.ports.storage import Page
from tests.fakes.clock import Hurried
from tests.fakes.documents import page_of
from tests.fakes.faults import Faults, Kind
from tests.unit.intake.test_batches import land, trained_on, waiting
from tests.unit.worlds import Observed

MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)


def search(world: Observed, minutes: int = 16) -> None:
    """Let time pass until a search is due, and search."""
    world.clock.move(minutes * MINUTE)
    sweep = world.app.search
    sweep.run_until(world.clock.now() + 3 * MINUTE)


def world_of(**pipeline: Any) -> Observed:
    world = Observed(config={"pipeline": pipeline})
    world.app.activations.refresh()
    return world


@pytest.mark.parametrize("when_busy", ["newest", "queue", "parallel"])
def test_data_whose_event_never_came_is_trained_on(when_busy: str) -> None:
    world = world_of(when_busy=when_busy)
    search(world)
    world.upload("lost.csv")
    search(world)
    for _ in range(20):
        world.tick()
    assert trained_on(world) == [["lost.csv"]]
    sweep = world.context.ledger.search.read()
    assert sweep is not None
    assert (sweep.record.complete, sweep.record.found) == (True, 1)
    world.deliver("lost.csv")  # a day late
    search(world)
    assert len(world.runs()) == 1


def test_data_that_was_told_of_is_not_reported_as_found() -> None:
    world = world_of(when_busy="newest")
    land(world, "a.csv", "b.csv")
    search(world)
    sweep = world.context.ledger.search.read()
    assert sweep is not None
    assert (sweep.record.checked, sweep.record.found) == (2, 0)


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
    land(world, *[f"{number}.csv" for number in range(20)])
    search(world)
    search(world, minutes=60)
    world.upload("new.csv")
    world.calls.clear()
    search(world, minutes=60)
    assert world.calls.count("read versions") == 1


def test_a_search_goes_on_where_another_worker_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    world = world_of(when_busy="newest")
    for number in range(6):
        world.upload(f"{number}.csv")
    asked: list[str | None] = []

    def two_at_a_time(container: str, cursor: str | None, prefix: str = "") -> Page[BlobVersion]:
        if prefix:  # the search for models is another one
            return Page((), None)
        asked.append(cursor)
        listed = list(world.blobs.listing(container, ""))
        world.clock.move(MINUTE)
        return page_of(listed, 2, cursor, lambda one: one.name)

    monkeypatch.setattr(world.blobs, "page", two_at_a_time)
    search(world)
    assert len(asked) == 3  # and no time to look at what the last one shows
    world.restart()
    search(world, minutes=1)
    assert asked == [None, "from:2.csv", "from:4.csv", "from:4.csv"]
    assert len(waiting(world)) == 6


def test_a_search_whose_record_is_damaged_goes_on_in_memory(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world = world_of(when_busy="newest")
    for number in range(6):
        world.upload(f"{number}.csv")
    world.app.activations.refresh()
    world.damage("search")
    in_pages_of_two(world, monkeypatch)
    sweep = world.app.search
    world.clock.move(20 * MINUTE)
    sweep.run_until(world.clock.now() + MINUTE)
    assert len(waiting(world)) == 6
    assert world.documents.rows["search"].body == b"{not json"


def in_pages_of_two(world: Observed, monkeypatch: pytest.MonkeyPatch, *meanwhile: Any) -> None:
    """Have the data listed two blobs at a time, and `meanwhile` happen before the second page."""
    left = list(meanwhile)

    def two_at_a_time(container: str, cursor: str | None, prefix: str = "") -> Page[BlobVersion]:
        if prefix:
            return Page((), None)
        if cursor is not None and left:
            left.pop(0)()
        return page_of(list(world.blobs.listing(container, "")), 2, cursor, lambda one: one.name)

    monkeypatch.setattr(world.blobs, "page", two_at_a_time)


def search_to_its_end(world: Observed) -> None:
    world.app.search.run_until(world.clock.now() + 3 * HOUR)
    sweep = world.context.ledger.search.read()
    assert sweep is not None
    assert sweep.record.complete


def test_what_changes_behind_a_long_search_is_found_by_the_next(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world = world_of(when_busy="newest")
    for number in range(4):
        world.upload(f"{number}.csv")

    def overwritten() -> None:
        world.clock.move(MINUTE)
        world.upload("0.csv", b"a,b,label\n7,7,1\n3,4,0\n")  # its event is lost
        world.clock.move(HOUR)

    world.clock.move(HOUR)
    in_pages_of_two(world, monkeypatch, overwritten)
    search_to_its_end(world)
    assert len(waiting(world)) == 4
    search(world)
    assert len(waiting(world)) == 5


def test_a_blob_that_was_skipped_on_an_early_page_is_looked_at_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world = world_of(when_busy="newest")
    for number in range(4):
        world.upload(f"{number}.csv")
    first = world.blobs.head("training-data", "0.csv")
    assert first is not None
    damaged = f"versions/{version_id(world.pipeline.name, first)}"
    world.damage(damaged)
    world.clock.move(HOUR)
    in_pages_of_two(world, monkeypatch)
    search_to_its_end(world)
    assert len(waiting(world)) == 3
    del world.documents.rows[damaged]  # somebody moved it away
    search(world)
    assert len(waiting(world)) == 4


def test_a_cursor_that_is_not_taken_any_more_begins_the_listing_again() -> None:
    world = world_of(when_busy="newest")
    search(world)
    ledger = world.context.ledger
    stored = ledger.search.read()
    assert stored is not None
    stuck = stored.record.model_copy(update={"cursor": "old", "complete": False, "since": None})
    ledger.search.put(stuck, stored.etag)
    world.upload("lost.csv")
    search(world)
    assert len(waiting(world)) == 1


def test_a_search_that_dies_anywhere_finds_everything_in_the_end() -> None:
    for call in range(40):
        world = world_of(when_busy="newest")
        world.upload("lost.csv")
        world.faults.plan = {len(world.faults.sites) + call: Kind.CRASH_AFTER}
        for _ in range(3):
            world.survive(lambda world=world: search(world))
        for _ in range(12):
            world.survive(world.tick)
        assert trained_on(world) == [["lost.csv"]], call
        if call > 0 and len(world.faults.sites) <= call:
            break


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


def test_a_page_that_takes_too_long_goes_on_where_it_stopped() -> None:
    world = world_of(when_busy="newest")
    search(world)
    for i in range(7):
        world.upload(f"lost-{i}.csv")
    world.clock.move(16 * MINUTE)
    stored = []
    for _ in range(4):
        context = replace(world.context, clock=Hurried(world.clock))
        replace(world.app.search, context=context).run_until(
            world.clock.now() + timedelta(seconds=12)
        )
        sweep = world.context.ledger.search.read()
        assert sweep is not None
        stored.append(sweep.record)
    assert 0 < stored[0].checked < 7
    assert not stored[0].complete
    assert (stored[-1].checked, stored[-1].found, stored[-1].complete) == (7, 7, True)
