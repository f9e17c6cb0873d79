"""Verifies the update of an endpoint, or the rollback, by one check at a time."""

from dataclasses import replace
from datetime import timedelta
from typing import Final

from shared.core.config.kinds import Endpoint
from shared.core.run.commands import Event
from shared.core.run.control_events import StepBlocked, repair_failed
from shared.core.run.promoted_models import Verified
from shared.core.run.promotion import Promotion
from shared.core.run.promotion_events import (
    FoundBroken,
    FoundUnchanged,
    NotYetLive,
    RolledBack,
    ShareReached,
    StepBegan,
    UpdateLost,
    VerifiedLive,
)
from shared.core.run.record import Phase, Run
from shared.core.serving.probes import CandidateFailure, EndpointCheck, UpdateProgress
from shared.core.serving.traffic import ALL
from shared.core.serving.verification import verify_rollback, verify_update
from shared.core.serving.verification_case import Verification, VerificationCase, VerificationResult
from shared.execution.context import Context
from shared.execution.drift_schedule import SOON, schedule_drift_check
from shared.execution.leased_endpoint import LeasedEndpoint, promotion_of, shift_of
from shared.execution.models import log_lines_of
from shared.execution.traffic_steps import Baked, TrafficSteps, changed_by_others
from shared.ports.serving import ServingEndpoint

#: An update that was never confirmed is sent again this often.
_RESENDS: Final = 3
#: How long a service says itself that an update may take (azure-machine-learning-v2 §5.2).
_WORKS_FOR: Final = timedelta(minutes=30)


