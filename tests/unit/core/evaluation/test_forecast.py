"""The forecast for a gate before a run: how often its rules will be unsure, and the noise."""

import re
from typing import Any

import pytest

from proofs.decisions import measured
from proofs.drawn_models import Setting, metric_of
from shared.core.config.compare import Compare
from shared.core.config.gate import Gate
from shared.core.config.gate_rule import Rule
from shared.core.decisions.comparison import RuleOutcome
from shared.core.decisions.metrics import Kind
from shared.core.evaluation.forecast import Experience, experience_of, forecast_of
from tests.unit.core.evaluation.compared import comparison, interval, judged, not_measured

NO_DROP = Rule(metric="AUC", max_drop=0.01)
ROWS = Compare(predictions="scores")


def said(*rules: Rule, compare: Compare | None = ROWS, **known: Any) -> list[str]:
    return forecast_of(Gate(rules=rules, compare=compare), Experience(**known))


def tens(sentence: str) -> list[int]:
    return [int(found) for found in re.findall(r"about (\d) of 10", sentence)]


@pytest.mark.parametrize(
    ("half", "words"),
    [
        (0.02, "about 8 of 10 equal models will be unsure, with about 7,300 rows 1 of 10"),
        (0.01, "about 5 of 10 equal models will be unsure, with about 1,900 rows 1 of 10"),
        (0.005, "fewer than 1 of 10 equal models will be unsure"),
    ],
)
def test_the_last_interval_says_how_many_will_be_unsure(half: float, words: str) -> None:
    found = comparison(interval=interval(-half, half), rows=569)
    known = experience_of(judged(found))
    (sentence,) = said(NO_DROP, comparisons=known, run_id="sample-7")
    assert sentence == (
        f"AUC, max_drop 0.01: with 569 rows {words}; so wide was the interval of run sample-7"
    )


def test_so_many_are_unsure_as_of_models_that_are_drawn() -> None:
    metrics = {"AUC": 0.85, "rows": 1500, "positives": 600}
    (sentence,) = said(NO_DROP, metrics=metrics)
    drawn = measured(Setting(metric_of(Kind.AUC), 0.85, 0.0, 1500, 0.9), 300, seed=1)
    (expected,) = tens(sentence)
    assert drawn.share(drawn.unsure) * 10 == pytest.approx(expected, abs=0.8)
    assert sentence.endswith(
        "if AUC is 0.85 and 40% of the rows are positive, and models are as alike as usual"
    )
    assert "with 1,500 rows" in sentence


def test_without_any_model_it_is_said_for_some_numbers_of_rows() -> None:
    (sentence,) = said(NO_DROP)
    assert "with 500 rows" in sentence
    assert "with 10,000 rows" in sentence
    assert "if AUC is 0.85" in sentence
    assert tens(sentence) == sorted(tens(sentence), reverse=True)


@pytest.mark.parametrize("rule", [Rule(metric="AUC", min_gain=0), Rule(metric="AUC", max_drop=0)])
def test_a_bound_of_zero_leaves_equal_models_unsure_for_ever(rule: Rule) -> None:
    (sentence,) = said(rule)
    assert sentence == (
        f"AUC, {rule.kind} 0: about 9 of 10 equal models will be unsure, with any number of rows: "
        "only a better one is fit"
    )


def test_what_cannot_be_known_before_a_first_comparison_is_not_guessed() -> None:
    for rule in (Rule(metric="log loss", max_drop=0.01), Rule(metric="RMSE", max_drop=0.01)):
        (sentence,) = said(rule)
        assert sentence == (
            f"{rule.metric}, max_drop 0.01: how many equal models will be unsure is unknown "
            "before a first comparison"
        )
    assert "is unknown" not in said(Rule(metric="RMSE", max_drop=0.01), metrics={"RMSE": 0.3})[0]


@pytest.mark.parametrize(
    ("metrics", "words"),
    [
        (
            {"AUC": 0.9, "rows": 569, "positives": 228},
            "a difference below 0.03 is noise, more than max_drop, so that chance decides",
        ),
        ({"AUC": 0.9, "rows": 56900, "positives": 22800}, "a difference below 0.003 is noise"),
        ({"AUC": 0.9}, "a small difference is noise"),
        ({}, "a small difference is noise"),
    ],
)
def test_of_recorded_numbers_the_noise_is_said(metrics: dict[str, float], words: str) -> None:
    recorded = Rule(metric="AUC", max_drop=0.01, against="recorded")
    sentence = f"AUC, max_drop 0.01 compares recorded numbers; different rows: {words}"
    assert said(NO_DROP, compare=None, metrics=metrics) == [sentence]
    assert said(recorded, NO_DROP, metrics=metrics)[0] == sentence


def test_fixed_bounds_are_not_spoken_of() -> None:
    assert said(Rule(metric="AUC", at_least=0.8), compare=None) == []


def test_only_intervals_are_learned_from() -> None:
    same = comparison(interval=interval(0.0, 0.0))
    assert experience_of(judged(not_measured())) == {}
    assert experience_of(judged(same)) == {}
    live, anchor = comparison(), comparison(RuleOutcome.UNSURE, against="anchor")
    assert experience_of(judged(live, anchor)) == {"auc": live}


@pytest.mark.parametrize(
    ("rows", "positives", "words"),
    [
        (12, 5, "the holdout has 12 rows"),
        (200, 20, "the smaller class of the holdout has 20 rows"),
        (200, 200, "the smaller class of the holdout has 0 rows"),
    ],
)
def test_of_a_holdout_that_is_too_small_it_is_said_that_nothing_is_measured(
    rows: int, positives: int, words: str
) -> None:
    holdout = Compare(holdout="evaluation/holdout.csv")
    (sentence,) = said(NO_DROP, compare=holdout, rows=rows, positives=positives)
    assert sentence == (
        f"AUC, max_drop 0.01: {words}: nothing is measured with fewer than 30, and an operator "
        "decides"
    )
