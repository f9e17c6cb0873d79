"""The answers of an endpoint for the probe rows: compared, and counted over time.

A model that does not fit fails only when it is scored (studio-classic §2, §3).

A verification counts probes. A gap between two probes counts for at most twice the usual
interval, so that a stopped app, a long tick or a wrong clock decides nothing.
"""

import math
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from pydantic import AwareDatetime

from shared.core.frozen import FrozenModel
from shared.core.serving.traffic import TrafficMap

_SCORED: Final = "scored "
_RELATIVE: Final = 1e-9
#: A result that depends on time needs at least this many probes.
LEAST_PROBES: Final = 3
_LONGEST_GAP: Final = 2  #: in usual intervals
#: Probes that do not agree for this many times `within` will not agree any more.
_INCONCLUSIVE_AFTER: Final = 4
_INCONCLUSIVE_PROBES: Final = 12


class ProbeOutcome(StrEnum):
    """What one scoring of the probe rows showed."""

    GOOD = "good"
    NO_ANSWER = "no_answer"  #: busy, starting up, not reachable: says nothing about the model
    BROKEN = "broken"  #: the model, not the connection, is at fault
    REFUSED = "refused"  #: the probe's URL or key is refused


class ProbeAnswers(FrozenModel):
    """The endpoint's answers for the probe rows at one moment: score columns only."""

    seen: ProbeOutcome
    columns: tuple[str, ...] = ()
    rows: tuple[tuple[str, ...], ...] = ()
    detail: str = ""
    request: str = ""  #: digest of the probe rows: answers to other rows are not comparable
    answered_by: str = ""  #: the candidate that says it answered, where the service names it

    def agrees_with(self, other: "ProbeAnswers") -> bool:
        """Whether both are good and hold the same scores, within the last digits of a float."""
        if self.seen is not ProbeOutcome.GOOD or other.seen is not ProbeOutcome.GOOD:
            return False
        if self.columns != other.columns or len(self.rows) != len(other.rows):
            return False
        pairs = zip(self.rows, other.rows, strict=True)
        return all(len(a) == len(b) and all(map(_same, a, b)) for a, b in pairs)


class UpdateProgress(StrEnum):
    """What the service itself says about an update."""

    NOT_REPORTED = "not_reported"  #: it has no status to ask for (Studio Classic)
    PENDING = "pending"
    DONE = "done"
    FAILED = "failed"


class CandidateFailure(StrEnum):
    """What follows once the service could not make a candidate ready."""

    REJECT = "reject"  #: the model is at fault
    PARK = "park"  #: an operator has to do something, such as to raise a quota
    AGAIN = "again"  #: the service is at fault: another candidate of the same model


@dataclass(frozen=True, slots=True)
class EndpointCheck:
    """What the service says of an update or of a candidate, and the probe's answers."""

    progress: UpdateProgress
    probe: ProbeAnswers | None  #: None: nothing to score with
    configured: str | None = None  #: the name of the model that it says it was given
    detail: str = ""
    traffic: TrafficMap | None = None  #: as it is now, where the endpoint has such a map
    failure: CandidateFailure | None = None  #: what a failed candidate calls for
    advice: str = ""  #: what an operator can do about the failure


def _same(one: str, other: str) -> bool:
    if one == other:
        return True
    try:
        return math.isclose(float(one), float(other), rel_tol=_RELATIVE)
    except ValueError:
        return False


class ProbeEvidence(StrEnum):
    """What one probe says of the model that should serve."""

    FOR = "for"  #: good answers, as that model gives them
    AGAINST = "against"  #: good answers of another model, or the service names another
    OPEN = "open"  #: good answers, and nothing to compare them with
    BAD = "bad"  #: an error of the model, or of the probe
    SILENT = "silent"  #: no answer
    PENDING = "pending"  #: the service is still at work on the update


class Streak(FrozenModel):
    """Probes of one kind in a row, and the gaps between them."""

    probes: int = 0
    span: timedelta = timedelta()

    def one_more(self, gap: timedelta) -> "Streak":
        """Return the streak with one more probe, `gap` after the one before."""
        return Streak(
            probes=self.probes + 1, span=self.span + (gap if self.probes else timedelta())
        )

    def lasted(self, within: timedelta) -> bool:
        """Whether these are enough probes, over a long enough time, for a result."""
        return self.probes >= LEAST_PROBES and self.span >= within


class ProbeSeries(FrozenModel):
    """Every probe since the last update was sent, in constant space."""

    #: The time in which the service was still at work is not part of it.
    all: Streak = Streak.constant()
    evidence: ProbeEvidence | None = None  #: what the probes of `row` say
    #: The latest that say the same; one without an answer is not a break.
    row: Streak = Streak.constant()
    bad: Streak = Streak.constant()  #: the latest probes without a good answer
    last: ProbeAnswers | None = None  #: the last probe
    earlier: ProbeAnswers | None = None  #: the probe before it
    last_at: AwareDatetime | None = None

    def too_soon(self, at: datetime, every: timedelta) -> bool:
        """Whether a probe at `at` would be the same probe as the last one.

        Args:
            at: the time of the probe.
            every: the usual time between two probes.
        """
        return self.last_at is not None and abs(at - self.last_at) < every / 2

    def after(self, evidence: ProbeEvidence, at: datetime, every: timedelta) -> "ProbeSeries":
        """Return these probes and one more; its answers are added by `showing`.

        Args:
            evidence: what the new probe says.
            at: the time of it.
            every: the usual time between two probes.
        """
        gap = at - self.last_at if self.last_at is not None else timedelta()
        gap = min(max(gap, timedelta()), _LONGEST_GAP * every)
        pending = evidence is ProbeEvidence.PENDING
        changes: dict[str, object] = {
            "all": self.all.one_more(timedelta() if pending else gap),
            "last_at": at,
        }
        silent = evidence is ProbeEvidence.SILENT
        changes["bad"] = (
            self.bad.one_more(gap) if silent or evidence is ProbeEvidence.BAD else Streak()
        )
        if silent and self.evidence is not None:
            changes["row"] = self.row.evolve(span=self.row.span + gap)
        elif not silent:
            same = self.row if evidence is self.evidence else Streak()
            changes |= {"evidence": evidence, "row": same.one_more(gap)}
        return self.evolve(**changes)

    def showing(self, probe: ProbeAnswers | None) -> "ProbeSeries":
        """Return these probes, the last of which is `probe`."""
        return self.evolve(last=probe, earlier=self.last)

    def lasted(self, evidence: ProbeEvidence, within: timedelta) -> bool:
        """Whether enough probes in a row say this. The last kind of probes counts.

        Args:
            evidence: what they must say.
            within: the time that the gaps between them must add up to.
        """
        return self.evidence is evidence and not self.bad.probes and self.row.lasted(within)

    def is_inconclusive(self, within: timedelta) -> bool:
        """Whether enough probes disagreed that further ones will disagree too."""
        long = self.all.span >= _INCONCLUSIVE_AFTER * within
        return long and self.all.probes >= _INCONCLUSIVE_PROBES


#: Ahead of the first one.
NO_PROBES: Final = ProbeSeries.constant()
