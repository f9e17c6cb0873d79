"""Worlds that are polled, and what the poll stored."""

from datetime import timedelta

from shared.core.run.record import Run
from shared.ledger.open_markers import Marker
from tests.unit.worlds import RUNNING, Observed

SECOND, MINUTE, HOUR = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1)


def running(world: Observed, count: int = 1) -> list[Run]:
    runs = [world.start(f"{number}.csv") for number in range(count)]
    world.script("GET", "", RUNNING, times=None)
    world.poll.tick()
    return runs


def marker_of(world: Observed, run_id: str) -> Marker:
    return next(m for m in world.context.ledger.open_markers.listed() if m.run_id == run_id)


def training(world: Observed, count: int = 1) -> None:
    """Bring runs to where their marker says that they are running."""
    for number in range(count):
        world.start(f"{number}.csv")
    world.clock.move(MINUTE)
    world.poll.tick()
