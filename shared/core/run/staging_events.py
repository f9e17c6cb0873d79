"""Events of a candidate, from its staging to its verdict, and how each changes a run."""

from dataclasses import dataclass
from datetime import datetime

from shared.core.run.record import GateEvidence, Phase, Run
from shared.core.serving.references import Candidate


@dataclass(frozen=True, slots=True)
class CandidateStaged:
    """The endpoint was asked to stage the candidate, which takes time to be ready."""

    candidate: Candidate

    def fold(self, run: Run, at: datetime) -> Run:
        """Keep the name of the candidate, and since when the run waits for it.

        Args:
            run: the run before the event.
            at: when the event was recorded.

        Returns:
            The staging run.
        """
        note = f"candidate {self.candidate.name} is being made ready"
        return run.moved_to(Phase.STAGING, at, note, candidate=self.candidate, staged_at=at)


@dataclass(frozen=True, slots=True)
class CandidateReady:
    """The candidate can be scored."""

    def fold(self, run: Run, at: datetime) -> Run:
        """Continue with the gate: the candidate gets a verdict before its first request.

        Args:
            run: the run before the event.
            at: when the event was recorded.

        Returns:
            The run before its gate.
        """
        return run.moved_to(Phase.JUDGED, at)


@dataclass(frozen=True, slots=True)
class CandidateFailed:
    """The endpoint cannot hold this model."""

    reason: str

    def fold(self, run: Run, at: datetime) -> Run:
        """End the run: the model that serves was not changed.

        Args:
            run: the run before the event.
            at: when the event was recorded.

        Returns:
            The rejected run.
        """
        why = f"not promoted: {self.reason}"
        return run.moved_to(Phase.REJECTED, at, why, reason=why)


@dataclass(frozen=True, slots=True)
class EvidenceGathered:
    """A part of the evidence for the gate is known; more probes follow."""

    evidence: GateEvidence

    def fold(self, run: Run, at: datetime) -> Run:
        """Keep the evidence: after a crash the run continues from there.

        Args:
            run: the run before the event.
            at: when the event was recorded.

        Returns:
            The run with its evidence.
        """
        return run.moved_to(Phase.JUDGED, at, evidence=self.evidence)
