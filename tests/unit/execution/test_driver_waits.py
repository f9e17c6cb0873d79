"""The wait of a run after a failure, and the start of its steps."""

import hashlib
from dataclasses import replace
from datetime import timedelta

import pytest

from shared.core.run.control_events import StepFailed
from shared.core.run.record import Origin, Phase, Run
from shared.errors import (
    ConflictError,
    InvalidTransitionError,
    OutcomeUnknownError,
    RelearnError,
    TransientError,
)
from shared.execution.step_failures import StepFailures
from tests.fakes.world import LIMITS
from tests.unit.intake.test_batches import world_of
from tests.unit.samples import NOW, run, step_failure
from tests.unit.worlds import RUNNING, Observed

HOUR, MINUTE, SECOND = timedelta(hours=1), timedelta(minutes=1), timedelta(seconds=1)


BUSY = TransientError("busy")


@pytest.fixture
def world() -> Observed:
    return Observed()


def delay(world: Observed, one: Run, error: RelearnError = BUSY) -> StepFailed:
    return StepFailures(world.context).delay_for(one, error)


def pause(world: Observed, one: Run) -> timedelta:
    return delay(world, one).next_check - world.clock.now()


def named_so_that_it_waits(part: int, count: int) -> str:
    """Return the id of a run whose pause is this part, in 255ths, of a quarter longer."""
    ids = (f"sample-{number}" for number in range(10_000))
    return next(one for one in ids if hashlib.sha256(f"{one}/{count}".encode()).digest()[0] == part)


@pytest.mark.parametrize(
    ("count", "seconds"), [(0, 10), (1, 20), (2, 40), (9, 5120), (10, 10240), (11, 10240)]
)
def test_a_pause_doubles_with_each_failure_and_is_spread_over_a_quarter_of_itself(
    count: int, seconds: int
) -> None:
    world = Observed(limits=replace(LIMITS, check_interval_max=timedelta(days=9)))
    failed = step_failure(count=count) if count else None
    for part, longer in ((0, 1.0), (255, 1.25)):
        one = run(Phase.TRAINING, run_id=named_so_that_it_waits(part, count), step_failure=failed)
        assert pause(world, one) == longer * timedelta(seconds=seconds)


def test_a_pause_is_no_longer_than_the_longest_and_the_least_where_a_run_waits(
    world: Observed,
) -> None:
    often = run(
        Phase.PROMOTING, run_id=named_so_that_it_waits(0, 5), step_failure=step_failure(count=5)
    )
    assert pause(world, often) == 30 * SECOND
    rollback = often.model_copy(update={"origin": Origin.ROLLBACK})
    assert pause(world, rollback) == 10 * SECOND


def test_a_service_that_asks_for_time_is_given_it_and_its_own_patience(world: Observed) -> None:
    one = run(Phase.TRAINING)
    asked = TransientError("busy", retry_after=9 * MINUTE, patience=2 * HOUR)
    known = delay(world, one, asked)
    assert known.next_check == world.clock.now() + 9 * MINUTE
    assert (known.reason, known.patience, known.step_patience) == ("busy", 2 * HOUR, HOUR)
    unknown = delay(world, one, OutcomeUnknownError("no answer"))
    assert (unknown.reason, unknown.patience) == ("no answer", HOUR)
    assert unknown.next_check - world.clock.now() < MINUTE


def test_a_delay_is_noted_only_for_a_run_that_trains(world: Observed) -> None:
    driver = world.app.driver
    assert driver.delay("sample-none", BUSY) is None
    one = world.start()
    delayed = driver.delay(one.run_id, BUSY)
    assert delayed is not None
    assert delayed.step_failure is not None
    assert delayed.step_failure.reason == "busy"
    assert world.now_of(one) == delayed
    cancelled = world.run_operations.cancel(one.run_id)
    assert driver.delay(one.run_id, BUSY) == cancelled == world.now_of(one)


def test_a_slot_is_taken_by_a_run_that_waits_and_by_no_other() -> None:
    world = world_of({"when_busy": "queue"})
    driver, one = world.app.driver, world.start()
    writes = len(world.faults.sites)
    stored = world.context.ledger.runs.read(one.run_id)
    assert stored is not None
    assert driver.admit(stored).record == world.now_of(one)
    world.clock.move(HOUR)
    assert driver.admit(stored).record == world.now_of(one)
    assert len(world.faults.sites) == writes


