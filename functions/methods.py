"""One method and one set of query parameters for each route: all else is refused.

The host answers a wrong method with an empty 404 (azure-functions-host, issue 10098). So each
route takes every method, and its function refuses those that are not its own. A query parameter
that nobody reads would be ignored without a word, so that it is refused as well.
"""

from collections.abc import Callable
from functools import wraps
from typing import Final

import azure.functions as func

from functions.api_models import NoQuery, QueryModel
from functions.responses import RequestRefusedError, problem, refuse_unknown

#: Not OPTIONS, which the platform answers for other origins.
EVERY: Final = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")
#: The attribute of a function that names its own method.
OWN: Final = "own_method"
#: The attribute of a function that names the query parameters it reads.
OWN_QUERY: Final = "own_query"

Handler = Callable[[func.HttpRequest], func.HttpResponse]


def only(method: str, query: type[QueryModel] = NoQuery) -> Callable[[Handler], Handler]:
    """Have requests of another kind refused.

    Args:
        method: the one that does something; others are answered 405, with this one in `Allow`.
        query: the query parameters that the function reads; others are answered 400.
    """

    def decorated(handler: Handler) -> Handler:
        @wraps(handler)
        def answered(req: func.HttpRequest) -> func.HttpResponse:
            if req.method.upper() == method:
                try:
                    refuse_unknown(req, query)
                except RequestRefusedError as exc:
                    return exc.answer
                return handler(req)
            detail = f"{req.method.upper()[:20]} does nothing here: use {method}"
            refusal = problem(405, "Method not allowed", detail)
            refusal.headers["Allow"] = method
            return refusal

        setattr(answered, OWN, method)
        setattr(answered, OWN_QUERY, query)
        return answered

    return decorated
