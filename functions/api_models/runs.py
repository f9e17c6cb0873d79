"""Answers about runs."""

from typing import Any, Literal

from pydantic import AwareDatetime, Field

from functions.api_models.shared import (
    BlobShown,
    ModelShown,
    ResponseModel,
    TrafficShown,
    WaitingShown,
    WindowShown,
    config_shown,
)
from functions.api_models.verdicts import VerdictShown
from shared.core.config.types import Scalar
from shared.core.run.data_notes import notes_on_run
from shared.core.run.record import Origin, Phase, Run
from shared.core.run.waiting import Waits
from shared.operations.runs import line_of


class EndedAttemptShown(ResponseModel):
    """An attempt that has ended."""

    attempt: int
    job: str | None
    reason: str


class DeliveryShown(ResponseModel):
    """One endpoint of a roll-out."""

    endpoint: str
    run_id: str
    tries: int
    outcome: Phase | None = Field(description="Left out while the delivery is under way.")
    reason: str


class _OperatorAction(ResponseModel):
    by: str
    at: AwareDatetime
    why: str


class ApprovalShown(_OperatorAction):
    """The answer to the question whether the model may be promoted."""

    answer: str


class OperatorRequestShown(_OperatorAction):
    """The last retry or cancel."""

    what: str


class CandidateShown(ResponseModel):
    """The model at its endpoint, before or after it gets requests."""

    name: str


class StepShown(ResponseModel):
    """One shift of requests to the new model."""

    share: int = Field(description="In percent.")
    mirror: int = Field(description="Percent of the requests that it gets copies of.")
    before: TrafficShown | None = Field(description="The traffic ahead of it, if there is a map.")
    wanted: TrafficShown | None = Field(description="The traffic that is asked for.")
    sent_at: AwareDatetime | None
    seen: str = Field(description="How it is known to be live; empty while it is not.")
    began_at: AwareDatetime | None = Field(description="Since when it is carried out, if it lasts.")
    verdict: str = Field(description="What its requests showed so far.")
    approved_by: str


class PromotionShown(ResponseModel):
    """The update of the endpoint."""

    generation: int
    steps: tuple[StepShown, ...]
    position: int = Field(description="Which step is due, or was sent.")
    sent_at: AwareDatetime | None
    resent: int = Field(description="How often an update of unknown outcome was sent again.")
    service_message: str
    verification: str | None


class RunHistoryShown(ResponseModel):
    """One line of a run's history."""

    at: AwareDatetime
    phase: Phase
    note: str


def _window_of(run: Run) -> WindowShown | None:
    return WindowShown.model_validate(run.window) if run.window else None


def _captured(run: Run) -> dict[str, str]:
    """Return the tokens of a run without those that keep its window, which is shown by itself."""
    window = run.window.tokens() if run.window else {}
    return {name: value for name, value in run.tokens.items() if name not in window}


class GivenModelShown(ResponseModel):
    """Another model that served, or was pinned, when the job was made."""

    against: Literal["live", "anchor"]
    run_id: str = Field(description="The run that brought it to the endpoint.")
    model: ModelShown


class _Identity(ResponseModel):
    run_id: str
    pipeline: str
    key: tuple[str, ...]
    origin: Origin
    phase: Phase
    opened_at: AwareDatetime


class _FromRecord(_Identity):
    cause: str = Field(description="What opened the run.")
    advice: str | None = Field(description="What an operator can do.")
    parked_in: Phase | None
    manifest: tuple[BlobShown, ...] = Field(description="The data versions that the run takes.")
    parameters: dict[str, Scalar]
    tokens: dict[str, str]
    listed_at: str = Field(description="The blob that lists the manifest, if a job wants one.")
    parent: str | None = Field(description="The run whose model this one delivers.")
    as_of: AwareDatetime | None
    attempt: int
    job: str | None
    job_at: AwareDatetime | None
    started_at: AwareDatetime | None
    ended_attempts: tuple[EndedAttemptShown, ...]
    inputs: dict[str, BlobShown]
    given_models: tuple[GivenModelShown, ...] = Field(
        description="The other models that the job scored, if it did."
    )
    model: ModelShown | None
    models: dict[str, ModelShown] = Field(description="The model of each endpoint, if they differ.")
    candidate: CandidateShown | None
    staged_at: AwareDatetime | None
    deliveries: tuple[DeliveryShown, ...]
    verdict: VerdictShown | None
    awaiting_since: AwareDatetime | None
    asks_at: AwareDatetime | None = Field(
        description="Until then an unsure model waits for the next run; then an operator is asked."
    )
    unchecked: str | None = Field(description="Why the rules of the gate were not checked.")
    approval: ApprovalShown | None
    promotion: PromotionShown | None
    cancelling: bool
    operator_request: OperatorRequestShown | None
    history: tuple[RunHistoryShown, ...]


class RunShown(_FromRecord):
    """A run, and what it waits for while it is open."""

    reason: str | None
    window: WindowShown | None = Field(description="Left out: the run is of no window.")
    config: dict[str, Any] = Field(description="As configured; secrets by the name of a setting.")
    waiting: WaitingShown | None = Field(description="Left out once the run has ended.")
    plot: str | None = Field(description="Where the verdict is drawn; left out: there is none.")
    notes: tuple[str, ...] = Field(description="What cannot be known of its data, such as ties.")

    @classmethod
    def of(cls, run: Run, waiting: Waits | None) -> "RunShown":
        """Return a run as it is shown.

        Args:
            run: the run.
            waiting: what it waits for; its last error is the reason if the record has none.
        """
        return cls(
            **dict(_FromRecord.model_validate(run)) | {"tokens": _captured(run)},
            reason=run.reason or (waiting.last_error if waiting else None),
            window=_window_of(run),
            config=config_shown(run.config),
            waiting=WaitingShown.model_validate(waiting) if waiting else None,
            plot=f"/api/runs/{run.run_id}/verdict.svg" if run.verdict else None,
            notes=tuple(notes_on_run(run)),
        )


class RunSummary(_Identity):
    """One run in one line."""

    line: str = Field(description="What it was opened by, trained on, and came to.")
    reason: str | None
    window: WindowShown | None = Field(description="Left out: the run is of no window.")
    waiting: WaitingShown | None = Field(description="Left out once the run has ended.")
    data: str | None = Field(description="The newest blob it trained on.")
    blobs: int
    changed_at: AwareDatetime
    approved_by: str | None

    @classmethod
    def of(cls, run: Run, waiting: Waits | None) -> "RunSummary":
        """Return a run in one line.

        Args:
            run: the run.
            waiting: what it waits for; None if it has ended.
        """
        newest, approval = run.newest, run.approval
        return cls(
            **dict(_Identity.model_validate(run)),
            line=line_of(run, waiting),
            reason=run.reason or (waiting.last_error if waiting else None),
            window=_window_of(run),
            waiting=WaitingShown.model_validate(waiting) if waiting else None,
            data=newest.path if newest else None,
            blobs=len(run.manifest),
            changed_at=run.history[-1].at if run.history else run.opened_at,
            approved_by=approval.by if approval and approval.answer == "approved" else None,
        )


class RunList(ResponseModel):
    """Runs, the newest first; a page may hold fewer than there are."""

    runs: list[RunSummary]
    next: str | None = Field(description="The cursor of the next page.")
