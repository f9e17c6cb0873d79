import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from shared.core.run.record import Phase, Run
from shared.core.serving.state import EndpointState
from shared.core.versions import Fingerprint
from shared.errors import ConflictError, CorruptRecordError, RunIdUsedError
from shared.ledger.ledger import Ledger
from shared.ledger.open_markers import CommandStored, RunHints
from shared.ledger.progress import Heartbeat
from shared.ledger.schedules import ScheduleRecord
from shared.ledger.versions import VersionEntry
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
    "runs/x": lambda ledger: ledger.runs.read("x"),
    "versions/b-x": lambda ledger: ledger.versions.entry("b-x"),
    "endpoints/x": lambda ledger: ledger.endpoint_states.read("x"),
    "schedules/x": lambda ledger: ledger.schedules.read("x"),
    "pipelines/x": lambda ledger: ledger.activations.activate("x", NOW),
    "poll": lambda ledger: ledger.heartbeat.read(),
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
        ledger.runs.read("x")


@pytest.mark.parametrize("phase", Phase)
def test_a_run_survives_being_stored(ledger: Ledger, phase: Phase) -> None:
    shape = run(
        phase, promotion=promotion(), step_failure=step_failure(), parameters={"n": 1, "s": "1"}
    )
    ledger.runs.create(shape)
    stored = ledger.runs.read(shape.run_id)
    assert stored is not None
    assert stored.record == shape


def test_the_age_of_a_record_is_told_by_the_storages_clock(
    ledger: Ledger, documents: MemoryDocuments
) -> None:
    ledger.runs.create(run(Phase.TRAINING))
    documents.clock.move(HOUR)
    stored = ledger.runs.read("sample-1")
    assert stored is not None
    assert stored.age == HOUR


def test_a_write_over_another_version_is_a_conflict(ledger: Ledger) -> None:
    first = ledger.runs.create(run(Phase.TRAINING))
    ledger.runs.replace(run(Phase.TRAINED), first.etag)
    with pytest.raises(ConflictError):
        ledger.runs.replace(run(Phase.FAILED), first.etag)
    with pytest.raises(ConflictError):
        ledger.runs.create(run(Phase.RECEIVED))


def test_the_first_activation_stays(ledger: Ledger) -> None:
    assert ledger.activations.activate("sample", NOW) == NOW
    assert ledger.activations.activate("sample", NOW + HOUR) == NOW


def test_of_two_workers_that_start_at_once_the_earlier_time_stays(ledger: Ledger) -> None:
    earlier = NOW - timedelta(seconds=1)
    ledger.activations.activate("sample", NOW)
    assert ledger.activations.activate("sample", earlier) == earlier
    assert ledger.activations.activate("sample", NOW) == earlier


def test_a_version_is_news_once(ledger: Ledger) -> None:
    assert ledger.versions.add("b-1", ENTRY)
    assert not ledger.versions.add("b-1", ENTRY.model_copy(update={"run_id": "other"}))
    assert ledger.versions.entry("b-1") == ENTRY
    assert ledger.versions.entry("b-2") is None


def test_the_newest_version_of_one_blob_is_told_and_no_others(ledger: Ledger) -> None:
    newest = blob(modified=NOW + HOUR)
    others = blob(modified=NOW + 2 * HOUR)
    known = {"b-1": blob(), "b-2": newest, "b-3": blob(), "bb-1": others, "c-1": others}
    for name, version in known.items():
        ledger.versions.add(name, ENTRY.model_copy(update={"blob": version}))
    assert ledger.versions.newest("b") == Fingerprint.of(newest)
    assert ledger.versions.newest("d") is None


def test_a_version_is_a_touch_only_where_the_storage_says_that_its_bytes_are_the_same(
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


def test_a_version_is_passed_on_to_another_run_by_whoever_saw_its_entry_last(
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


def test_the_id_of_a_run_whose_record_was_removed_is_never_used_again(ledger: Ledger) -> None:
    stored = ledger.runs.create(run(Phase.RECEIVED))
    assert ledger.tombstones.has("sample-1")
    with pytest.raises(ConflictError):
        ledger.runs.create(run(Phase.RECEIVED))
    ledger._documents.delete("runs/sample-1", stored.etag)
    with pytest.raises(RunIdUsedError):
        ledger.runs.create(run(Phase.RECEIVED))
    assert ledger.runs.read("sample-1") is None


def test_a_marker_hints_at_the_phase_of_its_own_run_alone(ledger: Ledger) -> None:
    assert ledger.open_markers.hints("sample-1") is None
    ledger.open_markers.mark("sample-10", RunHints(phase=Phase.PARKED))
    assert ledger.open_markers.hints("sample-1") is None
    ledger.open_markers.mark("sample-1", RunHints(phase=Phase.TRAINING))
    assert ledger.open_markers.hints("sample-1") == RunHints(phase=Phase.TRAINING)


def test_a_marker_holds_hints_and_no_body(ledger: Ledger, documents: MemoryDocuments) -> None:
    ledger.open_markers.mark("sample-1", RunHints(phase=Phase.RECEIVED))
    ledger.open_markers.mark("sample-1", RunHints(phase=Phase.TRAINING))
    (marker,) = ledger.open_markers.listed()
    assert (marker.run_id, marker.hints) == ("sample-1", RunHints(phase=Phase.TRAINING))
    assert documents.rows["open/sample-1"].body == b""


def test_hints_are_renewed_only_on_the_marker_that_was_seen(ledger: Ledger) -> None:
    ledger.open_markers.mark("sample-1", RunHints(phase=Phase.RECEIVED))
    (seen,) = ledger.open_markers.listed()
    ledger.open_markers.replace(seen, RunHints(phase=Phase.TRAINING))
    ledger.open_markers.replace(seen, RunHints(phase=Phase.PARKED))
    (marker,) = ledger.open_markers.listed()
    assert marker.hints == RunHints(phase=Phase.TRAINING)


def test_a_marker_that_was_renewed_meanwhile_is_not_dropped(ledger: Ledger) -> None:
    ledger.open_markers.mark("sample-1", RunHints())
    (seen,) = ledger.open_markers.listed()
    ledger.open_markers.mark("sample-1", CommandStored())
    ledger.open_markers.remove(seen)
    assert len(list(ledger.open_markers.listed())) == 1
    ledger.open_markers.remove_of("sample-1")
    ledger.open_markers.remove_of("sample-1")
    assert list(ledger.open_markers.listed()) == []


def test_a_hint_never_brings_back_a_marker_of_an_ended_run(ledger: Ledger) -> None:
    ledger.open_markers.mark("sample-1", RunHints())
    (seen,) = ledger.open_markers.listed()
    ledger.open_markers.remove_of("sample-1")
    ledger.open_markers.replace(seen, RunHints(phase=Phase.TRAINING))
    assert list(ledger.open_markers.listed()) == []


def test_a_due_time_is_stored_once(ledger: Ledger) -> None:
    ledger.schedules.put("sample", ScheduleRecord(last_due=NOW), None)
    with pytest.raises(ConflictError):
        ledger.schedules.put("sample", ScheduleRecord(last_due=NOW), None)
    with pytest.raises(ConflictError):
        ledger.schedules.put("sample", ScheduleRecord(last_due=NOW), ETag("old"))


def test_the_history_of_a_record_does_not_grow_for_ever() -> None:
    shape: Run = run(Phase.TRAINING)
    for number in range(300):
        shape = shape.moved_to(Phase.TRAINING, NOW, f"note {number}")
    assert len(shape.history) == 100
    assert shape.history[-1].note == "note 299"
