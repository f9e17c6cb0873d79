"""Status checks of a job, and its cancellation."""

from typing import Any

import pytest

from shared.core.run.job_events import (
    JobCancelled,
    JobFailed,
    JobFinished,
    JobStopped,
)
from shared.core.run.record import Phase
from shared.errors import PermanentError, TransientError
from shared.execution.models import LATE
from shared.ports.training import JobState, JobStatus
from tests.unit.execution.job_worlds import Work


@pytest.mark.parametrize(
    ("state", "event"),
    [
        (JobStatus.RUNNING, None),
        (JobStatus.NOT_STARTED, None),
        (JobStatus.FINISHED, JobFinished()),
        (JobStatus.CANCELLED, JobCancelled()),
    ],
)
def test_a_check_says_what_is_new(state: JobStatus, event: object) -> None:
    work = Work(Phase.TRAINING)
    work.job_states(state)
    assert work.steps.check(work.run) == event


def test_a_job_that_the_service_does_not_know_is_waited_for_only_briefly() -> None:
    work = Work(Phase.TRAINING)
    work.job_states(JobState(JobStatus.GONE, "no such job"))
    with pytest.raises(TransientError, match="does not know job j1: no such job") as raised:
        work.steps.check(work.run)
    assert raised.value.patience == LATE


CANCELLED = JobStopped("cancelled by an operator")


@pytest.mark.parametrize(
    ("states", "cancelling", "event", "asked"),
    [
        ((JobStatus.FINISHED,), True, CANCELLED, False),
        ((JobStatus.FINISHED,), False, JobFinished(), False),
        ((JobState(JobStatus.FAILED, "bad"),), True, CANCELLED, False),
        ((JobState(JobStatus.FAILED, "bad"),), False, JobFailed("bad"), False),
        ((JobStatus.CANCELLED,), True, CANCELLED, False),
        ((JobStatus.RUNNING, JobStatus.CANCELLED), True, CANCELLED, True),
        ((JobStatus.RUNNING, JobStatus.GONE), True, CANCELLED, True),
        ((JobStatus.NOT_STARTED, JobStatus.FINISHED), True, CANCELLED, True),
    ],
)
def test_a_job_that_is_to_stop_is_made_sure_of(
    states: tuple[Any, ...], event: object, *, cancelling: bool, asked: bool
) -> None:
    work = Work(Phase.TRAINING, cancelling=cancelling)
    work.job_states(*states)
    assert work.steps.stop(work.run) == event
    assert ("cancel j1" in work.job.calls) is asked


def test_a_job_that_continues_after_it_was_cancelled_is_checked_again() -> None:
    work = Work(Phase.TRAINING, cancelling=True)
    work.job_states(JobStatus.RUNNING, JobStatus.RUNNING)
    with pytest.raises(TransientError) as raised:
        work.steps.stop(work.run)
    assert str(raised.value) == (
        "cancelled by an operator, and the service has not ended job j1 yet"
    )
    work.job_states(JobStatus.GONE, JobStatus.GONE)
    with pytest.raises(TransientError, match="does not know job j1"):
        work.steps.stop(work.run)  # it may only not be shown
    overdue = Work(Phase.TRAINING)
    overdue.job_states(JobStatus.RUNNING, JobStatus.CANCELLED)
    assert overdue.steps.stop(overdue.run) == JobStopped("attempt 1 took longer than 2:00:00")


@pytest.mark.parametrize(
    ("state", "ended"),
    [(JobStatus.FINISHED, True), (JobStatus.CANCELLED, True), (JobStatus.RUNNING, False)],
)
def test_a_cancel_that_is_refused_because_the_job_just_ended_is_no_failure(
    state: JobStatus, *, ended: bool
) -> None:
    work = Work(Phase.TRAINING, cancelling=True)
    work.job.cancel_ = PermanentError("it has ended")
    work.job_states(JobStatus.RUNNING, state)
    if ended:
        assert work.steps.stop(work.run) == CANCELLED
    else:
        with pytest.raises(TransientError, match="it has ended") as raised:
            work.steps.stop(work.run)
        assert raised.value.patience == LATE
