"""Events of a promotion: lease, update, verification and rollback, and how each changes a run."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from shared.core.run.commands import Event
from shared.core.run.promotion import Promotion, Step
from shared.core.run.record import Phase, Run, by_operator
from shared.core.serving.probes import NO_PROBES, ProbeAnswers, ProbeSeries
from shared.core.serving.references import ServingState
from shared.core.serving.traffic_rules import TrafficEvidence
from shared.errors import InvalidTransitionError

#: The changes to a promotion that has no call in flight.
UNSENT: Final[dict[str, object]] = {
    "sent_at": None,
    "certain": True,
    "probe_series": NO_PROBES,
    "operation": None,
    "service_message": "",
}
#: A step that was not carried out yet.
_NOT_BEGUN: Final[dict[str, object]] = {
    "began_at": None,
    "evidence": TrafficEvidence.constant(),
    "verdict": "",
}


@dataclass(frozen=True, slots=True)
class EndpointLeased(Event):
    """The run has the endpoint lease; what the endpoint answered before is known."""

    promotion: Promotion
    tie: str = ""  #: which data shares the Last-Modified of the run's, and is older

    def fold(self, run: Run, at: datetime) -> Run:
        """Keep the answers from before the update (design rule 9)."""
        note = "" if self.tie == run.tie else self.tie
        moved = run.moved_to(Phase.PROMOTING, at, note, promotion=self.promotion, accepts=())
        return moved.evolve(tie=run.tie or self.tie)


@dataclass(frozen=True, slots=True)
class InFlightUpdateFound(Event):
    """The run has the endpoint lease, but an earlier update may still arrive: first roll back."""

    promotion: Promotion

    def fold(self, run: Run, at: datetime) -> Run:
        """Roll back to a known model, then start the promotion over (design rule 8)."""
        promotion = self.promotion.evolve(after_rollback="start")
        note = "an earlier update of this endpoint was left in flight: rolling it back first"
        return run.moved_to(Phase.ROLLING_BACK, at, note, promotion=promotion)


@dataclass(frozen=True, slots=True)
class UpdateSent(Event):
    """The update (or the rollback) was sent; `certain` when the service accepted it."""

    certain: bool = True
    operation: str | None = None
    service_message: str = ""  #: the service's own answer, where it did not confirm the update
    target: ServingState | None = None  #: what a rollback restores

    def fold(self, run: Run, at: datetime) -> Run:
        """Start the verification."""
        phase = run.phase if run.phase is Phase.ROLLING_BACK else Phase.VERIFYING
        sent = {
            **UNSENT,
            "sent_at": at,
            "certain": self.certain,
            "service_message": self.service_message,
        }
        sent["operation"] = self.operation
        if phase is Phase.VERIFYING:
            sent["steps"] = _with_step(_promotion(run), sent_at=at, **_NOT_BEGUN)
        elif self.target is not None:
            sent["rollback_target"] = self.target
        note = (
            f"the update was not confirmed: {self.service_message}" if self.service_message else ""
        )
        return with_promotion(run, phase, at, note, {**sent, "ever_sent": True})


@dataclass(frozen=True, slots=True)
class NotYetLive(Event):
    """A probe that does not decide."""

    probe: ProbeAnswers | None
    probe_series: ProbeSeries  #: this probe counted

    def fold(self, run: Run, at: datetime) -> Run:
        """Count the probe, and keep its result for the comparison with the next probe."""
        return with_promotion(
            run, run.phase, at, "", {"probe_series": self.probe_series.showing(self.probe)}
        )


@dataclass(frozen=True, slots=True)
class VerifiedLive(Event):
    """The new model serves."""

    verification: str
    probe: ProbeAnswers | None
    probe_series: ProbeSeries = NO_PROBES
    evidence: TrafficEvidence | None = None  #: of a step that lasted

    def fold(self, run: Run, at: datetime) -> Run:
        """End the run with its verification."""
        verified: dict[str, object] = {
            "verification": self.verification,
            "probe_series": self.probe_series.showing(self.probe),
            "steps": _over(_promotion(run), self.verification, self.evidence),
        }
        return with_promotion(run, Phase.PROMOTED, at, self.verification, verified)


@dataclass(frozen=True, slots=True)
class ShareReached(Event):
    """The new model answers for its share of the requests; a larger share follows."""

    verification: str
    evidence: TrafficEvidence | None = None  #: of a step that lasted

    def fold(self, run: Run, at: datetime) -> Run:
        """Continue with the next share."""
        promotion = _promotion(run)
        note = f"{named_step(promotion.step)}: {self.verification}"
        reached = {
            **UNSENT,
            "steps": _over(promotion, self.verification, self.evidence),
            "position": promotion.position + 1,
            "resent": 0,
        }
        return with_promotion(run, Phase.PROMOTING, at, note, reached)


@dataclass(frozen=True, slots=True)
class StepBegan(Event):
    """The service has carried a step out, and the step lasts from now on."""

    verification: str
    probe: ProbeAnswers | None

    def fold(self, run: Run, at: datetime) -> Run:
        """Start the clock of the step."""
        promotion = _promotion(run)
        note = f"{named_step(promotion.step)}: {self.verification}; it lasts from now on"
        evidence = TrafficEvidence()
        if self.probe is not None:
            evidence = evidence.probed(at, at)
        changes = {"began_at": at, "seen": self.verification, "evidence": evidence}
        began = {
            "steps": _with_step(promotion, **changes),
            "probe_series": NO_PROBES.showing(self.probe),
        }
        return with_promotion(run, Phase.VERIFYING, at, note, began)


@dataclass(frozen=True, slots=True)
class StepMeasured(Event):
    """What the requests of a step showed so far does not decide."""

    evidence: TrafficEvidence
    verdict: str  #: for operators
    probe: ProbeAnswers | None
    probe_series: ProbeSeries  #: this probe counted

    def fold(self, run: Run, at: datetime) -> Run:
        """Keep the evidence."""
        measured = {
            "steps": _with_step(_promotion(run), evidence=self.evidence, verdict=self.verdict),
            "probe_series": self.probe_series.showing(self.probe),
        }
        return with_promotion(run, Phase.VERIFYING, at, "", measured)


@dataclass(frozen=True, slots=True)
class StepApproved(Event):
    """An operator lets the next step follow, though there was too little evidence."""

    by: str
    why: str = ""

    def fold(self, run: Run, at: datetime) -> Run:
        """Return to the step, which ends with the next check."""
        note = by_operator("approved", self.by, self.why)
        changes: dict[str, object] = {"parked_in": None, "reason": None, "advice": None}
        moved = run.moved_to(Phase.VERIFYING, at, note, **changes)
        steps = _with_step(_promotion(run), approved_by=self.by or "an operator")
        return with_promotion(moved, Phase.VERIFYING, at, "", {"steps": steps})


@dataclass(frozen=True, slots=True)
class FoundUnchanged(Event):
    """The update changed nothing, as far as the endpoint's answers show."""

    reason: str
    can_roll_back: bool

    def fold(self, run: Run, at: datetime) -> Run:
        """Roll back: the update may still arrive, and must not arrive unnoticed.

        Without a rollback target the run ends, and its endpoint lease stays for the next run.
        """
        if not self.can_roll_back:
            return run.moved_to(Phase.UNCHANGED, at, self.reason, reason=self.reason)
        next_step = {**UNSENT, "after_rollback": "unchanged", "resent": 0}
        moved = with_promotion(run, Phase.ROLLING_BACK, at, self.reason, next_step)
        return moved.evolve(reason=self.reason)


