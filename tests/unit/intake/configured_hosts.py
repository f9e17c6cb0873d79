"""Hosts that are configured differently."""

from collections import Counter
from datetime import timedelta
from typing import Any

from tests.unit.worlds import Observed

MINUTE, DAY = timedelta(minutes=1), timedelta(days=1)
NO_ENDPOINT: dict[str, Any] = {"endpoints": []}


def ticks(world: Observed, number: int = 30) -> None:
    for _ in range(number):
        world.tick()


def counted(world: Observed) -> Counter[tuple[str, str]]:
    """How many runs hold each version."""
    return Counter((blob.name, blob.etag) for run in world.runs() for blob in run.manifest)


def configure(world: Observed, **changes: Any) -> None:
    """Deploy the app with another pipelines file."""
    tree = world.pipeline.model_dump(mode="json")
    world.pipeline = type(world.pipeline).model_validate({**tree, **changes})
    world.restart()
