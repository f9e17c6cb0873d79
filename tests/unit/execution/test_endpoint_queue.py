"""Several models for one endpoint: each begins when the endpoint is free, and never two at once."""

from datetime import UTC, datetime, timedelta

import pytest

from shared.core.blobs import BlobVersion
from shared.core.names import run_id
from shared.core.run.control_events import StepFailed
from shared.core.run.machine import apply
from shared.core.run.record import Origin, Phase, Run
from shared.core.serving.references import EndpointAddress
from shared.core.versions import order_of, version_id
from shared.errors import TransientError
from shared.execution.context import Limits
from shared.execution.queues import EndpointQueue
from shared.ledger.endpoints import EndpointStates
from shared.ledger.open_markers import EndpointWait, Marker, RunHints, hints_of
from shared.operations.commands import OperatorCommand
from shared.ports.storage import ETag
from tests.fakes.faults import Kind
from tests.fakes.world import DATA
from tests.unit.samples import run as a_run
from tests.unit.worlds import Observed

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
SECOND, MINUTE, HOUR = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1)
#: Long after everything in these worlds.
LATER = NOW + 1000 * HOUR


def crowded(count: int = 5, limits: Limits | None = None) -> Observed:
    """A world with a number of models of one second, of which one has the endpoint."""
    world = Observed(limits=limits or Limits(at_once=1), switch_delay=30 * SECOND)
    for number in range(count):
        content = b"a,b,label\n%d,2,0\n3,4,1\n%d,1,1\n" % (number, number + 3)
        world.upload(f"{number}.csv", content)
    for number in range(count):
        world.deliver(f"{number}.csv")
    while not any(run.phase is Phase.VERIFYING for run in world.runs()):
        world.tick()
    return world


def at_work(world: Observed) -> list[Run]:
    return [run for run in world.runs() if run.phase.updates and run.promotion is not None]


def waiting(world: Observed) -> list[Run]:
    return [run for run in world.runs() if run.step_failure and run.step_failure.waits_for]


def to_the_end(world: Observed, ticks: int = 100, seconds: int = 30) -> None:
    for _ in range(ticks):
        if all(run.phase.ended for run in world.runs()):
            return
        world.tick(seconds)
        assert len(at_work(world)) <= 1


def spans(world: Observed) -> list[tuple[datetime, datetime]]:
    """When each run had the endpoint, in order."""
    found = []
    for run in world.runs():
        begun = [entry.at for entry in run.history if entry.phase is Phase.VERIFYING]
        if begun:
            found.append((begun[0], run.history[-1].at))
    return sorted(found)


def in_order(count: int = 5) -> Observed:
    """The same, of runs that get the endpoint in the order of their data: each goes live."""
    world = Observed(limits=Limits(at_once=1), switch_delay=30 * SECOND)
    blobs: list[BlobVersion] = []
    for number in range(count):
        world.clock.move(SECOND)
        tries = (
            world.blobs.put(DATA, f"{number}-{again}.csv", b"a,b,label\n%d,2,0\n3,4,1\n" % number)
            for again in range(1000)
        )
        last = run_of(blobs[-1]) if blobs else ""
        blobs.append(next(one for one in tries if run_of(one) > last))
    for one in blobs:
        world.deliver(one.name)
    return world


def run_of(blob: BlobVersion) -> str:
    return run_id("sample", "data", version_id("sample", blob))


def test_the_next_model_begins_in_the_tick_in_which_the_endpoint_becomes_free() -> None:
    world = in_order()
    to_the_end(world)
    assert [run.phase for run in world.runs()] == [Phase.PROMOTED] * 5
    times = spans(world)
    assert [begun for begun, _ in times[1:]] == [ended for _, ended in times[:-1]]


def test_of_models_of_one_second_the_newest_serves_in_the_end() -> None:
    world = crowded()
    to_the_end(world)
    newest = max((run.current[-1] for run in world.runs()), key=order_of)
    (serves,) = [run for run in world.runs() if newest in run.current]
    assert serves.phase is Phase.PROMOTED
    assert {run.phase for run in world.runs()} <= {Phase.PROMOTED, Phase.SUPERSEDED}


def test_a_restart_while_runs_wait_costs_no_time() -> None:
    world = in_order()
    for _ in range(40):
        world.restart()
        world.tick()
    assert [run.phase for run in world.runs()] == [Phase.PROMOTED] * 5
    assert (
        sum(
            (b - e for (_, e), (b, _) in zip(spans(world), spans(world)[1:], strict=False)),
            timedelta(),
        )
        <= 2 * MINUTE
    )


def test_the_run_that_waits_the_longest_is_next() -> None:
    world = crowded(3)
    world.next_run("late.csv", b"a,b,label\n7,7,0\n1,4,1\n")
    late = next(run.run_id for run in world.runs() if run.cause.endswith("late.csv"))
    to_the_end(world)
    begun = {
        run.run_id: [entry.at for entry in run.history if entry.phase is Phase.VERIFYING]
        for run in world.runs()
    }
    assert max(begun, key=lambda one: begun[one]) == late


def test_a_rollback_goes_before_models_that_wait() -> None:
    world = Observed(limits=Limits(at_once=1), switch_delay=30 * SECOND)
    for number in range(2):
        content = b"a,b,label\n%d,2,0\n3,4,1\n" % number
        world.until(world.next_run(f"first-{number}.csv", content), Phase.PROMOTED)
    world.clock.move(MINUTE)
    for number in range(3):
        world.upload(f"{number}.csv", b"a,b,label\n%d,2,0\n3,9,1\n" % number)
        world.deliver(f"{number}.csv")
    while not waiting(world):
        world.tick()
    (holder,) = at_work(world)
    endpoints = world.app.endpoints
    rollback = endpoints.rollback(
        EndpointAddress("sample", "production"), None, OperatorCommand(by="boss")
    )
    world.until(rollback, Phase.PROMOTED)
    begun = next(e.at for e in world.now_of(rollback).history if e.phase is Phase.VERIFYING)
    assert begun == world.now_of(holder).history[-1].at


