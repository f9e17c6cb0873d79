"""Labels and scores for which a metric cannot be computed: never a pass, and no exception."""

import pytest

from shared.core.decisions.comparison import RuleOutcome
from shared.core.run.record import Phase
from tests.unit.execution.compared_worlds import (
    ONE_FILE,
    Scores,
    bad,
    ended,
    good,
    only,
    rows,
    world_with,
)
from tests.unit.execution.gated_worlds import ended_run


def of_numbers(**scores: Scores) -> bytes:
    lines = [",".join(("id", "label", *scores))]
    lines += [
        ",".join((f"r{at}", str(at / 2), *(str(one(at)) for one in scores.values())))
        for at in range(400)
    ]
    return "\n".join(lines).encode()


def near(at: int) -> float:
    return at / 2 + at % 7 / 10


def huge(at: int) -> float:
    return 1e200 if at == 6 else near(at)


@pytest.mark.parametrize("observe", [False, True])
@pytest.mark.parametrize("metric", ["RMSE", "R2", "MAE", "quantile loss"])
@pytest.mark.parametrize("whose", ["candidate", "live"])
def test_a_score_that_is_too_large_to_compute_with_is_a_reason_and_never_a_pass(
    whose: str,
    metric: str,
    observe: bool,  # noqa: FBT001 - a column of the table
) -> None:
    rule = {"metric": metric, "max_drop": 0.1, "observe": observe}
    world = world_with({**ONE_FILE, "quantile": 0.9, "unsure": "promote"}, rule)
    first = ended_run(world, 1, of_numbers(candidate=near))
    assert first.phase is Phase.PROMOTED
    scores = {"candidate": near, "live": near, whose: huge}
    run = ended_run(world, 2, of_numbers(**scores))

    assert ended(run) == (
        (Phase.PROMOTED, RuleOutcome.FIT)
        if observe
        else (Phase.AWAITING_APPROVAL, RuleOutcome.UNSURE)
    )
    who = "candidate" if whose == "candidate" else "other model"
    many = f"1 of 400 (0.25 %); column {whose}, row 7 first"
    assert only(run).why == f"rows with a score of the {who} too large to compute with: {many}"


def test_a_first_model_with_a_score_that_is_too_large_is_refused() -> None:
    world = world_with(ONE_FILE, {"metric": "RMSE", "max_drop": 0.1})
    run = ended_run(world, 1, of_numbers(candidate=huge))
    assert run.phase is Phase.REJECTED
    assert "too large to compute with: 1 of 400" in (run.reason or "")


def test_a_fixed_bound_on_scores_that_are_too_large_does_not_hold() -> None:
    rules = ({"metric": "RMSE", "at_most": 1e300}, {"metric": "RMSE", "max_drop": 0.1})
    world = world_with(ONE_FILE, *rules)
    ended_run(world, 1, of_numbers(candidate=near))
    run = ended_run(world, 2, of_numbers(candidate=huge, live=near))
    assert ended(run) == (Phase.REJECTED, RuleOutcome.WORSE)
    assert "RMSE cannot be computed of the predictions: rows with a score" in (run.reason or "")


def test_three_classes_say_that_auc_is_for_two() -> None:
    world = world_with(ONE_FILE)
    ended_run(world, 1, rows(candidate=good))
    lines = [f"r{at},{at % 3},{good(at)},{bad(at)}" for at in range(400)]
    run = ended_run(world, 2, "\n".join(("id,label,candidate,live", *lines)).encode())
    assert only(run).why.startswith("AUC is for two classes, and there are 3; ")
