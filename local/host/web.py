"""The HTTP server: the app's routes, Event Grid's webhook, and the administration routes."""

import json
import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, Protocol

from werkzeug.exceptions import HTTPException, MethodNotAllowed, NotFound
from werkzeug.routing import Map, Rule
from werkzeug.serving import BaseWSGIServer, WSGIRequestHandler, make_server
from werkzeug.wrappers import Request, Response

from local.host.events import MalformedEventError, blob_of, read_events, validation_code
from local.host.messages import Ending, HttpCall, IndexedFunction, JsonObject, Outcome
from local.host.receipts import BlobVersion
from local.host.routes import CONVERTERS, rules_for
from local.host.triggers import HttpTrigger

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

LARGEST_BODY: Final = 100 * 1024 * 1024
_FUNCTION_ID: Final = "Host.Functions."
# A host that kills the worker answers for the function; others in flight had their gateway fail.
_STATUS: Final = {Ending.FAILED: 500, Ending.TIMED_OUT: 500, Ending.LOST: 502}

_log = logging.getLogger(__name__)


class Duties(Protocol):
    """The actions of the host that HTTP requests ask for."""

    @property
    def functions(self) -> Sequence[IndexedFunction]:
        """Return what the worker indexed."""

    def call(self, function: str, data: HttpCall) -> Outcome:
        """Run an HTTP function to its end."""

    def announce(self, function: str, blob: BlobVersion) -> None:
        """Queue a blob for a blob function."""

    def fire(self, function: str) -> None:
        """Start a run of a timer function."""

    def disabled(self, function: str) -> bool:
        """Whether a setting keeps the trigger of a function from being served."""

    def status(self) -> JsonObject:
        """Return what `GET /admin/host/status` answers."""


class Web:
    """A WSGI application over one host's duties. Keys are not asked for.

    Args:
        triggers: the HTTP functions.
        prefix: of their routes, without slashes.
        duties: what to do.

    Raises:
        RefusedError: a route template cannot be read.
    """

    def __init__(self, triggers: Iterable[HttpTrigger], prefix: str, duties: Duties) -> None:
        self._duties = duties
        own: list[tuple[str, str, Callable[..., Response]]] = [
            ("POST", "/runtime/webhooks/blobs", self._event),
            ("OPTIONS", "/runtime/webhooks/blobs", self._handshake),
            ("GET", "/admin/functions", self._list),
            ("POST", "/admin/functions/<name>", self._start),
            ("GET", "/admin/host/status", self._status),
        ]
        rules = [Rule(path, endpoint=todo, methods=[method]) for method, path, todo in own]
        for trigger in triggers:
            template = f"{prefix}/{trigger.route}".strip("/")
            rules += rules_for(template, _Endpoint(self, trigger.function), trigger.methods or None)
        self._map = Map(rules, converters=CONVERTERS, strict_slashes=False, merge_slashes=False)

    def __call__(
        self, environ: "WSGIEnvironment", start_response: "StartResponse"
    ) -> Iterable[bytes]:
        """Answer one request, as WSGI has it."""
        request = _Request(environ)
        try:
            endpoint, params = self._map.bind_to_environ(environ).match()
            response: Response = endpoint(request, **params)
        except (NotFound, MethodNotAllowed):  # the real host answers 404 to a wrong method, too
            response = Response(status=404)
        except HTTPException as error:
            response = Response(error.description or "", status=error.code)
        return response(environ, start_response)

    def run(self, function: str, request: Request, params: Mapping[str, Any]) -> Response:
        """Answer a request with the answer of an HTTP function."""
        call = HttpCall(
            method=request.method,
            url=request.url,
            headers=dict(request.headers.items()),
            # A name given twice arrives joined, as in the real host.
            query={name: ",".join(values) for name, values in request.args.lists()},
            params={name: str(value) for name, value in params.items()},
            body=request.get_data(),
        )
        outcome = self._duties.call(function, call)
        if not outcome.ok or outcome.answer is None:
            return Response(status=_STATUS.get(outcome.ending, 500))
        answer = outcome.answer
        return Response(answer.body, status=answer.status, headers=list(answer.headers))

    def _event(self, request: Request) -> Response:
        name = request.args.get("functionName", "").removeprefix(_FUNCTION_ID)
        if self._kind(name) != "blobTrigger":
            return Response(status=404)
        try:
            events = read_events(request.get_data())
            code = validation_code(events)
            if code is not None:
                return _json({"validationResponse": code})
            blobs = [blob_of(event) for event in events]
        except MalformedEventError as error:
            return Response(str(error), status=400)
        for blob in blobs:
            self._duties.announce(name, blob)
        return Response(status=202)

    def _handshake(self, request: Request) -> Response:
        # CloudEvents asks before it delivers: HTTP webhook specification, section 4.
        origin = request.headers.get("WebHook-Request-Origin", "*")
        return Response(headers={"WebHook-Allowed-Origin": origin})

    def _list(self, _: Request) -> Response:
        return _json([_described(function) for function in self._duties.functions])

    def _status(self, _: Request) -> Response:
        return _json(self._duties.status())

    def _start(self, request: Request, name: str) -> Response:
        try:
            given = json.loads(request.get_data() or b"{}")
            text = given.get("input") or ""
        except (ValueError, AttributeError):
            return Response('expected {"input": ""}', status=400)
        container, _, blob = str(text).strip("/").partition("/")
        match self._kind(name):
            case None:
                return Response(status=404)
            case "blobTrigger" if blob:
                self._duties.announce(name, BlobVersion(container, blob, etag=""))
            case "timerTrigger" if not text:
                self._duties.fire(name)
            case _:
                return Response("a timer takes no input, a blob function a path", status=400)
        return Response(status=202)

    def _kind(self, name: str) -> str | None:
        kinds = {function.name: function.trigger["type"] for function in self._duties.functions}
        return None if self._duties.disabled(name) else kinds.get(name)


class _Request(Request):
    max_content_length = LARGEST_BODY


class _Endpoint:
    def __init__(self, web: Web, function: str) -> None:
        self._web, self._function = web, function

    def __call__(self, request: Request, **params: Any) -> Response:
        return self._web.run(self._function, request, params)


class _QuietHandler(WSGIRequestHandler):
    def log(self, type: str, message: str, *args: Any) -> None:  # noqa: A002 - the library's name
        """Leave the access log to the line about each invocation; keep the rest for debugging."""
        _log.debug("%s: %s", type, message % args)


def serve(app: Web, port: int) -> BaseWSGIServer:
    """Bind to loopback and return the server, which is not serving yet.

    Raises:
        SystemExit: the port is taken (the library says so and ends the program).
    """
    return make_server("127.0.0.1", port, app, threaded=True, request_handler=_QuietHandler)


def _described(function: IndexedFunction) -> JsonObject:
    level = function.trigger.get("authLevel")
    return {
        "name": function.name,
        "trigger": function.trigger["type"],
        "authLevel": str(level).lower() if level else None,
        "bindings": list(function.bindings),
    }


def _json(content: object) -> Response:
    return Response(json.dumps(content), content_type="application/json")
