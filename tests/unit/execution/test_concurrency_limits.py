"""No limit is passed, after any fault and with any number of workers."""

import pytest

from shared.core.run.record import Phase
from shared.maintenance.poll import Poll
from tests.fakes.faults import Kind
from tests.fakes.world import pipeline
from tests.unit.execution.contended import (
    MINUTE,
    NEWEST,
    PARALLEL,
    QUEUE,
    open_now,
    ticks,
    two_pipelines,
)
from tests.unit.execution.test_concurrency import ask
from tests.unit.intake.test_batches import arrive, world_of
from tests.unit.worlds import RUNNING, Observed, refused

AT_SERVICE = (Phase.CREATED, Phase.TRAINING)


# Limits


def most_at_service(world: Observed, count: int, *polls: Poll) -> int:
    """The most jobs that were at the service at once while time passed."""
    most = 0
    for _ in range(count):
        for poll in polls:
            poll.tick()
        most = max(most, sum(run.phase in AT_SERVICE for run in world.runs()))
        world.tick()
        most = max(most, sum(run.phase in AT_SERVICE for run in world.runs()))
    return most


def test_two_workers_start_no_more_jobs_than_the_service_has_over_two_pipelines() -> None:
    world, _, _, other = two_pipelines(PARALLEL, {"when_busy": "parallel"}, max_parallel=2)
    second = world.another(other).poll
    for number in range(4):
        arrive(world, f"one-{number}.csv", f"other-{number}.csv")
    assert most_at_service(world, 30, second) == 2
    assert len(world.starts) == 8


FAULTS = [Kind.CRASH_AFTER, Kind.LOST, Kind.PREEMPT]


@pytest.mark.parametrize("kind", FAULTS)
def test_max_parallel_holds_after_a_fault_at_any_call(kind: Kind) -> None:
    for call in range(FAULTS.index(kind), 40, 9):
        world = world_of({**PARALLEL, "max_parallel": 2})
        world.poll.tick()
        for name in ("a.csv", "b.csv", "c.csv", "d.csv"):
            world.upload(name)
        world.faults.plan = {len(world.faults.sites) + call: kind}
        most = 0
        for name in ("a.csv", "b.csv", "c.csv", "d.csv"):
            world.survive(lambda world=world, name=name: world.deliver(name))
            world.survive(lambda world=world, name=name: world.deliver(name))
        for _ in range(25):
            world.survive(world.tick)
            busy_ = [r for r in open_now(world) if r.phase is not Phase.WAITING]
            most = max(most, len(busy_))
        assert most <= 2, call
        assert len(world.starts) == 4, call
        assert open_now(world) == [], call


def test_a_parked_run_whose_job_still_runs_keeps_its_slot_at_the_service() -> None:
    world = world_of(PARALLEL, max_parallel=1)
    (first,) = arrive(world, "a.csv")
    world.clock.move(MINUTE)
    unreadable = world.script(
        "GET", str(first.job), refused(400, "BadArgument", "No such key."), times=None
    )
    world.poll.tick()
    assert world.now_of(first).phase is Phase.PARKED
    unreadable()
    (second,) = arrive(world, "b.csv")
    started = len(world.starts)
    assert (started, world.now_of(second).phase) == (1, Phase.WAITING)


def test_a_run_parked_in_training_does_not_continue_while_the_next_of_its_key_runs() -> None:
    world = world_of(QUEUE)
    (first,) = arrive(world, "a.csv")
    world.clock.move(MINUTE)
    unreadable = world.script(
        "GET", str(first.job), refused(400, "BadArgument", "No such key."), times=None
    )
    world.poll.tick()
    (second,) = arrive(world, "b.csv")
    assert second.phase is Phase.TRAINING
    unreadable()
    world.run_operations.retry(first.run_id)
    both = [world.now_of(run).phase for run in (first, second)]
    assert both != [Phase.TRAINING] * 2


def test_a_second_attempt_takes_a_slot_at_the_service_again() -> None:
    training = {"inputs": {"input1": "fixed/train.csv"}, "attempts": 2, "max_parallel": 1}
    world = world_of(PARALLEL, **training)
    world.upload("fixed/train.csv")
    (first,) = arrive(world, "a.csv")
    world.studio.work()
    model = f"runs/sample/{first.run_id}/1/model.ilearner"
    kept = world.blobs.store.contents[f"https://account.blob.core.windows.net/models/{model}"]
    world.blobs.remove("models", model)  # seen a little later than its job
    world.clock.move(MINUTE)
    world.poll.tick()
    assert world.now_of(first).phase is Phase.TRAINED
    (second,) = arrive(world, "b.csv")
    assert second.phase is Phase.TRAINING
    stop = world.script("GET", str(second.job), RUNNING, times=None)
    world.upload("fixed/train.csv", b"a,b,label\n7,7,1\n3,4,0\n")
    world.blobs.put("models", model, kept)
    world.idle(5 * MINUTE)
    stop()
    assert len(world.starts) == 2, [run.phase for run in world.runs()]


def test_a_limit_that_an_operator_adds_holds_for_retried_runs_too() -> None:
    world = world_of(PARALLEL)
    key = world.environment.pop("TRAINING_KEY")
    parked = arrive(world, "a.csv", "b.csv", "c.csv")
    world.environment["TRAINING_KEY"] = key
    world.pipeline = world.pipeline.model_copy(update={"max_parallel": 1})
    world.restart()
    for run in parked:
        world.run_operations.retry(run.run_id)
    assert len(world.starts) == 1


# BUG: a retried run that waits for its key leaves the service's line, though its job still runs.
def test_a_retried_run_whose_job_still_runs_keeps_its_slot_at_the_service() -> None:
    world = world_of(QUEUE, max_parallel=1)
    (first,) = arrive(world, "a.csv")
    world.clock.move(MINUTE)
    path = str(first.job)
    unreadable = world.script("GET", path, refused(400, "BadArgument", "No such key."), times=None)
    world.poll.tick()
    assert world.now_of(first).phase is Phase.PARKED
    unreadable()
    (second,) = arrive(world, "b.csv")
    assert second.phase is Phase.WAITING
    still_running = world.script("GET", path, RUNNING, times=None)
    world.run_operations.retry(first.run_id)
    world.idle(4 * MINUTE)
    assert len(world.starts) == 1
    still_running()
    ticks(world, 40)
    assert open_now(world) == []


# BUG: a superseded run is dropped from the queue only by data that arrives; without that it stays.
def test_superseded_runs_do_not_stay_in_the_queue() -> None:
    world = world_of({**NEWEST, "data": {"blob": "{name}.csv", "opens_runs": False}})
    world.upload("a.csv")
    for number in range(4):
        for request in range(3):
            ask(world, f"k{number}-{request}")
        ticks(world, 12)
    assert open_now(world) == []
    (run_queue,) = world.app.pipelines.status("sample").run_queues
    assert len(run_queue.waiting) <= 1


# Orders


def test_another_pipeline_is_not_kept_waiting_by_limits_it_does_not_name() -> None:
    world = world_of({**PARALLEL, "data": {"blob": "one-{name}.csv"}}, max_parallel=1)
    free = pipeline(
        world.training,
        world.endpoint,
        {"pipeline": {"name": "free", "data": {"blob": "free-{name}.csv"}, "endpoints": []}},
    )
    world.app = world.another(free)
    arrive(world, "one-1.csv", "one-2.csv", "free-1.csv", "free-2.csv")
    assert len(world.starts) == 3
