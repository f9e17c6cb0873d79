"""Finds the endpoints that operators name, and opens the runs of their rollbacks.

A rollback holds the endpoint at once, so that no run promotes over it, and is carried out by a
run of its own, with the verification that every update has.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from shared.core.config.kinds import Endpoint
from shared.core.config.pipeline import Pipeline
from shared.core.counting import counted, they
from shared.core.names import run_id
from shared.core.run.record import Origin, Phase, Run
from shared.core.service import service
from shared.core.serving.operator_changes import with_hold
from shared.core.serving.references import EndpointAddress, ServingState
from shared.core.serving.state import EndpointState, Hold, Resource
from shared.errors import NoSuchEndpointError, NoSuchModelError
from shared.execution.context import Context
from shared.execution.driver import Driver
from shared.execution.run_factory import Opening, RunFactory
from shared.intake.catalogue import Catalogue
from shared.ledger.open_markers import RollbackToOpen
from shared.ledger.store import Stored

BASELINE: Final = "baseline"


@dataclass(frozen=True, slots=True)
class KnownEndpoint:
    """An endpoint as it is configured now for one key, and its endpoint state."""

    tokens: Mapping[str, str]
    config: Pipeline  #: with only that endpoint
    stored: Stored[EndpointState]

    @property
    def endpoint(self) -> Endpoint:
        """The endpoint."""
        return self.config.endpoints[0]

    @property
    def state_id(self) -> str:
        """The id of its endpoint state."""
        return self.endpoint.ref.id

    @property
    def state(self) -> EndpointState:
        """Its endpoint state."""
        return self.stored.record

    @property
    def resource(self) -> Resource:
        """The state of its resource."""
        return self.state.resource(self.endpoint.resource_name)

    @property
    def key(self) -> tuple[str, ...]:
        """The key that the endpoint belongs to."""
        return tuple(self.tokens[token] for token in self.config.key_tokens)

    @property
    def hints(self) -> RollbackToOpen:
        """The hints by which the poll opens a rollback whose run has no record yet."""
        pipeline, endpoint = self.config.name, self.endpoint.name
        return RollbackToOpen(pipeline=pipeline, endpoint=endpoint, key=self.key)


@dataclass(frozen=True, slots=True)
class RollbackRequest:
    """An operator's command to roll back: the model, and the operator."""

    to: str | None  #: the run that trained the model; None: the previous model
    by: str
    reason: str = ""


