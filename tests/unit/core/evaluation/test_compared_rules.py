"""Rules over rows that both models scored: the three outcomes, the anchor, and rows without one."""

from dataclasses import replace
from typing import Any

import pytest

from shared.core.config.gate_rule import Rule
from shared.core.decisions import slices
from shared.core.decisions.compared import NotComparable, compared
from shared.core.decisions.comparison import Comparison, Interval, Opponent, RuleOutcome
from shared.core.decisions.metrics import Metric
from shared.core.decisions.pairing import NotPaired
from shared.core.decisions.rows import PairedRows
from shared.core.evaluation.compared_rules import (
    Against,
    Terms,
    compared_rules,
    measured,
    outcome_of,
)
from shared.core.evaluation.noise import words_of_noise
from shared.core.evaluation.report import Row
from tests.unit.core.decisions.drawn_rows import of_classes, of_numbers

TERMS = Terms()


def against(rows: PairedRows | str, which: Opponent = "live", run_id: str = "r1") -> Against:
    return Against(which, run_id, "model of May", rows)


def comparison(rule: Rule, rows: PairedRows | str, terms: Terms = TERMS) -> Comparison:
    (one,) = compared_rules({3: rule}, terms, [against(rows)], seed="run-1")[3]
    return one


@pytest.mark.parametrize(
    ("low", "high", "bound", "outcome"),
    [
        (-0.009, 0.5, -0.01, RuleOutcome.FIT),
        (-0.01, 0.5, -0.01, RuleOutcome.UNSURE),
        (-0.5, -0.01, -0.01, RuleOutcome.UNSURE),
        (-0.5, -0.011, -0.01, RuleOutcome.WORSE),
        (0.006, 0.1, 0.005, RuleOutcome.FIT),
        (0.005, 0.1, 0.005, RuleOutcome.UNSURE),
        (-0.1, 0.004, 0.005, RuleOutcome.WORSE),
        (0.0, 0.0, 0.0, RuleOutcome.UNSURE),
    ],
)
def test_the_whole_interval_is_on_one_side_of_the_bound_or_it_is_unsure(
    low: float, high: float, bound: float, outcome: RuleOutcome
) -> None:
    middle = (low + high) / 2
    interval = Interval(difference=middle, low=low, high=high, level=0.9, method="delong")
    assert outcome_of(interval, bound) is outcome


def test_max_drop_and_min_gain_have_their_bounds_on_either_side_of_zero() -> None:
    better = of_classes(2000, worse=-0.5)
    assert comparison(Rule(metric="AUC", max_drop=0.01), better).outcome is RuleOutcome.FIT
    assert comparison(Rule(metric="AUC", min_gain=0.01), better).outcome is RuleOutcome.FIT
    alike = of_classes(2000)
    assert comparison(Rule(metric="AUC", max_drop=0.02), alike).outcome is RuleOutcome.FIT
    assert comparison(Rule(metric="AUC", min_gain=0.02), alike).outcome is RuleOutcome.WORSE


def test_a_comparison_says_all_that_decided() -> None:
    rows = replace(of_classes(150), note="2 rows were left out")
    one = comparison(Rule(metric="AUC", max_drop=0.001), rows)
    assert (one.against, one.run_id, one.model) == ("live", "r1", "model of May")
    assert (one.rows, one.positives) == (150, sum(rows.labels))
    assert one.candidate is not None
    assert one.other is not None
    assert one.interval is not None
    assert one.interval.difference == pytest.approx(one.candidate - one.other)
    assert (one.interval.level, one.interval.method) == (0.9, "delong")
    assert one.outcome is RuleOutcome.UNSURE
    assert one.rows_needed is not None
    assert one.rows_needed > 150
    assert one.why == "2 rows were left out"
    sure = comparison(Rule(metric="AUC", max_drop=0.2), rows)
    assert (sure.outcome, sure.rows_needed) == (RuleOutcome.FIT, None)


def test_the_terms_of_the_comparison_are_used() -> None:
    rule, rows = Rule(metric="accuracy", max_drop=0.01), of_classes(300, worse=0.5)
    wide, narrow = (comparison(rule, rows, Terms(level=level)).interval for level in (0.99, 0.8))
    assert wide is not None
    assert narrow is not None
    assert wide.low < narrow.low < narrow.high < wide.high
    high = comparison(rule, rows, Terms(threshold=0.9))
    assert high.candidate != comparison(rule, rows).candidate
    cost = Rule(metric="cost", max_drop=0.01, direction="lower")
    dear = Terms(cost={"no": {"yes": 2.0}, "yes": {"no": 20.0}})
    assert comparison(cost, rows, dear).interval is not None
    loss = Rule(metric="quantile loss", max_drop=0.01, direction="lower")
    assert comparison(loss, of_numbers(60), Terms(quantile=0.9)).interval is not None
    assert comparison(loss, of_numbers(60)).interval is None


