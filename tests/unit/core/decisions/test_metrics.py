"""Metrics of rows: their values against scikit-learn, and rows that are refused with a reason."""

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from sklearn import metrics as known

from shared.core.decisions.compared import NotComparable, Scored, compared, value_of
from shared.core.decisions.metrics import Kind, Metric, metric_named
from shared.core.decisions.rows import PairedRows
from tests.unit.core.decisions.drawn_rows import of_answers, of_classes, of_numbers, rows_of

Known = Callable[[Any, Any], float]
COST = {"no": {"yes": 1.0}, "yes": {"no": 5.0}}


def named(name: str, **more: Any) -> Metric:
    metric = metric_named(name, **more)
    assert metric is not None, name
    return metric


@pytest.mark.parametrize(
    ("name", "kind", "average"),
    [
        ("AUC", Kind.AUC, "binary"),
        ("roc_auc_score", Kind.AUC, "binary"),
        ("AUC_weighted", Kind.AUC, "weighted"),
        ("Accuracy", Kind.ACCURACY, "binary"),
        ("Overall accuracy", Kind.ACCURACY, "binary"),
        ("F1", Kind.F1, "binary"),
        ("F1 Score", Kind.F1, "binary"),
        ("f1_score_macro", Kind.F1, "macro"),
        ("Weighted F1", Kind.F1, "weighted"),
        ("log_loss", Kind.LOG_LOSS, "binary"),
        ("Brier score", Kind.BRIER, "binary"),
        ("Mean Absolute Error", Kind.MAE, "binary"),
        ("root_mean_squared_error", Kind.RMSE, "binary"),
        ("r2_score", Kind.R2, "binary"),
        ("R²", Kind.R2, "binary"),
        ("Coefficient of Determination", Kind.R2, "binary"),
        ("pinball loss", Kind.QUANTILE_LOSS, "binary"),
        ("quantile_loss", Kind.QUANTILE_LOSS, "binary"),
        ("Cost", Kind.COST, "binary"),
    ],
)
def test_usual_names_are_known(name: str, kind: Kind, average: str) -> None:
    metric = named(name)
    assert (metric.kind, metric.average) == (kind, average)


@pytest.mark.parametrize("name", ["precision", "normalized_mae", "balanced accuracy", "AUC x", ""])
def test_other_metrics_cannot_be_computed_of_rows(name: str) -> None:
    assert metric_named(name) is None


def answered(scored: Known, **more: Any) -> Known:
    return lambda labels, scores: scored(labels, np.asarray(scores) >= 0.4, **more)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("AUC", known.roc_auc_score),
        ("accuracy", answered(known.accuracy_score)),
        ("F1", answered(known.f1_score)),
        ("F1 macro", answered(known.f1_score, average="macro")),
        ("F1 micro", answered(known.f1_score, average="micro")),
        ("F1 weighted", answered(known.f1_score, average="weighted")),
        ("log loss", known.log_loss),
        ("Brier score", known.brier_score_loss),
    ],
)
def test_values_of_classes_are_those_of_scikit_learn(name: str, expected: Known) -> None:
    rows = of_classes(250, worse=0.5)
    metric = named(name, threshold=0.4)
    both = tuple(float(expected(rows.labels, one)) for one in (rows.candidate, rows.other))
    found = compared(metric, rows, level=0.9, seed="a")
    assert isinstance(found, Scored)
    assert (found.candidate, found.other) == pytest.approx(both)
    assert value_of(metric, rows) == pytest.approx(both[0])
    assert found.positives == sum(rows.labels)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("MAE", known.mean_absolute_error),
        ("RMSE", known.root_mean_squared_error),
        ("R2", known.r2_score),
        ("quantile loss", lambda a, b: known.mean_pinball_loss(a, b, alpha=0.8)),
    ],
)
def test_values_of_numbers_are_those_of_scikit_learn(name: str, expected: Known) -> None:
    rows = of_numbers(250, off=1.3)
    metric = named(name, quantile=0.8)
    both = tuple(float(expected(rows.labels, one)) for one in (rows.candidate, rows.other))
    found = compared(metric, rows, level=0.9, seed="a")
    assert isinstance(found, Scored)
    assert (found.candidate, found.other) == pytest.approx(both)
    assert value_of(metric, rows) == pytest.approx(both[0])
    assert found.positives is None


