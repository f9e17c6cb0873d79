"""One online endpoint behind `Http`, by recorded answers, and the provider that calls it."""

import json
from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import urlsplit

from shared.core.config.azureml_endpoint import AzureMlEndpoint
from shared.core.config.azureml_models import model_named
from shared.core.config.azureml_names import workspace_of
from shared.core.redaction import Redactor
from shared.core.serving.references import Candidate, ModelRef, Shift
from shared.core.serving.traffic import TrafficMap
from shared.errors import RelearnError
from shared.providers.azureml.connections import AzureMlConnections
from shared.providers.azureml.job_planner import Storage
from shared.providers.azureml.serving import AzureMlServing
from shared.providers.azureml.tokens import Tokens
from shared.providers.http.client import Answer
from tests.fakes.blobs import FakeBlobs
from tests.fakes.clock import FakeClock
from tests.unit.providers.azureml.service import ARM, RUN, WS, Identity, refuses, says
from tests.unit.scripted import Sent

NAME: Final = "census"
SCORE: Final = f"https://{NAME}.westus.inference.ml.azure.com/score"
KEY: Final = "a-primary-key-0123456789"
OPERATION: Final = f"{ARM}/subscriptions/s1/providers/x/locations/westus/mfeOperationsStatus/oe:1"
ROWS: Final[dict[str, Any]] = {"input_data": {"columns": ["a"], "data": [[1], [2]]}}
SETTINGS: Final = {"DB": "s3cr3t-v4lue"}
USUAL: Final[dict[str, Any]] = {
    "kind": "azureml",
    "name": "production",
    "workspace": WS,
    "endpoint": NAME,
    "deployment": {"instance_type": "Standard_F4s_v2", "instance_count": 2},
    "verify": {"rows": ROWS},
}


def endpoint(traffic: Mapping[str, Any] | None = None, **known: Any) -> dict[str, Any]:
    """Return an endpoint as the service shows it; members may be replaced by name."""
    own: dict[str, Any] = {
        "description": None,
        "properties": {"azureml.onlineendpointid": "x", "AzureAsyncOperationUri": OPERATION},
        "scoringUri": SCORE,
        "swaggerUri": SCORE.replace("score", "swagger.json"),
        "authMode": "Key",
        "provisioningState": "Succeeded",
        "compute": None,
        "traffic": {"blue": 100} if traffic is None else dict(traffic),
        "mirrorTraffic": {},
        "publicNetworkAccess": "Enabled",
    }
    top: dict[str, Any] = {
        "id": f"{WS}/onlineEndpoints/{NAME}",
        "name": NAME,
        "type": "Microsoft.MachineLearningServices/workspaces/onlineEndpoints",
        "tags": {"team": "a"},
        "location": "westus",
        "kind": "Managed",
        "identity": {"type": "SystemAssigned", "principalId": "p", "tenantId": "t"},
        "systemData": {"createdAt": "2026-03-01T12:00:00.1234567+00:00"},
    }
    for name, value in known.items():
        (top if name in top else own)[name] = value
    return {**top, "properties": own}


def deployment(
    name: str = "blue", model: str = "1", run: str | None = None, **known: Any
) -> dict[str, Any]:
    """Return a deployment as the service shows it; members may be replaced by name."""
    own: dict[str, Any] = {
        "endpointComputeType": "Managed",
        "instanceType": "Standard_F4s_v2",
        "model": f"{WS}/models/census/versions/{model}" if model.isdecimal() else model,
        "requestSettings": {"maxQueueWait": "PT0S", "requestTimeout": "PT5S"},
        "scaleSettings": {"scaleType": "Default"},
        "properties": {"AzureAsyncOperationUri": OPERATION.replace("oe:", "od:")},
        "modelMountPath": None,
        "provisioningState": "Succeeded",
    }
    top: dict[str, Any] = {
        "name": name,
        "tags": {"relearn.run": run} if run else {},
        "location": "westus",
        "kind": "Managed",
        "sku": {"name": "Default", "tier": "Standard", "capacity": 1},
    }
    for member, value in known.items():
        (top if member in top else own)[member] = value
    return {**top, "properties": own}