@service
class Rollbacks:
    """Finds endpoints, holds them, and opens the runs of rollbacks."""

    context: Context
    catalogue: Catalogue
    factory: RunFactory
    driver: Driver

    def find(self, address: EndpointAddress) -> KnownEndpoint:
        """Return an endpoint as it is configured now, with its endpoint state.

        Args:
            address: of the endpoint.

        Returns:
            The endpoint.

        Raises:
            NoSuchEndpointError: there is no such pipeline, endpoint or key.
            TransientError: the endpoint state cannot be read now.
        """
        pipeline, key = address.pipeline, address.key
        config = self.catalogue.pipeline(pipeline)
        if config is None:
            raise NoSuchEndpointError(f"{pipeline!r} is not in the pipelines file")
        if len(key) != len(config.key_tokens):
            wanted = "/".join(f"{{{token}}}" for token in config.key_tokens) or "none"
            given = f"{counted(len(key), 'value')} {they(len(key), 'was', 'were')} given"
            raise NoSuchEndpointError(f"the key of {pipeline} is {wanted}; {given}")
        tokens = dict(zip(config.key_tokens, key, strict=True))
        try:
            chosen = config.chosen_by(tokens)
        except ValueError as exc:
            raise NoSuchEndpointError(f"{pipeline} has no such endpoint: {exc}") from None
        found = next((one for one in chosen.endpoints if one.name == address.endpoint), None)
        if found is None:
            names = ", ".join(one.name for one in chosen.endpoints) or "none"
            raise NoSuchEndpointError(
                f"{pipeline} has no endpoint {address.endpoint!r}; it has {names}"
            )
        stored = self.context.ledger.endpoint_states.of(found.ref)
        return KnownEndpoint(tokens, chosen.only(found), stored)

    def request(self, known: KnownEndpoint, request: RollbackRequest) -> Run:
        """Hold an endpoint, and open the run that sets an earlier model there.

        Safe to repeat: while the endpoint is held for the same model, its run is returned.

        Args:
            known: the endpoint.
            request: the operator's command.

        Returns:
            The run of the rollback.

        Raises:
            NoSuchModelError: there is no such model.
            ConflictError: the endpoint state changed.
            TransientError, OutcomeUnknownError: the ledger does not work now; if the hold is
                stored, the poll continues.
        """
        if known.stored.etag is None:
            raise NoSuchModelError(
                f"nothing was ever promoted at {known.endpoint.name}: there is no earlier model"
            )
        hold = known.resource.held
        if hold is None or request.to not in (None, hold.to):
            hold = self._hold(known, _target(known, request.to), request)
        elif self._failed(hold):
            hold = self._hold(known, (hold.to, hold.state), request)
        elif (found := self.context.ledger.runs.read(hold.run_id)) is not None:
            return found.record  # the poll advances it
        else:
            self.context.ledger.open_markers.mark(hold.run_id, known.hints)
        return self._opened(hold, known)

    def open_announced(self, requested: RollbackToOpen, run_id: str) -> Run | None:
        """Open the run of a rollback that was requested and never begun.

        Args:
            requested: the hints of the run's marker, see `KnownEndpoint.hints`.
            run_id: the run.

        Returns:
            The run; None where no such rollback is wanted any more.

        Raises:
            TransientError, OutcomeUnknownError: the ledger does not work now.
        """
        address = EndpointAddress(requested.pipeline, requested.endpoint, requested.key)
        try:
            known = self.find(address)
        except NoSuchEndpointError:
            return None
        hold = known.resource.held
        if hold is None or hold.run_id != run_id or self.context.ledger.tombstones.has(run_id):
            return None
        return self._opened(hold, known)

    def _failed(self, hold: Hold) -> bool:
        """Whether another run has to carry a rollback out: its own failed, or was removed."""
        run = self.context.ledger.runs.read(hold.run_id)
        if run is None:
            return self.context.ledger.tombstones.has(hold.run_id)
        return run.record.phase.ended and run.record.phase is not Phase.PROMOTED

    def _hold(
        self,
        known: KnownEndpoint,
        target: tuple[str, ServingState],
        request: RollbackRequest,
    ) -> Hold:
        (to, state), endpoint, at = target, known.endpoint, self.context.clock.now()
        resource_name = (known.state_id, endpoint.resource_name, str(known.stored.etag))
        hold = Hold(
            run_id=run_id(known.config.name, "rollback", *resource_name, to, at.isoformat()),
            to=to,
            state=state,
            by=request.by,
            at=at,
            reason=request.reason,
        )
        # The marker first: if this worker dies, the poll finds the hold in the endpoint state.
        self.context.ledger.open_markers.mark(hold.run_id, known.hints)
        held = with_hold(known.state, endpoint.resource_name, hold)
        self.context.ledger.endpoint_states.put(known.state_id, held, known.stored.etag)
        return hold

    def _opened(self, hold: Hold, known: KnownEndpoint) -> Run:
        kept = known.resource.pinnable
        served = next((one for one in kept if hold.to in (one.run_id, one.trained_by)), None)
        opening = Opening(
            run_id=hold.run_id,
            origin=Origin.ROLLBACK,
            cause=f"{hold.by} rolls back to {hold.to}"
            + (f": {hold.reason}" if hold.reason else ""),
            blobs=served.manifest if served else (),
            tokens=known.tokens,
        )
        run = self.factory.promoting(opening, known.config, hold.state.model, restores=hold.state)
        return self.driver.begin(run, announced=True)


def _target(known: KnownEndpoint, to: str | None) -> tuple[str, ServingState]:
    """Return the rollback target: by its name, otherwise the model before the newest one."""
    resource, newest = known.resource, known.resource.serving
    under_way = known.state.endpoint_lease
    if under_way is not None and under_way.resource == known.endpoint.resource_name:
        newest = None  # the newest model is the one being tried now
    older = sorted(resource.kept, key=lambda served: served.order, reverse=True)
    if newest is not None:
        older = [served for served in older if served.order < newest.order]
    targets = [(served.run_id, served.target_model) for served in older]
    if resource.baseline is not None:
        targets.append((BASELINE, resource.baseline))
    if to is None and targets:
        return targets[0]
    known_models = resource.pinnable
    everything = [(one.run_id, one.target_model) for one in known_models] + targets
    # The operator names the run that trained; the endpoint state names its delivery.
    everything += [(one.trained_by, one.target_model) for one in known_models if one.trained_by]
    for name, state in everything:
        if name == to:
            return name, state
    names = ", ".join(dict.fromkeys(name for name, _ in everything)) or "nothing"
    wanted = f"the model of {to}" if to else "an earlier model"
    raise NoSuchModelError(f"{wanted} is not kept; there is {names}")
