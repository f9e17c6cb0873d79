"""The work of a tick in its time, and the progress that its heartbeat keeps."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from shared.core.run.record import Phase
from shared.errors import ConflictError, CorruptRecordError, RelearnError, TransientError
from shared.execution.driver import Advanced
from shared.execution.queues import CheckResult
from shared.ledger.open_markers import Marker, RunHints
from shared.ledger.progress import Heartbeat
from tests.unit.fleet import Fleet
from tests.unit.intake.test_batches import BURST, arrive, world_of
from tests.unit.maintenance.polled_worlds import HOUR, MINUTE, SECOND, marker_of, running
from tests.unit.samples import NOW
from tests.unit.worlds import Observed, refused


@pytest.fixture
def world() -> Observed:
    return Observed()


def beat_of(world: Observed) -> Heartbeat:
    stored = world.context.ledger.heartbeat.read()
    assert stored is not None
    return stored.record


def test_a_heartbeat_counts_what_is_open_parked_and_missing(world: Observed) -> None:
    running(world, count=2)
    world.http.answers.clear()
    world.script("POST", "/jobs", refused(400, "BadArgument", "no"), times=None)
    parked = world.start("bad.csv")
    assert world.now_of(parked).phase is Phase.PARKED
    world.restart()
    world.clock.move(10 * SECOND)  # else their jobs were just checked
    beat = world.poll.tick()
    assert (beat.open, beat.parked, beat.checked, beat.missing) == (3, 1, 3, 0)
    assert beat == beat_of(world)
    world.poll.tick()
    assert beat_of(world).checked == 0


def test_a_heartbeat_that_is_not_understood_is_logged_and_starts_the_round_again(
    world: Observed, caplog: pytest.LogCaptureFixture
) -> None:
    running(world)
    world.damage("poll")
    world.poll.tick()
    assert "ledger record poll is not understood" in caplog.text
    assert world.documents.rows["poll"].body == b"{not json"


def slow_to_check(world: Observed, seconds: int = 60) -> list[str]:
    seen: list[str] = []

    def slow(method: str, path: str) -> None:
        seen.append(path)
        world.clock.move(timedelta(seconds=seconds))

    world.http.answers.insert(0, slow)
    return seen


def test_the_next_tick_continues_behind_the_last_run_that_was_checked(world: Observed) -> None:
    runs = running(world, count=5)
    job_of = {run.run_id: str(run.job) for run in runs}
    order = sorted(job_of)
    seen = slow_to_check(world)
    world.clock.move(MINUTE)
    world.poll.tick()
    count = len(seen)
    assert 0 < count < 5
    assert [path.rpartition("/")[2] for path in seen] == [job_of[one] for one in order[:count]]
    assert beat_of(world).resume_after == order[count - 1]
    seen.clear()
    world.clock.move(MINUTE)
    world.poll.tick()
    assert seen[0].rpartition("/")[2] == job_of[order[count]]
    for answer in world.http.answers[:1]:
        world.http.answers.remove(answer)
    world.clock.move(MINUTE)
    world.poll.tick()
    assert beat_of(world).resume_after == ""


def test_runs_that_were_not_reached_are_checked_when_the_endpoints_leave_time(
    world: Observed,
) -> None:
    runs = running(world, count=3)
    share = (world.poll.until() - world.clock.now()) * 5 / 8
    seen = slow_to_check(world, seconds=int(share.total_seconds() / 2) + 1)
    world.clock.move(MINUTE)
    world.poll.tick()
    last = max(runs, key=lambda run: run.run_id)
    assert seen[2].endswith(str(last.job))  # two in the share of the open runs, and then this one
    assert beat_of(world).checked == len(seen)


def test_data_that_arrived_and_found_no_time_is_first_in_the_next_tick() -> None:
    world = world_of({**BURST, "key": "key", "data": {"blob": "{key}-{name}.csv", "settle": "1m"}})
    arrive(world, "a-1.csv", "b-1.csv", "c-1.csv")
    world.clock.move(5 * MINUTE)
    until = world.clock.now() - SECOND
    assert world.poll._opened_from_inbox(until) == 0
    (name,) = world.poll._next_batch_key
    first = world.poll._next_batch_key[name]
    assert name == "sample"
    assert first.startswith("run_queues/sample/")
    assert world.poll._opened_from_inbox(world.clock.now() + MINUTE) == 3
    assert world.poll._next_batch_key == {}


def test_an_inbox_that_cannot_be_listed_stops_no_tick(
    world: Observed, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fails(*_: object) -> None:
        raise TransientError("storage: list inbox/: busy")

    monkeypatch.setattr(world.context.ledger.inbox, "entries", fails)
    (run,) = running(world)
    assert "the data that waits cannot be listed now: storage: list inbox/: busy" in caplog.text
    assert beat_of(world).open == 1
    assert world.now_of(run).phase is Phase.TRAINING


def test_a_run_that_is_opened_by_data_that_arrived_is_driven_in_the_same_tick() -> None:
    world = world_of(BURST)
    arrive(world, "a.csv")
    world.clock.move(3 * MINUTE)
    beat = world.poll.tick()
    assert world.run().phase is Phase.TRAINING
    assert (beat.checked, beat.open) == (1, 1)


def test_a_delivery_that_was_opened_is_driven_in_the_same_tick() -> None:
    fleet = Fleet(size=2)
    run = fleet.start()
    fleet.tick()
    fleet.tick()
    children = [one for one in fleet.runs() if one.parent == run.run_id]
    assert [one.phase for one in children] == [Phase.VERIFYING]


def test_an_ended_delivery_has_its_roll_out_continue_in_the_same_tick() -> None:
    fleet = Fleet(size=2)
    run = fleet.start()
    for _ in range(40):
        fleet.tick(10)
        children = sorted(
            (one for one in fleet.runs() if one.parent == run.run_id),
            key=lambda one: one.opened_at,
        )
        if children and children[0].phase.ended:
            break
    assert len(children) == 2
    assert children[1].phase is Phase.VERIFYING


def test_a_roll_out_that_cannot_continue_now_is_left_to_the_next_tick(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "relearn")
    world = Observed()
    driver = world.app.driver
    asked: list[str] = []

    def fails(run_id: str, until: datetime | None = None) -> Any:
        asked.append(run_id)
        raise TransientError("busy")

    ended = [CheckResult(well=True, advanced=Advanced(None, roll_out="sample-1"))] * 2
    monkeypatch.setattr(driver, "advance", fails)
    world.app.rounds._continue_roll_outs(ended, world.clock.now())
    assert asked == []  # there is no more time
    world.app.rounds._continue_roll_outs(ended, world.clock.now() + SECOND)
    assert asked == ["sample-1"]
    assert "run sample-1 continues at the next tick: busy" in caplog.text


def test_an_announcement_is_removed_after_two_leases_and_not_before(world: Observed) -> None:
    world.context.ledger.open_markers.mark("sample-x", RunHints(phase=Phase.RECEIVED))
    world.idle(2 * world.limits.lease, SECOND * 10)
    assert world.open_runs() == ["open/sample-x"]
    world.idle(10 * SECOND, 10 * SECOND)
    assert world.open_runs() == []


def test_a_tick_ends_ahead_of_the_longest_step(world: Observed) -> None:
    assert world.poll.until() == world.clock.now() + 4 * MINUTE - 90 * SECOND


def test_scheduled_runs_are_driven_in_half_of_the_time() -> None:
    world = Observed(config={"pipeline": {"schedule": "0 0 * * * *"}})
    world.poll.start_scheduled()
    world.upload("a.csv")
    world.clock.move(HOUR)
    world.poll.start_scheduled()
    assert [run.phase for run in world.runs()] == [Phase.TRAINING]


def test_scheduled_runs_for_which_no_time_is_left_are_driven_by_the_poll() -> None:
    world = Observed(config={"pipeline": {"schedule": "0 0 * * * *"}})
    world.poll.start_scheduled()
    world.upload("a.csv")
    world.clock.move(HOUR)
    list_ = world.blobs.listing

    def slow(container: str, prefix: str) -> Any:
        world.clock.move(30 * SECOND)
        return list_(container, prefix)

    world.blobs.listing = slow  # type: ignore[method-assign]
    world.poll.start_scheduled(world.clock.now() + MINUTE)  # half of that goes to the listing
    world.blobs.listing = list_  # type: ignore[method-assign]
    assert [run.phase for run in world.runs()] in ([], [Phase.RECEIVED])
    world.poll.start_scheduled()
    world.poll.tick()
    assert [run.phase for run in world.runs()] == [Phase.TRAINING]


def test_what_is_not_open_any_more_is_removed_by_the_poller(world: Observed) -> None:
    (run,) = running(world)
    assert set(world.app.checks._checked_at) == {run.run_id}
    world.app.checks._unread.add(run.run_id)
    world.http.answers.clear()
    world.run_operations.cancel(run.run_id)
    world.poll.tick()
    assert world.app.checks._checked_at == {}
    assert world.app.checks._unread == set()


def test_a_damaged_record_is_reported_at_each_seldom_check(
    world: Observed, caplog: pytest.LogCaptureFixture
) -> None:
    (run,) = running(world)
    world.damage(f"runs/{run.run_id}")
    checked = world.app.checks.check(marker_of(world, run.run_id), world.clock.now())
    assert checked.well  # its hint says that the job runs
    bare = Marker(run.run_id, marker_of(world, run.run_id).etag, NOW)
    world.app.checks.check(bare, world.clock.now())
    assert world.app.checks._unread == {run.run_id}
    assert f"run {run.run_id} cannot be advanced" in caplog.text
    with pytest.raises(CorruptRecordError):
        world.app.driver.advance(run.run_id)


@pytest.mark.parametrize("error", [ConflictError("poll"), TransientError("busy")])
def test_a_tick_whose_heartbeat_cannot_be_stored_has_done_its_work(
    world: Observed,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    error: RelearnError,
) -> None:
    def refused(*_: object) -> None:
        raise error

    monkeypatch.setattr(world.context.ledger.heartbeat, "put", refused)
    assert world.poll.tick().at == world.clock.now()
    logged = "the last tick cannot be recorded now: busy" in caplog.text
    assert logged is isinstance(error, TransientError)  # else another poller was as fast
