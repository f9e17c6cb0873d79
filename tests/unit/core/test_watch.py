"""What one look says about drift, and when two looks agree on it."""

from typing import Any

import pytest

from shared.core.serving.drift import Odd, Sighting, Watch, confirmed, repairable, sighting
from shared.core.serving.probes import Look, ProbeAnswers, Progress
from shared.core.serving.state import Resource, Served
from tests.unit.samples import BROKEN, MODEL, NOW, REFUSED, SILENT, UPDATE, good

KNOWN, OTHER = good("1"), good("2")


def served(**changes: Any) -> Served:
    known: dict[str, Any] = {
        "model": MODEL,
        "run_id": "sample-1",
        "since": NOW,
        "proof": "moved",
        "manifest": (),
        "answers": KNOWN,
        "named": "models/a",
    }
    return Served(**{**known, **changes})


def look(probe: ProbeAnswers | None, configured: str | None = None) -> Look:
    return Look(Progress.UNTOLD, probe, configured)


BROKE = "it does not score any more: missing feature(s): 'hello'"
ANSWERS = "its answers are not those that were proved"


@pytest.mark.parametrize(
    ("known", "seen", "said"),
    [
        (served(), look(KNOWN, "models/a"), Sighting(answers=KNOWN)),
        (served(), look(KNOWN), Sighting(answers=KNOWN)),
        (
            served(),
            look(KNOWN, "models/b"),
            Sighting("it names models/b and not models/a", Odd.NAMED, KNOWN),
        ),
        (served(named=None), look(KNOWN, "models/b"), Sighting(answers=KNOWN)),
        (served(), look(None, "models/a"), Sighting()),
        (served(), look(BROKEN), Sighting(BROKE, Odd.BROKEN, BROKEN)),
        (served(), look(SILENT), Sighting(answers=SILENT, settled=False)),
        (served(), look(REFUSED), Sighting(answers=REFUSED, settled=False)),
        (served(), look(OTHER), Sighting(ANSWERS, Odd.ANSWERS, OTHER)),
        (served(answers=None), look(OTHER), Sighting(answers=OTHER)),
        (
            served(answers=KNOWN.model_copy(update={"request": "other rows"})),
            look(OTHER),
            Sighting(answers=OTHER),
        ),
        (served(), Look(Progress.PENDING, OTHER, "models/b"), Sighting(settled=False)),
    ],
)
def test_a_look_tells_in_which_way_an_endpoint_serves_something_else(
    known: Served, seen: Look, said: Sighting
) -> None:
    assert sighting(known, seen) == said


def watch(**changes: Any) -> Watch:
    known = {"update": UPDATE, "place": "a", "pipeline": "sample", "endpoint": "a"}
    return Watch.model_validate({**known, "next_look": NOW, **changes})


def suspicious(said: str, odd: Odd, suspect: ProbeAnswers | None = None) -> Watch:
    return watch(suspicion=said, odd=odd, suspect=suspect)


@pytest.mark.parametrize(
    ("before", "seen", "agree"),
    [
        (suspicious(ANSWERS, Odd.ANSWERS, OTHER), Sighting(ANSWERS, Odd.ANSWERS, OTHER), True),
        (
            suspicious(ANSWERS, Odd.ANSWERS, good("3")),
            Sighting(ANSWERS, Odd.ANSWERS, OTHER),
            False,
        ),
        (suspicious(ANSWERS, Odd.ANSWERS), Sighting(ANSWERS, Odd.ANSWERS, OTHER), False),
        (suspicious(ANSWERS, Odd.ANSWERS, OTHER), Sighting(ANSWERS, Odd.ANSWERS), False),
        (suspicious("id 1 bad", Odd.BROKEN), Sighting("id 2a  bad", Odd.BROKEN), True),
        (suspicious("id 1 bad", Odd.BROKEN), Sighting("id 1 worse", Odd.BROKEN), False),
        (suspicious("names 1", Odd.NAMED), Sighting("names 1", Odd.NAMED), True),
        (suspicious("names 1", Odd.NAMED), Sighting("names 2", Odd.NAMED), False),
        (suspicious("names 1", Odd.NAMED), Sighting("names 1", Odd.BROKEN), False),
        (suspicious("names 1", Odd.NAMED), Sighting("", Odd.NAMED), False),
        (watch(odd=Odd.NAMED), Sighting("names 1", Odd.NAMED), False),
        (watch(), Sighting(), False),
    ],
)
def test_drift_is_confirmed_by_two_looks_that_saw_the_same(
    before: Watch, seen: Sighting, *, agree: bool
) -> None:
    assert confirmed(before, seen) is agree


def test_a_model_is_set_again_once_for_each_promotion() -> None:
    assert repairable(Resource(serving=served()))
    assert not repairable(Resource(serving=served(drifts=1)))
    assert not repairable(Resource())
