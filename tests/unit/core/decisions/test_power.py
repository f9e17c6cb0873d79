"""The needed number of rows, and the noise, compared with draws."""

import math
from collections.abc import Callable
from statistics import NormalDist

import numpy as np
import pytest

from shared.core.decisions.comparison import Interval
from shared.core.decisions.metrics import Metric, metric_named
from shared.core.decisions.power import (
    Evaluated,
    deviation,
    noise,
    rows_for,
    rows_needed,
    unsure_share,
    usual_deviation,
)
from tests.unit.core.decisions.drawn_rows import Numbers

LEVEL = 0.9


def interval(difference: float, half: float) -> Interval:
    return Interval(
        difference=difference,
        low=difference - half,
        high=difference + half,
        level=LEVEL,
        method="delong",
    )


def metric(name: str) -> Metric:
    found = metric_named(name)
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("difference", "half", "bound", "needed"),
    [
        (0.0, 0.02, -0.01, 2000),  # half as wide: four times as many
        (-0.02, 0.02, -0.01, 2000),
        (0.01, 0.02, 0.005, 8000),
        (-0.001, 0.02, -0.01, 2500),  # 2469.1, rounded up to two digits
        (0.0, 0.0100001, -0.01, 510),
        (-0.01, 0.02, -0.01, None),  # nothing shows on which side of the bound it is
        (-0.01, 0.02, -0.01 - 1e-12, None),
        (0.0, 0.0, 0.0, None),
    ],
)
def test_widths_shrink_with_the_root_of_the_rows(
    difference: float, half: float, bound: float, needed: int | None
) -> None:
    assert rows_needed(interval(difference, half), 500, bound) == needed


def test_more_rows_than_there_are_are_needed_in_any_case() -> None:
    assert rows_needed(interval(0.0, 0.01), 3, -0.01) == 4


def test_the_wider_side_does_not_count_if_the_bound_is_on_the_other() -> None:
    lopsided = Interval(difference=0.0, low=-0.02, high=0.5, level=LEVEL, method="delong")
    assert rows_needed(lopsided, 500, -0.01) == 2000
    assert rows_needed(lopsided, 500, 0.1) == 13_000


def test_the_unsure_share_is_that_of_drawn_differences() -> None:
    rows, one_row, margin = 569, 0.35, 0.01
    error = one_row / math.sqrt(rows)
    drawn = np.random.default_rng(1).normal(0, error, 200_000)
    half = NormalDist().inv_cdf(0.95) * error
    unsure = np.mean((drawn - half <= -margin) & (drawn + half >= -margin))
    share = unsure_share(rows, margin=margin, deviation=one_row, level=LEVEL)
    assert share == pytest.approx(unsure, abs=0.005)
    assert share == pytest.approx(
        unsure_share(rows, margin=margin, deviation=deviation(interval(0, half), rows), level=LEVEL)
    )
    assert unsure_share(10**7, margin=margin, deviation=one_row, level=LEVEL) < 1e-6
    assert unsure_share(100, margin=margin, deviation=0.0, level=LEVEL) == 0
    assert unsure_share(100, margin=0.0, deviation=one_row, level=LEVEL) == pytest.approx(LEVEL)


@pytest.mark.parametrize(("one_row", "margin"), [(0.35, 0.01), (2.0, 0.05), (0.35, 0.3)])
def test_so_many_rows_leave_this_share_unsure(one_row: float, margin: float) -> None:
    needed = rows_for(0.1, margin=margin, deviation=one_row, level=LEVEL)
    assert needed is not None
    shares = [
        unsure_share(rows, margin=margin, deviation=one_row, level=LEVEL)
        for rows in (round(needed * 0.9), needed)
    ]
    assert shares[1] <= 0.1 < shares[0]
    assert rows_for(0.1, margin=1e-9, deviation=one_row, level=LEVEL) is None


def two_aucs(rows: int, positives: int, value: float, correlation: float) -> Numbers:
    """Return pairs of AUCs of equal models on the same rows, drawn often."""
    chance = np.random.default_rng(2)
    apart = math.sqrt(2) * NormalDist().inv_cdf(value)
    found = []
    for _ in range(400):
        theirs = chance.standard_normal(rows)
        ours = correlation * theirs
        ours = ours + math.sqrt(1 - correlation**2) * chance.standard_normal(rows)
        yes, no = slice(None, positives), slice(positives, None)
        found.append([(one[yes, None] + apart > one[None, no]).mean() for one in (ours, theirs)])
    return np.array(found)


def test_noise_and_usual_scatter_of_auc_are_those_of_drawn_rows() -> None:
    drawn = two_aucs(200, 60, 0.85, 0.9)
    one = Evaluated(0.85, 200, 60)
    expected = noise(metric("AUC"), one, one, LEVEL)
    apart = drawn[1:, 0] - drawn[:-1, 1]  # different rows
    assert expected == pytest.approx(np.quantile(np.abs(apart), LEVEL), rel=0.12)
    usual = usual_deviation(metric("AUC"), 0.85, 0.3, 0.9)
    same_rows = (drawn[:, 0] - drawn[:, 1]).std()
    assert usual == pytest.approx(same_rows * math.sqrt(200), rel=0.12)


