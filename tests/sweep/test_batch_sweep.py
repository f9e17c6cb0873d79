"""Single faults on the way from data that arrives to its runs, under every way of waiting."""

from collections import Counter
from datetime import timedelta
from typing import Any

import pytest

from shared.core.run.record import Phase
from tests.fakes.faults import Faults, kinds_at
from tests.unit.intake.test_batches import BURST, trained_on, waiting
from tests.unit.worlds import Observed

#: A way of waiting, and which faults are tried under it: two that go the same way share them.
MODES: list[tuple[dict[str, Any], slice]] = [
    (BURST, slice(None)),
    ({"when_busy": "queue"}, slice(0, None, 2)),
    ({"when_busy": "parallel", "max_parallel": 2}, slice(1, None, 2)),
]


def carried_through(pipeline: dict[str, Any], faults: Faults) -> Observed:
    """Let two blobs arrive, one of them twice announced, and time pass, whatever goes wrong."""
    world = Observed(config={"pipeline": pipeline}, faults=faults)
    for name in ("a.csv", "b.csv"):
        world.clock.move(timedelta(seconds=1))
        world.upload(name, f"a,b,label\n{name},2,0\n3,4,1\n".encode())
        for _ in range(4):
            if world.survive(lambda name=name: world.deliver(name)):
                break
            world.clock.move(timedelta(seconds=5))
    for _ in range(32):
        world.survive(world.tick)
        if not (world.faults.late or world.open_runs() or waiting(world)):
            break
    world.survive(world.tick)  # nothing that comes afterwards may change the end
    return world


@pytest.mark.parametrize(("mode", "share"), MODES, ids=["burst", "queue", "max_parallel"])
def test_each_version_has_exactly_one_run_whatever_fails(
    mode: dict[str, Any], share: slice
) -> None:
    calls = carried_through(mode, Faults({})).faults.sites
    faults = [(call, kind) for call in range(len(calls)) for kind in kinds_at(calls, call)]
    for call, kind in faults[share]:
        world = carried_through(mode, Faults({call: kind}))
        where = f"{kind} at {call}: {world.faults.sites[call]}"
        counted = Counter(name for names in trained_on(world) for name in names)
        assert counted == {"a.csv": 1, "b.csv": 1}, where
        assert waiting(world) == [], where
        for run in world.runs():
            assert run.phase.ended or run.phase is Phase.PARKED, f"{where}: {run.phase}"
        jobs = Counter(world.starts)
        assert all(count == 1 for count in jobs.values()), where
