import json
import math
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from shared.core.evaluation.gate import (
    Result,
    Rule,
    Verdict,
    direction_of,
    judge,
    judged_again,
    refused,
)
from shared.core.evaluation.report import Row, read_evaluation

FINITE = st.floats(allow_nan=False, allow_infinity=False)
DISTANCES = st.floats(min_value=0, allow_nan=False, allow_infinity=False)


def rule(metric: str = "AUC", **bounds: Any) -> Rule:
    return Rule.model_validate({"metric": metric, **bounds})


def result(
    one: Rule, value: float, *live: Mapping[str, float], first_allowed: bool = False
) -> Result:
    verdict = judge([one], Row({}, {one.metric: value}), live, first_allowed=first_allowed)
    assert verdict.passed is verdict.results[0].passed
    return verdict.results[0]


@pytest.mark.parametrize(
    ("bounds", "value", "passed", "why"),
    [
        ({"at_least": 0.8}, 0.78, False, "AUC 0.78 is below at_least 0.8"),
        ({"at_least": 0.8}, 0.8, True, "AUC 0.8 holds at_least 0.8"),
        ({"at_least": 0.8}, 0.91, True, "AUC 0.91 holds at_least 0.8"),
        ({"at_least": -1}, -2, False, "AUC -2 is below at_least -1"),
        ({"at_most": 2}, 2.5, False, "AUC 2.5 is above at_most 2"),
        ({"at_most": 2}, 2, True, "AUC 2 holds at_most 2"),
        (
            {"at_least": 0.8},
            math.nextafter(0.8, 0),
            False,
            "AUC 0.7999999999999999 is below at_least 0.8",
        ),
    ],
)
def test_a_fixed_bound_holds_up_to_the_bound_itself(
    bounds: dict[str, Any],
    value: float,
    passed: bool,  # noqa: FBT001 - a column of the table
    why: str,
) -> None:
    found = result(rule(**bounds), value)
    assert (found.passed, found.why, found.value, found.live) == (passed, why, value, None)


@pytest.mark.parametrize(
    ("metric", "bounds", "value", "live", "passed"),
    [
        pytest.param("AUC", {"max_drop": 0.01}, 0.90, 0.92, False, id="dropped too far"),
        pytest.param("AUC", {"max_drop": 0.02}, 0.90, 0.92, True, id="dropped by the bound"),
        pytest.param("AUC", {"max_drop": 0.1}, 0.8, 0.9, True, id="the bound, rounded"),
        pytest.param("AUC", {"max_drop": 0}, 0.9, 0.9, True, id="no drop"),
        pytest.param("AUC", {"max_drop": 0}, 0.99, 0.9, True, id="a gain"),
        pytest.param("AUC", {"max_drop": 0}, 0.8999, 0.9, False, id="any drop"),
        pytest.param("RMSE", {"max_drop": 0.1}, 3.2, 3.0, False, id="an error that grew"),
        pytest.param("RMSE", {"max_drop": 0.1}, 3.1, 3.0, True, id="an error that grew by it"),
        pytest.param("RMSE", {"max_drop": 0.1}, 1.0, 3.0, True, id="an error that shrank"),
        pytest.param("AUC", {"min_gain": 0.1}, 0.9, 0.8, True, id="gained the bound"),
        pytest.param("AUC", {"min_gain": 0.1}, 0.89, 0.8, False, id="gained too little"),
        pytest.param("AUC", {"min_gain": 0}, 0.8, 0.8, True, id="gained nothing, as asked"),
        pytest.param("RMSE", {"min_gain": 0.5}, 2.4, 3.0, True, id="an error that shrank enough"),
        pytest.param("RMSE", {"min_gain": 0.5}, 3.6, 3.0, False, id="an error that did not"),
        pytest.param("RMSE", {"min_gain": 1e-7}, 1e6, 1e6, False, id="rounding is no gain"),
        pytest.param("AUC", {"max_drop": 0, "direction": "lower"}, 0.8, 0.9, True, id="as told"),
    ],
)
def test_the_live_model_is_compared_with_in_the_direction_that_is_better(
    metric: str,
    bounds: dict[str, Any],
    value: float,
    live: float,
    passed: bool,  # noqa: FBT001 - a column of the table
) -> None:
    found = result(rule(metric, **bounds), value, {metric.lower(): live})
    assert (found.passed, found.value, found.live) == (passed, value, live)


