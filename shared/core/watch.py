"""Does an endpoint still serve what the ledger says? Judged from what it answers and names.

Somebody may have patched it by hand, republished its service, or an update that was given up
may have arrived late (rule 8).
"""

from dataclasses import dataclass
from typing import Literal

from pydantic import AwareDatetime

from shared.core.head import Resource, Served
from shared.core.proof import Look, ProbeAnswers, Progress, Seen
from shared.core.run import Value


class Watch(Value):
    """When one place of one endpoint is looked at next, and what was odd the last time."""

    schema_version: Literal[1] = 1
    update: str  #: the update URL, which the head is found by
    place: str
    pipeline: str
    endpoint: str
    next_look: AwareDatetime
    suspicion: str = ""  #: what the last look saw, if it was not what should serve
    suspect: ProbeAnswers | None = None
    reported: str = ""  #: the drift that was reported last
    repair: str | None = None  #: the run that was opened for it


@dataclass(frozen=True, slots=True)
class Sighting:
    """What one look at an endpoint says about drift."""

    drift: str = ""  #: what differs; empty when nothing does
    answers: ProbeAnswers | None = None
    settled: bool = True  #: False when this look says nothing and another is needed


def sighting(served: Served, look: Look) -> Sighting:
    """Return what `look` says about the model that should serve."""
    probe, known = look.probe, served.answers
    if look.progress is Progress.PENDING:
        return Sighting(settled=False)
    named = look.configured
    if served.named is not None and named is not None and named != served.named:
        return Sighting(f"it names {named} and not {served.named}", probe)
    if probe is None:
        return Sighting()
    if probe.seen is Seen.BROKEN:
        return Sighting(f"it does not score any more: {probe.detail}", probe)
    if probe.seen is not Seen.GOOD:
        return Sighting(answers=probe, settled=False)
    if known is None or known.request != probe.request or probe.agrees_with(known):
        return Sighting(answers=probe)
    return Sighting("its answers are not those that were proved", probe)


def confirmed(watch: Watch, seen: Sighting) -> bool:
    """Whether this look and the one before it agree that the endpoint has drifted."""
    if not watch.suspicion or not seen.drift:
        return False
    before, now = watch.suspect, seen.answers
    if before is None or now is None or Seen.GOOD not in (before.seen, now.seen):
        return True
    return before.agrees_with(now)


def repairable(known: Resource) -> bool:
    """Whether the model may be set again: once for each promotion, the rest is a person's."""
    return known.serving is not None and known.serving.drifts == 0