def test_a_run_continues_from_the_version_that_was_stored_and_its_job_is_not_checked(
    world: Observed,
) -> None:
    driver, ledger, one = world.app.driver, world.context.ledger, world.start()
    until, sent = world.clock.now() + HOUR, len(world.http.sent)
    stored = ledger.runs.read(one.run_id)
    assert stored is not None
    assert driver.continue_with(stored, until) == one
    assert len(world.http.sent) == sent
    stored = ledger.runs.create(run(Phase.RECEIVED, run_id="sample-2", config=world.pipeline))
    other = ledger.runs.replace(stored.record.evolve(claim="another worker"), stored.etag)
    assert driver.continue_with(stored, until) == other.record
    assert len(world.http.sent) == sent


def test_what_another_worker_learned_is_noted_once_and_only_where_it_fits(world: Observed) -> None:
    writer, ledger, one = world.app.writer, world.context.ledger, world.start()
    stored = ledger.runs.read(one.run_id)
    assert stored is not None
    said = StepFailed(f"with {world.training.api_key}", NOW + MINUTE, HOUR)
    noted = writer.note(stored, said).record
    assert noted == world.now_of(one)
    assert noted.step_failure is not None
    assert world.training.api_key not in noted.step_failure.reason
    with pytest.raises(ConflictError):
        writer.note(stored, said)
    world.until(one, Phase.PROMOTED)
    over = ledger.runs.read(one.run_id)
    assert over is not None
    with pytest.raises(InvalidTransitionError):
        writer.note(over, said)


def test_a_run_that_exists_is_advanced_instead_of_begun_again(world: Observed) -> None:
    one = world.start()
    world.studio.work()
    world.clock.move(MINUTE)
    moved = world.app.driver.begin(one.model_copy(update={"claim": None}), fresh=True)
    assert moved == world.now_of(one)
    assert moved.phase is Phase.TRAINING  # its job is not checked because of a repeated request


def test_a_run_is_claimed_as_it_is_begun_where_its_first_step_acts(world: Observed) -> None:
    claims: list[str | None] = []
    ledger = world.context.ledger
    create = ledger.runs.create

    def noted(one: Run) -> object:
        claims.append(one.claim)
        return create(one)

    ledger.runs.create = noted  # type: ignore[method-assign, assignment]
    world.start()
    waiting = run(Phase.WAITING, run_id="sample-2", config=world.pipeline)
    world.app.driver.begin(waiting, fresh=True)
    assert claims == ["worker-1", None]


def test_steps_are_begun_for_a_minute_where_the_caller_says_nothing(world: Observed) -> None:
    one = world.start()
    world.studio.work()
    step = 61 * SECOND

    def slow(method: str, path: str) -> None:
        world.clock.move(step)

    world.http.answers.append(slow)
    moved = world.app.driver.advance(one.run_id, check_from=timedelta())
    assert moved.run is not None
    assert moved.run.phase is Phase.TRAINED  # after the check a minute was over


def test_a_step_may_be_begun_at_the_very_end_of_the_time_and_not_later(world: Observed) -> None:
    one = world.start()
    world.studio.work()
    driver, now = world.app.driver, world.clock.now()
    late = driver.advance(one.run_id, now - SECOND, check_from=timedelta())
    assert late.run == one
    on_time = driver.advance(one.run_id, now, check_from=timedelta())
    assert on_time.run is not None
    assert on_time.run.phase is not Phase.TRAINING


def test_a_run_that_is_delayed_is_checked_when_it_said_and_not_before(world: Observed) -> None:
    one = world.start()
    driver = world.app.driver
    delayed = driver.delay(one.run_id, TransientError("busy", retry_after=5 * MINUTE))
    assert delayed is not None
    world.script("GET", "", RUNNING, times=None)
    world.clock.move(5 * MINUTE - SECOND)
    assert driver.advance(one.run_id, check_from=timedelta()).run == delayed
    world.clock.move(SECOND)
    calm = driver.advance(one.run_id, check_from=timedelta()).run
    assert calm is not None
    assert calm.step_failure is None
    assert world.now_of(one) == calm
