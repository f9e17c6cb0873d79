"""The events that each phase of a run allows, and the phases that may follow."""

from typing import Final

from shared.core.run.commands import Event
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
    Asked,
    CandidateFailed,
    CandidateLost,
    CandidateReady,
    CandidateStaged,
    EvidenceGathered,
    Regressed,
    Rejected,
    StillWaiting,
    VerdictOutdated,
    VerdictReached,
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
from shared.core.run.record import Phase
from shared.core.run.retry import RedoRequested, RetryRequested

#: The phases before an update of an endpoint; a roll-out stops what it has not begun.
CAN_BE_CANCELLED: Final = frozenset(
    {
        Phase.WAITING,
        Phase.RECEIVED,
        Phase.CREATED,
        Phase.TRAINING,
        Phase.TRAINED,
        Phase.STAGING,
        Phase.JUDGED,
        Phase.AWAITING_APPROVAL,
        Phase.ROLLING_OUT,
    }
)
#: The phases of a run that is under way.
OPEN_PHASES: Final = CAN_BE_CANCELLED | {Phase.PROMOTING, Phase.VERIFYING, Phase.ROLLING_BACK}
_JOB_FAILED: Final = frozenset({Phase.WAITING, Phase.RECEIVED, Phase.FAILED, Phase.CANCELLED})
_JOB_STOPPED: Final = frozenset({Phase.WAITING, Phase.RECEIVED, Phase.TIMED_OUT, Phase.CANCELLED})
_ON_TO_ENDPOINTS: Final = frozenset({Phase.PROMOTING, Phase.ROLLING_OUT})
#: The phases that may follow, for each phase and event; any other pair is refused.
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
    (Phase.JUDGED, VerdictReached): _ON_TO_ENDPOINTS
    | {Phase.AWAITING_APPROVAL, Phase.REJECTED, Phase.FINISHED},
    (Phase.JUDGED, Cancelled): frozenset({Phase.CANCELLED}),
    (Phase.AWAITING_APPROVAL, Asked): frozenset({Phase.AWAITING_APPROVAL}),
    (Phase.AWAITING_APPROVAL, Superseded): frozenset({Phase.SUPERSEDED}),
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
    (Phase.PROMOTING, VerdictOutdated): frozenset({Phase.AWAITING_APPROVAL, Phase.JUDGED}),
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
    (Phase.PARKED, RetryRequested): OPEN_PHASES - {Phase.VERIFYING},
    (Phase.PARKED, RedoRequested): frozenset({Phase.ROLLING_BACK, Phase.CANCELLED}),
    (Phase.PARKED, CancelRequested): frozenset(
        {Phase.CREATED, Phase.TRAINING, Phase.ROLLING_OUT, Phase.CANCELLED, Phase.ROLLING_BACK}
    ),
    **{(phase, StepFailed): frozenset({phase, Phase.PARKED}) for phase in OPEN_PHASES},
    **{(phase, StepBlocked): frozenset({Phase.PARKED}) for phase in OPEN_PHASES},
    **{
        (phase, CancelRequested): frozenset({phase})
        for phase in (*CAN_BE_CANCELLED, Phase.PROMOTING)
    },
    (Phase.WAITING, CancelRequested): frozenset({Phase.WAITING, Phase.CREATED, Phase.TRAINING}),
}
