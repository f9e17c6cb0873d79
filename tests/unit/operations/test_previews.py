"""Previews of a pipeline: which blobs match, and which request would be sent."""

from typing import Any

import pytest

from shared.core.versions import version_id
from shared.errors import (
    NoSuchDataError,
)
from shared.ledger.versions import VersionEntry
from tests.fakes.world import MODELS
from tests.unit.operations.pipeline_desk import HOUR, LISTED, SECOND, PipelineDesk


def test_what_became_of_each_blob_is_told(caplog: pytest.LogCaptureFixture) -> None:
    hand = PipelineDesk(when_busy="queue", data={"blob": "{name}.csv", "min_size": 3})
    blobs = {name: hand.put(f"{name}.csv") for name in ("run", "old", "note", "odd", "waits")}
    hand.put("tiny.csv", b"a")
    hand.put("other.txt")
    for name, entry in {
        "run": {"run_id": "sample-1"},
        "old": {"run_id": None, "note": "older", "older_than_pipeline": True},
        "note": {"run_id": None},
    }.items():
        version = version_id(hand.world.pipeline.name, blobs[name])
        known = VersionEntry(pipeline="sample", blob=blobs[name], **entry)  # type: ignore[arg-type]
        hand.ledger.versions.add(version, known)
    hand.world.damage(f"versions/{version_id(hand.world.pipeline.name, blobs['odd'])}")
    hand.world.discover(blobs["waits"])
    hand.put("new.csv")
    assert hand.states() == {
        "run.csv": "run sample-1",
        "old.csv": "older",
        "note.csv": "no run",
        "odd.csv": "a record of it cannot be read",
        "waits.csv": "waiting",
        "tiny.csv": "too small",
        "new.csv": "new",
    }
    assert "is not understood" in caplog.text


def test_a_blob_from_before_the_pipeline_is_told_as_such() -> None:
    hand = PipelineDesk()
    hand.put("a.csv")
    hand.world.clock.move(HOUR)
    other = hand.world.sibling(data={"blob": "{name}.csv"})
    app = hand.world.another(other)
    app.activations.refresh()
    hand.put("b.csv")
    preview = app.pipelines.preview("other", None)
    assert [(one.blob.name, one.state) for one in preview.matches] == [
        ("b.csv", "new"),
        ("a.csv", "older than the pipeline"),
    ]
    assert [one.tokens for one in preview.matches] == [{"name": "b"}, {"name": "a"}]


def test_the_newest_that_is_large_enough_or_the_one_that_is_named_is_previewed() -> None:
    hand = PipelineDesk(data={"blob": "{name}.csv", "min_size": 3})
    hand.put("a.csv")
    hand.world.clock.move(SECOND)
    for name in ("c.csv", "b.csv"):
        hand.put(name)
    hand.put("z.csv", b"a")
    preview = hand.hand.preview("sample", None)
    assert [one.blob.name for one in preview.matches] == ["z.csv", "c.csv", "b.csv", "a.csv"]
    assert preview.matching == 4
    assert "c.csv" in str(preview.request)
    assert "a.csv" in str(hand.hand.preview("sample", "a.csv").request)
    assert "z.csv" in str(hand.hand.preview("sample", "z.csv").request)
    with pytest.raises(NoSuchDataError, match=r"no blob 'x.csv' that matches \{name\}.csv"):
        hand.hand.preview("sample", "x.csv")


def test_at_most_fifty_blobs_are_shown_and_all_are_counted() -> None:
    hand = PipelineDesk()
    for number in range(51):
        hand.put(f"{number:02}.csv")
    preview = hand.hand.preview("sample", None)
    assert (len(preview.matches), preview.matching) == (50, 51)


def test_without_a_blob_there_is_nothing_to_request_and_that_is_noted() -> None:
    hand = PipelineDesk()
    preview = hand.hand.preview("sample", None)
    assert (preview.matches, preview.matching, preview.request) == ((), 0, None)
    assert preview.notes == ("no blob matches {name}.csv yet",)


def test_a_pipeline_without_data_has_a_request_all_the_same() -> None:
    hand = PipelineDesk()
    training = hand.world.pipeline.training.model_copy(update={"inputs": {}})
    hand.world.pipeline = hand.world.pipeline.model_copy(
        update={"data": None, "training": training}
    )
    hand.world.restart()
    hand.hand = hand.world.app.pipelines
    preview = hand.hand.preview("sample", None)
    assert (preview.notes, preview.matching) == ((), 0)
    assert preview.request is not None
    with pytest.raises(NoSuchDataError, match="nothing: the pipeline takes no data"):
        hand.hand.preview("sample", "a.csv")


def test_the_request_of_a_preview_names_where_all_will_be_and_sends_nothing() -> None:
    hand = PipelineDesk(training=LISTED)
    hand.put("a.csv")
    sent, writes = len(hand.world.http.sent), len(hand.world.faults.sites)
    request = str(hand.hand.preview("sample", None).request)
    assert f"{MODELS}/runs/sample/sample-" in request
    assert "/manifest.csv" in request
    assert "/1/model.ilearner" in request
    assert "/1/evaluation.csv" in request
    assert (len(hand.world.http.sent), len(hand.world.faults.sites)) == (sent, writes)


def test_data_that_can_name_no_endpoint_is_noted() -> None:
    hand = PipelineDesk(data={"blob": "{customer}-{name}.csv"}, key="customer", endpoints=[])
    one = hand.world.sibling(name="x").endpoints[0]
    update = one.update.rpartition("/")[0] + "/{customer}"
    endpoints = (one.model_copy(update={"update": update}),)
    hand.world.pipeline = hand.world.pipeline.model_copy(update={"endpoints": endpoints})
    hand.world.restart()
    hand.hand = hand.world.app.pipelines
    hand.put("A_B-1.csv")
    preview = hand.hand.preview("sample", None)
    assert preview.notes[0].startswith("the run would be rejected: ")
    assert preview.request is not None


SETTLES = {"blob": "{name}.csv", "settle": "2m"}


@pytest.mark.parametrize(
    ("pipeline", "training", "notes"),
    [
        ({"when_busy": "queue"}, {}, []),
        ({"when_busy": "newest", "data": SETTLES}, {}, ["settle with", "when_busy: newest"]),
        ({"when_busy": "newest", "data": SETTLES}, LISTED, []),
        ({"when_busy": "newest"}, {}, ["when_busy: newest"]),
        ({"data": {"blob": "{name}.csv", "opens_runs": False}}, {}, ["opens_runs: false"]),
    ],
)
def test_what_a_configuration_means_for_data_is_noted(
    pipeline: dict[str, Any], training: dict[str, Any], notes: list[str]
) -> None:
    hand = PipelineDesk(training, **pipeline)
    hand.put("a.csv")
    found = hand.hand.preview("sample", None).notes
    assert len(found) == len(notes)
    assert all(one.startswith(start) for one, start in zip(found, notes, strict=True))
