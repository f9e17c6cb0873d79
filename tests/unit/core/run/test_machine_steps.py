"""The command that is due for a run in each phase, and events that leave it unchanged."""

from datetime import timedelta

import pytest

from shared.core.run import job_events as jobs
from shared.core.run import promotion_events as updates
from shared.core.run.commands import Command, Event
from shared.core.run.machine import apply, next_command
from shared.core.run.record import Phase
from shared.errors import InvalidTransitionError
from tests.unit.core.run.machine_samples import CANDIDATE, variants
from tests.unit.samples import (
    HOUR,
    NOW,
    OPEN_PHASES,
    promotion,
    run,
)


@pytest.mark.parametrize("phase", [p for p in OPEN_PHASES if p is not Phase.AWAITING_APPROVAL])
def test_something_is_due_for_every_step(phase: Phase) -> None:
    for shape in variants(phase):
        assert next_command(shape, NOW) is not Command.NOTHING


def test_an_operator_is_waited_for_only_as_long_as_configured() -> None:
    waiting = run(Phase.AWAITING_APPROVAL, awaiting_since=NOW)
    expires = NOW + waiting.config.gate.expires
    assert next_command(waiting, expires - timedelta(seconds=1)) is Command.NOTHING
    assert next_command(waiting, expires) is Command.EXPIRE


def test_an_operator_has_the_whole_time_to_answer_however_long_the_training_took() -> None:
    late = NOW + 100 * HOUR
    waiting = run(Phase.AWAITING_APPROVAL, awaiting_since=late)
    expires = late + waiting.config.gate.expires
    assert next_command(waiting, expires - timedelta(seconds=1)) is Command.NOTHING
    assert next_command(waiting, expires) is Command.EXPIRE


def test_the_metrics_that_a_step_queries() -> None:
    unsent = promotion(sent_at=None)
    asked = [
        (run(Phase.RECEIVED), Command.CREATE_JOB),
        (run(Phase.CREATED), Command.START_JOB),
        (run(Phase.TRAINING), Command.CHECK_JOB),
        (run(Phase.TRAINED), Command.COLLECT_MODEL),
        (run(Phase.PROMOTING, promotion=None), Command.LEASE_ENDPOINT),
        (run(Phase.PROMOTING, promotion=unsent), Command.UPDATE_ENDPOINT),
        (run(Phase.VERIFYING), Command.CHECK_ENDPOINT),
        (run(Phase.ROLLING_BACK, promotion=unsent), Command.ROLL_BACK_ENDPOINT),
        (run(Phase.ROLLING_BACK), Command.CHECK_ENDPOINT),
        (run(Phase.PARKED), Command.NOTHING),
        (run(Phase.RECEIVED, cancelling=True), Command.CANCEL),
        (run(Phase.CREATED, cancelling=True), Command.STOP_JOB),
        (run(Phase.TRAINING, cancelling=True), Command.STOP_JOB),
        (run(Phase.TRAINED, cancelling=True), Command.CANCEL),
        (run(Phase.WAITING), Command.ADMIT),
        (run(Phase.STAGING), Command.STAGE_CANDIDATE),
        (run(Phase.STAGING, candidate=CANDIDATE), Command.CHECK_CANDIDATE),
        (run(Phase.STAGING, cancelling=True), Command.CANCEL),
        (run(Phase.JUDGED), Command.JUDGE),
        (run(Phase.ROLLING_OUT), Command.ROLL_OUT),
        (run(Phase.VERIFYING, promotion=unsent), Command.ROLL_BACK_ENDPOINT),
        (run(Phase.ROLLING_OUT, cancelling=True), Command.ROLL_OUT),
        (run(Phase.PARKED, cancelling=True), Command.NOTHING),
        (run(Phase.CANCELLED, cancelling=True), Command.NOTHING),
        (run(Phase.PROMOTED), Command.NOTHING),
    ]
    assert [(shape.phase, next_command(shape, NOW)) for shape, _ in asked] == [
        (shape.phase, command) for shape, command in asked
    ]


def test_only_what_changes_the_world_needs_a_claim() -> None:
    assert {command for command in Command if command.acts} == {
        Command.CREATE_JOB,
        Command.START_JOB,
        Command.STOP_JOB,
        Command.STAGE_CANDIDATE,
        Command.UPDATE_ENDPOINT,
        Command.ROLL_BACK_ENDPOINT,
    }


def test_a_run_keeps_its_record_unchanged_when_an_event_is_refused() -> None:
    shape = run(Phase.PROMOTED)
    copy = shape.model_copy(deep=True)
    with pytest.raises(InvalidTransitionError):
        apply(shape, jobs.JobStarted(), NOW)
    assert shape == copy


@pytest.mark.parametrize(
    "left",
    [
        updates.UpdateLost(),
        updates.FoundBroken("bad"),
        updates.FoundUnchanged("same", can_roll_back=True),
    ],
)
def test_what_the_last_update_came_to_is_no_part_of_the_next_one(left: Event) -> None:
    service_message = promotion(certain=False, service_message="HTTP 500", operation="op")
    after = apply(run(Phase.VERIFYING, promotion=service_message), left, NOW).promotion
    assert after is not None
    assert (after.sent_at, after.certain, after.service_message, after.operation) == (
        None,
        True,
        "",
        None,
    )
