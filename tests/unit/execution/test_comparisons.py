"""A trained model is compared with others on the same rows, as jobs have scored them."""

from datetime import timedelta
from typing import Any

import pytest

from shared.core.decisions.comparison import RuleOutcome
from shared.core.evaluation.gate import refused
from shared.core.run.gate_events import VerdictReached
from shared.core.run.record import Phase, Run
from shared.core.serving.references import EndpointAddress
from shared.errors import TransientError
from shared.execution.gate import GateSteps
from shared.execution.run_writer import RunWriter
from shared.execution.unsure_models import UnsureSteps
from tests.unit.execution.compared_worlds import (
    NO_DROP,
    ONE_FILE,
    TWO_FILES,
    Scores,
    bad,
    better,
    comparisons,
    ended,
    good,
    only,
    rows,
    table,
    world_with,
)
from tests.unit.execution.gated_worlds import BOSS, approve, ended_run, opened
from tests.unit.samples import NOW, step_failure
from tests.unit.samples import run as sample
from tests.unit.scripted_steps import Scripted
from tests.unit.worlds import RUNNING

MINUTE, SECOND = timedelta(minutes=1), timedelta(seconds=1)
HERE = EndpointAddress("sample", "production")
#: Models with equal scores in this many rows are fit by `max_drop: 0.01`; in 400 they are unsure.
MANY = 600


# The job scores both models


def test_a_first_model_has_numbers_of_its_own_rows() -> None:
    world = world_with(ONE_FILE, {"metric": "AUC", "at_least": 0.7}, NO_DROP)
    run = ended_run(world, 1, rows(candidate=good))

    assert ended(run) == (Phase.PROMOTED, RuleOutcome.FIT)
    assert run.measured["AUC"] == pytest.approx(0.944, abs=0.001)
    assert comparisons(run) == ()
    serving = world.endpoint_state().resource("Sample [trained model]").serving
    assert serving is not None
    assert serving.metrics == run.measured


def test_a_first_model_below_a_fixed_bound_is_refused_by_its_rows() -> None:
    world = world_with(ONE_FILE, {"metric": "AUC", "at_least": 0.7}, NO_DROP)
    assert ended(ended_run(world, 1, rows(candidate=bad))) == (Phase.REJECTED, RuleOutcome.WORSE)


@pytest.mark.parametrize(
    ("candidate", "outcome", "phase"),
    [
        (good, RuleOutcome.FIT, Phase.PROMOTED),
        (better, RuleOutcome.FIT, Phase.PROMOTED),
        (bad, RuleOutcome.WORSE, Phase.REJECTED),
    ],
)
def test_both_columns_of_one_file_are_compared(
    candidate: Scores, outcome: RuleOutcome, phase: Phase
) -> None:
    world = world_with(ONE_FILE)
    first = ended_run(world, 1, rows(candidate=good))
    run = ended_run(world, 2, rows(MANY, candidate=candidate, live=good))

    assert ended(run) == (phase, outcome)
    found = only(run)
    assert (found.against, found.run_id, found.rows) == ("live", first.run_id, MANY)
    assert found.interval is not None
    assert found.interval.difference == pytest.approx((found.candidate or 0) - (found.other or 0))
    assert [(one.against, one.run_id) for one in run.given_models] == [("live", first.run_id)]


