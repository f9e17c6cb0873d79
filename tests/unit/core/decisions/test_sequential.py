"""The sequential test of errors, against exact distributions and another way to compute it."""

import math
from collections.abc import Sequence
from itertools import pairwise, product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import hypergeom, nchypergeom_fisher

from shared.core.decisions.sequential import (
    LEAST,
    OUTAGE,
    SHORTEST,
    Assumed,
    ErrorTest,
    RequestCounts,
    allowed_share,
    is_unusual,
    minutes_needed,
)

#: The parts of the largest weight, the weights, and what is tested from the first block on.
PARTS, LARGEST, AT_ONCE = (0.25, 0.5, 1.0), 5.0, 0.8
SIDES = [(30, 270), (30, 30), (270, 30), (1, 99)]


def block(requests: int, errors: int, other_requests: int, other_errors: int) -> RequestCounts:
    return RequestCounts(
        requests=requests,
        errors=errors,
        other_requests=other_requests,
        other_errors=other_errors,
    )


def evidence_of(blocks: Sequence[RequestCounts], ratio: float = 1.0) -> float:
    test = ErrorTest()
    for one in blocks:
        test = test.after(one, ratio)
    return test.evidence


def factors(blocks: Sequence[RequestCounts], part: float, ratio: float) -> list[float]:
    made = []
    for one in blocks:
        if not one.errors + one.other_errors:
            continue
        expected = ratio * one.requests / (ratio * one.requests + one.other_requests)
        weight = part * min(LARGEST, 0.95 / expected)
        share = one.errors / (one.errors + one.other_errors)
        made.append(1 + weight * (share - expected))
    return made


def mixture(blocks: Sequence[RequestCounts], ratio: float) -> float:
    """Return the evidence as it is defined: a sum over weights and over first blocks."""
    total = 0.0
    for part in PARTS:
        made = factors(blocks, part, ratio)
        total += AT_ONCE / 3 * math.prod(made)
        for first in range(len(made)):
            begun = (1 - AT_ONCE) / 3 * (1 / (first + 1) - 1 / (first + 2))
            total += begun * math.prod(made[first:])
    never = (1 - AT_ONCE) / (len(made) + 1)
    return total + never


COUNTS = st.builds(
    lambda n, a, m, b: block(n, min(a, n), m, min(b, m)),
    st.integers(1, 400),
    st.integers(0, 40),
    st.integers(1, 400),
    st.integers(0, 40),
)


@given(st.lists(COUNTS, max_size=30), st.sampled_from([1.0, 1.2, 3.0]))
def test_the_evidence_is_the_average_over_weights_and_first_blocks(
    blocks: list[RequestCounts], ratio: float
) -> None:
    assert evidence_of(blocks, ratio) == pytest.approx(mixture(blocks, ratio), rel=1e-9)


def test_nothing_is_known_without_errors() -> None:
    quiet = [block(100, 0, 900, 0)] * 50
    assert evidence_of([]) == evidence_of(quiet) == pytest.approx(1)


@pytest.mark.parametrize(("mine", "others"), SIDES)
@pytest.mark.parametrize("errors", [1, 2, 7, 25])
def test_errors_that_hit_requests_at_random_leave_the_evidence_as_it_is_on_average(
    mine: int, others: int, errors: int
) -> None:
    """Each distribution of a block's errors over its requests is as likely as any other."""
    before = [block(mine, 1, others, 0), block(mine, 0, others, 2)]
    after = 0.0
    for count in range(min(errors, mine) + 1):
        if errors - count <= others:
            chance = hypergeom.pmf(count, mine + others, errors, mine)
            after += chance * evidence_of([*before, block(mine, count, others, errors - count)])
    assert after == pytest.approx(evidence_of(before), rel=1e-9)


@pytest.mark.parametrize("runs", [(5,), (5, 1), (20, 3, 3)])
def test_runs_of_errors_of_one_side_leave_it_as_it_is_on_average(runs: tuple[int, ...]) -> None:
    """Each run is the candidate's as often as its share of the requests says."""
    mine, others, after = 30, 90, 0.0
    share = mine / (mine + others)
    for hit in product([True, False], repeat=len(runs)):
        chance = math.prod(share if one else 1 - share for one in hit)
        errors = sum(run for run, one in zip(runs, hit, strict=True) if one)
        after += chance * evidence_of([block(mine, errors, others, sum(runs) - errors)])
    assert after == pytest.approx(1, rel=1e-9)


@pytest.mark.parametrize(("mine", "others"), SIDES)
@pytest.mark.parametrize("ratio", [1.2, 3.0])
@pytest.mark.parametrize("errors", [1, 4, 20])
def test_a_candidate_that_fails_as_often_as_it_may_has_at_most_its_allowed_share(
    mine: int, others: int, ratio: float, errors: int
) -> None:
    found = nchypergeom_fisher.mean(mine + others, errors, mine, ratio) / errors
    assert found <= allowed_share(mine, others, ratio) * (1 + 1e-9)


@given(st.lists(COUNTS, max_size=20), COUNTS)
def test_one_block_makes_the_evidence_at_most_six_times_as_strong(
    blocks: list[RequestCounts], last: RequestCounts
) -> None:
    before, after = evidence_of(blocks), evidence_of([*blocks, last])
    assert 0 < after <= 6 * before


