"""A running host over the small app, and the notes of its functions."""

import json
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from azure.storage.blob import BlobServiceClient, ContainerClient

from local.azurite import Azurite, make_container
from local.host.process import HostProcess
from tests.forked import QUICK, servers_are_forked
from tests.waiting import eventually

APP = Path(__file__).parent / "app"


class ToyHost:
    """One container, one notes file, and hosts of the toy app over both."""

    def __init__(self, folder: Path, azurite: Azurite) -> None:
        self.connection_string = azurite.connection_string
        self.container_name = f"data-{uuid.uuid4().hex[:12]}"
        self.settings = {
            "AzureWebJobsStorage": self.connection_string,
            "DataStorage": self.connection_string,
            "DATA": self.container_name,
            "EVERY_SECOND": "0 0 0 1 1 *",
            "AzureFunctionsWebHost__hostid": self.container_name,
            "NOTES": str(folder / "notes"),
        }
        self._notes = folder / "notes"
        self._service = BlobServiceClient.from_connection_string(self.connection_string)

    def process(self, *arguments: str, **settings: str) -> HostProcess:
        return HostProcess(APP, self.settings | settings, ["--poll-blobs", "0.2", *arguments])

    @property
    def container(self) -> ContainerClient:
        return self._service.get_container_client(self.container_name)

    def notes(self, function: str, **match: object) -> list[dict[str, Any]]:
        if not self._notes.exists():
            return []
        found = [json.loads(line) for line in self._notes.read_text().splitlines()]
        wanted = {"function": function, **match}
        return [note for note in found if wanted.items() <= note.items()]

    def wait_for(self, function: str, count: int = 1, **match: object) -> list[dict[str, Any]]:
        def enough() -> list[dict[str, Any]]:
            found = self.notes(function, **match)
            return found if len(found) >= count else []

        return eventually(enough)

    def close(self) -> None:
        self._service.close()


@pytest.fixture
def toy(tmp_path: Path, azurite: Azurite) -> Iterator[ToyHost]:
    one = ToyHost(tmp_path, azurite)
    yield one
    one.close()


@pytest.fixture(scope="package")
def shared_toy(tmp_path_factory: pytest.TempPathFactory, azurite: Azurite) -> Iterator[ToyHost]:
    one = ToyHost(tmp_path_factory.mktemp("shared"), azurite)
    make_container(one.container)
    yield one
    one.close()


@pytest.fixture(scope="package")
def host(shared_toy: ToyHost) -> Iterator[HostProcess]:
    """A host that no test stops, though some have its worker replaced.

    It works all the time: it ends with the tests of this folder.
    """
    with shared_toy.process(EVERY_SECOND="* * * * * *") as running:
        yield running


@pytest.fixture
def forking() -> Iterator[None]:
    """Fork the hosts of a test that promises nothing about how one is started."""
    with servers_are_forked(QUICK):
        yield


@pytest.fixture
def refused_app(tmp_path: Path) -> Callable[[str], Path]:
    """Write an app of one file."""

    def write(source: str, host_json: str = '{"version": "2.0"}') -> Path:
        folder = tmp_path / "app"
        folder.mkdir()
        (folder / "function_app.py").write_text(source)
        (folder / "host.json").write_text(host_json)
        return folder

    return write
