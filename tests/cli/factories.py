"""A small factory: the documented walk-through, with names of its own."""

import json
from pathlib import Path
from typing import Any, Final

_ML: Final = "https://ussouthcentral.services.azureml.net/workspaces/w1/services"


def _linked(name: str, kind: str, **properties: Any) -> dict[str, Any]:
    return {"name": name, "properties": {"type": kind, "typeProperties": properties}}


def _blob(name: str, folder: str, file: str, *, external: bool = False) -> dict[str, Any]:
    properties: dict[str, Any] = {
        "type": "AzureBlob",
        "linkedServiceName": "storage",
        "typeProperties": {"folderPath": folder, "fileName": file},
        "availability": {"frequency": "Week", "interval": 1},
    }
    return {"name": name, "properties": properties | ({"external": True} if external else {})}


#: File -> its content.
FACTORY: Final[dict[str, Any]] = {
    "linkedService/storage.json": _linked(
        "storage",
        "AzureStorage",
        connectionString="DefaultEndpointsProtocol=https;AccountName=store;AccountKey=**********",
    ),
    "linkedService/training.json": _linked(
        "trainingEndpoint", "AzureML", mlEndpoint=f"{_ML}/s1/jobs", apiKey="**********"
    ),
    "linkedService/scoring.json": _linked(
        "scoringEndpoint",
        "AzureML",
        mlEndpoint=f"{_ML}/s2/jobs",
        apiKey="**********",
        updateResourceEndpoint=(
            "https://management.azureml.net/workspaces/w1/webservices/s2/endpoints/second"
        ),
    ),
    "dataset/examples.json": _blob("examples", "training/churn", "data.arff", external=True),
    "dataset/model.json": _blob("model", "training/models", "churn.ilearner"),
    "dataset/done.json": _blob("done", "training/done", "done.csv"),
    "pipeline/churn.json": {
        "name": "Churn",
        "properties": {
            "activities": [
                {
                    "name": "Retrain",
                    "type": "AzureMLBatchExecution",
                    "inputs": [{"name": "examples"}],
                    "outputs": [{"name": "model"}],
                    "linkedServiceName": "trainingEndpoint",
                    "typeProperties": {
                        "webServiceInputs": {"input1": "examples"},
                        "webServiceOutputs": {"output1": "model"},
                    },
                    "policy": {"concurrency": 1, "retry": 3, "timeout": "02:00:00"},
                },
                {
                    "name": "Update",
                    "type": "AzureMLUpdateResource",
                    "inputs": [{"name": "model"}],
                    "outputs": [{"name": "done"}],
                    "linkedServiceName": "scoringEndpoint",
                    "typeProperties": {
                        "trainedModelName": "Churn [trained model]",
                        "trainedModelDatasetName": "model",
                    },
                    "policy": {"concurrency": 1, "retry": 3, "timeout": "02:00:00"},
                },
            ],
            "start": "2026-01-05T00:00:00Z",
            "end": "9999-12-31T00:00:00Z",
        },
    },
}


def write_factory(folder: Path) -> Path:
    """Write the files into a folder, and return it."""
    for name, content in FACTORY.items():
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(content, indent=2))
    return folder
