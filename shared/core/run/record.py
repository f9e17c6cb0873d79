"""The record of a run: its origin, its phase, and what each step found."""

from datetime import datetime, timedelta
from enum import StrEnum
from typing import ClassVar, Final, Literal, Self

from pydantic import AwareDatetime, Field

from shared.core.blobs import BlobVersion
from shared.core.config.kinds import Endpoint
from shared.core.config.stored_pipeline import StoredPipeline, form_of
from shared.core.config.types import Scalar
from shared.core.config.windows import Window, has_window
from shared.core.decisions.comparison import Opponent
from shared.core.evaluation.gate import Verdict
from shared.core.evaluation.holdout import HoldoutProgress
from shared.core.frozen import FrozenModel, RecordModel, left_out
from shared.core.run.promotion import Promotion
from shared.core.serving.probes import ProbeAnswers
from shared.core.serving.references import Candidate, ModelRef, ServingState
from shared.core.serving.traffic import TrafficMap
from shared.core.versions import newest_of, order_of

_HISTORY: Final = 100


class Phase(StrEnum):
    """The state of a run. An end never changes again; `parked` is not an end."""

    WAITING = "waiting"  #: opened; it waits for a slot
    RECEIVED = "received"  #: it has its slots; no job yet
    CREATED = "created"  #: a job exists at the service and is not known to be started
    TRAINING = "training"  #: the start was confirmed
    TRAINED = "trained"  #: the job is finished
    STAGING = "staging"  #: the candidate is being staged, without any request for it
    JUDGED = "judged"  #: the model is collected; the verdict is due
    AWAITING_APPROVAL = "awaiting_approval"  #: the model is not refused; an operator decides
    ROLLING_OUT = "rolling_out"  #: each of several endpoints gets the model in a run of its own
    PROMOTING = "promoting"  #: the endpoint is being updated
    VERIFYING = "verifying"  #: the update was sent; is it live?
    ROLLING_BACK = "rolling_back"  #: the model that served before is being restored
    PARKED = "parked"  #: waits for an operator: retry or cancel

    PROMOTED = "promoted"
    UNCHANGED = "unchanged"  #: the endpoint took the update and still answers as before
    FINISHED = "finished"  #: trained; there is no endpoint or no model to give it
    REJECTED = "rejected"  #: the data cannot be used, or the model is not good enough
    FAILED = "failed"  #: every attempt failed at the service
    CANCELLED = "cancelled"  #: by an operator
    TIMED_OUT = "timed_out"  #: the last attempt took longer than `timeout`
    SUPERSEDED = "superseded"  #: newer data, or a newer run, was there first
    ROLLED_BACK = "rolled_back"  #: the new model did not work; the old one serves again

    @property
    def ended(self) -> bool:
        """Whether the run is over."""
        return self in ENDS

    @property
    def updates(self) -> bool:
        """Whether a run in this phase is at work on its endpoint."""
        return self in (Phase.PROMOTING, Phase.VERIFYING, Phase.ROLLING_BACK)


ENDS: Final = frozenset(
    {
        Phase.PROMOTED,
        Phase.UNCHANGED,
        Phase.FINISHED,
        Phase.REJECTED,
        Phase.FAILED,
        Phase.CANCELLED,
        Phase.TIMED_OUT,
        Phase.SUPERSEDED,
        Phase.ROLLED_BACK,
    }
)


class Origin(StrEnum):
    """What opened a run."""

    DATA = "data"  #: new training data arrived
    SCHEDULE = "schedule"  #: a due time came
    MANUAL = "manual"  #: an operator or a program asked over HTTP
    MODEL = "model"  #: an operator uploaded a model under `promote/`, or named one
    ROLL_OUT = "roll_out"  #: a run with several endpoints gives one of them its model
    ROLLBACK = "rollback"  #: an operator asked for an earlier model
    DRIFT = "drift"  #: an endpoint serves something else than the ledger says

    @property
    def repeats(self) -> bool:
        """Whether it sets an earlier model again, so that the time of its data does not count."""
        return self in (Origin.ROLLBACK, Origin.DRIFT)


class StepFailure(FrozenModel):
    """A step that has not worked yet, and when it is tried again."""

    since: AwareDatetime  #: when this step first did not work
    cause_since: AwareDatetime  #: since when it fails in the present way
    patience: timedelta  #: how long the present way of failing is worth repeating
    count: int
    cause_count: int = 1  #: how often it failed in the present way
    reason: str
    next_check: AwareDatetime
    waits_for: str = ""  #: the endpoint that another run has, where the step only waits for it


class EndedAttempt(FrozenModel):
    """An attempt that is known to be over at the service."""

    attempt: int
    job: str | None
    reason: str


class GivenModel(FrozenModel):
    """A model that a job was given to score, in addition to its own."""

    against: Opponent
    run_id: str  #: the run that the endpoint state names for it
    model: ModelRef


