"""Every fault, and pairs of faults, from a staged model to its last share or to its rollback.

A fault is the app's or the workspace's (see `proofs.workspace_faults`). Also tried: workspaces that
behave otherwise where their contract says unknown, several ways at once, with one fault or two.

Promises: no request of the app is one that it may never send; one run, which ends with all requests
at its model, or with all of them back; what it staged and does not serve is deleted.
"""

import logging
import random
from collections.abc import Iterator, Mapping
from functools import cache
from itertools import combinations
from typing import Any, Final

from local.azureml.calls import Fault
from proofs.outcomes import Effort, Outcome, Violation, again
from proofs.workspace_faults import Planned, planned_in
from tests.fakes.faults import Faults, Kind, kinds_at
from tests.sweep import test_steps_sweep as steps

_APP: Final = "app"
_WORKSPACE: Final = "workspace"
_ALL: Final = 1000
#: Pairs that are tried at most of each way, and trials in workspaces that behave otherwise.
_MOST_PAIRS: Final = 2_000
_MOST_OTHERS: Final = 600
#: How many ways of behaving otherwise are put together.
_MOST_ODD: Final = 3
WAYS: Final = (steps.GOOD, steps.WORSE)
#: How a workspace behaves, in the words of the sweep; none: as documented.
Behaviour = tuple[str, ...]
_BETWEEN: Final = " and "


def part(effort: Effort, shard: int = 0, shards: int = 1) -> list[Outcome]:
    """Try every single fault in each way, `effort.size` of a thousand pairs, and odd workspaces.

    Args:
        effort: how many pairs, or the one plan to repeat.
        shard: which one of `shards`.
        shards: into how many the plans are divided.
    """
    logging.disable(logging.CRITICAL)  # thousands of faults would be logged
    outcomes = []
    for way in WAYS:
        tries, violations = 0, []
        for behaviour, plan in _plans(way, effort, shard, shards):
            tries += 1
            effort.progress()
            if wrong := problems(way, behaviour, plan):
                named = f"{way}; {_BETWEEN.join(behaviour)}; {_shown(way, plan)}"
                command = again("steps faults", "--plan", named)
                violations.append(Violation(command, "; ".join(wrong)))
        promise = f"any one fault, or two, while a {way} model gets its steps"
        notes = f"{min(effort.size, _ALL) / 10:g} % of the chosen pairs and other workspaces"
        outcomes.append(Outcome(promise, tries, tuple(violations), notes))
    return outcomes


def problems(way: str, behaviour: Behaviour, plan: tuple[Planned, ...]) -> list[str]:
    """Return what is wrong in the end.

    Args:
        way: whether the model is good.
        behaviour: how the workspace behaves otherwise.
        plan: the faults.
    """
    switches: dict[str, Any] = {}
    for name in behaviour:
        switches |= steps.PERSONALITIES[name]
    faults = Faults({at: Kind(kind) for where, at, kind in plan if where == _APP})
    world = (steps.started(way, **switches) if switches else steps.fresh(way)).copied(faults)
    for where, at, kind in plan:
        if where == _WORKSPACE:
            world.azureml.calls.fault_at(at, Fault(kind))
    return list(steps.problems(world.live()))


@cache
def singles(way: str) -> tuple[Planned, ...]:
    """Return every single fault that there can be in this way."""
    effects, calls = steps.sites(way)
    own = range(len(effects) + 2)  # what a fault makes the app repeat
    return (
        *((_APP, at, str(kind)) for at in own for kind in kinds_at(effects, at)),
        *((_WORKSPACE, at, str(fault)) for at in range(len(calls)) for fault in Fault),
    )


def pairs(way: str, seed: int, size: int) -> list[tuple[Planned, ...]]:
    """Return some of the pairs of faults at two different places, always the same ones.

    Args:
        way: whether the model is good.
        seed: of the choice.
        size: how many of a thousand of those that are tried at most.
    """
    both = [(a, b) for a, b in combinations(singles(way), 2) if a[:2] != b[:2]]
    some = _MOST_PAIRS * min(size, _ALL) // _ALL
    return list(random.Random(seed).sample(both, some))  # noqa: S311 -- no secret


def odd(way: str, seed: int, size: int) -> Iterator[tuple[Behaviour, tuple[Planned, ...]]]:
    """Yield workspaces that behave otherwise in several ways, with one fault or two.

    Args:
        way: whether the model is good.
        seed: of the choice.
        size: how many of a thousand of those that are tried at most.
    """
    chosen = random.Random(f"{way} {seed}")  # noqa: S311 -- no secret
    names = sorted(steps.PERSONALITIES)
    for _ in range(_MOST_OTHERS * min(size, _ALL) // _ALL):
        behaviour = chosen.sample(names, chosen.randint(1, _MOST_ODD))
        yield tuple(behaviour), tuple(chosen.sample(singles(way), chosen.randint(1, 2)))


def _plans(
    way: str, effort: Effort, shard: int, shards: int
) -> Iterator[tuple[Behaviour, tuple[Planned, ...]]]:
    if effort.plan is not None:
        name, behaviour, faults = effort.plan.split("; ")
        if name == way:
            known = tuple(one for one in behaviour.split(_BETWEEN) if one)
            yield known, planned_in(faults)
        return
    usual: Behaviour = ()
    plain = [*((one,) for one in singles(way)), *pairs(way, effort.seed, effort.size)]
    every = [*((usual, plan) for plan in plain), *odd(way, effort.seed, effort.size)]
    yield from every[shard::shards]


def _shown(way: str, plan: tuple[Planned, ...]) -> str:
    effects, calls = steps.sites(way)
    known: Mapping[str, tuple[str, ...]] = {_APP: effects, _WORKSPACE: calls}
    return ", ".join(
        f"{where} {at} {known[where][at] if at < len(known[where]) else '?'}: {kind}"
        for where, at, kind in plan
    )
