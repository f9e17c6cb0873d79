"""The `Http` port over the stand-in for Azure ML v2 in memory, for the real provider."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from azure.core.credentials import AccessToken

from local.azureml.answers import NoAnswerError
from local.azureml.places import NoSuchPlaceError
from local.azureml.routes import Routes
from local.azureml.service import AzureMl
from local.identity import make_token
from local.studio.storage import BlobRefusedError
from local.studio.wire import WireRequest
from shared.errors import OutcomeUnknownError, TransientError
from shared.providers.http.client import Answer
from tests.fakes.blobs import ACCOUNT, FakeBlobs

_HOUR = 10**10


class Identity:
    """An identity that has a token for every scope."""

    def get_token(self, *scopes: str, **_: Any) -> AccessToken:
        return AccessToken(make_token(scopes[0].removesuffix("/.default")), _HOUR)


@dataclass
class BlobFiles:
    """The app's own blobs as the files of a workspace: jobs read and write what the app sees."""

    blobs: FakeBlobs
    account: str = "account"
    endpoint: str = "core.windows.net"
    protocol: str = "https"

    def read(self, container: str, path: str) -> bytes:
        try:
            return self.blobs.store.read(f"{ACCOUNT}{container}/{quote(path)}")
        except BlobRefusedError:
            raise NoSuchPlaceError(f"{container}/{path} does not exist") from None

    def write(self, container: str, path: str, content: bytes) -> None:
        self.blobs.put(container, path, content)

    def names(self, container: str, prefix: str) -> list[str]:
        return [one.name for one in self.blobs.listing(container, prefix)]

    def sas(self) -> str:
        return "?sig=made-up"


@dataclass
class AzureMlHttp:
    """Sends requests to a workspace in memory; what fails is up to its `calls`."""

    service: AzureMl
    sent: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._routes = Routes(self.service)

    def send(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes | None = None
    ) -> Answer:
        self.sent.append(f"{method} {url.partition('?')[0]}")
        try:
            got = self._routes.handle(WireRequest(method, url, headers, body or b""))
        except NoAnswerError as exc:
            if method == "GET":
                raise TransientError(str(exc)) from exc
            raise OutcomeUnknownError(str(exc)) from exc
        return Answer(got.status, got.headers, got.body)
