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
from shared.core.run.control_events import Fact
from shared.core.run.machine import MOVES, Command, apply, cancellable, expires_at, next_command
from shared.core.run.record import ENDS, Approval, Phase, Run
from shared.core.run.retry import RetryRequested, TakenBack
from shared.core.serving.probe_series import NO_LOOKS, Says
from shared.errors import InvalidTransition
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
    tree,
    trouble,
)

TWICE = pipeline(training__attempts=2)
BACK = ("rolled_back", "unchanged", "start")
SAMPLES: dict[type[Fact], Fact] = {
    type(fact): fact
    for fact in (
        jobs.JobCreated("j1"),
        jobs.JobStarted(),
        jobs.JobFinished(),
        jobs.JobFailed("bad data"),
        jobs.JobStopped("too long"),
        jobs.JobCancelled(),
        jobs.JobTooOld(),
        jobs.OutputSeen("0123456789abcdef"),
        gate_events.TurnTaken(),
        gate_events.StillWaiting("another run is open"),
        gate_events.Judged(None),
        gate_events.FellBehind(refused("worse than what serves")),
        gate_events.Approved("ada", "good"),
        gate_events.Disapproved("ada", "bad"),
        control_events.GivenUp(),
        control_events.Overtaken("newer data"),
        control_events.DataGone("deleted"),
        control_events.ModelCollected(MODEL),
        control_events.ModelsCollected({"a": MODEL}),
        control_events.DeliveriesMoved(()),
        control_events.RolledOut(Phase.PROMOTED, "2 of 2"),
        control_events.NothingToPromote("no endpoint"),
        updates.EndpointReserved(promotion(sent_at=None)),
        updates.LeftUnsettled(promotion(sent_at=None)),
        updates.UpdateSent(),
        updates.NotYetLive(good("1"), NO_LOOKS),
        updates.WentLive("moved", good("1")),
        updates.StayedUnchanged("same", can_return=True),
        updates.ReservationLost(),
        updates.UpdateLost(),
        updates.ModelBroke("missing feature"),
        updates.Returned("as before"),
        control_events.StepDelayed("busy", NOW + HOUR, HOUR),
        control_events.StepRefused("wrong name", "correct it"),
        control_events.CancelRequested(),
        RetryRequested(None),
        TakenBack(None),
    )
}


def variants(phase: Phase) -> Iterator[Run]:
    """Every kind of run that can stand in `phase`, as far as facts tell them apart."""
    parked_in = STEPS if phase is Phase.PARKED else (None,)
    choices = product((1, 2), (False, True), (None, trouble(NOW - HOUR)), BACK)
    for where, (attempt, cancelling, since, back) in product(parked_in, choices):
        shape = run(where or phase)
        yield shape.model_copy(
            update={
                "phase": phase,
                "config": TWICE,
                "attempt": attempt,
                "cancelling": cancelling,
                "trouble": since,
                "parked_in": where,
                "promotion": shape.promotion and promotion(returning_to=back),
            }
        )
        if (where or phase) is Phase.PROMOTING:
            yield shape.model_copy(update={"phase": phase, "parked_in": where, "promotion": None})


def reached(phase: Phase, fact: Fact) -> set[Phase]:
    ends = set()
    for shape in variants(phase):
        try:
            ends.add(apply(shape, fact, NOW).phase)
        except InvalidTransition:
            continue
    return ends


def test_every_kind_of_fact_is_walked() -> None:
    assert set(SAMPLES) == set(get_args(Fact))


@pytest.mark.parametrize("kind", SAMPLES, ids=lambda kind: kind.__name__)
@pytest.mark.parametrize("phase", Phase)
def test_a_fact_leads_only_where_the_table_says(phase: Phase, kind: type[Fact]) -> None:
    allowed = MOVES.get((phase, kind), frozenset())
    led = reached(phase, SAMPLES[kind])
    assert led <= allowed
    assert bool(led) is bool(allowed)  # a fact in the table is accepted by some run


