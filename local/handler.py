"""Speaks HTTP on one connection of a stand-in: reads requests whole, and sends answers whole."""

import uuid
from collections.abc import Callable
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from typing import Any

from local.studio.wire import WireAnswer, WireRequest

_REQUEST_ID = "x-ms-request-id"
_LARGEST_BODY = 64 * 1024 * 1024


class WireHandler(BaseHTTPRequestHandler):
    """The answer is decided elsewhere."""

    protocol_version = "HTTP/1.1"
    sys_version = ""
    disable_nagle_algorithm = True
    wbufsize = -1  # an answer leaves in one piece, when its request has been dealt with

    def answer_with(self, handle: Callable[[WireRequest], WireAnswer]) -> None:
        """Read the request and send what `handle` answers."""
        request = self.read_request()
        if request is not None:
            self.send_answer(handle(request))

    def read_request(self) -> WireRequest | None:
        """Read the body; `None` when that is not possible, and then all is said."""
        text = self.headers.get("Content-Length", "0")
        length = int(text) if text.isdecimal() else -1
        if length < 0 or "Transfer-Encoding" in self.headers:
            self.close_connection = True
            self.send_answer(_plain(HTTPStatus.LENGTH_REQUIRED))
            return None
        if length > _LARGEST_BODY:
            self.close_connection = True
            self.send_answer(_plain(HTTPStatus.REQUEST_ENTITY_TOO_LARGE))
            return None
        body = self.rfile.read(length)
        if len(body) < length:  # the client went away in the middle: nothing may take effect
            self.close_connection = True
            return None
        return WireRequest(self.command, self.path, dict(self.headers.items()), body)

    def send_answer(self, answer: WireAnswer, *, cut: bool = False) -> None:
        """Send an answer; a `cut` one promises more bytes than come."""
        body = answer.body
        self.send_response(answer.status)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        # The real headers carried a request id, by a name that is not documented.
        if not any(name.lower() == _REQUEST_ID for name in answer.headers):
            self.send_header(_REQUEST_ID, uuid.uuid4().hex)
        if answer.status != HTTPStatus.NOT_MODIFIED:
            self.send_header("Content-Length", str(len(body) + cut))
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(body[: len(body) // 2] if cut else body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - http.server's name
        """Say nothing: the control plane keeps the log, without queries."""


def _plain(status: HTTPStatus) -> WireAnswer:
    return WireAnswer(status, {"Content-Type": "text/plain"}, status.phrase.encode())
