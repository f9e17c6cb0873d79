"""Pipelines of version 2 become pipelines of Relearn, and the rest is reported."""

from typing import Any

import pytest
import yaml

from shared.importers.data_factory.account import ImportOutcome
from tests.unit.importers.factory import JOBS, UPDATE, storage_named
from tests.unit.importers.repository import (
    file_of,
    imported,
    imported_alone,
    line,
    pipeline,
    pipelines,
    reference,
    schedule_trigger,
    training,
    update,
)

ENDPOINT = {
    "name": "scoring",
    "update": UPDATE,
    "api_key": "${SCORING_API_KEY}",
    "resource": "Churn [trained model]",
}


def test_a_training_with_its_update_is_one_pipeline() -> None:
    found = imported_alone(training(), update(after="TRAIN"), concurrency=1)
    assert pipelines(found) == {
        "churn": {
            "data": {"blob": "in/train.csv", "opens_runs": False},
            "when_busy": "queue",
            "training": {
                "service": JOBS,
                "api_key": "${TRAININGSERVICE_API_KEY}",
                "inputs": {"input1": "{data}"},
                "outputs": {"output1": "model.ilearner"},
                "attempts": 3,
                "pause": "1m",
                "timeout": "4h",
            },
            "gate": {"first_model": "allow"},
            "endpoints": [ENDPOINT],
        }
    }
    assert "no trigger starts it" in line(found, "churn", "pipeline").text
    assert not [one for one in found.report.lines if "nothing for this key" in one.text]
    kinds = [one.kind for one in found.report.lines]
    assert (kinds.count("activity"), kinds.count("policy")) == (2, 4)


def test_keys_have_any_letter_case() -> None:
    typed = {
        "WebServiceInputs": {
            "Input 1": {
                "FilePath": "/data/in/train.csv",
                "LinkedServiceName": storage_named("storage"),
            }
        },
        "GlobalParameters": {"Rows": 5, "Keep": True, "Rate": 0.5, "Text": "a $ b"},
    }
    made = pipelines(imported_alone(training(typeProperties=typed)))["churn"]
    assert made["training"]["inputs"] == {"Input 1": "{data}"}
    assert made["data"]["blob"] == "in/train.csv"
    expected = {"Rows": 5, "Keep": True, "Rate": 0.5, "Text": "a $$ b"}
    assert made["training"]["parameters"] == expected


def test_several_updates_follow_one_training() -> None:
    other = {**update()["typeProperties"], "trainedModelName": "Other [trained model]"}
    found = imported_alone(
        training(), update(), update("again", after="update", typeProperties=other)
    )
    made = pipelines(found)["churn"]["endpoints"]
    assert [one["resource"] for one in made] == ["Churn [trained model]", "Other [trained model]"]
    assert {
        one.name for one in found.report.lines if one.text.endswith("follows its training")
    } == {"dependsOn"}


@pytest.mark.parametrize("condition", ["Failed", "Completed", "Skipped"])
def test_an_update_waits_for_success_alone(condition: str) -> None:
    waits = [{"activity": "train", "dependencyConditions": [condition]}]
    found = imported_alone(training(), update(dependsOn=waits))
    assert "endpoints" not in pipelines(found)["churn"]
    said = line(found, "update")
    assert said.outcome is ImportOutcome.NOT_CARRIED_OVER
    assert "does not wait for the success of `train`" in said.text


def test_an_update_takes_what_a_training_writes() -> None:
    typed = {**update()["typeProperties"], "trainedModelFilePath": "models/other.ilearner"}
    found = imported_alone(training(), update(typeProperties=typed))
    assert (
        "no training of its pipeline writes `models/other.ilearner`" in line(found, "update").text
    )
    assert "update `update`, which waits for it, is not carried over" in line(found, "train").text
    found = imported_alone(update())
    assert "no training of its pipeline is carried over" in line(found, "update").text
    assert found.pipelines_yaml == ""


def test_an_output_can_be_the_folder_of_the_model() -> None:
    typed = {
        **training()["typeProperties"],
        "webServiceOutputs": {"output1": file_of("models/out")},
    }
    made = pipelines(imported_alone(training(typeProperties=typed), update()))["churn"]
    assert made["training"]["outputs"] == {"output1": "model.ilearner"}
    assert made["endpoints"] == [ENDPOINT]


def test_the_same_expression_is_the_same_path() -> None:
    path = "@concat('models/', pipeline().RunId, '.ilearner')"
    trains = {**training()["typeProperties"], "webServiceOutputs": {"output1": file_of(path)}}
    updates = {**update()["typeProperties"], "trainedModelFilePath": path}
    found = imported_alone(training(typeProperties=trains), update(typeProperties=updates))
    assert pipelines(found)["churn"]["endpoints"] == [ENDPOINT]


def test_other_chains_are_not_carried_over() -> None:
    waits = [{"activity": "copy", "dependencyConditions": ["Succeeded"]}]
    copy = {"name": "copy", "type": "Copy", "typeProperties": {}, "policy": {"retry": 3}}
    found = imported_alone(
        copy, training(dependsOn=waits), training("score", dependsOn=[{"activity": "train"}])
    )
    assert list(pipelines(found)) == ["churn-train", "churn-score"]
    assert "TRAINING_DATA_CONTAINER" in line(found, "copy").to_do
    texts = [one.text for one in found.report.lines if one.name == "dependsOn"]
    assert len(texts) == 2
    assert "Relearn does not run it before" in texts[0]
    assert "do not wait for each other" in texts[1]


