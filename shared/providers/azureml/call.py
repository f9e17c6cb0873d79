"""Calls a workspace, and reads parts of its answers, each of which may be missing or odd.

Resource Manager is called with its token, and the data plane with one of two. Nothing is retried
here, but for the other token on 401 (azure-machine-learning-v2 §1).
"""

import json
from collections.abc import Hashable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Any, Final, TypeVar
from urllib.parse import urlsplit

from shared.core.config.azureml_names import Workspace
from shared.core.config.azureml_parts import ApiVersions
from shared.core.config.studio_urls import require_https
from shared.core.redaction import Redactor
from shared.core.service import service
from shared.errors import OutcomeUnknownError, PermanentError, RelearnError, TransientError
from shared.providers.azureml.errors import TRAINING, sorted_error
from shared.providers.azureml.tokens import Scopes, Tokens
from shared.providers.http.client import Answer, Http

Body = dict[str, Any]
T = TypeVar("T")
#: Pages of a listing that are read at most.
_MOST_PAGES: Final = 50
_EARLIEST: Final = 2015
#: Values that are remembered at most; then all of them are read again.
_MOST_KNOWN: Final = 5_000


@dataclass
class Memory:
    """What a process remembers of workspaces; built once for it, and safe for several threads.

    Only what does not change, or is known to be there: so a start costs no listing each time, and
    advice, such as a new datastore, is seen at once.
    """

    #: Jobs that this process cancelled before they were started: they must not start any more.
    cancelled: set[tuple[str, str]] = field(default_factory=set)
    _values: dict[Hashable, Any] = field(default_factory=dict, repr=False)

    def known(self, key: Hashable, kind: type[T]) -> T | None:
        """Return a value that was read before; None where there is none.

        Args:
            key: what it is of.
            kind: its type.
        """
        found = self._values.get(key)
        return found if isinstance(found, kind) else None

    def keep(self, key: Hashable, value: object) -> None:
        """Remember a value; None is never remembered.

        Args:
            key: what it is of.
            value: the value.
        """
        if value is None:
            return
        if len(self._values) >= _MOST_KNOWN:
            self._values.clear()
        self._values[key] = value

    def forget(self, key: Hashable) -> None:
        """Forget a value, so that it is read again."""
        self._values.pop(key, None)


