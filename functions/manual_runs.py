"""HTTP: opens a manual run."""

import uuid
from typing import Final

import azure.functions as func

from functions.api_models.requests import RunBody
from functions.methods import EVERY, only
from functions.process import app
from functions.requests import body_of
from functions.responses import accepted
from shared.core.run.manual_request import ManualRequest
from shared.errors import InvalidRequestError

bp = func.Blueprint()
LONGEST_KEY: Final = 255


@bp.function_name("start_run")
@bp.route(route="pipelines/{pipeline}/runs", methods=EVERY)
@only("POST")
def start_run(req: func.HttpRequest) -> func.HttpResponse:
    """Open a run now: 202 with its address.

    The same Idempotency-Key returns the same run; with another body it is refused (422).
    """
    name, key = req.route_params["pipeline"], req.headers.get("Idempotency-Key")
    if key is not None and not 1 <= len(key) <= LONGEST_KEY:
        raise InvalidRequestError(f"Idempotency-Key: use 1 to {LONGEST_KEY} characters")
    asked = body_of(req, RunBody)
    request = ManualRequest(asked.data, asked.parameters, asked.model, asked.due)
    return accepted(app().pipelines.start_run(name, key or uuid.uuid4().hex, request))
