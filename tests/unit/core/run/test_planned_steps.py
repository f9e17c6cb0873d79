"""The steps of a promotion at an endpoint with a traffic map, and those of its rollback."""

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.core.run.planned_steps import ahead_of, planned_steps
from shared.core.run.promotion import Step
from shared.core.run.record import Origin, Phase, Run
from shared.core.serving.references import Candidate, ServingState
from shared.core.serving.traffic import TrafficMap
from tests.unit.samples import HOUR, MODEL, run

NEW = "m-new"
ONLY_NEW = ServingState(model=MODEL, traffic=TrafficMap.of({NEW: 100}))
CANDIDATE = Candidate(name=NEW, state=ONLY_NEW)
BLUE = TrafficMap.of({"blue": 100})
USUAL = (10, 50, 100)


def promoting(**changes: Any) -> Run:
    return run(Phase.PROMOTING, **{"promotion": None, "candidate": CANDIDATE, **changes})


def shares(steps: tuple[Step, ...]) -> list[dict[str, int]]:
    return [step.wanted.shares if step.wanted else {} for step in steps]


def test_a_candidate_gets_its_shares_next_to_the_live_deployment() -> None:
    steps = planned_steps(promoting(), BLUE, USUAL, bake=HOUR)
    assert shares(steps) == [{"blue": 90, NEW: 10}, {"blue": 50, NEW: 50}, {NEW: 100}]
    assert [step.share for step in steps] == [10, 50, 100]
    assert {step.bake for step in steps} == {HOUR}
    assert steps[0].before == BLUE
    assert [step.before for step in steps[1:]] == [step.wanted for step in steps[:-1]]


def test_copies_come_first_and_leave_the_requests_where_they_are() -> None:
    first, second, *_ = planned_steps(promoting(), BLUE, USUAL, mirror=20)
    assert (first.share, first.mirror) == (0, 20)
    assert first.wanted == TrafficMap.of({"blue": 100}, {NEW: 20})
    assert second.before == first.wanted
    assert second.wanted == TrafficMap.of({"blue": 90, NEW: 10})


def test_copies_that_an_operator_has_made_for_another_deployment_are_left_alone() -> None:
    before = TrafficMap.of({"blue": 100}, {"shadow": 30})
    steps = planned_steps(promoting(), before, USUAL, mirror=20)
    assert [step.mirror for step in steps] == [0, 0, 0]
    assert {str(step.wanted.mirror) for step in steps if step.wanted} == {"{'shadow': 30}"}


@pytest.mark.parametrize("before", [TrafficMap(), TrafficMap.of({NEW: 100})])
def test_a_first_model_gets_all_requests_in_one_step_that_does_not_last(
    before: TrafficMap,
) -> None:
    (step,) = planned_steps(promoting(), before, USUAL, mirror=20, bake=HOUR, ruled=True)
    assert (step.wanted, step.before) == (TrafficMap.of({NEW: 100}), before)
    assert not step.lasts


@pytest.mark.parametrize("origin", [Origin.ROLLBACK, Origin.DRIFT])
def test_an_earlier_state_is_restored_in_one_step_that_does_not_last(origin: Origin) -> None:
    split = TrafficMap.of({"blue": 70, "green": 30})
    again = promoting(origin=origin, candidate=None, restores=ServingState(traffic=split))
    (step,) = planned_steps(again, BLUE, USUAL, mirror=20, bake=HOUR, ruled=True)
    assert (step.before, step.wanted, step.share, step.mirror) == (BLUE, split, 100, 0)
    assert not step.lasts


@pytest.mark.parametrize(
    ("has", "left"), [(5, [10, 50, 100]), (10, [50, 100]), (30, [50, 100]), (99, [100])]
)
def test_steps_that_a_candidate_is_past_are_left_out_and_no_copies_are_sent(
    has: int, left: list[int]
) -> None:
    before = TrafficMap.of({"blue": 100 - has, NEW: has})
    steps = planned_steps(promoting(), before, USUAL, mirror=20)
    assert [step.share for step in steps] == left
    assert steps[0].before == before
    assert all(step.mirror == 0 for step in steps)


def test_a_candidate_that_has_copies_only_begins_with_them() -> None:
    before = TrafficMap.of({"blue": 100}, {NEW: 20})
    steps = planned_steps(promoting(), before, USUAL, mirror=20)
    assert steps[0].wanted == before
    assert steps[1].wanted == TrafficMap.of({"blue": 90, NEW: 10})


@given(
    st.integers(1, 99),
    st.lists(st.integers(1, 99), max_size=5, unique=True),
    st.integers(0, 99),
    st.integers(0, 50),
)
def test_every_map_that_is_asked_for_is_whole_and_ends_at_the_candidate(
    blue: int, rising: list[int], has: int, mirror: int
) -> None:
    before = TrafficMap.of({"blue": blue, "green": 100 - blue}).giving(NEW, has)
    steps = planned_steps(promoting(), before, (*sorted(rising), 100), mirror=mirror)
    assert all(sum(one.values()) == 100 for one in shares(steps))
    assert all(share > 0 for one in shares(steps) for share in one.values())
    assert [one.get(NEW, 0) for one in shares(steps)] == sorted(step.share for step in steps)
    assert shares(steps)[-1] == {NEW: 100}
    assert steps[-1].wanted == TrafficMap.of({NEW: 100})


@pytest.mark.parametrize(
    ("bake", "ruled", "lasts"),
    [(timedelta(), False, False), (HOUR, False, True), (timedelta(), True, True)],
)
def test_a_step_lasts_if_it_has_a_bake_or_a_rule(
    bake: timedelta, *, ruled: bool, lasts: bool
) -> None:
    steps = planned_steps(promoting(), BLUE, USUAL, bake=bake, ruled=ruled)
    assert [step.lasts for step in steps] == [lasts] * 3


# What a rollback restores first.


def base(traffic: TrafficMap) -> ServingState:
    return ServingState(model=MODEL, traffic=traffic, body={"deployments": {"blue": {}}})


def test_a_rollback_restores_the_map_from_before_with_the_bodies_of_its_deployments() -> None:
    (state,) = ahead_of(promoting(), base(BLUE))
    assert state == base(BLUE)


@pytest.mark.parametrize("has", [10, 50, 99])
def test_the_model_of_a_run_has_no_share_in_what_its_rollback_restores(has: int) -> None:
    before = TrafficMap.of({"blue": 70, "green": 30}).giving(NEW, has)
    (state,) = ahead_of(promoting(), base(before))
    assert state.traffic == before.without(NEW)
    assert state.traffic is not None
    assert sum(state.traffic.shares.values()) == 100


def test_the_model_of_a_run_gets_no_copies_from_what_its_rollback_restores() -> None:
    (state,) = ahead_of(promoting(), base(TrafficMap.of({"blue": 100}, {NEW: 20})))
    assert state.traffic == BLUE


@pytest.mark.parametrize("traffic", [TrafficMap(), TrafficMap.of({NEW: 100})])
def test_an_endpoint_without_another_deployment_is_never_given_a_map_without_one(
    traffic: TrafficMap,
) -> None:
    assert ahead_of(promoting(), base(traffic)) == ()


def test_an_endpoint_without_a_map_has_no_such_state() -> None:
    assert ahead_of(promoting(), ServingState(model=MODEL)) == ()
    assert ahead_of(promoting(), None) == ()
    assert ahead_of(None, base(BLUE)) == ()
