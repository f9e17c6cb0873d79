"""Verdicts on models that were compared with models that are not live, or not pinned, any more."""

from typing import Any

import pytest

from shared.core.config.gate_rule import Rule
from shared.core.decisions.comparison import Comparison, RuleOutcome
from shared.core.evaluation.gate import Verdict
from shared.core.evaluation.judging import judged_again
from shared.core.evaluation.on_rows import OnRows
from tests.unit.core.evaluation.compared import ANCHOR, LIVE, comparison, judged

FIT, UNSURE, WORSE = RuleOutcome.FIT, RuleOutcome.UNSURE, RuleOutcome.WORSE
NO_DROP = Rule(metric="AUC", max_drop=0.01)


def anchored(outcome: RuleOutcome = FIT, **changes: Any) -> Comparison:
    return comparison(outcome, against="anchor", run_id=ANCHOR, **changes)


@pytest.mark.parametrize(
    ("live", "anchor", "outcome"),
    [(FIT, FIT, FIT), (FIT, WORSE, WORSE), (WORSE, FIT, WORSE), (FIT, UNSURE, UNSURE)],
)
def test_the_anchor_is_compared_as_strictly_as_the_live_model(
    live: RuleOutcome, anchor: RuleOutcome, outcome: RuleOutcome
) -> None:
    verdict = judged(comparison(live), anchored(anchor), anchor=ANCHOR)
    assert verdict.outcome is outcome
    assert "the anchor (run sample-anchor)" in verdict.results[0].why
    assert verdict.results[0].live == 0.91


def test_an_anchor_that_is_pinned_no_more_does_not_count() -> None:
    assert judged(comparison(), anchored(WORSE)).outcome is FIT


def test_a_model_that_was_compared_counts_in_its_present_role() -> None:
    was_live = judged(comparison(), comparison(run_id="sample-two"), live=("sample-two",))
    assert (was_live.outcome, was_live.results[0].gone) == (FIT, (LIVE,))
    pinned = again(was_live, live=("sample-two",), anchor=LIVE)
    assert (pinned.outcome, pinned.uncompared, pinned.results[0].gone) == (FIT, (), ())
    assert [one.against for one in pinned.results[0].comparisons] == ["anchor", "live"]
    rolled_back = again(judged(comparison(), anchored(WORSE), anchor=ANCHOR), live=(ANCHOR,))
    assert (rolled_back.outcome, rolled_back.uncompared) == (WORSE, ())
    assert "of the live model (run sample-anchor)" in rolled_back.reason


def test_an_anchor_that_was_not_compared_leaves_the_verdict_unsure() -> None:
    verdict = judged(comparison(), anchor=ANCHOR)
    assert (verdict.outcome, verdict.uncompared) == (UNSURE, (ANCHOR,))
    assert verdict.results[0].why.endswith(
        "; AUC: the model of run sample-anchor is the anchor now, and this one was not compared"
    )
    assert judged(comparison(), anchor=LIVE).outcome is FIT


def again(verdict: Verdict, **known: Any) -> Verdict:
    on_rows = OnRows(**{"found": {0: ()}, "live": (LIVE,), **known})
    return judged_again(verdict, [NO_DROP], [{}], first_allowed=False, on_rows=on_rows)


@pytest.mark.parametrize("outcome", [FIT, UNSURE, WORSE])
def test_an_unchanged_comparison_gives_the_same_verdict_again(outcome: RuleOutcome) -> None:
    first = judged(comparison(outcome))
    assert again(first) == first
    assert Verdict.model_validate_json(first.model_dump_json()) == first


@pytest.mark.parametrize("policy", ["ask", "promote", "reject", "wait"])
def test_a_model_that_was_compared_with_another_live_one_is_unsure(policy: str) -> None:
    first = judged(comparison(), unsure=policy)
    later = again(first, live=("sample-other",), unsure=policy)
    assert (later.outcome, later.uncompared) == (UNSURE, ("sample-other",))
    assert later.passed is (policy != "reject")
    assert later.needs_approval is (policy != "reject")
    assert not later.measured
    assert later.results[0].why == (
        "AUC: the model of run sample-other serves now, and this one was not compared; AUC is "
        "0.9130, and 0.9100 of the former live model (run sample-live), on the same 569 rows (228 "
        "positive): 0.0030 better, at 90 % between 0.0040 worse and 0.0100 better; "
        "max_drop 0.01 holds"
    )
    assert later.results[0].comparisons == first.results[0].comparisons
    assert later.results[0].gone == ("sample-live",)
    assert later.results[0].live is None


def test_of_several_live_models_each_one_counts() -> None:
    two = (LIVE, "sample-two")
    other = comparison(WORSE, run_id="sample-two")
    assert judged(comparison(), other, live=two).outcome is WORSE
    assert judged(comparison(), other, live=(LIVE,)).outcome is FIT
    assert judged(comparison(), live=two).uncompared == ("sample-two",)
