"""Decides which candidates of an endpoint are due to be discarded: checked after a run's end."""

from collections.abc import Callable
from datetime import datetime

from shared.core.serving.references import Candidate, announced
from shared.core.serving.state import EndpointState


def staged(
    endpoint_state: EndpointState, run_id: str, resource: str, candidate: Candidate
) -> EndpointState:
    """Return the endpoint state with a candidate that is about to be put at the endpoint.

    Args:
        endpoint_state: the endpoint.
        run_id: the run that stages it.
        resource: for which part of the endpoint.
        candidate: the candidate.
    """
    known = announced(endpoint_state.staged, candidate, run_id, resource)
    return endpoint_state if known is endpoint_state.staged else endpoint_state.evolve(staged=known)


def discarded(endpoint_state: EndpointState, candidate: Candidate) -> EndpointState:
    """Return the endpoint state without a candidate that no longer exists.

    Args:
        endpoint_state: the endpoint.
        candidate: the candidate.
    """
    left = tuple(one for one in endpoint_state.staged if one.candidate.name != candidate.name)
    return endpoint_state.evolve(staged=left)


def to_discard(
    endpoint_state: EndpointState, at: datetime, is_open: Callable[[str], bool]
) -> list[Candidate]:
    """Return the candidates that are due to be discarded; none while a run updates the endpoint.

    One whose run is over and that does not serve was given up, and is due at once.

    Args:
        endpoint_state: the endpoint.
        at: the time now.
        is_open: whether the run of an id continues.
    """
    if endpoint_state.endpoint_lease is not None:
        return []
    serving = {
        known.serving.candidate for known in endpoint_state.resources.values() if known.serving
    }
    return [
        one.candidate
        for one in endpoint_state.staged
        if one.candidate.name not in serving
        and (at >= one.discard_at if one.discard_at is not None else not is_open(one.run_id))
    ]
