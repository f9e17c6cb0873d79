"""Every version of a burst is trained once, after any fault."""

from collections import Counter
from typing import Any

import pytest

from shared.core.run.record import Phase
from tests.fakes.faults import Kind
from tests.fakes.world import DATA
from tests.unit.intake.burst_worlds import FAULTS, MINUTE, SECOND, ticks
from tests.unit.intake.test_batches import (
    BURST,
    NEWEST,
    arrive,
    trained_on,
    waiting,
    world_of,
)
from tests.unit.intake.test_customers import Customers
from tests.unit.worlds import Observed


def burst_batch_run(config: dict[str, Any], kind: Kind | None, call: int) -> Observed:
    """Three blobs, events twice and late, one fault, and time enough for everything."""
    world = world_of({**config, "endpoints": []})
    world.poll.tick()
    begun = len(world.faults.sites)
    if kind is not None:
        world.faults.plan = {begun + call: kind}
    names = ("a.csv", "b.csv", "c.csv")
    for name in names:
        world.clock.move(SECOND)
        world.upload(name, f"a,b,label\n{name},2,0\n".encode())
        for _ in range(5):
            if world.survive(lambda name=name: world.deliver(name)):
                break
    for round_ in range(16):
        world.survive(lambda: world.tick(45))
        if round_ == 6:
            for name in names:
                world.survive(lambda name=name: world.deliver(name))
    return world


CONFIGS: dict[str, dict[str, Any]] = {
    "settle": BURST,
    "newest": NEWEST,
    "queue": {"when_busy": "queue"},
    "two at once": {"when_busy": "parallel", "max_parallel": 2},
}


@pytest.mark.parametrize("kind", FAULTS)
@pytest.mark.parametrize("config", CONFIGS.values(), ids=list(CONFIGS))
def test_a_fault_anywhere_in_a_burst_loses_no_version_and_trains_none_twice(
    config: dict[str, Any], kind: Kind
) -> None:
    calls = len(burst_batch_run(config, None, 0).faults.sites)
    assert calls > 15
    for call in range(FAULTS.index(kind), calls, 24):
        world = burst_batch_run(config, kind, call)
        counted = Counter(name for names in trained_on(world) for name in names)
        assert counted == {"a.csv": 1, "b.csv": 1, "c.csv": 1}, (call, world.faults.sites[call])
        assert all(run.phase.ended for run in world.runs()), call
        assert waiting(world) == [], call
        assert len(world.starts) == len(world.runs()), call


def test_a_slow_worker_between_its_slot_and_its_record_does_no_harm() -> None:
    world = world_of({**BURST, "endpoints": []})
    arrive(world, "a.csv", "b.csv")
    world.clock.move(3 * MINUTE)
    other = world._worker().poll
    paused = list(world.context.ledger.inbox.entries())
    assert len(paused) == 2
    create = world.documents.create

    def slow(name: str, body: bytes, metadata: Any = None) -> Any:
        if name.startswith("runs/"):
            world.documents.create = create  # type: ignore[method-assign]
            other.tick()
            world.upload("c.csv")
            world.deliver("c.csv")
            for _ in range(3):
                world.clock.move(MINUTE)
                world.studio.work()
                other.tick()
        return create(name, body, metadata)

    world.documents.create = slow  # type: ignore[method-assign]
    world.poll.tick()
    ticks(world, 15)
    assert trained_on(world) == [["a.csv", "b.csv"], ["c.csv"]]
    assert [run.phase for run in world.runs()] == [Phase.FINISHED] * 2
    assert len(world.starts) == 2


def test_the_data_of_customers_never_mixes() -> None:
    world = Customers()
    data = {"blob": "{customer}/{date}.csv", "settle": "2m"}
    tree = world.pipeline.model_dump(mode="json")
    tree |= {"data": data, "when_busy": "newest", "max_parallel": 2}
    world.pipeline = type(world.pipeline).model_validate(tree)
    world.restart()
    for date in ("1", "2"):
        for customer in ("acme", "beta", "gamma"):
            world.clock.move(SECOND)
            world.upload(f"{customer}/{date}.csv", f"a,b,label\n{date},2,0\n1,{date},1\n".encode())
            world.deliver(f"{customer}/{date}.csv")
    for _ in range(40):
        world.tick()
    assert sorted(run.key[0] for run in world.runs()) == ["acme", "beta", "gamma"]
    for run in world.runs():
        assert {blob.name for blob in run.manifest} == {f"{run.key[0]}/{d}.csv" for d in "12"}
        assert run.phase is Phase.PROMOTED


def test_a_burst_in_its_batch_window_waits_for_late_blobs_and_not_for_ever() -> None:
    world = world_of({**BURST, "data": {**BURST["data"], "settle_at_most": "5m"}})
    arrive(world, "0.csv")
    for number in range(1, 4):
        world.tick(90)
        assert world.runs() == []
        arrive(world, f"{number}.csv")
    assert world.runs() == []
    world.tick(30)
    assert trained_on(world) == [["0.csv", "1.csv", "2.csv", "3.csv"]]


def test_a_metadata_only_update_does_not_keep_a_burst_open_nor_open_a_run() -> None:
    world = world_of(BURST)
    arrive(world, "a.csv")
    world.tick(150)
    assert len(world.runs()) == 1
    for _ in range(5):
        world.clock.move(MINUTE)
        world.blobs.update_metadata(DATA, "a.csv")
        world.deliver("a.csv")
        world.tick(150)
    assert len(world.runs()) == 1
    assert waiting(world) == []
