"""What a tick looks at, when it looks again, and what its heartbeat keeps for the next one."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest

from shared.core.run.record import Phase, Run
from shared.errors import ConflictError, CorruptRecordError, RelearnError, TransientError
from shared.execution.driver import Advanced
from shared.execution.queues import CheckResult
from shared.ledger.open_markers import Marker, OpenMarker, RunHints, hints_of
from shared.ledger.progress import Heartbeat
from tests.unit.fleet import Fleet
from tests.unit.intake.test_batches import BURST, land, world_of
from tests.unit.samples import NOW
from tests.unit.worlds import RUNNING, Observed, refused

SECOND, MINUTE, HOUR = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1)
BUSY = refused(503, "ServiceUnavailable", "Request was throttled.")


@pytest.fixture
def world() -> Observed:
    return Observed()


def checks(world: Observed, span: timedelta, step: timedelta = 10 * SECOND) -> int:
    """Let time pass, and return how often a job's state was asked for."""
    sent = len(world.http.sent)
    world.idle(span, step)
    return len([one for one in world.http.sent[sent:] if one.startswith("GET")])


def running(world: Observed, count: int = 1) -> list[Run]:
    runs = [world.start(f"{number}.csv") for number in range(count)]
    world.script("GET", "", RUNNING, times=None)
    world.poll.tick()
    return runs


def marker_of(world: Observed, run_id: str) -> Marker:
    return next(m for m in world.context.ledger.open_markers.listed() if m.run_id == run_id)


def beat_of(world: Observed) -> Heartbeat:
    stored = world.context.ledger.heartbeat.read()
    assert stored is not None
    return stored.record


@pytest.mark.parametrize(
    ("age", "seconds"),
    [(3 * MINUTE, 10), (5 * MINUTE, 15), (9 * MINUTE, 27), (30 * MINUTE, 30)],
)
def test_a_job_is_looked_at_again_after_a_twentieth_of_its_age_within_bounds(
    world: Observed, age: timedelta, seconds: int
) -> None:
    running(world)
    began = world.clock.now()
    world.clock.move(age - timedelta(seconds=seconds))
    world.poll.tick()
    checked = world.clock.now()
    assert checked - began == age - timedelta(seconds=seconds)
    assert checks(world, timedelta(seconds=seconds - 1), SECOND) == 0
    assert checks(world, SECOND, SECOND) == 1


def test_a_parked_run_is_read_again_every_ten_minutes(world: Observed) -> None:
    world.script("POST", "/jobs", refused(400, "BadArgument", "no"), times=None)
    world.start()
    world.poll.tick()
    world.calls.clear()
    world.idle(9 * MINUTE)
    assert world.calls.count("read runs") == 0
    world.idle(MINUTE)
    assert world.calls.count("read runs") == 1


def test_a_run_that_waits_for_a_person_is_looked_at_when_its_wait_is_over() -> None:
    gate = {"gate": {"approval": "required", "expires": "25m", "on_expiry": "reject"}}
    world = Observed(config={"pipeline": gate})
    run = world.until(world.start(), Phase.AWAITING_APPROVAL)
    since = world.now_of(run).awaiting_since
    assert since is not None
    while world.now_of(run).phase is Phase.AWAITING_APPROVAL:
        world.idle(10 * SECOND, 10 * SECOND)
    assert world.clock.now() - since <= 25 * MINUTE + 10 * SECOND


def test_a_run_in_trouble_is_not_looked_at_before_it_said(world: Observed) -> None:
    (run,) = running(world)
    world.app.driver.delay(run.run_id, TransientError("busy", retry_after=5 * MINUTE))
    world.context.ledger.open_markers.replace(
        marker_of(world, run.run_id), hints_of(world.now_of(run))
    )
    assert checks(world, 5 * MINUTE - SECOND, SECOND) == 0
    assert checks(world, SECOND, SECOND) == 1


