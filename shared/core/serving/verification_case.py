"""The input of a verification, and its result."""

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum

from shared.core.serving.probes import (
    NO_PROBES,
    ProbeAnswers,
    ProbeEvidence,
    ProbeOutcome,
    ProbeSeries,
)


class VerificationResult(StrEnum):
    """The result of the probes so far."""

    WAIT = "wait"
    LIVE = "live"
    UNCHANGED = "unchanged"
    BROKEN = "broken"


@dataclass(frozen=True, slots=True)
class Verification:
    """A result, and why, for operators."""

    verdict: VerificationResult
    why: str
    probe_series: ProbeSeries = NO_PROBES  #: with the present probe, apart from its answers
    steady: bool = False  #: whether the answers are the same from probe to probe


@dataclass(frozen=True, slots=True)
class VerificationCase:
    """Everything that a result depends on, apart from the answers of the present probe."""

    target: str  #: the name of the model that should serve
    before: ProbeAnswers | None
    probe_series: ProbeSeries  #: those before the present one
    within: timedelta  #: how long the endpoint may take to switch
    every: timedelta  #: the usual time between two probes
    at: datetime = field(kw_only=True)  #: the time of the present probe
    expected: ProbeAnswers | None = None  #: what a model that served before is known to answer
    serves: frozenset[str] = frozenset()  #: the names that may answer, where answers name one
    pinned: bool = False  #: whether the candidate is called by its name, among others
    unapplied: str = ""  #: what shows that the update has no effect yet
    pending_within: timedelta | None = None  #: how long the service may work on it; None: `within`

    @property
    def known(self) -> bool:
        """Whether the answers from before can be compared with those now."""
        return self.before is not None and self.before.seen is not ProbeOutcome.NO_ANSWER

    def after(self, evidence: ProbeEvidence) -> ProbeSeries:
        """Return the series with the present probe, which says this."""
        return self.probe_series.after(evidence, self.at, self.every)

    def given(self, probe: ProbeAnswers) -> "tuple[VerificationCase, ProbeAnswers]":
        """Return the case as this probe can be compared with, and what the probe showed.

        Answers to other rows are left out of it; a score column that was there before and is
        gone makes a probe broken (design rule 9).
        """
        before = _fitting(self.before, probe)
        last, earlier = (
            kept and _complete(before, kept)
            for kept in (
                _fitting(self.probe_series.last, probe),
                _fitting(self.probe_series.earlier, probe),
            )
        )
        probe_series = self.probe_series.evolve(last=last, earlier=earlier)
        expected = _fitting(self.expected, probe)
        case = replace(self, before=before, probe_series=probe_series, expected=expected)
        return case, _complete(before, probe)

    def again(self, probe: ProbeAnswers) -> bool:
        """Whether the last probe was good and gave the same answers as this one."""
        return self.probe_series.last is not None and probe.agrees_with(self.probe_series.last)

    def moved(self, probe: ProbeAnswers | None) -> bool:
        """Whether these are good answers, and other ones than before."""
        if probe is None or self.before is None or not self.known:
            return False
        return probe.seen is ProbeOutcome.GOOD and not probe.agrees_with(self.before)


def _fitting(kept: ProbeAnswers | None, probe: ProbeAnswers) -> ProbeAnswers | None:
    return kept if kept is not None and kept.request == probe.request else None


def _complete(before: ProbeAnswers | None, probe: ProbeAnswers) -> ProbeAnswers:
    gone = set(before.columns) - set(probe.columns) if before else set()
    if probe.seen is not ProbeOutcome.GOOD or not gone:
        return probe
    detail = f"score column {min(gone)!r} is missing"
    return probe.evolve(seen=ProbeOutcome.BROKEN, detail=detail)
