"""What waits, for whom and in which order, and what a worker leaves for the one that follows."""

import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from shared.core.blobs import BlobVersion
from shared.core.config.keys import captured, key_of
from shared.core.data_version import DataVersion
from shared.core.names import run_id, run_queue_id, shared_queue_id
from shared.core.run.concurrency import QueueEntry, RunQueue
from shared.core.run.record import Phase
from shared.core.versions import version_id
from shared.errors import ConflictError, TransientError
from shared.intake.batch import marker_of_batch
from shared.intake.batches import Batches
from shared.intake.catalogue import Catalogue
from shared.ledger.ledger import Ledger
from shared.ledger.open_markers import BatchToOpen, RunHints, encoded
from shared.ledger.versions import VersionEntry
from shared.ports.storage import ETag
from tests.unit.intake.test_batches import BURST, land, trained_on, waiting, world_of
from tests.unit.samples import NOW, blob
from tests.unit.samples import run as sample
from tests.unit.worlds import Observed

SECOND, MINUTE, HOUR = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1)
KEY = run_queue_id("sample", ())
KEYED: dict[str, Any] = {"key": "key", "data": {"blob": "{key}-{name}.csv"}, "endpoints": []}
QUEUE: dict[str, Any] = {"when_busy": "queue", "endpoints": []}


class Waiting:
    """What waits for one pipeline, as a test puts it there."""

    def __init__(self, pipeline: dict[str, Any]) -> None:
        self.world: Observed = world_of({"endpoints": [], **pipeline})
        self.world.app.activations.refresh()
        self.ledger: Ledger = self.world.context.ledger
        self.batch_run: Batches = self.world.app.batches

    @property
    def without(self) -> Batches:
        """What opens batches, while no pipeline is configured."""
        return replace(self.batch_run, catalogue=Catalogue({}))

    @property
    def later(self) -> Any:
        return self.world.clock.now() + HOUR

    def put(self, name: str, **changes: Any) -> str:
        """Have a blob wait, and return the id of the run that takes it first."""
        now = self.world.clock.now()
        one = blob(name, **{"modified": now, "created": now, **changes})
        self.world.app.inbox.keep(
            DataVersion(self.world.pipeline, one, captured(self.world.pipeline, name) or {})
        )
        return run_id("sample", "data", self.version(one))

    def version(self, one: BlobVersion) -> str:
        return version_id("sample", one)

    def run(self, name: str, phase: Phase, **changes: Any) -> None:
        known = {"job": None, "started_at": None, "config": self.world.pipeline, "model": None}
        self.ledger.runs.create(sample(phase, run_id=name, **{**known, **changes}))

    def run_queue(self, **changes: Any) -> None:
        stored = self.ledger.run_queues.read(KEY)
        run_queue = RunQueue(pipeline="sample", **changes)
        self.ledger.run_queues.put(KEY, run_queue, stored.etag if stored else None)

    def open_batches(self, key: tuple[str, ...] = ()) -> list[list[str]]:
        found = self.batch_run.open_batches(self.world.pipeline, key, self.later)
        return [[one.name for one in run.manifest] for run in found]


def test_the_key_of_data_is_what_its_name_captures() -> None:
    keyed = world_of(KEYED).pipeline
    assert key_of(keyed, "acme-1.csv") == ("acme",)
    assert key_of(keyed, "nothing") == ("",)
    version = DataVersion.of(keyed, blob("acme-1.csv"))
    assert version is not None
    assert (version.key, version.tokens) == (("acme",), {"key": "acme", "name": "1"})
    assert DataVersion.of(keyed, blob("nothing")) is None


def test_a_marker_says_what_a_run_is_to_be_made_of() -> None:
    keyed = world_of(KEYED).pipeline
    assert marker_of_batch(keyed, ["acme"]) == BatchToOpen(
        pipeline="sample", key=("acme",), service=keyed.training.address
    )


def test_what_is_kept_waits_once_for_its_pipeline_and_key() -> None:
    there = Waiting(KEYED)
    version = DataVersion.of(there.world.pipeline, blob("acme-1.csv"))
    assert version is not None
    assert there.world.app.inbox.keep(version)
    assert not there.world.app.inbox.keep(version)
    assert there.ledger.inbox.has(("acme",), "sample", version.version_id)
    (arrived,) = there.ledger.inbox.entries()
    entry = VersionEntry.model_validate_json(there.world.documents.rows[arrived.pointer.name].body)
    assert (entry.run_id, entry.note) == (None, "waiting")


