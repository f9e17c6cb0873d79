"""The endpoint lease: taken by one run at a time, and what an earlier one left in flight."""

from datetime import datetime

from shared.core.run.promoted_models import require_model
from shared.core.run.record import Run
from shared.core.serving.references import ServingState
from shared.core.serving.state import EndpointLease, EndpointState


def in_flight_lease(endpoint_state: EndpointState, run_id: str) -> EndpointLease | None:
    """Return the lease whose update may still arrive, for a run that takes the lease.

    A run that took a lease over and did not roll its update back never sent an update of its own.
    So the earlier lease counts, also for that run itself.

    Args:
        endpoint_state: the endpoint.
        run_id: the run that takes the lease.
    """
    last = endpoint_state.endpoint_lease
    if last is None or last.in_flight is not None:
        return last.in_flight if last else None
    return last if last.run_id != run_id else None


def in_flight_resolved(endpoint_state: EndpointState, run_id: str) -> EndpointState:
    """Return the endpoint state without the update in flight that `run_id` rolled back.

    Args:
        endpoint_state: the endpoint.
        run_id: the run.
    """
    mine = endpoint_state.endpoint_lease
    if mine is None or mine.run_id != run_id or mine.in_flight is None:
        return endpoint_state
    done = mine.evolve(in_flight=None)
    return endpoint_state.evolve(endpoint_lease=done)


def leased(
    endpoint_state: EndpointState,
    run: Run,
    resource: str,
    baseline: ServingState | None,
    at: datetime,
) -> EndpointState:
    """Return the endpoint state leased to `run`; the baseline is kept where none is known yet.

    A lease that the run holds already stays as it is: two workers of one run share it. An
    update that was left in flight stays noted.

    Args:
        endpoint_state: the endpoint.
        run: the run.
        resource: the resource of the endpoint.
        baseline: what serves now; None: it is not known.
        at: the present moment.
    """
    require_model(run)
    mine = endpoint_state.endpoint_lease
    if mine and (mine.run_id, mine.resource, mine.model) == (run.run_id, resource, run.model):
        return endpoint_state
    known = endpoint_state.resource(resource)
    if known.baseline is None and known.serving is None:
        known = known.evolve(baseline=baseline)
    endpoint_lease = EndpointLease(
        run_id=run.run_id,
        resource=resource,
        model=run.model,
        generation=endpoint_state.generation + 1,
        at=at,
        in_flight=in_flight_lease(endpoint_state, run.run_id),
    )
    return endpoint_state.evolve(
        generation=endpoint_state.generation + 1,
        resources={**endpoint_state.resources, resource: known},
        endpoint_lease=endpoint_lease,
    )
