"""Drives the stand-in with azure-ai-ml; run by an interpreter that has it: `driver.py ORDER.json`.

Nothing of this project is imported: only Microsoft's client is used.
"""

import json
import logging
import os
import socket
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import requests
from azure.ai.ml import (
    MLClient,
    load_component,
    load_datastore,
    load_environment,
    load_job,
    load_model,
    load_online_deployment,
    load_online_endpoint,
)
from azure.ai.ml.entities import Data, Model
from azure.core.credentials import AccessToken
from endpoint_steps import (  # type: ignore[import-not-found]  # beside this script
    EndpointSteps,
    holds,
    is_missing,
    is_refused,
)

_SECONDS = 30
_END_SECONDS = 60
_ENDED = ("Completed", "Failed", "Canceled")


class _Credential:
    """Tokens of the stand-in's identity endpoint."""

    def __init__(self, order: dict[str, Any]) -> None:
        self._order = order

    def get_token(self, *scopes: str, **_: Any) -> AccessToken:
        """Return a token for the first scope."""
        answer = requests.get(
            self._order["identity_endpoint"],
            params={"resource": scopes[0].removesuffix("/.default"), "api-version": "2019-08-01"},
            headers={"X-IDENTITY-HEADER": self._order["identity_header"]},
            timeout=_SECONDS,
        )
        answer.raise_for_status()
        told = answer.json()
        return AccessToken(told["access_token"], int(told["expires_on"]))


