"""Every single fault between data and two endpoints: one start, each updated and verified."""

from collections.abc import Iterator

import pytest

from shared.core.run.record import Phase
from tests.fakes.faults import FAULTS, Faults, Kind, after_each
from tests.unit.fleet import Fleet

FEWEST_EFFECTS = 30
ROUNDS = 60


def drive(fleet: Fleet) -> None:
    while not fleet.survive(fleet.tick):
        pass
    fleet.upload()
    taken = False
    for _ in range(ROUNDS):
        taken = taken or fleet.survive(fleet.deliver)
        fleet.survive(fleet.tick)
        if taken and not fleet.faults.late and not fleet.open_runs():
            break
    fleet.survive(fleet.tick)


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


def effects() -> list[str]:
    fleet = Fleet(size=2)
    drive(fleet)
    return fleet.faults.sites


EFFECTS = effects()


def test_without_a_fault_nothing_is_wrong() -> None:
    fleet = Fleet(size=2)
    drive(fleet)
    assert list(problems(fleet)) == []


def test_the_sweep_covers_both_endpoints() -> None:
    assert len(EFFECTS) >= FEWEST_EFFECTS, EFFECTS
    assert EFFECTS.count("PATCH endpoint") == 2


@pytest.mark.parametrize("kind", FAULTS)
def test_one_start_and_both_live_after_any_single_fault(kind: Kind) -> None:
    def tried(faults: Faults) -> Iterator[str]:
        fleet = Fleet(size=2, faults=faults)
        drive(fleet)
        return problems(fleet)

    assert after_each(kind, EFFECTS, tried) == []
