"""Every single fault from new data to a registered model of Azure Machine Learning.

Promises: one run, one job for its one attempt (an orphan, which never began, is none), one
registered version, after each fault of the app, of the workspace, or of a call between them.
"""

from collections.abc import Iterator
from datetime import timedelta
from functools import cache
from typing import Any, Final

import pytest

from local.azureml.calls import Fault
from local.azureml.switches import Switches
from shared.core.run.record import Phase
from tests.fakes.azureml_runs import COURSE, AzureMlRuns
from tests.fakes.faults import FAULTS, Faults, Kind
from tests.fakes.ways import Moves, Trials, Way, once
from tests.fakes.world import DATA

ROUNDS: Final = 90
SECONDS: Final = 45


@cache
def _fresh() -> AzureMlRuns:
    world = AzureMlRuns()
    world.upload("a.csv")
    world.azureml.calls.log.clear()
    return world


def fresh(faults: Faults | None = None) -> AzureMlRuns:
    return _fresh().copied(faults)


def _round(way: Way[AzureMlRuns]) -> bool:
    world = way.world
    way.taken = way.taken or world.survive(lambda: world.deliver("a.csv"))
    world.survive(lambda: world.tick(SECONDS))
    over = way.taken and not world.faults.late and not world.open_runs()
    return not over and way.tries + 1 < ROUNDS


#: The event is delivered until it is taken, and time passes until the run is over.
MOVES: "Final[Moves[AzureMlRuns]]" = (_round, once(lambda world: world.tick(SECONDS)))


def drive(world: AzureMlRuns) -> AzureMlRuns:
    """Train on the data."""
    return Way(world, MOVES).go()


@cache
def trials() -> Trials[AzureMlRuns]:
    return Trials(Way(fresh(), MOVES))


def problems(world: AzureMlRuns) -> Iterator[str]:
    if len(world.runs()) != 1:
        yield f"{len(world.runs())} runs"
        return
    run = world.run()
    if run.phase is not Phase.FINISHED or run.model is None:
        yield f"ends {run.phase}: {run.reason or run.step_failure}"
        return
    if run.attempt != 1:
        yield f"attempt {run.attempt}"
    jobs = world.azureml.jobs.all
    began = [name for name, job in jobs.items() if not job.orphan]
    if began != [run.job]:
        yield f"jobs that began: {began}, of the run: {run.job}"
    if [version for _, version in world.versions()] != [f"{run.run_id.rpartition('-')[2]}-1"]:
        yield f"versions {list(world.versions())}"
    if world.open_runs():
        yield "a marker is left behind"


def calls() -> list[str]:
    return [call.kind for call in trials().world.azureml.calls.log]


def test_without_a_fault_nothing_is_wrong() -> None:
    assert list(problems(trials().world)) == []


def test_the_sweep_covers_the_whole_way() -> None:
    effects = trials().effects
    assert {"PUT job", "PUT model"} <= set(effects)
    assert effects.count("PUT job") == effects.count("PUT model") == 1
    assert {"GET job", "GET component", "GET datastores", "PUT job", "PUT model"} <= set(calls())


@pytest.mark.parametrize("kind", FAULTS)
def test_one_job_and_one_version_after_any_single_fault_of_the_app(kind: Kind) -> None:
    assert trials().after_each(kind, problems) == []


@pytest.mark.parametrize("fault", Fault)
def test_one_job_and_one_version_after_any_single_fault_of_the_workspace(fault: Fault) -> None:
    failed = []
    for number, kind in enumerate(calls()):
        way = trials().ahead_of(call=number)
        way.world.azureml.calls.fault_at(number, fault)
        if wrong := list(problems(way.go())):
            failed.append(f"{number} {kind}: {wrong}")
    assert not failed, "\n".join(failed)


#: One for each point that the contract calls unknown, or warns of.
PERSONALITIES: Final[dict[str, dict[str, Any]]] = {
    "outputs are written elsewhere": {"explicit_uri_honoured": False},
    "and only their steps say where": {"explicit_uri_honoured": False, "outputs_at_parent": False},
    "roles are late": {"roles_late": timedelta(minutes=20)},
    "every step is reused": {"reuse": "always"},
    "an identical PUT is refused": {"identical_job": "immutable"},
    "and with 409": {"identical_job": "immutable", "immutable_status": 409},
    "values in Pascal case": {"values": "pascal"},
    "values in lower case": {"values": "lower"},
    "ids in lower case": {"ids": "lower"},
    "members in another order": {"members": "reversed"},
    "no nulls": {"members": "no_nulls"},
    "more members": {"members": "more"},
    "pipelines need the second token": {"ml_header": "needed"},
    "an empty 404": {"missing_job_has_body": False},
}


@pytest.mark.parametrize("switches", PERSONALITIES.values(), ids=PERSONALITIES)
def test_one_job_and_one_version_at_a_workspace_that_behaves_otherwise(
    switches: dict[str, Any],
) -> None:
    world = AzureMlRuns(switches=Switches(course=COURSE, **switches))
    world.upload("a.csv")
    assert list(problems(drive(world))) == []


def test_a_job_that_never_begins_is_replaced_within_its_attempt() -> None:
    world = fresh()
    world.azureml.calls.fault_on("PUT job", Fault.GATEWAY)
    drive(world)
    assert list(problems(world)) == []
    first, second = world.azureml.jobs.all.values()
    assert first.orphan
    assert not second.orphan
    (over,) = world.run().ended_attempts
    assert (over.attempt, over.job) == (1, world.jobs[0])
    assert "no step of it began" in over.reason


def test_a_step_that_was_reused_all_the_same_is_named_in_the_record() -> None:
    world = AzureMlRuns(switches=Switches(course=COURSE, reuse="always"))
    world.upload("a.csv")
    drive(world)
    world.clock.move(timedelta(minutes=5))
    world.blobs.put(DATA, "a.csv", b"a,b,label\n9,9,1\n")
    (again,) = world.deliver("a.csv")
    for _ in range(8):
        world.tick(SECONDS)
    notes = " ".join(entry.note for entry in world.now_of(again).history)
    assert "step train was not run again" in notes
