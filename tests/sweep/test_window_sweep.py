"""Single faults between due times with windows and their runs: one for each window and key.

Between the opening of the runs and the record of it, a call fails, is lost or is late, the worker
dies, another worker does the same, or the clock jumps.
"""

from functools import cache
from typing import Any, Final

import pytest

from shared.app import App
from shared.core.run.record import Phase
from tests.fakes.faults import FAULTS, Kind
from tests.fakes.ways import Moves, Trials, Way, once
from tests.unit.intake.windowed_worlds import DAILY, DAY, KEYED, MINUTE, Windowed, windows, written

DAYS, KEYS = ("02-28", "03-01"), ("a", "b")
SCHEDULE: dict[str, Any] = {**DAILY, "start": "2026-02-28", "backfill": True}
WAITS = {"every": "10m", "at_most": "3d"}
#: The fewest effects of the way without a fault: the floor keeps the sweep from shrinking unseen.
FEWEST = 15


@cache
def trials(style: str) -> Trials[Windowed]:
    """Return the way on which two windows come due: one from before, with data that comes late."""
    schedule = {**SCHEDULE, "style": style}
    changes = {**KEYED, "key": "customer", "when_busy": "queue", "wait_for_data": WAITS}
    world = Windowed(config=written(schedule, **changes))
    world.faults.other_worker = lambda: open_due(world.another())
    world.upload("2026/02/28/a.csv")
    return Trials(Way(world, MOVES))


def _more_data(world: Windowed) -> None:
    for name in ("02/28/b", "03/01/a", "03/01/b"):
        world.upload(f"2026/{name}.csv")
    world.clock.move(DAY / 2)


def _later(way: Way[Windowed]) -> bool:
    way.world.clock.move(6 * MINUTE)
    _late(way.world)
    way.world.survive(lambda: open_due(way.world.app))
    return way.tries < 3


MOVES: "Final[Moves[Windowed]]" = (
    once(lambda world: open_due(world.app)),
    once(_more_data),
    _later,
)


def open_due(app: App) -> None:
    app.poll.schedules.open_due(app.context.clock.now() + MINUTE)


def _late(world: Windowed) -> None:
    """Have effects happen that were on their way."""
    late, world.faults.late = world.faults.late, []
    for _, effect in late:
        world.survive(effect)


def problems(world: Windowed) -> list[str]:
    runs = world.due_runs()
    found = sorted((day, *run.key) for run in runs for day in windows([run]))
    wrong = [] if found == [(day, key) for day in DAYS for key in KEYS] else [str(found)]
    wrong += [f"{run.phase}: {run.reason}" for run in runs if run.phase is not Phase.WAITING]
    lost = {run.run_id for run in runs} - {name.partition("/")[2] for name in world.open_runs()}
    return wrong + [f"{run_id} has no marker" for run_id in lost]


@pytest.mark.parametrize("style", ["EndOfInterval", "StartOfInterval"])
def test_without_a_fault_nothing_is_wrong(style: str) -> None:
    effects = trials(style).effects
    assert problems(trials(style).world) == []
    assert len(effects) >= FEWEST
    assert {"create runs", "create schedules", "replace schedules"} <= set(effects)


@pytest.mark.parametrize("kind", [kind for kind in FAULTS if kind.fits("create runs")])
def test_each_window_and_key_has_one_run_after_any_fault(kind: Kind) -> None:
    assert trials("EndOfInterval").after_each(kind, problems) == []
