"""Tries every fault, and pairs of faults, in four scenarios: exhaustive and deterministic.

Promises: one run for each event, one started job, and the right model serves in the end. Each call
is refused, lost, torn, late or duplicated in a trial of its own, and at each a worker is killed,
paused or interrupted by a second one.
"""

import logging
import random
import re
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from itertools import combinations, product
from typing import Final

from proofs.newest_runs import newest_runs
from proofs.outcomes import Effort, Outcome, Violation, again
from shared.core.counting import counted
from shared.core.run.record import Origin, Phase
from shared.core.serving.references import EndpointAddress
from shared.operations.commands import OperatorCommand
from tests.fakes.faults import Faults, Kind, kinds_at
from tests.fakes.world import World
from tests.sweep import test_fault_sweep as to_live
from tests.sweep import test_roll_out_sweep as to_many
from tests.unit.fleet import Fleet
from tests.unit.intake.test_batches import BURST
from tests.unit.worlds import Observed

_ROUNDS: Final = 60
_SECONDS: Final = 45
_ALL: Final = 1000
#: One fault of a plan: the number of the effect, its name, and the kind of fault.
_FAULT: Final = re.compile(r"(\d+) [^:,]*: (\w+)")


@dataclass(frozen=True)
class Scenario:
    """A sequence of steps through the app, and what is wrong at its end with given faults."""

    name: str
    carry: Callable[[Faults], tuple[list[str], list[str]]]
    """Returns the effects, in order, and the problems."""


def _live(faults: Faults) -> tuple[list[str], list[str]]:
    world = World(faults=faults)
    to_live.drive(world)
    return world.faults.sites, list(to_live.problems(world))


def _many(faults: Faults) -> tuple[list[str], list[str]]:
    fleet = Fleet(size=2, faults=faults)
    to_many.drive(fleet)
    return fleet.faults.sites, list(to_many.problems(fleet))


def _burst(faults: Faults) -> tuple[list[str], list[str]]:
    """Two blobs in one burst, then a third one while their run is open."""
    world = Observed(config={"pipeline": BURST}, faults=faults)
    while not world.survive(lambda: world.tick(_SECONDS)):
        pass  # the app was there before the data: its first tick went well (decision 1)
    _upload_and_deliver(world, "a.csv")
    _upload_and_deliver(world, "b.csv")
    for _ in range(4):
        world.survive(lambda: world.tick(_SECONDS))
    _upload_and_deliver(world, "c.csv")
    _until_over(world)
    return world.faults.sites, list(_each_once(world, ("a.csv", "b.csv", "c.csv")))


def _rollback(faults: Faults) -> tuple[list[str], list[str]]:
    """Two models, then an operator's rollback to the first, requested until it is accepted."""
    promoted, first = _promoted_twice()
    world = promoted.copied(faults)

    def roll_back() -> None:
        endpoints = world.app.endpoints
        endpoints.rollback(EndpointAddress("sample", "production"), None, OperatorCommand("ada"))

    for _ in range(5):
        if world.survive(roll_back):
            break
        world.survive(lambda: world.tick(_SECONDS))
    _until_over(world)
    return world.faults.sites, list(_back_at(world, first))


@cache
def _promoted_twice() -> tuple[Observed, str]:
    """Return a world where two models were promoted, and the run of the first."""
    world = Observed()
    first = world.until(world.start("a.csv"), Phase.PROMOTED)
    world.until(world.next_run("b.csv", b"a,b,label\n7,8,1\n3,4,0\n"), Phase.PROMOTED)
    return world, first.run_id


SCENARIOS: Final = (
    Scenario("new data to a live model", _live),
    Scenario("new data to two endpoints", _many),
    Scenario("batches to runs", _burst),
    Scenario("rollback", _rollback),
)


