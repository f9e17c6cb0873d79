"""Whose turn it is, for a reader of bad will: nobody waits for ever, and no limit is passed."""

from collections import Counter
from datetime import timedelta
from typing import Any

import pytest

from shared.app import App
from shared.core.config.pipeline import Pipeline
from shared.core.names import run_queue_id, shared_queue_id
from shared.core.run.control_events import StepBlocked
from shared.core.run.record import Phase, Run
from shared.errors import RelearnError
from shared.intake.requests import ManualRequest
from shared.maintenance.poll import Poll
from shared.maintenance.retention import Retention
from shared.operations.commands import OperatorCommand
from shared.operations.pipelines import Pipelines
from tests.fakes.faults import Crash, Kind
from tests.fakes.world import pipeline
from tests.unit.execution.test_concurrency import ask
from tests.unit.intake.test_batches import land, trained_on, waiting, world_of
from tests.unit.worlds import RUNNING, Observed, refused

SECOND, MINUTE, HOUR = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1)
DAY = 24 * HOUR
QUEUE: dict[str, Any] = {"when_busy": "queue", "endpoints": []}
NEWEST: dict[str, Any] = {"when_busy": "newest", "endpoints": []}
PARALLEL: dict[str, Any] = {"when_busy": "parallel", "endpoints": []}
AT_SERVICE = (Phase.CREATED, Phase.TRAINING)


def ticks(world: Observed, count: int, seconds: int = 30) -> None:
    for _ in range(count):
        world.tick(seconds)


def open_now(world: Observed) -> list[Run]:
    return [run for run in world.runs() if not run.phase.ended]


def park(world: Observed, run: Run) -> None:
    """Park a run as a step of it would that met what only a person can mend."""
    stored = world.context.ledger.runs.read(run.run_id)
    assert stored is not None
    world.app.writer.note(stored, StepBlocked("a damaged record", "mend it"))


# Nobody waits for ever


@pytest.mark.parametrize("leaves", ["cancelled", "parked"])
def test_a_waiting_run_that_is_gone_does_not_keep_what_lands_later(leaves: str) -> None:
    world = world_of(QUEUE)
    land(world, "a.csv")
    asked = ask(world, "k1")
    if leaves == "cancelled":
        world.run_operations.cancel(asked.run_id)
    else:
        park(world, asked)
    land(world, "b.csv")
    ticks(world, 30)
    assert waiting(world) == []
    assert ["b.csv"] in trained_on(world)


def two_pipelines(
    first: dict[str, Any], second: dict[str, Any], **training: Any
) -> tuple[Observed, App, Poll, Pipeline]:
    """One worker for two pipelines that share a training service."""
    world = world_of({**first, "data": {"blob": "one-{name}.csv"}}, **training)
    settings = world.pipeline.training.model_dump(mode="json")
    other = world.sibling(training=settings, endpoints=[], **second)
    world.app = world.another(other)
    return world, world.app, world.poll, other


def busy(world: Observed) -> Run:
    """Land data of the first pipeline, whose job takes the one place there is."""
    (run,) = land(world, "one-0.csv")
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
    land(world, "one-1.csv")  # of another key: only the service is in its way
    land(world, "other-2.csv")
    ticks(world, 40)
    assert [run.run_id for run in open_now(world)] == []
    assert len(world.starts) == 3


def test_a_new_order_in_the_file_does_not_have_waiting_runs_wait_for_ever() -> None:
    world = world_of({**PARALLEL, "max_parallel": 1, "order": "newest_first"})
    land(world, "a.csv")
    ask(world, "k1")
    world.pipeline = world.pipeline.model_copy(update={"order": "oldest_first"})
    world.restart()
    ask(world, "k2")
    ticks(world, 40)
    assert open_now(world) == []


def test_a_retried_run_and_the_next_of_its_key_do_not_wait_for_each_other() -> None:
    keyed = {**QUEUE, "key": "key", "data": {"blob": "{key}-{name}.csv"}}
    world = world_of(keyed, max_parallel=1)
    land(world, "holder-1.csv", "ahead-1.csv")
    (first,) = land(world, "mine-1.csv")
    assert first.phase is Phase.WAITING  # for the service, behind another key
    park(world, first)
    (second,) = land(world, "mine-2.csv")
    assert second.phase is Phase.WAITING
    world.run_operations.retry(first.run_id)
    ticks(world, 40)
    assert [run.reason for run in open_now(world)] == []


