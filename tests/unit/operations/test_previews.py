"""Previews of a pipeline: which blobs match, and which request would be sent."""

from datetime import timedelta
from typing import Any

import pytest

from local.azureml.switches import Switches
from shared.core.versions import version_id
from shared.errors import (
    NoSuchDataError,
)
from shared.ledger.versions import VersionEntry
from tests.fakes.azureml_runs import AzureMlRuns, azureml_pipeline
from tests.fakes.world import MODELS
from tests.unit.operations.pipeline_desk import HOUR, LISTED, SECOND, PipelineDesk


def test_the_result_of_each_blob_is_reported(caplog: pytest.LogCaptureFixture) -> None:
    desk = PipelineDesk(when_busy="queue", data={"blob": "{name}.csv", "min_size": 3})
    blobs = {name: desk.put(f"{name}.csv") for name in ("run", "old", "note", "odd", "waits")}
    desk.put("tiny.csv", b"a")
    desk.put("other.txt")
    for name, entry in {
        "run": {"run_id": "sample-1"},
        "old": {"run_id": None, "note": "older", "older_than_pipeline": True},
        "note": {"run_id": None},
    }.items():
        version = version_id(desk.world.pipeline.name, blobs[name])
        known = VersionEntry(pipeline="sample", blob=blobs[name], **entry)  # type: ignore[arg-type]
        desk.ledger.versions.add(version, known)
    desk.world.damage(f"versions/{version_id(desk.world.pipeline.name, blobs['odd'])}")
    desk.world.discover(blobs["waits"])
    desk.put("new.csv")
    assert desk.states() == {
        "run.csv": "run sample-1",
        "old.csv": "older",
        "note.csv": "no run",
        "odd.csv": "a record of it cannot be read",
        "waits.csv": "waiting",
        "tiny.csv": "too small",
        "new.csv": "new",
    }
    assert "is not understood" in caplog.text


def test_a_blob_from_before_the_pipeline_is_reported_as_such() -> None:
    desk = PipelineDesk()
    desk.put("a.csv")
    desk.world.clock.move(HOUR)
    other = desk.world.sibling(data={"blob": "{name}.csv"})
    app = desk.world.another(other)
    app.activations.refresh()
    desk.put("b.csv")
    preview = app.pipelines.preview("other", None)
    assert [(one.blob.name, one.state) for one in preview.matches] == [
        ("b.csv", "new"),
        ("a.csv", "older than the pipeline"),
    ]
    assert [one.tokens for one in preview.matches] == [{"name": "b"}, {"name": "a"}]


def test_the_newest_that_is_large_enough_or_the_one_that_is_named_is_previewed() -> None:
    desk = PipelineDesk(data={"blob": "{name}.csv", "min_size": 3})
    desk.put("a.csv")
    desk.world.clock.move(SECOND)
    for name in ("c.csv", "b.csv"):
        desk.put(name)
    desk.put("z.csv", b"a")
    preview = desk.pipelines.preview("sample", None)
    assert [one.blob.name for one in preview.matches] == ["z.csv", "c.csv", "b.csv", "a.csv"]
    assert preview.matching == 4
    assert "c.csv" in str(preview.request)
    assert "a.csv" in str(desk.pipelines.preview("sample", "a.csv").request)
    assert "z.csv" in str(desk.pipelines.preview("sample", "z.csv").request)
    with pytest.raises(NoSuchDataError, match=r"no blob 'x.csv' that matches \{name\}.csv"):
        desk.pipelines.preview("sample", "x.csv")


def test_at_most_fifty_blobs_are_shown_and_all_are_counted() -> None:
    desk = PipelineDesk()
    for number in range(51):
        desk.put(f"{number:02}.csv")
    preview = desk.pipelines.preview("sample", None)
    assert (len(preview.matches), preview.matching) == (50, 51)


def test_without_a_blob_there_is_nothing_to_request_and_that_is_noted() -> None:
    desk = PipelineDesk()
    preview = desk.pipelines.preview("sample", None)
    assert (preview.matches, preview.matching, preview.request) == ((), 0, None)
    assert preview.notes == ("no blob matches {name}.csv yet",)


