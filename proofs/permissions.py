"""Tries who may do what: every route's auth level, and every other use of each signed URL."""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qs, parse_qsl, quote, urlencode

import requests
from azure.storage.blob import BlobServiceClient

from local.azurite import Azurite
from local.identity import LocalIdentity, make_certificate
from local.worker_check.expected import ALL_SET, ONLY_REQUIRED, Variant, expected_functions
from proofs.trial import Effort, Outcome, Violation, again
from shared.app import App, SystemClock, build
from shared.ports.storage import Access, SignedBlob
from shared.providers.azure_storage.blobs import AccountBlobs
from shared.providers.http.client import RequestsHttp

ROUTES: Final = "every route but health asks for a key"
REFUSED: Final = "a signed URL is refused for every other use (403)"
LEAST: Final = "a signed URL is for one blob, one use and a time, and for https"
WORKS: Final = "a signed URL does what it is for"

_ROOT: Final = Path(__file__).parents[1]
_FORBIDDEN: Final = 403
_OWN: Final = "signed"
_OTHERS: Final = "others"
_CONTAINERS: Final = (_OWN, _OTHERS, "third")
_PUBLIC: Final = {"x-ms-blob-public-access": "container"}
_BLOB: Final = "runs/a b/model.ilearner"
_VALID: Final = timedelta(hours=1)
_SKEW: Final = timedelta(minutes=6)
_ACCOUNT: Final = "DefaultEndpointsProtocol=https;AccountName=account;AccountKey=a2V5a2V5"
_INDEX: Final = """
import json, function_app
print(json.dumps({
    one.get_function_name(): [json.loads(raw) for raw in one.get_raw_bindings()]
    for one in function_app.app.get_functions()
}))
"""


@dataclass(frozen=True, slots=True)
class _Use:
    """One operation of the storage service on a blob, a container, or the account."""

    name: str
    method: str
    query: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""


_BLOCK: Final = {"x-ms-blob-type": "BlockBlob"}
_READS: Final = (_Use("read", "GET"), _Use("look", "HEAD"))
#: `create` and `write` of one blob are these; whoever may overwrite it may do them all.
_WRITES: Final = (_Use("write", "PUT", headers=_BLOCK, body=b"new"),)
_PART_OF_WRITING: Final = (
    _Use("stage a block", "PUT", "comp=block&blockid=YQ==", body=b"x"),
    _Use("set metadata", "PUT", "comp=metadata", {"x-ms-meta-a": "b"}),
    _Use("set properties", "PUT", "comp=properties", {"x-ms-blob-content-type": "text/html"}),
    _Use("take a lease", "PUT", "comp=lease", {"x-ms-lease-action": "acquire", **_BLOCK}),
    _Use("snapshot", "PUT", "comp=snapshot"),
)
_NEVER: Final = (
    _Use("delete", "DELETE"),
    _Use("delete snapshots", "DELETE", headers={"x-ms-delete-snapshots": "include"}),
    _Use("read tags", "GET", "comp=tags"),
    _Use("set tags", "PUT", "comp=tags", body=b"<Tags><TagSet></TagSet></Tags>"),
)
_OF_CONTAINER: Final = (
    _Use("list", "GET", "restype=container&comp=list"),
    _Use("look at the container", "GET", "restype=container"),
    _Use("read its policies", "GET", "restype=container&comp=acl"),
    _Use("set its policies", "PUT", "restype=container&comp=acl", _PUBLIC),
    _Use("set its metadata", "PUT", "restype=container&comp=metadata", {"x-ms-meta-a": "b"}),
    _Use("make it", "PUT", "restype=container"),
    _Use("delete it", "DELETE", "restype=container"),
)
_OF_ACCOUNT: Final = (
    _Use("list containers", "GET", "comp=list"),
    _Use("read service properties", "GET", "restype=service&comp=properties"),
)
_ELSEWHERE: Final = (
    f"{_OWN}/other.csv",
    f"{_OWN}/{_BLOB}x",
    f"{_OWN}/runs/a b/MODEL.ilearner",
    f"{_OWN}/runs/a b/model",
    f"{_OTHERS}/{_BLOB}",
    f"{_OTHERS}/other.csv",
)


class _Book:
    """Trials and violations of each promise."""

    def __init__(self, effort: Effort) -> None:
        self._effort = effort
        self._trials: dict[str, int] = {}
        self._wrong: dict[str, list[Violation]] = {}

    def tries(self, promise: str, plan: str, wrong: str) -> None:
        """Keep one trial, and what was wrong with it, if anything."""
        self._trials[promise] = self._trials.get(promise, 0) + 1
        if wrong:
            self._wrong.setdefault(promise, []).append(
                Violation(f"{again('permissions')}  # {plan}", wrong)
            )
        self._effort.progress()

    def outcomes(self) -> list[Outcome]:
        """Return every promise."""
        return [
            Outcome(promise, trials, tuple(self._wrong.get(promise, ())))
            for promise, trials in self._trials.items()
        ]