def test_what_a_run_gives_back_waits_under_the_key_and_name_of_that_run() -> None:
    there = Waiting(KEYED)
    one = sample(Phase.RECEIVED, config=there.world.pipeline, tokens={"key": "acme"})
    there.world.app.inbox.give_back(one, [blob("acme-1.csv"), blob("acme-2.csv")])
    arrived = list(there.ledger.inbox.entries())
    assert sorted(one.blob.name for one in arrived) == ["acme-1.csv", "acme-2.csv"]
    assert {one.returned_by for one in arrived} == {"sample-1"}
    assert {one.pointer.name.split("/")[2] for one in arrived} == {
        run_queue_id("sample", ("acme",)).rpartition("/")[2]
    }
    entry = VersionEntry.model_validate_json(
        there.world.documents.rows[arrived[0].pointer.name].body
    )
    assert (entry.run_id, entry.note, entry.pipeline) == ("sample-1", "returned", "sample")
    there.world.app.inbox.give_back(one, [blob("acme-1.csv")])
    assert len(list(there.ledger.inbox.entries())) == 2


def test_what_was_given_back_opens_a_run_under_an_id_of_its_own() -> None:
    there = Waiting(QUEUE)
    plain = there.put("a.csv")
    again = sample(Phase.RECEIVED, run_id="sample-9", config=there.world.pipeline)
    there.world.documents.rows.pop(waiting(there.world)[0])
    there.world.app.inbox.give_back(again, [blob("a.csv")])
    (run,) = there.batch_run.open_batches(there.world.pipeline, (), there.later)
    assert run.run_id == run_id("sample", "data", there.version(blob("a.csv")), "sample-9")
    assert run.run_id != plain


# In which order


def test_each_version_of_a_queue_has_its_run_the_oldest_first() -> None:
    there = Waiting({"when_busy": "parallel", "endpoints": []})
    there.put("b.csv")
    there.put("a.csv", modified=NOW + SECOND)
    there.put("c.csv", modified=NOW - SECOND)
    assert there.open_batches() == [["c.csv"], ["b.csv"], ["a.csv"]]


def test_the_newest_version_is_first_where_that_is_wanted() -> None:
    there = Waiting({"when_busy": "parallel", "order": "newest_first"})
    there.put("b.csv")
    there.put("a.csv", modified=NOW + SECOND)
    assert there.open_batches() == [["a.csv"], ["b.csv"]]


def test_one_run_takes_all_and_is_named_for_the_oldest() -> None:
    there = Waiting({"when_busy": "newest"})
    there.put("b.csv")
    oldest = there.put("c.csv", modified=NOW - SECOND)
    (run,) = there.batch_run.open_batches(there.world.pipeline, (), there.later)
    assert run.run_id == oldest
    assert [one.name for one in run.manifest] == ["c.csv", "b.csv"]
    assert run.cause == "2 blobs arrived"
    assert waiting(there.world) == []
    run_queue = there.ledger.run_queues.read(KEY)
    assert run_queue is not None
    assert (run_queue.record.batch_run, run_queue.record.claimed_to) == (oldest, "")
    assert run_queue.record.batch_since == there.world.clock.now()
    assert run_queue.record.holders == (oldest,)
    assert [queue_entry.run_id for queue_entry in run_queue.record.begun] == [oldest]


def test_one_blob_is_named_as_the_cause() -> None:
    there = Waiting({"when_busy": "newest"})
    there.put("b.csv")
    (run,) = there.batch_run.open_batches(there.world.pipeline, (), there.later)
    assert run.cause == "blob training-data/b.csv"


@pytest.mark.parametrize(
    ("order", "waits_since", "goes_on"),
    [
        ("oldest_first", -1, False),
        ("oldest_first", 0, True),
        ("newest_first", 1, False),
        ("newest_first", 0, True),
    ],
)
def test_a_run_that_waits_and_what_landed_keep_the_order_of_their_coming(
    order: str,
    waits_since: int,
    goes_on: bool,  # noqa: FBT001 -- a case
) -> None:
    there = Waiting({**QUEUE, "order": order})
    there.put("a.csv")
    at = NOW + waits_since * SECOND
    there.run("sample-1", Phase.WAITING)
    there.run("sample-2", Phase.WAITING)
    concurrency = (
        QueueEntry(run_id="sample-1", at=at, number=1),
        QueueEntry(run_id="sample-2", at=at, number=2),
    )
    there.run_queue(waiting=concurrency, newest_first=order == "newest_first")
    assert bool(there.open_batches()) is goes_on


