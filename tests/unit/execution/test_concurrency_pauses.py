"""Budgets, pauses and the pause between attempts hold after any fault."""

from collections import Counter
from datetime import timedelta

import pytest

from shared.core.run.record import Phase
from shared.operations.commands import OperatorCommand
from shared.operations.pipelines import Pipelines
from tests.fakes.faults import Kind
from tests.unit.execution.contended import (
    DAY,
    HOUR,
    MINUTE,
    PARALLEL,
    QUEUE,
    SECOND,
    open_now,
    ticks,
)
from tests.unit.execution.test_concurrency import ask
from tests.unit.intake.test_batches import arrive, trained_on, waiting, world_of
from tests.unit.worlds import Observed, refused

# Budgets, pauses and failures


def test_a_budget_holds_over_data_requests_and_downtime() -> None:
    world = world_of({**QUEUE, "budget": {"most_per_day": 2, "least_interval": "1h"}})
    arrive(world, "a.csv", "b.csv")
    ask(world, "k1")
    ticks(world, 70, 60)
    assert len(world.starts) == 2
    world.idle(3 * HOUR, step=20 * MINUTE)
    assert len(world.starts) == 2
    world.clock.move(DAY)
    ticks(world, 10)
    assert len(world.starts) == 3
    assert open_now(world) == []


def test_a_host_whose_clock_was_ahead_does_not_use_up_the_budget_for_longer_than_it_says() -> None:
    world = world_of({**QUEUE, "budget": {"least_interval": "1h"}})
    world.host.by = 30 * DAY
    arrive(world, "a.csv")
    ticks(world, 10)
    world.host.by = timedelta()
    arrive(world, "b.csv")
    for _ in range(12):
        world.clock.move(10 * MINUTE)
        world.studio.work()
        world.poll.tick()
    assert ["b.csv"] in trained_on(world)


def failing(world: Observed, *names: str) -> None:
    stop = world.script("POST", "/jobs", refused(400, "BadArgument", "no"), times=None)
    for name in names:
        arrive(world, name)
        ticks(world, 2)
    stop()


def test_failures_from_before_a_operators_resume_count_no_more() -> None:
    world = world_of({**QUEUE, "pause_after": 2})
    failing(world, "a.csv")
    pipelines = world.app.pipelines
    pipelines.pause("sample", OperatorCommand("ada", "correcting it"))
    world.clock.move(MINUTE)
    pipelines.resume("sample")
    failing(world, "b.csv")
    arrive(world, "c.csv")
    ticks(world, 10)
    assert pipelines.status("sample").run_queues[0].paused is None
    assert ["c.csv"] in trained_on(world)


# The worker that counted the failures is slower than the operator who corrected them.
def test_a_pause_by_failures_that_a_resume_preceded_is_over() -> None:
    for call in range(3):  # kept in the inbox, noted, paused
        world = world_of({**QUEUE, "pause_after": 2})
        pipelines = world.app.pipelines
        failing(world, "a.csv", "b.csv")

        def resumed(world: Observed = world, pipelines: Pipelines = pipelines) -> None:
            world.clock.move(SECOND)
            pipelines.resume("sample")

        world.faults.other_worker = resumed
        world.upload("c.csv")
        world.faults.plan = {len(world.faults.sites) + call: Kind.PREEMPT}
        world.survive(lambda world=world: world.deliver("c.csv"))
        world.faults.plan = {}
        assert pipelines.status("sample").pause is None
        ticks(world, 20)
        assert ["c.csv"] in trained_on(world), call


def test_a_pause_by_failures_holds_though_another_customer_is_paused_later() -> None:
    changes = {**QUEUE, "pause_after": 1, "key": "who", "data": {"blob": "{who}/{name}.csv"}}
    world = world_of(changes)
    failing(world, "acme/1.csv", "beta/1.csv")
    arrive(world, "acme/2.csv", "beta/2.csv")
    ticks(world, 10)
    pipelines = world.app.pipelines
    assert (
        len([run_queue for run_queue in pipelines.status("sample").run_queues if run_queue.paused])
        == 2
    )
    assert len(waiting(world)) == 2
    world.clock.move(SECOND)
    pipelines.resume("sample")
    assert not [
        run_queue for run_queue in pipelines.status("sample").run_queues if run_queue.paused
    ]
    ticks(world, 20)
    assert waiting(world) == []


