import contextlib
from collections.abc import Iterator, Sequence
from datetime import timedelta
from itertools import product
from typing import Any, get_args

import pytest

from shared.core.config.pipeline import Pipeline
from shared.core.evaluation.gate import refused
from shared.core.run import control_events, gate_events
from shared.core.run import job_events as jobs
from shared.core.run import promotion_events as updates
from shared.core.run import staging_events as staging
from shared.core.run.control_events import Event
from shared.core.run.machine import MOVES, Command, apply, cancellable, expires_at, next_command
from shared.core.run.record import ENDS, Approval, GateEvidence, Phase, Run
from shared.core.run.retry import RedoRequested, RetryRequested
from shared.core.serving.probe_series import NO_PROBES, Evidence
from shared.core.serving.references import Candidate, ServingState
from shared.errors import InvalidTransitionError
from tests.unit.samples import (
    HOUR,
    MODEL,
    NOW,
    STEPS,
    UPDATE,
    good,
    pipeline,
    promotion,
    run,
    step_failure,
    tree,
)

CANDIDATE = Candidate(name="m-1", state=ServingState(model=MODEL))
TWICE = pipeline(training__attempts=2)
BACK = ("rolled_back", "unchanged", "start")
SAMPLES: dict[type[Event], Event] = {
    type(event): event
    for event in (
        jobs.JobCreated("j1"),
        jobs.JobStarted(),
        jobs.JobFinished(),
        jobs.JobFailed("bad data"),
        jobs.JobStopped("too long"),
        jobs.JobCancelled(),
        jobs.JobExpired(),
        jobs.OutputSeen("0123456789abcdef"),
        gate_events.Admitted(),
        gate_events.StillWaiting("another run is open"),
        gate_events.Judged(None),
        gate_events.Regressed(refused("worse than what serves")),
        gate_events.Approved("ada", "good"),
        gate_events.Rejected("ada", "bad"),
        control_events.Cancelled(),
        control_events.Superseded("newer data"),
        control_events.DataDeleted("deleted"),
        control_events.ModelCollected(MODEL),
        control_events.ModelsCollected({"a": MODEL}),
        control_events.DeliveriesChanged(()),
        control_events.RolloutEnded(Phase.PROMOTED, "2 of 2"),
        control_events.NothingToPromote("no endpoint"),
        updates.EndpointLeased(promotion(sent_at=None)),
        updates.InFlightUpdateFound(promotion(sent_at=None)),
        updates.UpdateSent(),
        updates.NotYetLive(good("1"), NO_PROBES),
        updates.ShareReached("moved"),
        updates.VerifiedLive("moved", good("1")),
        staging.CandidateStaged(CANDIDATE),
        staging.CandidateReady(),
        staging.CandidateFailed("no memory"),
        staging.EvidenceGathered(GateEvidence(cursor=1, last=good("1"))),
        updates.FoundUnchanged("same", can_roll_back=True),
        updates.EndpointLeaseLost(),
        updates.UpdateLost(),
        updates.FoundBroken("missing feature"),
        updates.RolledBack("as before"),
        control_events.StepFailed("busy", NOW + HOUR, HOUR),
        control_events.StepBlocked("wrong name", "correct it"),
        control_events.CancelRequested(),
        RetryRequested(None),
        RedoRequested(None),
    )
}


def variants(phase: Phase) -> Iterator[Run]:
    """Every kind of run that can stand in `phase`, as far as facts tell them apart."""
    parked_in = STEPS if phase is Phase.PARKED else (None,)
    choices = product((1, 2), (False, True), (None, step_failure(NOW - HOUR)), BACK)
    for where, (attempt, cancelling, since, back) in product(parked_in, choices):
        shape = run(where or phase)
        yield shape.model_copy(
            update={
                "phase": phase,
                "config": TWICE,
                "attempt": attempt,
                "cancelling": cancelling,
                "step_failure": since,
                "parked_in": where,
                "promotion": shape.promotion and promotion(after_rollback=back),
            }
        )
        if (where or phase) is Phase.PROMOTING:
            yield shape.model_copy(update={"phase": phase, "parked_in": where, "promotion": None})


