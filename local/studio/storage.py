"""The storage from which the service reads training data, and to which it writes results."""

import ipaddress
import threading
from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Protocol
from urllib.parse import parse_qsl, unquote, urlsplit

import requests
from requests.adapters import HTTPAdapter
from urllib3.util import Retry

_CONNECT_SECONDS = 5.0
_READ_SECONDS = 60.0


class BlobRefusedError(Exception):
    """The storage did not do it: its HTTP status (0 = no answer) and a text without secrets."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(f"{status} {message}")
        self.status = status
        self.message = message


class BlobAccess(Protocol):
    """Read and write one blob by a URL that carries its own authorisation."""

    def read(self, url: str) -> bytes:
        """Give the blob's bytes; raises `BlobRefusedError`."""
        ...

    def write(self, url: str, content: bytes) -> None:
        """Create or overwrite the blob; raises `BlobRefusedError`."""
        ...


class HttpBlobs:
    """Blobs behind the storage REST API, which SAS URLs authorise by themselves.

    Repeats what no answer came to, as storage clients do: the storage closes idle connections.
    Neither proxies nor .netrc of the environment are used: the latter would add a second
    authorisation, which the storage refuses.

    Args:
        trusted: a file of certificates to trust instead of the usual ones.
    """

    def __init__(self, trusted: Path | None = None) -> None:
        self._connections = requests.Session()
        if trusted is not None:
            self._connections.verify = str(trusted)
        self._connections.trust_env = False
        again = HTTPAdapter(max_retries=Retry(3, status=0, allowed_methods={"GET", "PUT"}))
        for scheme in ("http://", "https://"):
            self._connections.mount(scheme, again)

    def read(self, url: str) -> bytes:
        """Get the blob; raises `BlobRefusedError`."""
        return self._send("GET", url).content

    def write(self, url: str, content: bytes) -> None:
        """Put the content as a block blob, over an older one; raises `BlobRefusedError`."""
        self._send("PUT", url, content, {"x-ms-blob-type": "BlockBlob"})

    def close(self) -> None:
        """Close the connections."""
        self._connections.close()

    def _send(
        self,
        method: str,
        url: str,
        content: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> requests.Response:
        try:
            answer = self._connections.request(
                method,
                url,
                data=content,
                headers=headers,
                timeout=(_CONNECT_SECONDS, _READ_SECONDS),
                allow_redirects=False,
            )
        except (requests.RequestException, ValueError) as error:
            # The error's own text would repeat the URL, and with it the SAS.
            raise BlobRefusedError(0, type(error).__name__) from None
        if not 200 <= answer.status_code < 300:  # noqa: PLR2004 - the 2xx range of HTTP
            code = answer.headers.get("x-ms-error-code", answer.reason or "refused")
            raise BlobRefusedError(answer.status_code, code)
        return answer


class MemoryBlobs:
    """Blobs in a dictionary, strict about the SAS they are asked with.

    `contents` is keyed by the URL without its query and with its path percent-decoded, so that
    names can be written as people say them. A URL without a query is let in.
    """

    def __init__(self, clock: Callable[[], datetime]) -> None:
        self.contents: dict[str, bytes] = {}
        self._clock = clock
        self._lock = threading.Lock()

    def read(self, url: str) -> bytes:
        """Give the blob's bytes; raises `BlobRefusedError` for a bad SAS or a blob not there."""
        key = self._admit(url, "r")
        try:
            return self.contents[key]
        except KeyError:
            raise BlobRefusedError(404, "BlobNotFound") from None

    def write(self, url: str, content: bytes) -> None:
        """Keep the bytes; raises `BlobRefusedError` for a bad SAS or one that may only create."""
        with self._lock:
            key = self._admit(url, "w" if blob_key(url) in self.contents else "cw")
            self.contents[key] = content

    def _admit(self, url: str, any_of: str) -> str:
        parts, key = urlsplit(url), blob_key(url)
        if parts.query:
            if parts.scheme != "https" and not is_loopback(parts.hostname or ""):
                raise BlobRefusedError(400, "AccountRequiresHttps")
            self._check_sas(key, dict(parse_qsl(parts.query)), any_of)
        return key

    def _check_sas(self, key: str, sas: Mapping[str, str], any_of: str) -> None:
        del key  # of what, only a storage that signs by itself has to know
        now = self._clock()
        try:
            expiry = datetime.fromisoformat(sas["se"])
            start = datetime.fromisoformat(sas["st"]) if "st" in sas else now
            valid = start <= now < expiry
        except (KeyError, ValueError, TypeError):
            valid = False
        if not valid:
            raise BlobRefusedError(403, "AuthenticationFailed")
        if not set(any_of) & set(sas.get("sp", "")):
            raise BlobRefusedError(403, "AuthorizationPermissionMismatch")


def blob_key(url: str) -> str:
    """Name a blob the same way however its URL was percent-encoded or signed."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}{unquote(parts.path)}"


def is_loopback(host: str) -> bool:
    """Whether a host name means this machine only."""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
