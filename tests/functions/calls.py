"""Calls the HTTP functions as the host does."""

import json
from dataclasses import dataclass
from typing import Any

import azure.functions as func

from functions import endpoints, health, manual_runs, runs

_PROBLEM = "application/problem+json"


@dataclass(frozen=True)
class OneLineText:
    """An answer; a problem is checked to be one as RFC 9457 describes them."""

    status: int
    headers: Any
    body: Any
    text: str

    @property
    def title(self) -> str:
        return str(self.body["title"])


class Api:
    """The app's HTTP functions."""

    def start(
        self,
        body: Any = None,
        *,
        key: str | None = None,
        pipeline: str = "sample",
        raw: bytes | None = None,
    ) -> OneLineText:
        sent = raw if raw is not None else b"" if body is None else json.dumps(body).encode()
        headers = {} if key is None else {"idempotency-key": key}
        params = {"pipeline": pipeline}
        return _answer(manual_runs.start_run(_request("POST", params, headers, sent)))

    def get(self, run_id: str) -> OneLineText:
        return _answer(runs.get_run(_request("GET", {"run_id": run_id})))

    def retry(self, run_id: str) -> OneLineText:
        return _answer(runs.retry_run(_request("POST", {"run_id": run_id})))

    def cancel(self, run_id: str) -> OneLineText:
        return _answer(runs.cancel_run(_request("POST", {"run_id": run_id})))

    def endpoints(self) -> OneLineText:
        return _answer(endpoints.list_endpoints(_request("GET", {})))

    def endpoint(self, name: str = "production", *, key: str | None = None) -> OneLineText:
        request = _request("GET", _route(name), query={} if key is None else {"key": key})
        return _answer(endpoints.get_endpoint(request))

    def rollback(
        self,
        body: Any = None,
        *,
        name: str = "production",
        who: str | None = None,
        version: str | None = None,
    ) -> OneLineText:
        changed = _change(name, body, who=who, version=version)
        return _answer(endpoints.rollback_endpoint(changed))

    def resume(self, name: str = "production", *, version: str | None = None) -> OneLineText:
        return _answer(endpoints.resume_endpoint(_change(name, version=version)))

    def pin(
        self,
        body: Any = None,
        *,
        name: str = "production",
        who: str | None = None,
        version: str | None = None,
    ) -> OneLineText:
        return _answer(endpoints.pin_model(_change(name, body, who=who, version=version)))

    def unpin(self, *, version: str | None = None) -> OneLineText:
        return _answer(endpoints.unpin_model(_change("production", version=version)))

    def health(self) -> OneLineText:
        return _answer(health.health(_request("GET", {})))

    def health_details(self, **query: str) -> OneLineText:
        return _answer(health.health_details(_request("GET", {}, query=query)))


def _route(name: str) -> dict[str, str]:
    return {"pipeline": "sample", "endpoint": name}


def _change(
    endpoint: str, body: Any = None, *, who: str | None = None, version: str | None = None
) -> func.HttpRequest:
    """Return the request of an operator to change an endpoint."""
    sent = b"" if body is None else json.dumps(body).encode()
    headers = {} if who is None else {"x-ms-client-principal-name": who}
    headers |= {} if version is None else {"if-match": version}
    return _request("POST", _route(endpoint), headers, sent)


def _request(
    method: str,
    params: dict[str, str],
    headers: dict[str, str] | None = None,
    body: bytes = b"",
    query: dict[str, str] | None = None,
) -> func.HttpRequest:
    return func.HttpRequest(
        method,
        "http://localhost/api",
        headers=headers or {},
        params=query or {},
        route_params=params,
        body=body,
    )


def _answer(answer: func.HttpResponse) -> OneLineText:
    text = answer.get_body().decode()
    body = json.loads(text)
    if 400 <= answer.status_code < 500:
        assert answer.mimetype == _PROBLEM
        assert body["status"] == answer.status_code
        assert body["title"]
        assert body["detail"]
    else:
        assert answer.mimetype in ("application/json", _PROBLEM)
    return OneLineText(answer.status_code, answer.headers, body, text)
