"""Slices: Holm's procedure compared with its definition, and the effect of a worse slice."""

from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest

from shared.core.decisions.comparison import RuleOutcome
from shared.core.decisions.metrics import Metric, metric_named
from shared.core.decisions.rows import PairedRows
from shared.core.decisions.slices import (
    MOST_CHECKED,
    MOST_LISTED,
    Sliced,
    Slices,
    holm,
    slices_for_each,
)
from tests.unit.core.decisions.drawn_rows import of_classes, rows_of

MARGIN = 0.01


def by_definition(p_values: list[float], error: float) -> list[bool]:
    """Reject what is rejected by Bonferroni in every set of hypotheses that it is in."""
    places = range(len(p_values))
    sets = [some for size in places for some in combinations(places, size + 1)]
    return [
        all(min(p_values[one] for one in some) <= error / len(some) for some in sets if at in some)
        for at in places
    ]


@pytest.mark.parametrize("seed", range(12))
def test_holm_rejects_what_its_definition_rejects(seed: int) -> None:
    p_values = (np.random.default_rng(seed).random(6) ** 4).tolist()
    assert holm(p_values, 0.05) == by_definition(p_values, 0.05)


def test_holm_of_none_rejects_none() -> None:
    assert holm([], 0.05) == []
    assert holm([0.05], 0.05) == [True]
    assert holm([0.04, 0.03], 0.05) == [False, False]


def metric(name: str) -> Metric:
    found = metric_named(name)
    assert found is not None
    return found


def sliced(rows: PairedRows, name: str = "AUC", min_rows: int = 50, most: int = 400) -> Sliced:
    found = Slices.of(rows, "a").compared(metric(name), level=0.9, min_rows=min_rows, most=most)
    return found.judged(MARGIN)


def joined(*parts: tuple[str, PairedRows]) -> PairedRows:
    """Return rows of several regions."""
    labels, candidate, other = (
        [one for _, rows in parts for one in getattr(rows, name)]
        for name in ("labels", "candidate", "other")
    )
    regions = [name for name, rows in parts for _ in rows.labels]
    classes = parts[0][1].classes
    return rows_of(labels, candidate, other, classes=classes, slices={"region": regions})


def test_the_slice_in_which_the_candidate_is_worse_is_found_and_is_first() -> None:
    others = [(f"r{at}", of_classes(400, at)) for at in range(4)]
    found = sliced(joined(*others, ("south", of_classes(400, 9, worse=1.0))))
    assert found.worse == 1
    assert [one.outcome is RuleOutcome.WORSE for one in found.listed] == [True, *[False] * 4]
    worst = found.listed[0]
    assert (worst.column, worst.value, worst.rows) == ("region", "south", 400)
    assert worst.interval is not None
    assert worst.p_worse is not None
    assert worst.interval.high < -MARGIN
    assert worst.p_worse < 0.01


def test_a_slice_that_one_of_many_looks_worse_by_chance_is_unsure() -> None:
    """One of twenty p-values is below 0.05, and none below a twentieth of it."""
    rows = joined(*((f"r{at:02}", of_classes(120, at + 60)) for at in range(20)))
    found = sliced(rows)
    low = [one for one in found.listed if one.p_worse is not None and one.p_worse < 0.05]
    assert low
    assert found.worse == 0
    assert {one.outcome for one in low} == {RuleOutcome.UNSURE}


def test_a_slice_that_is_surely_not_worse_is_fit() -> None:
    rows = of_classes(600)
    nearly = replace(rows, candidate=[one + 1e-9 for one in rows.other])
    (one,) = sliced(joined(("north", nearly))).listed
    assert one.outcome is RuleOutcome.FIT


def test_small_slices_are_listed_last_and_not_checked() -> None:
    rows = joined(("small", of_classes(49, 2, worse=3.0)), ("large", of_classes(300)))
    found = sliced(rows)
    assert [one.value for one in found.listed] == ["large", "small"]
    small = found.listed[1]
    assert (small.outcome, small.interval, small.p_worse) == (RuleOutcome.UNSURE, None, None)
    assert small.why == "49 rows; slices below 50 are not checked"
    assert found.worse == 0


