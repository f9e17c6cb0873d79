"""The full listing after crashes, with unreadable records, and on two hosts."""

import logging
from typing import Any

import pytest

from shared.core.full_listing import Existing, FullListing
from shared.intake import full_listings
from tests.fakes.faults import Kind
from tests.fakes.world import DATA
from tests.unit.intake.listed_worlds import (
    DAY,
    HOUR,
    MINUTE,
    ROWS,
    a_day_later,
    existing_in,
    listing,
    pages_of,
    state_of,
    ticks,
    world_of,
)
from tests.unit.intake.test_batches import trained_on, waiting
from tests.unit.worlds import Observed


def recorded(world: Observed) -> int:
    rows = [world.documents.rows[name] for name in existing_in(world)]
    return sum(len(list(Existing.model_validate_json(row.body).unpacked())) for row in rows)


def test_a_recording_continues_where_a_killed_worker_stopped(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(full_listings, "_CALLS", 6)
    world = world_of(*[f"{number}.csv" for number in range(8)])
    asked = pages_of(world, 2, monkeypatch)
    lister = listing(world)
    lister.run_until(world.clock.now() + MINUTE)
    assert asked == [None, "from:2.csv"]
    assert not state_of(world).complete
    world.upload("9.csv", ROWS)  # it arrives meanwhile: it is eligible by its time
    world.restart()
    for _ in range(2):
        listing(world).run_until(world.clock.now() + MINUTE)
    assert state_of(world).complete
    assert asked == [None, "from:2.csv", "from:4.csv", "from:6.csv", "from:9.csv"]
    assert recorded(world) == 8
    monkeypatch.setattr(full_listings, "_CALLS", 300)
    a_day_later(world)
    assert trained_on(world) == [["9.csv"]]


def test_pages_may_be_cut_otherwise_later(monkeypatch: pytest.MonkeyPatch) -> None:
    world = world_of(*[f"{number}.csv" for number in range(9)])
    pages_of(world, 2, monkeypatch)
    ticks(world)
    assert len(existing_in(world)) == 5
    for name in ("0.csv", "3.csv", "4.csv"):
        world.blobs.remove(DATA, name)
    world.blobs.appear(DATA, "10.csv", ROWS, world.clock.now() - DAY)
    pages_of(world, 4, monkeypatch)
    a_day_later(world)
    assert trained_on(world) == [["10.csv"]]


def test_a_listing_begins_again_where_its_cursor_is_not_taken(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(full_listings, "_CALLS", 6)
    world = world_of(*[f"{number}.csv" for number in range(6)])
    pages_of(world, 2, monkeypatch)
    listing(world).run_until(world.clock.now() + MINUTE)
    ledger = world.context.ledger
    stored = ledger.full_listings().read()
    assert stored is not None
    ledger.full_listings().put(stored.record.model_copy(update={"cursor": "odd"}), stored.etag)
    ticks(world, 5)
    assert state_of(world).complete
    assert state_of(world).listed == 6
    a_day_later(world)
    assert world.runs() == []


def test_two_hosts_at_once_open_one_run(monkeypatch: pytest.MonkeyPatch) -> None:
    world = world_of("existing.csv")
    ticks(world)
    world.blobs.appear(DATA, "renamed.csv", ROWS, world.clock.now() - DAY)
    world.clock.move(DAY)
    one, other = listing(world), listing(world)
    until = world.clock.now() + 3 * MINUTE
    ledger = world.context.ledger
    put = ledger.full_listings().put

    def superseded(state: FullListing, expected: Any) -> Any:
        monkeypatch.undo()
        other.run_until(until)
        return put(state, expected)

    monkeypatch.setattr(ledger.full_listings(), "put", superseded)
    one.run_until(until)
    a_day_later(world)
    assert trained_on(world) == [["renamed.csv"]]


def test_an_unreadable_record_opens_no_run_and_is_named(caplog: pytest.LogCaptureFixture) -> None:
    world = world_of("existing.csv")
    ticks(world)
    (name,) = existing_in(world)
    sound = world.documents.rows[name]
    world.damage(name)
    world.blobs.appear(DATA, "renamed.csv", ROWS, world.clock.now() - DAY)
    a_day_later(world)
    assert world.runs() == []
    assert state_of(world).damaged == (name,)
    assert name in caplog.text
    world.documents.rows[name] = sound  # it was corrected
    a_day_later(world)
    assert trained_on(world) == [["renamed.csv"]]
    assert state_of(world).damaged == ()


def test_a_record_of_other_content_counts_as_unreadable() -> None:
    world = world_of("existing.csv")
    ticks(world)
    (name,) = existing_in(world)
    world.damage(name, b'{"schema_version":1,"digests":""}')
    a_day_later(world)
    assert world.runs() == []
    assert state_of(world).damaged == (name,)


def test_a_record_that_was_moved_away_is_recorded_again() -> None:
    world = world_of("existing.csv")
    ticks(world)
    for name in existing_in(world):
        del world.documents.rows[name]
    a_day_later(world)
    assert world.runs() == []
    assert len(existing_in(world)) == 1
    world.blobs.appear(DATA, "renamed.csv", ROWS, world.clock.now() - DAY)
    a_day_later(world)
    a_day_later(world)
    assert trained_on(world) == [["renamed.csv"]]


def test_an_unreadable_state_stops_the_listing_alone(caplog: pytest.LogCaptureFixture) -> None:
    world = world_of("existing.csv")
    ticks(world)
    world.damage("full_listing")
    world.upload("lost.csv", ROWS)
    caplog.clear()
    lister = listing(world)
    a_day_later(world, lister)
    assert trained_on(world) == [["lost.csv"]]
    assert caplog.text.count("data versions with an old time are not found") == 1
    del world.documents.rows["full_listing"]  # moved away: what is there is recorded anew
    a_day_later(world)
    assert len(world.runs()) == 1


def test_another_container_is_recorded_again() -> None:
    world = world_of("existing.csv")
    ticks(world)
    ledger = world.context.ledger
    stored = ledger.full_listings().read()
    assert stored is not None
    elsewhere = stored.record.model_copy(update={"location": "account/other"})
    ledger.full_listings().put(elsewhere, stored.etag)
    world.blobs.appear(DATA, "there.csv", ROWS, world.clock.now() - DAY)
    a_day_later(world)
    a_day_later(world)
    assert world.runs() == []


def test_what_cannot_be_kept_now_is_found_an_hour_later(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.CRITICAL)
    world = world_of("existing.csv")
    ticks(world)
    world.blobs.appear(DATA, "renamed.csv", ROWS, world.clock.now() - DAY)
    world.clock.move(DAY)
    world.faults.plan = {len(world.faults.sites) + 3: Kind.REFUSED}
    lister = listing(world)
    lister.run_until(world.clock.now() + 3 * MINUTE)
    assert (state_of(world).complete, state_of(world).failed) == (True, 1)
    assert waiting(world) == []
    world.clock.move(HOUR)
    ticks(world, lister=lister)
    assert len(waiting(world)) == 1
