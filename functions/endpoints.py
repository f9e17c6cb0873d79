"""HTTP: what serves at an endpoint, its history, back to an earlier model, and on again."""

import azure.functions as func

from functions.api_models import (
    EndpointList,
    EndpointShown,
    EndpointSummary,
    KeyQuery,
    OperatorComment,
    RollbackBody,
)
from functions.methods import EVERY, only
from functions.responses import (
    RequestRefusedError,
    accepted,
    answering,
    body_of,
    if_match,
    operator_of,
    query_of,
    shape,
)
from shared.app import app
from shared.operations.endpoints import OperatorCommand

bp = func.Blueprint()


@bp.function_name("list_endpoints")
@bp.route(route="endpoints", methods=EVERY)
@only("GET")
@answering
def list_endpoints(req: func.HttpRequest) -> func.HttpResponse:
    """List the endpoints of all pipelines, and what serves there.

    Where the file has errors, `problems` says what they are, and what goes on meanwhile.
    """
    del req
    built = app()
    built.intake.last_good.require_any()
    lines = [EndpointSummary.model_validate(line) for line in built.endpoints.lines()]
    return shape(EndpointList(endpoints=lines, problems=built.intake.last_good.problems()))


@bp.function_name("get_endpoint")
@bp.route(route="endpoints/{pipeline}/{endpoint}", methods=EVERY)
@only("GET", KeyQuery)
@answering
def get_endpoint(req: func.HttpRequest) -> func.HttpResponse:
    """Show what serves, what served before and since when, who holds or updates the endpoint.

    `?key=` names the customer; the parts of a longer key are joined by slashes.
    """
    return _shown(req)


@bp.function_name("rollback_endpoint")
@bp.route(route="endpoints/{pipeline}/{endpoint}/rollback", methods=EVERY)
@only("POST", KeyQuery)
@answering
def rollback_endpoint(req: func.HttpRequest) -> func.HttpResponse:
    """Go back to an earlier model and hold the endpoint there: 202 with the run that does it."""
    asked = body_of(req, RollbackBody)
    key, named = _parts(asked.key), _key_of(req)
    if key and named and key != named:
        detail = "`key` in the body and in the query name two customers: leave one of them out"
        raise RequestRefusedError(400, "Bad request", detail)
    run = app().endpoints.rollback(
        req.route_params["pipeline"],
        req.route_params["endpoint"],
        key or named,
        asked.to,
        OperatorCommand(operator_of(req, asked.by), asked.reason, if_match(req)),
    )
    return accepted(run)


@bp.function_name("resume_endpoint")
@bp.route(route="endpoints/{pipeline}/{endpoint}/resume", methods=EVERY)
@only("POST", KeyQuery)
@answering
def resume_endpoint(req: func.HttpRequest) -> func.HttpResponse:
    """Let new models be promoted again after a rollback."""
    said = body_of(req, OperatorComment)
    app().endpoints.resume(
        req.route_params["pipeline"],
        req.route_params["endpoint"],
        _key_of(req),
        OperatorCommand(operator_of(req, said.by), said.reason, if_match(req)),
    )
    return _shown(req)


def _shown(req: func.HttpRequest) -> func.HttpResponse:
    found = app().endpoints.show(
        req.route_params["pipeline"], req.route_params["endpoint"], _key_of(req)
    )
    version = found.pop("version")
    return shape(EndpointShown.model_validate(found), ETag=f'"{version}"')


def _key_of(req: func.HttpRequest) -> tuple[str, ...]:
    return _parts(query_of(req, KeyQuery).key or "")


def _parts(key: str) -> tuple[str, ...]:
    return tuple(key.split("/")) if key else ()
