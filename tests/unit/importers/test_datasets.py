"""Datasets of version 1: paths, waits, and the inputs of a job."""

from typing import Any

import pytest

from shared.importers.data_factory.account import ImportOutcome
from shared.importers.data_factory.drafts import BlobPath
from tests.unit.importers.version_1 import VersionOne, training, updating, walk_through

MAPPED, ABOUT, LEFT = (
    ImportOutcome.MAPPED,
    ImportOutcome.APPROXIMATED,
    ImportOutcome.NOT_CARRIED_OVER,
)
DATA = "dataset/trainingData"


def variable(name: str, date: str, form: str) -> dict[str, Any]:
    return {"name": name, "value": {"type": "DateTime", "date": date, "format": form}}


def with_data(folder: str, file: str | None = None, **more: Any) -> VersionOne:
    factory = walk_through()
    factory.all = [one for one in factory.all if one.name != "trainingData"]
    factory.blob("trainingData", folder, file, **more)
    return factory


def read(factory: VersionOne) -> BlobPath:
    found = factory.only().job.single_input
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("folder", "file", "container", "name"),
    [
        ("data", "rows.csv", "data", "rows.csv"),
        ("/data/in/", "rows.csv", "data", "in/rows.csv"),
        ("data/in/rows.csv", None, "data", "in/rows.csv"),
        ("data/{Year}/{Month}", "{Day}.csv", "data", "{start:yyyy}/{start:MM}/{end:dd}.csv"),
    ],
)
def test_the_path_of_a_blob(folder: str, file: str | None, container: str, name: str) -> None:
    parts = [
        variable("Year", "SliceStart", "yyyy"),
        variable("Month", "SliceStart", "MM"),
        variable("Day", "SliceEnd", "dd"),
    ]
    policy = {"externalData": {"maximumRetry": 1}}
    factory = with_data(folder, file, typed={"partitionedBy": parts}, policy=policy)
    path = read(factory)
    assert (path.account, path.container, path.name) == ("examplestore", container, name)
    line = factory.line(DATA, "")
    assert (line.outcome, f"training.input, from {container}/{name}" in line.text) == (MAPPED, True)
    assert factory.unknown() == []


@pytest.mark.parametrize(
    ("folder", "file", "text"),
    [
        ("data", "{Unknown}.csv", "does not name a blob"),
        ("data", "$$Text.Format('{0', SliceStart)", "does not name a blob"),
        ("data/tables", "*000*.csv", "does not name a blob"),
        ("data/{Odd}", "rows.csv", "does not name a blob"),
        ("{Year}", "rows.csv", "does not name a blob"),
        ("data", None, "does not name a blob"),
        ("[concat(parameters('container')[0], '/in')]", "rows.csv", "does not name a blob"),
        ("", None, "does not name a blob"),
    ],
)
def test_a_path_to_fill_in_stands_in_place_of_one_that_cannot_be_read(
    folder: str, file: str | None, text: str
) -> None:
    parts = [variable("Year", "SliceStart", "yyyy"), variable("Odd", "SliceStart", "'[a]*'yyyy")]
    factory = with_data(folder, file, typed={"partitionedBy": parts})
    draft = factory.only()
    assert draft.job.single_input is not None
    assert draft.job.single_input.name == "fill-in/trainingData.csv"
    assert isinstance(draft.timing.schedule, dict)
    assert draft.timing.schedule["paused"]
    line = factory.line("pipeline/walk", "activities[0]")
    assert (line.outcome, text in line.text) == (ABOUT, True)
    assert "fill-in/trainingData.csv" in line.text
    assert factory.line(DATA, "").outcome is ABOUT


def test_a_dataset_that_is_missing() -> None:
    factory = walk_through()
    factory.all = [one for one in factory.all if one.name != "trainingData"]
    assert factory.drafts() == []
    line = factory.line("pipeline/walk", "activities[0]")
    assert (line.outcome, "`trainingData` is missing" in line.text) == (LEFT, True)
    assert factory.line("pipeline/walk", "activities[0].policy.retry").outcome is LEFT


