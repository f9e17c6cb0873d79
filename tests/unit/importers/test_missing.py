"""Each reference to a missing definition has a line, and not only the first one."""

import json
from typing import Any

from shared.importers.data_factory.account import ImportOutcome
from shared.importers.data_factory.drafts import ImportOptions
from shared.importers.data_factory.importer import Imported, import_definitions
from tests.unit.importers.factory import JOBS, storage_named
from tests.unit.importers.repository import NOW, imported, pipeline, training, update

DAILY = {"frequency": "Day", "interval": 1}
TRAIN = {
    "name": "train",
    "type": "AzureMLBatchExecution",
    "linkedServiceName": "service",
    "inputs": [{"name": "ROWS "}],
    "outputs": [{"name": "model"}],
    "typeProperties": {
        "webServiceInputs": {"in": "rows"},
        "webServiceOutputs": {"out": "model"},
    },
}


def of_version_1(**properties: dict[str, Any]) -> Imported:
    """Import a training together with definitions."""
    wanted = {"pipeline": {"activities": [TRAIN], "start": "2026-01-01", "end": "2027-01-01"}}
    files = {
        f"{name}.json": json.dumps({"name": name, "properties": one}).encode()
        for name, one in {**wanted, **properties}.items()
    }
    return import_definitions(files, ImportOptions(), NOW)


def said(found: Imported) -> list[tuple[str, str]]:
    """Return the paths of the lines that say that something is missing, with its name."""
    lines = [one for one in found.report.lines if " is not among " in one.text and one.path]
    assert all(one.to_do for one in lines)
    return [(one.at.rpartition("]")[2], one.text.split("`")[1]) for one in lines]


def test_all_that_an_activity_of_version_1_lacks_is_said() -> None:
    assert said(of_version_1()) == [
        ("", "service"),  # the activity itself
        (".name", "ROWS"),
        (".linkedServiceName", "service"),
        (".name", "model"),
        (".typeProperties.webServiceInputs.in", "rows"),
        (".typeProperties.webServiceOutputs.out", "model"),
    ]


def test_what_is_there_under_another_name_and_an_account_that_is_missing_are_said() -> None:
    blob = {"type": "AzureBlob", "linkedServiceName": "storage", "availability": DAILY}
    service = {"type": "AzureML", "typeProperties": {"mlEndpoint": JOBS, "apiKey": "**********"}}
    rows, model = ({"folderPath": "data/in", "fileName": f"a.{end}"} for end in ("csv", "ilearner"))
    found = of_version_1(
        rows={**blob, "typeProperties": rows},
        model={**blob, "typeProperties": model},
        service=service,
    )
    (other,) = [one for one in found.report.lines if "another way" in one.text]
    assert other.at == "properties.activities[0].inputs[0].name"
    assert other.outcome is ImportOutcome.APPROXIMATED
    assert [one for one in said(found) if "ROWS" in one] == []
    accounts = [one for one in found.report.lines if one.name == "linkedServiceName"]
    assert {one.file for one in accounts} == {"rows.json", "model.json"}


def test_all_that_activities_of_version_2_lack_is_said() -> None:
    gone = storage_named("gone")
    lost = training(linkedServiceName=gone)
    lost["typeProperties"] = {"webServiceInputs": {"in": {"linkedServiceName": gone}}}
    after = update()
    after["typeProperties"] = {**after["typeProperties"], "trainedModelLinkedServiceName": gone}
    found = imported({"pipeline/churn": pipeline(lost, after)})
    assert said(found) == [
        ("", "gone"),
        (".linkedServiceName", "gone"),
        (".typeProperties.webServiceInputs.in.linkedServiceName", "gone"),
        (".typeProperties.trainedModelLinkedServiceName", "gone"),
    ]


def test_what_an_activity_lacks_that_is_not_carried_over_is_said() -> None:
    hive = {
        "name": "prepare",
        "type": "HDInsightHive",
        "linkedServiceName": "hd",
        "inputs": [{"name": "raw"}],
        "typeProperties": {"scriptLinkedService": "scripts", "scriptPath": "a/b.hql"},
    }
    found = of_version_1(other={"activities": [hive]})
    assert {
        (".linkedServiceName", "hd"),
        (".name", "raw"),
        (".typeProperties.scriptLinkedService", "scripts"),
    } <= set(said(found))
    rows, known = ({"referenceName": name, "type": "DatasetReference"} for name in ("rows", "list"))
    copy = {"name": "copy", "type": "Copy", "inputs": [rows]}
    look = {"name": "look", "type": "Lookup", "typeProperties": {"dataset": known}}
    loop = {"name": "loop", "type": "ForEach", "typeProperties": {"activities": [look]}}
    found = imported({"pipeline/p": pipeline(copy, loop)})
    assert sorted(one for _, one in said(found)) == ["list", "rows"]
    assert not any(one.asks for one in found.report.lines if " is not among " in one.text)
