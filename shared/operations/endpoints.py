"""The operator's commands for endpoints: list, show, roll back, resume, pin and unpin a model.

A rollback holds the endpoint at once, so that no run promotes over it, and is carried out by
a run of its own, verified as every update is. Any model can be pinned as the anchor that was
promoted at the endpoint and whose run has its record, however many were promoted since.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from shared.core.config.kinds import Endpoint
from shared.core.run.promoted_models import served_once
from shared.core.run.record import Run
from shared.core.serving.operator_changes import known_model, lines_of, resumed, with_anchor
from shared.core.serving.references import EndpointAddress, StagedCandidate
from shared.core.serving.state import Anchor, EndpointState, Resource, Resumed, ServedModel
from shared.errors import ConflictError, CorruptRecordError, NoSuchModelError, RelearnError
from shared.execution.context import Context
from shared.execution.drift_schedule import drift_check_id
from shared.intake.catalogue import Catalogue
from shared.intake.rollbacks import KnownEndpoint, RollbackRequest, Rollbacks
from shared.ledger.open_markers import Marker
from shared.ledger.store import Stored
from shared.operations.commands import ANONYMOUS, OperatorCommand
from shared.operations.history import OpenRun, OpenRuns
from shared.telemetry import log


@dataclass(frozen=True, slots=True)
class StagedStatus:
    """A candidate at the endpoint: what it costs, and until when it is kept."""

    name: str
    run_id: str
    serves: bool
    instances: int
    instance_type: str
    discard_at: datetime | None  #: None: not while its run is open, or it serves
    instance_hours: float | None  #: from the model that replaced it until then

    @property
    def line(self) -> str:
        """The same in one line."""
        size = f"{self.instances} x {self.instance_type}" if self.instances else "an unknown size"
        if self.discard_at is None or self.instance_hours is None:
            waits = f"candidate of run {self.run_id}, deleted once that run is over"
            return f"{self.name}: {size}, {'serves' if self.serves else waits}"
        until = self.discard_at.isoformat(timespec="seconds")
        return f"{self.name}: {size}, kept until {until} (instance hours: {self.instance_hours:g})"


@dataclass(frozen=True, slots=True)
class EndpointStatus:
    """One endpoint: what serves there, what served before, and which runs update it."""

    pipeline: str
    key: tuple[str, ...]
    config: Endpoint
    state: EndpointState
    version: str  #: that a change may name
    open_runs: tuple[OpenRun, ...]
    drift: str | None = None  #: what the last drift check found, where it was asked for

    @property
    def known(self) -> Resource:
        """The state of the endpoint's resource."""
        return self.state.resource(self.config.resource_name)

    @property
    def staged(self) -> tuple[StagedStatus, ...]:
        """The candidates of this app at the endpoint."""
        serving = self.known.serving
        since = serving.since if serving else None
        return tuple(
            _staged(one, serving.candidate if serving else "", since) for one in self.state.staged
        )

    @property
    def updated_by(self) -> str | None:
        """The run that has the endpoint's lease."""
        return _holder(self.state)

    @property
    def line(self) -> str:
        """What serves in one line: since when, made of which data, approved by whom."""
        return line_of(self.known)


@dataclass(frozen=True, slots=True)
class EndpointLine:
    """One endpoint of the list of all."""

    pipeline: str
    endpoint: str
    key: tuple[str, ...] | None  #: None: tokens choose the endpoint, and a key must be named
    line: str
    open_runs: tuple[OpenRun, ...] = ()


