"""Reads pasted URLs: corrects them where the meaning is clear, and recognises their form.

Forms and hosts: studio-classic §0.1, §1.1, §1.7, §3. Pasted URLs are known to come with
a full stop at the end, blanks, `&amp;`, or a method in front (studio-classic §4, §1.1).
"""

import re
from typing import Final
from urllib.parse import unquote, urlsplit

from shared.core.config.pattern import refuse_foreign
from shared.core.config.problems import WrongValueError

_METHOD: Final = re.compile(r"\s*(?:GET|POST|PUT|PATCH|DELETE)\s+(?=https?://|/)", re.IGNORECASE)
_AT_A_SEPARATOR: Final = re.compile(r"\s*([/?&=])\s*")
_AROUND: Final = {'"': '"', "'": "'", "<": ">", "`": "`"}
#: Pages for a browser, by the host; the services answer elsewhere.
_PAGES: Final = re.compile(
    r"(?:studio|services|gallery)\.azureml\.net|(?:.+\.)?studio\.azureml\.net|portal\.azure\.\w+|"
    r"(?:docs|learn)\.microsoft\.com",
    re.IGNORECASE,
)
_DEFAULT_PORTS: Final = {"https": ":443", "http": ":80"}
_WHERE: Final = "copy it from the endpoint's API help page"
_SERVICE: Final = r"/(?:workspaces|subscriptions)/[^/]+/services/[^/]+"
#: A path, what it is, and what to do; the first that fits is reported.
_OTHER_FORMS: Final = (
    (
        re.compile(r".*/apihelp/.*", re.IGNORECASE),
        "this is the address of a help page, not of a service",
        _WHERE,
    ),
    (
        re.compile(r"/odata/.*", re.IGNORECASE),
        "this is the address of the OData interface",
        _WHERE,
    ),
    (
        re.compile(rf"{_SERVICE}/jobs/[^/]+(?:/start)?"),
        "this is the address of one job",
        "end it at /jobs, and remove what follows",
    ),
    (
        re.compile(rf"{_SERVICE}/(?:score|swagger\.json|help|update)", re.IGNORECASE),
        "this is another address of the service",
        f"end it at /services/<endpoint id>, or {_WHERE}",
    ),
)


def corrected(text: str) -> str:
    """Return a pasted URL without characters that came with the paste.

    Raises:
        ValueError: it holds blanks that may be part of a name, or a fragment that may matter.
    """
    plain = text.strip()
    if _AROUND.get(plain[:1]) == plain[-1:]:
        plain = plain[1:-1].strip()
    plain = _METHOD.sub("", plain).replace("&amp;", "&")
    plain = _AT_A_SEPARATOR.sub(r"\1", plain).rstrip(".,;")
    if re.search(r"\s", plain):
        raise WrongValueError(
            "not a URL",
            "it contains a blank, which may be part of a name or not: copy it again, in one piece",
        )
    return plain


def split_url(text: str, *, tokens: bool = True) -> tuple[str, str, str, str]:
    """Return scheme, host, path and query of a pasted URL.

    Args:
        text: as it was pasted.
        tokens: whether `{tokens}` may be in its path.

    Raises:
        ValueError: it is none, or leads to a page for a browser; the message says what to do.
    """
    plain = corrected(text)
    try:
        parts = urlsplit(plain)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname)
        usable = usable and parts.port != 0
    except ValueError:  # a broken IPv6 host or port
        usable = False
    if not usable:
        raise WrongValueError("not a URL", "it must start with https:// and name a host")
    if "{" in parts.netloc or "{" in parts.query:
        raise ValueError("a {token} may only be in the path of a URL")
    if "@" in parts.netloc:
        raise ValueError("a URL here must not carry a user name or password")
    if set("=&;") & set(unquote(unquote(parts.path))):
        raise WrongValueError(
            "the path of a URL here must not contain = or & or ;", "remove what follows it"
        )
    refuse_foreign(parts.path, url=True, tokens=tokens)
    host = parts.netloc.lower().removesuffix(_DEFAULT_PORTS[parts.scheme])
    return parts.scheme, host, parts.path.rstrip("/").rstrip("."), parts.query.rstrip(".")


def other_form(host: str, path: str) -> WrongValueError | None:
    """Return the error for a URL of another known form; None: its form is not known.

    Args:
        host: of the URL.
        path: of the URL, without a slash at its end.
    """
    for form, what, advice in _OTHER_FORMS:
        if form.fullmatch(path):
            return WrongValueError(what, advice)
    if _PAGES.fullmatch(host.partition(":")[0]):
        return WrongValueError("this is the address of a web page, not of a service", _WHERE)
    return None
