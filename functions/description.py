"""HTTP: returns the OpenAPI document of this API."""

from pathlib import Path
from typing import Final

import azure.functions as func

from functions.methods import EVERY, only

bp = func.Blueprint()
#: Made from the routes and models by `make schema`.
_FILE: Final = Path(__file__).resolve().parent.parent / "openapi.json"


@bp.function_name("openapi")
@bp.route(route="openapi.json", methods=EVERY)
@only("GET")
def openapi(req: func.HttpRequest) -> func.HttpResponse:
    """Return the OpenAPI 3.1 document."""
    del req
    return func.HttpResponse(_FILE.read_text(encoding="utf-8"), mimetype="application/json")