@dataclass(frozen=True, slots=True)
class EndpointLeaseLost(Event):
    """Another run took the endpoint lease meanwhile."""

    def fold(self, run: Run, at: datetime) -> Run:
        """Start the promotion over; the next lease is decided by the time of the data."""
        note = "another run had the endpoint meanwhile: acquiring its lease again"
        return run.moved_to(Phase.PROMOTING, at, note, promotion=None)


@dataclass(frozen=True, slots=True)
class UpdateLost(Event):
    """An update that was never confirmed shows no effect."""

    def fold(self, run: Run, at: datetime) -> Run:
        """Send the update again: the same model twice is the same model."""
        note = "the update was never confirmed and is not to be seen: sending it again"
        phase = run.phase if run.phase is Phase.ROLLING_BACK else Phase.PROMOTING
        again = {**UNSENT, "resent": _promotion(run).resent + 1}
        return with_promotion(run, phase, at, note, again)


@dataclass(frozen=True, slots=True)
class FoundBroken(Event):
    """The new model does not work at the endpoint."""

    reason: str
    evidence: TrafficEvidence | None = None  #: of a step that lasted
    verdict: str = ""  #: what it says

    def fold(self, run: Run, at: datetime) -> Run:
        """Roll back to the model that served before."""
        next_step: dict[str, object] = {**UNSENT, "after_rollback": "rolled_back", "resent": 0}
        if self.evidence is not None:
            known = {"evidence": self.evidence, "verdict": self.verdict}
            next_step["steps"] = _with_step(_promotion(run), **known)
        moved = with_promotion(run, Phase.ROLLING_BACK, at, self.reason, next_step)
        return moved.evolve(reason=self.reason)


