"""The state machine of runs: which step is due in each phase, and which events it accepts.

`next_command` returns what is due for a run; `apply` folds an event in. `MOVES` lists every
(phase, event) that is allowed and the phases that may follow; a test walks all pairs.
"""

from datetime import datetime
from typing import Final

from shared.core.run.commands import Command, Event
from shared.core.run.control_events import (
    Cancelled,
    CancelRequested,
    DataDeleted,
    DeliveriesChanged,
    ModelCollected,
    ModelsCollected,
    NothingToPromote,
    RolloutEnded,
    StepBlocked,
    StepFailed,
    Superseded,
)
from shared.core.run.gate_events import (
    Admitted,
    Approved,
    CandidateFailed,
    CandidateLost,
    CandidateReady,
    CandidateStaged,
    EvidenceGathered,
    Judged,
    Regressed,
    Rejected,
    StillWaiting,
)
from shared.core.run.job_events import (
    JobCancelled,
    JobCreated,
    JobExpired,
    JobFailed,
    JobFinished,
    JobGivenUp,
    JobStarted,
    JobStopped,
    OutputSeen,
)
from shared.core.run.promotion_events import (
    EndpointLeased,
    EndpointLeaseLost,
    FoundBroken,
    FoundUnchanged,
    InFlightUpdateFound,
    NotYetLive,
    RolledBack,
    ShareReached,
    StepApproved,
    StepBegan,
    StepMeasured,
    UpdateLost,
    UpdateSent,
    VerifiedLive,
)
from shared.core.run.record import Phase, Run
from shared.core.run.retry import RedoRequested, RetryRequested
from shared.errors import InvalidTransitionError

