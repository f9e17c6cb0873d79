"""JSON answers, and problems as RFC 9457 describes them."""

import json
from collections.abc import Mapping
from typing import Any

import azure.functions as func


def ok(body: Mapping[str, Any], status: int = 200, **headers: str) -> func.HttpResponse:
    """Return `body` as JSON."""
    return func.HttpResponse(
        json.dumps(body), status_code=status, mimetype="application/json", headers=headers
    )


def problem(status: int, title: str, detail: str, **more: Any) -> func.HttpResponse:
    """Return a problem: what happened, and what to do next."""
    body = {"type": "about:blank", "title": title, "status": status, "detail": detail, **more}
    return func.HttpResponse(
        json.dumps(body), status_code=status, mimetype="application/problem+json"
    )
