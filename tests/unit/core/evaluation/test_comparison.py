"""Rules that compare with the models that serve."""

import json
import math
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.core.config.gate_rule import Rule
from shared.core.evaluation.gate import Verdict
from shared.core.evaluation.judging import judge
from shared.core.evaluation.report import Row
from tests.unit.core.evaluation.test_gate import FINITE, RULES, result, rule

DISTANCES = st.floats(min_value=0, allow_nan=False, allow_infinity=False)


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
        pytest.param(
            "AUC", {"max_drop": 0, "direction": "lower"}, 0.8, 0.9, True, id="as reported"
        ),
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
def test_a_comparison_is_reported_with_its_numbers(
    one: Rule, value: float, live: float, why: str
) -> None:
    noise = "; different rows: a small difference is noise"
    assert result(one, value, {one.metric: live}).why == why + noise


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
def test_two_numbers_are_shown_with_as_many_digits_as_it_takes_to_distinguish_them(
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


@pytest.mark.parametrize("live", [0.89, 0.92])
def test_the_reason_has_the_numbers_and_the_noise_for_any_outcome(live: float) -> None:
    one = rule(max_drop=0.01)
    numbers = Row({}, {"AUC": 0.9, "rows": 569, "positives": 223})
    verdict = judge([one], numbers, [{"AUC": live}], first_allowed=False)
    assert verdict.passed is (live < 0.9)
    assert f"the live model's {live}; max_drop is 0.01; different rows: a difference below" in (
        verdict.reason
    )


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
    assert "AUC is unknown for 1 of 2 live models" in better.why
    assert result(rule(max_drop=0.01), 0.95, known, unknown, first_allowed=True).passed


ROWS = st.dictionaries(st.sampled_from(["AUC", "RMSE", "a u c", "F1"]), st.floats(), max_size=3)


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
