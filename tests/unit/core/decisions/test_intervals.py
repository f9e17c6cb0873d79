"""Intervals by DeLong and by Student's t, against SciPy and against counting every pair."""

import math
from collections.abc import Callable, Sequence

import numpy as np
import pytest
from scipy import stats

from shared.core.decisions.compared import Scored, compared
from shared.core.decisions.intervals import (
    of_auc,
    of_mean,
    student_quantile,
    student_share,
)
from shared.core.decisions.metrics import Kind, Metric, metric_named
from shared.core.decisions.rows import PairedRows
from tests.unit.core.decisions.drawn_rows import Numbers, of_classes, of_numbers, rows_of

LEVEL = 0.9


def scored(
    name: str, rows: PairedRows, level: float = LEVEL, quantile: float | None = None
) -> Scored:
    metric = metric_named(name, quantile=quantile)
    assert metric is not None
    found = compared(metric, rows, level=level, seed="a")
    assert isinstance(found, Scored)
    return found


@pytest.mark.parametrize("freedom", [6, 29, 100, 5000])
@pytest.mark.parametrize("share", [0.0005, 0.05, 0.5, 0.9, 0.995])
def test_students_t_is_that_of_scipy(freedom: int, share: float) -> None:
    value = float(stats.t.ppf(share, freedom))
    close = 2e-6 if freedom >= 29 else 3e-3
    assert student_quantile(share, freedom) == pytest.approx(value, rel=close, abs=1e-9)
    assert student_share(value, freedom) == pytest.approx(share, abs=close)


def by_pairs(rows: PairedRows) -> tuple[float, float, float, float]:
    """Return both AUCs, their difference and its standard error, from every pair of rows."""
    yes = [at for at, label in enumerate(rows.labels) if label]
    no = [at for at, label in enumerate(rows.labels) if not label]

    def wins(scores: Sequence[float]) -> Numbers:
        def win(one: float, other: float) -> float:
            return 0.5 if one == other else float(one > other)

        return np.array([[win(scores[a], scores[b]) for b in no] for a in yes])

    ours, theirs = wins(rows.candidate), wins(rows.other)
    both = np.cov(ours.mean(axis=1), theirs.mean(axis=1)) / len(yes)
    both = both + np.cov(ours.mean(axis=0), theirs.mean(axis=0)) / len(no)
    contrast = np.array([1.0, -1.0])
    error = math.sqrt(contrast @ both @ contrast)
    return float(ours.mean()), float(theirs.mean()), float(ours.mean() - theirs.mean()), error


@pytest.mark.parametrize("tied", [False, True])
@pytest.mark.parametrize("level", [0.8, 0.95])
def test_delong_is_that_of_all_pairs_of_rows(level: float, *, tied: bool) -> None:
    rows = of_classes(130, 7, worse=0.4)
    if tied:
        rounded = [[round(one, 1) for one in scores] for scores in (rows.candidate, rows.other)]
        rows = rows_of(rows.labels, *rounded, classes=rows.classes)
    first, second, difference, error = by_pairs(rows)
    found = scored("AUC", rows, level)
    half = float(stats.norm.ppf((1 + level) / 2)) * error
    assert (found.candidate, found.other) == pytest.approx((first, second))
    assert found.interval.method == "delong"
    assert found.interval.difference == pytest.approx(difference)
    assert found.interval.low == pytest.approx(difference - half)
    assert found.interval.high == pytest.approx(difference + half)
    assert found.estimate.p_worse(0.02) == pytest.approx(
        float(stats.norm.cdf((difference - 0.02) / error))
    )


@pytest.mark.parametrize(
    ("name", "loss"),
    [
        ("MAE", lambda label, said: abs(label - said)),
        ("quantile loss", lambda label, said: max(0.8 * (label - said), 0.2 * (said - label))),
    ],
)
def test_a_mean_has_the_paired_interval_of_scipy(
    name: str, loss: Callable[[float, float], float]
) -> None:
    rows = of_numbers(80, off=1.1)
    ours, theirs = (
        [loss(label, said) for label, said in zip(rows.labels, scores, strict=True)]
        for scores in (rows.candidate, rows.other)
    )
    expected = stats.ttest_rel(theirs, ours).confidence_interval(LEVEL)
    found = scored(name, rows, quantile=0.8)
    assert found.interval.method == "paired_t"
    assert (found.candidate, found.other) == pytest.approx((np.mean(ours), np.mean(theirs)))
    assert (found.interval.low, found.interval.high) == pytest.approx(
        (expected.low, expected.high), rel=1e-6
    )
    p_value = stats.ttest_1samp(np.subtract(theirs, ours), 0.1, alternative="less").pvalue
    assert found.estimate.p_worse(0.1) == pytest.approx(float(p_value), rel=1e-4)


def test_positive_is_better_for_every_metric() -> None:
    worse = of_classes(300, worse=1.2)
    for name in ("AUC", "accuracy", "F1", "log loss", "Brier score"):
        assert scored(name, worse).interval.high < 0, name
    for name in ("MAE", "RMSE", "R2"):
        assert scored(name, of_numbers(300, off=2.0)).interval.high < 0, name


