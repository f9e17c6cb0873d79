"""A gate is replayed over runs whose holdout the app scored: by the scores that it kept."""

from typing import Any

import pytest

from shared.core.run.record import Phase
from tests.fakes.azureml_world import AzureMlWorld
from tests.unit.execution.scored_worlds import (
    CRASHES,
    HOLDOUT,
    NO_DROP,
    Failing,
    asked,
    bad,
    better,
    model_of,
    promoted,
    serves,
    started,
    world_with,
)
from tests.unit.operations.judged_worlds import NO, ON, backtest, gate_of, in_order

AT_LEAST = {"metric": "AUC", "at_least": 0.7}
GATE = {"compare": {"holdout": HOLDOUT}, "rules": [AT_LEAST, NO_DROP], "first_model": "allow"}


@pytest.fixture(scope="module")
def world() -> AzureMlWorld:
    """Three models were judged; the third one is worse. No test changes anything here."""
    made = world_with(AT_LEAST, NO_DROP)
    promoted(made)
    promoted(made, better)
    made.until_idle(started(made, bad), ticks=60)
    return made


@pytest.mark.parametrize("from_files", [False, True])
def test_unchanged_rules_give_every_verdict_again(world: AzureMlWorld, *, from_files: bool) -> None:
    before = len(asked(world))
    replays = backtest(world, gate_of(**GATE), from_files=from_files)
    assert [one.verdict for one in replays] == [run.verdict for run in in_order(world)]
    assert [one.by for one in replays] == ["files" if from_files else "record"] * 3
    assert len(asked(world)) == before, "no model scored anything again"


@pytest.mark.parametrize(
    ("wanted", "by", "follows"),
    [
        ({"rules": [{"metric": "AUC", "max_drop": 0.9}]}, "record", [ON, ON, ON]),
        ({"rules": [{"metric": "log loss", "min_gain": 0}]}, "files", [ON, ON, NO]),
        ({"rules": [{"metric": "Brier", "max_drop": 0.9}]}, "files", [ON, ON, ON]),
    ],
)
def test_other_rules_are_judged_by_the_same_scores(
    world: AzureMlWorld, wanted: dict[str, Any], by: str, follows: list[Any]
) -> None:
    replays = backtest(world, gate_of(**{**GATE, **wanted}))
    assert [(one.by, one.action) for one in replays] == [(by, one) for one in follows]


@pytest.mark.parametrize(
    ("compare", "said"),
    [
        ({"holdout": "training-data/other.csv"}, "its model was scored on other rows"),
        ({"holdout": HOLDOUT, "slices": ["region"]}, "there is no column region"),
        ({"predictions": "scored"}, "its model was scored on other rows"),
    ],
)
def test_what_no_model_scored_is_not_known(
    world: AzureMlWorld, compare: dict[str, Any], said: str
) -> None:
    for one in backtest(world, gate_of(**{**GATE, "compare": compare})):
        assert (one.verdict, one.changed) == (None, False)
        assert said in one.why


def test_predictions_that_were_changed_since_are_not_believed(world: AzureMlWorld) -> None:
    store = world.blobs.store.contents
    name = f"{in_order(world)[-1].run_id}/predictions.csv"
    (key,) = [key for key in store if key.endswith(name)]
    kept = store[key]
    store[key] = kept.replace(b"r1,", b"r2,", 1)
    replays = backtest(world, gate_of(**GATE), from_files=True)
    store[key] = kept
    assert [one.verdict is None for one in replays] == [False, False, True]
    assert "are not as they were written" in replays[-1].why


def test_rules_that_were_tried_out_without_scores_are_replayed_by_the_record() -> None:
    observed = {**NO_DROP, "observe": True}
    world = world_with(observed)
    promoted(world)
    run = world.start()
    serves(world, run, Failing(model_of(better), 1, CRASHES))
    world.until(run, Phase.PROMOTED, ticks=80)
    own = {**GATE, "rules": [observed]}
    first, second = backtest(world, gate_of(**own))
    recorded = [one.verdict for one in in_order(world)]
    assert ([first.verdict, second.verdict], second.by) == (recorded, "record")
    decides = backtest(world, gate_of(**{**GATE, "rules": [NO_DROP]}))[1]
    assert (decides.verdict, decides.changed) == (None, False)
    assert "the app could not have its holdout scored" in decides.why