@pytest.mark.parametrize("average", ["macro", "weighted", "micro"])
def test_f1_of_several_classes_is_that_of_scikit_learn(average: str) -> None:
    rows = of_answers(400, ("a", "b", "c"))
    found = compared(named(f"F1 {average}"), rows, level=0.9, seed="a")
    assert isinstance(found, Scored)
    both = [
        known.f1_score(rows.labels, one, average=average) for one in (rows.candidate, rows.other)
    ]
    assert [found.candidate, found.other] == pytest.approx(both)
    accuracy = compared(named("accuracy"), rows, level=0.9, seed="a")
    assert isinstance(accuracy, Scored)
    assert accuracy.candidate == pytest.approx(known.accuracy_score(rows.labels, rows.candidate))


def test_a_matrix_or_a_column_says_what_a_wrong_answer_costs() -> None:
    labels = [0.0, 1.0] * 40
    candidate = [0.9, 0.1, *labels[2:]]  # wrong in one row of each class
    other = [0.9, 0.8, *labels[2:]]  # wrong in one row that is no
    rows = rows_of(labels, candidate, other, classes=("no", "yes"))
    found = compared(named("cost", cost=COST), rows, level=0.9, seed="a")
    assert isinstance(found, Scored)
    assert (found.candidate, found.other) == pytest.approx((6 / 80, 1 / 80))
    with_column = replace(rows, costs=[2.0, 7.0, *[1.0] * 78])
    found = compared(named("cost"), with_column, level=0.9, seed="a")
    assert isinstance(found, Scored)
    assert (found.candidate, found.other) == pytest.approx((9 / 80, 2 / 80))
    assert found.interval.difference == pytest.approx(-7 / 80)


def changed(rows: PairedRows, **values: float) -> PairedRows:
    """Return the rows with another value in the last row of each of these columns."""
    columns: dict[str, Any] = {
        name: [*getattr(rows, name)[:-1], value] for name, value in values.items()
    }
    return replace(rows, **columns)


TWO = of_classes(100)
NUMBERS = of_numbers(100)
THREE = of_answers(200, ("a", "b", "c"))
SAME = [0.5] * 100
BAD: dict[str, tuple[str, PairedRows, str]] = {
    "no rows": ("AUC", rows_of([], [], [], classes=("no", "yes")), "there are no rows"),
    "a score is NaN": (
        "AUC",
        changed(TWO, candidate=math.nan),
        "in 1 row the score of the candidate is NaN or infinite",
    ),
    "a score is infinite": (
        "MAE",
        changed(NUMBERS, other=math.inf),
        "in 1 row the score of the other model is NaN or infinite",
    ),
    "a label is NaN": ("MAE", changed(NUMBERS, labels=math.nan), "the label is NaN"),
    "the candidate is constant": (
        "AUC",
        replace(TWO, candidate=SAME),
        "the candidate gives the same answer for every row",
    ),
    "the live model is constant": (
        "R2",
        replace(NUMBERS, other=SAME),
        "the other model gives the same answer for every row",
    ),
    "one class": ("AUC", replace(TWO, labels=[1.0] * 100), "all rows are of one class"),
    "AUC of three classes": ("AUC", THREE, "there are 3 classes, and AUC is compared for two"),
    "AUC of answers": (
        "AUC",
        replace(TWO, predicts_classes=True),
        "the models give classes, and AUC needs scores",
    ),
    "F1 of three classes": ("F1", THREE, "name F1 macro, F1 micro or F1 weighted"),
    "scores of three classes": (
        "accuracy",
        replace(THREE, predicts_classes=False),
        "a score says nothing about the class of a row",
    ),
    "no probabilities": (
        "log loss",
        changed(TWO, candidate=1.5),
        "1 score of the candidate is not between 0 and 1, and log loss needs probabilities",
    ),
    "AUC of numbers": ("AUC", NUMBERS, "the labels are numbers, and AUC needs classes"),
    "RMSE of classes": ("RMSE", TWO, "the labels are classes, and RMSE needs numbers"),
    "R2 of equal labels": ("R2", replace(NUMBERS, labels=SAME), "R2 is not defined"),
    "no quantile": ("quantile loss", NUMBERS, "the quantile is unknown"),
    "no cost": ("cost", TWO, "no column says what a wrong answer costs"),
    "costs of 0": ("cost", replace(TWO, costs=[0.0] * 100), "every wrong answer costs 0"),
}