def reached(phase: Phase, event: Event) -> set[Phase]:
    ends = set()
    for shape in variants(phase):
        try:
            ends.add(apply(shape, event, NOW).phase)
        except InvalidTransitionError:
            continue
    return ends


def test_every_kind_of_fact_is_walked() -> None:
    assert set(SAMPLES) == set(get_args(Event))


@pytest.mark.parametrize("kind", SAMPLES, ids=lambda kind: kind.__name__)
@pytest.mark.parametrize("phase", Phase)
def test_a_fact_leads_only_where_the_table_says(phase: Phase, kind: type[Event]) -> None:
    allowed = MOVES.get((phase, kind), frozenset())
    led = reached(phase, SAMPLES[kind])
    assert led <= allowed
    assert bool(led) is bool(allowed)  # a fact in the table is accepted by some run


#: Which facts fit a run in which phase; no other fact changes it.
FITS = {
    Phase.WAITING: (
        "StillWaiting Admitted Superseded Cancelled StepFailed StepBlocked CancelRequested"
    ),
    Phase.RECEIVED: (
        "JobCreated Superseded DataDeleted Cancelled StepFailed StepBlocked CancelRequested"
    ),
    Phase.CREATED: (
        "JobStarted JobFinished JobFailed JobStopped JobCancelled JobExpired StepFailed "
        "StepBlocked CancelRequested"
    ),
    Phase.TRAINING: (
        "JobStarted OutputSeen JobFinished JobFailed JobStopped JobCancelled StepFailed "
        "StepBlocked CancelRequested"
    ),
    Phase.TRAINED: (
        "ModelCollected ModelsCollected JobFailed NothingToPromote Superseded Cancelled "
        "StepFailed StepBlocked CancelRequested"
    ),
    Phase.STAGING: (
        "CandidateStaged CandidateReady CandidateFailed Cancelled StepFailed StepBlocked "
        "CancelRequested"
    ),
    Phase.JUDGED: "EvidenceGathered Judged Cancelled StepFailed StepBlocked CancelRequested",
    Phase.AWAITING_APPROVAL: "Approved Rejected Cancelled StepFailed StepBlocked CancelRequested",
    Phase.ROLLING_OUT: "DeliveriesChanged RolloutEnded StepFailed StepBlocked CancelRequested",
    Phase.PROMOTING: (
        "Superseded Cancelled Regressed EndpointLeased InFlightUpdateFound EndpointLeaseLost "
        "UpdateSent StepFailed StepBlocked CancelRequested"
    ),
    Phase.VERIFYING: (
        "EndpointLeaseLost NotYetLive ShareReached VerifiedLive FoundUnchanged UpdateLost "
        "FoundBroken StepFailed StepBlocked"
    ),
    Phase.ROLLING_BACK: (
        "Superseded UpdateSent NotYetLive UpdateLost RolledBack StepFailed StepBlocked"
    ),
    Phase.PARKED: "RetryRequested RedoRequested CancelRequested",
}


@pytest.mark.parametrize("phase", Phase)
def test_a_phase_accepts_these_facts_and_no_others(phase: Phase) -> None:
    accepted = {kind.__name__ for (where, kind) in MOVES if where is phase}
    assert accepted == set(FITS.get(phase, "").split())


