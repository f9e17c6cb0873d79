"""Runs the host as a process of its own, for tests, demos and benchmarks.

    with HostProcess(Path("."), {"AzureWebJobsStorage": storage.connection_string}) as host:
        requests.get(f"{host.url}/api/health")

The settings are written to a folder that only its owner can read, and removed at the end.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from local.served import ServedProcess


class HostProcess(ServedProcess):
    """`python -m local.host` on a free port, ready when the `with` block begins.

    Args:
        app: the folder with function_app.py.
        settings: the app settings; nothing is read from a local.settings.json.
        arguments: further ones, such as `["--poll-blobs", "0.1"]`.
        start_seconds: how long to wait until it serves.
    """

    def __init__(
        self,
        app: Path,
        settings: Mapping[str, str],
        arguments: Sequence[str] = (),
        *,
        start_seconds: float = 30.0,
    ) -> None:
        super().__init__("local.host", start_seconds=start_seconds)
        file = Path(self.folder.name) / "settings.json"
        file.write_text(json.dumps({"IsEncrypted": False, "Values": dict(settings)}))
        self._arguments = ["--port", "0", "--app", str(app.resolve()), "--settings", str(file)]
        self._arguments += arguments