@dataclass(frozen=True, slots=True)
class RolledBack(Event):
    """An earlier model serves again; before the run's own update also: all was tried for that."""

    verification: str

    def fold(self, run: Run, at: datetime) -> Run:
        """End the run, or return to the step that is done again."""
        next_step = _promotion(run).after_rollback
        match next_step:
            case "judged" | "trained" if run.parent is None:
                # Where other models are wanted than this one, the models are collected again.
                again: dict[str, object] = {"promotion": None, "evidence": None, "accepts": ()}
                if next_step == "trained":
                    again |= {"model": None, "candidate": None}
                return run.moved_to(Phase(next_step), at, self.verification, **again)
            case "rolled_back" | "judged" | "trained":
                end = Phase.ROLLED_BACK
            case "cancelled":
                end = Phase.CANCELLED
            case "unchanged":
                end = Phase.UNCHANGED
            case _:
                anew: dict[str, object] = {"promotion": None, "accepts": ()}
                return run.moved_to(Phase.PROMOTING, at, self.verification, **anew)
        return with_promotion(run, end, at, self.verification, {"verification": self.verification})


def named_step(step: Step) -> str:
    """Return a step in words."""
    if step.mirror:
        return f"copies of {step.mirror} % of the requests"
    return f"{step.share} % of the requests"


def with_promotion(
    run: Run, phase: Phase, at: datetime, note: str, changes: Mapping[str, object]
) -> Run:
    """Return `run` in `phase`, with `changes` to its promotion.

    Args:
        run: the run.
        phase: the phase that follows.
        at: when the event was recorded.
        note: the line for the history; may be empty.
        changes: field of the promotion -> its new value.
    """
    promotion = _promotion(run).evolve(**changes)
    return run.moved_to(phase, at, note, promotion=promotion)


def _over(
    promotion: Promotion, verification: str, evidence: TrafficEvidence | None
) -> tuple[Step, ...]:
    """Return the steps, the present one of which is over."""
    if evidence is None:
        return _with_step(promotion, seen=verification)
    return _with_step(promotion, verdict=verification, evidence=evidence)


def _with_step(promotion: Promotion, **changes: object) -> tuple[Step, ...]:
    """Return the steps, with changes to the one in flight."""
    steps = list(promotion.steps)
    at = min(promotion.position, len(steps) - 1)
    steps[at] = steps[at].evolve(**changes)
    return tuple(steps)


def _promotion(run: Run) -> Promotion:
    if run.promotion is None:
        raise InvalidTransitionError(f"run {run.run_id}: phase {run.phase} without a promotion")
    return run.promotion