#: What is due in a phase that asks no further question.
_DUE: Final = {
    Phase.WAITING: Command.ADMIT,
    Phase.RECEIVED: Command.CREATE_JOB,
    Phase.CREATED: Command.START_JOB,
    Phase.TRAINED: Command.COLLECT_MODEL,
    Phase.JUDGED: Command.JUDGE,
    Phase.ROLLING_OUT: Command.ROLL_OUT,
}
_STEPS: Final = (
    Phase.WAITING,
    Phase.RECEIVED,
    Phase.CREATED,
    Phase.TRAINING,
    Phase.TRAINED,
    Phase.STAGING,
    Phase.JUDGED,
    Phase.AWAITING_APPROVAL,
    Phase.ROLLING_OUT,
    Phase.PROMOTING,
    Phase.VERIFYING,
    Phase.ROLLING_BACK,
)
#: Phases before an update of an endpoint; a roll-out stops what it has not begun.
_CAN_BE_CANCELLED: Final = frozenset(_STEPS[: _STEPS.index(Phase.PROMOTING)])
_JOB_FAILED: Final = frozenset({Phase.WAITING, Phase.RECEIVED, Phase.FAILED, Phase.CANCELLED})
_JOB_STOPPED: Final = frozenset({Phase.WAITING, Phase.RECEIVED, Phase.TIMED_OUT, Phase.CANCELLED})
_ON_TO_ENDPOINTS: Final = frozenset({Phase.PROMOTING, Phase.ROLLING_OUT})
#: Which event is allowed in which phase, and the phases that may follow.
MOVES: Final[dict[tuple[Phase, type[Event]], frozenset[Phase]]] = {
    (Phase.WAITING, StillWaiting): frozenset({Phase.WAITING}),
    (Phase.WAITING, Admitted): frozenset({Phase.RECEIVED, Phase.CREATED, Phase.TRAINING}),
    (Phase.WAITING, Superseded): frozenset({Phase.SUPERSEDED}),
    (Phase.WAITING, Cancelled): frozenset({Phase.CANCELLED}),
    (Phase.RECEIVED, JobCreated): frozenset({Phase.CREATED}),
    (Phase.RECEIVED, Superseded): frozenset({Phase.SUPERSEDED}),
    (Phase.RECEIVED, DataDeleted): frozenset({Phase.REJECTED}),
    (Phase.RECEIVED, Cancelled): frozenset({Phase.CANCELLED}),
    (Phase.CREATED, JobStarted): frozenset({Phase.TRAINING}),
    (Phase.CREATED, JobFinished): frozenset({Phase.TRAINED}),
    (Phase.CREATED, JobFailed): _JOB_FAILED,
    (Phase.CREATED, JobStopped): _JOB_STOPPED,
    (Phase.CREATED, JobCancelled): frozenset({Phase.CANCELLED}),
    (Phase.CREATED, JobExpired): frozenset({Phase.RECEIVED}),
    (Phase.CREATED, JobGivenUp): frozenset({Phase.RECEIVED}),
    (Phase.CREATED, Superseded): frozenset({Phase.SUPERSEDED}),
    (Phase.TRAINING, JobGivenUp): frozenset({Phase.RECEIVED}),
    (Phase.TRAINING, JobStarted): frozenset({Phase.TRAINING}),
    (Phase.TRAINING, OutputSeen): frozenset({Phase.TRAINING}),
    (Phase.TRAINING, JobFinished): frozenset({Phase.TRAINED}),
    (Phase.TRAINING, JobFailed): _JOB_FAILED,
    (Phase.TRAINING, JobStopped): _JOB_STOPPED,
    (Phase.TRAINING, JobCancelled): frozenset({Phase.CANCELLED}),
    (Phase.TRAINED, ModelCollected): frozenset({Phase.STAGING, Phase.JUDGED, Phase.PROMOTING}),
    (Phase.TRAINED, ModelsCollected): frozenset({Phase.JUDGED, Phase.ROLLING_OUT}),
    (Phase.TRAINED, JobFailed): _JOB_FAILED,
    (Phase.TRAINED, NothingToPromote): frozenset({Phase.FINISHED}),
    (Phase.TRAINED, Superseded): frozenset({Phase.SUPERSEDED}),
    (Phase.TRAINED, Cancelled): frozenset({Phase.CANCELLED}),
    (Phase.STAGING, CandidateStaged): frozenset({Phase.STAGING}),
    (Phase.STAGING, CandidateReady): frozenset({Phase.JUDGED}),
    (Phase.STAGING, CandidateFailed): frozenset({Phase.REJECTED}),
    (Phase.STAGING, CandidateLost): frozenset({Phase.STAGING}),
    (Phase.STAGING, Cancelled): frozenset({Phase.CANCELLED}),
    (Phase.JUDGED, EvidenceGathered): frozenset({Phase.JUDGED}),
    (Phase.JUDGED, Judged): _ON_TO_ENDPOINTS
    | {Phase.AWAITING_APPROVAL, Phase.REJECTED, Phase.FINISHED},
    (Phase.JUDGED, Cancelled): frozenset({Phase.CANCELLED}),
    (Phase.AWAITING_APPROVAL, Approved): _ON_TO_ENDPOINTS,
    (Phase.AWAITING_APPROVAL, Rejected): frozenset({Phase.REJECTED}),
    (Phase.AWAITING_APPROVAL, Cancelled): frozenset({Phase.CANCELLED}),
    (Phase.ROLLING_OUT, DeliveriesChanged): frozenset({Phase.ROLLING_OUT}),
    (Phase.ROLLING_OUT, RolloutEnded): frozenset(
        {
            Phase.PROMOTED,
            Phase.SUPERSEDED,
            Phase.UNCHANGED,
            Phase.ROLLED_BACK,
            Phase.CANCELLED,
        }
    ),
    (Phase.PROMOTING, Superseded): frozenset({Phase.SUPERSEDED}),
    (Phase.PROMOTING, Cancelled): frozenset({Phase.CANCELLED}),
    (Phase.PROMOTING, Regressed): frozenset({Phase.REJECTED}),
    (Phase.PROMOTING, EndpointLeased): frozenset({Phase.PROMOTING}),
    (Phase.PROMOTING, InFlightUpdateFound): frozenset({Phase.ROLLING_BACK}),
    (Phase.PROMOTING, EndpointLeaseLost): frozenset({Phase.PROMOTING}),
    (Phase.PROMOTING, UpdateSent): frozenset({Phase.VERIFYING}),
    (Phase.VERIFYING, EndpointLeaseLost): frozenset({Phase.PROMOTING}),
    (Phase.VERIFYING, NotYetLive): frozenset({Phase.VERIFYING}),
    (Phase.VERIFYING, StepBegan): frozenset({Phase.VERIFYING}),
    (Phase.VERIFYING, StepMeasured): frozenset({Phase.VERIFYING}),
    (Phase.VERIFYING, CancelRequested): frozenset({Phase.ROLLING_BACK}),
    (Phase.PARKED, StepApproved): frozenset({Phase.VERIFYING}),
    (Phase.VERIFYING, ShareReached): frozenset({Phase.PROMOTING}),
    (Phase.VERIFYING, VerifiedLive): frozenset({Phase.PROMOTED}),
    (Phase.VERIFYING, FoundUnchanged): frozenset({Phase.ROLLING_BACK, Phase.UNCHANGED}),
    (Phase.VERIFYING, UpdateLost): frozenset({Phase.PROMOTING}),
    (Phase.VERIFYING, FoundBroken): frozenset({Phase.ROLLING_BACK}),
    (Phase.ROLLING_BACK, Superseded): frozenset({Phase.SUPERSEDED}),
    (Phase.ROLLING_BACK, UpdateSent): frozenset({Phase.ROLLING_BACK}),
    (Phase.ROLLING_BACK, NotYetLive): frozenset({Phase.ROLLING_BACK}),
    (Phase.ROLLING_BACK, UpdateLost): frozenset({Phase.ROLLING_BACK}),
    (Phase.ROLLING_BACK, RolledBack): frozenset(
        {
            Phase.ROLLED_BACK,
            Phase.UNCHANGED,
            Phase.CANCELLED,
            Phase.PROMOTING,
            Phase.JUDGED,
            Phase.TRAINED,
        }
    ),
    (Phase.PARKED, RetryRequested): frozenset(_STEPS) - {Phase.VERIFYING},
    (Phase.PARKED, RedoRequested): frozenset({Phase.ROLLING_BACK, Phase.CANCELLED}),
    (Phase.PARKED, CancelRequested): frozenset(
        {Phase.CREATED, Phase.TRAINING, Phase.ROLLING_OUT, Phase.CANCELLED, Phase.ROLLING_BACK}
    ),
    **{(phase, StepFailed): frozenset({phase, Phase.PARKED}) for phase in _STEPS},
    **{(phase, StepBlocked): frozenset({Phase.PARKED}) for phase in _STEPS},
    **{
        (phase, CancelRequested): frozenset({phase})
        for phase in (*_CAN_BE_CANCELLED, Phase.PROMOTING)
    },
    (Phase.WAITING, CancelRequested): frozenset({Phase.WAITING, Phase.CREATED, Phase.TRAINING}),
}
#: What an operator may ask of a run, in the words of the commands.
_ASKED: Final[dict[type[Event], str]] = {
    RetryRequested: "retried",
    Approved: "approved",
    StepApproved: "approved",
    Rejected: "rejected",
    CancelRequested: "cancelled",
}


