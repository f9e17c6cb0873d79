"""Cleaning rounds: their times, their progress, and their failures."""

import logging
from dataclasses import replace
from datetime import timedelta
from itertools import pairwise

import pytest

from shared.core.run.cleaning_round import EVERY, CleaningRound, next_round
from shared.errors import TransientError
from shared.ledger import store
from shared.maintenance.retention import Retention
from tests.fakes.clock import START, Hurried
from tests.fakes.faults import Kind
from tests.fakes.world import World
from tests.unit.maintenance.cleaning import AGES, cleaned, kept, promoted
from tests.unit.worlds import Observed


def test_an_open_run_is_kept_however_old() -> None:
    world = World()
    world.upload()
    (run,) = world.deliver()
    world.clock.move(AGES)
    assert cleaned(world) == 0
    assert kept(world, "runs") == [f"runs/{run.run_id}"]


def test_cleaning_is_done_once_a_day() -> None:
    world = World(config={"pipeline": {"endpoints": []}})
    promoted(world, "a.csv", b"a,b,l\n1,2,0\n3,4,1\n")
    world.clock.move(timedelta(days=399))
    assert cleaned(world) == 0
    world.clock.move(timedelta(hours=23))
    assert cleaned(world) == 0
    world.clock.move(timedelta(days=2))
    assert cleaned(world) == 2
    assert kept(world, "runs") == []


