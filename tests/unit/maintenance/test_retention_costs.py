"""The cost of a cleaning round."""

from collections import Counter
from dataclasses import replace
from datetime import timedelta

from shared.core.names import inbox_prefix
from shared.core.run.concurrency import RunQueue
from shared.core.run.record import Phase
from tests.fakes.documents import Row
from tests.unit.intake.test_customers import Customers
from tests.unit.maintenance.ages import BARE, ROWS
from tests.unit.maintenance.cleaning import AGES, cleaned, promoted
from tests.unit.worlds import Observed

DAY = timedelta(days=1)


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


def test_a_version_that_is_remembered_costs_a_check_and_a_write_in_400_days() -> None:
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


def test_the_calls_of_a_round_grow_with_the_records_and_no_faster() -> None:
    few, more, many = (calls_of(size) for size in (5, 50, 500))
    assert sum(more.values()) <= 10 * sum(few.values())
    assert sum(many.values()) <= 10 * sum(more.values())
    # Those of the run itself, and of the records that name it.
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
