"""What becomes of each version, event and model, wherever a worker or a record fails."""

import logging
from datetime import timedelta
from typing import Any

import pytest

from shared.core.config.studio_models import model_of
from shared.core.names import run_id
from shared.core.run.concurrency import Pause, Pauses
from shared.core.run.record import Origin, Phase, Run
from shared.core.versions import version_id
from shared.errors import CorruptRecordError, PipelineConfigError, TransientError
from shared.intake.batch import marker_of_batch
from shared.ledger.open_markers import BatchToOpen, VersionToOpen, encoded
from shared.ledger.run_queues import NEW
from shared.ledger.versions import VersionEntry
from tests.fakes.world import DATA, MODELS
from tests.unit.samples import run as sample
from tests.unit.worlds import Observed

SECOND, MINUTE, HOUR = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1)
MANUAL_MODEL = "promote/sample/m.ilearner"


class Arrival:
    """A world and its intake, with blobs and entries as a test puts them there."""

    def __init__(self, **pipeline: Any) -> None:
        self.world = Observed(config={"pipeline": pipeline})
        self.world.app.activations.refresh()
        self.app = self.world.app
        self.context = self.app.context
        self.ledger = self.context.ledger

    def put(self, name: str = "a.csv", content: bytes = b"a,b\n1,2\n", where: str = DATA) -> Any:
        return self.world.blobs.put(where, name, content)

    def version(self, one: Any) -> str:
        return version_id(self.world.pipeline.name, one)

    def know(self, one: Any, run_id: str | None = None, **more: Any) -> None:
        entry = VersionEntry(pipeline="sample", blob=one, run_id=run_id, **more)
        self.ledger.versions.add(self.version(one), entry)

    def waits(self) -> list[str]:
        return [one.blob.name for one in self.ledger.inbox.entries()]

    def pause(self) -> None:
        paused = Pauses(pause=Pause(by="ada", at=self.world.clock.now()))
        self.ledger.pauses.put("sample", paused, NEW)


@pytest.fixture
def arrival() -> Arrival:
    return Arrival()


# Versions that are come upon


def test_a_version_that_is_come_upon_is_recorded_for_the_poll_to_open(arrival: Arrival) -> None:
    one = arrival.put()
    assert arrival.world.discover(one)
    run = run_id("sample", "data", arrival.version(one))
    entry = arrival.ledger.versions.entry(arrival.version(one))
    assert entry == VersionEntry(pipeline="sample", blob=one, run_id=run)
    marker = encoded(VersionToOpen(version=arrival.version(one)))
    assert arrival.world.documents.rows[f"open/{run}"].metadata == marker
    assert arrival.world.runs() == []
    assert not arrival.world.discover(one)  # it is known by now


@pytest.mark.parametrize("known_as", ["sample-1", None])
def test_a_version_that_is_known_is_recorded_no_second_time(
    arrival: Arrival, known_as: str | None
) -> None:
    one = arrival.put()
    arrival.know(one, known_as)
    assert not arrival.world.discover(one)
    superseded = sample(Phase.RECEIVED, config=arrival.world.pipeline)
    arrival.app.inbox.keep_replacements(superseded, [one])
    assert arrival.waits() == []
    arrival.app.inbox.keep_replacements(
        superseded, [arrival.put(content=b"1"), arrival.put("b.csv", b"")]
    )
    assert arrival.waits() == ["a.csv"]  # an empty blob opens no run


def test_a_version_that_waits_is_kept_once() -> None:
    arrival = Arrival(when_busy="queue")
    one = arrival.put()
    assert arrival.world.discover(one)
    assert arrival.waits() == ["a.csv"]
    assert not arrival.world.discover(one)
    assert arrival.world.discover(arrival.put("b.csv"))


@pytest.mark.parametrize("when_busy", ["queue", "parallel"])
def test_a_version_that_is_no_news_has_no_run(when_busy: str) -> None:
    arrival = Arrival(when_busy=when_busy)
    empty = arrival.put(content=b"")
    assert not arrival.world.discover(empty)
    assert not arrival.world.discover(empty)
    assert arrival.waits() == []
    assert arrival.ledger.versions.entry(arrival.version(empty)) is None


def test_a_pipeline_that_is_paused_keeps_what_it_comes_upon(arrival: Arrival) -> None:
    arrival.pause()
    arrival.world.discover(arrival.put())
    assert arrival.waits() == ["a.csv"]
    assert arrival.world.deliver("a.csv") == []
    assert arrival.ledger.versions.entry(arrival.version(arrival.put("b#.csv"))) is None
    (rejected,) = arrival.world.deliver("b#.csv")  # of no use: that is told at once
    assert rejected.phase is Phase.REJECTED


