"""The comparison of a candidate's errors with those of others: the counts, and the texts."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.core.decisions.sequential import LEAST, OUTAGE, SHORTEST, ErrorTest, RequestCounts
from shared.core.serving.error_comparison import ErrorComparison, OwnRequests, time_needed

FIRST = datetime(2026, 3, 1, 12, tzinfo=UTC)
SECOND, MINUTE = timedelta(seconds=1), timedelta(minutes=1)


def counts(requests: int = 10, errors: int = 0, others: int = 90, failed: int = 1) -> RequestCounts:
    return RequestCounts(
        requests=requests, errors=errors, other_requests=others, other_errors=failed
    )


def begun(**changes: Any) -> ErrorComparison:
    return ErrorComparison(**{"increase": 0.0, "steps": 2, **changes})


def minutes(*each: RequestCounts) -> dict[datetime, RequestCounts]:
    return {FIRST + number * MINUTE: one for number, one in enumerate(each)}


def after(measured: Mapping[datetime, RequestCounts], **changes: Any) -> ErrorComparison:
    return begun(**changes).after(measured, FIRST + len(measured) * MINUTE)


COUNTS = st.builds(
    lambda n, a, m, b: counts(n, min(a, n), m, min(b, m)),
    st.integers(0, 60),
    st.integers(0, 9),
    st.integers(0, 200),
    st.integers(0, 20),
)


@given(st.lists(COUNTS, max_size=40), st.lists(st.integers(0, 40), max_size=6))
def test_it_is_the_same_however_often_it_was_looked_at(
    each: list[RequestCounts], looks: list[int]
) -> None:
    """Each answer of the service holds all minutes of the step so far."""
    measured, often = minutes(*each), begun()
    for look in [*sorted(looks), len(each)]:
        until = FIRST + min(look, len(each)) * MINUTE
        often = often.after(measured, until)
        assert often.after(measured, until) == often
    assert often == after(measured)


def test_minutes_are_put_together_until_each_side_has_enough_requests() -> None:
    one = after(minutes(*[counts(10, 1)] * 2))
    assert (one.test, one.block.requests, one.total.requests) == (ErrorTest(), 20, 20)
    two = after(minutes(*[counts(10, 1)] * 3))
    block = RequestCounts(requests=30, errors=3, other_requests=270, other_errors=3)
    assert two.test == ErrorTest().after(block, 1.0)
    assert (two.block, two.total, two.minutes) == (RequestCounts(), block, 3)
    beside = after(minutes(*[counts(90, 1, 10)] * 3))
    assert beside.test.blocks == 1
    fewer = [after(minutes(*[counts(5, 1)] * number)).test.blocks for number in (3, 5, 6)]
    assert fewer == [0, 0, 1]
    assert LEAST == 30


def test_with_many_requests_a_block_lasts_three_minutes() -> None:
    found = [after(minutes(*[counts(500, 5, 500, 5)] * number)) for number in range(8)]
    assert [one.test.blocks for one in found] == [0, 0, 0, 1, 1, 1, 2, 2]
    assert [one.block_minutes for one in found] == [0, 1, 2, 0, 1, 2, 0, 1]
    assert SHORTEST == 3


USUAL = [counts(50, 1, 50, 1)] * 30  # ten blocks
OUT = counts(50, 50, 50, 0)


@pytest.mark.parametrize("length", [1, 3, 4, 9, 10])
@pytest.mark.parametrize("before", [0, 1, 2])
def test_an_outage_counts_once_however_long_it_lasts(length: int, before: int) -> None:
    each = [*USUAL, *USUAL[:before], *[OUT] * length]
    during, over = after(minutes(*each)), after(minutes(*each, *USUAL[:2]))
    assert during.unusual == length
    assert during.test.blocks == 10
    assert over.test.blocks == 11
    assert over.unusual == 0


def test_errors_that_last_longer_than_an_outage_count_against_the_deployment() -> None:
    found = [after(minutes(*USUAL, *[OUT] * number)) for number in (10, 11, 13, 14, 40)]
    assert [one.test.blocks - 10 for one in found] == [0, 1, 1, 2, 10]
    assert [one.is_worse for one in found] == [False, False, False, False, True]
    assert OUTAGE == 10


def test_no_step_passes_in_the_midst_of_an_outage_of_the_candidate() -> None:
    for length in range(1, 16):
        during = after(minutes(*USUAL, *[OUT] * length))
        assert during.leans
        assert not during.is_worse
        assert "it may be worse; there is not enough evidence yet" in during.open_yet(100)
    assert not after(minutes(*USUAL)).leans
    assert not after(minutes(*USUAL, OUT, *USUAL[:2])).leans
    of_both = after(minutes(*USUAL, *[counts(50, 40, 50, 40)] * 5))
    assert (of_both.unusual, of_both.leans) == (5, False)
    other = after(minutes(*USUAL, *[counts(50, 0, 50, 50)] * 5))
    assert (other.unusual, other.leans) == (5, False)
    assert not after(minutes(*USUAL, *[counts(50, 40, 50, 36)] * 5), increase=20.0).leans


@pytest.mark.parametrize(
    "one", [RequestCounts(), counts(requests=0), counts(9, 9, others=0, failed=0)]
)
def test_a_minute_in_which_one_side_has_no_requests_says_nothing(one: RequestCounts) -> None:
    found = after(minutes(*[one] * 500))
    assert (found.test, found.total, found.minutes) == (ErrorTest(), RequestCounts(), 0)
    assert not found.is_worse
    assert not found.leans
    assert found.time_needed == ""


def test_what_is_not_measured_completely_does_not_count_yet() -> None:
    measured = minutes(*[counts()] * 3)
    found = begun().after(measured, FIRST + 2 * MINUTE)
    assert (found.minutes, found.until) == (2, FIRST + 2 * MINUTE)
    assert found.after(measured, FIRST + MINUTE) == found


def test_minutes_before_it_began_do_not_count() -> None:
    found = after(minutes(*[counts()] * 5), until=FIRST + 3 * MINUTE)
    assert found.minutes == 2


# Own requests.


def test_own_requests_are_taken_out_of_their_minute() -> None:
    sent = [FIRST + SECOND, FIRST + 31 * SECOND, FIRST + MINUTE]
    known = begun().with_own(sent, sent[:1])
    assert known.own == (
        OwnRequests(at=FIRST, sent=2, failed=1),
        OwnRequests(at=FIRST + MINUTE, sent=1),
    )
    found = known.after(minutes(counts(12, 1), counts(11, 1)), FIRST + 2 * MINUTE)
    assert (found.total.requests, found.total.errors, found.own) == (20, 1, ())


def test_own_requests_of_minutes_that_are_compared_are_not_kept() -> None:
    found = after(minutes(counts(), counts())).with_own([FIRST + MINUTE], [])
    assert found.own == ()
    later = found.with_own([FIRST + 2 * MINUTE, FIRST + 3 * MINUTE], [])
    later = later.after({}, FIRST + 3 * MINUTE)
    assert [one.at for one in later.own] == [FIRST + 3 * MINUTE]


def test_only_own_requests_are_no_requests() -> None:
    sent = [FIRST + number * 30 * SECOND for number in range(200)]
    known = begun().with_own(sent, sent)
    found = known.after(minutes(*[counts(2, 2, 90, 0)] * 100), FIRST + 100 * MINUTE)
    assert (found.total, found.is_worse) == (RequestCounts(), False)


def test_minutes_whose_own_requests_are_not_known_any_more_are_left_out() -> None:
    sent = [FIRST + number * MINUTE for number in range(300)]
    known = begun().with_own(sent, [])
    assert len(known.own) == 240
    assert known.until == FIRST + 60 * MINUTE
    found = known.after(minutes(*[counts(11)] * 300), FIRST + 300 * MINUTE)
    assert (found.minutes, found.total.requests) == (240, 2400)


# What it says.


def test_each_step_has_its_part_of_the_chance_to_err() -> None:
    measured = minutes(*[counts(30, 2, 270, 3)] * 18)
    found = {steps: after(measured, steps=steps) for steps in (1, 2, 9)}
    evidence = found[1].test.evidence
    assert 40 < evidence < 180
    assert [one.is_worse for one in found.values()] == [True, True, False]
    assert found[9].leans


def test_errors_of_both_sides_alike_show_nothing() -> None:
    found = after(minutes(*[counts(10, 5, 90, 45)] * 200))
    assert not found.is_worse
    assert not found.leans


def test_the_text_of_a_comparison_has_both_counts() -> None:
    found = after(minutes(*[counts(10, 1, 90, 2)] * 3))
    assert (
        found.said
        == "3 of 30 requests failed, at the other deployments 6 of 270 in the same 3 minutes"
    )
    assert after(minutes(counts(1, 0))).said.startswith(
        "0 of 1 request failed, at the other deployments 1 of 90 "
    )


def test_the_time_that_is_needed_goes_by_the_present_requests() -> None:
    found = after(minutes(*[counts(10, 0, 90, 1)] * 90))
    assert found.time_needed.startswith("5.6 % of errors instead of 1.1 % would show after about ")
    more = after(minutes(*[counts(100, 0, 900, 10)] * 90))
    times = [int(one.time_needed.split("about ")[1].split()[0]) for one in (found, more)]
    assert times[0] > 2 * times[1]


def test_one_percent_is_the_example_if_no_request_to_others_failed() -> None:
    found = after(minutes(*[counts(10, 0, 90, 0)] * 9))
    assert found.time_needed.startswith("5 % of errors instead of 1 % would show after about ")


def test_the_example_stays_below_all_requests_if_others_fail_often() -> None:
    found = after(minutes(*[counts(10, 5, 90, 45)] * 9))
    assert found.time_needed.startswith("75 % of errors instead of 50 % would show after about ")
    assert after(minutes(*[counts(10, 9, 90, 90)] * 9)).time_needed == ""
    assert after(minutes(counts()), increase=900.0).time_needed == ""


def test_more_requests_and_a_larger_share_need_less_time() -> None:
    times = [time_needed(100, share, 20.0, 2) for share in (5, 10, 25)]
    assert times == sorted(times, key=lambda one: -(one or 0))
    assert (time_needed(1000, 5, 20.0, 2) or 0) < (times[0] or 0) / 3
    assert time_needed(100, 100, 20.0, 2) is None
    assert time_needed(100, 10, 400.0, 2) is None


def test_a_record_keeps_it_as_it_is() -> None:
    found = after(minutes(*[counts(30, 3)] * 40)).with_own([FIRST + 50 * MINUTE], [])
    assert ErrorComparison.model_validate_json(found.model_dump_json()) == found
    assert len(found.model_dump_json()) < 600
