"""Updates of version 2: their policies, and missing values."""

import json
from typing import Any

import pytest

from shared.importers.data_factory.account import ImportOutcome
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
    services,
    training,
    update,
)


def _one(*activities: dict[str, Any]) -> Any:
    return imported({"pipeline/churn": pipeline(*activities)})


@pytest.mark.parametrize(
    ("key", "value", "outcome"),
    [
        ("timeout", "01:00:00", ImportOutcome.APPROXIMATED),
        ("retry", 0, ImportOutcome.APPROXIMATED),  # Relearn tries it again all the same
        ("retry", 2, ImportOutcome.APPROXIMATED),
        ("retryIntervalInSeconds", 30, ImportOutcome.APPROXIMATED),
        ("secureInput", True, ImportOutcome.APPROXIMATED),
        ("secureOutput", False, ImportOutcome.MAPPED),
        ("colour", "red", ImportOutcome.NOT_CARRIED_OVER),
    ],
)
def test_each_key_of_the_policy_of_an_update_has_a_line(
    key: str, value: Any, outcome: ImportOutcome
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
    assert said.outcome is ImportOutcome.NOT_CARRIED_OVER
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
    assert {one.outcome for one in lines.values()} == {ImportOutcome.NOT_CARRIED_OVER}


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
    ("reverse", "said", "outcome"),
    [
        (False, "a failure of `one` stops what comes after it", ImportOutcome.MAPPED),
        (True, "that of `one` comes after this one", ImportOutcome.APPROXIMATED),
    ],
)
def test_an_update_that_waits_for_another_one_says_in_which_order_they_are(
    *, reverse: bool, said: str, outcome: ImportOutcome
) -> None:
    other = storage_named("scoring2")
    chained = [update("one"), update("two", after="one", linkedServiceName=other)]
    both = reversed(chained) if reverse else chained
    found = imported(
        {
            "pipeline/churn": pipeline(training(), *both),
            "linkedService/scoring2": {
                **services()["linkedService/scoring"],
                "typeProperties": {
                    **services()["linkedService/scoring"]["typeProperties"],
                    "updateResourceEndpoint": f"{UPDATE}2",
                },
            },
        }
    )
    names = [one["name"] for one in pipelines(found)["churn"]["endpoints"]]
    assert names == (["scoring2", "scoring"] if reverse else ["scoring", "scoring2"])
    (told,) = [one for one in found.report.lines if said in one.text]
    assert (told.name, told.outcome) == ("dependsOn", outcome)


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
    assert said.outcome is ImportOutcome.NOT_CARRIED_OVER
    assert said.text.startswith("training `train` of pipeline `churn` writes its model")
    assert f"update: {UPDATE}" in said.block
    assert "update `update` of pipeline `later` takes its model" in line(found, "train").text


def _check(after: str = "train", **values: Any) -> dict[str, Any]:
    return {"name": "check", "type": "DatabricksNotebook", "dependsOn": _after(after), **values}


@pytest.mark.parametrize(
    ("beside", "waits"),
    [
        (_check(), ("check",)),
        (_check(), ("train", "check")),
        ({"name": "check", "type": "Wait", "dependsOn": _after("train")}, ("train", "check")),
        (_check("other"), ("train", "check")),
    ],
)
def test_an_update_after_a_check_of_its_model_is_not_carried_over(
    beside: dict[str, Any], waits: tuple[str, ...]
) -> None:
    found = _one(training(), beside, update(dependsOn=_after(*waits)))
    said = line(found, "update")
    assert "endpoints" not in pipelines(found)["churn"]
    assert said.outcome is ImportOutcome.NOT_CARRIED_OVER
    assert f"only after the success of {beside['type']} `check`" in said.text
    assert ("gate.rules" in said.to_do, f"update: {UPDATE}" in said.block) == (True, True)
    assert "update `update`, which waits for it" in line(found, "train").text
    after = _after("train") == beside["dependsOn"]
    assert ("gate.approval: required" in line(found, "check").to_do) is after


def test_an_update_after_a_loop_with_a_check_in_it_is_not_carried_over() -> None:
    inside = {"items": "@createArray(1)", "activities": [training(), _check()]}
    loop = {"name": "loop", "type": "ForEach", "typeProperties": inside}
    found = _one(loop, update(after="loop"))
    assert "only after the success of DatabricksNotebook" in line(found, "update").text


