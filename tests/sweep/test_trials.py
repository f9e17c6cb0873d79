"""A trial that continues from a copy ends with the same bytes as one from the beginning."""

from collections.abc import Callable
from itertools import chain, count, cycle
from typing import Any

import pytest

from tests.fakes.azureml_world import AzureMlWorld
from tests.fakes.faults import Kind
from tests.fakes.snapshots import Snapshot
from tests.fakes.ways import Trials, Way
from tests.fakes.world import World
from tests.sweep import test_fault_sweep as to_live
from tests.sweep import test_roll_out_sweep as to_many
from tests.sweep import test_serving_sweep as serving
from tests.unit.fleet import Fleet

#: A fault of each kind of effect, early and late.
FAULTS = [(2, Kind.PREEMPT), (9, Kind.LATE), (14, Kind.CRASH_AFTER), (19, Kind.LOST)]
WAYS: dict[str, tuple[Callable[[], Trials[Any]], Callable[[], Way[Any]]]] = {
    "one endpoint": (to_live.trials, lambda: Way(World(), to_live.MOVES)),
    "two endpoints": (to_many.trials, lambda: Way(Fleet(size=2), to_many.MOVES)),
    "a workspace": (serving.trials, lambda: Way(serving.served(), serving.SECOND_MODEL)),
}


def everything(world: World) -> list[object]:
    there = {name: (row.body, row.etag, row.modified) for name, row in world.documents.rows.items()}
    sent = world.azureml.calls.log if isinstance(world, AzureMlWorld) else world.http.sent
    return [there, world.faults.sites, sent, world.clock.now(), world.blobs.reads]


@pytest.mark.parametrize(("at", "kind"), FAULTS)
@pytest.mark.parametrize("name", WAYS)
def test_a_trial_from_a_copy_ends_as_one_from_the_beginning(name: str, at: int, kind: Kind) -> None:
    trials, begin = WAYS[name]
    way = begin()
    way.world.faults.plan = {at: kind}
    whole, copied = way.go(), trials().with_faults({at: kind})
    assert everything(copied) == everything(whole)
    assert copied.faults.sites[at] == trials().effects[at]


def test_what_happens_to_a_copy_is_not_seen_in_another() -> None:
    world = World()
    kept = Snapshot(world)
    one, other = kept.copy(), kept.copy()
    one.upload()
    one.deliver()
    assert len(one.runs()) == 1
    assert (other.runs(), world.runs()) == ([], [])
    assert list(other.blobs.listing("training-data", "")) == []


def test_a_copy_has_the_memory_of_the_worker() -> None:
    world = World()
    assert world.context.new_id() == "worker-1"
    copy = Snapshot(world).copy()
    assert copy.context.new_id() == world.context.new_id() == "worker-2"
    assert copy.app is not world.app
    assert copy.context.ledger is not world.context.ledger


@pytest.mark.parametrize(
    "iterator", [count(1), cycle("ab"), chain("ab")], ids=lambda one: type(one).__name__
)
def test_a_copy_of_an_iterator_of_itertools_is_refused_on_every_python(iterator: object) -> None:
    with pytest.raises(TypeError, match=rf"{type(iterator).__name__} of itertools"):
        Snapshot([lambda: iterator])
