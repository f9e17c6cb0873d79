"""The two places of the pipelines file: a folder, and a container in memory and in a server."""

import json
import os
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path, PurePath, PurePosixPath
from typing import Any

import pytest
import yaml
from azure.storage.blob import BlobServiceClient

from local.azurite import Azurite, make_container
from shared.app import App, SystemClock, build
from shared.config.file_locations import ContainerFiles, LocalFiles
from shared.config.loader import load_pipelines
from shared.core.config.configuration import MOST_BYTES, Configuration
from shared.errors import TransientError
from shared.maintenance.changed_file import ConfigurationReader, WatchedFiles
from shared.ports.files import Files
from shared.providers.azure_storage.blobs import AccountBlobs
from shared.providers.http.client import RequestsHttp
from tests.fakes.blobs import FakeBlobs
from tests.fakes.clock import FakeClock
from tests.unit.config.pipelines_file import ENVIRONMENT, written
from tests.unit.samples import ROWS

FILE, PROBE = "team/pipelines.yaml", "team/probe.json"


@dataclass
class Bench:
    """A place with a valid pipelines file and the file that it names."""

    files: Files
    file: PurePath
    put: Callable[[str, bytes], object]
    remove: Callable[[str], object]
    shown: str

    def __post_init__(self) -> None:
        self.put(PROBE, json.dumps(ROWS).encode())
        self.write()

    def write(self, change: Callable[[dict[str, Any]], None] = lambda _: None) -> None:
        """Write the pipelines file anew."""
        text = yaml.safe_dump({"pipelines": {"census": written(change)}}, sort_keys=False)
        self.put(FILE, text.encode())

    def load(self, files: Files) -> Configuration:
        """Return what the file says."""
        return load_pipelines(self.file, ENVIRONMENT, development=False, files=files)

    def reader(self, load: Callable[[Files], Configuration] | None = None) -> ConfigurationReader:
        return ConfigurationReader(self.files.shown(self.file), self.files, load or self.load)

    def read(self) -> tuple[Configuration, WatchedFiles]:
        return self.reader().read()

    def said(self) -> str:
        """Return what is wrong, as people read it."""
        return "\n".join(map(str, self.read()[0].problems))


def in_a_folder(folder: Path) -> Bench:
    (folder / "team").mkdir()

    def put(name: str, content: bytes) -> None:
        (folder / name).write_bytes(content)
        at = folder_time()
        os.utime(folder / name, ns=(at, at))

    return Bench(
        LocalFiles(),
        folder / FILE,
        put,
        lambda name: (folder / name).unlink(),
        "pipelines.yaml",
    )


def folder_time(times: list[int] = [1_700_000_000 * 10**9]) -> int:  # noqa: B006 -- counts on
    times[0] += 10**9
    return times[0]


@pytest.fixture(params=["folder", "memory", "azurite"])
def bench(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Bench]:
    name = f"config-{uuid.uuid4().hex}"
    shown, file = f"blob:{name}/{FILE}", PurePosixPath(FILE)
    if request.param == "folder":
        yield in_a_folder(tmp_path)
    elif request.param == "memory":
        fake = FakeBlobs(FakeClock())
        files = ContainerFiles(fake, name, lambda: 0.0)
        yield Bench(
            files,
            file,
            lambda blob, content: fake.put(name, blob, content),
            lambda blob: fake.remove(name, blob),
            shown,
        )
    else:
        azurite: Azurite = request.getfixturevalue("azurite")
        with BlobServiceClient.from_connection_string(azurite.connection_string) as account:
            container = make_container(account.get_container_client(name))
            blobs = AccountBlobs(account, SystemClock(), https_only=False)
            yield Bench(
                ContainerFiles(blobs, name, lambda: 0.0),
                file,
                lambda blob, content: container.upload_blob(blob, content, overwrite=True),
                container.delete_blob,
                shown,
            )


def test_a_file_is_read_with_what_it_names_and_watched(bench: Bench) -> None:
    configuration, watched = bench.read()
    assert configuration.problems == ()
    endpoint = configuration.pipelines["census"].endpoint
    assert endpoint is not None
    assert endpoint.verify is not None
    assert endpoint.verify.rows == ROWS
    assert [file.name for file in watched.files] == ["pipelines.yaml", "probe.json"]
    assert not watched.changed()
    assert watched.written_at() <= datetime.now(UTC) + timedelta(seconds=2)


@pytest.mark.parametrize("name", [FILE, PROBE])
def test_another_content_is_a_change_and_a_file_written_again_is_none(
    bench: Bench, name: str
) -> None:
    _, watched = bench.read()
    content = bench.files.read(bench.file.parent / Path(name).name, MOST_BYTES)
    bench.put(name, content)
    assert not watched.changed()
    bench.remove(name)
    assert watched.changed()
    bench.put(name, content)
    assert not watched.changed()  # deleted and created again
    bench.put(name, content + b" ")
    assert watched.changed()


