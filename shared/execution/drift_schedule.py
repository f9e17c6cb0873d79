"""Schedules the drift check of each endpoint, after each promotion and takeover."""

from datetime import timedelta
from typing import Final

from shared.core.config.kinds import Endpoint
from shared.core.names import digest
from shared.core.run.record import Phase, Run
from shared.core.serving.drift import DriftCheck
from shared.core.serving.references import EndpointRef
from shared.errors import EndpointBusyError, RelearnError
from shared.execution.bulkheads import host_of
from shared.execution.context import Context
from shared.telemetry import log

EVERY: Final = timedelta(hours=1)
#: Until candidates that were given up are discarded.
SOON: Final = timedelta(minutes=1)
#: How long a run waits for an endpoint that another one holds.
HELD_FOR: Final = timedelta(days=7)


def drift_check_id(endpoint: EndpointRef, resource: str) -> str:
    """Return the id of the drift check of one resource of an endpoint.

    Args:
        endpoint: the endpoint.
        resource: the name of the resource.
    """
    return digest("drift_check", endpoint.id, resource)


def _host_of(endpoint: Endpoint) -> str:
    return host_of(endpoint.probed_at)


def wait_for_drift(context: Context, endpoint: Endpoint) -> None:
    """Hold an endpoint that has drifted, until an operator has decided on the run about it.

    Args:
        context: the ledger.
        endpoint: the endpoint.

    Raises:
        EndpointBusyError: that run is parked.
        TransientError: the ledger cannot be read now.
    """
    name = drift_check_id(endpoint.ref, endpoint.resource_name)
    stored = context.ledger.drift_checks.read(name)
    if stored is None or stored.record.repair is None:
        return
    asking = context.ledger.runs.read(stored.record.repair)
    if asking is not None and asking.record.phase is Phase.PARKED:
        text = f"{endpoint.name} has drifted: run {asking.record.run_id} waits for an operator"
        raise EndpointBusyError(text, endpoint.ref.id, HELD_FOR)


def schedule_drift_check(
    context: Context,
    run: Run,
    endpoint: Endpoint,
    wait: timedelta = EVERY,
    *,
    promoted: bool = False,
) -> None:
    """Schedule a drift check of the endpoint, unless an earlier one is scheduled already.

    If it cannot be stored, the next promotion or takeover stores it again.

    Args:
        context: the ledger and the clock.
        run: the run that updated the endpoint.
        endpoint: the endpoint.
        wait: how long until the check.
        promoted: whether another model serves now, of which no drift is known.
    """
    name = drift_check_id(endpoint.ref, endpoint.resource_name)
    now = context.clock.now()

    def planned(known: DriftCheck | None) -> DriftCheck:
        soon = known.next_check if known and known.next_check > now else now + wait
        check = DriftCheck(
            ref=endpoint.ref,
            resource=endpoint.resource_name,
            pipeline=run.pipeline,
            endpoint=endpoint.name,
            next_check=min(soon, now + wait),
            host=_host_of(endpoint),
        )
        if known is None or promoted:
            return check
        return check.evolve(reported=known.reported, repair=known.repair)  # not decided yet

    try:
        context.ledger.drift_checks.update(name, planned)
    except RelearnError as exc:
        log.warning("endpoint %s: the drift check cannot be scheduled now: %s", endpoint.name, exc)