def test_a_run_forgotten_long_ago_keeps_no_place() -> None:
    world = world_of({**QUEUE})
    fail = world.script("POST", "/jobs", refused(400, "BadArgument", "no"), times=None)
    (old,) = land(world, "a.csv")
    world.run_operations.cancel(old.run_id)
    fail()
    ticks(world, 3)
    world.clock.move(world.limits.keep + DAY)
    Retention(world.context, world.app.catalogue).clean(world.clock.now() + timedelta(minutes=1))
    assert world.runs() == []
    asked = ask(world, "k1")
    assert world.until_idle(asked).phase is Phase.FINISHED


def test_a_place_of_a_run_that_was_never_stored_is_free_after_a_crash() -> None:
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
    (running,) = land(world, "a.csv")
    world.clock.move(-HOUR)
    asked = ask(world, "k1")
    world.poll.tick()
    assert world.now_of(running).phase is Phase.TRAINING
    assert world.now_of(asked).phase is not Phase.SUPERSEDED, world.now_of(asked).reason


def test_a_retried_run_does_not_give_way_to_a_request_for_other_data() -> None:
    world = world_of(NEWEST)
    land(world, "old.csv")
    ticks(world, 10)
    key = world.environment.pop("TRAINING_KEY")
    (parked,) = land(world, "a.csv")
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


def test_what_landed_while_busy_is_one_run_and_waiting_requests_say_what_replaced_them() -> None:
    world = world_of(NEWEST)
    land(world, "a.csv")
    asked = [ask(world, f"k{number}") for number in range(3)]
    land(world, "b.csv", "c.csv")
    ticks(world, 20)
    assert ["b.csv", "c.csv"] in trained_on(world)
    for before in asked:
        now = world.now_of(before)
        assert now.phase is Phase.SUPERSEDED
        newer = str(now.reason).split()[1]
        assert newer in {run.run_id for run in world.runs()} - {before.run_id}


def test_a_queue_keeps_requests_and_data_in_the_order_of_their_coming() -> None:
    world = world_of(QUEUE)
    land(world, "a.csv")
    first = ask(world, "k1")
    land(world, "b.csv")
    second = ask(world, "k2")
    ticks(world, 40)
    begun = [run for run in world.runs() if run.job is not None]
    assert len(begun) == 4
    order = [run.run_id for run in sorted(begun, key=lambda run: str(run.started_at))]
    assert order.index(first.run_id) < order.index(second.run_id)
    assert order[0] == next(run.run_id for run in begun if run.manifest[0].name == "a.csv")


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
        land(world, f"one-{number}.csv", f"other-{number}.csv")
    assert most_at_service(world, 30, second) == 2
    assert len(world.starts) == 8


FAULTS = [Kind.CRASH_AFTER, Kind.LOST, Kind.PREEMPT]


@pytest.mark.parametrize("kind", FAULTS)
def test_max_parallel_holds_whatever_goes_wrong_at_any_call(kind: Kind) -> None:
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


def test_a_parked_run_whose_job_still_runs_keeps_its_place_at_the_service() -> None:
    world = world_of(PARALLEL, max_parallel=1)
    (first,) = land(world, "a.csv")
    world.clock.move(MINUTE)
    unreadable = world.script(
        "GET", str(first.job), refused(400, "BadArgument", "No such key."), times=None
    )
    world.poll.tick()
    assert world.now_of(first).phase is Phase.PARKED
    unreadable()
    (second,) = land(world, "b.csv")
    started = len(world.starts)
    assert (started, world.now_of(second).phase) == (1, Phase.WAITING)


def test_a_run_parked_in_training_does_not_go_on_beside_the_next_of_its_key() -> None:
    world = world_of(QUEUE)
    (first,) = land(world, "a.csv")
    world.clock.move(MINUTE)
    unreadable = world.script(
        "GET", str(first.job), refused(400, "BadArgument", "No such key."), times=None
    )
    world.poll.tick()
    (second,) = land(world, "b.csv")
    assert second.phase is Phase.TRAINING
    unreadable()
    world.run_operations.retry(first.run_id)
    both = [world.now_of(run).phase for run in (first, second)]
    assert both != [Phase.TRAINING] * 2


def test_a_second_attempt_takes_a_place_at_the_service_again() -> None:
    training = {"inputs": {"input1": "fixed/train.csv"}, "attempts": 2, "max_parallel": 1}
    world = world_of(PARALLEL, **training)
    world.upload("fixed/train.csv")
    (first,) = land(world, "a.csv")
    world.studio.work()
    model = f"runs/sample/{first.run_id}/1/model.ilearner"
    kept = world.blobs.store.contents[f"https://account.blob.core.windows.net/models/{model}"]
    world.blobs.remove("models", model)  # seen a little later than its job
    world.clock.move(MINUTE)
    world.poll.tick()
    assert world.now_of(first).phase is Phase.TRAINED
    (second,) = land(world, "b.csv")
    assert second.phase is Phase.TRAINING
    stop = world.script("GET", str(second.job), RUNNING, times=None)
    world.upload("fixed/train.csv", b"a,b,label\n7,7,1\n3,4,0\n")
    world.blobs.put("models", model, kept)
    world.idle(5 * MINUTE)
    stop()
    assert len(world.starts) == 2, [run.phase for run in world.runs()]


