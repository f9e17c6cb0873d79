"""The steps of a promotion that act: they update an endpoint, and roll the update back."""

from shared.core.config.kinds import Endpoint
from shared.core.run.commands import Event
from shared.core.run.control_events import LEAST_TRIES, no_earlier_model
from shared.core.run.promotion_events import (
    UpdateSent,
)
from shared.core.run.record import Run
from shared.core.serving.references import ServingState
from shared.errors import OutcomeUnknownError, PermanentError, RelearnError, TransientError
from shared.execution.context import Context
from shared.execution.leased_endpoint import (
    LeasedEndpoint,
    promotion_of,
    rollback_target_of,
    shift_of,
)
from shared.ports.serving import ServingEndpoint
from shared.telemetry import log


class PromotionSteps:
    """Updates one endpoint, by one step of a promotion, and rolls back a broken update.

    Args:
        context: the ledger, the services and the clock.
    """

    def __init__(self, context: Context) -> None:
        self.context, self._leased = context, LeasedEndpoint(context)

    def update(self, run: Run) -> Event | None:
        """Send the update; None where its outcome is unknown and no status check could show it."""
        endpoint, serving = self._leased.of(run)
        if lost := self._leased.lease_lost(run, endpoint):
            return lost
        try:
            operation = self._sent(run, serving)
        except OutcomeUnknownError as exc:
            return self._perhaps_sent(run, endpoint, exc)
        return UpdateSent(operation=operation)

    def _sent(self, run: Run, serving: ServingEndpoint) -> str | None:
        """Send the shift or the serving state that is due, and return the operation."""
        shift = shift_of(run)
        if shift is not None:
            return serving.shift(shift)
        return serving.restore(run.target_model, promotion_of(run).known_traffic)

    def roll_back(self, run: Run) -> Event | None:
        """Send the rollback; None where its outcome is unknown and no status check could show it.

        A rollback before the run's own update is preparation: if it is impossible, the run
        continues with the model that serves now.
        """
        endpoint, serving = self._leased.of(run)
        if lost := self._leased.lease_lost(run, endpoint):
            return lost
        preparing = promotion_of(run).after_rollback == "start"
        rollback_target = self._rollback_target(run, endpoint, serving, preparing=preparing)
        if rollback_target is None:
            if preparing:
                return self._leased.prepared(run, endpoint, "nothing to roll back first")
            return no_earlier_model(run)
        known = promotion_of(run).known_traffic
        try:
            operation = serving.restore(rollback_target, (*known, *run.accepts))
        except OutcomeUnknownError as exc:
            return self._perhaps_sent(run, endpoint, exc, rollback_target)
        except (PermanentError, TransientError) as exc:
            if not preparing or self._worth_repeating(run, exc):
                raise
            why = f"a rollback to the model from before is not possible ({exc}): continuing"
            return self._leased.prepared(run, endpoint, why)
        return UpdateSent(operation=operation, target=rollback_target)

    def _worth_repeating(self, run: Run, exc: RelearnError) -> bool:
        if not isinstance(exc, TransientError):
            return False
        if run.step_failure is None or run.step_failure.count + 1 < LEAST_TRIES:
            return True  # an app that was down meanwhile made no tries
        patience = exc.patience or self.context.limits.patience
        return self.context.clock.now() - run.step_failure.since < patience

    def _rollback_target(
        self, run: Run, endpoint: Endpoint, serving: ServingEndpoint, *, preparing: bool
    ) -> ServingState | None:
        stored = self.context.ledger.endpoint_states.of(endpoint.ref)
        promotion = promotion_of(run)
        if stored.etag is None:
            return promotion.rollback_target
        return rollback_target_of(
            serving,
            stored.record,
            endpoint.resource_name,
            instead_of=run,
            base=promotion.rollback_target if preparing else promotion.base,
        )

    def _perhaps_sent(
        self,
        run: Run,
        endpoint: Endpoint,
        exc: OutcomeUnknownError,
        target: ServingState | None = None,
    ) -> Event | None:
        name = endpoint.name
        log.warning("run %s: the update of %s is unconfirmed: %s", run.run_id, name, exc)
        if not endpoint.shows:
            return None  # no status check can show it: wait until the claim's lease is over
        return UpdateSent(certain=False, service_message=str(exc), target=target)
