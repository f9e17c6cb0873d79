"""Maps requests to calls of the workspace, and answers to HTTP responses.

See azure-machine-learning-v2 §1: Resource Manager, and the data plane on a host of its own.
"""

import json
import re
from contextlib import nullcontext
from dataclasses import dataclass
from datetime import datetime
from email.utils import format_datetime
from functools import cache, lru_cache
from typing import Any, Final
from urllib.parse import parse_qsl, unquote, urlsplit

from local.azureml.addresses import Asked, Handle, data_plane, resource_manager
from local.azureml.answers import (
    API,
    ARM,
    LOCATION,
    WORKSPACE,
    Answer,
    Body,
    invalid,
    missing,
    refusal,
)
from local.azureml.service import AzureMl
from local.identity import audience_of
from local.studio.wire import WireAnswer, WireRequest

_SCORING_URI: Final = re.compile(rf"https://([\w-]+)\.{LOCATION}\.inference\.ml\.azure\.com/score")
_CORE: Final = "https://management.core.windows.net"
_ML: Final = "https://ml.azure."
#: A header with the value `other`: the request is that of another writer, not of the app.
WRITER: Final = "x-relearn-writer"
#: A provider whose api-versions are its own.
_OTHER_PROVIDER: Final = "/providers/microsoft.insights/"
_PLANES: Final = ("history", "data", "modelregistry", "mlflow")


@dataclass
class Routes:
    """Answers requests by URL.

    Args:
        service: the workspace.
        base: where it is served; Azure's own addresses in answers are replaced by it. Empty:
            they stay, and requests may go to them.
    """

    service: AzureMl
    base: str = ""

    def __post_init__(self) -> None:
        """Make the table."""
        self._arm = [
            (method, _pattern(path), do) for method, path, do in resource_manager(self.service)
        ]
        self._api = [(method, _pattern(path), do) for method, path, do in data_plane(self.service)]
        self._found: dict[tuple[str, str], tuple[Handle, tuple[str, ...]]] = {}

    def handle(self, request: WireRequest) -> WireAnswer:
        """Answer one request.

        Args:
            request: method, URL, headers and body.

        Returns:
            The answer.

        Raises:
            NoAnswerError: a fault is that nothing is answered.
        """
        parts = urlsplit(request.url)
        headers = {name.lower(): value for name, value in request.headers.items()}
        query = dict(parse_qsl(parts.query, keep_blank_values=True))
        scored = _SCORING_URI.fullmatch(request.url.partition("?")[0])
        path = f"/scoring/{scored[1]}/score" if scored else parts.path
        asked = Asked(request.method, path, query, headers, request.body)
        other = headers.get(WRITER, "").lower() == "other"
        writer = self.service.calls.other_writer() if other else nullcontext()
        try:
            with writer:
                answer = self._answer(asked)
        except ValueError as error:
            answer = invalid(str(error))
        return _scored(answer) if path.startswith("/scoring/") else self._rendered(answer)

    def _answer(self, asked: Asked) -> Answer:
        first = asked.path.strip("/").partition("/")[0].lower()
        if first == "discovery":
            return Answer(200, {"api": f"https://{API}", "history": f"https://{API}"})
        if first == "scoring":
            name = asked.path.split("/")[2]
            return self.service.score(name, asked.content, asked.headers)
        on_arm = first == "subscriptions"
        if (refused := self._unauthorized(asked, arm=on_arm)) is not None:
            return refused
        if "/mfeOperation" in asked.path:
            url = f"{ARM}{asked.path}".replace("mfeOperationResults", "mfeOperationsStatus")
            return self.service.get_operation(url)
        if first in _PLANES:
            return self._dispatch(self._api, asked, _after_workspace(asked.path))
        if on_arm:
            return self._bad_version(asked) or self._dispatch(
                self._arm, asked, _after_workspace(asked.path)
            )
        return missing("There is no such address.", "ResourceNotFound")

    def _dispatch(
        self, table: list[tuple[str, re.Pattern[str], Handle]], asked: Asked, path: str | None
    ) -> Answer:
        if path is None:
            return refusal(404, "ResourceNotFound", "The workspace was not found.")
        key = (asked.method, asked.path)  # a client asks for the same again and again
        if key not in self._found:
            plane = "" if table is self._arm else asked.path.strip("/").partition("/")[0] + "/"
            for method, pattern, handle in table:
                if method == asked.method and (found := pattern.fullmatch(plane + path)):
                    self._found[key] = handle, tuple(map(unquote, found.groups()))
                    break
            else:
                return refusal(405, "MethodNotAllowed", f"{asked.method} {path} is not known here.")
        handle, names = self._found[key]
        return handle(asked, *names)

    def _unauthorized(self, asked: Asked, *, arm: bool) -> Answer | None:
        token = asked.headers.get("authorization", "").removeprefix("Bearer ")
        audience = (audience_of(token) or "").rstrip("/")
        known = {ARM, _CORE, self.base}
        if audience and (audience in known or (not arm and audience.startswith(_ML))):
            wanted = self.service.switches.ml_header == "needed" and _is_pipeline(asked)
            other = audience_of(asked.headers.get("x-azureml-token", "")) or ""
            if wanted and not other.startswith(_ML):
                message = "The header x-azureml-token is needed for a pipeline job."
                return refusal(401, "UserError", message, "Unauthorized")
            return None
        message = "The access token is missing, has expired or is for another audience."
        answer = refusal(401, "InvalidAuthenticationToken", message)
        return Answer(401, answer.body, {"WWW-Authenticate": "Bearer"})

    def _bad_version(self, asked: Asked) -> Answer | None:
        other = _OTHER_PROVIDER in asked.path.lower()
        known = () if other else self.service.switches.api_versions
        if not asked.api:
            message = "The api-version query parameter (?api-version=) is required."
            return refusal(400, "MissingApiVersionParameter", message)
        if known and asked.api not in known:
            message = (
                f"The api-version '{asked.api}' is invalid. The supported versions are "
                f"'{','.join(known)}'."
            )
            return refusal(400, "InvalidApiVersionParameter", message)
        return None

    def _rendered(self, answer: Answer) -> WireAnswer:
        headers = {"x-ms-response-type": "standard" if answer.status < 400 else "error"}  # noqa: PLR2004
        headers |= {"x-ms-correlation-request-id": "00000000-0000-0000-0000-00000000000c"}
        headers |= {"x-ms-ratelimit-remaining-subscription-reads": "249"}
        if not self.base:  # a server adds it by itself
            headers["Date"] = _date(self.service.clock.now())
        headers |= {name: self._local(value) for name, value in answer.headers.items()}
        if isinstance(answer.body, str):  # a fault: what is not JSON
            kind = "text/html" if answer.body.startswith("<") else "application/json"
            return WireAnswer(answer.status, headers | {"Content-Type": kind}, answer.body.encode())
        if answer.body is None and answer.status != 202:  # noqa: PLR2004 - its body is `null`
            return WireAnswer(answer.status, headers)
        headers |= {"Content-Type": "application/json; charset=utf-8"}
        return WireAnswer(answer.status, headers, self._local(json.dumps(answer.body)).encode())

    def _local(self, text: str) -> str:
        """Return a text in which this server stands where Azure's hosts stood."""
        if not self.base:
            return text
        text = _SCORING_URI.sub(rf"{self.base}/scoring/\1/score", text)
        text = text.replace(ARM, self.base).replace(f"https://{API}", self.base)
        return text.replace(API, self.base.partition("://")[2])


