"""Runs the command of each step in a process of its own, with paths for its data."""

import contextlib
import os
import re
import shlex
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Final

from local.azureml.places import ARTIFACTS_CONTAINER, Datastores, NoSuchPlaceError
from local.azureml.training import LITERAL, Given, Outcome, Training, Work
from local.forks import forked_script
from local.served import Running

_OPTIONAL: Final = re.compile(r"\$\[\[(.*?)\]\]")
_NAME: Final = re.compile(r"\$\{\{\s*(inputs|outputs)\.([\w.]+)\s*\}\}")
_LAST_LINES: Final = 20
_CHECK_SECONDS: Final = 0.1
#: Runs a command; when the other end of its standard input closes, as it does when the stand-in
#: ends or is killed, the whole group of processes is ended.
WATCHED: Final = (
    'exec 3<&0 </dev/null; (cat <&3; kill -s KILL -- -$$) >/dev/null 2>&1 & exec 3<&-; eval "$1"'
)
#: A command line with no more than words, some of them quoted.
_SCRIPT: Final = re.compile(r"python (\w+\.py)((?: +(?:[\w./=-]+|'[^']*'))*)")
LOG: Final = "user_logs/std_log.txt"


class _StepFailedError(Exception):
    def __init__(self, message: str, status: str = "Failed") -> None:
        super().__init__(message)
        self.status = status


@dataclass
class CommandTrainer:
    """Runs commands with this interpreter first on PATH; environments are not built.

    Args:
        variables: environment variables for every command.
    """

    variables: Mapping[str, str] = field(default_factory=dict)
    instant: bool = False

    def start(self, steps: Sequence[Work], datastores: Datastores) -> Training:
        """Begin the steps, in a thread.

        Args:
            steps: of a job.
            datastores: where inputs and outputs are.

        Returns:
            What runs.
        """
        running = _Running(steps, datastores, dict(self.variables))
        running.thread.start()
        return running


