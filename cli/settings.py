"""Reads the app settings of a command: from a file like local.settings.json, and the environment.

`make run` gives the local storage free ports, and writes them down next to its data: settings that
say `UseDevelopmentStorage=true` mean that storage, where it has run.
"""

import json
import os
from pathlib import Path
from typing import Final

from cli.output import CommandError

DEFAULT_SETTINGS: Final = Path("local.settings.json")
_DEVELOPMENT: Final = "UseDevelopmentStorage=true"
_SERVER: Final = Path(".local", "azurite", "server.json")
_USAGE: Final = 2
# Published by the makers of Azurite and the same on every machine: it opens emulators only.
_ACCOUNT: Final = "devstoreaccount1"
_KEY: Final = (
    "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
)


def settings_in(file: Path, *, required: bool = False) -> dict[str, str]:
    """Return the environment, and the settings of a file, which count before it.

    Args:
        file: in the form of local.settings.json. The usual one may be missing.
        required: whether the usual one must be there too.

    Raises:
        CommandError: the file cannot be used.
    """
    if not file.exists():
        if file != DEFAULT_SETTINGS:
            raise CommandError(f"there is no file {file}: correct --settings", _USAGE)
        if required:
            raise CommandError(
                "there is no local.settings.json here: go to the folder of the app, or make one "
                "with cp local.settings.example.json local.settings.json"
            )
        return dict(os.environ)
    try:
        values = json.loads(file.read_text(encoding="utf-8-sig"))["Values"]
        given = {str(name): str(value) for name, value in values.items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as exc:
        kind = type(exc).__name__
        form = 'it must be JSON like {"Values": {"NAME": "value"}}'
        raise CommandError(f"{file} cannot be read ({kind}): {form}", _USAGE) from None
    return {**os.environ, **_with_local_storage(given, file.resolve().parent)}


def folder_of(file: Path) -> Path:
    """Return the folder of the app that a file of settings is for."""
    return file.resolve().parent


def _with_local_storage(settings: dict[str, str], folder: Path) -> dict[str, str]:
    """Return the settings with the storage that `make run` serves, where it has run."""
    try:
        said = json.loads((folder / _SERVER).read_text(encoding="utf-8").partition("\n")[0])
        blob, queue = int(said["blob_port"]), int(said["queue_port"])
    except (OSError, ValueError, KeyError, TypeError):
        return settings
    parts = [
        "DefaultEndpointsProtocol=http",
        f"AccountName={_ACCOUNT}",
        f"AccountKey={_KEY}",
        f"BlobEndpoint=http://127.0.0.1:{blob}/{_ACCOUNT}",
        f"QueueEndpoint=http://127.0.0.1:{queue}/{_ACCOUNT}",
    ]
    there = ";".join(parts)
    return {name: there if value == _DEVELOPMENT else value for name, value in settings.items()}
