"""JSON answers, and problems as RFC 9457 describes them."""

import json
from collections.abc import Mapping
from typing import Any

import azure.functions as func
from pydantic import ValidationError

from shared.asked import NoSuchData, RequestClash
from shared.core.run import Run
from shared.endpoints import NoSuchEndpoint, NoSuchModel
from shared.errors import (
    ConfigError,
    Conflict,
    InvalidTransition,
    OutcomeUnknown,
    RelearnError,
    TransientError,
)


def ok(body: Mapping[str, Any], status: int = 200, **headers: str) -> func.HttpResponse:
    """Return `body` as JSON."""
    return func.HttpResponse(
        json.dumps(body), status_code=status, mimetype="application/json", headers=headers
    )


def problem(status: int, title: str, detail: str, **more: Any) -> func.HttpResponse:
    """Return a problem: what happened, and what to do next."""
    body = {"type": "about:blank", "title": title, "status": status, "detail": detail, **more}
    return func.HttpResponse(
        json.dumps(body), status_code=status, mimetype="application/problem+json"
    )


def wrong_body(exc: ValidationError) -> func.HttpResponse:
    """Return a problem that names every mistake in a request's body."""
    wrong = exc.errors(include_url=False, include_input=False, include_context=False)
    listed = [f"{'.'.join(map(str, e['loc'])) or 'body'}: {e['msg']}" for e in wrong]
    return problem(400, "Bad request body", "; ".join(listed))


def refused(exc: RelearnError) -> func.HttpResponse:
    """Return the problem that an error of ours is, for whoever asked."""
    match exc:
        case RequestClash():
            return problem(422, "Idempotency-Key used before", str(exc))
        case NoSuchData():
            return problem(400, "No such data", str(exc))
        case NoSuchEndpoint():
            return problem(404, "No such endpoint", str(exc))
        case NoSuchModel():
            return problem(409, "No such model", str(exc))
        case InvalidTransition() | Conflict():
            return problem(409, "Not now", str(exc))
        case ConfigError():
            return problem(503, "Not configured", "see GET /api/health for what is wrong")
        case TransientError() | OutcomeUnknown():
            return problem(503, "Try again", str(exc))
        case _:
            return problem(500, type(exc).__name__, str(exc))


def shown(run: Run) -> dict[str, Any]:
    """Return a run for people and programs: the record without its inner workings."""
    hidden = {"claim", "request", "schema_version"}
    return run.model_dump(mode="json", exclude=hidden, exclude_none=True)
