"""HTTP: lists, shows, rolls back and resumes endpoints, and pins their anchors."""

import azure.functions as func

from functions.api_models.endpoints import EndpointList, EndpointShown, EndpointSummary
from functions.api_models.requests import KeyQuery, OperatorComment, PinBody, RollbackBody
from functions.methods import EVERY, only
from functions.process import app
from functions.requests import body_of, command_of, key_parts, query_of
from functions.responses import accepted, ok
from shared.core.serving.references import EndpointAddress
from shared.errors import InvalidRequestError

bp = func.Blueprint()


@bp.function_name("list_endpoints")
@bp.route(route="endpoints", methods=EVERY)
@only("GET")
def list_endpoints(req: func.HttpRequest) -> func.HttpResponse:
    """List the endpoints of all pipelines, and what serves there.

    If the pipelines file has errors, `problems` says what they are and what is used meanwhile.
    """
    del req
    built = app()
    built.pipelines.require_any()
    lines = [EndpointSummary.model_validate(line) for line in built.endpoints.lines()]
    return ok(EndpointList(endpoints=lines, problems=built.pipelines.problems()))


@bp.function_name("get_endpoint")
@bp.route(route="endpoints/{pipeline}/{endpoint}", methods=EVERY)
@only("GET", KeyQuery)
def get_endpoint(req: func.HttpRequest) -> func.HttpResponse:
    """Show what serves, what served before and since when, and which runs update the endpoint.

    `?key=` names the key, if tokens choose the endpoint; several values are joined by slashes.
    """
    return _shown(_address_of(req))


@bp.function_name("rollback_endpoint")
@bp.route(route="endpoints/{pipeline}/{endpoint}/rollback", methods=EVERY)
@only("POST", KeyQuery)
def rollback_endpoint(req: func.HttpRequest) -> func.HttpResponse:
    """Roll back to an earlier model and hold the endpoint: 202 with the run that does it."""
    asked = body_of(req, RollbackBody)
    address = _address_of(req, asked.key)
    return accepted(app().endpoints.rollback(address, asked.to, command_of(req, asked)))


@bp.function_name("resume_endpoint")
@bp.route(route="endpoints/{pipeline}/{endpoint}/resume", methods=EVERY)
@only("POST", KeyQuery)
def resume_endpoint(req: func.HttpRequest) -> func.HttpResponse:
    """Let new models be promoted again after a rollback."""
    command, address = command_of(req, body_of(req, OperatorComment)), _address_of(req)
    app().endpoints.resume(address, command)
    return _shown(address)


@bp.function_name("pin_model")
@bp.route(route="endpoints/{pipeline}/{endpoint}/pin", methods=EVERY)
@only("POST", KeyQuery)
def pin_model(req: func.HttpRequest) -> func.HttpResponse:
    """Make a model the anchor of the endpoint: candidates are compared with it too."""
    asked = body_of(req, PinBody)
    address = _address_of(req, asked.key)
    app().endpoints.pin(address, asked.run, command_of(req, asked))
    return _shown(address)


@bp.function_name("unpin_model")
@bp.route(route="endpoints/{pipeline}/{endpoint}/unpin", methods=EVERY)
@only("POST", KeyQuery)
def unpin_model(req: func.HttpRequest) -> func.HttpResponse:
    """Leave the endpoint without an anchor, until the next model is promoted."""
    command, address = command_of(req, body_of(req, OperatorComment)), _address_of(req)
    app().endpoints.unpin(address, command)
    return _shown(address)


def _shown(address: EndpointAddress) -> func.HttpResponse:
    status = app().endpoints.show(address)
    return ok(EndpointShown.of(status), ETag=f'"{status.version}"')


def _address_of(req: func.HttpRequest, in_body: str = "") -> EndpointAddress:
    key, named = key_parts(in_body), key_parts(query_of(req, KeyQuery).key)
    if key and named and key != named:
        raise InvalidRequestError("`key` differs in the body and in the query: leave one out")
    params = req.route_params
    return EndpointAddress(params["pipeline"], params["endpoint"], key or named)
