"""Worlds whose ledger or services are slow."""

from datetime import timedelta
from typing import Any

from shared.core.run.record import Run
from tests.unit.worlds import Observed

SECOND, MINUTE, HOUR = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1)
HANGS = 20 * SECOND


def runs_of(world: Observed, name: str) -> list[Run]:
    return [run for run in world.runs() if run.pipeline == name]


def slow_ledger(world: Observed, each: timedelta) -> None:
    """Have each read of the ledger take this long."""
    read = world.documents.read

    def timed(name: str) -> Any:
        world.clock.move(each)
        return read(name)

    world.documents.read = timed  # type: ignore[method-assign]
