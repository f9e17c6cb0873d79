"""A New web service by managed identity, whose jobs store results in its own storage."""

import json
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import requests
from azure.core.exceptions import ResourceNotFoundError
from azure.storage.blob import BlobServiceClient, ContainerClient

from local.azurite import ACCOUNT_KEY, Azurite, make_container
from local.demo.stage import ROOT
from local.host.process import HostProcess
from local.studio import HttpBlobs, LogisticTrainer, OutputKind, Studio
from local.studio.server import StudioServer
from local.studio.state import OWN_CONTAINER
from local.studio.web_service_json import WebService
from shared.core.run.record import ENDS
from tests.waiting import eventually

RESOURCE = "Sample [trained model]"
FIRST = b"a,b,label\n1,5,0\n2,6,0\n3,7,1\n4,8,1\n"
BETTER = b"a,b,label\n1,5,1\n2,6,1\n3,7,0\n4,8,0\n9,9,1\n"
OTHER_COLUMNS = b"hello,label\n1,0\n2,0\n3,1\n4,1\n"
ROWS = {"Inputs": {"input1": {"ColumnNames": ["a", "b"], "Values": [["1", "5"], ["4", "8"]]}}}


@dataclass
class Scene:
    """The service, the app, and the storage account that both use."""

    studio: Studio
    service: WebService
    host: HostProcess
    storage: BlobServiceClient
    secrets: tuple[str, ...]

    def serves(self) -> bytes:
        return self.studio.web_service_serves(self.service)

    def train_on(self, name: str, content: bytes) -> dict[str, Any]:
        """Upload data and return the run that it opened, once that is over."""
        self.storage.get_blob_client("training-data", name).upload_blob(content)
        return eventually(lambda: self._ended(name), f"the end of the run for {name}", 60)

    def _ended(self, name: str) -> dict[str, Any]:
        for run in self.runs():
            if run["manifest"][0]["name"] == name and run["phase"] in {*ENDS, "parked"}:
                return run
        return {}

    def runs(self) -> list[dict[str, Any]]:
        ledger = self.storage.get_container_client("ledger")
        if not ledger.exists():
            return []
        names = [blob.name for blob in ledger.list_blobs("runs/")]
        urls = [f"{self.host.url}/api/{name}" for name in names]
        return [requests.get(url, timeout=30).json() for url in urls]

    def said(self) -> str:
        ledger = self.storage.get_container_client("ledger")
        records = [self._read(ledger, name) for name in ledger.list_blob_names()]
        return b"\n".join(records).decode() + self.host.log + json.dumps(self.runs())

    def _read(self, ledger: ContainerClient, name: str) -> bytes:
        try:
            return ledger.download_blob(name).readall()
        except ResourceNotFoundError:
            return b""  # a marker of a run that ended this moment


@pytest.fixture(scope="module")
def scene(azurite: Azurite, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    with BlobServiceClient.from_connection_string(azurite.connection_string) as storage:
        for container in ("training-data", "models", OWN_CONTAINER):
            make_container(storage.get_container_client(container))
        studio = Studio(
            storage=HttpBlobs(),
            trainer=LogisticTrainer(),
            clock=lambda: datetime.now(UTC),
            new_id=lambda: uuid.uuid4().hex,
            own_storage=azurite.connection_string,
        )
        studio.switches.provision_delay = timedelta(seconds=2)
        with StudioServer(studio, trainer=LogisticTrainer()) as server:
            service, settings = published(studio, azurite, storage)
            folder = tmp_path_factory.mktemp("new")
            settings |= written(folder, studio, server.url, service)
            with HostProcess(ROOT, settings) as host:
                secrets = (ACCOUNT_KEY, studio.arm_token, service.api_key, "sig=")
                yield Scene(studio, service, host, storage, secrets)


def published(
    studio: Studio, azurite: Azurite, storage: BlobServiceClient
) -> tuple[WebService, dict[str, str]]:
    model = LogisticTrainer().train({"input1": FIRST}, {}, label=None).model
    storage.get_blob_client(OWN_CONTAINER, "first.ilearner").upload_blob(model)
    uri = f"{azurite.blob_endpoint}/{OWN_CONTAINER}/first.ilearner"
    service = studio.publish_web_service("census", resource=RESOURCE, model=model, uri=uri)
    return service, {
        "AzureWebJobsStorage": azurite.connection_string,
        "FUNCTIONS_WORKER_RUNTIME": "python",
        "AZURE_FUNCTIONS_ENVIRONMENT": "Development",
        "TRAINING_DATA_CONTAINER": "training-data",
        "MODELS_CONTAINER": "models",
        "LEDGER_CONTAINER": "ledger",
        "BLOB_SOURCE": "LogsAndContainerScan",
        "POLL_SCHEDULE": "*/1 * * * * *",
        "CHECK_INTERVAL_MIN": "1s",
    }


def written(folder: Path, studio: Studio, url: str, service: WebService) -> dict[str, str]:
    """Write the pipelines file; return the settings that it needs, and the app's identity."""
    outputs = {"output1": OutputKind.EVALUATION, "output2": OutputKind.MODEL}
    training = studio.publish_training("training", outputs=outputs)
    workspace, _, path = training.jobs_url.removeprefix("/workspaces/").partition("/")
    pipeline = {
        "data": {"blob": "{name}.csv"},
        "when_busy": "parallel",
        # What the job writes is left where the service keeps it.
        "training": {
            "service": f"{url}/subscriptions/{workspace}/{path}",
            "api_key": "${TRAINING_KEY}",
        },
        "endpoints": [
            {
                "name": "census",
                "kind": "webservice",
                "update": url + service.path,
                "verify": {"rows": "probe.json", "within": "15s"},  # it provisions for two
            }
        ],
    }
    (folder / "probe.json").write_text(json.dumps(ROWS))
    (folder / "pipelines.yaml").write_text(json.dumps({"pipelines": {"census": pipeline}}))
    return {
        "PIPELINES_FILE": str(folder / "pipelines.yaml"),
        "TRAINING_KEY": training.api_key,
        "IDENTITY_ENDPOINT": f"{url}/msi/token",
        "IDENTITY_HEADER": studio.identity_secret,
    }


def test_a_new_service_is_updated_by_managed_identity_and_verified(scene: Scene) -> None:
    run = scene.train_on("better.csv", BETTER)
    assert run["phase"] == "promoted", run
    assert run["model"]["name"].endswith("/output2.ilearner")
    model = scene.storage.get_blob_client(*run["model"]["name"].split("/", 1))
    assert scene.serves() == model.download_blob().readall()
    assert [secret for secret in scene.secrets if secret in scene.said()] == []


def test_a_model_that_does_not_fit_is_rolled_back(scene: Scene) -> None:
    before = scene.serves()
    run = scene.train_on("odd.csv", OTHER_COLUMNS)
    assert run["phase"] == "rolled_back", run
    assert "hello" in run["reason"]
    assert scene.serves() == before
