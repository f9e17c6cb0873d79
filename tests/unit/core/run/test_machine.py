"""Which event leads from which phase to which, and what a step asks for."""

import contextlib
from datetime import timedelta
from itertools import product
from typing import Any, get_args

import pytest

from shared.core.evaluation.gate import refused
from shared.core.run import control_events, gate_events
from shared.core.run import job_events as jobs
from shared.core.run import promotion_events as updates
from shared.core.run import staging_events as staging
from shared.core.run.control_events import Event
from shared.core.run.machine import MOVES, Command, apply, next_command
from shared.core.run.record import ENDS, GateEvidence, Phase, Run
from shared.core.run.retry import RedoRequested, RetryRequested
from shared.core.serving.probe_series import NO_PROBES
from shared.core.serving.references import Candidate, ServingState
from shared.errors import InvalidTransitionError
from tests.unit.core.run.machine_samples import variants
from tests.unit.samples import (
    HOUR,
    MODEL,
    NOW,
    STEPS,
    good,
    pipeline,
    promotion,
    run,
    step_failure,
)

CANDIDATE = Candidate(name="m-1", state=ServingState(model=MODEL))
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
