"""Events of a run before its job and its promotion: slot, candidate, verdict, approval."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from shared.core.config.compare import Way
from shared.core.counting import counted, they
from shared.core.decisions.comparison import Comparison, OfNoRun
from shared.core.evaluation.gate import Verdict
from shared.core.run.commands import Event
from shared.core.run.record import Approval, GateEvidence, Origin, Phase, Run, by_operator
from shared.core.serving.references import Candidate, ModelRef

NO_ENDPOINT: Final = "the pipeline does not name an endpoint"
_LATER: Final = "a new run is compared with the live model and the anchor of that time"
_PIN: Final = (
    "once a model is promoted, pin it by POST /api/endpoints/{pipeline}/{endpoint}/pin: "
    "the present anchor cannot be compared"
)
#: The name of the operator in an approval that expired.
NO_OPERATOR: Final = "no operator in time"


@dataclass(frozen=True, slots=True)
class StillWaiting(Event):
    """The run has to wait, for another reason than before."""

    reason: str
    queue_name: str = ""  #: the queue in which it waits; empty where it waits in none

    def fold(self, run: Run, at: datetime) -> Run:
        """Record the reason of the wait."""
        return run.moved_to(
            Phase.WAITING, at, self.reason, reason=self.reason, queue_name=self.queue_name
        )


@dataclass(frozen=True, slots=True)
class Admitted(Event):
    """The run need not wait any longer."""

    def fold(self, run: Run, at: datetime) -> Run:
        """Continue with the job; a run that was parked with a job continues with that job."""
        return run.moved_to(with_its_job(run), at, reason=None)


@dataclass(frozen=True, slots=True)
class VerdictReached(Event):
    """The gate's rules were checked against the evaluation."""

    verdict: Verdict | None  #: None: there are no rules, or they were not checked
    unchecked: str | None = None  #: why there was nothing to check the rules with
    registered: ModelRef | None = None  #: the model, if it passed and was registered since
    asks_now: bool = False  #: whether an unsure model waits for no other run

    def fold(self, run: Run, at: datetime) -> Run:
        """Keep every number; promote, ask for an approval, or end the run."""
        passed = self.verdict is None or self.verdict.passed
        unchecked = run.unchecked if run.parent is not None else None
        if self.unchecked is not None:
            gate = run.config.gate
            by_app = gate.compare is not None and gate.compare.way is Way.SCORED
            rules = len(gate.rules) - (len(gate.row_rules) if by_app else 0)
            were = f"{counted(rules, 'rule')} of the gate {they(rules, 'was', 'were')} not checked"
            unchecked = f"the {were}: {self.unchecked}"
        reason = self.verdict.reason if self.verdict else unchecked or ""
        model = self.registered or run.model
        known = run.evolve(verdict=self.verdict, unchecked=unchecked, model=model)
        if not passed:
            why = f"not promoted: {reason}"
            changes = {"reason": why, "advice": _way_out(run, self.verdict), **_none_begun(run)}
            return known.moved_to(Phase.REJECTED, at, why, **changes)
        if not run.config.endpoints:
            why = "; ".join(filter(None, ("trained", reason, NO_ENDPOINT)))
            return known.moved_to(Phase.FINISHED, at, why, reason=why)
        unsure = self.verdict is not None and self.verdict.needs_approval
        if (unsure or needs_approval(run)) and run.approval is None:
            said = reason if unsure else unchecked
            if self._waits(run):
                return _waiting_for_the_next(known, said, at)
            return _asked(known, said, at, reason)
        return known.moved_to(onward(run), at, reason)

    def _waits(self, run: Run) -> bool:
        """Whether the next run may settle it, so that no operator is asked yet.

        Where nothing was measured, the next run has most likely nothing to measure either.
        """
        compare = run.config.gate.compare
        measured = self.verdict is not None and self.verdict.measured
        waits = measured and compare is not None and compare.unsure == "wait" and not self.asks_now
        return waits and not needs_approval(run)


def _waiting_for_the_next(run: Run, reason: str | None, at: datetime) -> Run:
    """Return a run whose unsure model waits for the next run, before an operator is asked."""
    compare = run.config.gate.compare
    until = at + (compare.waits_at_most if compare else timedelta())
    note = f"{reason}; it waits for the next run"
    moved = run.moved_to(Phase.AWAITING_APPROVAL, at, note, awaiting_since=at, asks_at=until)
    advice = (
        "nothing yet: an operator is asked once the next run has a verdict that is not fit, at "
        f"the latest {until.isoformat(timespec='seconds')}; {_answers(run)}"
    )
    return moved.evolve(reason=reason, advice=advice)


