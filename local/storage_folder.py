"""The folder of a local storage server: for one server at a time, and on the same ports each time.

Two servers on one folder each write the whole of it, and the data is lost. A signed URL names the
port of its storage, so that a server that moves breaks every job under way.
"""

import fcntl
import json
import os
import socket
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Self

LOOPBACK: Final = "127.0.0.1"
#: The endpoints of `UseDevelopmentStorage=true`.
DEFAULT_PORTS: Final = (10000, 10001)
_FILE: Final = "server.json"
_PORT_TRIES: Final = 1000  # up to 12000: below the ports that the system gives to clients
_LONGEST_FILE: Final = 4096
#: A server outlives a starter that was killed by up to two seconds.
_PATIENCE_SECONDS: Final = 4.0


class FolderInUseError(RuntimeError):
    """Another server keeps its data in the folder."""


class PortTakenError(RuntimeError):
    """A port that is needed is taken."""


@dataclass(frozen=True, slots=True)
class Ports:
    """Where a server listens on loopback."""

    blob: int
    queue: int


class StorageFolder:
    """A lock on a folder, and the ports of the server that last kept its data there.

    The lock belongs to the processes that hold its descriptor, and the system releases it when
    the last of them ends, however it ends. So none is ever left behind by a crash.

    Args:
        path: made where it does not exist.

    Raises:
        FolderInUseError: another server has it.
        OSError: the folder cannot be made or written.
    """

    def __init__(self, path: Path) -> None:
        path.mkdir(parents=True, exist_ok=True)
        self._file = path / _FILE
        #: For the server, so that the lock lasts as long as it does.
        self.descriptor = _locked(path, self._file)
        try:
            self.ports = _ports_of(_content(self.descriptor))
        except BaseException:
            self.release()
            raise

    def claim(self, asked: Ports | None) -> Ports:
        """Return the ports to serve at: the ones asked for, or the last ones, or free ones.

        Raises:
            PortTakenError: one of the last ones is taken.
        """
        if asked is not None:
            return asked
        if self.ports is None:
            return _free_pair()
        for port in (self.ports.blob, self.ports.queue):
            if not port_is_free(port):
                raise PortTakenError(
                    f"Port {port} is taken. The storage in {self._file.parent} used it last, and "
                    "the signed URLs of jobs under way lead there. Stop the program that has it, "
                    f"and start again. To give the storage another port, remove {self._file}; "
                    "jobs under way then fail."
                )
        return self.ports

    def note(self, ports: Ports | None) -> None:
        """Write down who serves and where, for the next start and for a second server."""
        self.ports = ports
        said: dict[str, object] = {"starter": os.getpid()}
        if ports:
            said |= {"blob_port": ports.blob, "queue_port": ports.queue}
        line = json.dumps(said).encode() + b"\n"
        os.pwrite(self.descriptor, line, 0)
        os.ftruncate(self.descriptor, len(line))

    def release(self) -> None:
        """Release the folder; a server that still runs keeps the lock. Safe to repeat."""
        descriptor, self.descriptor = self.descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.release()


def port_is_free(port: int) -> bool:
    """Return whether a server could listen there on loopback; 0 always is."""
    with socket.socket() as probe:
        # As servers do: connections that ended a moment ago do not count.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
            probe.listen(1)
        except OSError:
            return False
    return True


def _free_pair() -> Ports:
    blob, queue = DEFAULT_PORTS
    for further in range(0, 2 * _PORT_TRIES, 2):
        if port_is_free(blob + further) and port_is_free(queue + further):
            return Ports(blob + further, queue + further)
    raise PortTakenError(f"no two free ports from {blob} to {blob + 2 * _PORT_TRIES}")


def _locked(folder: Path, file: Path) -> int:
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while True:
        descriptor = os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        kept = False
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if kept := _is(descriptor, file):
                return descriptor
        except BlockingIOError:
            if time.monotonic() > deadline:
                raise FolderInUseError(_in_use(folder, _content(descriptor))) from None
        finally:
            if not kept:
                os.close(descriptor)
        time.sleep(0.05)


def _is(descriptor: int, file: Path) -> bool:
    """Whether the file was not replaced between opening and locking it."""
    try:
        return os.path.samestat(os.fstat(descriptor), file.stat())
    except FileNotFoundError:
        return False


def _in_use(folder: Path, said: dict[str, Any]) -> str:
    who = f"process {said['starter']}" if said.get("starter") else "another process"
    ports = _ports_of(said)
    where = f", which serves it at http://{LOOPBACK}:{ports.blob}" if ports else ""
    return (
        f"The storage in {folder} is in use by {who}{where}. A second server on it would destroy "
        "the data of both. Stop that process, or use another folder."
    )


def _content(descriptor: int) -> dict[str, Any]:
    """Return what the last server wrote, empty where it did not or where it is damaged."""
    line = os.pread(descriptor, _LONGEST_FILE, 0).partition(b"\n")[0]
    try:
        said = json.loads(line)
    except ValueError:
        return {}
    return said if isinstance(said, dict) else {}


def _ports_of(said: dict[str, Any]) -> Ports | None:
    blob, queue = said.get("blob_port"), said.get("queue_port")
    good = type(blob) is int and type(queue) is int and blob > 0 and queue > 0
    return Ports(blob, queue) if good else None  # type: ignore[arg-type]  # checked above
