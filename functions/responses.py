"""Makes JSON answers, SVG pictures, and problems as RFC 9457 describes them."""

import json
from typing import Any, Final

import azure.functions as func
from pydantic import BaseModel

from functions.api_models.runs import RunShown
from shared.core.run.record import Run
from shared.core.run.waiting import waits_of
from shared.errors import (
    ConfigError,
    ConflictError,
    CorruptRecordError,
    IdempotencyConflictError,
    InvalidCursorError,
    InvalidRequestError,
    InvalidTransitionError,
    NoSuchDataError,
    NoSuchModelError,
    NotFoundError,
    OutcomeUnknownError,
    PipelineConfigError,
    PreconditionFailedError,
    RelearnError,
    RequestTooLargeError,
    RunIdUsedError,
    SecretInRequestError,
    TransientError,
)
from shared.telemetry import redacted

_TO_CHECK: Final = (
    "To check: the connection setting, that the container exists, the roles of the app's identity "
    "at the storage account, and its network rules; GET /api/health/details says when it works "
    "again"
)
#: The status, the title and the detail for each error, with the place of its own text. The first
#: row that fits counts.
PROBLEMS: Final[tuple[tuple[type[RelearnError], int, str, str], ...]] = (
    (RequestTooLargeError, 413, "Request too large", "{}"),
    (SecretInRequestError, 400, "Secret in the request", "{}"),
    (InvalidRequestError, 400, "Invalid request", "{}"),
    (InvalidCursorError, 400, "Invalid cursor", "{}"),
    (NoSuchDataError, 400, "No such data", "{}"),
    (NoSuchModelError, 409, "No such model", "{}"),
    (NotFoundError, 404, "Not found", "{}"),
    (IdempotencyConflictError, 422, "Idempotency-Key used before", "{}"),
    (PreconditionFailedError, 412, "Changed since that version", "{}"),
    (InvalidTransitionError, 409, "Not possible now", "{}"),
    (RunIdUsedError, 409, "Run id used before", "{}"),
    (ConflictError, 409, "Changed at the same time", "{}"),
    (TransientError, 503, "Temporarily unavailable", "{}"),
    (OutcomeUnknownError, 503, "Outcome unknown", "{}"),
    (CorruptRecordError, 500, "Record not understood", "{}"),
    (PipelineConfigError, 503, "Pipeline in error", "{}"),
    (ConfigError, 503, "Not configured", "see GET /api/health/details for the reasons"),
    (RelearnError, 503, "Storage refuses", f"{{}}. {_TO_CHECK}"),
)


def ok(body: BaseModel, status: int = 200, **headers: str) -> func.HttpResponse:
    """Return `body` as JSON, without secrets and without fields that have no value.

    Args:
        body: what the answer shows.
        status: of the answer.
        headers: of the answer.
    """
    shown = json.loads(body.model_dump_json(exclude_none=True))
    return func.HttpResponse(
        json.dumps(redacted(shown)),
        status_code=status,
        mimetype="application/json",
        headers=headers,
    )


def svg(drawing: str) -> func.HttpResponse:
    """Return an SVG picture; a browser runs and loads nothing that it names."""
    headers = {
        "Content-Security-Policy": "default-src 'none'",
        "X-Content-Type-Options": "nosniff",
    }
    return func.HttpResponse(redacted(drawing), mimetype="image/svg+xml", headers=headers)


def accepted(run: Run) -> func.HttpResponse:
    """Return that something was begun, with the run that does it."""
    shown = RunShown.of(run, waits_of(run))
    return ok(shown, 202, Location=f"/api/runs/{run.run_id}")


def problem(status: int, title: str, detail: str, kind: str) -> func.HttpResponse:
    """Return a problem.

    Args:
        status: of the answer.
        title: the kind of problem, for readers.
        detail: what happened, and what to do next.
        kind: the kind of problem, for programs.
    """
    body: dict[str, Any] = {
        "type": "about:blank",
        "title": title,
        "status": status,
        "detail": detail,
        "kind": kind,
    }
    return func.HttpResponse(
        json.dumps(redacted(body)), status_code=status, mimetype="application/problem+json"
    )


def problem_of(error: RelearnError) -> func.HttpResponse:
    """Return the problem that an error of this app is to the caller of the API."""
    _, status, title, detail = next(row for row in PROBLEMS if isinstance(error, row[0]))
    return problem(status, title, detail.format(error), error.kind)
