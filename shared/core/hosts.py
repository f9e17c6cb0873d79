"""Whether a URL names this machine, or an address that no service has."""

import re
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Final
from urllib.parse import urlsplit

#: The platform's own services, for machines inside it alone (169.254.169.254 is link-local).
_CLOUD: Final = frozenset({ip_address("168.63.129.16"), ip_address("fd00:ec2::254")})
_NUMBER: Final = re.compile(r"0[xX][0-9a-fA-F]+|[0-9]+")
_MOST_PARTS: Final = 4


def is_loopback(url: str) -> bool:
    """Whether `url` points at this machine."""
    host = urlsplit(url).hostname or ""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def is_inner(url: str) -> bool:
    """Whether `url` names an address that no service has: loopback, link-local, and the like.

    Private addresses are none of these: a service may be behind a private link.
    """
    host = (urlsplit(url).hostname or "").rstrip(".").lower()
    if host == "localhost" or host.endswith(".localhost"):
        return True
    at = _address(host)
    if at is None:
        return False
    inner = at.is_loopback or at.is_link_local or at.is_multicast or at.is_unspecified
    return inner or at.is_reserved or at in _CLOUD


def _address(host: str) -> IPv4Address | IPv6Address | None:
    """Return the address that a host is, in whichever way it is written; None for a name."""
    try:
        at = ip_address(host.partition("%")[0])
    except ValueError:
        return _old_form(host)
    mapped = at.ipv4_mapped if isinstance(at, IPv6Address) else None
    return mapped or at


def _old_form(host: str) -> IPv4Address | None:
    """Read `127.1`, `0x7f000001` and the like, as resolvers do."""
    parts = host.split(".")
    if not all(_NUMBER.fullmatch(part) for part in parts) or len(parts) > _MOST_PARTS:
        return None
    try:
        numbers = [int(part, 8 if re.fullmatch("0[0-7]+", part) else 0) for part in parts]
    except ValueError:
        return None
    *first, last = numbers
    value = last
    for at, number in enumerate(first):
        value += number << 8 * (3 - at)
    return IPv4Address(value) if 0 <= value < 2**32 else None