def test_a_limit_that_a_person_adds_holds_for_retried_runs_too() -> None:
    world = world_of(PARALLEL)
    key = world.environment.pop("TRAINING_KEY")
    parked = land(world, "a.csv", "b.csv", "c.csv")
    world.environment["TRAINING_KEY"] = key
    world.pipeline = world.pipeline.model_copy(update={"max_parallel": 1})
    world.restart()
    for run in parked:
        world.run_operations.retry(run.run_id)
    assert len(world.starts) == 1


# BUG: a retried run that waits for its key leaves the service's line, though its job still runs.
def test_a_retried_run_whose_job_still_runs_keeps_its_place_at_the_service() -> None:
    world = world_of(QUEUE, max_parallel=1)
    (first,) = land(world, "a.csv")
    world.clock.move(MINUTE)
    path = str(first.job)
    unreadable = world.script("GET", path, refused(400, "BadArgument", "No such key."), times=None)
    world.poll.tick()
    assert world.now_of(first).phase is Phase.PARKED
    unreadable()
    (second,) = land(world, "b.csv")
    assert second.phase is Phase.WAITING
    still_running = world.script("GET", path, RUNNING, times=None)
    world.run_operations.retry(first.run_id)
    world.idle(4 * MINUTE)
    assert len(world.starts) == 1
    still_running()
    ticks(world, 40)
    assert open_now(world) == []


# BUG: a superseded run is dropped from the line only by what lands; without that it stays.
def test_superseded_runs_do_not_stay_in_line() -> None:
    world = world_of({**NEWEST, "data": {"blob": "{name}.csv", "opens_runs": False}})
    world.upload("a.csv")
    for number in range(4):
        for request in range(3):
            ask(world, f"k{number}-{request}")
        ticks(world, 12)
    assert open_now(world) == []
    (run_queue,) = world.app.pipelines.status("sample").run_queues
    assert len(run_queue.waiting) <= 1


# Budgets, pauses and failures


def test_a_budget_holds_over_data_requests_and_downtime() -> None:
    world = world_of({**QUEUE, "budget": {"most_per_day": 2, "least_interval": "1h"}})
    land(world, "a.csv", "b.csv")
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
    land(world, "a.csv")
    ticks(world, 10)
    world.host.by = timedelta()
    land(world, "b.csv")
    for _ in range(12):
        world.clock.move(10 * MINUTE)
        world.studio.work()
        world.poll.tick()
    assert ["b.csv"] in trained_on(world)


def failing(world: Observed, *names: str) -> None:
    stop = world.script("POST", "/jobs", refused(400, "BadArgument", "no"), times=None)
    for name in names:
        land(world, name)
        ticks(world, 2)
    stop()


def test_failures_from_before_a_persons_resume_count_no_more() -> None:
    world = world_of({**QUEUE, "pause_after": 2})
    failing(world, "a.csv")
    hand = world.app.pipelines
    hand.pause("sample", OperatorCommand("ada", "mending it"))
    world.clock.move(MINUTE)
    hand.resume("sample")
    failing(world, "b.csv")
    land(world, "c.csv")
    ticks(world, 10)
    assert hand.status("sample").run_queues[0].paused is None
    assert ["c.csv"] in trained_on(world)


# The worker that counted the failures is slower than the person who has dealt with them.
def test_a_pause_by_failures_that_a_resume_overtook_is_over() -> None:
    for call in range(3):  # kept in the inbox, noted, paused
        world = world_of({**QUEUE, "pause_after": 2})
        hand = world.app.pipelines
        failing(world, "a.csv", "b.csv")

        def resumed(world: Observed = world, hand: Pipelines = hand) -> None:
            world.clock.move(SECOND)
            hand.resume("sample")

        world.faults.other_worker = resumed
        world.upload("c.csv")
        world.faults.plan = {len(world.faults.sites) + call: Kind.PREEMPT}
        world.survive(lambda world=world: world.deliver("c.csv"))
        world.faults.plan = {}
        assert hand.status("sample").pause is None
        ticks(world, 20)
        assert ["c.csv"] in trained_on(world), call


