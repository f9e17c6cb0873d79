"""A listener on loopback that can close its connections, so that nothing holds it up."""

import contextlib
import socket
import sys
import threading
from socketserver import BaseRequestHandler, ThreadingTCPServer
from typing import Any, Final

LOOPBACK: Final = "127.0.0.1"


class Listener(ThreadingTCPServer):
    """Knows its open connections, so that idle ones do not keep their threads when it stops.

    It listens as soon as it is made.

    Args:
        port: 0 takes a free one.
        handler: serves one connection.

    Raises:
        OSError: the port is not free.
    """

    allow_reuse_address = True
    request_queue_size = 128

    def __init__(self, port: int, handler: type[BaseRequestHandler]) -> None:
        self._open: set[socket.socket] = set()
        self._open_lock = threading.Lock()
        super().__init__((LOOPBACK, port), handler)
        self.port = int(self.server_address[1])
        self.url = f"http://{LOOPBACK}:{self.port}"

    def process_request(self, request: Any, client_address: Any) -> None:
        """Serve a connection, in a thread of its own."""
        with self._open_lock:
            self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        """Close a connection."""
        with self._open_lock:
            self._open.discard(request)
        super().shutdown_request(request)

    def close_connections(self) -> None:
        """Close open connections, also those on which a thread waits."""
        with self._open_lock:
            connections = tuple(self._open)
        for connection in connections:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of clients that go away; anything else is a bug and is shown."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)
