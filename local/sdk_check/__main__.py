"""Checks the stand-in for Azure ML v2 with Microsoft's own client: `make sdk-check`.

The client gets a virtual environment of its own, which is made once for each set of its
requirements. If the client refuses an answer, the stand-in has a bug.
"""

import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Final

from azure.storage.blob import BlobServiceClient

from local.azureml.answers import GROUP, NAME, SUBSCRIPTION
from local.azureml.process import AzureMlProcess
from local.azureml.sample import EXAMPLES
from local.azurite import Azurite, make_container
from local.identity import CERTIFICATE, make_certificate
from local.inference.servers import install
from local.sdk_check.app import BLOB, DATA, MODELS, AppRun
from local.studio.sample import sample_data
from local.virtual_environment import NOT_CHECKED, InstallError, python_with

ROOT: Final = Path(__file__).parents[2]
ENVIRONMENT: Final = ROOT / ".venv-sdk"
REQUIREMENTS: Final = Path(__file__).with_name("requirements.txt")
_DRIVER: Final = Path(__file__).with_name("driver.py")
#: In seconds; the check takes one minute. The client can wait without end for an upload.
_LONGEST: Final = 600.0
_UNCHECKED: Final = (
    "NOT CHECKED: azure-ai-ml or the inference server could not be installed, so whether it takes\n"
    "the stand-in for Azure ML v2 for real is unknown. An error where CI is `true`."
)
_STORAGE: Final = "SDK_CHECK_STORAGE"


def main(arguments: Sequence[str] | None = None) -> int:
    """Install the client, run the check and return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m local.sdk_check", description=__doc__)
    parser.add_argument("--reduced", action="store_true", help="the part that make test runs")
    options = parser.parse_args(arguments)
    try:
        python = python_with(ENVIRONMENT, Path(sys.executable), REQUIREMENTS, _progress)
        install(_progress)
    except InstallError as error:
        print(error)
        forgiven = options.reduced and os.environ.get("CI") != "true"
        print(_UNCHECKED if forgiven else "its packages could not be installed")
        return NOT_CHECKED if forgiven else 1
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="sdk-check-")))
        secured = make_certificate(folder)
        storage = stack.enter_context(Azurite(secured_by=secured))
        with _account(storage.connection_string, str(folder / CERTIFICATE)) as client:
            _fill(client)
        stack.enter_context(_set(_STORAGE, storage.connection_string))
        command = ["--storage", _STORAGE, "--certificate", str(folder)]
        stand_in = stack.enter_context(AzureMlProcess(command, trusted=folder / CERTIFICATE))
        _prepare(stand_in)
        order = folder / "order.json"
        certificate = str(folder / CERTIFICATE)
        account = stack.enter_context(_account(storage.connection_string, certificate))
        app = AppRun(stand_in.url, account, certificate)
        known = _order(stand_in, folder, reduced=options.reduced) | app.names
        order.write_text(json.dumps(known))
        code = _drive([str(python), str(_DRIVER), str(order)], app)
        if code:
            print(stand_in.log, json.dumps(stand_in.state, indent=1), sep="\n")
        return code


def _drive(command: Sequence[str], app: AppRun, longest: float = _LONGEST) -> int:
    """Run the driver; what it says as `the app: train` or `the app: serve` is done for it.

    Args:
        command: of the driver.
        app: does what the app does.
        longest: after this number of seconds the driver is killed.

    Returns:
        The exit code of the driver.
    """
    does = {"the app: train": app.train, "the app: serve": app.serve}
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as driver:
        limit = threading.Timer(longest, driver.kill)
        limit.start()
        try:
            for line in driver.stdout or ():
                said = line.strip().lstrip(".")  # the client prints dots while it waits
                if said:
                    print(said, flush=True)
                if said in does and driver.stdin is not None:
                    does[said]()
                    driver.stdin.write("done\n")
                    driver.stdin.flush()
            driver.wait()
        except BaseException:
            driver.kill()
            raise
        finally:
            limit.cancel()
    if driver.returncode == -signal.SIGKILL:
        print(f"azure-ai-ml was stopped: it had not ended after {longest:.0f} s")
    return driver.returncode


def _progress(line: str) -> None:
    if line.startswith(("Collecting", "Installing", "Successfully", "Prepared", "Installed")):
        print(line[:100], flush=True)


@contextmanager
def _set(name: str, value: str) -> Iterator[None]:
    os.environ[name] = value
    try:
        yield
    finally:
        del os.environ[name]


def _account(connection: str, certificate: str) -> BlobServiceClient:
    return BlobServiceClient.from_connection_string(connection, connection_verify=certificate)


def _fill(client: BlobServiceClient) -> None:
    for container in (DATA, MODELS):
        make_container(client.get_container_client(container))
    client.get_blob_client(DATA, BLOB).upload_blob(sample_data())
    for file in (EXAMPLES / "src").glob("*.py"):
        client.get_blob_client(DATA, f"code/{file.name}").upload_blob(file.read_bytes())


def _prepare(stand_in: AzureMlProcess) -> None:
    """Make what the owner of a workspace has, and what the app sends when it trains."""
    for name, container in (("training", DATA), ("models", MODELS)):
        stand_in.order("datastores", name=name, container=container)
    stand_in.order("computes", name="cpu-cluster")
    code = {"codeUri": "azureml://datastores/training/paths/code/"}
    stand_in.order("assets", kind="codes", name="relearn_train", version="1", properties=code)
    stand_in.order(
        "switches",
        output_types="as_sent",  # else its download finds no outputs
        ml_header="needed",
        lock="resource",  # two deployments are made together
        operation_retry_after=1,  # else its client waits half a minute
        **dict.fromkeys(("creating_endpoint", "updating_endpoint", "deleting"), 0),
    )


def _copied(folder: Path) -> Path:
    """Return a copy of the examples without compiled files: the client waits for these for ever."""
    leave = shutil.ignore_patterns("__pycache__")
    return Path(shutil.copytree(EXAMPLES, folder / "examples", ignore=leave))


def _order(stand_in: AzureMlProcess, folder: Path, *, reduced: bool) -> dict[str, Any]:
    identity = stand_in.environment
    return {
        "examples": str(_copied(folder)),
        "reduced": reduced,
        "subscription": SUBSCRIPTION,
        "group": GROUP,
        "workspace": NAME,
        "models": MODELS,
        "identity_endpoint": identity["IDENTITY_ENDPOINT"],
        "identity_header": identity["IDENTITY_HEADER"],
        "environment": {
            "ARM_CLOUD_METADATA_URL": f"{stand_in.url}/metadata/endpoints",
            "REQUESTS_CA_BUNDLE": str(folder / CERTIFICATE),
            "SSL_CERT_FILE": str(folder / CERTIFICATE),
            "NO_PROXY": "*",
        },
    }


if __name__ == "__main__":
    sys.exit(main())