def test_a_pause_by_failures_holds_though_another_customer_is_paused_later() -> None:
    changes = {**QUEUE, "pause_after": 1, "key": "who", "data": {"blob": "{who}/{name}.csv"}}
    world = world_of(changes)
    failing(world, "acme/1.csv", "beta/1.csv")
    land(world, "acme/2.csv", "beta/2.csv")
    ticks(world, 10)
    hand = world.app.pipelines
    assert (
        len([run_queue for run_queue in hand.status("sample").run_queues if run_queue.paused]) == 2
    )
    assert len(waiting(world)) == 2
    world.clock.move(SECOND)
    hand.resume("sample")
    assert not [run_queue for run_queue in hand.status("sample").run_queues if run_queue.paused]
    ticks(world, 20)
    assert waiting(world) == []


def test_a_superseded_run_between_failures_does_not_begin_the_count_anew() -> None:
    world = world_of({**QUEUE, "pause_after": 2})
    failing(world, "a.csv")
    land(world, "b.csv")
    world.clock.move(SECOND)
    world.upload("b.csv", b"a,b,label\n9,9,1\n")  # under the job; its event is lost
    fail = world.script("POST", "/jobs", refused(400, "BadArgument", "no"), times=None)
    ticks(world, 8)
    land(world, "c.csv")
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
    land(world, "acme/1.csv")
    stop()
    land(world, "acme/2.csv", "beta/1.csv")
    ticks(world, 10)
    assert trained_on(world) == [["acme/1.csv"], ["beta/1.csv"]]
    assert len(waiting(world)) == 1
    world.app.pipelines.resume("sample")
    ticks(world, 10)
    assert ["acme/2.csv"] in trained_on(world)


def test_a_paused_pipeline_begins_nothing_and_goes_on_where_it_was() -> None:
    world = world_of(QUEUE)
    land(world, "a.csv")
    hand = world.app.pipelines
    hand.pause("sample", OperatorCommand("ada"))
    asked = ask(world, "k1")
    land(world, "b.csv")
    ticks(world, 10)
    assert len(world.starts) == 1
    assert world.now_of(asked).reason == "paused by ada"
    hand.resume("sample")
    ticks(world, 20)
    assert len(world.starts) == 3


# Attempts


def test_a_downtime_after_a_pause_uses_up_nobodys_patience() -> None:
    world = world_of(PARALLEL, attempts=2, pause="10m", timeout="5m")
    (run,) = land(world, "a.csv")
    world.idle(6 * MINUTE)
    assert world.now_of(run).attempt == 2
    world.clock.move(3 * HOUR)  # nobody was there
    world.script("POST", "/jobs", refused(503, "ServiceUnavailable", "busy"), times=1)
    world.poll.tick()
    assert world.now_of(run).phase is not Phase.PARKED, world.now_of(run).reason


def test_no_worker_makes_the_next_attempt_before_its_pause_is_over() -> None:
    world = world_of(PARALLEL, attempts=3, pause="10m", timeout="5m")
    (run,) = land(world, "a.csv")
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
        (run,) = land(world, "a.csv")
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
    (run,) = land(world, "a.csv")
    world.idle(6 * MINUTE)
    world.run_operations.cancel(run.run_id)
    assert world.now_of(run).phase is Phase.CANCELLED


# Orders


@pytest.mark.parametrize("order", ["cancel", "retry"])
def test_an_order_that_dies_anywhere_is_carried_out_when_it_is_given_again(order: str) -> None:
    for call in range(6):
        world = world_of({**QUEUE, "max_parallel": 1})
        key = world.environment.pop("TRAINING_KEY")
        (run,) = land(world, "a.csv")
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


def test_places_are_named_apart() -> None:
    assert run_queue_id("sample", ("a", "b")) != run_queue_id("sample", ("ab",))
    assert run_queue_id("sample", ()) != run_queue_id("sample", ("",))
    assert shared_queue_id("pipeline", "x") != shared_queue_id("service", "x")


def test_a_run_is_superseded_by_name_also_when_its_worker_dies() -> None:
    for call in range(12):
        world = world_of(NEWEST)
        land(world, "a.csv")
        first, second = ask(world, "k1"), ask(world, "k2")
        world.faults.plan = {len(world.faults.sites) + call: Kind.CRASH_AFTER}
        for _ in range(12):
            world.survive(world.tick)
        assert world.now_of(first).phase is Phase.SUPERSEDED, call
        assert second.run_id in str(world.now_of(first).reason)
        assert world.now_of(second).phase is Phase.FINISHED, call


def test_another_pipeline_is_not_kept_waiting_by_limits_it_does_not_name() -> None:
    world = world_of({**PARALLEL, "data": {"blob": "one-{name}.csv"}}, max_parallel=1)
    free = pipeline(
        world.training,
        world.endpoint,
        {"pipeline": {"name": "free", "data": {"blob": "free-{name}.csv"}, "endpoints": []}},
    )
    world.app = world.another(free)
    land(world, "one-1.csv", "one-2.csv", "free-1.csv", "free-2.csv")
    assert len(world.starts) == 3
