"""What is never needed again goes, of every kind; what somebody may come back to stays."""

import logging
from collections import Counter
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from shared.core.names import inbox_prefix, run_queue_id, shared_queue_id
from shared.core.run.concurrency import Pause, QueueEntry, RunQueue
from shared.core.run.record import Delivery, Phase
from shared.core.serving.state import EndpointLease
from shared.intake.search import Search
from shared.ledger.open_markers import VersionToOpen
from shared.operations.pipelines import Pipelines
from tests.fakes.documents import Row
from tests.fakes.faults import Kind
from tests.fakes.world import DATA, World, pipeline
from tests.unit.intake.test_customers import Customers, both
from tests.unit.maintenance.test_retention import AGES, cleaned, kept, promoted
from tests.unit.worlds import Observed

BARE: dict[str, Any] = {"endpoints": []}
ALL: dict[str, Any] = {**BARE, "data": {"blob": "{name}.csv", "backfill": "all"}}
ROWS = b"a,b,l\n1,2,0\n3,4,1\n"
DAY = timedelta(days=1)


def search(world: World) -> None:
    world.clock.move(timedelta(minutes=20))
    context = world.intake._context
    Search(context, world.intake).run_until(world.clock.now() + timedelta(minutes=3))
    world.until_ended()


def rename(world: World, name: str) -> None:
    """Have workers from now on read a file in which the pipeline has another name."""
    world.pipeline = world.pipeline.model_copy(update={"name": name})
    world.restart()
    world.intake.activate()


