"""The URLs that people paste from the service's help pages: told apart, mended, refused.

Forms and hosts: contract studio-classic §0.1, §1.1, §1.7, §3. Pasted URLs are known to come
with a full stop at the end, blanks, or without `api-version` (§4 traps, §1.1).
"""

import re
from ipaddress import ip_address
from typing import Final
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

_DATA_PLANE: Final = re.compile(r".*/(?:workspaces|subscriptions)/[^/]+/services/[^/]+")
_MANAGEMENT: Final = re.compile(r".*/workspaces/[^/]+/webservices/[^/]+/endpoints/([^/]+)")
_ARM: Final = re.compile(r".*/providers/microsoft\.machinelearning/webservices/.*", re.IGNORECASE)
_API_VERSION: Final = "2.0"
_DEFAULT_PORTS: Final = {"https": ":443", "http": ":80"}
_WHERE: Final = "copy it from the endpoint's API help page"


def jobs_url(text: str) -> str:
    """Return the batch execution URL `…/services/{endpoint id}/jobs?api-version=2.0`.

    Raises:
        ValueError: it is another kind of URL; the message says which and where to look.
    """
    scheme, host, path, query = _split(text)
    if path.endswith("/execute"):
        raise ValueError(
            "this is a request-response (scoring) URL; retraining needs the batch execution "
            f"URL that ends in /jobs: {_WHERE}"
        )
    path = path if path.endswith("/jobs") else f"{path}/jobs"
    if not _DATA_PLANE.fullmatch(path.removesuffix("/jobs")):
        raise ValueError(f"not a batch execution URL (…/services/<endpoint id>/jobs): {_WHERE}")
    return urlunsplit((scheme, host, path, _with_version(query), ""))


def score_url(text: str) -> str:
    """Return the request-response URL `…/services/{endpoint id}/execute?api-version=2.0&…`.

    Raises:
        ValueError: it is another kind of URL.
    """
    scheme, host, path, query = _split(text)
    if path.endswith("/jobs"):
        raise ValueError(
            "this is a batch execution URL; the proof needs the request-response URL that "
            f"ends in /execute: {_WHERE}"
        )
    path = path if path.endswith("/execute") else f"{path}/execute"
    if not _DATA_PLANE.fullmatch(path.removesuffix("/execute")):
        raise ValueError(f"not a scoring URL (…/services/<endpoint id>/execute): {_WHERE}")
    return urlunsplit((scheme, host, path, _with_version(query), ""))


def update_url(text: str) -> str:
    """Return the management URL `…/webservices/{id}/endpoints/{name}` that takes the PATCH.

    Raises:
        ValueError: it is another kind of URL, or names the default endpoint, which follows
            its experiment and cannot be patched (contract studio-classic §3).
    """
    scheme, host, path, _ = _split(text)
    if _ARM.fullmatch(path):
        raise ValueError(
            "this is a New (Resource Manager) web service: `kind: webservice` is not supported yet"
        )
    if path.endswith(("/execute", "/jobs")):
        raise ValueError(
            "this is a scoring or batch execution URL; the PATCH goes to the management URL "
            "…/webservices/<id>/endpoints/<name>: see the Update Resource help page"
        )
    found = _MANAGEMENT.fullmatch(path)
    if found is None:
        raise ValueError(
            "not an update URL (…/workspaces/<ws>/webservices/<id>/endpoints/<name>): "
            "see the Update Resource help page of the scoring endpoint"
        )
    if found[1].lower() == "default":
        raise ValueError(
            "the default endpoint follows its experiment and cannot be updated: "
            "add an endpoint to the predictive web service and name that one"
        )
    return urlunsplit((scheme, host, path, "", ""))  # no query is documented for it


def is_loopback(url: str) -> bool:
    """Whether `url` points at this machine."""
    host = urlsplit(url).hostname or ""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def require_https(url: str, *, development: bool) -> str:
    """Return `url` when it may be called.

    Raises:
        ValueError: plain http, other than loopback in development.
    """
    if urlsplit(url).scheme == "https" or (development and is_loopback(url)):
        return url
    raise ValueError(
        "https is required (plain http only on loopback, "
        "with AZURE_FUNCTIONS_ENVIRONMENT=Development)"
    )


def _split(text: str) -> tuple[str, str, str, str]:
    mended = "".join(text.split()).rstrip(".")
    try:
        parts = urlsplit(mended)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname)
        usable = usable and parts.port != 0
    except ValueError:  # a broken IPv6 host or port
        usable = False
    if not usable:
        raise ValueError("not a URL: it must start with https:// and name a host")
    if parts.username or parts.password:
        raise ValueError("a URL here must not carry a user name or password")
    host = parts.netloc.lower().removesuffix(_DEFAULT_PORTS[parts.scheme])
    return parts.scheme, host, parts.path.rstrip("/").rstrip("."), parts.query.rstrip(".")


def _with_version(query: str) -> str:
    pairs = parse_qsl(query)
    if not any(name.lower() == "api-version" for name, _ in pairs):
        pairs.insert(0, ("api-version", _API_VERSION))
    return urlencode(pairs)
