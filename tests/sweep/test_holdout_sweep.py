"""Every single fault while the app scores a holdout: each row once, by both models, and a verdict.

One of them is between the file with the scores and the record of the progress.
"""

from collections.abc import Iterator
from functools import cache
from typing import Final

import pytest

from local.azureml.calls import Fault
from shared.core.decisions.comparison import RuleOutcome
from shared.core.run.record import Phase, Run
from shared.execution import holdout
from tests.fakes.azureml_world import AzureMlWorld
from tests.fakes.faults import FAULTS, Kind
from tests.fakes.ways import Trials, Way
from tests.unit.execution.scored_worlds import (
    approve,
    better,
    good,
    made,
    only,
    started,
    world_with,
)

ROUNDS: Final = 40
SECONDS: Final = 60
#: The effects from the first probe of the candidate to the question whether it is approved.
LAST: Final = slice(-9, None)


@pytest.fixture(autouse=True)
def _one_request_a_step(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(holdout, "_MOST_REQUESTS", 1)


@cache
def _training() -> AzureMlWorld:
    world = world_with(approval="required")
    first = started(world, good)
    approve(world, first)
    world.until(first, Phase.PROMOTED, ticks=80)
    world.until(started(world, better), Phase.TRAINING, ticks=60)
    return world


def _round(way: Way[AzureMlWorld]) -> bool:
    world = way.world
    if second_of(world).phase is Phase.AWAITING_APPROVAL and not world.faults.late:
        return False
    world.survive(lambda: world.tick(SECONDS))
    return way.tries + 1 < ROUNDS


@cache
def trials() -> Trials[AzureMlWorld]:
    """Return the way on which the second model is staged, scored and judged."""
    world = _training().copied()
    world.azureml.calls.log.clear()
    return Trials(Way(world, (_round,)))


def with_fault(at: int, fault: Fault) -> AzureMlWorld:
    """Return a world whose workspace failed at a call."""
    way = trials().ahead_of(call=at)
    way.world.azureml.calls.fault_at(at, fault)
    return way.go()


def second_of(world: AzureMlWorld) -> Run:
    return max(world.runs(), key=lambda run: run.opened_at)


def problems(world: AzureMlWorld) -> Iterator[str]:
    second = second_of(world)
    if second.phase is not Phase.AWAITING_APPROVAL:
        yield f"ends {second.phase}: {second.reason or second.step_failure}"
        return
    found = only(second)
    if (found.rows, found.outcome) != (450, RuleOutcome.FIT):
        yield f"{found.rows} rows, {found.outcome}"
    wanted = [f"r{at},{at % 2},{better(at)!r},{good(at)!r}" for at in range(450)]
    if made(world, second)[1:] != wanted:
        yield "the predictions are not those of both models"
    if world.endpoint_state().endpoint_lease is not None:
        yield "the endpoint is leased"
    yield from map(str, world.azureml.violations)


def test_without_a_fault_each_step_scores_some_rows() -> None:
    world = trials().world
    assert list(problems(world)) == []
    assert world.faults.sites.count("replace runs") >= 8
    assert [call.kind for call in world.azureml.calls.log].count("POST score") == 2 + 2 * 3


@pytest.mark.parametrize("kind", FAULTS)
def test_each_row_is_scored_by_both_models_after_any_single_fault(kind: Kind) -> None:
    assert trials().after_each(kind, problems, LAST) == []


@pytest.mark.parametrize("fault", Fault)
def test_a_fault_of_a_request_costs_no_row(fault: Fault) -> None:
    calls = [call.kind for call in trials().world.azureml.calls.log]
    at = [number for number, kind in enumerate(calls) if kind == "POST score"]
    found = [list(problems(with_fault(one, fault))) for one in at[2:6]]
    assert found == [[]] * 4
