"""Runs with unsure verdicts: they ask, promote, reject, or wait for the next run."""

from datetime import timedelta
from typing import Any

import pytest

from shared.core.config.compare import Compare
from shared.core.config.gate import Gate
from shared.core.config.gate_rule import Rule
from shared.core.config.pipeline import Pipeline
from shared.core.decisions.comparison import Comparison, RuleOutcome
from shared.core.run.commands import Command
from shared.core.run.control_events import CancelRequested, StepBlocked, Superseded
from shared.core.run.gate_events import (
    Approved,
    Asked,
    VerdictOutdated,
    VerdictReached,
    approved_on_expiry,
)
from shared.core.run.machine import apply, expires_at, next_command
from shared.core.run.record import Phase, Run
from shared.core.run.retry import RetryRequested
from shared.core.run.waiting import waits_of
from shared.ledger.open_markers import hints_of
from tests.unit.core.evaluation.compared import comparison, judged, not_measured
from tests.unit.samples import HOUR, NOW, pipeline, run

DAY = timedelta(days=1)
RULES = (Rule(metric="AUC", max_drop=0.01),)


def configured(unsure: str, **more: Any) -> Pipeline:
    written = {"predictions": "scores", "unsure": unsure, **more.pop("compare", {})}
    compare = Compare.model_validate(written, context={})
    return pipeline().evolve(gate=Gate(rules=RULES, compare=compare, **more))


def after(unsure: str, outcome: RuleOutcome = RuleOutcome.UNSURE, **more: Any) -> Run:
    """Return a run with a verdict on a model of which the rows say this."""
    verdict = judged(comparison(outcome), unsure=unsure)
    one = run(Phase.JUDGED, config=configured(unsure, **more))
    return apply(one, VerdictReached(verdict), NOW)


@pytest.mark.parametrize(
    ("unsure", "phase"),
    [
        ("ask", Phase.AWAITING_APPROVAL),
        ("wait", Phase.AWAITING_APPROVAL),
        ("promote", Phase.PROMOTING),
        ("reject", Phase.REJECTED),
    ],
)
def test_what_follows_an_unsure_verdict_is_configured(unsure: str, phase: Phase) -> None:
    assert after(unsure).phase is phase
    assert after(unsure, RuleOutcome.FIT).phase is Phase.PROMOTING
    assert after(unsure, RuleOutcome.WORSE).phase is Phase.REJECTED


def test_an_operator_is_asked_with_the_numbers() -> None:
    asked = after("ask")
    assert str(asked.reason).startswith("unsure: AUC is 0.9035, and 0.9100 of the live model (run")
    assert "approve it by POST /api/runs/sample-1/approve" in str(asked.advice)
    waits = waits_of(asked)
    assert waits is not None
    assert waits.waits_for.startswith("an operator's approval; unsure: AUC")
    assert waits.until == NOW + timedelta(days=3)
    assert next_command(asked, NOW) is Command.SEE_NEXT  # a newer model may serve meanwhile
    assert next_command(asked, NOW + timedelta(days=3)) is Command.EXPIRE
    assert apply(asked, Approved("ada"), NOW).phase is Phase.PROMOTING


def test_an_unsure_model_that_was_approved_is_not_asked_about_twice() -> None:
    approved = apply(after("ask"), Approved("ada"), NOW)
    verdict = judged(comparison(RuleOutcome.UNSURE))
    again = apply(approved.evolve(phase=Phase.JUDGED), VerdictReached(verdict), NOW)
    assert again.phase is Phase.PROMOTING


def test_a_model_that_waits_for_the_next_run_asks_nobody_and_says_so() -> None:
    waits = after("wait", compare={"wait": "2d"})
    assert waits.asks_at == NOW + 2 * DAY
    assert str(waits.advice).startswith("nothing yet: an operator is asked once the next run has")
    shown = waits_of(waits)
    assert shown is not None
    assert shown.waits_for.startswith("the next run, since this model is unsure; then for an op")
    assert shown.until == waits.asks_at
    assert hints_of(waits).expires == waits.asks_at
    for at in (NOW, NOW + 30 * DAY):
        assert next_command(waits, at) is Command.SEE_NEXT
    assert not Command.SEE_NEXT.acts


def test_once_asked_an_operator_has_as_long_as_for_every_approval() -> None:
    asked = apply(after("wait"), Asked("run sample-2 had its verdict, worse"), NOW + 5 * DAY)
    assert asked.asks_at is None
    assert expires_at(asked) == NOW + 8 * DAY
    assert str(asked.reason).startswith("unsure: AUC")
    assert asked.history[-1].note == "an operator is asked: run sample-2 had its verdict, worse"
    assert "without an answer until 2026-03-09T12:00:00+00:00 it is rejected" in str(asked.advice)
    assert next_command(asked, NOW + 5 * DAY) is Command.SEE_NEXT
    fit = after("ask", RuleOutcome.FIT, approval="required")
    assert next_command(fit, NOW) is Command.NOTHING


def test_where_an_operator_is_asked_in_any_case_nothing_waits_for_the_next_run() -> None:
    assert after("wait", approval="required").asks_at is None
    verdict = judged(comparison(RuleOutcome.UNSURE), unsure="wait")
    one = run(Phase.JUDGED, config=configured("wait"))
    assert apply(one, VerdictReached(verdict, asks_now=True), NOW).asks_at is None


