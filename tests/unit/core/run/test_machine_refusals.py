"""Refused events, and the rules of attempts, cancels and retries."""

from collections.abc import Sequence
from datetime import timedelta

import pytest

from shared.core.run import control_events, gate_events
from shared.core.run import job_events as jobs
from shared.core.run.commands import Command, Event
from shared.core.run.machine import apply, cancellable, expires_at, next_command
from shared.core.run.record import ENDS, Approval, Phase, Run
from shared.core.run.retry import RetryRequested
from shared.core.serving.probes import NO_PROBES
from shared.errors import InvalidTransitionError
from tests.unit.core.run.machine_samples import TWICE, variants
from tests.unit.samples import (
    HOUR,
    MODEL,
    NOW,
    OPEN_PHASES,
    pipeline,
    promotion,
    run,
    step_failure,
)


@pytest.mark.parametrize(
    "asked",
    [
        RetryRequested(None),
        control_events.CancelRequested(),
        gate_events.Approved("ada", "good"),
        gate_events.Rejected("ada", "bad"),
    ],
    ids=lambda asked: type(asked).__name__,
)
@pytest.mark.parametrize("phase", Phase)
def test_a_refused_command_is_explained_in_the_words_of_operators(
    phase: Phase, asked: Event
) -> None:
    for shape in variants(phase):
        try:
            apply(shape, asked, NOW)
        except InvalidTransitionError as exc:
            service_message = str(exc)
            assert f"{shape.run_id} is {phase} now" in service_message
            assert type(asked).__name__ not in service_message
            assert (
                "it can be" in service_message
                or "it is over" in service_message
                or "wait for its end" in service_message
            )


@pytest.mark.parametrize(
    ("shape", "asked", "message"),
    [
        (
            run(Phase.TRAINING),
            RetryRequested(None),
            "run sample-1 is training now, and cannot be retried; it can be cancelled",
        ),
        (
            run(Phase.AWAITING_APPROVAL),
            RetryRequested(None),
            (
                "run sample-1 is awaiting_approval now, and cannot be retried; "
                "it can be approved or rejected or cancelled"
            ),
        ),
        (
            run(Phase.PARKED, parked_in=Phase.TRAINING),
            gate_events.Approved("ada"),
            "run sample-1 is parked now, and cannot be approved; it can be retried or cancelled",
        ),
        (
            run(Phase.FAILED),
            control_events.CancelRequested(),
            "run sample-1 is failed now, and cannot be cancelled; it is over: start another run",
        ),
        (
            run(Phase.VERIFYING),
            gate_events.Rejected("ada"),
            (
                "run sample-1 is verifying now, and cannot be rejected; "
                "its model is on its way to the endpoint: wait for its end"
            ),
        ),
        (
            run(Phase.REJECTED, approval=Approval(answer="rejected", by="bob", at=NOW)),
            gate_events.Approved("ada"),
            (
                "run sample-1 is rejected now (rejected by bob), and cannot be approved; "
                "it is over: start another run"
            ),
        ),
        (
            run(Phase.TRAINED),
            jobs.JobStarted(),
            "run sample-1: JobStarted does not fit phase trained",
        ),
    ],
)
def test_a_refusal_says_in_which_phase_the_run_is_and_what_can_be_done(
    shape: Run, asked: Event, message: str
) -> None:
    with pytest.raises(InvalidTransitionError) as caught:
        apply(shape, asked, NOW)
    assert str(caught.value) == message


def test_an_event_that_would_lead_where_the_table_forbids_it_is_refused() -> None:
    with pytest.raises(InvalidTransitionError, match="must not lead to finished"):
        apply(run(Phase.ROLLING_OUT), control_events.RolloutEnded(Phase.FINISHED, "over"), NOW)


def test_an_answer_is_waited_for_from_the_opening_of_a_run_of_an_older_release() -> None:
    shape = run(Phase.AWAITING_APPROVAL, awaiting_since=None)
    assert expires_at(shape) == shape.opened_at + shape.config.gate.expires


