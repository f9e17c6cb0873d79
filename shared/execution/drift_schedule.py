"""When each endpoint is checked for drift: planned after each promotion and takeover."""

from datetime import timedelta
from typing import Final

from shared.core.config.studio_endpoint import Endpoint
from shared.core.names import digest
from shared.core.run.record import Run
from shared.core.serving.drift import Watch
from shared.core.serving.state import head_id
from shared.errors import RelearnError
from shared.execution.bulkheads import host_of
from shared.execution.context import Context
from shared.telemetry import log

EVERY: Final = timedelta(hours=1)


def watch_id(update: str, place: str) -> str:
    """Return the id of the watch over one place of an endpoint."""
    return digest("watch", head_id(update), place)


def _host_of(endpoint: Endpoint) -> str:
    verify = endpoint.verify
    return host_of(verify.score if verify and verify.score else endpoint.update)


def keep_watch(context: Context, run: Run, endpoint: Endpoint, wait: timedelta = EVERY) -> None:
    """Have the endpoint looked at `wait` from now, or sooner where that is planned already.

    Should this not be stored, nothing is lost: the next promotion or takeover stores it again.
    """
    name = watch_id(endpoint.update, endpoint.place)
    now = context.clock.now()
    try:
        stored = context.ledger.watch(name)
        planned = stored.record.next_look if stored else now
        next_look = min(planned, now + wait) if planned > now else now + wait
        watch = Watch(
            update=endpoint.update,
            place=endpoint.place,
            pipeline=run.pipeline,
            endpoint=endpoint.name,
            next_look=next_look,
            host=_host_of(endpoint),
        )
        context.ledger.put_watch(name, watch, stored.etag if stored else None)
    except RelearnError as exc:
        log.warning("endpoint %s is not being watched for now: %s", endpoint.name, exc)
