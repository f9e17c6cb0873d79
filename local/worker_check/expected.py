"""The functions and bindings that the host must be shown: the one table, for check and tests."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

Binding = dict[str, Any]

#: What a function app of this project cannot do without, besides a connection.
CONTAINERS: Final[Mapping[str, str]] = {
    "TRAINING_DATA_CONTAINER": "training-data",
    "MODELS_CONTAINER": "models",
    "LEDGER_CONTAINER": "ledger",
}


@dataclass(frozen=True, slots=True)
class Variant:
    """One way to set the app up, and what it changes in the bindings."""

    name: str
    connections: tuple[str, ...]  #: settings that hold a connection string
    settings: Mapping[str, str] = field(default_factory=dict)  #: set besides containers
    data: str = "AzureWebJobsStorage"
    models: str = "AzureWebJobsStorage"
    events: str = "AzureWebJobsStorage"
    source: str = "EventGrid"
    poll: str = "*/30 * * * * *"
    tick: str = "0 * * * * *"
    storage_queue: str = "relearn-storage-events"
    workspace_queue: str = "relearn-workspace-events"

    def environment(self, connection_string: str) -> dict[str, str]:
        """Return the app settings of this variant."""
        connections = dict.fromkeys(self.connections, connection_string)
        return {**CONTAINERS, **self.settings, **connections}


ONLY_REQUIRED: Final = Variant("only the required settings", ("AzureWebJobsStorage",))
ALL_SET: Final = Variant(
    "all settings",
    ("AzureWebJobsStorage", "DataStorage", "ModelsStorage", "LedgerStorage", "EventsStorage"),
    {
        "BLOB_SOURCE": "LogsAndContainerScan",
        "POLL_SCHEDULE": "*/20 * * * * *",
        "SCHEDULE_TICK": "30 * * * * *",
        "STORAGE_EVENTS_QUEUE": "changed-blobs",
        "WORKSPACE_EVENTS_QUEUE": "ended-jobs",
        "CLAIM_LEASE": "7m",
        "CHECK_INTERVAL_MIN": "10s",
        "CHECK_INTERVAL_MAX": "2m",
    },
    data="DataStorage",
    models="ModelsStorage",
    events="EventsStorage",
    source="LogsAndContainerScan",
    poll="%POLL_SCHEDULE%",
    tick="%SCHEDULE_TICK%",
    storage_queue="%STORAGE_EVENTS_QUEUE%",
    workspace_queue="%WORKSPACE_EVENTS_QUEUE%",
)
BY_IDENTITY: Final = Variant(
    "connections by identity",
    (),
    {
        "AzureWebJobsStorage__accountName": "hostaccount",
        "DataStorage__blobServiceUri": "https://data.blob.core.windows.net",
        "DataStorage__queueServiceUri": "https://data.queue.core.windows.net",
        "BLOB_SOURCE": "EventGrid",
    },
    data="DataStorage",
)


def expected_functions(variant: Variant) -> dict[str, list[Binding]]:
    """Return each function's raw bindings as the worker must report them to the host."""
    data, models = variant.data, variant.models
    return {
        "on_training_data": [_blob("%TRAINING_DATA_CONTAINER%/{name}", data, variant.source)],
        "on_trained_model": [_blob("%MODELS_CONTAINER%/{name}", models, variant.source)],
        "on_storage_events": [_queue(variant.storage_queue, variant.events)],
        "on_workspace_events": [_queue(variant.workspace_queue, variant.events)],
        "poll_jobs": [_timer(variant.poll)],
        "start_scheduled_runs": [_timer(variant.tick)],
        "list_pipelines": _http("pipelines"),
        "get_pipeline": _http("pipelines/{pipeline}"),
        "pause_pipeline": _http("pipelines/{pipeline}/pause"),
        "resume_pipeline": _http("pipelines/{pipeline}/resume"),
        "preview_pipeline": _http("pipelines/{pipeline}/preview"),
        "backtest_pipeline": _http("pipelines/{pipeline}/backtest"),
        "start_run": _http("pipelines/{pipeline}/runs"),
        "list_runs": _http("runs"),
        "get_run": _http("runs/{run_id}"),
        "draw_verdict": _http("runs/{run_id}/verdict.svg"),
        "retry_run": _http("runs/{run_id}/retry"),
        "cancel_run": _http("runs/{run_id}/cancel"),
        "approve_run": _http("runs/{run_id}/approve"),
        "reject_run": _http("runs/{run_id}/reject"),
        "list_endpoints": _http("endpoints"),
        "get_endpoint": _http("endpoints/{pipeline}/{endpoint}"),
        "rollback_endpoint": _http("endpoints/{pipeline}/{endpoint}/rollback"),
        "resume_endpoint": _http("endpoints/{pipeline}/{endpoint}/resume"),
        "pin_model": _http("endpoints/{pipeline}/{endpoint}/pin"),
        "unpin_model": _http("endpoints/{pipeline}/{endpoint}/unpin"),
        "openapi": _http("openapi.json"),
        "health": _http("health", auth="ANONYMOUS"),
        "health_details": _http("health/details"),
        "doctor": _http("doctor"),
    }


def as_library_tells(bindings: list[Binding]) -> list[Binding]:
    """Return raw bindings without the properties, which only the worker adds to SDK types."""
    return [{key: val for key, val in one.items() if key != "properties"} for one in bindings]


def _blob(path: str, connection: str, source: str) -> Binding:
    return {
        "direction": "IN",
        "type": "blobTrigger",
        "name": "client",
        "path": path,
        "connection": connection,
        "source": source,
        # The host then sends the blob's name, never its content.
        "properties": {"SupportsDeferredBinding": True},
    }


def _queue(name: str, connection: str) -> Binding:
    return {
        "direction": "IN",
        "type": "queueTrigger",
        "name": "message",
        "queueName": name,
        "connection": connection,
    }


def _timer(schedule: str) -> Binding:
    return {
        "direction": "IN",
        "type": "timerTrigger",
        "name": "timer",
        "schedule": schedule,
        "runOnStartup": False,
    }


def _http(route: str, *, auth: str = "FUNCTION") -> list[Binding]:
    trigger = {
        "direction": "IN",
        "type": "httpTrigger",
        "name": "req",
        # The app itself refuses those that are not the function's.
        "methods": ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"],
        "authLevel": auth,
        "route": route,
    }
    return [trigger, {"direction": "OUT", "type": "http", "name": "$return"}]