def test_the_anchor_is_compared_like_the_live_model() -> None:
    better, worse = of_classes(600, worse=-1.0), of_classes(600, worse=1.5)
    opponents = [against(better), against(worse, "anchor", "r0")]
    rules = {0: Rule(metric="AUC", max_drop=0.01), 2: Rule(metric="F1", max_drop=0.01)}
    found = compared_rules(rules, TERMS, opponents, seed="run-1")
    assert list(found) == [0, 2]
    for comparisons in found.values():
        assert [(one.against, one.run_id) for one in comparisons] == [
            ("live", "r1"),
            ("anchor", "r0"),
        ]
        assert [one.outcome for one in comparisons] == [RuleOutcome.FIT, RuleOutcome.WORSE]


@pytest.mark.parametrize(
    ("rule", "rows", "why"),
    [
        (Rule(metric="AUC", max_drop=0.9), "r1 wrote no predictions", "r1 wrote no predictions"),
        (Rule(metric="AUC", max_drop=0.9), of_classes(12), "rows of the smaller class, of 12"),
        (
            Rule(metric="AUC", max_drop=0.9),
            replace(of_classes(90), candidate=[0.5] * 90),
            "the candidate gives the same answer for every row",
        ),
        (
            Rule(metric="precision", max_drop=0.9),
            of_classes(90),
            "precision cannot be computed of rows",
        ),
        (
            Rule(metric="log loss", max_drop=0.9, direction="higher"),
            of_classes(90),
            "the rule says that higher is better, which log loss is not",
        ),
    ],
)
def test_without_an_interval_the_rule_is_unsure_and_says_why(
    rule: Rule, rows: PairedRows | str, why: str
) -> None:
    one = comparison(rule, rows)
    assert (one.outcome, one.interval, one.slices) == (RuleOutcome.UNSURE, None, ())
    assert why in one.why


def test_too_few_rows_say_both_values_and_how_many_are_needed() -> None:
    one = comparison(Rule(metric="AUC", max_drop=0.01), of_classes(12))
    assert one.candidate is not None
    assert one.other is not None
    assert one.rows_needed is not None
    assert one.rows_needed >= 60


def in_regions(rows: PairedRows, worse: PairedRows) -> PairedRows:
    """Return both in one, the second in the region south."""
    both: dict[str, Any] = {
        name: [*getattr(rows, name), *getattr(worse, name)]
        for name in ("ids", "labels", "candidate", "other")
    }
    regions = ["north"] * len(rows.labels) + ["south"] * len(worse.labels)
    return PairedRows(**both, classes=rows.classes, slices={"region": regions})


def test_a_slice_can_only_turn_the_outcome_to_worse() -> None:
    rule = Rule(metric="AUC", max_drop=0.02)
    large, small = of_classes(6000, worse=-0.2), of_classes(300, 5, worse=1.5)
    rows = in_regions(large, small)
    assert comparison(rule, replace(rows, slices={})).outcome is RuleOutcome.FIT
    one = comparison(rule, rows)
    assert (one.outcome, one.rows_needed) == (RuleOutcome.WORSE, None)
    assert [slice_.value for slice_ in one.slices] == ["south", "north"]
    bad = in_regions(of_classes(3000, worse=1.0), of_classes(300, 5, worse=-1.0))
    assert comparison(rule, bad).outcome is RuleOutcome.WORSE


def test_an_unsure_slice_is_listed_and_changes_nothing() -> None:
    rule = Rule(metric="AUC", max_drop=0.02)
    rows = in_regions(of_classes(6000, worse=-0.2), of_classes(40, 5, worse=1.5))
    one = comparison(rule, rows)
    assert one.outcome is RuleOutcome.FIT
    assert [slice_.value for slice_ in one.slices] == ["north", "south"]
    assert one.slices[1].outcome is RuleOutcome.UNSURE
    strict = comparison(rule, rows, Terms(min_rows=10**6))
    assert all("are not checked" in slice_.why for slice_ in strict.slices)


def test_slices_are_for_max_drop_alone() -> None:
    rows = in_regions(of_classes(300), of_classes(300, 5, worse=1.5))
    assert comparison(Rule(metric="AUC", min_gain=0.01), rows).slices == ()


def test_very_many_slices_are_said_to_be_more_than_are_listed() -> None:
    rows = replace(of_classes(120), slices={"customer": [str(at) for at in range(120)]})
    one = comparison(Rule(metric="AUC", max_drop=0.01), rows)
    assert one.why == "70 slices more than are listed"


