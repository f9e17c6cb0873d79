"""Tries every fault, and pairs of faults, in a promotion and rollback at an online endpoint.

A fault is the app's (an effect of it is refused, lost, torn, late, repeated, or its process dies),
or the workspace's (a call is throttled, refused while another operation runs, answered by a
gateway, cut short, or never answered). All faults are tried with each way in which a workspace
may behave where its contract says unknown. In other trials another program sets the traffic before
a call.

After each request that the workspace accepted, the stand-in checks that it was a safe one.
"""

import logging
import random
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Any, Final

from local.azureml.calls import Fault
from local.azureml.personalities import PERSONALITIES
from proofs.outcomes import Effort, Outcome, Violation, again
from shared.core.run.record import Phase
from shared.core.serving.traffic import ALL
from tests.fakes.azureml_world import CENSUS, AzureMlWorld
from tests.fakes.faults import Kind, kinds_at
from tests.fakes.ways import NEVER, Moves, Trials, Way
from tests.sweep import test_serving_sweep as serving
from tests.sweep import test_steps_sweep as steps

#: Where it happens, at which effect or call, and what.
Planned = tuple[str, int, str]

_APP: Final = "app"
_WORKSPACE: Final = "workspace"
_OTHERS: Final = "others"
_ALL: Final = 1000
#: Plans that are tried at most: pairs, and in a workspace that behaves otherwise.
_MOST_PAIRS: Final = 2_000
_MOST_OTHERWISE: Final = 300
_FAULT: Final = re.compile(r"(app|workspace|others) (\d+) [^:,]*: (\w+)")
_USUAL: Final = "as documented"
#: The percentage that others give to a deployment of their own.
_WRITTEN: Final = 61
_PUT: Final = "PUT endpoint"
_GET: Final = "GET endpoint"


@dataclass(frozen=True)
class Course:
    """The promises of the app."""

    promise: str
    begin: Callable[[], Any]  #: a world ahead of it
    moves: "Moves[Any]"
    wrong: Callable[[Any], Iterator[str]]
    copies: bool = False  #: whether requests are copied

    @property
    def ways(self) -> list[str]:
        """The ways of a workspace that can do what is asked for."""
        unknown = {way: given.get("unknown_members", ()) for way, given in PERSONALITIES.items()}
        return [way for way in unknown if not self.copies or "mirrorTraffic" not in unknown[way]]


def _steps(promise: str, way: str) -> Course:
    """Return a course of steps that last, with an operator who retries after each fault."""

    def begin() -> steps.Steps:
        world = steps.fresh(way).copied()
        world.retries = 2
        return world

    return Course(promise, begin, steps.MOVES, steps.problems, copies=True)


COURSES: Final = (
    Course("new data to all requests", serving.served, serving.SECOND_MODEL, serving.problems),
    _steps("steps that last, after copies", steps.GOOD),
    _steps("a model that fails once it has requests", steps.WORSE),
    Course(
        "rollback to a deployment that is gone",
        serving.rolling_back,
        serving.ROLLBACK,
        serving.wrong_after_rollback,
    ),
)


def part(effort: Effort, shard: int = 0, shards: int = 1) -> list[Outcome]:
    """Try every single fault of each course, and `effort.size` of a thousand pairs.

    Args:
        effort: how many pairs, or the one plan to repeat.
        shard: which one of `shards`.
        shards: into how many the plans are divided.
    """
    logging.disable(logging.CRITICAL)  # thousands of faults would be logged
    outcomes = []
    for course in COURSES:
        tries, violations = 0, []
        for way, plan in plans(course, effort)[shard::shards]:
            tries += 1
            effort.progress()
            if wrong := problems(course, way, plan):
                named = ", ".join(_shown(course, way, one) for one in plan)
                command = again("endpoint faults", "--plan", f"{course.promise} / {way}: {named}")
                violations.append(Violation(command, "; ".join(wrong)))
        promise = f"any one fault, or two, at an online endpoint: {course.promise}"
        outcomes.append(Outcome(promise, tries, tuple(violations), "some pairs"))
    return outcomes


def problems(course: Course, way: str, plan: tuple[Planned, ...]) -> list[str]:
    """Return what is wrong in the end.

    Args:
        course: what is asked of the app.
        way: how the workspace behaves.
        plan: the faults.
    """
    own = {at: Kind(kind) for where, at, kind in plan if where == _APP}
    others = [at for where, at, _ in plan if where != _APP]
    going = _trials(course, way).ahead_of(min(own, default=NEVER), min(others, default=NEVER))
    world, written = going.world, list[int]()
    world.faults.plan = own
    for where, at, kind in plan:
        if where == _WORKSPACE:
            world.azureml.calls.fault_at(at, Fault(kind))
        elif where == _OTHERS:
            _write_ahead_of(world, _sites(course, way)[1], at, written)
    going.go()
    for _ in range(2 if written else 0):  # what was written last is found by a check for drift
        world.survive(lambda: world.tick(2 * serving.SECONDS))
        world.survive(lambda: world.tick(7200))
    unsafe = [f"unsafe: {one.request}: {one.problem}" for one in world.azureml.violations]
    return [*unsafe, *(_not_left(world) if _is_kept(world, written) else course.wrong(world))]


