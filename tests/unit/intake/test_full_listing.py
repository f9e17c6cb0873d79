"""What appears with an old time is found once a day, and what existed before is left alone."""

import logging
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from shared.core.blobs import BlobVersion
from shared.core.full_listing import Existing, FullListing
from shared.core.run.record import Origin, Phase
from shared.core.versions import version_id
from shared.intake import full_listings
from shared.intake.full_listings import FullListings
from shared.ports.storage import Page
from tests.fakes.documents import page_of
from tests.fakes.faults import Kind
from tests.fakes.world import DATA, MODELS, pipeline
from tests.unit.intake.test_gathering import trained_on, waiting
from tests.unit.maintenance.cleaning import cleaned
from tests.unit.worlds import Observed

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
ROWS = b"a,b,label\n5,6,1\n3,4,0\n"
FOUND = "found by the daily listing"


def world_of(*existing: str, **pipeline_: Any) -> Observed:
    """A world in which some blobs lie for an hour when the app starts."""
    world = Observed(config={"pipeline": {"when_busy": "newest", **pipeline_}})
    for name in existing:
        world.upload(name, name.encode() * 9)
    world.clock.move(HOUR)
    world.restart()
    return world


def listing(world: Observed, *others: Any) -> FullListings:
    app = world.another(*others) if others else world.app
    return replace(app.full_listings)  # nothing is known of what an earlier one found


def ticks(world: Observed, number: int = 3, lister: FullListings | None = None) -> None:
    """Have the timer fire so often, a minute apart; the search for lost events runs too."""
    lister = lister or listing(world)
    for _ in range(number):
        world.clock.move(MINUTE)
        until = world.clock.now() + 3 * MINUTE
        lister.run_until(until)
        world.app.search.run_until(until)


def a_day_later(world: Observed, lister: FullListings | None = None) -> None:
    world.clock.move(DAY)
    ticks(world, lister=lister)
    for _ in range(20):
        world.tick()


def state_of(world: Observed) -> FullListing:
    stored = world.context.ledger.full_listings().read()
    assert stored is not None
    return stored.record


def pages_of(world: Observed, size: int, monkeypatch: pytest.MonkeyPatch) -> list[str | None]:
    """Have data listed so many blobs at a time, and return the cursors that are asked for."""
    asked: list[str | None] = []

    def page(container: str, cursor: str | None, prefix: str = "") -> Page[BlobVersion]:
        if not prefix:
            asked.append(cursor)
        there = list(world.blobs.listing(container, prefix))
        return page_of(there, size, cursor, lambda one: one.name)

    monkeypatch.setattr(world.blobs, "page", page)
    return asked


def existing_in(world: Observed) -> list[str]:
    return [name for name in world.documents.rows if name.startswith("existing/")]


def recorded(world: Observed) -> int:
    rows = [world.documents.rows[name] for name in existing_in(world)]
    return sum(len(list(Existing.model_validate_json(row.body).unpacked())) for row in rows)


@pytest.mark.parametrize("when_busy", ["newest", "queue", "parallel"])
def test_a_blob_that_appears_with_an_old_time_has_one_run_within_a_day(when_busy: str) -> None:
    world = world_of("existing.csv", when_busy=when_busy)
    ticks(world)
    world.blobs.appear(DATA, "renamed.csv", ROWS, world.clock.now() - 30 * DAY)
    ticks(world, 60)
    assert world.runs() == []  # neither an event nor the search tells of it
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


def test_what_is_touched_and_existed_before_is_left_to_the_other_rules() -> None:
    world = world_of("existing.csv")
    ticks(world)
    world.clock.move(HOUR)
    world.blobs.touch(DATA, "existing.csv")
    world.deliver("existing.csv")
    for _ in range(3):
        a_day_later(world)
    assert world.runs() == []


@pytest.mark.parametrize(
    ("backfill", "before"), [("none", []), ("newest", ["b.csv"]), ("all", ["a.csv", "b.csv"])]
)
def test_what_existed_is_taken_by_the_backfill_alone(backfill: str, before: list[str]) -> None:
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


def test_a_pipeline_for_which_landing_opened_no_run_begins_with_what_is_there() -> None:
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


def test_what_lands_while_landing_opens_no_run_counts_as_existing() -> None:
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


def test_a_recording_goes_on_where_a_killed_worker_stopped(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(full_listings, "_CALLS", 6)
    world = world_of(*[f"{number}.csv" for number in range(8)])
    asked = pages_of(world, 2, monkeypatch)
    lister = listing(world)
    lister.run_until(world.clock.now() + MINUTE)
    assert asked == [None, "from:2.csv"]
    assert not state_of(world).complete
    world.upload("9.csv", ROWS)  # it arrives meanwhile: it is news by its time
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
    world.documents.rows[name] = sound  # somebody mended it
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


def test_a_record_that_was_moved_away_is_recorded_anew() -> None:
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


def test_another_container_is_recorded_anew() -> None:
    world = world_of("existing.csv")
    ticks(world)
    ledger = world.context.ledger
    stored = ledger.full_listings().read()
    assert stored is not None
    elsewhere = stored.record.model_copy(update={"place": "account/other"})
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


def test_a_daily_listing_looks_nothing_up_that_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
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
    assert run.phase is Phase.SUPERSEDED  # by its time it is older than what serves
    a_day_later(world)
    assert len(world.runs()) == 2


def test_a_model_that_no_event_told_of_is_found_once() -> None:
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


def test_records_that_no_pipeline_needs_any_more_are_forgotten() -> None:
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