def test_an_expression_that_cannot_be_resolved_is_said_verbatim() -> None:
    factory = with_data("data", "$$Text.Format('{0', SliceStart)")
    factory.only()
    line = factory.line(DATA, "fileName")
    assert (line.outcome, "$$Text.Format('{0', SliceStart)" in line.text) == (LEFT, True)


@pytest.mark.parametrize("file", ["rows.parquet", None, "rows.csv.gz"])
def test_an_input_that_the_service_refuses_is_said(file: str | None) -> None:
    factory = with_data("data/in", file)
    assert read(factory).name.startswith("in")
    line = factory.line(DATA, "")
    assert (line.outcome, ".csv, .tsv or .arff" in line.text) == (ABOUT, True)


def test_the_times_of_an_input_fill_its_path() -> None:
    named = {"name": "trainingData", "startTime": "Date.AddDays(SliceStart, -1)", "endTime": "x("}
    factory = walk_through(training(inputs=[named]), updating())
    factory.all = [one for one in factory.all if one.name != "trainingData"]
    typed = {"partitionedBy": [variable("Day", "SliceStart", "yyyyMMdd")]}
    factory.blob("trainingData", "data/{Day}", "rows.csv", typed=typed)
    assert read(factory).name == "{start-1d:yyyyMMdd}/rows.csv"
    assert factory.line("pipeline/walk", "inputs[0].startTime").outcome is ABOUT


def test_each_key_of_the_policy_has_a_line() -> None:
    policy = {
        "externalData": {
            "dataDelay": "01:00:00",
            "retryInterval": "00:05:00",
            "retryTimeout": "00:10:00",
            "maximumRetry": 4,
            "other": 1,
        },
        "validation": {"minimumSizeMB": 0.5, "minimumRows": 10},
        "latency": {},
    }
    factory = with_data("data", "rows.csv", policy=policy, external=True)
    timing = factory.only().timing
    assert timing.wait_for_data == {"every": "5m", "at_most": "2h"}
    assert timing.min_size == "512KB"
    lines = [one for one in factory.lines("policy") if one.file == f"{DATA}.json"]
    assert {one.name: one.outcome for one in lines} == {
        "externalData.dataDelay": ABOUT,
        "externalData.retryInterval": MAPPED,
        "externalData.retryTimeout": ABOUT,
        "externalData.maximumRetry": ABOUT,
        "externalData.other": LEFT,
        "validation.minimumSizeMB": MAPPED,
        "validation.minimumRows": LEFT,
        "latency": LEFT,
    }


def test_a_dataset_that_only_decides_when_a_job_runs() -> None:
    factory = walk_through(
        training(inputs=[{"name": "trainingData"}, {"name": "table"}]), updating()
    )
    typed = {"tableName": "Sold"}
    factory.add(
        "dataset", "table", type="AzureSqlTable", typeProperties=typed, linkedServiceName="sql"
    )
    factory.only()
    said = factory.line("dataset/table", "")
    assert (said.outcome, "only waits for it" in said.text) == (LEFT, True)
    assert "training.parameters" in said.to_do
    line = factory.line("pipeline/walk", "activities[0].inputs[1]")
    assert (line.outcome, "schedule.delay" in line.to_do) == (LEFT, True)
    assert factory.unknown() == []


def test_an_input_that_is_no_blob() -> None:
    typed = {"webServiceInput": "table", "webServiceOutputs": {"output1": "trainedModelBlob"}}
    factory = walk_through(training(typeProperties=typed))
    factory.add("dataset", "table", type="AzureSqlTable", typeProperties={"tableName": "Sold"})
    assert read(factory).name == "fill-in/table.csv"
    assert "AzureSqlTable" in factory.line("pipeline/walk", "activities[0]").text


def test_named_inputs_and_outputs_keep_their_names() -> None:
    typed = {
        "webServiceInputs": {
            "Rows A": "trainingData",
            "rows a": "trainingData",
            "": "trainingData",
        },
        "webServiceInput": "trainingData",
        "webServiceOutputs": {"Model": "trainedModelBlob", "lost": "gone"},
    }
    factory = walk_through(training(typeProperties=typed), updating())
    job = factory.only().job
    assert (list(job.inputs), job.single_input, list(job.outputs)) == (
        ["Rows A", "rows a"],
        None,
        ["Model"],
    )
    assert factory.line("pipeline/walk", "webServiceInput").outcome is LEFT
    assert factory.line("pipeline/walk", "webServiceOutputs.lost").outcome is LEFT


