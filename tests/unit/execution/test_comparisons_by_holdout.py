"""Each job scored its own model on one holdout: two files are compared by the ids of their rows."""

import pytest

from shared.core.blobs import BlobVersion
from shared.core.decisions.comparison import RuleOutcome
from shared.core.run.record import Phase
from shared.errors import PermanentError
from tests.unit.execution.compared_worlds import (
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
from tests.unit.execution.gated_worlds import data, ended_run, opened
from tests.unit.worlds import Observed


def backwards(count: int, **scores: Scores) -> bytes:
    return table(iter(range(count - 1, -1, -1)), **scores)


@pytest.mark.parametrize(
    ("candidate", "outcome", "phase"),
    [(better, RuleOutcome.FIT, Phase.PROMOTED), (bad, RuleOutcome.WORSE, Phase.REJECTED)],
)
def test_two_files_are_matched_by_the_ids_of_their_rows(
    candidate: Scores, outcome: RuleOutcome, phase: Phase
) -> None:
    world = world_with(TWO_FILES)
    first = ended_run(world, 1, rows(candidate=good))
    run = ended_run(world, 2, backwards(400, candidate=candidate))

    assert ended(run) == (phase, outcome)
    assert (only(run).run_id, only(run).rows, only(run).why) == (first.run_id, 400, "")
    assert run.given_models == ()


def test_rows_of_another_holdout_are_not_compared() -> None:
    world = world_with({**TWO_FILES, "unsure": "reject"})
    ended_run(world, 1, rows(candidate=good))
    run = ended_run(world, 2, rows(380, candidate=good))

    assert ended(run) == (Phase.REJECTED, RuleOutcome.UNSURE)
    assert "ids of the other model without a match: 20 of 400 (5.0 %)" in only(run).why


def test_predictions_on_another_holdout_are_not_compared() -> None:
    world = world_with(TWO_FILES)
    first = ended_run(world, 1, rows(candidate=good))
    gate = world.pipeline.gate
    assert gate.compare is not None
    other = gate.compare.evolve(holdout="training-data/other.csv")
    world.pipeline = world.pipeline.evolve(gate=gate.evolve(compare=other))
    world.restart()
    run = world.until(opened(world, 2, rows(candidate=good)), Phase.AWAITING_APPROVAL)

    assert only(run).why == f"run {first.run_id} scored another holdout"


@pytest.mark.parametrize(
    ("content", "outcome"),
    [(b"id,x\nr0,2\n", RuleOutcome.UNSURE), (b"id,x\nr0,1\n", RuleOutcome.FIT)],
)
def test_a_holdout_that_was_replaced_between_two_jobs_is_another_one(
    content: bytes, outcome: RuleOutcome
) -> None:
    world = world_with({**TWO_FILES, "unsure": "reject"})
    world.blobs.put("training-data", "holdout.csv", b"id,x\nr0,1\n")
    first = ended_run(world, 1, rows(candidate=good))
    world.blobs.put("training-data", "holdout.csv", content)
    run = ended_run(world, 2, rows(candidate=better))

    assert run.verdict is not None
    assert run.verdict.outcome is outcome
    if outcome is RuleOutcome.UNSURE:
        assert "the holdout training-data/holdout.csv was replaced at" in only(run).why
        assert f"run {first.run_id} scored the one before" in only(run).why
    assert run.holdout is not None
    assert first.holdout is not None


def test_a_holdout_that_the_app_may_not_look_at_is_said_and_stops_no_job() -> None:
    world = world_with({**TWO_FILES, "holdout": "evaluation/holdout.csv"})
    refuse(world, "evaluation")
    ended_run(world, 1, rows(candidate=good))
    run = ended_run(world, 2, rows(candidate=better))

    assert ended(run) == (Phase.PROMOTED, RuleOutcome.FIT)
    assert run.holdout is None
    assert "cannot be read" in only(run).why
    assert "403" in only(run).why


def refuse(world: Observed, closed: str) -> None:
    """Refuse each HEAD in a container, as for an identity without a role there."""
    head = world.blobs.head

    def refused(container: str, name: str) -> BlobVersion | None:
        if container == closed:
            raise PermanentError(f"{container}/{name}: HTTP 403 AuthorizationPermissionMismatch")
        return head(container, name)

    world.blobs.head = refused  # type: ignore[method-assign]


def test_an_anchor_that_cannot_be_compared_says_to_pin_another_model() -> None:
    world = world_with({**TWO_FILES, "anchor": "pinned"})
    first = ended_run(world, 1, rows(candidate=good))
    ended_run(world, 2, rows(candidate=better))
    world.blobs.remove("models", f"runs/sample/{first.run_id}/1/predictions.csv")
    run = world.until(opened(world, 3, rows(candidate=better)), Phase.AWAITING_APPROVAL)

    live, anchor = comparisons(run)
    assert (live.why.count("pin"), anchor.why.count("has no predictions at")) == (0, 1)
    assert anchor.why.endswith(": pin another model, one that scored this holdout")


def test_a_record_that_is_gone_leaves_nothing_to_compare_with() -> None:
    world = world_with(TWO_FILES)
    first = ended_run(world, 1, rows(candidate=good))
    second = opened(world, 2, rows(candidate=good))
    del world.documents.rows[f"runs/{first.run_id}"]
    run = world.until(second, Phase.AWAITING_APPROVAL)

    assert "has no record any more" in only(run).why


def test_predictions_that_are_gone_are_named() -> None:
    world = world_with(TWO_FILES)
    first = ended_run(world, 1, rows(candidate=good))
    second = opened(world, 2, rows(candidate=good))
    world.blobs.remove("models", f"runs/sample/{first.run_id}/1/predictions.csv")
    run = world.until(second, Phase.AWAITING_APPROVAL)

    assert f"run {first.run_id} has no predictions at" in only(run).why


@pytest.mark.parametrize("name", ["2.csv", "holdout.csv"])
def test_a_holdout_that_was_trained_on_is_a_warning(name: str) -> None:
    world = world_with({**TWO_FILES, "holdout": f"training-data/{name}"})
    world.blobs.put("training-data", "holdout.csv", data(2))
    ended_run(world, 1, rows(candidate=good))
    run = ended_run(world, 2, rows(candidate=better))

    known_as = " as training-data/2.csv" if name == "holdout.csv" else ""
    warning = f"the holdout training-data/{name} is in the run's manifest{known_as}"
    assert only(run).why == f"{warning}: its model knows the rows"
    assert run.verdict is not None
    assert warning in run.verdict.reason
