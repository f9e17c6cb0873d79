"""The progress of the claims of a great burst, and the entries that leave the inbox."""

from collections.abc import Callable

import pytest

from shared.core.names import inbox_prefix
from shared.core.run.record import Phase
from shared.core.versions import order_of
from shared.errors import ConflictError, TransientError
from shared.intake.batch_claims import MOST_VERSIONS, PART, BatchClaims, ClaimProgress, age_of
from shared.ledger.inbox import InboxEntry
from shared.ledger.open_markers import RunHints
from shared.ledger.versions import VersionEntry
from shared.ports.storage import ETag
from tests.unit.intake.claimed_entries import LATER, MINUTE, SECOND, Inbox
from tests.unit.samples import NOW, blob
from tests.unit.samples import run as sample


@pytest.fixture
def inbox() -> Inbox:
    return Inbox()


def test_what_is_claimed_is_reported_in_the_order_of_its_age(inbox: Inbox) -> None:
    late = inbox.put("a.csv", modified=NOW + MINUTE, created=NOW + MINUTE)
    early = inbox.put("b.csv")
    same = inbox.put("c.csv")
    assert inbox.take(early, same, late) == ["b.csv", "c.csv", "a.csv"]
    assert age_of(early) == order_of(early.blob)


def test_a_claim_that_another_worker_is_faster_with_is_left_to_a_later_check(
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


def test_an_entry_that_is_removed_this_moment_is_checked_again(
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


def test_what_a_run_holds_is_read_again_by_each_call(inbox: Inbox) -> None:
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


def test_the_time_is_checked_before_each_part(inbox: Inbox) -> None:
    great = burst_of(inbox, 2 * PART)
    until = inbox.world.clock.now() + SECOND

    def slow(_: str) -> None:
        inbox.world.clock.move(SECOND)

    assert inbox.taking.take(ClaimProgress("sample-1", LATER), great, until, slow) is None
    assert [inbox.owner(great[at]) for at in (PART - 1, PART)] == ["sample-1", None]


def test_what_a_stored_run_holds_leaves_the_inbox_and_the_rest_waits(inbox: Inbox) -> None:
    one, other = inbox.put("a.csv"), inbox.put("b.csv")
    newer = inbox.put("a.csv", etag="0x2", content_md5="b3RoZXI=")
    rollback = inbox.put("a.csv", returned_by="sample-1")
    run = sample(Phase.WAITING, run_id="sample-1", manifest=(one.blob,))
    left = inbox.taking.remove_taken(run, [one, other, newer, rollback], LATER)
    assert left == (other, newer, rollback)  # what the run itself gave back is for another one
    assert sorted(inbox.waits()) == ["a.csv", "a.csv", "b.csv"]
    other_run = run.model_copy(update={"run_id": "sample-2"})
    assert inbox.taking.remove_taken(other_run, [rollback], LATER) == ()


def test_a_pointer_that_cannot_be_deleted_now_delays_no_other(
    inbox: Inbox, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    one, other = inbox.put("a.csv"), inbox.put("b.csv")
    remove: Callable[..., None] = inbox.ledger.inbox.remove

    def held(entry: InboxEntry) -> None:
        if entry == one:
            raise TransientError("another program holds a lease on it")
        remove(entry)

    monkeypatch.setattr(inbox.ledger.inbox, "remove", held)
    run = sample(Phase.WAITING, run_id="sample-1", manifest=(one.blob, other.blob))
    assert inbox.taking.remove_taken(run, [one, other], LATER) == ()
    assert inbox.waits() == ["a.csv"]
    assert f"blob {one.blob.path} stays in the inbox for now" in caplog.text


@pytest.mark.parametrize("trusted", [False, True])
def test_without_an_md5_even_a_blob_of_one_moment_may_be_a_metadata_only_update(
    inbox: Inbox, *, trusted: bool
) -> None:
    bare = inbox.put("a.csv", content_md5=None)
    taking = BatchClaims(inbox.world.context, trust_size=trusted)
    assert taking._may_be_metadata_update(bare) is trusted