def next_command(run: Run, now: datetime) -> Command:
    """Return what is due for `run` at `now`.

    Args:
        run: the run.
        now: the present moment.
    """
    if run.cancelling and run.phase is not Phase.PARKED:
        return _when_cancelling(run)
    match run.phase:
        case Phase.TRAINING:
            overdue = now >= (run.started_at or run.opened_at) + run.config.training.timeout
            return Command.STOP_JOB if overdue else Command.CHECK_JOB
        case Phase.STAGING:
            return Command.CHECK_CANDIDATE if run.candidate else Command.STAGE_CANDIDATE
        case Phase.AWAITING_APPROVAL:
            return Command.EXPIRE if now >= expires_at(run) else Command.NOTHING
        case Phase.PROMOTING:
            return Command.LEASE_ENDPOINT if run.promotion is None else Command.UPDATE_ENDPOINT
        case Phase.VERIFYING | Phase.ROLLING_BACK:
            sent = run.promotion is not None and run.promotion.sent_at is not None
            return Command.CHECK_ENDPOINT if sent else Command.ROLL_BACK_ENDPOINT
        case _:
            return _DUE.get(run.phase, Command.NOTHING)


def _when_cancelling(run: Run) -> Command:
    if run.phase in (Phase.CREATED, Phase.TRAINING):
        return Command.STOP_JOB
    if run.phase is Phase.ROLLING_OUT:
        return Command.ROLL_OUT
    return Command.NOTHING if run.phase.ended else Command.CANCEL


def expires_at(run: Run) -> datetime:
    """Return when the wait for an approval is over."""
    return (run.awaiting_since or run.opened_at) + run.config.gate.expires


def apply(run: Run, event: Event, at: datetime) -> Run:
    """Return `run` with `event` folded in.

    Args:
        run: the run before the event.
        event: what happened to the run.
        at: when the event was recorded.

    Raises:
        InvalidTransitionError: the present phase does not accept this event.
    """
    if not _fits(run, type(event)):
        raise InvalidTransitionError(_refusal(run, type(event)))
    moved = event.fold(run, at)
    if moved.phase not in MOVES[run.phase, type(event)]:
        raise InvalidTransitionError(f"run {run.run_id}: {event} must not lead to {moved.phase}")
    return moved


def _fits(run: Run, kind: type[Event]) -> bool:
    if kind is StepApproved and not approvable(run):
        return False
    return (run.phase, kind) in MOVES and (kind is not CancelRequested or cancellable(run))


def _refusal(run: Run, kind: type[Event]) -> str:
    """Return why an event does not fit; for a command, with the commands that would fit."""
    if kind not in _ASKED:
        return f"run {run.run_id}: {kind.__name__} does not fit phase {run.phase}"
    may = " or ".join(dict.fromkeys(word for one, word in _ASKED.items() if _fits(run, one)))
    if may:
        instead = f"it can be {may}"
    elif run.phase.ended:
        instead = "it is over: start another run"
    else:
        instead = "its model is on its way to the endpoint: wait for its end"
    return f"{present_state(run)}, and cannot be {_ASKED[kind]}; {instead}"


def present_state(run: Run) -> str:
    """Return the phase of a run and the last answer of an operator, for a refused command."""
    answer = f" ({run.approval.answer} by {run.approval.by})" if run.approval else ""
    return f"run {run.run_id} is {run.phase} now{answer}"


def approvable(run: Run) -> bool:
    """Whether an operator can let the next step follow: of a run parked while its step lasted."""
    return run.phase is Phase.PARKED and run.step_bakes and run.found is None


def cancellable(run: Run) -> bool:
    """Whether the run can be cancelled: not while it updates an endpoint.

    A run that is parked there can be: the next run first rolls back to a known model. A run
    whose step lasts can be, too: it gives all requests back first.
    """
    if run.phase is Phase.PROMOTING:
        return run.promotion is None
    if run.phase is Phase.VERIFYING:
        return run.step_bakes
    return run.phase is Phase.PARKED or run.phase in _CAN_BE_CANCELLED
