"""Has Microsoft's client drive the stand-in of Azure ML v2: `make sdk-check`.

The client gets a virtual environment of its own, which is made once for each set of its
requirements. What it refuses is a bug of the stand-in.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Final

import requests
from azure.storage.blob import BlobServiceClient

from local.azureml.answers import GROUP, NAME, SUBSCRIPTION, WORKSPACE
from local.azureml.process import AzureMlProcess
from local.azurite import Azurite
from local.identity import CERTIFICATE, make_certificate, make_token
from local.studio.sample import sample_data
from local.virtual_environment import InstallError, python_with

ROOT: Final = Path(__file__).parents[2]
ENVIRONMENT: Final = ROOT / ".venv-sdk"
REQUIREMENTS: Final = Path(__file__).with_name("requirements.txt")
_DRIVER: Final = Path(__file__).with_name("driver.py")
_SECONDS: Final = 30
_UNCHECKED: Final = (
    "NOT CHECKED: azure-ai-ml could not be installed, so whether it takes the stand-in of\n"
    "Azure ML v2 for real is unknown. An error where the environment variable CI is `true`."
)
_STORAGE: Final = "SDK_CHECK_STORAGE"
_DATA, _MODELS = "training-data", "models"
_MADE_BY_THE_APP: Final = {"job": "rl-census-r7k2-1", "model": "census/r7k2-1"}


def main(arguments: Sequence[str] | None = None) -> int:
    """Install the client, run the check and return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m local.sdk_check", description=__doc__)
    parser.add_argument("--reduced", action="store_true", help="the part that make test runs")
    options = parser.parse_args(arguments)
    try:
        python = python_with(ENVIRONMENT, Path(sys.executable), REQUIREMENTS, _progress)
    except InstallError as error:
        print(error)
        forgiven = options.reduced and os.environ.get("CI") != "true"
        print(_UNCHECKED if forgiven else "azure-ai-ml could not be installed")
        return 0 if forgiven else 1
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="sdk-check-")))
        secured = make_certificate(folder)
        storage = stack.enter_context(Azurite(secured_by=secured))
        _fill(storage.connection_string, folder)
        stack.enter_context(_set(_STORAGE, storage.connection_string))
        command = ["--storage", _STORAGE, "--certificate", str(folder)]
        stand_in = stack.enter_context(AzureMlProcess(command, trusted=folder / CERTIFICATE))
        _prepare(stand_in)
        order = folder / "order.json"
        order.write_text(json.dumps(_order(stand_in, folder, reduced=options.reduced)))
        app = _App(stand_in, folder / CERTIFICATE)
        code = _drive(python, order, app)
        if code:
            print(stand_in.log, json.dumps(stand_in.state, indent=1), sep="\n")
        return code


class _App:
    """What the app sends for one run: a job of a registered component, and a model."""

    def __init__(self, stand_in: AzureMlProcess, certificate: Path) -> None:
        self._workspace = f"{stand_in.url}{WORKSPACE}"
        self._certificate = str(certificate)
        self._headers = {
            "Authorization": f"Bearer {make_token('https://management.azure.com')}",
            "x-azureml-token": make_token("https://ml.azure.com"),
        }

    def train(self) -> None:
        """Start the job."""
        place = "azureml://datastores/models/paths/runs/census/r7k2/1"
        outputs = {
            name: {"jobOutputType": "uri_folder", "mode": "Upload", "uri": f"{place}/{name}/"}
            for name in ("model", "evaluation")
        }
        data = "azureml://datastores/training/paths/census/a.csv"
        self._put(
            f"jobs/{_MADE_BY_THE_APP['job']}",
            {
                "jobType": "Pipeline",
                "componentId": f"{WORKSPACE}/components/train_census/versions/1",
                "jobs": {},
                "experimentName": "relearn-census",
                "displayName": "census r7k2",
                "tags": {"relearn.run": "r7k2", "relearn.attempt": "1"},
                "properties": {},
                "isArchived": False,
                "inputs": {
                    "training_data": {
                        "jobInputType": "uri_file",
                        "mode": "ReadOnlyMount",
                        "uri": data,
                    }
                },
                "outputs": outputs,
                "settings": {
                    "default_compute": f"{WORKSPACE}/computes/cpu-cluster",
                    "force_rerun": True,
                    "continue_on_step_failure": False,
                    "_source": "REMOTE.WORKSPACE.JOB",
                },
            },
        )
        name, version = _MADE_BY_THE_APP["model"].split("/")
        self._put(
            f"models/{name}/versions/{version}",
            {
                "modelType": "custom_model",
                "modelUri": f"{place}/model",
                "jobName": _MADE_BY_THE_APP["job"],
                "tags": {"relearn.run": "r7k2"},
            },
        )

    def _put(self, path: str, properties: dict[str, Any]) -> None:
        answer = requests.put(
            f"{self._workspace}/{path}?api-version=2025-12-01",
            json={"properties": properties},
            headers=self._headers,
            verify=self._certificate,
            timeout=_SECONDS,
        )
        if not answer.ok:
            raise RuntimeError(answer.text)


def _drive(python: Path, order: Path, app: _App) -> int:
    """Run the driver; what it says as `the app: train` is done for it."""
    command = [str(python), str(_DRIVER), str(order)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as driver:
        for line in driver.stdout or ():
            print(line, end="", flush=True)
            if line.strip() == "the app: train" and driver.stdin is not None:
                app.train()
                driver.stdin.write("done\n")
                driver.stdin.flush()
    return driver.returncode


def _progress(line: str) -> None:
    if line.startswith(("Collecting", "Installing", "Successfully")):
        print(line[:100], flush=True)


@contextmanager
def _set(name: str, value: str) -> Iterator[None]:
    os.environ[name] = value
    try:
        yield
    finally:
        del os.environ[name]


def _fill(connection: str, folder: Path) -> None:
    client = BlobServiceClient.from_connection_string(
        connection, connection_verify=str(folder / CERTIFICATE)
    )
    with client:
        for container in (_DATA, _MODELS):
            client.create_container(container)
        client.get_blob_client(_DATA, "census/a.csv").upload_blob(sample_data())


def _prepare(stand_in: AzureMlProcess) -> None:
    """Make what the owner of a workspace has, and what the app sends when it trains."""
    for name, container in (("training", _DATA), ("models", _MODELS)):
        stand_in.order("datastores", name=name, container=container)
    stand_in.order("computes", name="cpu-cluster")
    stand_in.order(
        "switches",
        output_types="as_sent",  # else its download finds no outputs
        ml_header="needed",
    )


def _order(stand_in: AzureMlProcess, folder: Path, *, reduced: bool) -> dict[str, Any]:
    identity = stand_in.environment
    return {
        "examples": str(ROOT / "examples" / "azureml"),
        "reduced": reduced,
        "subscription": SUBSCRIPTION,
        "group": GROUP,
        "workspace": NAME,
        "models": _MODELS,
        "identity_endpoint": identity["IDENTITY_ENDPOINT"],
        "identity_header": identity["IDENTITY_HEADER"],
        "environment": {
            "ARM_CLOUD_METADATA_URL": f"{stand_in.url}/metadata/endpoints",
            "REQUESTS_CA_BUNDLE": str(folder / CERTIFICATE),
            "SSL_CERT_FILE": str(folder / CERTIFICATE),
            "NO_PROXY": "*",
        },
        **_MADE_BY_THE_APP,
    }


if __name__ == "__main__":
    sys.exit(main())
