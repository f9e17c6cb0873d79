"""What the HTTP API takes and gives, as models: the one source of the OpenAPI document."""

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field

from shared.core.config.types import Scalar
from shared.core.redaction import one_line
from shared.core.run.concurrency import Pause, QueueEntry
from shared.core.run.record import Origin, Phase, Run
from shared.core.run.waiting import Waits
from shared.core.serving.state import Resource, ServingHistoryEntry

#: What a person says; it is repeated in records and in the log, and stays one line there.
OneLineText = Annotated[str, AfterValidator(one_line)]


class RequestModel(BaseModel):
    """A part of a request: what it does not know it refuses."""

    # JSON has no NaN and no infinity: a record with one could not be read again.
    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)


class ResponseModel(BaseModel):
    """A part of an answer."""

    model_config = ConfigDict(frozen=True)


class RunBody(RequestModel):
    """A manual run; empty for the newest data and the usual parameters."""

    data: str | None = Field(
        default=None, min_length=1, max_length=1024, description="A blob of the data container."
    )
    parameters: dict[str, Scalar] = Field(
        default_factory=dict, max_length=100, description="Over those of the pipeline."
    )


class OperatorComment(RequestModel):
    """Who says so, and why."""

    by: OneLineText = Field(
        default="", max_length=200, description="Who, where the platform cannot tell."
    )
    reason: OneLineText = Field(default="", max_length=500)


class RollbackBody(OperatorComment):
    """Where to go back to; empty for the model from before."""

    to: str | None = Field(
        default=None, min_length=1, max_length=100, description="The run whose model is wanted."
    )
    key: str = Field(default="", max_length=1024, description="The customer, parts by slashes.")


class QueryModel(BaseModel):
    """The query of a request: a name that it does not know is misspelt, and refused."""

    model_config = ConfigDict(extra="forbid")


class NoQuery(QueryModel):
    """No query parameter is read."""


class RunsQuery(QueryModel):
    """Which runs to list."""

    pipeline: str | None = Field(default=None, min_length=1, max_length=200)
    key: str | None = Field(
        default=None, min_length=1, max_length=1024, description="Parts by slashes."
    )
    phase: Phase | None = None
    open: bool | None = Field(default=None, description="Whether the run goes on.")
    parent: str | None = Field(
        default=None, min_length=1, max_length=100, description="Deliveries of this run."
    )
    limit: Annotated[int, Field(ge=1, le=50)] = 50
    cursor: str | None = Field(default=None, max_length=4096, description="`next` of a page.")


class KeyQuery(QueryModel):
    """Which customer."""

    key: str | None = Field(
        default=None, min_length=1, max_length=1024, description="Parts by slashes."
    )


class KeysQuery(QueryModel):
    """Which keys of a pipeline to show."""

    limit: Annotated[int, Field(ge=1, le=50)] = 50
    cursor: str | None = Field(default=None, max_length=4096, description="`next` of a page.")


class PreviewQuery(QueryModel):
    """What to preview."""

    data: str | None = Field(default=None, min_length=1, max_length=1024)


class HealthQuery(QueryModel):
    """Which of the parked runs to list."""

    limit: Annotated[int, Field(ge=1, le=1000)] = 100
    cursor: str | None = Field(default=None, max_length=4096, description="`next` of a page.")


class RunShown(Run):
    """A run, and what it waits for while it is open."""

    waiting: Waits | None = Field(
        default=None, description="What it waits for; left out once the run is over."
    )


class OpenRunShown(ResponseModel):
    """An open run, and what it waits for."""

    run_id: str
    phase: Phase
    waiting: Waits


class RunCounts(ResponseModel):
    """How many runs of a pipeline are open; they may be a tick behind."""

    open: int
    failing: int = Field(description="Whose last step failed, or that pause between attempts.")
    awaiting_approval: int
    parked: int


class RunSummary(ResponseModel):
    """One run in one line."""

    run_id: str
    pipeline: str
    key: list[str]
    origin: Origin
    phase: Phase
    line: str = Field(description="What it was opened by, trained on, and came to.")
    reason: str | None = None
    waiting: Waits | None = Field(
        default=None, description="What it waits for; left out once the run is over."
    )
    data: str | None = Field(default=None, description="The newest blob it trained on.")
    blobs: int
    opened_at: AwareDatetime
    changed_at: AwareDatetime
    approved_by: str | None = None


class RunList(ResponseModel):
    """Runs, the newest first; a page may hold fewer than there are."""

    runs: list[RunSummary]
    next: str | None = Field(default=None, description="The cursor of the next page.")


class RunQueueShown(ResponseModel):
    """Who runs and who waits, for one key."""

    key: list[str]
    running: list[str]
    waiting: list[QueueEntry]
    begun: list[QueueEntry]
    paused: Pause | None = Field(default=None, description="By failures of this key.")
    over_budget: str | None = Field(
        default=None, description="Why the budget lets nothing begin for this key now."
    )


