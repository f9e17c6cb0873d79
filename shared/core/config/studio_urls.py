"""The URLs of Studio's services: recognises, corrects and refuses pasted ones.

Forms and hosts: studio-classic §0.1, §1.1, §1.7, §3. Pasted URLs are known to come
with a full stop at the end, blanks, or without `api-version` (studio-classic §4, §1.1).
"""

import re
from collections.abc import Mapping
from typing import Final
from urllib.parse import parse_qsl, quote, unquote, urlencode, urlsplit, urlunsplit

from shared.core.config.pasted_urls import corrected, other_form, split_url
from shared.core.config.pattern import fill, tokens_of
from shared.core.config.problems import WrongValueError
from shared.core.hosts import is_inner, is_loopback

_DATA_PLANE: Final = re.compile(r"/(?:workspaces|subscriptions)/[^/]+/services/[^/]+")
_MANAGEMENT: Final = re.compile(r"/workspaces/[^/]+/webservices/[^/]+/endpoints/([^/]+)")
_ARM: Final = re.compile(
    r"/subscriptions/[^/]+/resourcegroups/[^/]+/providers/microsoft\.machinelearning"
    r"/webservices/[^/]+",
    re.IGNORECASE,
)
_ARM_VERSIONS: Final = ("2017-01-01", "2016-05-01-preview")
_CLASSIC_NAME: Final = re.compile(r"[a-z0-9]{1,24}")
_API_VERSION: Final = "2.0"
#: The parameters that are documented for such a URL, and the form of their values
#: (studio-classic §1.1, §2).
_PARAMETERS: Final = {
    "api-version": re.compile(r"[0-9][0-9.-]{0,20}(?:-preview)?"),
    "details": re.compile(r"true|false", re.IGNORECASE),
    "format": re.compile(r"[a-z]{1,20}", re.IGNORECASE),
}
#: A parameter that is shown by its name; anything else may be the secret itself.
_SHOWABLE: Final = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{0,30}")
_RESOURCE_MANAGER: Final = "https://management.azure.com"
_WHERE: Final = "copy it from the endpoint's API help page"


def jobs_url(text: str) -> str:
    """Return the batch execution URL `…/services/{endpoint id}/jobs?api-version=2.0`.

    Raises:
        ValueError: it is another kind of URL; the message says which, and where the right one is.
    """
    scheme, host, path, query = split_url(text, tokens=False)
    if path.endswith("/execute"):
        raise WrongValueError(
            "this is a request-response (scoring) URL; retraining needs the batch execution "
            "URL that ends in /jobs",
            _WHERE,
        )
    if "{" in path:
        raise WrongValueError("a {token} cannot choose the training service", "write its URL out")
    given, path = path, path if path.endswith("/jobs") else f"{path}/jobs"
    if not _DATA_PLANE.fullmatch(path.removesuffix("/jobs")):
        wanted = "not a batch execution URL (…/services/<endpoint id>/jobs)"
        raise _refused(host, given, wanted, _WHERE)
    return urlunsplit((scheme, host, path, _with_version(query), ""))


def score_url(text: str) -> str:
    """Return the request-response URL `…/services/{endpoint id}/execute?api-version=2.0&…`.

    Raises:
        ValueError: it is another kind of URL.
    """
    scheme, host, path, query = split_url(text)
    if path.endswith("/jobs"):
        raise WrongValueError(
            "this is a batch execution URL; the verification needs the request-response URL that "
            "ends in /execute",
            _WHERE,
        )
    given, path = path, path if path.endswith("/execute") else f"{path}/execute"
    if not _DATA_PLANE.fullmatch(path.removesuffix("/execute")):
        wanted = "not a scoring URL (…/services/<endpoint id>/execute)"
        raise _refused(host, given, wanted, _WHERE)
    return urlunsplit((scheme, host, path, _with_version(query), ""))


def update_url(text: str) -> str:
    """Return the management URL `…/webservices/{id}/endpoints/{name}` that takes the PATCH.

    Raises:
        ValueError: it is another kind of URL, or names the default endpoint, which follows
            its experiment and cannot be patched (studio-classic §3).
    """
    scheme, host, path, query = split_url(_with_host(text))
    if _ARM.search(path):
        raise WrongValueError(
            "this is a New (Resource Manager) web service", "write `kind: webservice`"
        )
    if path.endswith(("/execute", "/jobs")):
        raise WrongValueError(
            "this is a scoring or batch execution URL; the PATCH goes to the management URL "
            "…/webservices/<id>/endpoints/<name>",
            "see the Update Resource help page",
        )
    found = _MANAGEMENT.fullmatch(path)
    if found is None:
        raise _refused(
            host,
            path,
            "not an update URL (…/workspaces/<ws>/webservices/<id>/endpoints/<name>)",
            "see the Update Resource help page of the scoring endpoint",
        )
    if found[1].lower() == "default":
        raise WrongValueError(
            "the default endpoint follows its experiment and cannot be updated",
            "add an endpoint to the predictive web service and name that one",
        )
    _parameters(query)
    return urlunsplit((scheme, host, path, "", ""))  # no query is documented for it


