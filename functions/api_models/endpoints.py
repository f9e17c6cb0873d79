"""Answers about endpoints."""

from pydantic import AwareDatetime, Field

from functions.api_models.shared import (
    BlobShown,
    ModelShown,
    OpenRunShown,
    OperatorChangeShown,
    ResponseModel,
    TrafficShown,
)
from shared.operations.endpoints import EndpointStatus


class ServedModelShown(ResponseModel):
    """A model that serves, or served before."""

    model: ModelShown | None = Field(description="Left out: the model of the endpoint's service.")
    candidate: str = Field(description="Its name at the endpoint, if it was staged there.")
    run_id: str = Field(description="The run that trained or brought it.")
    since: AwareDatetime
    verification: str
    manifest: tuple[BlobShown, ...] = Field(description="The newest data versions of its run.")
    arrived: int = Field(description="How many data versions its run took.")
    trained_on: tuple[BlobShown, ...] = Field(description="The newest blobs that its job read.")
    given: int = Field(description="How many blobs its job read.")
    named: str | None = Field(description="The model's name in the answer of the endpoint.")
    set_by: str | None = Field(description="The run that set it last, if that is another one.")
    first_at: AwareDatetime | None = Field(description="When it first served, if it was set again.")
    repairs: int = Field(description="How often it was set again after drift.")
    metrics: dict[str, float]
    approved_by: str
    trained_by: str = Field(description="The run that trained it, if another one delivered it.")


class ServingStateShown(ResponseModel):
    """What an endpoint served at one time, and can serve again."""

    model: ModelShown | None = Field(description="Left out: the model of the endpoint's service.")
    traffic: TrafficShown | None = Field(description="Left out: the endpoint has one model.")


class HoldShown(OperatorChangeShown):
    """A rollback by an operator: no run updates the endpoint until an operator resumes it."""

    run_id: str
    to: str = Field(description="The run whose model is to serve, or `baseline`.")
    state: ServingStateShown


class AnchorShown(OperatorChangeShown):
    """The model that candidates are compared with, in addition to the live model."""

    served: ServedModelShown


class ServingHistoryShown(ResponseModel):
    """One line of an endpoint's history."""

    at: AwareDatetime
    run_id: str = Field(description="The run that set the model.")
    trained_by: str
    model: str | None
    data: tuple[str, ...]
    blobs: int
    arrived: int
    data_time: AwareDatetime | None
    why: str
    approved_by: str
    verification: str


class _FromRecord(ResponseModel):
    serving: ServedModelShown | None
    previous: tuple[ServedModelShown, ...]
    baseline: ServingStateShown | None = Field(
        description="What served before the first update by Relearn."
    )
    newest_data: AwareDatetime | None = Field(description="The highest data time ever promoted.")
    newest_version: BlobShown | None
    held: HoldShown | None
    resumed: OperatorChangeShown | None
    history: tuple[ServingHistoryShown, ...]
    anchor: AnchorShown | None = Field(description="The pinned model; left out: none is.")


class StagedShown(ResponseModel):
    """A deployment of Relearn at the endpoint, and what it costs to keep it."""

    name: str
    run_id: str = Field(description="The run that made it.")
    serves: bool
    instances: int
    instance_type: str
    discard_at: AwareDatetime | None = Field(
        description="Until when it is kept, if it was replaced."
    )
    instance_hours: float | None = Field(description="Instances times hours, until it is deleted.")
    line: str


class EndpointShown(_FromRecord):
    """What serves at an endpoint, what served before, and which run may update it."""

    pipeline: str
    endpoint: str
    key: tuple[str, ...]
    kind: str
    update: str
    resource: str | None
    generation: int
    being_updated_by: str | None
    open_runs: tuple[OpenRunShown, ...] = Field(
        description="Up to 20 runs that update the endpoint or wait for it."
    )
    drift: str | None
    staged: tuple[StagedShown, ...] = Field(
        description="The deployments that Relearn made there and has not deleted."
    )
    line: str = Field(
        description="The live model, since when it serves, its training data, and who approved it."
    )

    @classmethod
    def of(cls, status: EndpointStatus) -> "EndpointShown":
        """Return an endpoint as it is shown."""
        config = status.config
        return cls(
            **dict(_FromRecord.model_validate(status.known)),
            pipeline=status.pipeline,
            endpoint=config.name,
            key=status.key,
            kind=config.kind,
            update=config.address,
            resource=config.resource_name or None,
            generation=status.state.generation,
            being_updated_by=status.updated_by,
            open_runs=tuple(map(OpenRunShown.model_validate, status.open_runs)),
            drift=status.drift,
            staged=tuple(map(StagedShown.model_validate, status.staged)),
            line=status.line,
        )


class EndpointSummary(ResponseModel):
    """One endpoint in one line."""

    pipeline: str
    endpoint: str
    key: tuple[str, ...] | None = Field(description="Left out: name a key to see the endpoint.")
    line: str
    open_runs: tuple[OpenRunShown, ...] = Field(
        description="Up to 20 runs that update the endpoint or wait for it."
    )


class EndpointList(ResponseModel):
    """All endpoints."""

    endpoints: list[EndpointSummary]
    problems: list[str] = Field(
        description="What is wrong with the pipelines file, and what is used meanwhile."
    )
