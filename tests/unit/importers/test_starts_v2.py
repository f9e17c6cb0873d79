"""The trigger or caller of a pipeline of version 2 decides its times, data and parameters."""

from typing import Any

import pytest

from shared.importers.data_factory.account import ImportOutcome
from tests.unit.importers.repository import (
    file_of,
    imported,
    line,
    pipeline,
    pipelines,
    reference,
    schedule_trigger,
    training,
    update,
    with_input,
)


def _arrival(*started: dict[str, Any], begins: str = "/data/blobs/in/") -> dict[str, Any]:
    typed = {"blobPathBeginsWith": begins, "blobPathEndsWith": ".csv"}
    return {
        "type": "BlobEventsTrigger",
        "runtimeState": "Started",
        "typeProperties": typed,
        "pipelines": list(started),
    }


def test_a_window_is_in_paths_and_parameters() -> None:
    month = "formatDateTime(pipeline().parameters.from, 'yyyy/MM')"
    typed = {
        "webServiceInputs": {"input1": file_of(f"@concat('data/', {month}, '/a.csv')")},
        "globalParameters": {"Until": "@formatDateTime(pipeline().parameters.until, 'yyyyMMdd')"},
    }
    window = {
        "type": "TumblingWindowTrigger",
        "runtimeState": "Started",
        "typeProperties": {
            "frequency": "Hour",
            "interval": 24,
            "startTime": "2026-01-01T00:00:00Z",
            "maxConcurrency": 1,
            "retryPolicy": {"count": 1},
        },
        "pipeline": reference(
            "churn",
            **{
                "from": "@trigger().outputs.windowStartTime",
                "until": "@{trigger().outputs.windowEndTime}",
            },
        ),
    }
    parameters = {"from": {"type": "String"}, "until": {"type": "String"}}
    found = imported(
        {
            "pipeline/churn": pipeline(training(typeProperties=typed), parameters=parameters),
            "trigger/daily": window,
        }
    )
    made = pipelines(found)["churn"]
    assert made["data"] == {"blob": "{start:yyyy/MM}/a.csv", "opens_runs": False}
    assert made["training"]["parameters"] == {"Until": "{end:yyyyMMdd}"}
    assert made["training"]["attempts"] == 6
    assert made["schedule"]["start"] == "2026-01-01T00:00:00Z"
    assert (made["when_busy"], made["catch_up"]) == ("queue", "all")


def test_an_arrival_opens_runs_on_the_blob_that_arrived() -> None:
    path = "@concat(pipeline().parameters.folder, '/', pipeline().parameters.file)"
    given = {"folder": "@triggerBody().folderPath", "file": "@triggerBody().fileName"}
    found = imported(
        {
            "pipeline/churn": pipeline(with_input(path), update()),
            "trigger/arrival": _arrival(reference("churn", **given)),
        }
    )
    made = pipelines(found)["churn"]
    assert made["data"] == {"blob": "in/{name}.csv"}
    assert made["training"]["inputs"] == {"input1": "{data}"}
    assert len(made["endpoints"]) == 1


def test_an_arrival_of_an_input_that_is_named_opens_runs_on_that() -> None:
    found = imported(
        {
            "pipeline/churn": pipeline(training()),
            "trigger/arrival": _arrival(reference("churn"), begins="/data/blobs/in/tr"),
        }
    )
    assert pipelines(found)["churn"]["data"] == {"blob": "in/train.csv"}
    for key in ("blobPathBeginsWith", "blobPathEndsWith"):
        said = line(found, key, "key")
        assert "churn: data.blob: in/train.csv, its input" in said.text
        assert "other blobs like in/tr{name}.csv open no run" in said.text
        assert said.to_do


def test_an_arrival_of_other_blobs_opens_runs_on_the_inputs() -> None:
    found = imported(
        {
            "pipeline/churn": pipeline(training()),
            "trigger/arrival": _arrival(reference("churn"), begins="/data/blobs/done/"),
        }
    )
    made = pipelines(found)["churn"]
    assert made["data"] == {"blob": "done/{name}.csv"}
    assert "churn: data.blob: done/{name}.csv;" in line(found, "blobPathEndsWith", "key").text
    assert made["training"]["inputs"] == {"input1": "in/train.csv"}


def test_parameters_of_each_trigger_make_a_pipeline_each() -> None:
    parameters = {"store": {"type": "String", "defaultValue": "none"}}
    activity = with_input("data/@{pipeline().parameters.store}/a.csv")
    found = imported(
        {
            "pipeline/churn": pipeline(activity, parameters=parameters),
            "trigger/north": schedule_trigger(reference("churn", store="north")),
            "trigger/south": schedule_trigger(reference("churn", Store="south"), interval=2),
        }
    )
    made = pipelines(found)
    assert {name: one["data"]["blob"] for name, one in made.items()} == {
        "churn-north": "north/a.csv",
        "churn-south": "south/a.csv",
    }
    assert [line(found, name, "trigger").outcome for name in ("north", "south")] == [
        ImportOutcome.MAPPED,
        ImportOutcome.MAPPED,
    ]


