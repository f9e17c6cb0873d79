"""When each endpoint is checked for drift: planned after each promotion and takeover."""

from datetime import timedelta
from typing import Final

from shared.core.config.kinds import Endpoint
from shared.core.names import digest
from shared.core.run.record import Run
from shared.core.serving.drift import DriftCheck
from shared.core.serving.references import EndpointRef
from shared.errors import RelearnError
from shared.execution.bulkheads import host_of
from shared.execution.context import Context
from shared.telemetry import log

EVERY: Final = timedelta(hours=1)


def drift_check_id(endpoint: EndpointRef, place: str) -> str:
    """Return the id of the watch over one place of an endpoint."""
    return digest("drift_check", endpoint.id, place)


def _host_of(endpoint: Endpoint) -> str:
    return host_of(endpoint.probed_at)


def schedule_drift_check(
    context: Context, run: Run, endpoint: Endpoint, wait: timedelta = EVERY
) -> None:
    """Have the endpoint looked at `wait` from now, or sooner where that is planned already.

    Should this not be stored, nothing is lost: the next promotion or takeover stores it again.
    """
    name = drift_check_id(endpoint.ref, endpoint.place)
    now = context.clock.now()
    try:
        stored = context.ledger.drift_checks.read(name)
        planned = stored.record.next_check if stored else now
        next_check = min(planned, now + wait) if planned > now else now + wait
        drift_check = DriftCheck(
            ref=endpoint.ref,
            place=endpoint.place,
            pipeline=run.pipeline,
            endpoint=endpoint.name,
            next_check=next_check,
            host=_host_of(endpoint),
        )
        context.ledger.drift_checks.put(name, drift_check, stored.etag if stored else None)
    except RelearnError as exc:
        log.warning("endpoint %s is not being watched for now: %s", endpoint.name, exc)
