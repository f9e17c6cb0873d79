"""Each event of a job, a gate, a model or an operator changes the record of its run."""

from datetime import timedelta

import pytest

from shared.core.evaluation.gate import Verdict, refused
from shared.core.run import control_events, gate_events
from shared.core.run import job_events as jobs
from shared.core.run.commands import Event
from shared.core.run.machine import apply
from shared.core.run.record import (
    Approval,
    Delivery,
    EndedAttempt,
    Origin,
    Phase,
    StepFailure,
)
from tests.unit.core.run.run_events import BEGUN, LATER, last
from tests.unit.samples import MODEL, NOW, blob, pipeline, run

# The job


def test_a_job_is_kept_with_the_time_and_the_inputs_that_it_was_made_for() -> None:
    shape = apply(run(Phase.RECEIVED), jobs.JobCreated("j1", {"input1": blob()}), LATER)
    assert (shape.phase, shape.job, shape.job_at) == (Phase.CREATED, "j1", LATER)
    assert shape.inputs == {"input1": blob()}
    assert last(shape).note == "attempt 1: job j1"


def test_the_clock_of_an_attempt_starts_with_its_job() -> None:
    assert apply(run(Phase.CREATED), jobs.JobStarted(), LATER).started_at == LATER
    assert apply(run(Phase.TRAINING), jobs.JobStarted(), LATER).started_at == NOW


def test_a_job_that_was_cancelled_at_the_service_ends_its_run_as_an_operator_would() -> None:
    reason = "the job was cancelled at the service"
    before = (EndedAttempt(attempt=1, job="j0", reason="bad"),)
    shape = run(Phase.TRAINING, attempt=2, ended_attempts=before)
    ended = apply(shape, jobs.JobCancelled(), LATER)
    assert (ended.phase, ended.reason, last(ended).note) == (Phase.CANCELLED, reason, reason)
    assert ended.ended_attempts == (*before, EndedAttempt(attempt=2, job="j1", reason=reason))


def test_another_job_is_made_for_the_same_attempt_where_one_never_started() -> None:
    before = (EndedAttempt(attempt=1, job="j0", reason="bad"),)
    shape = run(Phase.CREATED, attempt=2, ended_attempts=before)
    again = apply(shape, jobs.JobExpired(), LATER)
    note = "job j1 never started and its signatures have run out: making another"
    assert (again.phase, again.job, again.attempt) == (Phase.RECEIVED, None, 2)
    assert again.ended_attempts == (*before, EndedAttempt(attempt=2, job="j1", reason=note))
    assert last(again).note == note


def test_a_job_that_never_began_is_replaced_and_counts_for_no_attempt() -> None:
    shape = run(Phase.TRAINING, attempt=2, outputs_seen=("x",))
    again = apply(shape, jobs.JobGivenUp("no step of it began"), LATER)
    assert (again.phase, again.job, again.attempt) == (Phase.RECEIVED, None, 2)
    assert (again.started_at, again.outputs_seen) == (None, ())
    over = EndedAttempt(attempt=2, job="j1", reason="no step of it began")
    assert again.ended_attempts == (over,)
    assert last(again).note == "job j1 was given up, making another: no step of it began"


def test_a_note_of_the_service_is_kept_with_the_phase() -> None:
    started = apply(run(Phase.CREATED), jobs.JobStarted("component azureml:train:7"), LATER)
    assert last(started).note == "component azureml:train:7"
    done = apply(run(Phase.TRAINING), jobs.JobFinished("step fit was not run again"), LATER)
    assert last(done).note == "step fit was not run again"


def test_a_second_attempt_begins_after_the_pause_that_is_configured() -> None:
    config = pipeline(training__attempts=2, training__pause="10m")
    again = apply(run(Phase.TRAINING, config=config), jobs.JobFailed("bad"), LATER)
    pause = timedelta(minutes=10)
    assert again.step_failure == StepFailure(
        since=LATER,
        cause_since=LATER,
        patience=pause,
        count=0,
        reason="the next attempt begins after a pause of 10m",
        next_check=LATER + pause,
    )
    assert last(again).note == "attempt 1 is over: bad"
    at_once = run(Phase.TRAINING, config=pipeline(training__attempts=2))
    assert apply(at_once, jobs.JobFailed("bad"), LATER).step_failure is None


