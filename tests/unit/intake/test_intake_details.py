"""What becomes of each version, event and model, wherever a worker or a record fails."""

import logging
from datetime import timedelta
from typing import Any

import pytest

from shared.core.names import run_id
from shared.core.run.concurrency import Pause, Pauses
from shared.core.run.record import Origin, Phase, Run
from shared.errors import CorruptRecord, TransientError
from shared.intake.batches import hints_for
from shared.intake.eligibility import version_of
from shared.intake.last_good import PipelineInError
from shared.intake.search import Sweep
from shared.ledger.ledger import NEW
from shared.ledger.records import OLD, VersionEntry
from tests.fakes.world import DATA, MODELS
from tests.unit.worlds import Observed

SECOND, MINUTE, HOUR = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1)
BY_HAND = "promote/sample/m.ilearner"


class Landing:
    """A world and its intake, with blobs and entries as a test puts them there."""

    def __init__(self, **pipeline: Any) -> None:
        self.world = Observed(config={"pipeline": pipeline})
        self.world.intake.activate()
        self.intake = self.world.intake
        self.ledger = self.intake._context.ledger

    def put(self, name: str = "a.csv", content: bytes = b"a,b\n1,2\n", where: str = DATA) -> Any:
        return self.world.blobs.put(where, name, content)

    def version(self, one: Any) -> str:
        return version_of(self.world.pipeline, one)

    def know(self, one: Any, run_id: str | None = None, **more: Any) -> None:
        entry = VersionEntry(pipeline="sample", blob=one, run_id=run_id, **more)
        self.ledger.add_version(self.version(one), entry)

    def waits(self) -> list[str]:
        return [one.blob.name for one in self.ledger.inbox()]

    def pause(self) -> None:
        paused = Pauses(pause=Pause(by="ada", at=self.world.clock.now()))
        self.ledger.put_pauses("sample", paused, NEW)


@pytest.fixture
def landing() -> Landing:
    return Landing()


# Versions that are come upon


def test_a_version_that_is_come_upon_is_recorded_for_the_poll_to_open(landing: Landing) -> None:
    one = landing.put()
    assert landing.intake.met(one)
    run = run_id("sample", "data", landing.version(one))
    entry = landing.ledger.version(landing.version(one))
    assert entry == VersionEntry(pipeline="sample", blob=one, run_id=run)
    hints = {"phase": "received", "version": landing.version(one)}
    assert landing.world.documents.rows[f"open/{run}"].metadata == hints
    assert landing.world.runs() == []
    assert not landing.intake.met(one)  # it is known by now
    assert landing.intake.landed(one)


@pytest.mark.parametrize(("run", "has"), [("sample-1", True), (None, False)])
def test_a_version_that_is_known_has_its_run_or_none(
    landing: Landing, run: str | None, *, has: bool
) -> None:
    one = landing.put()
    landing.know(one, run)
    assert not landing.intake.met(one)
    assert landing.intake.landed(one) is has


def test_a_version_that_waits_is_kept_once() -> None:
    landing = Landing(when_busy="queue")
    one = landing.put()
    assert landing.intake.landed(one)
    assert landing.waits() == ["a.csv"]
    assert not landing.intake.met(one)
    assert landing.intake.landed(one)
    assert landing.intake.met(landing.put("b.csv"))


@pytest.mark.parametrize("when_busy", ["queue", "parallel"])
def test_a_version_that_is_no_news_has_no_run(when_busy: str) -> None:
    landing = Landing(when_busy=when_busy)
    empty = landing.put(content=b"")
    assert not landing.intake.landed(empty)
    assert not landing.intake.met(empty)
    assert landing.waits() == []
    assert landing.ledger.version(landing.version(empty)) is None


def test_a_pipeline_that_is_paused_keeps_what_it_comes_upon(landing: Landing) -> None:
    landing.pause()
    landing.intake.landed(landing.put())
    assert landing.waits() == ["a.csv"]
    assert landing.world.deliver("a.csv") == []
    assert landing.ledger.version(landing.version(landing.put("b#.csv"))) is None
    (rejected,) = landing.world.deliver("b#.csv")  # of no use: that is told at once
    assert rejected.phase is Phase.REJECTED


