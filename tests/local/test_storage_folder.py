"""A folder is used by one storage server at a time, and served on the same ports as before."""

import os
import signal
import socket
import subprocess
import sys
from contextlib import ExitStack, suppress
from pathlib import Path

import psutil
import pytest
from azure.storage.blob import BlobServiceClient

from local import storage_folder
from local.azurite import Azurite, AzuriteError, make_container
from local.storage_folder import FolderInUseError, Ports, PortTakenError, StorageFolder

ROOT = Path(__file__).parents[2]
STARTER = """
import sys, time
from pathlib import Path
from local.azurite import Azurite
with Azurite(Path(sys.argv[1]), same_ports=True) as storage:
    print(storage.blob_endpoint, storage.pid, flush=True)
    time.sleep(600)
"""


def starter(folder: Path) -> "subprocess.Popen[str]":
    command = [sys.executable, "-c", STARTER, str(folder)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT)  # noqa: S603


def is_running(pid: int) -> bool:
    with suppress(psutil.NoSuchProcess):
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    return False


def blobs_in(storage: Azurite) -> list[str]:
    with BlobServiceClient.from_connection_string(storage.connection_string) as account:
        return [blob.name for blob in account.get_container_client("kept").list_blobs()]


def test_a_second_server_on_a_folder_is_refused_and_the_data_of_the_first_outlives_a_failure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("local.storage_folder._PATIENCE_SECONDS", 0.2)
    folder, link = tmp_path / "kept", tmp_path / "link"
    folder.mkdir()
    link.symlink_to(folder)
    seen: list[psutil.Process] = []

    def fail() -> None:
        with Azurite(folder) as first:
            seen.append(psutil.Process(first.pid))
            with BlobServiceClient.from_connection_string(first.connection_string) as account:
                make_container(account.get_container_client("kept")).upload_blob("x", b"1")
            for same in (folder, link):
                with pytest.raises(AzuriteError, match=rf"process {os.getpid()}, .*would destroy"):
                    Azurite(same).start()
            assert blobs_in(first) == ["x"]
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert not seen[0].is_running()
    with Azurite(link) as third:
        assert blobs_in(third) == ["x"]
        assert third._hold is not None
        third._hold.release()  # the lock is the server's, and not only its starter's
        with pytest.raises(FolderInUseError):
            StorageFolder(folder)


def test_a_server_whose_starter_was_killed_ends_is_waited_for_and_its_ports_are_kept(
    tmp_path: Path,
) -> None:
    # Not the default ports, which others take at any time.
    with ExitStack() as stack, StorageFolder(tmp_path) as folder:
        taken = [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(2)]
        folder.note(Ports(*(one.getsockname()[1] for one in taken)))
    with starter(tmp_path) as process:
        assert process.stdout is not None
        first, pid = process.stdout.readline().split()
        assert psutil.pid_exists(int(pid))
        process.send_signal(signal.SIGKILL)
        process.wait()
    with Azurite(tmp_path, same_ports=True) as second:
        assert second.blob_endpoint == first
        assert not is_running(int(pid))


def test_a_start_that_fails_leaves_the_folder_free_and_its_ports_as_they_were(
    tmp_path: Path,
) -> None:
    with StorageFolder(tmp_path) as folder:
        folder.note(Ports(40000, 40001))
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(AzuriteError, match=f"Port {port} is taken"):
            Azurite(tmp_path, blob_port=port).start()
    with StorageFolder(tmp_path) as folder:
        assert folder.ports == Ports(40000, 40001)


def test_a_remembered_port_that_is_taken_is_named_and_never_replaced(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken, StorageFolder(tmp_path) as folder:
        port = taken.getsockname()[1]
        folder.note(Ports(port, 1))
        with pytest.raises(PortTakenError, match=rf"Port {port} is taken.*remove .*server\.json"):
            folder.claim(None)
        assert folder.ports == Ports(port, 1)


def test_the_first_ports_are_the_default_ones_or_the_next_that_are_free(tmp_path: Path) -> None:
    with ExitStack() as stack:
        folder = stack.enter_context(StorageFolder(tmp_path))
        first = folder.claim(None)
        assert first.blob in range(10000, 12000, 2)
        assert first.queue == first.blob + 1
        stack.enter_context(socket.create_server(("127.0.0.1", first.queue)))
        assert folder.claim(None).blob > first.blob
        assert folder.claim(Ports(0, 5)) == Ports(0, 5)


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[1]\n", b'{"blob_port": true, "queue_port": 2}\n', b"\xff\n", b"{}"]
)
def test_a_damaged_note_is_none(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "server.json").write_bytes(content)
    with StorageFolder(tmp_path) as folder:
        assert folder.ports is None
        folder.note(Ports(1, 2))
    with StorageFolder(tmp_path) as folder:
        assert folder.ports == Ports(1, 2)


def test_a_remembered_port_that_is_taken_in_between_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with StorageFolder(tmp_path) as folder:
            folder.note(Ports(port, port + 1))
        checks = iter([True, True])  # both were free when they were checked
        free = storage_folder.port_is_free
        monkeypatch.setattr(
            storage_folder, "port_is_free", lambda asked: next(checks, None) or free(asked)
        )
        with pytest.raises(AzuriteError, match=rf"Port {port} is taken.*used it last"):
            Azurite(tmp_path, same_ports=True).start()


def test_two_first_starts_at_once_do_not_take_one_port(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        checks = iter([Ports(taken.getsockname()[1], 0)])  # it was free when it was checked
        free = storage_folder._free_pair
        monkeypatch.setattr(storage_folder, "_free_pair", lambda: next(checks, None) or free())
        with Azurite(tmp_path, same_ports=True) as storage:
            assert str(taken.getsockname()[1]) not in storage.blob_endpoint