class GateEvidence(FrozenModel):
    """The evidence for the gate so far: probes of the candidate, then rows that it scored."""

    cursor: int = 0  #: how many probes there were
    last: ProbeAnswers | None = None  #: what the last one saw
    holdout: HoldoutProgress | None = left_out()


class Delivery(FrozenModel):
    """One endpoint of a roll-out: which run gives it the model, and how that ended."""

    endpoint: str
    run_id: str
    tries: int = 1
    outcome: Phase | None = None  #: None while it is under way
    reason: str = ""


class Approval(FrozenModel):
    """An approval or a rejection: by an operator, or by the end of the wait."""

    answer: Literal["approved", "rejected"]
    by: str  #: who; says so where nobody checked it
    at: AwareDatetime
    why: str = ""


class OperatorRequest(FrozenModel):
    """The last command of an operator for a run: who, when and why."""

    what: Literal["cancel", "retry"]
    by: str  #: who; says so where nobody checked it
    at: AwareDatetime
    why: str = ""


class RunHistoryEntry(FrozenModel):
    """One line of a run's history."""

    at: AwareDatetime
    phase: Phase
    note: str = ""


class Run(RecordModel):
    """One record of the ledger. Every change makes a new value."""

    run_id: str
    pipeline: str
    origin: Origin
    cause: str  #: what opened it, for operators
    request: str | None = None  #: digest of a manual request, to recognise a repetition
    config: StoredPipeline
    manifest: tuple[BlobVersion, ...]
    parameters: dict[str, Scalar]
    tokens: dict[str, str] = Field(default_factory=dict)
    """What the data's path captured; a window's times too."""
    tie: str = ""  #: which versions share the Last-Modified of the newest, in plain words
    listed_at: str = ""  #: `container/name` of the list of the manifest, where a job wants one
    parent: str | None = None  #: the run whose model this one gives to an endpoint
    as_of: AwareDatetime | None = None  #: the data time of a run that has another one's model
    phase: Phase
    claim: str | None = None  #: who acts now; its age is that of the stored record
    attempt: int = 1
    job: str | None = None
    job_at: AwareDatetime | None = None  #: when the job was made; its signed URLs age from then
    started_at: AwareDatetime | None = None
    ended_attempts: tuple[EndedAttempt, ...] = ()
    outputs_seen: tuple[str, ...] = ()  #: digests of the files of this attempt that were seen
    inputs: dict[str, BlobVersion] = Field(default_factory=dict)
    """Input name -> blob, where it is not simply the newest of the manifest."""
    given_models: tuple[GivenModel, ...] = left_out(())  #: by the job of the present attempt
    holdout: BlobVersion | None = left_out()  #: as it was when that job was made, if it scores it
    model: ModelRef | None = None
    models: dict[str, ModelRef] = Field(default_factory=dict)  #: endpoint -> its model
    candidate: Candidate | None = None  #: the model at its endpoint, where it is staged there
    staged_at: AwareDatetime | None = None  #: when the endpoint was asked for it
    evidence: GateEvidence | None = None  #: of a candidate, as far as it is complete
    stagings: int = 0  #: how many candidates could not be made ready
    found: TrafficMap | None = None  #: of others, when it was parked for that
    accepts: tuple[TrafficMap, ...] = ()  #: what an operator lets it go on from
    restores: ServingState | None = None  #: what is set again by a run that brings no new model
    deliveries: tuple[Delivery, ...] = ()
    verdict: Verdict | None = None  #: what the gate says of the model, with every number
    awaiting_since: AwareDatetime | None = None  #: since when an approval is awaited
    asks_at: AwareDatetime | None = left_out()  #: until then an unsure model waits for the next
    unchecked: str | None = None  #: why the gate's rules were not checked for this model
    approval: Approval | None = None
    promotion: Promotion | None = None
    step_failure: StepFailure | None = None
    cancelling: bool = False
    operator_request: OperatorRequest | None = None  #: the last retry or cancel
    parked_in: Phase | None = None
    queue_name: str = ""  #: while it waits: the queue that it was last found to wait in
    reason: str | None = None
    advice: str | None = None
    opened_at: AwareDatetime
    trace: str | None = left_out()
    """The W3C traceparent of its opening, where spans are recorded; else it is left out."""
    history: tuple[RunHistoryEntry, ...] = ()
    newest_form: ClassVar[int] = 2

    @property
    def form(self) -> int:
        """The second form has what an earlier release would decide without: windows, rules."""
        if has_window(self.tokens):
            return 2
        return max(form_of(self.config), self.promotion.form if self.promotion else 1)

    @property
    def data_time(self) -> datetime:
        """When the newest blob of the manifest was written; promotions go by it (design rule 8).

        A run with a window is as new as its due time, whenever its data was written. A run
        without data of ours is as new as the run that trained.
        """
        if self.window is not None:
            return self.window.due
        itself = self.as_of or self.opened_at
        return max((blob.modified for blob in self.manifest), default=itself)

    @property
    def window(self) -> Window | None:
        """The window of its due time, where the texts of its pipeline hold times of one."""
        return Window.of_tokens(self.tokens)

    @property
    def current(self) -> tuple[BlobVersion, ...]:
        """The newest version of each blob of the manifest, by name."""
        newest: dict[str, BlobVersion] = {}
        for blob in self.manifest:
            known = newest.get(blob.name)
            if known is None or order_of(blob) >= order_of(known):
                newest[blob.name] = blob
        return tuple(newest[name] for name in sorted(newest))

    @property
    def newest(self) -> BlobVersion | None:
        """The newest blob of the manifest: what `{data}` stands for."""
        return newest_of(self.manifest)

    @property
    def trained_on(self) -> tuple[BlobVersion, ...]:
        """The data versions that the job is given by name: with a snapshot only that one.

        A job that is given none by name reads the container: then it is the whole manifest.
        """
        training, newest = self.config.training, self.newest
        given = {blob.path: blob for blob in self.inputs.values() if blob.path != self.listed_at}
        if training.wants_manifest or not (training.wants_data or given):
            given |= {blob.path: blob for blob in self.current}
        elif training.wants_data and newest is not None:
            given[newest.path] = newest
        return tuple(given[path] for path in sorted(given))

    @property
    def key(self) -> tuple[str, ...]:
        """Whose run this is: the values of the pipeline's key tokens, in order."""
        return tuple(self.tokens.get(token, "") for token in self.config.key_tokens)

    @property
    def step_bakes(self) -> bool:
        """Whether a step of its promotion lasts, or was parked while it did."""
        promotion, phase = self.promotion, self.parked_in or self.phase
        return promotion is not None and promotion.bakes and phase is Phase.VERIFYING

    @property
    def left_requests(self) -> bool:
        """Whether it was parked while its model may get a part of the requests of an endpoint."""
        promotion, among_others = self.promotion, (Phase.PROMOTING, Phase.VERIFYING)
        if promotion is None or self.parked_in not in among_others or self.origin.repeats:
            return False
        return promotion.ever_sent and promotion.step.wanted is not None

    @property
    def cancelled(self) -> str:
        """That it was cancelled: by whom and why, where that is known."""
        operator_request = (
            self.operator_request
            if self.operator_request and self.operator_request.what == "cancel"
            else None
        )
        return by_operator(
            "cancelled",
            operator_request.by if operator_request else "",
            operator_request.why if operator_request else "",
        )

    @property
    def target_model(self) -> ServingState:
        """What the endpoint is to serve; without a model that of its own service."""
        if self.restores is not None:
            return self.restores
        return self.candidate.state if self.candidate else ServingState(model=self.model)

    @property
    def served(self) -> ServingState | None:
        """What the endpoint serves once it is promoted; None: nothing but the model.

        The traffic is as it was asked for: copies that go elsewhere are left to others.
        """
        state, wanted = self.target_model, self.promotion.step.wanted if self.promotion else None
        if not state.is_more_than_its_model:
            return None
        return state if wanted is None else state.evolve(traffic=wanted)

    @property
    def measured(self) -> dict[str, float]:
        """The metrics of the model's evaluation."""
        return dict(self.verdict.metrics) if self.verdict else {}

    def model_for(self, endpoint: Endpoint) -> ModelRef | None:
        """Return the model that is meant for one of several endpoints."""
        return self.models.get(endpoint.name, self.model)

    def moved_to(self, phase: Phase, at: datetime, note: str = "", **changes: object) -> Self:
        """Return this run in `phase`, its step failure over and its history longer.

        The advice is over with the run, unless the changes bring an advice for its end.

        Args:
            phase: the new phase, or the same one.
            at: when it changed.
            note: for the history; a note is kept also where the phase stays.
            changes: other fields by name, as for `evolve`.
        """
        history = self.history
        advice = None if phase in ENDS else self.advice
        if phase is not self.phase or note:
            history = (*history, RunHistoryEntry(at=at, phase=phase, note=note))[-_HISTORY:]
        asks_at = self.asks_at if phase in (Phase.AWAITING_APPROVAL, Phase.PARKED) else None
        usual = {"step_failure": None, "history": history, "advice": advice, "asks_at": asks_at}
        return self.evolve(**(usual | {"phase": phase} | changes))


def by_operator(what: str, by: str, why: str) -> str:
    """Return what an operator did, in one line.

    Args:
        what: such as `cancelled`.
        by: who; empty where that is not known.
        why: their reason; may be empty.
    """
    return f"{what} by {by or 'an operator'}" + (f": {why}" if why else "")
