"""Which runs and endpoint states are kept over the years."""

from dataclasses import replace
from datetime import timedelta

import pytest

from shared.core.names import run_queue_id, shared_queue_id
from shared.core.run.concurrency import Pause, QueueEntry, RunQueue
from shared.core.run.record import Delivery, Phase
from shared.core.serving.operator_changes import with_hold
from shared.core.serving.state import EndpointLease, Hold
from shared.ledger.open_markers import VersionToOpen
from tests.fakes.world import World
from tests.unit.fleet import Fleet
from tests.unit.intake.test_customers import both
from tests.unit.maintenance.ages import BARE, ROWS, years
from tests.unit.maintenance.cleaning import AGES, cleaned, kept, promoted
from tests.unit.worlds import Observed


def test_old_ended_runs_are_deleted_and_what_serves_or_served_is_kept() -> None:
    world = World()
    runs = [promoted(world, f"{i}.csv", b"a,b,l\n%d,2,0\n3,4,1\n" % i) for i in range(8)]
    world.clock.move(AGES)
    assert cleaned(world) == 4  # two runs and their lines
    # Serving now, and the five before it.
    assert kept(world, "runs") == sorted(f"runs/{run}" for run in runs[2:])
    assert len(kept(world, "index")) == 6
    assert kept(world, "tombstones") == sorted(f"tombstones/{run}" for run in runs)


@pytest.mark.parametrize("named", [True, False])
def test_an_endpoint_that_is_not_understood_keeps_what_its_text_names(*, named: bool) -> None:
    world = World()
    run = promoted(world, "a.csv", b"a,b,l\n1,2,0\n3,4,1\n")
    (name,) = kept(world, "endpoints")
    text = world.documents.rows[name].body if named else b"{"
    world.documents.rows[name] = replace(world.documents.rows[name], body=text + b" torn")
    world.clock.move(AGES)
    cleaned(world)
    assert kept(world, "runs") == ([f"runs/{run}"] if named else [])
    assert kept(world, "endpoints") == [name]


def test_the_run_that_trained_what_others_delivered_is_kept() -> None:
    fleet = Fleet()
    fleet.start()
    parent = fleet.finish()
    fleet.clock.move(AGES)
    cleaned(fleet)
    assert f"runs/{parent.run_id}" in kept(fleet, "runs")


def test_the_run_of_a_rollback_is_kept_for_as_long_as_its_endpoint_is_held() -> None:
    world = World()
    rolled_back, *_ = [promoted(world, f"{i}.csv", b"a,b,l\n%d,2,0\n3,4,1\n" % i) for i in range(8)]
    (name,) = kept(world, "endpoints")
    ledger = world.context.ledger
    stored = ledger.endpoint_states.read(name.removeprefix("endpoints/"))
    assert stored is not None
    ((name_, _),) = stored.record.resources.items()
    hold = Hold(run_id=rolled_back, to="baseline", by="ada", at=world.clock.now())
    ledger.endpoint_states.put(
        name.removeprefix("endpoints/"), with_hold(stored.record, name_, hold), stored.etag
    )
    world.clock.move(AGES)
    assert cleaned(world) == 2  # another run and its line
    assert f"runs/{rolled_back}" in kept(world, "runs")


def test_the_runs_that_set_a_model_again_or_left_a_lease_are_kept() -> None:
    world = World()
    set_by, in_flight_lease, *_ = [
        promoted(world, f"{i}.csv", b"a,b,l\n%d,2,0\n3,4,1\n" % i) for i in range(8)
    ]
    (name,) = kept(world, "endpoints")
    ledger = world.context.ledger
    stored = ledger.endpoint_states.read(name.removeprefix("endpoints/"))
    assert stored is not None
    ((name_, resource),) = stored.record.resources.items()
    assert resource.serving is not None
    serving = resource.serving.model_copy(update={"set_by": set_by})
    endpoint_lease = EndpointLease(
        run_id=in_flight_lease, resource=name_, model=None, generation=9, at=world.clock.now()
    )
    resources = {name_: resource.model_copy(update={"serving": serving})}
    changes = {"resources": resources, "endpoint_lease": endpoint_lease}
    ledger.endpoint_states.put(
        name.removeprefix("endpoints/"), stored.record.model_copy(update=changes), stored.etag
    )
    world.clock.move(AGES)
    assert cleaned(world) == 0
    assert {f"runs/{set_by}", f"runs/{in_flight_lease}"} <= set(kept(world, "runs"))


def test_a_run_is_kept_with_its_deliveries_though_its_endpoints_were_changed_since() -> None:
    world = World()
    delivery = promoted(world, "a.csv", ROWS)
    world.pipeline = world.pipeline.model_copy(update={"endpoints": ()})
    world.restart()
    parent = promoted(world, "b.csv", ROWS + b"5,6,1\n")
    ledger = world.context.ledger
    stored = ledger.runs.read(parent)
    assert stored is not None
    deliveries = (Delivery(endpoint="production", run_id=delivery, outcome=Phase.PROMOTED),)
    ledger.runs.replace(stored.record.model_copy(update={"deliveries": deliveries}), stored.etag)
    world.clock.move(AGES)
    cleaned(world)
    assert kept(world, "runs") == sorted([f"runs/{delivery}", f"runs/{parent}"])


