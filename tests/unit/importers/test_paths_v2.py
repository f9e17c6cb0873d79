"""Paths of inputs and outputs of version 2: how each is imported, and the report."""

import pytest

from shared.importers.data_factory.account import ImportOutcome
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
    with_input,
)


def test_an_input_that_another_job_writes_is_to_be_copied() -> None:
    scored = {
        "webServiceInputs": {"rows": file_of("models/out/rows.csv")},
        "webServiceOutputs": {"scores": file_of("models/scores/all.csv")},
    }
    clean = {**scored, "webServiceInputs": {}, "webServiceOutputs": {"rows": file_of("models/out")}}
    found = imported_alone(
        training("clean", typeProperties=clean), training("score", typeProperties=scored)
    )
    (said,) = [
        one for one in found.report.lines if one.name == "rows" and "webServiceInputs" in one.path
    ]
    assert said.outcome is ImportOutcome.APPROXIMATED
    assert said.to_do == "copy the output of activity `clean` of pipeline `churn` to this path"
    assert "activity `clean` of pipeline `churn` makes input `rows`" in line(found, "score").text


def test_an_output_without_a_file_says_that_it_may_be_a_model() -> None:
    typed = {"webServiceOutputs": {"model": file_of("models/out"), "rows": file_of("models/r.csv")}}
    found = imported_alone(training(typeProperties=typed))
    assert pipelines(found)["churn"]["training"]["outputs"]["model"] == "model.csv"
    assert "end in .ilearner, if it is a model" in line(found, "model", "key").to_do
    assert ".ilearner" not in line(found, "rows", "key").to_do
    assert (
        ".ilearner"
        not in line(imported_alone(training(typeProperties=typed), update()), "model", "key").to_do
    )


def test_a_path_of_slashes_alone_is_empty() -> None:
    found = imported_alone(with_input(" / "))
    assert pipelines(found)["churn"]["data"]["blob"] == "fill-in/input1.csv"
    assert line(found, "filePath", "key").text == "the path is empty"


def test_nobody_is_asked_to_compare_the_path_of_an_output() -> None:
    typed = {
        "webServiceOutputs": {"rows": file_of("models/@{formatDateTime(utcnow(), 'yyyy')}.csv")}
    }
    made = {"pipeline/churn": pipeline(training(typeProperties=typed))}
    found = imported({**made, "trigger/daily": schedule_trigger(reference("churn"))})
    assert not [one for one in found.report.lines if "compare the paths" in one.to_do]


@pytest.mark.parametrize(
    "path",
    ["wasbs://data@a.blob.core/x.csv", "./data/x.csv", "data\\x.csv", "<c>/x.csv"],
)
def test_a_path_that_names_no_container_is_to_be_filled_in(path: str) -> None:
    found = imported_alone(with_input(path))
    assert pipelines(found)["churn"]["data"]["blob"] == "fill-in/input1.csv"
    assert path in line(found, "filePath", "key").text


def test_a_blob_of_a_container_that_no_trigger_names_is_the_data() -> None:
    path = "@concat(pipeline().parameters.folder, '/', pipeline().parameters.file)"
    given = {"folder": "@triggerBody().folderPath", "file": "@triggerBody().fileName"}
    blobs = {
        "type": "BlobEventsTrigger",
        "runtimeState": "Started",
        "typeProperties": {"blobPathEndsWith": ".csv"},
        "pipelines": [reference("churn", **given)],
    }
    made = pipeline(with_input(path), parameters={name: {"type": "string"} for name in given})
    (churn,) = pipelines(imported({"pipeline/churn": made, "trigger/new": blobs})).values()
    assert churn["data"] == {"blob": "{name}.csv"}
    assert churn["training"]["inputs"] == {"input1": "{data}"}
