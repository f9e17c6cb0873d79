"""Updates of version 2: their policies, and what they lack."""

import json
from typing import Any

import pytest

from shared.importers.data_factory.account import Outcome
from shared.importers.data_factory.drafts import ImportOptions
from shared.importers.data_factory.importer import import_definitions
from tests.unit.importers.factory import storage_named
from tests.unit.importers.repository import (
    NOW,
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
