"""Checks permissions: the key that each route requires, and every use of each signed URL."""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qs, parse_qsl, quote, urlencode

import requests
from azure.storage.blob import BlobServiceClient

from local.azurite import Azurite, make_container
from local.identity import LocalIdentity, make_certificate
from local.worker_check.expected import ALL_SET, ONLY_REQUIRED, Variant, expected_functions
from proofs.outcomes import Effort, Outcome, Violation, again
from proofs.storage_operations import (
    NEVER,
    OF_ACCOUNT,
    OF_CONTAINER,
    PART_OF_WRITING,
    READS,
    WRITES,
    Operation,
)
from shared.app import App, SystemClock, build
from shared.ports.storage import Access, SignedBlob
from shared.providers.azure_storage.blobs import AccountBlobs
from shared.providers.http.client import RequestsHttp

ROUTES: Final = "every route but health asks for a key"
REFUSED: Final = "a signed URL is refused for every other use (403)"
LEAST: Final = "a signed URL is for one blob, one use and a time, and for https"
WORKS: Final = "a signed URL allows what it is for"

_ROOT: Final = Path(__file__).parents[1]
_FORBIDDEN: Final = 403
_OWN: Final = "signed"
_OTHERS: Final = "others"
_CONTAINERS: Final = (_OWN, _OTHERS, "third")
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


_ELSEWHERE: Final = (
    f"{_OWN}/other.csv",
    f"{_OWN}/{_BLOB}x",
    f"{_OWN}/runs/a b/MODEL.ilearner",
    f"{_OWN}/runs/a b/model",
    f"{_OTHERS}/{_BLOB}",
    f"{_OTHERS}/other.csv",
)


class _Results:
    """Trials and violations of each promise."""

    def __init__(self, effort: Effort) -> None:
        self._effort = effort
        self._trials: dict[str, int] = {}
        self._wrong: dict[str, list[Violation]] = {}

    def tries(self, promise: str, plan: str, wrong: str) -> None:
        """Record one trial, and what was wrong with it, if anything.

        Args:
            promise: that is tried.
            plan: what was done.
            wrong: what was wrong; empty if nothing was.
        """
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
    findings = _Results(effort)
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


def _routes(variant: Variant, findings: _Results) -> None:
    """Compare the routes that the library registers at the host with the expected ones."""
    indexed = _indexed(variant.environment(_ACCOUNT))
    expected = expected_functions(variant)
    for name in sorted({*indexed, *expected}):
        found = [one for one in indexed.get(name, ()) if one["type"] == "httpTrigger"]
        wanted = [one for one in expected.get(name, ()) if one["type"] == "httpTrigger"]
        if not found and not wanted and name in indexed and name in expected:
            continue  # a timer or a blob trigger: it has no route
        wrong = ""
        if name not in indexed or name not in expected:
            wrong = "is not shown" if name in expected else "is not in local.worker_check.expected"
        elif [_access(one) for one in found] != [_access(one) for one in wanted]:
            wrong = f"{[_access(one) for one in found]} and not {[_access(one) for one in wanted]}"
        levels = {str(one["authLevel"]).upper() for one in found}
        if levels - {"FUNCTION", "ADMIN"} and name != "health":
            wrong = f"may be called without a key: {sorted(levels)}"
        findings.tries(ROUTES, f"{variant.name}: {name}", wrong)


def _access(binding: Mapping[str, Any]) -> tuple[str, str, str]:
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


def _as_deployed(findings: _Results) -> None:
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
            findings.tries(LEAST, plan, "; ".join(_excess(signed, access, {"https"})))


def _excess(signed: SignedBlob, access: Access, protocols: set[str]) -> Iterator[str]:
    """Yield what a signature allows beyond its use."""
    given = {name: values[0] for name, values in parse_qs(signed.signature.lstrip("?")).items()}
    wanted = {"r"} if access is Access.READ else {"cw", "w"}
    if given.get("sp") not in wanted:
        yield f"sp={given.get('sp')} and not {' or '.join(sorted(wanted))}"
    if given.get("sr") != "b":
        yield f"sr={given.get('sr')} and not b: it is for more than one blob"
    if {"ss", "srt", "si"} & given.keys():
        yield "it is of the account, or by a stored policy"
    if set(given.get("spr", "https,http").split(",")) != protocols:
        yield f"spr={given.get('spr')}"
    begins, ends = (datetime.fromisoformat(given[name]) for name in ("st", "se"))
    now = datetime.now(UTC)
    if not now + _VALID - timedelta(minutes=1) <= ends <= now + _VALID + timedelta(seconds=2):
        yield f"se={given['se']}, {ends - now} from now"
    if not now - _SKEW <= begins <= now:
        yield f"st={given['st']}, {now - begins} ago"


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
        """The port by which the app signs URLs."""
        return AccountBlobs(self.account, SystemClock(), https_only=self.secure)

    def status(self, resource: str, token: str, use: Operation) -> int:
        """Return what the storage answers to a use of a signature."""
        return _status(self.caller, self.blobs.account_url, resource, token, use)