def test_a_superseded_run_between_failures_does_not_begin_the_count_again() -> None:
    world = world_of({**QUEUE, "pause_after": 2})
    failing(world, "a.csv")
    arrive(world, "b.csv")
    world.clock.move(SECOND)
    world.upload("b.csv", b"a,b,label\n9,9,1\n")  # under the job; its event is lost
    fail = world.script("POST", "/jobs", refused(400, "BadArgument", "no"), times=None)
    ticks(world, 8)
    arrive(world, "c.csv")
    ticks(world, 8)
    fail()
    phases = Counter(run.phase for run in world.runs())
    assert phases[Phase.SUPERSEDED] == 1
    assert phases[Phase.PARKED] == 2, phases
    assert waiting(world) != []


def test_one_key_that_fails_does_not_pause_the_others() -> None:
    changes = {**QUEUE, "pause_after": 1, "key": "who", "data": {"blob": "{who}/{name}.csv"}}
    world = world_of(changes)
    stop = world.script("POST", "/jobs", refused(400, "BadArgument", "no"), times=None)
    arrive(world, "acme/1.csv")
    stop()
    arrive(world, "acme/2.csv", "beta/1.csv")
    ticks(world, 10)
    assert trained_on(world) == [["acme/1.csv"], ["beta/1.csv"]]
    assert len(waiting(world)) == 1
    world.app.pipelines.resume("sample")
    ticks(world, 10)
    assert ["acme/2.csv"] in trained_on(world)


def test_a_paused_pipeline_begins_nothing_and_continues_where_it_was() -> None:
    world = world_of(QUEUE)
    arrive(world, "a.csv")
    pipelines = world.app.pipelines
    pipelines.pause("sample", OperatorCommand("ada"))
    asked = ask(world, "k1")
    arrive(world, "b.csv")
    ticks(world, 10)
    assert len(world.starts) == 1
    assert world.now_of(asked).reason == "paused by ada"
    pipelines.resume("sample")
    ticks(world, 20)
    assert len(world.starts) == 3


# Attempts


def test_a_downtime_after_a_pause_uses_up_nobodys_patience() -> None:
    world = world_of(PARALLEL, attempts=2, pause="10m", timeout="5m")
    (run,) = arrive(world, "a.csv")
    world.idle(6 * MINUTE)
    assert world.now_of(run).attempt == 2
    world.clock.move(3 * HOUR)  # nobody was there
    world.script("POST", "/jobs", refused(503, "ServiceUnavailable", "busy"), times=1)
    world.poll.tick()
    assert world.now_of(run).phase is not Phase.PARKED, world.now_of(run).reason


def test_no_worker_makes_the_next_attempt_before_its_pause_is_over() -> None:
    world = world_of(PARALLEL, attempts=3, pause="10m", timeout="5m")
    (run,) = arrive(world, "a.csv")
    world.idle(6 * MINUTE)
    over = world.now_of(run).history[-1].at
    other = world._worker().poll
    for _ in range(16):
        world.clock.move(30 * SECOND)
        world.app.driver.advance(run.run_id)
        other.tick()
        if world.clock.now() < over + 10 * MINUTE:
            assert world.now_of(run).phase is Phase.RECEIVED
    assert len(world.starts) == 1


@pytest.mark.parametrize("kind", [Kind.CRASH_AFTER, Kind.LOST, Kind.PREEMPT])
def test_a_pause_holds_when_the_worker_dies_as_its_attempt_ends(kind: Kind) -> None:
    for call in range(4):
        world = world_of(PARALLEL, attempts=2, pause="10m", timeout="5m")
        (run,) = arrive(world, "a.csv")
        world.clock.move(6 * MINUTE)
        world.faults.plan = {len(world.faults.sites) + call: kind}
        for _ in range(8):
            world.survive(world.poll.tick)
            world.clock.move(30 * SECOND)
        now = world.now_of(run)
        assert len(world.starts) == 1, (call, now.phase)
        world.idle(14 * MINUTE)
        assert len(world.starts) == 2, (call, world.now_of(run).phase)


def test_a_cancel_within_a_pause_ends_the_run_at_once() -> None:
    world = world_of(PARALLEL, attempts=2, pause="1d", timeout="5m")
    (run,) = arrive(world, "a.csv")
    world.idle(6 * MINUTE)
    world.run_operations.cancel(run.run_id)
    assert world.now_of(run).phase is Phase.CANCELLED