def part(effort: Effort, shard: int = 0, shards: int = 1) -> list[Outcome]:
    """Try every single fault of each scenario, and `effort.size` of a thousand pairs of each."""
    logging.disable(logging.CRITICAL)  # thousands of faults would be logged
    outcomes = []
    notes = "every pair" if effort.size >= _ALL else f"{effort.size / 10:g} % of the pairs"
    for scenario in SCENARIOS:
        tries, violations = 0, []
        for plan in _plans(scenario, effort, shard, shards):
            sites, wrong = scenario.carry(Faults(dict(plan)))
            tries += 1
            effort.progress()
            if wrong:
                named = ", ".join(f"{at} {_site(sites, at)}: {kind}" for at, kind in plan.items())
                command = again("faults", "--plan", f"{scenario.name}: {named}")
                violations.append(Violation(command, "; ".join(wrong)))
        promise = f"any one fault, or two: {scenario.name}"
        outcomes.append(Outcome(promise, tries, tuple(violations), notes))
    return outcomes


def _plans(
    scenario: Scenario, effort: Effort, shard: int, shards: int
) -> Iterator[dict[int, Kind]]:
    if effort.plan is not None:
        name, _, faults = effort.plan.partition(": ")
        if name == scenario.name:
            yield {int(at): Kind(kind) for at, kind in _FAULT.findall(faults)}
        return
    sites, wrong = scenario.carry(Faults({}))
    if wrong:
        yield {}
        return
    count = len(sites) + 2  # what a fault makes the app repeat
    plans: list[dict[int, Kind]] = [
        {at: kind} for at in range(count) for kind in kinds_at(sites, at)
    ]
    both: list[dict[int, Kind]] = [
        {i: a, j: b}
        for i, j in combinations(range(count), 2)
        for a, b in product(kinds_at(sites, i), kinds_at(sites, j))
    ]
    if effort.size < _ALL:
        some = len(both) * effort.size // _ALL
        both = random.Random(effort.seed).sample(both, some)  # noqa: S311 -- no secret
    yield from [*plans, *both][shard::shards]


def _site(sites: list[str], at: int) -> str:
    return sites[at] if at < len(sites) else "?"


def _upload_and_deliver(world: Observed, name: str) -> None:
    world.survive(lambda: world.clock.move(_second()))
    world.upload(name, f"a,b,label\n{name},2,0\n3,4,1\n".encode())
    for _ in range(4):
        if world.survive(lambda: world.deliver(name)):
            return
        world.survive(lambda: world.tick(5))


def _second() -> timedelta:
    return timedelta(seconds=1)


def _until_over(world: World) -> None:
    for _ in range(_ROUNDS):
        world.survive(lambda: world.tick(_SECONDS))
        waits = any(name.startswith("inbox/") for name in world.documents.rows)
        if not world.faults.late and not world.open_runs() and not waits:
            break
    world.survive(lambda: world.tick(_SECONDS))


def _each_once(world: Observed, names: tuple[str, ...]) -> Iterator[str]:
    runs = [run for run in world.runs() if run.origin is Origin.DATA]
    held = Counter(blob.name for run in runs for blob in run.manifest)
    if held != Counter(names):
        yield f"manifests hold {dict(held)}"
    starts = Counter(world.starts)
    if any(number > 1 for number in starts.values()) or len(starts) > len(runs):
        yield f"{counted(len(world.starts), 'start')} for {counted(len(runs), 'run')}"
    for run in runs:
        if not run.phase.ended:
            yield f"run {run.run_id} is left {run.phase}: {run.reason or run.step_failure}"
    if any(name.startswith("inbox/") for name in world.documents.rows):
        yield "something is left in the inbox"
    promoted = [run for run in runs if run.phase is Phase.PROMOTED]
    if world.serving() not in [world.model_of(run) for run in newest_runs(promoted)]:
        yield "another model serves"


def _back_at(world: Observed, run_id: str) -> Iterator[str]:
    rollback_runs = [run for run in world.runs() if run.origin is Origin.ROLLBACK]
    if len(rollback_runs) != 1:
        yield f"{counted(len(rollback_runs), 'rollback')} from one request"
    for run in rollback_runs:
        if run.phase is not Phase.PROMOTED:
            yield f"the rollback is left {run.phase}: {run.reason or run.step_failure}"
    first = next(run for run in world.runs() if run.run_id == run_id)
    if world.serving() != world.model_of(first):
        yield "another model serves"
