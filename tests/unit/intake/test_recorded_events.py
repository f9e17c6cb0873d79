"""Each event, announced run and model has its result."""

import pytest

from shared.core.config.studio_types import model_of
from shared.core.names import run_id
from shared.core.run.concurrency import Pauses
from shared.core.run.record import Origin, Phase, Run
from shared.errors import PipelineConfigError, TransientError
from shared.intake.batch import marker_of_batch
from shared.ledger.open_markers import BatchToOpen
from tests.fakes.world import DATA, MODELS
from tests.unit.intake.arrivals import HOUR, MINUTE, SECOND, Arrival

MANUAL_MODEL = "promote/sample/m.ilearner"


@pytest.fixture
def arrival() -> Arrival:
    return Arrival()


# Events


def test_an_event_must_not_fail_once_its_version_is_recorded(
    arrival: Arrival, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fails(*_: object, **__: object) -> None:
        raise TransientError("busy")

    arrival.put()
    with monkeypatch.context() as patched:
        patched.setattr(arrival.app.driver, "advance", fails)
        patched.setattr(arrival.app.driver, "begin", fails)
        assert arrival.world.deliver("a.csv") == []
    assert "left to the next poll: busy" in caplog.text
    waiting = Arrival(when_busy="queue")
    waiting.put()
    monkeypatch.setattr(waiting.ledger.run_queues, "read", fails)
    assert waiting.world.deliver("a.csv") == []
    assert "blob training-data/a.csv: left to the next poll: busy" in caplog.text
    assert waiting.waits() == ["a.csv"]


def test_an_event_of_a_run_that_takes_all_that_waited_opens_none(arrival: Arrival) -> None:
    one = arrival.put()
    arrival.know(one, "sample-1", in_batch=True)
    assert arrival.world.deliver("a.csv") == []
    assert arrival.world.runs() == []


def test_an_event_whose_runs_record_was_removed_opens_none(
    arrival: Arrival, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "relearn")
    one = arrival.put()
    arrival.know(one, "sample-1")
    arrival.ledger.tombstones.add("sample-1")
    assert arrival.world.deliver("a.csv") == []
    assert "blob training-data/a.csv: the record of its run sample-1 was removed" in caplog.text
    assert "open/sample-1" not in arrival.world.documents.rows


def test_an_event_that_comes_again_marks_the_run_that_it_opens(arrival: Arrival) -> None:
    one = arrival.put()
    arrival.know(one, "sample-1")
    (run,) = arrival.world.deliver("a.csv")
    assert run.run_id == "sample-1"
    assert "open/sample-1" in arrival.world.documents.rows
    assert run.cause == "blob training-data/a.csv"


def test_an_event_of_data_with_a_batch_window_opens_nothing_yet() -> None:
    data = {"blob": "{name}.csv", "settle": "2m"}
    arrival = Arrival(when_busy="newest", data=data)
    arrival.put()
    arrival.world.clock.move(HOUR)
    assert arrival.world.deliver("a.csv") == []
    assert arrival.waits() == ["a.csv"]


def test_an_event_returns_the_run_that_has_its_blob_and_no_other() -> None:
    arrival = Arrival(when_busy="queue", endpoints=[])
    arrival.put()
    arrival.pause()
    arrival.world.deliver("a.csv")
    known = arrival.ledger.pauses.read("sample")
    arrival.ledger.pauses.put("sample", Pauses(), known.etag)
    arrival.world.clock.move(SECOND)
    arrival.put("b.csv")
    assert arrival.world.deliver("b.csv") == []  # the older one has the only slot
    (run,) = arrival.world.runs()
    assert [one.name for one in run.manifest] == ["a.csv"]
    assert run.phase is Phase.TRAINING


# Announced runs


def test_a_run_is_opened_from_an_entry_that_is_its_own_and_still_due(arrival: Arrival) -> None:
    one = arrival.put()
    version = arrival.version(one)
    assert arrival.app.version_runs.open_announced(version, "sample-1") is None
    assert not arrival.app.version_runs.is_expected(version, "sample-1")
    arrival.know(one, "sample-1")
    assert arrival.app.version_runs.open_announced(version, "sample-2") is None
    assert arrival.app.version_runs.is_expected(version, "sample-1")
    arrival.world.blobs.remove(DATA, "a.csv")
    run = arrival.app.version_runs.open_announced(version, "sample-1")
    assert run is not None
    assert run.phase is Phase.REJECTED  # it is checked again: the last check is old
    assert arrival.app.version_runs.open_announced(version, "sample-1") is None
    gathered = arrival.put("b.csv")
    arrival.know(gathered, "sample-3", in_batch=True)
    assert arrival.app.version_runs.open_announced(arrival.version(gathered), "sample-3") is None


@pytest.mark.parametrize("manual_model", [True, False])
def test_what_was_announced_for_a_pipeline_that_is_gone_waits_for_it(*, manual_model: bool) -> None:
    arrival = Arrival()
    one = arrival.put(
        MANUAL_MODEL if manual_model else "a.csv", where=MODELS if manual_model else DATA
    )
    arrival.know(one, "sample-1")
    version = arrival.version(one)
    arrival.world.pipeline = arrival.world.sibling()
    arrival.world.restart()
    app = arrival.world.app
    assert app.version_runs.open_announced(version, "sample-1") is None
    assert app.version_runs.is_expected(version, "sample-1") is manual_model
    waits = list(app.context.ledger.inbox.entries())
    assert [(found.pipeline, found.version_id) for found in waits] == (
        [] if manual_model else [("sample", version)]
    )


def test_a_batch_of_a_pipeline_that_is_not_in_the_file_is_not_begun(arrival: Arrival) -> None:
    batch = BatchToOpen(pipeline="nobody")
    assert arrival.app.batches.resume(batch, arrival.world.clock.now() + MINUTE) is None


def test_a_run_that_was_begun_is_continued_with_by_its_hint() -> None:
    arrival = Arrival(when_busy="queue")
    arrival.world.discover(arrival.put())
    hint = marker_of_batch(arrival.world.pipeline, ())
    run = arrival.app.batches.resume(hint, arrival.world.clock.now() + MINUTE)
    assert run is not None
    assert run == arrival.world.now_of(run)
    assert arrival.app.batches.resume(hint, arrival.world.clock.now() + MINUTE) is None


# Models


def test_an_operators_model_is_recorded_by_a_search_and_opened_by_the_poll(
    arrival: Arrival,
) -> None:
    one = arrival.put(MANUAL_MODEL, where=MODELS)
    assert arrival.world.discover_model(one)
    entry = arrival.ledger.versions.entry(arrival.version(one))
    assert entry is not None
    assert entry.run_id == run_id("sample", Origin.MODEL, arrival.version(one))
    assert not arrival.world.discover_model(one)
    assert not arrival.world.discover_model(arrival.put("promote/nobody/m.ilearner", where=MODELS))
    assert not arrival.world.discover_model(arrival.put(MANUAL_MODEL, b"", MODELS))
    assert arrival.world.runs() == []
    opened = arrival.app.version_runs.open_announced(arrival.version(one), str(entry.run_id))
    assert opened is not None
    assert (opened.origin, opened.model) == (Origin.MODEL, model_of(one))


def test_a_model_that_belongs_to_no_pipeline_is_reported_once(
    arrival: Arrival, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "relearn")
    for _ in range(2):
        assert arrival.app.model_events.model_arrived("promote/nobody/m.ilearner") is None
    assert caplog.text.count("model promote/nobody/m.ilearner belongs to no run") == 1
    assert arrival.app.model_events.model_arrived("promote/sample/notes.txt") is None
    assert arrival.app.model_events.model_arrived(MANUAL_MODEL) is None
    assert f"model {MANUAL_MODEL} is gone again: nothing to do" in caplog.text
    arrival.put(MANUAL_MODEL, where=MODELS)
    run = arrival.app.model_events.model_arrived(MANUAL_MODEL)
    assert run is not None
    assert run.origin is Origin.MODEL


def test_a_model_for_a_pipeline_with_an_error_is_left_alone_and_that_is_said_once(
    arrival: Arrival, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*_: object) -> None:
        raise PipelineConfigError("pipeline sample has an error")

    caplog.set_level("INFO", "relearn")
    monkeypatch.setattr(type(arrival.app.catalogue), "for_manual_model", broken)
    for _ in range(2):
        assert arrival.app.model_events.model_arrived(MANUAL_MODEL) is None
    assert not arrival.world.discover_model(arrival.put(MANUAL_MODEL, where=MODELS))
    assert caplog.text.count(f"model {MANUAL_MODEL} is ignored for now") == 1


def test_the_event_of_a_jobs_model_advances_the_attempt_that_wrote_it(
    arrival: Arrival, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "relearn")
    arrival.put()
    (run,) = arrival.world.deliver("a.csv")
    path = f"runs/sample/{run.run_id}"
    assert arrival.app.model_events.model_arrived(f"{path}/2/model.ilearner") is None
    assert f"run {run.run_id} is training; the file is ignored" in caplog.text
    assert arrival.app.model_events.model_arrived("runs/sample/sample-9/1/model.ilearner") is None
    assert "run sample-9 is unknown; the file is ignored" in caplog.text

    assert arrival.app.model_events.model_arrived(
        f"{path}/1/model.ilearner"
    ) == arrival.world.now_of(run)
    arrival.put(f"{path}/1/model.ilearner", where=MODELS)

    def fails(*_: object) -> Run:
        raise TransientError("busy")

    with monkeypatch.context() as patched:
        patched.setattr(arrival.app.driver, "output_seen", fails)
        stays = arrival.app.model_events.model_arrived(f"{path}/1/model.ilearner")
    assert stays == arrival.world.now_of(run)
    assert f"run {run.run_id}: left to the next poll: busy" in caplog.text
    arrival.world.studio.work()
    moved = arrival.app.model_events.model_arrived(f"{path}/1/model.ilearner")
    assert moved is not None
    assert moved.phase is Phase.VERIFYING
    arrival.world.until(run, Phase.PROMOTED)
    assert arrival.app.model_events.model_arrived(f"{path}/1/model.ilearner") is None


def test_a_schedule_does_not_need_the_activation_of_its_pipeline(arrival: Arrival) -> None:
    arrival.world.damage("pipelines/sample")
    arrival.world.restart()
    assert arrival.world.app.activations.scheduled_since("sample") == arrival.world.clock.now()