@pytest.mark.parametrize("case", BAD)
def test_rows_that_say_nothing_are_refused_with_the_reason(case: str) -> None:
    name, rows, reason = BAD[case]
    found = compared(named(name), rows, level=0.9, seed="a")
    assert isinstance(found, NotComparable)
    assert reason in found.reason
    assert found.rows_needed is None


def test_a_cost_matrix_has_every_pair_of_classes() -> None:
    found = compared(named("cost", cost={"no": {"yes": 1.0}}), TWO, level=0.9, seed="a")
    assert isinstance(found, NotComparable)
    assert "every pair of classes" in found.reason


@pytest.mark.parametrize("name", ["AUC", "accuracy", "F1", "log loss", "Brier score"])
def test_fewer_than_30_rows_of_a_class_are_too_few(name: str) -> None:
    def of(few: int, many: int) -> PairedRows:
        drawn = of_classes(few + many, 3)
        return replace(drawn, labels=[1.0] * few + [0.0] * many)

    found = compared(named(name), of(29, 300), level=0.9, seed="a")
    assert isinstance(found, NotComparable)
    assert found.reason == (
        "29 rows of the smaller class, of 329: below 30 no interval can be relied on; "
        "about 341 rows would do"
    )
    assert found.rows_needed == 341
    assert found.candidate == pytest.approx(value_of(named(name), of(29, 300)))
    assert isinstance(compared(named(name), of(30, 300), level=0.9, seed="a"), Scored)


def test_12_rows_never_decide() -> None:
    found = compared(named("MAE"), of_numbers(12), level=0.9, seed="a")
    assert isinstance(found, NotComparable)
    expected = "12 rows: below 30 no interval can be relied on; about 30 rows would do"
    assert found.reason == expected
    assert (found.rows, found.rows_needed) == (12, 30)
    assert isinstance(compared(named("RMSE"), of_numbers(30), level=0.9, seed="a"), Scored)


def test_of_several_classes_only_an_average_over_them_needs_30_rows_of_each() -> None:
    rows = of_answers(100, tuple("abcde"))
    few = compared(named("F1 macro"), rows, level=0.9, seed="a")
    assert isinstance(few, NotComparable)
    assert "of the smallest class, of 100" in few.reason
    assert isinstance(compared(named("accuracy"), rows, level=0.9, seed="a"), Scored)


def test_a_fixed_bound_needs_the_scores_of_the_candidate_alone() -> None:
    rows = of_classes(100)
    assert value_of(named("AUC"), replace(rows, other=SAME)) == value_of(named("AUC"), rows)
    refused = value_of(named("AUC"), replace(rows, candidate=SAME))
    assert isinstance(refused, NotComparable)


@pytest.mark.parametrize("name", ["accuracy", "F1", "cost"])
@pytest.mark.parametrize(
    ("threshold", "where"),
    [(7.0, "is below the threshold 7"), (-7.0, "is at least the threshold -7")],
)
def test_a_threshold_beyond_all_scores_is_named(name: str, threshold: float, where: str) -> None:
    """Models with the same answer for every row need not be equal."""
    rows = of_classes(300)
    found = compared(named(name, threshold=threshold, cost=COST), rows, level=0.9, seed="a")
    assert isinstance(found, NotComparable)
    assert where in found.reason
    low = replace(rows, candidate=[min(one, 0.4) for one in rows.candidate])
    alone = compared(named(name, threshold=0.5, cost=COST), low, level=0.9, seed="a")
    assert isinstance(alone, Scored)


def test_f1_is_compared_for_a_hundred_classes_at_most() -> None:
    """A column of texts that are not classes would take hours."""
    classes = [f"{at:03}" for at in range(101)]
    rows = of_answers(4000, classes)
    found = compared(named("F1 macro"), rows, level=0.9, seed="a")
    assert isinstance(found, NotComparable)
    assert found.reason == "there are 101 classes, and F1 is compared for at most 100"
    assert isinstance(compared(named("F1 micro"), rows, level=0.9, seed="a"), Scored)


def test_a_threshold_or_one_answer_for_all_rows_leaves_both_values() -> None:
    rows = of_classes(300)
    same = compared(named("AUC"), replace(rows, candidate=[0.5] * 300), level=0.9, seed="a")
    assert isinstance(same, NotComparable)
    assert same.candidate == 0.5
    assert same.other == value_of(named("AUC"), replace(rows, candidate=rows.other))
    below = compared(named("accuracy", threshold=7.0), rows, level=0.9, seed="a")
    assert isinstance(below, NotComparable)
    assert below.candidate == below.other == rows.labels.count(0.0) / 300