def test_only_the_run_that_is_next_in_line_is_held_against_what_landed() -> None:
    there = Waiting(QUEUE)
    there.put("a.csv")
    for name in ("sample-1", "sample-2"):
        there.run(name, Phase.WAITING)
    early, late = NOW - SECOND, NOW + SECOND
    first = (QueueEntry(run_id="sample-1", at=early), QueueEntry(run_id="sample-2", at=late))
    there.run_queue(waiting=first)
    assert there.open_batches() == []
    there.run_queue(waiting=first[::-1], newest_first=False)
    assert there.open_batches() == [["a.csv"]]


def test_where_nobody_queues_nobody_is_waited_for() -> None:
    there = Waiting({"when_busy": "newest"})
    there.put("a.csv")
    there.run("sample-1", Phase.WAITING)
    there.run_queue(waiting=(QueueEntry(run_id="sample-1", at=NOW - SECOND),))
    assert there.open_batches() == [["a.csv"]]


# While it has to wait


@pytest.mark.parametrize(("quiet", "over"), [(2 * MINUTE - SECOND, False), (2 * MINUTE, True)])
def test_a_burst_is_over_once_it_was_quiet_for_as_long_as_is_configured(
    quiet: timedelta,
    over: bool,  # noqa: FBT001 -- a case
) -> None:
    there = Waiting(BURST)
    there.put("a.csv")
    there.world.clock.move(MINUTE)
    there.put("b.csv")
    there.world.clock.move(quiet)
    assert bool(there.open_batches()) is over


@pytest.mark.parametrize(("lasts", "over"), [(10 * MINUTE - SECOND, False), (10 * MINUTE, True)])
def test_a_burst_is_over_once_it_lasts_as_long_as_it_may(
    lasts: timedelta,
    over: bool,  # noqa: FBT001 -- a case
) -> None:
    data = {"blob": "{name}.csv", "settle": "2m", "settle_at_most": "10m"}
    there = Waiting({"when_busy": "newest", "data": data})
    there.put("a.csv")
    there.world.clock.move(lasts - MINUTE)
    there.put("b.csv")
    there.world.clock.move(MINUTE)
    assert bool(there.open_batches()) is over


