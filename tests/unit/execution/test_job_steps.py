"""A job is created with its data, and started."""

from datetime import timedelta
from typing import Any

import pytest

from shared.core.names import output_path
from shared.core.run.control_events import DataDeleted, Superseded
from shared.core.run.job_events import (
    JobCancelled,
    JobCreated,
    JobExpired,
    JobFailed,
    JobFinished,
    JobGivenUp,
    JobStarted,
    JobStopped,
)
from shared.core.run.record import EndedAttempt, Phase
from shared.errors import OutcomeUnknownError, PermanentError, TransientError
from shared.execution.run_writer import StepResult
from shared.ports.training import JobState, JobStatus
from tests.fakes.world import DATA
from tests.unit.execution.job_worlds import Work
from tests.unit.samples import NOW

SECOND, HOUR = timedelta(seconds=1), timedelta(hours=1)
#: A derived name that the service has no job of.
UNKNOWN = JobState(JobStatus.NOT_STARTED, known=False)


# Creating and starting


def test_a_job_is_made_for_the_attempt_with_the_very_bytes_that_were_recorded() -> None:
    work = Work(Phase.RECEIVED, attempt=2, parameters={"n": 1})
    assert work.steps.create(work.run, fresh=False).event == JobCreated("j9", {})
    (request,) = work.job.requests
    assert (request.run_id, request.attempt, request.parameters) == ("sample-1", 2, {"n": 1})
    assert list(request.inputs.values()) == [work.blob("a.csv")]
    assert request.training == work.run.config.training
    assert request.outputs == {
        "output1": output_path("sample", "sample-1", 2, "model.ilearner"),
        "output2": output_path("sample", "sample-1", 2, "evaluation.csv"),
    }


def test_data_that_was_checked_a_moment_ago_is_not_checked_again() -> None:
    work = Work(Phase.RECEIVED, job=None)
    work.world.blobs.remove(DATA, "a.csv")
    assert isinstance(work.steps.create(work.run, fresh=True).event, JobCreated)
    assert isinstance(work.steps.create(work.run, fresh=False).event, DataDeleted)
    assert work.job.calls == ["prepare"]


def test_a_fresh_job_is_started_without_a_check() -> None:
    work = Work()
    assert work.steps.start(work.run, fresh=True) == JobStarted()
    assert work.job.calls == ["start j1"]
    assert work.job.requests[0].run_id == "sample-1"


@pytest.mark.parametrize(
    ("state", "event"),
    [
        (JobStatus.RUNNING, JobStarted()),
        (JobStatus.FINISHED, JobFinished()),
        (JobStatus.CANCELLED, JobCancelled()),
        (JobState(JobStatus.FAILED, "Bad luck."), JobFailed("Bad luck.")),
        (JobStatus.FAILED, JobFailed("the service gave no details")),
    ],
)
def test_a_job_that_an_earlier_call_started_is_not_started_again(state: Any, event: object) -> None:
    work = Work()
    work.job_states(state)
    assert work.steps.start(work.run, fresh=False) == event
    assert work.job.calls == ["state j1"]


def test_a_job_that_was_not_started_yet_is() -> None:
    work = Work()
    work.job_states(JobStatus.NOT_STARTED)
    assert work.steps.start(work.run, fresh=False) == JobStarted()
    assert work.job.calls == ["state j1", "start j1"]


@pytest.mark.parametrize("fresh", [True, False])
def test_a_start_without_an_answer_is_searched_for(*, fresh: bool) -> None:
    for state, event in (
        (JobStatus.RUNNING, JobStarted()),
        (JobStatus.NOT_STARTED, None),
        (TransientError("busy"), None),
    ):
        work = Work()
        work.job.start = OutcomeUnknownError("no answer")
        work.job_states(*([] if fresh else [JobStatus.NOT_STARTED]), state)
        assert work.steps.start(work.run, fresh=fresh) == event


def test_a_start_that_is_refused_is_an_error_unless_an_earlier_one_may_have_arrived(
    caplog: pytest.LogCaptureFixture,
) -> None:
    work = Work()
    work.job.start = PermanentError("refused")
    with pytest.raises(PermanentError):
        work.steps.start(work.run, fresh=True)
    work.job_states(JobStatus.NOT_STARTED, JobStatus.RUNNING)
    assert work.steps.start(work.run, fresh=False) == JobStarted()
    assert "run sample-1: starting job j1 again was refused: refused" in caplog.text


