"""Every single fault, and pairs of faults, from new data to a live model; nothing is random.

`make test` tries one pair in 47, always the same ones; `make prove` tries them all.

Promises: one run, one started job, and the endpoint serves its model in the end, after each fault:
a call is refused, lost, torn, late or duplicated, or a worker is killed, sleeps, or meets a second
worker inside a call.
"""

from collections.abc import Callable, Iterator
from functools import cache
from itertools import combinations, islice, product
from typing import Final

import pytest

from shared.core.run.record import Phase
from tests.fakes.faults import Kind, kinds_at
from tests.fakes.ways import Moves, Trials, Way, once
from tests.fakes.world import World

#: Effects of an undisturbed run; the floor keeps the sweep from shrinking unseen.
FEWEST_EFFECTS = 20
ROUNDS = 40
#: The pairs are walked in this many tests, for as many processes as there are cores.
PARTS = 8
#: Between two ticks; a late effect takes two of them, a lease lasts longer than that.
SECONDS = 45


def _first_tick(way: Way[World]) -> bool:
    return not way.world.survive(lambda: way.world.tick(SECONDS))


def _round(way: Way[World]) -> bool:
    world = way.world
    way.taken = way.taken or world.survive(world.deliver)
    for name in model_events(world):
        world.survive(lambda name=name: world.app.model_events.model_arrived(name))
    world.survive(lambda: world.tick(SECONDS))
    over = way.taken and not world.faults.late and not world.open_runs()
    return not over and way.tries + 1 < ROUNDS


#: The event is delivered until it is taken, and the timer does the rest.
MOVES: "Final[Moves[World]]" = (
    _first_tick,  # the app was there before the data, so it goes on when that went well
    once(World.upload),
    _round,
    once(lambda world: world.tick(SECONDS)),  # nothing that comes afterwards may change the end
)


def drive(world: World) -> None:
    """Bring data to a live model."""
    Way(world, MOVES).go()


@cache
def trials() -> Trials[World]:
    return Trials(Way(World(), MOVES))


def model_events(world: World) -> list[str]:
    listing = world.blobs.listing("models", "runs/")
    return [blob.name for blob in listing if blob.name.endswith(".ilearner")]


def problems(world: World) -> Iterator[str]:
    runs = world.runs()
    if len(runs) != 1:
        yield f"{len(runs)} runs"
        return
    if len(world.starts) != 1:
        yield f"{len(world.starts)} started jobs"
    # Also for a service that would start a job as often as it is asked to.
    asked = world.http.arrived.count("POST start") - world.faults.repeated.count("POST start")
    if asked != 1:
        yield f"{asked} starts asked for"
    run = runs[0]
    if run.phase is not Phase.PROMOTED:
        yield f"ends {run.phase}: {run.reason or run.step_failure}"
        return
    assert run.model is not None
    model = world.blobs.store.read(f"https://account.blob.core.windows.net/{run.model.name}")
    if world.serving() != model:
        yield "another model serves"
    if world.open_runs():
        yield "the marker is left behind"


CountCases = Callable[[int], None]


@pytest.fixture
def count_cases(record_property: Callable[[str, object], None]) -> CountCases:
    """Have the size of the sweep in the summary of the test run."""

    def recorded(cases: int) -> None:
        record_property("fault sweep", (count(), len(Kind) - 1, cases))

    return recorded


def count() -> int:
    return len(trials().effects) + 2  # more than undisturbed: what a fault makes the run repeat


def check(plans: Iterator[dict[int, Kind]]) -> int:
    failed, tries = [], 0
    named_effects = dict(enumerate(trials().effects))
    for plan in plans:
        tries += 1
        if wrong := list(problems(trials().with_faults(plan))):
            named = ", ".join(f"{i} {named_effects.get(i)}: {k}" for i, k in plan.items())
            failed.append(f"{{{named}}} -> {wrong}")
    assert not failed, f"{len(failed)} of {tries} cases:\n" + "\n".join(failed[:20])
    return tries


def test_without_a_fault_nothing_is_wrong(count_cases: CountCases) -> None:
    count_cases(check(iter([{}])))


def test_the_sweep_covers_the_whole_way() -> None:
    effects = trials().effects
    assert len(effects) >= FEWEST_EFFECTS, effects
    assert {"POST jobs", "POST start", "PATCH endpoint", "create runs"} <= set(effects)


def test_one_start_and_live_after_any_single_fault(count_cases: CountCases) -> None:
    effects = trials().effects
    count_cases(check({i: kind} for i in range(len(effects)) for kind in kinds_at(effects, i)))


@pytest.mark.parametrize("part", range(PARTS))
def test_one_start_and_live_after_any_pair_of_faults(
    part: int, one_in: int, count_cases: CountCases
) -> None:
    effects = trials().effects
    pairs: Iterator[dict[int, Kind]] = (
        {i: a, j: b}
        for i, j in combinations(range(count()), 2)
        for a, b in product(kinds_at(effects, i), kinds_at(effects, j))
    )
    plans = islice(pairs, 0, None, one_in)
    count_cases(check(islice(plans, part, None, PARTS)))
