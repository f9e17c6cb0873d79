"""Calls an HTTP service: classified failures, bounded answers, and a time-out for the whole.

The time-outs of requests are for each wait for bytes: a peer that drips them, in the headers
or in the body, would outlast functionTimeout.

Nothing is retried here: the ledger remembers that a step has not worked, and the timer
repeats it. Redirects are not followed, so that a key never travels to another host.
"""

import io
import json
import socket
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from http.client import HTTPResponse
from typing import TYPE_CHECKING, Any, Final, Protocol

import requests
from requests import exceptions as failed
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import (
    ConnectTimeoutError,
    MaxRetryError,
    NameResolutionError,
    NewConnectionError,
    SSLError,
)

from shared import tracing
from shared.errors import OutcomeUnknownError, PermanentError, RelearnError, TransientError

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

#: From the request sent to the last byte of the answer, its headers included; in seconds.
WHOLE_ANSWER: Final = 20.0
#: Connecting and each wait for bytes, in seconds. One step makes three calls at most, so that
#: its time-outs stay under `Limits.longest_step`, far from functionTimeout (design rule 4).
TIMEOUTS: Final = (5.0, 20.0)
#: What a service that is slow by nature may take for an answer, in seconds.
_LONGEST_ANSWER: Final = 60.0
_LONGEST_WAIT: Final = timedelta(days=1)
_MOST_BYTES: Final = 4 * 1024 * 1024
#: Raised for a request that was never put together: the same call can never work.
_OUR_FAULT: Final = (
    failed.URLRequired,
    failed.MissingSchema,
    failed.InvalidSchema,
    failed.InvalidURL,
    failed.InvalidHeader,
    failed.UnrewindableBodyError,
)


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


@dataclass(frozen=True, slots=True)
class Answer:
    """A complete answer."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def ok(self) -> bool:
        """Whether the service says that it worked. Exact codes are often unknown.

        See studio-classic §1.1.
        """
        return 200 <= self.status < 300  # noqa: PLR2004 -- the class of success codes

    def json(self) -> object:
        """Return the decoded body, or None when it is not JSON."""
        try:
            decoded: object = json.loads(self.body.decode("utf-8-sig"))
        except (ValueError, RecursionError):
            return None
        return decoded

    def text(self) -> str:
        """Return the body as one line of text; redact it before cutting it short."""
        return " ".join(self.body.decode("utf-8", "replace").split())

    def retry_after(self, now: datetime) -> timedelta | None:
        """Return how long the service asks us to wait, in either form of the header."""
        given = next((v for k, v in self.headers.items() if k.lower() == "retry-after"), "")
        if given.strip().isdecimal():
            return min(timedelta(seconds=int(given[:9])), _LONGEST_WAIT)
        try:
            at = parsedate_to_datetime(given)
        except (ValueError, OverflowError, TypeError):
            return None
        at = at if at.tzinfo else at.replace(tzinfo=UTC)
        return min(max(at - now, timedelta()), _LONGEST_WAIT)


class Http(Protocol):
    """Sends one request."""

    def send(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes | None = None
    ) -> Answer:
        """Return the whole answer, of any status.

        Args:
            method: the HTTP method.
            url: the URL; it is never logged.
            headers: the headers.
            body: the body; None: there is none.

        Raises:
            TransientError: the request never reached the service.
            OutcomeUnknownError: it may have reached the service.
            PermanentError: it cannot be sent.
        """
        ...


class RequestsHttp:
    """`Http` over requests, one pool of connections for the process.

    Args:
        seconds: how long a service may take for an answer, where that is longer than usual.
    """

    def __init__(self, seconds: float | None = None) -> None:
        self._seconds = seconds
        self._connections = requests.Session()
        # Settings name every service and key; a .netrc or proxy variable must not add others.
        self._connections.trust_env = False
        for scheme in ("http://", "https://"):
            self._connections.mount(scheme, TimedHttpAdapter(seconds))

    def send(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes | None = None
    ) -> Answer:
        """Send one request and read its answer, at most 4 MiB of it.

        Args:
            method: the HTTP method.
            url: the URL; it is never logged.
            headers: the headers.
            body: the body; None: there is none.

        Returns:
            The whole answer, of any status.

        Raises:
            TransientError: the request never reached the service.
            OutcomeUnknownError: it may have reached the service.
            PermanentError: it cannot be sent.
        """
        with tracing.call(method, url) as span:
            answer = self._send(method, url, headers, body)
            span.answered(answer.status)
        return answer

    def _send(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes | None
    ) -> Answer:
        timeouts = TIMEOUTS if self._seconds is None else (TIMEOUTS[0], self._seconds)
        try:
            with self._connections.request(
                method,
                url,
                headers=dict(headers),
                data=body,
                timeout=timeouts,
                allow_redirects=False,
                stream=True,
            ) as got:
                content = bytearray()
                for chunk in got.iter_content(64 * 1024):
                    content += chunk
                    if len(content) > _MOST_BYTES:
                        raise OutcomeUnknownError(f"{method}: the answer is longer than 4 MiB")
                return Answer(got.status_code, dict(got.headers), bytes(content))
        except requests.RequestException as exc:
            raise classify(exc, method) from None  # the text may hold a signed URL
        except UnicodeError:
            raise PermanentError(f"{method}: a key holds characters no header can hold") from None

    def close(self) -> None:
        """Close the connections."""
        self._connections.close()


def patient(http: Http) -> Http:
    """Return a client that waits longer for an answer to a write; itself where it is another one.

    Answers of 20 s were seen (azure-machine-learning-v2 §2.4).
    """
    return RequestsHttp(_LONGEST_ANSWER) if isinstance(http, RequestsHttp) else http


def classify(exc: requests.RequestException, method: str) -> RelearnError:
    """Return the error for a failed transport, by the known state of the request (design rule 7).

    Only a failure that is known to come before the request is transient. The message names
    the kind of failure and nothing of the URL, which may be signed.

    Args:
        exc: what the library raised.
        method: the HTTP method.
    """
    kind = type(exc).__name__
    if isinstance(exc, _OUR_FAULT):
        return PermanentError(f"{method}: the request cannot be sent ({kind})")
    reason = exc.args[0] if exc.args else None
    reason = reason.reason if isinstance(reason, MaxRetryError) else reason
    if isinstance(reason, SSLError) and "CERTIFICATE_VERIFY_FAILED" in str(reason):
        return PermanentError(f"{method}: the service's certificate is not trusted")
    if isinstance(reason, NameResolutionError):
        return TransientError(f"{method}: no host is known by the name of the service")
    if isinstance(exc, failed.ConnectTimeout) or isinstance(
        reason, NewConnectionError | ConnectTimeoutError
    ):
        return TransientError(f"{method}: the service cannot be reached ({kind})")
    return OutcomeUnknownError(f"{method}: the answer was lost ({kind})")
