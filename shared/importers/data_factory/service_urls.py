"""The URLs of a linked service of type AzureML, made into those that a pipelines file takes.

Which forms and mistakes occur: data-factory §1, §2.1. A placeholder becomes an id of the example
files, which `relearn validate` names; so the pipeline is complete but for that id.
"""

import hashlib
import re
from dataclasses import dataclass
from typing import Final
from urllib.parse import parse_qsl

from shared.core.config.problems import WrongValueError
from shared.core.config.setting_references import not_filled_in
from shared.core.config.studio_urls import jobs_url, require_https, update_url, web_service_url
from shared.core.hosts import is_loopback

CLASSIC: Final = "classic"
WEB_SERVICE: Final = "webservice"
_REGION: Final = "ussouthcentral"
_GROUP: Final = "/resourceGroups/example/providers/Microsoft.MachineLearning/webServices/"
_SERVICE: Final = re.compile(
    r"(/(?:workspaces|subscriptions)/[^/?#]+/services/[^/?#]+)(.*)", re.DOTALL
)
_HOST: Final = re.compile(r"(https?://)([^/?#]*)(.*)", re.IGNORECASE | re.DOTALL)
#: A text that has no value before a run or a deployment.
_LATER: Final = re.compile(r"\s*(?:\[(?!\[).*\]|<[^<>]*>|@(?!@).*|.*@\{.*|[*•]{3,})\s*", re.DOTALL)
#: A segment that stands for one of the user's own, as documentation and templates write it.
_STANDS_FOR: Final = re.compile(r"<[^<>]*>|\{[^{}]*\}|.*\s.*|--.*--|\[[^\]]*\]|[*•]{2,}", re.DOTALL)
_WITH_AN_ID: Final = ("workspaces", "services", "webservices")
_KNOWN_QUERY: Final = {"api-version": ("2.0",), "details": ("true", "false")}
_PLACEHOLDERS: Final = "it holds placeholders, and example ids stand in their place"
_FILL: Final = "write your own ids, or the whole URL"


@dataclass(frozen=True, slots=True)
class ServiceUrl:
    """A URL of a definition, as the pipelines file takes it."""

    url: str  #: empty where it is none
    kind: str = ""  #: of an update URL: `classic` or `webservice`
    differs: str = ""  #: what was changed, or why there is none; empty where it is as it was
    to_do: str = ""

    @property
    def is_example(self) -> bool:
        """Whether it stands in place of one that is to be written."""
        return bool(self.url and self.to_do)


def read_jobs_url(text: str, owner: str) -> ServiceUrl:
    """Return the batch execution URL that `mlEndpoint` means.

    Args:
        text: as it is written.
        owner: the linked service, from which ids are made where the file has no URL.
    """
    if not text.strip() or _has_no_host(text):
        return _example_jobs_url(text, owner)
    plain, differs = _filled(text)
    found = _HOST.fullmatch(plain)
    service = _SERVICE.match(found[3]) if found else None
    if found and service:
        plain = f"{found[1]}{found[2]}{service[1]}/jobs"
        behind, _, query = service[2].partition("?")
        behind = behind.strip("/. ")
        if behind.lower() == "execute":
            differs.append("the request-response URL is given; jobs go to /jobs of that endpoint")
        elif behind.lower() not in ("", "jobs"):
            differs.append(f"what follows the endpoint's id ({behind[:40]}) is left out")
        if not _is_usual(query):
            differs.append("its query is left out")
    try:
        url = require_https(jobs_url(plain), development=True)
    except ValueError as exc:
        what, advice = _told(exc)
        to_do = f"give the batch execution URL, which ends in /jobs, and import again: {advice}"
        return ServiceUrl("", differs=f"mlEndpoint: {what}", to_do=to_do.removesuffix(": "))
    return ServiceUrl(url, "", "; ".join(differs), _to_do(differs))


def read_update_url(text: str, owner: str, *, principal: bool) -> ServiceUrl:
    """Return the URL of the updated service, and its kind, that `updateResourceEndpoint` means.

    Args:
        text: as it is written.
        owner: the linked service, from which ids are made where the file has no URL.
        principal: whether it has a service principal, as New services need one.
    """
    if _has_no_host(text):
        return _example_update_url(text, owner, principal=principal)
    plain, differs = _filled(text)
    address, _, query = plain.partition("?")
    for kind, check, given in (
        (WEB_SERVICE, web_service_url, plain.rstrip(".")),
        (WEB_SERVICE, web_service_url, address.rstrip("/.")),
        (CLASSIC, update_url, address.rstrip("/.")),
    ):
        try:
            url = require_https(check(given), development=True)
        except ValueError as exc:
            refused = exc
            continue
        if kind == WEB_SERVICE and query and "?" not in given:
            differs.append("its api-version is unknown here, and another one is used")
        return ServiceUrl(url, kind, "; ".join(differs), _to_do(differs))
    what, advice = _told(refused)
    return ServiceUrl("", differs=f"updateResourceEndpoint: {what}", to_do=advice)


