"""One method and one set of query parameters for each route; errors are answered as problems.

The host answers a wrong method with an empty 404 (azure-functions-host, issue 10098). So each
route takes every method, and its function refuses those that are not its own. A query parameter
that is not read would be ignored silently, so it is refused as well.
"""

from collections.abc import Callable
from functools import wraps
from typing import Final

import azure.functions as func

from functions.api_models.requests import NoQuery, QueryModel
from functions.process import NO_CONTEXT, invocation
from functions.requests import refuse_unknown
from functions.responses import problem, problem_of
from shared.errors import RelearnError

#: Not OPTIONS, which the platform answers for other origins.
EVERY: Final = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")
#: The attribute of a function that names its own method.
OWN: Final = "own_method"
#: The attribute of a function that names the query parameters it reads.
OWN_QUERY: Final = "own_query"

Handler = Callable[[func.HttpRequest], func.HttpResponse]


def only(method: str, query: type[QueryModel] = NoQuery) -> Callable[[Handler], Handler]:
    """Have requests of another kind refused, and errors answered as problems.

    Args:
        method: the one that does something; others are answered 405, with this one in `Allow`.
        query: the query parameters that the function reads; others are answered 400.

    Returns:
        The decorator of a function over HTTP.
    """

    def decorated(handler: Handler) -> Handler:
        @wraps(handler, assigned=("__module__", "__name__", "__qualname__", "__doc__"))
        def answered(
            req: func.HttpRequest, context: func.Context = NO_CONTEXT
        ) -> func.HttpResponse:
            if req.method.upper() != method:
                return _wrong_method(req.method.upper()[:20], method)
            try:
                with invocation(context):
                    refuse_unknown(req, query)
                    return handler(req)
            except RelearnError as exc:
                return problem_of(exc)

        vars(answered).pop("__wrapped__")  # the worker shall see the parameters of this one
        setattr(answered, OWN, method)
        setattr(answered, OWN_QUERY, query)
        return answered

    return decorated


def _wrong_method(given: str, method: str) -> func.HttpResponse:
    detail = f"{given} does nothing here: use {method}"
    refusal = problem(405, "Method not allowed", detail, "method_not_allowed")
    refusal.headers["Allow"] = method
    return refusal