def test_a_job_whose_time_is_over_is_not_believed_to_run_by_its_hint(world: Observed) -> None:
    (run,) = running(world)
    world.clock.move(MINUTE)
    world.poll.tick()  # this process knows the service now
    world.clock.move(run.config.training.timeout - MINUTE - SECOND)
    world.calls.clear()
    world.poll.tick()
    assert world.calls.count("read runs") == 0
    world.clock.move(SECOND + 30 * SECOND)
    world.poll.tick()
    assert world.calls.count("read runs") == 1


def test_a_service_that_fails_has_that_kept_in_record_and_marker(world: Observed) -> None:
    (run,) = running(world)
    world.http.answers.clear()
    world.script("GET", "", BUSY)
    world.clock.move(MINUTE)
    world.poll.tick()
    step_failure = world.now_of(run).step_failure
    assert step_failure is not None
    assert "throttled" in step_failure.reason
    assert marker_of(world, run.run_id).hints == hints_of(world.now_of(run))


def test_an_odd_answer_is_left_to_the_driver_to_keep(world: Observed) -> None:
    (run,) = running(world)
    world.http.answers.clear()
    world.script("GET", str(run.job), refused(403, "Forbidden", "No such key."))
    world.clock.move(MINUTE)
    world.poll.tick()
    assert "No such key." not in str(world.now_of(run).step_failure)  # the second look went well
    world.script("GET", str(run.job), refused(403, "Forbidden", "No such key."), times=None)
    world.clock.move(MINUTE)
    world.poll.tick()
    assert world.now_of(run).phase is Phase.PARKED


def test_a_heartbeat_counts_what_is_open_parked_and_missing(world: Observed) -> None:
    running(world, count=2)
    world.http.answers.clear()
    world.script("POST", "/jobs", refused(400, "BadArgument", "no"), times=None)
    parked = world.start("bad.csv")
    assert world.now_of(parked).phase is Phase.PARKED
    world.restart()
    world.clock.move(10 * SECOND)  # else whoever started the jobs has just looked at them
    beat = world.poll.tick()
    assert (beat.open, beat.parked, beat.checked, beat.missing) == (3, 1, 3, 0)
    assert beat == beat_of(world)
    world.poll.tick()
    assert beat_of(world).checked == 0


