"""HTTP: start a run now."""

import uuid
from typing import Final

import azure.functions as func

from functions.api_models import RunBody
from functions.methods import EVERY, only
from functions.responses import RequestRefusedError, accepted, answering, body_of
from shared.app import app
from shared.intake.requests import ManualRequest
from shared.operations.pipelines import NoSuchPipelineError

bp = func.Blueprint()
LONGEST_KEY: Final = 255


@bp.function_name("start_run")
@bp.route(route="pipelines/{pipeline}/runs", methods=EVERY)
@only("POST")
@answering
def start_run(req: func.HttpRequest) -> func.HttpResponse:
    """Open a run now: 202 with its address.

    The same Idempotency-Key returns the same run; with another body it is refused (422).
    """
    name, key = req.route_params["pipeline"], req.headers.get("Idempotency-Key")
    if key is not None and not 1 <= len(key) <= LONGEST_KEY:
        raise RequestRefusedError(400, "Bad Idempotency-Key", f"use 1 to {LONGEST_KEY} characters")
    asked = body_of(req, RunBody)
    built = app()
    pipeline = built.intake.catalogue.pipeline(name)
    if pipeline is None:
        raise NoSuchPipelineError(f"{name!r} is not in the pipelines file")
    request = ManualRequest(asked.data, asked.parameters)
    return accepted(built.intake.asked.requested(pipeline, key or uuid.uuid4().hex, request))