@pytest.mark.parametrize(
    ("name", "value", "statistic"),
    [
        ("accuracy", 0.8, lambda e, y: (e < NormalDist().inv_cdf(0.8)).mean(axis=1)),
        ("MAE", math.sqrt(2 / math.pi), lambda e, y: np.abs(e).mean(axis=1)),
        ("RMSE", 1.0, lambda e, y: np.sqrt((e**2).mean(axis=1))),
        ("R2", 0.75, lambda e, y: 1 - (e**2).mean(axis=1) / (y + e).var(axis=1)),
    ],
)
def test_noise_of_other_metrics_is_that_of_drawn_rows(
    name: str, value: float, statistic: Callable[[Numbers, Numbers], Numbers]
) -> None:
    chance = np.random.default_rng(3)
    errors = chance.standard_normal((3000, 200))
    numbers = math.sqrt(3) * chance.standard_normal((3000, 200))
    found = statistic(errors, numbers)
    apart = np.abs(found[1:] - found[:-1])
    one = Evaluated(value, 200)
    assert noise(metric(name), one, one, LEVEL) == pytest.approx(np.quantile(apart, LEVEL), rel=0.1)


def test_noise_of_f1_is_that_of_drawn_rows() -> None:
    chance = np.random.default_rng(4)
    yes = chance.random((3000, 500)) < 0.3
    right = chance.random((3000, 500))
    said = np.where(yes, right < 0.8, right < 0.2 * 0.3 / 0.7)  # precision and recall of 0.8
    f1 = 2 * (yes & said).sum(axis=1) / (yes.sum(axis=1) + said.sum(axis=1))
    one = Evaluated(0.8, 500, 150)
    expected = np.quantile(np.abs(f1[1:] - f1[:-1]), LEVEL)
    assert noise(metric("F1"), one, one, LEVEL) == pytest.approx(expected, rel=0.1)


def test_different_sizes_both_count() -> None:
    few, many = Evaluated(0.8, 100), Evaluated(0.8, 10**9)
    both = noise(metric("accuracy"), few, few, LEVEL)
    one = noise(metric("accuracy"), few, many, LEVEL)
    assert both is not None
    assert one == pytest.approx(both / math.sqrt(2), rel=1e-3)


@pytest.mark.parametrize(
    ("name", "evaluated"),
    [
        ("AUC", Evaluated(0.8, 100)),
        ("AUC", Evaluated(0.8, 100, 100)),
        ("AUC", Evaluated(1.8, 100, 50)),
        ("F1", Evaluated(0.8, 100)),
        ("F1 macro", Evaluated(0.8, 100, 50)),
        ("log loss", Evaluated(0.4, 100)),
        ("cost", Evaluated(0.4, 100)),
        ("accuracy", Evaluated(0.8, 0)),
        ("R2", Evaluated(-0.2, 100)),
    ],
)
def test_noise_is_not_guessed(name: str, evaluated: Evaluated) -> None:
    assert noise(metric(name), evaluated, evaluated, LEVEL) is None


@pytest.mark.parametrize(
    ("name", "value", "statistic"),
    [
        ("MAE", math.sqrt(2 / math.pi), lambda e, y: np.abs(e).mean(axis=1)),
        ("RMSE", 1.0, lambda e, y: np.sqrt((e**2).mean(axis=1))),
        ("R2", 0.9, lambda e, y: 1 - (e**2).mean(axis=1) / (10 * y**2).mean(axis=1)),
        ("R2", 0.2, lambda e, y: 1 - (e**2).mean(axis=1) / (1.25 * y**2).mean(axis=1)),
    ],
)
def test_usual_scatter_of_errors_is_that_of_drawn_rows(
    name: str, value: float, statistic: Callable[[Numbers, Numbers], Numbers]
) -> None:
    chance = np.random.default_rng(4)
    shape, alike = (2000, 200), 0.9
    theirs, labels = (chance.standard_normal(shape) for _ in range(2))
    ours = alike * theirs + math.sqrt(1 - alike**2) * chance.standard_normal(shape)
    apart = statistic(ours, labels) - statistic(theirs, labels)
    usual = usual_deviation(metric(name), value, 0.4, alike)
    assert usual == pytest.approx(apart.std() * math.sqrt(200), rel=0.08)


def test_answers_are_less_alike_than_scores() -> None:
    """At a correlation of 0.9 of the scores, right and wrong answers correlate by 0.71."""
    found = usual_deviation(metric("accuracy"), 0.85, 0.4, 0.9)
    assert found == pytest.approx(math.sqrt(0.85 * 0.15 * 2 * (1 - 0.713)), rel=1e-3)
    assert usual_deviation(metric("log loss"), 0.4, 0.4) is None
