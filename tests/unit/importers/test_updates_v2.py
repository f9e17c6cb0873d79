"""Updates of version 2: their policies, and what they lack."""

import json
from typing import Any

import pytest

from shared.importers.data_factory.account import Outcome
from shared.importers.data_factory.drafts import ImportOptions
from shared.importers.data_factory.importer import import_definitions
from tests.unit.importers.factory import UPDATE, storage_named
from tests.unit.importers.repository import (
    NOW,
    file_of,
    imported,
    line,
    pipeline,
    pipelines,
    training,
    update,
)


def _one(*activities: dict[str, Any]) -> Any:
    return imported({"pipeline/churn": pipeline(*activities)})


@pytest.mark.parametrize(
    ("key", "value", "outcome"),
    [
        ("timeout", "01:00:00", Outcome.APPROXIMATED),
        ("retry", 0, Outcome.APPROXIMATED),  # Relearn tries it again all the same
        ("retry", 2, Outcome.APPROXIMATED),
        ("retryIntervalInSeconds", 30, Outcome.APPROXIMATED),
        ("secureInput", True, Outcome.APPROXIMATED),
        ("secureOutput", False, Outcome.MAPPED),
        ("colour", "red", Outcome.NOT_CARRIED_OVER),
    ],
)
def test_each_key_of_the_policy_of_an_update_has_a_line(
    key: str, value: Any, outcome: Outcome
) -> None:
    found = _one(training(policy={}), update(policy={key: value}))
    assert line(found, key, "policy").outcome is outcome


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"trainedModelName": None}, "trainedModelName missing"),
        ({"trainedModelName": "@item()"}, "trainedModelName: `@item()`"),
        ({"trainedModelFilePath": ""}, "trainedModelFilePath missing"),
        ({"trainedModelFilePath": "other/x.ilearner"}, "writes `other/x.ilearner`"),
    ],
)
def test_an_update_that_is_not_complete_is_not_carried_over(
    changes: dict[str, Any], text: str
) -> None:
    typed = update()["typeProperties"] | changes
    found = _one(training(), update(typeProperties=typed))
    said = line(found, "update")
    assert said.outcome is Outcome.NOT_CARRIED_OVER
    assert text in said.text
    assert "endpoints" not in pipelines(found)["churn"]


def test_an_update_without_its_linked_service_is_not_carried_over() -> None:
    found = _one(training(), update(linkedServiceName=storage_named("gone")))
    assert "`gone` is not among the files" in line(found, "update").text


def test_parts_of_a_second_definition_of_one_name_have_lines() -> None:
    root = json.dumps({"name": "churn", "properties": pipeline(training(policy={"retry": 5}))})
    files = {f"pipeline/{name}.json": root.encode() for name in ("churn", "churn2")}
    files["pipeline/churn2.json"] = files["pipeline/churn2.json"].replace(b"5", b"6")
    found = import_definitions(files, ImportOptions(), NOW)
    lines = {(one.kind, one.name): one for one in found.report.lines if "churn2" in one.file}
    assert {("pipeline", "churn"), ("activity", "train"), ("policy", "retry")} <= lines.keys()
    assert {one.outcome for one in lines.values()} == {Outcome.NOT_CARRIED_OVER}


def _after(*names: str) -> list[dict[str, Any]]:
    return [{"activity": name, "dependencyConditions": ["Succeeded"]} for name in names]


def test_an_update_takes_the_model_that_was_written_last() -> None:
    found = _one(training("a"), training("b", dependsOn=_after("a")), update(after="b"))
    made = pipelines(found)
    assert {name: "endpoints" in one for name, one in made.items()} == {
        "churn-a": False,
        "churn-b": True,
    }


def test_an_update_with_two_models_is_not_carried_over() -> None:
    found = _one(training("a"), training("b"), update(dependsOn=_after("a", "b")))
    assert not any("endpoints" in one for one in pipelines(found).values())
    said = line(found, "update")
    assert said.text == "output `output1` of `a` and output `output1` of `b` may each be its model"
    assert f"update: {UPDATE}" in said.block
    assert "update `update`, which waits for it, is not carried over" in line(found, "b").text


@pytest.mark.parametrize(
    ("paths", "model"),
    [({"a": "models/out", "b": "models/out/churn.ilearner"}, "b"), ({"a": "models/out"}, "a")],
)
def test_a_path_counts_before_its_folder(paths: dict[str, str], model: str) -> None:
    typed = {"webServiceOutputs": {port: file_of(path) for port, path in paths.items()}}
    made = pipelines(_one(training(typeProperties=typed), update()))["churn"]
    outputs = made["training"]["outputs"]
    assert [port for port, file in outputs.items() if file.endswith(".ilearner")] == [model]
    assert len(made["endpoints"]) == 1


def test_an_update_after_a_training_of_another_pipeline_has_its_endpoint_to_copy() -> None:
    alone = {key: value for key, value in update().items() if key != "dependsOn"}
    found = imported({"pipeline/churn": pipeline(training()), "pipeline/later": pipeline(alone)})
    said = line(found, "update")
    assert said.outcome is Outcome.NOT_CARRIED_OVER
    assert said.text.startswith("training `train` of pipeline `churn` writes its model")
    assert f"update: {UPDATE}" in said.block
    assert "update `update` of pipeline `later` takes its model" in line(found, "train").text


def test_a_path_of_an_output_that_cannot_be_said_asks_for_nothing() -> None:
    typed = {"webServiceOutputs": {"rows": file_of("models/@{guid()}.csv")}}
    found = _one(training(typeProperties=typed))
    said = line(found, "filePath", "key")
    assert (said.outcome, said.asks) == (Outcome.NOT_CARRIED_OVER, False)


def test_an_activity_that_has_the_name_of_another_one_is_not_carried_over() -> None:
    found = _one(training(), training(), update(), update())
    assert list(pipelines(found)) == ["churn-train"]
    assert len(pipelines(found)["churn-train"]["endpoints"]) == 1
    for name in ("train", "update"):
        lines = [one for one in found.report.lines if (one.kind, one.name) == ("activity", name)]
        assert lines[1].text == f"another activity of its pipeline is called `{name}` too"


def test_activities_that_wait_for_themselves_are_read() -> None:
    found = _one(training(dependsOn=_after("train")), update(dependsOn=_after("update", "train")))
    assert len(pipelines(found)["churn"]["endpoints"]) == 1


def test_a_storage_of_a_model_that_is_missing_has_a_line() -> None:
    typed = update()["typeProperties"] | {"trainedModelLinkedServiceName": storage_named("gone")}
    found = _one(training(), update(typeProperties=typed))
    said = line(found, "trainedModelLinkedServiceName", "key")
    assert said.text == "linked service `gone` is not among the files"
    assert len(pipelines(found)["churn"]["endpoints"]) == 1
