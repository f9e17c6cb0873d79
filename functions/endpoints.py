"""HTTP: what serves at an endpoint, back to an earlier model, and on again."""

import azure.functions as func
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from functions.answers import ok, problem, refused, shown, wrong_body
from shared.endpoints import Command
from shared.errors import RelearnError
from shared.wiring import app

bp = func.Blueprint()
_LARGEST_BODY = 64 * 1024
_WHO = "X-MS-CLIENT-PRINCIPAL-NAME"


class RollbackRequest(BaseModel):
    """The body of a rollback; empty for the model from before."""

    model_config = ConfigDict(extra="forbid", strict=True)
    to: str | None = Field(default=None, min_length=1, max_length=100)
    key: str = Field(default="", max_length=1024)
    reason: str = Field(default="", max_length=500)


@bp.function_name("get_endpoint")
@bp.route(route="endpoints/{pipeline}/{endpoint}", methods=["GET"])
def get_endpoint(req: func.HttpRequest) -> func.HttpResponse:
    """Show what serves, what served before, and who holds or updates the endpoint.

    `?key=` names the customer; the parts of a longer key are joined by slashes.
    """
    try:
        key = _key_of(req)
        found = app().endpoints.show(
            req.route_params["pipeline"], req.route_params["endpoint"], key
        )
    except RelearnError as exc:
        return refused(exc)
    return ok(found)


@bp.function_name("rollback_endpoint")
@bp.route(route="endpoints/{pipeline}/{endpoint}/rollback", methods=["POST"])
def rollback_endpoint(req: func.HttpRequest) -> func.HttpResponse:
    """Go back to an earlier model and hold the endpoint there: 202 with the run that does it."""
    body = req.get_body()
    if len(body) > _LARGEST_BODY:
        return problem(413, "Request too large", f"at most {_LARGEST_BODY} bytes")
    try:
        asked = RollbackRequest.model_validate_json(body.strip() or b"{}")
        run = app().endpoints.rollback(
            req.route_params["pipeline"],
            req.route_params["endpoint"],
            _parts(asked.key) or _key_of(req),
            asked.to,
            Command(_who(req), asked.reason),
        )
    except ValidationError as exc:
        return wrong_body(exc)
    except RelearnError as exc:
        return refused(exc)
    return ok(shown(run), 202, Location=f"/api/runs/{run.run_id}")


@bp.function_name("resume_endpoint")
@bp.route(route="endpoints/{pipeline}/{endpoint}/resume", methods=["POST"])
def resume_endpoint(req: func.HttpRequest) -> func.HttpResponse:
    """Let new models be promoted again after a rollback."""
    pipeline, endpoint = req.route_params["pipeline"], req.route_params["endpoint"]
    try:
        app().endpoints.resume(pipeline, endpoint, _key_of(req))
        found = app().endpoints.show(pipeline, endpoint, _key_of(req))
    except RelearnError as exc:
        return refused(exc)
    return ok(found)


def _key_of(req: func.HttpRequest) -> tuple[str, ...]:
    return _parts(req.params.get("key") or "")


def _parts(key: str) -> tuple[str, ...]:
    return tuple(key.split("/")) if key else ()


def _who(req: func.HttpRequest) -> str:
    name = req.headers.get(_WHO)
    return name[:200] if name else "somebody (unverified)"
