"""Changes of an endpoint state by operators: the hold after a rollback, and the anchor."""

from collections.abc import Iterator

from shared.core.serving.state import (
    Anchor,
    EndpointState,
    Hold,
    Resource,
    Resumed,
    ServedModel,
    ServingHistoryEntry,
)


def with_hold(endpoint_state: EndpointState, resource: str, hold: Hold) -> EndpointState:
    """Return the endpoint state with `resource` held.

    Args:
        endpoint_state: the endpoint.
        resource: the resource of the endpoint.
        hold: who holds it, when and why.
    """
    return _changed(endpoint_state, resource, held=hold)


def resumed(endpoint_state: EndpointState, resource: str, by: Resumed) -> EndpointState:
    """Return the endpoint state with `resource` no longer held, and who resumed it.

    Args:
        endpoint_state: the endpoint.
        resource: the resource of the endpoint.
        by: who resumed it, when and why.
    """
    return _changed(endpoint_state, resource, held=None, resumed=by)


def with_anchor(
    endpoint_state: EndpointState, resource: str, anchor: Anchor | None
) -> EndpointState:
    """Return the endpoint state with another anchor, or with none.

    Args:
        endpoint_state: the endpoint.
        resource: the resource of the endpoint.
        anchor: the model that is pinned; None: no model is.
    """
    return _changed(endpoint_state, resource, anchor=anchor)


def _changed(endpoint_state: EndpointState, resource: str, **changes: object) -> EndpointState:
    known = endpoint_state.resource(resource).evolve(**changes)
    return endpoint_state.evolve(resources={**endpoint_state.resources, resource: known})


def known_model(known: Resource, run_id: str | None) -> ServedModel | None:
    """Return a model that the endpoint state still has in full.

    Args:
        known: what is known of the resource.
        run_id: the run that trained or brought it; None: the model that serves.
    """
    if run_id is None:
        return known.serving
    if not run_id:  # of no run, as a model is that no other run trained
        return None
    return next((one for one in known.pinnable if run_id in (one.run_id, one.trained_by)), None)


def lines_of(known: Resource, run_id: str) -> Iterator[ServingHistoryEntry]:
    """Yield when the model of a run was promoted at the endpoint, the newest first.

    Args:
        known: what is known of the resource.
        run_id: the run that trained it or brought it.
    """
    lines = reversed(known.history) if run_id else iter(())
    return (line for line in lines if run_id in (line.run_id, line.trained_by))
