"""Nobody waits for ever, and a newer run goes before an older one only where that is wanted."""

from datetime import timedelta
from typing import Any

import pytest

from shared.core.names import run_queue_id, shared_queue_id
from shared.core.run.manual_request import ManualRequest
from shared.core.run.record import Phase, Run
from shared.errors import RelearnError
from shared.maintenance.retention import Retention
from tests.fakes.faults import Crash, Kind
from tests.unit.execution.contended import (
    DAY,
    HOUR,
    NEWEST,
    PARALLEL,
    QUEUE,
    SECOND,
    open_now,
    park,
    ticks,
    two_pipelines,
)
from tests.unit.execution.test_concurrency import ask
from tests.unit.intake.test_batches import arrive, trained_on, waiting, world_of
from tests.unit.worlds import Observed, refused

# Nobody waits for ever


@pytest.mark.parametrize("leaves", ["cancelled", "parked"])
def test_a_waiting_run_that_is_gone_does_not_keep_data_that_arrives_later(leaves: str) -> None:
    world = world_of(QUEUE)
    arrive(world, "a.csv")
    asked = ask(world, "k1")
    if leaves == "cancelled":
        world.run_operations.cancel(asked.run_id)
    else:
        park(world, asked)
    arrive(world, "b.csv")
    ticks(world, 30)
    assert waiting(world) == []
    assert ["b.csv"] in trained_on(world)


def busy(world: Observed) -> Run:
    """Let data of the first pipeline arrive, whose job takes the only slot."""
    (run,) = arrive(world, "one-0.csv")
    assert run.phase is Phase.TRAINING
    return run


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ({"when_busy": "newest"}, {"when_busy": "queue"}),
        ({"when_busy": "parallel", "order": "newest_first"}, {"when_busy": "parallel"}),
    ],
    ids=["newest and queue", "newest first and oldest first"],
)
def test_two_pipelines_at_one_service_do_not_wait_for_each_other_for_ever(
    first: dict[str, Any], second: dict[str, Any]
) -> None:
    keyed = {**first, "key": "name", "endpoints": []}
    world, _, _, _ = two_pipelines(keyed, second, max_parallel=1)
    busy(world)
    arrive(world, "one-1.csv")  # of another key: only the service is in its way
    arrive(world, "other-2.csv")
    ticks(world, 40)
    assert [run.run_id for run in open_now(world)] == []
    assert len(world.starts) == 3


def test_a_new_order_in_the_file_does_not_have_waiting_runs_wait_for_ever() -> None:
    world = world_of({**PARALLEL, "max_parallel": 1, "order": "newest_first"})
    arrive(world, "a.csv")
    ask(world, "k1")
    world.pipeline = world.pipeline.model_copy(update={"order": "oldest_first"})
    world.restart()
    ask(world, "k2")
    ticks(world, 40)
    assert open_now(world) == []


def test_a_retried_run_and_the_next_of_its_key_do_not_wait_for_each_other() -> None:
    keyed = {**QUEUE, "key": "key", "data": {"blob": "{key}-{name}.csv"}}
    world = world_of(keyed, max_parallel=1)
    arrive(world, "holder-1.csv", "ahead-1.csv")
    (first,) = arrive(world, "mine-1.csv")
    assert first.phase is Phase.WAITING  # for the service, behind another key
    park(world, first)
    (second,) = arrive(world, "mine-2.csv")
    assert second.phase is Phase.WAITING
    world.run_operations.retry(first.run_id)
    ticks(world, 40)
    assert [run.reason for run in open_now(world)] == []


def test_a_run_removed_long_ago_keeps_no_slot() -> None:
    world = world_of({**QUEUE})
    fail = world.script("POST", "/jobs", refused(400, "BadArgument", "no"), times=None)
    (old,) = arrive(world, "a.csv")
    world.run_operations.cancel(old.run_id)
    fail()
    ticks(world, 3)
    world.clock.move(world.limits.keep + DAY)
    Retention(world.context, world.app.catalogue).clean(world.clock.now() + timedelta(minutes=1))
    assert world.runs() == []
    asked = ask(world, "k1")
    assert world.until_idle(asked).phase is Phase.FINISHED


def test_a_slot_of_a_run_that_was_never_stored_is_free_after_a_crash() -> None:
    for call in range(10):
        world = world_of({**QUEUE, "max_parallel": 1})
        world.poll.tick()
        world.upload("a.csv")
        world.faults.plan = {len(world.faults.sites) + call: Kind.CRASH_AFTER}
        world.survive(lambda world=world: world.deliver("a.csv"))
        asked: list[Run] = []
        world.survive(lambda world=world, asked=asked: asked.append(ask(world, "k1")))
        for _ in range(20):
            world.survive(world.tick)
        assert ["a.csv"] in trained_on(world)
        assert open_now(world) == []