class _Running:
    """The steps of one job, one after the other; the first that fails ends it."""

    def __init__(
        self, steps: Sequence[Work], datastores: Datastores, variables: Mapping[str, str]
    ) -> None:
        self._steps, self._datastores, self._variables = steps, datastores, variables
        self._outcome: Outcome | None = None
        self._stopping = threading.Event()
        self.thread = threading.Thread(target=self._run, name="azureml-job", daemon=True)

    def outcome(self) -> Outcome | None:
        return self._outcome

    def stop(self) -> None:
        self._stopping.set()

    def wait(self) -> None:
        self.thread.join()

    def _run(self) -> None:
        for work in self._steps:
            try:
                with tempfile.TemporaryDirectory(prefix="azureml-step-") as folder:
                    self._do(work, Path(folder))
            except (_StepFailedError, NoSuchPlaceError) as error:
                status = getattr(error, "status", "Failed")
                code = "UserError"
                self._outcome = Outcome(status, code, str(error), work.run_id)
                return
            except Exception as error:  # noqa: BLE001 - the job has to end
                self._outcome = Outcome("Failed", "SystemError", repr(error), work.run_id)
                return
        self._outcome = Outcome()

    def _do(self, work: Work, folder: Path) -> None:
        code = folder / "code"
        code.mkdir()
        if work.code:
            self._fetch(work.code, code)
        paths = {
            f"inputs.{name}": self._input(name, one, folder) for name, one in work.inputs.items()
        }
        for name, output in work.outputs.items():
            place = folder / "outputs" / name
            place.mkdir(parents=True)
            file = PurePosixPath(self._datastores.place(output.value)[1]).name
            paths[f"outputs.{name}"] = str(place / file if output.kind == "uri_file" else place)
        if not work.command:
            raise _StepFailedError("The component has no command: register it.")
        line = command_line(work.command, paths)
        log = folder / "std_log.txt"
        try:
            self._execute(work, line, code, log)
        finally:
            self._store_log(work, log)
        for name, output in work.outputs.items():
            self._store(folder / "outputs" / name, output.value, file=output.kind == "uri_file")

    def _execute(self, work: Work, line: str, code: Path, log: Path) -> None:
        binaries = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
        environment = {"PATH": binaries, "HOME": str(code), "LANG": "C.UTF-8"}
        environment |= {**self._variables, **work.variables, "AZUREML_RUN_ID": work.run_id}
        process = _forked(line, code, log, environment) or _shell(line, code, log, environment)
        try:
            returned = self._returned(process, work.seconds)
        finally:
            process.wait()
            if process.stdin:
                process.stdin.close()
        if returned:
            last = log.read_text(errors="replace").splitlines()[-_LAST_LINES:]
            raise _StepFailedError(
                f"Execution failed. User process exited with status code {returned}. Please check "
                f"log file '{LOG}' for error details. Error: " + "\n".join(last)
            )

    def _returned(self, process: Running, seconds: float | None) -> int:
        """Return the exit code of a command, which is ended when it is over its time."""
        left = seconds if seconds is not None else float("inf")
        while (returned := _wait(process)) is None:
            left -= _CHECK_SECONDS
            if self._stopping.is_set() or left <= 0:
                with contextlib.suppress(ProcessLookupError):  # it ended this moment
                    os.killpg(process.pid, signal.SIGKILL)
                process.kill()  # a fork that has no group of its own yet
                raise _StepFailedError("It was ended before its command was done.", "Canceled")
        return returned

    def _input(self, name: str, one: Given, folder: Path) -> str:
        kind, value = one.kind, one.value
        if kind == LITERAL:
            return str(value)
        place = folder / "inputs" / name
        place.mkdir(parents=True)
        fetched = self._fetch(value, place)
        return str(fetched[0] if kind == "uri_file" else place)

    def _fetch(self, uri: str, place: Path) -> list[Path]:
        """Download what is at a URI into a folder."""
        files = self._datastores.download(uri, place)
        if not files:
            raise _StepFailedError(
                "Error Code: ScriptExecution.StreamAccess.NotFound\n"
                "Error Message: The requested stream was not found: "
                + "/".join(self._datastores.place(uri))
            )
        return files

    def _store(self, place: Path, uri: str, *, file: bool) -> None:
        container, path = self._datastores.place(uri)
        for written in sorted(one for one in place.rglob("*") if one.is_file()):
            inner = written.relative_to(place).as_posix()
            name = path if file else f"{path.rstrip('/')}/{inner}"
            self._datastores.files.write(container, name, written.read_bytes())

    def _store_log(self, work: Work, log: Path) -> None:
        name = f"ExperimentRun/dcid.{work.run_id}/{LOG}"
        if log.is_file():
            self._datastores.files.write(ARTIFACTS_CONTAINER, name, log.read_bytes())


def command_line(command: str, paths: Mapping[str, str]) -> str:
    """Return a command with the values of its inputs and outputs.

    Args:
        command: with `${{inputs.x}}`, `${{outputs.x}}` and optional parts `$[[…]]`.
        paths: values by `inputs.x` and `outputs.x`.

    Returns:
        What a shell runs: values are quoted, and parts without their value are left out.
    """

    def optional(part: re.Match[str]) -> str:
        names = [f"{kind}.{name}" for kind, name in _NAME.findall(part[1])]
        return part[1] if all(name in paths for name in names) else ""

    def value(found: re.Match[str]) -> str:
        return shlex.quote(paths[f"{found[1]}.{found[2]}"])

    return _NAME.sub(value, _OPTIONAL.sub(optional, command))


def _shell(line: str, code: Path, log: Path, environment: Mapping[str, str]) -> Running:
    """Begin a command."""
    with log.open("wb") as output:
        return subprocess.Popen(
            ["/bin/sh", "-c", WATCHED, "sh", line],
            cwd=code,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )


def _forked(line: str, code: Path, log: Path, environment: Mapping[str, str]) -> Running | None:
    """Begin a command that runs a script and needs no shell, where there are forks (in tests)."""
    found = _SCRIPT.fullmatch(line)
    if found is None:
        return None
    return forked_script(code / found[1], shlex.split(found[2]), log, environment)


def _wait(process: Running) -> int | None:
    try:
        return process.wait(_CHECK_SECONDS)
    except subprocess.TimeoutExpired:
        return None
