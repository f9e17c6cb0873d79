"""Metrics of different rows: the noise between two equal models, and where it is used."""

from typing import Any

import numpy as np
import pytest

from shared.core.decisions.comparison import RuleOutcome
from shared.core.evaluation.judging import judge, judged_again
from shared.core.evaluation.noise import noise_of, words_of_noise
from shared.core.evaluation.on_rows import OnRows
from shared.core.evaluation.report import Row
from tests.unit.core.evaluation.compared import LIVE, comparison
from tests.unit.core.evaluation.test_gate import rule

COUNTS = {"rows": 569.0, "positives": 228.0}


@pytest.mark.parametrize("apart", [1.0, 1.8])
def test_the_noise_of_an_auc_is_that_of_drawn_scores(apart: float) -> None:
    drawn = np.random.default_rng(18)
    scores = drawn.normal(size=(800, 569))
    scores[:, :228] += apart
    ranks = scores.argsort(axis=1).argsort(axis=1) + 1
    areas = (ranks[:, :228].sum(axis=1) - 228 * 229 / 2) / (228 * 341)
    seen = float(np.quantile(np.abs(areas[:400] - areas[400:]), 0.9))
    noise = noise_of("AUC", float(areas.mean()), COUNTS)
    assert noise is not None
    assert 0.9 < noise / seen < 1.1


@pytest.mark.parametrize(
    ("metric", "value", "counts", "noise"),
    [
        ("Accuracy", 0.9, {"n_rows": 400}, 0.0349),
        ("Accuracy", 0.9, {"TP": 100, "FN": 60, "FP": 40, "TN": 200}, 0.0349),
        ("Recall", 0.9, {"True Positive": 100, "False Negative": 300}, 0.0349),
        ("recall_score", 0.9, {"Positives": 400}, 0.0349),
        ("RMSE", 2.0, {"rows": 400}, 0.1645),  # the errors as if they were normal
        ("F1", 0.8, {"rows": 400, "positives": 100}, 0.0720),
    ],
)
def test_the_noise_of_other_metrics_follows_from_the_rows(
    metric: str, value: float, counts: dict[str, float], noise: float
) -> None:
    assert noise_of(metric, value, counts) == pytest.approx(noise, rel=0.01)


@pytest.mark.parametrize(
    ("metric", "value", "counts"),
    [
        ("AUC", 0.9, {}),
        ("AUC", 0.9, {"rows": 569}),
        ("AUC", 0.9, {"rows": 569, "positives": 569}),
        ("AUC", 0.9, {"rows": 569, "n": 500, "positives": 228}),
        ("AUC", 0.9, {"rows": float("nan"), "positives": 228}),
        ("AUC", 1.0, COUNTS),
        ("AUC", 90, COUNTS),
        ("RMSE", 0.3, {}),
        ("RMSE", float("nan"), COUNTS),
        ("F1", 0.3, {"rows": 569}),
        ("log loss", 0.3, COUNTS),
        ("precision", 0.3, COUNTS),
        ("Accuracy", 0.9, {"positives": 228}),
    ],
)
def test_noise_that_cannot_be_known_is_not_guessed(
    metric: str, value: float, counts: dict[str, float]
) -> None:
    assert noise_of(metric, value, counts) is None


@pytest.mark.parametrize(
    ("counts", "words"),
    [
        (COUNTS, "different rows: a difference below 0.03 is noise"),
        ({}, "different rows: a small difference is noise"),
    ],
)
def test_a_verdict_by_recorded_numbers_says_what_is_noise(
    counts: dict[str, float], words: str
) -> None:
    row = Row({}, {"AUC": 0.9, **counts})
    for one in (rule(max_drop=0.01), rule(min_gain=0.01)):
        verdict = judge([one], row, [{"AUC": 0.9}], first_allowed=False)
        assert verdict.results[0].why.endswith(f"; {words}")
    first = judge([rule(max_drop=0.01)], row, [], first_allowed=True)
    assert "noise" not in first.results[0].why


@pytest.mark.parametrize(
    ("outcome", "recorded", "of_live"),
    [(RuleOutcome.FIT, 0.5, 0.99), (RuleOutcome.WORSE, 0.99, 0.5), (RuleOutcome.UNSURE, 0.99, 0.5)],
)
def test_recorded_numbers_do_not_count_where_both_scored_the_same_rows(
    outcome: RuleOutcome, recorded: float, of_live: float
) -> None:
    no_drop = rule(max_drop=0.01)
    on_rows = OnRows({0: (comparison(outcome),)}, live=(LIVE,))
    known: dict[str, Any] = {"first_allowed": True, "on_rows": on_rows}
    verdict = judge([no_drop], Row({}, {"AUC": recorded}), [{"AUC": of_live}], **known)
    assert verdict.outcome is outcome
    again = judged_again(verdict, [no_drop], [{"AUC": of_live}], **known)
    assert (again.outcome, again.results[0].live) == (outcome, 0.91)


@pytest.mark.parametrize("metric", ["AUC", "F1", "accuracy", "RMSE", "MAE", "R2", "recall"])
@pytest.mark.parametrize(
    "counts",
    [
        {"rows": 1.7e308, "positives": 1e308},
        dict.fromkeys(("tp", "fn", "fp", "tn"), 1.7e308),
        {"rows": 1e-310, "positives": 1e-310},
    ],
)
def test_numbers_that_are_too_large_leave_the_noise_open(
    metric: str, counts: dict[str, float]
) -> None:
    for value in (0.9, 1.7e308, -1.7e308):
        words = words_of_noise(metric, value, counts)
        assert words == "different rows: a small difference is noise"
    known = noise_of("RMSE", 1.7e308, {"rows": 1.0})
    assert known is None