@dataclass
class FakeService:
    """The resources below one workspace; a PUT changes nothing, as an operation takes time."""

    resources: dict[str, Any] = field(default_factory=dict)
    scripts: dict[tuple[str, str], list[Answer | RelearnError]] = field(default_factory=dict)
    sent: list[Sent] = field(default_factory=list)

    def send(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes | None = None
    ) -> Answer:
        self.sent.append(Sent(method, url, headers, body))
        whole = urlsplit(url)
        for (verb, end), answers in self.scripts.items():
            if verb == method and whole.path.endswith(end) and answers:
                answer = answers.pop(0) if len(answers) > 1 else answers[0]
                if isinstance(answer, RelearnError):
                    raise answer
                return answer
        path = whole.path.removeprefix(WS).strip("/")
        if method == "GET":
            return self._got(path)
        if method == "POST":
            return (
                says({"primaryKey": KEY, "secondaryKey": "b"}) if "listKeys" in path else says([])
            )
        return says(json.loads(body or b"null"), 202 if method == "DELETE" else 201)

    def _got(self, path: str) -> Answer:
        if path.endswith("/deployments"):
            inside = f"{path}/"
            listed = [one for name, one in self.resources.items() if name.startswith(inside)]
            return says({"value": listed})
        found = self.resources.get(path)
        return refuses(404, "UserError") if found is None else says(found)

    def script(self, method: str, end: str, *answers: Answer | RelearnError) -> None:
        self.scripts[method, end] = list(answers)

    def put(self, resource: Mapping[str, Any]) -> None:
        """Have an endpoint, or a deployment of it."""
        inside = (
            "" if "scoringUri" in resource["properties"] else f"/deployments/{resource['name']}"
        )
        self.resources[f"onlineEndpoints/{NAME}{inside}"] = deepcopy(dict(resource))

    @property
    def calls(self) -> list[str]:
        """What was sent, shortened: the method, and what follows the workspace."""
        return [f"{one.method} {_short(one.url)}" for one in self.sent]

    @property
    def writes(self) -> list[Sent]:
        return [one for one in self.sent if one.method in ("PUT", "DELETE")]


def _short(url: str) -> str:
    path = urlsplit(url).path.removeprefix(WS).strip("/")
    return path.removeprefix(f"onlineEndpoints/{NAME}").strip("/") or NAME


class Bench:
    """An endpoint that serves `census:1` by `blue`, and the provider for it."""

    def __init__(self, **changes: Any) -> None:
        self.http = FakeService()
        self.http.put(endpoint())
        self.http.put(deployment())
        self.identity = Identity()
        self.redactor = Redactor(*SETTINGS.values())
        blobs = FakeBlobs(FakeClock())
        self.connections = AzureMlConnections(
            http=self.http,
            slow=self.http,
            environment=SETTINGS,
            storage=Storage(blobs, blobs, "models", None),
            tokens=Tokens(self.identity),
            redactor=self.redactor,
        )
        written = {name: one for name, one in {**USUAL, **changes}.items() if one is not None}
        config = AzureMlEndpoint.model_validate(written, context={"development": False})
        made = self.connections.serving(config)
        assert isinstance(made, AzureMlServing)
        self.service: AzureMlServing = made

    def candidate(self, version: str = "2", again: int = 0) -> Candidate:
        return self.service.candidate(model(version), RUN, again)

    def staged(self, **known: Any) -> Candidate:
        """Return a candidate whose deployment is there."""
        made = self.candidate()
        self.http.put(deployment(made.name, "2", RUN, **known))
        return made

    def shift(self, share: int = 10, mirror: int = 0, **known: Any) -> Shift:
        """Return the shift to a staged candidate, away from the live deployment."""
        candidate = self.staged(**known)
        before = TrafficMap.of({"blue": 100})
        wanted = before.giving(candidate.name, share, mirror)
        return Shift(candidate=candidate, share=share, before=before, wanted=wanted)


def model(version: str) -> ModelRef:
    return model_named(f"azureml:census:{version}", workspace_of(WS))


def sent_traffic(bench: Bench) -> dict[str, Any]:
    """Return the shares that the only write had."""
    (put,) = bench.http.writes
    found: dict[str, Any] = put.json()["properties"]["traffic"]
    return found