def test_activities_inside_of_others_are_found() -> None:
    each = {
        "name": "each",
        "type": "ForEach",
        "typeProperties": {"activities": [training(), update()]},
    }
    found = imported_alone(each)
    assert pipelines(found)["churn"]["endpoints"] == [ENDPOINT]
    assert "it is in ForEach `each`" in line(found, "train").text
    assert line(found, "each").outcome is ImportOutcome.NOT_CARRIED_OVER


def test_an_update_behind_a_condition_is_left_to_the_operator() -> None:
    condition = {
        "name": "better",
        "type": "IfCondition",
        "dependsOn": [{"activity": "train", "dependencyConditions": ["Succeeded"]}],
        "typeProperties": {"expression": "@true", "ifTrueActivities": [update(dependsOn=[])]},
    }
    found = imported_alone(training(), condition)
    assert "endpoints" not in pipelines(found)["churn"]
    said = line(found, "update")
    assert "gate.rules" in said.to_do
    assert yaml.safe_load(said.block)["endpoints"] == [ENDPOINT]


def test_inactive_activities_are_skipped() -> None:
    found = imported_alone(
        training(state="Inactive", onInactiveMarkAs="Succeeded"), update(state="Active")
    )
    assert found.pipelines_yaml == ""
    assert "Inactive" in line(found, "train").text


@pytest.mark.parametrize(
    ("policy", "expected", "outcome"),
    [
        ({}, "12h", None),
        ({"timeout": "7.00:00:00"}, "6d22h", ImportOutcome.APPROXIMATED),
        ({"timeout": "00:30:00"}, "30m", ImportOutcome.MAPPED),
        ({"timeout": "@concat('0', '0:45:00')"}, "45m", ImportOutcome.MAPPED),
        ({"timeout": "@activity('a').output"}, "12h", ImportOutcome.APPROXIMATED),
    ],
)
def test_a_timeout_is_always_written(policy: Any, expected: str, outcome: Any) -> None:
    found = imported_alone(training(policy=policy))
    assert pipelines(found)["churn"]["training"]["timeout"] == expected
    if outcome is None:
        assert "since its policy has no timeout" in line(found, "train").text
    else:
        assert line(found, "timeout", "policy").outcome is outcome


def test_secrets_among_parameters_become_settings() -> None:
    typed = {"globalParameters": {"Account key": "abcdefgh12345678", "": "", "Server": "@item()"}}
    found = imported_alone(training(typeProperties=typed))
    assert pipelines(found)["churn"]["training"]["parameters"] == {
        "Account key": "${CHURN_TRAIN_ACCOUNT_KEY}"
    }
    assert "CHURN_TRAIN_ACCOUNT_KEY" in found.settings
    assert "abcdefgh12345678" not in str(found)
    assert "`@item()`" in line(found, "Server", "key").text


def test_odd_drafts_are_reported() -> None:
    typed = {"webServiceInputs": {"": file_of("data/a.csv"), "x": file_of(""), "y": {}, "z": "d"}}
    found = imported(
        {
            "pipeline/empty": pipeline({"name": "a", "type": "AzureMLBatchExecution"}),
            "pipeline/odd": pipeline(training(typeProperties=typed)),
            "pipeline/none": pipeline(),
            "pipeline/broken": {"activities": [5, {"type": "AzureMLUpdateResource"}]},
        }
    )
    assert "it does not name a linked service" in line(found, "a").text
    made = pipelines(found)["odd"]
    assert made["training"]["inputs"] == {"x": "{data}", "y": "fill-in/y.csv"}
    assert "trainedModelName" in line(found, "(without a name)").text
    assert line(found, "none", "pipeline").text == "it has no activities"


@pytest.mark.parametrize(
    ("outputs", "said"),
    [
        ({"o": file_of("models/out/a.csv")}, "it writes no model, as a scoring does"),
        ({}, "it writes no model, as a scoring does"),
        ("@json(1)", "it may or may not write a model"),
        ({"o": file_of("models/out")}, "it may or may not write a model"),
        ({"o": file_of("@{guid()}")}, "it may or may not write a model"),
        ({"o": file_of("models/a.ilearner")}, "no update takes the model in this file"),
    ],
)
def test_whether_a_job_writes_a_model_is_said_where_it_is_known(outputs: Any, said: str) -> None:
    typed = {**training()["typeProperties"], "webServiceOutputs": outputs}
    text = line(imported_alone(training(typeProperties=typed)), "train").text
    assert f"it has no endpoints: {said}" in text


@pytest.mark.parametrize("url", ["", "<the URL>", JOBS.replace("b" * 32, "<service>")])
def test_nothing_starts_a_job_whose_service_has_no_url_yet(url: str) -> None:
    service = {"type": "AzureML", "typeProperties": {"mlEndpoint": url, "apiKey": "*****"}}
    found = imported(
        {
            "pipeline/churn": pipeline(training(), update()),
            "trigger/daily": schedule_trigger(reference("churn")),
            "linkedService/trainingService": service,
        }
    )
    assert pipelines(found)["churn"]["schedule"]["paused"] is True
    said = line(found, "train")
    assert "an example stands in place of the URL of linked service `trainingService`" in said.text
    assert "remove schedule.paused" in said.to_do
