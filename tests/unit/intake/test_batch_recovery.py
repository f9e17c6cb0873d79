"""A worker continues the work of a dead one, and keys are served in turn."""

import json
from typing import Any

import pytest

from shared.core.names import run_id, run_queue_id
from shared.core.run.record import Phase
from shared.errors import ConflictError, TransientError
from shared.intake.batch import marker_of_batch
from shared.ledger.open_markers import RunHints, encoded
from shared.ledger.versions import VersionEntry
from shared.ports.storage import ETag
from tests.unit.intake.test_batches import arrive, trained_on, waiting, world_of
from tests.unit.intake.waiting_batches import KEY, KEYED, MINUTE, QUEUE, SECOND, Waiting
from tests.unit.samples import NOW, blob

# What another worker left


def test_a_run_that_a_dead_worker_stored_has_its_data_leave_the_inbox() -> None:
    there = Waiting({"when_busy": "newest"})
    name = there.put("a.csv")
    one = blob("a.csv")
    there.run(name, Phase.FINISHED, manifest=(one,))
    entry = VersionEntry(pipeline="sample", blob=one, run_id=name, in_batch=True)
    there.ledger.versions.add(there.version(one), entry)
    there.run_queue(batch_run=name)
    assert there.open_batches() == []
    assert waiting(there.world) == []


def test_a_run_that_was_stored_and_not_noted_as_used_is_noted() -> None:
    there = Waiting({"when_busy": "newest"})
    there.run("sample-1", Phase.TRAINING)
    del there.world.documents.rows["tombstones/sample-1"]
    there.run_queue(batch_run="sample-1", holders=("sample-1",))
    there.open_batches()
    assert there.ledger.tombstones.has("sample-1")


def test_a_run_that_was_announced_and_is_not_stored_is_opened_by_the_next_worker() -> None:
    there = Waiting({"when_busy": "newest"})
    there.put("a.csv")
    there.put("b.csv")
    there.run_queue(batch_run="sample-9", batch_since=NOW, holders=("sample-9",))
    run = there.open_one()
    assert run.run_id == "sample-9"
    assert [one.name for one in run.manifest] == ["a.csv", "b.csv"]
    marker = there.world.documents.rows["open/sample-9"]
    assert marker.metadata == encoded(marker_of_batch(there.world.pipeline, ()))
    assert waiting(there.world) == []


def test_an_announced_run_of_a_queue_takes_the_version_that_it_is_named_for() -> None:
    there = Waiting(QUEUE)
    there.put("a.csv", modified=NOW - SECOND)
    name = there.put("b.csv")
    there.run_queue(batch_run=name, batch_since=NOW, holders=(name,))
    run = there.open_one()
    assert (run.run_id, [one.name for one in run.manifest]) == (name, ["b.csv"])


def test_an_announced_run_whose_data_was_taken_leaves_its_slot() -> None:
    there = Waiting(QUEUE)
    there.run_queue(batch_run="sample-9", holders=("sample-9", "sample-1"))
    assert there.open_batches() == []
    run_queue = there.ledger.run_queues.read(KEY)
    assert run_queue is not None
    assert (run_queue.record.batch_run, run_queue.record.holders) == (None, ("sample-1",))
    assert "open/sample-9" not in there.world.documents.rows


def test_a_run_whose_id_was_used_is_announced_under_another() -> None:
    there = Waiting({"when_busy": "newest"})
    used = there.put("a.csv")
    there.ledger.tombstones.add(used)
    run = there.open_one()
    assert run.run_id == run_id("sample", "again", used)
    assert f"open/{run.run_id}" in there.world.documents.rows


def test_data_continues_without_a_run_that_cannot_be_read(caplog: pytest.LogCaptureFixture) -> None:
    there = Waiting({"when_busy": "newest"})
    there.put("a.csv")
    there.run("sample-1", Phase.FINISHED)
    there.world.damage("runs/sample-1")
    there.run_queue(batch_run="sample-1")
    assert there.open_batches() == [["a.csv"]]
    assert "pipeline sample: data continues without a run" in caplog.text


def test_a_run_that_two_workers_store_is_returned_as_the_first_one_stored_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    there = Waiting({"when_busy": "newest"})
    there.put("a.csv")
    create = there.ledger.runs.create_unused

    def late(run: Any) -> None:
        monkeypatch.undo()
        create(run.model_copy(update={"cause": "of the first worker"}))
        raise ConflictError("runs")

    monkeypatch.setattr(there.ledger.runs, "create_unused", late)
    run = there.open_one()
    assert run.cause == "of the first worker"
    assert waiting(there.world) == []


def test_a_worker_that_another_one_is_faster_than_opens_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    there = Waiting({"when_busy": "newest"})
    there.put("a.csv")

    def late(*_: object) -> None:
        raise ConflictError(KEY)

    monkeypatch.setattr(there.ledger.run_queues, "put", late)
    assert there.open_batches() == []
    assert there.world.runs() == []


