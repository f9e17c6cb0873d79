"""Waiting data that its pipeline does not take any more goes to another one, or is reported."""

from datetime import timedelta

import pytest

from shared.core.versions import version_id
from shared.errors import CorruptRecordError, TransientError
from shared.intake.unwanted_data import UnwantedData
from shared.ledger.inbox import InboxEntry
from shared.ledger.versions import VersionEntry
from tests.unit.samples import NOW, blob
from tests.unit.worlds import Observed

SECOND, MINUTE, HOUR = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1)
#: What was written before the pipeline was first known: no event will announce it.
EARLIER = NOW - HOUR


class Unwanted:
    """A world with one pipeline, and what waits for one that is gone."""

    def __init__(self) -> None:
        self.world = Observed()
        self.world.app.activations.refresh()
        app = self.world.app
        self.ledger = app.context.ledger
        self.unwanted = UnwantedData(app.context, app.catalogue, app.activations, app.inbox)

    def put(self, name: str = "a.csv", owner: str = "gone", **changes: object) -> InboxEntry:
        one = blob(name, **{"modified": EARLIER, **changes})
        version = version_id(owner, one)
        self.ledger.inbox.add((), version, VersionEntry(pipeline=owner, blob=one, run_id=None))
        return next(found for found in self.ledger.inbox.entries() if found.version_id == version)

    def reassign(self, *arrived: InboxEntry, until: timedelta = MINUTE) -> None:
        self.unwanted.reassign(arrived, self.world.clock.now() + until)

    def waits(self) -> list[tuple[str, str]]:
        return sorted((one.pipeline, one.blob.name) for one in self.ledger.inbox.entries())

    def know(self, one: InboxEntry, *, older: bool) -> None:
        version = version_id("sample", one.blob)
        entry = VersionEntry(
            pipeline="sample", blob=one.blob, run_id=None, older_than_pipeline=older
        )
        self.ledger.versions.add(version, entry)


@pytest.fixture
def stray() -> Unwanted:
    return Unwanted()


def test_a_younger_pipeline_that_wants_it_takes_it_over(stray: Unwanted) -> None:
    stray.reassign(stray.put())
    assert stray.waits() == [("sample", "a.csv")]


@pytest.mark.parametrize(("older", "kept"), [(True, True), (False, False)])
def test_what_a_search_noted_as_old_is_taken_over_and_what_else_is_known_is_not(
    stray: Unwanted, *, older: bool, kept: bool
) -> None:
    one = stray.put()
    stray.know(one, older=older)
    stray.reassign(one)
    assert stray.waits() == ([("sample", "a.csv")] if kept else [])


def test_a_pipeline_that_heard_of_it_itself_is_given_nothing(stray: Unwanted) -> None:
    one = stray.put(modified=NOW)
    stray.reassign(one)
    assert stray.waits() == [("gone", "a.csv")]


def test_data_that_no_pipeline_wants_stays_and_is_named_with_the_reason_once_an_hour(
    stray: Unwanted, caplog: pytest.LogCaptureFixture
) -> None:
    arrived = [stray.put("a.txt"), stray.put("b.txt"), stray.put("a.csv", "sample", etag="0x2")]
    stray.reassign(*arrived)
    gone, known = caplog.messages
    assert gone.startswith("pipeline gone: 2 data versions wait for it and it is not in the file")
    assert "the first is training-data/a.txt" in gone
    assert "pipeline sample: 1 data versions wait for it and does not match" in known
    stray.world.clock.move(HOUR - SECOND)
    stray.reassign(*arrived)
    assert len(caplog.messages) == 2
    stray.world.clock.move(SECOND)
    stray.reassign(*arrived)
    assert len(caplog.messages) == 4
    assert len(stray.waits()) == 3


def test_where_nothing_is_left_nothing_is_said(
    stray: Unwanted, caplog: pytest.LogCaptureFixture
) -> None:
    stray.reassign()
    stray.reassign(stray.put())
    assert caplog.messages == []
    stray.reassign(stray.put("a.txt"))
    assert len(caplog.messages) == 1


def test_nothing_is_checked_once_the_time_is_up(stray: Unwanted) -> None:
    one = stray.put()
    stray.reassign(one, until=timedelta())
    assert stray.waits() == [("gone", "a.csv")]
    stray.reassign(one, until=SECOND)
    assert stray.waits() == [("sample", "a.csv")]


@pytest.mark.parametrize(
    ("error", "checked_to", "message"),
    [
        (CorruptRecordError("versions/x is odd"), 5, "waits for pipeline gone: versions/x is odd"),
        (TransientError("busy"), 3, "waits for the next tick: busy"),
    ],
)
def test_one_damaged_record_keeps_no_other_waiting_and_a_storage_that_fails_is_left(
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    error: Exception,
    checked_to: int,
    message: str,
) -> None:
    stray = Unwanted()
    arrived = [stray.put(f"{number}.csv") for number in range(5)]
    asked: list[str] = []

    def fails(version: str) -> None:
        asked.append(version)
        raise error

    monkeypatch.setattr(stray.ledger.versions, "entry", fails)
    stray.reassign(*arrived)
    assert len(asked) == checked_to
    assert f"blob training-data/0.csv {message}" in caplog.text


def test_failures_with_a_success_between_them_leave_nothing(
    stray: Unwanted, monkeypatch: pytest.MonkeyPatch
) -> None:
    arrived = [stray.put(f"{number}.csv") for number in range(6)]
    asked: list[str] = []

    def some(version: str) -> None:
        asked.append(version)
        if len(asked) != 3:
            raise TransientError("busy")

    monkeypatch.setattr(stray.ledger.versions, "entry", some)
    stray.reassign(*arrived)
    assert len(asked) == 6
    assert ("sample", "2.csv") in stray.waits()
