"""Each version is recorded, also if a worker or a record fails at any point."""

import logging

import pytest

from shared.core.names import run_id
from shared.core.run.record import Phase
from shared.core.versions import version_id
from shared.errors import CorruptRecordError, TransientError
from shared.ledger.open_markers import VersionToOpen, encoded
from shared.ledger.versions import VersionEntry
from tests.fakes.world import DATA
from tests.unit.intake.arrivals import HOUR, MINUTE, Arrival
from tests.unit.samples import run as sample
from tests.unit.worlds import Observed


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
def test_a_version_that_is_not_eligible_has_no_run(when_busy: str) -> None:
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
    (rejected,) = arrival.world.deliver("b#.csv")  # of no use: that is reported at once
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
def test_pipelines_that_cannot_have_a_blob_now_keep_it_from_no_other_and_all_are_reported(
    arrival: Arrival, caplog: pytest.LogCaptureFixture, how: str
) -> None:
    one = arrival.put()
    names = ("p0", "p1", "p2")
    others = [arrival.world.sibling(name=name, data={"blob": "{name}.csv"}) for name in names]
    arrival.world.app = arrival.app = arrival.world.another(*others)
    arrival.app.activations.refresh()
    for other in others:
        arrival.world.damage(f"versions/{version_id(other.name, one)}")
    with pytest.raises(CorruptRecordError) as raised:
        arrival.app.blob_events.blob_arrived("a.csv") if how == "event" else arrival.world.discover(
            one
        )
    assert version_id(others[0].name, one) in str(raised.value)
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


# Data that is older than its pipeline


def test_old_data_is_noted_as_such_once_and_no_event_makes_it_eligible() -> None:
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
