"""Serves deployments for real: each has a process of Microsoft's own inference server.

`azureml-inference-server-http` runs the scoring script of a deployment, as it does in Azure; an
MLflow model without one is loaded by `mlflow_score.py`. The server has a virtual environment of its
own, made once. Servers listen only on loopback, and end with the stand-in, even when it is killed.
"""

import contextlib
import os
import shlex
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Final

import requests

from local.azureml.answers import Answer, RequestBody
from local.azureml.commands import WATCHED
from local.azureml.containers import (
    Container,
    ContainerOrder,
    Progress,
    Scored,
    failed_model,
    nobody_answers,
)
from local.azureml.operations import Failure
from local.azureml.places import Datastores, NoSuchPlaceError
from local.listener import LOOPBACK
from local.virtual_environment import InstallError, python_with

ROOT: Final = Path(__file__).parents[2]
ENVIRONMENT: Final = ROOT / ".venv-inference"
REQUIREMENTS: Final = Path(__file__).with_name("requirements.txt")
_MLFLOW: Final = Path(__file__).with_name("mlflow_score.py")
#: The command line of the package, but for the address: its own is every one of the machine.
_LAUNCH: Final = (
    "from azureml_inference_server_http import amlserver; "
    f"amlserver.DEFAULT_HOST = '{LOOPBACK}'; amlserver.run()"
)
_PROBE_SECONDS: Final = 0.05
_GOOD: Final = 200


def install(progress: Callable[[str], None] = lambda _: None) -> Path:
    """Return the interpreter that has the server, which is installed if it is not.

    Args:
        progress: gets each line of pip's output.

    Returns:
        The interpreter.

    Raises:
        InstallError: it cannot be installed.
    """
    return python_with(ENVIRONMENT, Path(sys.executable), REQUIREMENTS, progress)


@dataclass
class InferenceServers:
    """Starts a server for each deployment.

    Args:
        start_seconds: how long one may take until it is healthy.
    """

    start_seconds: float = 60.0
    all: list["_Server"] = field(default_factory=list)

    def start(self, order: ContainerOrder, datastores: Datastores) -> Container:
        """Begin to start a server, in a thread.

        Args:
            order: what to run.
            datastores: where model and code are.

        Returns:
            The server.
        """
        server = _Server(order, datastores, self.start_seconds)
        self.all.append(server)
        server.thread.start()
        return server

    def stop(self) -> None:
        """End every server."""
        for server in self.all:
            server.stop()
        for server in self.all:
            server.thread.join()