#: Which facts fit a run in which phase; no other fact changes it.
FITS = {
    Phase.WAITING: (
        "StillWaiting TurnTaken Overtaken GivenUp StepDelayed StepRefused CancelRequested"
    ),
    Phase.RECEIVED: "JobCreated Overtaken DataGone GivenUp StepDelayed StepRefused CancelRequested",
    Phase.CREATED: (
        "JobStarted JobFinished JobFailed JobStopped JobCancelled JobTooOld StepDelayed "
        "StepRefused CancelRequested"
    ),
    Phase.TRAINING: (
        "JobStarted OutputSeen JobFinished JobFailed JobStopped JobCancelled StepDelayed "
        "StepRefused CancelRequested"
    ),
    Phase.TRAINED: (
        "ModelCollected ModelsCollected JobFailed NothingToPromote Overtaken GivenUp "
        "StepDelayed StepRefused CancelRequested"
    ),
    Phase.JUDGED: "Judged GivenUp StepDelayed StepRefused CancelRequested",
    Phase.AWAITING_APPROVAL: "Approved Disapproved GivenUp StepDelayed StepRefused CancelRequested",
    Phase.ROLLING_OUT: "DeliveriesMoved RolledOut StepDelayed StepRefused CancelRequested",
    Phase.PROMOTING: (
        "Overtaken GivenUp FellBehind EndpointReserved LeftUnsettled ReservationLost "
        "UpdateSent StepDelayed StepRefused CancelRequested"
    ),
    Phase.VERIFYING: (
        "ReservationLost NotYetLive WentLive StayedUnchanged UpdateLost ModelBroke "
        "StepDelayed StepRefused"
    ),
    Phase.RETURNING: "Overtaken UpdateSent NotYetLive UpdateLost Returned StepDelayed StepRefused",
    Phase.PARKED: "RetryRequested TakenBack CancelRequested",
}


@pytest.mark.parametrize("phase", Phase)
def test_a_phase_accepts_these_facts_and_no_others(phase: Phase) -> None:
    accepted = {kind.__name__ for (where, kind) in MOVES if where is phase}
    assert accepted == set(FITS.get(phase, "").split())


#: What leads elsewhere than the samples do.
OTHERS: dict[type[Fact], tuple[Fact, ...]] = {
    gate_events.Judged: (gate_events.Judged(refused("not good enough")),),
    control_events.RolledOut: tuple(
        control_events.RolledOut(end, "over")
        for end in (Phase.SUPERSEDED, Phase.UNCHANGED, Phase.ROLLED_BACK, Phase.CANCELLED)
    ),
    control_events.StepDelayed: (control_events.StepDelayed("busy", NOW + HOUR, timedelta()),),
    updates.StayedUnchanged: (updates.StayedUnchanged("same", can_return=False),),
}
#: What else a run may hold, that facts tell apart.
HOLDS: tuple[dict[str, Any], ...] = (
    {"job": None, "started_at": None},
    {"job": "j1", "started_at": None},
    {"models": {"a": MODEL}},
    {"config": pipeline(endpoints=[])},
    {"config": pipeline(training__attempts=2, when_busy="newest")},
    {"config": pipeline(gate={"approval": "required"})},
    {"trouble": trouble(NOW - HOUR, count=3)},
    {"promotion": promotion(returning_to="judged")},
    {"promotion": promotion(returning_to="trained", ever_sent=True)},
)


#: Alike in every process: a set of phases has no order of its own.
IN_ORDER = [(phase, kind) for phase in Phase for kind in SAMPLES if (phase, kind) in MOVES]