def test_few_rows_are_unsure_and_an_operator_is_asked() -> None:
    world = world_with(ONE_FILE)
    ended_run(world, 1, rows(candidate=good))
    second = opened(world, 2, rows(12, candidate=good, live=better))
    run = world.until(second, Phase.AWAITING_APPROVAL)

    assert ended(run) == (Phase.AWAITING_APPROVAL, RuleOutcome.UNSURE)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (rows(candidate=good), "the predictions have no column live"),
        (
            rows(candidate=good, live=lambda at: "nan" if at == 7 else good(at)),
            "rows with a score of the other model that is NaN or infinite: 1 of 400",
        ),
        (rows(candidate=good, live=lambda _: ""), "rows without a score of the other model: 400"),
        (
            table(iter([*range(390), *range(10)]), candidate=good, live=good),
            "rows with an id that repeats: 20 of 400 (5.0 %)",
        ),
        (rows(candidate=lambda _: "", live=good), "rows without a score of the candidate"),
    ],
)
@pytest.mark.parametrize("unsure", ["ask", "promote"])
def test_rows_that_cannot_be_compared_are_never_a_pass(
    content: bytes, said: str, unsure: str
) -> None:
    world = world_with({**ONE_FILE, "unsure": unsure})
    ended_run(world, 1, rows(candidate=good))
    run = world.until(opened(world, 2, content), Phase.AWAITING_APPROVAL)

    assert ended(run) == (Phase.AWAITING_APPROVAL, RuleOutcome.UNSURE)
    assert said in only(run).why
    assert only(run).interval is None


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"id,label\na,1\n", "there is no column candidate"),
        (b"PK\x03\x04", "a ZIP archive or a workbook"),
        (b"id,label,candidate\n", "there are no rows"),
        (
            rows(candidate=lambda _: "x"),
            "rows with a text that is not one of the 2 classes: write a score as",
        ),
        (rows(candidate=lambda _: 0.5), "the candidate gives the same answer for every row"),
        (rows(2, candidate=good).replace(b",1,", b",0,"), "all rows have the same label"),
    ],
)
def test_a_first_model_whose_predictions_are_of_no_use_is_refused(
    content: bytes, said: str
) -> None:
    run = ended_run(world_with(ONE_FILE), 1, content)

    assert run.phase is Phase.REJECTED
    assert said in (run.reason or "")


@pytest.mark.parametrize(
    ("candidate", "said"),
    [
        (
            lambda at: "" if at == 7 else good(at),
            "rows without a score of the candidate: 1 of 400 (0.25 %); column candidate, row 8",
        ),
        (lambda _: 0.5, "the candidate gives the same answer for every row"),
    ],
)
def test_a_fixed_bound_says_why_the_predictions_have_no_number(
    candidate: Scores, said: str
) -> None:
    world = world_with(ONE_FILE, {"metric": "AUC", "at_least": 0.7}, NO_DROP)
    ended_run(world, 1, rows(candidate=good))
    run = ended_run(world, 2, rows(candidate=candidate, live=good))

    assert ended(run) == (Phase.REJECTED, RuleOutcome.WORSE)
    assert f"AUC cannot be computed of the predictions: {said}" in (run.reason or "")


@pytest.mark.parametrize("unsure", ["ask", "promote"])
def test_another_model_that_serves_by_now_was_not_compared(unsure: str) -> None:
    world = world_with({**ONE_FILE, "unsure": unsure})
    first = ended_run(world, 1, rows(candidate=bad))
    second = opened(world, 2, rows(candidate=better, live=bad))
    third = opened(world, 3, rows(candidate=bad, live=bad))
    ends, goes_on = (
        world.script("GET", f"/{world.now_of(one).job}", RUNNING, times=None)
        for one in (second, third)
    )
    ends()
    assert world.until_idle(second).phase is Phase.PROMOTED
    goes_on()
    run = world.until(third, Phase.AWAITING_APPROVAL)

    assert run.verdict is not None
    assert run.verdict.outcome is RuleOutcome.UNSURE
    assert run.verdict.uncompared == (second.run_id,)
    assert only(run).run_id == first.run_id


def test_scores_that_are_equal_in_each_row_are_said() -> None:
    world = world_with(ONE_FILE)
    ended_run(world, 1, rows(candidate=good))
    run = ended_run(world, 2, rows(candidate=bad, live=bad))

    same = "both models say the same in each row, as if one had been scored twice; "
    assert only(run).why.startswith(same)
    assert run.verdict is not None
    assert only(run).why in run.verdict.reason


@pytest.mark.parametrize("waited", [None, 2 * MINUTE - SECOND, 2 * MINUTE])
def test_predictions_that_are_not_there_are_waited_for_two_minutes(
    waited: timedelta | None,
) -> None:
    failed = step_failure(since=NOW - waited) if waited else None
    there = Scripted(
        pipeline={"gate": {"compare": ONE_FILE, "rules": [NO_DROP]}},
        training={"parameters": {"Live model": "{live.model}"}},
    )
    known = {"config": there.world.pipeline, "model": there.model(), "job_at": NOW}
    run = sample(Phase.JUDGED, **known, step_failure=failed)
    steps = GateSteps(there.context, UnsureSteps(there.context, RunWriter(there.context)))
    where = "there are no predictions at runs/sample/sample-1/1/evaluation.csv"
    if waited != 2 * MINUTE:
        with pytest.raises(TransientError, match=f"{where} yet"):
            steps.judge(run)
        return
    event = steps.judge(run)
    assert isinstance(event, VerdictReached)
    assert event.verdict == refused(where)


