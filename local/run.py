"""Serves your own pipelines.yaml on this machine: the app in its host, and a storage server."""

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Final

from azure.core.exceptions import ResourceExistsError
from azure.storage.blob import BlobServiceClient

from local.azurite import Azurite, AzuriteError

ROOT: Final = Path(__file__).parents[1]
_DEVELOPMENT: Final = "UseDevelopmentStorage=true"
_DESCRIPTION: Final = """\
Serve pipelines.yaml on this machine until Ctrl-C. Settings come from local.settings.json; where
they say AzureWebJobsStorage=UseDevelopmentStorage=true, a storage server is started too and
keeps its data in .local/azurite. First time:

  cp local.settings.example.json local.settings.json
  cp pipelines.example.yaml pipelines.yaml"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve until Ctrl-C and return the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m local.run",
        description=_DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--port", type=int, default=7071, help="of the app (%(default)s)")
    parser.add_argument(
        "--settings", type=Path, default=ROOT / "local.settings.json", help="app settings"
    )
    options = parser.parse_args(arguments)
    try:
        values = json.loads(options.settings.read_text(encoding="utf-8"))["Values"]
    except (OSError, ValueError, KeyError) as error:
        print(f"{options.settings.name} cannot be read ({error}).\n\n{_DESCRIPTION}")
        return 1
    try:
        with ExitStack() as stack:
            if values.get("AzureWebJobsStorage") == _DEVELOPMENT:
                values = _with_storage(stack, values)
            return _serve(stack, values, options.port)
    except AzuriteError as error:
        print(error)
        return 1


def _with_storage(stack: ExitStack, values: dict[str, str]) -> dict[str, str]:
    folder = ROOT / ".local" / "azurite"
    folder.mkdir(parents=True, exist_ok=True)
    azurite = stack.enter_context(Azurite(folder))
    print(f"storage: {azurite.blob_endpoint}, kept in {folder.relative_to(ROOT)}")
    print(f"connect with: {azurite.connection_string}")
    with BlobServiceClient.from_connection_string(azurite.connection_string) as account:
        for name in ("TRAINING_DATA_CONTAINER", "MODELS_CONTAINER"):
            with suppress(ResourceExistsError):
                account.create_container(values.get(name) or name.lower().replace("_", "-"))
    replaced = {
        name: azurite.connection_string for name, value in values.items() if value == _DEVELOPMENT
    }
    return {**values, **replaced}


def _serve(stack: ExitStack, values: dict[str, str], port: int) -> int:
    folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="run-")))
    settings = folder / "settings.json"
    settings.write_text(json.dumps({"IsEncrypted": False, "Values": values}), encoding="utf-8")
    command = [sys.executable, "-m", "local.host", "--until-eof", "--app", str(ROOT)]
    command += ["--settings", str(settings), "--port", str(port)]
    host = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE)
    try:
        return host.wait()
    except KeyboardInterrupt:
        host.terminate()
        return host.wait()
    finally:
        if host.stdin:
            host.stdin.close()


if __name__ == "__main__":
    sys.exit(main())
