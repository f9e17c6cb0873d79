"""Runs a local server as a process of its own, until its starter stops it or ends.

Both sides are here: the starter's, and that of the server's command line.
"""

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final, Protocol, Self

_ROOT: Final = Path(__file__).parents[1]
_STOP_SECONDS: Final = 15.0
_SIGNAL_SECONDS: Final = 0.1
_HIGHEST_PORT: Final = 65_535


class NotStartedError(RuntimeError):
    """The server ended or was not ready in time; the message ends with its log."""


class _Closable(Protocol):
    def close(self) -> None: ...


class Running(Protocol):
    """A process that was started, as of `subprocess.Popen`."""

    @property
    def pid(self) -> int:
        """Return its process id."""
        ...

    @property
    def stdin(self) -> _Closable | None:
        """Return the other end of its standard input."""
        ...

    @property
    def returncode(self) -> int | None:
        """Return its exit code, as far as it is known."""
        ...

    def poll(self) -> int | None:
        """Return its exit code, None while it runs."""
        ...

    def wait(self, timeout: float | None = None) -> int:
        """Return its exit code once it has ended."""
        ...

    def terminate(self) -> None:
        """Ask it to stop."""
        ...

    def kill(self) -> None:
        """End it."""
        ...


def new_process(
    module: str, arguments: Sequence[str], log: Path, variables: Mapping[str, str]
) -> Running:
    """Start `python -m MODULE`, whose standard input is a pipe.

    Args:
        module: what to run.
        arguments: its arguments.
        log: gets what it writes.
        variables: its environment.
    """
    with log.open("ab") as said:
        return subprocess.Popen(
            [sys.executable, "-m", module, *arguments],
            cwd=_ROOT,
            env=variables,
            stdin=subprocess.PIPE,
            stdout=said,
            stderr=said,
            # Ctrl-C reaches the whole group: only the starter decides which process stops when.
            start_new_session=True,
        )


class ServedProcess:
    """`python -m MODULE`, ready when the `with` block begins; it ends with its starter.

    The module takes `--ready-file` (JSON with the `url`, written once it serves) and
    `--until-eof` (stop when standard input ends, as it does when the starter is killed).

    Args:
        module: what to run.
        arguments: its further arguments.
        start_seconds: how long to wait until it serves.
        variables: environment variables besides those of its starter.
    """

    #: Tests that start many have them forked, which is quicker (`local.forks`).
    launch = staticmethod(new_process)

    def __init__(
        self,
        module: str,
        arguments: Sequence[str] = (),
        *,
        start_seconds: float = 30.0,
        variables: Mapping[str, str] | None = None,
    ) -> None:
        self.url = ""
        self.folder = tempfile.TemporaryDirectory(prefix=f"{module}-")
        self._module, self._arguments = module, list(arguments)
        self._start_seconds, self._variables = start_seconds, dict(variables or {})
        self._log = Path(self.folder.name) / "log"
        self._process: Running | None = None

    @property
    def pid(self) -> int:
        """Return its process id."""
        return self._started().pid

    @property
    def log(self) -> str:
        """Return what it and its children have written so far."""
        return self._log.read_text(errors="replace") if self._log.exists() else ""

    def start(self) -> None:
        """Start it and return when it serves.

        Raises:
            NotStartedError: it ended, or did not serve in time.
        """
        ready = Path(self.folder.name) / "ready.json"
        ready.unlink(missing_ok=True)
        arguments = ["--until-eof", "--ready-file", str(ready), *self._arguments]
        variables = os.environ | self._variables | {"PYTHONUNBUFFERED": "1"}
        self._process = self.launch(self._module, arguments, self._log, variables)
        try:
            self.url = self._wait(ready)
        except BaseException:
            self.kill()
            raise

    def wait(self) -> int:
        """Return the exit code once it has ended; it is killed when that takes too long."""
        return self._ended(self._started())

    def stop(self) -> int:
        """Ask it to stop, as SIGTERM does in Azure, and return its exit code."""
        process = self._started()
        process.terminate()
        return self._ended(process)

    def kill(self) -> None:
        """End it without a warning."""
        process = self._started()
        process.kill()
        self._ended(process)

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.folder.cleanup()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        try:
            self.stop()
        finally:
            self.folder.cleanup()

    def _started(self) -> Running:
        if self._process is None:
            raise RuntimeError(f"{self._module} was not started")
        return self._process

    def _ended(self, process: Running) -> int:
        try:
            return process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            return process.wait()
        finally:
            if process.stdin:
                process.stdin.close()

    def _wait(self, ready: Path) -> str:
        process = self._started()
        deadline = time.monotonic() + self._start_seconds
        while time.monotonic() < deadline:
            if ready.exists():
                return str(json.loads(ready.read_text())["url"])
            if process.poll() is not None:
                raise NotStartedError(f"it ended with code {process.returncode}:\n{self.log}")
            time.sleep(0.02)
        raise NotStartedError(f"not ready in {self._start_seconds:g} s:\n{self.log}")


class StopSignal:
    """Takes SIGINT and SIGTERM from now on, and knows whether one came.

    Two of them come where a terminal sends Ctrl-C to the whole group and the starter sends SIGTERM
    then. The second changes nothing: it must not break into what the first began. And any thread
    may be the one that takes a signal, while the handler runs in the main thread, once that wakes.

    Args:
        until_eof: the end of standard input counts too.
    """

    def __init__(self, *, until_eof: bool = False) -> None:
        self.came = False
        self.interrupts = False  #: whether the first one raises KeyboardInterrupt
        for number in (signal.SIGINT, signal.SIGTERM):  # a shell's background ignores SIGINT
            signal.signal(number, self._take)
        if until_eof:
            terminate_at_end_of_input()

    def wait(self, meanwhile: Callable[[], object] = lambda: True) -> None:
        """Return once one came, or what is asked meanwhile returns what counts as false."""
        while (
            not self.came and meanwhile()
        ):  # no threading.Event: to set it in a handler can lock for ever
            time.sleep(_SIGNAL_SECONDS)

    def _take(self, *_: object) -> None:
        first, self.came = not self.came, True
        if first and self.interrupts:
            raise KeyboardInterrupt


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of a stand-in for its port and its starter."""
    add = parser.add_argument
    add("--port", type=_port, default=0, help="the port; 0, the default, takes a free one")
    add("--ready-file", type=Path, metavar="FILE", help='write {"url": ...} here once listening')
    add("--until-eof", action="store_true", help="also stop when standard input ends")


def terminate_at_end_of_input() -> None:
    """Send this process a SIGTERM once its standard input ends.

    A starter holds the other end of the pipe, which closes with it, even when it is killed.
    """

    def wait() -> None:
        while os.read(sys.stdin.fileno(), 4096):
            pass
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=wait, daemon=True).start()


def write_ready_file(file: Path | None, **members: object) -> None:
    """Tell the starter, if it named a file, that the server serves; the file is there whole.

    Args:
        file: what it named.
        members: of the JSON in it, such as `url`.
    """
    if file is not None:
        draft = file.with_name(f"{file.name}.{os.getpid()}")
        draft.write_text(json.dumps(members), encoding="utf-8")
        draft.replace(file)


def _port(text: str) -> int:
    if not text.isdecimal() or int(text) > _HIGHEST_PORT:
        raise argparse.ArgumentTypeError(f"give a number from 0 to {_HIGHEST_PORT}")
    return int(text)
