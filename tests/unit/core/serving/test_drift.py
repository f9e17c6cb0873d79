"""One probe suggests drift; two probes that agree confirm it."""

from typing import Any

import pytest

from shared.core.serving.drift import (
    DriftCheck,
    DriftFinding,
    DriftKind,
    confirmed,
    drift_finding,
    repairable,
)
from shared.core.serving.probes import EndpointCheck, ProbeAnswers, UpdateProgress
from shared.core.serving.state import Resource, ServedModel
from tests.unit.samples import BROKEN, MODEL, NOW, REFUSED, SILENT, UPDATE, good, ref

KNOWN, OTHER = good("1"), good("2")


def served(**changes: Any) -> ServedModel:
    known: dict[str, Any] = {
        "model": MODEL,
        "run_id": "sample-1",
        "since": NOW,
        "verification": "moved",
        "manifest": (),
        "answers": KNOWN,
        "named": "models/a",
    }
    return ServedModel(**{**known, **changes})


def check(probe: ProbeAnswers | None, configured: str | None = None) -> EndpointCheck:
    return EndpointCheck(UpdateProgress.NOT_REPORTED, probe, configured)


BROKE = "it does not score any more: missing feature(s): 'hello'"
ANSWERS = "its answers are not those that were verified"


@pytest.mark.parametrize(
    ("known", "seen", "said"),
    [
        (served(), check(KNOWN, "models/a"), DriftFinding(answers=KNOWN)),
        (served(), check(KNOWN), DriftFinding(answers=KNOWN)),
        (
            served(),
            check(KNOWN, "models/b"),
            DriftFinding("it names models/b and not models/a", DriftKind.NAMED, KNOWN),
        ),
        (served(named=None), check(KNOWN, "models/b"), DriftFinding(answers=KNOWN)),
        (served(), check(None, "models/a"), DriftFinding()),
        (served(), check(BROKEN), DriftFinding(BROKE, DriftKind.BROKEN, BROKEN)),
        (served(), check(SILENT), DriftFinding(answers=SILENT, decided=False)),
        (served(), check(REFUSED), DriftFinding(answers=REFUSED, decided=False)),
        (served(), check(OTHER), DriftFinding(ANSWERS, DriftKind.ANSWERS, OTHER)),
        (served(answers=None), check(OTHER), DriftFinding(answers=OTHER)),
        (
            served(answers=KNOWN.model_copy(update={"request": "other rows"})),
            check(OTHER),
            DriftFinding(answers=OTHER),
        ),
        (
            served(),
            EndpointCheck(UpdateProgress.PENDING, OTHER, "models/b"),
            DriftFinding(decided=False),
        ),
    ],
)
def test_a_check_reports_in_which_way_an_endpoint_serves_something_else(
    known: ServedModel, seen: EndpointCheck, said: DriftFinding
) -> None:
    assert drift_finding(known, seen) == said


def drift_check(**changes: Any) -> DriftCheck:
    known = {"ref": ref(UPDATE), "resource": "a", "pipeline": "sample", "endpoint": "a"}
    return DriftCheck.model_validate({**known, "next_check": NOW, **changes})


def suspicious(said: str, drift_kind: DriftKind, suspect: ProbeAnswers | None = None) -> DriftCheck:
    return drift_check(suspicion=said, drift_kind=drift_kind, suspect=suspect)


@pytest.mark.parametrize(
    ("before", "seen", "agree"),
    [
        (
            suspicious(ANSWERS, DriftKind.ANSWERS, OTHER),
            DriftFinding(ANSWERS, DriftKind.ANSWERS, OTHER),
            True,
        ),
        (
            suspicious(ANSWERS, DriftKind.ANSWERS, good("3")),
            DriftFinding(ANSWERS, DriftKind.ANSWERS, OTHER),
            False,
        ),
        (
            suspicious(ANSWERS, DriftKind.ANSWERS),
            DriftFinding(ANSWERS, DriftKind.ANSWERS, OTHER),
            False,
        ),
        (
            suspicious(ANSWERS, DriftKind.ANSWERS, OTHER),
            DriftFinding(ANSWERS, DriftKind.ANSWERS),
            False,
        ),
        (
            suspicious("id 1 bad", DriftKind.BROKEN),
            DriftFinding("id 2a  bad", DriftKind.BROKEN),
            True,
        ),
        (
            suspicious("id 1 bad", DriftKind.BROKEN),
            DriftFinding("id 1 worse", DriftKind.BROKEN),
            False,
        ),
        (suspicious("names 1", DriftKind.NAMED), DriftFinding("names 1", DriftKind.NAMED), True),
        (suspicious("names 1", DriftKind.NAMED), DriftFinding("names 2", DriftKind.NAMED), False),
        (suspicious("names 1", DriftKind.NAMED), DriftFinding("names 1", DriftKind.BROKEN), False),
        (suspicious("names 1", DriftKind.NAMED), DriftFinding("", DriftKind.NAMED), False),
        (drift_check(drift_kind=DriftKind.NAMED), DriftFinding("names 1", DriftKind.NAMED), False),
        (drift_check(), DriftFinding(), False),
    ],
)
def test_drift_is_confirmed_by_two_probes_that_saw_the_same(
    before: DriftCheck, seen: DriftFinding, *, agree: bool
) -> None:
    assert confirmed(before, seen) is agree


def test_a_model_is_set_again_once_for_each_promotion() -> None:
    assert repairable(Resource(serving=served()))
    assert not repairable(Resource(serving=served(repairs=1)))
    assert not repairable(Resource())
