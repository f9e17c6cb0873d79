"""Jobs that fail, take too long or are cancelled, and data that changes under them."""

from typing import Any

import pytest

from shared.core.run.record import Phase
from shared.errors import InvalidTransitionError
from shared.providers.http.client import Answer
from tests.fakes.world import CSV
from tests.unit.execution.driven_worlds import BAD, BUSY, CRASHED, CREATE, HOUR, MINUTE, PATCH
from tests.unit.fleet import Fleet
from tests.unit.worlds import Observed


@pytest.fixture
def world() -> Observed:
    return Observed()


def twice(**training: Any) -> Observed:
    return Observed(config={"training": {"attempts": 2, **training}})


def test_a_failed_job_ends_the_run_with_the_jobs_own_details(world: Observed) -> None:
    world.script("GET", "", Answer(200, {}, b'{"StatusCode": 2, "Details": "Bad column x."}'))
    run = world.start()
    world.tick()
    ended = world.now_of(run)
    assert (ended.phase, ended.reason) == (Phase.FAILED, "Bad column x.")
    assert not [name for name in world.documents.rows if name.startswith("open/")]


def test_the_second_attempt_is_a_job_of_its_own_after_the_first_has_ended() -> None:
    world = twice()
    failed = Answer(200, {}, b'{"StatusCode": "Failed", "Details": "Bad luck."}')
    world.script("GET", "", failed)
    run = world.start()
    world.tick()
    second = world.now_of(run)
    assert (second.phase, second.attempt) == (Phase.TRAINING, 2)
    ended = world.until(run, Phase.PROMOTED)
    assert [over.reason for over in ended.ended_attempts] == ["Bad luck."]
    assert len(set(world.starts)) == len(world.starts) == 2
    assert str(ended.model and ended.model.name).startswith(f"models/runs/sample/{run.run_id}/2/")


def test_a_job_that_takes_too_long_is_deleted_and_the_run_timed_out(world: Observed) -> None:
    run = world.start()
    world.idle(2 * HOUR - MINUTE)
    assert world.now_of(run).phase is Phase.TRAINING
    world.idle(2 * MINUTE)
    assert world.now_of(run).phase is Phase.TIMED_OUT
    assert [job.state for job in world.studio.jobs] == ["Cancelled"]
    assert "longer than 2:00:00" in str(world.now_of(run).reason)


def test_after_a_timeout_the_next_attempt_waits_until_the_job_is_known_to_be_over() -> None:
    world = twice(timeout="30m")
    world.script("DELETE", "", CRASHED, times=2)
    run = world.start()
    world.idle(30 * MINUTE)
    stuck = world.now_of(run)
    assert (stuck.attempt, stuck.phase, len(world.starts)) == (1, Phase.TRAINING, 1)
    world.idle(5 * MINUTE)
    assert world.now_of(run).attempt == 2
    first, _ = world.studio.jobs
    assert first.state == "Cancelled"
    assert len(world.starts) == 2


def test_a_job_that_failed_before_it_could_be_stopped_ends_with_its_own_details(
    world: Observed,
) -> None:
    run = world.start()
    failed = Answer(200, {}, b'{"StatusCode": "Failed", "Details": "Bad luck."}')
    world.script("GET", str(run.job), failed, times=None)
    world.clock.move(2 * HOUR)
    world.poll.tick()
    ended = world.now_of(run)
    assert (ended.phase, ended.reason) == (Phase.FAILED, "Bad luck.")


def test_a_delivery_without_a_change_does_not_have_its_roll_out_checked() -> None:
    fleet = Fleet(size=2)
    fleet.start()
    fleet.finish()
    driver = fleet.app.driver
    assert driver.advance(fleet.child("e1").run_id).roll_out is None


def test_a_job_that_finished_just_in_time_counts(world: Observed) -> None:
    run = world.start()
    world.clock.move(2 * HOUR)
    world.studio.work()
    world.poll.tick()
    assert world.now_of(run).phase is Phase.VERIFYING


def test_a_cancelled_run_stops_its_job(world: Observed) -> None:
    run = world.start()
    cancelled = world.run_operations.cancel(run.run_id)
    assert cancelled is not None
    assert cancelled.phase is Phase.CANCELLED
    assert [job.state for job in world.studio.jobs] == ["Cancelled"]
    with pytest.raises(InvalidTransitionError):
        world.run_operations.cancel(run.run_id)


def test_a_cancel_is_not_lost_while_the_service_is_away(world: Observed) -> None:
    run = world.start()
    mend = world.script("DELETE", "", BUSY, times=None)
    world.run_operations.cancel(run.run_id)
    world.idle(10 * MINUTE)
    assert world.now_of(run).phase is Phase.TRAINING
    mend()
    world.idle(2 * MINUTE)
    assert world.now_of(run).phase is Phase.CANCELLED


def test_a_cancel_that_had_to_be_parked_can_be_retried_and_polled_in_peace(
    world: Observed, caplog: pytest.LogCaptureFixture
) -> None:
    run = world.start()
    mend = world.script("DELETE", "", BUSY, times=None)
    world.run_operations.cancel(run.run_id)
    world.idle(2 * HOUR)
    assert world.now_of(run).phase is Phase.PARKED
    assert "cannot be advanced" not in caplog.text
    mend()
    world.run_operations.retry(run.run_id)
    world.idle(MINUTE)
    assert world.now_of(run).phase is Phase.CANCELLED


def test_a_run_parked_before_its_update_was_taken_can_be_cancelled_as_its_advice_says(
    world: Observed,
) -> None:
    world.script(*PATCH, BAD, times=None)
    run = world.until(world.start(), Phase.PARKED)
    assert "cancel" in str(run.advice)
    cancelled = world.run_operations.cancel(run.run_id)
    assert cancelled is not None
    assert cancelled.phase is Phase.CANCELLED


def test_data_overwritten_during_training_gets_a_run_of_its_own(world: Observed) -> None:
    first = world.start()
    world.clock.move(MINUTE)
    world.upload(content=CSV + b"5,6,1\n")  # its event is lost
    world.until(first, Phase.SUPERSEDED)
    world.tick()
    (second,) = [run for run in world.runs() if run.run_id != first.run_id]
    ended = world.until(second, Phase.PROMOTED)
    assert [blob.size for blob in ended.manifest] == [len(CSV) + 6]
    assert len(world.http.sent) > 0
    assert sum(sent.startswith("PATCH") for sent in world.http.sent) == 1


def test_data_overwritten_before_the_job_is_never_trained_on_as_something_else(
    world: Observed,
) -> None:
    mend = world.script(*CREATE, BUSY, times=None)
    first = world.start()
    world.clock.move(MINUTE)
    world.upload(content=CSV + b"5,6,1\n")
    mend()
    world.until(first, Phase.SUPERSEDED)
    world.tick()
    world.until_ended()
    assert [run.phase for run in world.runs() if run.run_id != first.run_id] == [Phase.PROMOTED]
    assert len(world.starts) == 1


def test_data_deleted_before_the_job_ends_the_run_rejected(world: Observed) -> None:
    world.script(*CREATE, BUSY)
    run = world.start()
    world.blobs.remove("training-data", "new.csv")
    ended = world.until(run, Phase.REJECTED)
    assert "deleted" in str(ended.reason)
    assert world.starts == []


def test_data_deleted_during_training_blocks_nothing(world: Observed) -> None:
    run = world.start()
    world.studio.work()
    world.blobs.remove("training-data", "new.csv")
    world.until(run, Phase.PROMOTED)
