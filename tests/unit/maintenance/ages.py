"""Worlds over years, for the tests of retention."""

from datetime import timedelta
from typing import Any

from tests.fakes.world import World
from tests.unit.maintenance.cleaning import cleaned

DAY = timedelta(days=1)

BARE: dict[str, Any] = {"endpoints": []}


ALL: dict[str, Any] = {**BARE, "data": {"blob": "{name}.csv", "backfill": "all"}}


ROWS = b"a,b,l\n1,2,0\n3,4,1\n"


def search(world: World) -> None:
    world.clock.move(timedelta(minutes=20))
    world.app.search.run_until(world.clock.now() + timedelta(minutes=3))
    world.until_ended()


def rename(world: World, name: str) -> None:
    """Have workers from now on read a file in which the pipeline has another name."""
    world.pipeline = world.pipeline.model_copy(update={"name": name})
    world.restart()
    world.app.activations.refresh()


def years(world: World, days: int = 1300, step: int = 29) -> None:
    for _ in range(days // step):
        world.clock.move(step * DAY)
        cleaned(world)