def test_what_is_left_of_a_great_burst_leaves_the_inbox_while_its_run_is_at_work() -> None:
    there = Waiting({"when_busy": "newest"})
    there.put("a.csv")
    one = blob("a.csv")
    there.run("sample-1", Phase.TRAINING, manifest=(one,))
    there.ledger.open_markers.mark("sample-1", RunHints(phase=Phase.TRAINING))
    entry = VersionEntry(pipeline="sample", blob=one, run_id="sample-1", in_batch=True)
    there.ledger.versions.add(there.version(one), entry)
    there.run_queue(batch_run="sample-1", holders=("sample-1",), claimed_to="v")
    for left in ("v", ""):
        there.batch_run.open_all(there.later, {})
        assert waiting(there.world) == []
        run_queue = there.ledger.run_queues.read(KEY)
        assert run_queue is not None
        assert run_queue.record.claimed_to == left
        if left:
            there.put("late.csv")
            there.batch_run.open_all(there.later, {})
            there.world.documents.rows.pop(waiting(there.world)[0])


@pytest.mark.parametrize("conflicts", [0, 4, 5])
def test_how_far_a_burst_came_is_kept_by_the_run_that_takes_it_and_goes_no_rollback_target(
    monkeypatch: pytest.MonkeyPatch, conflicts: int
) -> None:
    there = Waiting({"when_busy": "newest"})
    there.run_queue(batch_run="sample-1", claimed_to="b")
    tries: list[str] = []
    replace = there.world.documents.replace

    def contested(name: str, body: bytes, *rest: Any) -> ETag:
        tries.append(json.loads(body)["claimed_to"])
        if len(tries) <= conflicts:
            raise ConflictError(name)
        return replace(name, body, *rest)

    monkeypatch.setattr(there.world.documents, "replace", contested)
    for run, to in (("sample-2", "c"), ("sample-1", "b"), ("sample-1", "a")):
        there.batch_run._keep_progress(KEY, run, to)
    there.batch_run._keep_progress("run_queues/sample/none", "sample-1", "c")
    assert tries == []
    there.batch_run._keep_progress(KEY, "sample-1", "c")
    run_queue = there.ledger.run_queues.read(KEY)
    assert run_queue is not None
    assert run_queue.record.claimed_to == ("b" if conflicts == 5 else "c")
    assert len(tries) == min(conflicts + 1, 5)


# All pipelines and keys


def test_keys_are_served_in_turn_from_where_the_last_pass_stopped() -> None:
    there = Waiting({**KEYED, "when_busy": "newest"})
    keys = sorted(("a", "b", "c"), key=lambda key: run_queue_id("sample", (key,)))
    for key in keys:
        there.put(f"{key}-1.csv")
    begun: list[str] = []
    create = there.ledger.runs.create_unused

    def noted(run: Any) -> Any:
        begun.append(run.manifest[0].name[0])
        return create(run)

    there.ledger.runs.create_unused = noted  # type: ignore[method-assign]
    begin_with = {"sample": run_queue_id("sample", (keys[1],))}
    in_batch = there.batch_run.open_all(there.later, begin_with)
    assert begun == [keys[1], keys[2], keys[0]]
    assert (in_batch.opened, dict(in_batch.next), in_batch.unwanted) == (3, {}, ())


def test_what_no_pipeline_wants_now_is_distinguished() -> None:
    there = Waiting({**KEYED, "when_busy": "newest"})
    there.put("a-1.csv")
    there.put("nothing")
    in_batch = there.batch_run.open_all(there.later, {})
    assert in_batch.opened == 1
    assert [one.blob.name for one in in_batch.unwanted] == ["nothing"]
    in_batch = there.without.open_all(there.later, {})
    assert [one.blob.name for one in in_batch.unwanted] == ["nothing"]


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (TransientError("busy"), "data that waits stays for the next tick: busy"),
        (KeyError("odd"), "data that waits cannot be taken"),
    ],
)
def test_one_key_that_cannot_be_checked_stops_no_other(
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    error: Exception,
    message: str,
) -> None:
    there = Waiting({**KEYED, "when_busy": "newest"})
    there.put("a-1.csv")
    there.put("b-1.csv")
    run_queue = there.ledger.run_queues.read

    def odd(name: str) -> Any:
        if name == run_queue_id("sample", ("a",)):
            raise error
        return run_queue(name)

    monkeypatch.setattr(there.ledger.run_queues, "read", odd)
    in_batch = there.batch_run.open_all(there.later, {})
    assert in_batch.opened == 1
    assert f"pipeline sample: {message}" in caplog.text


def test_the_slot_of_a_run_is_taken_before_the_next_is_opened() -> None:
    there = Waiting({"when_busy": "parallel", "max_parallel": 2})
    for number in range(3):
        there.put(f"{number}.csv")
    assert len(there.open_batches()) == 2
    assert len(waiting(there.world)) == 1


def test_a_single_run_of_a_key_costs_no_second_probe() -> None:
    world = world_of({"when_busy": "newest", "endpoints": []})
    arrive(world, "0.csv")
    world.until_ended()
    world.clock.move(MINUTE)
    world.upload("1.csv", b"a,b,label\n9,9,0\n")
    world.calls.clear()
    world.deliver("1.csv")
    assert trained_on(world)[-1] == ["1.csv"]
    assert world.calls.count("list inbox") == 1
