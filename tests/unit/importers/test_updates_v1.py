"""Updates of version 1: the training that they belong to, and the name of their endpoint."""

import pytest

from shared.importers.data_factory.account import ImportOutcome
from tests.unit.importers.version_1 import MODEL, training, updating, walk_through

LEFT = ImportOutcome.NOT_CARRIED_OVER


@pytest.mark.parametrize(
    ("period", "said"),
    [
        ({"isPaused": True}, "its pipeline is paused"),
        ({"start": None, "end": None}, "has no active period"),
        ({"start": "<when>"}, "has no active period"),
        ({"start": "2016-02-14", "end": "2016-02-15"}, "only active after that of the training"),
        ({"start": "2016-02-12", "end": "2016-02-13"}, "only active before that of the training"),
        ({"start": "2016-02-01", "end": "2016-02-14"}, ""),
        ({"start": "2016-02-13T12:00:00Z", "end": "9999-09-09"}, ""),
    ],
)
def test_an_update_that_never_runs_with_its_training_is_not_made(
    period: dict[str, object], said: str
) -> None:
    factory = walk_through(training())
    factory.pipeline("apart", updating(), **period)
    assert len(factory.only().updates) == (0 if said else 1)
    line = factory.line("pipeline/apart", "properties.activities[0]")
    assert (line.outcome is LEFT, said in line.text) == (bool(said), True)
    of_training = factory.line("pipeline/walk", "activities[0]").text
    assert ("update `update`, which waits for its model" in of_training) is bool(said)


@pytest.mark.parametrize(
    ("start", "end", "left", "said"),
    [
        ("2027-03-01", "2027-06-01", True, "only active from 2027-03-01T00:00:00Z on"),
        ("2026-11-01", "2026-11-20", True, "only active until 2026-11-20T00:00:00Z"),
        ("2026-11-01", "2026-12-30", False, "after 2026-12-30T00:00:00Z too"),
        ("2026-11-10", "2027-06-01", False, ""),
        ("2026-11-01", "9999-09-09", False, ""),
    ],
)
def test_no_model_is_promoted_outside_of_the_period_of_its_update(
    start: str, end: str, *, left: bool, said: str
) -> None:
    factory = walk_through(training(), start="2026-11-01", end="2027-06-01")
    factory.pipeline("apart", updating(), start=start, end=end)
    assert len(factory.only().updates) == (0 if left else 1)
    line = factory.line("pipeline/apart", "properties.activities[0]")
    assert (line.outcome is LEFT, said in line.text, line.asks) == (left, True, bool(said))


def test_a_backfill_promotes_no_model_of_before_the_period_of_its_update() -> None:
    for backfill in (False, True):
        factory = walk_through(training(), backfill=backfill, start="2026-11-01", end="2027-06-01")
        factory.pipeline("apart", updating(), start="2026-11-10", end="2027-06-01")
        assert len(factory.only().updates) == (0 if backfill else 1)


@pytest.mark.parametrize(
    ("name", "made", "said"),
    [
        (MODEL, MODEL, ""),
        ("$$Text.Format('Churn [trained model]')", "Churn [trained model]", ""),
        ("$$Text.Format('{0:yyyy}', SliceStart)", None, "changes from window to window"),
        ("$$Unknown", None, "`$$Unknown`: it uses a name"),
        ("[parameters('model')]", None, "`[parameters('model')]` is not filled in"),
        ("<your model>", None, "`<your model>` is not filled in"),
    ],
)
def test_the_name_of_a_model_that_is_an_expression(name: str, made: str | None, said: str) -> None:
    typed = {"trainedModelName": name, "trainedModelDatasetName": "trainedModelBlob"}
    factory = walk_through(training(), updating(typeProperties=typed))
    assert [one.resource for one in factory.only().updates] == ([made] if made else [])
    line = factory.line("pipeline/walk", "activities[1]")
    assert (line.outcome is LEFT, said in line.text) == (bool(said), True)


def test_an_update_that_waits_for_more_than_its_model_says_what_decides_here() -> None:
    checks = {"name": "evaluate", "type": "Custom", "outputs": [{"name": "passed"}]}
    inputs = [{"name": "trainedModelBlob"}, {"name": "passed"}]
    factory = walk_through(training(), checks, updating(inputs=inputs))
    factory.blob("passed", "any", "passed.txt")
    assert len(factory.only().updates) == 1
    waits = factory.line("pipeline/walk", "activities[2].inputs[1]")
    assert (waits.outcome, "activity `evaluate`" in waits.text) == (LEFT, True)
    assert "gate.approval: required" in waits.to_do
    line = factory.line("pipeline/walk", "activities[2]")
    assert line.outcome is ImportOutcome.APPROXIMATED
    assert "does not wait for dataset `passed`" in line.text


