"""Requests and answers as plain values, free of any HTTP library."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from local.studio.refusals import RefusalError, refusal


@dataclass(frozen=True, slots=True)
class WireRequest:
    """One HTTP request; `url` is a path with its query (an absolute URL is cut down to that)."""

    method: str
    url: str
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    body: bytes = field(default=b"", repr=False)


@dataclass(frozen=True, slots=True)
class WireAnswer:
    """One HTTP answer: status, headers, body."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""

    def json(self) -> Any:
        """Give the body as a JSON value; raises `ValueError` when it is none."""
        return json.loads(self.body)


DONE = WireAnswer(200)
JSON_HEADERS = {"Content-Type": "application/json; charset=utf-8"}


def json_answer(value: object, status: int = 200) -> WireAnswer:
    """Make an answer whose body is `value` as JSON."""
    return WireAnswer(status, JSON_HEADERS, json.dumps(value).encode())


def refusal_answer(refused: RefusalError) -> WireAnswer:
    """Make the answer that carries a refusal in the service's error envelope."""
    return json_answer(refused.envelope(), refused.status)


@dataclass(frozen=True, slots=True)
class Call:
    """A request taken apart once: decoded path segments, query, bearer credential."""

    method: str
    segments: tuple[str, ...]
    query: Mapping[str, str]
    bearer: str | None
    body: bytes
    identity_header: str | None = None

    @classmethod
    def of(cls, request: WireRequest) -> "Call":
        """Take a request apart; raises `RefusalError` when its URL cannot be read."""
        try:
            parts = urlsplit(request.url)
            query = dict(parse_qsl(parts.query, keep_blank_values=True))
        except ValueError:
            raise refusal("InvalidQueryParameter") from None
        path = parts.path
        names = [unquote(name) for name in path.split("/")] if "%" in path else path.split("/")
        bearer, identity = _bearer(request.headers), _header(request.headers, "x-identity-header")
        return cls(request.method, tuple(names[1:]), query, bearer, request.body, identity)

    def members(self, allowed: frozenset[str]) -> dict[str, Any]:
        """Read the body as a JSON object with no members but the `allowed` ones.

        Raises:
            RefusalError: The body is empty, is not a JSON object or has an unknown member; a
                misspelt member must not be taken for an absent one.
        """
        if not self.body.strip():
            raise refusal("RequestIsEmpty")
        try:
            value = json.loads(self.body)
        except (ValueError, RecursionError):
            raise refusal("RequestBodyInvalid", "the body is not JSON") from None
        return members(value, allowed, "the body")


def members(value: object, allowed: frozenset[str], what: str) -> dict[str, Any]:
    """Check that a JSON value is an object with no members but the `allowed` ones.

    Raises:
        RefusalError: It is not; the text names `what` and the members that are not known.
    """
    if not isinstance(value, dict):
        raise refusal("RequestBodyInvalid", f"{what} is not an object")
    if not value.keys() <= allowed:
        unknown = ", ".join(sorted(value.keys() - allowed))
        raise refusal("RequestBodyInvalid", f"{what} has unknown members: {unknown}")
    return value


def _bearer(headers: Mapping[str, str]) -> str | None:
    value = _header(headers, "authorization")
    if value is None:
        return None
    scheme, _, credential = value.strip().partition(" ")
    return credential.strip() if scheme.lower() == "bearer" else None


def _header(headers: Mapping[str, str], wanted: str) -> str | None:
    return next((value for name, value in headers.items() if name.lower() == wanted), None)