class _Server:
    instant = False

    def __init__(self, order: ContainerOrder, datastores: Datastores, seconds: float) -> None:
        self._order, self._datastores, self._seconds = order, datastores, seconds
        self._folder = tempfile.TemporaryDirectory(prefix="azureml-deployment-")
        self._place = Path(self._folder.name)
        self._written = self._place / "log"
        self._fetched: list[str] = []
        self._process: subprocess.Popen[bytes] | None = None
        self._failure: Failure | None = None
        self._url = ""
        self._stopping = threading.Event()
        self._last_log = ""
        self._connections = requests.Session()
        self._connections.trust_env = False
        self.thread = threading.Thread(target=self._start, name="azureml-deployment", daemon=True)

    def progress(self) -> Progress:
        if self._failure is not None:
            return Progress.FAILED
        return Progress.READY if self._url else Progress.STARTING

    def failure(self) -> Failure | None:
        return self._failure

    def log(self, kind: str, tail: int) -> str:
        if kind == "StorageInitializer":
            return "\n".join(self._fetched[-tail:])
        with contextlib.suppress(OSError):
            self._last_log = self._written.read_text(errors="replace")
        return "\n".join(self._last_log.splitlines()[-tail:])

    def score(self, body: RequestBody | bytes, headers: Mapping[str, str]) -> Scored:
        sent = {"Content-Type": "application/json"} | dict(headers)
        began = time.monotonic()
        try:
            answer = self._connections.post(
                f"{self._url}/score",
                headers=sent,
                timeout=self._order.seconds,
                **({"data": body} if isinstance(body, bytes) else {"json": body}),
            )
        except requests.Timeout:
            return self._too_late(began)
        except requests.RequestException:
            return Scored(nobody_answers(), _milliseconds(began), 500)
        if answer.status_code >= 500 and time.monotonic() - began >= self._order.seconds:  # noqa: PLR2004
            return self._too_late(began)  # its own limit was the first to end it
        own = {name.lower(): value for name, value in answer.headers.items()}
        kept = {name: own[name] for name in own if name.startswith("x-") or name == "content-type"}
        told = Answer(answer.status_code, answer.content, kept)
        if told.status != _GOOD:
            failed = failed_model(told.status, str(answer.reason), told.body)
            told = Answer(failed.status, failed.body, kept | dict(failed.headers))
        return Scored(told, _milliseconds(began), answer.status_code)

    def stop(self) -> None:
        self._stopping.set()
        if not self.thread.is_alive():  # else the thread ends what it began
            self._end()

    def _end(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            if process.stdin is not None:
                process.stdin.close()
        self.log("InferenceServer", 1)  # what it wrote outlives its folder
        self._connections.close()
        self._folder.cleanup()

    def _too_late(self, began: float) -> Scored:
        message = f"The container did not answer within {self._order.seconds:g} s."
        error = {"error": {"code": "RequestTimeout", "message": message}}
        return Scored(Answer(408, error), _milliseconds(began), 408)

    def _start(self) -> None:
        try:
            python = install()
            variables, script = self._fetch()
            self._run(python, variables, script)
        except InstallError as error:
            self._failure = Failure("ImageBuildFailure", str(error))
        except (NoSuchPlaceError, _CannotServeError) as error:
            self._failure = Failure("BadArgument", str(error))
        except Exception as error:  # noqa: BLE001 - the operation has to end
            self._failure = Failure("InternalServerError", repr(error))
        if self._stopping.is_set() or self._failure is not None:
            self._end()

    def _fetch(self) -> tuple[dict[str, str], Path]:
        """Download model and code; return where they are, and the scoring script."""
        models, code = self._place / "models", self._place / "code"
        code.mkdir()
        place = self._datastores.place(self._order.model_uri)
        is_file = self._datastores.found(self._order.model_uri) == [place]
        # As in Azure: the last part of a folder's address is in the path of its files.
        folder = models if is_file else models / PurePosixPath(place[1].rstrip("/")).name
        self._download("model", self._order.model_uri, folder)
        script = _MLFLOW
        if self._order.script:
            self._download("code", self._order.code_uri, code)
            script = code / self._order.script
        elif not self._order.is_mlflow:
            raise _CannotServeError(
                "A custom model needs codeConfiguration with codeId and scoringScript."
            )
        variables = {"AZUREML_MODEL_DIR": str(models), "AML_APP_ROOT": str(code)}
        return variables, script

    def _download(self, what: str, uri: str, folder: Path) -> None:
        self._fetched.append(f"Downloading {what} from {uri}")
        files = self._datastores.download(uri, folder)
        if not files:
            raise _CannotServeError(f"There is no {what} at {uri}.")
        self._fetched.append(f"Downloaded {what}: files {len(files)}")

    def _run(self, python: Path, variables: dict[str, str], script: Path) -> None:
        environment = {"PATH": f"{python.parent}:/usr/bin:/bin", "HOME": str(self._place)}
        environment |= {"LANG": "C.UTF-8", "PYTHONUNBUFFERED": "1"}
        environment |= {name: one for name, one in self._order.variables.items() if one}
        # A request that is not waited for any more is not worked on either.
        environment["SCORING_TIMEOUT_MS"] = str(int(self._order.seconds * 1000))
        with socket.socket() as held:  # the port stays ours until the server listens on it
            held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            held.bind((LOOPBACK, 0))
            port = held.getsockname()[1]
            command = [str(python), "-c", _LAUNCH, "--entry_script", str(script)]
            line = f"exec {shlex.join([*command, '--port', str(port)])}"
            with self._written.open("wb") as log:
                process = subprocess.Popen(
                    ["/bin/sh", "-c", WATCHED, "sh", line],
                    cwd=variables["AML_APP_ROOT"],
                    env=environment | variables,
                    stdin=subprocess.PIPE,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                )
            self._process = process
            self._wait(process, f"http://{LOOPBACK}:{port}")

    def _wait(self, process: subprocess.Popen[bytes], url: str) -> None:
        """Probe its health until it answers; the deployment has failed when it ends before."""
        deadline = time.monotonic() + self._seconds
        while time.monotonic() < deadline and not self._stopping.is_set():
            if process.poll() is not None:
                break
            with contextlib.suppress(requests.RequestException):
                if self._connections.get(f"{url}/", timeout=1).status_code == _GOOD:
                    self._url = url
                    return
            time.sleep(_PROBE_SECONDS)
        self._failure = Failure(
            "ResourceNotReady",
            "User container has crashed or terminated. Please see troubleshooting guide, available "
            "here: https://aka.ms/oe-tsg#error-resourcenotready",
        )


class _CannotServeError(Exception):
    """The deployment cannot be served."""


def _milliseconds(began: float) -> float:
    return (time.monotonic() - began) * 1000