class PipelineSummary(ResponseModel):
    """How a pipeline stands, without its keys."""

    name: str
    when_busy: Literal["newest", "queue", "parallel"]
    data: str | None = None
    schedule: str | dict[str, Any] | None = None
    endpoints: list[str]
    active_since: AwareDatetime | None = None
    last_due: AwareDatetime | None = Field(
        default=None, description="The newest due time that was dealt with."
    )
    next_due: AwareDatetime | None = None
    waiting_data: int = Field(
        description="Data versions that no run has taken yet; 5,000 stands for that many or more."
    )
    paused: Pause | None = Field(
        default=None,
        description="By a person, or by failures; where there are customers, failures pause one of "
        "them, and this is the last such pause.",
    )
    resumed: Pause | None = Field(default=None, description="The last resume: who, when and why.")
    runs: RunCounts
    unreadable: list[str] = Field(description="Its records that are not understood.")
    config: dict[str, Any] = Field(description="As configured; secrets by the name of a setting.")


class PipelineShown(PipelineSummary):
    """How a pipeline stands, with some of its keys."""

    open_runs: list[OpenRunShown] = Field(
        description="Up to 20 open runs and what they wait for, those that fail first."
    )
    keys: list[RunQueueShown]
    next: str | None = Field(default=None, description="The cursor of the next page of keys.")


class PipelineList(ResponseModel):
    """All pipelines, by name; their keys are in the view of each."""

    pipelines: list[PipelineSummary]
    problems: list[str] = Field(
        default_factory=list,
        description="What is wrong with the pipelines file, and what goes on meanwhile.",
    )


class MatchShown(ResponseModel):
    """A blob that a pipeline wants."""

    blob: str
    size: int
    modified: AwareDatetime
    tokens: dict[str, str]
    state: str


class RequestShown(ResponseModel):
    """The request that would be sent, with the places of its secrets marked."""

    method: str
    url: str
    body: dict[str, Any]


class PreviewShown(ResponseModel):
    """What the next run would be given."""

    matching: int
    matches: list[MatchShown]
    request: RequestShown | None = None
    notes: list[str]


class EndpointShown(Resource):
    """What serves at an endpoint, what served before, and who may change it."""

    pipeline: str
    endpoint: str
    key: list[str]
    kind: str
    update: str
    resource: str | None = None
    generation: int = 0
    being_updated_by: str | None = None
    open_runs: list[OpenRunShown] = Field(
        description="Up to 20 runs that update the endpoint or wait for it."
    )
    drift: str | None = None
    line: str = Field(description="What serves, since when, trained on what, approved by whom.")
    history: tuple[ServingHistoryEntry, ...] = ()


class EndpointSummary(ResponseModel):
    """One endpoint in one line."""

    pipeline: str
    endpoint: str
    key: list[str] | None = Field(default=None, description="None: name one to see it.")
    line: str
    open_runs: list[OpenRunShown] = Field(
        default_factory=list, description="Up to 20 runs that update the endpoint or wait for it."
    )


class EndpointList(ResponseModel):
    """All endpoints."""

    endpoints: list[EndpointSummary]
    problems: list[str] = Field(
        default_factory=list,
        description="What is wrong with the pipelines file, and what goes on meanwhile.",
    )


Status = Literal["healthy", "attention", "unusable"]


ProblemKind = Literal["configuration", "storage", "poll", "schedules"]


class Health(ResponseModel):
    """Whether the app can work: counts and kinds alone, for anybody."""

    status: Status
    version: str = Field(description="Of Relearn.")
    last_poll: AwareDatetime | None = None
    open_runs: int | None = Field(default=None, description="At the last poll.")
    parked_runs: int | None = Field(default=None, description="At the last poll.")
    problems: dict[ProblemKind, int] = Field(description="How many there are of each kind, if any.")


class HealthDetails(ResponseModel):
    """Whether the app can work, with everything that a person must look at."""

    status: Status
    version: str = Field(description="Of Relearn.")
    last_poll: AwareDatetime | None = None
    open_runs: int | None = Field(default=None, description="At the last poll.")
    parked_runs: int | None = Field(default=None, description="At the last poll.")
    problems: list[str] = Field(description="Every problem, with its cure.")
    hints: list[str] = Field(
        description="What is set and does nothing, or other than it seems; the app works with it."
    )
    last_search: dict[str, Any] | None = Field(
        default=None, description="How far the search for data has got that no event announced."
    )
    full_listing: dict[str, Any] | None = Field(
        default=None,
        description="When the last full listing of the data ended, which finds what appears with "
        "an old time, how far the present one is, and which of its records are not understood.",
    )
    full_listing_of_models: dict[str, Any] | None = Field(
        default=None, description="The same of models that were put by hand."
    )
    parked: list[str] = Field(description="Runs that wait for a person, a page of them.")
    next: str | None = Field(default=None, description="The cursor of the next page.")


class ProblemDetails(ResponseModel):
    """RFC 9457."""

    type: str
    title: str
    status: int
    detail: str