@pytest.mark.parametrize("made", ["job_at", "opened_at"])
def test_a_job_whose_signatures_are_over_is_replaced_once_it_is_known_to_be_over(made: str) -> None:
    for age, old in ((2 * HOUR, False), (2 * HOUR + SECOND, True)):
        work = Work(config={"training": {"timeout": "2h"}}, job_at=NOW, opened_at=NOW)
        if made == "opened_at":
            work.run = work.run.model_copy(update={"job_at": None})
        else:
            work.run = work.run.model_copy(update={"opened_at": NOW - 9 * HOUR})
        work.world.clock.move(age)
        work.job_states(JobStatus.NOT_STARTED, JobStatus.GONE)
        event = work.steps.start(work.run, fresh=False)
        assert event == (JobExpired() if old else JobStarted())
        assert ("cancel j1" in work.job.calls) is old


def test_a_job_that_is_being_replaced_is_waited_for() -> None:
    for state, over in (
        (JobStatus.CANCELLED, True),
        (JobStatus.GONE, True),
        (JobStatus.NOT_STARTED, False),
    ):
        work = Work(job_at=NOW - 99 * HOUR)
        work.job_states(JobStatus.NOT_STARTED, state)
        if over:
            assert work.steps.start(work.run, fresh=False) == JobExpired()
        else:
            with pytest.raises(TransientError, match="job j1 never started"):
                work.steps.start(work.run, fresh=False)


def test_an_old_job_that_was_cancelled_meanwhile_was_so_by_us_and_a_running_one_counts() -> None:
    work = Work(job_at=NOW - 99 * HOUR)
    work.job_states(JobStatus.CANCELLED)
    assert work.steps.start(work.run, fresh=False) == JobExpired()
    work.job_states(JobStatus.RUNNING)
    assert work.steps.start(work.run, fresh=False) == JobStarted()
    assert work.job.calls == ["state j1", "state j1"]


def test_a_job_that_the_service_will_never_begin_is_cancelled_and_given_up() -> None:
    for phase in (Phase.CREATED, Phase.TRAINING):
        work = Work(phase)
        work.job_states(JobState(JobStatus.ORPHANED, "no step of it began"))
        if phase is Phase.CREATED:
            event = work.steps.start(work.run, fresh=False)
        else:
            event = work.steps.check(work.run)
        assert event == JobGivenUp("no step of it began")
        assert work.job.calls == ["state j1", "cancel j1"]


def test_an_orphan_counts_as_over_when_its_run_is_stopped() -> None:
    work = Work(Phase.TRAINING, cancelling=True)
    work.job_states(JobStatus.ORPHANED, JobStatus.ORPHANED)
    assert isinstance(work.steps.stop(work.run), JobStopped)


def test_a_job_that_is_unknown_after_its_start_was_deleted_at_the_service() -> None:
    work = Work(Phase.TRAINING)
    work.job_states(UNKNOWN)
    with pytest.raises(TransientError, match="does not know job j1"):
        work.steps.check(work.run)


def test_a_refused_start_parks_where_the_service_has_no_such_job() -> None:
    work = Work()
    work.job.start = PermanentError("no such compute")
    work.job_states(UNKNOWN, UNKNOWN, UNKNOWN)
    with pytest.raises(PermanentError, match="no such compute"):
        work.steps.start(work.run, fresh=False)


def test_the_data_is_checked_again_before_a_start_that_comes_late() -> None:
    work = Work()
    work.world.blobs.put(DATA, "a.csv", b"other bytes")
    work.job_states(UNKNOWN)
    result = work.steps.start(work.run, fresh=False)
    assert isinstance(result, StepResult)
    assert isinstance(result.event, Superseded)
    assert work.job.calls == ["state j1"]


def test_a_job_that_has_copies_of_its_data_is_not_superseded_by_a_later_change() -> None:
    work = Work(Phase.TRAINED, config={"pipeline": {"data": {"blob": "{name}.csv"}}})
    work.world.blobs.put(DATA, "a.csv", b"other bytes")
    assert isinstance(work.steps.collect(work.run).event, Superseded)
    data = work.run.config.data
    assert data is not None
    pinned = work.run.config.model_copy(update={"data": data.evolve(pin="copy")})
    run = work.run.model_copy(update={"config": pinned})
    with pytest.raises(TransientError, match="there is no model"):  # it got as far as the outputs
        work.steps.collect(run)
    work.steps.create(run.model_copy(update={"job": None}), fresh=True)
    assert work.job.requests[-1].pin


def test_jobs_that_were_given_up_are_counted_in_the_next_request() -> None:
    ended = [EndedAttempt(attempt=n, job="j0", reason="x") for n in (1, 2, 2)]
    work = Work(Phase.RECEIVED, attempt=2, job=None, ended_attempts=tuple(ended))
    work.steps.create(work.run, fresh=True)
    assert work.job.requests[0].replaced == 2


