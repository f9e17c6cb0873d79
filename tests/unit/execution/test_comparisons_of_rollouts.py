"""Several endpoints: the run that trained the model compares it with the live model of each."""

from typing import Any

import pytest

from shared.core.config.pipeline import Pipeline
from shared.core.decisions.comparison import RuleOutcome
from shared.core.run.record import Phase, Run
from shared.core.serving.references import EndpointAddress
from tests.unit.execution.compared_worlds import (
    NO_DROP,
    TWO_FILES,
    bad,
    better,
    comparisons,
    good,
    rows,
)
from tests.unit.execution.gated_worlds import BOSS, opened, trains
from tests.unit.fleet import Fleet

GATE: dict[str, Any] = {"compare": TWO_FILES, "rules": [NO_DROP], "first_model": "allow"}


def fleet() -> Fleet:
    world = Fleet(size=2)
    tree = world.pipeline.model_dump(mode="json")
    outputs = {"output1": "model.ilearner", "output2": "predictions.csv"}
    tree |= {"training": {**tree["training"], "outputs": outputs}, "gate": GATE}
    world.configure(Pipeline.model_validate(tree, context={"development": False}))
    trains(world)
    return world


def trained(world: Fleet, number: int, content: bytes, phase: Phase = Phase.PROMOTED) -> Run:
    return world.until(opened(world, number, content), phase, ticks=80)


def serving(world: Fleet) -> list[str]:
    states = [world.context.ledger.endpoint_states.read(e.ref.id) for e in world.pipeline.endpoints]
    found = [stored.record.resource("Sample [trained model]") for stored in states if stored]
    return [known.serving.run_id for known in found if known.serving]


def test_each_endpoint_is_compared_by_the_predictions_of_the_run_that_trained() -> None:
    world = fleet()
    first = trained(world, 1, rows(candidate=good))
    before = serving(world)
    read = len(world.blobs.reads)
    second = trained(world, 2, rows(candidate=better))

    found = comparisons(second)
    assert [one.run_id for one in found] == before
    assert {one.outcome for one in found} == {RuleOutcome.FIT}
    assert first.run_id not in before  # deliveries brought its model
    paths = [name for name in world.blobs.reads[read:] if first.run_id in name]
    assert len(paths) == 1  # both endpoints serve the model of one run
    assert {run.phase for run in world.runs()} == {Phase.PROMOTED}


def test_a_model_that_is_worse_at_one_endpoint_is_refused() -> None:
    world = fleet()
    trained(world, 1, rows(600, candidate=bad))
    trained(world, 2, rows(600, candidate=better))
    rolled_back = world.app.endpoints.rollback(EndpointAddress("sample", "e1"), None, BOSS)
    world.until(rolled_back, Phase.PROMOTED)
    world.app.endpoints.resume(EndpointAddress("sample", "e1"))
    run = trained(world, 3, rows(600, candidate=bad), Phase.REJECTED)

    assert [one.outcome for one in comparisons(run)] == [RuleOutcome.FIT, RuleOutcome.WORSE]


@pytest.mark.parametrize("compare", [{"predictions": "output2"}, {**TWO_FILES, "anchor": "pinned"}])
def test_one_live_model_and_one_anchor_are_of_one_endpoint(compare: dict[str, Any]) -> None:
    tree = fleet().pipeline.model_dump(mode="json")
    with pytest.raises(ValueError, match="several endpoints"):
        Pipeline.model_validate(
            {**tree, "gate": {**GATE, "compare": compare}}, context={"development": False}
        )
