"""The verdict of a record can be computed again, and that of some other rules."""

from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from shared.core.config.gate import Gate
from shared.core.decisions.comparison import Comparison, RuleOutcome
from shared.core.evaluation.gate import Verdict
from shared.core.evaluation.judging import judge
from shared.core.evaluation.on_rows import OnRows
from shared.core.evaluation.report import Row
from shared.core.run.replays import evidence_for, evidence_kept
from tests.unit.core.evaluation.compared import (
    ANCHOR,
    LIVE,
    comparison,
    judged,
    not_measured,
    slice_of,
)

FIT, UNSURE, WORSE = RuleOutcome.FIT, RuleOutcome.UNSURE, RuleOutcome.WORSE
TWO = "sample-two"
OTHER = "sample-other"
AUC, F1 = {"metric": "AUC", "max_drop": 0.01}, {"metric": "F1", "max_drop": 0.01}
COMPARE = {"predictions": "scored"}


def gate(*rules: Mapping[str, Any], **more: Any) -> Gate:
    return Gate.model_validate({"rules": list(rules), **more}, context={})


def on_rows(**compare: Any) -> Gate:
    return gate(AUC, compare={**COMPARE, **compare})


@pytest.mark.parametrize(
    ("comparisons", "known"),
    [
        ([comparison()], {}),
        ([comparison(UNSURE)], {}),
        ([comparison(), comparison(WORSE, run_id=TWO)], {"live": (LIVE, TWO)}),
        ([comparison(), comparison(WORSE, run_id=TWO)], {"live": (LIVE,)}),
        ([comparison(WORSE), comparison(run_id=TWO)], {"live": (TWO,)}),
        ([comparison()], {"live": (LIVE, TWO)}),
        ([comparison()], {"live": (OTHER, LIVE, TWO)}),
        ([comparison()], {"live": (OTHER,)}),
        ([comparison()], {"anchor": ANCHOR}),
        ([comparison(), comparison(WORSE, against="anchor", run_id=ANCHOR)], {"anchor": ANCHOR}),
        ([comparison(), comparison(WORSE, against="anchor", run_id=ANCHOR)], {"anchor": OTHER}),
        ([comparison(), comparison(WORSE, against="anchor", run_id=ANCHOR)], {"anchor": ""}),
        ([], {"live": ()}),
        ([not_measured()], {}),
    ],
)
def test_a_verdict_on_rows_is_repeated_for_any_live_models(
    comparisons: list[Comparison], known: dict[str, Any]
) -> None:
    verdict = judged(*comparisons, **known)
    kept = evidence_kept(on_rows(), verdict, 3)
    assert kept is not None
    assert kept.verdict(on_rows()) == verdict
    if not verdict.uncompared:  # else one of them could be either
        assert kept.on_rows.live == known.get("live", (LIVE,))
        assert kept.on_rows.anchor == known.get("anchor", "")


def by_numbers(
    *rules: Mapping[str, Any], live: Sequence[Mapping[str, float]], first: bool = True
) -> tuple[Gate, Verdict]:
    made = gate(*rules, **({"first_model": "allow"} if first else {}))
    row = Row({"model": "new"}, {"AUC": 0.9, "F1": 0.7, "Recall": 0.6})
    return made, judge(made.rules, row, live, first_allowed=first)


@pytest.mark.parametrize(
    "live",
    [
        [],
        [{}],
        [{"AUC": 0.905, "F1": 0.69}],
        [{"AUC": 0.905}],
        [{"AUC": 0.95, "F1": 0.6}, {"AUC": 0.8, "F1": 0.75}],
        [{"AUC": 0.905, "F1": 0.6}, {"F1": 0.5}],
        [{}, {"AUC": 0.905}, {}],
        [{}, {}, {}],
    ],
)
@pytest.mark.parametrize("first", [True, False])
def test_a_verdict_on_recorded_numbers_is_given_again_however_many_served(
    live: Sequence[Mapping[str, float]], *, first: bool
) -> None:
    made, verdict = by_numbers(AUC, F1, live=live, first=first)
    kept = evidence_kept(made, verdict, len(live))
    assert kept is not None
    assert kept.verdict(made) == verdict
    wanted = gate({**F1, "max_drop": 0.2}, first_model="allow")
    known = evidence_for(kept, made, wanted)
    assert known is not None
    row = Row({"model": "new"}, {"AUC": 0.9, "F1": 0.7, "Recall": 0.6})
    assert known.verdict(wanted) == judge(wanted.rules, row, live, first_allowed=True)


