"""Two workers told of one version at the same time: whoever is slow opens nothing more."""

from collections.abc import Sequence
from datetime import timedelta

import pytest

from shared.core.run import Run
from shared.ports import ETag
from shared.records import VersionEntry
from tests.fakes.faults import Kind
from tests.fakes.world import DATA
from tests.unit.test_gathering import BURST, NEWEST, trained_on, waiting, world_of


def test_a_version_that_was_taken_while_it_was_being_told_of_is_taken_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world = world_of(NEWEST)
    world.upload("older.csv", b"a,b,label\n7,2,0\n3,4,1\n")  # its event comes late
    world.clock.move(timedelta(seconds=5))
    world.upload("a.csv")
    other, _ = world._worker()
    ledger = world.intake._context.ledger
    add = ledger.add_to_inbox

    def overtaken(key: Sequence[str], version_id: str, entry: VersionEntry) -> bool:
        monkeypatch.undo()
        other.blob_landed("a.csv")  # told, gathered and taken by the other worker
        for _ in range(10):
            world.tick()
        world.upload("b.csv", b"a,b,label\n8,2,0\n3,4,1\n")
        other.blob_landed("b.csv")  # and the next one too
        return add(key, version_id, entry)

    monkeypatch.setattr(ledger, "add_to_inbox", overtaken)
    world.deliver("a.csv")
    world.deliver("older.csv")
    for _ in range(25):
        world.tick()
    assert trained_on(world) == [["a.csv"], ["b.csv"], ["older.csv"]]
    assert waiting(world) == []
    assert len(world.starts) == 3


def test_a_worker_that_is_slow_to_store_its_run_meets_the_one_that_went_on_with_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world = world_of(BURST)
    world.upload("a.csv")
    world.deliver("a.csv")
    world.tick(60)
    world.upload("b.csv")
    world.deliver("b.csv")
    other, other_poll = world._worker()
    ledger = world.intake._context.ledger
    create = ledger.create_run

    def slow(run: Run) -> object:
        world.upload("c.csv")  # the burst goes on meanwhile
        other.blob_landed("c.csv")
        other_poll.tick()
        return create(run)

    world.tick(100)
    assert world.runs() == []
    monkeypatch.setattr(ledger, "create_run", slow)
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
    announced = next(i for i, site in enumerate(calm.faults.sites) if site.endswith(" slots"))
    world.faults.plan = {announced: Kind.CRASH_AFTER}
    assert not world.survive(lambda: world.deliver("a.csv"))
    assert world.runs() == []
    for name in ("b.csv", "c.csv"):
        world.clock.move(timedelta(seconds=5))
        world.upload(name, f"a,b,label\n{len(name)},2,0\n3,4,1\n".encode())
        landed = world.blobs.head(DATA, name)
        assert landed is not None
        assert world.intake.landed(landed)  # kept until its run may begin
    for _ in range(40):
        world.tick()
    assert trained_on(world) == [["a.csv"], ["b.csv"], ["c.csv"]]
    assert waiting(world) == []


def test_a_slot_that_another_worker_wrote_meanwhile_is_not_written_over(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world = world_of({"when_busy": "queue"})
    world.upload("a.csv")
    world.upload("b.csv", b"a,b,label\n9,2,0\n3,4,1\n")
    other, _ = world._worker()
    ledger = world.intake._context.ledger
    put = ledger.put_slot

    def overtaken(name: str, slot: object, expected: ETag | None) -> None:
        monkeypatch.undo()
        other.blob_landed("b.csv")
        put(name, slot, expected)  # type: ignore[arg-type]

    monkeypatch.setattr(ledger, "put_slot", overtaken)
    world.deliver("a.csv")
    assert sum(not run.phase.ended for run in world.runs()) == 1
    for _ in range(40):
        world.tick()
    assert sorted(trained_on(world)) == [["a.csv"], ["b.csv"]]