@pytest.mark.parametrize(("phase", "kind"), IN_ORDER)
def test_each_phase_that_the_table_names_is_reached(phase: Phase, kind: type[Fact]) -> None:
    led = reached(phase, SAMPLES[kind])
    for fact, held in product((SAMPLES[kind], *OTHERS.get(kind, ())), ({}, *HOLDS)):
        for shape in (one.model_copy(update=held) for one in few(phase)):
            with contextlib.suppress(InvalidTransition):
                led.add(apply(shape, fact, NOW).phase)
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
        (run(Phase.TRAINING), Command.LOOK_AT_JOB),
        (run(Phase.TRAINED), Command.COLLECT_MODEL),
        (run(Phase.PROMOTING, promotion=None), Command.RESERVE_ENDPOINT),
        (run(Phase.PROMOTING, promotion=unsent), Command.UPDATE_ENDPOINT),
        (run(Phase.VERIFYING), Command.LOOK_AT_ENDPOINT),
        (run(Phase.RETURNING, promotion=unsent), Command.RETURN_ENDPOINT),
        (run(Phase.RETURNING), Command.LOOK_AT_ENDPOINT),
        (run(Phase.PARKED), Command.NOTHING),
        (run(Phase.RECEIVED, cancelling=True), Command.GIVE_UP),
        (run(Phase.CREATED, cancelling=True), Command.STOP_JOB),
        (run(Phase.TRAINING, cancelling=True), Command.STOP_JOB),
        (run(Phase.TRAINED, cancelling=True), Command.GIVE_UP),
        (run(Phase.WAITING), Command.TAKE_TURN),
        (run(Phase.JUDGED), Command.JUDGE),
        (run(Phase.ROLLING_OUT), Command.ROLL_OUT),
        (run(Phase.VERIFYING, promotion=unsent), Command.RETURN_ENDPOINT),
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
        Command.UPDATE_ENDPOINT,
        Command.RETURN_ENDPOINT,
    }


@pytest.mark.parametrize(
    "asked",
    [
        RetryRequested(None),
        control_events.CancelRequested(),
        gate_events.Approved("ada", "good"),
        gate_events.Disapproved("ada", "bad"),
    ],
    ids=lambda asked: type(asked).__name__,
)
@pytest.mark.parametrize("phase", Phase)
def test_what_a_person_cannot_have_is_said_in_their_words(phase: Phase, asked: Fact) -> None:
    for shape in variants(phase):
        try:
            apply(shape, asked, NOW)
        except InvalidTransition as exc:
            said = str(exc)
            assert f"{shape.run_id} is {phase} now" in said
            assert type(asked).__name__ not in said
            assert "it can be" in said or "it is over" in said or "wait for its end" in said


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
            gate_events.Disapproved("ada"),
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
    shape: Run, asked: Fact, says: str
) -> None:
    with pytest.raises(InvalidTransition) as caught:
        apply(shape, asked, NOW)
    assert str(caught.value) == says


def test_a_fact_that_would_lead_where_the_table_forbids_it_is_refused() -> None:
    with pytest.raises(InvalidTransition, match="must not lead to finished"):
        apply(run(Phase.ROLLING_OUT), control_events.RolledOut(Phase.FINISHED, "over"), NOW)


def test_an_answer_is_waited_for_from_the_opening_of_a_run_of_an_older_release() -> None:
    shape = run(Phase.AWAITING_APPROVAL, awaiting_since=None)
    assert expires_at(shape) == shape.opened_at + shape.config.gate.expires


def test_an_attempt_is_stopped_at_its_timeout_and_not_a_second_before() -> None:
    shape, at = run(Phase.TRAINING), NOW + timedelta(hours=2)
    assert next_command(shape, at - timedelta(seconds=1)) is Command.LOOK_AT_JOB
    assert next_command(shape, at) is Command.STOP_JOB


def test_an_attempt_has_its_whole_time_however_long_its_run_was_open_before() -> None:
    started = NOW + 5 * HOUR  # it waited for its turn, or is the second attempt
    shape, at = run(Phase.TRAINING, started_at=started), started + timedelta(hours=2)
    assert next_command(shape, started) is Command.LOOK_AT_JOB
    assert next_command(shape, at - timedelta(seconds=1)) is Command.LOOK_AT_JOB
    assert next_command(shape, at) is Command.STOP_JOB


@pytest.mark.parametrize("over", [jobs.JobFailed("bad"), jobs.JobStopped("late")])
@pytest.mark.parametrize("phase", [Phase.CREATED, Phase.TRAINING])
def test_the_next_attempt_comes_only_after_the_last_one_is_over(phase: Phase, over: Fact) -> None:
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
def test_the_last_attempt_ends_the_run_with_its_reason(over: Fact, end: Phase) -> None:
    ended = apply(run(Phase.TRAINING, config=TWICE, attempt=2), over, NOW)
    assert ended.phase is end
    assert ended.reason in ("bad", "late")