def test_of_two_workers_that_come_upon_a_version_one_records_it(
    landing: Landing, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = landing.put()
    add = landing.ledger.add_version

    def overtaken(version: str, entry: VersionEntry) -> bool:
        add(version, entry.model_copy(update={"run_id": "sample-other"}))
        return add(version, entry)

    monkeypatch.setattr(landing.ledger, "add_version", overtaken)
    assert landing.intake.landed(one)
    entry = landing.ledger.version(landing.version(one))
    assert entry is not None
    assert entry.run_id == "sample-other"
    monkeypatch.setattr(landing.ledger, "add_version", lambda *_: False)
    assert not landing.intake.landed(landing.put("b.csv"))  # forgotten this moment
    assert landing.world.deliver("b.csv") == []


@pytest.mark.parametrize("how", ["event", "search"])
def test_pipelines_that_cannot_have_a_blob_now_keep_it_from_no_other_and_all_are_told(
    landing: Landing, caplog: pytest.LogCaptureFixture, how: str
) -> None:
    one = landing.put()
    names = ("p0", "p1", "p2")
    others = [landing.world.sibling(name=name, data={"blob": "{name}.csv"}) for name in names]
    landing.intake, _ = landing.world.another(*others)
    landing.intake.activate()
    for other in others:
        landing.world.damage(f"versions/{version_of(other, one)}")
    with pytest.raises(CorruptRecord) as told:
        landing.intake.blob_landed("a.csv") if how == "event" else landing.intake.met(one)
    assert version_of(others[0], one) in str(told.value)
    warned = [r.getMessage() for r in caplog.records if r.levelno == logging.WARNING]
    said = [text for text in warned if "is not understood" in text]
    assert [
        version_of(other, one) in text for other, text in zip(others[1:], said, strict=True)
    ] == [
        True,
        True,
    ]
    entry = landing.intake._context.ledger.version(landing.version(one))
    assert entry is not None


def test_an_event_for_a_file_that_is_not_known_yet_is_delivered_again(
    landing: Landing, monkeypatch: pytest.MonkeyPatch
) -> None:
    landing.put("other.txt")
    assert landing.intake.blob_landed("other.txt") == []
    monkeypatch.setattr(type(landing.intake.last_good), "incomplete", property(lambda _: True))
    with pytest.raises(TransientError, match="may not be known now"):
        landing.intake.blob_landed("other.txt")
    landing.put()
    assert len(landing.intake.blob_landed("a.csv")) == 1


# Events


def test_an_event_must_not_fail_once_its_version_is_recorded(
    landing: Landing, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fails(*_: object, **__: object) -> None:
        raise TransientError("busy")

    landing.put()
    with monkeypatch.context() as patched:
        patched.setattr(landing.intake.driver, "advance", fails)
        assert landing.world.deliver("a.csv") == []
    assert "left to the next poll: busy" in caplog.text
    waiting = Landing(when_busy="queue")
    waiting.put()
    monkeypatch.setattr(waiting.ledger, "slot", fails)
    assert waiting.world.deliver("a.csv") == []
    assert "blob training-data/a.csv: left to the next poll: busy" in caplog.text
    assert waiting.waits() == ["a.csv"]


def test_an_event_of_a_run_that_takes_all_that_waited_opens_none(landing: Landing) -> None:
    one = landing.put()
    landing.know(one, "sample-1", gathered=True)
    assert landing.world.deliver("a.csv") == []
    assert landing.world.runs() == []


def test_an_event_whose_runs_record_was_removed_opens_none(
    landing: Landing, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "relearn")
    one = landing.put()
    landing.know(one, "sample-1")
    landing.ledger.note_used("sample-1")
    assert landing.world.deliver("a.csv") == []
    assert "blob training-data/a.csv: the record of its run sample-1 was removed" in caplog.text
    assert "open/sample-1" not in landing.world.documents.rows


def test_an_event_that_comes_again_marks_the_run_that_it_opens(landing: Landing) -> None:
    one = landing.put()
    landing.know(one, "sample-1")
    (run,) = landing.world.deliver("a.csv")
    assert run.run_id == "sample-1"
    assert "open/sample-1" in landing.world.documents.rows
    assert run.cause == "blob training-data/a.csv"


def test_an_event_of_data_that_settles_opens_nothing_yet() -> None:
    data = {"blob": "{name}.csv", "settle": "2m"}
    landing = Landing(when_busy="newest", data=data)
    landing.put()
    landing.world.clock.move(HOUR)
    assert landing.world.deliver("a.csv") == []
    assert landing.waits() == ["a.csv"]


def test_an_event_returns_the_run_that_has_its_blob_and_no_other() -> None:
    landing = Landing(when_busy="queue", endpoints=[])
    landing.put()
    landing.pause()
    landing.world.deliver("a.csv")
    known = landing.ledger.pauses("sample")
    landing.ledger.put_pauses("sample", Pauses(), known.etag)
    landing.world.clock.move(SECOND)
    landing.put("b.csv")
    assert landing.world.deliver("b.csv") == []  # the older one has the only place
    (run,) = landing.world.runs()
    assert [one.name for one in run.manifest] == ["a.csv"]
    assert run.phase is Phase.TRAINING


# Announced runs


def test_a_run_is_opened_from_an_entry_that_is_its_own_and_still_due(landing: Landing) -> None:
    one = landing.put()
    version = landing.version(one)
    assert landing.intake.open_from_entry(version, "sample-1") is None
    assert not landing.intake.is_expected(version, "sample-1")
    landing.know(one, "sample-1")
    assert landing.intake.open_from_entry(version, "sample-2") is None
    assert landing.intake.is_expected(version, "sample-1")
    landing.world.blobs.remove(DATA, "a.csv")
    run = landing.intake.open_from_entry(version, "sample-1")
    assert run is not None
    assert run.phase is Phase.REJECTED  # it was looked at again: nobody did a moment ago
    assert landing.intake.open_from_entry(version, "sample-1") is None
    gathered = landing.put("b.csv")
    landing.know(gathered, "sample-3", gathered=True)
    assert landing.intake.open_from_entry(landing.version(gathered), "sample-3") is None


@pytest.mark.parametrize("by_hand", [True, False])
def test_what_was_announced_for_a_pipeline_that_is_gone_waits_for_it(*, by_hand: bool) -> None:
    landing = Landing()
    one = landing.put(BY_HAND if by_hand else "a.csv", where=MODELS if by_hand else DATA)
    landing.know(one, "sample-1")
    version = landing.version(one)
    landing.world.pipeline = landing.world.sibling()
    landing.world.restart()
    intake = landing.world.intake
    assert intake.open_from_entry(version, "sample-1") is None
    assert intake.is_expected(version, "sample-1") is by_hand
    waits = list(intake._context.ledger.inbox())
    assert [(found.pipeline, found.version_id) for found in waits] == (
        [] if by_hand else [("sample", version)]
    )


@pytest.mark.parametrize("hint", ["", "{", "[", '["nobody"]'])
def test_a_hint_of_what_was_begun_is_never_truth(landing: Landing, hint: str) -> None:
    assert landing.intake.resume_gathering(hint, landing.world.clock.now() + MINUTE) is None


def test_a_run_that_was_begun_is_gone_on_with_by_its_hint() -> None:
    landing = Landing(when_busy="queue")
    landing.intake.landed(landing.put())
    hint = hints_for(landing.world.pipeline, ())["gather"]
    run = landing.intake.resume_gathering(hint, landing.world.clock.now() + MINUTE)
    assert run is not None
    assert run == landing.world.now_of(run)
    assert landing.intake.resume_gathering(hint, landing.world.clock.now() + MINUTE) is None


# Models


def test_a_model_put_by_hand_is_recorded_by_a_search_and_opened_by_the_poll(
    landing: Landing,
) -> None:
    one = landing.put(BY_HAND, where=MODELS)
    assert landing.intake.model_met(one)
    entry = landing.ledger.version(landing.version(one))
    assert entry is not None
    assert entry.run_id == run_id("sample", Origin.MODEL, landing.version(one))
    assert not landing.intake.model_met(one)
    assert not landing.intake.model_met(landing.put("promote/nobody/m.ilearner", where=MODELS))
    assert not landing.intake.model_met(landing.put(BY_HAND, b"", MODELS))
    assert landing.world.runs() == []
    opened = landing.intake.open_from_entry(landing.version(one), str(entry.run_id))
    assert opened is not None
    assert (opened.origin, opened.model) == (Origin.MODEL, one)


def test_a_model_that_belongs_to_nobody_is_told_of_once(
    landing: Landing, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "relearn")
    for _ in range(2):
        assert landing.intake.model_landed("promote/nobody/m.ilearner") is None
    assert caplog.text.count("model promote/nobody/m.ilearner belongs to no run") == 1
    assert landing.intake.model_landed("promote/sample/notes.txt") is None
    assert landing.intake.model_landed(BY_HAND) is None
    assert f"model {BY_HAND} is gone again: nothing to do" in caplog.text
    landing.put(BY_HAND, where=MODELS)
    run = landing.intake.model_landed(BY_HAND)
    assert run is not None
    assert run.origin is Origin.MODEL


def test_a_model_for_a_pipeline_with_an_error_is_left_alone_and_that_is_said_once(
    landing: Landing, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*_: object) -> None:
        raise PipelineInError("pipeline sample has an error")

    caplog.set_level("INFO", "relearn")
    monkeypatch.setattr(type(landing.intake.catalogue), "for_model_by_hand", broken)
    for _ in range(2):
        assert landing.intake.model_landed(BY_HAND) is None
    assert not landing.intake.model_met(landing.put(BY_HAND, where=MODELS))
    assert caplog.text.count(f"model {BY_HAND} is left alone for now") == 1


def test_the_event_of_a_jobs_model_advances_the_attempt_that_wrote_it(
    landing: Landing, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "relearn")
    landing.put()
    (run,) = landing.world.deliver("a.csv")
    path = f"runs/sample/{run.run_id}"
    assert landing.intake.model_landed(f"{path}/2/model.ilearner") is None
    assert f"run {run.run_id} is training; the file is left alone" in caplog.text
    assert landing.intake.model_landed("runs/sample/sample-9/1/model.ilearner") is None
    assert "run sample-9 is not known; the file is left alone" in caplog.text

    assert landing.intake.model_landed(f"{path}/1/model.ilearner") == landing.world.now_of(run)
    landing.put(f"{path}/1/model.ilearner", where=MODELS)

    def fails(*_: object) -> Run:
        raise TransientError("busy")

    with monkeypatch.context() as patched:
        patched.setattr(landing.intake.driver, "output_seen", fails)
        stays = landing.intake.model_landed(f"{path}/1/model.ilearner")
    assert stays == landing.world.now_of(run)
    assert f"run {run.run_id}: left to the next poll: busy" in caplog.text
    landing.world.studio.work()
    moved = landing.intake.model_landed(f"{path}/1/model.ilearner")
    assert moved is not None
    assert moved.phase is Phase.VERIFYING
    landing.world.until(run, Phase.PROMOTED)
    assert landing.intake.model_landed(f"{path}/1/model.ilearner") is None


def test_a_schedule_does_not_need_the_activation_of_its_pipeline(landing: Landing) -> None:
    landing.world.damage("pipelines/sample")
    landing.world.restart()
    assert landing.world.intake.scheduled_since("sample") == landing.world.clock.now()


# Data that is older than its pipeline


def test_old_data_is_noted_as_such_once_and_no_event_makes_it_news() -> None:
    landing = Landing()
    landing.put()
    landing.world.clock.move(HOUR)
    other = landing.world.sibling(data={"blob": "{name}.csv"}, endpoints=[])
    intake, _ = landing.world.another(other)
    intake.activate()
    assert intake.met(landing.put("b.csv"))
    old = landing.world.blobs.head(DATA, "a.csv")
    assert old is not None
    intake.met(old)
    entry = intake._context.ledger.version(version_of(other, old))
    assert entry is not None
    assert (entry.run_id, entry.note, entry.is_old) == (None, OLD, True)


@pytest.mark.parametrize(("backfill", "taken"), [("newest", ["b.csv"]), ("none", [])])
def test_of_old_data_only_what_is_wanted_is_kept(backfill: str, taken: list[str]) -> None:
    world = Observed(config={"pipeline": {"endpoints": []}})
    for name in ("other-a.csv", "other-b.csv"):
        world.blobs.put(DATA, name, b"a,b\n1,2\n")
    world.clock.move(HOUR)
    data = {"blob": "other-{name}.csv", "backfill": backfill}
    other = world.sibling(data=data, endpoints=[], when_busy="queue")
    world.intake, world.poll = world.another(other)
    world.intake.activate()
    until = world.clock.now() + MINUTE
    Sweep(world.intake._context, world.intake).go_on(until)
    waits = [one.blob.name for one in world.intake._context.ledger.inbox()]
    assert waits == [f"other-{name}" for name in taken]
    assert world.intake.backfill.is_done(other) is (backfill == "newest")