def test_a_slice_with_one_class_says_why_it_is_not_checked() -> None:
    one_class = replace(of_classes(80), labels=[1.0] * 80)
    (found,) = sliced(joined(("north", one_class))).listed
    assert (found.outcome, found.p_worse) == (RuleOutcome.UNSURE, None)
    assert found.why == "all rows are of one class"


def test_every_column_of_slices_and_the_costs_go_with_their_rows() -> None:
    rows = of_classes(200)
    regions = ["north" if label else "south" for label in rows.labels]
    ages = ["old"] * 200
    costs = [7.0 if label else 1.0 for label in rows.labels]
    both = replace(rows, slices={"region": regions, "age": ages}, costs=costs)
    found = sliced(both, "cost")
    assert {(one.column, one.rows) for one in found.listed} >= {("age", 200)}
    assert len(found.listed) == 3


def test_a_column_with_very_many_values_does_not_fill_the_record() -> None:
    rows = replace(of_classes(400), slices={"customer": [str(at) for at in range(400)]})
    found = sliced(rows)
    assert (len(found.listed), found.left_out) == (MOST_LISTED, 400 - MOST_LISTED)


def test_of_a_column_with_a_value_for_each_row_only_the_largest_are_kept() -> None:
    size = MOST_CHECKED + 2 * MOST_LISTED
    rows = replace(of_classes(size), slices={"customer": [str(at) for at in range(size)]})
    found = Slices.of(rows, "a")
    assert (len(found.parts), found.left_out) == (MOST_CHECKED + MOST_LISTED, MOST_LISTED)
    assert sliced(rows).left_out == size - MOST_LISTED


def test_only_the_largest_slices_of_each_column_are_checked() -> None:
    sizes = (("a", 60), ("b", 80), ("c", 70), ("d", 20))
    rows = joined(*((name, of_classes(size, size)) for name, size in sizes))
    ages = ["old"] * 170 + ["young"] * 60
    found = sliced(replace(rows, slices={**rows.slices, "age": ages}), most=3)
    checked = {(one.column, one.value) for one in found.listed if "checked" not in one.why}
    assert checked == {("age", "old"), ("region", "b"), ("region", "c")}
    (left,) = [one for one in found.listed if one.value == "a"]
    assert left.why == "only 3 slices can be checked, the largest of each column first"
    assert left.outcome is RuleOutcome.UNSURE


def test_all_metrics_and_other_models_share_the_slices_that_a_verdict_checks() -> None:
    rows, auc = of_classes(60), metric("AUC")
    of_many = replace(rows, classes=[str(at) for at in range(50)])
    assert slices_for_each([auc], [rows]) == MOST_CHECKED
    assert slices_for_each([auc, metric("F1")], [rows, rows]) == MOST_CHECKED // 4
    assert slices_for_each([auc, metric("F1 macro")], [of_many]) == MOST_CHECKED // 11
    assert slices_for_each([auc] * 300, [rows] * 2) == 1
    assert slices_for_each([], []) == MOST_CHECKED


def test_of_a_very_large_slice_some_rows_are_compared_in_any_order(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("shared.core.decisions.slices.MOST_ROWS", 90)
    rows = of_classes(300, worse=1.0)
    (one,) = sliced(joined(("north", rows))).listed
    assert one.rows == 300
    assert one.why == "compared on 90 of its rows, drawn at random"
    turned = [list(reversed(each)) for each in (rows.labels, rows.candidate, rows.other)]
    back = rows_of(turned[0], turned[1], turned[2], classes=rows.classes)
    (again,) = sliced(joined(("north", back))).listed
    assert again.interval is not None
    assert one.interval is not None
    assert again.interval.difference == pytest.approx(one.interval.difference)
    (few,) = sliced(joined(("north", of_classes(90)))).listed
    assert few.why == ""


def test_a_long_value_is_shortened() -> None:
    rows = replace(of_classes(60), slices={"note": ["x" * 500] * 60})
    (found,) = sliced(rows).listed
    assert len(found.value) <= 60
