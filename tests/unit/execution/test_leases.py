"""Another program holds a lease on a record for a while: others continue."""

from datetime import timedelta

import pytest

from shared.core.run.record import Phase
from tests.unit.worlds import Observed

QUEUE = {"pipeline": {"when_busy": "queue", "data": {"blob": "{name}.csv"}}}
SECOND = b"a,b,label\n5,6,1\n7,8,0\n"


def lease(world: Observed, kind: str) -> set[str]:
    taken = {name for name in world.documents.rows if name.partition("/")[0] == kind}
    world.documents.leased |= taken
    return taken


@pytest.mark.parametrize(
    "kind", ["runs", "open", "run_queues", "endpoints", "inbox", "poll", "drift_checks"]
)
@pytest.mark.parametrize("at", range(6))
def test_what_is_leased_continues_once_the_lease_is_broken(kind: str, at: int) -> None:
    world = Observed(config=QUEUE)
    first = world.start("1.csv")
    for _ in range(at):
        world.tick()
    lease(world, kind)
    for _ in range(4):
        world.tick()
    world.documents.leased.clear()
    ended = world.until(first, Phase.PROMOTED)
    assert world.serving() == world.model_of(ended)
    world.upload("2.csv", SECOND)
    world.deliver("2.csv")  # it may have to wait until the first run has left its slot
    for _ in range(20):
        world.tick()
    assert [run.phase for run in world.runs()] == [Phase.PROMOTED] * 2
    assert len(world.starts) == 2
    assert not world.open_runs()


def test_a_leased_record_is_named_and_does_not_hold_up_another_run(
    caplog: pytest.LogCaptureFixture,
) -> None:
    world = Observed(config={"pipeline": {"data": {"blob": "{name}.csv"}}})
    held = world.start("1.csv")
    assert lease(world, "runs") == {f"runs/{held.run_id}"}
    world.clock.move(timedelta(minutes=1))
    other = world.next_run("2.csv", SECOND)
    world.until(other, Phase.PROMOTED)
    assert f"runs/{held.run_id}: another program holds a lease" in caplog.text
    assert world.now_of(held).phase is not Phase.PROMOTED
