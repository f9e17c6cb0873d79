"""Statements of the report of version 2 that were once wrong for public definitions."""

from typing import Any

import yaml

from shared.importers.data_factory.account import ImportOutcome
from tests.unit.importers.claims import LEFT, imported, line, service
from tests.unit.importers.factory import JOBS, UPDATE

STORE = {
    "type": "AzureBlobStorage",
    "typeProperties": {"serviceEndpoint": "https://examplestore.blob.core.windows.net"},
}


def reference(name: str) -> dict[str, str]:
    return {"referenceName": name, "type": "LinkedServiceReference"}


def job(**typed: Any) -> dict[str, Any]:
    model = {"filePath": "models/m.ilearner", "linkedServiceName": reference("store")}
    return {
        "name": "train",
        "type": "AzureMLBatchExecution",
        "linkedServiceName": reference("training"),
        "policy": {"timeout": "0.02:00:00", "retry": 1, "retryIntervalInSeconds": 30},
        "typeProperties": {"webServiceOutputs": {"output1": model}, **typed},
    }


def update(path: str) -> dict[str, Any]:
    typed = {
        "trainedModelName": "m",
        "trainedModelLinkedServiceName": reference("store"),
        "trainedModelFilePath": path,
    }
    return {
        "name": "update",
        "type": "AzureMLUpdateResource",
        "linkedServiceName": reference("scoring"),
        "dependsOn": [{"activity": "train", "dependencyConditions": ["Succeeded"]}],
        "typeProperties": typed,
    }


def trigger(kind: str, **typed: Any) -> dict[str, Any]:
    called = {"pipelineReference": {"referenceName": "p"}, "parameters": typed.pop("given", {})}
    properties = {"type": kind, "runtimeState": "Started", "typeProperties": typed}
    return properties | {"pipelines": [called], "annotations": []}


def window(**more: Any) -> dict[str, Any]:
    times = {"frequency": "Hour", "interval": 1, "startTime": "2026-11-20T00:00:00Z"}
    return trigger("TumblingWindowTrigger", **times, maxConcurrency=2, **more)


def daily(**more: Any) -> dict[str, Any]:
    times = {"frequency": "Day", "interval": 1, "startTime": "2026-11-20T04:00:00Z"}
    return trigger("ScheduleTrigger", recurrence=times, **more)


def test_the_pause_of_a_trigger_is_that_of_jobs_without_retries() -> None:
    policy = {"count": 2, "intervalInSeconds": 60}
    result = imported(
        training=service(),
        store=STORE,
        p={"activities": [job()], "annotations": []},
        t=window(retryPolicy=policy),
    )
    (made,) = yaml.safe_load(result.pipelines_yaml)["pipelines"].values()
    assert (made["training"]["attempts"], made["training"]["pause"]) == (6, "30s")
    pause = line(result, "t.json", "retryPolicy.intervalInSeconds")
    assert pause.outcome is ImportOutcome.APPROXIMATED
    assert "of a job without a retry of its own" in pause.text
    assert "3 times that of the activity" in line(result, "t.json", "retryPolicy.count").text


def test_what_a_block_does_not_hold_is_not_said_to_be_in_it() -> None:
    activity = {
        "name": "run",
        "type": "AzureMLExecutePipeline",
        "typeProperties": {"mlPipelineId": "1"},
        "policy": {"timeout": "0.02:00:00", "retry": 1, "secureInput": True},
    }
    result = imported(p={"activities": [activity], "annotations": []})
    assert "in the block" in line(result, "p.json", "policy.timeout").text
    assert "in the block" in line(result, "p.json", "policy.retry").text
    assert "in the block" not in line(result, "p.json", "policy.secureInput").text
    activity["policy"] = {"retry": 0, "retryIntervalInSeconds": 30}
    result = imported(p={"activities": [activity], "annotations": []})
    for key in activity["policy"]:
        assert "in the block" not in line(result, "p.json", f"policy.{key}").text


def test_a_parameter_without_a_value_is_reported() -> None:
    result = imported(
        training=service(),
        store=STORE,
        p={"activities": [job(globalParameters={"a": None, "b": 1})], "annotations": []},
    )
    (made,) = yaml.safe_load(result.pipelines_yaml)["pipelines"].values()
    assert made["training"]["parameters"] == {"b": 1}
    assert line(result, "p.json", "globalParameters.a").outcome is LEFT


def test_an_update_that_fits_one_of_two_triggers_says_which_it_does_not() -> None:
    name = {"name": {"type": "string", "defaultValue": "m"}}
    result = imported(
        training=service(),
        scoring=service(updateResourceEndpoint=UPDATE),
        store=STORE,
        p={
            "activities": [job(), update("models/@{pipeline().parameters.name}.ilearner")],
            "parameters": name,
        },
        t1=window(),
        t2=daily(given={"name": "other"}),
    )
    said = line(result, "p.json", "activities[1]")
    assert "p-t2: no training of its pipeline writes `models/other.ilearner`" in said.text
    assert "p-t1: endpoints: scoring" in said.text


def test_runs_of_a_schedule_wait_for_each_other_beside_a_window_trigger() -> None:
    result = imported(
        training=service(),
        store=STORE,
        p={"activities": [job()], "annotations": []},
        t1=window(),
        t2=daily(),
    )
    said = line(result, "p.json")
    assert said.outcome is ImportOutcome.APPROXIMATED
    assert "p-t2: without concurrency the factory starts runs at once" in said.text


def arrival(container: str) -> dict[str, Any]:
    begins = f"/{container}/blobs/in/"
    found = trigger("BlobEventsTrigger", blobPathBeginsWith=begins, blobPathEndsWith=".csv")
    found["typeProperties"]["events"] = ["Microsoft.Storage.BlobCreated"]
    return found


def test_the_container_of_a_blob_event_is_that_of_the_data() -> None:
    pipeline = {"activities": [job()], "annotations": []}
    result = imported(training=service(), store=STORE, p=pipeline, t=arrival("arrived"))
    assert result.settings["TRAINING_DATA_CONTAINER"] == "arrived"
    rows = {"filePath": "rows/a.csv", "linkedServiceName": reference("store")}
    other = {"activities": [job(webServiceInputs={"input1": rows})], "annotations": []}
    result = imported(
        training=service(), store=STORE, p=pipeline, other=other, t=arrival("arrived")
    )
    assert result.settings["TRAINING_DATA_CONTAINER"] == "rows"
    said = line(result, "t.json", "blobPathBeginsWith")
    assert "is in container arrived" in said.text


def test_an_endpoint_that_no_pipeline_updates_is_reported() -> None:
    result = imported(
        training=service(JOBS, updateResourceEndpoint=UPDATE),
        store=STORE,
        p={"activities": [job()], "annotations": []},
    )
    said = line(result, "training.json").text
    assert said == "p: training.service; no pipeline of the file updates its endpoint"


def test_a_folder_as_the_data_is_reported() -> None:
    rows = {"filePath": "rows/new", "linkedServiceName": reference("store")}
    result = imported(
        training=service(),
        store=STORE,
        p={"activities": [job(webServiceInputs={"input1": rows})], "annotations": []},
    )
    said = line(result, "p.json", "webServiceInputs.input1")
    assert said.outcome is ImportOutcome.APPROXIMATED
    assert "data.blob: new/{name}: a folder; a run reads its newest blob" in said.text
