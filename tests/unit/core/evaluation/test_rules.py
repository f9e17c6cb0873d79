"""Rules as they are written, and the direction of each usual metric."""

import math
from typing import Any

import pytest
from hypothesis import given
from pydantic import ValidationError

from shared.core.config.gate_rule import Rule, direction_of
from tests.unit.core.evaluation.test_gate import RULES, result, rule


@pytest.mark.parametrize(
    "metric",
    [
        *("Accuracy", "Precision", "Recall", "F-Score", "AUC", "F1", "f1_score", "R2", "r2_score"),
        *("Coefficient of Determination", "NDCG", "Average Log Likelihood", "Overall Accuracy"),
        *("Average Accuracy", "Micro-averaged Precision", "Macro-averaged Recall"),
        *("AUC_weighted", "AUC_macro", "accuracy", "balanced_accuracy", "weighted_accuracy"),
        *("norm_macro_recall", "average_precision_score_weighted", "f1_score_micro"),
        *("precision_score_macro", "matthews_correlation", "spearman_correlation"),
        *("explained_variance", "mean_average_precision", "roc_auc"),
    ],
)
def test_more_of_a_score_is_better(metric: str) -> None:
    assert direction_of(metric) == "higher"


@pytest.mark.parametrize(
    "metric",
    [
        *("Mean Absolute Error", "Root Mean Squared Error", "Relative Absolute Error"),
        *("Relative Squared Error", "Mean Zero One Error", "Negative Log Likelihood"),
        *("Average Log Loss", "Log Loss", "log_loss", "MSE", "RMSE", "MAE", "MAPE"),
        *("normalized_root_mean_squared_error", "normalized_mean_absolute_error"),
        *("median_absolute_error", "normalized_median_absolute_error", "mean_squared_error"),
        *("root_mean_squared_log_error", "normalized_root_mean_squared_log_error"),
        "mean_absolute_percentage_error",
    ],
)
def test_less_of_an_error_is_better(metric: str) -> None:
    assert direction_of(metric) == "lower"


@pytest.mark.parametrize(
    "metric",
    [
        *("Training Log Loss", "Number of Points", "Average Distance to Cluster Center", "", "F"),
        *("Fold Number", "neg_mean_squared_error", "AUC difference", "score", "precise"),
    ],
)
def test_the_direction_of_a_metric_is_not_guessed(metric: str) -> None:
    assert direction_of(metric) is None


def test_a_metric_of_unknown_direction_needs_one_to_be_compared() -> None:
    for kind in ("max_drop", "min_gain"):
        with pytest.raises(
            ValidationError, match=r"direction: .* whether more or less Training Log Loss is "
        ):
            rule("Training Log Loss", **{kind: 1})
        given_one = rule("Training Log Loss", direction="higher", **{kind: 1})
        assert result(given_one, 62, {"Training Log Loss": 60}).passed
    assert rule("Training Log Loss", at_least=1).better is None


@pytest.mark.parametrize(
    ("written", "message"),
    [
        ({}, "name one of at_least, at_most, max_drop, min_gain"),
        ({"at_least": 1, "at_most": 2}, "at_least and at_most are separate rules: name"),
        ({"at_least": 1, "max_drop": 0}, "at_least and max_drop"),
        ({"max_drop": -0.1}, "greater than or equal to 0"),
        ({"min_gain": -0.1}, "greater than or equal to 0"),
        ({"at_least": math.nan}, "finite"),
        ({"at_most": math.inf}, "finite"),
        ({"at_least": "0.8"}, "valid number"),
        ({"at_least": True}, "must be a number, not true or false"),
        ({"at_least": 1, "direction": "up"}, "higher"),
        ({"at_least": 1, "atleast": 1}, "atleast"),
        ({"at_least": 1, "metric": " "}, "metric"),
        ({"at_least": 1, "metric": "m" * 201}, "metric"),
    ],
)
def test_a_rule_that_says_nothing_or_too_much_is_refused(
    written: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValidationError, match=message):
        Rule.model_validate({"metric": "AUC", **written}, context={})


@given(RULES)
def test_a_rule_is_read_again_as_it_was_stored(one: Rule) -> None:
    assert Rule.model_validate_json(one.model_dump_json()) == one
