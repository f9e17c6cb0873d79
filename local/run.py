"""Serves pipelines.yaml on this machine: the app in its host, and a storage server."""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Final

import requests
from azure.storage.blob import BlobServiceClient

from local.azureml.answers import WORKSPACE
from local.azureml.process import AzureMlProcess
from local.azurite import Azurite, AzuriteError, make_container
from local.served import NotStartedError, StopSignal
from local.storage_folder import port_is_free

ROOT: Final = Path(__file__).parents[1]
_STORAGE: Final = ROOT / ".local" / "azurite"
_HEALTH_SECONDS: Final = 60
_STOP_SECONDS: Final = 10.0
_SETTINGS_EVERY: Final = 1.0  #: in seconds
_CONTAINERS: Final = ("TRAINING_DATA_CONTAINER", "MODELS_CONTAINER")
_WORKSPACE_PORT: Final = 7080
_WORKSPACE_STORAGE: Final = "STORAGE_OF_THE_WORKSPACE"
_DEVELOPMENT: Final = "UseDevelopmentStorage=true"
_DESCRIPTION: Final = """\
Serve pipelines.yaml on this machine until Ctrl-C. Settings come from local.settings.json. If
they have AzureWebJobsStorage=UseDevelopmentStorage=true, a storage server is started too. It keeps
its data in .local/azurite, and uses the same port each time. First time:

  cp local.settings.example.json local.settings.json
  cp pipelines.azureml.yaml pipelines.yaml"""
_WHEN: Final = (
    "a changed pipelines file is used without a restart, and data that arrived meanwhile is found; "
    "changed settings need a restart"
)
_TWO_APPS: Final = """\
Two apps on this machine: give the second one a folder (--storage) and a port (--port) of its own,
or, to serve the same storage, write the connection string that the first one printed into its
settings, instead of UseDevelopmentStorage=true."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve until Ctrl-C and return the exit code."""
    options = _parser().parse_args(arguments)
    try:
        values = dict(json.loads(options.settings.read_text(encoding="utf-8-sig"))["Values"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        print(f"{options.settings.name} cannot be read ({error}).\n\n{_DESCRIPTION}")
        return 1
    if not port_is_free(options.port):
        print(
            f"Port {options.port} is taken, perhaps by another `make run`: stop that one, or give "
            "this app another port with --port."
        )
        return 1
    if options.azureml is not None and _DEVELOPMENT not in values.values():
        print(f"--azureml is for the local storage: set AzureWebJobsStorage={_DEVELOPMENT}.")
        return 1
    StopSignal().interrupts = True
    try:
        with ExitStack() as stack:
            if _DEVELOPMENT in values.values():
                values = _with_storage(stack, values, options.storage)
            if options.azureml is not None:
                values = _with_workspace(stack, values, options.azureml)
            return _serve(stack, values, options.port, options.settings)
    except AzuriteError as error:
        print(f"The storage server does not start. {error}\n\n{_TWO_APPS}")
        return 1
    except NotStartedError as error:
        print(f"The workspace does not start: {error}")
        return 1
    except KeyboardInterrupt:
        print("stopped; nothing is left running")
        return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m local.run",
        description=_DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--port", type=int, default=7071, help="the port of the app (%(default)s)")
    parser.add_argument(
        "--settings",
        type=Path,
        default=ROOT / "local.settings.json",
        help="the file with the app settings",
    )
    parser.add_argument(
        "--storage",
        type=Path,
        default=_STORAGE,
        metavar="FOLDER",
        help="where the storage server keeps its data (.local/azurite)",
    )
    parser.add_argument(
        "--azureml",
        type=int,
        nargs="?",
        const=_WORKSPACE_PORT,
        metavar="PORT",
        help="serve a workspace of Azure Machine Learning too, a stand-in that really runs jobs "
        "and serves models (at port %(const)s): with the components of examples/azureml, and "
        "datastores for both containers. The app signs in there. Its jobs, models and endpoints "
        "are gone when it stops",
    )
    return parser


def _with_storage(stack: ExitStack, values: dict[str, str], folder: Path) -> dict[str, str]:
    azurite = stack.enter_context(Azurite(folder, same_ports=True))
    print(f"storage: {azurite.blob_endpoint}, kept in {folder}")
    print(f"connect with: {azurite.connection_string}")
    print("(this AccountKey is not a secret: it is the public one of every Azurite)", flush=True)
    with BlobServiceClient.from_connection_string(azurite.connection_string) as account:
        for name in _CONTAINERS:
            make_container(account.get_container_client(_container(values, name)))
    replaced = {
        name: azurite.connection_string for name, value in values.items() if value == _DEVELOPMENT
    }
    return {**values, **replaced}


def _container(values: dict[str, str], name: str) -> str:
    return values.get(name) or name.lower().replace("_", "-")


def _with_workspace(stack: ExitStack, values: dict[str, str], port: int) -> dict[str, str]:
    """Serve a workspace over the app's storage; return the settings by which the app signs in."""
    if not port_is_free(port):
        advice = "give it another one, --azureml PORT, and write that into the pipelines file"
        raise NotStartedError(f"port {port} is taken: {advice}.")
    connection = values.get("ModelsStorage") or values.get("AzureWebJobsStorage", "")
    given = ["--port", str(port), "--storage", _WORKSPACE_STORAGE, "--sample"]
    for option, name in zip(("--data-container", "--models-container"), _CONTAINERS, strict=True):
        given += [option, _container(values, name)]
    kept = {_WORKSPACE_STORAGE: connection}
    workspace = stack.enter_context(AzureMlProcess(given, variables=kept))
    print(f"workspace: {workspace.url}")
    if not _file_names(values, f"{workspace.url}{WORKSPACE}"):
        from local.azureml.sample import snippet  # noqa: PLC0415 - slow, and seldom needed

        print(f"a pipeline that trains there:\n\n{snippet(workspace.url)}")
    return {**values, **workspace.environment}


def _file_names(values: dict[str, str], workspace: str) -> bool:
    """Whether the pipelines file is on this machine and names the workspace."""
    file = ROOT / values.get("PIPELINES_FILE", "pipelines.yaml")
    return file.is_file() and workspace in file.read_text(encoding="utf-8", errors="replace")


def _serve(stack: ExitStack, values: dict[str, str], port: int, source: Path) -> int:
    folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="run-")))
    settings = folder / "settings.json"
    settings.write_text(json.dumps({"IsEncrypted": False, "Values": values}), encoding="utf-8")
    command = [sys.executable, "-m", "local.host", "--until-eof", "--app", str(ROOT)]
    ready = folder / "ready.json"
    command += ["--settings", str(settings), "--port", str(port), "--ready-file", str(ready)]
    host = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE)
    try:
        while host.poll() is None and not ready.exists():
            time.sleep(0.05)
        if host.poll() is None:
            url = str(json.loads(ready.read_text())["url"])
            print(_state(url), _next_steps(url), sep="\n", flush=True)
        _say_when_changed(source, host)
        return host.wait()
    finally:
        _end(host)


