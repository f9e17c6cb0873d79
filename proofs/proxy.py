"""A proxy between the app and a service: it counts calls, and stops at the chosen one.

    with Proxy("127.0.0.1", 10000, on_call=count) as proxy:
        ...  # calls of `proxy.url` reach the target; `count` is called twice for each call

An answer that comes in chunks is passed on in one piece; nothing is stored.
"""

import contextlib
import socket
from collections.abc import Callable, Iterator
from http.client import HTTPConnection, HTTPException, HTTPResponse
from http.server import BaseHTTPRequestHandler
from itertools import count
from typing import Any, Final, Literal

from local.listener import LoopbackServer

_SECONDS: Final = 60.0
#: Headers of one connection (RFC 9110, 7.6.1), and those of a body, which the proxy sets itself.
_HOP: Final = frozenset({"connection", "keep-alive", "transfer-encoding", "content-length"})
_WITHOUT_BODY: Final = frozenset({204, 304})
_FIRST_FINAL: Final = 200

#: "before": not forwarded yet; "after": it took effect, and was not answered yet.
When = Literal["before", "after"]
#: Called for each call that counts, with its number; it may block, or raise `DroppedError`.
OnCall = Callable[[int, str, str, When], None]


class DroppedError(Exception):
    """Raised by a hook: the connection is to be closed without another word."""


def _nothing(number: int, method: str, path: str, when: When) -> None:
    del number, method, path, when


def _every(method: str, path: str) -> bool:
    del method, path
    return True


class Proxy(LoopbackServer):
    """Forwards HTTP/1.1 from a free port of loopback, for as long as the `with` block lasts.

    Args:
        target_host: where calls are forwarded to.
        target_port: its port.
        on_call: the hook; it runs in the thread of the connection, so others continue.
        counts: for which calls the hook is called, by method and path with query; the others
            are forwarded all the same.
    """

    def __init__(
        self,
        target_host: str,
        target_port: int,
        *,
        on_call: OnCall = _nothing,
        counts: Callable[[str, str], bool] = _every,
    ) -> None:
        self._target = (target_host, target_port)
        self._on_call, self._counts = on_call, counts
        self._numbers = count(1)
        super().__init__(0, self._handler(), "proxy")

    def connect(self) -> HTTPConnection:
        """Return a new connection to the target."""
        connection = HTTPConnection(*self._target, timeout=_SECONDS)
        connection.connect()
        connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return connection

    def notifier(self, method: str, path: str) -> Callable[[When], None]:
        """Return a function that calls the hook for one call, which has its number from here on."""
        if not self._counts(method, path):
            return lambda _: None
        number = next(self._numbers)
        return lambda when: self._on_call(number, method, path, when)

    def _handler(self) -> type["_Handler"]:
        class Handler(_Handler):
            proxy = self

        return Handler


class _Handler(BaseHTTPRequestHandler):
    """One connection of a client; each of its calls has one of its own to the target.

    A connection that was kept could be closed by the target in the very moment of the next
    call, which the app would take for a lost answer.
    """

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1  # an answer leaves in one piece
    proxy: Proxy

    def handle(self) -> None:
        """Serve the connection; a side that goes away, or a hook's order, ends it."""
        try:
            super().handle()
        except (DroppedError, OSError, HTTPException):
            self.close_connection = True

    def finish(self) -> None:
        """Close what is left of the connection."""
        with contextlib.suppress(OSError):  # the client may be gone, with bytes on their way
            super().finish()

    def _forward(self) -> None:
        notify = self.proxy.notifier(self.command, self.path)
        body = b"".join(self._body())
        notify("before")
        with contextlib.closing(self.proxy.connect()) as onward:
            answer = self._answer(onward, body)
            content = answer.read()
            notify("after")
            self._pass_on(answer, content)

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = _forward  # noqa: N815 - http.server's names

    def _body(self) -> Iterator[bytes]:
        if "chunked" in self.headers.get("Transfer-Encoding", "").lower():
            while size := int(self.rfile.readline().split(b";")[0], 16):
                yield self._exactly(size)
                self.rfile.readline()
            while self.rfile.readline().strip():
                pass  # trailers say nothing here
        elif length := int(self.headers.get("Content-Length", "0")):
            yield self._exactly(length)

    def _exactly(self, size: int) -> bytes:
        content = self.rfile.read(size)
        if len(content) < size:
            raise ConnectionError("the client went away in the middle of a body")
        return content

    def _answer(self, onward: HTTPConnection, body: bytes) -> HTTPResponse:
        onward.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
        for name, value in self.headers.items():
            if name.lower() not in _HOP | {"expect"}:
                onward.putheader(name, value)
        if body or "Content-Length" in self.headers or "Transfer-Encoding" in self.headers:
            onward.putheader("Content-Length", str(len(body)))
        onward.putheader("Connection", "close")
        onward.endheaders(body or None)
        return onward.getresponse()

    def _pass_on(self, answer: HTTPResponse, content: bytes) -> None:
        self.send_response_only(answer.status, answer.reason)
        for name, value in answer.headers.items():
            if name.lower() not in _HOP:
                self.send_header(name, value)
        if self.command == "HEAD" and (length := answer.headers.get("Content-Length")):
            self.send_header("Content-Length", length)
        elif answer.status not in _WITHOUT_BODY and answer.status >= _FIRST_FINAL:
            self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - http.server's name
        """Log nothing: the hook gets every call that counts."""
