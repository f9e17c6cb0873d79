"""Single faults while several blobs of one second are trained and promoted side by side."""

from datetime import timedelta
from itertools import pairwise

import pytest

from shared.core.run.record import Phase
from shared.core.versions import is_older
from tests.fakes.faults import Faults, kinds_at
from tests.unit.worlds import Observed

NAMES = ("b.csv", "c.csv", "a.csv")
#: One fault in so many is tried, in so many tests.
SHARE, PARTS = 5, 4


def carried_through(faults: Faults) -> Observed:
    """Write three blobs within a second, deliver their events, and let time pass."""
    world = Observed(faults=faults)
    while not world.survive(world.tick):
        pass
    for number, name in enumerate(NAMES):
        world.upload(name, b"a,b,label\n%d,2,0\n3,4,1\n" % number)
    for name in NAMES:
        for _ in range(4):
            world.host.by += timedelta(microseconds=1)
            if world.survive(lambda name=name: world.deliver(name)):
                break
            world.clock.move(timedelta(seconds=5))
    for _ in range(60):
        world.survive(lambda: world.tick(45))
        if not (world.faults.late or world.open_runs()):
            break
    world.survive(world.tick)  # nothing that comes afterwards may change the end
    return world


def problems(world: Observed) -> list[str]:
    runs = {run.run_id: run for run in world.runs()}
    wrong = [f"{run.run_id} is {run.phase}" for run in runs.values() if not run.phase.ended]
    if sorted(run.newest.name for run in runs.values() if run.newest) != sorted(NAMES):
        wrong.append(f"{len(runs)} runs")
    (known,) = world.endpoint_state().resources.values()
    served = [runs[line.run_id].newest for line in known.history]
    data = [version for version in served if version is not None]
    wrong += [f"{b.name} replaced {a.name}" for a, b in pairwise(data) if is_older(b, a)]
    trained = [run.newest for run in runs.values() if run.newest]
    newest = next(b for b in trained if not any(is_older(b, other) for other in trained))
    if data[-1] != newest:
        wrong.append(f"{data[-1].name} serves, and {newest.name} is newer")
    last = next(run for run in runs.values() if run.newest == newest)
    if last.phase is not Phase.PROMOTED or world.serving() != world.model_of(last):
        wrong.append(f"the newest is {last.phase}: {last.reason}")
    return wrong


def test_without_faults_the_one_that_was_announced_last_serves() -> None:
    world = carried_through(Faults({}))
    assert problems(world) == []
    assert world.endpoint_state().resources["Sample [trained model]"].history[-1].data == (
        "training-data/a.csv",
    )


@pytest.mark.parametrize("part", range(PARTS))
def test_the_newest_of_a_second_serves_whatever_fails(part: int) -> None:
    calls = carried_through(Faults({})).faults.sites
    faults = [(call, kind) for call in range(len(calls)) for kind in kinds_at(calls, call)]
    assert len(faults) >= SHARE * PARTS * 10
    for call, kind in faults[part * SHARE :: SHARE * PARTS]:
        world = carried_through(Faults({call: kind}))
        assert problems(world) == [], f"{kind} at {call}: {world.faults.sites[call]}"
