"""Expressions of version 2 on their way from a trigger, through pipelines, to a pipelines file."""

from typing import Any

from tests.unit.importers.repository import file_of, imported, line, pipeline, pipelines, training


def _training(path: str, **parameters: Any) -> dict[str, Any]:
    typed = {
        **training()["typeProperties"],
        "webServiceInputs": {"input1": file_of(path)},
        "globalParameters": parameters,
    }
    return training(typeProperties=typed)


def _trigger(kind: str, typed: dict[str, Any], **parameters: Any) -> dict[str, Any]:
    reference = {"referenceName": "main", "type": "PipelineReference"}
    started = {"pipelineReference": reference, "parameters": parameters}
    several = {"pipelines": [started]} if kind != "TumblingWindowTrigger" else {"pipeline": started}
    return {"type": kind, "runtimeState": "Started", "typeProperties": typed, **several}


def test_parameters_of_the_factory_keep_their_types() -> None:
    trees = {"type": "int", "value": 100}
    activity = _training("data/in/a.csv", trees="@pipeline().globalParameters.trees")
    found = imported(
        {
            "factory/plant": {"globalParameters": {"trees": trees}},
            "pipeline/main": pipeline(activity),
        }
    )

    assert pipelines(found)["main"]["training"]["parameters"] == {"trees": 100}


def test_the_folders_of_an_event_become_those_of_its_pattern() -> None:
    folder = "split(triggerBody().folderPath, '/')"
    arrival = _trigger(
        "BlobEventsTrigger",
        {
            "blobPathBeginsWith": "/data/blobs/incoming/",
            "blobPathEndsWith": ".csv",
            "events": ["Microsoft.Storage.BlobCreated"],
        },
        container=f"@{folder}[0]",
        folder=f"@last({folder})",
        file="@triggerBody().fileName",
    )
    names = ("container", "folder", "file")
    path = "/".join(f"@{{pipeline().parameters.{name}}}" for name in names)
    found = imported({"pipeline/main": pipeline(_training(path)), "trigger/arrival": arrival})

    made = pipelines(found)["main"]
    assert made["data"] == {"blob": "incoming/{name}.csv"}
    assert made["training"]["inputs"] == {"input1": "{data}"}


def test_a_window_is_passed_on_to_a_called_pipeline() -> None:
    hourly = {"frequency": "Hour", "interval": 24, "startTime": "2026-01-01T00:00:00Z"}
    window = _trigger(
        "TumblingWindowTrigger",
        {**hourly, "maxConcurrency": 1},
        begin="@trigger().outputs.windowStartTime",
    )
    call = {
        "name": "call",
        "type": "ExecutePipeline",
        "typeProperties": {
            "pipeline": {"referenceName": "train", "type": "PipelineReference"},
            "parameters": {"day": "@addDays(pipeline().parameters.begin, -1)"},
        },
    }
    path = "@concat('data/', formatDateTime(pipeline().parameters.day, 'yyyy/MM/dd'), '.csv')"
    activity = _training(path, row="@activity('Look').output.firstRow.id")
    found = imported(
        {
            "pipeline/main": pipeline(call),
            "pipeline/train": pipeline(activity),
            "trigger/window": window,
        }
    )

    made = pipelines(found)["train"]
    assert made["data"]["blob"] == "{start-1d:yyyy/MM/dd}.csv"
    row = line(found, "row", "key")
    assert row.outcome == "not carried over"
    assert "`@activity('Look').output.firstRow.id`: it uses what another activity" in row.text


def test_no_secret_comes_out_of_an_expression() -> None:
    shape = "DefaultEndpointsProtocol=https;AccountName=a;AccountKey=" + "hunter2" * 12 + "aa=="
    activity = _training(
        "data/in/a.csv",
        declared="@pipeline().parameters.login",
        named="@concat('x', pipeline().parameters.dbPassword)",
        passed="@pipeline().parameters.passed",
        shaped="@pipeline().parameters.store",
        variable="@{variables('apiKey')}",
    )
    declared = {
        "login": {"type": "secureString", "defaultValue": "hunter2"},
        "dbPassword": {"type": "string", "defaultValue": "hunter2"},
        "passed": {"type": "string"},
        "store": {"type": "string", "defaultValue": shape},
    }
    variables = {"apiKey": {"type": "String", "defaultValue": "hunter2"}}
    daily = _trigger(
        "ScheduleTrigger",
        {"recurrence": {"frequency": "Day", "interval": 1}},
        passed={"type": "SecureString", "value": "hunter2"},
        login="@pipeline().TriggerName",
        dbPassword="hunter2",
    )
    found = imported(
        {
            "pipeline/main": pipeline(activity, parameters=declared, variables=variables),
            "trigger/daily": daily,
        }
    )

    made = pipelines(found)["main"]["training"]["parameters"]
    assert made == {name: f"${{MAIN_TRAIN_{name.upper()}}}" for name in made}
    assert set(made) == {"declared", "named", "passed", "shaped", "variable"}
    assert "hunter2" not in found.pipelines_yaml + repr(found.report) + str(found.settings)
    (login,) = [one for one in found.report.lines if (one.name, one.to_do != "") == ("login", True)]
    assert "rotate" in login.to_do
    passed = [one for one in found.report.lines if one.name == "dbPassword"]
    assert len(passed) == 2
    assert all("rotate" in one.to_do for one in passed)