def test_a_run_without_a_job_is_reported_as_such() -> None:
    work = Work()
    bare = work.run.model_copy(update={"job": None})
    with pytest.raises(PermanentError, match="is in phase created without a job"):
        work.steps.start(bare, fresh=True)


# Data that is not what was recorded any more


def test_data_that_is_what_it_was_changes_nothing() -> None:
    work = Work(Phase.RECEIVED, names="a.csv b.csv", job=None)
    work.world.blobs.update_metadata(DATA, "b.csv")
    result = work.steps.create(work.run, fresh=False)
    assert isinstance(result.event, JobCreated)
    assert (result.replacements, result.requeued) == ((), ())


@pytest.mark.parametrize(
    ("content", "said"), [(b"new", "has a run of its own"), (b"", "opens no run")]
)
def test_data_that_was_replaced_is_reported_and_the_run_yields(content: bytes, said: str) -> None:
    work = Work(Phase.RECEIVED)
    newer = work.world.blobs.put(DATA, "a.csv", content)
    result = work.steps.create(work.run, fresh=False)
    path = work.blob("a.csv").path
    assert result.event == Superseded(f"{path} was replaced by a newer version, which {said}")
    assert (result.replacements, result.requeued) == ((newer,), ())


def test_what_else_a_run_was_to_train_on_goes_into_another_run() -> None:
    listed = {"training": {"inputs": {"input1": "{data.manifest}"}}}
    work = Work(Phase.RECEIVED, names="a.csv b.csv c.csv", job=None, config=listed)
    work.world.blobs.put(DATA, "a.csv", b"new")
    result = work.steps.create(work.run, fresh=False)
    assert isinstance(result.event, Superseded)
    assert result.event.reason.endswith("; the other 2 go into another run")
    assert result.requeued == (work.blob("b.csv"), work.blob("c.csv"))


def test_data_that_is_gone_before_the_job_has_the_rest_trained_on_without_it() -> None:
    listed = {"training": {"inputs": {"input1": "{data.manifest}"}}}
    work = Work(Phase.RECEIVED, names="a.csv b.csv", job=None, config=listed)
    work.world.blobs.remove(DATA, "a.csv")
    result = work.steps.create(work.run, fresh=False)
    path = work.blob("a.csv").path
    assert result.event == Superseded(
        f"{path} was deleted before training could start; the other 1 goes into another run"
    )
    assert (result.replacements, result.requeued) == ((), (work.blob("b.csv"),))


def test_data_that_is_gone_under_its_job_blocks_nothing() -> None:
    for early, changes in ((True, {"job": None}), (False, {"job": "j1"})):
        work = Work(Phase.RECEIVED, **changes)
        work.world.blobs.remove(DATA, "a.csv")
        event = work.steps.create(work.run, fresh=False).event
        assert isinstance(event, DataDeleted if early else JobCreated)
        if isinstance(event, DataDeleted):
            assert event.reason == "the data was deleted before training could start"


def test_of_snapshots_the_one_before_is_trained_on_where_the_newest_is_gone() -> None:
    work = Work(Phase.RECEIVED, names="a.csv b.csv", job=None)
    newest = work.run.newest
    assert newest is not None
    work.world.blobs.remove(DATA, newest.name)
    result = work.steps.create(work.run, fresh=False)
    assert isinstance(result.event, Superseded)
    assert result.requeued == tuple(blob for blob in work.run.manifest if blob != newest)


def test_of_two_versions_of_one_second_either_may_be_the_last() -> None:
    work = Work(Phase.RECEIVED, job=None)
    other = work.world.blobs.put(DATA, "a.csv", b"other bytes")
    work.run = work.run.model_copy(update={"manifest": (other, work.blob("a.csv"))})
    assert isinstance(work.steps.create(work.run, fresh=False).event, JobCreated)


def test_a_model_is_collected_only_while_the_data_is_what_was_trained_on() -> None:
    work = Work(Phase.TRAINED)
    work.world.blobs.put(DATA, "a.csv", b"new")
    assert isinstance(work.steps.collect(work.run).event, Superseded)
    beside = work.world.blobs.put(DATA, "columns.csv", b"a,b")
    work = Work(Phase.TRAINED, inputs={"columns": beside})
    work.world.blobs.put(DATA, "columns.csv", b"a,b,c")
    assert work.steps.collect(work.run).event == JobFailed(
        f"input columns ({DATA}/columns.csv) was replaced while the job ran"
    )
