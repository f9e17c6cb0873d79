"""A step of a promotion that lasts: what its requests show, and what follows from that."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from shared.core.config.types import show_duration
from shared.core.counting import counted
from shared.core.run.commands import Event
from shared.core.run.control_events import StepBlocked
from shared.core.run.promotion import Promotion, Step
from shared.core.run.promotion_events import FoundBroken, StepMeasured, UpdateLost, named_step
from shared.core.run.record import Phase, Run
from shared.core.service import service
from shared.core.serving.probes import (
    EndpointCheck,
    ProbeEvidence,
    ProbeOutcome,
    ProbeSeries,
    UpdateProgress,
)
from shared.core.serving.traffic import TrafficMap
from shared.core.serving.traffic_rules import (
    JudgedStep,
    StepVerdict,
    TrafficEvidence,
    judged_step,
    measured,
    next_query,
)
from shared.errors import PermanentError, TransientError
from shared.execution.context import Context
from shared.execution.leased_endpoint import endpoint_of, promotion_of
from shared.execution.models import log_lines_of
from shared.ports.serving import ServingEndpoint

#: How often a step that was silently undone is carried out again.
_AGAIN: Final = 3
#: How long the endpoint may be at work on something else (azure-machine-learning-v2 §5.2).
_UNSETTLED: Final = timedelta(minutes=30)
_ACCEPT: Final = (
    "retry the run to go on from the traffic as it is now, or cancel it to leave the endpoint "
    "as it is"
)


@dataclass(frozen=True, slots=True)
class Baked:
    """A step has lasted long enough, and its requests are as they should be."""

    why: str
    steady: bool  #: whether the answers to the probe are those of the probe before
    evidence: TrafficEvidence


def changed_by_others(run: Run, check: EndpointCheck) -> StepBlocked | None:
    """Return that an operator has to decide, where the traffic is none of this run's; else None.

    Args:
        run: the run.
        check: the endpoint as it is now.
    """
    promotion = run.promotion
    if promotion is None or check.traffic is None or check.progress is UpdateProgress.PENDING:
        return None
    known = promotion.known_traffic
    back = promotion.rollback_target if run.phase is Phase.ROLLING_BACK else None
    if back is not None and back.traffic is not None:
        known = (*known, back.traffic)
    if not known or check.traffic in (*known, *run.accepts):
        return None
    return blocked_by_others(run, check.traffic)


def blocked_by_others(run: Run, found: TrafficMap) -> StepBlocked:
    """Return that an operator has to decide on a change that others made.

    Args:
        run: the run.
        found: the traffic as it is now.
    """
    name = run.config.endpoint.name if run.config.endpoint else "the endpoint"
    step = run.promotion.step if run.promotion else None
    ours = f"; by this run it was to be {step.wanted}" if step and step.wanted else ""
    before = f", and before that {step.before}" if step and step.before else ""
    why = f"others changed {name}: its traffic is {found}{ours}{before}"
    return StepBlocked(why, _ACCEPT, found)


@service
class TrafficSteps:
    """Checks steps that last. One read of the endpoint was made; at most one of its metrics is."""

    context: Context

    def check(self, run: Run, serving: ServingEndpoint, check: EndpointCheck) -> Event | Baked:
        """Return what this check says of the present step.

        Args:
            run: the run, its step carried out.
            serving: the endpoint.
            check: the endpoint as it is now.
        """
        promotion = promotion_of(run)
        step, now = promotion.step, self.context.clock.now()
        if check.progress in (UpdateProgress.PENDING, UpdateProgress.FAILED):
            return _unsettled(promotion, check, now, self.context)
        if check.traffic is not None and check.traffic != step.wanted:
            return _undone(promotion)
        probe_series = _counted(promotion, check, now, self.context)
        bad = probe_series.bad
        if bad.lasted(endpoint_of(run).within):
            why = f"no good answer to {counted(bad.probes, 'probe')} in a row"
            detail = f": {check.probe.detail}" if check.probe else ""
            log_lines = log_lines_of(serving, run.candidate)
            return FoundBroken(f"{named_step(step)}: {why}{detail}{log_lines}")
        evidence = self._evidence(run, serving, check, now)
        verdict = judged_step(
            serving.plan.rules, evidence, alone=step.wanted is None or len(step.wanted.shares) == 1
        )
        if verdict.verdict is StepVerdict.WORSE:
            log_lines = log_lines_of(serving, run.candidate)
            reason = f"{named_step(step)}: {verdict.why}{log_lines}"
            return FoundBroken(reason, evidence, verdict.why)
        began = step.began_at or now
        if now - began >= step.bake and not bad.probes and _passes(step, verdict):
            said = f", as {step.approved_by} approved" if step.approved_by else ""
            steady = _steady(promotion, check)
            return Baked(f"{verdict.why}, in {show_duration(now - began)}{said}", steady, evidence)
        give_up = serving.plan.give_up_after
        over = now - began >= max(give_up, step.bake)
        if over and verdict.verdict is StepVerdict.HOLD and not step.approved_by:
            return _given_up(step, verdict, show_duration(give_up))
        return StepMeasured(evidence, verdict.why, check.probe, probe_series)

    def _evidence(
        self, run: Run, serving: ServingEndpoint, check: EndpointCheck, now: datetime
    ) -> TrafficEvidence:
        """Return the evidence with one call of the metrics, if one is due."""
        step, rules = promotion_of(run).step, serving.plan.rules
        evidence, began = step.evidence, step.began_at or now
        if not rules.need_data:
            return evidence
        evidence = evidence.ruled_by(rules)
        if check.probe is not None:
            failed = check.probe.seen in (ProbeOutcome.BROKEN, ProbeOutcome.NO_ANSWER)
            evidence = evidence.probed(began, now, failed=failed)
        name = run.candidate.name if run.candidate else ""
        others = sorted((step.wanted.shares if step.wanted else {}).keys() - {name})
        query = next_query(rules, evidence, (name, *others), (began, now))
        if query is None:
            return evidence
        try:
            return measured(evidence, query, serving.requests(query), now)
        except (TransientError, PermanentError) as exc:
            return evidence.unread(query.measure, f"no metrics: {exc}", now)


def _unsettled(
    promotion: Promotion, check: EndpointCheck, now: datetime, context: Context
) -> Event:
    """Return what follows while the service is at work on the endpoint, or failed at that."""
    every = context.limits.check_interval_min
    probe_series = promotion.probe_series.after(ProbeEvidence.PENDING, now, every)
    why = f"the endpoint is not ready: {check.detail or check.progress}"
    if probe_series.lasted(ProbeEvidence.PENDING, _UNSETTLED):
        return StepBlocked(
            f"{named_step(promotion.step)}: {why}, for more than {show_duration(_UNSETTLED)}",
            f"{check.advice or 'see what runs there'}, then retry the run, or cancel it to restore "
            "the earlier traffic",
        )
    return StepMeasured(promotion.step.evidence, why, None, probe_series)


def _undone(promotion: Promotion) -> Event:
    """Return what follows when the platform undid a step: the traffic is as before it."""
    if promotion.resent < _AGAIN:
        return UpdateLost()
    return FoundBroken(f"{named_step(promotion.step)}: the service undid the update each time")


def _counted(
    promotion: Promotion, check: EndpointCheck, now: datetime, context: Context
) -> ProbeSeries:
    every = context.limits.check_interval_min
    if check.probe is None:
        return promotion.probe_series.after(ProbeEvidence.OPEN, now, every)
    evidence = {
        ProbeOutcome.GOOD: ProbeEvidence.FOR,
        ProbeOutcome.BROKEN: ProbeEvidence.BAD,
    }.get(check.probe.seen, ProbeEvidence.SILENT)
    return promotion.probe_series.after(evidence, now, every)


def _passes(step: Step, verdict: JudgedStep) -> bool:
    """Whether the next step follows; copies that the service does not count decide nothing."""
    if verdict.verdict is StepVerdict.PASS:
        return True
    return bool(step.mirror or step.approved_by)


def _steady(promotion: Promotion, check: EndpointCheck) -> bool:
    last = promotion.probe_series.last
    return check.probe is not None and last is not None and check.probe.agrees_with(last)


def _given_up(step: Step, verdict: JudgedStep, after: str) -> StepBlocked:
    return StepBlocked(
        f"{named_step(step)} since {step.began_at:%Y-%m-%d %H:%M} UTC, for more than {after}: "
        f"{verdict.why}",
        "retry the run to wait again, approve it for the next step, or cancel it to restore "
        "the earlier traffic",
    )
