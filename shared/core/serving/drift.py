"""Does an endpoint still serve what the ledger says? Judged from what it answers and names.

Somebody may have patched it by hand, republished its service, or an update that was given up
may have arrived late (design rule 8).
"""

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from pydantic import AwareDatetime

from shared.core.run.record import Recorded
from shared.core.serving.probes import Look, ProbeAnswers, Progress, Seen
from shared.core.serving.state import Resource, Served

#: What an error repeats of one request, such as an id or a time: every word with a digit.
_OF_ONE_REQUEST: Final = re.compile(r"\S*\d\S*")


class Odd(StrEnum):
    """In which way an endpoint does not serve what it should."""

    NAMED = "named"  #: it names another model
    BROKEN = "broken"  #: it does not score
    ANSWERS = "answers"  #: it scores otherwise


class Watch(Recorded):
    """When one place of one endpoint is looked at next, and what was odd the last time."""

    update: str  #: the update URL, which the head is found by
    place: str
    pipeline: str
    endpoint: str
    next_look: AwareDatetime
    suspicion: str = ""  #: what the last look saw, if it was not what should serve
    odd: Odd | None = None  #: in which way
    suspect: ProbeAnswers | None = None
    reported: str = ""  #: the drift that was reported last
    repair: str | None = None  #: the run that was opened for it
    host: str = ""  #: that a look calls, as far as it is known
    silent: bool = False  #: whether the last look got no answer


@dataclass(frozen=True, slots=True)
class Sighting:
    """What one look at an endpoint says about drift."""

    drift: str = ""  #: what differs; empty when nothing does
    odd: Odd | None = None
    answers: ProbeAnswers | None = None
    settled: bool = True  #: False when this look says nothing and another is needed


def sighting(served: Served, look: Look) -> Sighting:
    """Return what `look` says about the model that should serve."""
    probe, known = look.probe, served.answers
    if look.progress is Progress.PENDING:
        return Sighting(settled=False)
    named = look.configured
    if served.named is not None and named is not None and named != served.named:
        return Sighting(f"it names {named} and not {served.named}", Odd.NAMED, probe)
    if probe is None:
        return Sighting()
    if probe.seen is Seen.BROKEN:
        return Sighting(f"it does not score any more: {probe.detail}", Odd.BROKEN, probe)
    if probe.seen is not Seen.GOOD:
        return Sighting(answers=probe, settled=False)
    if known is None or known.request != probe.request or probe.agrees_with(known):
        return Sighting(answers=probe)
    return Sighting("its answers are not those that were proved", Odd.ANSWERS, probe)


def confirmed(watch: Watch, seen: Sighting) -> bool:
    """Whether this look and the one before it agree on what is odd about the endpoint.

    Two oddities of different kinds, two different models, errors or answers agree on nothing:
    the endpoint may be in the middle of a change.

    Args:
        watch: with what the look before saw.
        seen: what this look saw.
    """
    if not watch.suspicion or not seen.drift or watch.odd is not seen.odd:
        return False
    before, now = watch.suspect, seen.answers
    match seen.odd:
        case Odd.ANSWERS:
            return before is not None and now is not None and before.agrees_with(now)
        case Odd.BROKEN:
            return _kind_of(watch.suspicion) == _kind_of(seen.drift)
        case _:
            return watch.suspicion == seen.drift


def _kind_of(error: str) -> str:
    return " ".join(_OF_ONE_REQUEST.sub("", error).split())


def repairable(known: Resource) -> bool:
    """Whether the model may be set again: once for each promotion, the rest is a person's."""
    return known.serving is not None and known.serving.drifts == 0
