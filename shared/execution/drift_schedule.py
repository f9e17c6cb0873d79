"""Schedules the drift check of each endpoint, after each promotion and takeover.

A new model waits for what an operator decides on a drift that was found.
"""

from datetime import timedelta
from typing import Final

from shared.core.config.kinds import Endpoint
from shared.core.names import digest
from shared.core.run.control_events import StepBlocked
from shared.core.run.record import Phase, Run
from shared.core.serving.drift import DriftCheck
from shared.core.serving.references import EndpointRef
from shared.errors import RelearnError
from shared.execution.bulkheads import host_of
from shared.execution.context import Context
from shared.telemetry import log

EVERY: Final = timedelta(hours=1)
#: Until candidates that were given up are discarded.
SOON: Final = timedelta(minutes=1)


def drift_check_id(endpoint: EndpointRef, resource: str) -> str:
    """Return the id of the drift check of one resource of an endpoint.

    Args:
        endpoint: the endpoint.
        resource: the name of the resource.
    """
    return digest("drift_check", endpoint.id, resource)


def _host_of(endpoint: Endpoint) -> str:
    return host_of(endpoint.probed_at)


def schedule_drift_check(
    context: Context,
    run: Run,
    endpoint: Endpoint,
    wait: timedelta = EVERY,
    *,
    keep_found: bool = False,
) -> None:
    """Schedule a drift check of the endpoint, unless an earlier one is scheduled already.

    If it cannot be stored, the next promotion or takeover stores it again.

    Args:
        context: the ledger and the clock.
        run: the run that updated the endpoint.
        endpoint: the endpoint.
        wait: how long until the check.
        keep_found: whether what the last check found is still true: no other model serves.
    """
    name = drift_check_id(endpoint.ref, endpoint.resource_name)
    now = context.clock.now()
    try:
        stored = context.ledger.drift_checks.read(name)
        planned = stored.record.next_check if stored else now
        next_check = min(planned, now + wait) if planned > now else now + wait
        found = stored.record if stored and keep_found else None
        drift_check = DriftCheck(
            ref=endpoint.ref,
            resource=endpoint.resource_name,
            pipeline=run.pipeline,
            endpoint=endpoint.name,
            next_check=next_check,
            reported=found.reported if found else "",
            repair=found.repair if found else None,
            host=_host_of(endpoint),
        )
        context.ledger.drift_checks.put(name, drift_check, stored.etag if stored else None)
    except RelearnError as exc:
        log.warning("endpoint %s is not being watched for now: %s", endpoint.name, exc)


def undecided_drift(context: Context, run: Run, endpoint: Endpoint) -> StepBlocked | None:
    """Return that an operator has to decide on a drift of the endpoint first; None without one.

    Args:
        context: the ledger.
        run: the run that is to update the endpoint.
        endpoint: the endpoint.
    """
    name = drift_check_id(endpoint.ref, endpoint.resource_name)
    checked = None if run.origin.repeats else context.ledger.drift_checks.read(name)
    repair = checked.record.repair if checked is not None else None
    asking = context.ledger.runs.read(repair) if repair else None
    if asking is None or asking.record.phase is not Phase.PARKED:
        return None
    return StepBlocked(
        f"{asking.record.cause}; run {asking.record.run_id} waits for an operator",
        f"retry or cancel run {asking.record.run_id}, then retry the run",
    )
