"""Servers on loopback that close their open connections when they stop, so that a stop is quick."""

import contextlib
import socket
import sys
import threading
from collections.abc import Callable
from socketserver import BaseRequestHandler, ThreadingTCPServer
from typing import Any, Final, Self

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


class LoopbackServer:
    """Answers on 127.0.0.1 in a thread of its own until stopped; a context manager.

    Listening begins when it is made, so `url` is known at once; answering begins with `start`.

    Args:
        port: the port, 0 for a free one.
        handler: serves one connection.
        name: of its threads.

    Raises:
        OSError: the port is not free.
    """

    def __init__(self, port: int, handler: type[BaseRequestHandler], name: str) -> None:
        self.listener = Listener(port, handler)
        self.url = self.listener.url
        self.stopping = threading.Event()
        self._name = name
        self._threads: list[threading.Thread] = []

    def tasks(self) -> list[Callable[[], None]]:
        """Return what its threads do; each ends once `stopping` is set."""
        return [lambda: self.listener.serve_forever(poll_interval=0.02)]

    def start(self) -> None:
        """Begin to answer; called once."""
        self._threads = [threading.Thread(target=one, name=self._name) for one in self.tasks()]
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Stop answering, close every connection and thread."""
        self.stopping.set()
        if self._threads:
            self.listener.shutdown()
        self.listener.close_connections()
        self.listener.server_close()
        for thread in self._threads:
            thread.join()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