def years(world: World, days: int = 1300, step: int = 29) -> None:
    for _ in range(days // step):
        world.clock.move(step * DAY)
        cleaned(world)


# Data versions


def test_a_version_whose_blob_is_there_is_never_trained_again() -> None:
    world = World(config={"pipeline": ALL})
    promoted(world, "a.csv", ROWS)
    for _ in range(3):
        world.clock.move(AGES)
        cleaned(world)
        world.deliver("a.csv")
        # Another pipeline that wants all there is has everything searched anew.
        rename_to = {**ALL, "name": f"p{world.clock.now():%Y}"}
        second = pipeline(world.training, world.endpoint, {"pipeline": rename_to})
        world.intake.last_good.served.adopt(second)
        search(world)
    assert len([run for run in world.runs() if run.pipeline == "sample"]) == 0
    assert len(world.starts) == 4


def test_a_version_that_is_remembered_costs_a_look_and_a_write_in_400_days() -> None:
    world = Observed(config={"pipeline": BARE})
    for number in range(10):
        promoted(world, f"{number}.csv", ROWS + b"%d,1,1\n" % number)
    world.clock.move(AGES)
    cleaned(world)
    world.calls.clear()
    endpoint_states = world.blobs.head_calls
    for _ in range(399):
        world.clock.move(DAY)
        cleaned(world)
    assert world.calls.count("replace versions") == 0
    assert world.blobs.head_calls == endpoint_states
    for _ in range(3):
        world.clock.move(DAY)
        cleaned(world)
    assert world.calls.count("replace versions") == 10
    assert world.blobs.head_calls == endpoint_states + 10


def test_a_version_whose_blob_is_gone_or_was_overwritten_is_forgotten() -> None:
    world = World(config={"pipeline": BARE})
    for name in ("gone.csv", "new.csv", "same.csv"):
        promoted(world, name, ROWS + name.encode())
    world.clock.move(AGES)
    world.blobs.remove(DATA, "gone.csv")
    promoted(world, "new.csv", b"a,b,l\n9,9,1\n")
    cleaned(world)
    assert len(kept(world, "versions")) == 2  # of the new bytes, and of those that never changed


def test_versions_are_not_forgotten_while_their_container_is_gone() -> None:
    world = World(config={"pipeline": ALL})
    promoted(world, "a.csv", ROWS)
    world.clock.move(AGES)
    facts, contents = dict(world.blobs.facts), dict(world.blobs.store.contents)
    world.blobs.remove(DATA, "a.csv")
    world.blobs.missing.add(DATA)
    cleaned(world)
    assert len(kept(world, "versions")) == 1
    world.blobs.missing.clear()
    world.blobs.facts.update(facts)
    world.blobs.store.contents.update(contents)
    world.clock.move(timedelta(days=31))
    cleaned(world)
    assert world.deliver("a.csv") == []
    assert world.runs() == []


def test_a_touch_of_a_version_that_is_years_old_opens_no_run() -> None:
    world = World(config={"pipeline": ALL})
    promoted(world, "a.csv", ROWS)
    years(world)
    world.blobs.touch(DATA, "a.csv")
    years(world)  # before anybody has seen the touch
    assert world.deliver("a.csv") == []
    years(world)
    world.blobs.touch(DATA, "a.csv")
    assert world.deliver("a.csv") == []
    assert world.runs() == []
    years(world)
    assert len(kept(world, "versions")) == 1  # of the last touch; the others are told by it


def test_an_event_years_later_opens_no_run_of_an_id_that_was_used() -> None:
    world = World(config={"pipeline": BARE})
    promoted(world, "a.csv", ROWS)
    for _ in range(40):
        world.clock.move(timedelta(days=29))
        cleaned(world)
        world.deliver("a.csv")
        world.tick()
        assert len(world.starts) == 1
        assert world.open_runs() == []
    assert world.runs() == []


def test_what_a_run_gave_back_is_trained_on_though_the_run_is_forgotten() -> None:
    world = Observed(config={"pipeline": {**BARE, "when_busy": "queue"}})
    run = world.start("a.csv")
    blob = run.manifest[0]
    world.run_operations.cancel(run.run_id)
    world.until_ended()
    Pipelines(world.intake._context, world.intake).pause("sample", "ada", "")
    world.intake.return_to_inbox(run, [blob])
    world.clock.move(AGES)
    cleaned(world)
    assert world.runs() == []
    Pipelines(world.intake._context, world.intake).resume("sample")
    for _ in range(20):
        world.tick()
    (again,) = world.runs()
    assert (again.phase, again.manifest[0].name) == (Phase.FINISHED, "a.csv")


def test_a_version_of_a_pipeline_that_was_gone_for_a_while_has_its_run_in_the_end() -> None:
    world = World(config={"pipeline": BARE})
    world.intake.activate()
    world.faults.plan = {len(world.faults.sites) + 2: Kind.CRASH_AFTER}
    world.upload()
    world.survive(world.deliver)
    assert len(kept(world, "versions")) == 1
    assert world.runs() == []
    rename(world, "renamed")
    world.clock.move(AGES)
    cleaned(world)
    rename(world, "sample")
    assert world.until_ended().phase is Phase.FINISHED


# Runs and what tells of them


def test_a_run_is_kept_with_its_deliveries_though_its_endpoints_were_changed_since() -> None:
    world = World()
    delivery = promoted(world, "a.csv", ROWS)
    world.pipeline = world.pipeline.model_copy(update={"endpoints": ()})
    world.restart()
    parent = promoted(world, "b.csv", ROWS + b"5,6,1\n")
    ledger = world.intake._context.ledger
    stored = ledger.runs.read(parent)
    assert stored is not None
    deliveries = (Delivery(endpoint="production", run_id=delivery, outcome=Phase.PROMOTED),)
    ledger.runs.replace(stored.record.model_copy(update={"deliveries": deliveries}), stored.etag)
    world.clock.move(AGES)
    cleaned(world)
    assert kept(world, "runs") == sorted([f"runs/{delivery}", f"runs/{parent}"])


def test_deliveries_are_kept_while_their_roll_out_goes_on_and_it_while_they_are_kept() -> None:
    world = Observed(config={"pipeline": BARE})
    parent, child = [
        world.now_of(world.next_run(name, ROWS + name.encode())) for name in ("a.csv", "b.csv")
    ]
    world.until_ended()
    ledger = world.intake._context.ledger
    told: dict[str, dict[str, object]] = {
        child.run_id: {"parent": parent.run_id},
        parent.run_id: {"phase": Phase.PARKED},
    }
    for run_id, changes in told.items():
        stored = ledger.runs.read(run_id)
        assert stored is not None
        ledger.runs.replace(stored.record.model_copy(update=changes), stored.etag)
    world.clock.move(AGES)
    cleaned(world)
    assert len(kept(world, "runs")) == 2


def test_a_tombstone_outlives_its_run_and_whatever_still_names_it() -> None:
    world = World(config={"pipeline": BARE})
    run = promoted(world, "a.csv", ROWS)
    world.clock.move(AGES)
    cleaned(world)
    (tombstone,) = kept(world, "tombstones")
    assert tombstone == f"tombstones/{run}"
    world.clock.move(timedelta(days=600))
    cleaned(world)
    assert kept(world, "tombstones") == [tombstone]
    ledger, run_queue = world.intake._context.ledger, run_queue_id("sample", ())
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


def test_a_marker_of_a_run_that_was_forgotten_goes() -> None:
    world = World(config={"pipeline": BARE})
    run = promoted(world, "a.csv", ROWS)
    ledger = world.intake._context.ledger
    ledger.open_markers.mark(run, VersionToOpen(version="x"))
    world.clock.move(AGES)
    cleaned(world)
    assert world.open_runs() == []


# Customers and pipelines that are gone


def test_places_of_customers_that_are_gone_go_and_places_in_use_stay() -> None:
    world = Observed(config={"pipeline": {**BARE, "when_busy": "queue"}})
    run = world.start()
    ledger, now = world.intake._context.ledger, world.clock.now()
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


def test_what_waits_for_a_pipeline_that_was_removed_is_told_of_and_then_forgotten(
    caplog: pytest.LogCaptureFixture,
) -> None:
    world = World(config={"pipeline": {**BARE, "when_busy": "queue"}})
    world.intake.activate()
    hand = Pipelines(world.intake._context, world.intake)
    hand.pause("sample", "ada", "")
    world.upload()
    world.deliver()
    years(world, days=500)
    assert len(kept(world, "inbox")) == 1  # its pipeline is there
    rename(world, "renamed")
    with caplog.at_level(logging.WARNING):
        years(world, days=380)
    assert "1 data versions wait for pipeline sample, which is not in the pipelines file" in (
        caplog.text
    )
    assert len(kept(world, "inbox")) == 1
    assert kept(world, "pauses") != []
    years(world, days=60)
    assert kept(world, "inbox") == []
    assert kept(world, "pauses") == []


def test_a_pipeline_that_comes_back_in_time_finds_its_data() -> None:
    world = World(config={"pipeline": {**BARE, "when_busy": "queue"}})
    world.intake.activate()
    Pipelines(world.intake._context, world.intake).pause("sample", "ada", "")
    world.upload()
    world.deliver()
    for name in ("renamed", "sample") * 3:
        rename(world, name)
        years(world, days=380)
    assert len(kept(world, "inbox")) == 1


def test_what_a_broken_file_leaves_out_is_not_gone() -> None:
    world, *_ = both()
    ledger = world.intake._context.ledger
    entry = ledger.versions.entry(kept(world, "versions")[0].removeprefix("versions/"))
    assert entry is not None
    ledger.inbox.add(("acme",), "v1", entry)
    before = {kind: kept(world, kind) for kind in ("inbox", "endpoints", "drift_checks")}
    rename(world, "renamed")
    world.pipeline = world.pipeline.model_copy(update={"endpoints": ()})
    world.restart()
    for _ in range(100):
        world.clock.move(29 * DAY)
        cleaned(world, sure=False)
    assert {kind: kept(world, kind) for kind in before} == before


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


def test_an_endpoint_that_an_open_run_has_reserved_is_kept() -> None:
    world, *_ = both()
    asked = world.next_run("acme/tuesday.csv", ROWS)
    ledger = world.intake._context.ledger
    for name in (name.removeprefix("endpoints/") for name in kept(world, "endpoints")):
        stored = ledger.endpoint_states.read(name)
        assert stored is not None
        (place,) = stored.record.resources
        mine = EndpointLease(
            run_id=asked.run_id, resource=place, model=None, generation=9, at=world.clock.now()
        )
        ledger.endpoint_states.put(
            name, stored.record.model_copy(update={"endpoint_lease": mine}), stored.etag
        )
    world.pipeline = world.pipeline.model_copy(update={"endpoints": ()})
    world.restart()
    years(world)
    assert len(kept(world, "endpoints")) == 2


def test_an_endpoint_that_nobody_configures_is_forgotten_with_its_watch_and_runs() -> None:
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


# What it costs


def full_of(size: int) -> Observed:
    """Return a world with old records of every kind, `size` of each."""
    world = Customers()
    world.upload("acme/1.csv", ROWS)
    (run,) = world.deliver("acme/1.csv")
    record, rows = world.until(run, Phase.PROMOTED), world.documents.rows
    shown = {name.partition("/")[0]: rows[name] for name in sorted(rows)}
    for number in range(size):
        run_id = f"sample-{number:020}"
        body = record.model_copy(update={"run_id": run_id}).model_dump_json().encode()
        there = {
            f"runs/{run_id}": body,
            f"index/{number:017}-{run_id}": b"",
            f"run_queues/sample/{number}": RunQueue(pipeline="sample").model_dump_json().encode(),
            f"endpoints/{number}": shown["endpoints"].body,
            f"drift_checks/{number}": shown["drift_checks"].body,
            f"versions/{number}": shown["versions"].body,
            f"{inbox_prefix('sample', (str(number),))}{number}": b"",
        }
        for name, text in there.items():
            hints = {"blob": record.manifest[0].model_dump_json()} if "inbox" in name else {}
            etag = world.documents._put(name, text, hints)
            assert etag
    world.clock.move(AGES)
    return world


def calls_of(size: int) -> Counter[str]:
    world = full_of(size)
    world.calls.clear()
    for _ in range(10):
        world.clock.move(timedelta(minutes=1))
        cleaned(world)
    return Counter(world.calls)


def test_the_calls_of_a_round_grow_with_the_records_and_no_faster() -> None:
    few, more, many = (calls_of(size) for size in (5, 50, 500))
    assert sum(more.values()) <= 10 * sum(few.values())
    assert sum(many.values()) <= 10 * sum(more.values())
    # Those of the run itself and of what it is named by.
    assert many["read runs"] <= 5 * 500
    assert many["read endpoints"] <= 4 * 500


def test_a_call_while_no_round_is_due_is_one_read() -> None:
    world = full_of(20)
    cleaned(world)
    world.calls.clear()
    cleaned(world)
    assert world.calls == ["read cleaning"]


def test_the_state_of_a_round_does_not_grow_with_what_is_cleaned() -> None:
    world = full_of(300)
    for name in list(world.documents.rows):
        if name.startswith("runs/sample-0"):
            row: Row = world.documents.rows[name]
            world.documents.rows[name] = replace(row, body=b"{")
    cleaned(world)
    assert len(world.documents.rows["cleaning"].body) < 2000
