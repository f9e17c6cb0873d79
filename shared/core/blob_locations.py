"""The location and the signature of a blob that a service names by URL."""

import re
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import parse_qsl, quote, unquote, urlsplit

from shared.core.blobs import is_folded
from shared.core.hosts import is_loopback

_BARE_PERCENT: Final = re.compile(r"%(?![0-9A-Fa-f]{2})")
#: The members of a signature (Microsoft: "Create a service SAS", "Create an account SAS", "Create
#: a user delegation SAS").
_MEMBERS: Final = frozenset(
    {"sv", "sr", "st", "se", "sp", "sip", "spr", "si", "sig"}  # a blob, a container
    | {"rscc", "rscd", "rsce", "rscl", "rsct", "sdd", "ses"}
    | {"ss", "srt"}  # an account
    | {"skoid", "sktid", "skt", "ske", "sks", "skv", "saoid", "suoid", "scid"}  # an identity
    | {"skdutid", "sduoid"}
)


def escaped(location: str) -> str:
    """Return a location as a URL has it; what is escaped already stays as it is."""
    return quote(_BARE_PERCENT.sub("%25", location.lstrip("/")), safe="/%")


def signature_in(query: str) -> str | None:
    """Return the storage signature that a query is, or None where it is none, or more than that.

    Other parameters would make another request of it (`comp=list` lists a container).
    """
    try:
        pairs = parse_qsl(query.lstrip("?"), keep_blank_values=True, strict_parsing=True)
    except ValueError:
        return None
    names = [name for name, _ in pairs]
    known = set(names) <= _MEMBERS and len(set(names)) == len(names)
    return query.lstrip("?") if known and dict(pairs).get("sig") else None


@dataclass(frozen=True, slots=True)
class SignedBlobUrl:
    """A blob that a service names, with the signature that it sent for it."""

    url: str = field(repr=False)  #: to copy from
    signature: str = field(repr=False)
    own_path: str | None  #: `container/name` in our own account: its signature is checked first


def source_of(url: str, account: str, base: str) -> SignedBlobUrl | None:
    """Return what a URL names; None where it carries no signature, or is not a blob's.

    Args:
        url: the URL, as the service put it together.
        account: the name of our account.
        base: the URL that its container names follow.
    """
    try:
        signature, own_path = signature_in(urlsplit(url).query), own_path_in(url, account, base)
    except ValueError:
        return None  # no URL at all
    if signature is None or own_path == "":
        return None
    own = f"{base.rstrip('/')}/{quote(own_path)}?{signature}" if own_path else url
    return SignedBlobUrl(own, signature, own_path)


def own_path_in(url: str, account: str, base: str) -> str | None:
    """Return `container/name` of a blob's URL in our own account, and None for one elsewhere.

    Every host that the account's name begins is taken for ours: a storage account answers at
    several (`-secondary`, private links), and a copy within one account may be authorised by
    the account's own key. An empty text means: ours perhaps, and no plain blob.

    Args:
        url: the blob's URL.
        account: the name of our account.
        base: the URL that its container names follow.

    Raises:
        ValueError: it is not a URL.
    """
    there, here = urlsplit(url), urlsplit(base)
    host, own = ((parts.hostname or "").rstrip(".").lower() for parts in (there, here))
    named = host.partition(".")[0] in (account.lower(), f"{account.lower()}-secondary")
    emulated = is_loopback(base) and is_loopback(url)
    if not (host == own or named or emulated):
        return None
    segments = unquote(there.path).removeprefix("/").split("/")
    above = [segment for segment in here.path.split("/") if segment]
    if emulated and segments[: len(above)] != above and segments[0] not in ("", ".", ".."):
        return None  # an emulator's other account
    path = segments[len(above) :]
    plain = segments[: len(above)] == above and len(path) > 1 and path[0] and path[-1]
    return "/".join(path) if plain and not is_folded("/".join(path)) else ""
