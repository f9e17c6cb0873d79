"""A workspace for tests: fake clock, blobs in memory; called by its routes, or over HTTP."""

import json
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import requests

from local.azureml.answers import ARM, NAME, WORKSPACE
from local.azureml.places import MemoryFiles
from local.azureml.routes import Routes
from local.azureml.sample import publish_sample
from local.azureml.service import AzureMl
from local.azureml.switches import Switches
from local.azureml.training import InstantTrainer, Trainer
from local.identity import make_token
from local.studio.wire import WireAnswer, WireRequest
from tests.fakes.clock import FakeClock

VECTORS = Path(__file__).parents[2] / "vectors" / "azureml"
_RECORDED = (
    "/subscriptions/00000000-0000-0000-0000-000000000/resourceGroups/00000/providers/"
    "Microsoft.MachineLearningServices/workspaces/00000"
)
DATA = "azureml://datastores/training/paths/census/a.csv"
RUN = "azureml://datastores/models/paths/runs/census/r7k2/1"
CSV = b"a,b,label\n" + b"".join(b"%d,%d,%d\n" % (n, n * 7 % 5, n % 2) for n in range(60))

Send = Callable[[WireRequest], WireAnswer]


def vector(name: str) -> dict[str, Any]:
    """Return a vector, with this workspace in place of the recorded one."""
    text = (VECTORS / f"{name}.json").read_text(encoding="utf-8")
    found: dict[str, Any] = json.loads(text.replace(_RECORDED, WORKSPACE))
    return found


def over_http(url: str) -> Send:
    connections = requests.Session()

    def send(request: WireRequest) -> WireAnswer:
        answer = connections.request(
            request.method,
            url + request.url,
            data=request.body,
            headers=dict(request.headers),
            timeout=30,
        )
        return WireAnswer(answer.status_code, dict(answer.headers), answer.content)

    return send


class Bench:
    def __init__(
        self, *, trainer: Trainer | None = None, sample: bool = True, **switches: Any
    ) -> None:
        self.clock, self.files = FakeClock(), MemoryFiles()
        self.service = AzureMl(
            self.clock,
            Switches(**switches),
            files=self.files,
            trainer=trainer or InstantTrainer(),
        )
        self.hooks, self.calls = self.service.hooks, self.service.calls
        self.send: Send = Routes(self.service).handle
        self.token = make_token(ARM)
        self.files.write("training-data", "census/a.csv", CSV)
        self.sample: dict[str, str] = {}
        if sample:
            self.sample = publish_sample(self.service)
            self.hooks.add_datastore("training", "training-data")
            self.hooks.add_datastore("models", "models")

    def ask(
        self, method: str, path: str, body: object = None, headers: dict[str, str] | None = None
    ) -> WireAnswer:
        """Send a request to the workspace; a path of the data plane begins with `/`."""
        url = path if path.startswith("/") else f"{WORKSPACE}/{path}".rstrip("/")
        if not path.startswith("/"):
            url += ("&" if "?" in path else "?") + "api-version=2025-12-01"
        content = b"" if body is None else json.dumps(body).encode()
        sent = {"Authorization": f"Bearer {self.token}"} | (headers or {})
        return self.send(WireRequest(method, url, sent, content))

    def plane(self, method: str, what: str, path: str, body: object = None) -> WireAnswer:
        """Send a request to the data plane."""
        return self.ask(method, f"/{what}{WORKSPACE}/{path}", body)

    def put(self, name: str = "j", **members: Any) -> WireAnswer:
        """PUT a job of the sample's pipeline component."""
        return self.ask("PUT", f"jobs/{name}", {"properties": self.pipeline(**members)})

    def pipeline(self, **members: Any) -> dict[str, Any]:
        own: dict[str, Any] = {
            "jobType": "Pipeline",
            "componentId": self.sample["component"],
            "jobs": {},
            "tags": {"relearn.run": "r7k2"},
            "inputs": {"training_data": {"jobInputType": "uri_file", "uri": DATA}},
            "outputs": {
                name: {"jobOutputType": "uri_folder", "uri": f"{RUN}/{name}/"}
                for name in ("model", "evaluation")
            },
            "settings": {"default_compute": self.sample["compute"], "force_rerun": True},
        }
        return own | members

    def command(self, line: str = "true", **members: Any) -> dict[str, Any]:
        own: dict[str, Any] = {
            "jobType": "Command",
            "command": line,
            "environmentId": self.sample["environment"],
            "computeId": self.sample["compute"],
        }
        return own | members

    def job(self, name: str = "j") -> dict[str, Any]:
        found: dict[str, Any] = self.ask("GET", f"jobs/{name}").json()["properties"]
        return found

    def ended(self, name: str = "j") -> str:
        """Let the time pass that a job needs, and return its status."""
        self.clock.move(timedelta(minutes=30))
        return str(self.job(name)["status"])

    def data_of(self, run: str) -> dict[str, Any]:
        answer = self.plane("POST", "history/v1.0", "rundata", {"runId": run})
        found: dict[str, Any] = answer.json()["runMetadata"]
        return found

    def children(self, name: str = "j") -> list[dict[str, Any]]:
        answer = self.plane("GET", "history/v1.0", f"runs/{name}/children")
        found: list[dict[str, Any]] = answer.json()["value"]
        return found


