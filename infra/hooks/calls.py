"""HTTP calls with retries for the hooks, which have only the standard library."""

import email.utils
import json
import ssl
import urllib.error
import urllib.request
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.message import Message
from http.client import HTTPException
from typing import IO, Any, Final
from urllib.parse import urlsplit

from console import Console, HookError, without_keys

LOOPBACK: Final = ("127.0.0.1", "::1", "localhost")
OK: Final = 200
ACCEPTED: Final = (200, 201, 202, 204)
NOT_FOUND: Final = 404
FORBIDDEN: Final = 403
UNAUTHORIZED: Final = 401
UNAVAILABLE: Final = 503
#: Answers of a service that could not do it now.
PASSING: Final = (408, 429, 500, 502, 503, 504)

_TRIES: Final = 6
_SECONDS: Final = 60.0
_LONGEST_WAIT: Final = 120.0
_LONGEST_TEXT: Final = 300
_LONGEST_CODE: Final = 60


class UnreachableError(HookError):
    """A service did not answer at all."""


@dataclass(frozen=True)
class Answer:
    """An answer of a service."""

    status: int
    headers: Mapping[str, str]  #: names in lower case
    body: bytes = field(repr=False)

    def json(self) -> dict[str, Any]:
        """Return the JSON object of the body; an empty one if it is something else."""
        try:
            found = json.loads(self.body)
        except ValueError:
            return {}
        return found if isinstance(found, dict) else {}

    @property
    def error_code(self) -> str:
        """The service's own word for the error: of Resource Manager, or of storage."""
        error = self.json().get("error", self.json())
        code = error.get("code", error.get("Code")) if isinstance(error, dict) else None
        return str(code or self.headers.get("x-ms-error-code", ""))

    @property
    def error(self) -> str:
        """The text about a refusal, for a message; it is redacted, as every line is."""
        error = self.json().get("error", self.json())
        text = error.get("message", error.get("Message", "")) if isinstance(error, dict) else ""
        said = without_keys(" ".join(str(text).split()))
        said = said if len(said) <= _LONGEST_TEXT else said[:_LONGEST_TEXT] + " …"
        code = without_keys(self.error_code[:_LONGEST_CODE])
        return f"HTTP {self.status} {code}".strip() + (f": {said}" if said else "")

    @property
    def date(self) -> datetime | None:
        """The time of the service."""
        return _date_of(self.headers.get("date", ""))


@dataclass(frozen=True)
class Caller:
    """Sends requests, and repeats those that failed in passing."""

    console: Console

    def send(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str],
        body: bytes | None = None,
        *,
        again: Collection[int] = PASSING,
        tries: int = _TRIES,
    ) -> Answer:
        """Return the answer; every request of the hooks may be sent twice.

        Args:
            method: of HTTP.
            url: it is https, or on this machine.
            headers: more of them.
            body: None for none.
            again: which statuses are asked again.
            tries: how often at most.

        Raises:
            HookError: the address is not https.
            UnreachableError: nothing answered.
        """
        host = required_https(url)
        count = 0
        while True:
            count += 1
            try:
                answer = self._once(method, url, headers, body)
            except (OSError, HTTPException) as error:
                said = self.console.secrets.redact(f"{type(error).__name__}: {error}")
                if count == tries or _is_final(error):
                    raise UnreachableError(
                        f"{host} did not answer: {said}", _advice(error)
                    ) from None
                wait, why = 2.0**count, said
            else:
                if answer.status not in again or count == tries:
                    return answer
                wait, why = _wait_of(answer, 2.0**count), answer.error
            self.console.detail(f"{host}: {why}; trying again in {wait:.0f} s")
            self.console.clock.sleep(wait)

    @staticmethod
    def _once(method: str, url: str, headers: Mapping[str, str], body: bytes | None) -> Answer:
        request = urllib.request.Request(url, data=body, method=method)
        for name, value in headers.items():
            request.add_unredirected_header(name, value)
        handlers: list[urllib.request.BaseHandler] = [_NoRedirects()]
        if urlsplit(url).hostname in LOOPBACK:
            handlers.append(urllib.request.ProxyHandler({}))
        opener = urllib.request.build_opener(*handlers)
        try:
            with opener.open(request, timeout=_SECONDS) as got:
                return Answer(got.status, _lowered(got.headers), got.read())
        except urllib.error.HTTPError as refused:
            with refused:
                return Answer(refused.code, _lowered(refused.headers), refused.read())


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """A redirect is an answer: a token or a key must not follow it to another host."""

    def redirect_request(  # noqa: PLR0917 - as urllib has it
        self,
        req: urllib.request.Request,
        fp: IO[bytes],
        code: int,
        msg: str,
        headers: Message,
        newurl: str,
    ) -> None:
        """Follow none."""


def required_https(url: str) -> str:
    """Return the host of an address that may get a token: https, or on this machine.

    Raises:
        HookError: it is another address.
    """
    parts = urlsplit(url)
    if not parts.hostname or (parts.scheme != "https" and parts.hostname not in LOOPBACK):
        shown = f"{parts.scheme}://{parts.hostname or ''}{parts.path}"
        raise HookError(f"{shown} is not an https address", "use one that begins with https://")
    return parts.hostname


def base_of(host: str) -> str:
    """Return the address of a host; plain http for one on this machine."""
    name = urlsplit(f"//{host}").hostname
    return f"{'http' if name in LOOPBACK else 'https'}://{host}"


def _lowered(headers: Message) -> dict[str, str]:
    return {name.lower(): value for name, value in headers.items()}


def _date_of(text: str) -> datetime | None:
    try:
        return email.utils.parsedate_to_datetime(text).astimezone(UTC)
    except ValueError:
        return None


def _wait_of(answer: Answer, default: float) -> float:
    """Return how long the service asks to wait: seconds, or a date by its own clock."""
    asked = answer.headers.get("retry-after", "")
    if asked.isdecimal():
        return min(float(asked), _LONGEST_WAIT)
    until, now = _date_of(asked), answer.date
    if until is None or now is None:
        return default
    return min(max((until - now).total_seconds(), 1.0), _LONGEST_WAIT)


def _is_final(error: Exception) -> bool:
    return isinstance(getattr(error, "reason", error), ssl.SSLCertVerificationError)


def _advice(error: Exception) -> str:
    if _is_final(error):
        return (
            "this Python does not trust the certificate: set SSL_CERT_FILE to the certificates of"
            " your company's proxy (on macOS run `Install Certificates.command` of this Python)"
        )
    return "check the name and the network (proxy, firewall, private endpoint), then repeat"