# The anchor


@pytest.mark.parametrize("way", [ONE_FILE, TWO_FILES], ids=["one file", "two files"])
def test_small_drops_cannot_add_up_where_the_anchor_is_compared_too(way: dict[str, Any]) -> None:
    def weaker(by: float) -> Scores:
        return lambda at: (0.4 - by) * (at % 2) + 0.6 * (at * 37 % 101) / 101

    compare = {**way, "anchor": "pinned", "unsure": "promote"}
    world = world_with(compare, {"metric": "AUC", "max_drop": 0.03})
    models, runs = [weaker(0.025 * step) for step in range(6)], list[Run]()
    for step, model in enumerate(models):
        scores = {"candidate": model}
        if way is ONE_FILE and step:
            scores |= {"live": models[step - 1], "anchor": models[0]}
        runs.append(ended_run(world, step, table(range(400), **scores)))
        if runs[-1].phase is not Phase.PROMOTED:
            break

    assert len(runs) > 2
    assert runs[-1].phase is Phase.REJECTED
    live, anchor = comparisons(runs[-1])
    assert (live.against, anchor.against) == ("live", "anchor")
    assert (live.run_id, anchor.run_id) == (runs[-2].run_id, runs[0].run_id)
    assert (live.outcome, anchor.outcome) == (RuleOutcome.FIT, RuleOutcome.WORSE)
    assert len(comparisons(runs[1])) == 1  # the live model was the anchor itself


def test_a_verdict_reads_no_more_files_than_it_has_time_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("shared.execution.comparisons.MOST_ROWS_OF_OTHERS", MANY)
    world = world_with({**TWO_FILES, "anchor": "pinned"})
    for number in (1, 2):
        ended_run(world, number, rows(MANY, candidate=good))
    run = opened(world, 3, rows(MANY, candidate=good))
    known = world.until(run, Phase.AWAITING_APPROVAL)

    live, anchor = comparisons(known)
    assert live.interval is not None
    assert anchor.interval is None
    assert anchor.why.startswith(f"{MANY} rows of other models or more were read before")


def test_an_anchor_that_was_pinned_since_was_not_compared() -> None:
    world = world_with({**ONE_FILE, "anchor": "pinned"})
    content = rows(MANY, candidate=better, live=better, anchor=good)
    ended_run(world, 1, rows(candidate=good))
    second = ended_run(world, 2, content)
    assert ended_run(world, 3, content).phase is Phase.PROMOTED
    fourth = opened(world, 4, content)
    world.app.endpoints.pin(HERE, second.run_id, BOSS)
    run = world.until(fourth, Phase.AWAITING_APPROVAL)

    assert run.verdict is not None
    assert run.verdict.uncompared == (second.run_id,)
    assert f"the model of run {second.run_id} is the anchor now" in run.verdict.reason


def test_an_anchor_that_is_pinned_after_the_verdict_has_an_operator_asked_again() -> None:
    world = world_with({**ONE_FILE, "anchor": "pinned"}, approval="required")
    content = rows(MANY, candidate=better, live=better, anchor=good)
    promoted = []
    for number, made in enumerate((rows(candidate=good), content, content), start=1):
        run = world.until(opened(world, number, made), Phase.AWAITING_APPROVAL)
        approve(world, run)
        promoted.append(world.until(run, Phase.PROMOTED))
    fourth = world.until(opened(world, 4, content), Phase.AWAITING_APPROVAL)
    assert ended(fourth) == (Phase.AWAITING_APPROVAL, RuleOutcome.FIT)
    world.app.endpoints.pin(HERE, promoted[1].run_id, BOSS)
    approve(world, fourth)
    world.tick()

    asked = world.now_of(fourth)
    assert ended(asked) == (Phase.AWAITING_APPROVAL, RuleOutcome.UNSURE)
    assert asked.verdict is not None
    assert asked.verdict.uncompared == (promoted[1].run_id,)
    assert str(asked.reason).startswith("another anchor was pinned since the verdict: unsure: AUC")
    approve(world, asked)
    assert world.until(fourth, Phase.PROMOTED).run_id == fourth.run_id
