"""The part of the demo's setup that all demos share: the app in its host, and a storage server."""

import json
import tempfile
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any, Final, Self
from urllib.parse import quote

import requests
from azure.core.exceptions import ResourceExistsError, ResourceNotFoundError
from azure.storage.blob import BlobServiceClient
from azure.storage.queue import QueueClient, TextBase64EncodePolicy

from local.azurite import Azurite, make_container
from local.host.process import HostProcess
from local.studio.sample import sample_data
from shared.config.settings import STORAGE_EVENTS_DEFAULT

ROOT: Final = Path(__file__).parents[2]
DATA, MODELS, LEDGER = "training-data", "models", "ledger"
PIPELINE: Final = "breast-cancer"
_SECONDS: Final = 30


class AppStage(ABC):
    """The app, its storage, and a service that trains, on free ports of loopback.

    All of it is gone when the block ends.

    Args:
        settings: app settings over the demo's own.
        on_disk: keep the storage in a folder: in memory, Azurite makes an extent of each write,
            and every ten minutes it reads them all, for minutes after so many writes.
    """

    #: The endpoints that the pipelines file names, by which the API is asked for them.
    endpoints: Sequence[str] = ()
    #: Returns the storage, kept in a folder or in memory; tests give many stages one server.
    new_storage: Callable[[Path | None], Azurite] = staticmethod(Azurite)

    def __init__(self, settings: Mapping[str, str] | None = None, *, on_disk: bool = False) -> None:
        self._more, self._on_disk = dict(settings or {}), on_disk
        self._stack = ExitStack()
        header, *rows = sample_data().splitlines(keepends=True)
        self._header, self._rows = header, rows

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            self.folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="demo-")))
            kept = self.folder / "storage" if self._on_disk else None
            self.azurite = stack.enter_context(self.new_storage(kept))
            account = BlobServiceClient.from_connection_string(self.azurite.connection_string)
            self.storage = stack.enter_context(account)
            for container in (DATA, MODELS):
                make_container(self.storage.get_container_client(container))
            self._start_service(stack)
            # JSON is YAML; for a file as it is usually written see pipelines.example.yaml.
            text = json.dumps({"pipelines": self._pipelines_by_name()})
            (self.folder / "pipelines.yaml").write_text(text)
            self.host = stack.enter_context(self.new_host())
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def new_host(self) -> HostProcess:
        """Return a host of the app over this stage's storage and services, not started."""
        return HostProcess(ROOT, self._settings())

    def settings(self) -> dict[str, str]:
        """Return the app settings, by which a program of its own can be given the same app."""
        return self._settings()

    @property
    @abstractmethod
    def secrets(self) -> Sequence[str]:
        """Every key that is in play, and what any signed URL holds."""

    @abstractmethod
    def _start_service(self, stack: ExitStack) -> None:
        """Start the service that trains, until `stack` ends."""

    @abstractmethod
    def _pipelines_by_name(self) -> dict[str, Any]:
        """Return the pipelines of the file, by name."""

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
        hook = f"{(to or self.host).url}/runtime/webhooks/blobs"
        function = {"functionName": "Host.Functions.on_training_data"}
        answer = requests.post(hook, params=function, json=[self._event(name)], timeout=_SECONDS)
        answer.raise_for_status()

    def queue_event(self, name: str) -> None:
        """Put the event of a blob on the queue of storage events, as Event Grid does."""
        with QueueClient.from_connection_string(
            self.azurite.connection_string,
            STORAGE_EVENTS_DEFAULT,
            message_encode_policy=TextBase64EncodePolicy(),
        ) as queue:
            with suppress(ResourceExistsError):
                queue.create_queue()
            queue.send_message(json.dumps(self._event(name)))

    def _event(self, name: str) -> dict[str, Any]:
        return {
            "id": "demo",
            "eventType": "Microsoft.Storage.BlobCreated",
            "subject": f"/blobServices/default/containers/{DATA}/blobs/{name}",
            "eventTime": "2026-01-01T00:00:00Z",
            "dataVersion": "",
            "data": {
                "api": "PutBlob",
                "url": f"{self.azurite.blob_endpoint}/{DATA}/{quote(name)}",
            },
        }

    def deliveries(self) -> int:
        """Return how many events the app's data trigger has dealt with."""
        return self.host.log.count("on_training_data succeeded")

    def run_ids(self) -> list[str]:
        """Return the id of every run, in the order of the ids."""
        ledger = self.storage.get_container_client(LEDGER)
        if not ledger.exists():
            return []
        return [blob.name.removeprefix("runs/") for blob in ledger.list_blobs("runs/")]

    def runs(self) -> list[dict[str, Any]]:
        """Return every run, oldest first, as the app's HTTP API shows it."""
        runs = [self.run(run_id) for run_id in self.run_ids()]
        return sorted((run for run in runs if run), key=lambda run: str(run["opened_at"]))

    def run(self, run_id: str) -> dict[str, Any] | None:
        """Return one run as the app's HTTP API shows it; None while it does not."""
        answer = requests.get(f"{self.host.url}/api/runs/{run_id}", timeout=_SECONDS)
        run: dict[str, Any] | None = answer.json() if answer.ok else None
        return run

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
        known = {"{pipeline}": [PIPELINE], "{endpoint}": self.endpoints}
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

    def _read_ledger(self, name: str) -> str:
        try:
            blob = self.storage.get_blob_client(LEDGER, name).download_blob()
        except ResourceNotFoundError:
            return ""  # a marker of a run that ended this moment
        return blob.readall().decode() + str(blob.properties.metadata)

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
            **self._more,
        }
