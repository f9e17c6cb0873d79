"""Single faults between data that arrives and its runs, for a burst, a queue and `max_parallel`."""

from collections import Counter
from datetime import timedelta
from typing import Any, Final

import pytest

from shared.core.run.record import Phase
from tests.fakes.faults import kinds_at
from tests.fakes.ways import Moves, Trials, Way, once
from tests.unit.intake.test_batches import BURST, trained_on, waiting
from tests.unit.worlds import Observed

#: A way of waiting, and which faults are tried under it: two that go the same way share them.
MODES: list[tuple[dict[str, Any], slice]] = [
    (BURST, slice(None)),
    ({"when_busy": "queue"}, slice(0, None, 2)),
    ({"when_busy": "parallel", "max_parallel": 2}, slice(1, None, 2)),
]


def _uploaded(world: Observed, name: str) -> None:
    world.clock.move(timedelta(seconds=1))
    world.upload(name, f"a,b,label\n{name},2,0\n3,4,1\n".encode())


def _delivered(way: Way[Observed], name: str) -> bool:
    if way.world.survive(lambda: way.world.deliver(name)):
        return False
    way.world.clock.move(timedelta(seconds=5))
    return way.tries < 3


def _round(way: Way[Observed]) -> bool:
    world = way.world
    world.survive(world.tick)
    waits = bool(world.faults.late or world.open_runs() or waiting(world))
    return waits and way.tries < 31


#: Two blobs arrive, one of them is announced twice, and time passes, also after faults.
MOVES: "Final[Moves[Observed]]" = (
    once(lambda world: _uploaded(world, "a.csv")),
    lambda way: _delivered(way, "a.csv"),
    once(lambda world: _uploaded(world, "b.csv")),
    lambda way: _delivered(way, "b.csv"),
    _round,
    once(Observed.tick),  # nothing that comes afterwards may change the end
)


@pytest.mark.parametrize(("mode", "share"), MODES, ids=["burst", "queue", "max_parallel"])
def test_each_version_has_exactly_one_run_after_any_fault(
    mode: dict[str, Any], share: slice
) -> None:
    trials = Trials(Way(Observed(config={"pipeline": mode}), MOVES))
    calls = trials.effects
    faults = [(call, kind) for call in range(len(calls)) for kind in kinds_at(calls, call)]
    for call, kind in faults[share]:
        world = trials.with_faults({call: kind})
        where = f"{kind} at {call}: {calls[call]}"
        counted = Counter(name for names in trained_on(world) for name in names)
        assert counted == {"a.csv": 1, "b.csv": 1}, where
        assert waiting(world) == [], where
        for run in world.runs():
            assert run.phase.ended or run.phase is Phase.PARKED, f"{where}: {run.phase}"
        jobs = Counter(world.starts)
        assert all(count == 1 for count in jobs.values()), where
