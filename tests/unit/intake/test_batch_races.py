"""Two workers get events of one version at the same time: the slower one opens nothing more."""

from collections.abc import Sequence
from datetime import timedelta

import pytest

from shared.core.run.record import Phase, Run
from shared.ledger.versions import VersionEntry
from shared.ports.storage import ETag
from tests.fakes.faults import Crash, Kind
from tests.fakes.world import DATA
from tests.unit.intake.test_batches import BURST, NEWEST, trained_on, waiting, world_of
from tests.unit.worlds import Observed


def test_a_version_that_was_taken_while_it_was_being_reported_is_taken_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world = world_of(NEWEST)
    world.upload("older.csv", b"a,b,label\n7,2,0\n3,4,1\n")  # its event comes late
    world.clock.move(timedelta(seconds=5))
    world.upload("a.csv")
    other = world._worker()
    ledger = world.context.ledger
    add = ledger.inbox.add

    def superseded(key: Sequence[str], version_id: str, entry: VersionEntry) -> bool:
        monkeypatch.undo()
        other.blob_events.blob_arrived("a.csv")  # announced to, and taken by, the other worker
        for _ in range(10):
            world.tick()
        world.upload("b.csv", b"a,b,label\n8,2,0\n3,4,1\n")
        other.blob_events.blob_arrived("b.csv")  # and the next one too
        return add(key, version_id, entry)

    monkeypatch.setattr(ledger.inbox, "add", superseded)
    world.deliver("a.csv")
    world.deliver("older.csv")
    for _ in range(25):
        world.tick()
    assert trained_on(world) == [["a.csv"], ["b.csv"], ["older.csv"]]
    assert waiting(world) == []
    assert len(world.starts) == 3


def test_a_worker_that_is_slow_to_store_its_run_meets_the_one_that_continued_with_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world = world_of(BURST)
    world.upload("a.csv")
    world.deliver("a.csv")
    world.tick(60)
    world.upload("b.csv")
    world.deliver("b.csv")
    other = world._worker()
    other_poll = other.poll
    ledger = world.context.ledger
    create = ledger.runs.create

    def slow(run: Run) -> object:
        world.upload("c.csv")  # the burst continues meanwhile
        other.blob_events.blob_arrived("c.csv")
        other_poll.tick()
        return create(run)

    world.tick(100)
    assert world.runs() == []
    monkeypatch.setattr(ledger.runs, "create_unused", slow)
    world.tick(60)
    monkeypatch.undo()
    for _ in range(30):
        world.tick()
    counted = sorted(name for names in trained_on(world) for name in names)
    assert counted == ["a.csv", "b.csv", "c.csv"]
    assert waiting(world) == []


def test_a_run_begun_by_a_dead_worker_takes_its_own_version_and_not_the_whole_queue() -> None:
    world = world_of({"when_busy": "queue"})
    world.upload("a.csv")
    calm = world_of({"when_busy": "queue"})
    calm.upload("a.csv")
    calm.deliver("a.csv")
    announced = next(i for i, site in enumerate(calm.faults.sites) if site.endswith(" run_queues"))
    world.faults.plan = {announced: Kind.CRASH_AFTER}
    assert not world.survive(lambda: world.deliver("a.csv"))
    assert world.runs() == []
    for name in ("b.csv", "c.csv"):
        world.clock.move(timedelta(seconds=5))
        world.upload(name, f"a,b,label\n{len(name)},2,0\n3,4,1\n".encode())
        arrived = world.blobs.head(DATA, name)
        assert arrived is not None
        assert world.discover(arrived)  # kept until its run may begin
    for _ in range(40):
        world.tick()
    assert trained_on(world) == [["a.csv"], ["b.csv"], ["c.csv"]]
    assert waiting(world) == []


def announced(world: Observed) -> int:
    """Return the effect by which a run is announced in the run queue, should `a.csv` arrive."""
    calm = world_of({"when_busy": "newest"})
    calm.upload("a.csv")
    calm.deliver("a.csv")
    sites = [site for site in calm.faults.sites if not site.endswith(" clock")]
    return len(world.faults.sites) + next(
        number for number, site in enumerate(sites) if site.endswith(" run_queues")
    )


@pytest.mark.parametrize("call", range(5))
def test_an_announced_run_whose_marker_was_dropped_is_brought_to_its_end_wherever_a_worker_dies(
    call: int,
) -> None:
    world = world_of(NEWEST)
    world.upload("a.csv")
    world.faults.plan = {announced(world): Kind.CRASH_AFTER}
    assert not world.survive(lambda: world.deliver("a.csv"))
    (marker,) = world.open_runs()
    del world.documents.rows[marker]  # by a poller that found no record in time
    world.faults.plan = {len(world.faults.sites) + call: Kind.CRASH_AFTER}
    world.survive(lambda: world.deliver("a.csv"))
    assert world.until_ended().phase is Phase.PROMOTED
    assert trained_on(world) == [["a.csv"]]


def test_a_worker_that_continues_for_a_dead_worker_takes_all_that_it_was_to_take(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world = world_of(NEWEST)
    world.upload("a.csv")
    other = world._worker()
    ledger = world.context.ledger
    run_queue = ledger.run_queues.read

    def late(name: str) -> object:
        """Meanwhile, more arrived, and the other worker announced a run for all of it."""
        monkeypatch.undo()
        world.clock.move(timedelta(seconds=5))
        world.upload("b.csv", b"a,b,label\n9,2,0\n3,4,1\n")
        world.faults.plan = {announced(world): Kind.CRASH_AFTER}
        with pytest.raises(Crash):
            other.blob_events.blob_arrived("b.csv")
        return run_queue(name)

    arrived = world.blobs.head(DATA, "a.csv")
    assert arrived is not None
    assert world.discover(arrived)  # its run is opened by the next tick
    monkeypatch.setattr(ledger.run_queues, "read", late)
    world.tick()
    for _ in range(20):
        world.tick()
    assert trained_on(world) == [["a.csv", "b.csv"]]


def test_a_slot_that_another_worker_wrote_meanwhile_is_not_written_over(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world = world_of({"when_busy": "queue"})
    world.upload("a.csv")
    world.upload("b.csv", b"a,b,label\n9,2,0\n3,4,1\n")
    other = world._worker()
    ledger = world.context.ledger
    put = ledger.run_queues.put

    def superseded(name: str, run_queue: object, expected: ETag | None) -> None:
        monkeypatch.undo()
        other.blob_events.blob_arrived("b.csv")
        put(name, run_queue, expected)  # type: ignore[arg-type]

    monkeypatch.setattr(ledger.run_queues, "put", superseded)
    world.deliver("a.csv")
    assert sum(not run.phase.ended for run in world.runs()) == 1
    for _ in range(40):
        world.tick()
    assert sorted(trained_on(world)) == [["a.csv"], ["b.csv"]]
