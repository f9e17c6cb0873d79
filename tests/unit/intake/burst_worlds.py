"""Worlds in which a burst of blobs arrives, and the runs of it."""

from datetime import timedelta

from shared.core.run.record import Phase
from tests.fakes.faults import Kind
from tests.unit.worlds import Observed

SECOND, MINUTE, HOUR = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1)
FAULTS = [Kind.CRASH_BEFORE, Kind.CRASH_AFTER, Kind.LOST, Kind.REFUSED, Kind.PREEMPT]


def ticks(world: Observed, count: int, seconds: int = 30) -> None:
    for _ in range(count):
        world.tick(seconds)


def finished_with(world: Observed) -> set[str]:
    """The names of all blobs that a job was trained on, to its end."""
    done = [run for run in world.runs() if run.phase in (Phase.FINISHED, Phase.PROMOTED)]
    return {blob.name for run in done for blob in run.current}