class Endpoints:
    """The endpoints of the configured pipelines."""

    def __init__(
        self, context: Context, catalogue: Catalogue, rollbacks: Rollbacks, open_runs: OpenRuns
    ) -> None:
        self._context = context
        self._catalogue = catalogue
        self._rollbacks = rollbacks
        self._open_runs = open_runs

    def show(self, address: EndpointAddress) -> EndpointStatus:
        """Return the status of an endpoint.

        Raises:
            NoSuchEndpointError: no such pipeline, endpoint or key.
        """
        known = self._rollbacks.find(address)
        drift, markers = self._drift(known.endpoint), self._open_runs.markers()
        return self._status(address.pipeline, address.key, known.endpoint, markers, drift)

    def lines(self) -> list[EndpointLine]:
        """Return each endpoint in one line; those that tokens choose are seen by their key."""
        catalogue, markers = self._catalogue, self._open_runs.markers()
        pipelines = [catalogue.pipeline(name) for name in sorted(catalogue.names())]
        return [
            self._line(pipeline.name, endpoint, markers)
            for pipeline in pipelines
            if pipeline is not None
            for endpoint in pipeline.endpoints
        ]

    def _line(self, pipeline: str, endpoint: Endpoint, markers: Sequence[Marker]) -> EndpointLine:
        if endpoint.tokens:
            line = f"one for each {', '.join(endpoint.tokens)}: ask with ?key="
            return EndpointLine(pipeline, endpoint.name, None, line)
        try:
            status = self._status(pipeline, (), endpoint, markers)
        except CorruptRecordError as exc:
            log.error("%s", exc)  # the others are shown
            return EndpointLine(pipeline, endpoint.name, (), str(exc))
        runs = "".join(
            f"; run {run.run_id} is {run.phase}: {run.waiting.line}" for run in status.open_runs[:1]
        )
        return EndpointLine(pipeline, endpoint.name, (), f"{status.line}{runs}", status.open_runs)

    def _status(
        self,
        pipeline: str,
        key: tuple[str, ...],
        endpoint: Endpoint,
        markers: Sequence[Marker],
        drift: str | None = None,
    ) -> EndpointStatus:
        stored = self._context.ledger.endpoint_states.of(endpoint.ref)
        state = stored.record
        there = self._open_runs.at_endpoint(endpoint.ref, markers, _holder(state))
        return EndpointStatus(pipeline, key, endpoint, state, version_of(stored), there, drift)

    def _drift(self, endpoint: Endpoint) -> str | None:
        """Return what the last drift check found wrong, if anything."""
        try:
            stored = self._context.ledger.drift_checks.read(
                drift_check_id(endpoint.ref, endpoint.resource_name)
            )
        except CorruptRecordError as exc:
            log.error("%s", exc)
            return str(exc)  # the rest of the status is shown
        if stored is None:
            return None
        return stored.record.reported or stored.record.suspicion or None

    def rollback(
        self,
        address: EndpointAddress,
        to: str | None,
        command: OperatorCommand = ANONYMOUS,
    ) -> Run:
        """Roll back to an earlier model, and hold the endpoint.

        Safe to repeat: while the endpoint is held for the same model, its run is returned.

        Args:
            address: which endpoint is meant.
            to: the run whose model is to serve, or `baseline`; None for the previous model.
            command: who asks, and why.

        Returns:
            The run that restores the model.

        Raises:
            NoSuchEndpointError, NoSuchModelError: there is no such endpoint, or no such model.
            PreconditionFailedError, ConflictError: the endpoint changed; read it and decide again.
        """
        known = self._for_change(address, command)
        try:
            return self._rollbacks.request(known, RollbackRequest(to, command.by, command.reason))
        except ConflictError:
            raise self._too_late(known, command) from None

    def resume(self, address: EndpointAddress, command: OperatorCommand = ANONYMOUS) -> bool:
        """Let new models be promoted again; return whether the endpoint was held.

        Args:
            address: which endpoint is meant.
            command: who asks, and why.

        Returns:
            Whether the endpoint was held.

        Raises:
            NoSuchEndpointError: no such pipeline, endpoint or key.
            PreconditionFailedError, ConflictError: the endpoint changed; read it and decide again.
        """
        known = self._for_change(address, command)
        if known.resource.held is None:
            return False
        by = Resumed(by=command.by, at=self._context.clock.now(), reason=command.reason)
        state = resumed(known.state, known.endpoint.resource_name, by)
        self._change(known, state, command)
        return True

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
        known = self._for_change(address, command)
        served = self._to_pin(known, run_id).evolve(answers=None)
        present = known.resource.anchor
        if present is not None and present.served == served:
            return
        now = self._context.clock.now()
        anchor = Anchor(served=served, by=command.by, at=now, reason=command.reason)
        self._anchored(known, anchor, command)
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
        known = self._for_change(address, command)
        if known.resource.anchor is not None:
            self._anchored(known, None, command)
            log.info("endpoint %s has no anchor: unpinned by %s", known.endpoint.name, command.by)

    def _to_pin(self, known: KnownEndpoint, run_id: str | None) -> ServedModel:
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

    def _anchored(
        self, known: KnownEndpoint, anchor: Anchor | None, command: OperatorCommand
    ) -> None:
        state = with_anchor(known.state, known.endpoint.resource_name, anchor)
        self._change(known, state, command)

    def _for_change(self, address: EndpointAddress, command: OperatorCommand) -> KnownEndpoint:
        """Return an endpoint that a command is to change, in the version that it names."""
        known = self._rollbacks.find(address)
        command.require(version_of(known.stored), state_of(known))
        return known

    def _change(self, known: KnownEndpoint, state: EndpointState, command: OperatorCommand) -> None:
        try:
            self._context.ledger.endpoint_states.put(known.state_id, state, known.stored.etag)
        except ConflictError:
            raise self._too_late(known, command) from None

    def _too_late(self, known: KnownEndpoint, command: OperatorCommand) -> RelearnError:
        """Return the error of a command after another change."""
        stored = self._context.ledger.endpoint_states.of(known.endpoint.ref)
        return command.too_late(state_of(replace(known, stored=stored)))


def _staged(item: StagedCandidate, serving: str, since: datetime | None) -> StagedStatus:
    candidate, until = item.candidate, item.discard_at
    hours = None
    if until is not None and since is not None:
        hours = round((until - since) / timedelta(hours=1) * candidate.instances, 1)
    return StagedStatus(
        name=candidate.name,
        run_id=item.run_id,
        serves=candidate.name == serving,
        instances=candidate.instances,
        instance_type=candidate.instance_type,
        discard_at=until,
        instance_hours=hours,
    )


def version_of(stored: Stored[EndpointState]) -> str:
    """Return the version of an endpoint that a change may name: also that nothing is stored."""
    return "none" if stored.etag is None else str(stored.etag)


def _holder(state: EndpointState) -> str | None:
    return state.endpoint_lease.run_id if state.endpoint_lease else None


def state_of(known: KnownEndpoint) -> str:
    """Return the present state of an endpoint, for the operator who wanted to change it."""
    busy = _holder(known.state)
    updated = f"; run {busy} updates it" if busy else ""
    return f"endpoint {known.endpoint.name}: {line_of(known.resource)}{updated}"


def line_of(known: Resource) -> str:
    """Return what serves in one line: since when, made of which data, approved by whom."""
    if not known.history:
        return "nothing was promoted here yet"
    last = known.history[-1]
    data = f"trained on {', '.join(last.data)}" if last.data else "no known data"
    more = f" and {last.blobs - len(last.data)} more" if last.blobs > len(last.data) else ""
    more += f" (the newest of {last.arrived} that arrived)" if last.arrived > last.blobs else ""
    approved = f", approved by {last.approved_by}" if last.approved_by else ""
    held = f"; held by {known.held.by}" if known.held else ""
    since = last.at.isoformat(timespec="seconds")
    model = last.model or "the model of its own service"
    return f"{model} since {since}, {data}{more}, run {last.trained_by}{approved}{held}"
