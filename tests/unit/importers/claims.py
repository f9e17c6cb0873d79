"""Definitions as files, and what their import says of them: for tests of single claims."""

import json
from datetime import UTC, datetime
from typing import Any

from shared.importers.data_factory.account import ImportOutcome, Line
from shared.importers.data_factory.drafts import ImportOptions
from shared.importers.data_factory.importer import Imported, import_definitions

NOW = datetime(2026, 11, 27, tzinfo=UTC)
LEFT = ImportOutcome.NOT_CARRIED_OVER
MASKED = "https://ussouthcentral.services.azureml.net/workspaces/xxxx/services/xxxx/jobs"


def imported(**files: dict[str, Any]) -> Imported:
    """Import definitions; a `__` in the name of a file stands for the end of a folder's name."""
    content = {
        f"{name.replace('__', '/')}.json": json.dumps(
            {"name": name.rpartition("__")[2], "properties": properties}
        ).encode()
        for name, properties in files.items()
    }
    return import_definitions(content, ImportOptions(), NOW)


def line(result: Imported, file: str, ending: str = "") -> Line:
    (found,) = [
        one
        for one in result.report.lines
        if one.file == file and one.at.endswith(ending or one.at)
        if ending or not one.path
    ]
    return found


def service(url: str = MASKED, **more: str) -> dict[str, Any]:
    return {"type": "AzureML", "typeProperties": {"mlEndpoint": url, "apiKey": "*****", **more}}
