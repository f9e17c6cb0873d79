"""The record of a new run, and data that can never be trained on."""

from datetime import timedelta
from typing import Any

import pytest

from shared.core.blobs import BlobVersion
from shared.core.config.pipeline import Pipeline
from shared.core.config.studio_types import model_of
from shared.core.names import manifest_path
from shared.core.run.concurrency import Pause, Pauses
from shared.core.run.data_version import captured
from shared.core.run.record import Origin, Phase, Run
from shared.core.versions import newest_of
from shared.errors import ConflictError
from shared.execution.run_factory import Opening, RunFactory, ambiguous
from tests.fakes.world import MODELS
from tests.unit.samples import NOW, blob
from tests.unit.worlds import Observed

SECOND = timedelta(seconds=1)


class Open:
    """A world, and the opening of runs of its pipeline."""

    def __init__(self, training: dict[str, Any] | None = None, **pipeline: Any) -> None:
        self.world = Observed(config={"pipeline": pipeline, "training": training or {}})
        self.ledger = self.world.context.ledger
        self.run_factory: RunFactory = self.world.app.factory

    def new(self, *names: str, origin: Origin = Origin.DATA, **changes: Any) -> Run:
        blobs = [blob(name, modified=NOW - at * SECOND, **changes) for at, name in enumerate(names)]
        return self.of(self.world.pipeline, *blobs, origin=origin)

    def of(self, pipeline: Pipeline, *blobs: BlobVersion, origin: Origin = Origin.DATA) -> Run:
        newest = newest_of(blobs)
        tokens = (captured(pipeline, newest.name) if newest else None) or {}
        opening = Opening("sample-1", origin, "because", blobs, tokens)
        return self.run_factory.training(opening, pipeline)

    def pause(self) -> None:
        paused = Pauses(pause=Pause(by="ada", at=NOW))
        self.ledger.pauses.put("sample", paused, None)


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("a b+é.csv", ""),
        ("a#b.csv", "#"),
        ("a?b%c#d.csv", "# % ?"),
        ("a\\b.csv", "\\"),
        ("a\tb.csv", "control characters"),
        ("a\x1fb.csv", "control characters"),
        ("a\nb#.csv", "#"),
        ("", ""),
    ],
)
def test_what_a_service_would_misread_in_a_name_is_reported(name: str, shown: str) -> None:
    assert ambiguous(name) == shown


def test_a_run_begins_as_what_its_data_and_pipeline_say() -> None:
    there = Open(data={"blob": "{customer}-{name}.csv"})
    run = there.new("acme-2.csv", "ada-1.csv")
    assert (run.run_id, run.pipeline, run.origin, run.cause) == (
        "sample-1",
        "sample",
        Origin.DATA,
        "because",
    )
    assert run.config == there.world.pipeline.chosen_by(run.tokens)
    assert run.tokens == {"customer": "acme", "name": "2"}  # of the newest
    assert [one.name for one in run.manifest] == ["acme-2.csv", "ada-1.csv"]
    assert (run.phase, run.model, run.listed_at) == (Phase.RECEIVED, None, "")
    assert run.opened_at == there.world.clock.now()
    assert there.of(there.world.pipeline, origin=Origin.MANUAL).tokens == {}


def test_an_operators_model_is_trained_already() -> None:
    there = Open()
    run = there.new("promote/sample/m.ilearner", origin=Origin.MODEL, container=MODELS)
    assert run.phase is Phase.TRAINED
    assert run.model == model_of(run.manifest[0])
    assert there.new("a.csv").model is None


def test_where_a_job_wants_a_list_of_the_data_the_run_says_where_it_lies() -> None:
    there = Open(training={"inputs": {"input1": "{data.manifest}"}})
    assert there.new("a.csv").listed_at == f"{MODELS}/{manifest_path('sample', 'sample-1')}"


@pytest.mark.parametrize(
    ("busy", "paused", "phase"),
    [
        ("parallel", False, Phase.RECEIVED),
        ("parallel", True, Phase.WAITING),
        ("queue", False, Phase.WAITING),
    ],
)
def test_a_run_waits_where_there_is_something_to_wait_for(
    busy: str, phase: Phase, *, paused: bool
) -> None:
    there = Open(when_busy=busy)
    if paused:
        there.pause()
    assert there.new("a.csv").phase is phase


def test_what_is_taken_from_the_inbox_waits_for_a_slot() -> None:
    there = Open()
    pipeline = there.world.pipeline
    opening = Opening("sample-1", Origin.DATA, "2 blobs arrived", (blob("a.csv"),))
    run = there.run_factory.training(opening, pipeline, Phase.WAITING)
    assert (run.phase, run.origin, run.cause) == (Phase.WAITING, Origin.DATA, "2 blobs arrived")
    (entry,) = run.history
    assert (entry.at, entry.phase, entry.note) == (run.opened_at, Phase.WAITING, run.cause)


def test_a_name_that_would_be_misread_ends_its_run_before_it_begins() -> None:
    there = Open()
    run = there.world.app.driver.begin(there.new("a#b.csv"))
    assert run.phase is Phase.REJECTED
    assert run.reason == "the name of 'a#b.csv' holds #, which the service would misread"
    assert run.advice == "upload the data under another name"
    assert run.opened_at == there.world.clock.now()
    assert there.world.now_of(run) == run
    assert there.world.http.sent == []


def test_data_that_can_name_no_endpoint_ends_its_run_with_the_reason() -> None:
    there = Open(data={"blob": "{customer}-{name}.csv"}, key="customer", endpoints=[])
    one = there.world.sibling(name="x").endpoints[0]
    update = one.address.rpartition("/")[0] + "/{customer}"
    keyed = there.world.pipeline.model_copy(
        update={"endpoints": (one.model_copy(update={"update": update}),)}
    )
    ended = there.of(keyed, blob("A_B-1.csv"))
    assert ended.phase is Phase.REJECTED
    assert str(ended.reason).startswith("no endpoint can be chosen for 'A_B-1.csv': ")
    assert ended.advice == "correct the path of the data, or the endpoint's URL"


def test_a_run_that_another_worker_stored_is_the_one_that_counts(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    there = Open()
    driver, run = there.world.app.driver, there.new("a.csv")
    assert driver.begin(run) == there.world.now_of(run)
    other = run.model_copy(update={"cause": "another"})
    assert driver.begin(other).cause == "because"

    def late(_: Run) -> None:
        raise ConflictError("runs")

    monkeypatch.setattr(there.ledger.runs, "create", late)
    gone = run.model_copy(update={"run_id": "sample-9"})
    assert driver.begin(gone).run_id == "sample-9"


def test_only_names_of_the_pipelines_data_capture_anything() -> None:
    there = Open()
    assert captured(there.world.pipeline, "a.csv") == {"name": "a"}
    assert captured(there.world.pipeline, "a.txt") is None
    without = there.world.pipeline.model_copy(update={"data": None})
    assert captured(without, "a.csv") is None