@pytest.mark.parametrize(
    "beside",
    [
        {"name": "check", "type": "SetVariable", "dependsOn": _after("train")},
        _check(state="Inactive", onInactiveMarkAs="Succeeded"),
        update(
            "check",
            typeProperties=update()["typeProperties"] | {"trainedModelName": "another"},
        ),
    ],
)
def test_an_activity_that_cannot_stop_an_update_is_not_a_check(beside: dict[str, Any]) -> None:
    found = _one(training(), beside, update(dependsOn=_after("train", "check")))
    assert line(found, "update").outcome is ImportOutcome.MAPPED
    assert "endpoints" in pipelines(found)["churn"]


def test_an_update_need_not_wait_for_what_its_training_waits_for() -> None:
    copy = {"name": "copy", "type": "Copy"}
    found = _one(
        copy, training(dependsOn=_after("copy")), update(dependsOn=_after("train", "copy"))
    )
    assert line(found, "update").outcome is ImportOutcome.MAPPED
    said = [one for one in found.report.lines if one.name == "dependsOn"]
    assert [one.outcome for one in said].count(ImportOutcome.MAPPED) == 1
    assert said[-1].text == "waits for `copy`, as its training `train` does"


def test_an_update_that_waits_for_another_training_says_what_decides_here() -> None:
    typed = {"webServiceOutputs": {"output1": file_of("models/out/other.ilearner")}}
    waits = _after("train", "other")
    found = _one(training(), training("other", typeProperties=typed), update(dependsOn=waits))
    said = line(found, "update")
    assert said.outcome is ImportOutcome.APPROXIMATED
    assert "does not wait for `other`" in said.text
    (waits_for,) = [one for one in found.report.lines if "waits for `other`" in one.text]
    assert "schedule.delay" not in waits_for.to_do
    assert "gate.approval: required" in waits_for.to_do


def _stored(storage: Any, **services: Any) -> Any:
    typed = update()["typeProperties"] | {"trainedModelLinkedServiceName": storage}
    churn = pipeline(training(), update(typeProperties=typed))
    return imported({"pipeline/churn": churn, **services})


def test_a_model_of_another_storage_account_is_not_that_of_the_training() -> None:
    other = {"type": "AzureBlobStorage", "typeProperties": {"connectionString": "AccountName=b"}}
    found = _stored(storage_named("other"), **{"linkedService/other": other})
    said = line(found, "update")
    assert said.outcome is ImportOutcome.NOT_CARRIED_OVER
    assert said.text.endswith("writes `models/out/churn.ilearner` of storage account b")
    assert "endpoints" not in pipelines(found)["churn"]


@pytest.mark.parametrize(
    ("account", "outcome"),
    [
        ("AccountName=Churn", ImportOutcome.MAPPED),
        ("@{linkedService().connection}", ImportOutcome.APPROXIMATED),
    ],
)
def test_a_storage_account_that_is_not_known_is_said(account: str, outcome: ImportOutcome) -> None:
    other = {"type": "AzureBlobStorage", "typeProperties": {"connectionString": account}}
    found = _stored(storage_named("other"), **{"linkedService/other": other})
    said = line(found, "update")
    assert said.outcome is outcome
    unknown = "they may mean different storage accounts"
    assert (unknown in said.text) is (outcome is ImportOutcome.APPROXIMATED)


def test_a_reference_says_which_account_its_storage_is() -> None:
    place = {"serviceEndpoint": "https://@{linkedService().account}.blob.core.windows.net"}
    both = {"type": "AzureBlobStorage", "typeProperties": place, "parameters": {"account": {}}}
    outcomes = []
    for account in ("churn", "another"):
        named = {**storage_named("both"), "parameters": {"account": account}}
        found = _stored(named, **{"linkedService/both": both})
        outcomes.append(line(found, "update").outcome)
    assert outcomes == [ImportOutcome.MAPPED, ImportOutcome.NOT_CARRIED_OVER]


def test_a_path_of_an_output_that_cannot_be_said_asks_for_nothing() -> None:
    typed = {"webServiceOutputs": {"rows": file_of("models/@{guid()}.csv")}}
    found = _one(training(typeProperties=typed))
    said = line(found, "filePath", "key")
    assert (said.outcome, said.asks) == (ImportOutcome.NOT_CARRIED_OVER, False)


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