@service
class AzureMlCall:
    """Calls one workspace by the identity of the app."""

    http: Http
    slow: Http  #: for writes: answers of 20 s were seen (azure-machine-learning-v2 §2.4)
    tokens: Tokens
    scopes: Scopes
    workspace: Workspace
    versions: ApiVersions
    redactor: Redactor = field(default_factory=Redactor)
    development: bool = False  #: whether plain http on loopback may be called
    part: str = TRAINING  #: the part of pipelines.yaml that asks, which advice name

    def clean(self, text: str) -> str:
        """Return a text of the service without secrets; cut it short after that only."""
        return self.redactor.text(text)

    def url(self, path: str, version: str, query: str = "") -> str:
        """Return a URL of Resource Manager below the workspace.

        Args:
            path: below the workspace, without a slash at its beginning; empty: the workspace.
            version: the api-version.
            query: further parameters.
        """
        below = f"{self.workspace.url}/{path}" if path else self.workspace.url
        return f"{below}?api-version={version}{query}"

    def any_answer(self, url: str) -> Answer:
        """Return the answer to a GET of Resource Manager, of any status.

        Raises:
            TransientError: no answer came.
        """
        return self._repeatable("GET", url, None, self._arm())

    def read(self, url: str, what: str) -> Body:
        """Return what a GET of Resource Manager answers.

        Args:
            url: the URL.
            what: the purpose of the request, for messages.

        Raises:
            TransientError: no usable answer now; safe to repeat.
            PermanentError: the service refuses.
        """
        return self.object_in(self.any_answer(url), what)

    def found(self, url: str, what: str) -> Body | None:
        """Return what a GET answers; None for a 404. Raises as `read`.

        Args:
            url: the URL.
            what: the purpose of the request, for messages.
        """
        answer = self.any_answer(url)
        return None if answer.status == HTTPStatus.NOT_FOUND else self.object_in(answer, what)

    def pages(self, url: str, what: str) -> Iterator[Body]:
        """Yield the items of a listing, page by page. Raises as `read`.

        Args:
            url: of the first page.
            what: the purpose of the request, for messages.
        """
        at: str | None = url
        for _ in range(_MOST_PAGES):
            page = self.read(str(at), what)
            yield from items_in(page, what)
            at = page.get("nextLink")
            if not at:
                return
            if host_of(str(at)) != host_of(self.workspace.host):
                raise PermanentError(f"{what}: the next page is said to be on another host")
        raise PermanentError(f"{what}: the list has more than {_MOST_PAGES} pages")

    def write(
        self,
        method: str,
        url: str,
        what: str,
        body: object = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """Return a 2xx answer to a request with an effect.

        Args:
            method: the HTTP method.
            url: the URL.
            what: the purpose of the request, for messages.
            body: sent as JSON; None: there is none.
            headers: further ones.

        Raises:
            TransientError: the effect did not happen.
            OutcomeUnknownError: it may have.
            PermanentError: the service refuses.
        """
        more = {**self._arm(), **(headers or {})}
        answer = self._send(self.slow, method, url, body, more)
        if not answer.ok:
            raise self.sorted(answer, what, write=True)
        return answer

    def ask(self, url: str, what: str, body: object = None) -> Body:
        """Return what a POST of Resource Manager without effect answers. Raises as `read`.

        Args:
            url: the URL.
            what: the purpose of the request, for messages.
            body: sent as JSON; None: there is none.
        """
        return self.object_in(self._repeatable("POST", url, body, self._arm()), what)

    def data_plane(self, method: str, url: str, what: str, body: object = None) -> Body:
        """Return what the workspace's data plane answers to a request without effect.

        Args:
            method: the HTTP method.
            url: the URL, on the host that the workspace names.
            what: the purpose of the request, for messages.
            body: sent as JSON; None: there is none.

        Raises:
            TransientError: no usable answer now; safe to repeat.
            PermanentError: the service refuses.
        """
        answer = self._repeatable(method, url, body, self._arm())
        if answer.status == HTTPStatus.UNAUTHORIZED:
            answer = self._repeatable(method, url, body, self._bearer(self.scopes.ml))
        return self.object_in(answer, what)

    def ml_token(self) -> str | None:
        """Return a token of the data plane; None where no identity has one."""
        try:
            token = self.tokens(self.scopes.ml)
        except TransientError:
            return None
        self.redactor.learn(token)
        return token

    def open_url(self, url: str, what: str) -> Body:
        """Return what a GET without a token answers. Raises as `read`.

        Args:
            url: the URL, as the workspace named it.
            what: the purpose of the request, for messages.
        """
        self.require(url, what)
        return self.object_in(self._repeatable("GET", url, None, {}), what)

    def require(self, url: str, what: str) -> str:
        """Return a URL that an answer named, if it may be called.

        Args:
            url: the URL.
            what: the purpose of the request, for messages.

        Raises:
            PermanentError: a token must not travel there.
        """
        try:
            return require_https(url, development=self.development)
        except ValueError as exc:
            raise PermanentError(f"{what}: the address that the workspace names: {exc}") from None

    def object_in(self, answer: Answer, what: str) -> Body:
        """Return the JSON object in the answer to a request without effect. Raises as `read`.

        Args:
            answer: the answer.
            what: the purpose of the request, for messages.
        """
        if not answer.ok:
            raise self.sorted(answer, what, write=False)
        decoded = answer.json()
        if not isinstance(decoded, dict):
            raise TransientError(f"{what}: the answer holds no JSON object (HTTP {answer.status})")
        return decoded

    def sorted(self, answer: Answer, what: str, *, write: bool) -> RelearnError:
        """Return the error to raise for an answer that is not 2xx.

        Args:
            answer: what came back.
            what: the purpose of the request, for messages.
            write: whether the request could have had an effect.
        """
        return sorted_error(answer, what, self.clean, write=write, part=self.part)

    def _arm(self) -> dict[str, str]:
        return self._bearer(self.scopes.arm)

    def _bearer(self, scope: str) -> dict[str, str]:
        token = self.tokens(scope)
        self.redactor.learn(token)
        return {"Authorization": f"Bearer {token}"}

    def _repeatable(
        self, method: str, url: str, body: object, headers: Mapping[str, str]
    ) -> Answer:
        """Return the answer to a request without effect: no outcome of it is unknown."""
        try:
            return self._send(self.http, method, url, body, headers)
        except OutcomeUnknownError as exc:
            raise TransientError(str(exc)) from exc

    def _send(
        self, http: Http, method: str, url: str, body: object, headers: Mapping[str, str]
    ) -> Answer:
        if method == "GET":
            return http.send(method, url, headers)
        content = b"" if body is None else json.dumps(body).encode()
        return http.send(method, url, {**headers, "Content-Type": "application/json"}, content)


def mapping_of(value: object) -> Mapping[str, Any]:
    """Return a part of an answer that should be a mapping; an empty one where it is none."""
    return value if isinstance(value, Mapping) else {}


def mappings_of(value: object) -> list[Mapping[str, Any]]:
    """Return the mappings in a part of an answer that should be a list of them."""
    return [one for one in value if isinstance(one, Mapping)] if isinstance(value, list) else []


def text_of(value: object) -> str:
    """Return a part of an answer that should be a text; an empty one where it is none."""
    return value if isinstance(value, str) else ""


def moment_of(text: object) -> datetime | None:
    """Return a time in any of the forms of the service; with a zone, or in UTC.

    A time before the service existed stands for none (azure-machine-learning-v2 §5.2).
    """
    given = str(text or "").strip()
    try:
        at = datetime.fromisoformat(given)
    except ValueError:
        try:
            at = parsedate_to_datetime(given)
        except (ValueError, TypeError):
            return None
    if at.year < _EARLIEST:
        return None
    return at if at.tzinfo else at.replace(tzinfo=UTC)


def without_none(body: Body) -> Body:
    """Return a body without the members that are None."""
    return {name: value for name, value in body.items() if value is not None}


def properties_of(resource: Mapping[str, Any]) -> Body:
    """Return the `properties` of a resource; empty where there are none."""
    return dict(mapping_of(resource.get("properties")))


def items_in(page: Mapping[str, Any], what: str) -> list[Body]:
    """Return the items of one page.

    Args:
        page: the page.
        what: the purpose of the request, for messages.

    Raises:
        TransientError: it lists nothing, not even that there is nothing.
    """
    found = page.get("value")
    if not isinstance(found, list):
        raise TransientError(f"{what}: the answer holds no list")
    return [item for item in found if isinstance(item, dict)]


def host_of(url: str) -> str:
    """Return the host of a URL, with its port; empty where the text is not a URL."""
    try:
        return urlsplit(url).netloc.lower()
    except ValueError:  # such as half of an IPv6 address
        return ""
