"""The answers of an endpoint for the probe rows, and their comparison.

A model that does not fit fails only when it is scored (studio-classic §2, §3).
"""

import math
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from shared.core.frozen import FrozenModel

_SCORED: Final = "scored "
_RELATIVE: Final = 1e-9


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


@dataclass(frozen=True, slots=True)
class EndpointCheck:
    """One probe of an endpoint after an update."""

    progress: UpdateProgress
    probe: ProbeAnswers | None  #: None: nothing to score with
    configured: str | None = None  #: `container/name` the endpoint says it was given
    detail: str = ""


def _same(one: str, other: str) -> bool:
    if one == other:
        return True
    try:
        return math.isclose(float(one), float(other), rel_tol=_RELATIVE)
    except ValueError:
        return False
