"""Candidates are discarded after a run's end, each in its time."""

from datetime import timedelta
from typing import Any

import pytest

from shared.core.serving.due_candidates import discarded, staged, to_discard
from shared.core.serving.references import Candidate, ServingState, StagedCandidate
from shared.core.serving.state import (
    EndpointLease,
    EndpointState,
    Resource,
    ServedModel,
)
from tests.unit.samples import HOUR, MODEL, NOW, UPDATE, ref

ONE = Candidate(name="m-1", state=ServingState(model=MODEL))
TWO = Candidate(name="m-2", state=ServingState(model=MODEL))


def item(candidate: Candidate = ONE, **changes: Any) -> StagedCandidate:
    return StagedCandidate(candidate=candidate, run_id="sample-1", resource="r", **changes)


def state(*items: StagedCandidate, serving: str = "") -> EndpointState:
    known = ServedModel(
        model=MODEL, candidate=serving, run_id="sample-2", since=NOW, verification="", manifest=()
    )
    resources = {"r": Resource(serving=known)} if serving else {}
    return EndpointState(ref=ref(UPDATE), resources=resources, staged=items)


def due(one: EndpointState, *, is_open: bool = False) -> list[str]:
    return [candidate.name for candidate in to_discard(one, NOW, lambda _: is_open)]


@pytest.mark.parametrize(("is_open", "names"), [(True, []), (False, ["m-1"])])
def test_a_candidate_is_discarded_once_its_run_is_over(*, is_open: bool, names: list[str]) -> None:
    assert due(state(item()), is_open=is_open) == names


@pytest.mark.parametrize(
    ("after", "names"),
    [(timedelta(), ["m-1"]), (-HOUR, ["m-1"]), (timedelta(seconds=1), [])],
)
def test_what_served_before_is_discarded_when_its_time_is_over(
    after: timedelta, names: list[str]
) -> None:
    assert due(state(item(discard_at=NOW + after)), is_open=True) == names


def test_a_live_deployment_is_never_discarded() -> None:
    both = state(item(), item(TWO), serving="m-1")
    assert due(both) == ["m-2"]
    assert due(state(item(discard_at=NOW), serving="m-1")) == []


def test_nothing_is_discarded_while_a_run_updates_the_endpoint() -> None:
    lease = EndpointLease(run_id="sample-3", resource="r", model=MODEL, generation=1, at=NOW)
    one = state(item(discard_at=NOW), item(TWO), serving="m-3")
    assert due(one) == ["m-1", "m-2"]
    assert due(one.evolve(endpoint_lease=lease)) == []


def test_a_candidate_is_named_once_and_dropped_when_it_is_gone() -> None:
    one = staged(state(), "sample-1", "r", ONE)
    assert one.staged == (item(),)
    assert staged(one, "sample-1", "r", ONE) is one
    assert discarded(staged(one, "sample-2", "r", TWO), ONE).staged[0].candidate == TWO