def _end(host: "subprocess.Popen[bytes]") -> None:
    """Have the host stop, which the end of its input also tells it; kill one that does not."""
    if host.stdin:
        host.stdin.close()
    host.terminate()
    try:
        host.wait(_STOP_SECONDS)
    except subprocess.TimeoutExpired:
        host.kill()
        host.wait()


def _say_when_changed(settings: Path, host: "subprocess.Popen[bytes]") -> None:
    """Say of each change of the settings that it needs a restart, until the host ends."""
    known = _content(settings)
    while host.poll() is None:
        if (now := _content(settings)) != known:
            known = now
            print(
                f"{settings.name} was changed, which needs a restart: triggers read the names of "
                "their containers and their schedules at the start. To do: Ctrl-C, start again.",
                flush=True,
            )
        time.sleep(_SETTINGS_EVERY)


def _content(settings: Path) -> bytes | None:
    # Not by the app's own reader of files: its import takes most of a second.
    try:
        return settings.read_bytes()
    except OSError:
        return None  # it is being replaced, or gone


def _next_steps(url: str) -> str:
    return (
        "upload data: .venv/bin/relearn upload FILE; "
        f"doctor: .venv/bin/relearn doctor --url {url}; stop: Ctrl-C"
    )


def _state(url: str) -> str:
    """Return whether the app can work, or every problem, as its own health says."""
    try:
        health = requests.get(f"{url}/api/health/details", timeout=_HEALTH_SECONDS).json()
        problems = [str(problem) for problem in health["problems"]]
    except (requests.RequestException, ValueError, KeyError) as error:
        return f"the app does not answer ({type(error).__name__}); see {url}/api/health/details"
    if not problems:
        return f"the settings and the pipelines file have no problem; see {url}/api/pipelines"
    lines = "\n".join(f"  {problem}" for problem in problems)
    return f"{len(problems)} to correct ({_WHEN}):\n{lines}"


if __name__ == "__main__":
    sys.exit(main())