@pytest.mark.parametrize(
    ("one", "value", "live", "why"),
    [
        (
            rule(max_drop=0.01),
            0.9,
            0.92,
            "AUC 0.9 is 0.02 under the live model's 0.92; max_drop is 0.01",
        ),
        (
            rule("RMSE", max_drop=1),
            5,
            3,
            "RMSE 5 is 2 over the live model's 3; max_drop is 1",
        ),
        (
            rule(min_gain=0.01),
            0.9,
            0.9,
            "AUC 0.9 is equal to the live model's 0.9; min_gain is 0.01",
        ),
        (
            rule(max_drop=0.5),
            1,
            1.50000001,
            "AUC 1 is 0.50000001 under the live model's 1.5; max_drop is 0.5",
        ),
    ],
)
def test_a_comparison_is_told_with_its_numbers(
    one: Rule, value: float, live: float, why: str
) -> None:
    assert result(one, value, {one.metric: live}).why == why


@pytest.mark.parametrize(
    ("value", "bound", "why"),
    [
        (0.1234567, 0.9, "AUC 0.123457 is below at_least 0.9"),
        (0.1234566, 0.123457, "AUC 0.1234566 is below at_least 0.123457"),
        (0.12345678949, 0.1234567899, "AUC 0.123456789 is below at_least 0.12345679"),
        (0.1234567891234, 0.1234567894, "AUC 0.123456789123 is below at_least 0.1234567894"),
        (
            0.12345678912341234,
            0.1234567891234987,
            "AUC 0.123456789123412 is below at_least 0.123456789123499",
        ),
    ],
)
def test_two_numbers_are_shown_with_as_many_digits_as_it_takes_to_tell_them_apart(
    value: float, bound: float, why: str
) -> None:
    assert result(rule(at_least=bound), value).why == why


def test_of_several_live_models_none_may_be_let_down() -> None:
    live = ({"AUC": 0.8}, {"AUC": 0.92}, {"AUC": 0.7})
    assert not result(rule(max_drop=0.01), 0.9, *live).passed
    assert result(rule(max_drop=0.01), 0.91, *live).passed
    assert result(rule(max_drop=0.01), 0.9, *live).live == 0.92
    errors = ({"MAE": 3.0}, {"MAE": 2.0})
    assert result(rule("MAE", min_gain=0.1), 1.95, *errors).live == 2.0
    assert not result(rule("MAE", min_gain=0.1), 1.95, *errors).passed


@pytest.mark.parametrize("one", [rule(max_drop=0.01), rule(min_gain=0.01)])
@pytest.mark.parametrize("live", [(), ({},), ({"F1": 0.9},), ({"AUC": math.nan},)])
def test_a_first_model_passes_a_comparison_only_where_that_is_allowed(
    one: Rule, live: tuple[Mapping[str, float], ...]
) -> None:
    refusal = result(one, 0.9, *live)
    assert not refusal.passed
    assert refusal.live is None
    assert "to compare with; first_model: allow promotes nevertheless" in refusal.why
    allowed = result(one, 0.9, *live, first_allowed=True)
    assert allowed.passed
    assert allowed.why.endswith("to compare with")


def test_without_a_live_model_that_is_what_is_said() -> None:
    why = "AUC: there is no live model to compare with"
    assert result(rule(max_drop=0.01), 0.9, first_allowed=True).why == why


def test_a_live_model_that_is_known_counts_though_another_is_not() -> None:
    known, unknown = {"AUC": 0.92}, {"F1": 0.9}
    for allowed in (True, False):
        worse = result(rule(max_drop=0.01), 0.5, known, unknown, first_allowed=allowed)
        assert not worse.passed
    better = result(rule(max_drop=0.01), 0.95, known, unknown)
    assert not better.passed
    assert "AUC is not known of 1 of 2 live models" in better.why
    assert result(rule(max_drop=0.01), 0.95, known, unknown, first_allowed=True).passed


@pytest.mark.parametrize(
    ("value", "word"), [(math.nan, "NaN"), (math.inf, "Infinity"), (-math.inf, "-Infinity")]
)
@pytest.mark.parametrize(
    "one", [rule(at_least=0), rule(at_most=0), rule(max_drop=1), rule(min_gain=0)]
)
def test_a_number_that_is_not_finite_never_passes_and_reaches_no_record(
    one: Rule, value: float, word: str
) -> None:
    row = Row({}, {"AUC": value, "F1": 0.5})
    for live in ((), ({"AUC": 0.5},), ({"AUC": value},)):
        verdict = judge([one], row, live, first_allowed=True)
        assert not verdict.passed
        assert verdict.reason == f"AUC is {word}, which passes no rule"
        assert verdict.results[0].value is None
        assert verdict.metrics == {"F1": 0.5}


