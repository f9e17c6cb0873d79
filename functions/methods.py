"""One method for each route: others are told so, which the platform leaves to the app.

The host answers a wrong method with an empty 404 (azure-functions-host, issue 10098). So each
route takes every method, and its function refuses those that are not its own.
"""

from collections.abc import Callable
from functools import wraps
from typing import Final

import azure.functions as func

from functions.answers import problem

#: Not OPTIONS, which the platform answers for other origins.
EVERY: Final = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")
#: The attribute of a function that names its own method.
OWN: Final = "own_method"

Handler = Callable[[func.HttpRequest], func.HttpResponse]


def only(method: str) -> Callable[[Handler], Handler]:
    """Have requests by any other method answered 405, with the one to use in `Allow`."""

    def decorated(handler: Handler) -> Handler:
        @wraps(handler)
        def answered(req: func.HttpRequest) -> func.HttpResponse:
            if req.method.upper() == method:
                return handler(req)
            detail = f"{req.method.upper()[:20]} does nothing here: use {method}"
            refusal = problem(405, "Method not allowed", detail)
            refusal.headers["Allow"] = method
            return refusal

        setattr(answered, OWN, method)
        return answered

    return decorated
