"""Models that the answers about runs, pipelines and endpoints share."""

from typing import Any

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from shared.core.config.pipeline import Pipeline
from shared.core.run.record import Phase


class ResponseModel(BaseModel):
    """A part of an answer: it shows the fields that it names, and no others.

    A value is read from the record's attribute of the same name. Fields have no defaults, so
    that a field that a record does not have any more is an error, and never left out silently.
    """

    model_config = ConfigDict(frozen=True, from_attributes=True, defer_build=True)


class ProblemDetails(ResponseModel):
    """RFC 9457."""

    type: str
    title: str
    status: int
    detail: str
    kind: str = Field(description="What kind of problem it is, for programs; it never changes.")


class BlobShown(ResponseModel):
    """One version of a blob."""

    container: str
    name: str
    etag: str
    size: int
    created: AwareDatetime
    modified: AwareDatetime
    content_md5: str | None
    recorded_at: AwareDatetime | None = Field(description="When Relearn first recorded it.")


class ModelShown(ResponseModel):
    """One model."""

    provider: str
    name: str
    digest: str = Field(description="Distinguishes one content from another.")


class WindowShown(ResponseModel):
    """The window of a run: the time that its data is of."""

    start: AwareDatetime
    end: AwareDatetime
    due: AwareDatetime = Field(description="Its due time, without the delay of the schedule.")


class OperatorChangeShown(ResponseModel):
    """Who changed something, when and why."""

    by: str
    at: AwareDatetime
    reason: str


class WaitingShown(ResponseModel):
    """What an open run waits for."""

    waits_for: str = Field(description="What must happen next, and who does it.")
    last_error: str | None = Field(
        description="Why the present step, or the attempt before, did not work."
    )
    failed: int = Field(description="How often the present step has failed.")
    failing_since: AwareDatetime | None
    next_try: AwareDatetime | None = Field(
        description="When the step is tried again; left out: at the next poll."
    )
    lease_ends: AwareDatetime | None = Field(
        description="A worker has claimed the run; until this time no other worker acts for it."
    )
    until: AwareDatetime | None = Field(
        description="When the wait ends by itself: a time-out, or an expiry."
    )
    to_do: str | None = Field(description="What an operator can do.")


class OpenRunShown(ResponseModel):
    """An open run, and what it waits for."""

    run_id: str
    phase: Phase
    waiting: WaitingShown


def config_shown(pipeline: Pipeline) -> dict[str, Any]:
    """Return the configuration of a pipeline in the form of the pipelines file."""
    return pipeline.model_dump(mode="json", exclude_none=True)


class TrafficShown(ResponseModel):
    """Which deployment gets which percentage of the requests."""

    shares: dict[str, int]
    mirror: dict[str, int]