def test_right_answers_that_differ_in_few_rows_count_one_more_row_each_way() -> None:
    better = np.zeros(200)
    better[:3] = 1.0
    found = of_mean(better, np.ones(200), LEVEL)
    # Bonett and Price: 4 and 1 of 202 rows, where 3 and 0 of 200 were seen.
    center, rows = 3 / 202, 202
    error = math.sqrt((5 / rows - center**2) / rows)
    half = float(stats.t.ppf(0.95, 199)) * error
    assert found.different == 3
    assert (found.low, found.high) == pytest.approx((center - half, center + half), rel=1e-6)
    assert found.difference == pytest.approx(3 / 200)
    assert of_mean(np.append(better, np.ones(9)), np.ones(209), LEVEL).different is None


def test_a_model_that_is_wrong_in_a_few_rows_alone_is_seldom_called_fit() -> None:
    random, rows, share = np.random.default_rng(1), 200, 3 / 200
    usual = np.full(rows, 0.05)
    fit = 0
    for _ in range(400):
        worse = np.where(random.random(rows) < share, 1.0, 0.0)
        found = of_mean(-worse, usual + worse / 2, LEVEL)
        fit += found.low > -share
    assert fit <= 0.08 * 400  # nearly 0.2, where an added row is as small as the others


def test_perfect_models_are_not_taken_for_the_same_model() -> None:
    positive = np.arange(80) >= 40
    scores = np.arange(80.0)
    mixed = np.concatenate((scores[:40][::-1], scores[40:][::-1]))
    found, first, second = of_auc(scores, mixed, positive, LEVEL)
    assert (first, second) == (1.0, 1.0)
    assert found.low < -0.01
    alike, _, _ = of_auc(scores, scores * 2 + 1, positive, LEVEL)
    assert alike.low < -0.01 < alike.difference == 0.0


@pytest.mark.parametrize(
    ("name", "draw"),
    [
        *((name, of_classes) for name in ("AUC", "accuracy", "F1", "log loss", "Brier score")),
        *((name, of_numbers) for name in ("MAE", "RMSE", "R2")),
    ],
)
def test_the_same_scores_in_few_rows_do_not_show_that_models_are_equal(
    name: str, draw: Callable[[int], PairedRows]
) -> None:
    """A model that is wrong in one row of fifty more differs in none of sixty rows quite often."""
    widths = []
    for count in (90, 900):
        rows = draw(count)
        same = rows_of(rows.labels, rows.candidate, rows.candidate, classes=rows.classes)
        found = scored(name, same)
        assert found.interval.low < found.interval.difference == 0.0 < found.interval.high
        assert "in no row" in found.note or "no row differently" in found.note
        widths.append(found.interval.high - found.interval.low)
    assert widths[1] == pytest.approx(widths[0] / 10, rel=0.4)


@pytest.mark.parametrize("scores", [(0.0, 1.0), (0.3, 0.8)])
def test_models_that_rank_few_different_scores_alike_are_not_fit_by_that(
    scores: tuple[float, float],
) -> None:
    labels = [1.0] * 30 + [0.0] * 30
    said = [scores[int(label) if at % 10 else 1 - int(label)] for at, label in enumerate(labels)]
    found = scored("AUC", rows_of(labels, said, said, classes=("no", "yes")))
    assert found.interval.low < -0.05
    assert "the models rank no row differently" in found.note
    one_more = [scores[0], *said[1:11], scores[0], *said[12:]]
    assert (
        scored("AUC", rows_of(labels, one_more, said, classes=("no", "yes"))).interval.low < -0.05
    )


@pytest.mark.parametrize("levels", [1, 3, 1000])
def test_a_model_that_drops_some_rows_is_seldom_called_fit_at_the_margin(levels: int) -> None:
    """Rows that were drawn so: of each hundred positive ones some get the lowest score of all."""
    chance = np.random.default_rng(levels)
    loss, fit, trials = 0.0, 0, 200
    for trial in range(trials):
        labels = (np.arange(200) >= 100).astype(float)
        drawn = 1 / (1 + np.exp(0.8 - 1.7 * labels - chance.standard_normal(200)))
        other = np.round(drawn * levels) / levels
        dropped = (chance.random(200) < 0.025) & (labels == 1)
        said = np.where(dropped, 0.0, other).tolist()
        rows = rows_of(labels.tolist(), said, other.tolist(), classes=("no", "yes"))
        found = compared(Metric(Kind.AUC), rows, level=LEVEL, seed=str(trial))
        assert isinstance(found, Scored)
        loss -= found.interval.difference / trials
        fit += found.interval.low > -0.01
    assert loss >= 0.01
    assert fit <= 0.05 * trials


def test_the_same_answers_are_not_taken_for_the_same_model() -> None:
    rows = of_classes(200)
    nudged = [one + 1e-9 for one in rows.candidate]
    found = scored("accuracy", rows_of(rows.labels, rows.candidate, nudged, classes=rows.classes))
    assert found.interval.low < -0.01 < found.interval.difference == 0.0
    assert "differ in no row" in found.note
