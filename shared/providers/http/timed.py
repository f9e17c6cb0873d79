"""Connections with a time-out for the whole answer, not only for each part of it.

The time-outs of requests are for each wait for bytes: a peer that drips them, in the headers
or in the body, would outlast functionTimeout.
"""

import io
import socket
import time
from http.client import HTTPResponse
from typing import TYPE_CHECKING, Any, Final

from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

#: From the request sent to the last byte of the answer, its headers included; in seconds.
WHOLE_ANSWER: Final = 20.0


class _Bytes(io.RawIOBase):
    """What a socket receives, until the whole answer has had its time."""

    def __init__(self, received: io.RawIOBase, sock: socket.socket, seconds: float) -> None:
        self._received, self._sock = received, sock
        self._until = time.monotonic() + seconds

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: "WriteableBuffer") -> int | None:
        left = self._until - time.monotonic()
        if left <= 0:
            raise TimeoutError
        usual = self._sock.gettimeout()
        self._sock.settimeout(left if usual is None else min(left, usual))
        try:
            return self._received.readinto(buffer)
        finally:
            self._sock.settimeout(usual)  # the connection may serve another call

    def close(self) -> None:
        self._received.close()
        super().close()


class _Response(HTTPResponse):
    """An answer whose every byte comes in time; else it is a read that timed out."""

    seconds: float | None = None  #: None: the usual time

    def __init__(self, sock: socket.socket, *args: Any, **options: Any) -> None:
        super().__init__(sock, *args, **options)
        seconds = WHOLE_ANSWER if self.seconds is None else self.seconds
        self.fp = io.BufferedReader(_Bytes(self.fp.detach(), sock, seconds))


def _pools(seconds: float | None) -> dict[str, type[HTTPConnectionPool]]:
    """Return the pools whose answers may take so long, by scheme."""
    response = type("_TimedResponse", (_Response,), {"seconds": seconds})
    made = {"response_class": response}
    plain = type("_Connection", (HTTPConnection,), made)
    secure = type("_SecureConnection", (HTTPSConnection,), made)
    return {
        "http": type("_Pool", (HTTPConnectionPool,), {"ConnectionCls": plain}),
        "https": type("_SecurePool", (HTTPSConnectionPool,), {"ConnectionCls": secure}),
    }


class TimedHttpAdapter(HTTPAdapter):
    """Has requests use these connections, by the ways that urllib3 documents for it.

    Args:
        seconds: how long a whole answer may take; None: the usual time.
    """

    def __init__(self, seconds: float | None = None) -> None:
        self._seconds = seconds
        super().__init__()

    def init_poolmanager(self, *args: Any, **options: Any) -> None:
        """Make pools of timed connections, for both schemes.

        Args:
            args: as the library passes them.
            options: as the library passes them.
        """
        super().init_poolmanager(*args, **options)
        self.poolmanager.pool_classes_by_scheme = _pools(self._seconds)
