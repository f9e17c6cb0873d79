"""Recognises URLs of one endpoint, or of one training service, under different hosts.

Classic's management answers at `management.azureml.net` and, for each region, at
`<region>.management.azureml.net` (studio-classic §0.1); workspaces, services and
subscriptions have ids that are unique over all regions. So the host adds nothing there.
A URL of another host, such as a gateway, keeps its host: whether two of those are one cannot
be known.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final
from urllib.parse import unquote, urlsplit

from shared.core.config.studio_urls import is_loopback, is_web_service

_MANAGEMENT: Final = re.compile(r"(?:[a-z0-9-]+\.)?(management\.azureml\.(?:net|de))")
_DATA_PLANE: Final = re.compile(r"[a-z0-9-]+\.(services\.azureml\.(?:net|de))")
_CLASSIC: Final = re.compile(r"(.*?)(/workspaces/.+)")
_SERVICE: Final = re.compile(r"(.*?)(/(?:workspaces|subscriptions)/.+)")


@dataclass(frozen=True, slots=True)
class Identity:
    """What one thing at a service is known by."""

    where: str  #: the service, however many hosts it has; a host of its own otherwise
    path: str

    @property
    def parent(self) -> str:
        """The path without its last name: the web service of an endpoint."""
        return self.path.rpartition("/")[0]


def endpoint_identity(update: str) -> Identity:
    """Return the identity of an endpoint.

    Case does not count: ids are lower-case hex, endpoint names lower-case letters and digits
    (studio-classic §0.1, §3); Resource Manager ids are compared without case.

    Args:
        update: its update URL.
    """
    if is_web_service(update) and not is_loopback(update):
        return Identity("resource manager", _path(update))
    return _identity(update, _MANAGEMENT, _CLASSIC)


def service_identity(service: str) -> str:
    """Return what a training service is known by.

    Args:
        service: its batch execution URL.
    """
    known = _identity(service, _DATA_PLANE, _SERVICE)
    return f"{known.where}{known.path}"


def unclear(updates: Iterable[tuple[str, str]]) -> Iterator[tuple[str, str]]:
    """Yield pairs of names whose endpoints may be one: the same path, at different hosts.

    Endpoints on this machine are apart by their ports.

    Args:
        updates: the name and the update URL of each endpoint.
    """
    seen: dict[str, tuple[str, str]] = {}
    for name, update in updates:
        if is_loopback(update):
            continue
        known = endpoint_identity(update)
        where, first = seen.setdefault(known.parent, (known.where, name))
        if where != known.where:
            yield first, name


def _identity(url: str, hosts: re.Pattern[str], form: re.Pattern[str]) -> Identity:
    parts, path = urlsplit(url), _path(url)
    host = parts.netloc.lower().removesuffix(":443").rstrip(".")
    known, shaped = hosts.fullmatch(host), form.fullmatch(path)
    above, below = (shaped[1], shaped[2]) if shaped else ("", path)
    if known is not None and shaped is not None and not above:
        return Identity(known[1], below)
    return Identity(f"{parts.scheme}://{host}{above}", below)


def _path(url: str) -> str:
    return re.sub("/+", "/", unquote(urlsplit(url).path)).rstrip("/").lower()
