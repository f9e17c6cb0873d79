"""What is long over is forgotten once a day; what an endpoint or a run needs never is."""

from dataclasses import replace
from datetime import timedelta

from shared.context import Context
from shared.core.head import Held, Reservation, held
from shared.retention import Retention
from tests.fakes.clock import Hurried
from tests.fakes.world import World
from tests.unit.fleet import Fleet

AGES = timedelta(days=401)


def cleaned(world: World) -> int:
    """Have as many records forgotten as there is time for, and return how many were."""
    context: Context = world.intake._context
    return Retention(context).clean(world.clock.now() + timedelta(minutes=1))


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
    assert cleaned(world) == 6  # two runs, their versions and their lines
    # Serving now, and the five before it.
    assert kept(world, "runs") == sorted(f"runs/{run}" for run in runs[2:])
    assert len(kept(world, "versions")) == 6


def test_an_open_run_is_kept_however_old() -> None:
    world = World()
    world.upload()
    (run,) = world.deliver()
    world.clock.move(AGES)
    assert cleaned(world) == 0
    assert kept(world, "runs") == [f"runs/{run.run_id}"]


def test_cleaning_is_done_once_a_day() -> None:
    world = World(config={"pipeline": {"endpoints": []}})
    promoted(world, "a.csv", b"a,b,l\n1,2,0\n3,4,1\n")
    world.clock.move(timedelta(days=399))
    assert cleaned(world) == 0
    world.clock.move(timedelta(hours=23))
    assert cleaned(world) == 0
    world.clock.move(timedelta(days=2))
    assert cleaned(world) == 3
    assert kept(world, "runs") == []


def test_a_forgotten_version_opens_no_second_run() -> None:
    world = World(config={"pipeline": {"endpoints": []}})
    promoted(world, "a.csv", b"a,b,l\n1,2,0\n3,4,1\n")
    world.clock.move(AGES)
    assert cleaned(world) == 3
    assert world.deliver("a.csv") == []
    assert world.runs() == []


def test_what_there_is_no_time_for_is_forgotten_at_the_next_call() -> None:
    world = World(config={"pipeline": {"endpoints": []}})
    for i in range(3):
        promoted(world, f"{i}.csv", b"a,b,l\n%d,2,0\n3,4,1\n" % i)
    world.clock.move(AGES)
    hurried = Retention(replace(world.intake._context, clock=Hurried(world.clock)))
    hurried._context.clock.now()  # which asks the storage for its time
    for left in (6, 3, 0):  # lines of the index, runs, versions
        assert hurried.clean(world.clock.now() + timedelta(seconds=5)) == 3
        assert len([*kept(world, "index"), *kept(world, "runs"), *kept(world, "versions")]) == left


def test_the_run_that_trained_what_others_delivered_is_kept() -> None:
    fleet = Fleet()
    fleet.start()
    parent = fleet.settle()
    fleet.clock.move(AGES)
    cleaned(fleet)
    assert f"runs/{parent.run_id}" in kept(fleet, "runs")


def test_the_run_of_a_rollback_is_kept_for_as_long_as_its_endpoint_is_held() -> None:
    world = World()
    rolled_back, *_ = [promoted(world, f"{i}.csv", b"a,b,l\n%d,2,0\n3,4,1\n" % i) for i in range(8)]
    (name,) = kept(world, "heads")
    ledger = world.intake._context.ledger
    stored = ledger.head(name.removeprefix("heads/"))
    assert stored is not None
    ((place, _),) = stored.record.resources.items()
    hold = Held(run_id=rolled_back, to="baseline", by="ada", at=world.clock.now())
    ledger.put_head(name.removeprefix("heads/"), held(stored.record, place, hold), stored.etag)
    world.clock.move(AGES)
    assert cleaned(world) == 3  # another run, its version and its line
    assert f"runs/{rolled_back}" in kept(world, "runs")


def test_the_runs_that_set_a_model_again_or_left_a_reservation_are_kept() -> None:
    world = World()
    set_by, left_behind, *_ = [
        promoted(world, f"{i}.csv", b"a,b,l\n%d,2,0\n3,4,1\n" % i) for i in range(8)
    ]
    (name,) = kept(world, "heads")
    ledger = world.intake._context.ledger
    stored = ledger.head(name.removeprefix("heads/"))
    assert stored is not None
    ((place, resource),) = stored.record.resources.items()
    assert resource.serving is not None
    serving = resource.serving.model_copy(update={"set_by": set_by})
    reservation = Reservation(
        run_id=left_behind, resource=place, model=None, generation=9, at=world.clock.now()
    )
    resources = {place: resource.model_copy(update={"serving": serving})}
    changes = {"resources": resources, "reservation": reservation}
    ledger.put_head(
        name.removeprefix("heads/"), stored.record.model_copy(update=changes), stored.etag
    )
    world.clock.move(AGES)
    assert cleaned(world) == 0
    assert {f"runs/{set_by}", f"runs/{left_behind}"} <= set(kept(world, "runs"))
