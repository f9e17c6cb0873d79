"""Every single fault in a promotion at an endpoint that holds several models.

Promises: one run, one job, one candidate; its requests come in steps, after it was scored without
any; it serves all of them in the end; what served before is discarded a day later.
"""

from collections.abc import Iterator
from datetime import timedelta
from functools import cache
from typing import Final

import pytest

from shared.core.run.record import Phase, Run
from shared.core.serving.references import EndpointAddress
from shared.operations.commands import OperatorCommand
from tests.fakes.azureml_world import AzureMlWorld
from tests.fakes.faults import FAULTS, Kind
from tests.fakes.ways import Moves, Trials, Way, once

FEWEST_EFFECTS: Final = 30
ROUNDS: Final = 60
SECONDS: Final = 45
SECOND: Final = b"a,b,label\n5,6,1\n7,8,0\n"


@cache
def _served() -> AzureMlWorld:
    world = AzureMlWorld()
    run = world.start()
    world.until(run, Phase.PROMOTED, ticks=60)
    world.clock.move(timedelta(minutes=5))
    return world


def served() -> AzureMlWorld:
    """Return a world where a first model of ours serves, ahead of any fault."""
    return _served().copied()


def _second_model(way: Way[AzureMlWorld]) -> bool:
    world = way.world
    way.taken = way.taken or world.survive(lambda: world.deliver("2.csv"))
    return _goes_on(way)


def _goes_on(way: Way[AzureMlWorld]) -> bool:
    world = way.world
    world.survive(lambda: world.tick(SECONDS))
    over = way.taken and not world.faults.late and not world.open_runs()
    return not over and way.tries + 1 < ROUNDS


def _discarding(way: Way[AzureMlWorld]) -> bool:
    world = way.world
    world.survive(lambda: world.tick(7200))
    left = bool(world.faults.late) or len(world.endpoint_state().staged) > 1
    return left and way.tries < 4


#: The second model comes to its end, and what served before is discarded more than a day later.
SECOND_MODEL: "Final[Moves[AzureMlWorld]]" = (
    once(lambda world: world.upload("2.csv", SECOND)),
    _second_model,
    once(lambda world: world.tick(82_800)),
    _discarding,
    once(lambda world: world.tick(7200)),  # nothing that comes afterwards may change the end
)


@cache
def trials() -> Trials[AzureMlWorld]:
    return Trials(Way(served(), SECOND_MODEL))


def problems(world: AzureMlWorld) -> Iterator[str]:
    if len(world.runs()) != 2:
        yield f"{len(world.runs())} runs"
        return
    first, second = sorted(world.runs(), key=lambda run: run.opened_at)
    if second.phase is not Phase.PROMOTED:
        yield f"ends {second.phase}: {second.reason or second.step_failure}"
        return
    began = [name for name, job in world.azureml.jobs.all.items() if not job.orphan]
    if len(began) != 2:
        yield f"{len(began)} jobs"
    yield from _about_the_endpoint(world, first, second)
    if world.open_runs():
        yield "a marker is left behind"


def _about_the_endpoint(world: AzureMlWorld, first: Run, second: Run) -> Iterator[str]:
    assert second.candidate is not None
    assert first.candidate is not None
    name = second.candidate.name
    if world.traffic() != {name: 100}:
        yield f"{world.traffic()} get the requests"
    if world.deployments() != {"blue", name}:
        yield f"{world.deployments()} are there"
    shares = [one.share for one in second.promotion.steps] if second.promotion else []
    if shares != [10, 50, 100]:
        yield f"steps {shares}"
    asked = [who for _, who in world.azureml.scoring.answered]
    if name not in asked:
        yield "the candidate was never scored"
    yield from map(str, world.azureml.violations)


def test_without_a_fault_nothing_is_wrong() -> None:
    assert list(problems(trials().world)) == []


def test_the_sweep_covers_the_whole_way() -> None:
    effects = trials().effects
    assert len(effects) >= FEWEST_EFFECTS, effects
    assert effects.count("PUT endpoint") == 3
    assert {"PUT job", "PUT model", "PUT deployment", "DELETE deployment"} <= set(effects)


@pytest.mark.parametrize("kind", FAULTS)
def test_live_in_steps_and_cleaned_up_after_any_single_fault(kind: Kind) -> None:
    assert trials().after_each(kind, problems) == []


# A rollback after the old deployment was discarded: it is made again


@cache
def _rolling_back() -> AzureMlWorld:
    world = served()
    run = world.next_run("2.csv", SECOND)
    world.until(run, Phase.PROMOTED, ticks=60)
    for _ in range(27):
        world.tick(3600)
    return world


def rolling_back() -> AzureMlWorld:
    """Return a world a day after the second model of ours, ahead of a rollback."""
    return _rolling_back().copied()


def _rollback(way: Way[AzureMlWorld]) -> bool:
    def ask() -> None:
        endpoints = way.world.app.endpoints
        endpoints.rollback(EndpointAddress("sample", "production"), None, OperatorCommand(by="ada"))

    way.taken = way.taken or way.world.survive(ask)
    return _goes_on(way)


#: The rollback is asked for until it is taken, and comes to its end.
ROLLBACK: "Final[Moves[AzureMlWorld]]" = (_rollback,)


@cache
def rollback_trials() -> Trials[AzureMlWorld]:
    return Trials(Way(rolling_back(), ROLLBACK))


def wrong_after_rollback(world: AzureMlWorld) -> Iterator[str]:
    first, _, *rollbacks = sorted(world.runs(), key=lambda run: run.opened_at)
    assert first.candidate is not None
    if [run.phase for run in rollbacks] != [Phase.PROMOTED]:
        yield f"rollbacks end {[(run.phase, run.reason) for run in rollbacks]}"
    if world.traffic() != {first.candidate.name: 100}:
        yield f"{world.traffic()} get the requests"
    if world.open_runs():
        yield "a marker is left behind"
    yield from map(str, world.azureml.violations)


def test_without_a_fault_the_rollback_makes_the_deployment_again() -> None:
    assert list(wrong_after_rollback(rollback_trials().world)) == []
    assert {"PUT deployment", "PUT endpoint"} <= set(rollback_trials().effects)


@pytest.mark.parametrize("kind", FAULTS)
def test_a_deployment_that_was_discarded_serves_again_after_any_single_fault(kind: Kind) -> None:
    assert rollback_trials().after_each(kind, wrong_after_rollback) == []
