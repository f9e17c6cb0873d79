"""The rule `max_error_increase`: when a step holds, passes or is worse."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from shared.core.decisions.sequential import RequestCounts
from shared.core.serving.error_comparison import ErrorComparison
from shared.core.serving.traffic_rules import (
    JudgedStep,
    Measure,
    StepVerdict,
    TrafficEvidence,
    TrafficPoint,
    TrafficQuery,
    TrafficRules,
    judged_step,
    measured,
)

NEW, OLD, GREEN = "m-new", "blue", "green"
FIRST = datetime(2026, 3, 1, 12, 1, tzinfo=UTC)
SECOND, MINUTE = timedelta(seconds=1), timedelta(minutes=1)
RULES = TrafficRules(min_requests=100, max_error_increase=20.0, compared_steps=2)
PASS, WORSE, HOLD = StepVerdict.PASS, StepVerdict.WORSE, StepVerdict.HOLD


def points(minute: int, who: str, well: float, failed: float = 0.0) -> list[TrafficPoint]:
    at = FIRST + minute * MINUTE
    found = [TrafficPoint(who, at, requests=well, status="200")]
    return [*found, TrafficPoint(who, at, requests=failed, status="424")] if failed else found


def after(
    minutes: int, mine: tuple[float, float], others: tuple[float, float], **rules: Any
) -> TrafficEvidence:
    """Return what was measured in so many minutes that are alike: answered well, and failed."""
    every = [
        one
        for minute in range(minutes)
        for one in (*points(minute, NEW, *mine), *points(minute, OLD, *others))
    ]
    known = TrafficEvidence().ruled_by(RULES.evolve(**rules))
    until = FIRST + minutes * MINUTE
    query = TrafficQuery(Measure.REQUESTS, (NEW, OLD), FIRST, until)
    return measured(known, query, every, until + 5 * MINUTE)


def judged(known: TrafficEvidence, *, alone: bool = False, **rules: Any) -> JudgedStep:
    return judged_step(RULES.evolve(**rules), known, alone=alone)


def compared(known: TrafficEvidence) -> ErrorComparison:
    assert known.error_comparison is not None
    return known.error_comparison


def test_a_candidate_that_surely_fails_more_often_is_worse_and_both_counts_are_said() -> None:
    found = judged(after(40, (9, 1), (89, 1)))
    assert found == JudgedStep(
        WORSE,
        "40 of 400 requests failed, at the other deployments 40 of 3600 in the same 40 minutes: "
        "it fails more than 20 % more often",
    )
    any_more = judged(after(40, (9, 1), (89, 1), max_error_increase=0.0), max_error_increase=0.0)
    assert any_more.why.endswith("in the same 40 minutes: it fails more often")


def test_it_is_worse_before_as_many_requests_were_measured_as_a_step_waits_for() -> None:
    known = after(80, (1, 2), (90, 0))
    assert judged(known, min_requests=1000).verdict is WORSE


def test_a_candidate_that_fails_as_often_passes_and_the_time_to_show_more_is_said() -> None:
    found = judged(after(30, (10, 0), (89, 1)))
    assert found.verdict is PASS
    assert found.why.startswith(
        "0 of 300 requests failed, at the other deployments 30 of 2700 in the same 30 minutes: "
        "not shown to be worse; 5.6 % of errors instead of 1.1 % would show after about "
    )


def test_errors_that_hit_both_alike_pass_however_many_they_are() -> None:
    assert judged(after(60, (5, 5), (45, 45))).verdict is PASS


def test_a_candidate_that_looks_worse_holds_until_that_is_sure_or_over() -> None:
    found = judged(after(12, (9, 1), (89, 1)))
    assert found.verdict is HOLD
    assert (
        "in the same 12 minutes: it may be worse; there is not enough evidence yet; " in found.why
    )


@pytest.mark.parametrize(
    ("mine", "others"), [((0, 0), (0, 0)), ((10, 0), (0, 0)), ((0, 0), (90, 9)), ((0, 5), (0, 0))]
)
def test_no_requests_of_one_side_neither_pass_nor_end_a_step(
    mine: tuple[float, float], others: tuple[float, float]
) -> None:
    known = after(1000, mine, others)
    assert judged(known).verdict is HOLD
    assert judged_step(RULES, TrafficEvidence(), alone=False).verdict is HOLD


def test_requests_without_others_in_the_same_minute_are_not_compared() -> None:
    known = after(9, (10, 0), (89, 1)).evolve(requests=500)
    found = judged(known)
    assert found.verdict is HOLD
    assert found.why.startswith(
        "90 requests in the same minutes as the other deployments, of the 100 to compare errors"
    )
    assert judged(after(10, (10, 0), (89, 1))).verdict is PASS
    assert judged(after(10, (100, 0), (9, 1))).verdict is PASS
    assert judged(after(10, (100, 0), (9, 0))).verdict is HOLD


def test_where_no_other_deployment_gets_requests_only_other_rules_count() -> None:
    known = after(30, (10, 0), (0, 0))
    assert judged(known, alone=True).verdict is PASS
    failing = after(30, (5, 5), (0, 0))
    assert judged(failing, alone=True).verdict is PASS
    assert judged(failing, alone=True, max_error_rate=10.0).verdict is WORSE


def test_a_threshold_in_addition_counts_as_well() -> None:
    found = judged(after(30, (8, 2), (72, 18)), max_error_rate=10.0)
    assert found.verdict is WORSE
    assert found.why.endswith("more than 10 %")


def test_latencies_are_judged_after_errors() -> None:
    known = after(30, (10, 0), (89, 1)).evolve(
        latency=200.0, other_latency=100.0, compared=300, latency_until=FIRST + 30 * MINUTE
    )
    assert judged(known, max_latency_increase=50.0).verdict is WORSE
    slower = judged(known, max_latency_increase=150.0)
    assert slower.verdict is PASS
    assert slower.why.endswith("; 200 ms, at the other deployments 100 ms")
    assert "not shown to be worse" in slower.why


def test_metrics_that_cannot_be_read_any_more_hold() -> None:
    known = after(30, (10, 0), (89, 1)).unread(Measure.REQUESTS, "no role", FIRST)
    assert judged(known) == JudgedStep(HOLD, "no role")


# What is compared.


def test_the_candidate_is_compared_with_the_requests_of_all_others() -> None:
    every = [*points(0, NEW, 10), *points(0, OLD, 50, 1), *points(0, GREEN, 40)]
    query = TrafficQuery(Measure.REQUESTS, (NEW, OLD, GREEN), FIRST, FIRST + MINUTE)
    found = measured(TrafficEvidence().ruled_by(RULES), query, every, FIRST + 6 * MINUTE)
    assert compared(found).total == RequestCounts(requests=10, other_requests=91, other_errors=1)


def test_parts_of_requests_add_up_as_they_are_measured() -> None:
    """A service that has several samples in a minute says their average."""
    known = after(200, (0.3, 0.1), (2.4, 0.1))
    assert compared(known).total.requests == pytest.approx(80)
    assert compared(known).total.errors == pytest.approx(20)
    assert "20 of 80 requests failed, at the other deployments 20 of 500 in" in compared(known).said


def test_own_probes_are_taken_out_of_their_minutes_though_they_fail() -> None:
    known, began = TrafficEvidence().ruled_by(RULES), FIRST
    sent = []
    for number in range(120):
        now = began + number * 30 * SECOND
        sent.append(now)
        known = known.probed(began, now, failed=True)
        until = (now - 5 * MINUTE).replace(second=0)
        if until <= began:
            continue
        query = TrafficQuery(Measure.REQUESTS, (NEW, OLD), began, until)
        own = [TrafficPoint(NEW, at.replace(second=0), 1.0, status="424") for at in sent]
        others = [one for minute in range(60) for one in points(minute, OLD, 90)]
        known = measured(known, query, [*own, *others], now)
    assert known.requests == 0
    assert compared(known).total == RequestCounts()
    assert compared(known).own == ()


def test_without_the_rule_nothing_is_compared_or_stored() -> None:
    plain = TrafficRules(min_requests=100, max_error_rate=1.0)
    assert TrafficEvidence().ruled_by(plain).error_comparison is None
    known = after(12, (9, 1), (89, 1))
    assert known.ruled_by(plain).error_comparison is None
    assert "error_comparison" not in TrafficEvidence().model_dump()
    assert judged_step(plain.evolve(max_error_rate=50.0), known, alone=False).verdict is PASS


def test_another_rule_begins_again_with_the_next_minute() -> None:
    known = after(12, (9, 1), (89, 1))
    assert known.ruled_by(RULES) is known
    for other in ({"max_error_increase": 50.0}, {"compared_steps": 3}):
        changed = compared(known.ruled_by(RULES.evolve(**other)))
        assert changed.total == RequestCounts()
        assert changed.until == known.until


def test_a_rule_that_evidence_of_before_knows_nothing_of_holds() -> None:
    known = TrafficEvidence(until=FIRST, requests=500)
    assert judged(known).verdict is HOLD
