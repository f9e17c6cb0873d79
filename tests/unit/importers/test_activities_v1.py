"""Pipelines of version 1: the import of jobs, updates, and all other activities."""

from collections.abc import Callable
from typing import Any

import pytest

from shared.importers.data_factory.account import ImportOutcome
from shared.importers.data_factory.drafts import Draft
from tests.unit.importers.factory import JOBS, UPDATE, WEB_SERVICE
from tests.unit.importers.version_1 import MODEL, VersionOne, training, updating, walk_through

LEFT = ImportOutcome.NOT_CARRIED_OVER


def scoring(**changes: Any) -> dict[str, Any]:
    typed = {"webServiceInput": "rows", "webServiceOutputs": {"output1": "scores"}}
    made = {
        "name": "score",
        "inputs": [{"name": "rows"}],
        "outputs": [{"name": "scores"}],
        "typeProperties": typed,
        "linkedServiceName": "scoring",
    }
    return training(**{**made, **changes})


def with_scores(*activities: Any) -> VersionOne:
    found = walk_through(*activities)
    found.blob("rows", "data/rows", "rows.csv")
    found.blob("scores", "data/scored", "scored.csv")
    return found


@pytest.mark.parametrize(
    ("update", "kind"), [(UPDATE, "classic"), (WEB_SERVICE, "webservice")], ids=["classic", "arm"]
)
def test_the_documented_walk_through(update: str, kind: str) -> None:
    factory = walk_through(update=update)
    draft = factory.only()
    assert draft.name == "walk"
    assert draft.job.single_input is not None
    assert (draft.job.single_input.container, draft.job.single_input.name) == (
        "labeledexamples",
        "labeledexamples.arff",
    )
    assert {port: path.name for port, path in draft.job.outputs.items()} == {
        "output1": "model.ilearner"
    }
    assert (draft.job.attempts, draft.job.timeout, draft.job.service.jobs_url) == (2, "2h", JOBS)
    assert draft.timing.schedule == {
        "frequency": "Week",
        "interval": 1,
        "start": "2016-02-13T00:00:00Z",
        "end": "2016-02-14T00:00:00Z",
    }
    assert draft.timing.wait_for_data == {"every": "1m", "at_most": "33m"}
    assert (draft.timing.when_busy, draft.timing.order) == ("queue", "newest_first")
    (target,) = draft.updates
    assert (target.service.endpoint_kind, target.resource) == (kind, MODEL)
    assert target.model == draft.job.outputs["output1"]
    assert factory.unknown() == []
    assert not [one for one in factory.lines() if one.outcome is LEFT]
    assert "planted" not in factory.said()


def test_several_updates_after_one_training() -> None:
    factory = walk_through(training(), updating(), updating("second", linkedServiceName="other"))
    other = UPDATE.replace("endpoint2", "endpoint3")
    factory.service("other", mlEndpoint=JOBS, apiKey="k", updateResourceEndpoint=other)
    targets = [one.service.update_url for one in factory.only().updates]
    assert targets == [UPDATE, other]


def test_an_update_in_another_pipeline_is_joined_by_the_dataset() -> None:
    factory = walk_through(training())
    typed = {"trainedModelName": MODEL, "trainedModelDatasetName": "TRAINEDMODELBLOB "}
    factory.pipeline("apart", updating(typeProperties=typed), start="2016-02-01T00:00:00Z")
    assert [one.name for one in factory.only().updates] == ["update"]
    assert "endpoints of walk" in factory.line("pipeline/apart", "").text
    start = factory.line("pipeline/apart", "properties.start")
    assert (start.outcome, start.to_do) == (
        ImportOutcome.APPROXIMATED,
        "see whether the endpoint needs this difference",
    )
    assert factory.line("pipeline/apart", "properties.end").outcome is ImportOutcome.MAPPED
    reference = factory.line("pipeline/apart", "trainedModelDatasetName")
    assert "`trainedModelBlob`" in reference.text


