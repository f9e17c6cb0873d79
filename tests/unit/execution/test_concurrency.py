"""Which run begins next: waiting runs, budgets, pauses, and slots that nobody can keep."""

import logging
from datetime import timedelta
from typing import Any

import pytest

from shared.core.run.concurrency import RunQueue
from shared.core.run.manual_request import ManualRequest
from shared.core.run.record import Phase, Run
from shared.errors import InvalidTransitionError
from shared.providers.http.client import Answer
from tests.unit.intake.test_batches import arrive, trained_on, waiting, world_of
from tests.unit.worlds import Observed, refused

MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)


def ask(world: Observed, key: str) -> Run:
    world.clock.move(timedelta(seconds=1))
    return world.app.requests.requested(world.pipeline, key, ManualRequest())


def fail_jobs(world: Observed) -> None:
    world.script("POST", "/jobs", refused(400, "BadArgument", "no such input"), times=None)


def test_a_manual_run_waits_for_the_one_that_is_open_and_says_for_which() -> None:
    world = world_of({"when_busy": "queue"})
    (first,) = arrive(world, "a.csv")
    asked = ask(world, "k1")
    assert (asked.phase, asked.reason) == (
        Phase.WAITING,
        f"another run is open: {first.run_id}",
    )
    assert world.until_idle(asked).phase is Phase.UNCHANGED  # on the same data
    assert len(world.starts) == 2


def test_a_waiting_run_is_superseded_by_the_newer_one_and_says_by_which() -> None:
    world = world_of({"when_busy": "newest"})
    arrive(world, "a.csv")
    first, second = ask(world, "k1"), ask(world, "k2")
    world.tick()
    reported = world.now_of(first)
    assert reported.phase is Phase.SUPERSEDED
    assert reported.reason == f"run {second.run_id} is newer and trains instead"
    assert world.until_idle(second).phase is Phase.UNCHANGED


def test_a_waiting_run_can_be_cancelled_and_leaves_the_queue() -> None:
    world = world_of({"when_busy": "queue"})
    arrive(world, "a.csv")
    first, second = ask(world, "k1"), ask(world, "k2")
    world.run_operations.cancel(first.run_id)
    assert world.now_of(first).phase is Phase.CANCELLED
    assert world.until_idle(second).phase is Phase.UNCHANGED


def test_a_parked_run_delays_no_other_and_queues_again_when_retried() -> None:
    world = world_of({"when_busy": "queue"})
    key = world.environment.pop("TRAINING_KEY")
    (parked,) = arrive(world, "a.csv")
    assert parked.phase is Phase.PARKED
    world.environment["TRAINING_KEY"] = key
    (second,) = arrive(world, "b.csv")
    assert second.phase is Phase.TRAINING
    retried = world.run_operations.retry(parked.run_id)
    assert retried is not None
    assert retried.phase is Phase.WAITING
    assert world.until_idle(second).phase is Phase.PROMOTED
    assert world.until_idle(parked).phase is Phase.SUPERSEDED  # its data is older by then


def test_one_training_service_has_no_more_jobs_than_two_pipelines_may_start() -> None:
    world = world_of({"when_busy": "parallel"}, max_parallel=1)
    sibling = world.sibling(training=world.pipeline.training.model_dump(mode="json"), endpoints=[])
    app = world.another(sibling)
    poll = app.poll
    arrive(world, "a.csv")
    world.upload("other-b.csv", b"a,b,label\n1,1,0\n")
    app.blob_events.blob_arrived("other-b.csv")
    poll.tick()
    assert len(world.starts) == 1
    phases = sorted(run.phase for run in world.runs())  # both pipelines want other-b.csv
    assert phases == [Phase.TRAINING, Phase.WAITING, Phase.WAITING]
    for _ in range(40):
        world.tick()
        poll.tick()
    assert len(world.starts) == 3


def test_the_budget_spreads_runs_and_loses_no_data() -> None:
    world = world_of({"when_busy": "newest", "budget": {"least_interval": "1h"}})
    arrive(world, "a.csv", "b.csv")
    for _ in range(20):
        world.tick(60)
    assert trained_on(world) == [["a.csv"]]
    world.idle(41 * MINUTE)
    for _ in range(10):
        world.tick()
    assert trained_on(world) == [["a.csv"], ["b.csv"]]


def test_no_more_runs_a_day_than_the_budget_has() -> None:
    world = world_of({"when_busy": "queue", "budget": {"most_per_day": 2}})
    arrive(world, "a.csv", "b.csv", "c.csv")
    for _ in range(60):
        world.tick()
    assert len(world.runs()) == 2
    world.clock.move(24 * HOUR)
    for _ in range(20):
        world.tick()
    assert len(world.runs()) == 3


def test_a_second_attempt_was_paid_for_with_the_first() -> None:
    world = world_of({"when_busy": "parallel", "budget": {"least_interval": "5h"}}, attempts=2)
    (run,) = arrive(world, "a.csv")
    failed = Answer(200, {}, b'{"StatusCode": "Failed", "Details": "Bad luck."}')
    world.script("GET", str(run.job), failed)
    world.idle(10 * MINUTE)
    again = world.now_of(run)
    assert (again.phase, again.attempt) == (Phase.TRAINING, 2)


