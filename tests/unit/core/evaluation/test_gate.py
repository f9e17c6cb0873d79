"""The verdict of the gate: bounds, missing metrics, and its reasons."""

import math
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import strategies as st

from shared.core.config.gate_rule import Rule
from shared.core.evaluation.gate import Result, Verdict, refused
from shared.core.evaluation.judging import judge, judged_again
from shared.core.evaluation.report import Row, read_evaluation

FINITE = st.floats(allow_nan=False, allow_infinity=False)


def rule(metric: str = "AUC", **bounds: Any) -> Rule:
    return Rule.model_validate({"metric": metric, **bounds}, context={})


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
    reported = "the evaluation has no metric AUC; it has no numbers, and not as numbers a"
    assert empty.reason == reported
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


def test_every_rule_must_hold_and_every_failure_is_reported() -> None:
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
    assert compared.why == (
        "AUC 0.8 is 0.1 under the live model's 0.9; max_drop is 0.1; different rows: a small "
        "difference is noise"
    )


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
def test_a_model_that_passes_says_how_many_rules_hold(count: int, reason: str) -> None:
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


RULES = st.builds(
    lambda metric, kind, bound: rule(metric, **{kind: abs(bound)}),
    st.sampled_from(["AUC", "RMSE", "F1"]),
    st.sampled_from(["at_least", "at_most", "max_drop", "min_gain"]),
    FINITE,
)
