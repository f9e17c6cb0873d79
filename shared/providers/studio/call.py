"""Calls a Studio service with a key or a token: JSON in, an answer or a sorted error out."""

import json
import re
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from azure.core.exceptions import AzureError, ClientAuthenticationError

from shared.core.hosts import is_loopback
from shared.core.redaction import Redactor
from shared.core.service import service
from shared.errors import OutcomeUnknownError, PermanentError, TransientError
from shared.providers.http.client import Answer, Http
from shared.providers.studio.errors import sort_refusal

#: Returns the value of a text with `${NAME}` in it. Raises ConfigError.
Secrets = Callable[[str], str]

#: Where endpoints and web services return their keys (studio-classic §3, §4).
_KEYS: Final = re.compile(
    rb'"(?:primary|secondary)(?:key)?"\s*:\s*"((?:[^"\\]|\\.)*)"', re.IGNORECASE
)
_PUBLIC: Final = "management.azure.com"
#: Resource Manager hosts of the clouds that had the service; others count as the public one.
_CLOUDS: Final = frozenset({_PUBLIC, "management.chinacloudapi.cn", "management.usgovcloudapi.net"})
_ADVICE: Final = (
    "assign a managed identity to the app, or set AZURE_TENANT_ID, AZURE_CLIENT_ID and "
    "AZURE_CLIENT_SECRET; on your own machine sign in with a developer tool"
)


@service
class StudioCall:
    """Calls one service with one key."""

    http: Http
    secrets: Secrets
    api_key: str  #: as `${NAME}`
    redactor: Redactor = field(default_factory=Redactor)  #: knows what was sent
    from_service: bool = False  #: whether a service returned the key

    def with_key(self, key: str) -> "StudioCall":
        """Return the same call with a key that a service returned; every text is redacted."""
        return replace(self, secrets=lambda _: key, api_key="", from_service=True)

    def clean(self, text: str) -> str:
        """Return a text of the service without secrets; cut it short after that only."""
        return self.redactor.text(text)

    def read(self, method: str, url: str, what: str, body: object = None) -> Answer:
        """Return a 2xx answer to a request without effect.

        Args:
            method: the HTTP method.
            url: the URL; it is never logged.
            what: the purpose of the request, for messages.
            body: sent as JSON; None: there is none.

        Raises:
            TransientError: no usable answer now; safe to repeat.
            PermanentError: the service refuses.
        """
        answer = self.any_answer(method, url, body)
        if not answer.ok:
            raise sort_refusal(answer, what, self.clean, write=False)
        return answer

    def write(self, method: str, url: str, what: str, body: object = None) -> Answer:
        """Return a 2xx answer to a request with an effect.

        Args:
            method: the HTTP method.
            url: the URL; it is never logged.
            what: the purpose of the request, for messages.
            body: sent as JSON; None: there is none.

        Raises:
            TransientError: the effect did not happen.
            OutcomeUnknownError: it may have.
            PermanentError: the service refuses.
        """
        answer = self._send(method, url, body)
        if not answer.ok:
            raise sort_refusal(answer, what, self.clean, write=True)
        return answer

    def any_answer(self, method: str, url: str, body: object = None) -> Answer:
        """Return the answer to a request without effect, of any status.

        Args:
            method: the HTTP method.
            url: the URL; it is never logged.
            body: sent as JSON; None: there is none.

        Raises:
            TransientError: no answer came.
        """
        try:
            return self._send(method, url, body)
        except OutcomeUnknownError as exc:
            raise TransientError(str(exc)) from exc

    def _send(self, method: str, url: str, body: object) -> Answer:
        key = self.secrets(self.api_key)
        (self.redactor.learn_from_service if self.from_service else self.redactor.learn)(key)
        headers: Mapping[str, str] = {"Authorization": f"Bearer {key}"}
        if method in ("GET", "DELETE"):
            return self._learned(self.http.send(method, url, headers))
        content = b"" if body is None else json.dumps(body).encode()
        headers = {**headers, "Content-Type": "application/json"}
        return self._learned(self.http.send(method, url, headers, content))

    def _learned(self, answer: Answer) -> Answer:
        """Redact every key of an answer from now on: the service may repeat it anywhere."""
        from_service = _KEYS.findall(answer.body) if answer.ok else []
        self.redactor.learn_from_service(*(_unescaped(key) for key in from_service))
        return answer


def _unescaped(key: bytes) -> str:
    text = key.decode("utf-8", "replace")
    try:
        return str(json.loads(f'"{text}"'))
    except ValueError:
        return text


if TYPE_CHECKING:
    from azure.core.credentials import TokenCredential


@dataclass
class ArmToken:
    """Gets tokens; built once for a process. The credential keeps and renews them itself.

    Safe to call from several threads, and again and again.
    """

    credential: "TokenCredential | None" = None  #: None: azure-identity's default, on first use
    hosts: frozenset[str] = _CLOUDS  #: where a token may travel, besides this machine
    _building: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def __call__(self, url: str) -> str:
        """Return a token for the Resource Manager at `url`.

        Raises:
            TransientError: no identity gives one now; its message says what to do.
            PermanentError: that is not a Resource Manager: a token must not travel there.
        """
        host = urlsplit(url).hostname or ""
        if host not in self.hosts and not is_loopback(url):
            raise PermanentError(
                f"{host} is not a Resource Manager host, such as {_PUBLIC}: correct `update`"
            )
        scope = f"https://{host if host in _CLOUDS else _PUBLIC}/.default"
        try:
            return str(self._credential().get_token(scope).token)
        except ClientAuthenticationError:
            # Its text lists everything that was tried, over many lines.
            raise TransientError(
                f"no identity may sign in to Resource Manager: {_ADVICE}"
            ) from None
        except (AzureError, ValueError) as exc:  # settings or answers that make no sense to it
            kind = type(exc).__name__
            raise TransientError(f"no token for Resource Manager now ({kind}): {_ADVICE}") from None

    def _credential(self) -> "TokenCredential":
        with self._building:
            if self.credential is None:
                # Only where a New service is updated; the blob binding is free to leave it out.
                from azure.identity import DefaultAzureCredential  # noqa: PLC0415

                self.credential = DefaultAzureCredential()
            return self.credential
