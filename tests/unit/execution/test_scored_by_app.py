"""The app scores a holdout by the staged candidate and by the live model, then compares them."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import pytest

from local.azureml.answers import Answer, RequestBody
from local.azureml.containers import rows_of
from shared.core.decisions.comparison import RuleOutcome
from shared.core.run.record import Phase
from shared.core.serving.probes import ProbeOutcome
from shared.ports.serving import ModelAnswer
from shared.providers.azureml.serving import AzureMlServing
from tests.fakes.azureml_world import CENSUS
from tests.fakes.world import DATA, MODELS
from tests.unit.execution.gated_worlds import why
from tests.unit.execution.scored_worlds import (
    BUSY,
    CRASHES,
    HOLDOUT,
    HOUR,
    MINUTE,
    NO_DROP,
    ROWS,
    Failing,
    approve,
    asked,
    bad,
    better,
    ended,
    good,
    holdout,
    made,
    model_of,
    name_of,
    only,
    progress,
    promoted,
    serves,
    started,
    world_with,
)


def test_a_first_model_is_scored_alone_and_has_numbers_of_its_rows() -> None:
    world = world_with({"metric": "AUC", "at_least": 0.7}, NO_DROP)
    run = promoted(world)
    assert run.measured["AUC"] == pytest.approx(0.944, abs=0.001)
    assert made(world, run)[:2] == ["id,label,candidate", f"r0,0,{good(0)!r}"]


def test_both_models_score_every_row_before_the_candidate_gets_a_request() -> None:
    world = world_with()
    first = promoted(world)
    before = len(asked(world))
    second = world.until(started(world, better), Phase.VERIFYING, ticks=60)
    found = only(second)
    assert (found.against, found.run_id, found.rows) == ("live", first.run_id, 450)
    assert found.outcome is RuleOutcome.FIT
    assert found.other == pytest.approx(first.measured["AUC"])
    old, new = name_of(world, first), name_of(world, second)
    # Two probes, then three requests for each; the probe ahead of the promotion is the last.
    assert asked(world)[before : before + 8] == [new, new, *[new, old] * 3]
    assert made(world, second)[1] == f"r0,0,{better(0)!r},{good(0)!r}"
    assert len(made(world, second)) == 451


def test_the_live_model_is_called_by_name_with_any_traffic_meanwhile() -> None:
    world = world_with(approval="required")
    first = started(world, good)
    approve(world, first)
    world.until(first, Phase.PROMOTED, ticks=80)
    run = world.until(started(world, better), Phase.STAGING, ticks=60)
    world.azureml.hooks.set_traffic(CENSUS, {name_of(world, first): 50, "blue": 50})
    world.until(run, Phase.AWAITING_APPROVAL, ticks=60)
    assert [line.split(",")[3] for line in made(world, run)[1:]] == [
        repr(good(at)) for at in range(450)
    ]


def test_the_answer_of_another_deployment_is_no_score(monkeypatch: pytest.MonkeyPatch) -> None:
    def others(one: AzureMlServing, rows: Mapping[str, Any], name: str) -> ModelAnswer:
        assert name != "blue"
        count = len(rows["input_data"]["data"])
        return ModelAnswer(ProbeOutcome.GOOD, [0.5] * count, answered_by="blue")

    monkeypatch.setattr(AzureMlServing, "answer", others)
    world = world_with()
    run = world.until(started(world, good), Phase.JUDGED, ticks=60)
    world.tick()
    failure = world.now_of(run).step_failure
    assert failure is not None
    assert f"blue answered in place of {name_of(world, run)}" in failure.reason


def test_a_step_ends_in_time_and_the_next_poll_continues(monkeypatch: pytest.MonkeyPatch) -> None:
    world, answer = world_with(), AzureMlServing.answer

    def slow(one: AzureMlServing, rows: Mapping[str, Any], name: str) -> ModelAnswer:
        world.clock.move(timedelta(seconds=20))
        return answer(one, rows, name)

    monkeypatch.setattr(AzureMlServing, "answer", slow)
    run = world.until(started(world, good), Phase.JUDGED, ticks=60)
    for done in (200, 400):
        assert (progress(world, run).rows, world.now_of(run).claim) == (done, None)
        world.tick()
    assert len(made(world, run)) == 451


def test_a_worse_model_is_rejected_and_discarded() -> None:
    world = world_with()
    first = promoted(world)
    run = world.until_idle(started(world, bad), ticks=60)
    assert ended(run) == (Phase.REJECTED, RuleOutcome.WORSE)
    assert world.endpoint_state().endpoint_lease is None
    world.idle(2 * HOUR, 10 * MINUTE)
    assert name_of(world, run) not in world.deployments()
    assert name_of(world, first) in world.deployments()


def test_a_busy_model_continues_where_it_was() -> None:
    world = world_with()
    promoted(world)
    run = world.start()
    model = Failing(model_of(better), 1, BUSY, times=2)
    serves(world, run, model)
    world.until(run, Phase.JUDGED, ticks=60)
    assert progress(world, run).rows == 200
    assert len(made(world, run)) == 201
    world.tick()
    assert world.now_of(run).step_failure is not None
    world.until(run, Phase.VERIFYING, ticks=60)
    assert model.sizes == [200, 200, 200, 200, 50]
    assert [line.partition(",")[0] for line in made(world, run)[1:]] == [
        f"r{at}" for at in range(450)
    ]


def test_a_model_gets_fewer_rows_where_it_cannot_take_so_many() -> None:
    world = world_with()
    run = world.start()

    def small(body: RequestBody) -> Answer:
        return model_of(good)(body) if len(rows_of(body)) < 50 else CRASHES(body)

    serves(world, run, small)
    done = world.until(run, Phase.PROMOTED, ticks=80)
    assert progress(world, done).batch == 12
    assert len(made(world, done)) == 451


def test_a_candidate_that_cannot_score_the_rows_is_rejected_without_a_word_of_them() -> None:
    world = world_with(unsure="promote")
    run = world.start()
    model = Failing(model_of(good), 1, CRASHES)
    serves(world, run, model)
    done = world.until_idle(run, ticks=60)
    assert ended(done) == (Phase.REJECTED, None)
    assert "the candidate cannot score the holdout, of which it was sent 2 columns" in why(done)
    assert "the model answered 500" in why(done)
    assert "Jane" not in done.model_dump_json()
    assert model.sizes == [200, 200, 50, 12]


def test_a_live_model_that_cannot_score_new_columns_is_said_and_never_a_pass() -> None:
    world = world_with(unsure="promote")
    first = promoted(world)
    serves(world, first, Failing(model_of(good), 1, CRASHES))
    run = world.until(started(world, better), Phase.AWAITING_APPROVAL, ticks=60)
    assert ended(run) == (Phase.AWAITING_APPROVAL, RuleOutcome.UNSURE)
    assert only(run).interval is None
    assert "the live model cannot score the holdout: the model answered 500" in why(run)
    assert "Jane" not in run.model_dump_json()


def test_an_answer_without_scores_is_no_comparison() -> None:
    world = world_with()
    run = world.start()
    serves(world, run, lambda body: Answer(200, [0.5] * (len(rows_of(body)) - 1)))
    # The probe's rows are two: one answer is good there.
    done = world.until_idle(run, ticks=60)
    assert done.phase is Phase.REJECTED
    assert "the answer has 11 rows for 12" in why(done)


def test_a_holdout_that_is_not_there_parks_the_run_until_it_is() -> None:
    world = world_with()
    world.blobs.remove(DATA, ROWS)
    run = started(world, good)
    parked = world.until(run, Phase.PARKED, ticks=60)
    assert f"the holdout {HOLDOUT}: it is not there" in why(parked)
    assert parked.advice is not None
    world.blobs.put(DATA, ROWS, b"id,label\n1,2,3\n")
    world.run_operations.retry(run.run_id)
    parked = world.until(run, Phase.PARKED, ticks=60)
    assert "line 2 has 3 cells" in why(parked)
    world.blobs.put(DATA, ROWS, holdout())
    world.run_operations.retry(run.run_id)
    world.until(run, Phase.PROMOTED, ticks=60)


def test_a_holdout_that_is_replaced_meanwhile_is_scored_from_its_first_row() -> None:
    world = world_with()
    run = world.start()
    serves(world, run, Failing(model_of(good), 1, BUSY, times=2))
    world.until(run, Phase.JUDGED, ticks=60)
    assert progress(world, run).rows == 200
    world.blobs.put(DATA, ROWS, holdout(300))
    world.until(run, Phase.PROMOTED, ticks=60)
    assert len(made(world, run)) == 301


def test_predictions_that_somebody_changed_are_made_again() -> None:
    world = world_with()
    run = world.start()
    serves(world, run, Failing(model_of(bad), 1, BUSY, times=2))
    world.until(run, Phase.JUDGED, ticks=60)
    better_ones = [f"r{at},{at % 2},{at % 2}" for at in range(200)]
    forged = "\n".join(["id,label,candidate", *better_ones, ""]).encode()
    world.blobs.put(MODELS, f"runs/sample/{run.run_id}/predictions.csv", forged)
    world.until(run, Phase.PROMOTED, ticks=60)
    assert made(world, run)[2] == f"r1,1,{bad(1)!r}"
    assert len(made(world, run)) == 451