def test_numbers_that_no_rule_asked_for_are_not_guessed() -> None:
    made, verdict = by_numbers(AUC, live=[{"AUC": 0.9, "F1": 0.9}])
    kept = evidence_kept(made, verdict, 1)
    assert kept is not None
    assert evidence_for(kept, made, gate(F1)) is None, "the live model's F1"
    assert evidence_for(kept, made, gate({"metric": "MCC", "at_least": 0.1})) is None
    assert evidence_for(kept, made, gate({"metric": "Recall", "at_least": 0.1})) is not None
    lower = {**AUC, "direction": "lower"}
    assert evidence_for(kept, made, gate(lower)) is None, "of the best, not of the worst"


@pytest.mark.parametrize(
    "more",
    [
        {"metrics": "other"},
        {"row": {"model": "old"}},
        {"compare": {**COMPARE, "level": "95%"}},
        {"compare": {**COMPARE, "anchor": "pinned"}},
        {"compare": {"predictions": "elsewhere"}},
    ],
)
def test_other_files_and_terms_need_files(more: dict[str, Any]) -> None:
    kept = evidence_kept(on_rows(), judged(comparison()), 1)
    assert kept is not None
    wanted = gate(AUC, **{"compare": COMPARE, **more})
    assert evidence_for(kept, on_rows(), wanted) is None
    same = gate({**AUC, "observe": True}, compare={**COMPARE, "unsure": "wait", "wait": "2d"})
    assert evidence_for(kept, on_rows(), same) is not None


def test_what_slices_say_of_another_margin_is_not_in_the_record() -> None:
    own = on_rows(slices=["region"])
    kept = evidence_kept(own, judged(comparison(slices=(slice_of("north", FIT),))), 1)
    assert kept is not None
    terms = {"compare": {**COMPARE, "slices": ["region"]}}
    assert evidence_for(kept, own, gate({**AUC, "max_drop": 0.02}, **terms)) is None
    assert evidence_for(kept, own, gate(AUC, {**AUC, "observe": True}, **terms)) is not None


def test_a_record_that_was_changed_gives_nothing_again() -> None:
    verdict = judged(comparison())
    assert evidence_kept(on_rows(), verdict.evolve(reason="well"), 1) is None
    assert evidence_kept(gate(AUC, F1, compare=COMPARE), verdict, 1) is None


def test_a_bound_that_is_not_recorded_is_held_against_the_same_interval() -> None:
    kept = evidence_kept(on_rows(), judged(comparison(UNSURE)), 1)
    assert kept is not None
    for rule, outcome in (
        ({**AUC, "max_drop": 0.02}, FIT),
        ({**AUC, "max_drop": 0.001}, UNSURE),
        ({"metric": "AUC", "min_gain": 0.01}, WORSE),
    ):
        wanted = gate(rule, compare=COMPARE)
        known = evidence_for(kept, on_rows(), wanted)
        assert known is not None
        (one,) = known.verdict(wanted).results[0].comparisons
        assert one.outcome is outcome
        assert (one.rows_needed is None) is (outcome is not UNSURE)
        assert one.interval == comparison(UNSURE).interval


@pytest.mark.parametrize("evaluation", [{}, {"metrics": "said"}])
def test_what_could_not_be_read_is_recorded_apart_from_the_sentences(
    evaluation: dict[str, str],
) -> None:
    tried = {"metric": "F1", "at_least": 0.5, "observe": True}
    made = gate({**AUC, "observe": True}, tried, compare=COMPARE, **evaluation)
    why = "AUC cannot be compared: it is not known: why"
    none = OnRows({0: ()}, live=(LIVE,), unread=why)
    row = Row({}, {"F1": 0.7}) if evaluation else Row({}, {}, unread=why)
    verdict = judge(made.rules, row, (), first_allowed=False, on_rows=none)
    assert [one.unread for one in verdict.results] == [why, row.unread]
    stored = Verdict.model_validate_json(verdict.model_dump_json())
    kept = evidence_kept(made, stored, 1)
    assert kept is not None
    assert (kept.row.unread, kept.on_rows.unread) == (row.unread, why)
    assert kept.verdict(made) == verdict