def test_an_update_is_joined_by_the_blob_where_two_datasets_name_it() -> None:
    typed = {"trainedModelName": MODEL, "trainedModelDatasetName": "same"}
    factory = walk_through(training(), updating(typeProperties=typed, inputs=[{"name": "same"}]))
    factory.blob("same", "trainingoutput/", "model.ilearner")
    assert len(factory.only().updates) == 1
    line = factory.line("pipeline/walk", "activities[1]")
    assert (line.outcome, "joined by the blob" in line.text) == (ImportOutcome.APPROXIMATED, True)


def no_endpoint(url: str | None) -> VersionOne:
    factory = walk_through(training(), updating(linkedServiceName="other"))
    more = {} if url is None else {"updateResourceEndpoint": url}
    jobs = JOBS.replace("b" * 32, "e" * 32)
    factory.service("other", mlEndpoint=jobs, apiKey="key", **more)
    return factory


BAD_UPDATES: dict[str, tuple[Callable[[], VersionOne], str]] = {
    "a URL that is none": (lambda: no_endpoint("https://[broken/endpoints"), "cannot be used"),
    "the default endpoint": (
        lambda: no_endpoint(UPDATE.replace("endpoint2", "default")),
        "default endpoint",
    ),
    "no update URL": (lambda: no_endpoint(None), "has no updateResourceEndpoint"),
    "the training service": (
        lambda: walk_through(training(), updating(linkedServiceName="training")),
        "points at the training service",
    ),
    "no such linked service": (
        lambda: walk_through(training(), updating(linkedServiceName="gone")),
        "linked service `gone` is not among the files",
    ),
    "another type of linked service": (
        lambda: walk_through(training(), updating(linkedServiceName="storage")),
        "is of type AzureStorage",
    ),
    "no dataset of the model": (
        lambda: walk_through(
            training(),
            updating(typeProperties={"trainedModelName": "m", "trainedModelDatasetName": "gone"}),
        ),
        "dataset `gone` of the model is missing",
    ),
    "nothing below typeProperties": (
        lambda: walk_through(training(), updating(typeProperties={})),
        "trainedModelName and trainedModelDatasetName missing",
    ),
}


@pytest.mark.parametrize("named", BAD_UPDATES)
def test_an_update_without_an_endpoint_is_said(named: str) -> None:
    make, text = BAD_UPDATES[named]
    factory = make()
    assert factory.only().updates == ()
    line = factory.line("pipeline/walk", "properties.activities[1]")
    assert (line.outcome, bool(line.to_do)) == (LEFT, True)
    assert text in line.text
    is_named = named not in ("no dataset of the model", "nothing below typeProperties")
    why = "update `update`, which waits for its model" if is_named else "no endpoints: no update"
    assert why in factory.line("pipeline/walk", "activities[0]").text


def test_an_update_without_a_training() -> None:
    factory = walk_through(updating())
    assert factory.drafts() == []
    line = factory.line("pipeline/walk", "activities[0]")
    assert (line.outcome, "promote/" in line.to_do) == (LEFT, True)
    assert factory.line("pipeline/walk", "").outcome is LEFT


def test_an_update_whose_training_is_not_carried_over() -> None:
    factory = walk_through(training(linkedServiceName="gone"), updating())
    assert factory.drafts() == []
    line = factory.line("pipeline/walk", "activities[1]")
    assert (line.outcome, "activity `retraining`" in line.text) == (LEFT, True)


def test_a_scoring_becomes_a_pipeline_without_endpoints() -> None:
    factory = with_scores(scoring())
    draft = factory.only()
    assert draft.updates == ()
    line = factory.line("pipeline/walk", "activities[0]")
    assert (line.outcome, "has no endpoints" in line.text) == (ImportOutcome.APPROXIMATED, True)


def test_a_batch_scoring_takes_its_input_from_its_datasets() -> None:
    typed = {"webServiceParameters": {"Threshold": "0.5"}}
    factory = with_scores(scoring(type="AzureMLBatchScoring", typeProperties=typed))
    job = factory.only().job
    assert job.single_input is not None
    assert (job.single_input.name, job.outputs) == ("rows/rows.csv", {})
    assert job.parameters == {"Threshold": "0.5"}


