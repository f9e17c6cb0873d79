"""A service that repeats every secret that it got or reported, in each part of its answers.

The parts are found in the answers of the stand-in: each member of each answer, its name, each
header, and also errors of each kind.
"""

import base64
import hashlib
import json
import re
from collections.abc import Callable, Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from functools import cache
from itertools import count
from typing import Any, Final
from urllib.parse import quote, unquote

from shared.providers.http.client import Answer
from tests.fakes.wire import StudioHttp

_ID: Final = re.compile(r"[0-9a-f]{32}|e\d+|[0-9]{6,}")
_SIGNATURE: Final = re.compile(r"sig=([^&\"\s]+)")
_KEY: Final = re.compile(r"AccountKey=([^;\"\s]+)")
_KEYS_SHOWN: Final = re.compile(r'"(?:PrimaryKey|primary|secondary)": *"([^"]+)"')
_RUN: Final = re.compile(r"[A-Za-z0-9]+")
ERRORS: Final = (400, 401, 403, 404, 409, 429, 500, 503)

Spelling = Callable[[str], str]
#: How a service may write a value: as it is, in a URL, in JSON, in a header.
SPELLINGS: Final[tuple[Spelling, ...]] = (
    lambda one: one,
    lambda one: quote(one, safe=""),
    lambda one: quote(quote(one, safe=""), safe=""),
    lambda one: quote(one, safe="").replace("%2B", "%2b").replace("%3D", "%3d"),
    lambda one: json.dumps(one).replace("/", r"\/"),
    lambda one: one.replace("+", r"\u002b").replace("/", r"\u002f").replace("=", r"\u003d"),
    lambda one: one.replace("+", "-").replace("/", "_"),
    lambda one: f"Authorization: Bearer {one}",
    lambda one: f"SharedKey account:{one}",
    lambda one: f"AccountKey = {one};",
    lambda one: f'"sig": "{one}"',
    lambda one: f"sig : {quote(one, safe='')}",
    lambda one: f"sig%253D{quote(quote(one, safe=''), safe='')}",
    lambda one: f"https://a.blob.core.windows.net/c/b?sv=1&sig={quote(one, safe='')}&se=2",
)


#: A signature without its last character has no shape; a key is known by its value.
OF_KEYS: Final[tuple[Spelling, ...]] = (
    *SPELLINGS,
    lambda one: one.rstrip("="),
    lambda one: base64.b64encode(one.encode()).decode(),
)


