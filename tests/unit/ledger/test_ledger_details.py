"""What the ledger writes beside its records, and what it does when others write at once."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest

from shared.core.names import digest, inbox_prefix, index_name
from shared.core.run.concurrency import Pause, Pauses, RunQueue
from shared.core.run.record import Phase
from shared.core.serving.drift import DriftCheck
from shared.core.versions import Fingerprint
from shared.errors import ConflictError, CorruptRecordError
from shared.ledger.configurations import KeptConfiguration
from shared.ledger.ledger import Ledger
from shared.ledger.open_markers import RunHints
from shared.ledger.progress import Rotation, SearchState, Tick
from shared.ledger.run_queues import NEW
from shared.ledger.schedules import Activation
from shared.ledger.versions import VersionEntry
from shared.ports.storage import ETag
from tests.fakes.clock import FakeClock
from tests.fakes.documents import MemoryDocuments
from tests.unit.samples import HOUR, NOW, UPDATE, blob, pipeline, ref, run

ENTRY = VersionEntry(pipeline="sample", blob=blob(), run_id=None, note="waiting")
LONG = blob("n" * 4000 + ".csv")


@dataclass
class Contested(MemoryDocuments):
    """Documents of which the next writes come too late, and are counted."""

    conflicts: int = 0
    refused: int = 0

    def create(self, name: str, body: bytes, metadata: Mapping[str, str] | None = None) -> ETag:
        self._contest(name)
        return super().create(name, body, metadata)

    def replace(
        self, name: str, body: bytes, expected: ETag, metadata: Mapping[str, str] | None = None
    ) -> ETag:
        self._contest(name)
        return super().replace(name, body, expected, metadata)

    def _contest(self, name: str) -> None:
        if self.conflicts > self.refused:
            self.refused += 1
            raise ConflictError(name)


@pytest.fixture
def documents() -> Contested:
    return Contested(FakeClock())


@pytest.fixture
def ledger(documents: Contested) -> Ledger:
    return Ledger(documents)


PAUSE = Pause(by="relearn", at=NOW)
WRITES: dict[str, Callable[[Ledger], object]] = {
    "open/sample-1": lambda ledger: ledger.open_markers.mark("sample-1", RunHints()),
    "pauses/sample": lambda ledger: ledger.pauses.pause_by_failures(
        "sample", Pause(by="relearn", at=NOW)
    ),
    "pipelines/sample": lambda ledger: ledger.activations.activate("sample", NOW),
}


@pytest.mark.parametrize("name", WRITES)
def test_a_write_that_others_are_faster_than_is_tried_five_times(
    documents: Contested, ledger: Ledger, name: str
) -> None:
    documents.conflicts = 4
    WRITES[name](ledger)
    assert name in documents.rows
    documents.rows.clear()
    documents.conflicts, documents.refused = 100, 0
    with pytest.raises(ConflictError, match=f"{name} keeps changing"):
        WRITES[name](ledger)
    assert documents.refused == 5


def test_a_run_is_there_readable_or_not_and_is_as_old_as_its_record(
    documents: Contested, ledger: Ledger
) -> None:
    assert not ledger.runs.exists("sample-1")
    assert ledger.runs.age("sample-1") == timedelta()
    documents.create("runs/sample-1", b"{not json")
    documents.clock.move(HOUR)
    assert ledger.runs.exists("sample-1")
    assert ledger.runs.age("sample-1") == HOUR


def test_a_run_that_is_there_is_told_apart_from_one_that_was_removed(ledger: Ledger) -> None:
    ledger.runs.create(run(Phase.RECEIVED))
    with pytest.raises(ConflictError, match="runs/sample-1 exists already"):
        ledger.runs.create(run(Phase.RECEIVED))
    ledger.tombstones.add("sample-1")  # safe to repeat


def test_the_line_of_a_run_names_its_pipeline_its_key_and_its_roll_out(
    documents: Contested, ledger: Ledger
) -> None:
    keyed = pipeline(key="name")
    ledger.runs.create(run(Phase.RECEIVED, tokens={"name": "acme"}, config=keyed))
    ledger.runs.create(run(Phase.PROMOTING, run_id="sample-2", parent="sample-1"))
    one = documents.rows[index_name(NOW, "sample-1")]
    assert one.body == b""
    assert one.metadata == {"pipeline": "sample", "key": digest("key", "acme")}
    other = documents.rows[index_name(NOW, "sample-2")].metadata
    assert other == {"pipeline": "sample", "key": digest("key"), "parent": "sample-1"}
    assert [item.name for item in ledger.index.page(1, None).items] == [index_name(NOW, "sample-1")]


def test_a_run_whose_line_a_dead_worker_wrote_is_stored_all_the_same(
    documents: Contested, ledger: Ledger
) -> None:
    documents.create(index_name(NOW, "sample-1"), b"", {})
    ledger.runs.create(run(Phase.RECEIVED))
    assert ledger.runs.read("sample-1") is not None


def test_a_marker_is_known_by_its_name_and_as_old_as_its_last_renewal(
    documents: Contested, ledger: Ledger
) -> None:
    assert not ledger.open_markers.has("sample-1")
    assert ledger.open_markers.age("sample-1") == timedelta()
    ledger.open_markers.mark("sample-1", RunHints())
    documents.clock.move(HOUR)
    assert ledger.open_markers.has("sample-1")
    assert ledger.open_markers.age("sample-1") == HOUR
    (marker,) = ledger.open_markers.listed()
    assert (marker.run_id, marker.modified) == ("sample-1", NOW)
    assert marker.etag == documents.rows["open/sample-1"].etag
    assert ledger.open_markers.remove_of("sample-1")
    assert not ledger.open_markers.remove_of("sample-1")


def test_the_phases_of_a_pipelines_runs_are_told_by_their_markers_alone(ledger: Ledger) -> None:
    ledger.open_markers.mark("sample-1", RunHints(phase=Phase.TRAINING))
    ledger.open_markers.mark("sample-2", RunHints())
    ledger.open_markers.mark("sample2-1", RunHints(phase=Phase.PARKED))
    assert ledger.open_markers.phases("sample") == {
        "sample-1": Phase.TRAINING,
        "sample-2": None,
    }
    assert ledger.open_markers.hints("sample-2") == RunHints()


def test_open_runs_are_shown_a_page_at_a_time(ledger: Ledger) -> None:
    for number in range(3):
        ledger.open_markers.mark(f"sample-{number}", RunHints())
    first = ledger.open_markers.page(2, None)
    assert [marker.run_id for marker in first.items] == ["sample-0", "sample-1"]
    last = ledger.open_markers.page(2, first.cursor)
    assert ([marker.run_id for marker in last.items], last.cursor) == (["sample-2"], None)


# Data that waits


def test_a_version_waits_once_and_once_more_for_each_run_that_gave_it_back(
    documents: Contested, ledger: Ledger
) -> None:
    return_to_inbox = ENTRY.model_copy(update={"run_id": "sample-1"})
    assert ledger.inbox.add(("acme",), "b-1", ENTRY)
    assert not ledger.inbox.add(("acme",), "b-1", ENTRY)
    assert ledger.inbox.add(("acme",), "b-1", return_to_inbox)
    assert not ledger.inbox.add(("acme",), "b-1", return_to_inbox)
    plain, back = ledger.inbox.entries(inbox_prefix("sample", ("acme",)))
    assert (plain.pipeline, plain.version_id, plain.blob) == ("sample", "b-1", blob())
    assert (plain.returned_by, back.returned_by) == (None, "sample-1")
    assert back.version_id == "b-1"
    assert plain.seen_at == NOW
    assert plain.pointer.etag == documents.rows[plain.pointer.name].etag
    assert ledger.inbox.has(("acme",), "sample", "b-1")
    assert not ledger.inbox.has((), "sample", "b-1")
    assert not ledger.inbox.has(("acme",), "sample", "b-2")


@pytest.mark.parametrize("one", [blob(), LONG], ids=["short", "long"])
def test_what_waits_is_read_from_its_hint_or_from_its_record_where_the_name_is_long(
    documents: Contested, ledger: Ledger, one: object
) -> None:
    entry = ENTRY.model_copy(update={"blob": one})
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
        ledger.inbox.add((), f"b-{more}", ENTRY.model_copy(update={"blob": exact}))
        hints = documents.rows[f"{inbox_prefix('sample', ())}b-{more}"].metadata
        assert (len(hints.get("blob", "")) == 4000) is hinted
        assert bool(hints) is hinted


def test_a_version_whose_record_is_damaged_hides_no_other_that_waits(
    documents: Contested, ledger: Ledger, caplog: pytest.LogCaptureFixture
) -> None:
    prefix = inbox_prefix("sample", ())
    documents.create(f"{prefix}a-1", b"{not json", {"blob": "none"})
    ledger.inbox.add((), "b-1", ENTRY)
    assert [arrived.version_id for arrived in ledger.inbox.entries()] == ["b-1"]
    assert f"{prefix}a-1 is not understood" in caplog.text


def test_what_waits_is_counted_up_to_a_bound(ledger: Ledger) -> None:
    for number in range(3):
        ledger.inbox.add((), f"b-{number}", ENTRY)
    ledger.inbox.add((), "b-1", ENTRY.model_copy(update={"pipeline": "sample2"}))
    assert (ledger.inbox.size("sample", 10), ledger.inbox.size("sample", 2)) == (3, 2)


def test_since_when_a_version_waits_is_told_until_it_is_taken(
    documents: Contested, ledger: Ledger
) -> None:
    ledger.inbox.add((), "b-1", ENTRY)
    (arrived,) = ledger.inbox.entries()
    documents.clock.move(HOUR)
    assert ledger.inbox.age(arrived) == HOUR
    ledger.inbox.remove(arrived)
    assert ledger.inbox.age(arrived) is None
    assert list(ledger.inbox.entries()) == []


def test_the_newest_version_is_the_one_that_was_written_last(ledger: Ledger) -> None:
    """Whatever else its fingerprint holds."""
    early, late = blob(modified=NOW - HOUR, size=900), blob(modified=NOW, size=5)
    for name, one in {"b-1": early, "b-2": late}.items():
        ledger.versions.add(name, ENTRY.model_copy(update={"blob": one}))
    assert ledger.versions.newest("b") == Fingerprint.of(late)
    assert Fingerprint.of(blob(content_md5=None)).content_md5 is None


# Who may run, and pauses


def test_slots_are_listed_for_their_own_pipeline(ledger: Ledger) -> None:
    for name in ("run_queues/sample/a", "run_queues/sample/b", "run_queues/sample2/a"):
        ledger.run_queues.put(name, RunQueue(pipeline="sample"), None)
    page = ledger.run_queues.page("sample", 1, None)
    assert [item.name for item in page.items] == ["run_queues/sample/a"]
    assert [item.name for item in ledger.run_queues.listed("sample")] == [
        "run_queues/sample/a",
        "run_queues/sample/b",
    ]


def test_a_pause_by_failures_is_noted_beside_and_never_over_that_of_a_person(
    ledger: Ledger,
) -> None:
    assert ledger.pauses.read("sample").etag == NEW
    assert ledger.pauses.of("sample") is None
    by_failures, person = Pause(by="relearn", at=NOW), Pause(by="ada", at=NOW)
    ledger.pauses.pause_by_failures("sample", by_failures)
    known = ledger.pauses.read("sample")
    assert known.record == Pauses(by_failures=by_failures)
    ledger.pauses.put("sample", Pauses(pause=person), known.etag)
    ledger.pauses.pause_by_failures("sample", by_failures)
    assert ledger.pauses.read("sample").record == Pauses(pause=person)
    assert ledger.pauses.of("sample") == person
    with pytest.raises(ConflictError):
        ledger.pauses.put("sample", Pauses(), NEW)


def test_a_pause_that_is_not_understood_says_so_and_can_be_replaced(
    documents: Contested, ledger: Ledger, caplog: pytest.LogCaptureFixture
) -> None:
    documents.create("pauses/sample", b"{not json")
    documents.clock.move(HOUR)
    known = ledger.pauses.read("sample")
    assert known.record.pause is not None
    assert known.record.pause.reason == "pauses/sample"
    assert (known.age, known.record.pause.at.year) == (HOUR, 1970)
    assert "pauses/sample is not understood" in caplog.text
    ledger.pauses.put("sample", Pauses(), known.etag)
    assert ledger.pauses.read("sample").record == Pauses()
    documents.clock.move(HOUR)
    assert ledger.pauses.read("sample").age == HOUR


# Small records


def test_a_watch_tells_when_it_is_due_and_whom_a_look_calls(
    documents: Contested, ledger: Ledger
) -> None:
    known: dict[str, Any] = {
        "ref": ref(UPDATE),
        "place": "p",
        "pipeline": "sample",
        "endpoint": "production",
    }
    drift_check = DriftCheck(**known, next_check=NOW + HOUR, host="studio.example", silent=True)
    ledger.drift_checks.put("w1", drift_check, None)
    drift_kind = drift_check.model_copy(update={"host": "bücher.example", "silent": False})
    ledger.drift_checks.put("w2", drift_kind, None)
    documents.create("drift_checks/w3", b"", {"next_check": "2026-03-01T13:00:00"})
    told = [(w.drift_check_id, w.due, w.host, w.silent) for w in ledger.drift_checks.due()]
    assert told == [
        ("w1", NOW + HOUR, "studio.example", True),
        ("w2", NOW + HOUR, "", False),
        ("w3", NOW, "", False),  # a time without a zone is none: it is looked at
    ]
    stored = ledger.drift_checks.read("w2")
    assert stored is not None
    ledger.drift_checks.put("w2", drift_check, stored.etag)
    assert documents.rows["drift_checks/w2"].metadata == documents.rows["drift_checks/w1"].metadata


def test_the_first_activation_keeps_what_else_is_known_of_its_pipeline(ledger: Ledger) -> None:
    ledger.activations.activate("sample", NOW)
    stored = ledger.activations.read("sample")
    assert stored is not None
    done = Activation(activated_at=NOW, backfilled_at=NOW)
    ledger.activations.put("sample", done, stored.etag)
    ledger.activations.activate("sample", NOW - HOUR)
    again = ledger.activations.read("sample")
    assert again is not None
    assert again.record == Activation(activated_at=NOW - HOUR, backfilled_at=NOW)


def test_a_configuration_is_kept_with_its_hints_over_the_one_that_was_read(
    documents: Contested, ledger: Ledger
) -> None:
    kept = KeptConfiguration(pipeline=pipeline(), recorded_at=NOW, scheduled_since=NOW)
    ledger.configurations.put(kept, {"digest": "1"}, None)
    stored = ledger.configurations.read("sample")
    assert stored is not None
    assert stored.record == kept
    ledger.configurations.put(kept, {"digest": "2"}, stored.etag)
    assert [item.metadata for item in ledger.configurations.listed()] == [{"digest": "2"}]
    assert list(documents.rows) == ["configurations/sample"]
    with pytest.raises(ConflictError):
        ledger.configurations.put(kept, {}, stored.etag)


def test_small_records_are_read_as_they_were_written(ledger: Ledger) -> None:
    assert [
        ledger.search.read(),
        ledger.search_models.read(),
        ledger.tick.read(),
        ledger.rotation.read(),
    ] == [None] * 4
    data, models = SearchState(started_at=NOW), SearchState(started_at=NOW + HOUR)
    etags = ledger.search.put(data, None), ledger.search_models.put(models, None)
    read = ledger.search.read(), ledger.search_models.read()
    assert [one.record for one in read if one] == [data, models]
    assert tuple(one.etag for one in read if one) == etags
    ledger.tick.put(Tick(at=NOW), None)
    ledger.rotation.put(Rotation(first="b"), None)
    tick, rotation = ledger.tick.read(), ledger.rotation.read()
    assert tick is not None
    assert tick.record == Tick(at=NOW)
    assert rotation is not None
    assert rotation.record == Rotation(first="b")


def test_a_forgotten_run_leaves_a_tombstone_that_names_its_slot(
    documents: Contested, ledger: Ledger
) -> None:
    ledger.tombstones.renew("sample-1", "run_queues/sample/x")
    assert ledger.tombstones.has("sample-1")
    ledger.runs.create(run(Phase.RECEIVED, run_id="sample-2"))
    documents.clock.move(HOUR)
    ledger.tombstones.renew("sample-2", "run_queues/sample/y")
    rows = [documents.rows[f"tombstones/sample-{number}"] for number in (1, 2)]
    assert [row.metadata["run_queue"] for row in rows] == [
        "run_queues/sample/x",
        "run_queues/sample/y",
    ]
    assert rows[1].modified == NOW + HOUR
    documents.conflicts = 1
    ledger.tombstones.renew("sample-2", "run_queues/sample/z")  # another worker buries it
    assert documents.rows["tombstones/sample-2"].metadata == {"run_queue": "run_queues/sample/y"}


def test_of_several_problems_of_a_record_the_first_is_told_with_its_place(
    documents: Contested, ledger: Ledger
) -> None:
    documents.create("poll", b'{"schema_version": 1, "at": "soon", "checked": "x", "open": 1}')
    with pytest.raises(CorruptRecordError, match=r"ledger record poll is not understood \(at: "):
        ledger.heartbeat.read()