_SELF: Final = f"{_OWN}/{_BLOB}"


def _signed(signer: _Signer, findings: _Results) -> None:
    for container in (_OWN, _OTHERS):
        made = make_container(signer.account.get_container_client(container))
        for name in (_BLOB, "other.csv"):
            made.upload_blob(name, b"content")
    protocols = {"https"} if signer.secure else {"https", "http"}
    for access in Access:
        signed = signer.blobs.sign(_OWN, _BLOB, access, _VALID)
        by = f"{access}, signed with {signer.secret}"
        findings.tries(LEAST, by, "; ".join(_excess(signed, access, protocols)))
        token = signed.signature
        allowed, denied = (READS, WRITES) if access is Access.READ else (WRITES, READS)
        for use in allowed:
            status = signer.status(_SELF, token, use)
            wrong = "" if status < 300 else f"answered {status}"  # noqa: PLR2004 -- any success
            findings.tries(WORKS, f"{use.name} by a signature to {by}", wrong)
        tries = [(_SELF, use) for use in (*denied, *NEVER)]
        if access is Access.READ:
            tries += [(_SELF, use) for use in PART_OF_WRITING]
        tries += [(resource, use) for resource in _ELSEWHERE for use in (*READS, *WRITES, *NEVER)]
        tries += [(one, use) for one in _CONTAINERS for use in OF_CONTAINER]
        tries += [("", use) for use in OF_ACCOUNT]
        for resource, use in tries:
            status = signer.status(resource, token, use)
            _must_fail(findings, f"{use.name} of {resource or 'the account'} by {by}", status)
        for what, forged in _forged(token):
            for use in (*READS, *WRITES, *NEVER):
                status = signer.status(_SELF, forged, use)
                _must_fail(findings, f"{use.name} by {by} with {what}", status)
        late = signer.blobs.sign(_OWN, _BLOB, access, timedelta(minutes=-1)).signature
        for use in allowed:
            status = signer.status(_SELF, late, use)
            _must_fail(findings, f"{use.name} by {by} after its end", status)


def _over_http(account: BlobServiceClient, caller: requests.Session, findings: _Results) -> None:
    """Use signatures that are only for https over http."""
    careful = AccountBlobs(account, SystemClock(), https_only=True)
    for access, uses in ((Access.READ, READS), (Access.WRITE, WRITES)):
        token = careful.sign(_OWN, _BLOB, access, _VALID).signature
        for use in uses:
            status = _status(caller, careful.account_url, _SELF, token, use)
            _must_fail(findings, f"{use.name} by {access} for https over http", status)


def _must_fail(findings: _Results, plan: str, status: int) -> None:
    findings.tries(REFUSED, plan, "" if status == _FORBIDDEN else f"answered {status}")


def _forged(token: str) -> Iterator[tuple[str, str]]:
    """Yield the signature with one of its parts changed by its holder."""
    known = dict(parse_qsl(token.lstrip("?")))
    far = (datetime.now(UTC) + timedelta(days=365)).strftime("%Y-%m-%dT%H:%M:%SZ")
    for name, value in (("sp", "racwdl"), ("sr", "c"), ("se", far), ("sig", "AAAA")):
        yield f"{name}={value} written in", f"?{urlencode({**known, name: value})}"


def _status(caller: requests.Session, base: str, resource: str, token: str, use: Operation) -> int:
    """Return what the storage answers to this use of the signature."""
    url = f"{base}{quote(resource)}{token}" + (f"&{use.query}" if use.query else "")
    headers = {"x-ms-version": "2021-12-02", **use.headers}
    answer = caller.request(use.method, url, headers=headers, data=use.body, timeout=20)
    return answer.status_code
