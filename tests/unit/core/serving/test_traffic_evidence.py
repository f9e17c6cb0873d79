"""The evidence of a step: the measurements of the service, without this app's own probes."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.core.serving.traffic_rules import (
    Measure,
    TrafficEvidence,
    TrafficPoint,
    TrafficQuery,
    TrafficRules,
    measured,
    next_query,
)

NEW, OLD = "m-new", "blue"
BOTH = (NEW, OLD)
BEGAN = datetime(2026, 3, 1, 12, 0, 30, tzinfo=UTC)
FIRST = datetime(2026, 3, 1, 12, 1, tzinfo=UTC)  #: the first whole minute
SECOND, MINUTE, HOUR = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1)
RULES = TrafficRules(min_requests=100, max_error_rate=1.0)


def query(measure: Measure = Measure.REQUESTS) -> TrafficQuery:
    return TrafficQuery(measure, BOTH, FIRST, FIRST + 10 * MINUTE)


def counts(who: str, number: float, status: str = "200", minute: int = 0) -> TrafficPoint:
    return TrafficPoint(who, FIRST + minute * MINUTE, requests=number, status=status)


def took(who: str, latency: float, requests: float, minute: int = 0) -> TrafficPoint:
    return TrafficPoint(who, FIRST + minute * MINUTE, requests=requests, latency=latency)


def test_requests_are_added_up_by_deployment_and_errors_by_whose_fault_they_are() -> None:
    points = [
        counts(NEW, 50.0),
        counts(NEW, 4.0, "503"),
        counts(NEW, 3.0, "424"),
        counts(NEW, 2.0, "408"),
        counts(NEW, 1.0, "429"),
        counts(NEW, 7.0, "400"),
        counts(OLD, 90.0),
        counts(OLD, 5.0, "500"),
    ]
    known = measured(TrafficEvidence(), query(), points, BEGAN + HOUR)
    assert (known.requests, known.errors) == (67, 9)
    assert (known.other_requests, known.other_errors) == (95, 5)
    assert known.until == FIRST + 10 * MINUTE


def test_measures_outside_the_query_do_not_count() -> None:
    points = [
        counts(NEW, 50.0, minute=-1),
        counts(NEW, 50.0, minute=10),
        counts("green", 50.0),
        counts(NEW, 1.0, minute=9),
    ]
    known = measured(TrafficEvidence(), query(), points, BEGAN + HOUR)
    assert (known.requests, known.other_requests) == (1, 0)


def test_the_same_minutes_are_not_counted_twice() -> None:
    known = measured(TrafficEvidence(), query(), [counts(NEW, 50.0)], BEGAN + HOUR)
    again = measured(known, query(), [counts(NEW, 50.0)], BEGAN + HOUR + MINUTE)
    assert again.requests == 50


@given(st.lists(st.booleans(), min_size=1, max_size=60), st.integers(15, 90))
def test_exactly_the_probes_of_the_minutes_that_count_are_subtracted(
    failed: list[bool], pace: int
) -> None:
    """The service counts each probe in its minute: what is left is what others sent."""
    known, sent = TrafficEvidence(), []
    for number, bad in enumerate(failed):
        now = BEGAN + (number + 1) * pace * SECOND
        sent.append((now, bad))
        known = known.probed(BEGAN, now, failed=bad)
        due = next_query(RULES, known, BOTH, (BEGAN, now))
        if due is None:
            continue
        points = [counts(NEW, 3.0, minute=0)]
        points += [TrafficPoint(NEW, at, 1.0, status="424" if b else "200") for at, b in sent]
        known = measured(known, due, points, now)
        assert (known.requests, known.errors) == (3, 0)


def test_probes_ahead_of_the_first_whole_minute_are_not_subtracted_from_later_ones() -> None:
    known = TrafficEvidence().probed(BEGAN, BEGAN + SECOND).probed(BEGAN, FIRST + SECOND)
    now = FIRST + 6 * MINUTE
    known = known.probed(BEGAN, now)
    assert known.own == 1
    assert known.probes == (now,)


def test_no_more_probes_are_kept_than_those_that_are_not_measured_yet() -> None:
    known = TrafficEvidence()
    for number in range(500):
        known = known.probed(BEGAN, BEGAN + number * 30 * SECOND, failed=True)
    assert len(known.probes) == len(known.failed_probes) <= 13
    assert known.own == known.own_errors == 500 - len(known.probes) - 1


def test_latencies_are_weighted_by_requests_over_the_minutes_that_both_have() -> None:
    points = [
        took(NEW, 100.0, 1),
        took(NEW, 200.0, 3, minute=1),
        took(NEW, 9000.0, 50, minute=2),
        took(OLD, 50.0, 9),
        took("green", 90.0, 1),
        took(OLD, 60.0, 10, minute=1),
        took(OLD, 1.0, 999, minute=3),
    ]
    asked = TrafficQuery(Measure.LATENCY, (*BOTH, "green"), FIRST, FIRST + 10 * MINUTE)
    known = measured(TrafficEvidence(), asked, points, BEGAN + HOUR)
    assert known.latency == pytest.approx(175.0)
    assert known.other_latency == pytest.approx((450 + 90 + 600) / 20)
    assert known.compared == 4


def test_probes_are_no_requests_to_compare() -> None:
    points = [took(NEW, 100.0, 10), took(OLD, 50.0, 90)]
    known = measured(TrafficEvidence(own=4), query(Measure.LATENCY), points, BEGAN + HOUR)
    assert known.compared == 6


def test_latencies_of_different_minutes_are_not_compared() -> None:
    points = [took(NEW, 100.0, 50), took(OLD, 50.0, 50, minute=1), took(NEW, 1.0, 0, minute=1)]
    known = measured(TrafficEvidence(), query(Measure.LATENCY), points, BEGAN + HOUR)
    assert (known.latency, known.other_latency, known.compared) == (None, None, 0)
