"""Finds drift: whether an endpoint still serves what its endpoint state says.

The endpoint may have been patched, its service republished, or an update that was given up may
have arrived late (design rule 8).
"""

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from pydantic import AwareDatetime

from shared.core.frozen import RecordModel
from shared.core.serving.probes import EndpointCheck, ProbeAnswers, ProbeOutcome, UpdateProgress
from shared.core.serving.references import EndpointRef
from shared.core.serving.state import Resource, ServedModel
from shared.core.serving.traffic import TrafficMap

#: What an error repeats of one request, such as an id or a time: every word with a digit.
_OF_ONE_REQUEST: Final = re.compile(r"\S*\d\S*")


class DriftKind(StrEnum):
    """In which way an endpoint does not serve what it should."""

    NAMED = "named"  #: it names another model
    TRAFFIC = "traffic"  #: its requests go elsewhere
    BROKEN = "broken"  #: it does not score
    ANSWERS = "answers"  #: it scores otherwise


class DriftCheck(RecordModel):
    """When one resource of an endpoint is checked next, and what the last check found."""

    ref: EndpointRef  #: the id of the endpoint state
    resource: str
    pipeline: str
    endpoint: str
    next_check: AwareDatetime
    suspicion: str = ""  #: the last probe, if the model did not serve as it should
    drift_kind: DriftKind | None = None  #: in which way
    suspect: ProbeAnswers | None = None
    reported: str = ""  #: the drift that was reported last
    repair: str | None = None  #: the run that was opened for it
    host: str = ""  #: that a check calls, as far as they are known
    silent: bool = False  #: whether the last check got no answer


@dataclass(frozen=True, slots=True)
class DriftFinding:
    """What one probe of an endpoint says about drift."""

    drift: str = ""  #: what differs; empty when nothing does
    drift_kind: DriftKind | None = None
    answers: ProbeAnswers | None = None
    traffic: TrafficMap | None = None  #: where the requests go, if that differs
    decided: bool = True  #: False when the probe says nothing and another is needed


def drift_finding(served: ServedModel, check: EndpointCheck) -> DriftFinding:
    """Return what a probe says about the model that should serve.

    Args:
        served: the model that should serve.
        check: the probe.
    """
    probe, known = check.probe, served.answers
    if check.progress is UpdateProgress.PENDING:
        return DriftFinding(decided=False)
    wanted = served.target_model.traffic
    now = check.traffic
    if wanted is not None and now is not None and not now.routes_as(wanted):
        text = f"its traffic is {now}; it should be {wanted}"
        return DriftFinding(text, DriftKind.TRAFFIC, probe, now)
    named = check.configured
    if served.named is not None and named is not None and named != served.named:
        return DriftFinding(f"it names {named} and not {served.named}", DriftKind.NAMED, probe)
    if probe is None:
        return DriftFinding()
    if probe.seen is ProbeOutcome.BROKEN:
        return DriftFinding(f"it does not score any more: {probe.detail}", DriftKind.BROKEN, probe)
    if probe.seen is not ProbeOutcome.GOOD:
        return DriftFinding(answers=probe, decided=False)
    if known is None or known.request != probe.request or probe.agrees_with(known):
        return DriftFinding(answers=probe)
    return DriftFinding("its answers are not those that were verified", DriftKind.ANSWERS, probe)


def confirmed(drift_check: DriftCheck, seen: DriftFinding) -> bool:
    """Whether this probe and the one before it agree on the drift.

    Two kinds of drift, two different models, errors or answers do not agree:
    the endpoint may be in the middle of a change.

    Args:
        drift_check: with the probe before.
        seen: this probe.
    """
    if not drift_check.suspicion or not seen.drift or drift_check.drift_kind is not seen.drift_kind:
        return False
    before, now = drift_check.suspect, seen.answers
    match seen.drift_kind:
        case DriftKind.ANSWERS:
            return before is not None and now is not None and before.agrees_with(now)
        case DriftKind.BROKEN:
            return _kind_of(drift_check.suspicion) == _kind_of(seen.drift)
        case _:
            return drift_check.suspicion == seen.drift


def _kind_of(error: str) -> str:
    return " ".join(_OF_ONE_REQUEST.sub("", error).split())


def repairable(known: Resource) -> bool:
    """Whether the model may be set again: once for each promotion, then an operator decides."""
    return known.serving is not None and known.serving.repairs == 0
