"""To which run a version belongs, claim by claim."""

from datetime import timedelta
from typing import Any

import pytest

from shared.core.names import blob_id
from shared.core.run.record import Phase
from shared.intake.batch_claims import ClaimProgress
from shared.ledger.open_markers import RunHints
from shared.ledger.versions import VersionEntry
from tests.unit.intake.claimed_entries import HOUR, MINUTE, SECOND, Inbox
from tests.unit.samples import NOW, blob
from tests.unit.samples import run as sample

#: Changed after it was made: it may be a metadata-only update of a known version.
CHANGED: dict[str, Any] = {"created": NOW - HOUR, "etag": "0x2"}


@pytest.fixture
def inbox() -> Inbox:
    return Inbox()


def test_a_new_version_is_claimed_for_the_run_and_stays_until_the_run_is_stored(
    inbox: Inbox,
) -> None:
    one = inbox.put("a.csv")
    assert inbox.first(one) == "a.csv"
    assert inbox.take(one) == ["a.csv"]
    entry = inbox.ledger.versions.entry(one.version_id)
    assert entry == VersionEntry(pipeline="sample", blob=one.blob, run_id="sample-1", in_batch=True)
    assert inbox.waits() == ["a.csv"]
    assert inbox.take(one) == ["a.csv"]  # again, after a crash


def test_nothing_is_begun_once_the_time_is_up(inbox: Inbox) -> None:
    one = inbox.put("a.csv")
    now = inbox.world.clock.now()
    run = sample(Phase.WAITING, manifest=(one.blob,))
    assert inbox.taking.first_free([one], now) is None
    assert inbox.taking.take(ClaimProgress("sample-1", now), [one], now, inbox.kept.append) is None
    assert inbox.owner(one) is None
    assert inbox.taking.remove_taken(run, [one], now) == ()
    assert inbox.waits() == ["a.csv"]
    assert inbox.taking.first_free([one], now + SECOND) == one


def test_a_version_that_a_stored_run_has_leaves_the_inbox(inbox: Inbox) -> None:
    one, other = inbox.put("a.csv"), inbox.put("b.csv")
    inbox.store("sample-9", one.blob)
    inbox.know(one, "sample-9")
    assert inbox.first(one, other) == "b.csv"
    assert inbox.waits() == ["b.csv"]
    again = inbox.put("a.csv")
    assert inbox.take(again, other) == ["b.csv"]
    assert inbox.waits() == ["b.csv"]


def test_a_version_whose_run_was_stored_without_it_is_free(inbox: Inbox) -> None:
    one = inbox.put("a.csv")
    inbox.store("sample-9", blob("other.csv"))
    inbox.know(one, "sample-9")
    assert inbox.first(one) == "a.csv"
    assert inbox.take(one) == ["a.csv"]
    assert inbox.owner(one) == "sample-1"


def test_a_version_belongs_to_its_run_by_its_bytes_and_not_by_its_name(inbox: Inbox) -> None:
    one = inbox.put("a.csv", etag="0x7", content_md5="b3RoZXI=")
    inbox.store("sample-9", blob("a.csv"))
    inbox.know(one, "sample-9")
    assert inbox.first(one) == "a.csv"


@pytest.mark.parametrize(
    ("marked", "age", "free"),
    [
        (True, timedelta(), False),
        (True, 2 * MINUTE - SECOND, False),
        (True, 2 * MINUTE, True),
        (False, timedelta(), True),
    ],
)
def test_a_version_of_a_run_that_was_announced_is_left_to_it_for_a_lease(
    inbox: Inbox,
    marked: bool,  # noqa: FBT001 -- a case
    age: timedelta,
    free: bool,  # noqa: FBT001 -- a case
) -> None:
    one = inbox.put("a.csv")
    inbox.know(one, "sample-9")
    if marked:
        inbox.ledger.open_markers.mark("sample-9", RunHints())
    inbox.world.clock.move(age)
    assert (inbox.first(one) == "a.csv") is free
    assert inbox.waits() == ["a.csv"]
    assert inbox.take(one) == (["a.csv"] if free else [])


def test_a_version_of_a_run_that_was_removed_leaves_the_inbox(inbox: Inbox) -> None:
    one = inbox.put("a.csv")
    inbox.know(one, "sample-9")
    inbox.ledger.tombstones.add("sample-9")
    assert inbox.first(one) is None
    assert inbox.waits() == []


def test_a_version_of_a_run_that_cannot_be_read_stays_with_it(
    inbox: Inbox, caplog: pytest.LogCaptureFixture
) -> None:
    one = inbox.put("a.csv")
    inbox.know(one, "sample-9")
    inbox.world.damage("runs/sample-9")
    assert inbox.first(one) is None
    assert inbox.waits() == []
    assert f"blob {one.blob.path} stays with its run" in caplog.text


