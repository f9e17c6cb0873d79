"""The operator's commands for the anchor of an endpoint: pin a model, unpin it.

Any model can be pinned that was promoted at the endpoint and whose run has its record, however
many were promoted since.
"""

from dataclasses import replace

from shared.core.run.promoted_models import served_once
from shared.core.serving.operator_changes import known_model, lines_of, with_anchor
from shared.core.serving.state import Anchor, ServedModel
from shared.errors import ConflictError, NoSuchModelError
from shared.execution.context import Context
from shared.intake.rollbacks import EndpointAddress, KnownEndpoint, Rollbacks
from shared.operations.commands import ANONYMOUS, OperatorCommand
from shared.operations.endpoints import state_of, version_of
from shared.telemetry import log


class Anchors:
    """Pins models at endpoints: candidates are compared with them, however many came since."""

    def __init__(self, context: Context, rollbacks: Rollbacks) -> None:
        self._context = context
        self._rollbacks = rollbacks

    def pin(
        self,
        address: EndpointAddress,
        run_id: str | None = None,
        command: OperatorCommand = ANONYMOUS,
    ) -> None:
        """Make a model the anchor of an endpoint. Safe to repeat.

        Args:
            address: which endpoint is meant.
            run_id: the run that trained or brought the model; None: the one that serves.
            command: who asks, and why.

        Raises:
            NoSuchEndpointError: no such pipeline, endpoint or key.
            NoSuchModelError: the model was never promoted there, or its run has no record.
            PreconditionFailedError, ConflictError: the endpoint changed; read it and decide again.
        """
        known = self._rollbacks.find(address)
        command.require(version_of(known.stored), state_of(known))
        served = self._model(known, run_id).evolve(answers=None)
        present = known.resource.anchor
        if present is not None and present.served == served:
            return
        now = self._context.clock.now()
        anchor = Anchor(served=served, by=command.by, at=now, reason=command.reason)
        self._put(known, anchor, command)
        log.info("endpoint %s: run %s is the anchor", known.endpoint.name, served.run_id)

    def unpin(self, address: EndpointAddress, command: OperatorCommand = ANONYMOUS) -> None:
        """Leave an endpoint without an anchor. Safe to repeat.

        The next model that is promoted becomes the anchor where the gate asks for one.

        Args:
            address: which endpoint is meant.
            command: who asks, and why.

        Raises:
            NoSuchEndpointError: no such pipeline, endpoint or key.
            PreconditionFailedError, ConflictError: the endpoint changed; read it and decide again.
        """
        known = self._rollbacks.find(address)
        command.require(version_of(known.stored), state_of(known))
        if known.resource.anchor is not None:
            self._put(known, None, command)
            log.info("endpoint %s has no anchor: unpinned by %s", known.endpoint.name, command.by)

    def _model(self, known: KnownEndpoint, run_id: str | None) -> ServedModel:
        served = known_model(known.resource, run_id)
        if served is None and run_id is not None:
            served = self._served_once(known, run_id)
        if served is not None and served.model is not None:
            return served
        name = known.endpoint.name
        if run_id is None:
            raise NoSuchModelError(f"no model of a run serves at {name}: name a run as `run`")
        raise NoSuchModelError(
            f"the model of {run_id} was never promoted at {name}, or its run has no record any "
            "more: name another run as `run`"
        )

    def _served_once(self, known: KnownEndpoint, run_id: str) -> ServedModel | None:
        """Return a model that was promoted here and is no longer among those kept."""
        for line in lines_of(known.resource, run_id):
            stored = self._context.ledger.runs.read(line.run_id)
            if stored is not None and not stored.record.origin.repeats:
                return served_once(stored.record, line)
        return None

    def _put(self, known: KnownEndpoint, anchor: Anchor | None, command: OperatorCommand) -> None:
        states = self._context.ledger.endpoint_states
        state = with_anchor(known.state, known.endpoint.resource_name, anchor)
        try:
            states.put(known.state_id, state, known.stored.etag)
        except ConflictError:
            present = replace(known, stored=states.of(known.endpoint.ref))
            raise command.too_late(state_of(present)) from None
