"""The rules about requests: the metrics that are queried, and the verdict on a step."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.core.serving.traffic_rules import (
    LATE,
    NO_RULES,
    JudgedStep,
    Measure,
    StepVerdict,
    TrafficEvidence,
    TrafficQuery,
    TrafficRules,
    judged_step,
    measured,
    next_query,
    window,
)

NEW, OLD = "m-new", "blue"
BOTH = (NEW, OLD)
BEGAN = datetime(2026, 3, 1, 12, 0, 30, tzinfo=UTC)
FIRST = datetime(2026, 3, 1, 12, 1, tzinfo=UTC)  #: the first whole minute
SECOND, MINUTE, HOUR = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1)
RULES = TrafficRules(min_requests=100, max_error_rate=1.0)
COMPARING = TrafficRules(min_requests=100, max_latency_increase=50.0)
PASS, WORSE, HOLD = StepVerdict.PASS, StepVerdict.WORSE, StepVerdict.HOLD


def seen(**known: Any) -> TrafficEvidence:
    usual: dict[str, Any] = {"until": FIRST + HOUR, "latency_until": FIRST + HOUR}
    return TrafficEvidence(**{**usual, **known})


def judged(rules: TrafficRules, *, alone: bool = False, **known: Any) -> JudgedStep:
    return judged_step(rules, seen(**known), alone=alone)


def query(measure: Measure = Measure.REQUESTS) -> TrafficQuery:
    return TrafficQuery(measure, BOTH, FIRST, FIRST + 10 * MINUTE)


# The window.


def test_the_window_is_of_whole_minutes_that_are_measured_completely() -> None:
    now = BEGAN + 10 * MINUTE + 29 * SECOND
    assert window(BEGAN, now) == (FIRST, FIRST + 4 * MINUTE)
    assert window(FIRST, FIRST + 6 * MINUTE) == (FIRST, FIRST + MINUTE)


@given(st.integers(0, 59), st.integers(0, 7200))
def test_nothing_counts_of_before_the_share_was_reached_or_of_the_last_five_minutes(
    second: int, later: int
) -> None:
    began = FIRST + second * SECOND
    now = began + later * SECOND
    minutes = window(began, now)
    if minutes is None:
        assert later < 7 * 60
        return
    since, until = minutes
    assert began <= since < began + MINUTE
    assert now - LATE - MINUTE < until <= now - LATE
    assert since.second == until.second == 0


def test_there_is_no_window_before_a_minute_is_complete_or_with_a_clock_that_goes_back() -> None:
    assert window(BEGAN, BEGAN + 6 * MINUTE) is None
    assert window(BEGAN, BEGAN + 6 * MINUTE + 30 * SECOND) is not None
    assert window(BEGAN, BEGAN - HOUR) is None


# Which call is due.


def test_without_a_rule_nothing_is_asked() -> None:
    assert next_query(NO_RULES, TrafficEvidence(), BOTH, (BEGAN, BEGAN + HOUR)) is None
    assert next_query(RULES, TrafficEvidence(), BOTH, (BEGAN, BEGAN + 2 * MINUTE)) is None


def test_one_call_is_made_in_a_minute_at_most() -> None:
    now = BEGAN + HOUR
    known = TrafficEvidence(asked_at=now, asked=Measure.REQUESTS)
    assert next_query(RULES, known, BOTH, (BEGAN, now + 59 * SECOND)) is None
    assert next_query(RULES, known, BOTH, (BEGAN, now + MINUTE)) is not None


def asked_in_turn(answered: str, rules: TrafficRules = COMPARING) -> list[Measure]:
    """Return what is asked for, minute by minute; a call of `x` gets no answer."""
    known, asked = TrafficEvidence(), []
    for number, answer in enumerate(answered):
        now = BEGAN + HOUR + number * MINUTE
        due = next_query(rules, known, BOTH, (BEGAN, now))
        assert due is not None
        asked.append(due.measure)
        good = measured(known, due, (), now)
        known = known.unread(due.measure, "no role", now) if answer == "x" else good
    return asked


def test_requests_and_latencies_are_asked_for_in_turn() -> None:
    wanted = [Measure.REQUESTS, Measure.LATENCY] * 2
    assert asked_in_turn("good") == wanted
    assert set(asked_in_turn("good", RULES)) == {Measure.REQUESTS}


def test_latencies_that_cannot_be_read_do_not_keep_errors_from_being_seen() -> None:
    assert asked_in_turn("oxoxo") == [
        Measure.REQUESTS,
        Measure.LATENCY,
        Measure.REQUESTS,
        Measure.LATENCY,
        Measure.REQUESTS,
    ]


def test_nothing_is_compared_where_no_other_deployment_gets_requests() -> None:
    known = measured(TrafficEvidence(), query(), (), BEGAN + HOUR)
    due = next_query(COMPARING, known, (NEW,), (BEGAN, BEGAN + 2 * HOUR))
    assert due is not None
    assert due.measure is Measure.REQUESTS


# What it says.


@pytest.mark.parametrize("rules", [RULES, COMPARING, TrafficRules(min_requests=1)])
def test_no_data_neither_passes_nor_fails(rules: TrafficRules) -> None:
    assert judged_step(rules, TrafficEvidence(), alone=False).verdict is HOLD
    known = measured(TrafficEvidence(), query(), (), BEGAN + HOUR)
    assert judged_step(rules, known, alone=False).verdict is HOLD
    assert judged_step(rules, known, alone=True).verdict is HOLD


@pytest.mark.parametrize("limit", ["max_error_rate", "max_latency_increase"])
def test_a_limit_without_a_number_of_requests_needs_one_at_least(limit: str) -> None:
    rules = TrafficRules.model_validate({limit: 1.0})
    assert judged(rules, alone=True).verdict is HOLD
    assert judged(rules, alone=True, requests=1).verdict is PASS


def test_a_step_without_rules_needs_no_requests() -> None:
    assert judged_step(NO_RULES, TrafficEvidence(problem="no role"), alone=False).verdict is PASS


def test_too_few_requests_hold_and_say_how_many_there_are() -> None:
    found = judged(RULES, requests=99)
    assert found == JudgedStep(HOLD, "99 requests of the 100 that are needed")
    assert judged(RULES, requests=100).verdict is PASS
    assert judged(RULES, requests=1, problem="no role").why.endswith("needed; no role")


@pytest.mark.parametrize(
    ("requests", "errors", "verdict"),
    [
        (100, 1, PASS),
        (100, 2, WORSE),
        (1000, 10, PASS),
        (1000, 11, WORSE),
        (0, 1, HOLD),
        (1, 1, HOLD),
        (2, 2, WORSE),
        (50, 2, WORSE),
    ],
)
def test_errors_that_would_be_too_many_among_all_that_are_needed_decide_early(
    requests: int, errors: int, verdict: StepVerdict
) -> None:
    assert judged(RULES, requests=requests, errors=errors).verdict is verdict


def test_a_rate_of_zero_allows_no_error() -> None:
    rules = TrafficRules(min_requests=10, max_error_rate=0.0)
    assert judged(rules, requests=1, errors=1).verdict is WORSE
    assert judged(rules, requests=10).verdict is PASS


def test_what_was_measured_before_is_not_enough_while_nothing_can_be_read() -> None:
    found = judged(RULES, requests=500, problem="no metrics: HTTP 503")
    assert found == JudgedStep(HOLD, "no metrics: HTTP 503")
    assert judged(RULES, requests=500, errors=50, problem="no metrics").verdict is WORSE


SLOW: dict[str, Any] = {"requests": 500, "latency": 151.0, "other_latency": 100.0, "compared": 100}


@pytest.mark.parametrize(
    ("changes", "verdict", "why"),
    [
        ({}, WORSE, "151 ms, at the other deployments 100 ms: more than 50 % longer"),
        (
            {"latency": 150.0},
            PASS,
            "0 of 500 requests failed; 150 ms, at the other deployments 100 ms",
        ),
        ({"compared": 99}, HOLD, "99 requests in the same minutes"),
        ({"latency": None}, HOLD, "no latency was measured for both"),
        ({"other_latency": None}, HOLD, "no latency was measured for both"),
        ({"latency": None, "latency_problem": "no role"}, HOLD, "no role"),
        ({"latency": 10.0, "latency_problem": "no role"}, HOLD, "no role"),
        ({"latency": 10.0, "latency_until": FIRST}, HOLD, "measured next"),
        ({"latency": 10.0, "latency_until": None}, HOLD, "measured next"),
        ({"requests": 99}, HOLD, "99 requests of the 100"),
    ],
)
def test_latencies_decide_over_enough_requests_of_the_same_minutes(
    changes: dict[str, Any], verdict: StepVerdict, why: str
) -> None:
    found = judged(COMPARING, **{**SLOW, **changes})
    assert found.verdict is verdict
    assert why in found.why


def test_a_deployment_that_has_all_requests_is_compared_with_none() -> None:
    assert judged(COMPARING, alone=True, **SLOW).verdict is PASS


def test_a_call_that_works_again_ends_the_problem_of_its_own_measure_alone() -> None:
    known = seen().unread(Measure.LATENCY, "slow", BEGAN).unread(Measure.REQUESTS, "no role", BEGAN)
    known = measured(known, query(), (), BEGAN)
    assert (known.problem, known.latency_problem) == ("", "slow")
    known = measured(known, query(Measure.LATENCY), (), BEGAN)
    assert (known.problem, known.latency_problem) == ("", "")


def test_no_more_than_all_requests_can_fail() -> None:
    rules = TrafficRules(min_requests=1, max_error_rate=100.0)
    assert judged(rules, requests=1, errors=2).verdict is PASS