def test_a_version_that_opened_no_run_leaves_the_inbox_unless_it_was_only_old(
    inbox: Inbox,
) -> None:
    updated, old = inbox.put("a.csv"), inbox.put("b.csv")
    inbox.know(updated, None, note="only its metadata changed")
    inbox.know(old, None, older_than_pipeline=True)
    assert inbox.first(updated, old) == "b.csv"
    assert inbox.waits() == ["b.csv"]
    assert inbox.take(old) == ["b.csv"]
    assert inbox.owner(old) == "sample-1"


def test_what_a_run_requeued_is_free_and_what_another_has_is_not(inbox: Inbox) -> None:
    one = inbox.put("a.csv", returned_by="sample-8")
    inbox.store("sample-8", one.blob)
    inbox.know(one, "sample-8")
    assert inbox.first(one) == "a.csv"
    assert inbox.take(one) == ["a.csv"]
    assert inbox.owner(one) == "sample-1"
    other = inbox.put("b.csv", returned_by="sample-8")
    inbox.store("sample-9", other.blob)
    inbox.know(other, "sample-9")
    assert inbox.first(other) is None
    assert inbox.waits() == ["a.csv"]


def test_what_a_removed_run_requeued_is_free(inbox: Inbox) -> None:
    one = inbox.put("a.csv", returned_by="sample-8")
    inbox.know(one, None, deleted_run="sample-8")
    assert inbox.first(one) == "a.csv"


def test_a_metadata_only_update_of_what_is_known_opens_no_run(inbox: Inbox) -> None:
    known = blob("a.csv", modified=NOW - MINUTE, created=NOW - HOUR)
    name = blob_id("sample", known.container, known.name)
    entry = VersionEntry(pipeline="sample", blob=known, run_id="sample-8")
    inbox.ledger.versions.add(f"{name}-1", entry)
    one = inbox.put("a.csv", **CHANGED)
    assert inbox.first(one) is None
    noted = inbox.ledger.versions.entry(one.version_id)
    since = (NOW - MINUTE).isoformat()
    assert noted is not None
    assert (noted.run_id, noted.note) == (None, f"only its metadata changed since {since}: no run")
    assert inbox.waits() == []


def test_a_metadata_only_update_is_found_as_its_burst_is_claimed(inbox: Inbox) -> None:
    known = blob("a.csv", modified=NOW - MINUTE, created=NOW - HOUR)
    name = blob_id("sample", known.container, known.name)
    entry = VersionEntry(pipeline="sample", blob=known, run_id="sample-8")
    inbox.ledger.versions.add(f"{name}-1", entry)
    one = inbox.put("a.csv", **CHANGED)
    assert inbox.take(one, inbox.put("b.csv")) == ["b.csv"]
    assert inbox.owner(one) is None
    assert inbox.waits() == ["b.csv"]


def test_new_bytes_under_a_known_name_are_no_metadata_only_update(inbox: Inbox) -> None:
    known = blob("a.csv", modified=NOW - MINUTE, created=NOW - HOUR, content_md5="b3RoZXI=")
    name = blob_id("sample", known.container, known.name)
    entry = VersionEntry(pipeline="sample", blob=known, run_id="sample-8")
    inbox.ledger.versions.add(f"{name}-1", entry)
    assert inbox.take(inbox.put("a.csv", **CHANGED)) == ["a.csv"]


def test_what_was_requeued_or_just_created_is_never_taken_for_a_metadata_only_update(
    inbox: Inbox,
) -> None:
    known = blob("a.csv", modified=NOW - MINUTE, created=NOW - HOUR)
    name = blob_id("sample", known.container, known.name)
    entry = VersionEntry(pipeline="sample", blob=known, run_id="sample-8")
    inbox.ledger.versions.add(f"{name}-1", entry)
    rollback = inbox.put("a.csv", returned_by="sample-8", **CHANGED)
    assert inbox.first(rollback) == "a.csv"
    assert inbox.take(rollback) == ["a.csv"]
    inbox.world.calls.clear()
    fresh = inbox.put("c.csv")
    inbox.world.calls.clear()
    assert inbox.first(fresh) == "c.csv"
    assert "list versions" not in inbox.world.calls


def test_within_a_burst_the_second_of_two_equal_versions_is_a_metadata_only_update(
    inbox: Inbox,
) -> None:
    first = inbox.put("a.csv")
    update_metadata = inbox.put("a.csv", etag="0x2", modified=NOW + SECOND)
    new = inbox.put("a.csv", etag="0x3", modified=NOW + 2 * SECOND, content_md5="b3RoZXI=")
    assert inbox.take(first, update_metadata, new) == ["a.csv", "a.csv"]
    noted = inbox.ledger.versions.entry(update_metadata.version_id)
    assert noted is not None
    assert noted.note == f"only its metadata changed since {NOW.isoformat()}: no run"
    assert [inbox.owner(one) for one in (first, update_metadata, new)] == [
        "sample-1",
        None,
        "sample-1",
    ]
    assert len(inbox.waits()) == 2