def test_deliveries_are_kept_while_their_roll_out_continues_and_it_while_they_are_kept() -> None:
    world = Observed(config={"pipeline": BARE})
    parent, child = [
        world.now_of(world.next_run(name, ROWS + name.encode())) for name in ("a.csv", "b.csv")
    ]
    world.until_ended()
    ledger = world.context.ledger
    reported: dict[str, dict[str, object]] = {
        child.run_id: {"parent": parent.run_id},
        parent.run_id: {"phase": Phase.PARKED},
    }
    for run_id, changes in reported.items():
        stored = ledger.runs.read(run_id)
        assert stored is not None
        ledger.runs.replace(stored.record.model_copy(update=changes), stored.etag)
    world.clock.move(AGES)
    cleaned(world)
    assert len(kept(world, "runs")) == 2


def test_a_tombstone_outlives_its_run_and_all_records_that_name_it() -> None:
    world = World(config={"pipeline": BARE})
    run = promoted(world, "a.csv", ROWS)
    world.clock.move(AGES)
    cleaned(world)
    (tombstone,) = kept(world, "tombstones")
    assert tombstone == f"tombstones/{run}"
    world.clock.move(timedelta(days=600))
    cleaned(world)
    assert kept(world, "tombstones") == [tombstone]
    ledger, run_queue = world.context.ledger, run_queue_id("sample", ())
    stored = ledger.run_queues.read(run_queue)
    paused = Pause(by="ada", at=world.clock.now())
    named = RunQueue(pipeline="sample", batch_run=run, paused=paused)
    ledger.run_queues.put(run_queue, named, stored.etag if stored else None)
    years(world)
    assert kept(world, "tombstones") == [tombstone]
    stored = ledger.run_queues.read(run_queue)
    assert stored is not None
    ledger.run_queues.put(run_queue, RunQueue(pipeline="sample"), stored.etag)
    years(world, days=60)
    assert kept(world, "tombstones") == []


def test_a_marker_of_a_run_that_was_deleted_goes() -> None:
    world = World(config={"pipeline": BARE})
    run = promoted(world, "a.csv", ROWS)
    ledger = world.context.ledger
    ledger.open_markers.mark(run, VersionToOpen(version="x"))
    world.clock.move(AGES)
    cleaned(world)
    assert world.open_runs() == []


def test_run_queues_of_customers_that_are_gone_go_and_those_in_use_stay() -> None:
    world = Observed(config={"pipeline": {**BARE, "when_busy": "queue"}})
    run = world.start()
    ledger, now = world.context.ledger, world.clock.now()
    queue_entry = QueueEntry(run_id=run.run_id, at=now)
    pause = Pause(by="relearn", at=now)
    gone, shared_queue = run_queue_id("sample", ("gone",)), shared_queue_id("service", "x")
    there = {
        gone: RunQueue(
            pipeline="sample", key=("gone",), begun=(queue_entry,), holders=("sample-0",)
        ),
        shared_queue: RunQueue(pipeline="sample", holders=("sample-0",)),
        run_queue_id("sample", ("waits",)): RunQueue(pipeline="sample", waiting=(queue_entry,)),
        run_queue_id("sample", ("held",)): RunQueue(pipeline="sample", paused=pause),
        shared_queue_id("service", "y"): RunQueue(pipeline="sample", holders=(run.run_id,)),
    }
    for name, run_queue in there.items():
        ledger.run_queues.put(name, run_queue, None)
    before = {*kept(world, "run_queues"), *kept(world, "shared_queues")}
    world.clock.move(AGES)
    cleaned(world)
    left = {*kept(world, "run_queues"), *kept(world, "shared_queues")}
    assert before - left == {gone, shared_queue}


def test_what_serves_stays_known_for_as_long_as_its_endpoint_is_configured() -> None:
    world, acme, beta = both()
    years(world, days=2000)
    assert len(kept(world, "endpoints")) == len(kept(world, "drift_checks")) == 2
    assert kept(world, "runs") == sorted(f"runs/{run.run_id}" for run in (acme, beta))


def test_what_serves_at_an_endpoint_of_its_own_stays_known_too() -> None:
    world = World()
    promoted(world, "a.csv", ROWS)
    years(world)
    assert len(kept(world, "endpoints")) == 1


def test_an_endpoint_that_an_open_run_has_leased_is_kept() -> None:
    world, *_ = both()
    asked = world.next_run("acme/tuesday.csv", ROWS)
    ledger = world.context.ledger
    for name in (name.removeprefix("endpoints/") for name in kept(world, "endpoints")):
        stored = ledger.endpoint_states.read(name)
        assert stored is not None
        (name_,) = stored.record.resources
        mine = EndpointLease(
            run_id=asked.run_id, resource=name_, model=None, generation=9, at=world.clock.now()
        )
        ledger.endpoint_states.put(
            name, stored.record.model_copy(update={"endpoint_lease": mine}), stored.etag
        )
    world.pipeline = world.pipeline.model_copy(update={"endpoints": ()})
    world.restart()
    years(world)
    assert len(kept(world, "endpoints")) == 2


def test_an_endpoint_that_no_pipeline_has_is_deleted_with_its_drift_check_and_runs() -> None:
    world, *_ = both()
    world.pipeline = world.pipeline.model_copy(update={"endpoints": ()})
    world.restart()
    years(world, days=780)
    assert len(kept(world, "endpoints")) == 2
    years(world, days=200)
    assert kept(world, "endpoints") == kept(world, "drift_checks") == kept(world, "runs") == []


def test_an_endpoint_that_is_configured_again_in_time_is_kept() -> None:
    world, *_ = both()
    there = world.pipeline
    for endpoints in ((), there.endpoints) * 3:
        world.pipeline = there.model_copy(update={"endpoints": endpoints})
        world.restart()
        years(world, days=380)
    assert len(kept(world, "endpoints")) == 2
