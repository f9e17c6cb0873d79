"""Single faults while several blobs of one second are trained and promoted at the same time."""

from collections.abc import Callable
from datetime import timedelta
from functools import cache
from itertools import pairwise
from typing import Final

import pytest

from shared.core.run.record import Phase
from shared.core.versions import is_older
from tests.fakes.faults import kinds_at
from tests.fakes.ways import Moves, Trials, Way, once
from tests.unit.worlds import Observed

NAMES = ("b.csv", "c.csv", "a.csv")
#: One fault in this number is tried, in this number of tests.
SHARE, PARTS = 5, 4


def _first_tick(way: Way[Observed]) -> bool:
    return not way.world.survive(way.world.tick)


def _written(world: Observed) -> None:
    for number, name in enumerate(NAMES):
        world.upload(name, b"a,b,label\n%d,2,0\n3,4,1\n" % number)


def _delivered(name: str) -> Callable[[Way[Observed]], bool]:
    def delivered(way: Way[Observed]) -> bool:
        way.world.host.by += timedelta(microseconds=1)
        if way.world.survive(lambda: way.world.deliver(name)):
            return False
        way.world.clock.move(timedelta(seconds=5))
        return way.tries < 3

    return delivered


def _round(way: Way[Observed]) -> bool:
    way.world.survive(lambda: way.world.tick(45))
    return bool(way.world.faults.late or way.world.open_runs()) and way.tries < 59


#: Three blobs are written within a second, their events are delivered, and time passes.
MOVES: "Final[Moves[Observed]]" = (
    _first_tick,
    once(_written),
    *map(_delivered, NAMES),
    _round,
    once(Observed.tick),  # nothing that comes afterwards may change the end
)


@cache
def trials() -> Trials[Observed]:
    return Trials(Way(Observed(), MOVES))


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
    world = trials().world
    assert problems(world) == []
    assert world.endpoint_state().resources["Sample [trained model]"].history[-1].data == (
        "training-data/a.csv",
    )


@pytest.mark.parametrize("part", range(PARTS))
def test_the_newest_of_a_second_serves_after_any_fault(part: int) -> None:
    calls = trials().effects
    faults = [(call, kind) for call in range(len(calls)) for kind in kinds_at(calls, call)]
    assert len(faults) >= SHARE * PARTS * 10
    for call, kind in faults[part * SHARE :: SHARE * PARTS]:
        world = trials().with_faults({call: kind})
        assert problems(world) == [], f"{kind} at {call}: {calls[call]}"
