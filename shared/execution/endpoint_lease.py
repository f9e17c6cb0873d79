"""Acquires the endpoint lease of a run, and prepares its promotion."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from shared.core.blobs import BlobVersion
from shared.core.config.kinds import Endpoint
from shared.core.run.commands import Event
from shared.core.run.control_events import StepBlocked, Superseded
from shared.core.run.leases import in_flight_lease, leased
from shared.core.run.planned_steps import (
    ahead_of,
    changed_before,
    gets_requests,
    planned_steps,
)
from shared.core.run.promotion import Promotion, Step
from shared.core.run.promotion_events import EndpointLeased, InFlightUpdateFound
from shared.core.run.record import Origin, Run
from shared.core.run.repeated_gate import repeated
from shared.core.serving.probes import LEAST_PROBES, ProbeAnswers, ProbeOutcome
from shared.core.serving.references import ServingState
from shared.core.serving.state import EndpointLease, EndpointState, Resource, is_superseded
from shared.core.serving.traffic import ALL, TrafficMap
from shared.core.versions import tie_of, tied_with
from shared.errors import PermanentError, TransientError
from shared.execution.context import Context
from shared.execution.drift_schedule import wait_for_drift
from shared.execution.inbox import FirstRecordedTimes
from shared.execution.leased_endpoint import endpoint_of, require_free, rollback_target_of
from shared.execution.live_models import LiveModels, asks_endpoint
from shared.ledger.store import Stored
from shared.ports.serving import Keep, Plan, ServingEndpoint

#: How long probes are repeated if they get errors before the update.
_ERRORS: Final = timedelta(days=1)


class EndpointLeaseSteps:
    """Acquires endpoint leases (design rule 8).

    Args:
        context: the ledger, the services and the clock.
    """

    def __init__(self, context: Context) -> None:
        self.context, self._live = context, LiveModels(context)

    def acquire_lease(self, run: Run) -> Event:
        """Acquire the lease once the probe answers of now and a rollback target are known."""
        endpoint = endpoint_of(run)
        serving = self.context.providers.serving(endpoint)
        stored = self.context.ledger.endpoint_states.of(endpoint.ref)
        endpoint_state = stored.record
        data = self._data(run, endpoint_state.resource(endpoint.resource_name))
        if (not_now := _not_now(run, data, endpoint)) is not None:
            return not_now
        endpoint_state = endpoint_state.with_resource(endpoint.resource_name, data.known)
        left = self._in_flight_lease(run, endpoint_state)
        known = endpoint_state.resource(endpoint.resource_name)
        by_record = not asks_endpoint(run, endpoint)
        if by_record and (behind := repeated(run, known, known.serving)) is not None:
            return behind
        serving.ensure()
        first = known.baseline is None and known.serving is None
        base = serving.current(Keep(run.run_id, run.opened_at) if first else None)
        splits = serving.plan.stages
        if splits and (other := self._other_than_left(run, known, base, left)) is not None:
            return other
        # While an earlier update is in flight, a probe shows nothing; that run has the answers.
        answers = left is None and not (splits and base is None)
        before = self._before(run, endpoint, serving) if answers else None
        mine = leased(
            endpoint_state,
            run,
            endpoint.resource_name,
            base if first else known.baseline,
            self.context.clock.now(),
        )
        return self._leased(run, serving, _Found(stored, mine, left, base, before, data.tie))

    def _other_than_left(
        self, run: Run, known: Resource, base: ServingState | None, left: EndpointLease | None
    ) -> Event | None:
        """Return what follows where others changed what serves; None: go on from it."""
        if not run.origin.repeats:
            wait_for_drift(self.context, endpoint_of(run))
        if left is not None:
            base = None  # an update is in flight: the present traffic proves nothing
        elif (blocked := changed_before(run, known, base)) is not None:
            return blocked
        if not asks_endpoint(run, endpoint_of(run)) or gets_requests(run, base):
            return None  # or the operator was asked in the middle of its steps, and lets it go on
        return repeated(run, known, self._live.before_promotion(run, known, base))

    def _leased(self, run: Run, serving: ServingEndpoint, found: "_Found") -> Event:
        """Store the lease, with a promotion that can be rolled back where that is needed."""
        endpoint, mine, stored, base = endpoint_of(run), found.mine, found.stored, found.base
        rollback_target = rollback_target_of(
            serving, mine, endpoint.resource_name, instead_of=run, base=base
        )
        needed = not run.origin.repeats and run.config.gate.first_model != "allow"
        if rollback_target is None and needed:
            return _no_rollback_target(endpoint)
        if mine != stored.record:
            self.context.ledger.endpoint_states.put(endpoint.ref.id, mine, stored.etag)
        generation = mine.endpoint_lease.generation if mine.endpoint_lease else mine.generation
        promotion = Promotion(
            generation=generation,
            before=found.before,
            rollback_target=rollback_target,
            base=base,
            steps=_steps(run, serving.plan, base),
            ever_sent=gets_requests(run, base),
            expected=_expected(run, mine.resource(endpoint.resource_name)),
        )
        if (left := found.left) is not None:
            other = self.context.providers.serving(endpoint.for_resource(left.resource))
            if (in_flight := self._resolve_in_flight(other, left, mine, promotion)) is not None:
                return in_flight
        return EndpointLeased(promotion, found.tie)

    def _data(self, run: Run, known: Resource) -> "_Data":
        """Return the two data versions whose age is compared."""
        mine, newest = run.newest, known.newest_version
        if mine is None or newest is None or run.data_time != known.newest_data:
            return _Data(known, mine)
        recorded = FirstRecordedTimes(self.context, run.config)
        mine, newest = recorded.of(mine), recorded.of(newest)
        known = known.evolve(newest_version=newest)
        return _Data(known, mine, tie_of(mine, tied_with(mine, [newest])))

    def _resolve_in_flight(
        self,
        serving: ServingEndpoint,
        left: EndpointLease,
        endpoint_state: EndpointState,
        promotion: Promotion,
    ) -> Event | None:
        other = self.context.ledger.runs.read(left.run_id)
        rollback_target = next(
            (one for one in _ahead_of_left(other) if serving.restorable(one)), None
        ) or rollback_target_of(serving, endpoint_state, left.resource)
        if rollback_target is None:
            return None
        known = other.record.promotion.before if other and other.record.promotion else None
        left_traffic = other.record.promotion.steps if other and other.record.promotion else ()
        maps = (one for step in left_traffic for one in (step.before, step.wanted))
        changes = {
            "rollback_target": rollback_target,
            # Nothing of this run's own was sent: what it found may be a change by others.
            "steps": (Step(share=ALL),),
            "left": tuple(dict.fromkeys(one for one in maps if one is not None)),
            "before": known,
            "rollback_resource": left.resource,
        }
        return InFlightUpdateFound(promotion.evolve(**changes))

    def _in_flight_lease(self, run: Run, endpoint_state: EndpointState) -> EndpointLease | None:
        """Return the lease of another run that left its update in flight; None without one.

        Raises:
            EndpointBusyError: another run is updating this endpoint.
        """
        require_free(self.context, run, endpoint_state)
        return in_flight_lease(endpoint_state, run.run_id)

    def _before(
        self, run: Run, endpoint: Endpoint, serving: ServingEndpoint
    ) -> ProbeAnswers | None:
        """Return the answers to a probe before the update; None without a verification.

        One error is not enough: later good answers would count as those of the new model.

        Raises:
            TransientError: the endpoint does not answer, or its first answers are errors.
            PermanentError: the probe's own URL or key is refused.
        """
        if endpoint.rows is None:
            return None
        before = serving.score(endpoint.rows)
        if before.seen is ProbeOutcome.GOOD:
            return before
        if before.seen is ProbeOutcome.BROKEN:
            known = run.step_failure
            same = known.cause_count if known and known.patience == _ERRORS else 0
            if same + 1 >= LEAST_PROBES:
                return before
            raise TransientError(
                f"the endpoint answers the probe with an error, ahead of the update: "
                f"{before.detail}: probing again",
                patience=_ERRORS,
            )
        if before.seen is ProbeOutcome.NO_ANSWER:
            raise TransientError(f"the endpoint does not answer the probe: {before.detail}")
        raise PermanentError(
            f"the probe is refused: {before.detail}: correct `verify.score`, or the key"
        )


@dataclass(frozen=True, slots=True)
class _Found:
    """What a lease is made of."""

    stored: Stored[EndpointState]
    mine: EndpointState  #: with the lease, not stored yet
    left: EndpointLease | None  #: of a run that left its update in flight
    base: ServingState | None  #: what serves now, where that is known
    before: ProbeAnswers | None
    tie: str


@dataclass(frozen=True, slots=True)
class _Data:
    """The newest data of a run, and the newest that was promoted before."""

    known: Resource
    version: BlobVersion | None
    tie: str = ""  #: a sentence for operators, where both share their Last-Modified


def _expected(run: Run, known: Resource) -> ProbeAnswers | None:
    if not run.origin.repeats:
        return None
    return next((served.answers for served in known.kept if served.model == run.model), None)


def _not_now(run: Run, data: _Data, endpoint: Endpoint) -> Event | None:
    """Return the event of a run whose model must not be promoted now; None where it may be."""
    known = data.known
    hold = known.held
    if run.origin is Origin.ROLLBACK:
        mine = hold is not None and hold.run_id == run.run_id
        return None if mine else Superseded("a later command replaced this rollback")
    if run.origin is Origin.DRIFT:
        serves = known.serving is not None and known.serving.model == run.model
        return None if serves else Superseded("another model serves by now")
    if is_superseded(known, run.data_time, data.version):
        when = f"{known.newest_data:%Y-%m-%d %H:%M:%S}"
        why = f"{endpoint.name} already serves a model of newer data ({when} UTC)"
        return Superseded(f"{why}; {data.tie}" if data.tie else why)
    if hold is None:
        return None
    return StepBlocked(
        f"{endpoint.name} is held since {hold.at:%Y-%m-%d %H:%M} UTC: {hold.by} rolled back to "
        f"the model of {hold.to}",
        "resume the endpoint (POST /api/endpoints/{pipeline}/{endpoint}/resume), then retry "
        "the run",
    )


def _ahead_of_left(other: Stored[Run] | None) -> tuple[ServingState, ...]:
    """Return the states before a run that left its update, including those that others set."""
    if other is None or other.record.promotion is None or other.record.origin.repeats:
        return ()
    return ahead_of(other.record, other.record.promotion.base)


def _steps(run: Run, plan: Plan, base: ServingState | None) -> tuple[Step, ...]:
    if not plan.stages:
        return (Step(share=ALL),)
    before = (base.traffic if base else None) or TrafficMap()
    return planned_steps(
        run,
        before,
        plan.shares,
        mirror=plan.mirror,
        bake=plan.bake,
        ruled=plan.rules.need_data,
    )


def _no_rollback_target(endpoint: Endpoint) -> StepBlocked:
    return StepBlocked(
        f"no model is known that {endpoint.name} could be rolled back to if the new model failed",
        "set `gate: {first_model: allow}` in pipelines.yaml, then retry the run",
    )