def _scored(answer: Answer) -> WireAnswer:
    """Return the answer of an endpoint: it says nothing of Resource Manager."""
    headers = {name.lower(): value for name, value in answer.headers.items()}
    if isinstance(answer.body, bytes):
        return WireAnswer(answer.status, headers, answer.body)
    # A text is a fault: what is not JSON.
    text = answer.body if isinstance(answer.body, str) else json.dumps(answer.body)
    kind = "text/html" if text.startswith("<") else "application/json"
    return WireAnswer(answer.status, {"content-type": kind} | headers, text.encode())


@cache
def _pattern(path: str) -> re.Pattern[str]:
    return re.compile(re.escape(path).replace(r"\{\}", "([^/]+)"), re.IGNORECASE)


@lru_cache(maxsize=4)  # a clock that stands still is asked often
def _date(now: datetime) -> str:
    return format_datetime(now, usegmt=True)


def _after_workspace(path: str) -> str | None:
    """Return what follows the workspace in a path; None if another one is meant."""
    found = re.search(r"/subscriptions/.*?/workspaces/[^/]+", path, re.IGNORECASE)
    if found is None or found[0].lower() != WORKSPACE.lower():
        return None
    return path[found.end() :].strip("/")


def _is_pipeline(asked: Asked) -> bool:
    if asked.method != "PUT" or "/jobs/" not in asked.path:
        return False
    body: Body | Any = asked.body().get("properties") or {}
    return str(body.get("jobType")).lower() == "pipeline"
