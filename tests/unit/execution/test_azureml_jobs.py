"""Runs that train in a workspace of Azure Machine Learning, and what goes wrong with their jobs."""

from datetime import timedelta

import pytest

from local.azureml.calls import Fault
from shared.core.run.record import Phase
from shared.operations.commands import OperatorCommand
from tests.fakes.azureml_runs import AzureMlRuns
from tests.fakes.clock import Shifted
from tests.fakes.world import DATA

OTHER = "other-0123456789abcdef0123"
NEWER = b"a,b,label\n5,5,1\n"


def world(**training: object) -> AzureMlRuns:
    made = AzureMlRuns(config={"training": training})
    made.upload("a.csv")
    return made


def overwrite(made: AzureMlRuns) -> None:
    made.clock.move(timedelta(seconds=3))
    made.blobs.put(DATA, "a.csv", NEWER)


def passing(made: AzureMlRuns, ticks: int = 40, seconds: int = 45) -> AzureMlRuns:
    for _ in range(ticks):
        made.tick(seconds)
    return made


def phases(made: AzureMlRuns) -> list[Phase]:
    return sorted(run.phase for run in made.runs())


@pytest.mark.parametrize("call", ["GET compute", "GET datastores", "GET component"])
def test_no_job_is_started_on_data_that_was_replaced_before_the_put(call: str) -> None:
    made = world()
    made.azureml.calls.before(call, lambda: overwrite(made))
    made.deliver("a.csv")
    passing(made)
    assert phases(made) == [Phase.FINISHED, Phase.SUPERSEDED]
    (job,) = made.jobs
    assert job in [run.job for run in made.runs() if run.phase is Phase.FINISHED]


@pytest.mark.parametrize("call", ["GET job", "PUT job", "GET children"])
def test_a_model_of_data_that_was_replaced_during_the_job_is_not_registered(call: str) -> None:
    made = world()
    made.azureml.calls.before(call, lambda: overwrite(made))
    made.deliver("a.csv")
    passing(made)
    assert phases(made) == [Phase.FINISHED, Phase.SUPERSEDED]
    assert len(made.versions()) == 1


def test_a_retry_adopts_no_job_of_another_run_and_a_cancel_leaves_it_alone() -> None:
    made, before = world(), world()
    before.deliver("a.csv")
    (job,) = before.azureml.jobs.all.values()
    body = {"properties": {**job.properties, "tags": {"relearn.run": OTHER}}}
    with made.azureml.calls.other_writer():
        assert made.azureml.put_job(job.name, body).status == 201
    (run,) = made.deliver("a.csv")
    assert run.phase is Phase.PARKED
    made.run_operations.retry(run.run_id, OperatorCommand("ada"))
    passing(made, 4)
    assert made.run().phase is Phase.PARKED
    assert "not of this run" in str(made.run().reason)
    made.run_operations.cancel(run.run_id, OperatorCommand("ada"))
    passing(made, 4)
    assert made.run().phase is Phase.CANCELLED
    assert made.azureml.calls.count("POST cancel") == 0


@pytest.mark.parametrize("call", ["PUT job", "PUT model"])
def test_a_role_that_never_comes_is_named_by_the_parked_run(call: str) -> None:
    made = world()
    made.azureml.calls.fault_on(call, Fault.FORBIDDEN, times=1000)
    made.deliver("a.csv")
    passing(made, 80, 60)
    run = made.run()
    assert run.phase is Phase.PARKED
    assert "AzureML Data Scientist" in f"{run.reason} {run.advice}"
    assert run.attempt == 1


def test_orphans_for_ever_park_the_run_and_use_up_no_attempt() -> None:
    made = world(attempts=2)
    made.azureml.calls.fault_on("PUT job", Fault.GATEWAY, times=50)
    made.deliver("a.csv")
    passing(made, 300, 60)
    run = made.run()
    assert (run.phase, run.attempt) == (Phase.PARKED, 1)
    assert "10 jobs of attempt 1 never began" in str(run.reason)
    assert len(made.jobs) == len({over.job for over in run.ended_attempts}) == 10


def test_the_model_of_a_second_attempt_is_its_own() -> None:
    made = world(attempts=2)
    (run,) = made.deliver("a.csv")
    made.blobs.put("models", f"runs/sample/{run.run_id}/1/model/model.pkl", b"of the first one")
    made.azureml.hooks.end_job_as(made.jobs[0], "Failed", "UserError", "boom sig=abc%2Bdef")
    passing(made, 8)
    run = made.run()
    assert (run.phase, run.attempt) == (Phase.FINISHED, 2)
    assert run.model is not None
    assert run.model.reference["uri"].endswith(f"/runs/sample/{run.run_id}/2/model")
    assert "abc%2Bdef" not in made.everything_stored()


def test_one_job_at_a_time_runs_when_each_takes_too_long() -> None:
    made = world(attempts=3, timeout="10m")
    made.switches.course = (("Preparing", timedelta(seconds=20)), ("Running", timedelta(hours=9)))
    made.deliver("a.csv")
    for _ in range(60):
        made.tick(60)
        jobs = made.azureml.jobs
        assert sum(jobs.status(job) != "Canceled" for job in jobs.all.values()) <= 1
    assert (made.run().phase, len(made.jobs)) == (Phase.TIMED_OUT, 3)


@pytest.mark.parametrize("hours", [-5, 5])
def test_a_host_whose_clock_is_hours_off_trains_all_the_same(hours: int) -> None:
    made = AzureMlRuns()
    made.host = Shifted(made.clock, timedelta(hours=hours))
    made.restart()
    made.upload("a.csv")
    made.deliver("a.csv")
    passing(made, 10)
    assert made.run().phase is Phase.FINISHED
    assert len(made.jobs) == 1


@pytest.mark.parametrize("ticks", [0, 1, 2, 3, 4])
def test_a_pause_of_a_day_costs_no_second_job(ticks: int) -> None:
    made = world()
    made.deliver("a.csv")
    passing(made, ticks, 30)
    made.clock.move(timedelta(hours=26))
    made.restart()
    passing(made, 10)
    assert (made.run().phase, len(made.jobs)) == (Phase.FINISHED, 1)


def test_a_cancel_at_any_time_leaves_no_job_running() -> None:
    for ticks in range(7):
        made = world()
        (run,) = made.deliver("a.csv")
        passing(made, ticks, 15)
        made.run_operations.cancel(run.run_id, OperatorCommand("ada"))
        made.restart()
        passing(made, 6, 60)
        assert made.run().phase is Phase.CANCELLED
        (job,) = made.azureml.jobs.all.values()
        assert made.azureml.jobs.status(job) in ("Canceled", "Completed")