def _asked(run: Run, reason: str | None, at: datetime, note: str) -> Run:
    """Return a run that waits for the answer of an operator from now on."""
    changes = {"awaiting_since": at, "asks_at": None}
    asked = run.moved_to(Phase.AWAITING_APPROVAL, at, note, **changes)
    advice = approval_advice(asked, at + run.config.gate.expires)
    return asked.evolve(reason=reason, advice=advice)


@dataclass(frozen=True, slots=True)
class Asked(Event):
    """An unsure model has waited for the next run; now an operator is asked."""

    why: str  #: why the wait is over

    def fold(self, run: Run, at: datetime) -> Run:
        """Ask, from now on for as long as every approval is waited for."""
        return _asked(run, run.reason, at, f"an operator is asked: {self.why}")


@dataclass(frozen=True, slots=True)
class VerdictOutdated(Event):
    """Since the verdict there is another live model or anchor, which was not compared."""

    verdict: Verdict
    change: str = "another model went live"

    def fold(self, run: Run, at: datetime) -> Run:
        """Compare again if the app can score both, otherwise ask: nothing was measured."""
        compare = run.config.gate.compare
        why = f"{self.change} since the verdict: {self.verdict.reason}"
        if compare is not None and compare.way is Way.SCORED:
            note = f"{why}: comparing again"
            return run.moved_to(Phase.JUDGED, at, note, verdict=None, approval=None)
        return _asked(run.evolve(verdict=self.verdict, approval=None), why, at, why)


@dataclass(frozen=True, slots=True)
class Regressed(Event):
    """Since the verdict a better model went live at the endpoint, or one that was not compared."""

    verdict: Verdict
    change: str = "a better model went live"

    def fold(self, run: Run, at: datetime) -> Run:
        """End the run; keep the last comparison."""
        why = f"not promoted, {self.change} meanwhile: {self.verdict.reason}"
        known = run.evolve(verdict=self.verdict)
        return known.moved_to(Phase.REJECTED, at, why, reason=why)


@dataclass(frozen=True, slots=True)
class Approved(Event):
    """An operator approved the promotion."""

    by: str
    why: str = ""

    def fold(self, run: Run, at: datetime) -> Run:
        """Continue with the promotion."""
        said = Approval(answer="approved", by=self.by, at=at, why=self.why)
        note = by_operator("approved", self.by, self.why)
        if run.unchecked:
            note = f"{note}; {run.unchecked}"
        changes = {"approval": said, "reason": None, "advice": None}
        return run.moved_to(onward(run), at, note, **changes)


@dataclass(frozen=True, slots=True)
class Rejected(Event):
    """An operator rejected the promotion, or the approval expired."""

    by: str
    why: str = ""

    def fold(self, run: Run, at: datetime) -> Run:
        """End the run."""
        said = Approval(answer="rejected", by=self.by, at=at, why=self.why)
        reason = by_operator("rejected", self.by, self.why)
        changes = {"approval": said, **_none_begun(run)}
        return run.moved_to(Phase.REJECTED, at, reason, reason=reason, **changes)


def _none_begun(run: Run) -> dict[str, object]:
    """Return the deliveries of a model that did not pass a repeated gate."""
    over = {"outcome": Phase.CANCELLED, "reason": "not begun: the model did not pass"}
    return {
        "deliveries": tuple(
            one.evolve(**over) if one.outcome is None else one for one in run.deliveries
        )
    }


def with_its_job(run: Run) -> Phase:
    """Return the phase of a run that need not wait, by the job that it has."""
    if run.job is None:
        return Phase.RECEIVED
    return Phase.TRAINING if run.started_at else Phase.CREATED


def needs_approval(run: Run) -> bool:
    """Whether an approval is needed: where configured, and for an operator's unchecked model."""
    gate = run.config.gate
    return gate.approval == "required" or (run.origin is Origin.MODEL and bool(gate.rules))


def onward(run: Run) -> Phase:
    """Return the phase that follows the gate and the approval."""
    return Phase.ROLLING_OUT if run.models else Phase.PROMOTING


def approval_advice(run: Run, expires: datetime) -> str:
    """Return what an operator can do about a run that waits for approval.

    Args:
        run: the run.
        expires: when the wait is over.
    """
    unchecked = f"{run.unchecked}: judge the model yourself; " if run.unchecked else ""
    answer = "approved" if approved_on_expiry(run) else "rejected"
    when = expires.isoformat(timespec="seconds")
    pin = f"; {_PIN}" if run.verdict and _lacks_anchor(run.verdict) else ""
    later = f"; {_LATER}" if run.verdict and _is_later_compared(run, run.verdict) else ""
    return f"{unchecked}{_answers(run)}{later}{pin}; without an answer until {when} it is {answer}"