#: What leads elsewhere than the samples do.
OTHERS: dict[type[Event], tuple[Event, ...]] = {
    gate_events.Judged: (gate_events.Judged(refused("not good enough")),),
    control_events.ModelCollected: (control_events.ModelCollected(MODEL, stages=True),),
    control_events.RolloutEnded: tuple(
        control_events.RolloutEnded(end, "over")
        for end in (Phase.SUPERSEDED, Phase.UNCHANGED, Phase.ROLLED_BACK, Phase.CANCELLED)
    ),
    control_events.StepFailed: (control_events.StepFailed("busy", NOW + HOUR, timedelta()),),
    updates.FoundUnchanged: (updates.FoundUnchanged("same", can_roll_back=False),),
}
#: What else a run may hold, that facts tell apart.
HOLDS: tuple[dict[str, Any], ...] = (
    {"job": None, "started_at": None},
    {"job": "j1", "started_at": None},
    {"models": {"a": MODEL}},
    {"config": pipeline(endpoints=[])},
    {"config": pipeline(training__attempts=2, when_busy="newest")},
    {"config": pipeline(gate={"approval": "required"})},
    {"step_failure": step_failure(NOW - HOUR, count=3)},
    {"promotion": promotion(after_rollback="judged")},
    {"promotion": promotion(after_rollback="trained", ever_sent=True)},
)


#: Alike in every process: a set of phases has no order of its own.
IN_ORDER = [(phase, kind) for phase in Phase for kind in SAMPLES if (phase, kind) in MOVES]


@pytest.mark.parametrize(("phase", "kind"), IN_ORDER)
def test_each_phase_that_the_table_names_is_reached(phase: Phase, kind: type[Event]) -> None:
    led = reached(phase, SAMPLES[kind])
    for event, held in product((SAMPLES[kind], *OTHERS.get(kind, ())), ({}, *HOLDS)):
        for shape in (one.model_copy(update=held) for one in few(phase)):
            with contextlib.suppress(InvalidTransitionError):
                led.add(apply(shape, event, NOW).phase)
    assert led == MOVES[phase, kind]


def few(phase: Phase) -> list[Run]:
    """Return a run in `phase`, or one that is parked in each of the steps."""
    if phase is not Phase.PARKED:
        return [run(phase)]
    return [run(step).model_copy(update={"phase": phase, "parked_in": step}) for step in STEPS]


@pytest.mark.parametrize("phase", sorted(ENDS))
def test_an_end_accepts_nothing_and_asks_for_nothing(phase: Phase) -> None:
    assert phase.ended
    assert not [kind for (where, kind) in MOVES if where is phase]
    for shape in variants(phase):
        assert next_command(shape, NOW) is Command.NOTHING


def test_every_phase_is_a_step_an_end_or_parked() -> None:
    assert {*STEPS, *ENDS, Phase.PARKED} == set(Phase)
    assert not Phase.PARKED.ended


def test_from_every_open_phase_an_end_can_be_reached() -> None:
    leads: dict[Phase, set[Phase]] = {phase: set() for phase in Phase}
    for (phase, _), to in MOVES.items():
        leads[phase] |= to
    known = set(ENDS)
    for _ in Phase:
        known |= {phase for phase, to in leads.items() if to & known}
    assert known == set(Phase)


@pytest.mark.parametrize("phase", [p for p in STEPS if p is not Phase.AWAITING_APPROVAL])
def test_something_is_due_for_every_step(phase: Phase) -> None:
    for shape in variants(phase):
        assert next_command(shape, NOW) is not Command.NOTHING


def test_a_person_is_waited_for_only_as_long_as_configured() -> None:
    waiting = run(Phase.AWAITING_APPROVAL, awaiting_since=NOW)
    expires = NOW + waiting.config.gate.expires
    assert next_command(waiting, expires - timedelta(seconds=1)) is Command.NOTHING
    assert next_command(waiting, expires) is Command.EXPIRE


def test_a_person_has_the_whole_time_to_answer_however_long_the_training_took() -> None:
    late = NOW + 100 * HOUR
    waiting = run(Phase.AWAITING_APPROVAL, awaiting_since=late)
    expires = late + waiting.config.gate.expires
    assert next_command(waiting, expires - timedelta(seconds=1)) is Command.NOTHING
    assert next_command(waiting, expires) is Command.EXPIRE


