"""Work that fills every tick leaves time for all other work."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from shared.core.config.kinds import Endpoint
from shared.core.config.pipeline import Pipeline
from shared.core.run.record import Phase
from shared.core.serving.drift import DriftCheck
from shared.core.serving.probes import EndpointCheck, UpdateProgress
from shared.core.serving.state import EndpointState
from shared.errors import TransientError
from shared.execution.drift_schedule import drift_check_id
from shared.maintenance.drift import Drift
from shared.providers.http.client import Answer
from tests.fakes.clock import Hurried
from tests.fakes.world import MODELS
from tests.unit.intake.test_batches import arrive
from tests.unit.maintenance.slow_worlds import HANGS, HOUR, MINUTE, SECOND, runs_of, slow_ledger
from tests.unit.samples import ref
from tests.unit.worlds import Observed


@dataclass
class CheckResult:
    """Endpoints that answer, or hang, and when each of them was checked."""

    hangs: Callable[[str], bool]
    move: Callable[[timedelta], None]
    now: Callable[[], datetime]
    update: str = ""
    at: dict[str, datetime] = field(default_factory=dict)

    def serving(self, endpoint: Endpoint) -> "CheckResult":
        return replace(self, update=endpoint.address)

    def update_state(self, operation: str | None = None) -> EndpointCheck:
        del operation
        if self.hangs(self.update):
            self.move(HANGS)
            raise TransientError("no answer")
        self.move(timedelta(milliseconds=200))
        self.at[self.update] = self.now()
        return EndpointCheck(UpdateProgress.DONE, None)

    def secrets_of(self, _: Pipeline) -> tuple[str, ...]:
        return ()


@pytest.mark.parametrize("hosts", ["each", "two", "one"])
def test_every_endpoint_that_answers_is_checked_within_the_hour(hosts: str) -> None:
    world = Observed()
    run = world.until(world.start(), Phase.PROMOTED)
    endpoint, endpoint_state = world.pipeline.endpoints[0], world.endpoint_state()
    assert endpoint.verify is not None
    verify, ledger = endpoint.verify, world.context.ledger
    endpoints = []
    for number in range(200):
        state = "hung" if number % 2 else "well"
        host = {"each": f"{state}{number}", "two": state, "one": "all"}[hosts]
        update = f"https://{host}.example/workspaces/w/webservices/s/endpoints/{state}{number}"
        changed = verify.model_copy(update={"score": f"https://{host}.example/execute"})
        endpoints.append(endpoint.model_copy(update={"update": update, "verify": changed}))
        ledger.endpoint_states.put(
            ref(update).id, EndpointState(ref=ref(update), resources=endpoint_state.resources), None
        )
        drift_check = DriftCheck(
            ref=ref(update),
            resource=endpoint.resource_name,
            pipeline=run.pipeline,
            endpoint=endpoint.name,
            next_check=world.clock.now() + number * SECOND,
            host=f"{host}.example",
        )
        ledger.drift_checks.put(
            drift_check_id(ref(update), endpoint.resource_name), drift_check, None
        )
    checked = CheckResult(lambda url: "/hung" in url, world.clock.move, world.clock.now)
    context: Any = replace(world.context, providers=checked)  # type: ignore[arg-type]
    app = world.app
    drift = Drift(context, app.factory, app.writer, lambda _: tuple(endpoints))
    began = world.clock.now()
    while world.clock.now() - began < 3 * HOUR:
        world.clock.move(30 * SECOND)
        drift.check(world.clock.now() + world.limits.tick / 4)
        # In one thread a check of each of those that hang takes half an hour, the first time.
        if world.clock.now() - began >= HOUR:
            assert len(checked.at) == 100
        if world.clock.now() - began >= 2 * HOUR:
            assert world.clock.now() - min(checked.at.values()) <= HOUR + 5 * MINUTE


def test_a_search_that_needs_several_calls_leaves_time_for_the_other_one() -> None:
    world = Observed(config={"pipeline": {"when_busy": "newest"}})
    world.app.activations.refresh()
    for number in range(20):
        world.blobs.put(MODELS, f"promote/unknown/{number}.ilearner", b"x")
    arrive(world, "a.csv")
    for _ in range(12):
        context = replace(world.context, clock=Hurried(world.clock))
        replace(world.app.search, context=context).run_until(world.clock.now() + 24 * SECOND)
    for state in (
        world.context.ledger.search.read,
        world.context.ledger.search_models.read,
    ):
        stored = state()
        assert stored is not None
        assert stored.record.complete


def test_endpoints_are_checked_while_waiting_data_fills_every_tick() -> None:
    keyed = {"key": "key", "data": {"blob": "{key}-{name}.csv"}, "when_busy": "newest"}
    world = Observed(config={"pipeline": keyed})
    run = world.until(world.start("first-0.csv"), Phase.PROMOTED)
    world.script("GET", "", Answer(200, {}, b'{"StatusCode": "Running"}'), times=None)
    for number in range(100):
        for part in (1, 2):
            world.upload(f"k{number}-{part}.csv", b"a,b,label\n1,2,0\n3,4,1\n")
            world.deliver(f"k{number}-{part}.csv")
    (drift_check,) = world.context.ledger.drift_checks.due()
    slow_ledger(world, timedelta(milliseconds=1200))
    began = world.clock.now()
    while world.clock.now() - began < 2 * HOUR:
        before = world.clock.now()
        world.poll.tick()
        assert world.clock.now() - before <= world.limits.tick
        world.clock.move(30 * SECOND)
    (later,) = world.context.ledger.drift_checks.due()
    assert later.due > began + HOUR  # it was checked, and more than once
    assert drift_check.due <= began + HOUR
    assert world.now_of(run).phase is Phase.PROMOTED


def test_what_waits_is_taken_while_open_runs_fill_every_tick() -> None:
    data = {"blob": "{name}.csv", "settle": "1m"}
    world = Observed(config={"pipeline": {"when_busy": "newest", "data": data, "endpoints": []}})
    busy = world.sibling(endpoints=[], when_busy="parallel")
    world.app = world.another(busy)
    send = world.http.send
    for number in range(60):
        world.upload(f"other-{number}.csv", b"a,b,label\n1,2,0\n3,4,1\n")
        world.deliver(f"other-{number}.csv")
    world.studio.work = lambda _=None: 0  # type: ignore[assignment,method-assign]
    world.poll.tick()

    def slow(method: str, url: str, headers: Any, body: bytes | None = None) -> Answer:
        world.clock.move(5 * SECOND)
        return send(method, url, headers, body)

    world.http.send = slow  # type: ignore[method-assign]
    arrive(world, "new.csv")
    arrived = world.clock.now()
    while world.clock.now() - arrived < 15 * MINUTE and not runs_of(world, "sample"):
        world.poll.tick()
        world.clock.move(SECOND)
    assert len(runs_of(world, "sample")) == 1


@pytest.mark.parametrize("shared_queues", [5, 50])
def test_an_event_while_all_slots_are_taken_costs_the_same_however_many_there_are(
    shared_queues: int,
) -> None:
    keyed = {"key": "key", "data": {"blob": "{key}-{name}.csv"}, "endpoints": []}
    config = {**keyed, "when_busy": "newest", "max_parallel": shared_queues}
    world = Observed(config={"pipeline": config})
    world.script("GET", "", Answer(200, {}, b'{"StatusCode": "Running"}'), times=None)
    for number in range(shared_queues + 1):
        arrive(world, f"k{number}-1.csv")
    world.calls.clear()
    arrive(world, "another-1.csv")
    assert len(world.calls) <= 12
    world.idle(2 * MINUTE)  # by then the markers say the state of the runs
    world.calls.clear()
    world.poll.tick()
    assert world.calls.count("read runs") <= 2


def test_a_slot_is_free_again_as_soon_as_a_run_of_the_pipeline_is_over() -> None:
    keyed = {"key": "key", "data": {"blob": "{key}-{name}.csv"}, "endpoints": []}
    config = {**keyed, "when_busy": "newest", "max_parallel": 2}
    world = Observed(config={"pipeline": config})
    for number in range(5):
        arrive(world, f"k{number}-1.csv")
    assert len(world.runs()) == 2
    world.until_ended()
    assert len(world.runs()) == 5
    assert {run.phase for run in world.runs()} == {Phase.FINISHED}


def test_records_that_are_leased_do_not_make_their_service_wait() -> None:
    world = Observed(config={"pipeline": {"endpoints": [], "when_busy": "parallel"}})
    answers = world.script("GET", "", Answer(200, {}, b'{"StatusCode": "Running"}'), times=None)
    runs = sorted(run.run_id for n in range(8) for run in arrive(world, f"{n}.csv"))
    world.idle(MINUTE)
    answers()
    world.documents.leased.update(f"runs/{run_id}" for run_id in runs[:6])
    world.tick(60)
    ended = [run.run_id for run in world.runs() if run.phase.ended]
    assert sorted(ended) == runs[6:]
