"""HTTP: start a run, look at one, and say how a waiting one goes on."""

import uuid
from collections.abc import Callable
from typing import Final

import azure.functions as func
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from functions.answers import ok, problem, refused, shown, wrong_body
from shared.asked import ManualRequest
from shared.core.config_types import Scalar
from shared.core.names import is_run_id
from shared.core.run import Run
from shared.errors import RelearnError
from shared.wiring import App, app

bp = func.Blueprint()
_LONGEST_KEY: Final = 255
_LARGEST_BODY: Final = 64 * 1024


class RunRequest(BaseModel):
    """The body of a manual run; empty for the newest data and the usual parameters."""

    # JSON has no NaN and no infinity: a record with one could not be read again.
    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)
    data: str | None = Field(default=None, min_length=1, max_length=1024)
    parameters: dict[str, Scalar] = Field(default_factory=dict, max_length=100)


@bp.function_name("start_run")
@bp.route(route="pipelines/{pipeline}/runs", methods=["POST"])
def start_run(req: func.HttpRequest) -> func.HttpResponse:
    """Open a run now: 202 with its address.

    The same Idempotency-Key returns the same run; with another body it is refused (422).
    """
    name, key = req.route_params["pipeline"], req.headers.get("Idempotency-Key")
    if key is not None and not 1 <= len(key) <= _LONGEST_KEY:
        return problem(400, "Bad Idempotency-Key", f"use 1 to {_LONGEST_KEY} characters")
    body = req.get_body()
    if len(body) > _LARGEST_BODY:
        return problem(413, "Request too large", f"at most {_LARGEST_BODY} bytes")
    try:
        asked = RunRequest.model_validate_json(body.strip() or b"{}")
        built = app()
        built.require_no_problems()
        pipeline = built.intake.pipeline(name)
        if pipeline is None:
            return problem(404, "No such pipeline", f"{name!r} is not in the pipelines file")
        request = ManualRequest(asked.data, asked.parameters)
        run = built.intake.asked.requested(pipeline, key or uuid.uuid4().hex, request)
    except ValidationError as exc:
        return wrong_body(exc)
    except RelearnError as exc:
        return refused(exc)
    return ok(shown(run), 202, Location=f"/api/runs/{run.run_id}")


@bp.function_name("get_run")
@bp.route(route="runs/{run_id}", methods=["GET"])
def get_run(req: func.HttpRequest) -> func.HttpResponse:
    """Show one run: what opened it, where it stands, why, and what to do."""
    run_id = req.route_params["run_id"]
    try:
        stored = app().context.ledger.run(run_id) if is_run_id(run_id) else None
    except RelearnError as exc:
        return refused(exc)
    if stored is None:
        return problem(404, "No such run", f"there is no run {run_id!r}")
    return ok(shown(stored.record), ETag=f'"{stored.etag}"')


@bp.function_name("retry_run")
@bp.route(route="runs/{run_id}/retry", methods=["POST"])
def retry_run(req: func.HttpRequest) -> func.HttpResponse:
    """Let a parked run go on, by what the pipelines file says now."""
    return _told(req, lambda built, run_id: built.poll.retry(run_id))


@bp.function_name("cancel_run")
@bp.route(route="runs/{run_id}/cancel", methods=["POST"])
def cancel_run(req: func.HttpRequest) -> func.HttpResponse:
    """Stop a run and its job; refused (409) once its model is on its way to an endpoint."""
    return _told(req, lambda built, run_id: built.poll.cancel(run_id))


def _told(req: func.HttpRequest, tell: Callable[[App, str], Run | None]) -> func.HttpResponse:
    run_id = req.route_params["run_id"]
    try:
        run = tell(app(), run_id) if is_run_id(run_id) else None
    except RelearnError as exc:
        return refused(exc)
    if run is None:
        return problem(404, "No such run", f"there is no run {run_id!r}")
    return ok(shown(run), 202, Location=f"/api/runs/{run.run_id}")