def test_the_seed_is_that_of_the_run_and_of_the_other_model() -> None:
    rule, rows = Rule(metric="F1", max_drop=0.01), of_classes(200, worse=0.3)

    def interval(seed: str, run_id: str) -> Interval | None:
        opponent = against(rows, run_id=run_id)
        (one,) = compared_rules({0: rule}, TERMS, [opponent], seed=seed)[0]
        return one.interval

    assert interval("run-1", "r1") == interval("run-1", "r1")
    assert interval("run-1", "r1") != interval("run-2", "r1")
    assert interval("run-1", "r1") != interval("run-1", "r2")


def test_fixed_bounds_are_held_against_the_metrics_of_the_candidate() -> None:
    rows = of_classes(100)
    rules = [Rule(metric="AUC", at_least=0.8), Rule(metric="precision", at_least=0.5)]
    found = measured([*rules, Rule(metric="RMSE", at_most=1.0)], TERMS, rows)
    assert list(found.metrics) == ["AUC"]
    assert 0.5 < found.metrics["AUC"] < 1
    assert found.unusable == {
        "precision": "cannot be computed of the predictions: it is not a metric of rows",
        "RMSE": "cannot be computed of the predictions: the labels are classes, and RMSE needs "
        "numbers",
    }


def test_one_model_at_two_endpoints_is_compared_once() -> None:
    rows = of_numbers(40)
    opponents = [against(rows, run_id="r1"), against(rows, run_id="r2")]
    rule = Rule(metric="RMSE", max_drop=0.1)
    first, second = compared_rules({0: rule}, TERMS, opponents, seed="run-1")[0]
    assert (first.run_id, second.run_id) == ("r1", "r2")
    assert first.interval is second.interval is not None


def test_rows_of_no_use_say_why_there_are_no_metrics() -> None:
    found = measured([Rule(metric="AUC", at_least=0.8)], TERMS, NotPaired("a label is missing"))
    assert found == Row(
        {}, {}, {"AUC": "cannot be computed of the predictions: a label is missing"}
    )


def test_the_noise_of_recorded_numbers_is_computed_from_the_counted_rows() -> None:
    rows = of_classes(400)
    recorded = Rule(metric="AUC", max_drop=0.01, against="recorded")
    found = measured([recorded], TERMS, rows).metrics
    assert (found["rows"], found["positives"]) == (400, sum(rows.labels))
    assert words_of_noise("AUC", 0.9, found) == "different rows: a difference below 0.035 is noise"
    numbers = Rule(metric="MAE", max_drop=0.01, against="recorded")
    assert set(measured([numbers], TERMS, of_numbers(60)).metrics) == {"MAE", "rows"}
    assert set(measured([Rule(metric="AUC", max_drop=0.01)], TERMS, rows).metrics) == {"AUC"}


def test_however_many_columns_rules_and_models_there_are_few_slices_are_compared(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A verdict that takes longer than an invocation is begun again for ever."""
    times: list[int] = []

    def counting(metric: Metric, rows: PairedRows, *, level: float, seed: str) -> Any:
        times.append(len(rows.labels))
        return (
            NotComparable("not now")
            if len(times) > 3
            else compared(metric, rows, level=level, seed=seed)
        )

    monkeypatch.setattr(slices, "compared", counting)
    columns = {f"c{at}": [str(row % (at + 2)) for row in range(2000)] for at in range(20)}
    rows = replace(of_classes(2000), slices=columns)
    rules = {
        at: Rule(metric=name, max_drop=drop)
        for at, (name, drop) in enumerate(
            (name, drop) for name in ("AUC", "accuracy", "F1") for drop in (0.1, 0.2, 0.3)
        )
    }
    others = [against(rows), against(replace(rows), "anchor", "r0")]
    found = compared_rules(rules, TERMS, others, seed="r")
    assert len(times) == 6 * (slices.MOST_CHECKED // 6)
    assert all(len(one) == 2 for one in found.values())


def test_rules_on_one_metric_have_one_comparison() -> None:
    rows = replace(of_classes(300), slices={"region": ["north"] * 300})
    rules = {at: Rule(metric="AUC", max_drop=drop) for at, drop in enumerate((0.001, 0.9))}
    rules[2] = Rule(metric="F1", max_drop=0.9)
    strict, slack, f1 = (
        found[0] for found in compared_rules(rules, TERMS, [against(rows)], seed="r").values()
    )
    assert strict.interval == slack.interval != f1.interval
    assert (strict.outcome, slack.outcome) == (RuleOutcome.UNSURE, RuleOutcome.FIT)
    assert (strict.slices[0].outcome, slack.slices[0].outcome) == (
        RuleOutcome.UNSURE,
        RuleOutcome.FIT,
    )