def test_a_pipeline_without_data_has_a_request_all_the_same() -> None:
    desk = PipelineDesk()
    training = desk.world.pipeline.training.model_copy(update={"inputs": {}})
    desk.world.pipeline = desk.world.pipeline.model_copy(
        update={"data": None, "training": training}
    )
    desk.world.restart()
    desk.pipelines = desk.world.app.pipelines
    preview = desk.pipelines.preview("sample", None)
    assert (preview.notes, preview.matching) == ((), 0)
    assert preview.request is not None
    with pytest.raises(NoSuchDataError, match="nothing: the pipeline takes no data"):
        desk.pipelines.preview("sample", "a.csv")


def test_the_request_of_a_preview_names_where_all_will_be_and_sends_nothing() -> None:
    desk = PipelineDesk(training=LISTED)
    desk.put("a.csv")
    sent, writes = len(desk.world.http.sent), len(desk.world.faults.sites)
    request = str(desk.pipelines.preview("sample", None).request)
    assert f"{MODELS}/runs/sample/sample-" in request
    assert "/manifest.csv" in request
    assert "/1/model.ilearner" in request
    assert "/1/evaluation.csv" in request
    assert (len(desk.world.http.sent), len(desk.world.faults.sites)) == (sent, writes)


@pytest.mark.parametrize(
    ("training", "note"),
    [
        ({"compute": "none"}, "the job cannot be made: the workspace has no compute 'none'"),
        ({"datastore": "none"}, "the job cannot be made: the workspace has no datastore 'none'"),
        ({"inputs": {"x": "{data}"}}, "the job cannot be made: azureml:train_census:1 has no inp"),
    ],
)
def test_what_the_service_lacks_for_a_job_is_noted(training: dict[str, Any], note: str) -> None:
    world = AzureMlRuns()
    world.pipeline = azureml_pipeline({"training": training})
    world.restart()
    world.upload("a.csv")
    preview = world.app.pipelines.preview("sample", None)
    assert preview.request is None
    assert preview.matching == 1
    assert preview.notes[-1].startswith(note)
    assert not world.jobs


def test_a_service_that_gives_no_answer_now_is_noted() -> None:
    world = AzureMlRuns(switches=Switches(roles_late=timedelta(minutes=5)))
    world.upload("a.csv")
    preview = world.app.pipelines.preview("sample", None)
    assert preview.request is None
    assert preview.notes[-1].startswith("the request cannot be shown now: ")
    assert "give the app's identity the role AzureML Data Scientist" in preview.notes[-1]


def test_data_that_can_name_no_endpoint_is_noted() -> None:
    desk = PipelineDesk(data={"blob": "{customer}-{name}.csv"}, key="customer", endpoints=[])
    one = desk.world.sibling(name="x").endpoints[0]
    update = one.address.rpartition("/")[0] + "/{customer}"
    endpoints = (one.model_copy(update={"update": update}),)
    desk.world.pipeline = desk.world.pipeline.model_copy(update={"endpoints": endpoints})
    desk.world.restart()
    desk.pipelines = desk.world.app.pipelines
    desk.put("A_B-1.csv")
    preview = desk.pipelines.preview("sample", None)
    assert preview.notes[0].startswith("the run would be rejected: ")
    assert preview.request is not None


BATCHED = {"blob": "{name}.csv", "settle": "2m"}


@pytest.mark.parametrize(
    ("pipeline", "training", "notes"),
    [
        ({"when_busy": "queue"}, {}, []),
        ({"when_busy": "newest", "data": BATCHED}, {}, ["settle with", "when_busy: newest"]),
        ({"when_busy": "newest", "data": BATCHED}, LISTED, []),
        ({"when_busy": "newest"}, {}, ["when_busy: newest"]),
        ({"data": {"blob": "{name}.csv", "opens_runs": False}}, {}, ["opens_runs: false"]),
        ({"schedule": "0 0 3 * * *"}, LISTED, ["schedule with {data.manifest}"]),
    ],
)
def test_what_a_configuration_means_for_data_is_noted(
    pipeline: dict[str, Any], training: dict[str, Any], notes: list[str]
) -> None:
    desk = PipelineDesk(training, **pipeline)
    desk.put("a.csv")
    found = desk.pipelines.preview("sample", None).notes
    assert len(found) == len(notes)
    assert all(one.startswith(start) for one, start in zip(found, notes, strict=True))
