"""Activities that a factory of version 2 runs only in some runs never run each time in Relearn."""

from typing import Any

import pytest

from shared.importers.data_factory.account import ImportOutcome
from tests.unit.importers.repository import (
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

COPY = {"name": "copy", "type": "Copy", "typeProperties": {}}
DUE = "{frequency: Day, interval: 1, offset: 3h}"
LEFT = ImportOutcome.NOT_CARRIED_OVER


def _after(name: str, condition: str) -> list[dict[str, Any]]:
    return [{"activity": name, "dependencyConditions": [condition]}]


def _daily(name: str = "churn") -> dict[str, Any]:
    times = {"frequency": "Day", "interval": 1, "startTime": "2026-01-01T03:00:00Z"}
    return {
        "type": "ScheduleTrigger",
        "runtimeState": "Started",
        "typeProperties": {"recurrence": times},
        "pipelines": [{"pipelineReference": {"referenceName": name}}],
    }


def _one(*activities: dict[str, Any]) -> Any:
    return imported({"pipeline/churn": pipeline(*activities), "trigger/daily": _daily()})


@pytest.mark.parametrize("condition", ["Failed", "Skipped", "Completed"])
def test_a_training_after_a_failure_is_not_carried_over(condition: str) -> None:
    fallback = training("fallback", dependsOn=_after("train", condition))
    found = _one(training(), fallback, update())
    assert list(pipelines(found)) == ["churn-train"]
    said = line(found, "fallback")
    assert (said.outcome, said.asks) == (LEFT, True)
    assert f"it begins only after `train` ({condition.casefold()})" in said.text


def test_a_training_after_what_runs_after_a_failure_is_not_carried_over() -> None:
    clean = {"name": "clean", "type": "Delete", "dependsOn": _after("copy", "Failed")}
    found = _one(COPY, clean, training(dependsOn=_after("clean", "Succeeded")), update())
    assert found.pipelines_yaml == ""
    assert "begins only after `copy` (failed)" in line(found, "train").text
    clean["dependsOn"] = _after("copy", "Completed")
    found = _one(COPY, clean, training(dependsOn=_after("clean", "Succeeded")))
    assert list(pipelines(found)) == ["churn"]


def test_an_update_after_a_failure_too_is_not_carried_over() -> None:
    waits = [*_after("train", "Succeeded"), *_after("copy", "Failed")]
    found = _one(COPY, training(), update(dependsOn=waits))
    assert "endpoints" not in pipelines(found)["churn"]
    assert line(found, "update").outcome is LEFT
    assert "it begins only after `copy` (failed)" in line(found, "update").text


def test_a_call_after_a_failure_starts_nothing() -> None:
    typed = {"pipeline": {"referenceName": "churn"}}
    call = {"name": "call", "type": "ExecutePipeline", "typeProperties": typed}
    outer = pipeline(COPY, {**call, "dependsOn": _after("copy", "Failed")})
    started = {"pipeline/outer": outer, "trigger/daily": _daily("outer")}
    found = imported({"pipeline/churn": pipeline(training()), **started})
    made = pipelines(found)["churn"]
    assert ("schedule" in made, made["data"]["opens_runs"]) == (False, False)
    assert line(found, "call").outcome is LEFT
    assert "nothing starts churn from here" in line(found, "call").text


@pytest.mark.parametrize(
    ("kind", "typed"),
    [
        ("IfCondition", {"ifFalseActivities": [training(), update()]}),
        ("Switch", {"cases": [{"value": "a", "activities": [training(), update()]}]}),
        ("Until", {"activities": [training(), update()]}),
    ],
)
def test_nothing_starts_a_training_behind_a_condition(kind: str, typed: dict[str, Any]) -> None:
    found = _one({"name": "when", "type": kind, "typeProperties": typed})
    made = pipelines(found)["churn"]
    assert (made["schedule"]["paused"], made["data"]["opens_runs"]) == (True, False)
    assert "endpoints" not in made
    assert (
        line(found, "recurrence", "key").text
        == "schedule: {frequency: Day, interval: 1, offset: 3h}"
    )
    for name, of in (("train", "activity"), ("daily", "trigger")):
        said = line(found, name, of)
        assert (said.outcome, said.asks) == (ImportOutcome.APPROXIMATED, True)
        assert f"in {kind} `when`" in said.text
        assert "POST /api/pipelines/{pipeline}/runs; or remove schedule.paused" in said.to_do
    assert "nothing starts a pipeline whose training is inside" in line(found, "when").to_do


def test_an_update_after_an_until_that_repeats_its_training_is_not_carried_over() -> None:
    until = {"name": "until", "type": "Until", "typeProperties": {"activities": [training()]}}
    found = _one(until, update(dependsOn=_after("until", "Succeeded")))
    assert "endpoints" not in pipelines(found)["churn"]
    said = line(found, "update")
    assert (said.outcome, "gate.rules" in said.to_do) == (LEFT, True)
    assert "only once the condition of Until `until` holds" in said.text
    assert not [one for one in found.report.lines if "schedule.delay" in one.to_do]


def test_an_update_after_a_loop_is_reported_as_one_that_follows_its_training() -> None:
    loop = {"name": "each", "type": "ForEach", "typeProperties": {"activities": [training()]}}
    found = _one(loop, update(dependsOn=_after("each", "Succeeded")))
    assert len(pipelines(found)["churn"]["endpoints"]) == 1
    said = line(found, "dependsOn", "key")
    assert (said.outcome, said.asks) == (ImportOutcome.APPROXIMATED, False)
    assert "follows its training, which is in ForEach `each`" in said.text


def test_another_training_next_to_the_condition_keeps_its_schedule() -> None:
    typed = {"ifTrueActivities": [training("other")]}
    found = _one(training(), {"name": "when", "type": "IfCondition", "typeProperties": typed})
    made = pipelines(found)
    assert {name: "paused" in one["schedule"] for name, one in made.items()} == {
        "churn-train": False,
        "churn-other": True,
    }


def test_times_of_the_schedule_stay_behind_a_condition() -> None:
    timed = with_input("data/in/@{formatDateTime(trigger().scheduledTime, 'yyyy-MM-dd')}.csv")
    typed = {"ifTrueActivities": [timed]}
    found = _one({"name": "when", "type": "IfCondition", "typeProperties": typed})
    assert pipelines(found)["churn"]["data"]["blob"] == "in/{end:yyyy-MM-dd}.csv"


UNKNOWN = with_input("data/@{activity('look').output.firstRow.path}")
BLOBS = {
    "type": "BlobEventsTrigger",
    "runtimeState": "Started",
    "typeProperties": {
        "blobPathBeginsWith": "/data/blobs/in/",
        "blobPathEndsWith": ".csv",
        "events": ["Microsoft.Storage.BlobCreated"],
    },
    "pipelines": [reference("churn")],
}


def test_nothing_starts_a_training_whose_path_is_to_be_filled_in() -> None:
    found = _one(UNKNOWN, update())
    assert pipelines(found)["churn"]["schedule"]["paused"] is True
    for name, of in (("train", "activity"), ("daily", "trigger")):
        said = line(found, name, of)
        assert said.outcome is ImportOutcome.APPROXIMATED
        assert "fill-in/input1.csv stands in place of a path" in said.text
        assert said.to_do == "write what is missing in pipelines.yaml, and remove schedule.paused"


def test_no_blob_opens_a_run_whose_path_is_to_be_filled_in() -> None:
    found = imported({"pipeline/churn": pipeline(UNKNOWN), "trigger/new": BLOBS})
    made = pipelines(found)["churn"]["data"]
    assert made == {"blob": "in/{name}.csv", "opens_runs": False}
    said = line(found, "new", "trigger")
    assert (said.outcome, said.asks) == (ImportOutcome.APPROXIMATED, True)
    assert "remove data.opens_runs: false" in said.to_do


def test_a_daily_schedule_stands_in_place_of_ncrontab_that_cannot_be_paused() -> None:
    times = {"hours": [3], "minutes": [0, 30], "monthDays": [1, 2]}
    often = schedule_trigger(reference("churn"), frequency="Month", schedule=times)
    found = imported({"pipeline/churn": pipeline(UNKNOWN), "trigger/often": often})
    made = pipelines(found)["churn"]["schedule"]
    assert made == {"frequency": "Day", "interval": 1, "paused": True}
    for said in (line(found, "often", "trigger"), line(found, "recurrence", "key")):
        assert said.outcome is ImportOutcome.APPROXIMATED
        assert 'it is due by schedule: "0 0,30 3 1,2 * *"' in said.to_do


@pytest.mark.parametrize("key", ["webServiceInputs", "globalParameters"])
@pytest.mark.parametrize(
    "value", ["@pipeline().parameters.x", {"type": "Expression", "value": "@x()"}]
)
def test_an_expression_for_all_inputs_or_parameters_is_not_read_as_names(
    key: str, value: Any
) -> None:
    train = training()
    train["typeProperties"][key] = value
    found = _one(train)
    made = pipelines(found)["churn"]
    assert (made["training"].get("inputs"), made["training"].get("parameters")) in (
        ({}, None),
        ({"input1": "{data}"}, None),
    )
    assert made["schedule"]["paused"] is True
    assert line(found, key, "key").outcome is LEFT


@pytest.mark.parametrize(
    ("typed", "missing"),
    [
        ({"webServiceInputs": {"": {"filePath": "data/x.csv"}}}, "inputs: one without a name"),
        ({"webServiceInputs": {"rows": "data/x.csv"}}, "inputs: rows has no path"),
        ({"globalParameters": {"day": "@item()", "": ""}}, "parameters: day has no value"),
    ],
)
def test_nothing_starts_a_training_that_lacks_a_value(typed: dict[str, Any], missing: str) -> None:
    found = _one(training(typeProperties=typed))
    assert pipelines(found)["churn"]["schedule"]["paused"] is True
    assert f"nothing starts it yet: training.{missing}" in line(found, "train").text


def test_what_is_missing_behind_a_condition_is_said_with_the_condition() -> None:
    typed = {"ifTrueActivities": [UNKNOWN]}
    found = _one({"name": "when", "type": "IfCondition", "typeProperties": typed})
    said = line(found, "train")
    assert "its training is in IfCondition `when`; training.inputs: input1: fill-in/" in said.text
    assert "write what is missing in pipelines.yaml before" in said.to_do


def test_all_updates_that_wait_for_a_training_are_named() -> None:
    alone = [{**update(name), "dependsOn": []} for name in ("good", "bad")]
    typed = {"cases": [{"value": "a", "activities": alone[:1]}], "defaultActivities": alone[1:]}
    switch = {"name": "switch", "type": "Switch", "typeProperties": typed}
    waits = _after("train", "Succeeded")
    said = line(_one(training(), {**switch, "dependsOn": waits}), "train")
    assert "update `bad` and update `good`, which wait for it, are not carried over" in said.text
    assert said.to_do.endswith("see the lines of the updates")
