"""Runs one of the local servers as a process of its own, until its starter is done or gone."""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Final, Self

_ROOT: Final = Path(__file__).parents[1]
_STOP_SECONDS: Final = 15.0


class NotStartedError(RuntimeError):
    """The server ended or was not ready in time; the message ends with its log."""


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
        self._process: subprocess.Popen[bytes] | None = None

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
        command = [sys.executable, "-m", self._module, "--until-eof"]
        command += ["--ready-file", str(ready), *self._arguments]
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                command,
                cwd=_ROOT,
                env=os.environ | self._variables | {"PYTHONUNBUFFERED": "1"},
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                # Ctrl-C reaches the whole group: the starter alone decides who stops when.
                start_new_session=True,
            )
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

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            self.stop()
        finally:
            self.folder.cleanup()

    def _started(self) -> subprocess.Popen[bytes]:
        if self._process is None:
            raise RuntimeError(f"{self._module} was not started")
        return self._process

    def _ended(self, process: subprocess.Popen[bytes]) -> int:
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
