"""A host whose clock is wrong does no harm: what is old is told by the storage's clock."""

from datetime import timedelta

from shared.asked import ManualRequest
from shared.core.run import Phase
from tests.fakes.faults import Kind
from tests.unit.worlds import Observed


def test_a_worker_whose_clock_is_ahead_does_not_forget_a_run_that_is_being_stored() -> None:
    world = Observed()
    world.intake.activate()
    world.upload()
    _, other = world._worker()

    class Ahead:
        def now(self) -> object:
            return world.clock.now() + timedelta(hours=1)

    object.__setattr__(other._context, "clock", Ahead())

    def tick() -> None:
        other.tick()

    world.faults.other_worker = tick
    world.faults.plan = {len(world.faults.sites) + 1: Kind.PREEMPT}  # the marker is there
    run = world.intake.asked.requested(world.pipeline, "k", ManualRequest())
    assert world.open_runs() == [f"open/{run.run_id}"]
    world.faults.plan = {}
    world.until(run, Phase.PROMOTED)
