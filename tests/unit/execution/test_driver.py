import json
from datetime import timedelta
from typing import Any

import pytest

from shared.core.run.record import Phase
from shared.errors import InvalidTransitionError
from shared.providers.http.client import Answer
from tests.fakes.faults import Faults, Kind
from tests.fakes.world import CSV
from tests.unit.fleet import Fleet
from tests.unit.worlds import Observed, refused

SECOND, MINUTE, HOUR = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1)
BAD = refused(400, "InvalidInputNames", "Invalid service input name(s).")
BUSY = refused(503, "ServiceUnavailable", "Request was throttled.")
CRASHED = refused(500, "InternalError", "Something went wrong.")
WRONG_KEY = refused(401, "Unauthorized", "Invalid credentials provided.")
OTHER_COLUMNS = b"x,y,label\n1,2,0\n"

#: Where in a run a call is made: method, end of the path.
CREATE, START, PATCH = ("POST", "/jobs"), ("POST", "/start"), ("PATCH", "/production")


@pytest.fixture
def world() -> Observed:
    return Observed()


def twice(**training: Any) -> Observed:
    return Observed(config={"training": {"attempts": 2, **training}})


@pytest.mark.parametrize(("method", "ending"), [CREATE, START, PATCH])
def test_a_refusal_parks_the_run_with_the_services_own_reason(
    world: Observed, method: str, ending: str
) -> None:
    world.script(method, ending, BAD, times=None)
    run = world.until(world.start(), Phase.PARKED)
    assert "Invalid service input name(s). (HTTP 400)" in str(run.reason)
    assert "retry" in str(run.advice)


@pytest.mark.parametrize(("method", "ending"), [CREATE, START, PATCH])
def test_a_parked_run_is_not_polled_and_a_retry_brings_it_to_its_end(
    world: Observed, method: str, ending: str
) -> None:
    mend = world.script(method, ending, BAD, times=None)
    run = world.until(world.start(), Phase.PARKED)
    sent = len(world.http.sent)
    world.idle(timedelta(hours=2))
    assert len(world.http.sent) == sent
    mend()
    world.run_operations.retry(run.run_id)
    world.until(run, Phase.PROMOTED)
    assert len(world.starts) == 1


@pytest.mark.parametrize("answer", [BUSY, CRASHED, WRONG_KEY, Answer(502, {}, b"<html>")])
@pytest.mark.parametrize(("method", "ending"), [CREATE, START, PATCH])
def test_a_trouble_that_passes_delays_the_run_and_nothing_else(
    world: Observed, method: str, ending: str, answer: Answer
) -> None:
    world.script(method, ending, answer, times=2)
    world.until(world.start(), Phase.PROMOTED, ticks=80)
    assert len(world.starts) == 1


@pytest.mark.parametrize(
    ("method", "ending", "answer", "patience"),
    [
        (*CREATE, BUSY, HOUR),
        (*CREATE, WRONG_KEY, 10 * MINUTE),
        (*CREATE, CRASHED, HOUR),
        (*START, BUSY, HOUR),
        (*PATCH, BUSY, HOUR),
        (*PATCH, WRONG_KEY, 10 * MINUTE),
    ],
)
def test_a_trouble_that_stays_parks_the_run_when_the_patience_is_over(
    world: Observed, method: str, ending: str, answer: Answer, patience: timedelta
) -> None:
    world.script(method, ending, answer, times=None)
    run = world.start()
    if method == "PATCH":
        world.tick()
    world.idle(patience - 2 * MINUTE, step=20 * SECOND)
    waiting = world.now_of(run)
    assert waiting.phase is not Phase.PARKED
    assert waiting.step_failure is not None
    assert json.loads(answer.body)["error"]["message"] in waiting.step_failure.reason
    world.idle(6 * MINUTE, step=20 * SECOND)
    parked = world.now_of(run)
    assert parked.phase is Phase.PARKED
    assert parked.advice
    assert len(world.starts) <= 1


@pytest.mark.parametrize("status", [400, 403])
def test_a_look_that_is_refused_parks_the_run_with_the_reason(world: Observed, status: int) -> None:
    run = world.start()
    world.idle(MINUTE)
    world.script("GET", str(run.job), refused(status, "BadArgument", "No such key."), times=None)
    world.idle(5 * MINUTE)
    parked = world.now_of(run)
    assert parked.phase is Phase.PARKED
    assert "No such key." in str(parked.reason)


def test_a_job_that_the_service_forgot_is_waited_for_and_then_parked(world: Observed) -> None:
    run = world.start()
    world.idle(MINUTE)
    world.script("GET", str(run.job), refused(404, "NotFound", "No such job."), times=None)
    world.idle(8 * MINUTE)
    assert world.now_of(run).phase is Phase.TRAINING
    world.idle(5 * MINUTE)
    assert world.now_of(run).phase is Phase.PARKED
    assert "No such job." in str(world.now_of(run).reason)


def test_a_creation_answered_by_garbage_is_repeated_and_one_job_started(world: Observed) -> None:
    world.script(*CREATE, Answer(200, {}, b"<html>"), times=2)
    world.until(world.start(), Phase.PROMOTED)
    assert len(world.starts) == 1


def test_a_start_whose_answers_are_all_lost_parks_in_the_end(world: Observed) -> None:
    world.script(*START, CRASHED, times=None)
    run = world.start()
    world.idle(2 * HOUR)
    assert world.now_of(run).phase is Phase.PARKED