def test_a_metric_that_is_missing_fails_and_the_others_are_named() -> None:
    row = Row({}, {"Accuracy": 0.9, "F1": 0.8})
    for one in (rule(at_least=0), rule(max_drop=1)):
        verdict = judge([one], row, [], first_allowed=True)
        assert not verdict.passed
        assert verdict.reason == "the evaluation has no metric AUC; it has Accuracy, F1"
    empty = judge([rule(at_least=0)], Row({"a": "b"}, {}), [], first_allowed=True)
    told = "the evaluation has no metric AUC; it has no numbers, and not as numbers a"
    assert empty.reason == told
    mixed = judge(
        [rule(at_least=0)], Row({"a": "b"}, {"F1": 1}, {"c": "is a list"}), [], first_allowed=True
    )
    assert mixed.reason == "the evaluation has no metric AUC; it has F1, and not as numbers a, c"


def test_a_metric_that_is_a_text_or_could_be_two_fails_and_says_so() -> None:
    text = judge([rule(at_least=0)], Row({"AUC": "0,91"}, {}), [], first_allowed=True)
    assert text.reason == "AUC is not a number: 0,91"
    two = Row({}, {"auc": 0.9, "A-U-C": 0.1})
    several = judge([rule(at_least=0)], two, [], first_allowed=True)
    assert several.reason == "AUC could be any of auc, A-U-C: write one as it is there"


@pytest.mark.parametrize(
    ("text", "metric", "why"),
    [
        ('{"AUC": 0.9, "matrix": [[1]]}', "matrix", "matrix is a list, not a number"),
        (
            '{"AUC": {"macro": 0.9}}',
            "AUC",
            "AUC is an object, not a number: name a member of it, such as AUC.macro",
        ),
        ('{"passed": true}', "Passed", "Passed is true or false, not a number"),
        (
            '{"metrics": {"AUC": 0.9}, "auc": 0.7}',
            "AUC",
            "AUC is in `metrics` and beside it: rename one",
        ),
        (
            '{"metrics": {"AUC": 0.9}, "auc": 0.7}',
            "A U C",
            "A U C is in `metrics` and beside it: rename one",
        ),
        (
            '{"AUC": 0.9, "auc": [0.1]}',
            "A U C",
            "A U C could be any of AUC, auc: write one as it is there",
        ),
    ],
)
def test_a_rule_on_what_is_no_number_says_what_it_is(text: str, metric: str, why: str) -> None:
    (row,) = read_evaluation(text.encode(), "evaluation.json")
    verdict = judge([rule(metric, at_least=0)], row, [], first_allowed=True)
    assert (verdict.passed, verdict.reason) == (False, why)


def test_every_rule_must_hold_and_every_failure_is_told() -> None:
    rules = [rule(at_least=0.8), rule("F1", at_least=0.8), rule("Log Loss", at_most=0.3)]
    row = Row({"Model": "left"}, {"AUC": 0.9, "F-1": 0.7, "log_loss": 0.5})
    verdict = judge(rules, row, [], first_allowed=False)
    assert not verdict.passed
    assert verdict.reason == "F1 0.7 is below at_least 0.8; Log Loss 0.5 is above at_most 0.3"
    assert [each.passed for each in verdict.results] == [True, False, False]
    assert verdict.row == {"Model": "left"}
    assert verdict.metrics == {"AUC": 0.9, "F-1": 0.7, "log_loss": 0.5}


def test_what_a_rule_said_is_kept_with_all_its_numbers() -> None:
    verdict = judge([rule(at_least=0.8)], Row({}, {"AUC": 0.7}), [], first_allowed=False)
    assert verdict.results == (
        Result(
            metric="AUC",
            rule="at_least",
            bound=0.8,
            value=0.7,
            live=None,
            passed=False,
            why="AUC 0.7 is below at_least 0.8",
        ),
    )
    compared = result(rule(max_drop=0.1), 0.8, {"AUC": 0.9})
    assert (compared.bound, compared.value, compared.live) == (0.1, 0.8, 0.9)
    assert compared.why == "AUC 0.8 is 0.1 under the live model's 0.9; max_drop is 0.1"


def test_two_hundred_numbers_are_kept_in_their_order_those_with_a_rule_first() -> None:
    numbers = {f"m{250 - number}": float(number) for number in range(250)}
    row = Row({"Model": "left"}, {**numbers, "a u c": 0.9, "F1": math.nan})
    kept = judge([rule(at_least=0.8)], row, [], first_allowed=False).metrics
    assert list(kept) == ["a u c", *list(numbers)[:199]]
    assert len(kept) == 200


