"""Azurite starts on free ports and serves. With a folder: `test_storage_folder.py`."""

import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
from azure.storage.blob import BlobServiceClient
from azure.storage.queue import QueueServiceClient

from local import azurite as module
from local.azurite import Azurite, AzuriteError, make_container


def _started(*arguments: str) -> "subprocess.Popen[str]":
    command = [sys.executable, *arguments]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)  # noqa: S603 - ourselves


def test_serves_blobs_and_queues(azurite: Azurite) -> None:
    with BlobServiceClient.from_connection_string(azurite.connection_string) as blobs:
        container = make_container(blobs.get_container_client("azurite-test"))
        container.upload_blob("a b#%.csv", b"1")
        assert [blob.name for blob in container.list_blobs()] == ["a b#%.csv"]
        assert blobs.url.startswith(azurite.blob_endpoint)
    with QueueServiceClient.from_connection_string(azurite.connection_string) as queues:
        queues.create_queue("azurite-test").send_message("x")


def test_command_line_stops_on_sigterm() -> None:
    arguments = ["-m", "local.azurite", "--blob-port", "0", "--queue-port", "0"]
    with _started(*arguments, "--container", "one", "--container", "two") as process:
        assert process.stdout is not None
        connection = process.stdout.readline().strip()
        assert "AccountName=devstoreaccount1" in connection
        with BlobServiceClient.from_connection_string(connection) as client:
            assert [one.name for one in client.list_containers()] == ["one", "two"]
        node = psutil.Process(process.pid).children()
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0
        assert node
        assert not any(child.is_running() for child in node)


def test_says_what_to_do_when_it_is_not_installed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_SCRIPT", tmp_path / "azurite.js")
    with pytest.raises(AzuriteError, match="npm ci"):
        Azurite().start()


def test_says_why_it_ended_at_once(azurite: Azurite) -> None:
    taken = int(azurite.blob_endpoint.split(":")[2].split("/")[0])
    with pytest.raises(AzuriteError, match=f"Port {taken} is taken"):
        Azurite(blob_port=taken).start()