# Newer and older


def test_a_clock_that_jumps_back_has_no_request_superseded_by_the_run_before_it() -> None:
    world = world_of(NEWEST)
    (running,) = arrive(world, "a.csv")
    world.clock.move(-HOUR)
    asked = ask(world, "k1")
    world.poll.tick()
    assert world.now_of(running).phase is Phase.TRAINING
    assert world.now_of(asked).phase is not Phase.SUPERSEDED, world.now_of(asked).reason


def test_a_retried_run_does_not_yield_to_a_request_for_other_data() -> None:
    world = world_of(NEWEST)
    arrive(world, "old.csv")
    ticks(world, 10)
    key = world.environment.pop("TRAINING_KEY")
    (parked,) = arrive(world, "a.csv")
    assert parked.phase is Phase.PARKED
    world.environment["TRAINING_KEY"] = key
    for name in ("k1", "k2"):
        world.clock.move(SECOND)
        request = ManualRequest(data="old.csv")
        world.app.requests.requested(world.pipeline, name, request)
        if name == "k1":
            world.run_operations.retry(parked.run_id)
    ticks(world, 30)
    done = [run for run in world.runs() if run.phase is Phase.FINISHED]
    assert "a.csv" in {blob.name for run in done for blob in run.manifest}


def test_data_that_arrived_while_busy_is_one_run_and_waiting_requests_say_what_replaced_them() -> (
    None
):
    world = world_of(NEWEST)
    arrive(world, "a.csv")
    asked = [ask(world, f"k{number}") for number in range(3)]
    arrive(world, "b.csv", "c.csv")
    ticks(world, 20)
    assert ["b.csv", "c.csv"] in trained_on(world)
    for before in asked:
        now = world.now_of(before)
        assert now.phase is Phase.SUPERSEDED
        newer = str(now.reason).split()[1]
        assert newer in {run.run_id for run in world.runs()} - {before.run_id}


def test_a_queue_keeps_requests_and_data_in_the_order_of_their_coming() -> None:
    world = world_of(QUEUE)
    arrive(world, "a.csv")
    first = ask(world, "k1")
    arrive(world, "b.csv")
    second = ask(world, "k2")
    ticks(world, 40)
    begun = [run for run in world.runs() if run.job is not None]
    assert len(begun) == 4
    order = [run.run_id for run in sorted(begun, key=lambda run: str(run.started_at))]
    assert order.index(first.run_id) < order.index(second.run_id)
    assert order[0] == next(run.run_id for run in begun if run.manifest[0].name == "a.csv")


# Orders


@pytest.mark.parametrize("order", ["cancel", "retry"])
def test_a_command_that_dies_anywhere_is_carried_out_when_it_is_given_again(order: str) -> None:
    for call in range(6):
        world = world_of({**QUEUE, "max_parallel": 1})
        key = world.environment.pop("TRAINING_KEY")
        (run,) = arrive(world, "a.csv")
        world.environment["TRAINING_KEY"] = key
        world.faults.plan = {len(world.faults.sites) + call: Kind.CRASH_AFTER}
        for _ in range(2):
            try:
                getattr(world.run_operations, order)(run.run_id)
            except (Crash, RelearnError):
                world.restart()
        for _ in range(15):
            world.survive(world.tick)
        wanted = Phase.CANCELLED if order == "cancel" else Phase.FINISHED
        assert world.now_of(run).phase is wanted, call
        assert world.open_runs() == [], call


def test_slots_have_names_of_their_own() -> None:
    assert run_queue_id("sample", ("a", "b")) != run_queue_id("sample", ("ab",))
    assert run_queue_id("sample", ()) != run_queue_id("sample", ("",))
    assert shared_queue_id("pipeline", "x") != shared_queue_id("service", "x")


def test_a_run_is_superseded_by_name_also_when_its_worker_dies() -> None:
    for call in range(12):
        world = world_of(NEWEST)
        arrive(world, "a.csv")
        first, second = ask(world, "k1"), ask(world, "k2")
        world.faults.plan = {len(world.faults.sites) + call: Kind.CRASH_AFTER}
        for _ in range(12):
            world.survive(world.tick)
        assert world.now_of(first).phase is Phase.SUPERSEDED, call
        assert second.run_id in str(world.now_of(first).reason)
        assert world.now_of(second).phase is Phase.FINISHED, call