def part(effort: Effort) -> list[Outcome]:
    """Try every use, and every route in `effort.size` ways of settings (0: all of them)."""
    findings = _Book(effort)
    for variant in (ONLY_REQUIRED, ALL_SET)[: effort.size or None]:
        _routes(variant, findings)
    _as_deployed(findings)
    with (
        Azurite() as storage,
        BlobServiceClient.from_connection_string(storage.connection_string) as account,
        requests.Session() as caller,
    ):
        _signed(_Signer("the key", account, caller), findings)
        _over_http(account, caller, findings)
    with tempfile.TemporaryDirectory() as folder, requests.Session() as caller:
        certificate, key = make_certificate(Path(folder))
        caller.verify = trusted = str(certificate)
        caller.trust_env = False  # its certificates would be trusted instead
        with (
            Azurite(secured_by=(certificate, key)) as storage,
            BlobServiceClient(
                storage.blob_endpoint, LocalIdentity(), connection_verify=trusted
            ) as account,
        ):
            _signed(_Signer("an identity", account, caller), findings)
    return findings.outcomes()


def _routes(variant: Variant, findings: _Book) -> None:
    """Compare what the library tells the host with what is expected, route by route."""
    told = _indexed(variant.environment(_ACCOUNT))
    expected = expected_functions(variant)
    for name in sorted({*told, *expected}):
        found = [one for one in told.get(name, ()) if one["type"] == "httpTrigger"]
        wanted = [one for one in expected.get(name, ()) if one["type"] == "httpTrigger"]
        if not found and not wanted and name in told and name in expected:
            continue  # a timer or a blob: nobody can call it
        wrong = ""
        if name not in told or name not in expected:
            wrong = "is not shown" if name in expected else "is not in local.worker_check.expected"
        elif [_who(one) for one in found] != [_who(one) for one in wanted]:
            wrong = f"{[_who(one) for one in found]} and not {[_who(one) for one in wanted]}"
        levels = {str(one["authLevel"]).upper() for one in found}
        if levels - {"FUNCTION", "ADMIN"} and name != "health":
            wrong = f"may be called by anybody: {sorted(levels)}"
        findings.tries(ROUTES, f"{variant.name}: {name}", wrong)


def _who(binding: Mapping[str, Any]) -> tuple[str, str, str]:
    level, methods = str(binding["authLevel"]).upper(), ",".join(sorted(binding["methods"]))
    return level, methods, str(binding["route"])


def _indexed(settings: Mapping[str, str]) -> dict[str, list[dict[str, Any]]]:
    environment = {"PATH": os.environ.get("PATH", ""), "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(  # noqa: S603 -- this very interpreter, and code from above
        [sys.executable, "-c", _INDEX],
        cwd=_ROOT,
        env={**environment, **settings},
        capture_output=True,
        text=True,
        check=True,
    )
    shown: dict[str, list[dict[str, Any]]] = json.loads(done.stdout)
    return shown


def _as_deployed(findings: _Book) -> None:
    """Sign as the app does that is put together from its settings, for a real account."""
    http = RequestsHttp()
    built = build(
        ONLY_REQUIRED.environment(_ACCOUNT), _ROOT, http, SystemClock(), datetime.now(UTC)
    )
    http.close()
    if not isinstance(built, App):
        findings.tries(LEAST, "as deployed", f"cannot be built: {[str(p) for p in built.problems]}")
        return
    for which, blobs in (("data", built.context.data), ("models", built.context.models)):
        for access in Access:
            signed = blobs.sign("c", _BLOB, access, _VALID)
            plan = f"{access} of {which}, as deployed"
            findings.tries(LEAST, plan, "; ".join(_too_much(signed, access, {"https"})))


def _too_much(signed: SignedBlob, access: Access, protocols: set[str]) -> Iterator[str]:
    """Tell what a signature allows beyond its use."""
    told = {name: values[0] for name, values in parse_qs(signed.signature.lstrip("?")).items()}
    wanted = {"r"} if access is Access.READ else {"cw", "w"}
    if told.get("sp") not in wanted:
        yield f"sp={told.get('sp')} and not {' or '.join(sorted(wanted))}"
    if told.get("sr") != "b":
        yield f"sr={told.get('sr')} and not b: it is for more than one blob"
    if {"ss", "srt", "si"} & told.keys():
        yield "it is of the account, or by a stored policy"
    if set(told.get("spr", "https,http").split(",")) != protocols:
        yield f"spr={told.get('spr')}"
    begins, ends = (datetime.fromisoformat(told[name]) for name in ("st", "se"))
    now = datetime.now(UTC)
    if not now + _VALID - timedelta(minutes=1) <= ends <= now + _VALID + timedelta(seconds=2):
        yield f"se={told['se']}, {ends - now} from now"
    if not now - _SKEW <= begins <= now:
        yield f"st={told['st']}, {now - begins} ago"