def test_a_wait_that_the_service_asks_for_is_kept(world: Observed) -> None:
    told = refused(503, "ServiceUnavailable", "Busy.", Retry_After="600")
    world.script(*CREATE, told)
    run = world.start()
    assert run.step_failure is not None
    assert run.step_failure.next_check - world.clock.now() >= 10 * MINUTE
    world.idle(10 * MINUTE - 10 * SECOND, step=10 * SECOND)
    assert len(world.http.sent) == 1
    world.idle(MINUTE, step=10 * SECOND)
    assert world.now_of(run).phase is Phase.TRAINING


def test_pauses_grow_and_stay_within_their_bounds(world: Observed) -> None:
    world.script(*CREATE, BUSY, times=None)
    run = world.start()
    pauses = []
    for _ in range(8):
        step_failure = world.now_of(run).step_failure
        assert step_failure is not None
        pauses.append((step_failure.next_check - world.clock.now()).total_seconds())
        world.clock.move(step_failure.next_check - world.clock.now())
        world.poll.tick()
    assert 10 <= pauses[0] <= 12.5
    assert pauses[0] < pauses[1] < pauses[2]
    assert all(30 <= pause <= 37.5 for pause in pauses[3:])


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


def test_a_delivery_that_stands_as_before_does_not_have_its_roll_out_looked_at() -> None:
    fleet = Fleet(size=2)
    fleet.start()
    fleet.settle()
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


def test_a_cancel_is_not_forgotten_while_the_service_is_away(world: Observed) -> None:
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


def test_data_deleted_during_training_is_no_hindrance(world: Observed) -> None:
    run = world.start()
    world.studio.work()
    world.blobs.remove("training-data", "new.csv")
    world.until(run, Phase.PROMOTED)


def test_a_worker_that_died_is_followed_only_after_the_lease() -> None:
    world = Observed(faults=Faults({}))
    world.upload()
    sites = len(world.faults.sites)
    world.faults.plan = {sites + 7: Kind.CRASH_AFTER}  # the job, after all its records
    assert not world.survive(world.deliver)
    world.clock.move(MINUTE)
    world.poll.tick()
    assert len(world.studio.jobs) == 1
    world.idle(5 * MINUTE)
    assert len(world.starts) == 1


def test_an_error_nobody_expected_is_told_and_parks_its_run_alone(
    world: Observed, caplog: pytest.LogCaptureFixture
) -> None:
    broken, well = world.start("a.csv"), world.start("b.csv")

    def fail(_: str, path: str) -> Answer | None:
        if path.endswith(str(broken.job)):
            raise ZeroDivisionError
        return None

    world.http.answers.append(fail)
    world.until(well, Phase.PROMOTED)
    assert f"run {broken.run_id}" in caplog.text
    assert "ZeroDivisionError" in caplog.text
    assert "Traceback" in caplog.text
    world.idle(90 * MINUTE)
    assert world.now_of(broken).phase is Phase.PARKED


@pytest.mark.parametrize(("method", "ending"), [START, PATCH])
def test_an_effect_that_ended_in_an_error_nobody_expected_is_not_repeated_within_the_lease(
    world: Observed, method: str, ending: str
) -> None:
    errors = iter([KeyError("access_token")])  # the request may be on its way all the same

    def fail(asked: str, path: str) -> Answer | None:
        if asked == method and path.endswith(ending) and (error := next(errors, None)):
            raise error
        return None

    def sent() -> int:
        return sum(one.startswith(method) and one.endswith(ending) for one in world.http.sent)

    world.http.answers.append(fail)
    run = world.start()
    while not sent():
        world.tick(10)
    assert world.now_of(run).claim is not None
    world.idle(world.limits.lease - 10 * SECOND, step=10 * SECOND)
    assert sent() == 1
    world.until(run, Phase.PROMOTED, ticks=80)
    assert len(world.starts) == 1


def test_no_step_is_begun_when_the_time_of_its_caller_is_up(world: Observed) -> None:
    run = world.start()
    world.studio.work()

    def slow(method: str, path: str) -> None:
        world.clock.move(MINUTE)

    world.http.answers.append(slow)
    until = world.clock.now() + 30 * SECOND
    moved = world.app.driver.advance(run.run_id, until, check_from=0 * SECOND)
    assert moved.run is not None
    assert moved.run.phase is Phase.TRAINED  # one look at the job, and nothing after it
    late = world.app.driver.advance(run.run_id, world.clock.now() - SECOND)
    assert late == moved


def test_no_secret_is_kept_or_logged(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")
    world = Observed()
    keys = (world.training.api_key, world.training.api_key, world.endpoint.api_key)
    for (method, ending), key in zip((CREATE, START, PATCH), keys, strict=True):
        echo = f"Bearer {key} or {key} for https://a/c?sv=1&sig=SECRET"
        world.script(method, ending, refused(503, "ServiceUnavailable", echo))
        world.script(method, ending, refused(500, "InternalError", echo))
    world.until(world.start(), Phase.PROMOTED, ticks=80)
    world.clock.move(MINUTE)
    world.upload("bad.csv", OTHER_COLUMNS)
    world.until(world.deliver("bad.csv")[0], Phase.ROLLED_BACK)
    text = world.said() + caplog.text
    for secret in (world.training.api_key, world.endpoint.api_key, "SECRET", "sig="):
        assert secret not in text