def test_an_attempt_is_stopped_at_its_timeout_and_not_a_second_before() -> None:
    shape, at = run(Phase.TRAINING), NOW + timedelta(hours=2)
    assert next_command(shape, at - timedelta(seconds=1)) is Command.CHECK_JOB
    assert next_command(shape, at) is Command.STOP_JOB


def test_an_attempt_has_its_whole_time_however_long_its_run_was_open_before() -> None:
    started = NOW + 5 * HOUR  # it waited for a slot, or is the second attempt
    shape, at = run(Phase.TRAINING, started_at=started), started + timedelta(hours=2)
    assert next_command(shape, started) is Command.CHECK_JOB
    assert next_command(shape, at - timedelta(seconds=1)) is Command.CHECK_JOB
    assert next_command(shape, at) is Command.STOP_JOB


@pytest.mark.parametrize("over", [jobs.JobFailed("bad"), jobs.JobStopped("late")])
@pytest.mark.parametrize("phase", [Phase.CREATED, Phase.TRAINING])
def test_the_next_attempt_comes_only_after_the_last_one_is_over(phase: Phase, over: Event) -> None:
    again = apply(run(phase, config=TWICE), over, NOW)
    assert (again.phase, again.attempt, again.job, again.started_at) == (
        Phase.RECEIVED,
        2,
        None,
        None,
    )
    (ended,) = again.ended_attempts
    assert (ended.attempt, ended.job) == (1, "j1")


@pytest.mark.parametrize(
    ("over", "end"),
    [(jobs.JobFailed("bad"), Phase.FAILED), (jobs.JobStopped("late"), Phase.TIMED_OUT)],
)
def test_the_last_attempt_ends_the_run_with_its_reason(over: Event, end: Phase) -> None:
    ended = apply(run(Phase.TRAINING, config=TWICE, attempt=2), over, NOW)
    assert ended.phase is end
    assert ended.reason in ("bad", "late")


def test_a_cancelled_run_is_not_tried_again() -> None:
    shape = apply(run(Phase.TRAINING, config=TWICE), control_events.CancelRequested(), NOW)
    assert apply(shape, jobs.JobStopped("cancelled"), NOW).phase is Phase.CANCELLED


def test_a_second_confirmation_does_not_restart_the_clock_of_an_attempt() -> None:
    again = apply(run(Phase.TRAINING), jobs.JobStarted(), NOW + HOUR)
    assert again.started_at == NOW


@pytest.mark.parametrize("phase", [Phase.PROMOTING, Phase.VERIFYING, Phase.ROLLING_BACK])
def test_a_run_with_an_update_in_flight_cannot_be_cancelled(phase: Phase) -> None:
    assert not cancellable(run(phase))
    with pytest.raises(InvalidTransitionError):
        apply(run(phase), control_events.CancelRequested(), NOW)


@pytest.mark.parametrize("phase", [Phase.PROMOTING, Phase.ROLLING_BACK])
def test_a_cancel_is_refused_while_an_update_may_be_in_flight_that_is_not_recorded_yet(
    phase: Phase,
) -> None:
    leased = run(phase, promotion=promotion(sent_at=None))
    assert not cancellable(leased)
    with pytest.raises(InvalidTransitionError):
        apply(leased, control_events.CancelRequested(), NOW)


@pytest.mark.parametrize("phase", [Phase.PROMOTING, Phase.VERIFYING, Phase.ROLLING_BACK])
def test_a_run_that_is_parked_on_its_way_to_an_endpoint_can_be_cancelled(phase: Phase) -> None:
    parked = apply(run(phase), control_events.StepBlocked("no", "do"), NOW)
    assert cancellable(parked)
    assert apply(parked, control_events.CancelRequested(), NOW).phase is Phase.CANCELLED


def test_an_ended_run_advises_nothing_unless_its_end_does() -> None:
    parked = apply(run(Phase.PROMOTING), control_events.StepBlocked("no", "retry the run"), NOW)
    for end in sorted(ENDS):
        assert parked.moved_to(end, NOW).advice is None
        assert parked.moved_to(end, NOW, advice="rename the data").advice == "rename the data"
    assert parked.moved_to(Phase.PARKED, NOW).advice == "retry the run"


