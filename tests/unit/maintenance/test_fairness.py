"""One service that hangs, or one pipeline with much to do, does not keep the others waiting."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from local.studio import InstantTrainer, OutputKind
from shared.core.config.kinds import Endpoint
from shared.core.config.pipeline import Pipeline
from shared.core.run.record import Origin, Phase, Run
from shared.core.serving.drift import DriftCheck
from shared.core.serving.probes import EndpointCheck, UpdateProgress
from shared.core.serving.state import EndpointState
from shared.errors import TransientError
from shared.execution.bulkheads import host_of
from shared.execution.drift_schedule import drift_check_id
from shared.ledger.progress import Rotation
from shared.maintenance.drift import Drift
from shared.providers.http.client import Answer
from tests.fakes.clock import Hurried
from tests.fakes.world import MODELS, pipeline
from tests.unit.intake.test_batches import land
from tests.unit.intake.test_due_times import HOURLY
from tests.unit.samples import ref
from tests.unit.worlds import Observed

SECOND, MINUTE, HOUR = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1)
HANGS = 20 * SECOND


def many_customers(hung: int = 1, each: int = 60, **changes: Any) -> tuple[Observed, Pipeline]:
    """Pipelines of many customers whose services hang, and one beside them that is well.

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


def of(world: Observed, name: str) -> list[Run]:
    return [run for run in world.runs() if run.pipeline == name]


@pytest.mark.parametrize("hung", [1, 3, 10])
def test_a_due_time_is_kept_however_many_services_hang(hung: int) -> None:
    world, _ = many_customers(hung)
    world.clock.move(HOUR)
    due = world.clock.now()
    for _ in range(2):
        world.poll.start_scheduled()
        world.poll.tick()
        if of(world, "other") and of(world, "other")[0].job:
            break
    (run,) = of(world, "other")
    assert run.job is not None
    assert world.clock.now() - due <= 4 * world.limits.tick
    assert run.opened_at - due <= MINUTE


def test_a_due_time_of_many_customers_reaches_them_all_a_part_at_a_time() -> None:
    world, _ = many_customers(1, each=300)
    world.clock.move(HOUR)
    other = []
    for _ in range(20):
        world.poll.start_scheduled()
        other.append(len(of(world, "other")))
        if len(of(world, "hung0")) == 300:
            break
        world.clock.move(MINUTE)
    assert other[0] == 1  # it did not wait for all of them
    assert len({run.key for run in of(world, "hung0")}) == 300
    assert {run.origin for run in of(world, "hung0")} == {Origin.SCHEDULE}


def test_pipelines_take_turns_also_where_no_call_has_time_for_all() -> None:
    world, _ = many_customers(4, each=300)
    world.clock.move(HOUR)
    first: list[str] = []
    for _ in range(7):  # the first pipeline alone has more to do than that
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


def test_a_model_put_by_hand_is_found_while_every_tick_is_full() -> None:
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


def test_no_tick_lists_the_models_put_by_hand() -> None:
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


@dataclass
class CheckResult:
    """Endpoints that answer, or hang, and when each of them was looked at."""

    hangs: Callable[[str], bool]
    move: Callable[[timedelta], None]
    now: Callable[[], datetime]
    update: str = ""
    at: dict[str, datetime] = field(default_factory=dict)

    def serving(self, endpoint: Endpoint) -> "CheckResult":
        return replace(self, update=endpoint.update)

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
def test_every_endpoint_that_answers_is_looked_at_within_the_hour(hosts: str) -> None:
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
            place=endpoint.place,
            pipeline=run.pipeline,
            endpoint=endpoint.name,
            next_check=world.clock.now() + number * SECOND,
            host=f"{host}.example",
        )
        ledger.drift_checks.put(drift_check_id(ref(update), endpoint.place), drift_check, None)
    checked = CheckResult(lambda url: "/hung" in url, world.clock.move, world.clock.now)
    context: Any = replace(world.context, providers=checked)  # type: ignore[arg-type]
    app = world.app
    drift = Drift(context, app.factory, app.writer, lambda _: tuple(endpoints))
    began = world.clock.now()
    while world.clock.now() - began < 4 * HOUR:
        world.clock.move(30 * SECOND)
        drift.check(world.clock.now() + world.limits.tick / 4)
        # In one thread a look at each of those that hang takes half an hour, the first time.
        if world.clock.now() - began >= HOUR:
            assert len(checked.at) == 100
        if world.clock.now() - began >= 2 * HOUR:
            assert world.clock.now() - min(checked.at.values()) <= HOUR + 5 * MINUTE


