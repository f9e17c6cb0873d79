"""Sets the stage of the demo: storage, a stand-in of the ML service, and the app in its host."""

import csv
import io
import json
import tempfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import requests
from azure.core.exceptions import ResourceNotFoundError
from azure.storage.blob import BlobServiceClient

from local.azurite import ACCOUNT_KEY, Azurite
from local.host.process import HostProcess
from local.studio.process import StudioProcess
from local.studio.sample import sample_data
from local.studio.training import LogisticTrainer

ROOT: Final = Path(__file__).parents[2]
DATA, MODELS, LEDGER = "training-data", "models", "ledger"
PIPELINE: Final = "breast-cancer"
RESOURCE: Final = "Breast Cancer Model [trained model]"
_FIRST_ROWS: Final = 40
_PROBE_ROWS: Final = 3
_SWITCH_SECONDS: Final = 4
_SECONDS: Final = 30


class Stage:
    """Everything that the demo plays on, on free ports of loopback; gone when the block ends.

    Args:
        settings: app settings over the demo's own.
        switch_seconds: how long the endpoint takes to switch after an update.
        on_disk: keep the storage in a folder: in memory, Azurite makes an extent of each write,
            and every ten minutes it reads them all, for minutes after so many writes.
        more_pipelines: called with the stage once its services are there; returns further
            pipelines, by name.
    """

    def __init__(
        self,
        settings: Mapping[str, str] | None = None,
        *,
        switch_seconds: float = _SWITCH_SECONDS,
        on_disk: bool = False,
        more_pipelines: "Callable[[Stage], dict[str, Any]] | None" = None,
    ) -> None:
        self._more, self._switch_seconds = dict(settings or {}), switch_seconds
        self._more_pipelines, self._on_disk = more_pipelines, on_disk
        self._stack = ExitStack()
        header, *rows = sample_data().splitlines(keepends=True)
        self._header, self._rows = header, rows

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            self.folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="demo-")))
            kept = self.folder / "storage" if self._on_disk else None
            self.azurite = stack.enter_context(Azurite(kept))
            account = BlobServiceClient.from_connection_string(self.azurite.connection_string)
            self.storage = stack.enter_context(account)
            for container in (DATA, MODELS):
                self.storage.create_container(container)
            switch = ["--switch-delay", str(self._switch_seconds)]
            self.studio = stack.enter_context(StudioProcess(switch))
            self.training = self.studio.publish_training("Breast Cancer [training exp.]")
            self.endpoint = self.studio.publish_scoring(
                "Breast Cancer [predictive exp.]", RESOURCE, self._weak_model(), "production"
            )
            self._write_pipelines()
            self.host = stack.enter_context(self.new_host())
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stack.__exit__(kind, error, trace)

    def new_host(self) -> HostProcess:
        """Return a host of the app over this stage's storage and services, not started."""
        return HostProcess(ROOT, self._settings())

    def training_section(self) -> dict[str, Any]:
        """Return what a pipeline of the file says of the training service."""
        return {
            "service": self.training["jobs_url"],
            "api_key": "${TRAINING_KEY}",
            "outputs": {"output1": "model.ilearner", "output2": "evaluation.csv"},
        }

    def endpoint_section(self) -> dict[str, Any]:
        """Return what a pipeline of the file says of the endpoint."""
        return {
            "name": "production",
            "update": self.endpoint["management_url"],
            "api_key": "${ENDPOINT_KEY}",
            "resource": RESOURCE,
            "verify": {
                "score": self.endpoint["execute_url"],
                "rows": "probe.json",
                "within": "20s",  # it switches within a few, and is checked each second
            },
        }

    @property
    def secrets(self) -> Sequence[str]:
        """Every key that is in play, and what any signed URL holds."""
        keys = (self.training["api_key"], self.endpoint["api_key"], ACCOUNT_KEY)
        return (*keys, self.endpoint["workspace_token"], "sig=")

    def data(self, part: float) -> bytes:
        """Return the first `part` of the breast cancer table, as CSV."""
        return self._header + b"".join(self._rows[: round(len(self._rows) * part)])

    def upload(self, name: str, content: bytes) -> None:
        """Upload training data to the container of the app's blob trigger."""
        self.storage.get_blob_client(DATA, name).upload_blob(content)

    def deliver(self, name: str, to: HostProcess | None = None) -> None:
        """Deliver the event of a blob (once more), as Event Grid does, to this or that host.

        Raises:
            requests.RequestException: the host does not take it.
        """
        event = {
            "id": "demo",
            "eventType": "Microsoft.Storage.BlobCreated",
            "subject": f"/blobServices/default/containers/{DATA}/blobs/{name}",
            "eventTime": "2026-01-01T00:00:00Z",
            "dataVersion": "",
            "data": {"url": f"{self.azurite.blob_endpoint}/{DATA}/{name}"},
        }
        hook = f"{(to or self.host).url}/runtime/webhooks/blobs"
        function = {"functionName": "Host.Functions.on_training_data"}
        answer = requests.post(hook, params=function, json=[event], timeout=_SECONDS)
        answer.raise_for_status()

    def deliveries(self) -> int:
        """Return how many events the app's data trigger has dealt with."""
        return self.host.log.count("on_training_data succeeded")

    def runs(self) -> list[dict[str, Any]]:
        """Return every run, oldest first, as the app's HTTP API shows it."""
        ledger = self.storage.get_container_client(LEDGER)
        if not ledger.exists():
            return []
        names = [blob.name.removeprefix("runs/") for blob in ledger.list_blobs("runs/")]
        runs = [self._run(name) for name in names]
        return sorted((run for run in runs if run), key=lambda run: str(run["opened_at"]))

    def answers(self) -> list[str]:
        """Return what the endpoint answers for the probe rows now."""
        url = f"{self.endpoint['execute_url']}?api-version=2.0"
        key = {"Authorization": f"Bearer {self.endpoint['api_key']}"}
        answer = requests.post(url, json=self._probe(), headers=key, timeout=_SECONDS)
        answer.raise_for_status()
        table = answer.json()["Results"]["output1"]["value"]
        column = table["ColumnNames"].index("Scored Probabilities")
        return [f"{float(row[column]):.4f}" for row in table["Values"]]

    def leaks(self) -> list[str]:
        """Return where a secret is that must not be: in a record, a log or an answer."""
        texts = {
            f"ledger {blob.name}": self._read_ledger(blob.name)
            for blob in self.storage.get_container_client(LEDGER).list_blobs()
        }
        texts["the app's log"] = self.host.log
        texts |= self.answers_of_the_api()
        return [source for source, text in texts.items() for s in self.secrets if s in text]

    def answers_of_the_api(self) -> dict[str, str]:
        """Return what every route of the API that is read answers, by its path.

        The routes are those of the OpenAPI document, so that none is left out.
        """
        paths = json.loads((ROOT / "openapi.json").read_text(encoding="utf-8"))["paths"]
        known = {"{pipeline}": [PIPELINE], "{endpoint}": ["production"]}
        known["{run_id}"] = [str(run["run_id"]) for run in self.runs()]
        asked = [path for path, methods in paths.items() if "get" in methods]
        for part, values in known.items():
            asked = [
                path.replace(part, value)
                for path in asked
                for value in (values if part in path else [""])
            ]
        base = f"{self.host.url}/api"
        return {f"GET {path}": requests.get(base + path, timeout=_SECONDS).text for path in asked}

    def _run(self, run_id: str) -> dict[str, Any] | None:
        answer = requests.get(f"{self.host.url}/api/runs/{run_id}", timeout=_SECONDS)
        run: dict[str, Any] | None = answer.json() if answer.ok else None
        return run

    def _read_ledger(self, name: str) -> str:
        try:
            blob = self.storage.get_blob_client(LEDGER, name).download_blob()
        except ResourceNotFoundError:
            return ""  # a marker of a run that ended this moment
        return blob.readall().decode() + str(blob.properties.metadata)

    def _weak_model(self) -> bytes:
        few = self._header + b"".join(self._rows[:_FIRST_ROWS])
        return LogisticTrainer().train({"input1": few}, {}, label=None).model

    def _probe(self) -> dict[str, Any]:
        table = csv.reader(io.StringIO((self._header + b"".join(self._rows)).decode()))
        names, *rows = table
        step = len(rows) // _PROBE_ROWS
        picked = [row[:-1] for row in rows[step // 2 :: step]]
        return {"Inputs": {"input1": {"ColumnNames": names[:-1], "Values": picked}}}

    def _write_pipelines(self) -> None:
        (self.folder / "probe.json").write_text(json.dumps(self._probe()))
        pipeline = {
            "data": {"blob": "breast-cancer/{name}.csv"},
            "when_busy": "parallel",
            "training": self.training_section(),
            "endpoints": [self.endpoint_section()],
        }
        # JSON is YAML; for a file as it is usually written see pipelines.example.yaml.
        more = self._more_pipelines(self) if self._more_pipelines else {}
        text = json.dumps({"pipelines": {PIPELINE: pipeline, **more}})
        (self.folder / "pipelines.yaml").write_text(text)

    def _settings(self) -> dict[str, str]:
        return {
            "AzureWebJobsStorage": self.azurite.connection_string,
            "FUNCTIONS_WORKER_RUNTIME": "python",
            "AZURE_FUNCTIONS_ENVIRONMENT": "Development",
            "TRAINING_DATA_CONTAINER": DATA,
            "MODELS_CONTAINER": MODELS,
            "LEDGER_CONTAINER": LEDGER,
            "BLOB_SOURCE": "LogsAndContainerScan",
            "PIPELINES_FILE": str(self.folder / "pipelines.yaml"),
            "POLL_SCHEDULE": "*/1 * * * * *",
            "CHECK_INTERVAL_MIN": "1s",
            "TRAINING_KEY": self.training["api_key"],
            "ENDPOINT_KEY": self.endpoint["api_key"],
            "WORKSPACE_TOKEN": self.endpoint["workspace_token"],
            **self._more,
        }
