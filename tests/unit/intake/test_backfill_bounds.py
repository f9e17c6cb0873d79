"""A backfill of many customers is completed, even if each call has little time."""

import itertools
from datetime import timedelta

from tests.unit.intake.test_batches import waiting
from tests.unit.maintenance.slow_worlds import slow_ledger
from tests.unit.worlds import Observed

SECOND, MINUTE, HOUR = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1)


def test_a_backfill_continues_where_the_last_call_had_no_more_time() -> None:
    world = Observed(config={"pipeline": {"endpoints": []}})
    for number in range(300):
        world.upload(f"other-{number:03}.csv")
    world.clock.move(HOUR)
    data = {"blob": "other-{name}.csv", "backfill": "newest"}
    other = world.sibling(data=data, key="name", endpoints=[])
    world.app = world.another(other)
    world.app.activations.refresh()
    slow_ledger(world, SECOND / 2)
    found = []
    for _ in range(6):
        world.app.search.run_until(world.clock.now() + 90 * SECOND)
        found.append(len(waiting(world)))
        world.clock.move(MINUTE)
    assert found[-1] == 300
    assert all(later > before for before, later in itertools.pairwise(found) if before < 300)
    stored = world.context.ledger.activations.read("other")
    assert stored is not None
    assert stored.record.backfilled_at is not None
