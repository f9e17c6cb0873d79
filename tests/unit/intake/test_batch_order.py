"""Waiting data is put into runs in order, after its batch window."""

from datetime import timedelta

import pytest

from shared.core.names import run_id, run_queue_id, shared_queue_id
from shared.core.run.concurrency import QueueEntry, RunQueue
from shared.core.run.data_version import DataVersion, key_of
from shared.core.run.record import Phase
from shared.intake.batch import marker_of_batch
from shared.ledger.open_markers import BatchToOpen, RunHints
from shared.ledger.versions import VersionEntry
from tests.unit.intake.test_batches import BURST, waiting, world_of
from tests.unit.intake.waiting_batches import HOUR, KEY, KEYED, MINUTE, QUEUE, SECOND, Waiting
from tests.unit.samples import NOW, blob
from tests.unit.samples import run as sample


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


def test_what_a_run_requeues_waits_under_the_key_and_name_of_that_run() -> None:
    there = Waiting(KEYED)
    one = sample(Phase.RECEIVED, config=there.world.pipeline, tokens={"key": "acme"})
    there.world.app.inbox.requeue(one, [blob("acme-1.csv"), blob("acme-2.csv")])
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
    there.world.app.inbox.requeue(one, [blob("acme-1.csv")])
    assert len(list(there.ledger.inbox.entries())) == 2


def test_what_was_requeued_opens_a_run_under_an_id_of_its_own() -> None:
    there = Waiting(QUEUE)
    plain = there.put("a.csv")
    again = sample(Phase.RECEIVED, run_id="sample-9", config=there.world.pipeline)
    there.world.documents.rows.pop(waiting(there.world)[0])
    there.world.app.inbox.requeue(again, [blob("a.csv")])
    run = there.open_one()
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
    run = there.open_one()
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
    run = there.open_one()
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
def test_a_run_that_waits_and_data_that_arrived_keep_the_order_of_their_coming(
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


def test_only_the_run_that_is_next_in_the_queue_is_held_against_data_that_arrived() -> None:
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


def test_without_a_queue_no_run_waits_for_another() -> None:
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


def test_a_burst_of_which_one_is_taken_this_moment_is_left_to_the_next_check(
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


def test_a_pause_by_failures_stops_data_that_arrived() -> None:
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
