"""A storage account in memory that answers requests of the SDK, with the real one's errors.

Bodies and codes: Microsoft, "Common REST API error codes", and answers that users reported.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import format_datetime
from io import BytesIO
from typing import Any, Final
from urllib.parse import parse_qs, urlsplit

import requests
from azure.core.pipeline.transport import RequestsTransport
from requests.adapters import BaseAdapter
from requests.structures import CaseInsensitiveDict

#: Code -> status and words, as the storage says them.
REFUSALS: Final = {
    "AuthorizationPermissionMismatch": (
        403,
        "This request is not authorized to perform this operation using this permission.",
    ),
    "AuthorizationFailure": (403, "This request is not authorized to perform this operation."),
    "AuthenticationFailed": (
        403,
        (
            "Server failed to authenticate the request. Make sure the value of Authorization "
            "header is formed correctly including the signature."
        ),
    ),
    "KeyBasedAuthenticationNotPermitted": (
        403,
        "Key based authentication is not permitted on this storage account.",
    ),
    "InvalidAuthenticationInfo": (
        401,
        (
            "Server failed to authenticate the request. Please refer to the information in the "
            "www-authenticate header."
        ),
    ),
    "AccountIsDisabled": (403, "The specified account is disabled."),
    "ContainerNotFound": (404, "The specified container does not exist."),
    "QueueNotFound": (404, "The specified queue does not exist."),
}
_ID: Final = "\nRequestId:310ebc5d-e01f-0030-427f-ea3b81000000\nTime:2026-11-27T12:00:00.0000000Z"
#: What a request asks for, in one word: method, and the operation for those with a query.
Rule = Callable[[str, str], str | Exception | None]


@dataclass
class StorageAnswers(BaseAdapter):
    """Answers each request: with the code of the rule, if there is one, or as an account would."""

    rule: Rule = lambda _what, _path: None
    now: Callable[[], datetime] = lambda: datetime.now(UTC)
    blobs: dict[str, bytes] = field(default_factory=dict)
    sent: list[str] = field(default_factory=list)
    listed: dict[str, datetime] = field(default_factory=dict)  #: path -> when it was written
    echo: str = ""  #: repeated in each refusal

    def __post_init__(self) -> None:
        super().__init__()

    def transport(self) -> RequestsTransport:
        """Return what clients of the SDK send by."""
        session = requests.Session()
        session.mount("https://", self)
        return RequestsTransport(session=session, session_owner=False)

    def close(self) -> None:
        """Nothing is open."""

    def send(self, request: requests.PreparedRequest, *_: Any, **__: Any) -> requests.Response:
        parts = urlsplit(str(request.url))
        query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        what = f"{request.method} {query.get('comp') or query.get('restype') or 'blob'}"
        self.sent.append(f"{what} {parts.path}")
        refused = self.rule(what, parts.path)
        if isinstance(refused, Exception):
            raise refused
        answer = self._refusal(refused) if refused else self._answer(what, parts.path, request)
        return _response(*answer, self.now())

    def _refusal(self, code: str) -> tuple[int, Mapping[str, str], bytes]:
        status, words = REFUSALS[code]
        text = f"<Error><Code>{code}</Code><Message>{words}{self.echo}{_ID}</Message></Error>"
        headers = {"x-ms-error-code": code, "Content-Type": "application/xml"}
        if self.echo:
            headers["x-ms-echo"] = self.echo
        return status, headers, f'<?xml version="1.0" encoding="utf-8"?>{text}'.encode()

    def _answer(
        self, what: str, path: str, request: requests.PreparedRequest
    ) -> tuple[int, Mapping[str, str], bytes]:
        kept = {"ETag": '"0x1"', "Last-Modified": format_datetime(self.now(), usegmt=True)}
        match what:
            case "PUT blob":
                self.blobs[path] = _content(request.body)
                return 201, kept, b""
            case "GET blob" | "HEAD blob" if path in self.blobs:
                content = self.blobs[path]
                size = len(content)
                kept |= {"Content-Length": str(size), "x-ms-blob-type": "BlockBlob"}
                kept |= {"Content-Range": f"bytes 0-{size - 1}/{size}"}
                return 200, kept, content if what.startswith("GET") else b""
            case "DELETE blob":
                return (202, {}, b"") if self.blobs.pop(path, None) is not None else _missing()
            case "GET list":
                return 200, {"Content-Type": "application/xml"}, self._listing(path)
            case "GET container" | "HEAD container":
                return 200, kept, b""
            case "POST userdelegationkey":
                return 200, {"Content-Type": "application/xml"}, _KEY
            case "GET metadata":
                return 200, {"x-ms-approximate-messages-count": "2"}, b""
            case _:
                return _missing()

    def _listing(self, container: str) -> bytes:
        shown = [
            f"<Blob><Name>{path.removeprefix(f'{container}/')}</Name><Properties>"
            f"<Last-Modified>{format_datetime(at, usegmt=True)}</Last-Modified>"
            "<BlobType>BlockBlob</BlobType></Properties></Blob>"
            for path, at in self.listed.items()
            if path.startswith(f"{container}/") and path in self.blobs
        ]
        blobs = f"<Blobs>{''.join(shown)}</Blobs>"
        head = '<?xml version="1.0" encoding="utf-8"?><EnumerationResults ContainerName="c">'
        return f"{head}{blobs}<NextMarker /></EnumerationResults>".encode()


_KEY: Final = (
    b"<UserDelegationKey><SignedOid>o</SignedOid><SignedTid>t</SignedTid>"
    b"<SignedStart>2026-11-27T12:00:00Z</SignedStart><SignedExpiry>2026-11-27T13:00:00Z"
    b"</SignedExpiry><SignedService>b</SignedService><SignedVersion>2024-11-04</SignedVersion>"
    b"<Value>U0VDUkVULVVTRVItREVMRUdBVElPTg==</Value></UserDelegationKey>"
)


def _content(body: Any) -> bytes:
    return body.read() if hasattr(body, "read") else bytes(body or b"")


def _missing() -> tuple[int, Mapping[str, str], bytes]:
    return 404, {"x-ms-error-code": "BlobNotFound"}, b""


def _response(
    status: int, headers: Mapping[str, str], body: bytes, at: datetime
) -> requests.Response:
    made = requests.Response()
    made.status_code, made.reason = status, "said"
    made.headers = CaseInsensitiveDict({"Date": format_datetime(at, usegmt=True), **headers})
    made.raw = BytesIO(body)
    made.raw.enforce_content_length = True  # type: ignore[attr-defined]  # as urllib3's has
    return made