def test_a_parked_run_waits_for_an_operator_even_while_it_is_being_cancelled() -> None:
    shape = apply(run(Phase.TRAINING), control_events.CancelRequested(), NOW)
    parked = apply(shape, control_events.StepBlocked("the key is wrong", "correct it"), NOW)
    assert next_command(parked, NOW) is Command.NOTHING


def delayed_at(run: Run, times: Sequence[timedelta], pause: timedelta = HOUR / 4) -> list[Run]:
    """Return the run after each failure of a step, each of which asks for a pause."""
    seen = []
    for time in times:
        run = apply(run, control_events.StepFailed("busy", NOW + time + pause, HOUR), NOW + time)
        seen.append(run)
    return seen


def test_a_step_waits_while_there_is_patience_and_is_parked_after_it() -> None:
    times = [timedelta(), HOUR / 2, HOUR]
    first, still, parked = delayed_at(run(Phase.TRAINING), times)
    assert [r.phase for r in (first, still, parked)] == ["training", "training", "parked"]
    assert still.step_failure is not None
    assert (still.step_failure.since, still.step_failure.count) == (NOW, 2)
    assert "busy" in str(parked.reason)
    assert parked.advice
    assert parked.parked_in is Phase.TRAINING


@pytest.mark.parametrize("down", [HOUR, 48 * HOUR])
@pytest.mark.parametrize("ahead", [1, 2, 3])
def test_while_a_step_is_not_tried_no_patience_is_spent(ahead: int, down: timedelta) -> None:
    quarter = HOUR / 4
    before = [number * quarter for number in range(ahead)]
    # Two quarters of the pause count: the one that was asked for, and one of being late.
    left = 4 - (ahead - 1) - 2
    after = [before[-1] + down + number * quarter for number in range(left + 1)]
    seen = delayed_at(run(Phase.TRAINING), [*before, *after])[ahead:]
    assert [one.phase for one in seen] == [Phase.TRAINING] * left + [Phase.PARKED]


def test_a_step_that_works_again_starts_with_new_patience() -> None:
    shape = run(Phase.CREATED, step_failure=step_failure())
    assert apply(shape, jobs.JobStarted(), NOW).step_failure is None


@pytest.mark.parametrize("parked_in", OPEN_PHASES)
def test_a_retry_goes_back_to_what_did_not_work(parked_in: Phase) -> None:
    shape = apply(run(parked_in), control_events.StepBlocked("no", "do"), NOW)
    again = apply(shape, RetryRequested(None), NOW)
    expected = Phase.PROMOTING if parked_in is Phase.VERIFYING else parked_in
    assert again.phase is expected
    assert (again.parked_in, again.reason, again.advice) == (None, None, None)
    if again.promotion is not None:  # whatever was sent has had its time
        assert (again.promotion.sent_at, again.promotion.probe_series) == (None, NO_PROBES)


def test_a_retry_before_the_job_takes_every_corrected_setting() -> None:
    corrected = pipeline(training__timeout="5h")
    parked = apply(run(Phase.RECEIVED), control_events.StepBlocked("no", "do"), NOW)
    assert apply(parked, RetryRequested(corrected), NOW).config == corrected


def test_a_retry_after_the_job_keeps_the_settings_that_made_it() -> None:
    corrected = pipeline(training__timeout="5h", endpoints=[])
    parked = apply(run(Phase.TRAINED), control_events.StepBlocked("no", "do"), NOW)
    config = apply(parked, RetryRequested(corrected), NOW).config
    assert config.training == run(Phase.TRAINED).config.training
    assert config.endpoint is None


def test_a_run_that_gets_an_endpoint_while_it_is_judged_searches_for_its_model_again() -> None:
    judged = run(Phase.JUDGED, config=pipeline(endpoints=[]), model=MODEL)
    parked = apply(judged, control_events.StepBlocked("no", "do"), NOW)
    same = apply(parked, RetryRequested(pipeline(endpoints=[])), NOW)
    assert (same.phase, same.model) == (Phase.JUDGED, MODEL)
    again = apply(parked, RetryRequested(pipeline()), NOW)
    assert (again.phase, again.model) == (Phase.TRAINED, None)
