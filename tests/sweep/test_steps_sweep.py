"""Single faults from a staged model to its last share, and from its first share to the rollback.

Promises, after each fault of the app, of the workspace, or of a call between them: no request of
the app is forbidden; one run ends with all traffic at its model, or with the old traffic restored.
A run that cannot continue is parked, and one retry of an operator is enough. The proofs
(`make prove`) try all other faults, pairs of them, and other workspaces.
"""

from collections.abc import Iterator
from datetime import timedelta
from functools import cache
from typing import Any, Final

import pytest

from local.azureml.calls import Fault
from local.azureml.containers import error_of_model
from local.azureml.switches import Switches
from shared.core.run.record import Phase, Run
from tests.fakes.azureml_world import CENSUS, QUICK, AzureMlWorld
from tests.fakes.faults import FAULTS, Kind
from tests.fakes.ways import Moves, Trials, Way

SECONDS: Final = 60
ROUNDS: Final = 90
MOST_DISCARDS: Final = 8
#: One trial takes a fifth of a second: each call gets some of the faults here.
ONE_IN: Final = 8
GOOD, WORSE = "good", "worse"
STEPS: Final = {"steps": [10, 100], "bake": "1m", "mirror": 20}


class Steps(AzureMlWorld):
    """A world whose run gets its steps; its model fails from its first share on, or never."""

    fails = False
    retries = 1  #: how often what is parked is retried
    retried = 0

    def live(self) -> "Steps":
        """Let time pass until the run is over, or is parked for good."""
        return Way(self, MOVES).go()

    def goes_on(self) -> bool:
        """Let some time pass; False: it is over, or parked for good."""
        self.survive(lambda: self.tick(SECONDS))
        run = self.run()
        if self.fails and run.candidate and self.traffic().get(run.candidate.name):
            version = run.run_id.rpartition("-")[2]
            self.azureml.hooks.set_model(f"sample/{version}-1", error_of_model(500, "bad"))
        parked = run.phase is Phase.PARKED
        if parked and self.retried < self.retries:
            self.retried += 1
            self.survive(lambda: self.run_operations.retry(run.run_id))
            return True
        return bool(self.faults.late or not (parked or not self.open_runs()))

    def discards(self) -> bool:
        """Let time pass while a candidate is left; an hour lies between two checks."""
        if self.run().phase is not Phase.ROLLED_BACK or not self.endpoint_state().staged:
            return False
        self.survive(lambda: self.tick(30 * SECONDS))
        return True

    def run(self) -> Run:
        return self.runs()[0]


def _round(way: Way[Steps]) -> bool:
    return way.world.goes_on() and way.tries + 1 < ROUNDS


def _discarding(way: Way[Steps]) -> bool:
    return way.world.discards() and way.tries + 1 < MOST_DISCARDS


MOVES: "Final[Moves[Steps]]" = (_round, _discarding)


def started(way: str, **switches: Any) -> Steps:
    """Return a world whose job is about to end; nothing is in flight at the endpoint."""
    world = Steps(switches=Switches(**{**QUICK, **switches}), traffic_rules=STEPS)
    world.upload("a.csv")
    world.deliver("a.csv")
    world.fails = way == WORSE
    while world.run().phase is not Phase.TRAINING:
        world.tick(1)
    world.azureml.calls.log.clear()
    return world


@cache
def fresh(way: str) -> Steps:
    return started(way)


@cache
def trials(way: str) -> Trials[Steps]:
    return Trials(Way(fresh(way).copied(), MOVES))


def lived(way: str, at: int, fault: Fault) -> Steps:
    """Return a world whose workspace failed at a call."""
    going = trials(way).ahead_of(call=at)
    going.world.azureml.calls.fault_at(at, fault)
    return going.go()


def problems(world: Steps) -> Iterator[str]:
    yield from (f"{one.request}: {one.problem}" for one in world.azureml.violations)
    run, end = world.run(), Phase.ROLLED_BACK if world.fails else Phase.PROMOTED
    if len(world.runs()) != 1:
        yield f"{len(world.runs())} runs: {[one.cause for one in world.runs()]}"
    if run.phase is not end or run.candidate is None:
        yield f"ends {run.phase}: {run.reason or run.step_failure}"
        return
    name, state = run.candidate.name, world.endpoint_state()
    wanted = {"blue": 100} if world.fails else {name: 100}
    left = [one.candidate.name for one in state.staged]
    if world.traffic() != wanted:
        yield f"the traffic is {world.traffic()}"
    if world.deployments() != {"blue", *wanted}:
        yield f"there is {world.deployments()}"
    if left != ([] if world.fails else [name]):
        yield f"staged: {left}"
    serving = state.resource(world.pipeline.endpoints[0].resource_name).serving
    if (serving.candidate if serving else "blue") not in wanted:
        yield f"the record says that {serving} serves"
    if state.endpoint_lease is not None:
        yield f"the lease is left with {state.endpoint_lease.run_id}"
    if world.open_runs():
        yield "a marker is left behind"


