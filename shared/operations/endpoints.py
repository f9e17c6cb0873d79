"""What serves at an endpoint, and a person's hand on it: roll back, and resume.

A rollback holds the endpoint at once, so that no run promotes over it, and is carried out by
a run of its own, with the proof that every update has.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

from shared.core.config.kinds import Endpoint
from shared.core.config.pipeline import Pipeline
from shared.core.counting import counted, they
from shared.core.names import run_id
from shared.core.run.record import Origin, Phase, Run, RunHistoryEntry
from shared.core.serving.references import ServingState
from shared.core.serving.state import EndpointState, Hold, Resource, Resumed, resumed, with_hold
from shared.errors import ConflictError, CorruptRecordError, PermanentError
from shared.execution.context import Context
from shared.execution.drift_schedule import drift_check_id
from shared.execution.driver import Driver
from shared.intake.blob_events import Intake
from shared.ledger.open_markers import Marker, RollbackToOpen
from shared.ledger.store import Stored
from shared.operations.open_runs import OpenRuns
from shared.operations.preconditions import Versions, lost, require
from shared.telemetry import log

BASELINE: Final = "baseline"


class NoSuchEndpointError(PermanentError):
    """There is no such endpoint, or not for this key."""


class NoSuchModelError(PermanentError):
    """There is no such model to go back to."""


@dataclass(frozen=True, slots=True)
class OperatorCommand:
    """Who wants what, and why; kept with the endpoint."""

    by: str
    reason: str = ""
    versions: Versions = None  #: of the endpoint, that it is for


_ANONYMOUS: Final = OperatorCommand("somebody")


class Endpoints:
    """The endpoints of the configured pipelines."""

    def __init__(self, context: Context, intake: Intake) -> None:
        self._context = context
        self._intake = intake
        self._driver: Driver = intake.driver

    def show(self, pipeline: str, endpoint: str, key: Sequence[str]) -> dict[str, Any]:
        """Return what is known of an endpoint: what serves, what served before, who may change it.

        `version` is what a change may be held to.

        Raises:
            NoSuchEndpointError: no such pipeline, endpoint or key.
        """
        _, config, found = self._find(pipeline, endpoint, key)
        stored = self._context.ledger.endpoint_states.read(found.ref.id)
        endpoint_state = stored.record if stored else EndpointState(ref=found.ref)
        known = endpoint_state.resource(found.place)
        shown: dict[str, Any] = {
            "pipeline": config.name,
            "endpoint": found.name,
            "key": list(key),
            "kind": found.kind,
            "update": found.address,
            "resource": found.resource,
            "generation": endpoint_state.generation,
            "version": _version(stored),
            "line": line_of(known),
            "drift": self._drift(found),
            **known.model_dump(mode="json", exclude_none=True),
        }
        holder = endpoint_state.endpoint_lease.run_id if endpoint_state.endpoint_lease else None
        if holder is not None:
            shown["being_updated_by"] = holder
        open_runs = OpenRuns(self._context)
        there = open_runs.at_endpoint(found.ref, open_runs.markers(), holder)
        shown["open_runs"] = [asdict(run) for run in there]
        return shown

    def lines(self) -> list[dict[str, Any]]:
        """Return each endpoint in one line; those of customers are seen by their key."""
        lines: list[dict[str, Any]] = []
        markers = OpenRuns(self._context).markers()
        for name in sorted(self._intake.catalogue.names()):
            pipeline = self._intake.catalogue.pipeline(name)
            for endpoint in pipeline.endpoints if pipeline else ():
                told: dict[str, Any] = {"pipeline": name, "endpoint": endpoint.name}
                if endpoint.tokens:
                    tokens = ", ".join(endpoint.tokens)
                    lines.append({**told, "line": f"one for each {tokens}: ask with ?key="})
                    continue
                lines.append({**told, "key": [], **self._line(endpoint, markers)})
        return lines

    def _line(self, endpoint: Endpoint, markers: Sequence[Marker]) -> dict[str, Any]:
        try:
            stored = self._context.ledger.endpoint_states.read(endpoint.ref.id)
        except CorruptRecordError as exc:
            log.error("%s", exc)  # the others are shown
            return {"line": str(exc)}
        endpoint_state = stored.record if stored else EndpointState(ref=endpoint.ref)
        holder = endpoint_state.endpoint_lease.run_id if endpoint_state.endpoint_lease else None
        there = OpenRuns(self._context).at_endpoint(endpoint.ref, markers, holder)
        runs = "".join(
            f"; run {run.run_id} is {run.phase}: {run.waiting.line}" for run in there[:1]
        )
        return {
            "line": f"{line_of(endpoint_state.resource(endpoint.place))}{runs}",
            "open_runs": [asdict(run) for run in there],
        }

    def _drift(self, endpoint: Endpoint) -> str | None:
        """Return what the last looks at the endpoint saw that should not be, if anything."""
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
        pipeline: str,
        endpoint: str,
        key: Sequence[str],
        to: str | None,
        command: OperatorCommand,
    ) -> Run:
        """Go back to the model of run `to`, or to the one from before, and hold the endpoint.

        Safe to repeat: while the endpoint is held for the same wish, its run is returned.

        Raises:
            NoSuchEndpointError, NoSuchModelError: there is nothing to go back to.
            Outdated, Conflict: the endpoint changed; look and decide again.
        """
        tokens, config, found = self._find(pipeline, endpoint, key)
        stored = self._context.ledger.endpoint_states.read(found.ref.id)
        require(command.versions, _version(stored), _version_conflict(found, stored))
        if stored is None:
            raise NoSuchModelError(f"nothing was ever promoted at {endpoint}: there is no way back")
        request = _RollbackRequest(tokens, config.only(found), stored)
        hold = request.known.held
        if hold is None or (to is not None and to != hold.to):
            hold = self._hold(request, _target(request, to), command)
        elif self._failed(hold):
            hold = self._hold(request, (hold.to, hold.state), command)
        return self._carried_out(hold, request)

    def carry_out(self, hints: RollbackToOpen, run_id: str) -> Run | None:
        """Open the run of a rollback that was wished for and never begun; None if it was not.

        Args:
            hints: of the run's marker, as `rollback` left them.
            run_id: the run.
        """
        try:
            found = self._find(hints.pipeline, hints.endpoint, hints.key)
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
            return found.record  # the poll goes on with it
        self._context.ledger.open_markers.mark(hold.run_id, request.hints)
        return self._driver.begin(self._run_of(hold, request), fresh=True)

    def resume(
        self,
        pipeline: str,
        endpoint: str,
        key: Sequence[str],
        command: OperatorCommand = _ANONYMOUS,
    ) -> bool:
        """Let new models be promoted again; tell whether the endpoint was held.

        Raises:
            NoSuchEndpointError: no such pipeline, endpoint or key.
            Outdated, Conflict: the endpoint changed; look and decide again.
        """
        _, _, found = self._find(pipeline, endpoint, key)
        stored = self._context.ledger.endpoint_states.read(found.ref.id)
        require(command.versions, _version(stored), _version_conflict(found, stored))
        if stored is None or stored.record.resource(found.place).held is None:
            return False
        at = self._context.clock.now()
        known = Resumed(by=command.by, at=at, reason=command.reason)
        endpoint_state = resumed(stored.record, found.place, known)
        self._put(found, Stored(endpoint_state, stored.etag), command.versions)
        return True

    def _put(
        self, endpoint: Endpoint, endpoint_state: Stored[EndpointState], versions: Versions
    ) -> None:
        """Store a head over the version that it was made from."""
        name = endpoint.ref.id
        try:
            self._context.ledger.endpoint_states.put(
                name, endpoint_state.record, endpoint_state.etag
            )
        except ConflictError:
            raise lost(
                versions,
                _version_conflict(endpoint, self._context.ledger.endpoint_states.read(name)),
            ) from None

    def _find(
        self, pipeline: str, endpoint: str, key: Sequence[str]
    ) -> tuple[dict[str, str], Pipeline, Endpoint]:
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
        found = next((one for one in chosen.endpoints if one.name == endpoint), None)
        if found is None:
            names = ", ".join(one.name for one in chosen.endpoints) or "none"
            raise NoSuchEndpointError(f"{pipeline} has no endpoint {endpoint!r}; it has {names}")
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
        # The marker first: should this worker die, the poll finds the wish in the head.
        self._context.ledger.open_markers.mark(hold.run_id, request.hints)
        endpoint_state = with_hold(request.stored.record, endpoint.place, hold)
        self._put(endpoint, Stored(endpoint_state, request.stored.etag), command.versions)
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
    """The endpoint that somebody wants another model at, and what is known of it."""

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
    return str(stored.etag) if stored else "none"  # so that it has one from the beginning


def _version_conflict(endpoint: Endpoint, stored: Stored[EndpointState] | None) -> str:
    """Return how an endpoint stands, for whoever wanted to change it."""
    known = stored.record.resource(endpoint.place) if stored else Resource()
    busy = stored.record.endpoint_lease if stored else None
    updated = f"; run {busy.run_id} updates it" if busy else ""
    return f"endpoint {endpoint.name}: {line_of(known)}{updated}"


def line_of(known: Resource) -> str:
    """Return what serves in one line: since when, made of which data, approved by whom."""
    if not known.history:
        return "nothing was promoted here yet"
    last = known.history[-1]
    data = f"trained on {', '.join(last.data)}" if last.data else "no data of ours"
    more = f" and {last.blobs - len(last.data)} more" if last.blobs > len(last.data) else ""
    more += f" (the newest of {last.arrived} that landed)" if last.arrived > last.blobs else ""
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
