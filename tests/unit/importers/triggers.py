"""Triggers of version 2 with a pipeline that they start, as tests write them down."""

from datetime import UTC, datetime
from typing import Any

from shared.importers.data_factory.drafts import ImportContext, ImportOptions
from shared.importers.data_factory.secrets import Secrets
from shared.importers.data_factory.version_2.triggers import Start, report_place, starts
from tests.unit.importers.factory import Factory

NOW = datetime(2026, 11, 27, tzinfo=UTC)
RECURRENCE = {
    "frequency": "Day",
    "interval": 1,
    "startTime": "2026-01-01T03:00:00Z",
    "timeZone": "UTC",
}
WINDOW = {
    "frequency": "Hour",
    "interval": 24,
    "startTime": "2026-01-01T02:00:00Z",
    "delay": "00:10:00",
    "maxConcurrency": 3,
    "retryPolicy": {"count": 2, "intervalInSeconds": 60},
}


def reference(name: str, **parameters: Any) -> dict[str, Any]:
    """Return a reference of a trigger to a pipeline."""
    reference = {"referenceName": name, "type": "PipelineReference"}
    return {"pipelineReference": reference, "parameters": parameters}


def trigger_factory(kind: str, typed: dict[str, Any], **more: Any) -> Factory:
    """Return a factory with one pipeline, and one trigger of these properties."""
    factory = Factory()
    factory.add("pipeline", "churn", activities=[])
    pipelines: dict[str, Any] = {
        "pipelines": [reference("Churn")],
        "runtimeState": "Started",
    }
    if kind == "TumblingWindowTrigger":
        pipelines = {"pipeline": reference("churn"), "runtimeState": "Started"}
    factory.add("trigger", "nightly", type=kind, typeProperties=typed, **{**pipelines, **more})
    return factory


def starts_of(factory: Factory, name: str = "churn") -> list[Start]:
    """Return what starts a pipeline, after its trigger is reported."""
    context = ImportContext(factory.account, Secrets(), ImportOptions(), NOW)
    found = starts(factory.definitions, context)
    for start in found.get(name, []):
        report_place(start, name)
    return found.get(name, [])


def unread_of(factory: Factory) -> list[str]:
    """Return the keys of triggers that the importer does not know."""
    lines = (one for one in factory.lines() if one.file.startswith("trigger/"))
    return [one.at for one in lines if "has nothing for this key" in one.text]