def test_an_output_whose_folder_cannot_be_read_keeps_its_file() -> None:
    factory = walk_through()
    factory.all = [one for one in factory.all if one.name != "trainedModelBlob"]
    factory.blob("trainedModelBlob", "[parameters('folder')]", "new.ilearner")
    draft = factory.only()
    path = draft.job.outputs["output1"]
    assert (path.container, path.name) == ("[parameters('folder')]", "new.ilearner")
    assert [one.model for one in draft.updates] == [path]
    assert factory.line("dataset/trainedModelBlob", "folderPath").outcome is LEFT
    line = factory.line("dataset/trainedModelBlob", "availability.interval")
    assert (line.outcome, line.text) == (MAPPED, "walk: schedule.interval: 1")


def test_a_job_without_inputs_and_outputs() -> None:
    factory = walk_through(training(inputs=[], typeProperties={}), updating())
    draft = factory.only()
    assert (draft.job.inputs, draft.job.single_input, draft.job.outputs) == ({}, None, {})
    assert len(draft.updates) == 1
    assert factory.unknown() == []


def test_a_dataset_that_nothing_uses() -> None:
    factory = walk_through()
    factory.blob("other", "data", "x.csv", policy={"validation": {"minimumRows": 1}})
    factory.only()
    assert factory.line("dataset/other", "").outcome is LEFT
    assert factory.line("dataset/other", "policy.validation.minimumRows").kind == "policy"


def test_parameters_keep_their_types_and_lose_their_secrets() -> None:
    given = {
        "Trees": 100,
        "Rate": 0.5,
        "Shuffle": True,
        "Query": "SELECT '$x' FROM t",
        "Until": "$$Text.Format('{0:yyyy-MM-dd}', SliceEnd)",
        "Account key": "cGxhbnRlZA==",
        "Database user password": "**********",
        "User": "[user]",
        "Bad": "$$Text.Format('{0', SliceEnd)",
        "List": [1],
        "": "",
    }
    typed = {"globalParameters": given}
    factory = walk_through(training(typeProperties=typed), updating())
    assert factory.only().job.parameters == {
        "Trees": 100,
        "Rate": 0.5,
        "Shuffle": True,
        "Query": "SELECT '$$x' FROM t",
        "Until": "{end:yyyy-MM-dd}",
        "User": "[user]",
        "Account key": "${WALK_ACCOUNT_KEY}",
        "Database user password": "${WALK_DATABASE_USER_PASSWORD}",
    }
    assert "rotate" in factory.line("pipeline/walk", "globalParameters.Account key").to_do
    assert "still holds" in factory.line("pipeline/walk", "globalParameters.User").text
    for key in ("Bad", "List"):
        assert factory.line("pipeline/walk", f"globalParameters.{key}").outcome is LEFT
    assert "cGxhbnRlZA" not in factory.said()


def test_datasets_of_an_activity_that_is_not_carried_over_are_not_either() -> None:
    factory = walk_through(training(linkedServiceName="gone"), updating(linkedServiceName="gone"))
    assert factory.drafts() == []
    for name in ("trainingData", "trainedModelBlob", "placeholderBlob"):
        assert factory.line(f"dataset/{name}", "").outcome is LEFT
    waits = factory.line(DATA, "externalData.maximumRetry")
    assert (waits.kind, waits.outcome) == ("policy", LEFT)


def test_keys_that_nobody_knows_are_said_of_datasets_that_are_not_read() -> None:
    factory = walk_through()
    factory.all = [one for one in factory.all if one.name != "placeholderBlob"]
    factory.blob("placeholderBlob", "any", typed={"odd": 1}, more={"a": [2]})
    factory.only()
    assert factory.unknown() == ["properties.typeProperties.odd", "properties.more.a[0]"]