def test_a_batch_scoring_of_a_table_reads_it_by_itself() -> None:
    changes = {"inputs": [{"name": "table"}], "typeProperties": {}}
    factory = with_scores(scoring(type="AzureMLBatchScoring", **changes))
    factory.add("dataset", "table", type="AzureSqlTable", typeProperties={"tableName": "Sold"})
    job = factory.only().job
    assert (job.single_input, job.inputs) == (None, {})
    assert "only waits for it" in factory.line("dataset/table", "").text


def test_two_jobs_of_a_pipeline_become_two_pipelines_and_feed_each_other_no_more() -> None:
    chained = scoring(inputs=[{"name": "rows"}, {"name": "placeholderBlob"}])
    factory = with_scores(
        training(outputs=[{"name": "rows"}, {"name": "trainedModelBlob"}]), chained, updating()
    )
    first, second = factory.drafts()
    assert (first.name, second.name) == ("walk-retraining", "walk-score")
    paused = [
        isinstance(one.timing.schedule, dict) and "paused" in one.timing.schedule
        for one in (first, second)
    ]
    assert paused == [False, True]
    made = factory.line("pipeline/walk", "activities[1]")
    assert "walk-retraining makes input `rows`" in made.text
    fed = factory.line("pipeline/walk", "activities[1].inputs[0]")
    assert (fed.outcome, "walk-retraining" in fed.to_do) == (LEFT, True)
    waits = factory.line("pipeline/walk", "activities[1].inputs[1]")
    assert (waits.outcome, "activity `update`" in waits.text) == (LEFT, True)


def test_a_url_that_is_a_placeholder_keeps_its_pipeline() -> None:
    factory = walk_through(training(linkedServiceName="open"), updating())
    factory.service("open", mlEndpoint="<Specify the batch URL>", apiKey="<key>")
    draft = factory.only()
    assert draft.job.service.jobs_url.endswith("/jobs?api-version=2.0")
    assert draft.timing.is_held
    assert factory.line("linkedService/open", "mlEndpoint").outcome is ImportOutcome.APPROXIMATED
    said = factory.line("pipeline/walk", "activities[0]")
    assert "an example stands in place of the URL" in said.text
    assert "remove schedule.paused" in said.to_do


def test_names_of_pipelines_are_unique_and_short() -> None:
    factory = walk_through(training())
    long = "Retraining of the model for customers (weekly)"
    for name in (long, f"{long}!"):
        factory.pipeline(name, training())
    names = [one.name for one in factory.drafts()]
    assert names == [
        "walk",
        "retraining-of-the-model-for-customers-we",
        "retraining-of-the-model-for-customers-2",
    ]


def test_other_activities_are_said_with_their_policies() -> None:
    copy = {"name": "copy", "type": "Copy", "policy": {"retry": 2}, "typeProperties": {"a": 1}}
    factory = walk_through(training(), updating(), copy)
    assert isinstance(factory.only(), Draft)
    line = factory.line("pipeline/walk", "activities[2]")
    assert (line.outcome, "data.blob" in line.to_do) == (LEFT, True)
    assert factory.line("pipeline/walk", "activities[2].policy.retry").kind == "policy"


@pytest.mark.parametrize("activities", [[], [{"name": "copy", "type": "Copy"}], [{}]])
def test_a_pipeline_without_machine_learning(activities: list[Any]) -> None:
    factory = VersionOne()
    factory.pipeline("other", *activities, description="moves data")
    assert factory.drafts() == []
    assert factory.line("pipeline/other", "").outcome is LEFT


def test_keys_that_nobody_knows_are_said() -> None:
    factory = walk_through(training(state="new"), updating(), surprise={"a": [1]})
    factory.only()
    assert factory.unknown() == [
        "properties.activities[0].state",
        "properties.surprise.a[0]",
    ]