def test_a_run_that_an_operator_retries_was_paid_for_when_it_began() -> None:
    world = world_of({"when_busy": "queue", "budget": {"most_per_day": 2}})
    key = world.environment.pop("TRAINING_KEY")
    (parked,) = arrive(world, "a.csv")
    world.environment["TRAINING_KEY"] = key
    (second,) = arrive(world, "b.csv")
    assert world.until_idle(second).phase is Phase.PROMOTED
    world.run_operations.retry(parked.run_id)
    world.idle(10 * MINUTE)
    assert world.now_of(parked).phase is Phase.TRAINING


def test_a_pipeline_that_fails_again_and_again_pauses_itself_and_can_be_resumed(
    caplog: pytest.LogCaptureFixture,
) -> None:
    world = world_of({"when_busy": "queue", "pause_after": 2})
    works_again = world.script(
        "POST", "/jobs", refused(400, "BadArgument", "no such input"), times=None
    )
    with caplog.at_level(logging.ERROR):
        arrive(world, "a.csv", "b.csv", "c.csv")
        for _ in range(5):
            world.tick()
    assert len(world.runs()) == 2
    assert waiting(world) != []
    pipelines = world.app.pipelines
    (run_queue,) = pipelines.status("sample").run_queues
    assert run_queue.paused is not None
    assert run_queue.paused.reason.startswith("2 runs in a row failed")
    (said,) = [r for r in caplog.records if getattr(r, "event_id", "") == "RL1007"]
    assert "resume it" in said.getMessage()
    works_again()
    pipelines.resume("sample")
    for _ in range(20):
        world.tick()
    assert len(world.runs()) == 3
    assert pipelines.status("sample").pause is None
    assert pipelines.status("sample").run_queues[0].paused is None


def test_failures_with_a_success_between_them_pause_nothing() -> None:
    world = world_of({"when_busy": "queue", "pause_after": 2})
    for number in range(3):
        stop = world.script("POST", "/jobs", refused(400, "BadArgument", "no"), times=None)
        arrive(world, f"bad{number}.csv")
        stop()
        arrive(world, f"good{number}.csv")
        for _ in range(20):
            world.tick()
    assert len(world.runs()) == 6


def test_the_next_attempt_waits_for_the_pause() -> None:
    world = world_of({"when_busy": "parallel"}, attempts=2, pause="10m", timeout="5m")
    (run,) = arrive(world, "a.csv")
    world.idle(6 * MINUTE)
    first = world.now_of(run)
    assert (first.phase, first.attempt) == (Phase.RECEIVED, 2)
    world.idle(8 * MINUTE)
    assert world.now_of(run).phase is Phase.RECEIVED
    world.idle(3 * MINUTE)
    assert world.now_of(run).phase is Phase.TRAINING
    assert len(world.starts) == 2
    assert world.until(run, Phase.PROMOTED).attempt == 2


def test_a_run_that_is_past_waiting_is_not_asked_to_retry() -> None:
    world = world_of({"when_busy": "queue"})
    (run,) = arrive(world, "a.csv")
    with pytest.raises(InvalidTransitionError):
        world.run_operations.retry(run.run_id)


def test_a_queue_of_many_costs_little_for_each_that_waits() -> None:
    world = world_of({"when_busy": "queue"})
    arrive(world, "a.csv")
    for number in range(30):
        ask(world, f"k{number}")
    world.idle(MINUTE)
    world.calls.clear()
    world.idle(MINUTE)
    reads = [call for call in world.calls if call.startswith("read")]
    writes: list[Any] = [call for call in world.calls if not call.startswith(("read", "list"))]
    assert len(reads) <= 30 * 6
    assert writes == ["replace poll"]


def test_a_cancelled_run_that_waited_holds_up_no_data_that_arrives() -> None:
    world = world_of({"when_busy": "queue"})
    arrive(world, "a.csv")
    asked = ask(world, "k1")
    arrive(world, "b.csv")
    world.run_operations.cancel(asked.run_id)
    for _ in range(20):
        world.tick()
    assert trained_on(world) == [["a.csv"], ["a.csv"], ["b.csv"]]
    assert waiting(world) == []


def test_runs_without_a_limit_are_not_read_again_for_each_new_one() -> None:
    world = world_of({"when_busy": "parallel", "pause_after": 1, "endpoints": []})
    reads = []
    for number in range(40):
        before = world.calls.count("read runs")
        arrive(world, f"{number}.csv")
        reads.append(world.calls.count("read runs") - before)
    assert max(reads[20:]) <= max(reads[:20])  # what `pause_after` checks, and no more


def test_only_the_slot_of_a_key_remembers_who_began() -> None:
    world = world_of({"when_busy": "queue", "max_parallel": 2}, max_parallel=2)
    arrive(world, "a.csv")
    begun = {
        name.partition("/")[0]: len(RunQueue.model_validate_json(row.body).begun)
        for name, row in world.documents.rows.items()
        if name.startswith(("run_queues/", "shared_queues/"))
    }
    assert begun == {"run_queues": 1, "shared_queues": 0}
