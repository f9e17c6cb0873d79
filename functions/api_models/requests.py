"""The bodies and queries that the HTTP API takes."""

import re
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from shared.core.config.schedule import Time
from shared.core.config.types import Scalar
from shared.core.redaction import one_line
from shared.core.run.record import Phase

#: A text of an operator; it is stored in records and logged, and stays one line there.
OneLineText = Annotated[str, AfterValidator(one_line)]


def _with_plus(text: object) -> object:
    """Return a time of a query, in which a plus was sent as it is and is read as a blank."""
    return re.sub(r"(T.*) (?=\d\d:?\d\d$)", r"\1+", text) if isinstance(text, str) else text


class RequestModel(BaseModel):
    """A part of a request; a field that it does not know is refused."""

    # JSON has no NaN and no infinity: a record with one could not be read again.
    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False, defer_build=True)


class RunBody(RequestModel):
    """A manual run; empty for the newest data and the configured parameters."""

    data: str | None = Field(
        default=None, min_length=1, max_length=1024, description="A blob of the data container."
    )
    parameters: dict[str, Scalar] = Field(
        default_factory=dict, max_length=100, description="These count over those of the pipeline."
    )
    due: Time | None = Field(
        default=None,
        description="For a pipeline with times of windows: the run trains the last window due at "
        "this time; by default the most recent window.",
    )
    model: str | None = Field(
        default=None,
        min_length=1,
        max_length=300,
        description="A registered model to promote without training: `azureml:<name>:<version>`.",
    )


class DoctorBody(RequestModel):
    """How much doctor may do; empty for the usual."""

    seconds: int = Field(default=180, ge=1, le=180, description="How long it may take at most.")
    endpoints: int = Field(default=50, ge=0, le=50, description="How many it checks at most.")


class BacktestBody(RequestModel):
    """A gate to replay over recorded runs."""

    gate: dict[str, Any] = Field(description="The section `gate`, as in the pipelines file.")
    from_files: bool = Field(
        default=False,
        description="true: evaluations and predictions are read again also where the record of a "
        "run says enough.",
    )
    limit: int = Field(default=50, ge=1, le=50, description="How many runs at most.")
    cursor: str | None = Field(default=None, max_length=4096, description="`next` of a page.")


class OperatorComment(RequestModel):
    """Who asks for a change, and why."""

    by: OneLineText = Field(
        default="",
        max_length=200,
        description="Who asks; a user name that the platform verified counts instead.",
    )
    reason: OneLineText = Field(default="", max_length=500)


class RollbackBody(OperatorComment):
    """What to roll back to; empty for the previous model."""

    to: str | None = Field(
        default=None,
        min_length=1,
        max_length=100,
        description="The run whose model is to serve, or `baseline`.",
    )
    key: str = Field(
        default="",
        max_length=1024,
        description="The key, where tokens choose the endpoint; its values joined by slashes.",
    )


class PinBody(OperatorComment):
    """Which model is to be the anchor; empty for the one that serves."""

    run: str | None = Field(
        default=None,
        min_length=1,
        max_length=100,
        description="The run that trained it; any model that was promoted at the endpoint.",
    )
    key: str = Field(
        default="",
        max_length=1024,
        description="The key, where tokens choose the endpoint; its values joined by slashes.",
    )


class QueryModel(BaseModel):
    """The query of a request; a parameter that it does not know is refused."""

    model_config = ConfigDict(extra="forbid", defer_build=True)


class NoQuery(QueryModel):
    """No query parameter is read."""


class PageQuery(QueryModel):
    """Which page of a list."""

    limit: Annotated[int, Field(ge=1, le=50)] = 50
    cursor: str | None = Field(default=None, max_length=4096, description="`next` of a page.")


class RunsQuery(PageQuery):
    """Which runs to list."""

    pipeline: str | None = Field(default=None, min_length=1, max_length=200)
    key: str | None = Field(
        default=None, min_length=1, max_length=1024, description="Values joined by slashes."
    )
    phase: Phase | None = None
    open: bool | None = Field(default=None, description="Whether the run is open.")
    parent: str | None = Field(
        default=None, min_length=1, max_length=100, description="Lists the deliveries of this run."
    )


class KeyQuery(QueryModel):
    """Which key."""

    key: str | None = Field(
        default=None, min_length=1, max_length=1024, description="Values joined by slashes."
    )


class PreviewQuery(QueryModel):
    """What to preview."""

    data: str | None = Field(default=None, min_length=1, max_length=1024)
    due: Annotated[Time | None, BeforeValidator(_with_plus)] = Field(
        default=None,
        description="Of a pipeline that holds times of windows: the window that is due at this "
        "time, or was due last; left out: the one that came last.",
    )


class HealthQuery(PageQuery):
    """Which of the parked runs to list."""

    limit: Annotated[int, Field(ge=1, le=1000)] = 100
