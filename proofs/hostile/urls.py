"""Gives the app URLs of addresses that it must not call."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import yaml

from proofs.hostile.clients import pipeline_of
from proofs.hostile.files import environment, example
from proofs.hostile.findings import SECRETS, URLS, Findings, own_errors_only
from shared.config.loader import load_pipelines
from shared.core.config.studio_types import model_of
from shared.core.serving.references import ServingState
from shared.providers.factory import ConfiguredProviders
from shared.providers.http.client import Answer
from shared.providers.studio.blob_references import read_results
from shared.providers.studio.call import ArmToken
from tests.fakes.blobs import FakeBlobs
from tests.fakes.clock import FakeClock
from tests.fakes.wire import FixedCredential
from tests.fakes.world import MODELS, ROWS

#: The hosts that no URL may name, however they are written.
_FORBIDDEN: Final = (
    "169.254.169.254",
    "169.254.0.1",
    "[fe80::1]",
    "[fd00:ec2::254]",
    "[::ffff:169.254.169.254]",
    "2852039166",
    "0xa9fea9fe",
    "169.254.43518",
    "127.0.0.1",
    "127.1",
    "2130706433",
    "0x7f000001",
    "0177.0.0.1",
    "[::1]",
    "[::ffff:127.0.0.1]",
    "[::]",
    "0.0.0.0",  # noqa: S104 -- to be refused
    "localhost",
    "localhost.",
    "LOCALHOST",
    "a.localhost",
    "224.0.0.1",
    "255.255.255.255",
)
_ALLOWED: Final = ("studio.example", "10.0.0.5", "192.168.1.7", "[fd12:3456::1]", "a.internal:8443")


def urls(findings: Findings, folder: Path) -> None:
    """Write each forbidden URL into a file and into an answer of a service; allowed ones too."""
    bad = [f"https://{host}" for host in _FORBIDDEN]
    bad += ["http://studio.example", "http://10.0.0.5", "ftp://studio.example", "file:///etc"]
    bad += ["https://me:pass@studio.example", "https://key@studio.example"]
    for base in (*bad, *(f"https://{host}" for host in _ALLOWED)):
        fine = base not in bad
        for member in ("service", "update", "score"):
            with findings.trial(URLS, f"hostile URL: {base} as {member} in pipelines.yaml"):
                refused = bool(_loaded(folder, member, base))
                if refused == fine:
                    findings.broken(URLS, "is refused" if refused else "is taken")
        with findings.trial(URLS, f"hostile URL: {base} as ApiLocation"):
            called = _scored_at({"ApiLocation": f"{base}/workspaces/w1/services/e1"}, "classic")
            if called != fine:
                findings.broken(URLS, "is called" if called else "is not called")
        with findings.trial(URLS, f"hostile URL: {base} as swaggerLocation"):
            swagger = f"{base}/workspaces/w1/services/e1/swagger.json"
            called = _scored_at({"properties": {"swaggerLocation": swagger}}, "webservice")
            if called != fine:
                findings.broken(URLS, "is called" if called else "is not called")
        with findings.trial(URLS, f"hostile URL: {base} as BaseLocation of a result"):
            location = {"BaseLocation": f"{base}/", "RelativeLocation": "c/x.ilearner"}
            if bool(read_results({"output1": location})) != fine:
                findings.broken(
                    URLS, "is refused" if fine else "is taken for the location of a model"
                )
        with findings.trial(URLS, f"hostile URL: {base} as Azure-AsyncOperation"):
            if _followed(f"{base}/operations/1"):
                findings.broken(URLS, "is followed with the token")


def _loaded(folder: Path, member: str, base: str) -> tuple[object, ...]:
    tree = example()
    census = tree["pipelines"]["census"]
    census.pop("gate")  # of no use here
    endpoint = census["endpoints"][0]
    holder, key = {
        "service": (census["training"], "service"),
        "update": (endpoint, "update"),
        "score": (endpoint["verify"], "score"),
    }[member]
    url = urlsplit(holder[key])
    holder[key] = f"{base}{url.path}" + (f"?{url.query}" if url.query else "")
    (folder / "probe.example.json").write_text(json.dumps(ROWS), encoding="utf-8")
    file = folder / "urls.yaml"
    file.write_text(yaml.safe_dump(tree), encoding="utf-8")
    return load_pipelines(file, environment(), development=False).problems


@dataclass
class _Naming:
    """An `Http` that gives every call the same answer, and records the URLs."""

    answer: Mapping[str, Any]
    headers: Mapping[str, str] = field(default_factory=dict)
    sent: list[str] = field(default_factory=list)

    def send(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes | None = None
    ) -> Answer:
        """Return the answer."""
        del headers, body
        self.sent.append(f"{method} {url}")
        return Answer(200, self.headers, json.dumps(self.answer).encode())


def _providers(http: _Naming, blobs: FakeBlobs | None = None) -> ConfiguredProviders:
    blobs = blobs or FakeBlobs(FakeClock())
    token = ArmToken(FixedCredential(SECRETS["ARM_TOKEN"]))
    return ConfiguredProviders(http, SECRETS, blobs, blobs, MODELS, token=token)


def _scored_at(answer: dict[str, Any], kind: str) -> bool:
    """Whether the clients score where the service says that it is."""
    uri = "https://account.blob.core.windows.net/models/x.ilearner"
    model = {"name": "Sample [trained model]", "type": "Resource", "locationInfo": {"uri": uri}}
    assets = {"assets": {"asset3": model}}
    tree = {**answer, "Name": "production", "PrimaryKey": "key", "primary": "key"}
    tree["properties"] = {**assets, **answer.get("properties", {})}
    http = _Naming(tree)
    endpoint = pipeline_of(kind).endpoint
    if endpoint is None:
        return False
    own_errors_only(_providers(http).serving(endpoint).update_state)
    return any("/execute" in sent for sent in http.sent)


def _followed(url: str) -> bool:
    """Whether an operation at this URL is checked."""
    uri = "https://account.blob.core.windows.net/models/x.ilearner"
    model = {"name": "Sample [trained model]", "type": "Resource", "locationInfo": {"uri": uri}}
    http = _Naming({"properties": {"assets": {"asset3": model}}}, {"Azure-AsyncOperation": url})
    endpoint = pipeline_of("webservice").endpoint
    if endpoint is None:
        return False
    blobs = FakeBlobs(FakeClock())
    given = model_of(blobs.put(MODELS, "x.ilearner", b"x"))
    serving = _providers(http, blobs).serving(endpoint)
    operation = serving.restore(ServingState(model=given))
    own_errors_only(lambda: serving.update_state(operation))
    return any("/operations/1" in sent for sent in http.sent)
