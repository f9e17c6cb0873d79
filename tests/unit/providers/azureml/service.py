"""A small workspace behind `Http`, by its recorded answers, and the service that calls it."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any, Final, cast
from urllib.parse import parse_qs, urlsplit

from azure.core.credentials import AccessToken

from shared.core.config.azureml_training import AzureMlTraining
from shared.core.names import output_path
from shared.core.redaction import Redactor
from shared.core.serving.references import ModelRef
from shared.errors import RelearnError
from shared.ports.training import FinishedJob, JobRequest, TrainingService
from shared.providers.azureml.connections import AzureMlConnections
from shared.providers.azureml.job_planner import Storage
from shared.providers.azureml.jobs import AzureMlJobs
from shared.providers.azureml.tokens import Tokens
from shared.providers.http.client import Answer
from tests.fakes.blobs import FakeBlobs
from tests.fakes.clock import FakeClock
from tests.unit.samples import blob
from tests.unit.scripted import Sent

VECTORS: Final = Path(__file__).resolve().parents[3] / "vectors" / "azureml"
ARM: Final = "https://management.azure.com"
API: Final = "https://westus.api.azureml.ms"
WS: Final = (
    "/subscriptions/s1/resourceGroups/rg1/providers/Microsoft.MachineLearningServices"
    "/workspaces/ws1"
)
RUN: Final = "census-0123456789abcdef0123"
SETTINGS: Final = {"SECRET": "s3cr3t-v4lue", "EMPTY": ""}
MLTABLE_TEXT: Final = "Container,Name,ETag\ntraining-data,a b.csv,0x1\ntraining-data,c.csv,0x2\n"


def vector(name: str) -> dict[str, Any]:
    loaded = json.loads((VECTORS / f"{name}.json").read_text(encoding="utf-8"))
    assert isinstance(loaded, dict)
    assert loaded["_source"]
    return loaded


def says(body: object, status: int = 200, headers: Mapping[str, str] | None = None) -> Answer:
    return Answer(status, headers or {}, b"" if body is None else json.dumps(body).encode())


def refuses(status: int, code: str, *inner: str, message: str = "No.", detail: str = "") -> Answer:
    """Answer as Resource Manager does: the telling code is the innermost one."""
    chain: dict[str, Any] | None = None
    for one in reversed(inner):
        chain = {"code": one, "innerError": chain}
    more = [
        {"type": "ComponentName", "info": {"value": "managementfrontend"}},
        {"type": "Correlation", "info": {"value": {"operation": "op1", "request": "rq1"}}},
        {"type": "InnerError", "info": {"value": chain}},
    ]
    details = [{"code": detail, "message": f"{detail} happened."}] if detail else []
    error = {"code": code, "message": message, "details": details, "additionalInfo": more}
    return says({"error": error}, status)


@dataclass
class Identity:
    """An identity that has a token for each scope, but for those that it lacks."""

    lacks: set[str] = field(default_factory=set)
    asked: list[str] = field(default_factory=list)

    def get_token(self, *scopes: str, **_: Any) -> AccessToken:
        self.asked += scopes
        if self.lacks & set(scopes):
            raise ValueError("no such resource")
        return AccessToken(f"token for {scopes[0]}", 0)


@dataclass
class FakeWorkspace:
    """The resources of one workspace, by their paths below it; `scripts` come before them."""

    clock: FakeClock
    resources: dict[str, Any] = field(default_factory=dict)
    history: dict[str, Any] = field(default_factory=dict)
    #: (method, end of the path) -> what is answered next, each once.
    scripts: dict[tuple[str, str], list[Answer | RelearnError]] = field(default_factory=dict)
    sent: list[Sent] = field(default_factory=list)
    unauthorized: set[str] = field(default_factory=set)  #: tokens that the data plane refuses

    def send(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes | None = None
    ) -> Answer:
        self.sent.append(Sent(method, url, headers, body))
        path = urlsplit(url).path
        for (verb, end), answers in self.scripts.items():
            if verb == method and path.endswith(end) and answers:
                answer = answers.pop(0)
                if isinstance(answer, RelearnError):
                    raise answer
                return answer
        if url.startswith(API):
            return self._data_plane(method, path, headers, json.loads(body or b"{}"))
        return self._arm(method, path.removeprefix(WS).strip("/"), url, body)

    def script(self, method: str, end: str, *answers: Answer | RelearnError) -> None:
        self.scripts.setdefault((method, end), []).extend(answers)

    def count(self, method: str, part: str) -> int:
        return len(self.calls(method, part))

    def calls(self, method: str, part: str) -> list[Sent]:
        return [one for one in self.sent if one.method == method and part in one.url]

    def job(self, name: str, status: str, **known: Any) -> None:
        """Have a job with this status."""
        there = self.resources.get(f"jobs/{name}", {"properties": {"jobType": "Pipeline"}})
        properties = {**there["properties"], "status": status, **known}
        made = {"createdAt": known.pop("created", self.clock.now().isoformat())}
        self.resources[f"jobs/{name}"] = {**there, "properties": properties, "systemData": made}

    def _arm(self, method: str, path: str, url: str, body: bytes | None) -> Answer:
        stamp = {"Date": format_datetime(self.clock.now(), usegmt=True)}
        if method == "PUT":
            new = path not in self.resources
            made = {"createdAt": self.clock.now().isoformat()}
            resource = {
                "name": path.rpartition("/")[2],
                **json.loads(body or b""),
                "systemData": made,
            }
            resource["properties"].setdefault("status", "Preparing")
            if new:
                self.resources[path] = resource
            return says(resource, 201 if new else 200, stamp)
        if method == "POST":
            there = path.removesuffix("/cancel") in self.resources
            return says(None, 200) if there else refuses(404, "UserError", "NotFound")
        found = self.resources.get(path)
        if isinstance(found, list):
            default = "isDefault" in parse_qs(urlsplit(url).query)
            kept = [one for one in found if not default or one["properties"].get("isDefault")]
            return says({"value": kept})
        return (
            says(None, 404, {"Content-Length": "0"}) if found is None else says(found, 200, stamp)
        )

    def _data_plane(
        self, method: str, path: str, headers: Mapping[str, str], body: Mapping[str, Any]
    ) -> Answer:
        if headers["Authorization"].removeprefix("Bearer ") in self.unauthorized:
            return says({"error": {"code": "UserError", "message": "Bad token."}}, 401)
        if path.endswith("/rundata"):
            return says(self.history.get(f"rundata {body['runId']}", {"runMetadata": {}}))
        if path.endswith("/children"):
            name = path.split("/")[-2]
            return says({"value": self.history.get(f"children {name}", [])})
        if path.endswith("batchGetResolvedUris"):
            places = self.history.get("places", {})
            return says({"values": {one: places[one] for one in body["values"]}})
        return says(self.history.get(path.rpartition("/")[2], {}))


def datastore(name: str, container: str, **known: Any) -> dict[str, Any]:
    usual = {
        "datastoreType": "AzureBlob",
        "accountName": "Account",
        "containerName": container,
        "endpoint": "core.windows.net",
        "protocol": "https",
    }
    return {"name": name, "properties": {**usual, **known}}


def component(kind: str = "pipeline", **known: Any) -> dict[str, Any]:
    spec = {
        "type": kind,
        "inputs": {
            "training_data": {"type": "uri_file", "optional": "False"},
            "epochs": {"type": "number", "optional": "True", "default": "10"},
            "label": {"type": "string", "optional": "True"},
        },
        "outputs": {"model": {"type": "uri_folder"}, "metrics": {"type": "uri_folder"}},
        **known,
    }
    return {"properties": {"componentSpec": spec}}


USUAL: Final = {
    "kind": "azureml",
    "workspace": WS,
    "component": "azureml:train-census:3",
    "inputs": {"training_data": "{data}", "epochs": 5},
    "outputs": {"model": "model", "metrics": "evaluation"},
    "compute": "cpu-cluster",
}


class Bench:
    """A service with its workspace, and a request to give it."""

    def __init__(self, **changes: Any) -> None:
        self.clock = FakeClock()
        self.blobs = FakeBlobs(self.clock)
        self.identity = Identity()
        self.redactor = Redactor()
        written = {**USUAL, **changes}
        written = {name: value for name, value in written.items() if value is not None}
        self.training = AzureMlTraining.model_validate(written, context={"development": False})
        self.workspace = FakeWorkspace(self.clock)
        properties = {
            "mlFlowTrackingUri": f"azureml://{API.removeprefix('https://')}/mlflow/v1.0{WS}"
        }
        self.workspace.resources = {
            "": {"properties": properties},
            "components/train-census/versions/3": component(),
            "datastores": [
                datastore("modelstore", "models"),
                datastore("landing", "training-data"),
            ],
            "computes/cpu-cluster": vector("rec_compute_get_200")["response"]["body"],
        }
        for store in self.workspace.resources["datastores"]:
            self.workspace.resources[f"datastores/{store['name']}"] = store
        connections = AzureMlConnections(
            http=self.workspace,
            slow=self.workspace,
            environment=SETTINGS,
            storage=Storage(self.blobs, self.blobs, "models", lambda _: self.blobs),
            tokens=Tokens(self.identity),
            redactor=self.redactor,
        )
        self.connections = connections
        self.service: AzureMlJobs = connections.training(self.training)

    def request(self, **changes: Any) -> JobRequest:
        outputs = {
            name: output_path("census", RUN, changes.get("attempt", 1), folder)
            for name, folder in self.training.outputs.items()
        }
        known: dict[str, Any] = {
            "run_id": RUN,
            "attempt": 1,
            "inputs": {"training_data": blob("census/a.csv")},
            "outputs": outputs,
            "parameters": self.training.parameters,
            "training": cast("Any", self.training),
        }
        return JobRequest(**{**known, **changes})

    def started(self) -> str:
        handle = self.service.prepare(self.request())
        self.service.ensure_started(handle, self.request())
        return handle

    def finished(self, made_at: datetime | None = None, **changes: Any) -> FinishedJob:
        """Return a finished job, made a moment before its outputs are written."""
        handle = self.service.prepare(self.request())
        made_at = made_at or self.clock.now() - timedelta(minutes=1)
        return FinishedJob(handle, made_at, self.request(**changes))

    def body(self) -> dict[str, Any]:
        """Return the properties that the only PUT of a job had."""
        (put,) = self.workspace.calls("PUT", "/jobs/")
        found: dict[str, Any] = put.json()["properties"]
        return found

    def write(self, path: str, content: bytes) -> None:
        self.blobs.put("models", f"runs/census/{RUN}/1/{path}", content)


def registered(
    service: TrainingService, job: FinishedJob, wanted: Mapping[str, str | None]
) -> dict[str, ModelRef]:
    """Return the models of a job after each was registered, as for a model that passed its gate."""
    found = service.models(job, wanted)
    return {name: service.register(job, model) for name, model in found.items()}