class Check:
    """The checks, one step after the other.

    Args:
        order: where the stand-in is, and what was made there by others.
    """

    def __init__(self, order: dict[str, Any]) -> None:
        self._order, self._examples = order, Path(order["examples"])
        self._client = MLClient(
            _Credential(order),
            order["subscription"],
            order["group"],
            order["workspace"],
            logging_enable=False,
            show_progress=False,
        )

    def steps(self) -> list[tuple[str, Callable[[], None]]]:
        """Return the steps by name; later ones use what earlier ones made."""
        steps = [
            ("loads every example", self.examples),
            ("reads the workspace", self.workspace),
            ("registers environment, code and components", self.register),
            ("starts the job of a file, and sees it end", self.job),
            ("downloads the outputs", self.outputs),
            ("reads the job that the app makes", self.of_the_app),
            ("registers a model and reads the app's", self.models),
            *EndpointSteps(self._client, self._order).steps(),
        ]
        if self._order["reduced"]:
            return steps
        return [
            *steps,
            ("runs a command job", self.command),
            ("lists jobs and cancels", self.lists),
            ("sees a job fail", self.failure),
        ]

    def examples(self) -> None:
        """Load each file of examples/azureml by its loader."""
        loaders = {
            "component": load_component,
            "job": load_job,
            "environment": load_environment,
            "model": load_model,
            "datastore": load_datastore,
            "deployment": load_online_deployment,
            "endpoint": load_online_endpoint,
        }
        found = sorted(self._examples.glob("*.yml"))
        holds(len(found) > len(loaders), found)
        for file in found:
            kind = file.stem.rpartition(".")[2]
            loaders[kind](file)

    def workspace(self) -> None:
        """Read the workspace, its datastores and the compute."""
        holds(self._client.workspaces.get().location)
        stores = {one.name: one for one in self._client.datastores.list()}
        holds(stores["models"].container_name == self._order["models"])
        holds(self._client.datastores.get_default().name == "workspaceblobstore")
        holds(self._client.compute.get("cpu-cluster").name == "cpu-cluster")
        is_refused(lambda: self._client.compute.get("nobody"))

    def register(self) -> None:
        """Register what the examples need, as a user does."""
        self._client.environments.create_or_update(
            load_environment(self._examples / "environment.yml")
        )
        component = load_component(self._examples / "pipeline.component.yml")
        made = self._client.components.create_or_update(component)
        holds((made.name, made.version) == ("train_census", "1"))
        read = self._client.components.get("train_census", "1")
        holds(set(read.inputs) == {"training_data", "regularization"})
        holds(read.inputs["training_data"].optional is not True)
        holds(self._client.components.get("train_census", label="latest").version == "1")

    def job(self) -> None:
        """Start the job of the example file."""
        job = load_job(self._examples / "train.job.yml")
        job.name = "by-the-client"
        made = self._client.jobs.create_or_update(job)
        holds(made.status == "Preparing", made.status)
        again = self._client.jobs.create_or_update(job)
        holds(again.name == made.name)
        holds(self._ended("by-the-client") == "Completed", self._why("by-the-client"))

    def outputs(self) -> None:
        """Download what the job wrote."""
        with tempfile.TemporaryDirectory() as folder:
            self._client.jobs.download(
                "by-the-client", download_path=folder, output_name="evaluation"
            )
            (file,) = Path(folder).rglob("evaluation.json")
            holds(0.8 < json.loads(file.read_text())["AUC"] <= 1)  # noqa: PLR2004 - it has learned

    def command(self) -> None:
        """Run a command job, with local code, which is uploaded."""
        job = load_job(self._examples / "command.job.yml")
        job.name, job.code = "by-a-command", str(self._examples / "src")
        made = self._client.jobs.create_or_update(job)
        holds(made.status == "Starting", made.status)
        holds(self._ended("by-a-command") == "Completed", self._why("by-a-command"))
        shown = self._client.jobs.get("by-a-command")
        holds(shown.outputs["model"].path.startswith("azureml://"), shown.outputs)

    def of_the_app(self) -> None:
        """Read a job that was PUT as the app does."""
        print("the app: train", flush=True)
        sys.stdin.readline()
        shown = self._client.jobs.get(self._order["job"])
        holds(self._ended(self._order["job"]) == "Completed", self._why(self._order["job"]))
        holds(shown.tags["relearn.run"], shown.tags)
        holds(shown.component, shown)
        holds(shown.inputs["training_data"].path, shown.inputs)
        holds(shown.outputs["model"].path.startswith("azureml://datastores/models/"))
        holds(shown.settings.force_rerun is True)

    def lists(self) -> None:
        """List jobs by type and tag, and cancel one."""
        named = {one.name for one in self._client.jobs.list()}
        holds(named >= {"by-the-client", "by-a-command", self._order["job"]}, named)
        job = load_job(self._examples / "train.job.yml")
        job.name = "to-be-cancelled"
        self._client.jobs.create_or_update(job)
        self._client.jobs.begin_cancel("to-be-cancelled").wait(_SECONDS)
        holds(self._ended("to-be-cancelled") == "Canceled")
        is_refused(lambda: self._client.jobs.begin_cancel("to-be-cancelled"))

    def failure(self) -> None:
        """Have a job fail because its data is not there."""
        job = load_job(self._examples / "train.job.yml")
        job.name = "without-data"
        job.inputs["training_data"].path = "azureml://datastores/training/paths/none.csv"
        self._client.jobs.create_or_update(job)
        holds(self._ended("without-data") == "Failed")
        children = list(self._client.jobs.list(parent_job_name="without-data"))
        holds([one.display_name for one in children] == ["train"], children)

    def models(self) -> None:
        """Register a model, and read one that the app registered."""
        made = self._client.models.create_or_update(load_model(self._examples / "model.yml"))
        holds((made.name, made.version) == ("census", "by-hand-1"))
        name, version = self._order["model"].split("/")
        read: Model = self._client.models.get(name, version)
        holds(read.tags["relearn.run"], read.tags)
        holds(read.job_name == self._order["job"], read.job_name)
        versions = {one.version for one in self._client.models.list(name)}
        holds({version, "by-hand-1"} <= versions, versions)
        is_missing(lambda: self._client.models.get("census", "none"))
        data = Data(
            name="table",
            version="1",
            type="uri_file",
            path="azureml://datastores/training/paths/census/a.csv",
        )
        holds(self._client.data.create_or_update(data).version == "1")

    def _ended(self, name: str) -> str:
        deadline = time.monotonic() + _END_SECONDS
        while time.monotonic() < deadline:
            status = self._client.jobs.get(name).status
            status = str(getattr(status, "value", status))
            if status in _ENDED:
                return status
            time.sleep(0.2)
        raise AssertionError(f"{name} did not end: {status}")

    def _why(self, name: str) -> str:
        return str([one.name for one in self._client.jobs.list(parent_job_name=name)])


def _resolve_localhost() -> None:
    """Let names below localhost mean this machine, as RFC 6761 has it and not every system does."""
    resolve = socket.getaddrinfo

    def resolved(host: Any, *more: Any, **also: Any) -> Any:
        local = isinstance(host, str) and host.endswith(".localhost")
        return resolve("127.0.0.1" if local else host, *more, **also)

    socket.getaddrinfo = resolved


def main() -> int:
    """Run the steps and return 0 when all passed."""
    order = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    os.environ.update(order["environment"])
    _resolve_localhost()
    logging.getLogger("azure.ai.ml").setLevel(logging.ERROR)
    check = Check(order)
    for name, step in check.steps():
        began = time.monotonic()
        try:
            step()
        except Exception:
            print(f"azure-ai-ml {name}: failed", flush=True)
            raise
        print(f"azure-ai-ml {name}: {time.monotonic() - began:.1f} s", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
