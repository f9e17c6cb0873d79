"""Data versions that wait for their run."""

import pytest

from shared.core.names import inbox_prefix
from shared.ledger.ledger import Ledger
from shared.ledger.versions import VersionEntry
from tests.unit.ledger.contested import Contested
from tests.unit.samples import HOUR, NOW, blob

WAITING = VersionEntry(pipeline="sample", blob=blob(), run_id=None, note="waiting")


LONG = blob("n" * 4000 + ".csv")


def test_a_version_waits_once_and_once_more_for_each_run_that_requeued_it(
    documents: Contested, ledger: Ledger
) -> None:
    requeued = WAITING.model_copy(update={"run_id": "sample-1"})
    assert ledger.inbox.add(("acme",), "b-1", WAITING)
    assert not ledger.inbox.add(("acme",), "b-1", WAITING)
    assert ledger.inbox.add(("acme",), "b-1", requeued)
    assert not ledger.inbox.add(("acme",), "b-1", requeued)
    plain, returned = ledger.inbox.entries(inbox_prefix("sample", ("acme",)))
    assert (plain.pipeline, plain.version_id, plain.blob) == ("sample", "b-1", blob())
    assert (plain.returned_by, returned.returned_by) == (None, "sample-1")
    assert returned.version_id == "b-1"
    assert plain.seen_at == NOW
    assert plain.pointer.etag == documents.rows[plain.pointer.name].etag
    assert ledger.inbox.has(("acme",), "sample", "b-1")
    assert not ledger.inbox.has((), "sample", "b-1")
    assert not ledger.inbox.has(("acme",), "sample", "b-2")


@pytest.mark.parametrize("one", [blob(), LONG], ids=["short", "long"])
def test_what_waits_is_read_from_its_hint_or_from_its_record_where_the_name_is_long(
    documents: Contested, ledger: Ledger, one: object
) -> None:
    entry = WAITING.model_copy(update={"blob": one})
    ledger.inbox.add((), "b-1", entry)
    (name,) = documents.rows
    assert bool(documents.rows[name].metadata) is (one is not LONG)
    (arrived,) = ledger.inbox.entries()
    assert arrived.blob == one


def test_a_hint_is_as_long_as_metadata_may_be_and_no_longer(
    documents: Contested, ledger: Ledger
) -> None:
    bare = len(blob("").model_dump_json())
    for more, hinted in ((0, True), (1, False)):
        exact = blob("n" * (4000 - bare + more))
        ledger.inbox.add((), f"b-{more}", WAITING.model_copy(update={"blob": exact}))
        hints = documents.rows[f"{inbox_prefix('sample', ())}b-{more}"].metadata
        assert (len(hints.get("blob", "")) == 4000) is hinted
        assert bool(hints) is hinted


def test_a_version_whose_record_is_damaged_hides_no_other_that_waits(
    documents: Contested, ledger: Ledger, caplog: pytest.LogCaptureFixture
) -> None:
    prefix = inbox_prefix("sample", ())
    documents.create(f"{prefix}a-1", b"{not json", {"blob": "none"})
    ledger.inbox.add((), "b-1", WAITING)
    assert [arrived.version_id for arrived in ledger.inbox.entries()] == ["b-1"]
    assert f"{prefix}a-1 is not understood" in caplog.text


def test_what_waits_is_counted_up_to_a_bound(ledger: Ledger) -> None:
    for number in range(3):
        ledger.inbox.add((), f"b-{number}", WAITING)
    ledger.inbox.add((), "b-1", WAITING.model_copy(update={"pipeline": "sample2"}))
    assert (ledger.inbox.size("sample", 10), ledger.inbox.size("sample", 2)) == (3, 2)


def test_since_when_a_version_waits_is_reported_until_it_is_taken(
    documents: Contested, ledger: Ledger
) -> None:
    ledger.inbox.add((), "b-1", WAITING)
    (arrived,) = ledger.inbox.entries()
    documents.clock.move(HOUR)
    assert ledger.inbox.age(arrived) == HOUR
    ledger.inbox.remove(arrived)
    assert ledger.inbox.age(arrived) is None
    assert list(ledger.inbox.entries()) == []
