"""The state machine of runs: which step is due in each phase, and which events it accepts.

`next_command` returns what is due for a run; `apply` folds an event in. `MOVES`, in
`shared.core.run.moves`, lists every (phase, event) that is allowed and the phases that may
follow; a test walks all pairs.
"""

from datetime import datetime
from typing import Final

from shared.core.run.commands import Command, Event
from shared.core.run.control_events import CancelRequested
from shared.core.run.gate_events import Approved, Asked, Rejected
from shared.core.run.moves import CAN_BE_CANCELLED, MOVES
from shared.core.run.promotion_events import StepApproved
from shared.core.run.record import Phase, Run
from shared.core.run.retry import RetryRequested
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
            if run.asks_at is None and now >= expires_at(run):
                return Command.EXPIRE
            unsure = run.verdict is not None and run.verdict.unsure
            return Command.SEE_NEXT if run.asks_at or unsure else Command.NOTHING
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
    if kind is Asked and run.asks_at is None:
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
        ahead = run.promotion if run.phase is not Phase.ROLLING_BACK else None
        until = "until its step lasts" if ahead and ahead.step.lasts else "for its end"
        instead = f"its model is on its way to the endpoint: wait {until}"
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
    return run.phase is Phase.PARKED or run.phase in CAN_BE_CANCELLED
