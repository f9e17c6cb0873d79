"""A factory of version 1 as tests write it down: the documented walk-through, and changes of it."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from shared.importers.data_factory.account import Line, leaves
from shared.importers.data_factory.drafts import Draft, ImportContext, ImportOptions
from shared.importers.data_factory.linked_services import report
from shared.importers.data_factory.reading.definitions import Definition
from shared.importers.data_factory.secrets import Secrets
from shared.importers.data_factory.version_1.activities import drafts
from tests.unit.importers.factory import JOBS, UPDATE, WEB_SERVICE, Factory

NOW = datetime(2026, 11, 27, tzinfo=UTC)
WEEKLY = {"frequency": "Week", "interval": 1}
MODEL = "Training Exp for ADF ML [trained model]"


class VersionOne(Factory):
    """Definitions of version 1, and what is made of them."""

    def __init__(self, *, backfill: bool = False) -> None:
        super().__init__()
        options = ImportOptions(backfill=backfill)
        self.context = ImportContext(self.account, Secrets(), options, NOW)

    def add(self, kind: str, name: str, **properties: Any) -> Definition:
        """Add a definition of version 1."""
        found = replace(super().add(kind, name, **properties), version=1)
        self.all[-1] = found
        return found

    def blob(self, name: str, folder: str, file: str | None = None, **more: Any) -> None:
        """Add a dataset of a blob; `typed` goes below typeProperties."""
        typed = {"folderPath": folder, **more.pop("typed", {})}
        typed |= {"fileName": file} if file is not None else {}
        properties = {"linkedServiceName": "storage", "availability": WEEKLY, **more}
        self.add("dataset", name, type="AzureBlob", typeProperties=typed, **properties)

    def services(self, update: str = UPDATE) -> None:
        """Add the storage, the training service and the scoring service."""
        store = {"connectionString": "AccountName=examplestore"}
        self.add("linkedService", "storage", type="AzureStorage", typeProperties=store)
        self.service("training", mlEndpoint=JOBS, apiKey="planted-training")
        scoring = JOBS.replace("b" * 32, "d" * 32)
        principal = {"servicePrincipalId": "id", "servicePrincipalKey": "planted", "tenant": "t"}
        more = principal if update == WEB_SERVICE else {}
        values = {"mlEndpoint": scoring, "apiKey": "planted-scoring", **more}
        self.service("scoring", updateResourceEndpoint=update, **values)

    def pipeline(self, name: str, *activities: Mapping[str, Any], **more: Any) -> None:
        """Add a pipeline that is active for a day."""
        period = {"start": "2016-02-13T00:00:00Z", "end": "2016-02-14T00:00:00Z"}
        self.add("pipeline", name, activities=list(activities), **{**period, **more})

    def drafts(self) -> list[Draft]:
        """Return what is made of all definitions; afterwards no value is without a line."""
        made = drafts(self.definitions, self.context)
        report(self.definitions, self.context.secrets)
        for file, root in self.roots.items():
            self.account.close(file, root)
            for path, _ in leaves(root):
                assert self.account.covered_by(file, path) is not None, (file, path)
        return made

    def only(self) -> Draft:
        """Return the only pipeline that is made of all definitions."""
        (draft,) = self.drafts()
        return draft

    def line(self, file: str, ending: str) -> Line:
        """Return the line of the report of an element, by the end of its path."""
        there = [one for one in self.account.lines.values() if one.file == f"{file}.json"]
        (found,) = [one for one in there if one.at == ending or one.at.endswith(f".{ending}")]
        return found

    def unknown(self) -> list[str]:
        """Return the paths of the values that nothing has read."""
        lines = self.account.lines.values()
        return [one.at for one in lines if one.text == "Relearn has nothing for this key"]


def training(name: str = "retraining", **changes: Any) -> dict[str, Any]:
    """Return the training of the walk-through; a change to None leaves a key out."""
    policy = {
        "concurrency": 1,
        "executionPriorityOrder": "NewestFirst",
        "retry": 1,
        "timeout": "02:00:00",
    }
    typed = {
        "webServiceInput": "trainingData",
        "webServiceOutputs": {"output1": "trainedModelBlob"},
    }
    made = {
        "name": name,
        "type": "AzureMLBatchExecution",
        "inputs": [{"name": "trainingData"}],
        "outputs": [{"name": "trainedModelBlob"}],
        "typeProperties": typed,
        "linkedServiceName": "training",
        "policy": policy,
        **changes,
    }
    return {key: value for key, value in made.items() if value is not None}


def updating(name: str = "update", **changes: Any) -> dict[str, Any]:
    """Return the update of the walk-through; a change to None leaves a key out."""
    typed = {"trainedModelName": MODEL, "trainedModelDatasetName": "trainedModelBlob"}
    made = {
        "name": name,
        "type": "AzureMLUpdateResource",
        "typeProperties": typed,
        "inputs": [{"name": "trainedModelBlob"}],
        "outputs": [{"name": "placeholderBlob"}],
        "policy": {"timeout": "01:00:00", "concurrency": 1, "retry": 3},
        "linkedServiceName": "scoring",
        **changes,
    }
    return {key: value for key, value in made.items() if value is not None}


def walk_through(*activities: Mapping[str, Any], **more: Any) -> VersionOne:
    """Return the documented walk-through, with other activities where they are given.

    Args:
        activities: instead of the training and its update.
        more: `update`, the URL of the endpoint; all else are keys of the pipeline.
    """
    found = VersionOne(backfill=more.pop("backfill", False))
    found.services(more.pop("update", UPDATE))
    waits = {"retryInterval": "00:01:00", "retryTimeout": "00:10:00", "maximumRetry": 3}
    form = {"format": {"type": "TextFormat"}}
    policy = {"externalData": waits}
    found.blob("trainingData", "labeledexamples", "labeledexamples.arff", policy=policy, typed=form)
    found.blob("trainedModelBlob", "trainingoutput", "model.ilearner", typed=form)
    found.blob("placeholderBlob", "any", typed=form)
    found.pipeline("walk", *(activities or (training(), updating())), **more)
    return found
