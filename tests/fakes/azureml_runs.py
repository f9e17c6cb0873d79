"""A world that trains in a workspace of Azure Machine Learning, with the app's own provider."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Self

from local.azureml.answers import WORKSPACE, Body
from local.azureml.sample import publish_sample
from local.azureml.service import AzureMl
from local.azureml.switches import Switches
from shared.core.config.pipeline import Pipeline
from shared.core.redaction import Redactor
from shared.execution.context import Providers
from shared.providers.azureml.tokens import Tokens
from shared.providers.factory import ConfiguredProviders
from shared.providers.http.client import Answer
from tests.fakes.azureml_http import AzureMlHttp, BlobFiles, Identity
from tests.fakes.faults import Faults
from tests.fakes.read_once import pipeline_of
from tests.fakes.world import DATA, MODELS
from tests.unit.worlds import Observed

#: The statuses of a job, so that a test need not wait for hours.
COURSE = tuple(
    (status, timedelta(seconds=seconds))
    for status, seconds in (("Preparing", 20), ("Queued", 10), ("Running", 60), ("Finalizing", 10))
)


@dataclass
class FaultyHttp(AzureMlHttp):
    """Sends requests to a workspace in memory; each write is an effect that can fail."""

    faults: Faults = field(default_factory=Faults)

    def send(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes | None = None
    ) -> Answer:
        def do() -> Answer:
            return super(FaultyHttp, self).send(method, url, headers, body)

        path = url.partition("?")[0]
        if method == "GET" or any(part in path for part in _READS):
            return do()
        return self.faults.effect(f"{method} {_kind_of(path)}", do, _torn)


#: Parts of the addresses of requests that change nothing, however they are sent.
_READS = ("/runs/", "/rundata", "Uris", "/score", "/listKeys", "/token", "/getLogs")
#: Parts of addresses, and what the resource is called; the first one counts.
_KINDS = {
    "/cancel": "cancel",
    "/jobs/": "job",
    "/models/": "model",
    "/deployments/": "deployment",
    "/onlineEndpoints/": "endpoint",
}


def _kind_of(path: str) -> str:
    other = path.rpartition("/")[2]
    return next((kind for part, kind in _KINDS.items() if part in path), other)


def _torn(answer: Answer) -> Answer:
    return Answer(answer.status, answer.headers, answer.body[: len(answer.body) // 2])


@dataclass
class AzureMlRuns(Observed):
    """New data trains a job of a registered component; its model is registered."""

    switches: Switches = field(default_factory=lambda: Switches(course=COURSE))
    _service: AzureMl | None = None
    _sent: FaultyHttp | None = None

    def configured(self) -> Pipeline:
        return azureml_pipeline(self.config)

    def copied(self, faults: Faults | None = None) -> Self:
        self._sent = None  # its routes are of this world's workspace
        return super().copied(faults)

    @property
    def azureml(self) -> AzureMl:
        """The workspace, with the examples registered and both datastores."""
        if self._service is None:
            self._service = self.made()
        return self._service

    def made(self) -> AzureMl:
        """Return a new workspace."""
        files = BlobFiles(self.blobs)
        made = AzureMl(self.clock, self.switches, files=files)
        publish_sample(made)
        made.hooks.add_datastore("training", DATA, account=files.account)
        made.hooks.add_datastore("models", MODELS, account=files.account)
        return made

    @property
    def wire(self) -> FaultyHttp:
        """What is sent to the workspace."""
        if self._sent is None:
            self._sent = FaultyHttp(self.azureml, faults=self.faults)
        return self._sent

    def providers(self, redactor: Redactor) -> Providers:
        return ConfiguredProviders(
            self.wire,
            self.environment,
            self.blobs,
            self.blobs,
            MODELS,
            redactor=redactor,
            tokens=Tokens(Identity()),
        )

    @property
    def jobs(self) -> list[str]:
        """The names of the jobs that the workspace has."""
        return list(self.azureml.jobs.all)

    def versions(self) -> dict[tuple[str, str], Body]:
        """Return the registered models, by name and version."""
        return dict(self.azureml.state.models)


def azureml_pipeline(changes: Mapping[str, Any]) -> Pipeline:
    tree: dict[str, Any] = {
        "name": "sample",
        "data": {"blob": "{name}.csv"},
        "when_busy": "parallel",
        "training": {
            "kind": "azureml",
            "workspace": WORKSPACE,
            "component": "azureml:train_census:1",
            "inputs": {"training_data": "{data}"},
            "outputs": {"model": "model", "evaluation": "evaluation"},
            "compute": "cpu-cluster",
            **changes.get("training", {}),
        },
        "gate": {"metrics": "evaluation", "rules": [{"metric": "AUC", "at_least": 0.5}]},
        **changes.get("pipeline", {}),
    }
    return pipeline_of(tree)