def test_a_heartbeat_that_is_not_understood_is_logged_and_starts_the_round_anew(
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


def test_the_next_tick_goes_on_behind_the_last_run_that_was_looked_at(world: Observed) -> None:
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


def test_runs_that_were_not_reached_are_looked_at_when_the_endpoints_leave_time(
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


def test_what_landed_and_found_no_time_is_first_in_the_next_tick() -> None:
    world = world_of({**BURST, "key": "key", "data": {"blob": "{key}-{name}.csv", "settle": "1m"}})
    land(world, "a-1.csv", "b-1.csv", "c-1.csv")
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


def test_a_run_that_is_opened_by_what_landed_is_driven_in_the_same_tick() -> None:
    world = world_of(BURST)
    land(world, "a.csv")
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


def test_a_settled_delivery_has_its_roll_out_go_on_in_the_same_tick() -> None:
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


def test_a_roll_out_that_cannot_go_on_now_is_left_to_the_next_tick(
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
    assert "run sample-1 goes on at the next tick: busy" in caplog.text


@pytest.mark.parametrize(
    ("error", "well", "says"),
    [
        (TransientError("busy"), False, "cannot be advanced now: busy"),
        (RelearnError("odd"), True, "cannot be advanced: odd"),
        (KeyError("odd"), True, "cannot be advanced"),
    ],
)
def test_only_a_service_or_storage_that_fails_counts_against_its_lane(
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    error: Exception,
    well: bool,  # noqa: FBT001 -- a case
    says: str,
) -> None:
    world = Observed()
    (run,) = running(world)

    def fails(*_: object, **__: object) -> Any:
        raise error

    monkeypatch.setattr(world.app.driver, "advance", fails)
    marker = marker_of(world, run.run_id)
    bare = Marker(marker.run_id, marker.etag, marker.modified)
    checked = world.app.checks.check(bare, world.clock.now() + MINUTE)
    assert (checked.well, checked.advanced.run) == (well, None)
    assert f"run {run.run_id} {says}" in caplog.text


def test_a_run_in_trouble_counts_against_its_service_unless_it_waits(world: Observed) -> None:
    (run,) = running(world)
    later = world.clock.now() + MINUTE
    bare = Marker(run.run_id, marker_of(world, run.run_id).etag, NOW)
    assert world.app.checks.check(bare, later).well
    world.app.driver.delay(run.run_id, TransientError("busy", retry_after=HOUR))
    checked = world.app.checks.check(bare, later)
    assert not checked.well
    assert checked.advanced.run == world.now_of(run)
    assert checked.advanced.run is not None
    stored = world.context.ledger.runs.read(run.run_id)
    assert stored is not None
    waits = stored.record.model_copy(update={"phase": Phase.WAITING})
    world.context.ledger.runs.replace(waits, stored.etag)
    assert world.app.checks.check(bare, later).well


def test_nobody_believes_the_marker_of_a_run_that_cannot_be_read(world: Observed) -> None:
    (run,) = running(world)
    world.damage(f"runs/{run.run_id}")
    world.context.ledger.open_markers.replace(
        marker_of(world, run.run_id),
        RunHints(phase=Phase.TRAINING, pipeline="sample", service="s"),
    )
    world.restart()
    world.poll.tick()
    assert marker_of(world, run.run_id).hints == RunHints(pipeline="sample", service="s")
    etag = marker_of(world, run.run_id).etag
    world.calls.clear()
    world.idle(9 * MINUTE)
    assert world.calls.count("read runs") == 0
    world.idle(MINUTE)
    assert world.calls.count("read runs") == 1
    assert marker_of(world, run.run_id).etag == etag  # it is not written again


def test_a_marker_is_written_only_where_its_run_changed_and_never_for_an_ended_one(
    world: Observed,
) -> None:
    (run,) = running(world)
    etag = marker_of(world, run.run_id).etag
    world.restart()
    world.poll.tick()
    assert marker_of(world, run.run_id).etag == etag
    world.http.answers.clear()
    world.run_operations.cancel(run.run_id)
    world.context.ledger.open_markers.mark(run.run_id, RunHints())
    hinted: list[str] = []
    hint: Callable[..., None] = world.context.ledger.open_markers.replace

    def noted(marker: Marker, hints: OpenMarker) -> None:
        hinted.append(marker.run_id)
        hint(marker, hints)

    world.context.ledger.open_markers.replace = noted  # type: ignore[method-assign]
    world.poll.tick()
    assert hinted == []
    assert world.open_runs() == []


def test_an_announcement_is_forgotten_after_two_leases_and_not_before(world: Observed) -> None:
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


def test_what_is_not_open_any_more_is_forgotten_by_the_poller(world: Observed) -> None:
    (run,) = running(world)
    assert set(world.app.checks._checked_at) == {run.run_id}
    world.app.checks._unread.add(run.run_id)
    world.http.answers.clear()
    world.run_operations.cancel(run.run_id)
    world.poll.tick()
    assert world.app.checks._checked_at == {}
    assert world.app.checks._unread == set()


def test_a_damaged_record_is_told_of_at_each_seldom_look(
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


def test_the_state_of_a_job_that_ended_is_asked_for_once(world: Observed) -> None:
    run = world.start()
    world.poll.tick()
    world.clock.move(MINUTE)
    world.studio.work()
    world.http.sent.clear()
    world.poll.tick()
    asked = [one for one in world.http.sent if one.startswith("GET") and str(run.job) in one]
    assert len(asked) == 1
    assert world.now_of(run).phase is not Phase.TRAINING
