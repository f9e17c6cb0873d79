"""The gate of runs with several endpoints, or with none."""

import logging
from collections.abc import Iterator

import pytest

from shared.core.run.record import Phase
from shared.core.serving.references import EndpointAddress
from tests.unit.execution.gated_worlds import (
    ABOVE,
    BOSS,
    NO_DROP,
    approve,
    ended_run,
    endpoints_of,
    fleet,
    gate,
    opened,
    trains,
)
from tests.unit.worlds import Observed

# No endpoint


@pytest.mark.parametrize(
    ("auc", "end", "said"),
    [
        (0.7, Phase.REJECTED, "not promoted: AUC 0.7 is below at_least 0.8"),
        (0.9, Phase.FINISHED, "trained; the rule holds; the pipeline does not name an endpoint"),
    ],
)
def test_without_an_endpoint_the_verdict_is_in_the_record_all_the_same(
    auc: float, end: Phase, said: str
) -> None:
    world = Observed(config={"pipeline": {"endpoints": [], "gate": gate(ABOVE)}})
    trains(world)
    run = ended_run(world, 1, auc)
    assert (run.phase, run.reason) == (end, said)
    assert run.model is not None
    assert run.verdict is not None
    assert run.verdict.metrics == {"AUC": auc}
    assert not world.open_runs()
    assert not world.changes()


def test_a_model_is_held_against_the_best_of_those_that_serve() -> None:
    world = fleet(NO_DROP, first_model="allow")
    world.until(opened(world, 1, 0.8), Phase.PROMOTED, ticks=80)
    world.until(opened(world, 2, 0.9), Phase.PROMOTED, ticks=80)
    rollback = endpoints_of(world).rollback(EndpointAddress("sample", "e1"), None, BOSS)
    world.until(rollback, Phase.PROMOTED)
    endpoints_of(world).resume(EndpointAddress("sample", "e1"))
    run = ended_run(world, 3, 0.85)
    assert run.phase is Phase.REJECTED
    assert run.verdict is not None
    assert run.verdict.results[0].live == 0.9


def test_a_roll_out_waits_for_one_approval_and_each_endpoint_remembers_who() -> None:
    world = fleet(ABOVE, approval="required")
    run = world.until(opened(world, 1), Phase.AWAITING_APPROVAL)
    assert not world.patched()
    approve(world, run)
    world.until(run, Phase.PROMOTED, ticks=80)
    for name in ("e1", "e2"):
        (line,) = endpoints_of(world).show(EndpointAddress("sample", name)).known.history
        assert line.approved_by == "ada"
        assert line.data == ("training-data/1.csv",)


# BUG: shared/core/serving/state.py, promoted(), takes the run that delivers for the one that
# trained: the history of an endpoint of a roll-out names as `trained_by` a run that trained
# nothing, and a rollback to the run that did is refused (no such model).
def test_the_history_of_a_roll_out_names_the_run_that_trained() -> None:
    world = fleet(ABOVE)
    run = world.until(opened(world, 1), Phase.PROMOTED, ticks=80)
    (line,) = endpoints_of(world).show(EndpointAddress("sample", "e1")).known.history
    assert line.trained_by == run.run_id


# After a crash at each effect


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    logging.disable(logging.CRITICAL)  # faults are reported by the plan
    yield
    logging.disable(logging.NOTSET)
