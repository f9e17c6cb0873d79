"""What an operator can ask of endpoints: list, show, roll back, resume.

A rollback holds the endpoint at once, so that no run promotes over it, and is carried out by
a run of its own, verified as every update is.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from shared.core.config.kinds import Endpoint
from shared.core.config.pipeline import Pipeline
from shared.core.counting import counted, they
from shared.core.names import run_id
from shared.core.run.record import Origin, Phase, Run, RunHistoryEntry
from shared.core.serving.references import ServingState
from shared.core.serving.state import (
    EndpointState,
    Hold,
    Resource,
    Resumed,
    resumed,
    with_hold,
)
from shared.errors import (
    ConflictError,
    CorruptRecordError,
    NoSuchEndpointError,
    NoSuchModelError,
)
from shared.execution.context import Context
from shared.execution.drift_schedule import drift_check_id
from shared.execution.driver import Driver
from shared.intake.blob_events import Intake
from shared.ledger.open_markers import Marker, RollbackToOpen
from shared.ledger.store import Stored
from shared.operations.commands import ANONYMOUS, OperatorCommand
from shared.operations.open_runs import OpenRun, OpenRuns
from shared.telemetry import log

BASELINE: Final = "baseline"


@dataclass(frozen=True, slots=True)
class EndpointAddress:
    """Which endpoint is meant."""

    pipeline: str
    endpoint: str  #: its name in the pipelines file
    key: tuple[str, ...] = ()  #: where tokens choose the endpoint


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
        """What is known of the resource that the endpoint's models are set at."""
        return self.state.resource(self.config.place)

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

    def __init__(self, context: Context, intake: Intake) -> None:
        self._context = context
        self._intake = intake
        self._driver: Driver = intake.driver
        self._open_runs = OpenRuns(context)

    def show(self, address: EndpointAddress) -> EndpointStatus:
        """Return what is known of an endpoint.

        Raises:
            NoSuchEndpointError: no such pipeline, endpoint or key.
        """
        _, config, endpoint = self._find(address)
        drift, markers = self._drift(endpoint), self._open_runs.markers()
        return self._status(config.name, address.key, endpoint, markers, drift)

    def lines(self) -> list[EndpointLine]:
        """Return each endpoint in one line; those that tokens choose are seen by their key."""
        catalogue, markers = self._intake.catalogue, self._open_runs.markers()
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
        stored = self._context.ledger.endpoint_states.read(endpoint.ref.id)
        state = stored.record if stored else EndpointState(ref=endpoint.ref)
        there = self._open_runs.at_endpoint(endpoint.ref, markers, _holder(state))
        return EndpointStatus(pipeline, key, endpoint, state, _version(stored), there, drift)

    def _drift(self, endpoint: Endpoint) -> str | None:
        """Return what the last drift check found wrong, if anything."""
        try:
            stored = self._context.ledger.drift_checks.read(
                drift_check_id(endpoint.ref, endpoint.place)
            )
        except CorruptRecordError as exc:
            log.error("%s", exc)
            return str(exc)  # what serves is shown all the same
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
            The run that brings the model back.

        Raises:
            NoSuchEndpointError, NoSuchModelError: there is no such endpoint, or no such model.
            PreconditionFailedError, ConflictError: the endpoint changed; read it and decide again.
        """
        tokens, config, found = self._find(address)
        stored = self._context.ledger.endpoint_states.read(found.ref.id)
        command.require(_version(stored), _state_of(found, stored))
        if stored is None:
            raise NoSuchModelError(
                f"nothing was ever promoted at {found.name}: there is no earlier model"
            )
        request = _RollbackRequest(tokens, config.only(found), stored)
        hold = request.known.held
        if hold is None or (to is not None and to != hold.to):
            hold = self._hold(request, _target(request, to), command)
        elif self._failed(hold):
            hold = self._hold(request, (hold.to, hold.state), command)
        return self._carried_out(hold, request)

    def carry_out(self, requested: RollbackToOpen, run_id: str) -> Run | None:
        """Open the run of a rollback that was requested and never begun; None if it was not.

        Args:
            requested: what the marker of the run says, as `rollback` left it.
            run_id: the run.
        """
        address = EndpointAddress(requested.pipeline, requested.endpoint, requested.key)
        try:
            found = self._find(address)
        except NoSuchEndpointError:
            return None
        tokens, config, endpoint = found
        stored = self._context.ledger.endpoint_states.read(endpoint.ref.id)
        if stored is None:
            return None
        request = _RollbackRequest(tokens, config.only(endpoint), stored)
        hold = request.known.held
        if hold is None or hold.run_id != run_id or self._context.ledger.tombstones.has(run_id):
            return None
        return self._carried_out(hold, request)

    def _carried_out(self, hold: Hold, request: "_RollbackRequest") -> Run:
        if (found := self._context.ledger.runs.read(hold.run_id)) is not None:
            return found.record  # the poll continues it
        self._context.ledger.open_markers.mark(hold.run_id, request.hints)
        return self._driver.begin(self._run_of(hold, request), fresh=True)

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
        _, _, found = self._find(address)
        stored = self._context.ledger.endpoint_states.read(found.ref.id)
        command.require(_version(stored), _state_of(found, stored))
        if stored is None or stored.record.resource(found.place).held is None:
            return False
        by = Resumed(by=command.by, at=self._context.clock.now(), reason=command.reason)
        self._put(found, Stored(resumed(stored.record, found.place, by), stored.etag), command)
        return True

    def _put(
        self, endpoint: Endpoint, state: Stored[EndpointState], command: OperatorCommand
    ) -> None:
        """Store an endpoint state over the version that it was made from."""
        name = endpoint.ref.id
        try:
            self._context.ledger.endpoint_states.put(name, state.record, state.etag)
        except ConflictError:
            now = self._context.ledger.endpoint_states.read(name)
            raise command.too_late(_state_of(endpoint, now)) from None

    def _find(self, address: EndpointAddress) -> tuple[dict[str, str], Pipeline, Endpoint]:
        pipeline, key = address.pipeline, address.key
        config = self._intake.catalogue.pipeline(pipeline)
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
        return tokens, chosen, found

    def _failed(self, hold: Hold) -> bool:
        """Whether another run has to carry a rollback out: its own failed, or was removed."""
        run = self._context.ledger.runs.read(hold.run_id)
        if run is None:
            return self._context.ledger.tombstones.has(hold.run_id)
        return run.record.phase.ended and run.record.phase is not Phase.PROMOTED

    def _hold(
        self,
        request: "_RollbackRequest",
        target: tuple[str, ServingState],
        command: OperatorCommand,
    ) -> Hold:
        to, state = target
        at, endpoint = self._context.clock.now(), request.endpoint
        place = (endpoint.ref.id, endpoint.place, str(request.stored.etag))
        hold = Hold(
            run_id=run_id(request.config.name, "rollback", *place, to, at.isoformat()),
            to=to,
            state=state,
            by=command.by,
            at=at,
            reason=command.reason,
        )
        # The marker first: should this worker die, the poll finds the hold in the endpoint state.
        self._context.ledger.open_markers.mark(hold.run_id, request.hints)
        endpoint_state = with_hold(request.stored.record, endpoint.place, hold)
        self._put(endpoint, Stored(endpoint_state, request.stored.etag), command)
        return hold

    def _run_of(self, hold: Hold, request: "_RollbackRequest") -> Run:
        named = (one for one in request.known.kept if hold.to in (one.run_id, one.trained_by))
        served = next(named, None)
        cause = f"{hold.by} goes back to {hold.to}" + (f": {hold.reason}" if hold.reason else "")
        entry = RunHistoryEntry(at=hold.at, phase=Phase.PROMOTING, note=cause)
        return Run(
            run_id=hold.run_id,
            pipeline=request.config.name,
            origin=Origin.ROLLBACK,
            cause=cause,
            config=request.config,
            manifest=served.manifest if served else (),
            parameters={},
            tokens=request.tokens,
            phase=Phase.PROMOTING,
            model=hold.state.model,
            restores=hold.state,
            opened_at=hold.at,
            history=(entry,),
        )


@dataclass(frozen=True, slots=True)
class _RollbackRequest:
    """The endpoint that an operator wants another model at, and what is known of it."""

    tokens: dict[str, str]
    config: Pipeline  #: with that endpoint alone
    stored: Stored[EndpointState]

    @property
    def endpoint(self) -> Endpoint:
        return self.config.endpoints[0]

    @property
    def known(self) -> Resource:
        return self.stored.record.resource(self.endpoint.place)

    @property
    def hints(self) -> RollbackToOpen:
        """What the poll finds this endpoint by."""
        key = tuple(self.tokens[token] for token in self.config.key_tokens)
        return RollbackToOpen(pipeline=self.config.name, endpoint=self.endpoint.name, key=key)


def _version(stored: Stored[EndpointState] | None) -> str:
    return str(stored.etag) if stored else "none"  # a change may name that nothing is stored


def _holder(state: EndpointState) -> str | None:
    return state.endpoint_lease.run_id if state.endpoint_lease else None


def _state_of(endpoint: Endpoint, stored: Stored[EndpointState] | None) -> str:
    """Return the present state of an endpoint, for the operator who wanted to change it."""
    known = stored.record.resource(endpoint.place) if stored else Resource()
    busy = _holder(stored.record) if stored else None
    updated = f"; run {busy} updates it" if busy else ""
    return f"endpoint {endpoint.name}: {line_of(known)}{updated}"


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


def _target(request: _RollbackRequest, to: str | None) -> tuple[str, ServingState]:
    """Return what to go back to: by name, else what served before the newest model."""
    known, newest = request.known, request.known.serving
    under_way = request.stored.record.endpoint_lease
    if under_way is not None and under_way.resource == request.endpoint.place:
        newest = None  # the newest model is the one being tried now
    older = sorted(known.kept, key=lambda served: served.order, reverse=True)
    if newest is not None:
        older = [served for served in older if served.order < newest.order]
    ways = [(served.run_id, served.target_model) for served in older]
    if known.baseline is not None:
        ways.append((BASELINE, known.baseline))
    if to is None and ways:
        return ways[0]
    everything = [(one.run_id, one.target_model) for one in known.kept] + ways
    # Of a roll-out the run that trained is asked for, and the one that delivered is kept.
    everything += [(one.trained_by, one.target_model) for one in known.kept if one.trained_by]
    for name, state in everything:
        if name == to:
            return name, state
    names = ", ".join(dict.fromkeys(name for name, _ in everything)) or "nothing"
    wanted = f"the model of {to}" if to else "an earlier model"
    raise NoSuchModelError(f"{wanted} is not kept; there is {names}")
