"""The paired bootstrap of F1, RMSE and R2: equal to SciPy's, and the same for any order of rows."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from scipy import stats
from sklearn.metrics import f1_score

from shared.core.decisions import bootstrap
from shared.core.decisions.compared import Scored, compared
from shared.core.decisions.metrics import metric_named
from shared.core.decisions.rows import PairedRows
from tests.unit.core.decisions.drawn_rows import Numbers, of_classes, of_numbers, rows_of

LEVEL = 0.9


def scored(name: str, rows: PairedRows, seed: str = "a") -> Scored:
    metric = metric_named(name)
    assert metric is not None
    found = compared(metric, rows, level=LEVEL, seed=seed)
    assert isinstance(found, Scored)
    assert found.interval.method == "paired_bootstrap"
    return found


def rmse(labels: Numbers, said: Numbers) -> Numbers:
    return np.asarray(np.sqrt(((said - labels) ** 2).mean(axis=-1)))


def gained(labels: Numbers, candidate: Numbers, other: Numbers) -> Numbers:
    return rmse(labels, other) - rmse(labels, candidate)


def gained_r2(labels: Numbers, candidate: Numbers, other: Numbers) -> Numbers:
    ours, theirs = ((one - labels) ** 2 for one in (candidate, other))
    return np.asarray((theirs - ours).mean(axis=-1) / labels.var(axis=-1))


def gained_f1(labels: Numbers, candidate: Numbers, other: Numbers) -> Numbers:
    def f1(scores: Numbers) -> Numbers:
        yes = scores >= 0.5
        right = (yes & (labels == 1)).sum(axis=-1)
        return np.asarray(2 * right / (yes.sum(axis=-1) + labels.sum(axis=-1)))

    return f1(candidate) - f1(other)


@pytest.mark.parametrize(
    ("name", "gain", "rows"),
    [
        ("RMSE", gained, of_numbers(400, off=1.1)),
        ("R2", gained_r2, of_numbers(400, off=1.1)),
        ("F1", gained_f1, of_classes(400, worse=0.5)),
    ],
)
def test_the_interval_is_that_of_scipy(
    name: str, gain: Callable[[Numbers, Numbers, Numbers], Numbers], rows: PairedRows
) -> None:
    data = tuple(np.asarray(one) for one in (rows.labels, rows.candidate, rows.other))
    theirs = stats.bootstrap(
        data,
        lambda a, b, c, axis: gain(*(np.moveaxis(one, axis, -1) for one in (a, b, c))),
        paired=True,
        vectorized=True,
        n_resamples=4000,
        confidence_level=LEVEL,
        method="percentile",
        rng=1,
    )
    found = scored(name, rows)
    low, high = theirs.confidence_interval
    width = high - low
    assert found.interval.difference == pytest.approx(float(gain(*data)))
    assert found.interval.low == pytest.approx(low, abs=0.06 * width)
    assert found.interval.high == pytest.approx(high, abs=0.06 * width)
    assert found.estimate.error == pytest.approx(theirs.standard_error, rel=0.06)


def test_very_many_rows_are_drawn_in_bundles_without_a_wider_interval() -> None:
    rows = of_numbers(5000, off=1.05)
    data = tuple(np.asarray(one) for one in (rows.labels, rows.candidate, rows.other))
    halves = [scored("RMSE", rows, seed).estimate.error for seed in ("a", "b", "c")]
    labels, ours, theirs = data
    moved = (theirs - labels) ** 2 / (2 * rmse(labels, theirs))
    moved = moved - (ours - labels) ** 2 / (2 * rmse(labels, ours))
    assert np.mean(halves) == pytest.approx(moved.std() / np.sqrt(5000), rel=0.04)


@pytest.mark.parametrize("name", ["F1", "RMSE"])
def test_the_seed_alone_decides_what_is_drawn(name: str) -> None:
    rows = of_classes(200, worse=0.5) if name == "F1" else of_numbers(1200)
    once, again, other = (scored(name, rows, seed).interval for seed in ("a", "a", "b"))
    assert once == again
    assert once != other


@pytest.mark.parametrize("name", ["F1", "RMSE", "R2"])
def test_the_order_of_the_rows_makes_no_difference(name: str) -> None:
    rows = of_classes(200, worse=0.5) if name == "F1" else of_numbers(1200)
    turned = replace(
        rows, labels=rows.labels[::-1], candidate=rows.candidate[::-1], other=rows.other[::-1]
    )
    ours, theirs = scored(name, rows).interval, scored(name, turned).interval
    assert (ours.low, ours.high) == pytest.approx((theirs.low, theirs.high), rel=1e-9)


def test_answers_that_differ_in_few_rows_count_one_more_row_each_way() -> None:
    labels = [0.0, 1.0] * 100
    candidate = [*labels[:-2], 1.0, 1.0]
    answers = rows_of(labels, candidate, labels, classes=("no", "yes"), predicts_classes=True)
    found = scored("F1", answers)
    assert "differ in 1 row only, which says little of other rows" in found.note
    assert found.other == 1.0
    assert found.candidate == pytest.approx(f1_score(labels, candidate))
    assert found.interval.low < found.interval.difference < found.interval.high
    assert found.interval.high > 0


def test_few_rows_with_large_errors_make_the_interval_wider() -> None:
    chance = np.random.default_rng(5)
    labels = chance.standard_normal(300)
    for heavy in (False, True):
        noise = [
            chance.standard_t(2.5, 300) if heavy else chance.standard_normal(300) for _ in range(2)
        ]
        rows = rows_of(labels.tolist(), *((labels + one).tolist() for one in noise))
        assert (scored("RMSE", rows).estimate.freedom < 20) is heavy


def drawn_differences(rows: PairedRows, average: str, draws: int) -> Numbers:
    """Return differences in F1 of rows drawn one by one."""
    chance, number = np.random.default_rng(3), len(rows.labels)
    label, ours, theirs = (
        np.asarray(one, dtype=int) for one in (rows.labels, rows.candidate, rows.other)
    )
    several = [chance.integers(0, number, number) for _ in range(draws)]
    return np.array(
        [
            f1_score(label[at], ours[at], average=average)
            - f1_score(label[at], theirs[at], average=average)
            for at in several
        ]
    )


@pytest.mark.parametrize("average", ["macro", "weighted"])
def test_f1_of_very_many_classes_is_drawn_in_bundles(average: str) -> None:
    """Counts of all pairs of answers in each draw would not fit into memory."""
    chance = np.random.default_rng(5)
    label, wrong, wrong_too = chance.integers(0, 40, (3, 4000))
    ours, theirs = (
        np.where(chance.random(4000) < 0.4, other, label) for other in (wrong, wrong_too)
    )
    classes = [f"{at:02}" for at in range(40)]
    rows = rows_of(label, ours, theirs, classes=classes, predicts_classes=True)
    assert len(set(zip(label, ours, theirs, strict=True))) > bootstrap.MOST_UNITS
    found = scored(f"F1 {average}", rows)
    expected = float(drawn_differences(rows, average, 40).std(ddof=1))
    assert found.estimate.error == pytest.approx(expected, rel=0.3)
    difference = found.estimate.difference
    assert found.estimate.low < difference < found.estimate.high
    assert difference == pytest.approx(
        f1_score(label, ours, average=average) - f1_score(label, theirs, average=average)
    )


def test_two_rows_are_added_to_bundles_too() -> None:
    """The width is that of the same rows without bundles."""
    chance = np.random.default_rng(6)
    label, wrong = chance.integers(0, 40, (2, 5000))
    ours = np.where(chance.random(5000) < 0.9, wrong, label)
    theirs = ours.copy()
    theirs[:2] = (label[:2] + 1) % 40
    ours[:2] = label[:2]
    classes = [f"{at:02}" for at in range(40)]
    rows = rows_of(label, ours, theirs, classes=classes, predicts_classes=True)
    bundled = scored("F1 macro", rows)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("shared.core.decisions.f1.MOST_UNITS", 10**6)
        each = scored("F1 macro", rows)
    assert bundled.note == each.note != ""
    assert bundled.estimate.error == pytest.approx(each.estimate.error, rel=0.15)
    assert (bundled.estimate.low, bundled.estimate.high) == pytest.approx(
        (each.estimate.low, each.estimate.high), abs=0.3 * each.estimate.error
    )
