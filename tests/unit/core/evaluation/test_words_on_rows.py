"""The text of a verdict on a comparison on the same rows, for a reader without its record."""

import re
from decimal import Decimal

import pytest

from shared.core.decisions.comparison import RuleOutcome, SliceComparison
from shared.core.decisions.slices import MOST_LISTED
from tests.unit.core.evaluation.compared import (
    LIVE,
    comparison,
    interval,
    judged,
    not_measured,
    slice_of,
)

FIT, UNSURE, WORSE = RuleOutcome.FIT, RuleOutcome.UNSURE, RuleOutcome.WORSE


def unchecked(value: str, why: str) -> SliceComparison:
    return slice_of(value, UNSURE, interval=None, p_worse=None, why=why)


@pytest.mark.parametrize(
    ("left", "said"),
    [
        (["30 rows; slices below 50 are not checked"], "1 more slice has too few rows"),
        (
            [
                "30 rows; slices below 50 are not checked",
                "9 rows of the smaller class, of 90: below 30 no interval can be relied on",
                "all rows are of one class",
            ],
            "2 more slices have too few rows and 1 more slice has no interval, as its line says",
        ),
    ],
)
def test_a_slice_that_was_not_checked_is_not_counted_with_those_that_were(
    left: list[str], said: str
) -> None:
    found = (
        *(slice_of("south", WORSE), slice_of("north", FIT)),
        *(unchecked(str(at), why) for at, why in enumerate(left)),
    )
    why = judged(comparison(outcome=WORSE, slices=found)).results[0].why
    assert why.endswith(f"1 slice of the 2 checked by region exceeds max_drop 0.01; {said}")


def test_of_more_slices_than_are_listed_no_total_is_said() -> None:
    found = (slice_of("south", WORSE), *(slice_of(str(at), FIT) for at in range(MOST_LISTED - 1)))
    why = judged(comparison(outcome=WORSE, slices=found)).results[0].why
    assert why.endswith("; 1 slice by region exceeds max_drop 0.01")


@pytest.mark.parametrize(
    ("candidate", "other", "says"),
    [
        (0.87604, 0.87457, "AUC is 0.87604, and 0.87457 of"),  # 0.8760 and 0.8746, but 0.0015
        (0.87605, 0.87455, "AUC is 0.8760, and 0.8746 of"),
        (-0.00004, 0.00004, "AUC is -0.0000, and 0.0000 of"),
    ],
)
def test_a_reader_who_subtracts_the_values_finds_the_difference(
    candidate: float, other: float, says: str
) -> None:
    apart = candidate - other
    one = comparison(
        candidate=candidate, other=other, interval=interval(apart - 0.005, apart + 0.006)
    )
    one = one.evolve(interval=one.interval and one.interval.evolve(difference=apart))
    why = judged(one).results[0].why
    values = re.fullmatch(r"AUC is (\S+), and (\S+) of .*: (\S+) (better|worse), at 90 %.*", why)
    assert values is not None, why
    first, second, found = (Decimal(text) for text in values.groups()[:3])
    assert abs(first - second) == found


def test_values_that_are_very_large_are_shown_in_few_digits() -> None:
    one = comparison(WORSE, candidate=1e99, other=3.0, interval=interval(-2e99, -1e90))
    why = judged(one.evolve(interval=interval(-2e99, -1e90, difference=-1e99))).results[0].why
    assert why.startswith("AUC is 1e+99, and 3 of the live model")
    assert ": 1e+99 worse, at 90 % between 1e+90 and 2e+99 worse; " in why


@pytest.mark.parametrize(
    ("gone", "name"), [(False, "the live model"), (True, "the former live model")]
)
def test_the_other_model_has_one_name_in_a_sentence(
    gone: bool,  # noqa: FBT001 - a column of the table
    name: str,
) -> None:
    reason = "the other model gives the same answer for every row"
    live = ("sample-new",) if gone else (LIVE,)
    why = judged(not_measured(reason), live=live).results[0].why
    assert f"AUC cannot be compared with {name} (run {LIVE}): {name} gives the same" in why
    assert "other model" not in why


def test_what_was_not_measured_says_both_values_where_they_are_known() -> None:
    few = not_measured("12 rows of the smaller class, of 90", candidate=0.81, other=0.835)
    assert judged(few).results[0].why == (
        f"AUC cannot be compared with the live model (run {LIVE}): 12 rows of the smaller class, "
        "of 90; AUC is 0.81, and 0.835 of the live model, on these rows"
    )