@pytest.mark.parametrize(
    ("event", "phase"),
    [
        (Approved("ada"), Phase.PROMOTING),
        (Superseded("newer"), Phase.SUPERSEDED),
        (CancelRequested(), Phase.AWAITING_APPROVAL),
    ],
)
def test_a_wait_for_the_next_run_that_has_ended_does_not_begin_again(
    event: Any, phase: Phase
) -> None:
    ended = apply(after("wait"), event, NOW)
    assert ended.phase is phase
    assert next_command(ended, NOW + 30 * DAY) is not Command.SEE_NEXT


def test_a_run_that_is_parked_while_it_waits_goes_on_waiting() -> None:
    parked = apply(after("wait"), StepBlocked("no", "correct it"), NOW)
    again = apply(parked, RetryRequested(None), NOW + HOUR)
    assert again.asks_at == NOW + 7 * DAY
    gate = configured("ask")
    other = apply(parked, RetryRequested(gate), NOW + HOUR)
    assert (other.phase, other.asks_at, other.verdict) == (Phase.JUDGED, None, None)


def test_an_operator_is_asked_again_where_another_model_went_live() -> None:
    approved = apply(after("ask"), Approved("ada"), NOW)
    verdict = judged(comparison(), live=("sample-other",))
    asked = apply(approved, VerdictOutdated(verdict), NOW + HOUR)
    assert (asked.phase, asked.approval) == (Phase.AWAITING_APPROVAL, None)
    assert asked.verdict == verdict
    assert str(asked.reason).startswith("another model went live since the verdict: unsure: AUC")
    assert expires_at(asked) == NOW + HOUR + 3 * DAY
    assert "; a new run is compared with the live model and the anchor of that time; " in str(
        asked.advice
    )
    assert "a new run" not in str(after("ask").advice)


def test_where_unsure_models_are_promoted_one_that_was_not_compared_is_asked_about() -> None:
    verdict = judged(comparison(), live=("sample-other",), unsure="promote")
    config = configured("promote", on_expiry="approve")
    promoting = run(Phase.PROMOTING, config=config, verdict=judged(comparison()))
    again = apply(promoting, VerdictOutdated(verdict), NOW)
    assert (again.phase, again.verdict) == (Phase.AWAITING_APPROVAL, verdict)
    assert "another model went live since the verdict" in again.history[-1].note
    assert str(again.advice).endswith("it is rejected")  # nor does silence approve it


def test_a_model_that_was_not_measured_does_not_wait_for_the_next_run() -> None:
    for verdict in (
        judged(not_measured(), unsure="wait"),
        judged(comparison(), live=("sample-other",), unsure="wait"),
    ):
        asked = apply(run(Phase.JUDGED, config=configured("wait")), VerdictReached(verdict), NOW)
        assert (asked.phase, asked.asks_at) == (Phase.AWAITING_APPROVAL, None)
        assert expires_at(asked) == NOW + timedelta(days=3)


def test_a_pipeline_that_rejects_what_was_not_measured_says_how_to_continue() -> None:
    def rejected(*comparisons: Comparison, **known: Any) -> str | None:
        verdict = judged(*comparisons, unsure="reject", **known)
        ended = apply(run(Phase.JUDGED, config=configured("reject")), VerdictReached(verdict), NOW)
        assert ended.phase is Phase.REJECTED
        return ended.advice

    way_out, pin = "write unsure: ask in gate.compare until a model is promoted", "pin it by POST"
    assert rejected(comparison(RuleOutcome.WORSE)) is None
    assert rejected(comparison(RuleOutcome.UNSURE)) is None
    assert way_out in str(rejected(not_measured()))
    later = rejected(comparison(), live=("sample-other",))
    assert later == "a new run is compared with the live model and the anchor of that time"
    assert way_out in str(rejected(comparison(), not_measured(run_id="b"), live=("b", "c")))
    assert pin not in str(rejected(not_measured()))
    other = not_measured(against="anchor", run_id="sample-anchor")
    assert pin in str(rejected(comparison(), other, anchor="sample-anchor"))
    verdict = judged(comparison(), other, anchor="sample-anchor", unsure="promote")
    asked = apply(run(Phase.JUDGED, config=configured("promote")), VerdictReached(verdict), NOW)
    assert pin in str(asked.advice)


@pytest.mark.parametrize("compared", [comparison(RuleOutcome.UNSURE), not_measured()])
def test_silence_never_approves_what_was_not_measured(compared: Comparison) -> None:
    measured = compared.interval is not None
    config = configured("ask", on_expiry="approve")
    asked = apply(run(Phase.JUDGED, config=config), VerdictReached(judged(compared)), NOW)
    assert approved_on_expiry(asked) is measured
    assert str(asked.advice).endswith("it is approved" if measured else "it is rejected")


def test_where_the_app_scores_both_models_it_compares_again() -> None:
    config = pipeline().evolve(
        gate=Gate(rules=RULES, compare=Compare(holdout="evaluation/holdout.csv"))
    )
    verdict = judged(comparison(), live=("sample-other",))
    approved = apply(after("ask"), Approved("ada"), NOW).evolve(config=config)
    again = apply(approved, VerdictOutdated(verdict), NOW)
    assert (again.phase, again.verdict, again.approval) == (Phase.JUDGED, None, None)
    assert "comparing again" in again.history[-1].note


def test_a_record_without_such_a_wait_is_stored_as_before() -> None:
    assert "asks_at" not in run(Phase.AWAITING_APPROVAL).model_dump()
    waits = after("wait")
    assert Run.model_validate_json(waits.model_dump_json()) == waits
    assert waits.form == 2
