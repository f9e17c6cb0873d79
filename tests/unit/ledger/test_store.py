"""Records are read as they were written; what is not understood is left as it is."""

import json
from collections.abc import Callable

import pytest

from shared.core.run.concurrency import Pause
from shared.core.run.record import Phase
from shared.core.serving.state import EndpointState
from shared.errors import ConflictError, CorruptRecordError
from shared.ledger.ledger import Ledger
from shared.ledger.open_markers import RunHints
from shared.ledger.progress import Heartbeat, Rotation, SearchState, Tick
from shared.ledger.versions import VersionEntry
from tests.unit.ledger.contested import Contested
from tests.unit.samples import HOUR, NOW, UPDATE, blob, ref, run

ENTRY = VersionEntry(pipeline="sample", blob=blob(), run_id="sample-1")


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


WRITES: dict[str, Callable[[Ledger], object]] = {
    "open/sample-1": lambda ledger: ledger.open_markers.mark("sample-1", RunHints()),
    "pauses/sample": lambda ledger: ledger.pauses.pause_by_failures(
        "sample", Pause(by="relearn", at=NOW)
    ),
    "pipelines/sample": lambda ledger: ledger.activations.activate("sample", NOW),
}


@pytest.mark.parametrize("name", READS)
@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda text: text.replace('"schema_version":', '"schema_version":3, "x":'), "schema"),
        (lambda text: json.dumps({**json.loads(text), "schema_version": 3}), "schema_version 3"),
        (lambda text: json.dumps({**json.loads(text), "schema_version": "1"}), "schema_version"),
        (lambda text: json.dumps({**json.loads(text), "unknown": 1}), "unknown"),
        (lambda _: '{"schema_version": 1, "phase": 7, "holders": "x"}', ": "),
        (lambda text: text[:-2], "not JSON"),
        (lambda _: "", "not JSON"),
        (lambda _: "[1, 2]", "schema_version None"),
        (lambda _: "null", "schema_version None"),
        (lambda _: "{}", "schema_version None"),
        (lambda _: "\ufeff", "not JSON"),
    ],
)
def test_a_record_that_is_not_understood_is_reported_and_left_untouched(
    ledger: Ledger,
    documents: Contested,
    name: str,
    damage: Callable[[str], str],
    message: str,
) -> None:
    documents.create(name, damage(GOOD[name]).encode())
    before = dict(documents.rows)
    with pytest.raises(CorruptRecordError, match=name) as caught:
        READS[name](ledger)
    assert "schema" in str(caught.value) or message in str(caught.value)
    assert caught.value.later == ("schema_version 3" in str(caught.value))
    assert documents.rows == before


@pytest.mark.parametrize("name", READS)
def test_an_undamaged_record_is_read(ledger: Ledger, documents: Contested, name: str) -> None:
    documents.create(name, GOOD[name].encode())
    assert READS[name](ledger) is not None


def test_bytes_that_are_no_text_are_not_understood(ledger: Ledger, documents: Contested) -> None:
    documents.create("runs/x", b"\xff\xfe\x00")
    with pytest.raises(CorruptRecordError):
        ledger.runs.read("x")


def test_the_age_of_a_record_is_known_by_the_storages_clock(
    ledger: Ledger, documents: Contested
) -> None:
    ledger.runs.create(run(Phase.TRAINING))
    documents.clock.move(HOUR)
    stored = ledger.runs.read("sample-1")
    assert stored is not None
    assert stored.age == HOUR


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


def test_of_several_problems_of_a_record_the_first_is_reported_with_its_position(
    documents: Contested, ledger: Ledger
) -> None:
    documents.create("poll", b'{"schema_version": 1, "at": "soon", "checked": "x", "open": 1}')
    with pytest.raises(CorruptRecordError, match=r"ledger record poll is not understood \(at: "):
        ledger.heartbeat.read()