def test_each_pipeline_of_the_report_is_that_of_the_file() -> None:
    days = {"frequency": "Month", "schedule": {"monthDays": [1, -1]}}
    found = imported(
        {
            "pipeline/churn": pipeline(training()),
            "trigger/Ends": schedule_trigger(reference("churn"), **days),
            "trigger/ends 2": schedule_trigger(reference("churn"), interval=2),
        }
    )
    said = [one.text for one in found.report.lines if one.kind == "trigger"]
    parts = [part.partition(":")[0] for text in said for part in text.split("; ")]
    named = [name for part in parts for name in part.split(", ")]
    assert sorted(named) == sorted(pipelines(found))


def test_the_trigger_of_a_pipeline_also_starts_those_that_it_calls() -> None:
    call = {
        "name": "call",
        "type": "ExecutePipeline",
        "typeProperties": {
            "pipeline": {"referenceName": "Churn", "type": "PipelineReference"},
            "parameters": {"day": "@pipeline().parameters.day", "store": "north"},
            "waitOnCompletion": True,
        },
    }
    activity = with_input("data/@{pipeline().parameters.store}/@{pipeline().parameters.day}.csv")
    day = "@formatDateTime(trigger().scheduledTime, 'yyyyMMdd')"
    found = imported(
        {
            "pipeline/outer": pipeline(call, parameters={"day": {"type": "String"}}),
            "pipeline/churn": pipeline(activity),
            "trigger/daily": schedule_trigger(reference("outer", day=day)),
        }
    )
    made = pipelines(found)
    assert list(made) == ["churn"]
    assert made["churn"]["data"]["blob"] == "north/{end:yyyyMMdd}.csv"
    assert made["churn"]["schedule"] == {"frequency": "Day", "interval": 1, "offset": "3h"}
    assert line(found, "daily", "trigger").text == "churn: schedule"
    assert "churn" in line(found, "call").text
    assert "calls other pipelines" in line(found, "outer", "pipeline").text


def test_calls_that_lead_nowhere_are_reported() -> None:
    def call(name: str) -> dict[str, Any]:
        reference = {"referenceName": name, "type": "PipelineReference"}
        typed = {"pipeline": reference}
        return {"name": f"call {name}", "type": "ExecutePipeline", "typeProperties": typed}

    found = imported(
        {
            "pipeline/round": pipeline(call("round"), call("west"), call("idle")),
            "pipeline/idle": pipeline(),
            "trigger/daily": schedule_trigger(reference("round")),
        }
    )
    assert "not among the files" in line(found, "call west").text
    assert "no activity that is carried over" in line(found, "call idle").text
    assert "nothing of the pipelines" in line(found, "daily", "trigger").text


def test_keys_of_a_trigger_that_is_not_carried_over_are_not_either() -> None:
    found = imported(
        {"pipeline/idle": pipeline(), "trigger/daily": schedule_trigger(reference("idle"))},
    )
    assert pipelines(found) == {}
    there = line(found, "recurrence", "key")
    assert (there.outcome, there.text) == (
        ImportOutcome.NOT_CARRIED_OVER,
        "its trigger is not carried over",
    )


def test_times_without_a_schedule_cannot_be_said() -> None:
    day = "data/@{formatDateTime(utcNow(), 'yyyyMMdd')}.csv"
    found = imported({"pipeline/churn": pipeline(with_input(day))})
    assert pipelines(found)["churn"]["data"]["blob"] == "fill-in/input1.csv"
    assert "no schedule starts its pipeline" in line(found, "filePath", "key").text


@pytest.mark.parametrize("path", ["[variables('p')]", "[concat('data/', parameters('p'))]/a.csv"])
def test_a_path_without_a_value_in_its_template_is_to_be_written(path: str) -> None:
    daily = schedule_trigger(reference("churn"))
    found = imported({"pipeline/churn": pipeline(with_input(path)), "trigger/daily": daily})
    assert pipelines(found)["churn"]["data"]["blob"] == "fill-in/input1.csv"
    left = line(found, "filePath", "key")
    assert left.outcome == "not carried over"
    assert path in left.text


def test_concurrency_is_that_of_the_pipeline() -> None:
    daily = schedule_trigger(reference("churn"))
    queue = ("queue", None)
    for concurrency, expected in ((1, queue), (4, ("parallel", 4)), (None, queue)):
        said = {} if concurrency is None else {"concurrency": concurrency}
        found = imported({"pipeline/churn": pipeline(training(), **said), "trigger/daily": daily})
        made = pipelines(found)["churn"]
        assert (made["when_busy"], made.get("max_parallel")) == expected


def test_windows_at_once_are_as_many_as_trigger_and_pipeline_allow() -> None:
    for trigger, limit, most in ((10, 2, 2), (3, 5, 3), (4, None, 4)):
        window = {
            "type": "TumblingWindowTrigger",
            "runtimeState": "Started",
            "typeProperties": {
                "frequency": "Hour",
                "interval": 1,
                "startTime": "2026-01-01T00:00:00Z",
                "maxConcurrency": trigger,
            },
            "pipeline": reference("churn"),
        }
        said = {} if limit is None else {"concurrency": limit}
        found = imported(
            {"pipeline/churn": pipeline(training(), **said), "trigger/hourly": window},
        )
        assert pipelines(found)["churn"]["max_parallel"] == most
        keys = ["maxConcurrency"] + (["concurrency"] if limit else [])
        for key in keys:
            assert f"churn: when_busy: parallel, max_parallel: {most}" in (
                line(found, key, "policy").text
            )
