"""The endpoint that a run has leased: its record, and what becomes of the lease."""

from collections.abc import Callable

from shared.core.config.kinds import Endpoint
from shared.core.run.commands import Event
from shared.core.run.control_events import Superseded
from shared.core.run.leases import in_flight_resolved
from shared.core.run.planned_steps import ahead_of
from shared.core.run.promoted_models import Verified, promoted
from shared.core.run.promotion import Promotion
from shared.core.run.promotion_events import (
    EndpointLeaseLost,
    RolledBack,
)
from shared.core.run.record import Origin, Phase, Run
from shared.core.service import service
from shared.core.serving.references import Candidate, ServingState, Shift
from shared.core.serving.state import EndpointState, released
from shared.errors import EndpointBusyError, PermanentError
from shared.execution.context import Context
from shared.execution.drift_schedule import HELD_FOR
from shared.ports.serving import ServingEndpoint


@service
class LeasedEndpoint:
    """Reads and writes the record of the endpoint of a run that promotes."""

    context: Context

    def of(self, run: Run) -> tuple[Endpoint, ServingEndpoint]:
        """Return the endpoint of a run, and its service; for a rollback that of its resource."""
        endpoint = endpoint_of(run)
        other = run.promotion.rollback_resource if run.promotion else None
        if run.phase is Phase.ROLLING_BACK and other is not None:
            endpoint = endpoint.for_resource(other)
        return endpoint, self.context.providers.serving(endpoint)

    def lease_lost(self, run: Run, endpoint: Endpoint) -> Event | None:
        """Return the event for a run that lost the endpoint lease; None while the run has it.

        A lease that this run wrote before a crash is recognized by its run and generation.

        Args:
            run: the run.
            endpoint: its endpoint.
        """
        endpoint_state = self.context.ledger.endpoint_states.of(endpoint.ref).record
        mine = (run.run_id, promotion_of(run).generation)
        last_lease = endpoint_state.released
        if endpoint_state.holds(*mine) or (
            last_lease is not None
            and (last_lease.run_id, last_lease.generation) == mine
            and endpoint_state.endpoint_lease is None
            and run.phase is not Phase.PROMOTING
        ):
            return None
        if run.phase is not Phase.ROLLING_BACK:
            return EndpointLeaseLost()
        taken = f"another run has taken {endpoint.name} over, and resolves it"
        anew = run.parent is None and promotion_of(run).after_rollback in ("judged", "trained")
        return RolledBack(taken) if anew else Superseded(taken)

    def record_promoted(self, run: Run, endpoint: Endpoint, verified: Verified) -> None:
        """Record that the model of a run serves, and end its lease. Safe to repeat.

        Args:
            run: the run.
            endpoint: its endpoint.
            verified: the result of the verification.
        """
        self._change(
            run, endpoint, lambda state: promoted(state, run, endpoint.resource_name, verified)
        )

    def release(self, run: Run, endpoint: Endpoint) -> None:
        """End the lease of a run, whose rollback is verified. Safe to repeat.

        Args:
            run: the run.
            endpoint: its endpoint.
        """
        self._change(run, endpoint, lambda state: released(state, run.run_id))

    def prepared(self, run: Run, endpoint: Endpoint, why: str) -> Event:
        """Record that the update which another run left in flight is resolved, if possible.

        Args:
            run: the run.
            endpoint: its endpoint.
            why: what became of that update.

        Returns:
            The event.
        """
        self._change(run, endpoint, lambda state: in_flight_resolved(state, run.run_id))
        return RolledBack(why)

    def _change(
        self, run: Run, endpoint: Endpoint, changed: Callable[[EndpointState], EndpointState]
    ) -> None:
        """Change the record while the run has the lease; else it did so before a crash."""
        mine = (run.run_id, promotion_of(run).generation)

        def change(known: EndpointState | None) -> EndpointState | None:
            return changed(known) if known and known.holds(*mine) else None

        self.context.ledger.endpoint_states.update(endpoint.ref.id, change)


def require_free(context: Context, run: Run, endpoint_state: EndpointState) -> None:
    """Refuse to go on while another run updates the endpoint.

    Args:
        context: the ledger.
        run: the run that wants it.
        endpoint_state: the endpoint.

    Raises:
        EndpointBusyError: another run does.
    """
    last = endpoint_state.endpoint_lease
    if last is None or last.run_id == run.run_id:
        return
    other = context.ledger.runs.read(last.run_id)
    if other and other.record.phase.updates:
        busy = f"run {last.run_id} is updating this endpoint"
        raise EndpointBusyError(busy, endpoint_state.ref.id, HELD_FOR)


def rollback_target_of(
    serving: ServingEndpoint,
    endpoint_state: EndpointState,
    resource: str,
    instead_of: Run | None = None,
    base: ServingState | None = None,
) -> ServingState | None:
    """Return the first rollback target that can be restored; models may have been deleted.

    Args:
        serving: the endpoint.
        endpoint_state: the record of the endpoint.
        resource: the part of the endpoint.
        instead_of: the run whose model might fail. That model is not its own rollback
            target. A run of origin drift has no rollback target.
        base: what served when the lease was taken: where the endpoint has a traffic map,
            that comes first.

    Returns:
        The serving state; None where there is none.
    """
    if instead_of is not None and instead_of.origin is Origin.DRIFT:
        return None
    first = ahead_of(instead_of, base)
    for target in (*first, *endpoint_state.rollback_targets(resource)):
        if instead_of is not None and target == instead_of.target_model:
            continue
        if serving.restorable(target):
            return target
    return None


def endpoint_of(run: Run) -> Endpoint:
    """Return the endpoint of a run.

    Raises:
        PermanentError: it has none.
    """
    if run.config.endpoint is None:
        raise PermanentError(f"run {run.run_id} has no endpoint to give a model to")
    return run.config.endpoint


def promotion_of(run: Run) -> Promotion:
    """Return the promotion of a run.

    Raises:
        PermanentError: it has none.
    """
    if run.promotion is None:
        raise PermanentError(f"run {run.run_id} is in phase {run.phase} without a promotion")
    return run.promotion


def shift_of(run: Run) -> Shift | None:
    """Return the shift that is due; None for a run that restores an earlier serving state."""
    if run.origin.repeats:
        return None
    if run.model is None:
        raise PermanentError(f"run {run.run_id} has no model to promote")
    step = promotion_of(run).step
    candidate = run.candidate or Candidate(name=run.model.name, state=run.target_model)
    return Shift(candidate=candidate, share=step.share, before=step.before, wanted=step.wanted)
