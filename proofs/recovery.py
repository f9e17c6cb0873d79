"""Ends every fault of a random sequence, and runs the app until all work is done."""

from contextlib import suppress
from datetime import timedelta

from proofs.faulty_world import FaultyWorld
from shared.core.run.record import Phase
from shared.core.serving.references import EndpointAddress
from shared.errors import RelearnError
from shared.operations.commands import OperatorCommand
from shared.operations.endpoints import Endpoints
from shared.operations.pipelines import Pipelines


def pipelines_of(world: FaultyWorld) -> Pipelines:
    """Return what an operator can do with the pipelines."""
    return world.app.pipelines


def endpoints_of(world: FaultyWorld) -> Endpoints:
    """Return what an operator can do with the endpoints."""
    return world.app.endpoints


def list_all(world: FaultyWorld) -> None:
    """Continue the full listing, if it is due."""
    until = world.clock.now() + timedelta(minutes=3)
    world.app.full_listings.run_until(until)


def end_faults(world: FaultyWorld, *, appeared: bool) -> None:
    """End every fault, and let the app work until all is done.

    Args:
        world: where things happened.
        appeared: whether a blob appeared with an old time, which only the full listing finds.
    """
    world.faults.plan = {}
    world.host.by = world.other_host.by = timedelta()
    world.break_leases()
    world.mend_records()
    world.mend_file()
    world.deliver_late_requests()
    for name in ("a.csv", "b.csv", "c.csv"):
        world.survive(lambda name=name: world.deliver(name))
    world.clock.move(timedelta(minutes=31))
    for pipeline in sorted(world.names):
        pipelines_of(world).resume(pipeline)
    with suppress(RelearnError):
        endpoints_of(world).resume(EndpointAddress("sample", "production"))
    for _ in range(2 if appeared else 0):
        world.clock.move(timedelta(hours=25))
        for _ in range(3):
            list_all(world)
    for _ in range(90):
        world.app.search.run_until(world.clock.now() + timedelta(minutes=3))
        world.tick(300)
        for run in world.runs():  # no operator answers here
            if run.phase is Phase.AWAITING_APPROVAL:
                world.survive(
                    lambda run=run: world.run_operations.approve(run.run_id, OperatorCommand("ada"))
                )
        if not _may_continue(world):
            break


def _may_continue(world: FaultyWorld) -> bool:
    open_ = [run for run in world.runs() if not run.phase.ended]
    waits = any(name.startswith("inbox/") for name in world.documents.rows)
    return waits or any(run.phase is not Phase.PARKED for run in open_)