@pytest.mark.parametrize(
    "other", [training(name="other"), training(name="other", type="Copy", typeProperties={})]
)
def test_an_update_whose_model_two_activities_write_is_not_made(other: dict[str, object]) -> None:
    factory = walk_through(training(), other, updating())
    assert not any(draft.updates for draft in factory.drafts())
    said = factory.line("pipeline/walk", "activities[2]")
    assert said.outcome is LEFT
    assert "`retraining` and `other` write dataset" in said.text
    assert "add the endpoint" in said.to_do
    assert "update `update`" in factory.line("pipeline/walk", "activities[0]").text


def test_an_update_whose_blob_two_trainings_write_is_not_made() -> None:
    jobs = [
        training(
            name=name,
            outputs=[{"name": name}],
            typeProperties={"webServiceOutputs": {"output1": name}},
        )
        for name in ("one", "two")
    ]
    factory = walk_through(*jobs, updating())
    for name in ("one", "two"):
        factory.blob(name, "trainingoutput", "model.ilearner")
    assert not any(draft.updates for draft in factory.drafts())
    assert "`one` and `two` write" in factory.line("pipeline/walk", "activities[2]").text


def test_an_update_whose_blob_is_also_that_of_another_dataset_is_not_made() -> None:
    typed = {"webServiceOutputs": {"output1": "again"}}
    other = training("other", outputs=[{"name": "again"}], typeProperties=typed)
    factory = walk_through(training(), other, updating())
    factory.blob("again", "trainingoutput", "model.ilearner")
    assert not any(draft.updates for draft in factory.drafts())
    said = factory.line("pipeline/walk", "activities[2]")
    assert (said.outcome, "`retraining` and `other` write" in said.text) == (LEFT, True)


@pytest.mark.parametrize(
    ("start", "end", "left"),
    [
        ("Date.AddDays(SliceStart, -7)", "Date.AddDays(SliceEnd, -7)", True),
        ("SliceStart", "Date.AddDays(SliceEnd, 7)", True),
        ("<when>", "SliceEnd", True),
        ("SliceStart", "SliceEnd", False),
        ("WindowStart", "WindowEnd", False),
    ],
)
def test_an_update_with_the_model_of_another_slice_is_not_made(
    start: str, end: str, *, left: bool
) -> None:
    inputs = [{"name": "trainedModelBlob", "startTime": start, "endTime": end}]
    factory = walk_through(training(), updating(inputs=inputs))
    assert len(factory.only().updates) == (0 if left else 1)
    line = factory.line("pipeline/walk", "activities[1]")
    assert (line.outcome is LEFT, "other times than its own window" in line.text) == (left, left)
    assert ("promote/" in line.to_do) is left
    assert factory.unknown() == []
    lines = factory.account.lines.values()
    assert not [one for one in lines if one.at.endswith(("startTime", "endTime"))]


def test_an_update_with_another_slice_of_a_model_joined_by_its_blob_is_not_made() -> None:
    typed = {"trainedModelName": MODEL, "trainedModelDatasetName": "same"}
    inputs = [{"name": "same", "startTime": "Date.AddDays(SliceStart, -7)"}]
    factory = walk_through(training(), updating(inputs=inputs, typeProperties=typed))
    factory.blob("same", "trainingoutput", "model.ilearner")
    assert factory.only().updates == ()
    line = factory.line("pipeline/walk", "activities[1]")
    assert "other times than its own window" in line.text


def test_what_another_pipeline_writes_to_that_blob_leaves_the_chain_of_a_dataset_as_it_is() -> None:
    typed = {"webServiceOutputs": {"output1": "again"}}
    factory = walk_through(training(), updating())
    factory.blob("again", "trainingoutput", "model.ilearner")
    other = training("other", outputs=[{"name": "again"}], typeProperties=typed)
    factory.pipeline("copy", other)
    updates = {draft.job.name: len(draft.updates) for draft in factory.drafts()}
    assert updates == {"retraining": 1, "other": 0}


def test_for_an_activity_that_waits_for_a_model_the_rules_of_the_gate_are_advised() -> None:
    factory = walk_through(
        training(), {"name": "evaluate", "type": "Custom", "inputs": [{"name": "trainedModelBlob"}]}
    )
    assert len(factory.drafts()) == 1
    said = factory.line("pipeline/walk", "activities[1]")
    assert (said.outcome, "gate.rules" in said.to_do) == (LEFT, True)


def test_an_update_follows_all_outputs_of_its_training() -> None:
    datasets = [{"name": "trainedModelBlob"}, {"name": "scores"}]
    factory = walk_through(training(outputs=datasets), updating(inputs=datasets))
    factory.blob("scores", "any", "scores.csv")
    assert len(factory.only().updates) == 1
    assert factory.line("pipeline/walk", "activities[1]").outcome is ImportOutcome.MAPPED