class VerificationSteps:
    """Checks the endpoint of a run after its update, and while a step lasts.

    Args:
        context: the ledger, the services and the clock.
    """

    def __init__(self, context: Context) -> None:
        self.context, self._leased = context, LeasedEndpoint(context)
        self._traffic = TrafficSteps(context)

    def check(self, run: Run) -> Event | None:
        """Verify the update or the rollback by a probe; None where the last probe is too recent."""
        endpoint, serving = self._leased.of(run)
        if lost := self._leased.lease_lost(run, endpoint):
            return lost
        every, now = self.context.limits.check_interval_min, self.context.clock.now()
        if promotion_of(run).probe_series.too_soon(now, every):
            return None  # two probes of one moment count as one
        operation = promotion_of(run).operation
        if run.phase is Phase.ROLLING_BACK:
            check = serving.update_state(operation)
            changed = changed_by_others(run, check)
            return changed or self._verify_rollback(run, endpoint, check)
        check = serving.update_state(operation, shift_of(run))
        if (changed := changed_by_others(run, check)) is not None:
            return changed
        if (stopped := self._stopped(run, endpoint)) is not None:
            return stopped
        if promotion_of(run).bakes:
            return self._check_step(run, endpoint, serving, check)
        return self._verify_update(run, endpoint, serving, check)

    def _check_step(
        self, run: Run, endpoint: Endpoint, serving: ServingEndpoint, check: EndpointCheck
    ) -> Event | None:
        """Check a step that lasts; the last one ends the promotion."""
        result = self._traffic.check(run, serving, check)
        if not isinstance(result, Baked):
            return result
        if not promotion_of(run).is_last:
            return ShareReached(result.why, result.evidence)
        judged = Verification(VerificationResult.LIVE, result.why, steady=result.steady)
        event = self._live(run, endpoint, check, judged, serving.plan.keeps)
        return replace(event, evidence=result.evidence)

    def _stopped(self, run: Run, endpoint: Endpoint) -> Event | None:
        """Return that an operator rolled the endpoint back while a model gets its steps."""
        if promotion_of(run).step.wanted is None or run.origin.repeats:
            return None
        held = self.context.ledger.endpoint_states.resource(endpoint).held
        return FoundBroken(f"{held.by} rolled the endpoint back meanwhile") if held else None

    def _live(
        self,
        run: Run,
        endpoint: Endpoint,
        check: EndpointCheck,
        judged: Verification,
        keeps: timedelta,
    ) -> VerifiedLive:
        """Record the model that serves now, and end the promotion."""
        target = run.target_model.model
        named = target.name if check.traffic is not None and target else check.configured
        answers = check.probe if judged.steady else None
        verified = Verified(judged.why, self.context.clock.now(), answers, named, keeps)
        schedule_drift_check(self.context, run, endpoint, promoted=True)
        self._leased.record_promoted(run, endpoint, verified)
        return VerifiedLive(judged.why, check.probe, judged.probe_series)

    def _verify_update(
        self, run: Run, endpoint: Endpoint, serving: ServingEndpoint, check: EndpointCheck
    ) -> Event | None:
        promotion = promotion_of(run)
        if check.failure is CandidateFailure.AGAIN and promotion.resent < _RESENDS:
            return UpdateLost()
        case = self._case(run, endpoint, check)
        judged = verify_update(case, check)
        match judged.verdict:
            case VerificationResult.WAIT:
                return _waiting(check, judged)
            case VerificationResult.LIVE if promotion.step.lasts:
                return StepBegan(judged.why, check.probe)
            case VerificationResult.LIVE if not promotion.is_last:
                return ShareReached(judged.why)
            case VerificationResult.LIVE:
                return self._live(run, endpoint, check, judged, serving.plan.keeps)
            case VerificationResult.UNCHANGED:
                return self._unchanged(run, check, case, judged)
            case VerificationResult.BROKEN:
                log_lines = log_lines_of(serving, run.candidate)
                return FoundBroken(f"{judged.why}{_answered(promotion)}{log_lines}")

    def _unchanged(
        self, run: Run, check: EndpointCheck, case: VerificationCase, judged: Verification
    ) -> Event:
        """Return what follows on an update that shows no effect: it is sent again, or given up."""
        promotion = promotion_of(run)
        doubtful = bool(case.unapplied) or not promotion.certain
        if promotion.resent < (_RESENDS if doubtful else _doubtful(run, check)):
            return UpdateLost()
        why = f"{judged.why}{_answered(promotion)}"
        if run.origin.repeats:
            return repair_failed(why)
        return FoundUnchanged(why, can_roll_back=promotion.rollback_target is not None)

    def _verify_rollback(self, run: Run, endpoint: Endpoint, check: EndpointCheck) -> Event | None:
        promotion = promotion_of(run)
        # After a broken model, answers as before show at once that the old model serves again.
        # In all other cases the endpoint may still switch to the new model.
        # A traffic map shows it itself.
        mapped = check.traffic is not None
        patient = promotion.after_rollback != "rolled_back" and not mapped
        if check.failure is CandidateFailure.AGAIN and promotion.resent < _RESENDS:
            return UpdateLost()
        case = self._case(run, endpoint, check)
        judged = verify_rollback(case, check, patient=patient)
        match judged.verdict:
            case VerificationResult.WAIT:
                return _waiting(check, judged)
            case VerificationResult.LIVE:
                if promotion.after_rollback == "start":
                    return self._leased.prepared(run, endpoint, judged.why)
                # The check discards it.
                schedule_drift_check(self.context, run, endpoint, SOON)
                self._leased.release(run, endpoint)
                return RolledBack(judged.why)
            case _ if case.unapplied and promotion.resent < _RESENDS:
                return UpdateLost()
            case _:
                return self._rollback_failed(run, endpoint, f"{judged.why}{_answered(promotion)}")

    def _case(self, run: Run, endpoint: Endpoint, check: EndpointCheck) -> VerificationCase:
        promotion, candidate = promotion_of(run), run.candidate
        back = promotion.rollback_target if run.phase is Phase.ROLLING_BACK else None
        wanted = back.traffic if back is not None else promotion.step.wanted
        pinned = back is None and candidate is not None and promotion.step.share < ALL
        serves = frozenset(wanted.shares) if wanted else frozenset()
        done = check.progress is UpdateProgress.DONE and None not in (wanted, check.traffic)
        late = done and check.traffic != wanted
        return VerificationCase(
            serves=frozenset({candidate.name}) if pinned and candidate else serves,
            pinned=pinned,
            unapplied=f"its traffic is still {check.traffic}" if late else "",
            pending_within=_WORKS_FOR if wanted is not None else None,
            target=run.target_model.model.name if run.target_model.model else "",
            before=promotion.before,
            probe_series=promotion.probe_series,
            within=endpoint.within,
            every=self.context.limits.check_interval_min,
            at=self.context.clock.now(),
            expected=promotion.expected,
        )

    def _rollback_failed(self, run: Run, endpoint: Endpoint, why: str) -> Event:
        promotion = promotion_of(run)
        if not promotion.certain and promotion.resent < _RESENDS:
            return UpdateLost()
        if promotion.after_rollback == "start":
            why = f"the model from before could not be verified ({why}): continuing"
            return self._leased.prepared(run, endpoint, why)
        advice = "check the endpoint; retry the run to roll back to the old model again"
        return StepBlocked(f"the old model does not serve again: {why}", advice)


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
