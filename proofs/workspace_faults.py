"""Tries every fault, and pairs of faults, from new data to a registered model of a workspace.

A fault is the app's (an effect of it is refused, lost, torn, late, repeated, or its process dies)
or the workspace's (a call is throttled, answered by a gateway, cut short, or never answered; a job
becomes an orphan). Pairs are of one kind each, or of both.

Promises: one run, one job that began for its one attempt, and one registered version, with each
way in which the workspace may behave where its contract says unknown.
"""

import logging
import random
import re
from collections.abc import Iterator, Mapping
from datetime import timedelta
from functools import cache
from itertools import combinations
from typing import Any, Final

from local.azureml.calls import Fault
from local.azureml.switches import Switches
from proofs.outcomes import Effort, Outcome, Violation, again
from tests.fakes.azureml_runs import COURSE, AzureMlRuns
from tests.fakes.faults import Faults, Kind, kinds_at
from tests.sweep import test_azureml_training_sweep as to_registered

#: Where it happens, at which effect or call, and what.
Planned = tuple[str, int, str]

_APP: Final = "app"
_WORKSPACE: Final = "workspace"
_ALL: Final = 1000
#: Pairs that are tried at most in a workspace that behaves otherwise.
_MOST_OTHERS: Final = 2_000
_FAULT: Final = re.compile(r"(app|workspace) (\d+) [^:,]*: (\w+)")
_USUAL: Final = "as documented"
#: How the workspace behaves.
WAYS: Final[Mapping[str, Mapping[str, Any]]] = {
    _USUAL: {},
    "outputs lie elsewhere": {"explicit_uri_honoured": False, "outputs_at_parent": False},
    "an identical PUT is refused": {"identical_job": "immutable"},
    "every step is reused": {"reuse": "always"},
    "roles are late": {"roles_late": timedelta(minutes=10)},
}


def part(effort: Effort, shard: int = 0, shards: int = 1) -> list[Outcome]:
    """Try every single fault in each way, and `effort.size` of a thousand pairs.

    Args:
        effort: how many pairs, or the one plan to repeat.
        shard: which one of `shards`.
        shards: into how many the plans are divided.
    """
    logging.disable(logging.CRITICAL)  # thousands of faults would be logged
    outcomes = []
    for way in WAYS:
        tries, violations = 0, []
        for plan in _plans(way, effort, shard, shards):
            tries += 1
            effort.progress()
            if wrong := problems(way, plan):
                named = ", ".join(_shown(way, one) for one in plan)
                command = again("workspace faults", "--plan", f"{way}: {named}")
                violations.append(Violation(command, "; ".join(wrong)))
        promise = f"any one fault, or two, of app and workspace: {way}"
        outcomes.append(Outcome(promise, tries, tuple(violations), _notes(way, effort)))
    return outcomes


def problems(way: str, plan: tuple[Planned, ...]) -> list[str]:
    """Return what is wrong in the end.

    Args:
        way: how the workspace behaves.
        plan: the faults.
    """
    faults = {at: Kind(kind) for where, at, kind in plan if where == _APP}
    world = _fresh(way).copied(Faults(faults))
    for where, at, kind in plan:
        if where == _WORKSPACE:
            world.azureml.calls.fault_at(at, Fault(kind))
    return list(to_registered.problems(to_registered.drive(world)))


def singles(way: str) -> list[Planned]:
    """Return every single fault that there can be in this way."""
    effects, calls = _sites(way)
    own = range(len(effects) + 2)  # what a fault makes the app repeat
    return [
        *((_APP, at, str(kind)) for at in own for kind in kinds_at(effects, at)),
        *((_WORKSPACE, at, str(fault)) for at in range(len(calls)) for fault in Fault),
    ]


def pairs(way: str, seed: int, size: int) -> list[tuple[Planned, ...]]:
    """Return some of the pairs of faults at two different places, always the same ones.

    Args:
        way: how the workspace behaves.
        seed: of the choice.
        size: how many of a thousand.
    """
    both = [(a, b) for a, b in combinations(singles(way), 2) if a[:2] != b[:2]]
    if size >= _ALL and way == _USUAL:
        return list(both)
    size = min(size, _ALL)
    most = len(both) if way == _USUAL else min(len(both), _MOST_OTHERS)
    some = most * size // _ALL
    return list(random.Random(seed).sample(both, some))  # noqa: S311 -- no secret


def planned_in(text: str) -> tuple[Planned, ...]:
    """Return the faults of a plan as a command shows it."""
    return tuple((where, int(at), kind) for where, at, kind in _FAULT.findall(text))


def _plans(way: str, effort: Effort, shard: int, shards: int) -> Iterator[tuple[Planned, ...]]:
    if effort.plan is not None:
        name, _, faults = effort.plan.partition(": ")
        if name == way:
            yield planned_in(faults)
        return
    if shard == 0:
        yield ()
    plans = [*((one,) for one in singles(way)), *pairs(way, effort.seed, effort.size)]
    yield from plans[shard::shards]


def _notes(way: str, effort: Effort) -> str:
    if way != _USUAL:
        return "some pairs"
    return "every pair" if effort.size >= _ALL else f"{effort.size / 10:g} % of the pairs"


@cache
def _fresh(way: str) -> AzureMlRuns:
    world = AzureMlRuns(switches=Switches(course=COURSE, **WAYS[way]))
    world.upload("a.csv")
    world.azureml.calls.log.clear()
    return world


@cache
def _sites(way: str) -> tuple[list[str], list[str]]:
    world = to_registered.drive(_fresh(way).copied())
    return list(world.faults.sites), [call.kind for call in world.azureml.calls.log]


def _shown(way: str, planned: Planned) -> str:
    where, at, kind = planned
    known = _sites(way)[where == _WORKSPACE]
    return f"{where} {at} {known[at] if at < len(known) else '?'}: {kind}"