@pytest.mark.parametrize(
    ("changes", "phase"),
    [
        ({"when_busy": "parallel"}, Phase.RECEIVED),
        ({"when_busy": "newest"}, Phase.WAITING),
        ({"when_busy": "queue"}, Phase.WAITING),
    ],
)
def test_a_second_attempt_waits_for_a_slot_where_slots_are_limited(
    changes: dict[str, str], phase: Phase
) -> None:
    config = pipeline(training__attempts=2, **changes)
    again = apply(run(Phase.TRAINING, config=config), jobs.JobFailed("bad"), LATER)
    assert (again.phase, again.job, again.started_at) == (phase, None, None)


def test_attempts_that_are_over_are_kept_in_order() -> None:
    before = (EndedAttempt(attempt=1, job="j0", reason="bad"),)
    shape = run(Phase.TRAINING, attempt=2, ended_attempts=before)
    ended = apply(shape, jobs.JobFailed("worse"), LATER)
    assert ended.ended_attempts == (*before, EndedAttempt(attempt=2, job="j1", reason="worse"))
    assert (ended.job, ended.attempt, last(ended).note) == ("j1", 2, "worse")


# Slots, the gate, and operators


def test_a_run_that_waits_says_what_for_and_in_which_queue() -> None:
    shape = apply(run(Phase.WAITING), gate_events.StillWaiting("busy", "run_queues/sample"), LATER)
    assert (shape.reason, shape.queue_name, last(shape).note) == (
        "busy",
        "run_queues/sample",
        "busy",
    )
    assert apply(shape, gate_events.Admitted(), LATER).reason is None


@pytest.mark.parametrize(
    ("job", "started", "phase"),
    [
        (None, None, Phase.RECEIVED),
        ("j1", None, Phase.CREATED),
        ("j1", NOW, Phase.TRAINING),
    ],
)
def test_a_run_that_gets_a_slot_continues_with_the_job_that_it_has(
    job: str | None, started: object, phase: Phase
) -> None:
    shape = run(Phase.WAITING, job=job, started_at=started)
    assert apply(shape, gate_events.Admitted(), LATER).phase is phase


PASSED = Verdict(passed=True, reason="the rule holds", metrics={"AUC": 0.9})
NOT_BEGUN = Delivery(
    endpoint="b",
    run_id="b",
    outcome=Phase.CANCELLED,
    reason="not begun: the model did not pass",
)


def test_a_model_that_passes_continues_with_its_numbers() -> None:
    shape = apply(run(Phase.JUDGED), gate_events.VerdictReached(PASSED), LATER)
    assert (shape.phase, shape.verdict) == (Phase.PROMOTING, PASSED)
    assert last(shape).note == "the rule holds"
    several = run(Phase.JUDGED, models={"a": MODEL})
    assert apply(several, gate_events.VerdictReached(None), LATER).phase is Phase.ROLLING_OUT


def test_a_model_that_does_not_pass_ends_its_run_with_what_was_not_begun() -> None:
    bad = refused("AUC is below")
    ended = apply(run(Phase.JUDGED, deliveries=BEGUN), gate_events.VerdictReached(bad), LATER)
    why = "not promoted: AUC is below"
    assert (ended.phase, ended.verdict, ended.reason) == (Phase.REJECTED, bad, why)
    assert last(ended).note == why
    assert ended.deliveries == (BEGUN[0], NOT_BEGUN)


@pytest.mark.parametrize(
    ("verdict", "why"),
    [
        (None, "trained; the pipeline does not name an endpoint"),
        (PASSED, "trained; the rule holds; the pipeline does not name an endpoint"),
    ],
)
def test_a_model_without_an_endpoint_ends_its_run_well(verdict: Verdict | None, why: str) -> None:
    shape = run(Phase.JUDGED, config=pipeline(endpoints=[]))
    ended = apply(shape, gate_events.VerdictReached(verdict), LATER)
    assert (ended.phase, ended.reason, last(ended).note) == (Phase.FINISHED, why, why)


RULES = {"metrics": "output2", "rules": [{"metric": "AUC", "at_least": 0.5}]}


@pytest.mark.parametrize(
    ("gate", "origin", "asked"),
    [
        ({}, Origin.DATA, False),
        ({"approval": "required"}, Origin.DATA, True),
        (RULES, Origin.DATA, False),
        (RULES, Origin.MODEL, True),
        ({}, Origin.MODEL, False),
    ],
)
def test_an_operator_is_asked_where_it_is_configured_and_for_a_model_put_past_rules(
    gate: dict[str, object], origin: Origin, *, asked: bool
) -> None:
    shape = run(Phase.JUDGED, config=pipeline(gate=gate), origin=origin)
    judged = apply(shape, gate_events.VerdictReached(PASSED), LATER)
    assert judged.phase is (Phase.AWAITING_APPROVAL if asked else Phase.PROMOTING)
    assert judged.awaiting_since == (LATER if asked else None)
    assert last(judged).note == "the rule holds"