def _way_out(run: Run, verdict: Verdict | None) -> str | None:
    """Return how a model can be promoted where `unsure: reject` refuses what was not measured."""
    if verdict is None or not verdict.unsure or verdict.measured:
        return None
    if not any(one.interval is None for one in _counting(verdict)) and (
        _is_later_compared(run, verdict)
    ):
        return _LATER
    pin = f", and {_PIN}" if _lacks_anchor(verdict) else ""
    return (
        "nothing was measured, which is as good as certain for the next run too: correct what the "
        f"reason says, or write unsure: ask in gate.compare until a model is promoted{pin}"
    )


def _is_later_compared(run: Run, verdict: Verdict) -> bool:
    """Whether another model went live, or was pinned, since this run's job: a new run compares."""
    others = any(OfNoRun.named(one) for one in verdict.uncompared)
    return bool(verdict.uncompared) and not others and run.origin is not Origin.MODEL


def _lacks_anchor(verdict: Verdict) -> bool:
    """Whether the anchor cannot be compared, which every later run would be asked about."""
    return any(one.against == "anchor" and one.interval is None for one in _counting(verdict))


def _counting(verdict: Verdict) -> Iterator[Comparison]:
    """Yield the comparisons, of rules that decide, with models that serve or are pinned."""
    for result in verdict.results:
        if not result.observe:
            yield from (one for one in result.comparisons if one.run_id not in result.gone)


def _answers(run: Run) -> str:
    return (
        f"approve it by POST /api/runs/{run.run_id}/approve, or reject it by POST "
        f"/api/runs/{run.run_id}/reject, each with a body such as "
        f'{{"by": "who", "reason": "why"}}'
    )


def approved_on_expiry(run: Run) -> bool:
    """Whether the model is approved if nobody answers: never one of which nothing was measured."""
    measured = run.verdict is None or run.verdict.measured
    return measured and run.config.gate.on_expiry == "approve"


def rejected_by_operator(run: Run) -> bool:
    """Whether an operator, and neither a rule nor the expiry, rejected the model of a run."""
    said = run.approval
    by_an_operator = said is not None and said.answer == "rejected" and said.by != NO_OPERATOR
    return by_an_operator and run.phase is Phase.REJECTED


@dataclass(frozen=True, slots=True)
class CandidateStaged(Event):
    """The endpoint was asked to stage the candidate, which takes time to be ready."""

    candidate: Candidate

    def fold(self, run: Run, at: datetime) -> Run:
        """Keep the name of the candidate, and since when the run waits for it."""
        note = f"candidate {self.candidate.name} is being made ready"
        return run.moved_to(Phase.STAGING, at, note, candidate=self.candidate, staged_at=at)


@dataclass(frozen=True, slots=True)
class CandidateReady(Event):
    """The candidate can be scored."""

    def fold(self, run: Run, at: datetime) -> Run:
        """Continue with the gate: the candidate gets a verdict before its first request."""
        return run.moved_to(Phase.JUDGED, at)


@dataclass(frozen=True, slots=True)
class CandidateFailed(Event):
    """The endpoint cannot hold this model."""

    reason: str

    def fold(self, run: Run, at: datetime) -> Run:
        """End the run: the model that serves was not changed."""
        why = f"not promoted: {self.reason}"
        return run.moved_to(Phase.REJECTED, at, why, reason=why)


@dataclass(frozen=True, slots=True)
class CandidateLost(Event):
    """The service failed to make the candidate ready, and not by the model's fault."""

    reason: str

    def fold(self, run: Run, at: datetime) -> Run:
        """Stage another candidate of the same model."""
        changes = {"candidate": None, "staged_at": None, "stagings": run.stagings + 1}
        return run.moved_to(Phase.STAGING, at, f"{self.reason}: another candidate", **changes)


@dataclass(frozen=True, slots=True)
class EvidenceGathered(Event):
    """A part of the evidence for the gate is known; more probes or rows follow."""

    evidence: GateEvidence

    @property
    def rows_left(self) -> bool:
        """Whether rows of a holdout are left, which are scored at the next poll."""
        scored = self.evidence.holdout
        return scored is not None and not scored.is_complete

    def fold(self, run: Run, at: datetime) -> Run:
        """Keep the evidence: after a crash the run continues from there."""
        return run.moved_to(Phase.JUDGED, at, evidence=self.evidence)