def _write_ahead_of(world: AzureMlWorld, calls: list[str], at: int, written: list[int]) -> None:
    """Have another program set the traffic just ahead of a call."""

    def write() -> None:
        written.append(len(world.azureml.calls.log) - 1)
        old = max(world.traffic(), key=lambda name: name != "blue")
        world.azureml.hooks.set_traffic(CENSUS, {"blue": _WRITTEN, old: ALL - _WRITTEN})

    kind = calls[at]
    world.azureml.calls.before(kind, write, calls[:at].count(kind))


def _is_kept(world: AzureMlWorld, written: list[int]) -> bool:
    """Whether what others wrote has to be left: the app read the endpoint after it, not before."""
    if not written:
        return False
    kinds = [call.kind for call in world.azureml.calls.log[written[0] :]]
    following = (kind for kind in kinds if kind in (_GET, _PUT))
    return next(following, _GET) == _GET


def _not_left(world: AzureMlWorld) -> Iterator[str]:
    if world.traffic().get("blue") != _WRITTEN:
        yield f"what others set was overwritten: {world.traffic()}"
    if not any(run.phase is Phase.PARKED for run in world.runs()):
        yield f"nobody is asked: {[(run.phase, run.reason) for run in world.runs()]}"


def singles(course: Course, way: str) -> list[Planned]:
    """Return every single fault that there can be.

    Args:
        course: what is asked of the app.
        way: how the workspace behaves.
    """
    effects, calls = _sites(course, way)
    own = range(len(effects) + 2)  # what a fault makes the app repeat
    return [
        *((_APP, at, str(kind)) for at in own for kind in kinds_at(effects, at)),
        *((_WORKSPACE, at, str(fault)) for at in range(len(calls)) for fault in Fault),
    ]


def plans(course: Course, effort: Effort) -> list[tuple[str, tuple[Planned, ...]]]:
    """Return what is tried, with the way in which the workspace behaves.

    Args:
        course: what is asked of the app.
        effort: how much of it, or the one plan to repeat.
    """
    if effort.plan is None:
        return [(way, plan) for way in course.ways for plan in chosen(course, way, effort)]
    name, _, rest = effort.plan.partition(" / ")
    way, _, faults = rest.partition(": ")
    plan = tuple((where, int(at), kind) for where, at, kind in _FAULT.findall(faults))
    return [(way, plan)] if name == course.promise else []


def chosen(course: Course, way: str, effort: Effort) -> list[tuple[Planned, ...]]:
    """Return what is tried in one way: always the same, by the seed.

    Where answers lag, the app cannot see what others have just written: that is not tried.

    Args:
        course: what is asked of the app.
        way: how the workspace behaves.
        effort: how much of it.
    """
    chance, share = random.Random(effort.seed), min(effort.size, _ALL) / _ALL  # noqa: S311
    single: list[tuple[Planned, ...]] = [(one,) for one in singles(course, way)]
    calls = _sites(course, way)[1]
    shown_at_once = "traffic_answer_lag" not in PERSONALITIES[way]
    others: list[tuple[Planned, ...]] = [
        ((_OTHERS, at, "write"),)
        for at in range(len(calls))
        if course is COURSES[0] and shown_at_once
    ]
    if way != _USUAL:
        size = min(len(single), round(_MOST_OTHERWISE * share))
        return [(), *chance.sample(single, size), *others]
    pairs = (chance.sample(single, 2) for _ in range(round(_MOST_PAIRS * share)))
    both = [(*one, *other) for one, other in pairs if one[0][:2] != other[0][:2]]
    return [(), *single, *others, *both]


@lru_cache(maxsize=1)  # each holds many copies, and one way is tried after the other
def _trials(course: Course, way: str) -> Trials[Any]:
    world: AzureMlWorld = course.begin()
    for name, value in PERSONALITIES[way].items():
        setattr(world.azureml.switches, name, value)
    world.azureml.calls.log.clear()
    return Trials(Way(world, course.moves))


@cache
def _sites(course: Course, way: str) -> tuple[list[str], list[str]]:
    trials = _trials(course, way)
    return trials.effects, [call.kind for call in trials.world.azureml.calls.log]


def _shown(course: Course, way: str, planned: Planned) -> str:
    where, at, kind = planned
    known = _sites(course, way)[where != _APP]
    return f"{where} {at} {known[at] if at < len(known) else '?'}: {kind}"
