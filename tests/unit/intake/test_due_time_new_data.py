"""New data for a due time, and the wait for it."""

from typing import Any

import pytest

from shared.core.run.record import Phase
from shared.operations.commands import OperatorCommand
from tests.fakes.world import DATA
from tests.unit.intake.due_time_worlds import CSV, causes
from tests.unit.intake.test_customers import Customers
from tests.unit.intake.test_due_times import (
    HOUR,
    HOURLY,
    MINUTE,
    after,
    due_runs,
    scheduled,
)

ALONE: dict[str, Any] = {"data": {"blob": "{name}.csv", "opens_runs": False}, "endpoints": []}


# New data


# BUG: where an arrival opens no runs a metadata-only update is taken for new data (design rule 1).
def test_a_metadata_only_update_is_no_new_data_for_a_schedule() -> None:
    world = scheduled(**ALONE, skip_if_no_new_data=True)
    assert after(world, HOUR) == 1
    world.blobs.update_metadata(DATA, "new.csv")
    assert after(world, 3 * HOUR) == 1


def test_a_metadata_only_update_is_no_new_data_where_an_arrival_opens_runs() -> None:
    world = scheduled(skip_if_no_new_data=True, endpoints=[])
    assert after(world, HOUR) == 0
    world.blobs.update_metadata(DATA, "new.csv")
    world.deliver()
    assert after(world, 3 * HOUR) == 0


# BUG: data that waits in the inbox for its own run counts as new, and is trained on twice.
@pytest.mark.parametrize("when_busy", ["queue", "newest"])
def test_data_that_waits_for_its_run_is_not_taken_by_a_due_time_as_well(when_busy: str) -> None:
    data = {"blob": "{name}.csv", "settle": "20m", "settle_at_most": "1h"}
    world = scheduled(when_busy=when_busy, data=data, skip_if_no_new_data=True, endpoints=[])
    world.clock.move(50 * MINUTE)
    world.upload("late.csv", CSV)
    world.deliver("late.csv")
    world.clock.move(11 * MINUTE)
    world.poll.start_scheduled()
    for _ in range(30):
        world.tick(60)
    trained = [run for run in world.runs() if run.phase is Phase.FINISHED]
    late = [run for run in trained if any(blob.name == "late.csv" for blob in run.manifest)]
    assert len(late) == 1, [(run.origin, run.cause) for run in late]


def test_overwritten_data_is_new_to_a_schedule() -> None:
    world = scheduled(**ALONE, skip_if_no_new_data=True)
    assert after(world, HOUR) == 1
    world.upload("new.csv", CSV)
    assert after(world, HOUR) == 2
    assert after(world, 3 * HOUR) == 2


def test_of_two_customers_only_the_one_with_new_data_is_trained() -> None:
    world = Customers()
    data = world.pipeline.data
    assert data is not None
    changes = {
        "schedule": HOURLY,
        "skip_if_no_new_data": True,
        "data": data.model_copy(update={"opens_runs": False}),
    }
    world.pipeline = world.pipeline.model_copy(update=changes)
    world.restart()
    for customer in ("acme", "beta"):
        world.upload(f"{customer}/1.csv", CSV)
    world.poll.start_scheduled()
    assert after(world, HOUR) == 2
    world.upload("beta/2.csv", CSV + b"9,9,1\n")
    assert after(world, HOUR) == 3
    newest = max(due_runs(world), key=lambda run: run.opened_at)
    assert newest.key == ("beta",)


# The wait for data


def test_a_wait_for_data_ends_also_after_a_downtime() -> None:
    wait = {"every": "10m", "at_most": "45m"}
    world = scheduled(**ALONE, skip_if_no_new_data=True, wait_for_data=wait)
    assert after(world, HOUR) == 1
    world.clock.move(HOUR)
    world.poll.start_scheduled()
    world.clock.move(10 * HOUR)
    for _ in range(20):
        world.clock.move(10 * MINUTE)
        world.poll.start_scheduled()
    known = world.context.ledger.schedules.read("sample")
    assert known is not None
    assert len(known.record.waiting) <= 1
    assert len(due_runs(world)) == 1


def test_a_due_time_that_waits_is_opened_once_by_two_workers() -> None:
    wait = {"every": "10m", "at_most": "45m"}
    world = scheduled(**ALONE, skip_if_no_new_data=True, wait_for_data=wait)
    assert after(world, HOUR) == 1
    world.clock.move(HOUR)
    other = world._worker().poll
    world.poll.start_scheduled()
    other.start_scheduled()
    world.upload("late.csv", CSV)
    for _ in range(6):
        world.clock.move(5 * MINUTE)
        other.start_scheduled()
        world.poll.start_scheduled()
    assert causes(due_runs(world)) == ["2026-03-01T13:00", "2026-03-01T14:00"]


def test_each_customer_is_waited_for_by_itself() -> None:
    world = Customers()
    data = world.pipeline.data
    assert data is not None
    tree = world.pipeline.model_dump(mode="json")
    tree |= {
        "schedule": HOURLY,
        "skip_if_no_new_data": True,
        "wait_for_data": {"every": "5m", "at_most": "40m"},
        "data": {"blob": data.blob, "opens_runs": False},
    }
    world.pipeline = type(world.pipeline).model_validate(tree)
    world.restart()
    for customer in ("acme", "beta"):
        world.upload(f"{customer}/1.csv", CSV)
    world.poll.start_scheduled()
    assert after(world, HOUR) == 2
    world.clock.move(MINUTE)
    world.upload("acme/2.csv", CSV + b"9,9,1\n")
    assert after(world, HOUR) == 3
    world.upload("beta/2.csv", CSV + b"9,9,1\n")
    assert after(world, 10 * MINUTE) == 4
    last = [run for run in due_runs(world) if "14:00" in run.cause]
    assert sorted(run.key[0] for run in last) == ["acme", "beta"]


def test_a_paused_pipelines_due_times_begin_once_it_is_resumed() -> None:
    world = scheduled(when_busy="newest", endpoints=[])
    pipelines = world.app.pipelines
    pipelines.pause("sample", OperatorCommand("ada"))
    assert after(world, 3 * HOUR) == 3
    pipelines.resume("sample")
    for _ in range(10):
        world.tick()
    phases = [run.phase for run in sorted(due_runs(world), key=lambda run: run.cause)]
    assert phases == [Phase.SUPERSEDED, Phase.SUPERSEDED, Phase.FINISHED]
