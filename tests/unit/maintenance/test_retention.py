"""What is long over is forgotten once a day; what an endpoint or a run needs never is."""

import logging
from dataclasses import replace
from datetime import timedelta
from itertools import pairwise

import pytest

from shared.core.cleaning_round import EVERY, CleaningRound, next_round
from shared.core.serving.state import EndpointLease, Hold, with_hold
from shared.errors import TransientError
from shared.ledger import old_records
from shared.maintenance.retention import Retention
from tests.fakes.clock import START, Hurried
from tests.fakes.faults import Kind
from tests.fakes.world import World
from tests.unit.fleet import Fleet
from tests.unit.worlds import Observed

AGES = timedelta(days=401)


def retention(world: World, *, sure: bool = True) -> Retention:
    return Retention(world.intake._context, world.intake.catalogue, lambda: sure)


def cleaned(world: World, *, sure: bool = True) -> int:
    """Have as many records forgotten as there is time for, and return how many were."""
    return retention(world, sure=sure).clean(world.clock.now() + timedelta(minutes=1))


def kept(world: World, kind: str) -> list[str]:
    return sorted(name for name in world.documents.rows if name.startswith(f"{kind}/"))


def promoted(world: World, name: str, content: bytes) -> str:
    world.upload(name, content)
    (run,) = world.deliver(name)
    world.until_ended()
    world.clock.move(timedelta(minutes=1))
    return run.run_id


def test_old_ended_runs_are_forgotten_and_what_serves_or_served_is_kept() -> None:
    world = World()
    runs = [promoted(world, f"{i}.csv", b"a,b,l\n%d,2,0\n3,4,1\n" % i) for i in range(8)]
    world.clock.move(AGES)
    assert cleaned(world) == 4  # two runs and their lines
    # Serving now, and the five before it.
    assert kept(world, "runs") == sorted(f"runs/{run}" for run in runs[2:])
    assert len(kept(world, "index")) == 6
    assert kept(world, "tombstones") == sorted(f"tombstones/{run}" for run in runs)


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


