"""Cleaning rounds of a world, and the records after them."""

from datetime import timedelta

from shared.maintenance.retention import Retention
from tests.fakes.world import World

AGES = timedelta(days=401)


def retention(world: World, *, sure: bool = True) -> Retention:
    return Retention(world.context, world.app.catalogue, lambda: sure)


def cleaned(world: World, *, sure: bool = True) -> int:
    """Have as many records deleted as there is time for, and return how many were."""
    return retention(world, sure=sure).clean(world.clock.now() + timedelta(minutes=1))


def kept(world: World, kind: str) -> list[str]:
    return sorted(name for name in world.documents.rows if name.startswith(f"{kind}/"))


def promoted(world: World, name: str, content: bytes) -> str:
    world.upload(name, content)
    (run,) = world.deliver(name)
    world.until_ended()
    world.clock.move(timedelta(minutes=1))
    return run.run_id
