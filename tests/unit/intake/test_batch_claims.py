"""To whom a version belongs, claim by claim, and what leaves the inbox."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from shared.core.blobs import BlobVersion
from shared.core.names import blob_id, inbox_prefix
from shared.core.run.record import Phase
from shared.core.versions import order_of, version_id
from shared.errors import ConflictError, TransientError
from shared.intake.batch_claims import MOST_VERSIONS, PART, BatchClaims, ClaimProgress, age_of
from shared.ledger.inbox import InboxEntry
from shared.ledger.ledger import Ledger
from shared.ledger.open_markers import RunHints
from shared.ledger.versions import VersionEntry
from shared.ports.storage import ETag
from tests.unit.intake.test_batches import world_of
from tests.unit.samples import NOW, blob
from tests.unit.samples import run as sample
from tests.unit.worlds import Observed

SECOND, MINUTE, HOUR = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1)
LATER = NOW + HOUR
#: Changed after it was made: it may be a touch of what is known.
CHANGED: dict[str, Any] = {"created": NOW - HOUR, "etag": "0x2"}


class Inbox:
    """An inbox, its ledger and the taking, with versions as a test puts them there."""

    def __init__(self) -> None:
        self.world: Observed = world_of({"when_busy": "newest", "endpoints": []})
        self.ledger: Ledger = self.world.context.ledger
        self.taking = BatchClaims(self.world.context)
        self.kept: list[str] = []

    def put(self, name: str, returned_by: str | None = None, **changes: Any) -> InboxEntry:
        one = blob(name, **changes)
        version = version_id("sample", one)
        entry = VersionEntry(pipeline="sample", blob=one, run_id=returned_by)
        self.ledger.inbox.add((), version, entry)
        return next(
            arrived
            for arrived in self.ledger.inbox.entries()
            if arrived.version_id == version and arrived.returned_by == returned_by
        )

    def know(self, one: InboxEntry, run_id: str | None, **more: Any) -> None:
        entry = VersionEntry(pipeline="sample", blob=one.blob, run_id=run_id, **more)
        self.ledger.versions.add(one.version_id, entry)

    def store(self, run_id: str, *blobs: BlobVersion) -> None:
        self.ledger.runs.create(sample(Phase.WAITING, run_id=run_id, manifest=blobs))

    def waits(self) -> list[str]:
        return [arrived.blob.name for arrived in self.ledger.inbox.entries()]

    def owner(self, one: InboxEntry) -> str | None:
        entry = self.ledger.versions.entry(one.version_id)
        return entry.run_id if entry else None

    def take(self, *wanted: InboxEntry, run_id: str = "sample-1", **progress: Any) -> Any:
        known = {"began_at": LATER, **progress}
        blobs = self.taking.take(ClaimProgress(run_id, **known), wanted, LATER, self.kept.append)
        return None if blobs is None else [one.name for one in blobs]

    def first(self, *arrived: InboxEntry) -> str | None:
        found = self.taking.first_free(arrived, LATER)
        return found.blob.name if found else None


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
    assert inbox.taking.settle(run, [one], now) == ()
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


def test_a_version_of_a_run_that_was_forgotten_leaves_the_inbox(inbox: Inbox) -> None:
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
    touched, old = inbox.put("a.csv"), inbox.put("b.csv")
    inbox.know(touched, None, note="only its metadata changed")
    inbox.know(old, None, older_than_pipeline=True)
    assert inbox.first(touched, old) == "b.csv"
    assert inbox.waits() == ["b.csv"]
    assert inbox.take(old) == ["b.csv"]
    assert inbox.owner(old) == "sample-1"


def test_what_a_run_gave_back_is_free_and_what_another_has_is_not(inbox: Inbox) -> None:
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


def test_what_a_forgotten_run_gave_back_is_free(inbox: Inbox) -> None:
    one = inbox.put("a.csv", returned_by="sample-8")
    inbox.know(one, None, deleted_run="sample-8")
    assert inbox.first(one) == "a.csv"


def test_a_touch_of_what_is_known_opens_no_run(inbox: Inbox) -> None:
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


def test_a_touch_is_found_as_its_burst_is_claimed(inbox: Inbox) -> None:
    known = blob("a.csv", modified=NOW - MINUTE, created=NOW - HOUR)
    name = blob_id("sample", known.container, known.name)
    entry = VersionEntry(pipeline="sample", blob=known, run_id="sample-8")
    inbox.ledger.versions.add(f"{name}-1", entry)
    one = inbox.put("a.csv", **CHANGED)
    assert inbox.take(one, inbox.put("b.csv")) == ["b.csv"]
    assert inbox.owner(one) is None
    assert inbox.waits() == ["b.csv"]


def test_new_bytes_under_a_known_name_are_no_touch(inbox: Inbox) -> None:
    known = blob("a.csv", modified=NOW - MINUTE, created=NOW - HOUR, content_md5="b3RoZXI=")
    name = blob_id("sample", known.container, known.name)
    entry = VersionEntry(pipeline="sample", blob=known, run_id="sample-8")
    inbox.ledger.versions.add(f"{name}-1", entry)
    assert inbox.take(inbox.put("a.csv", **CHANGED)) == ["a.csv"]


def test_what_was_given_back_or_just_created_is_never_taken_for_a_touch(inbox: Inbox) -> None:
    known = blob("a.csv", modified=NOW - MINUTE, created=NOW - HOUR)
    name = blob_id("sample", known.container, known.name)
    entry = VersionEntry(pipeline="sample", blob=known, run_id="sample-8")
    inbox.ledger.versions.add(f"{name}-1", entry)
    back = inbox.put("a.csv", returned_by="sample-8", **CHANGED)
    assert inbox.first(back) == "a.csv"
    assert inbox.take(back) == ["a.csv"]
    inbox.world.calls.clear()
    fresh = inbox.put("c.csv")
    inbox.world.calls.clear()
    assert inbox.first(fresh) == "c.csv"
    assert "list versions" not in inbox.world.calls


def test_within_a_burst_the_second_of_two_equal_versions_is_a_touch(inbox: Inbox) -> None:
    first = inbox.put("a.csv")
    touch = inbox.put("a.csv", etag="0x2", modified=NOW + SECOND)
    new = inbox.put("a.csv", etag="0x3", modified=NOW + 2 * SECOND, content_md5="b3RoZXI=")
    assert inbox.take(first, touch, new) == ["a.csv", "a.csv"]
    noted = inbox.ledger.versions.entry(touch.version_id)
    assert noted is not None
    assert noted.note == f"only its metadata changed since {NOW.isoformat()}: no run"
    assert [inbox.owner(one) for one in (first, touch, new)] == ["sample-1", None, "sample-1"]
    assert len(inbox.waits()) == 2


def test_what_is_claimed_is_told_in_the_order_of_its_age(inbox: Inbox) -> None:
    late = inbox.put("a.csv", modified=NOW + MINUTE, created=NOW + MINUTE)
    early = inbox.put("b.csv")
    same = inbox.put("c.csv")
    assert inbox.take(early, same, late) == ["b.csv", "c.csv", "a.csv"]
    assert age_of(early) == order_of(early.blob)


def test_a_claim_that_another_worker_is_faster_with_is_left_to_a_later_look(
    inbox: Inbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, other = inbox.put("a.csv"), inbox.put("b.csv")
    inbox.know(one, None, older_than_pipeline=True)
    put = inbox.ledger.versions.put

    def late(version: str, entry: VersionEntry, expected: ETag | None) -> object:
        if expected is not None:
            raise ConflictError("versions")
        return put(version, entry, expected)

    monkeypatch.setattr(inbox.ledger.versions, "put", late)
    assert inbox.take(one, other) == ["b.csv"]
    assert sorted(inbox.waits()) == ["a.csv", "b.csv"]


def test_an_entry_that_is_forgotten_this_moment_is_looked_at_again(
    inbox: Inbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = inbox.put("a.csv")
    monkeypatch.setattr(inbox.ledger.versions, "add", lambda *_: False)
    assert inbox.take(one) == []
    assert inbox.waits() == ["a.csv"]


def test_the_record_of_a_run_is_read_once_for_a_whole_burst(inbox: Inbox) -> None:
    burst = [inbox.put(f"{number}.csv") for number in range(5)]
    inbox.store("sample-9", blob("other.csv"))
    for one in burst:
        inbox.know(one, "sample-9")
    for checks in (lambda: inbox.take(*burst), lambda: inbox.first(burst[0])):
        inbox.world.calls.clear()
        checks()
        assert inbox.world.calls.count("read runs") <= 1
    inbox.taking.first_free([], LATER)
    assert inbox.taking._manifests == {}


def test_what_a_run_holds_is_read_anew_by_each_call(inbox: Inbox) -> None:
    one = inbox.put("a.csv")
    inbox.know(one, "sample-9")
    inbox.ledger.open_markers.mark("sample-9", RunHints())
    assert inbox.first(one) is None
    inbox.store("sample-9", blob("other.csv"))
    assert inbox.first(one) == "a.csv"
    inbox.know(two := inbox.put("b.csv"), "sample-8")
    inbox.ledger.open_markers.mark("sample-8", RunHints())
    assert inbox.take(two) == []
    inbox.store("sample-8", blob("other.csv"))
    assert inbox.take(two) == ["b.csv"]


def pointer(one: InboxEntry) -> str:
    return one.pointer.name.removeprefix(inbox_prefix("sample", ()))


def test_what_is_known_to_be_claimed_is_not_claimed_again(inbox: Inbox) -> None:
    one = inbox.put("a.csv")
    began = NOW + 5 * SECOND
    covered = ClaimProgress("sample-1", began + SECOND, pointer(one))
    assert covered.covers(one)
    assert not ClaimProgress("sample-1", began, pointer(one)).covers(one)  # it may have come later
    assert not ClaimProgress("sample-1", began + SECOND, "").covers(one)
    assert not ClaimProgress("sample-1", began + SECOND, pointer(one)[:-1]).covers(one)
    inbox.world.calls.clear()
    assert inbox.take(one, began_at=began + SECOND, claimed_to=pointer(one)) == ["a.csv"]
    assert inbox.world.calls == []


def burst_of(inbox: Inbox, count: int) -> list[InboxEntry]:
    for number in range(count):
        one = blob(f"{number:04}.csv")
        entry = VersionEntry(pipeline="sample", blob=one, run_id=None)
        inbox.ledger.inbox.add((), f"v-{number:04}", entry)
    return list(inbox.ledger.inbox.entries())


def test_how_far_a_great_burst_came_is_kept_part_by_part(inbox: Inbox) -> None:
    small = burst_of(inbox, PART)
    assert len(inbox.take(*small)) == PART
    assert inbox.kept == []  # one part needs no note
    great = burst_of(inbox, 2 * PART + 1)
    assert len(inbox.take(*great, run_id="sample-1")) == 2 * PART + 1
    assert inbox.kept[-3:] == ["v-0199", "v-0399", "v-0400"]
    assert (PART, MOST_VERSIONS) == (200, 10_000)


def test_how_far_it_came_is_not_kept_behind_what_is_not_known_yet(inbox: Inbox) -> None:
    great = burst_of(inbox, 2 * PART)
    inbox.ledger.open_markers.mark("sample-9", RunHints())
    inbox.know(great[3], "sample-9")
    assert len(inbox.take(*great)) == 2 * PART - 1
    assert inbox.kept == []


def test_the_time_is_looked_at_before_each_part(inbox: Inbox) -> None:
    great = burst_of(inbox, 2 * PART)
    until = inbox.world.clock.now() + SECOND

    def slow(_: str) -> None:
        inbox.world.clock.move(SECOND)

    assert inbox.taking.take(ClaimProgress("sample-1", LATER), great, until, slow) is None
    assert [inbox.owner(great[at]) for at in (PART - 1, PART)] == ["sample-1", None]


def test_what_a_stored_run_holds_leaves_the_inbox_and_the_rest_waits(inbox: Inbox) -> None:
    one, other = inbox.put("a.csv"), inbox.put("b.csv")
    newer = inbox.put("a.csv", etag="0x2", content_md5="b3RoZXI=")
    back = inbox.put("a.csv", returned_by="sample-1")
    run = sample(Phase.WAITING, run_id="sample-1", manifest=(one.blob,))
    left = inbox.taking.settle(run, [one, other, newer, back], LATER)
    assert left == (other, newer, back)  # what the run itself gave back is for another one
    assert sorted(inbox.waits()) == ["a.csv", "a.csv", "b.csv"]
    other_run = run.model_copy(update={"run_id": "sample-2"})
    assert inbox.taking.settle(other_run, [back], LATER) == ()


def test_a_pointer_that_cannot_be_deleted_now_keeps_nothing_beside_it(
    inbox: Inbox, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    one, other = inbox.put("a.csv"), inbox.put("b.csv")
    remove: Callable[..., None] = inbox.ledger.inbox.remove

    def held(entry: InboxEntry) -> None:
        if entry == one:
            raise TransientError("somebody holds a lease on it")
        remove(entry)

    monkeypatch.setattr(inbox.ledger.inbox, "remove", held)
    run = sample(Phase.WAITING, run_id="sample-1", manifest=(one.blob, other.blob))
    assert inbox.taking.settle(run, [one, other], LATER) == ()
    assert inbox.waits() == ["a.csv"]
    assert f"blob {one.blob.path} stays in the inbox for now" in caplog.text


@pytest.mark.parametrize("trusted", [False, True])
def test_without_an_md5_even_a_blob_of_one_moment_may_be_a_metadata_write(
    inbox: Inbox, *, trusted: bool
) -> None:
    bare = inbox.put("a.csv", content_md5=None)
    taking = BatchClaims(inbox.world.context, trust_size=trusted)
    assert taking._may_be_metadata_update(bare) is trusted
