import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from shared.core.run.record import Phase, Run
from shared.core.serving.state import EndpointState
from shared.errors import ConflictError, CorruptRecordError, RunIdUsedError
from shared.ledger.ledger import Ledger, fingerprint_of
from shared.ledger.records import Heartbeat, ScheduleRecord, VersionEntry
from shared.ports.storage import ETag
from tests.fakes.clock import FakeClock
from tests.fakes.documents import MemoryDocuments
from tests.unit.samples import HOUR, NOW, UPDATE, blob, promotion, ref, run, step_failure

ENTRY = VersionEntry(pipeline="sample", blob=blob(), run_id="sample-1")


@pytest.fixture
def documents() -> MemoryDocuments:
    return MemoryDocuments(FakeClock())


@pytest.fixture
def ledger(documents: MemoryDocuments) -> Ledger:
    return Ledger(documents)


READS: dict[str, Callable[[Ledger], object]] = {
    "runs/x": lambda ledger: ledger.run("x"),
    "versions/b-x": lambda ledger: ledger.version("b-x"),
    "endpoints/x": lambda ledger: ledger.endpoint_state("x"),
    "schedules/x": lambda ledger: ledger.last_due("x"),
    "pipelines/x": lambda ledger: ledger.activation("x", NOW),
    "poll": lambda ledger: ledger.heartbeat(),
}
GOOD = {
    "runs/x": run(Phase.TRAINING).model_dump_json(),
    "versions/b-x": ENTRY.model_dump_json(),
    "endpoints/x": EndpointState(ref=ref(UPDATE)).model_dump_json(),
    "schedules/x": json.dumps({"schema_version": 1, "last_due": NOW.isoformat()}),
    "pipelines/x": json.dumps({"schema_version": 1, "activated_at": NOW.isoformat()}),
    "poll": Heartbeat(at=NOW, checked=1, open=1).model_dump_json(),
}


@pytest.mark.parametrize("name", READS)
@pytest.mark.parametrize(
    ("damage", "says"),
    [
        (lambda text: text.replace('"schema_version":', '"schema_version":2, "x":'), "schema"),
        (lambda text: json.dumps({**json.loads(text), "schema_version": 2}), "schema_version 2"),
        (lambda text: json.dumps({**json.loads(text), "schema_version": "1"}), "schema_version"),
        (lambda text: json.dumps({**json.loads(text), "unknown": 1}), "unknown"),
        (lambda text: text[:-2], "not JSON"),
        (lambda _: "", "not JSON"),
        (lambda _: "[]", "schema_version None"),
        (lambda _: "null", "schema_version None"),
        (lambda _: "{}", "schema_version None"),
        (lambda _: "\ufeff", "not JSON"),
    ],
)
def test_a_record_that_is_not_understood_is_told_of_and_left_untouched(
    ledger: Ledger,
    documents: MemoryDocuments,
    name: str,
    damage: Callable[[str], str],
    says: str,
) -> None:
    documents.create(name, damage(GOOD[name]).encode())
    before = dict(documents.rows)
    with pytest.raises(CorruptRecordError, match=name) as caught:
        READS[name](ledger)
    assert "schema" in str(caught.value) or says in str(caught.value)
    assert documents.rows == before


@pytest.mark.parametrize("name", READS)
def test_an_undamaged_record_is_read(ledger: Ledger, documents: MemoryDocuments, name: str) -> None:
    documents.create(name, GOOD[name].encode())
    assert READS[name](ledger) is not None


def test_bytes_that_are_no_text_are_not_understood(
    ledger: Ledger, documents: MemoryDocuments
) -> None:
    documents.create("runs/x", b"\xff\xfe\x00")
    with pytest.raises(CorruptRecordError):
        ledger.run("x")


@pytest.mark.parametrize("phase", Phase)
def test_a_run_survives_being_stored(ledger: Ledger, phase: Phase) -> None:
    shape = run(
        phase, promotion=promotion(), step_failure=step_failure(), parameters={"n": 1, "s": "1"}
    )
    ledger.create_run(shape)
    stored = ledger.run(shape.run_id)
    assert stored is not None
    assert stored.record == shape


def test_the_age_of_a_record_is_told_by_the_storages_clock(
    ledger: Ledger, documents: MemoryDocuments
) -> None:
    ledger.create_run(run(Phase.TRAINING))
    documents.clock.move(HOUR)
    stored = ledger.run("sample-1")
    assert stored is not None
    assert stored.age == HOUR


def test_a_write_over_another_version_is_a_conflict(ledger: Ledger) -> None:
    first = ledger.create_run(run(Phase.TRAINING))
    ledger.replace_run(run(Phase.TRAINED), first.etag)
    with pytest.raises(ConflictError):
        ledger.replace_run(run(Phase.FAILED), first.etag)
    with pytest.raises(ConflictError):
        ledger.create_run(run(Phase.RECEIVED))


def test_the_first_activation_stays(ledger: Ledger) -> None:
    assert ledger.activation("sample", NOW) == NOW
    assert ledger.activation("sample", NOW + HOUR) == NOW


def test_of_two_workers_that_start_at_once_the_earlier_time_stays(ledger: Ledger) -> None:
    earlier = NOW - timedelta(seconds=1)
    ledger.activation("sample", NOW)
    assert ledger.activation("sample", earlier) == earlier
    assert ledger.activation("sample", NOW) == earlier


def test_a_version_is_news_once(ledger: Ledger) -> None:
    assert ledger.add_version("b-1", ENTRY)
    assert not ledger.add_version("b-1", ENTRY.model_copy(update={"run_id": "other"}))
    assert ledger.version("b-1") == ENTRY
    assert ledger.version("b-2") is None


