"""The records of runs, their list and the tombstones of their ids."""

from datetime import timedelta

import pytest

from shared.core.names import digest, index_name
from shared.core.run.record import Phase, Run
from shared.errors import ConflictError, RunIdUsedError
from shared.ledger.ledger import Ledger
from tests.unit.ledger.contested import Contested
from tests.unit.samples import HOUR, NOW, pipeline, promotion, run, step_failure


@pytest.mark.parametrize("phase", Phase)
def test_a_run_survives_being_stored(ledger: Ledger, phase: Phase) -> None:
    shape = run(
        phase, promotion=promotion(), step_failure=step_failure(), parameters={"n": 1, "s": "1"}
    )
    ledger.runs.create(shape)
    stored = ledger.runs.read(shape.run_id)
    assert stored is not None
    assert stored.record == shape


def test_the_id_of_a_run_whose_record_was_removed_is_never_used_again(ledger: Ledger) -> None:
    stored = ledger.runs.create(run(Phase.RECEIVED))
    assert ledger.tombstones.has("sample-1")
    with pytest.raises(ConflictError):
        ledger.runs.create(run(Phase.RECEIVED))
    assert stored.etag is not None
    ledger._documents.delete("runs/sample-1", stored.etag)
    with pytest.raises(RunIdUsedError):
        ledger.runs.create(run(Phase.RECEIVED))
    assert ledger.runs.read("sample-1") is None


def test_the_history_of_a_record_does_not_grow_for_ever() -> None:
    shape: Run = run(Phase.TRAINING)
    for number in range(300):
        shape = shape.moved_to(Phase.TRAINING, NOW, f"note {number}")
    assert len(shape.history) == 100
    assert shape.history[-1].note == "note 299"


def test_a_run_is_there_readable_or_not_and_is_as_old_as_its_record(
    documents: Contested, ledger: Ledger
) -> None:
    assert not ledger.runs.exists("sample-1")
    assert ledger.runs.age("sample-1") == timedelta()
    documents.create("runs/sample-1", b"{not json")
    documents.clock.move(HOUR)
    assert ledger.runs.exists("sample-1")
    assert ledger.runs.age("sample-1") == HOUR


def test_a_run_that_is_there_is_distinguished_from_one_that_was_removed(ledger: Ledger) -> None:
    ledger.runs.create(run(Phase.RECEIVED))
    with pytest.raises(ConflictError, match="runs/sample-1 exists already"):
        ledger.runs.create(run(Phase.RECEIVED))
    ledger.tombstones.add("sample-1")  # safe to repeat


def test_the_index_entry_of_a_run_names_its_pipeline_its_key_and_its_roll_out(
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


def test_a_run_whose_index_entry_a_dead_worker_wrote_is_stored_all_the_same(
    documents: Contested, ledger: Ledger
) -> None:
    documents.create(index_name(NOW, "sample-1"), b"", {})
    ledger.runs.create(run(Phase.RECEIVED))
    assert ledger.runs.read("sample-1") is not None


def test_a_removed_run_leaves_a_tombstone_that_names_its_slot(
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