def test_a_file_that_is_not_there_is_named_with_the_setting_and_watched(bench: Bench) -> None:
    bench.remove(FILE)
    configuration, watched = bench.read()
    assert not configuration.readable
    (problem,) = configuration.problems
    assert problem.where == bench.shown
    assert "PIPELINES_FILE" in problem.advice
    assert not watched.changed()
    bench.write()
    assert watched.changed()


def test_a_named_file_that_is_not_there_spoils_its_pipeline_alone(bench: Bench) -> None:
    bench.remove(PROBE)
    configuration, watched = bench.read()
    assert (configuration.readable, list(configuration.broken)) == (True, ["census"])
    (problem,) = configuration.problems
    assert problem.where.startswith(f"{bench.shown}:")
    assert "verify.rows" in problem.where
    assert "probe.json" in problem.what
    bench.put(PROBE, json.dumps(ROWS).encode())
    assert watched.changed()


@pytest.mark.parametrize("name", ["../probe.json", "a/../probe.json", "/probe.json", ".", "a\\b"])
def test_a_name_that_leads_elsewhere_is_refused_without_a_check(bench: Bench, name: str) -> None:
    bench.put("probe.json", json.dumps(ROWS).encode())
    bench.write(lambda one: one["endpoints"][0]["verify"].update(rows=name))
    assert "verify.rows" in bench.said()
    assert [file.name for file in bench.read()[1].files] == ["pipelines.yaml"]


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        (FILE, b"#" * (MOST_BYTES + 1), "is larger than 512 KB: make it smaller"),
        (FILE, b"\xff\xfe", "is not UTF-8 text: save it as UTF-8"),
        (FILE, b"pipelines: {", "is not plain YAML"),
        (PROBE, b'{"x": "' + b"y" * 300_000 + b'"}', "larger than 256 KB"),
    ],
)
def test_a_file_that_cannot_be_used_is_refused_and_read_again_when_it_changed(
    bench: Bench, name: str, content: bytes, told: str
) -> None:
    before = bench.files.read(bench.file.parent / Path(name).name, MOST_BYTES)
    bench.put(name, content)
    assert told in bench.said()
    assert bench.shown in bench.said()
    _, watched = bench.read()
    assert not watched.changed()
    bench.put(name, before)
    assert watched.changed()
    assert bench.said() == ""


@pytest.mark.parametrize("name", [FILE, PROBE])
def test_files_that_change_while_they_are_read_are_read_again(bench: Bench, name: str) -> None:
    rows = {"Inputs": {"input1": {"ColumnNames": ["a"], "Values": [["7"]]}}}
    read: list[Configuration] = []

    def load(files: Files) -> Configuration:
        found = bench.load(files)
        read.append(found)
        if len(read) == 1:
            if name == PROBE:
                bench.put(PROBE, json.dumps(rows).encode())
            else:
                bench.write(lambda one: one["training"].update(attempts=3))
        return found

    configuration, watched = bench.reader(load).read()
    assert (len(read), configuration, read[0] != read[1]) == (2, read[1], True)
    assert not watched.changed()


def test_files_that_change_at_each_reading_are_left_to_the_next_check(bench: Bench) -> None:
    count = 0

    def load(files: Files) -> Configuration:
        nonlocal count
        count += 1
        found = bench.load(files)
        bench.put(PROBE, json.dumps({"Inputs": {"n": count}}).encode())
        return found

    with pytest.raises(TransientError, match="changes while it is read"):
        bench.reader(load).read()
    assert count == 3


def test_the_app_reads_its_file_from_the_ledgers_account(azurite: Azurite) -> None:
    name = f"config-{uuid.uuid4().hex}"
    settings = {
        **ENVIRONMENT,
        "AzureWebJobsStorage": azurite.connection_string,
        "TRAINING_DATA_CONTAINER": f"{name}-data",
        "MODELS_CONTAINER": f"{name}-models",
        "LEDGER_CONTAINER": f"{name}-ledger",
        "PIPELINES_FILE": f"blob:{name}/{FILE}",
        "AZURE_FUNCTIONS_ENVIRONMENT": "Development",
    }
    with BlobServiceClient.from_connection_string(azurite.connection_string) as account:
        make_container(account.get_container_client(f"{name}-ledger"))
        built = build(settings, Path("/nowhere"), RequestsHttp(), SystemClock(), datetime.now(UTC))
        assert isinstance(built, App)
        assert built.changed_file is not None
        assert [str(one) for one in built.found] == [
            f"blob:{name}/{FILE}: was not read yet: it is read ahead of any work"
        ]
        built.changed_file.begin()
        assert [one.advice for one in built.found] == ["upload it there, or correct PIPELINES_FILE"]
        container = make_container(account.get_container_client(name))
        text = yaml.safe_dump({"pipelines": {"census": written(lambda _: None)}})
        container.upload_blob(FILE, text)
        container.upload_blob(PROBE, json.dumps(ROWS))
        assert built.changed_file.check()
        assert (built.found, list(built.catalogue.pipelines)) == ((), ["census"])
        container.upload_blob(FILE, "pipelines: {", overwrite=True)
        built.changed_file.check()
        assert built.found[0].where == f"blob:{name}/{FILE}"
        assert list(built.catalogue.pipelines) == ["census"]