def test_a_model_is_judged_again_by_what_was_kept_of_it() -> None:
    rules = [rule(max_drop=0.1)]
    row = Row({"Model": "left"}, {"AUC": 0.8})
    first = judge(rules, row, [{"AUC": 0.85}], first_allowed=False)
    assert first.passed
    again = judged_again(first, rules, [{"AUC": 0.95}], first_allowed=False)
    assert again == judge(rules, row, [{"AUC": 0.95}], first_allowed=False)
    assert not again.passed
    assert judged_again(first, rules, [], first_allowed=True).passed
    assert not judged_again(first, rules, [], first_allowed=False).passed


def test_a_text_that_looks_like_a_number_fails_with_the_character_that_is_odd() -> None:
    odd = judge([rule(at_least=0)], Row({"AUC": "0\u202491"}, {}), [], first_allowed=True)
    assert odd.reason.startswith("AUC is not a number: 0\u202491, with ")
    word = judge([rule(at_least=0)], Row({"AUC": "gr\u00f6\u00dfer"}, {}), [], first_allowed=True)
    assert word.reason == "AUC is not a number: gr\u00f6\u00dfer"


@pytest.mark.parametrize(
    ("count", "reason"),
    [(0, "there are no rules"), (1, "the rule holds"), (3, "all 3 rules hold")],
)
def test_a_model_that_passes_is_told_how_many_rules_hold(count: int, reason: str) -> None:
    verdict = judge([rule(at_least=0.8)] * count, Row({}, {"AUC": 0.9}), [], first_allowed=False)
    assert verdict.passed
    assert verdict.reason == reason


def test_a_model_without_an_evaluation_is_refused_without_numbers() -> None:
    assert refused("the file is empty") == Verdict(passed=False, reason="the file is empty")


def test_the_nearly_perfect_row_of_the_real_evaluation_is_stopped_by_its_infinity() -> None:
    content = (
        b"Negative Log Likelihood,Mean Absolute Error,Coefficient of Determination\n"
        b"Infinity,0.0912634519229332,0.999999999998332\n"
    )
    (row,) = read_evaluation(content, "evaluation.csv")
    rules = [
        rule("coefficient_of_determination", at_least=0.99),
        rule("Negative Log Likelihood", at_most=1000),
    ]
    verdict = judge(rules, row, [], first_allowed=False)
    assert [each.passed for each in verdict.results] == [True, False]


ROWS = st.dictionaries(st.sampled_from(["AUC", "RMSE", "a u c", "F1"]), st.floats(), max_size=3)
RULES = st.builds(
    lambda metric, kind, bound: rule(metric, **{kind: abs(bound)}),
    st.sampled_from(["AUC", "RMSE", "F1"]),
    st.sampled_from(["at_least", "at_most", "max_drop", "min_gain"]),
    FINITE,
)


@given(
    st.lists(RULES, max_size=3), ROWS, st.lists(ROWS, max_size=3), st.sampled_from(["", "allow"])
)
def test_every_verdict_survives_its_record(
    rules: list[Rule], metrics: dict[str, float], live: list[dict[str, float]], first: str
) -> None:
    verdict = judge(rules, Row({}, metrics), live, first_allowed=bool(first))
    written = verdict.model_dump_json()
    assert Verdict.model_validate_json(written) == verdict
    json.loads(written, parse_constant=pytest.fail)
    assert all(each.why for each in verdict.results)
    assert verdict.passed is all(each.passed for each in verdict.results)


@given(FINITE, FINITE, DISTANCES, st.sampled_from(["AUC", "RMSE"]))
def test_a_better_model_is_never_stopped_by_max_drop_nor_a_worse_one_passed_by_min_gain(
    value: float, live: float, bound: float, metric: str
) -> None:
    better = value >= live if metric == "AUC" else value <= live
    if better:
        assert result(rule(metric, max_drop=bound), value, {metric: live}).passed
    elif bound > 0:
        assert not result(rule(metric, min_gain=bound), value, {metric: live}).passed


@given(FINITE, st.lists(FINITE, min_size=1, max_size=4), DISTANCES)
def test_several_live_models_are_as_strict_as_each_of_them(
    value: float, live: list[float], bound: float
) -> None:
    for one in (rule(max_drop=bound), rule("MAE", max_drop=bound), rule(min_gain=bound)):
        each = [result(one, value, {one.metric: number}).passed for number in live]
        together = result(one, value, *({one.metric: number} for number in live)).passed
        assert together is all(each)


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
        ({"at_least": True}, "valid number"),
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
        Rule.model_validate({"metric": "AUC", **written})


@given(RULES)
def test_a_rule_is_read_again_as_it_was_stored(one: Rule) -> None:
    assert Rule.model_validate_json(one.model_dump_json()) == one