def test_the_newest_version_of_one_blob_is_told_and_no_others(ledger: Ledger) -> None:
    newest = blob(modified=NOW + HOUR)
    others = blob(modified=NOW + 2 * HOUR)
    known = {"b-1": blob(), "b-2": newest, "b-3": blob(), "bb-1": others, "c-1": others}
    for name, version in known.items():
        ledger.add_version(name, ENTRY.model_copy(update={"blob": version}))
    assert ledger.newest_version("b") == fingerprint_of(newest)
    assert ledger.newest_version("d") is None


def test_a_version_is_a_touch_only_where_the_storage_says_that_its_bytes_are_the_same(
    ledger: Ledger,
) -> None:
    later: dict[str, Any] = {"etag": "0x2", "modified": NOW + HOUR}
    ledger.add_version("b-1", ENTRY)
    assert ledger.metadata_updated_since("b", blob(**later)) == NOW.isoformat()
    assert ledger.metadata_updated_since("b", blob(**later, content_md5="b3RoZXI=")) is None
    bare = blob("bare.csv", content_md5=None)  # put in blocks: the storage keeps no digest
    ledger.add_version("c-1", ENTRY.model_copy(update={"blob": bare}))
    assert ledger.metadata_updated_since("c", blob("bare.csv", **later, content_md5=None)) is None


def test_a_version_is_passed_on_to_another_run_by_whoever_saw_its_entry_last(
    ledger: Ledger,
) -> None:
    ledger.add_version("b-1", ENTRY)
    again = ENTRY.model_copy(update={"run_id": "sample-2"})
    known = ledger.version_stored("b-1")
    assert known is not None
    ledger.replace_version("b-1", again, known.etag)
    assert ledger.version("b-1") == again
    with pytest.raises(ConflictError):
        ledger.replace_version("b-1", ENTRY, known.etag)
    assert ledger.version("b-1") == again
    assert ledger.newest_version("b") == fingerprint_of(again.blob)


def test_the_id_of_a_run_whose_record_was_removed_is_never_used_again(ledger: Ledger) -> None:
    stored = ledger.create_run(run(Phase.RECEIVED))
    assert ledger.is_used("sample-1")
    with pytest.raises(ConflictError):
        ledger.create_run(run(Phase.RECEIVED))
    ledger._documents.delete("runs/sample-1", stored.etag)
    with pytest.raises(RunIdUsedError):
        ledger.create_run(run(Phase.RECEIVED))
    assert ledger.run("sample-1") is None


def test_a_marker_hints_at_the_phase_of_its_own_run_alone(ledger: Ledger) -> None:
    assert ledger.hinted_phase("sample-1") is None
    ledger.mark_open("sample-10", {"phase": "parked"})
    assert ledger.hinted_phase("sample-1") is None
    ledger.mark_open("sample-1", {"phase": "training"})
    assert ledger.hinted_phase("sample-1") == "training"


def test_a_marker_holds_hints_and_no_body(ledger: Ledger, documents: MemoryDocuments) -> None:
    ledger.mark_open("sample-1", {"phase": "received"})
    ledger.mark_open("sample-1", {"phase": "other"})
    (marker,) = ledger.open_runs()
    assert (marker.run_id, marker.hints) == ("sample-1", {"phase": "other"})
    assert documents.rows["open/sample-1"].body == b""


def test_hints_are_renewed_only_on_the_marker_that_was_seen(ledger: Ledger) -> None:
    ledger.mark_open("sample-1", {"phase": "received"})
    (seen,) = ledger.open_runs()
    ledger.hint(seen, {"phase": "training"})
    ledger.hint(seen, {"phase": "stale"})
    (marker,) = ledger.open_runs()
    assert marker.hints == {"phase": "training"}


def test_a_marker_that_was_renewed_meanwhile_is_not_dropped(ledger: Ledger) -> None:
    ledger.mark_open("sample-1", {})
    (seen,) = ledger.open_runs()
    ledger.mark_open("sample-1", {"phase": "requested"})
    ledger.close(seen)
    assert len(list(ledger.open_runs())) == 1
    ledger.unmark("sample-1")
    ledger.unmark("sample-1")
    assert list(ledger.open_runs()) == []


def test_a_hint_never_brings_back_a_marker_of_an_ended_run(ledger: Ledger) -> None:
    ledger.mark_open("sample-1", {})
    (seen,) = ledger.open_runs()
    ledger.unmark("sample-1")
    ledger.hint(seen, {"phase": "training"})
    assert list(ledger.open_runs()) == []


def test_of_two_pollers_one_heartbeat_wins_and_nobody_fails(ledger: Ledger) -> None:
    ledger.put_heartbeat(Heartbeat(at=NOW, checked=1, open=1), None)
    ledger.put_heartbeat(Heartbeat(at=NOW, checked=2, open=2), None)
    beat = ledger.heartbeat()
    assert beat is not None
    assert beat.record.checked == 1


def test_a_due_time_is_stored_once(ledger: Ledger) -> None:
    ledger.put_due_times("sample", ScheduleRecord(last_due=NOW), None)
    with pytest.raises(ConflictError):
        ledger.put_due_times("sample", ScheduleRecord(last_due=NOW), None)
    with pytest.raises(ConflictError):
        ledger.put_due_times("sample", ScheduleRecord(last_due=NOW), ETag("old"))


def test_the_history_of_a_record_does_not_grow_for_ever() -> None:
    shape: Run = run(Phase.TRAINING)
    for number in range(300):
        shape = shape.moved_to(Phase.TRAINING, NOW, f"note {number}")
    assert len(shape.history) == 100
    assert shape.history[-1].note == "note 299"