def test_a_cancelled_run_is_not_tried_again() -> None:
    shape = apply(run(Phase.TRAINING, config=TWICE), control_events.CancelRequested(), NOW)
    assert apply(shape, jobs.JobStopped("cancelled"), NOW).phase is Phase.CANCELLED


def test_a_second_confirmation_does_not_restart_the_clock_of_an_attempt() -> None:
    again = apply(run(Phase.TRAINING), jobs.JobStarted(), NOW + HOUR)
    assert again.started_at == NOW


@pytest.mark.parametrize("phase", [Phase.PROMOTING, Phase.VERIFYING, Phase.RETURNING])
def test_what_is_on_its_way_to_an_endpoint_cannot_be_cancelled(phase: Phase) -> None:
    assert not cancellable(run(phase))
    with pytest.raises(InvalidTransition):
        apply(run(phase), control_events.CancelRequested(), NOW)


@pytest.mark.parametrize("phase", [Phase.PROMOTING, Phase.RETURNING])
def test_a_cancel_is_refused_while_an_update_may_be_in_flight_that_is_not_recorded_yet(
    phase: Phase,
) -> None:
    reserved = run(phase, promotion=promotion(sent_at=None))
    assert not cancellable(reserved)
    with pytest.raises(InvalidTransition):
        apply(reserved, control_events.CancelRequested(), NOW)


@pytest.mark.parametrize("phase", [Phase.PROMOTING, Phase.VERIFYING, Phase.RETURNING])
def test_a_run_that_is_parked_on_its_way_to_an_endpoint_can_be_cancelled(phase: Phase) -> None:
    parked = apply(run(phase), control_events.StepRefused("no", "do"), NOW)
    assert cancellable(parked)
    assert apply(parked, control_events.CancelRequested(), NOW).phase is Phase.CANCELLED


def test_an_ended_run_advises_nothing_unless_its_end_does() -> None:
    parked = apply(run(Phase.PROMOTING), control_events.StepRefused("no", "retry the run"), NOW)
    for end in sorted(ENDS):
        assert parked.moved(end, NOW).advice is None
        assert parked.moved(end, NOW, advice="rename the data").advice == "rename the data"
    assert parked.moved(Phase.PARKED, NOW).advice == "retry the run"


def test_a_parked_run_waits_for_a_person_even_while_it_is_being_cancelled() -> None:
    shape = apply(run(Phase.TRAINING), control_events.CancelRequested(), NOW)
    parked = apply(shape, control_events.StepRefused("the key is wrong", "correct it"), NOW)
    assert next_command(parked, NOW) is Command.NOTHING


def delayed_at(run: Run, times: Sequence[timedelta], pause: timedelta = HOUR / 4) -> list[Run]:
    """Return the run after each failure of a step, each of which asks for a pause."""
    seen = []
    for time in times:
        run = apply(run, control_events.StepDelayed("busy", NOW + time + pause, HOUR), NOW + time)
        seen.append(run)
    return seen


def test_a_step_waits_while_there_is_patience_and_is_parked_after_it() -> None:
    times = [timedelta(), HOUR / 2, HOUR]
    first, still, parked = delayed_at(run(Phase.TRAINING), times)
    assert [r.phase for r in (first, still, parked)] == ["training", "training", "parked"]
    assert still.trouble is not None
    assert (still.trouble.since, still.trouble.count) == (NOW, 2)
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
    shape = run(Phase.CREATED, trouble=trouble())
    assert apply(shape, jobs.JobStarted(), NOW).trouble is None


