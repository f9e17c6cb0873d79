"""Makes the surroundings of the checks: deployed files, storage, a pipelines file, a service."""

import json
import os
import shutil
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from azure.storage.blob import BlobServiceClient
from pathspec import GitIgnoreSpec

from local.azurite import make_container
from local.worker_check.expected import CONTAINERS, Variant

PIPELINE: Final = "worker-check"
_CSV: Final = b"a,b,label\n1,2,0\n3,4,1\n"


@dataclass(frozen=True, slots=True)
class Stage:
    """The surroundings that every worker of one check shares."""

    app: Path  #: a copy of the deployed files: they cannot use `local` or `tests`
    storage: BlobServiceClient
    connection_string: str
    pipelines_file: Path

    def settings(self, variant: Variant) -> dict[str, str]:
        """Return all that a worker knows of the outside, with the app set up as `variant`."""
        return {
            "PATH": os.environ.get("PATH", ""),
            "AZURE_FUNCTIONS_ENVIRONMENT": "Development",  # lets http on loopback pass
            "PIPELINES_FILE": str(self.pipelines_file),
            "TRAINING_KEY": "training-key-of-the-check",
            "ENDPOINT_KEY": "endpoint-key-of-the-check",
            **variant.environment(self.connection_string),
        }

    def upload(self, container: str, name: str) -> None:
        """Put a small blob where the named setting says."""
        blob = self.storage.get_blob_client(CONTAINERS[container], name)
        blob.upload_blob(_CSV, overwrite=True)

    def runs(self) -> list[dict[str, Any]]:
        """Return every run that the ledger holds."""
        ledger = self.storage.get_container_client(CONTAINERS["LEDGER_CONTAINER"])
        return [
            json.loads(ledger.download_blob(name).readall())
            for name in ledger.list_blob_names(name_starts_with="runs/")
        ]


@contextmanager
def set_stage(folder: Path, root: Path, connection_string: str) -> Iterator[Stage]:
    """Give a stage in `folder` for the project at `root`, over this storage account."""
    pipelines_file = folder / "pipelines.yaml"
    with (
        silent_service() as service,
        BlobServiceClient.from_connection_string(connection_string) as storage,
    ):
        pipelines_file.write_text(json.dumps(_pipelines(service)), encoding="utf-8")
        for container in CONTAINERS.values():
            make_container(storage.get_container_client(container))
        yield Stage(copy_app(root, folder / "app"), storage, connection_string, pipelines_file)


def copy_app(root: Path, to: Path) -> Path:
    """Copy the files that are deployed, those that `.funcignore` leaves; return where they are."""
    left_out = GitIgnoreSpec.from_lines((root / ".funcignore").read_text().splitlines())

    def ignored(folder: str, names: list[str]) -> list[str]:
        within = Path(folder).relative_to(root)
        return [name for name in names if left_out.match_file(within / name)]

    shutil.copytree(root, to, ignore=ignored)
    return to


@contextmanager
def silent_service() -> Iterator[str]:
    """Return the address of a service that refuses every connection, on a reserved port."""
    with socket.socket() as kept:
        kept.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{kept.getsockname()[1]}/workspaces/check"


def _pipelines(service: str) -> Mapping[str, Any]:
    training = {
        "service": f"{service}/services/training/jobs",
        "api_key": "${TRAINING_KEY}",
        "outputs": {"output1": "model.ilearner"},
    }
    endpoint = {
        "name": "production",
        "update": f"{service}/webservices/scoring/endpoints/production",
        "api_key": "${ENDPOINT_KEY}",
        "resource": "Check [trained model]",
    }
    pipeline = {
        "data": {"blob": "{name}.csv"},
        "schedule": "* * * * * *",
        "when_busy": "parallel",
        "training": training,
        "gate": {"first_model": "allow"},
        "endpoints": [endpoint],
    }
    return {"pipelines": {PIPELINE: pipeline}}
