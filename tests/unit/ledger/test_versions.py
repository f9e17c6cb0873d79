"""The entries of data versions, and which version of a blob is the newest."""

from typing import Any

import pytest

from shared.core.run.record import Phase
from shared.core.versions import Fingerprint
from shared.errors import ConflictError
from shared.ledger.ledger import Ledger
from shared.ledger.versions import VersionEntry
from tests.unit.samples import HOUR, NOW, blob, run

ENTRY = VersionEntry(pipeline="sample", blob=blob(), run_id="sample-1")


WAITING = VersionEntry(pipeline="sample", blob=blob(), run_id=None, note="waiting")


def test_a_write_over_another_version_is_a_conflict(ledger: Ledger) -> None:
    first = ledger.runs.create(run(Phase.TRAINING))
    ledger.runs.replace(run(Phase.TRAINED), first.etag)
    with pytest.raises(ConflictError):
        ledger.runs.replace(run(Phase.FAILED), first.etag)
    with pytest.raises(ConflictError):
        ledger.runs.create(run(Phase.RECEIVED))


def test_a_version_is_eligible_once(ledger: Ledger) -> None:
    assert ledger.versions.add("b-1", ENTRY)
    assert not ledger.versions.add("b-1", ENTRY.model_copy(update={"run_id": "other"}))
    assert ledger.versions.entry("b-1") == ENTRY
    assert ledger.versions.entry("b-2") is None


def test_the_newest_version_of_one_blob_is_reported_and_no_others(ledger: Ledger) -> None:
    newest = blob(modified=NOW + HOUR)
    others = blob(modified=NOW + 2 * HOUR)
    known = {"b-1": blob(), "b-2": newest, "b-3": blob(), "bb-1": others, "c-1": others}
    for name, version in known.items():
        ledger.versions.add(name, ENTRY.model_copy(update={"blob": version}))
    assert ledger.versions.newest("b") == Fingerprint.of(newest)
    assert ledger.versions.newest("d") is None


def test_a_metadata_only_update_has_the_same_bytes_by_what_the_storage_says(
    ledger: Ledger,
) -> None:
    later: dict[str, Any] = {"etag": "0x2", "modified": NOW + HOUR}
    ledger.versions.add("b-1", ENTRY)
    assert ledger.versions.metadata_updated_since("b", blob(**later)) == NOW.isoformat()
    assert (
        ledger.versions.metadata_updated_since("b", blob(**later, content_md5="b3RoZXI=")) is None
    )
    bare = blob("bare.csv", content_md5=None)  # put in blocks: the storage keeps no digest
    ledger.versions.add("c-1", ENTRY.model_copy(update={"blob": bare}))
    assert (
        ledger.versions.metadata_updated_since("c", blob("bare.csv", **later, content_md5=None))
        is None
    )


def test_a_version_is_passed_on_to_another_run_by_the_worker_that_saw_its_entry_last(
    ledger: Ledger,
) -> None:
    ledger.versions.add("b-1", ENTRY)
    again = ENTRY.model_copy(update={"run_id": "sample-2"})
    known = ledger.versions.read("b-1")
    assert known is not None
    ledger.versions.put("b-1", again, known.etag)
    assert ledger.versions.entry("b-1") == again
    with pytest.raises(ConflictError):
        ledger.versions.put("b-1", ENTRY, known.etag)
    assert ledger.versions.entry("b-1") == again
    assert ledger.versions.newest("b") == Fingerprint.of(again.blob)


def test_the_newest_version_is_the_one_that_was_written_last(ledger: Ledger) -> None:
    """For any other content of its fingerprint."""
    early, late = blob(modified=NOW - HOUR, size=900), blob(modified=NOW, size=5)
    for name, one in {"b-1": early, "b-2": late}.items():
        ledger.versions.add(name, WAITING.model_copy(update={"blob": one}))
    assert ledger.versions.newest("b") == Fingerprint.of(late)
    assert Fingerprint.of(blob(content_md5=None)).content_md5 is None
