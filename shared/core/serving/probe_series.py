"""What the looks at an endpoint since its last update amount to: how many, and over what time.

Verdicts count looks. A gap between two looks counts for at most twice the usual interval, so
that an app that was down, a long tick or a wrong clock proves nothing.
"""

from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from pydantic import AwareDatetime

from shared.core.frozen import FrozenModel
from shared.core.serving.probes import ProbeAnswers

#: A verdict that time belongs to needs at least this many looks.
LEAST_PROBES: Final = 3
_LONGEST_GAP: Final = 2  #: in usual intervals
#: Looks that agree on nothing for this many times `within` will not agree any more.
_INCONCLUSIVE_AFTER: Final = 4
_INCONCLUSIVE_PROBES: Final = 12


class Evidence(StrEnum):
    """What one look says of the model that should serve."""

    FOR = "for"  #: good answers, as that model gives them
    AGAINST = "against"  #: good answers of another model, or the service names another
    OPEN = "open"  #: good answers, and nothing to compare them with
    BAD = "bad"  #: an error of the model, or of the probe
    SILENT = "silent"  #: no answer
    PENDING = "pending"  #: the service is still at work on the update


class Streak(FrozenModel):
    """Looks of one kind in a row, and the gaps between them."""

    probes: int = 0
    span: timedelta = timedelta()

    def one_more(self, gap: timedelta) -> "Streak":
        """Return the streak with one more look, `gap` after the one before."""
        return Streak(
            probes=self.probes + 1, span=self.span + (gap if self.probes else timedelta())
        )

    def lasted(self, within: timedelta) -> bool:
        """Whether these are enough looks, over a long enough time, for a verdict."""
        return self.probes >= LEAST_PROBES and self.span >= within


class ProbeSeries(FrozenModel):
    """Every look since the last update was sent, in constant room."""

    all: Streak = Streak()
    evidence: Evidence | None = None  #: what the looks of `row` say
    row: Streak = Streak()  #: the latest looks that say the same; one without an answer is no break
    bad: Streak = Streak()  #: the latest looks without a good answer
    last: ProbeAnswers | None = None  #: what the last look saw
    earlier: ProbeAnswers | None = None  #: what the look before it saw
    last_at: AwareDatetime | None = None

    def too_soon(self, at: datetime, every: timedelta) -> bool:
        """Whether a look at `at` would be the same look as the last one.

        Args:
            at: the time of the look.
            every: the usual time between two looks.
        """
        return self.last_at is not None and abs(at - self.last_at) < every / 2

    def after(self, evidence: Evidence, at: datetime, every: timedelta) -> "ProbeSeries":
        """Return these looks and one more; what it saw is added by `showing`.

        Args:
            evidence: what the new look says.
            at: the time of it.
            every: the usual time between two looks.
        """
        gap = at - self.last_at if self.last_at is not None else timedelta()
        gap = min(max(gap, timedelta()), _LONGEST_GAP * every)
        changes: dict[str, object] = {"all": self.all.one_more(gap), "last_at": at}
        silent = evidence is Evidence.SILENT
        changes["bad"] = self.bad.one_more(gap) if silent or evidence is Evidence.BAD else Streak()
        if silent and self.evidence is not None:
            changes["row"] = self.row.evolve(span=self.row.span + gap)
        elif not silent:
            same = self.row if evidence is self.evidence else Streak()
            changes |= {"evidence": evidence, "row": same.one_more(gap)}
        return self.evolve(**changes)

    def showing(self, probe: ProbeAnswers | None) -> "ProbeSeries":
        """Return these looks, the last of which saw `probe`."""
        return self.evolve(last=probe, earlier=self.last)

    def lasted(self, evidence: Evidence, within: timedelta) -> bool:
        """Whether enough looks in a row say this. Of several kinds of looks the last counts.

        Args:
            evidence: what they must say.
            within: the time that the gaps between them must add up to.
        """
        return self.evidence is evidence and not self.bad.probes and self.row.lasted(within)

    def is_inconclusive(self, within: timedelta) -> bool:
        """Whether so many looks agreed on nothing that further ones will not either."""
        long = self.all.span >= _INCONCLUSIVE_AFTER * within
        return long and self.all.probes >= _INCONCLUSIVE_PROBES


#: Ahead of the first one.
NO_PROBES: Final = ProbeSeries()