@dataclass(frozen=True, slots=True)
class _Signer:
    """Signs by one kind of secret, and uses what was signed."""

    secret: str
    account: BlobServiceClient
    caller: requests.Session

    @property
    def secure(self) -> bool:
        """Whether the storage is reached by https."""
        return self.account.url.startswith("https")

    @property
    def blobs(self) -> AccountBlobs:
        """What the app signs with."""
        return AccountBlobs(self.account, SystemClock(), https_only=self.secure)

    def status(self, place: str, token: str, use: _Use) -> int:
        """Return what the storage answers to a use of a signature."""
        return _status(self.caller, self.blobs.base_location, place, token, use)


_SELF: Final = f"{_OWN}/{_BLOB}"


def _signed(signer: _Signer, findings: _Book) -> None:
    for container in (_OWN, _OTHERS):
        made = signer.account.create_container(container)
        for name in (_BLOB, "other.csv"):
            made.upload_blob(name, b"content")
    protocols = {"https"} if signer.secure else {"https", "http"}
    for access in Access:
        signed = signer.blobs.sign(_OWN, _BLOB, access, _VALID)
        by = f"{access}, signed with {signer.secret}"
        findings.tries(LEAST, by, "; ".join(_too_much(signed, access, protocols)))
        token = signed.signature
        allowed, denied = (_READS, _WRITES) if access is Access.READ else (_WRITES, _READS)
        for use in allowed:
            status = signer.status(_SELF, token, use)
            wrong = "" if status < 300 else f"answered {status}"  # noqa: PLR2004 -- any success
            findings.tries(WORKS, f"{use.name} by a signature to {by}", wrong)
        tries = [(_SELF, use) for use in (*denied, *_NEVER)]
        if access is Access.READ:
            tries += [(_SELF, use) for use in _PART_OF_WRITING]
        tries += [(place, use) for place in _ELSEWHERE for use in (*_READS, *_WRITES, *_NEVER)]
        tries += [(one, use) for one in _CONTAINERS for use in _OF_CONTAINER]
        tries += [("", use) for use in _OF_ACCOUNT]
        for place, use in tries:
            status = signer.status(place, token, use)
            _must_fail(findings, f"{use.name} of {place or 'the account'} by {by}", status)
        for what, forged in _forged(token):
            for use in (*_READS, *_WRITES, *_NEVER):
                status = signer.status(_SELF, forged, use)
                _must_fail(findings, f"{use.name} by {by} with {what}", status)
        late = signer.blobs.sign(_OWN, _BLOB, access, timedelta(minutes=-1)).signature
        for use in allowed:
            status = signer.status(_SELF, late, use)
            _must_fail(findings, f"{use.name} by {by} after its end", status)


def _over_http(account: BlobServiceClient, caller: requests.Session, findings: _Book) -> None:
    """Use signatures for https alone over http."""
    careful = AccountBlobs(account, SystemClock(), https_only=True)
    for access, uses in ((Access.READ, _READS), (Access.WRITE, _WRITES)):
        token = careful.sign(_OWN, _BLOB, access, _VALID).signature
        for use in uses:
            status = _status(caller, careful.base_location, _SELF, token, use)
            _must_fail(findings, f"{use.name} by {access} for https over http", status)


def _must_fail(findings: _Book, plan: str, status: int) -> None:
    findings.tries(REFUSED, plan, "" if status == _FORBIDDEN else f"answered {status}")


def _forged(token: str) -> Iterator[tuple[str, str]]:
    """Yield the signature with one of its parts changed by its holder."""
    known = dict(parse_qsl(token.lstrip("?")))
    far = (datetime.now(UTC) + timedelta(days=365)).strftime("%Y-%m-%dT%H:%M:%SZ")
    for name, value in (("sp", "racwdl"), ("sr", "c"), ("se", far), ("sig", "AAAA")):
        yield f"{name}={value} written in", f"?{urlencode({**known, name: value})}"


def _status(caller: requests.Session, base: str, place: str, token: str, use: _Use) -> int:
    """Return what the storage answers to this use of the signature."""
    url = f"{base}{quote(place)}{token}" + (f"&{use.query}" if use.query else "")
    headers = {"x-ms-version": "2021-12-02", **use.headers}
    answer = caller.request(use.method, url, headers=headers, data=use.body, timeout=20)
    return answer.status_code