def _has_no_host(text: str) -> bool:
    """Whether a text, or the host of a URL, is a placeholder or has no value yet."""
    url = _HOST.fullmatch(text.strip())
    return bool(_LATER.fullmatch(text) or (url and _STANDS_FOR.fullmatch(url[2])))


def _filled(text: str) -> tuple[str, list[str]]:
    """Return a URL without blanks and placeholders, and what was changed in it."""
    plain = re.sub(r"[\t\r\n]", "", text.strip()).replace("&amp;", "&").rstrip(". ")
    differs = []
    if re.search(r"\s", text.strip()) and not re.search(r"\s", plain):
        differs.append("a tab or a line break within it is left out")
    found = _HOST.fullmatch(plain)
    if found is None:
        return plain, differs
    scheme, host, rest = found[1].lower(), found[2], found[3]
    if scheme == "http://" and not is_loopback(plain):
        scheme = "https://"
        differs.append("https is used")
    first, _, others = host.partition(".")
    if _stands_for(first):
        host = f"{_REGION}.{others}"
        differs.append(f"the region {_REGION} stands in place of a placeholder")
    path, mark, query = rest.partition("?")
    segments = path.split("/")
    filled = [_segment(segments, at) for at in range(len(segments))]
    if filled != segments:
        differs.append(_PLACEHOLDERS)
    return f"{scheme}{host}{'/'.join(filled)}{mark}{query}", differs


def _stands_for(segment: str) -> bool:
    stands = _STANDS_FOR.fullmatch(segment) or re.search(r"<[^<>]*>|\{[^{}]*\}", segment)
    return bool(segment) and (stands is not None or not_filled_in(segment) is not None)


def _segment(segments: list[str], at: int) -> str:
    """Return a segment of a path, or what stands in its place where it is a placeholder."""
    segment = segments[at].strip()
    if not _stands_for(segment):
        return segment
    above = segments[at - 1].strip().lower() if at else ""
    slug = re.sub(r"[^a-z0-9]+", "-", segment.lower()).strip("-") or "example"
    if above == "endpoints":
        return slug.replace("-", "")[:24]
    if above == "subscriptions":
        return _guid(slug)
    manager = "providers" in (one.lower() for one in segments)
    return _id(slug) if above in _WITH_AN_ID and not manager else slug


def _digit(text: str) -> str:
    return str(hashlib.sha256(text.encode()).digest()[0] % 10)


def _id(text: str) -> str:
    """Return an id of the example files, the same one for the same text."""
    return _digit(text) * 32


def _guid(text: str) -> str:
    digit = _digit(text)
    return "-".join(digit * length for length in (8, 4, 4, 4, 12))


def _is_usual(query: str) -> bool:
    pairs = parse_qsl(query.rstrip(". "), keep_blank_values=True)
    return all(value.lower() in _KNOWN_QUERY.get(name.lower(), ()) for name, value in pairs)


def _told(exc: ValueError) -> tuple[str, str]:
    """Return what is wrong with a URL, and the advice."""
    return (exc.what, exc.advice) if isinstance(exc, WrongValueError) else (str(exc), "")


def _to_do(differs: list[str]) -> str:
    return _FILL if any("place" in one for one in differs) else ""


def _later(text: str) -> str:
    return "has no value here" if not text.strip() else f"is {text.strip()} here"


def _example_jobs_url(text: str, owner: str) -> ServiceUrl:
    """Return a URL that stands for one that the file does not have."""
    where = f"workspaces/{_id('workspace')}/services/{_id(owner)}"
    url = f"https://{_REGION}.services.azureml.net/{where}/jobs?api-version=2.0"
    differs = f"mlEndpoint {_later(text)}, and an example stands in its place"
    return ServiceUrl(url, "", differs, "write the batch execution URL of the service")


def _example_update_url(text: str, owner: str, *, principal: bool) -> ServiceUrl:
    differs = f"updateResourceEndpoint {_later(text)}, and an example stands in its place"
    if principal:
        name = re.sub(r"[^a-z0-9]+", "-", owner.lower()).strip("-") or "example"
        group = f"/subscriptions/{_guid('subscription')}{_GROUP}{name}"
        url = web_service_url(f"https://management.azure.com{group}")
        return ServiceUrl(url, WEB_SERVICE, differs, "write the id of the web service")
    name = re.sub(r"[^a-z0-9]", "", owner.lower())[:24] or "example"
    where = f"workspaces/{_id('workspace')}/webservices/{_id(owner)}/endpoints/{name}"
    url = update_url(f"https://management.azureml.net/{where}")
    return ServiceUrl(url, CLASSIC, differs, "write the update URL of the endpoint")
