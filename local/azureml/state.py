"""The state of the service: model versions, endpoints and their deployments."""

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from local.azureml.answers import WORKSPACE, Answer, Body, RequestBody
from local.azureml.operations import Failure, Operations
from local.azureml.switches import Switches
from shared.ports.clock import Clock

#: What a model answers to the body of a request.
Scores = Callable[[RequestBody], Answer]


@dataclass
class Deployment:
    """One deployment of an endpoint."""

    name: str
    location: str
    tags: Body
    sku: Body
    properties: Body  #: as last asked for
    state: str
    operation: str = ""  #: unsigned address of the last one
    model: str | None = None  #: which one answers; none before the first success


@dataclass
class Endpoint:
    """One online endpoint."""

    name: str
    location: str
    tags: Body
    identity: Body
    properties: Body  #: without traffic
    state: str
    operation: str = ""
    traffic: dict[str, int] = field(default_factory=dict)  #: as GET shows it
    mirror: dict[str, int] = field(default_factory=dict)
    old_routes: tuple[datetime, dict[str, int], dict[str, int]] | None = None
    deployments: dict[str, Deployment] = field(default_factory=dict)
    key: str = "key-0"
    tokens: dict[str, datetime] = field(default_factory=dict)

    @property
    def scoring_uri(self) -> str:
        """Return where rows are sent."""
        return f"https://{self.name}.{self.location}.inference.ml.azure.com/score"

    def routes(self, now: datetime) -> tuple[dict[str, int], dict[str, int]]:
        """Return traffic and mirror as requests follow them."""
        if self.old_routes and now < self.old_routes[0]:
            return self.old_routes[1], self.old_routes[2]
        return self.traffic, self.mirror


@dataclass
class State:
    """Everything that the workspace holds, but its jobs."""

    clock: Clock
    switches: Switches
    operations: Operations
    models: dict[tuple[str, str], Body] = field(default_factory=dict)
    endpoints: dict[str, Endpoint] = field(default_factory=dict)
    scores: dict[str, Scores] = field(default_factory=dict)  #: by model id, lower case
    #: Failures to come, by resource; each is used once.
    failures: dict[str, list[Failure]] = field(default_factory=dict)

    def failure_of(self, resource: str) -> Failure | None:
        """Return how the next operation on a resource fails, once."""
        waiting = self.failures.get(resource)
        return waiting.pop(0) if waiting else None

    def model_exists(self, model: str) -> bool:
        """Whether an ARM id names a version; every version of a registry exists."""
        if model.startswith("azureml://registries/"):
            return True
        ids = {model_id(name, version).lower() for name, version in self.models}
        return model.lower() in ids


def model_id(name: str, version: str) -> str:
    """Return the ARM id of a version of a model."""
    return f"{WORKSPACE}/models/{name}/versions/{version}"


def hashed_scores(model: str) -> Scores:
    """Return a model that answers each row with a number of its own."""

    def answer(body: RequestBody) -> Answer:
        scores = []
        for row in rows_of(body):
            seed = f"{model.lower()}|{json.dumps(row)}".encode()
            scores.append(int(hashlib.sha256(seed).hexdigest()[:6], 16) / 0xFFFFFF)
        return Answer(200, scores)

    return answer


def rows_of(body: RequestBody) -> list[Any]:
    """Return the rows of a request, in the form of MLflow servers or as `data`."""
    wrapped = body.get("input_data")
    rows = wrapped.get("data") if isinstance(wrapped, dict) else wrapped
    return list(rows if rows is not None else body.get("data", ()))


def error_of_model(status: int, reason: str) -> Scores:
    """Return a broken model: its container answers `status` (azure-machine-learning-v2 §5.4)."""
    headers = {
        "ms-azureml-model-error-statuscode": str(status),
        "ms-azureml-model-error-reason": reason,
        "x-ms-run-function-failed": "True",
    }
    return lambda _body: Answer(424, {"error": reason}, headers)
