"""Verdicts on models that were compared on the same rows: fit, worse, or unsure."""

import pytest

from shared.core.config.gate_rule import Rule
from shared.core.decisions.comparison import RuleOutcome
from shared.core.evaluation.gate import refused
from shared.core.evaluation.judging import judge
from shared.core.evaluation.on_rows import OnRows
from shared.core.evaluation.report import Row
from tests.unit.core.evaluation.compared import (
    ANCHOR,
    LIVE,
    comparison,
    interval,
    judged,
    not_measured,
    slice_of,
)

FIT, UNSURE, WORSE = RuleOutcome.FIT, RuleOutcome.UNSURE, RuleOutcome.WORSE
NO_DROP = Rule(metric="AUC", max_drop=0.01)


@pytest.mark.parametrize(
    ("outcome", "policy", "passed", "asks"),
    [
        (FIT, "ask", True, False),
        (FIT, "reject", True, False),
        (WORSE, "ask", False, False),
        (WORSE, "promote", False, False),
        (UNSURE, "ask", True, True),
        (UNSURE, "wait", True, True),
        (UNSURE, "promote", True, False),
        (UNSURE, "reject", False, False),
    ],
)
def test_only_an_unsure_verdict_depends_on_the_policy(
    outcome: RuleOutcome,
    policy: str,
    passed: bool,  # noqa: FBT001 - a column of the table
    asks: bool,  # noqa: FBT001 - a column of the table
) -> None:
    verdict = judged(comparison(outcome), unsure=policy)
    assert (verdict.outcome, verdict.passed, verdict.needs_approval) == (outcome, passed, asks)
    assert verdict.unsure is (outcome is UNSURE)
    assert verdict.results[0].outcome is outcome


@pytest.mark.parametrize("policy", ["ask", "promote", "reject", "wait"])
def test_what_was_not_measured_never_passes_without_an_operator(policy: str) -> None:
    verdict = judged(not_measured(), unsure=policy)
    assert verdict.outcome is UNSURE
    assert not verdict.passed or verdict.needs_approval
    claimed = judged(not_measured().evolve(outcome=FIT), unsure=policy)
    assert claimed.outcome is UNSURE


def test_a_live_model_that_nothing_was_compared_with_is_no_pass_either() -> None:
    verdict = judged(unsure="promote")
    assert (verdict.outcome, verdict.needs_approval) == (UNSURE, True)
    assert not verdict.measured


def test_one_model_at_many_endpoints_is_said_once() -> None:
    runs = tuple(f"sample-{number}" for number in range(1, 6))
    each = [comparison(run_id=name) for name in runs]
    for number, said in ((2, "runs sample-1, sample-2"), (5, "sample-2, sample-3 and 2 more")):
        why = judged(*each[:number], live=runs[:number]).results[0].why
        assert why.count("AUC is") == 1
        assert f"{said})" in why
    other = comparison(UNSURE, run_id=runs[1])
    both = judged(each[0], other, live=runs[:2]).results[0].why
    assert both.startswith("AUC is 0.9035, and 0.9100 of the live model (run sample-2)")
    assert both.endswith("AUC: max_drop 0.01 holds against the live model (run sample-1)")


def test_a_rule_that_could_not_be_judged_has_no_outcome() -> None:
    assert refused("there are no predictions").outcome is None


def test_a_rule_says_how_much_better_by_how_many_rows_and_than_which_model() -> None:
    fit = judged(comparison()).results[0]
    assert fit.why == (
        "AUC is 0.9130, and 0.9100 of the live model (run sample-live), on the same 569 rows (228 "
        "positive): 0.0030 better, at 90 % between 0.0040 worse and 0.0100 better; "
        "max_drop 0.01 holds"
    )
    assert fit.value == pytest.approx(0.913)
    assert fit.live == 0.91


@pytest.mark.parametrize(
    ("rule", "outcome", "ends", "says"),
    [
        (
            NO_DROP,
            UNSURE,
            (-0.015, 0.002),
            (
                "0.0065 worse, at 90 % between 0.0150 worse and 0.0020 better; max_drop 0.01 is in "
                "between, so that these rows are too few to tell; about 2,300 rows would settle it"
            ),
        ),
        (
            NO_DROP,
            WORSE,
            (-0.06, -0.03),
            "0.0450 worse, at 90 % between 0.0300 and 0.0600 worse; max_drop 0.01 is exceeded",
        ),
        (
            Rule(metric="AUC", min_gain=0.005),
            FIT,
            (0.01, 0.03),
            "0.0200 better, at 90 % between 0.0100 and 0.0300 better; min_gain 0.005 is reached",
        ),
        (
            Rule(metric="AUC", min_gain=0.005),
            WORSE,
            (-0.01, 0.003),
            (
                "0.0035 worse, at 90 % between 0.0100 worse and 0.0030 better; min_gain 0.005 is "
                "not reached"
            ),
        ),
        (
            NO_DROP,
            FIT,
            (-0.009999, 0.03),
            (
                "0.010000 better, at 90 % between 0.009999 worse and 0.030000 better; "
                "max_drop 0.01 holds"
            ),
        ),
        (
            Rule(metric="RMSE", max_drop=10),
            FIT,
            (-5.0, 215.0),
            "105 better, at 90 % between 5 worse and 215 better; max_drop 10 holds",
        ),
        (
            NO_DROP,
            FIT,
            (0.0, 0.0),
            "no difference; max_drop 0.01 holds",
        ),
        (
            Rule(metric="AUC", min_gain=0),
            UNSURE,
            (0.0, 0.0),
            "no difference; min_gain 0 is just that difference, which more rows would not change",
        ),
    ],
)
def test_a_difference_is_read_without_knowing_which_sign_is_good(
    rule: Rule, outcome: RuleOutcome, ends: tuple[float, float], says: str
) -> None:
    one = comparison(outcome, interval=interval(*ends))
    assert judged(one, rules=(rule,)).results[0].why.endswith(f": {says}")