def test_what_a_step_asks_for() -> None:
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
def test_what_a_person_cannot_have_is_said_in_their_words(phase: Phase, asked: Event) -> None:
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
    ("shape", "asked", "says"),
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
def test_a_refusal_says_where_the_run_stands_and_what_can_be_done(
    shape: Run, asked: Event, says: str
) -> None:
    with pytest.raises(InvalidTransitionError) as caught:
        apply(shape, asked, NOW)
    assert str(caught.value) == says


def test_a_fact_that_would_lead_where_the_table_forbids_it_is_refused() -> None:
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
    started = NOW + 5 * HOUR  # it waited for its turn, or is the second attempt
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
def test_what_is_on_its_way_to_an_endpoint_cannot_be_cancelled(phase: Phase) -> None:
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


def test_a_parked_run_waits_for_a_person_even_while_it_is_being_cancelled() -> None:
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
def test_while_nobody_tries_a_step_no_patience_is_spent(ahead: int, down: timedelta) -> None:
    quarter = HOUR / 4
    before = [number * quarter for number in range(ahead)]
    # Of the pause two quarters count: the one that was asked for, and one of being late.
    left = 4 - (ahead - 1) - 2
    after = [before[-1] + down + number * quarter for number in range(left + 1)]
    seen = delayed_at(run(Phase.TRAINING), [*before, *after])[ahead:]
    assert [one.phase for one in seen] == [Phase.TRAINING] * left + [Phase.PARKED]


def test_a_step_that_works_again_starts_with_new_patience() -> None:
    shape = run(Phase.CREATED, step_failure=step_failure())
    assert apply(shape, jobs.JobStarted(), NOW).step_failure is None


@pytest.mark.parametrize("parked_in", STEPS)
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


def test_a_run_that_gets_an_endpoint_while_it_is_judged_looks_for_its_model_again() -> None:
    judged = run(Phase.JUDGED, config=pipeline(endpoints=[]), model=MODEL)
    parked = apply(judged, control_events.StepBlocked("no", "do"), NOW)
    same = apply(parked, RetryRequested(pipeline(endpoints=[])), NOW)
    assert (same.phase, same.model) == (Phase.JUDGED, MODEL)
    again = apply(parked, RetryRequested(pipeline()), NOW)
    assert (again.phase, again.model) == (Phase.TRAINED, None)


def elsewhere(**changes: Any) -> Pipeline:
    (endpoint,) = tree()["endpoints"]
    return pipeline(endpoints=[{**endpoint, **changes}])


ELSEWHERE = [elsewhere(update=UPDATE.replace("production", "other")), elsewhere(resource="Other")]


@pytest.mark.parametrize("corrected", ELSEWHERE, ids=["another URL", "another resource"])
@pytest.mark.parametrize("phase", [Phase.PROMOTING, Phase.VERIFYING, Phase.ROLLING_BACK])
def test_an_endpoint_that_was_sent_an_update_is_settled_before_another_is_taken(
    phase: Phase, corrected: Pipeline
) -> None:
    sent = promotion(ever_sent=True)
    parked = apply(run(phase, promotion=sent), control_events.StepBlocked("no", "do"), NOW)
    again = apply(parked, RetryRequested(corrected), NOW)
    assert again.config == parked.config
    assert again.promotion is not None


@pytest.mark.parametrize("corrected", ELSEWHERE, ids=["another URL", "another resource"])
def test_a_corrected_endpoint_is_reserved_anew_when_nothing_was_sent_to_the_wrong_one(
    corrected: Pipeline,
) -> None:
    unsent = run(Phase.PROMOTING, promotion=promotion(sent_at=None))
    parked = apply(unsent, control_events.StepBlocked("no", "do"), NOW)
    again = apply(parked, RetryRequested(corrected), NOW)
    assert again.config.endpoints == corrected.endpoints
    assert (again.phase, again.promotion) == (Phase.PROMOTING, None)


def test_other_corrections_of_the_endpoint_are_taken_at_any_time() -> None:
    corrected = elsewhere(api_key="${OTHER_KEY}")
    sent = run(Phase.VERIFYING, promotion=promotion(ever_sent=True))
    parked = apply(sent, control_events.StepBlocked("no", "do"), NOW)
    again = apply(parked, RetryRequested(corrected), NOW)
    assert again.config.endpoints == corrected.endpoints
    assert again.promotion is not None