def web_service_url(text: str) -> str:
    """Return the Resource Manager URL of a New web service, with an api-version it knows.

    Raises:
        ValueError: it is another kind of URL.
    """
    scheme, host, path, query = split_url(_with_host(text))
    if not _ARM.fullmatch(path):
        raise _refused(
            host,
            path,
            "not the Resource Manager URL of a web service (https://management.azure.com"
            "/subscriptions/<id>/resourceGroups/<group>/providers/Microsoft.MachineLearning"
            "/webServices/<name>)",
            "copy the resource id from the portal",
        )
    given = {name.lower(): value for name, value in _parameters(query)}.get("api-version")
    if given is not None and given not in _ARM_VERSIONS:
        raise WrongValueError("its api-version is unknown here", " or ".join(_ARM_VERSIONS))
    version = urlencode({"api-version": given or _ARM_VERSIONS[0]})
    return urlunsplit((scheme, host, path, version, ""))


def _with_host(text: str) -> str:
    """Return a resource id, which the portal shows, as the URL it stands for."""
    plain = corrected(text)
    if _ARM.fullmatch(plain.partition("?")[0].rstrip("/")):
        return f"{_RESOURCE_MANAGER}{plain}"
    return text


def is_web_service(update: str) -> bool:
    """Whether an update URL is that of a New (Resource Manager) web service."""
    return _ARM.fullmatch(urlsplit(update).path.rstrip("/")) is not None


def filled_url(template: str, tokens: Mapping[str, str]) -> str:
    """Return the URL with each `{token}` of its path replaced by its value, percent-encoded.

    Args:
        template: a URL with tokens in its path.
        tokens: token -> its value.

    Raises:
        ValueError: the URL would lead somewhere else than it says, or name an endpoint that
            cannot exist (studio-classic §3: at most 24 lower-case letters and digits).
    """
    scheme, host, path, query, _ = urlsplit(template)
    segments = path.split("/")
    for at, segment in enumerate(segments):
        if not tokens_of(segment):
            continue
        value = fill(segment, tokens)
        classic = segments[at - 1 : at] == ["endpoints"]
        if classic and not _CLASSIC_NAME.fullmatch(value):
            raise WrongValueError(
                f"{value!r} cannot name an endpoint", "at most 24 lower-case letters and digits"
            )
        if value in (".", "..") or any(ord(c) < ord(" ") for c in value):
            raise ValueError(f"{value!r} cannot be part of a URL")
        segments[at] = quote(value, safe="")
    return urlunsplit((scheme, host, "/".join(segments), query, ""))


def require_https(url: str, *, development: bool) -> str:
    """Return `url` when it may be called.

    Args:
        url: the URL.
        development: whether the app runs on a machine for development.

    Raises:
        ValueError: it is plain http or names this machine (allowed for loopback in development),
        it names an address inside a cloud's machine, or it has a user name.
    """
    if development and is_loopback(url):
        return url
    parts = urlsplit(url)
    if parts.scheme != "https":
        raise ValueError(
            "https is required (plain http only on loopback, "
            "with AZURE_FUNCTIONS_ENVIRONMENT=Development)"
        )
    if parts.username or parts.password:
        raise ValueError("a URL here must not carry a user name or password")
    if is_inner(url):
        raise WrongValueError(
            "this address belongs to the machine itself, or to a service of its cloud",
            "name a service",
        )
    return url


def _refused(host: str, path: str, what: str, advice: str) -> WrongValueError:
    """Return the error for a URL of another form than the one wanted.

    Args:
        host: of the URL.
        path: of the URL.
        what: is wrong if the form is not known either.
        advice: of that.
    """
    return other_form(host, path) or WrongValueError(what, advice)


def _parameters(query: str) -> list[tuple[str, str]]:
    """Return the parameters of a query.

    Raises:
        ValueError: one is not documented for such a URL, or is there twice. It is named, and
            its value never shown: it may be a signature.
    """
    pairs = parse_qsl(query, keep_blank_values=True)
    bare = {unquote(part) for part in query.split("&")}  # a name is one where it has no value
    names = [name.lower() for name, _ in pairs]
    for (name, value), known in zip(pairs, names, strict=True):
        form = _PARAMETERS.get(known)
        if form is not None and form.fullmatch(value) and names.count(known) == 1:
            continue
        shown = _SHOWABLE.fullmatch(name) and name not in bare
        raise WrongValueError(
            f"the query parameter {name if shown else 'of this URL'} is not one of "
            f"{', '.join(_PARAMETERS)}, or not in its form",
            "remove it, a key or signature belongs in an app setting",
        )
    return pairs


def _with_version(query: str) -> str:
    pairs = _parameters(query)
    given = {name.lower(): value for name, value in pairs}.get("api-version")
    if given is None:
        pairs.insert(0, ("api-version", _API_VERSION))
    elif given != _API_VERSION:
        raise WrongValueError(
            "its api-version is unknown here", f"write api-version={_API_VERSION}"
        )
    return urlencode(pairs)