def test_each_call_tells_how_many_records_it_has_forgotten_itself(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level("INFO", "relearn")
    world = World(config={"pipeline": {"endpoints": []}})
    for name in ("a.csv", "b.csv"):
        promoted(world, name, b"a,b,l\n1,2,0\n3,4,1\n")
        world.clock.move(AGES)
        cleaned(world)
    first, second = (text for text in caplog.messages if "deleted" in text)
    assert (
        first == second == f"2 records older than {world.intake._context.limits.keep} were deleted"
    )


def test_a_round_goes_on_where_it_stopped_and_never_outlasts_its_time() -> None:
    world = World(config={"pipeline": {"endpoints": []}})
    for i in range(12):
        promoted(world, f"{i}.csv", b"a,b,l\n%d,2,0\n3,4,1\n" % i)
    world.clock.move(AGES)
    context = replace(world.intake._context, clock=Hurried(world.clock))
    hurried = Retention(context, world.intake.catalogue)
    context.clock.now()  # which may ask the storage for its time
    left = [24]
    for _ in range(40):
        until = world.clock.now() + timedelta(seconds=8)
        hurried.clean(until)
        # The look at the clock that finds that time is up, and those that write that down.
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
    monkeypatch.setattr(old_records, "PAGE", 2)
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
    world.intake._context.ledger.cleaning.put(state, None)
    cleaned(world)
    assert len(kept(world, "index")) == 1  # its run is looked at in the next round
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


def test_old_runs_that_stay_are_looked_at_again_once_in_thirty_days() -> None:
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
    context = replace(world.intake._context, clock=Hurried(world.clock))
    hurried = Retention(context, world.intake.catalogue)
    context.clock.now()  # which may ask the storage for its time
    for _ in range(40):
        hurried.clean(world.clock.now() + timedelta(seconds=5))
    state = world.intake._context.ledger.cleaning.read()
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


def test_a_record_that_is_not_understood_stops_no_other_and_is_told_of_once_a_round(
    caplog: pytest.LogCaptureFixture,
) -> None:
    world = World(config={"pipeline": {"endpoints": []}})
    drift_kind, *_ = [promoted(world, f"{i}.csv", b"a,b,l\n%d,2,0\n3,4,1\n" % i) for i in range(3)]
    for name in (f"runs/{drift_kind}", kept(world, "versions")[0]):
        world.documents.rows[name] = replace(world.documents.rows[name], body=b"{")
    world.clock.move(AGES)
    with caplog.at_level(logging.ERROR):
        assert cleaned(world) == 4
    (told,) = caplog.messages
    assert told.startswith("2 old records are not understood")
    assert f"runs/{drift_kind}" in told
    assert kept(world, "runs") == [f"runs/{drift_kind}"]
    assert len(kept(world, "index")) == 1
    assert len(kept(world, "versions")) == 3


@pytest.mark.parametrize("named", [True, False])
def test_an_endpoint_that_is_not_understood_keeps_what_its_text_names(*, named: bool) -> None:
    world = World()
    run = promoted(world, "a.csv", b"a,b,l\n1,2,0\n3,4,1\n")
    (name,) = kept(world, "endpoints")
    text = world.documents.rows[name].body if named else b"{"
    world.documents.rows[name] = replace(world.documents.rows[name], body=text + b" torn")
    world.clock.move(AGES)
    cleaned(world)
    assert kept(world, "runs") == ([f"runs/{run}"] if named else [])
    assert kept(world, "endpoints") == [name]


def test_a_storage_that_fails_now_is_left_alone_soon_and_gone_on_with_later(
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
    stored = world.intake._context.ledger.cleaning.read()
    assert stored is not None
    assert (stored.record.unclear, len(stored.record.shown)) == (3, 3)
    cleaned(world)
    world.clock.move(timedelta(days=31))
    cleaned(world)
    renewed = [world.documents.rows[name].modified for name in kept(world, "versions")]
    assert min(renewed) >= world.clock.now() - timedelta(days=32)


def test_the_run_that_trained_what_others_delivered_is_kept() -> None:
    fleet = Fleet()
    fleet.start()
    parent = fleet.settle()
    fleet.clock.move(AGES)
    cleaned(fleet)
    assert f"runs/{parent.run_id}" in kept(fleet, "runs")


def test_the_run_of_a_rollback_is_kept_for_as_long_as_its_endpoint_is_held() -> None:
    world = World()
    rolled_back, *_ = [promoted(world, f"{i}.csv", b"a,b,l\n%d,2,0\n3,4,1\n" % i) for i in range(8)]
    (name,) = kept(world, "endpoints")
    ledger = world.intake._context.ledger
    stored = ledger.endpoint_states.read(name.removeprefix("endpoints/"))
    assert stored is not None
    ((place, _),) = stored.record.resources.items()
    hold = Hold(run_id=rolled_back, to="baseline", by="ada", at=world.clock.now())
    ledger.endpoint_states.put(
        name.removeprefix("endpoints/"), with_hold(stored.record, place, hold), stored.etag
    )
    world.clock.move(AGES)
    assert cleaned(world) == 2  # another run and its line
    assert f"runs/{rolled_back}" in kept(world, "runs")


def test_the_runs_that_set_a_model_again_or_left_a_reservation_are_kept() -> None:
    world = World()
    set_by, in_flight_lease, *_ = [
        promoted(world, f"{i}.csv", b"a,b,l\n%d,2,0\n3,4,1\n" % i) for i in range(8)
    ]
    (name,) = kept(world, "endpoints")
    ledger = world.intake._context.ledger
    stored = ledger.endpoint_states.read(name.removeprefix("endpoints/"))
    assert stored is not None
    ((place, resource),) = stored.record.resources.items()
    assert resource.serving is not None
    serving = resource.serving.model_copy(update={"set_by": set_by})
    endpoint_lease = EndpointLease(
        run_id=in_flight_lease, resource=place, model=None, generation=9, at=world.clock.now()
    )
    resources = {place: resource.model_copy(update={"serving": serving})}
    changes = {"resources": resources, "endpoint_lease": endpoint_lease}
    ledger.endpoint_states.put(
        name.removeprefix("endpoints/"), stored.record.model_copy(update=changes), stored.etag
    )
    world.clock.move(AGES)
    assert cleaned(world) == 0
    assert {f"runs/{set_by}", f"runs/{in_flight_lease}"} <= set(kept(world, "runs"))
