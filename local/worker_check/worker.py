"""The check's side of a worker process: starts it, sends it requests, stops it."""

import json
import subprocess
import tempfile
import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Self

ROOT: Final = Path(__file__).parents[2]
_LONGEST_SECONDS: Final = 60.0
_SHOWN_CHARACTERS: Final = 3000


class WorkerError(RuntimeError):
    """The worker does not answer or could not index the app."""


@dataclass(frozen=True, slots=True)
class Answer:
    """An HTTP answer as the worker hands it to the host."""

    status: int
    headers: Mapping[str, str]
    body: Any


@dataclass(frozen=True, slots=True)
class Index:
    """The worker's report to the host about the app."""

    python: str
    runtime: str
    functions: Mapping[str, list[dict[str, Any]]]
    retried: list[str]
    app: str


class Worker:
    """One process with the official runtime and the app in it.

    Args:
        python: interpreter of the worker's environment.
        app: the app's folder.
        settings: its app settings, and all that the process knows of the outside.
    """

    def __init__(self, python: Path, app: Path, settings: Mapping[str, str]) -> None:
        self._log = tempfile.TemporaryFile("w+", encoding="utf-8")  # noqa: SIM115 -- closed in __exit__
        self._process = subprocess.Popen(
            [str(python), "-m", "local.worker_check.driver", str(app)],
            cwd=ROOT,
            env={**settings, "PYTHONUTF8": "1"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            text=True,
            encoding="utf-8",
        )
        self._end = threading.Timer(_LONGEST_SECONDS, self._process.kill)
        self._end.daemon = True
        self._end.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._end.cancel()
        self._process.kill()
        self._process.communicate()
        self._log.close()

    def index(self) -> Index:
        """Return what was indexed; the first thing to ask for.

        Raises:
            WorkerError: the app could not be indexed.
        """
        said = self._read()
        if "refused" in said:
            raise WorkerError(f"the app is not indexed: {said['refused']}")
        return Index(**said)

    def loaded(self, modules: Iterable[str]) -> list[str]:
        """Return which of these modules the worker has imported."""
        found: list[str] = self._ask({"loaded": list(modules)})["loaded"]
        return found

    def http(
        self,
        function: str,
        method: str,
        path: str,
        body: str | None = None,
        headers: Mapping[str, str] | None = None,
        **params: str,
    ) -> Answer:
        """Invoke an HTTP function and return its answer; `params` are those of its route.

        Raises:
            WorkerError: the function failed, or the worker did.
        """
        request = {
            "method": method,
            "url": f"http://localhost/api/{path}",
            "headers": dict(headers or {}),
            "params": params,
            "query": {},
            "body": body,
        }
        said = self._invoke(function, {"req": {"http": request}}, {})
        if "error" in said:
            raise WorkerError(f"{function} failed: {said['error']}")
        answer = said["answer"]
        return Answer(answer["status"], answer["headers"], json.loads(answer["body"]))

    def timer(self, function: str, trace: str = "") -> str | None:
        """Let a timer fire; return what the function failed with, None when it did not.

        `trace` is the W3C traceparent of the invocation.
        """
        times = dict.fromkeys(("Last", "Next", "LastUpdated"), "2026-01-01T00:00:00+00:00")
        tick = {"Schedule": {"AdjustForDST": True}, "ScheduleStatus": times, "IsPastDue": False}
        inputs = {"timer": {"json": json.dumps(tick)}}
        return self._invoke(function, inputs, {}, trace).get("error")

    def blob(
        self, function: str, connection: str, container: str, name: str, trace: str = ""
    ) -> str | None:
        """Deliver a blob as the host does to an SDK type: by name, without its content.

        Returns what the function failed with, None when it did not. `trace` is the W3C
        traceparent of the invocation.
        """
        reference = {"Connection": connection, "ContainerName": container, "BlobName": name}
        data = {
            "version": "1.0",
            "source": "AzureStorageBlobs",
            "content_type": "application/json",
            "content": json.dumps(reference),
        }
        metadata = {"BlobTrigger": {"string": f"{container}/{name}"}, "name": {"string": name}}
        inputs = {"client": {"model_binding_data": data}}
        return self._invoke(function, inputs, metadata, trace).get("error")

    def queue(self, function: str, text: str) -> str | None:
        """Deliver a message of a queue as the host does, decoded; return what it failed with."""
        times = ("ExpirationTime", "InsertionTime", "NextVisibleTime")
        metadata: dict[str, Any] = {
            "Id": {"string": "5b6c1f6e-0000-4000-8000-000000000000"},
            "PopReceipt": {"string": "AgAAAAMAAAAAAAAA"},
            "DequeueCount": {"json": "1"},
            **{name: {"json": json.dumps("2026-01-01T00:00:00+00:00")} for name in times},
        }
        return self._invoke(function, {"message": {"string": text}}, metadata).get("error")

    def _invoke(
        self, function: str, inputs: Mapping[str, Any], metadata: Mapping[str, Any], trace: str = ""
    ) -> dict[str, Any]:
        asked = {"function": function, "inputs": inputs, "metadata": metadata, "trace": trace}
        return self._ask(asked)

    def _ask(self, request: Mapping[str, Any]) -> dict[str, Any]:
        if self._process.stdin is not None:
            try:
                print(json.dumps(request), file=self._process.stdin, flush=True)
            except BrokenPipeError:
                raise WorkerError(self._last_words()) from None
        return self._read()

    def _read(self) -> dict[str, Any]:
        line = self._process.stdout.readline() if self._process.stdout else ""
        if not line:
            raise WorkerError(self._last_words())
        said: dict[str, Any] = json.loads(line)
        return said

    def _last_words(self) -> str:
        self._process.kill()
        self._process.wait()
        self._log.seek(0)
        return f"the worker ended without an answer:\n{self._log.read()[-_SHOWN_CHARACTERS:]}"
