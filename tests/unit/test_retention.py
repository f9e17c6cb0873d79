"""What is long over is forgotten once a day; what an endpoint or a run needs never is."""

from datetime import timedelta

from shared.context import Context
from shared.retention import Retention
from tests.fakes.world import World

AGES = timedelta(days=401)


def retention(world: World) -> Retention:
    context: Context = world.intake._context
    return Retention(context)


def kept(world: World, kind: str) -> list[str]:
    return sorted(name for name in world.documents.rows if name.startswith(f"{kind}/"))


def promoted(world: World, name: str, content: bytes) -> str:
    world.upload(name, content)
    (run,) = world.deliver(name)
    world.until_ended()
    world.clock.move(timedelta(minutes=1))
    return run.run_id


def test_old_ended_runs_are_forgotten_and_what_serves_or_served_is_kept() -> None:
    world = World()
    runs = [promoted(world, f"{i}.csv", b"a,b,l\n%d,2,0\n3,4,1\n" % i) for i in range(8)]
    world.clock.move(AGES)
    assert retention(world).clean() == 6  # two runs, their versions and their lines
    # Serving now, and the five before it.
    assert kept(world, "runs") == sorted(f"runs/{run}" for run in runs[2:])
    assert len(kept(world, "versions")) == 6


def test_an_open_run_is_kept_however_old() -> None:
    world = World()
    world.upload()
    (run,) = world.deliver()
    world.clock.move(AGES)
    assert retention(world).clean() == 0
    assert kept(world, "runs") == [f"runs/{run.run_id}"]


def test_cleaning_is_done_once_a_day() -> None:
    world = World(config={"pipeline": {"endpoints": []}})
    promoted(world, "a.csv", b"a,b,l\n1,2,0\n3,4,1\n")
    world.clock.move(timedelta(days=399))
    assert retention(world).clean() == 0
    world.clock.move(timedelta(hours=23))
    assert retention(world).clean() == 0
    world.clock.move(timedelta(days=2))
    assert retention(world).clean() == 3
    assert kept(world, "runs") == []


def test_a_forgotten_version_opens_no_second_run() -> None:
    world = World(config={"pipeline": {"endpoints": []}})
    promoted(world, "a.csv", b"a,b,l\n1,2,0\n3,4,1\n")
    world.clock.move(AGES)
    assert retention(world).clean() == 3
    assert world.deliver("a.csv") == []
    assert world.runs() == []