def test_of_two_workers_that_come_upon_a_version_one_records_it(
    arrival: Arrival, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = arrival.put()
    add = arrival.ledger.versions.add

    def superseded(version: str, entry: VersionEntry) -> bool:
        add(version, entry.model_copy(update={"run_id": "sample-other"}))
        return add(version, entry)

    monkeypatch.setattr(arrival.ledger.versions, "add", superseded)
    assert arrival.world.discover(one)
    entry = arrival.ledger.versions.entry(arrival.version(one))
    assert entry is not None
    assert entry.run_id == "sample-other"
    monkeypatch.setattr(arrival.ledger.versions, "add", lambda *_: False)
    assert not arrival.world.discover(arrival.put("b.csv"))  # forgotten this moment
    assert arrival.world.deliver("b.csv") == []


@pytest.mark.parametrize("how", ["event", "search"])
def test_pipelines_that_cannot_have_a_blob_now_keep_it_from_no_other_and_all_are_told(
    arrival: Arrival, caplog: pytest.LogCaptureFixture, how: str
) -> None:
    one = arrival.put()
    names = ("p0", "p1", "p2")
    others = [arrival.world.sibling(name=name, data={"blob": "{name}.csv"}) for name in names]
    arrival.world.app = arrival.app = arrival.world.another(*others)
    arrival.app.activations.refresh()
    for other in others:
        arrival.world.damage(f"versions/{version_id(other.name, one)}")
    with pytest.raises(CorruptRecordError) as told:
        arrival.app.blob_events.blob_arrived("a.csv") if how == "event" else arrival.world.discover(
            one
        )
    assert version_id(others[0].name, one) in str(told.value)
    warned = [r.getMessage() for r in caplog.records if r.levelno == logging.WARNING]
    said = [text for text in warned if "is not understood" in text]
    assert [
        version_id(other.name, one) in text for other, text in zip(others[1:], said, strict=True)
    ] == [
        True,
        True,
    ]
    entry = arrival.context.ledger.versions.entry(arrival.version(one))
    assert entry is not None


def test_an_event_for_a_file_that_is_not_known_yet_is_delivered_again(
    arrival: Arrival, monkeypatch: pytest.MonkeyPatch
) -> None:
    arrival.put("other.txt")
    assert arrival.app.blob_events.blob_arrived("other.txt") == []
    monkeypatch.setattr(type(arrival.app.last_good), "incomplete", property(lambda _: True))
    with pytest.raises(TransientError, match="may not be known now"):
        arrival.app.blob_events.blob_arrived("other.txt")
    arrival.put()
    assert len(arrival.app.blob_events.blob_arrived("a.csv")) == 1


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


def test_an_event_of_data_that_settles_opens_nothing_yet() -> None:
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
    assert arrival.world.deliver("b.csv") == []  # the older one has the only place
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
    assert run.phase is Phase.REJECTED  # it was looked at again: nobody did a moment ago
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


def test_a_run_that_was_begun_is_gone_on_with_by_its_hint() -> None:
    arrival = Arrival(when_busy="queue")
    arrival.world.discover(arrival.put())
    hint = marker_of_batch(arrival.world.pipeline, ())
    run = arrival.app.batches.resume(hint, arrival.world.clock.now() + MINUTE)
    assert run is not None
    assert run == arrival.world.now_of(run)
    assert arrival.app.batches.resume(hint, arrival.world.clock.now() + MINUTE) is None


# Models


def test_a_model_put_by_hand_is_recorded_by_a_search_and_opened_by_the_poll(
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


def test_a_model_that_belongs_to_nobody_is_told_of_once(
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
    assert caplog.text.count(f"model {MANUAL_MODEL} is left alone for now") == 1


def test_the_event_of_a_jobs_model_advances_the_attempt_that_wrote_it(
    arrival: Arrival, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "relearn")
    arrival.put()
    (run,) = arrival.world.deliver("a.csv")
    path = f"runs/sample/{run.run_id}"
    assert arrival.app.model_events.model_arrived(f"{path}/2/model.ilearner") is None
    assert f"run {run.run_id} is training; the file is left alone" in caplog.text
    assert arrival.app.model_events.model_arrived("runs/sample/sample-9/1/model.ilearner") is None
    assert "run sample-9 is not known; the file is left alone" in caplog.text

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


# Data that is older than its pipeline


def test_old_data_is_noted_as_such_once_and_no_event_makes_it_news() -> None:
    arrival = Arrival()
    arrival.put()
    arrival.world.clock.move(HOUR)
    other = arrival.world.sibling(data={"blob": "{name}.csv"}, endpoints=[])
    arrival.world.app = app = arrival.world.another(other)
    app.activations.refresh()
    assert arrival.world.discover(arrival.put("b.csv"))
    old = arrival.world.blobs.head(DATA, "a.csv")
    assert old is not None
    arrival.world.discover(old)
    entry = app.context.ledger.versions.entry(version_id(other.name, old))
    assert entry is not None
    assert (entry.run_id, entry.note, entry.is_old) == (None, "older than its pipeline", True)


@pytest.mark.parametrize(("backfill", "taken"), [("newest", ["b.csv"]), ("none", [])])
def test_of_old_data_only_what_is_wanted_is_kept(backfill: str, taken: list[str]) -> None:
    world = Observed(config={"pipeline": {"endpoints": []}})
    for name in ("other-a.csv", "other-b.csv"):
        world.blobs.put(DATA, name, b"a,b\n1,2\n")
    world.clock.move(HOUR)
    data = {"blob": "other-{name}.csv", "backfill": backfill}
    other = world.sibling(data=data, endpoints=[], when_busy="queue")
    world.app = world.another(other)
    world.app.activations.refresh()
    until = world.clock.now() + MINUTE
    world.app.search.run_until(until)
    waits = [one.blob.name for one in world.context.ledger.inbox.entries()]
    assert waits == [f"other-{name}" for name in taken]
    assert world.app.search.backfill.is_done(other) is (backfill == "newest")
