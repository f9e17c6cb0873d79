"""A service that hangs, or a pipeline with many keys, does not delay the others."""

from collections import Counter
from datetime import timedelta
from typing import Any

import pytest

from local.studio import InstantTrainer, OutputKind
from shared.core.config.pipeline import Pipeline
from shared.core.run.record import Origin, Phase
from shared.errors import TransientError
from shared.execution.bulkheads import host_of
from shared.ledger.progress import Rotation
from shared.providers.http.client import Answer
from tests.fakes.world import MODELS, pipeline
from tests.unit.intake.test_due_times import HOURLY
from tests.unit.maintenance.slow_worlds import HANGS, HOUR, MINUTE, SECOND, runs_of
from tests.unit.worlds import Observed


def many_customers(hung: int = 1, each: int = 60, **changes: Any) -> tuple[Observed, Pipeline]:
    """Pipelines of many customers whose services hang, and another one that works.

    Every call of the ledger takes 20 ms, and each call of a service that hangs 20 s.
    """
    world = Observed()
    pipelines = []
    for number in range(hung):
        service = world.studio.publish_training(
            f"hung{number}", inputs=("input1",), outputs={"output1": OutputKind.MODEL}
        )
        base = f"https://hung{number}.example"
        keyed = {
            "name": f"hung{number}",
            "data": {"blob": f"hung{number}/{{customer}}/{{name}}.csv", "opens_runs": False},
            "key": "customer",
            "endpoints": [],
            "schedule": HOURLY,
            **changes,
        }
        training = {"service": base + service.jobs_url, "outputs": {"output1": "m.ilearner"}}
        made = pipeline(service, world.endpoint, {"pipeline": keyed, "training": training})
        pipelines.append(made)
        for customer in range(each):
            world.upload(f"hung{number}/c{customer}/1.csv", b"a,b,label\n1,2,0\n3,4,1\n")
    well = world.sibling(schedule=HOURLY, endpoints=[])
    world.upload("other-1.csv")
    world.app = world.another(*pipelines, well)
    world.poll.start_scheduled()  # from now on their due times count
    send, read = world.http.send, world.documents.read

    def slow(method: str, url: str, headers: Any, body: bytes | None = None) -> Answer:
        if host_of(url).startswith("hung"):
            world.clock.move(HANGS)
            raise TransientError("no answer")
        return send(method, url, headers, body)

    def timed(name: str) -> Any:
        world.clock.move(timedelta(milliseconds=20))
        return read(name)

    world.http.send = slow  # type: ignore[method-assign]
    world.documents.read = timed  # type: ignore[method-assign]
    return world, well


@pytest.mark.parametrize("hung", [1, 3, 10])
def test_a_due_time_is_kept_however_many_services_hang(hung: int) -> None:
    world, _ = many_customers(hung)
    world.clock.move(HOUR)
    due = world.clock.now()
    for _ in range(2):
        world.poll.start_scheduled()
        world.poll.tick()
        if runs_of(world, "other") and runs_of(world, "other")[0].job:
            break
    (run,) = runs_of(world, "other")
    assert run.job is not None
    assert world.clock.now() - due <= 4 * world.limits.tick
    assert run.opened_at - due <= MINUTE


def test_a_due_time_of_many_customers_reaches_them_all_a_part_at_a_time() -> None:
    world, _ = many_customers(1, each=300)
    world.clock.move(HOUR)
    other = []
    for _ in range(20):
        world.poll.start_scheduled()
        other.append(len(runs_of(world, "other")))
        if len(runs_of(world, "hung0")) == 300:
            break
        world.clock.move(MINUTE)
    assert other[0] == 1  # it did not wait for all of them
    assert len({run.key for run in runs_of(world, "hung0")}) == 300
    assert {run.origin for run in runs_of(world, "hung0")} == {Origin.SCHEDULE}


def test_pipelines_are_served_in_turn_also_where_no_call_has_time_for_all() -> None:
    world, _ = many_customers(4, each=300)
    world.clock.move(HOUR)
    first: list[str] = []
    for _ in range(7):  # the first pipeline has more to do than that
        before = Counter(run.pipeline for run in world.runs())
        world.poll.start_scheduled(world.clock.now() + 6 * SECOND)
        served = Counter(run.pipeline for run in world.runs()) - before
        first += [name for name in served if name not in first]
    assert sorted(first) == ["hung0", "hung1", "hung2", "hung3", "other"]


def test_a_tick_ends_in_time_while_services_hang() -> None:
    world, _ = many_customers(10)
    world.clock.move(HOUR)
    world.poll.start_scheduled()
    for _ in range(5):
        began = world.clock.now()
        world.poll.tick()
        assert world.clock.now() - began <= world.limits.tick
        world.clock.move(SECOND)


def test_an_operators_model_is_found_while_every_tick_is_full() -> None:
    """Services hang, and due times come every minute: the search has its own part of the time."""
    world, _ = many_customers(3, schedule="0 * * * * *", catch_up="all")
    kept = world.pipeline
    world.app.search.run_until(world.clock.now() + MINUTE)
    world.clock.move(HOUR)
    trained = InstantTrainer().train({"input1": b"a,b,label\n9,9,1\n"}, {}, label=None).model
    world.blobs.put(MODELS, f"promote/{kept.name}/better.ilearner", trained)
    put = world.clock.now()
    while world.clock.now() - put < 40 * MINUTE:
        until = world.poll.until()
        world.poll.start_scheduled(until)
        world.app.search.run_until(until)
        world.poll.tick()
        manual_model = [run for run in world.runs() if run.origin is Origin.MODEL]
        if manual_model and manual_model[0].phase is not Phase.RECEIVED:
            break
    assert len(manual_model) == 1
    assert world.clock.now() - put <= world.limits.search_every + 3 * world.limits.tick


def test_no_tick_lists_the_operators_models() -> None:
    world = Observed()
    listed: list[str] = []
    page, listing = world.blobs.page, world.blobs.listing

    def paged(container: str, cursor: str | None, prefix: str = "") -> Any:
        listed.append(f"{container}/{prefix}")
        return page(container, cursor, prefix)

    def whole(container: str, prefix: str) -> Any:
        listed.append(f"{container}/{prefix}")
        return listing(container, prefix)

    world.blobs.page = paged  # type: ignore[method-assign]
    world.blobs.listing = whole  # type: ignore[method-assign]
    world.idle(HOUR)
    assert listed == []
    for _ in range(30):
        world.clock.move(MINUTE)
        world.app.search.run_until(world.clock.now() + MINUTE)
    assert 1 <= len([one for one in listed if one == "models/promote/"]) <= 4  # not each time


def test_the_first_one_is_first_where_the_one_that_was_next_is_gone() -> None:
    world, _ = many_customers(3)
    world.clock.move(HOUR)
    ledger = world.context.ledger
    ledger.rotation.put(Rotation(first="zz-gone"), None)
    world.app.poll.schedules.open_due(world.clock.now())  # there is no time for any
    stored = ledger.rotation.read()
    assert stored is not None
    assert stored.record.first == "hung0"