def test_a_burst_of_which_one_is_taken_this_moment_is_left_to_the_next_look(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    there = Waiting(BURST)
    there.put("a.csv")
    there.world.clock.move(HOUR)
    monkeypatch.setattr(there.ledger.inbox, "age", lambda _: None)
    assert there.open_batches() == []


@pytest.mark.parametrize("phase", [Phase.TRAINING, Phase.PARKED])
def test_a_key_is_busy_while_a_run_of_it_is_at_work(phase: Phase) -> None:
    there = Waiting({"when_busy": "newest"})
    there.put("a.csv")
    there.run("sample-1", phase)
    there.ledger.open_markers.mark("sample-1", RunHints(phase=phase))
    there.run_queue(holders=("sample-1",))
    there.world.calls.clear()
    assert bool(there.open_batches()) is (phase is Phase.PARKED)
    if phase is Phase.TRAINING:
        assert there.world.calls.count("read runs") == 0  # its marker says so


def test_a_marker_that_says_nothing_is_held_against_the_record() -> None:
    for phase, goes_on in ((Phase.TRAINING, False), (Phase.FAILED, True)):
        there = Waiting({"when_busy": "newest"})
        there.put("a.csv")
        there.run("sample-1", phase)
        there.ledger.open_markers.mark("sample-1", RunHints())
        there.run_queue(holders=("sample-1",))
        assert bool(there.open_batches()) is goes_on


def test_nothing_is_opened_while_the_pipeline_has_no_room() -> None:
    there = Waiting({**KEYED, "when_busy": "newest", "max_parallel": 1})
    there.put("acme-1.csv")
    there.run("sample-1", Phase.TRAINING)
    shared_queue = RunQueue(pipeline="sample", holders=("sample-1",))
    there.ledger.run_queues.put(shared_queue_id("pipeline", "sample"), shared_queue, None)
    assert there.open_batches(("acme",)) == []


def test_a_pause_by_failures_stops_what_landed() -> None:
    there = Waiting({**QUEUE, "pause_after": 1})
    there.put("a.csv")
    there.run("sample-1", Phase.FAILED)
    there.run_queue(begun=(QueueEntry(run_id="sample-1", at=NOW, number=1),))
    assert there.open_batches() == []
    run_queue = there.ledger.run_queues.read(KEY)
    assert run_queue is not None
    assert run_queue.record.paused is not None


def test_nothing_is_begun_once_the_time_is_up() -> None:
    there = Waiting({"when_busy": "newest"})
    there.put("a.csv")
    now = there.world.clock.now()
    assert there.batch_run.open_batches(there.world.pipeline, (), now) == []
    there.world.calls.clear()
    assert there.without.open_all(now, {}).opened == 0
    assert there.world.calls == ["list inbox"]


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
    (run,) = there.batch_run.open_batches(there.world.pipeline, (), there.later)
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
    (run,) = there.batch_run.open_batches(there.world.pipeline, (), there.later)
    assert (run.run_id, [one.name for one in run.manifest]) == (name, ["b.csv"])


def test_an_announced_run_whose_data_was_taken_leaves_its_place() -> None:
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
    (run,) = there.batch_run.open_batches(there.world.pipeline, (), there.later)
    assert run.run_id == run_id("sample", "again", used)
    assert f"open/{run.run_id}" in there.world.documents.rows


def test_data_goes_on_without_a_run_that_cannot_be_read(caplog: pytest.LogCaptureFixture) -> None:
    there = Waiting({"when_busy": "newest"})
    there.put("a.csv")
    there.run("sample-1", Phase.FINISHED)
    there.world.damage("runs/sample-1")
    there.run_queue(batch_run="sample-1")
    assert there.open_batches() == [["a.csv"]]
    assert "pipeline sample: data goes on without a run" in caplog.text


def test_a_run_that_two_workers_store_is_returned_as_the_first_one_stored_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    there = Waiting({"when_busy": "newest"})
    there.put("a.csv")
    create = there.ledger.runs.create

    def late(run: Any) -> None:
        monkeypatch.undo()
        create(run.model_copy(update={"cause": "of the first worker"}))
        raise ConflictError("runs")

    monkeypatch.setattr(there.ledger.runs, "create", late)
    (run,) = there.batch_run.open_batches(there.world.pipeline, (), there.later)
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
def test_how_far_a_burst_came_is_kept_by_the_run_that_takes_it_and_goes_no_way_back(
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


def test_keys_take_turns_from_where_the_last_pass_stopped() -> None:
    there = Waiting({**KEYED, "when_busy": "newest"})
    keys = sorted(("a", "b", "c"), key=lambda key: run_queue_id("sample", (key,)))
    for key in keys:
        there.put(f"{key}-1.csv")
    begun: list[str] = []
    create = there.ledger.runs.create

    def noted(run: Any) -> Any:
        begun.append(run.manifest[0].name[0])
        return create(run)

    there.ledger.runs.create = noted  # type: ignore[method-assign]
    begin_with = {"sample": run_queue_id("sample", (keys[1],))}
    in_batch = there.batch_run.open_all(there.later, begin_with)
    assert begun == [keys[1], keys[2], keys[0]]
    assert (in_batch.opened, dict(in_batch.next), in_batch.unwanted) == (3, {}, ())


def test_what_no_pipeline_wants_now_is_told_apart() -> None:
    there = Waiting({**KEYED, "when_busy": "newest"})
    there.put("a-1.csv")
    there.put("nothing")
    in_batch = there.batch_run.open_all(there.later, {})
    assert in_batch.opened == 1
    assert [one.blob.name for one in in_batch.unwanted] == ["nothing"]
    in_batch = there.without.open_all(there.later, {})
    assert [one.blob.name for one in in_batch.unwanted] == ["nothing"]


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (TransientError("busy"), "data that waits stays for the next tick: busy"),
        (KeyError("odd"), "data that waits cannot be taken"),
    ],
)
def test_one_key_that_cannot_be_looked_at_stops_no_other(
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    error: Exception,
    says: str,
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
    assert f"pipeline sample: {says}" in caplog.text


def test_the_place_of_a_run_is_taken_before_the_next_is_opened() -> None:
    there = Waiting({"when_busy": "parallel", "max_parallel": 2})
    for number in range(3):
        there.put(f"{number}.csv")
    assert len(there.open_batches()) == 2
    assert len(waiting(there.world)) == 1


def test_a_single_run_of_a_key_costs_no_second_look() -> None:
    world = world_of({"when_busy": "newest", "endpoints": []})
    land(world, "0.csv")
    world.until_ended()
    world.clock.move(MINUTE)
    world.upload("1.csv", b"a,b,label\n9,9,0\n")
    world.calls.clear()
    world.deliver("1.csv")
    assert trained_on(world)[-1] == ["1.csv"]
    assert world.calls.count("list inbox") == 1