def pieces(secret: str) -> list[str]:
    """Return what is the same in every spelling of a secret, and long enough to be known by."""
    runs = [run for run in _RUN.findall(secret) if len(run) >= 8]
    longest = max(runs, key=len, default="")
    halves = (longest[: len(longest) // 2], longest[len(longest) // 2 :])
    return [piece for piece in (*runs, *halves) if len(piece) >= 8]


def drawn(number: int) -> str:
    """Return a signature as the storage draws it."""
    return base64.b64encode(hashlib.sha256(f"signature {number}".encode()).digest()).decode()


@dataclass(frozen=True)
class EchoSite:
    """Where a secret is put: in answers to these requests, and there in this way."""

    request: str
    form: str
    path: tuple[Any, ...] = ()

    def __str__(self) -> str:
        return f"{self.form} of {self.request} at {'/'.join(map(str, self.path)) or 'the top'}"


@dataclass
class EchoHttp(StudioHttp):
    """The stand-in, whose answers repeat secrets at one site."""

    site: EchoSite | None = None
    secrets: dict[str, tuple[Spelling, ...]] = field(default_factory=dict)  #: and their spellings
    #: All that answers have room for; where secrets are repeated at one, nobody asks for others.
    sites: dict[EchoSite, None] = field(default_factory=dict)
    echoed: int = 0
    _numbers: "count[int]" = field(default_factory=count)

    def send(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes | None = None
    ) -> Answer:
        self.note(headers.get("Authorization", "").removeprefix("Bearer "))
        self._note_all((body or b"").decode())
        answer = super().send(method, url, headers, body)
        request = f"{method} {_ID.sub('*', url.partition('?')[0].partition('//')[2])}"
        if self.site is None:
            self.sites |= dict.fromkeys(_sites(request, answer))
        if self.site is None or self.site.request != request:
            self._note_all(answer.body.decode("utf-8", "replace"))
            return answer
        self.echoed += 1
        return _echoing(self.site, answer, self.secrets, next(self._numbers))

    def _note_all(self, text: str) -> None:
        for found in _SIGNATURE.findall(text):
            self.note(unquote(found), SPELLINGS)
        for pattern in (_KEY, _KEYS_SHOWN):
            for found in pattern.findall(text):
                self.note(found)

    def note(self, secret: str, spellings: tuple[Spelling, ...] = OF_KEYS) -> None:
        """Repeat this secret from now on."""
        if secret not in self.secrets and pieces(secret):
            self.secrets[secret] = spellings


def _sites(request: str, answer: Answer) -> Iterator[EchoSite]:
    for status in ERRORS:
        for form in ("envelope", "page", "odd"):
            yield EchoSite(request, form, (status,))
    for header in answer.headers:
        yield EchoSite(request, "header", (header,))
    yield EchoSite(request, "bare")
    decoded = answer.json()
    for path in _paths(decoded):
        yield EchoSite(request, "value", path)
        yield EchoSite(request, "beside", path)
        if path and isinstance(path[-1], str):
            yield EchoSite(request, "name", path)
    if isinstance(decoded, dict) and "StatusCode" in decoded:
        yield EchoSite(request, "failed")
    if isinstance(decoded, dict) and "properties" in decoded:
        yield EchoSite(request, "operation failed")


def _paths(tree: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    yield path
    if isinstance(tree, dict):
        for name, value in tree.items():
            yield from _paths(value, (*path, name))
    elif isinstance(tree, list):
        for at, value in enumerate(tree[:2]):
            yield from _paths(value, (*path, at))


def _echoing(
    site: EchoSite, answer: Answer, known: Mapping[str, tuple[Spelling, ...]], turn: int
) -> Answer:
    """Return the answer with every secret in every spelling at the site."""
    words = " ".join(_spelled(one, spellings) for one, spellings in known.items())
    secrets = list(known)
    if site.form in ("envelope", "page", "odd"):
        (status,) = site.path
        return Answer(status, {}, _error(site.form, words))
    if site.form == "header":
        # A header has room for one; which one changes.
        spelled = SPELLINGS[turn % len(SPELLINGS)](secrets[turn % len(secrets)])
        (name,) = site.path
        value = f"{answer.headers[name]}?a={spelled}"
        return Answer(answer.status, {**answer.headers, name: value}, answer.body)
    if site.form == "bare":  # a job id, or an operation, that is a secret
        one = secrets[turn % len(secrets)]
        body = json.dumps(one.replace("+", "-").replace("/", "_").rstrip("="))
        return Answer(answer.status, answer.headers, body.encode())
    tree: Any = deepcopy(answer.json())
    if site.form == "failed":
        tree |= {"StatusCode": "Failed", "Details": words}
    elif site.form == "operation failed":
        reported = {
            "code": words,
            "message": words,
            "details": [{"target": words, "message": words}],
        }
        tree["properties"] |= {"provisioningState": "Failed", "errorInfo": reported}
    else:
        tree = _changed(tree, site, words)
    return Answer(answer.status, answer.headers, json.dumps(tree).encode())


@cache
def _spelled(secret: str, spellings: tuple[Spelling, ...]) -> str:
    """Return a secret in every spelling; the same few are repeated all the time."""
    return " ".join(spell(secret) for spell in spellings)


def _changed(tree: Any, site: EchoSite, words: str) -> Any:
    if not site.path:
        return words if site.form == "value" else f"{tree} {words}"
    holder = tree
    for step in site.path[:-1]:
        holder = holder[step] if _has(holder, step) else {}
    last = site.path[-1]
    if not _has(holder, last):
        return tree
    if site.form == "name":
        holder[f"{last} {words}"] = holder.pop(last)
    elif site.form == "value":
        holder[last] = words
    else:
        was = holder[last]
        holder[last] = f"{was} {words}" if not isinstance(was, dict | list) else [was, words]
    return tree


def _has(holder: Any, step: Any) -> bool:
    if isinstance(holder, dict):
        return step in holder
    return isinstance(holder, list) and isinstance(step, int) and step < len(holder)


def _error(form: str, words: str) -> bytes:
    if form == "envelope":
        inner = [{"code": words, "target": words, "message": words}]
        reported = {"code": words, "message": f"{'x' * 480} {words}", "details": inner}
        return json.dumps({"error": reported}).encode()
    if form == "page":
        return f"<html><title>{words}</title>{'y' * 470} {words}</html>".encode()
    return json.dumps([words, {words: words}]).encode()