def calls_of(way: str) -> list[str]:
    """Return the workspace's calls of a way without faults."""
    return [call.kind for call in trials(way).world.azureml.calls.log]


@pytest.mark.parametrize("way", [GOOD, WORSE])
def test_without_a_fault_nothing_is_wrong(way: str) -> None:
    world = trials(way).world
    assert list(problems(world)) == []
    assert world.retried == 0


def test_the_sweep_covers_the_whole_way() -> None:
    effects, calls = trials(GOOD).effects, calls_of(GOOD)
    assert effects.count("PUT endpoint") == 3
    assert effects.count("PUT deployment") == 1
    assert {"GET endpoint", "GET deployment", "POST score", "POST listKeys"} <= set(calls)
    back = trials(WORSE).effects
    assert back.count("PUT endpoint") == 3
    assert back.count("DELETE deployment") == 1
    assert "POST getLogs" in calls_of(WORSE)


@pytest.mark.parametrize("way", [GOOD, WORSE])
@pytest.mark.parametrize("kind", FAULTS)
def test_no_request_is_unsafe_after_a_single_fault_of_the_app(way: str, kind: Kind) -> None:
    some = slice(FAULTS.index(kind) % ONE_IN, None, ONE_IN)
    assert trials(way).after_each(kind, problems, some) == []


@pytest.mark.parametrize("way", [GOOD, WORSE])
@pytest.mark.parametrize("fault", Fault)
def test_no_request_is_unsafe_after_a_single_fault_of_the_workspace(way: str, fault: Fault) -> None:
    calls, every = calls_of(way), 2 * ONE_IN
    chosen = range(list(Fault).index(fault) % every, len(calls), every)
    wrong = {f"{at} {calls[at]}": list(problems(lived(way, at, fault))) for at in chosen}
    assert not any(wrong.values()), wrong


#: One for each point that the contract calls unknown, or warns of.
PERSONALITIES: Final[dict[str, dict[str, Any]]] = {
    "an unready deployment is given traffic": {"traffic_to_unready": "accepted"},
    "and its update fails": {"traffic_to_unready": "operation_fails"},
    "a failed deployment takes no PUT": {"put_on_failed": "refused"},
    "deployments lock for themselves": {"lock": "resource"},
    "operations give no reason": {"failed_operations": "without_error"},
    "operations are soon forgotten": {"operations_kept": timedelta(seconds=5)},
    "a failed update leaves no trace": {"state_after_failed_update": "Succeeded"},
    "routes lag": {"routing_lag": timedelta(minutes=3)},
    "zeros are not shown": {"zero_traffic_is_shown": False},
    "copies are not counted": {"mirrored_requests": "not_counted"},
    "read-only members are refused": {"read_only_members": "refused"},
    "values in Pascal case": {"values": "pascal"},
    "values in lower case": {"values": "lower"},
    "ids in lower case": {"ids": "lower"},
    "no nulls": {"members": "no_nulls"},
    "more members": {"members": "more"},
}


@pytest.mark.parametrize("way", [GOOD, WORSE])
@pytest.mark.parametrize("switches", PERSONALITIES.values(), ids=PERSONALITIES)
def test_a_model_gets_its_steps_at_a_workspace_that_behaves_otherwise(
    way: str, switches: dict[str, Any]
) -> None:
    world = started(way, **switches).live()
    assert list(problems(world)) == []


@cache
def beside_green(way: str) -> Trials[Steps]:
    """Return the way of a world where nobody retries, with one more deployment at the endpoint."""
    world = fresh(way).copied()
    world.azureml.hooks.add_deployment(CENSUS, "green", "census/2")
    world.retries = 0
    return Trials(Way(world, MOVES))


def changed_meanwhile(way: str, at: int) -> tuple[Steps, bool]:
    """Return a world where an operator sends all requests to `green` just before a call.

    Returns:
        The world, and whether the app has to notice: not ahead of its lease, where it begins with
        what is there, and not where its PUT is that call, or runs.
    """
    going, calls, noticed = beside_green(way).ahead_of(call=at), calls_of(way), [True]
    world = going.world

    def change() -> None:
        runs = world.azureml.state.endpoints[CENSUS].state == "Succeeded"
        leased = world.run().promotion is not None
        noticed[0] = leased and runs and calls[at] != "PUT endpoint"
        world.azureml.hooks.set_traffic(CENSUS, {"green": 100})

    world.azureml.calls.before(calls[at], change, calls[:at].count(calls[at]))
    return going.go(), noticed[0]


@pytest.mark.parametrize("way", [GOOD, WORSE])
def test_what_an_operator_sets_between_any_two_calls_is_not_overwritten(way: str) -> None:
    wrong, calls = {}, calls_of(way)
    for at in range(calls.index("PUT deployment"), len(calls)):
        world, noticed = changed_meanwhile(way, at)
        kept = world.traffic() == {"green": 100}
        if world.azureml.violations or (noticed and not kept):
            wrong[f"{at} {calls[at]}"] = f"{world.traffic()}, {world.run().reason}"
    assert not wrong