def codes(answer: WireAnswer) -> set[str]:
    """Return every code of an error: at the top, in details, and along the inner errors."""
    error = answer.json()["error"]
    found = {error["code"], *(one["code"] for one in error["details"])}
    for more in error["additionalInfo"]:
        inner = more["info"]["value"] if more["type"] == "InnerError" else None
        while inner:
            found.add(inner["code"])
            inner = inner.get("innerError")
    return found


#: Members that are the recording's own: ids, times, addresses, what was cut or sanitised.
OWN = frozenset(
    [
        "createdAt",
        "createdByType",
        "lastModifiedAt",
        "endpoint",
        "Location",
        "x-request-time",
        "id",
        "name",
        "version",
        "codeUri",
        "location",
        "friendlyName",
        "tenantId",
        "principalId",
        "workspaceId",
        "mlFlowTrackingUri",
        "discoveryUrl",
        "hash_sha256",
        "accountName",
        "containerName",
        "subscriptionId",
        "resourceGroup",
        "createdOn",
        "x-ms-ratelimit-remaining-subscription-reads",
    ]
)
#: Members that this workspace does not have.
CUT = frozenset(
    [
        "managedNetwork",
        "v1LegacyMode",
        "imageBuildCompute",
        "serverlessComputeSettings",
        "nodes",
        "runSource",
        "azureml.DatasetAccessMode",
        "azureml.parameters",
        "assetVersion",
        "autoDeleteSetting",
        "pathOnCompute",
        "azureml.pipelines.stages",
        "secretsConfiguration",
        "client_component_hash",
        "createdOn",
        "isAttachedCompute",
        "disableLocalAuth",
        "provisioningErrors",
        "intellectualProperty",
        "parentJobName",
    ]
)


def missing_from(ours: Any, recorded: Any, path: str = "") -> list[str]:
    """Return what a recorded value has and ours has not, or has otherwise."""
    if isinstance(recorded, dict) and isinstance(ours, dict):
        return [
            problem
            for name, value in recorded.items()
            if name not in CUT
            for problem in (
                missing_from(ours[name], value, f"{path}.{name}")
                if name in ours
                else [f"{path}.{name}"]
            )
            if name not in OWN or name not in ours
        ]
    if isinstance(recorded, list) and isinstance(ours, list):
        pairs = zip(ours, recorded, strict=False)
        return [one for n, pair in enumerate(pairs) for one in missing_from(*pair, f"{path}[{n}]")]
    return [] if ours == recorded else [f"{path}: {ours!r} for {recorded!r}"]


__all__ = [
    "CSV",
    "DATA",
    "NAME",
    "RUN",
    "WORKSPACE",
    "Bench",
    "codes",
    "missing_from",
    "over_http",
    "vector",
]
