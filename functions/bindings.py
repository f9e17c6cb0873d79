"""The names of settings that the triggers' decorators need at import, never the values.

The host resolves `%NAME%` and refuses an app whose setting is missing, so a setting with a
default is named only where it is set (azure-functions §1.3).
"""

import os
from typing import Final

import azure.functions as func

from shared.config.settings import (
    DEFAULT_CONNECTION,
    POLL_DEFAULT,
    SCHEDULE_TICK_DEFAULT,
    STORAGE_EVENTS_DEFAULT,
    WORKSPACE_EVENTS_DEFAULT,
    connection_name,
)


def _named(setting: str, default: str) -> str:
    return f"%{setting}%" if os.environ.get(setting) else default


def _source() -> func.BlobSource:
    scan = os.environ.get("BLOB_SOURCE") == "LogsAndContainerScan"
    return func.BlobSource.LOGS_AND_CONTAINER_SCAN if scan else func.BlobSource.EVENT_GRID


#: An unknown source is reported by /api/health/details; importing must not fail for it
#: (design rule 15).
BLOB_SOURCE: Final = _source()
DATA_CONNECTION: Final = connection_name(os.environ, "DataStorage") or DEFAULT_CONNECTION
EVENTS_CONNECTION: Final = connection_name(os.environ, "EventsStorage") or DEFAULT_CONNECTION
MODELS_CONNECTION: Final = connection_name(os.environ, "ModelsStorage") or DEFAULT_CONNECTION
POLL_SCHEDULE: Final = _named("POLL_SCHEDULE", POLL_DEFAULT)
SCHEDULE_TICK: Final = _named("SCHEDULE_TICK", SCHEDULE_TICK_DEFAULT)
STORAGE_EVENTS_QUEUE: Final = _named("STORAGE_EVENTS_QUEUE", STORAGE_EVENTS_DEFAULT)
WORKSPACE_EVENTS_QUEUE: Final = _named("WORKSPACE_EVENTS_QUEUE", WORKSPACE_EVENTS_DEFAULT)