def test_more_errors_of_the_candidate_are_more_evidence() -> None:
    found = [evidence_of([block(30, errors, 270, 5)] * 3) for errors in range(10)]
    assert all(one < other for one, other in pairwise(found))


def test_a_larger_increase_is_allowed_by_a_larger_ratio() -> None:
    blocks = [block(30, 5, 270, 12)] * 10
    found = [evidence_of(blocks, ratio) for ratio in (1.0, 1.5, 6.0)]
    assert found == sorted(found, reverse=True)
    assert found[0] > 40
    assert found[2] < 1


def test_a_candidate_that_becomes_worse_is_found_after_many_good_blocks() -> None:
    good = [block(30, 0, 270, 3)] * 2000
    test = ErrorTest()
    for one in good:
        test = test.after(one, 1.0)
    worse = 0
    while test.evidence < 40:
        worse += 1
        test = test.after(block(30, 3, 270, 3), 1.0)
    assert worse < 30


def test_evidence_never_grows_beyond_what_a_record_can_hold() -> None:
    assert math.isfinite(evidence_of([block(1000, 900, 9000, 0)] * 3000))


def test_a_minute_is_unusual_by_the_errors_of_both_sides_together() -> None:
    """Whose they are must not decide when a block ends: that would favour one of them."""
    total = block(100, 5, 900, 15)  # 2 of 100
    for mine in range(4):
        assert not is_unusual(block(10, mine, 90, 4 - mine), total)
        assert is_unusual(block(10, mine, 90, 5 - mine), total)
    assert not is_unusual(block(20, 0, 180, 5), total)
    assert not is_unusual(block(10, 0, 90, 0), block(10, 0, 90, 0))
    assert is_unusual(block(10, 1, 90, 0), block(500, 1, 4500, 0))


def blocks_until(assumed: Assumed, minutes: int, rng: np.random.Generator) -> list[RequestCounts]:
    found, known, total, length, unusual = [], RequestCounts(), RequestCounts(), 0, 0
    for _ in range(minutes):
        mine, others = rng.poisson(assumed.requests), rng.poisson(assumed.other_requests)
        failed = (
            rng.binomial(mine, assumed.error_rate),
            rng.binomial(others, assumed.other_error_rate),
        )
        minute = block(int(mine), int(failed[0]), int(others), int(failed[1]))
        known, total, length = known.plus(minute), total.plus(minute), length + 1
        unusual = unusual + 1 if is_unusual(minute, total) else 0
        if known.fewest >= LEAST and length >= SHORTEST and not 0 < unusual <= OUTAGE:
            found.append(known)
            known, length = RequestCounts(), 0
    return found


@pytest.mark.parametrize(
    ("assumed", "ratio"),
    [
        (Assumed(10, 0.05, 90, 0.01), 1.0),
        (Assumed(10, 0.05, 90, 0.01), 1.2),
        (Assumed(50, 0.02, 50, 0.01), 1.0),
        (Assumed(100, 0.005, 900, 0.001), 1.2),
        (Assumed(2000, 0.02, 2000, 0.01), 1.0),
        (Assumed(90, 0.05, 10, 0.01), 1.0),
    ],
)
def test_about_nine_of_ten_are_found_in_the_time_that_is_said(
    assumed: Assumed, ratio: float
) -> None:
    needed = minutes_needed(assumed, ratio, evidence=40)
    assert needed is not None
    rng, found = np.random.default_rng(3), 0
    for _ in range(60):
        test = ErrorTest()
        for one in blocks_until(assumed, needed, rng):
            test = test.after(one, ratio)
            if test.evidence >= 40:
                found += 1
                break
    assert found >= 50


@pytest.mark.parametrize("errors", [2.0, 12.0, 29.0, 31.0])
def test_the_time_is_the_same_where_the_errors_are_counted_and_where_they_are_approximated(
    errors: float,
) -> None:
    """Around the number from which on a normal distribution is used."""
    rate = errors / (0.03 * 100 + 0.01 * 300)
    assumed = Assumed(100 * rate, 0.03, 300 * rate, 0.01)
    near = Assumed(101 * rate, 0.03, 303 * rate, 0.01)
    first, second = (minutes_needed(one, 1.0, evidence=40) for one in (assumed, near))
    assert first is not None
    assert second is not None
    assert abs(first - second) <= 1


@pytest.mark.parametrize(
    ("assumed", "ratio"),
    [
        (Assumed(0, 0.05, 90, 0.01), 1.0),
        (Assumed(10, 0.05, 0, 0.01), 1.0),
        (Assumed(10, 0.01, 90, 0.01), 1.0),
        (Assumed(10, 0.011, 90, 0.01), 1.2),
        (Assumed(10, 0.0, 90, 0.0), 1.0),
    ],
)
def test_no_time_is_said_where_none_would_do(assumed: Assumed, ratio: float) -> None:
    assert minutes_needed(assumed, ratio, evidence=40) is None


def test_own_requests_are_taken_out_and_no_count_becomes_negative() -> None:
    counts = block(10, 2, 90, 1)
    assert counts.without(3, 1) == block(7, 1, 90, 1)
    assert counts.without(12, 5) == block(0, 0, 90, 1)
    assert counts.without(9, 0) == block(2, 2, 90, 1)
