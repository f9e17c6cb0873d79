"""The steps of a promotion: update an endpoint, verify the update, and roll it back."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from shared.core.config.kinds import Endpoint
from shared.core.run.commands import Event
from shared.core.run.control_events import LEAST_TRIES, StepBlocked, Superseded
from shared.core.run.promotion_advice import no_earlier_model, repair_failed
from shared.core.run.promotion_events import (
    EndpointLeaseLost,
    FoundBroken,
    FoundUnchanged,
    NotYetLive,
    RolledBack,
    ShareReached,
    StepBegan,
    UpdateLost,
    UpdateSent,
    VerifiedLive,
)
from shared.core.run.record import Phase, Promotion, Run
from shared.core.serving.probes import EndpointCheck, Failure, UpdateProgress
from shared.core.serving.references import Candidate, ServingState, Shift
from shared.core.serving.state import (
    EndpointState,
    Resource,
    Verified,
    in_flight_resolved,
    promoted,
    released,
)
from shared.core.serving.traffic import ALL
from shared.core.serving.verification import (
    Verification,
    VerificationCase,
    VerificationResult,
    verify_rollback,
    verify_update,
)
from shared.errors import OutcomeUnknownError, PermanentError, RelearnError, TransientError
from shared.execution.context import Context
from shared.execution.drift_schedule import SOON, schedule_drift_check
from shared.execution.endpoint_lease import EndpointLeaseSteps
from shared.execution.traffic_steps import Baked, TrafficSteps, changed_by_others
from shared.ledger.store import Stored
from shared.ports.serving import ServingEndpoint
from shared.telemetry import log

#: An update that was never confirmed is sent again this often.
_RESENDS: Final = 3
#: How long a service says itself that an update may take (azure-machine-learning-v2 §5.2).
_WORKS_FOR: Final = timedelta(minutes=30)


@dataclass(frozen=True, slots=True)
class PromotionSteps:
    """Updates one endpoint with one model at a time, and rolls back a broken update."""

    context: Context

    def update(self, run: Run) -> Event | None:
        """Send the update; None where its outcome is unknown and no status check could show it."""
        endpoint, serving = self._endpoint(run)
        if lost := self._lease_lost(run, endpoint):
            return lost
        try:
            operation = self._sent(run, serving)
        except OutcomeUnknownError as exc:
            return self._perhaps_sent(run, endpoint, exc)
        return UpdateSent(operation=operation)

    def _sent(self, run: Run, serving: ServingEndpoint) -> str | None:
        """Send the shift or the serving state that is due, and return the operation."""
        shift = _shift(run)
        if shift is not None:
            return serving.shift(shift)
        return serving.restore(run.target_model, _promotion(run).known_traffic)

    def roll_back(self, run: Run) -> Event | None:
        """Send the rollback; None where its outcome is unknown and no status check could show it.

        A rollback before the run's own update is preparation: if it is impossible, the run
        continues with the model that serves now.
        """
        endpoint, serving = self._endpoint(run)
        if lost := self._lease_lost(run, endpoint):
            return lost
        preparing = _promotion(run).after_rollback == "start"
        rollback_target = self._rollback_target(run, endpoint, serving, preparing=preparing)
        if rollback_target is None:
            if preparing:
                return self._prepared(run, endpoint, "nothing to roll back first")
            return no_earlier_model(run)
        known = _promotion(run).known_traffic
        try:
            operation = serving.restore(rollback_target, (*known, *run.accepts))
        except OutcomeUnknownError as exc:
            return self._perhaps_sent(run, endpoint, exc, rollback_target)
        except (PermanentError, TransientError) as exc:
            if not preparing or self._worth_repeating(run, exc):
                raise
            why = f"a rollback to the model from before is not possible ({exc}): continuing"
            return self._prepared(run, endpoint, why)
        return UpdateSent(operation=operation, target=rollback_target)

    def _worth_repeating(self, run: Run, exc: RelearnError) -> bool:
        if not isinstance(exc, TransientError):
            return False
        if run.step_failure is None or run.step_failure.count + 1 < LEAST_TRIES:
            return True  # an app that was down meanwhile made no tries
        patience = exc.patience or self.context.limits.patience
        return self.context.clock.now() - run.step_failure.since < patience

    def check(self, run: Run) -> Event | None:
        """Verify the update or the rollback by a probe; None where the last probe is too recent."""
        endpoint, serving = self._endpoint(run)
        if lost := self._lease_lost(run, endpoint):
            return lost
        every, now = self.context.limits.check_interval_min, self.context.clock.now()
        if _promotion(run).probe_series.too_soon(now, every):
            return None  # two probes of one moment count as one
        operation = _promotion(run).operation
        if run.phase is Phase.ROLLING_BACK:
            check = serving.update_state(operation)
            changed = changed_by_others(run, check)
            return changed or self._verify_rollback(run, endpoint, check)
        check = serving.update_state(operation, _shift(run))
        if (changed := changed_by_others(run, check)) is not None:
            return changed
        if _promotion(run).bakes:
            return self._check_step(run, endpoint, serving, check)
        return self._verify_update(run, endpoint, check, serving.plan.keeps)

    def _check_step(
        self, run: Run, endpoint: Endpoint, serving: ServingEndpoint, check: EndpointCheck
    ) -> Event | None:
        """Check a step that lasts; the last one ends the promotion."""
        stored = self._endpoint_state(endpoint)
        known = stored.record.resource(endpoint.resource_name) if stored else Resource()
        result = TrafficSteps(self.context).check(run, serving, check, known)
        if not isinstance(result, Baked):
            return result
        if not _promotion(run).is_last:
            return ShareReached(result.why)
        judged = Verification(VerificationResult.LIVE, result.why, steady=result.steady)
        return self._live(run, endpoint, check, judged, serving.plan.keeps)

    def _live(
        self,
        run: Run,
        endpoint: Endpoint,
        check: EndpointCheck,
        judged: Verification,
        keeps: timedelta,
    ) -> Event:
        """Record the model that serves now, and end the promotion."""
        target = run.target_model.model
        named = target.name if check.traffic is not None and target else check.configured
        answers = check.probe if judged.steady else None
        verified = Verified(judged.why, self.context.clock.now(), answers, named, keeps)
        schedule_drift_check(self.context, run, endpoint)
        self._record_promoted(run, endpoint, verified)
        return VerifiedLive(judged.why, check.probe, judged.probe_series)

    def _verify_update(
        self, run: Run, endpoint: Endpoint, check: EndpointCheck, keeps: timedelta
    ) -> Event | None:
        promotion = _promotion(run)
        if check.failure is Failure.AGAIN and promotion.resent < _RESENDS:
            return UpdateLost()
        case = self._case(run, endpoint, check)
        judged = verify_update(case, check, self.context.clock.now())
        match judged.verdict:
            case VerificationResult.WAIT:
                return _waiting(check, judged)
            case VerificationResult.LIVE if promotion.step.bake:
                return StepBegan(judged.why, check.probe)
            case VerificationResult.LIVE if not promotion.is_last:
                return ShareReached(judged.why)
            case VerificationResult.LIVE:
                return self._live(run, endpoint, check, judged, keeps)
            case VerificationResult.UNCHANGED:
                return self._unchanged(run, check, case, judged)
            case VerificationResult.BROKEN:
                return FoundBroken(f"{judged.why}{_answered(promotion)}")

    def _unchanged(
        self, run: Run, check: EndpointCheck, case: VerificationCase, judged: Verification
    ) -> Event:
        """Return what follows on an update that shows no effect: it is sent again, or given up."""
        promotion = _promotion(run)
        doubtful = bool(case.unapplied) or not promotion.certain
        if promotion.resent < (_RESENDS if doubtful else _doubtful(run, check)):
            return UpdateLost()
        why = f"{judged.why}{_answered(promotion)}"
        if run.origin.repeats:
            return repair_failed(why)
        return FoundUnchanged(why, can_roll_back=promotion.rollback_target is not None)

    def _verify_rollback(self, run: Run, endpoint: Endpoint, check: EndpointCheck) -> Event | None:
        promotion = _promotion(run)
        # After a broken model, answers as before show at once that the old model serves again.
        # In all other cases the endpoint may still switch to the new model.
        # A traffic map shows it itself.
        mapped = check.traffic is not None
        patient = promotion.after_rollback != "rolled_back" and not mapped
        if check.failure is Failure.AGAIN and promotion.resent < _RESENDS:
            return UpdateLost()
        case, now = self._case(run, endpoint, check), self.context.clock.now()
        judged = verify_rollback(case, check, now, patient=patient)
        match judged.verdict:
            case VerificationResult.WAIT:
                return _waiting(check, judged)
            case VerificationResult.LIVE:
                if promotion.after_rollback == "start":
                    return self._prepared(run, endpoint, judged.why)
                schedule_drift_check(self.context, run, endpoint, SOON)  # which discards it
                self._release(run, endpoint)
                return RolledBack(judged.why)
            case _ if case.unapplied and promotion.resent < _RESENDS:
                return UpdateLost()
            case _:
                return self._rollback_failed(run, endpoint, f"{judged.why}{_answered(promotion)}")

    def _case(self, run: Run, endpoint: Endpoint, check: EndpointCheck) -> VerificationCase:
        promotion = _promotion(run)
        back = promotion.rollback_target if run.phase is Phase.ROLLING_BACK else None
        wanted = back.traffic if back is not None else promotion.step.wanted
        done = check.progress is UpdateProgress.DONE and None not in (wanted, check.traffic)
        return VerificationCase(
            serves=frozenset(wanted.shares) if wanted else frozenset(),
            pinned=wanted is not None and back is None and promotion.step.share < ALL,
            unapplied=f"its traffic is still {check.traffic}"
            if done and check.traffic != wanted
            else "",
            pending_within=_WORKS_FOR if wanted is not None else None,
            target=run.target_model.model.name if run.target_model.model else "",
            before=promotion.before,
            probe_series=promotion.probe_series,
            within=endpoint.within,
            every=self.context.limits.check_interval_min,
            expected=promotion.expected,
        )

    def _prepared(self, run: Run, endpoint: Endpoint, why: str) -> Event:
        """Record that the update which another run left in flight is resolved, if possible."""
        stored = self._endpoint_state(endpoint)
        if stored is not None and stored.record.holds(run.run_id, _promotion(run).generation):
            endpoint_state = in_flight_resolved(stored.record, run.run_id)
            self.context.ledger.endpoint_states.put(endpoint.ref.id, endpoint_state, stored.etag)
        return RolledBack(why)

    def _rollback_failed(self, run: Run, endpoint: Endpoint, why: str) -> Event:
        promotion = _promotion(run)
        if not promotion.certain and promotion.resent < _RESENDS:
            return UpdateLost()
        if promotion.after_rollback == "start":
            why = f"the model from before could not be verified ({why}): continuing"
            return self._prepared(run, endpoint, why)
        advice = "check the endpoint; retry the run to roll back to the old model again"
        return StepBlocked(f"the old model does not serve again: {why}", advice)

    def _endpoint(self, run: Run) -> tuple[Endpoint, ServingEndpoint]:
        endpoint = run.config.endpoint
        if endpoint is None:
            raise PermanentError(f"run {run.run_id} has no endpoint to give a model to")
        other = run.promotion.rollback_resource if run.promotion else None
        if run.phase is Phase.ROLLING_BACK and other is not None:
            endpoint = endpoint.for_resource(other)
        return endpoint, self.context.providers.serving(endpoint)

    def _endpoint_state(self, endpoint: Endpoint) -> Stored[EndpointState] | None:
        return self.context.ledger.endpoint_states.read(endpoint.ref.id)

    def _rollback_target(
        self, run: Run, endpoint: Endpoint, serving: ServingEndpoint, *, preparing: bool
    ) -> ServingState | None:
        stored = self._endpoint_state(endpoint)
        if stored is None:
            return _promotion(run).rollback_target
        return EndpointLeaseSteps(self.context).rollback_target(
            serving,
            stored.record,
            endpoint.resource_name,
            instead_of=run,
            base=None if preparing else _promotion(run).base,
        )

    def _lease_lost(self, run: Run, endpoint: Endpoint) -> Event | None:
        """Return the event for a run that lost the endpoint lease; None while the run has it.

        A lease that this run wrote before a crash is recognized by its run and generation.
        """
        stored = self._endpoint_state(endpoint)
        endpoint_state = stored.record if stored else EndpointState(ref=endpoint.ref)
        mine = (run.run_id, _promotion(run).generation)
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
        anew = run.parent is None and _promotion(run).after_rollback in ("judged", "trained")
        return RolledBack(taken) if anew else Superseded(taken)

    def _record_promoted(self, run: Run, endpoint: Endpoint, verified: Verified) -> None:
        stored = self._endpoint_state(endpoint)
        if stored is None or not stored.record.holds(run.run_id, _promotion(run).generation):
            return  # recorded before a crash
        endpoint_state = promoted(stored.record, run, endpoint.resource_name, verified)
        self.context.ledger.endpoint_states.put(endpoint.ref.id, endpoint_state, stored.etag)

    def _release(self, run: Run, endpoint: Endpoint) -> None:
        stored = self._endpoint_state(endpoint)
        if stored is not None and stored.record.holds(run.run_id, _promotion(run).generation):
            endpoint_state = released(stored.record, run.run_id)
            self.context.ledger.endpoint_states.put(endpoint.ref.id, endpoint_state, stored.etag)

    def _perhaps_sent(
        self,
        run: Run,
        endpoint: Endpoint,
        exc: OutcomeUnknownError,
        target: ServingState | None = None,
    ) -> Event | None:
        name = endpoint.name
        log.warning("run %s: whether %s took the update is not known: %s", run.run_id, name, exc)
        if not endpoint.shows:
            return None  # no status check can show it: wait until the claim's lease is over
        return UpdateSent(certain=False, service_message=str(exc), target=target)


def _waiting(check: EndpointCheck, judged: Verification) -> NotYetLive:
    # Answers during an update do not show its result.
    pending = check.progress is UpdateProgress.PENDING
    return NotYetLive(None if pending else check.probe, judged.probe_series)


def _answered(promotion: Promotion) -> str:
    """Return the service's answer to an unconfirmed update, as a part of a reason."""
    return (
        f" (the update was answered: {promotion.service_message})"
        if promotion.service_message
        else ""
    )


def _doubtful(run: Run, check: EndpointCheck) -> int:
    """Return how often an accepted update is sent again if the endpoint names another model."""
    target = run.target_model.model.name if run.target_model.model else None
    unreported = check.progress is UpdateProgress.NOT_REPORTED and check.configured not in (
        None,
        target,
    )
    return 1 if unreported else 0


def _shift(run: Run) -> Shift | None:
    """Return the shift that is due; None for a run that restores an earlier serving state."""
    if run.origin.repeats:
        return None
    if run.model is None:
        raise PermanentError(f"run {run.run_id} has no model to promote")
    step = _promotion(run).step
    candidate = run.candidate or Candidate(name=run.model.name, state=run.target_model)
    return Shift(candidate=candidate, share=step.share, before=step.before, wanted=step.wanted)


def _promotion(run: Run) -> Promotion:
    if run.promotion is None:
        raise PermanentError(f"run {run.run_id} is in phase {run.phase} without a promotion")
    return run.promotion
