"""When a job is checked: by its age, and once more when an output file appears."""

from collections.abc import Callable
from datetime import timedelta

import pytest

from shared.core.run.manual_request import ManualRequest
from shared.core.run.record import Phase, Run
from shared.errors import RelearnError
from tests.fakes.faults import Kind
from tests.fakes.world import DATA, MODELS
from tests.unit.worlds import RUNNING, Observed, refused

SECOND = timedelta(seconds=1)


def running() -> tuple[Observed, Run]:
    """A world with one job that runs for as long as the test does."""
    world = Observed()
    run = world.until(world.start(), Phase.TRAINING)
    world.script("GET", f"/jobs/{run.job}", RUNNING, None)
    world.http.sent.clear()
    return world, run


def checks(world: Observed, run: Run) -> int:
    """How often the service was asked for the state of the job."""
    return sum(one.endswith(f"/jobs/{run.job}") for one in world.http.sent)


def output(run: Run, file: str = "model.ilearner", attempt: int = 1) -> str:
    return f"runs/sample/{run.run_id}/{attempt}/{file}"


def writes(world: Observed, run: Run, file: str = "model.ilearner") -> str:
    world.blobs.put(MODELS, output(run, file), f"at {world.clock.now()}".encode())
    return output(run, file)


def test_forty_events_of_one_output_file_cause_one_probe() -> None:
    world, run = running()
    name = writes(world, run)
    for _ in range(40):
        world.clock.move(SECOND / 4)
        world.app.model_events.model_arrived(name)
    assert checks(world, run) == 1


def test_a_restart_and_another_host_do_not_check_again_for_what_was_seen() -> None:
    world, run = running()
    name = writes(world, run)
    world.app.model_events.model_arrived(name)
    for _ in range(10):
        world.restart()
        app = world._worker()
        world.app.model_events.model_arrived(name)
        app.model_events.model_arrived(name)
    assert checks(world, run) == 1


def test_each_new_file_and_each_new_version_of_it_is_a_reason_for_one_check() -> None:
    world, run = running()
    for number in range(3):
        world.clock.move(SECOND)
        names = [writes(world, run), writes(world, run, "second.ilearner")]
        for name in names * 5:
            world.app.model_events.model_arrived(name)
        assert checks(world, run) == 2 * (number + 1)


def test_a_job_that_writes_one_file_again_and_again_is_not_checked_for_ever() -> None:
    world, run = running()
    for _ in range(200):
        world.clock.move(SECOND / 10)
        world.app.model_events.model_arrived(writes(world, run))
    assert checks(world, run) <= 20
    assert len(world.now_of(run).outputs_seen) <= 20


def test_the_next_attempt_counts_its_own_files() -> None:
    world = Observed(config={"training": {"attempts": 2}})
    run = world.until(world.start(), Phase.TRAINING)
    world.app.model_events.model_arrived(writes(world, run))
    failed = RUNNING.body.replace(b"Running", b"Failed")
    world.script("GET", f"/jobs/{run.job}", type(RUNNING)(200, {}, failed), None)
    while world.now_of(run).attempt == 1:
        world.clock.move(30 * SECOND)
        world.poll.tick()
    assert world.now_of(run).outputs_seen == ()


@pytest.mark.parametrize(
    "event",
    [
        lambda world, run: world.deliver("new.csv"),
        lambda world, run: world.app.model_events.model_arrived(output(run)),  # gone again
        lambda world, run: world.app.model_events.model_arrived(output(run, attempt=7)),
        lambda world, run: world.app.model_events.model_arrived(
            "runs/sample/sample-0/1/model.ilearner"
        ),
        lambda world, run: world.app.model_events.model_arrived(output(run, "evaluation.csv")),
        lambda world, run: world.discover(world.blobs.head(DATA, "new.csv")),
    ],
    ids=["the data", "gone", "another attempt", "another run", "no model", "a search"],
)
def test_no_other_event_has_a_job_checked(event: Callable[[Observed, Run], object]) -> None:
    world, run = running()
    for _ in range(40):
        world.clock.move(SECOND / 4)
        event(world, run)
    assert checks(world, run) == 0


def test_a_request_that_is_sent_again_and_again_has_no_job_checked() -> None:
    world = Observed()
    world.upload()
    asked = ManualRequest(data="new.csv")
    run = world.until(world.app.requests.requested(world.pipeline, "key", asked), Phase.TRAINING)
    world.script("GET", f"/jobs/{run.job}", RUNNING, None)
    world.http.sent.clear()
    for _ in range(40):
        world.clock.move(SECOND / 4)
        world.app.requests.requested(world.pipeline, "key", asked)
    assert checks(world, run) == 0


def test_the_poll_checks_by_age_however_many_events_come() -> None:
    world, run = running()
    name = writes(world, run)
    for _ in range(240):  # four minutes; a check is due every ten seconds
        world.clock.move(SECOND)
        world.app.model_events.model_arrived(name)
        world.poll.tick()
    assert checks(world, run) <= 1 + 24


def test_a_job_that_was_started_this_moment_is_not_checked_by_the_next_tick() -> None:
    world = Observed()
    run = world.start()
    assert run.phase is Phase.TRAINING
    for _ in range(9):
        world.clock.move(SECOND)
        world.poll.tick()
    assert checks(world, run) == 0
    for _ in range(2):
        world.clock.move(SECOND)
        world.poll.tick()
    assert checks(world, run) == 1


def test_an_event_of_the_model_still_ends_the_training_at_once() -> None:
    world = Observed()
    run = world.start()
    world.studio.work()
    world.studio.work()
    world.app.model_events.model_arrived(output(run))
    assert world.now_of(run).phase.updates


@pytest.mark.parametrize("kind", [Kind.REFUSED, Kind.LOST, Kind.LATE, Kind.PREEMPT])
def test_what_goes_wrong_while_an_event_is_recorded_costs_no_check_too_many(kind: Kind) -> None:
    world, run = running()
    name = writes(world, run)
    world.faults.plan = {len(world.faults.sites): kind}
    for _ in range(10):
        world.clock.move(SECOND / 4)
        try:
            world.app.model_events.model_arrived(name)
        except RelearnError:
            pytest.fail("an event about an output never fails: the poll does the same")
    assert checks(world, run) <= 2  # the other worker of PREEMPT is a poll


def test_a_new_file_does_not_shorten_the_time_that_the_service_asked_for() -> None:
    world = Observed()
    run = world.until(world.start(), Phase.TRAINING)
    busy = refused(429, "TooManyRequests", "slow down", Retry_After="1200")
    world.script("GET", f"/jobs/{run.job}", busy, None)
    world.tick()
    before = world.now_of(run).step_failure
    assert before is not None
    world.http.sent.clear()
    for _ in range(5):
        world.clock.move(30 * SECOND)
        world.app.model_events.model_arrived(writes(world, run))
    assert checks(world, run) == 0
    assert world.now_of(run).step_failure == before  # how long it fails is not forgotten
    world.clock.move(timedelta(minutes=20))
    world.poll.tick()
    assert checks(world, run) == 1


def test_files_of_any_name_cause_one_check_in_each_interval() -> None:
    world, run = running()
    for number in range(30):  # each of them a second after the other; the interval is ten
        world.clock.move(SECOND)
        world.app.model_events.model_arrived(writes(world, run, f"model/part-{number}.bin"))
    assert checks(world, run) == 3
