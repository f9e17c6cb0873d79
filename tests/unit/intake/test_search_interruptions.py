"""A search that is interrupted continues, and misses nothing."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from shared.core.blobs import BlobVersion
from shared.core.versions import version_id
from shared.ports.storage import Page
from tests.fakes.clock import Hurried
from tests.fakes.documents import page_of
from tests.fakes.faults import Kind
from tests.unit.intake.searched_worlds import HOUR, MINUTE, search, world_of
from tests.unit.intake.test_batches import trained_on, waiting
from tests.unit.worlds import Observed


def test_a_search_continues_where_another_worker_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
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
    assert len(asked) == 3  # and no time to check what the last one shows
    world.restart()
    search(world, minutes=1)
    assert asked == [None, "from:2.csv", "from:4.csv", "from:4.csv"]
    assert len(waiting(world)) == 6


def test_a_search_whose_record_is_damaged_continues_in_memory(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world = world_of(when_busy="newest")
    for number in range(6):
        world.upload(f"{number}.csv")
    world.app.activations.refresh()
    world.damage("search")
    in_pages_of_two(world, monkeypatch)
    searching = world.app.search
    world.clock.move(20 * MINUTE)
    searching.run_until(world.clock.now() + MINUTE)
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
    stored_search = world.context.ledger.search.read()
    assert stored_search is not None
    assert stored_search.record.complete


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


def test_a_blob_that_was_skipped_on_an_early_page_is_checked_again(
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
    del world.documents.rows[damaged]  # it was moved away
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


def test_a_page_that_takes_too_long_continues_where_it_stopped() -> None:
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
        stored_search = world.context.ledger.search.read()
        assert stored_search is not None
        stored.append(stored_search.record)
    assert 0 < stored[0].checked < 7
    assert not stored[0].complete
    assert (stored[-1].checked, stored[-1].found, stored[-1].complete) == (7, 7, True)