def test_a_confirmed_or_possible_update_is_remembered_for_good() -> None:
    unsent = run(Phase.PROMOTING, promotion=promotion(sent_at=None))
    for certain in (True, False):
        shape = apply(unsent, updates.UpdateSent(certain=certain), NOW)
        shape = apply(
            apply(shape, updates.UpdateLost(), NOW), control_events.StepBlocked("no", "do"), NOW
        )
        assert shape.promotion is not None
        assert shape.promotion.ever_sent


@pytest.mark.parametrize("phase", [Phase.PROMOTING, Phase.VERIFYING])
def test_a_run_that_lost_its_reservation_starts_its_promotion_over(phase: Phase) -> None:
    again = apply(run(phase), updates.EndpointLeaseLost(), NOW)
    assert (again.phase, again.promotion, again.model) == (Phase.PROMOTING, None, MODEL)
    assert next_command(again, NOW) is Command.LEASE_ENDPOINT


def test_an_unchanged_endpoint_is_first_given_back_its_old_model() -> None:
    back = apply(run(Phase.VERIFYING), updates.FoundUnchanged("same", can_roll_back=True), NOW)
    assert back.phase is Phase.ROLLING_BACK
    assert next_command(back, NOW) is Command.ROLL_BACK_ENDPOINT
    ended = apply(back, updates.RolledBack("as before"), NOW)
    assert (ended.phase, ended.reason) == (Phase.UNCHANGED, "same")


def test_the_way_back_is_sent_anew_as_often_as_an_update() -> None:
    sent = {"operation": "o1", "ever_sent": True, "resent": 3}
    tired = run(Phase.VERIFYING, promotion=promotion(**sent))
    for event in (
        updates.FoundUnchanged("same", can_roll_back=True),
        updates.FoundBroken("missing feature(s)"),
    ):
        back = apply(tired, event, NOW).promotion
        assert back is not None
        assert (back.resent, back.operation, back.ever_sent) == (0, None, True)


def test_an_unchanged_endpoint_with_nothing_to_give_back_ends_the_run() -> None:
    ended = apply(run(Phase.VERIFYING), updates.FoundUnchanged("same", can_roll_back=False), NOW)
    assert (ended.phase, ended.reason) == (Phase.UNCHANGED, "same")


def test_a_model_that_broke_ends_its_run_rolled_back_once_the_old_one_serves() -> None:
    back = apply(run(Phase.VERIFYING), updates.FoundBroken("missing feature"), NOW)
    ended = apply(back, updates.RolledBack("as before"), NOW)
    assert (ended.phase, ended.reason) == (Phase.ROLLED_BACK, "missing feature")


def test_a_look_is_counted_and_remembered_until_the_next_update() -> None:
    probe_series = NO_PROBES.after(Evidence.FOR, NOW, HOUR)
    seen = apply(run(Phase.VERIFYING), updates.NotYetLive(good("1"), probe_series), NOW + HOUR)
    assert seen.promotion is not None
    assert seen.promotion.probe_series == probe_series.showing(good("1"))
    back = apply(seen, updates.FoundBroken("missing feature"), NOW + HOUR)
    assert back.promotion is not None
    assert back.promotion.probe_series == NO_PROBES
    again = apply(seen, updates.UpdateLost(), NOW + HOUR)
    assert again.promotion is not None
    assert again.promotion.probe_series == NO_PROBES


def test_a_return_at_the_start_begins_the_promotion_anew() -> None:
    shape = run(Phase.ROLLING_BACK, promotion=promotion(after_rollback="start"))
    again = apply(shape, updates.RolledBack("as before"), NOW)
    assert (again.phase, again.promotion) == (Phase.PROMOTING, None)


def test_a_run_keeps_its_record_unchanged_when_a_fact_is_refused() -> None:
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