def test_a_search_that_needs_several_calls_leaves_time_for_the_other_one() -> None:
    world = Observed(config={"pipeline": {"when_busy": "newest"}})
    world.app.activations.refresh()
    for number in range(20):
        world.blobs.put(MODELS, f"promote/unknown/{number}.ilearner", b"x")
    land(world, "a.csv")
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


def slow_ledger(world: Observed, each: timedelta) -> None:
    """Have each read of the ledger take this long."""
    read = world.documents.read

    def timed(name: str) -> Any:
        world.clock.move(each)
        return read(name)

    world.documents.read = timed  # type: ignore[method-assign]


def test_endpoints_are_looked_at_while_waiting_data_fills_every_tick() -> None:
    keyed = {"key": "key", "data": {"blob": "{key}-{name}.csv"}, "when_busy": "newest"}
    world = Observed(config={"pipeline": keyed})
    run = world.until(world.start("first-0.csv"), Phase.PROMOTED)
    world.script("GET", "", Answer(200, {}, b'{"StatusCode": "Running"}'), times=None)
    for number in range(300):
        for part in (1, 2):
            world.upload(f"k{number}-{part}.csv", b"a,b,label\n1,2,0\n3,4,1\n")
            world.deliver(f"k{number}-{part}.csv")
    (drift_check,) = world.context.ledger.drift_checks.due()
    slow_ledger(world, timedelta(milliseconds=400))
    began = world.clock.now()
    while world.clock.now() - began < 2 * HOUR:
        before = world.clock.now()
        world.poll.tick()
        assert world.clock.now() - before <= world.limits.tick
        world.clock.move(30 * SECOND)
    (later,) = world.context.ledger.drift_checks.due()
    assert later.due > began + HOUR  # it was looked at, and more than once
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
    land(world, "new.csv")
    arrived = world.clock.now()
    while world.clock.now() - arrived < 15 * MINUTE and not of(world, "sample"):
        world.poll.tick()
        world.clock.move(SECOND)
    assert len(of(world, "sample")) == 1


@pytest.mark.parametrize("shared_queues", [5, 50])
def test_an_event_while_all_seats_are_taken_costs_the_same_however_many_there_are(
    shared_queues: int,
) -> None:
    keyed = {"key": "key", "data": {"blob": "{key}-{name}.csv"}, "endpoints": []}
    config = {**keyed, "when_busy": "newest", "max_parallel": shared_queues}
    world = Observed(config={"pipeline": config})
    world.script("GET", "", Answer(200, {}, b'{"StatusCode": "Running"}'), times=None)
    for number in range(shared_queues + 1):
        land(world, f"k{number}-1.csv")
    world.calls.clear()
    land(world, "another-1.csv")
    assert len(world.calls) <= 12
    world.idle(2 * MINUTE)  # by then the markers tell how the runs stand
    world.calls.clear()
    world.poll.tick()
    assert world.calls.count("read runs") <= 2


def test_a_place_is_free_again_as_soon_as_a_run_of_the_pipeline_is_over() -> None:
    keyed = {"key": "key", "data": {"blob": "{key}-{name}.csv"}, "endpoints": []}
    config = {**keyed, "when_busy": "newest", "max_parallel": 2}
    world = Observed(config={"pipeline": config})
    for number in range(5):
        land(world, f"k{number}-1.csv")
    assert len(world.runs()) == 2
    world.until_ended()
    assert len(world.runs()) == 5
    assert {run.phase for run in world.runs()} == {Phase.FINISHED}


def test_records_that_are_leased_do_not_make_their_service_wait() -> None:
    world = Observed(config={"pipeline": {"endpoints": [], "when_busy": "parallel"}})
    answers = world.script("GET", "", Answer(200, {}, b'{"StatusCode": "Running"}'), times=None)
    runs = sorted(run.run_id for n in range(8) for run in land(world, f"{n}.csv"))
    world.idle(MINUTE)
    answers()
    world.documents.leased.update(f"runs/{run_id}" for run_id in runs[:6])
    world.tick(60)
    ended = [run.run_id for run in world.runs() if run.phase.ended]
    assert sorted(ended) == runs[6:]


def test_the_first_one_is_first_where_the_one_whose_turn_it_was_is_gone() -> None:
    world, _ = many_customers(3)
    world.clock.move(HOUR)
    ledger = world.context.ledger
    ledger.rotation.put(Rotation(first="zz-gone"), None)
    world.app.poll.schedules.open_due(world.clock.now())  # there is no time for any
    stored = ledger.rotation.read()
    assert stored is not None
    assert stored.record.first == "hung0"
