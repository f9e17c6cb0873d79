"""Every single fault between data and two endpoints: one start, each updated and verified."""

from collections.abc import Iterator
from functools import cache
from typing import Final

import pytest

from shared.core.run.record import Phase
from tests.fakes.faults import FAULTS, Kind
from tests.fakes.ways import Moves, Trials, Way, once
from tests.unit.fleet import Fleet

FEWEST_EFFECTS = 30
ROUNDS = 60


def _first_tick(way: Way[Fleet]) -> bool:
    return not way.world.survive(way.world.tick)


def _round(way: Way[Fleet]) -> bool:
    fleet = way.world
    way.taken = way.taken or fleet.survive(fleet.deliver)
    fleet.survive(fleet.tick)
    over = way.taken and not fleet.faults.late and not fleet.open_runs()
    return not over and way.tries + 1 < ROUNDS


MOVES: "Final[Moves[Fleet]]" = (_first_tick, once(Fleet.upload), _round, once(Fleet.tick))


def drive(fleet: Fleet) -> None:
    """Bring data to both endpoints."""
    Way(fleet, MOVES).go()


@cache
def trials() -> Trials[Fleet]:
    return Trials(Way(Fleet(size=2), MOVES))


def problems(fleet: Fleet) -> Iterator[str]:
    parents = [run for run in fleet.runs() if run.parent is None]
    if len(parents) != 1:
        yield f"{len(parents)} runs from one event"
        return
    if len(fleet.starts) != 1:
        yield f"{len(fleet.starts)} started jobs"
    if len(fleet.runs()) != 1 + len(fleet.members):
        yield f"{len(fleet.runs()) - 1} deliveries"
    for run in fleet.runs():
        if run.phase is not Phase.PROMOTED:
            yield f"{run.cause} ends {run.phase}: {run.reason or run.step_failure}"
    if parents[0].models and fleet.endpoints_serving(fleet.model()) != list(fleet.members):
        yield "another model serves"
    if fleet.open_runs():
        yield "a marker is left behind"


def test_without_a_fault_nothing_is_wrong() -> None:
    assert list(problems(trials().world)) == []


def test_the_sweep_covers_both_endpoints() -> None:
    effects = trials().effects
    assert len(effects) >= FEWEST_EFFECTS, effects
    assert effects.count("PATCH endpoint") == 2


@pytest.mark.parametrize("kind", FAULTS)
def test_one_start_and_both_live_after_any_single_fault(kind: Kind) -> None:
    assert trials().after_each(kind, problems) == []
