"""The cost of an idle tick with many waiting runs; changes are noticed at once."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from shared.core.names import shared_queue_id
from shared.core.run.concurrency import QueueEntry
from shared.core.run.manual_request import ManualRequest
from shared.core.run.record import Phase, Run
from shared.execution.queues import Queue
from shared.ledger.open_markers import Marker, RunHints
from shared.operations.commands import OperatorCommand
from shared.ports.storage import ETag
from tests.unit.execution.contended import park
from tests.unit.execution.test_concurrency import ask
from tests.unit.intake.test_batches import arrive, world_of
from tests.unit.samples import NOW
from tests.unit.worlds import RUNNING, Observed

SECOND, MINUTE, HOUR = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1)
KEYED: dict[str, Any] = {"key": "key", "data": {"blob": "{key}-{name}.csv"}, "endpoints": []}
CSV = b"a,b,label\n1,2,0\n3,4,1\n"


def reads(world: Observed) -> int:
    return len([call for call in world.calls if call.startswith("read") and "poll" not in call])


def at_service(waiting: int) -> Observed:
    """One run has the only slot at the training service, and `waiting` others want it."""
    world = world_of({**KEYED, "when_busy": "parallel"}, max_parallel=1)
    (first,) = arrive(world, "first-0.csv")
    world.script("GET", str(first.job), RUNNING, times=None)
    for number in range(waiting):
        world.upload(f"k{number}-1.csv", CSV)
        world.deliver(f"k{number}-1.csv")
    world.idle(MINUTE)
    return world


def behind_another(waiting: int) -> Observed:
    """One run of the pipeline is open, and `waiting` others come one after the other."""
    world = world_of({"when_busy": "queue", "endpoints": []})
    (first,) = arrive(world, "a.csv")
    world.script("GET", str(first.job), RUNNING, times=None)
    for number in range(waiting):
        ask(world, f"k{number}")
    world.idle(MINUTE)
    return world


def one_for_each_key(waiting: int) -> Observed:
    """Each of `waiting` customers has a run that is open, and another that waits for it."""
    world = world_of({**KEYED, "when_busy": "queue"})
    world.script("GET", "", RUNNING, times=None)
    for number in range(waiting):
        arrive(world, f"k{number}-1.csv")
        data = f"k{number}-1.csv"
        world.app.requests.requested(world.pipeline, f"k{number}", ManualRequest(data=data))
    world.idle(MINUTE)
    return world


def paused(waiting: int) -> Observed:
    """A pipeline is paused while runs of many customers wait to begin."""
    world = world_of({**KEYED, "when_busy": "queue"})
    world.app.pipelines.pause("sample", OperatorCommand("ada"))
    for number in range(waiting):
        world.upload(f"k{number}-1.csv", CSV)
        data = f"k{number}-1.csv"
        world.app.requests.requested(world.pipeline, f"k{number}", ManualRequest(data=data))
    world.idle(MINUTE)
    return world


@pytest.mark.parametrize("waits", [at_service, behind_another, one_for_each_key, paused])
def test_an_idle_tick_reads_at_most_one_record_for_each_run_that_waits(waits: Any) -> None:
    waiting = 40
    world = waits(waiting)
    assert len([run for run in world.runs() if run.phase is Phase.WAITING]) == waiting
    world.idle(MINUTE)
    for _ in range(25):  # also while hints are held against their records
        world.calls.clear()
        world.idle(MINUTE)
        assert reads(world) <= waiting
    assert [call for call in world.calls if not call.startswith(("read", "list"))] == [
        "replace poll"
    ]


@pytest.mark.parametrize("waiting", [40, 400, 4000])
def test_a_queue_is_read_once_in_an_idle_tick_however_long_it_is(waiting: int) -> None:
    world = at_service(1)
    (waits,) = [run for run in world.runs() if run.phase is Phase.WAITING]
    ledger = world.context.ledger
    name = shared_queue_id("service", waits.config.training.address.partition("?")[0].lower())
    stored = ledger.run_queues.read(name)
    assert stored is not None
    run_queue = stored.record
    markers = {m.run_id: m.hints for m in ledger.open_markers.listed()}
    waiting_runs: list[QueueEntry] = []
    for number in range(waiting - 1):
        run = waits.model_copy(update={"run_id": f"sample-{number:020x}"})
        ledger.runs.create(run)
        ledger.open_markers.mark(run.run_id, markers[waits.run_id])
        waiting_runs.append(QueueEntry(run_id=run.run_id, at=world.clock.now(), number=number + 2))
    run_queue = run_queue.evolve(
        waiting=(*run_queue.waiting, *waiting_runs), numbers=run_queue.numbers + waiting - 1
    )
    ledger.run_queues.put(name, run_queue, stored.etag)
    world.idle(MINUTE)
    counted = []
    for _ in range(10):
        world.calls.clear()
        world.idle(MINUTE)
        counted.append((world.calls.count("read shared_queues"), world.calls.count("read runs")))
    assert all(shared_queues == 1 for shared_queues, _ in counted)
    assert sum(runs for _, runs in counted) <= waiting + 10  # each once in ten minutes
    assert all(runs <= waiting / 4 for _, runs in counted)  # and spread over them


def test_a_worker_that_begins_reads_no_more_than_another() -> None:
    world = at_service(40)
    world.restart()
    world.calls.clear()
    world.idle(MINUTE)
    assert reads(world) <= 40


def test_those_that_wait_begin_in_their_order_once_there_is_a_slot() -> None:
    world = world_of({"when_busy": "parallel", "endpoints": []}, max_parallel=2)
    for number in range(12):
        arrive(world, f"{number:02}.csv")
    begun: list[str] = []
    for _ in range(60):
        world.tick()
        having = sorted(run.manifest[0].name for run in world.runs() if run.job)
        new = [name for name in having if name not in begun]
        begun += new
    assert begun == [f"{number:02}.csv" for number in range(12)]
    assert not world.open_runs()


def waiting_run(world: Observed, key: str) -> Run:
    return next(run for run in world.runs() if run.key == (key,))


def test_a_slot_that_is_free_is_taken_at_the_next_tick() -> None:
    world = at_service(3)
    world.idle(30 * MINUTE)
    (first,) = [run for run in world.runs() if run.phase is Phase.TRAINING]
    world.http.answers.clear()  # its job may end now
    world.run_operations.cancel(first.run_id)
    world.tick()
    world.tick()
    assert len([run for run in world.runs() if run.phase is Phase.TRAINING]) == 1


@pytest.mark.parametrize("after", ["restart", "long"])
def test_a_pause_that_ends_is_noticed_at_the_next_tick(after: str) -> None:
    world = paused(5)
    world.idle(HOUR if after == "long" else MINUTE)
    if after == "restart":
        world.restart()
    world.app.pipelines.resume("sample")
    world.tick()
    assert len(world.starts) == 5


def test_a_pipeline_that_paused_itself_continues_at_the_next_tick_once_it_is_resumed() -> None:
    world = world_of({"when_busy": "queue", "pause_after": 1, "endpoints": []})
    (first,) = arrive(world, "a.csv")
    asked = ask(world, "k1")
    park(world, first)
    world.idle(5 * MINUTE)
    assert world.now_of(asked).phase is Phase.WAITING
    assert str(world.now_of(asked).reason).startswith("paused by relearn")
    world.app.pipelines.resume("sample")
    world.tick()
    assert world.now_of(asked).phase is Phase.TRAINING


def test_a_budget_lets_the_next_one_begin_when_it_says() -> None:
    world = world_of({"when_busy": "queue", "budget": {"least_interval": "7m"}, "endpoints": []})
    (first,) = arrive(world, "a.csv")
    second = ask(world, "k1")
    world.until(first, Phase.FINISHED)
    began = first.opened_at
    while world.now_of(second).phase is Phase.WAITING:
        world.tick()
        assert world.clock.now() - began <= 9 * MINUTE
    assert world.clock.now() - began >= 7 * MINUTE


def test_cancelled_and_retried_runs_are_noticed_at_once() -> None:
    world = at_service(3)
    held, other, _ = (waiting_run(world, f"k{n}") for n in range(3))
    world.run_operations.cancel(other.run_id)
    park(world, held)
    world.run_operations.retry(held.run_id)
    world.idle(MINUTE)
    assert world.now_of(other).phase is Phase.CANCELLED
    assert world.now_of(held).phase is Phase.WAITING
    (first,) = [run for run in world.runs() if run.phase is Phase.TRAINING]
    world.http.answers.clear()  # its job may end now
    world.run_operations.cancel(first.run_id)
    for _ in range(3):
        world.tick()
    assert world.now_of(held).job is not None  # it came before the last one


def test_a_hint_that_is_behind_its_record_is_noticed() -> None:
    """A worker died after it parked a waiting run, before it wrote that into the marker."""
    world = at_service(2)
    last = waiting_run(world, "k1")
    park(world, last)
    world.idle(11 * MINUTE)
    (marker,) = [m for m in world.context.ledger.open_markers.listed() if m.run_id == last.run_id]
    assert marker.hints.phase is Phase.PARKED


def test_a_run_that_its_queue_does_not_know_is_checked() -> None:
    world = at_service(2)
    first, second = (waiting_run(world, f"k{n}") for n in range(2))
    ledger = world.context.ledger
    name = shared_queue_id("service", first.config.training.address.partition("?")[0].lower())
    stored = ledger.run_queues.read(name)
    assert stored is not None
    ledger.run_queues.put(name, stored.record.without({second.run_id}.__contains__), stored.etag)
    world.tick()
    stored = ledger.run_queues.read(name)
    assert stored is not None
    assert [entry.run_id for entry in stored.record.waiting] == [first.run_id, second.run_id]


def test_what_is_next_and_has_ended_delays_no_other() -> None:
    """Its worker died before the marker was dropped: the queue still names it first."""
    world = at_service(2)
    first, second = (waiting_run(world, f"k{n}") for n in range(2))
    stored = world.context.ledger.runs.read(first.run_id)
    assert stored is not None
    ended = stored.record.moved_to(Phase.CANCELLED, world.clock.now())
    world.context.ledger.runs.replace(ended, stored.etag)
    (running,) = [run for run in world.runs() if run.phase is Phase.TRAINING]
    world.http.answers.clear()  # its job may end now
    world.run_operations.cancel(running.run_id)
    for _ in range(3):
        world.tick()
    assert world.now_of(second).job is not None


@pytest.mark.parametrize("customers", [30, 90])
def test_each_run_that_begins_checks_a_bounded_number_of_those_behind_it(customers: int) -> None:
    config = {**KEYED, "when_busy": "newest", "max_parallel": 1, "schedule": "0 0 * * * *"}
    world = world_of(config)
    world.app.activations.refresh()
    world.poll.start_scheduled()
    for number in range(customers):
        world.upload(f"k{number:03}-1.csv", CSV)
    world.clock.move(HOUR)
    for _ in range(3):
        world.poll.start_scheduled()
    world.calls.clear()
    for _ in range(2 * customers):
        world.tick()
        if all(run.phase.ended for run in world.runs()):
            break
    assert [run.phase for run in world.runs()] == [Phase.FINISHED] * customers
    assert world.calls.count("read runs") <= 30 * customers


def test_a_queue_counts_at_the_service_that_its_runs_name() -> None:
    first, second = (Marker(str(at), ETag("1"), NOW) for at in range(2))
    assert Queue("run_queues/sample/x", {"0": first}).service == ""
    second = replace(second, hints=RunHints(service="https://a.example/jobs"))
    assert Queue("run_queues/sample/x", {"1": second}).service == "https://a.example/jobs"