@pytest.mark.parametrize("parked_in", STEPS)
def test_a_retry_goes_back_to_what_did_not_work(parked_in: Phase) -> None:
    shape = apply(run(parked_in), control_events.StepRefused("no", "do"), NOW)
    again = apply(shape, RetryRequested(None), NOW)
    expected = Phase.PROMOTING if parked_in is Phase.VERIFYING else parked_in
    assert again.phase is expected
    assert (again.parked_in, again.reason, again.advice) == (None, None, None)
    if again.promotion is not None:  # whatever was sent has had its time
        assert (again.promotion.sent_at, again.promotion.looks) == (None, NO_LOOKS)


def test_a_retry_before_the_job_takes_every_corrected_setting() -> None:
    corrected = pipeline(training__timeout="5h")
    parked = apply(run(Phase.RECEIVED), control_events.StepRefused("no", "do"), NOW)
    assert apply(parked, RetryRequested(corrected), NOW).config == corrected


def test_a_retry_after_the_job_keeps_the_settings_that_made_it() -> None:
    corrected = pipeline(training__timeout="5h", endpoints=[])
    parked = apply(run(Phase.TRAINED), control_events.StepRefused("no", "do"), NOW)
    config = apply(parked, RetryRequested(corrected), NOW).config
    assert config.training == run(Phase.TRAINED).config.training
    assert config.endpoint is None


def test_a_run_that_gets_an_endpoint_while_it_is_judged_looks_for_its_model_again() -> None:
    judged = run(Phase.JUDGED, config=pipeline(endpoints=[]), model=MODEL)
    parked = apply(judged, control_events.StepRefused("no", "do"), NOW)
    same = apply(parked, RetryRequested(pipeline(endpoints=[])), NOW)
    assert (same.phase, same.model) == (Phase.JUDGED, MODEL)
    again = apply(parked, RetryRequested(pipeline()), NOW)
    assert (again.phase, again.model) == (Phase.TRAINED, None)


def elsewhere(**changes: Any) -> Pipeline:
    (endpoint,) = tree()["endpoints"]
    return pipeline(endpoints=[{**endpoint, **changes}])


ELSEWHERE = [elsewhere(update=UPDATE.replace("production", "other")), elsewhere(resource="Other")]


@pytest.mark.parametrize("corrected", ELSEWHERE, ids=["another URL", "another resource"])
@pytest.mark.parametrize("phase", [Phase.PROMOTING, Phase.VERIFYING, Phase.RETURNING])
def test_an_endpoint_that_was_sent_an_update_is_settled_before_another_is_taken(
    phase: Phase, corrected: Pipeline
) -> None:
    sent = promotion(ever_sent=True)
    parked = apply(run(phase, promotion=sent), control_events.StepRefused("no", "do"), NOW)
    again = apply(parked, RetryRequested(corrected), NOW)
    assert again.config == parked.config
    assert again.promotion is not None


@pytest.mark.parametrize("corrected", ELSEWHERE, ids=["another URL", "another resource"])
def test_a_corrected_endpoint_is_reserved_anew_when_nothing_was_sent_to_the_wrong_one(
    corrected: Pipeline,
) -> None:
    unsent = run(Phase.PROMOTING, promotion=promotion(sent_at=None))
    parked = apply(unsent, control_events.StepRefused("no", "do"), NOW)
    again = apply(parked, RetryRequested(corrected), NOW)
    assert again.config.endpoints == corrected.endpoints
    assert (again.phase, again.promotion) == (Phase.PROMOTING, None)


def test_other_corrections_of_the_endpoint_are_taken_at_any_time() -> None:
    corrected = elsewhere(api_key="${OTHER_KEY}")
    sent = run(Phase.VERIFYING, promotion=promotion(ever_sent=True))
    parked = apply(sent, control_events.StepRefused("no", "do"), NOW)
    again = apply(parked, RetryRequested(corrected), NOW)
    assert again.config.endpoints == corrected.endpoints
    assert again.promotion is not None


def test_a_confirmed_or_possible_update_is_remembered_for_good() -> None:
    unsent = run(Phase.PROMOTING, promotion=promotion(sent_at=None))
    for certain in (True, False):
        shape = apply(unsent, updates.UpdateSent(certain=certain), NOW)
        shape = apply(
            apply(shape, updates.UpdateLost(), NOW), control_events.StepRefused("no", "do"), NOW
        )
        assert shape.promotion is not None
        assert shape.promotion.ever_sent


