"""A factory of version 2 with a training and an update, as its git repository has them."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import yaml

from shared.importers.data_factory.account import Line
from shared.importers.data_factory.drafts import ImportOptions
from shared.importers.data_factory.importer import Imported, import_definitions
from tests.unit.importers.factory import JOBS, UPDATE, storage_named

NOW = datetime(2026, 11, 27, tzinfo=UTC)
POLICY = {"timeout": "0.04:00:00", "retry": 2, "retryIntervalInSeconds": 60}


def file_of(path: str, storage: str = "storage") -> dict[str, Any]:
    """Return an input or output of a service."""
    return {"filePath": path, "linkedServiceName": storage_named(storage)}


def training(name: str = "train", **values: Any) -> dict[str, Any]:
    """Return an activity that trains."""
    typed = {
        "webServiceInputs": {"input1": file_of("data/in/train.csv")},
        "webServiceOutputs": {"output1": file_of("models/out/churn.ilearner")},
    }
    made = {
        "name": name,
        "type": "AzureMLBatchExecution",
        "linkedServiceName": storage_named("trainingService"),
        "policy": POLICY,
        "typeProperties": typed,
    }
    return {**made, **values}


def update(name: str = "update", after: str = "train", **values: Any) -> dict[str, Any]:
    """Return an activity that updates an endpoint with the model of a training."""
    typed = {
        "trainedModelName": "Churn [trained model]",
        "trainedModelLinkedServiceName": storage_named("storage"),
        "trainedModelFilePath": "models/out/churn.ilearner",
    }
    made = {
        "name": name,
        "type": "AzureMLUpdateResource",
        "linkedServiceName": storage_named("scoring"),
        "dependsOn": [{"activity": after, "dependencyConditions": ["Succeeded"]}],
        "typeProperties": typed,
    }
    return {**made, **values}


def pipeline(*activities: Mapping[str, Any], **properties: Any) -> dict[str, Any]:
    """Return the properties of a pipeline."""
    return {"activities": list(activities), "annotations": [], **properties}


def services() -> dict[str, dict[str, Any]]:
    """Return the linked services that the activities name."""
    key = {"type": "SecureString", "value": "**********"}
    other = JOBS.replace("b" * 32, "d" * 32)
    connection = {"connectionString": "AccountName=churn"}
    return {
        "linkedService/trainingService": {
            "type": "AzureML",
            "typeProperties": {"mlEndpoint": JOBS, "apiKey": key},
        },
        "linkedService/scoring": {
            "type": "AzureML",
            "typeProperties": {
                "mlEndpoint": other,
                "apiKey": key,
                "updateResourceEndpoint": UPDATE,
            },
        },
        "linkedService/storage": {"type": "AzureBlobStorage", "typeProperties": connection},
    }


def imported(definitions: Mapping[str, Mapping[str, Any]]) -> Imported:
    """Import definitions, by `kind/name`, with the linked services."""
    files = {
        f"{path}.json": json.dumps(
            {"name": path.partition("/")[2], "properties": properties}
        ).encode()
        for path, properties in {**services(), **definitions}.items()
    }
    return import_definitions(files, ImportOptions(), NOW)


def pipelines(found: Imported) -> dict[str, Any]:
    """Return the pipelines of the file."""
    read = yaml.safe_load(found.pipelines_yaml) if found.pipelines_yaml else {}
    return dict(read.get("pipelines", {})) if read else {}


def line(found: Imported, name: str, kind: str = "activity") -> Line:
    """Return the one line of the report for something."""
    (one,) = [one for one in found.report.lines if (one.kind, one.name) == (kind, name)]
    return one


DAILY = {"frequency": "Day", "interval": 1, "startTime": "2026-01-01T03:00:00Z"}


def reference(name: str, **parameters: Any) -> dict[str, Any]:
    reference = {"referenceName": name, "type": "PipelineReference"}
    return {"pipelineReference": reference, "parameters": parameters}


def schedule_trigger(*started: dict[str, Any], **recurrence: Any) -> dict[str, Any]:
    return {
        "type": "ScheduleTrigger",
        "runtimeState": "Started",
        "typeProperties": {"recurrence": {**DAILY, **recurrence}},
        "pipelines": list(started),
    }


def with_input(path: str) -> dict[str, Any]:
    typed = {**training()["typeProperties"], "webServiceInputs": {"input1": file_of(path)}}
    return training(typeProperties=typed)


def imported_alone(*activities: dict[str, Any], **properties: Any) -> Any:
    """Return what becomes of pipeline `churn` with these activities, without a trigger."""
    return imported({"pipeline/churn": pipeline(*activities, **properties)})
