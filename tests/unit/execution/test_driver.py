"""The driver when a service fails or a worker dies."""

import json
from datetime import timedelta

import pytest

from shared.core.run.record import Phase
from shared.providers.http.client import Answer
from tests.fakes.faults import Faults, Kind
from tests.unit.execution.driven_worlds import (
    BAD,
    BUSY,
    CRASHED,
    CREATE,
    HOUR,
    MINUTE,
    PATCH,
    SECOND,
    START,
)
from tests.unit.worlds import Observed, refused

WRONG_KEY = refused(401, "Unauthorized", "Invalid credentials provided.")
OTHER_COLUMNS = b"x,y,label\n1,2,0\n"


@pytest.fixture
def world() -> Observed:
    return Observed()


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
def test_a_transient_failure_delays_the_run_and_nothing_else(
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
def test_a_lasting_failure_parks_the_run_when_the_patience_is_over(
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
def test_a_check_that_is_refused_parks_the_run_with_the_reason(
    world: Observed, status: int
) -> None:
    run = world.start()
    world.idle(MINUTE)
    world.script("GET", str(run.job), refused(status, "BadArgument", "No such key."), times=None)
    world.idle(5 * MINUTE)
    parked = world.now_of(run)
    assert parked.phase is Phase.PARKED
    assert "No such key." in str(parked.reason)


def test_a_job_that_the_service_does_not_know_is_waited_for_and_then_parked(
    world: Observed,
) -> None:
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
    reported = refused(503, "ServiceUnavailable", "Busy.", Retry_After="600")
    world.script(*CREATE, reported)
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


def test_an_unexpected_error_is_reported_and_parks_its_run_alone(
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
def test_an_effect_that_ended_in_an_unexpected_error_is_not_repeated_within_the_lease(
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
    assert moved.run.phase is Phase.TRAINED  # one check of the job, and nothing after it
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
    text = world.everything_stored() + caplog.text
    for secret in (world.training.api_key, world.endpoint.api_key, "SECRET", "sig="):
        assert secret not in text
