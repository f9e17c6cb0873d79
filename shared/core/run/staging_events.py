"""What can be learned while a model is put beside what serves, before it gets any request."""

from dataclasses import dataclass
from datetime import datetime

from shared.core.run.record import GateEvidence, Phase, Run
from shared.core.serving.references import Candidate


@dataclass(frozen=True, slots=True)
class CandidateStaged:
    """The endpoint was asked to hold the model; it takes its time to be ready."""

    candidate: Candidate

    def fold(self, run: Run, at: datetime) -> Run:
        """Keep its name, and since when it is awaited."""
        note = f"candidate {self.candidate.name} is being made ready"
        return run.moved_to(Phase.STAGING, at, note, candidate=self.candidate, staged_at=at)


@dataclass(frozen=True, slots=True)
class CandidateReady:
    """The candidate can be scored."""

    def fold(self, run: Run, at: datetime) -> Run:
        """Go on to the gate: it is judged before it gets any request."""
        return run.moved_to(Phase.JUDGED, at)


@dataclass(frozen=True, slots=True)
class CandidateFailed:
    """The endpoint cannot hold this model."""

    reason: str

    def fold(self, run: Run, at: datetime) -> Run:
        """End the run: nothing that serves was touched."""
        why = f"not promoted: {self.reason}"
        return run.moved_to(Phase.REJECTED, at, why, reason=why)


@dataclass(frozen=True, slots=True)
class EvidenceGathered:
    """A part of what the gate goes by is known; more of it is to be gathered."""

    evidence: GateEvidence

    def fold(self, run: Run, at: datetime) -> Run:
        """Keep it: a crash goes on from there."""
        return run.moved_to(Phase.JUDGED, at, evidence=self.evidence)