def test_a_model_that_fell_behind_ends_its_run_with_what_it_was_held_against() -> None:
    worse = refused("AUC is under the live model's")
    ended = apply(run(Phase.PROMOTING), gate_events.Regressed(worse), LATER)
    why = "not promoted, a better model went live meanwhile: AUC is under the live model's"
    assert (ended.phase, ended.verdict, ended.reason) == (Phase.REJECTED, worse, why)
    assert last(ended).note == why


@pytest.mark.parametrize(("why", "said"), [("", "by ada"), ("good", "by ada: good")])
def test_what_an_operator_said_of_a_model_is_kept(why: str, said: str) -> None:
    asked = run(Phase.AWAITING_APPROVAL, deliveries=BEGUN)
    approved = apply(asked, gate_events.Approved("ada", why), LATER)
    assert approved.phase is Phase.PROMOTING
    assert approved.approval == Approval(answer="approved", by="ada", at=LATER, why=why)
    assert (last(approved).note, approved.deliveries) == (f"approved {said}", BEGUN)
    rejected = apply(asked, gate_events.Rejected("ada", why), LATER)
    assert rejected.phase is Phase.REJECTED
    assert rejected.approval == Approval(answer="rejected", by="ada", at=LATER, why=why)
    assert rejected.reason == last(rejected).note == f"rejected {said}"
    assert rejected.deliveries == (BEGUN[0], NOT_BEGUN)


# The model and the roll-out


@pytest.mark.parametrize(
    ("phase", "event", "end"),
    [
        (Phase.RECEIVED, control_events.Superseded("newer data"), Phase.SUPERSEDED),
        (Phase.RECEIVED, control_events.DataDeleted("deleted"), Phase.REJECTED),
        (Phase.TRAINED, control_events.NothingToPromote("no model"), Phase.FINISHED),
        (
            Phase.ROLLING_OUT,
            control_events.RolloutEnded(Phase.UNCHANGED, "1 of 2"),
            Phase.UNCHANGED,
        ),
    ],
)
def test_an_end_has_its_reason_in_the_record_and_in_the_history(
    phase: Phase, event: Event, end: Phase
) -> None:
    ended = apply(run(phase), event, LATER)
    assert ended.phase is end
    assert ended.reason == last(ended).note == getattr(event, "reason", "")
    assert last(ended).at == LATER


def test_a_run_that_an_operator_cancelled_before_it_began_says_so() -> None:
    ended = apply(run(Phase.RECEIVED), control_events.Cancelled(), LATER)
    assert (ended.phase, ended.reason) == (Phase.CANCELLED, "cancelled by an operator")


def test_models_are_kept_and_judged_where_the_gate_asks() -> None:
    asks = pipeline(gate={"approval": "required"})
    for config, one, several in (
        (pipeline(), Phase.PROMOTING, Phase.ROLLING_OUT),
        (asks, Phase.JUDGED, Phase.JUDGED),
    ):
        trained = run(Phase.TRAINED, config=config)
        collected = apply(trained, control_events.ModelCollected(MODEL), LATER)
        assert (collected.phase, collected.model) == (one, MODEL)
        both = apply(trained, control_events.ModelsCollected({"a": MODEL, "b": MODEL}), LATER)
        assert (both.phase, both.models) == (several, {"a": MODEL, "b": MODEL})


def test_a_model_that_no_endpoint_gets_is_kept_in_the_record() -> None:
    event = control_events.NothingToPromote("no endpoint", MODEL)
    assert apply(run(Phase.TRAINED), event, LATER).model == MODEL


def test_the_history_of_a_roll_out_says_what_became_of_each_endpoint() -> None:
    shape = run(Phase.ROLLING_OUT, deliveries=(BEGUN[0],))
    moved = apply(shape, control_events.DeliveriesChanged((*BEGUN, NOT_BEGUN)), LATER)
    assert moved.deliveries == (*BEGUN, NOT_BEGUN)
    assert last(moved).note == "b begun, b cancelled"
    many = tuple(Delivery(endpoint=f"e{number}", run_id="x") for number in range(21))
    note = last(apply(shape, control_events.DeliveriesChanged(many), LATER)).note
    assert note == ", ".join(f"e{number} begun" for number in range(20))