def waits(**changes: object) -> Run:
    """A run that has waited for the endpoint lease for three hours."""
    known = StepFailed("run x is updating this endpoint", NOW, 24 * 7 * HOUR, HOUR, "", "endpoint")
    one = apply(a_run(Phase.PROMOTING, promotion=None, **changes), known, NOW - 3 * HOUR)
    for ago in (2, 1):
        one = apply(one, known, NOW - ago * HOUR)
    assert one.step_failure is not None
    assert one.step_failure.since == NOW - 3 * HOUR
    return one


def test_the_time_of_waiting_is_no_time_of_failing() -> None:
    failed = apply(waits(), StepFailed("HTTP 503", NOW + MINUTE, HOUR, HOUR), NOW)
    assert failed.phase is Phase.PROMOTING  # else it is parked: "gave up after 3:00:00"
    assert failed.step_failure is not None
    assert (failed.step_failure.since, failed.step_failure.count) == (NOW, 1)
    assert failed.step_failure.waits_for == ""


def test_a_marker_says_that_its_run_waits_and_puts_a_rollback_first() -> None:
    data, rollback = hints_of(waits()).waits_for, hints_of(waits(origin=Origin.ROLLBACK)).waits_for
    assert data is not None
    assert (data.endpoint_id, data.rollback) == ("endpoint", False)
    assert rollback == data.evolve(rollback=True)
    later = apply(waits(), StepFailed("HTTP 503", NOW + MINUTE, HOUR, HOUR), NOW)
    assert hints_of(later).waits_for is None


def test_waiting_costs_a_tick_two_small_reads_however_many_wait() -> None:
    few, many = crowded(3), crowded(12)
    for world in (few, many):
        for _ in range(2):
            world.clock.move(SECOND)
            world.poll.tick()
    costs = []
    for world in (few, many):
        world.calls.clear()
        world.clock.move(SECOND)
        world.poll.tick()
        costs.append(len(world.calls))
    assert costs[0] == costs[1]


def test_runs_that_wait_for_the_endpoint_do_not_make_their_service_pass_for_failing() -> None:
    world = crowded(10)
    other = world.start("other.csv")
    for _ in range(4):
        world.tick()
    step_failure = world.now_of(other).step_failure
    assert step_failure is None or step_failure.waits_for
    to_the_end(world)
    assert {run.phase for run in world.runs()} <= {Phase.PROMOTED, Phase.SUPERSEDED}


@pytest.mark.parametrize("kind", [kind for kind in Kind if kind.fits("GET x")])
def test_each_model_is_promoted_after_any_fault_when_an_endpoint_becomes_free(
    kind: Kind,
) -> None:
    world = crowded(3)
    for _ in range(3):  # up to the tick in which the first one ends
        at = len(world.faults.sites)
        world.faults.plan = {at + offset: kind for offset in (0, 2, 5)}
        world.survive(world.tick)
        world.faults.plan = {}
    for _ in range(80):
        world.survive(world.tick)
    assert {run.phase for run in world.runs()} <= {Phase.PROMOTED, Phase.SUPERSEDED}


# The queue by itself


def marker(run_id: str, endpoint: str, hint: str) -> Marker:
    rank, _, since = hint.partition(" ")
    at = NOW + timedelta(seconds=int(since))
    wait = EndpointWait(endpoint_id=endpoint, rollback=rank == "0", since=at)
    return Marker(run_id, ETag("1"), NOW, RunHints(waits_for=wait))


def test_each_endpoint_is_served_once_before_any_is_served_twice() -> None:
    world = Observed()
    concurrency = EndpointQueue(world.context)
    concurrency.found([marker(f"r{n}", "ab"[n % 2], f"1 {n}") for n in range(6)])
    assert [[one.run_id for one in concurrency.next(LATER)] for _ in range(4)] == [
        ["r0", "r1"],
        ["r2", "r3"],
        ["r4", "r5"],
        [],
    ]


def test_an_endpoint_whose_record_cannot_be_read_waits_and_the_others_continue(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world = Observed()
    context = world.context
    real = type(context.ledger.endpoint_states).read

    def endpoint_state(self: EndpointStates, name: str) -> object:
        if name == "a":
            raise TransientError("not now")
        return real(self, name)

    monkeypatch.setattr(type(context.ledger.endpoint_states), "read", endpoint_state)
    concurrency = EndpointQueue(context)
    concurrency.found([marker("r0", "a", "1 0"), marker("r1", "b", "1 1")])
    assert [one.run_id for one in concurrency.next(LATER)] == ["r1"]
    assert concurrency.next(LATER) == []


def test_a_storage_that_hangs_holds_up_no_tick_however_many_endpoints_there_are(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world = Observed()
    context = world.context
    asked: list[str] = []

    def endpoint_state(_: object, name: str) -> object:
        asked.append(name)
        world.clock.move(30 * SECOND)
        raise TransientError("no answer")

    monkeypatch.setattr(type(context.ledger.endpoint_states), "read", endpoint_state)
    concurrency = EndpointQueue(context)
    concurrency.found([marker(f"r{number}", f"e{number}", "1 0") for number in range(100)])
    assert concurrency.next(world.clock.now() + 2 * MINUTE) == []
    assert len(asked) == 4
