"""A command is carried out, also if any worker dies or reads the run meanwhile."""

from typing import Final

import pytest

from shared.core.run.record import Phase, Run
from shared.ledger.open_markers import decoded
from tests.fakes.faults import Crash, Kind
from tests.unit.worlds import Observed


def parked() -> tuple[Observed, Run]:
    """Return a world with a run that waits for an operator, and of which the poll knows it."""
    world = Observed()
    key = world.environment.pop("TRAINING_KEY")
    run = world.start()
    world.environment["TRAINING_KEY"] = key
    world.tick()
    assert hint(world) == Phase.PARKED
    return world, run


def hint(world: Observed) -> Phase | None:
    (marker,) = world.open_runs()
    return decoded(world.documents.rows[marker].metadata).phase


def retried_by_a_host_that_dies(world: Observed, run: Run, died_at: int) -> None:
    """Retry a run, and die after effect number `died_at` of the order; other hosts live on."""
    world.faults.plan[len(world.faults.sites) + died_at] = Kind.CRASH_AFTER
    with pytest.raises(Crash):
        world.run_operations.retry(run.run_id)


SOON: Final = 15  #: ticks; a run that is known to be parked is read again after 20


@pytest.mark.parametrize("died_at", range(5))
def test_a_retry_that_was_noted_is_soon_carried_out_by_another_host_wherever_its_own_dies(
    died_at: int,
) -> None:
    world, run = parked()
    retried_by_a_host_that_dies(world, run, died_at)
    if world.now_of(run).phase is Phase.PARKED:  # it died before anything was noted
        assert died_at == 0
        world.run_operations.retry(run.run_id)
    world.until(run, Phase.PROMOTED, SOON)


@pytest.mark.parametrize("died_at", range(2, 5))
def test_a_retry_is_soon_carried_out_though_the_poll_saw_the_run_parked_meanwhile(
    died_at: int,
) -> None:
    world, run = parked()
    world.faults.other_worker = lambda: world.tick(0)
    world.faults.plan = {len(world.faults.sites) + 1: Kind.PREEMPT}  # marked, not noted yet
    retried_by_a_host_that_dies(world, run, died_at)
    world.until(run, Phase.PROMOTED, SOON)


def test_a_cancel_is_carried_out_though_its_worker_died_as_it_was_noted() -> None:
    world = Observed()
    run = world.start()
    world.faults.plan = {len(world.faults.sites) + 1: Kind.CRASH_AFTER}
    assert not world.survive(lambda: world.run_operations.cancel(run.run_id))
    world.until(run, Phase.CANCELLED)
