"""HTTP: tries everything that the app needs, and says what is wrong and what to do."""

import time
from dataclasses import replace

import azure.functions as func

from functions.api_models.doctor import DoctorReport
from functions.api_models.requests import DoctorBody
from functions.methods import EVERY, only
from functions.process import app_or_problems
from functions.requests import body_of
from functions.responses import ok
from shared.app import Unusable

bp = func.Blueprint()


@bp.function_name("doctor")
@bp.route(route="doctor", methods=EVERY)
@only("POST")
def doctor(req: func.HttpRequest) -> func.HttpResponse:
    """Try what the app needs: settings, rights, containers, queues, services, endpoints, timers.

    It takes up to 200 seconds, and tries 50 endpoints at most. Each line is `ok`, `wrong` with
    what to do, or `not_checked` with the reason. Nothing that matters is changed: it writes scratch
    blobs below `.relearn/scratch/` in the app's own containers, and deletes them.
    """
    began, asked = time.monotonic(), body_of(req, DoctorBody)
    built = app_or_problems()
    if not isinstance(built, Unusable):
        built.check_file(read_only=True)
    tried = built.doctor
    left = max(asked.seconds - (time.monotonic() - began), 1.0)
    bounds = replace(tried.bounds, whole=left, endpoints=asked.endpoints)
    return ok(DoctorReport.of(replace(tried, bounds=bounds).report()))