def test_a_comparison_without_an_interval_says_why() -> None:
    why = judged(not_measured(candidate=None, other=None)).results[0].why
    assert why == (
        "AUC cannot be compared with the live model (run sample-live): the scores are constant"
    )


def test_a_slice_can_only_turn_the_verdict_to_worse() -> None:
    for own in (FIT, UNSURE, WORSE):
        for slices in ((FIT, FIT), (UNSURE,), (FIT, WORSE)):
            found = tuple(slice_of(str(at), one) for at, one in enumerate(slices))
            verdict = judged(comparison(own, slices=found))
            assert verdict.outcome is (WORSE if WORSE in slices else own)


def test_a_worse_slice_is_counted_in_the_sentence_and_named_in_the_record_alone() -> None:
    found = (slice_of("south", WORSE), slice_of("north", FIT))
    verdict = judged(comparison(outcome=WORSE, interval=interval(-0.004, 0.01), slices=found))
    assert "; 1 slice of the 2 checked by region exceeds max_drop 0.01" in verdict.reason
    assert "south" not in verdict.reason
    assert verdict.results[0].comparisons[0].slices == found


@pytest.mark.parametrize("policy", ["ask", "promote", "wait"])
def test_the_worst_rule_that_decides_is_the_outcome(policy: str) -> None:
    rules = (NO_DROP, Rule(metric="F1", at_least=0.9))
    verdict = judged(comparison(UNSURE), rules=rules, unsure=policy)
    assert (verdict.outcome, verdict.passed, verdict.needs_approval) == (WORSE, False, False)
    assert verdict.reason == "F1 0.8 is below at_least 0.9"


def test_a_rule_that_is_observed_is_recorded_and_does_not_decide() -> None:
    rules = (NO_DROP, Rule(metric="F1", at_least=0.9, observe=True))
    verdict = judged(comparison(), rules=rules)
    assert (verdict.outcome, verdict.passed) == (FIT, True)
    assert [one.observe for one in verdict.results] == [False, True]
    assert not verdict.results[1].passed
    assert verdict.reason.startswith("the rule holds: AUC is 0.9130, and 0.9100 of the live model")
    assert verdict.reason.endswith("; observed only: F1 0.8 is below at_least 0.9")


def test_a_gate_that_only_observes_decides_nothing() -> None:
    verdict = judged(comparison(WORSE), rules=(NO_DROP.evolve(observe=True),))
    assert (verdict.outcome, verdict.passed, verdict.needs_approval) == (FIT, True, False)
    assert verdict.reason.startswith("no rule decides; observed only: AUC")


def test_a_rule_on_recorded_numbers_may_be_next_to_one_on_rows() -> None:
    rules = (NO_DROP, Rule(metric="F1", max_drop=0.1, against="recorded"))
    verdict = judged(comparison(), rules=rules, first=True)
    assert [bool(one.comparisons) for one in verdict.results] == [True, False]
    assert verdict.passed
    assert verdict.uncompared == ()


@pytest.mark.parametrize("first", [True, False])
def test_a_first_model_has_nothing_to_be_compared_with_on_rows_either(
    first: bool,  # noqa: FBT001 - a column of the table
) -> None:
    verdict = judged(live=(), first=first)
    assert verdict.passed is first
    assert verdict.outcome is (FIT if first else WORSE)
    assert "AUC: there is no live model to compare with" in verdict.results[0].why
    row, known = Row({}, {"AUC": 0.9}), OnRows(found={0: ()})
    assert judge([NO_DROP], row, [], first_allowed=first, on_rows=known).results[0].value == 0.9


def test_the_numbers_that_were_computed_on_the_rows_are_kept_for_the_next_comparison() -> None:
    assert judged(comparison()).metrics == {"AUC": pytest.approx(0.913), "F1": 0.8}
    known = judge(
        [NO_DROP],
        Row({}, {"auc": 0.7}),
        [],
        first_allowed=False,
        on_rows=OnRows(found={0: (comparison(),)}, live=(LIVE,)),
    )
    assert known.metrics == {"auc": 0.7}


def test_a_verdict_by_numbers_alone_is_stored_as_before() -> None:
    verdict = judge([Rule(metric="F1", at_least=0.7)], Row({}, {"F1": 0.8}), [], first_allowed=True)
    stored = verdict.model_dump()
    assert stored.keys() == {"passed", "reason", "metrics", "row", "results"}
    assert stored["results"][0].keys() == {
        *("metric", "rule", "bound", "value", "live", "passed", "why")
    }


@pytest.mark.parametrize("outcome", [UNSURE, WORSE])
def test_what_does_not_hold_is_said_first_and_the_rest_in_few_words(outcome: RuleOutcome) -> None:
    fit = comparison()
    other = comparison(outcome, against="anchor", run_id=ANCHOR)
    said = judged(fit, other, anchor=ANCHOR).results[0].why
    assert said.partition(", on the same 569 rows")[0].endswith(f"of the anchor (run {ANCHOR})")
    assert said.endswith(f"; AUC: max_drop 0.01 holds against the live model (run {LIVE})")
    assert said.count("on the same") == 1
    alone = judged(fit, fit.evolve(against="anchor", run_id=ANCHOR), anchor=ANCHOR)
    assert alone.results[0].why.count("on the same") == 2
