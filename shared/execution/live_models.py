"""Finds the live model of an endpoint: where it has a traffic map, others may have changed that."""

from shared.core.config.kinds import Endpoint
from shared.core.run.control_events import StepBlocked
from shared.core.run.leases import in_flight_lease
from shared.core.run.live_model import live_model
from shared.core.run.record import Run
from shared.core.run.repeated_gate import app_scores
from shared.core.service import service
from shared.core.serving.references import ServingState
from shared.core.serving.state import Resource, ServedModel
from shared.errors import EndpointBusyError
from shared.execution.context import Context
from shared.execution.leased_endpoint import require_free


@service
class LiveModels:
    """Finds what a candidate is compared with, ahead of its verdict and of its promotion."""

    context: Context

    def before_verdict(
        self, run: Run, endpoint: Endpoint, known: Resource
    ) -> ServedModel | StepBlocked | None:
        """Return the model that serves; None: there is none; or that an operator has to decide.

        Args:
            run: the run; where it has a candidate, that is staged.
            endpoint: one of its endpoints.
            known: what this app promoted there.

        Raises:
            EndpointBusyError: another run updates the endpoint, where the app scores models.
            TransientError: the endpoint, or the storage, does not work now.
            PermanentError: several models serve that are not of this app, or the endpoint cannot
                be given any.
        """
        if not asks_endpoint(run, endpoint):
            return known.serving
        stored = self.context.ledger.endpoint_states.read(endpoint.ref.id)
        try:
            if stored is not None:
                require_free(self.context, run, stored.record)
        except EndpointBusyError:
            if app_scores(run.config.gate):  # the requests of another run's steps are counted
                raise
            return known.serving
        if stored is not None and in_flight_lease(stored.record, run.run_id) is not None:
            return self.before_promotion(run, known, None)  # the promotion rolls that back first
        now = self.context.providers.serving(endpoint).current()
        live = self.before_promotion(run, known, now)
        if live is not None or now is None or now.traffic in run.accepts:
            return live
        return StepBlocked(
            f"others changed {endpoint.name}: its traffic is {now.traffic}, and that model has no "
            "verdict yet",
            "retry the run to go on, with nothing to compare its model with, or cancel it",
            now.traffic,
        )

    def before_promotion(
        self, run: Run, known: Resource, now: ServingState | None
    ) -> ServedModel | None:
        """Return the model that serves, named as a record can keep it. Nothing is sent.

        Args:
            run: the run.
            known: what this app promoted at the endpoint.
            now: what the endpoint serves; None: no deployment gets requests.
        """
        found = live_model(run, known, now, self.context.clock.now())
        if found is None:
            return None
        return found.evolve(run_id=self.context.redactor.clean(found.run_id))


def asks_endpoint(run: Run, endpoint: Endpoint) -> bool:
    """Whether the endpoint says which model is live, and not only the record.

    With several endpoints the record does: some may not be there yet.

    Args:
        run: the run; its gate compares models on the same rows, or does not.
        endpoint: which has a traffic map, or has not.
    """
    only = run.config.endpoint is not None and run.parent is None
    return only and bool(run.config.gate.row_rules) and endpoint.takes_candidates