def test_each_call_says_how_many_records_it_has_deleted_itself(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level("INFO", "relearn")
    world = World(config={"pipeline": {"endpoints": []}})
    for name in ("a.csv", "b.csv"):
        promoted(world, name, b"a,b,l\n1,2,0\n3,4,1\n")
        world.clock.move(AGES)
        cleaned(world)
    first, second = (text for text in caplog.messages if "deleted" in text)
    assert first == second == "2 records that are needed no more were deleted"


def test_a_round_continues_where_it_stopped_and_never_outlasts_its_time() -> None:
    world = World(config={"pipeline": {"endpoints": []}})
    for i in range(12):
        promoted(world, f"{i}.csv", b"a,b,l\n%d,2,0\n3,4,1\n" % i)
    world.clock.move(AGES)
    context = replace(world.context, clock=Hurried(world.clock))
    hurried = Retention(context, world.app.catalogue)
    context.clock.now()  # which may ask the storage for its time
    left = [24]
    for _ in range(40):
        until = world.clock.now() + timedelta(seconds=8)
        hurried.clean(until)
        # The reading of the clock that finds that time is up, and the writes after it.
        assert world.clock.now() <= until + timedelta(seconds=3)
        left.append(len([*kept(world, "index"), *kept(world, "runs")]))
    assert left[-1] == 0
    assert max(before - after for before, after in pairwise(left)) <= 8


def test_a_worker_that_dies_on_the_way_repeats_no_more_than_a_page() -> None:
    world = World(config={"pipeline": {"endpoints": []}})
    for i in range(3):
        promoted(world, f"{i}.csv", b"a,b,l\n%d,2,0\n3,4,1\n" % i)
    world.clock.move(AGES)
    for at in range(40):
        world.faults.plan = {len(world.faults.sites) + at: Kind.CRASH_AFTER}
        world.survive(lambda: cleaned(world))
        world.faults.plan = {}
    cleaned(world)
    assert [*kept(world, "index"), *kept(world, "runs")] == []
    assert len(kept(world, "versions")) == 3


def test_a_round_over_many_pages_and_calls_gets_through(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "PAGE", 2)
    world = World(config={"pipeline": {"endpoints": []}})
    for i in range(7):
        promoted(world, f"{i}.csv", b"a,b,l\n%d,2,0\n3,4,1\n" % i)
    world.clock.move(AGES)
    assert cleaned(world) == 14
    assert [*kept(world, "index"), *kept(world, "runs")] == []


def test_a_cursor_that_the_storage_takes_no_more_begins_its_kind_again() -> None:
    world = World(config={"pipeline": {"endpoints": []}})
    promoted(world, "a.csv", b"a,b,l\n1,2,0\n3,4,1\n")
    world.clock.move(AGES)
    now = world.clock.now()
    state = CleaningRound(started_at=now, all_at=now, kind="index", cursor="nonsense")
    world.context.ledger.cleaning.put(state, None)
    cleaned(world)
    assert len(kept(world, "index")) == 1  # its run is checked in the next round
    world.clock.move(timedelta(days=31))
    assert cleaned(world) == 2


def test_two_workers_that_clean_at_once_do_no_harm() -> None:
    world = World(config={"pipeline": {"endpoints": []}})
    for i in range(3):
        promoted(world, f"{i}.csv", b"a,b,l\n%d,2,0\n3,4,1\n" % i)
    world.clock.move(AGES)

    def another() -> None:
        cleaned(world)

    for at in range(8):
        world.faults.other_worker = another
        world.faults.plan = {len(world.faults.sites) + at: Kind.PREEMPT}
        cleaned(world)
    assert [*kept(world, "index"), *kept(world, "runs")] == []


def test_old_runs_that_stay_are_checked_again_once_in_thirty_days() -> None:
    world = Observed()
    promoted(world, "a.csv", b"a,b,l\n1,2,0\n3,4,1\n")
    world.clock.move(AGES)
    checks = []
    for _ in range(62):
        world.calls.clear()
        cleaned(world)
        checks.append(
            [world.calls.count(f"read {kind}") for kind in ("runs", "drift_checks", "endpoints")]
        )
        world.clock.move(timedelta(days=1))
    assert all(sum(map(bool, kind)) <= 5 for kind in zip(*checks, strict=True))


def test_a_round_gets_past_old_runs_that_stay() -> None:
    world = World()
    runs = [promoted(world, f"{i}.csv", b"a,b,l\n%d,2,0\n3,4,1\n" % i) for i in range(6)]
    world.clock.move(AGES)
    context = replace(world.context, clock=Hurried(world.clock))
    hurried = Retention(context, world.app.catalogue)
    context.clock.now()  # which may ask the storage for its time
    for _ in range(40):
        hurried.clean(world.clock.now() + timedelta(seconds=5))
    state = world.context.ledger.cleaning.read()
    assert state is not None
    assert state.record.completed_at is not None
    assert len(kept(world, "runs")) == len(runs)


def test_a_host_whose_clock_was_ahead_puts_no_round_off() -> None:
    now = START
    done = CleaningRound(started_at=now, all_at=now, completed_at=now + timedelta(days=400))
    again = next_round(done, now + timedelta(days=2))
    assert again is not None
    assert again.since is None
    assert next_round(done.model_copy(update={"completed_at": now}), now + EVERY / 2) is None


def test_a_record_that_is_not_understood_stops_no_other_and_is_reported_once_a_round(
    caplog: pytest.LogCaptureFixture,
) -> None:
    world = World(config={"pipeline": {"endpoints": []}})
    drift_kind, *_ = [promoted(world, f"{i}.csv", b"a,b,l\n%d,2,0\n3,4,1\n" % i) for i in range(3)]
    for name in (f"runs/{drift_kind}", kept(world, "versions")[0]):
        world.documents.rows[name] = replace(world.documents.rows[name], body=b"{")
    world.clock.move(AGES)
    with caplog.at_level(logging.ERROR):
        assert cleaned(world) == 4
    (reported,) = caplog.messages
    assert reported.startswith("2 old records are not understood")
    assert f"runs/{drift_kind}" in reported
    assert kept(world, "runs") == [f"runs/{drift_kind}"]
    assert len(kept(world, "index")) == 1
    assert len(kept(world, "versions")) == 3


def test_a_storage_that_fails_now_is_left_alone_soon_and_continued_with_later(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world = World(config={"pipeline": {"endpoints": []}})
    for i in range(20):
        promoted(world, f"{i}.csv", b"a,b,l\n%d,2,0\n3,4,1\n" % i)
    world.clock.move(AGES)
    checks = []

    def down(container: str, name: str) -> None:
        checks.append(name)
        raise TransientError("busy")

    with monkeypatch.context() as patch:
        patch.setattr(world.blobs, "head", down)
        cleaned(world)
    assert len(checks) == 3
    stored = world.context.ledger.cleaning.read()
    assert stored is not None
    assert (stored.record.unclear, len(stored.record.shown)) == (3, 3)
    cleaned(world)
    world.clock.move(timedelta(days=31))
    cleaned(world)
    renewed = [world.documents.rows[name].modified for name in kept(world, "versions")]
    assert min(renewed) >= world.clock.now() - timedelta(days=32)