@pytest.mark.parametrize("phase", [Phase.PROMOTING, Phase.VERIFYING])
def test_a_run_that_lost_its_reservation_starts_its_promotion_over(phase: Phase) -> None:
    again = apply(run(phase), updates.ReservationLost(), NOW)
    assert (again.phase, again.promotion, again.model) == (Phase.PROMOTING, None, MODEL)
    assert next_command(again, NOW) is Command.RESERVE_ENDPOINT


def test_an_unchanged_endpoint_is_first_given_back_its_old_model() -> None:
    back = apply(run(Phase.VERIFYING), updates.StayedUnchanged("same", can_return=True), NOW)
    assert back.phase is Phase.RETURNING
    assert next_command(back, NOW) is Command.RETURN_ENDPOINT
    ended = apply(back, updates.Returned("as before"), NOW)
    assert (ended.phase, ended.reason) == (Phase.UNCHANGED, "same")


def test_the_way_back_is_sent_anew_as_often_as_an_update() -> None:
    sent = {"operation": "o1", "ever_sent": True, "resent": 3}
    tired = run(Phase.VERIFYING, promotion=promotion(**sent))
    for fact in (
        updates.StayedUnchanged("same", can_return=True),
        updates.ModelBroke("missing feature(s)"),
    ):
        back = apply(tired, fact, NOW).promotion
        assert back is not None
        assert (back.resent, back.operation, back.ever_sent) == (0, None, True)


def test_an_unchanged_endpoint_with_nothing_to_give_back_ends_the_run() -> None:
    ended = apply(run(Phase.VERIFYING), updates.StayedUnchanged("same", can_return=False), NOW)
    assert (ended.phase, ended.reason) == (Phase.UNCHANGED, "same")


def test_a_model_that_broke_ends_its_run_rolled_back_once_the_old_one_serves() -> None:
    back = apply(run(Phase.VERIFYING), updates.ModelBroke("missing feature"), NOW)
    ended = apply(back, updates.Returned("as before"), NOW)
    assert (ended.phase, ended.reason) == (Phase.ROLLED_BACK, "missing feature")


def test_a_look_is_counted_and_remembered_until_the_next_update() -> None:
    looks = NO_LOOKS.after(Says.FOR, NOW, HOUR)
    seen = apply(run(Phase.VERIFYING), updates.NotYetLive(good("1"), looks), NOW + HOUR)
    assert seen.promotion is not None
    assert seen.promotion.looks == looks.showing(good("1"))
    back = apply(seen, updates.ModelBroke("missing feature"), NOW + HOUR)
    assert back.promotion is not None
    assert back.promotion.looks == NO_LOOKS
    again = apply(seen, updates.UpdateLost(), NOW + HOUR)
    assert again.promotion is not None
    assert again.promotion.looks == NO_LOOKS


def test_a_return_at_the_start_begins_the_promotion_anew() -> None:
    shape = run(Phase.RETURNING, promotion=promotion(returning_to="start"))
    again = apply(shape, updates.Returned("as before"), NOW)
    assert (again.phase, again.promotion) == (Phase.PROMOTING, None)


def test_a_run_keeps_its_record_unchanged_when_a_fact_is_refused() -> None:
    shape = run(Phase.PROMOTED)
    copy = shape.model_copy(deep=True)
    with pytest.raises(InvalidTransition):
        apply(shape, jobs.JobStarted(), NOW)
    assert shape == copy


@pytest.mark.parametrize(
    "left",
    [
        updates.UpdateLost(),
        updates.ModelBroke("bad"),
        updates.StayedUnchanged("same", can_return=True),
    ],
)
def test_what_the_last_update_came_to_is_no_part_of_the_next_one(left: Fact) -> None:
    said = promotion(certain=False, said="HTTP 500", operation="op")
    after = apply(run(Phase.VERIFYING, promotion=said), left, NOW).promotion
    assert after is not None
    assert (after.sent_at, after.certain, after.said, after.operation) == (None, True, "", None)
