"""Which event leads from which phase to which."""

import contextlib
from datetime import timedelta
from itertools import product
from typing import Any

import pytest

from shared.core.config.compare import Compare
from shared.core.config.gate import Gate
from shared.core.evaluation.gate import Verdict, refused
from shared.core.run import control_events, gate_events, retry
from shared.core.run import gate_events as staging
from shared.core.run import job_events as jobs
from shared.core.run import promotion_events as updates
from shared.core.run.commands import Command, Event
from shared.core.run.machine import apply, next_command
from shared.core.run.moves import MOVES
from shared.core.run.record import ENDS, GateEvidence, Phase, Run
from shared.core.run.retry import RedoRequested, RetryRequested
from shared.core.serving.probes import NO_PROBES
from shared.core.serving.traffic_rules import TrafficEvidence
from shared.errors import InvalidTransitionError
from tests.unit.core.run.machine_samples import CANDIDATE, variants
from tests.unit.samples import (
    HOUR,
    MODEL,
    NOW,
    OPEN_PHASES,
    good,
    pipeline,
    promotion,
    run,
    step_failure,
)

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
        jobs.JobGivenUp("it never began"),
        jobs.OutputSeen("0123456789abcdef"),
        gate_events.Admitted(),
        gate_events.StillWaiting("another run is open"),
        gate_events.VerdictReached(None),
        gate_events.Regressed(refused("worse than what serves")),
        gate_events.Asked("the next run is unsure too"),
        gate_events.VerdictOutdated(Verdict(passed=True, reason="", needs_approval=True)),
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
        updates.StepBegan("moved", good("1")),
        updates.StepMeasured(TrafficEvidence(), "no data", good("1"), NO_PROBES),
        updates.StepApproved("ada", "quiet night"),
        updates.VerifiedLive("moved", good("1")),
        staging.CandidateStaged(CANDIDATE),
        staging.CandidateReady(),
        staging.CandidateFailed("no memory"),
        staging.CandidateLost("an error of the service"),
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


def is_event(value: object) -> bool:
    return isinstance(value, type) and issubclass(value, Event) and value is not Event


def test_every_kind_of_event_is_tried() -> None:
    modules = (control_events, gate_events, jobs, updates, retry)
    found = {one for module in modules for one in vars(module).values() if is_event(one)}
    assert set(SAMPLES) == found


@pytest.mark.parametrize("phase", Phase)
def test_an_event_leads_only_where_the_table_says(phase: Phase) -> None:
    for kind, event in SAMPLES.items():
        allowed = MOVES.get((phase, kind), frozenset())
        led = reached(phase, event)
        assert led <= allowed, kind
        assert bool(led) is bool(allowed), kind  # an event in the table is accepted by some run


#: Which facts fit a run in which phase; no other fact changes it.
FITS = {
    Phase.WAITING: (
        "StillWaiting Admitted Superseded Cancelled StepFailed StepBlocked CancelRequested"
    ),
    Phase.RECEIVED: (
        "JobCreated Superseded DataDeleted Cancelled StepFailed StepBlocked CancelRequested"
    ),
    Phase.CREATED: (
        "JobStarted JobFinished JobFailed JobStopped JobCancelled JobExpired JobGivenUp "
        "Superseded StepFailed StepBlocked CancelRequested"
    ),
    Phase.TRAINING: (
        "JobStarted OutputSeen JobFinished JobFailed JobStopped JobCancelled JobGivenUp "
        "StepFailed StepBlocked CancelRequested"
    ),
    Phase.TRAINED: (
        "ModelCollected ModelsCollected JobFailed NothingToPromote Superseded Cancelled "
        "StepFailed StepBlocked CancelRequested"
    ),
    Phase.STAGING: (
        "CandidateStaged CandidateReady CandidateFailed CandidateLost Cancelled StepFailed "
        "StepBlocked CancelRequested"
    ),
    Phase.JUDGED: (
        "EvidenceGathered VerdictReached Cancelled StepFailed StepBlocked CancelRequested"
    ),
    Phase.AWAITING_APPROVAL: (
        "Asked Approved Rejected Superseded Cancelled StepFailed StepBlocked CancelRequested"
    ),
    Phase.ROLLING_OUT: "DeliveriesChanged RolloutEnded StepFailed StepBlocked CancelRequested",
    Phase.PROMOTING: (
        "Superseded Cancelled Regressed VerdictOutdated EndpointLeased InFlightUpdateFound "
        "EndpointLeaseLost UpdateSent StepFailed StepBlocked CancelRequested"
    ),
    Phase.VERIFYING: (
        "EndpointLeaseLost NotYetLive ShareReached VerifiedLive FoundUnchanged UpdateLost "
        "FoundBroken StepBegan StepMeasured CancelRequested StepFailed StepBlocked"
    ),
    Phase.ROLLING_BACK: (
        "Superseded UpdateSent NotYetLive UpdateLost RolledBack StepFailed StepBlocked"
    ),
    Phase.PARKED: "RetryRequested RedoRequested CancelRequested StepApproved",
}


@pytest.mark.parametrize("phase", Phase)
def test_a_phase_accepts_these_events_and_no_others(phase: Phase) -> None:
    accepted = {kind.__name__ for (where, kind) in MOVES if where is phase}
    assert accepted == set(FITS.get(phase, "").split())


#: What leads elsewhere than the samples do.
OTHERS: dict[type[Event], tuple[Event, ...]] = {
    gate_events.VerdictReached: (gate_events.VerdictReached(refused("not good enough")),),
    control_events.ModelCollected: (control_events.ModelCollected(MODEL, stages=True),),
    control_events.RolloutEnded: tuple(
        control_events.RolloutEnded(end, "over")
        for end in (Phase.SUPERSEDED, Phase.UNCHANGED, Phase.ROLLED_BACK, Phase.CANCELLED)
    ),
    control_events.StepFailed: (control_events.StepFailed("busy", NOW + HOUR, timedelta()),),
    updates.FoundUnchanged: (updates.FoundUnchanged("same", can_roll_back=False),),
}


#: What else distinguishes runs for events.
HOLDS: tuple[dict[str, Any], ...] = (
    {"job": None, "started_at": None},
    {"job": "j1", "started_at": None},
    {"models": {"a": MODEL}},
    {"config": pipeline(endpoints=[])},
    {"config": pipeline(training__attempts=2, when_busy="newest")},
    {"config": pipeline(gate={"approval": "required"})},
    {"config": pipeline().evolve(gate=Gate(compare=Compare(holdout="evaluation/holdout.csv")))},
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
    return [
        run(step).model_copy(update={"phase": phase, "parked_in": step}) for step in OPEN_PHASES
    ]


@pytest.mark.parametrize("phase", sorted(ENDS))
def test_an_end_accepts_nothing_and_asks_for_nothing(phase: Phase) -> None:
    assert phase.ended
    assert not [kind for (where, kind) in MOVES if where is phase]
    for shape in variants(phase):
        assert next_command(shape, NOW) is Command.NOTHING


def test_every_phase_is_a_step_an_end_or_parked() -> None:
    assert {*OPEN_PHASES, *ENDS, Phase.PARKED} == set(Phase)
    assert not Phase.PARKED.ended


def test_from_every_open_phase_an_end_can_be_reached() -> None:
    leads: dict[Phase, set[Phase]] = {phase: set() for phase in Phase}
    for (phase, _), to in MOVES.items():
        leads[phase] |= to
    known = set(ENDS)
    for _ in Phase:
        known |= {phase for phase, to in leads.items() if to & known}
    assert known == set(Phase)
