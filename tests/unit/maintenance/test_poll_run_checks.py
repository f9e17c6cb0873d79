"""When the poll reads a run again, and the content of its marker."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from shared.core.run.record import Phase
from shared.errors import RelearnError, TransientError
from shared.ledger.open_markers import Marker, OpenMarker, RunHints, hints_of
from tests.unit.maintenance.polled_worlds import HOUR, MINUTE, SECOND, marker_of, running
from tests.unit.samples import NOW
from tests.unit.worlds import Observed, refused

BUSY = refused(503, "ServiceUnavailable", "Request was throttled.")


@pytest.fixture
def world() -> Observed:
    return Observed()


def checks(world: Observed, span: timedelta, step: timedelta = 10 * SECOND) -> int:
    """Let time pass, and return how often a job's state was asked for."""
    sent = len(world.http.sent)
    world.idle(span, step)
    return len([one for one in world.http.sent[sent:] if one.startswith("GET")])


@pytest.mark.parametrize(
    ("age", "seconds"),
    [(3 * MINUTE, 10), (5 * MINUTE, 15), (9 * MINUTE, 27), (30 * MINUTE, 30)],
)
def test_a_job_is_checked_again_after_a_twentieth_of_its_age_within_bounds(
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


def test_a_run_that_waits_for_an_operator_is_checked_when_its_wait_is_over() -> None:
    gate = {"gate": {"approval": "required", "expires": "25m", "on_expiry": "reject"}}
    world = Observed(config={"pipeline": gate})
    run = world.until(world.start(), Phase.AWAITING_APPROVAL)
    since = world.now_of(run).awaiting_since
    assert since is not None
    while world.now_of(run).phase is Phase.AWAITING_APPROVAL:
        world.idle(10 * SECOND, 10 * SECOND)
    assert world.clock.now() - since <= 25 * MINUTE + 10 * SECOND


def test_a_run_with_a_step_failure_is_not_checked_before_it_said(world: Observed) -> None:
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
    assert "No such key." not in str(world.now_of(run).step_failure)  # the second probe went well
    world.script("GET", str(run.job), refused(403, "Forbidden", "No such key."), times=None)
    world.clock.move(MINUTE)
    world.poll.tick()
    assert world.now_of(run).phase is Phase.PARKED


@pytest.mark.parametrize(
    ("error", "well", "message"),
    [
        (TransientError("busy"), False, "cannot be advanced now: busy"),
        (RelearnError("odd"), True, "cannot be advanced: odd"),
        (KeyError("odd"), True, "cannot be advanced"),
    ],
)
def test_only_a_service_or_storage_that_fails_counts_against_its_bulkhead(
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    error: Exception,
    well: bool,  # noqa: FBT001 -- a case
    message: str,
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
    assert f"run {run.run_id} {message}" in caplog.text


def test_a_run_with_a_step_failure_counts_against_its_service_unless_it_waits(
    world: Observed,
) -> None:
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


def test_the_marker_is_not_believed_of_a_run_that_cannot_be_read(world: Observed) -> None:
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
