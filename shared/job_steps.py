"""The steps of a run that have to do with its training job: each returns what was learned."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from shared.context import Context
from shared.core.blobs import BlobVersion
from shared.core.facts import (
    DataGone,
    Fact,
    JobCreated,
    JobFailed,
    JobFinished,
    JobStarted,
    JobStopped,
    ModelCollected,
    NothingToPromote,
    Overtaken,
)
from shared.core.names import output_path
from shared.core.run import Run
from shared.errors import OutcomeUnknown, PermanentError, TransientError
from shared.ports import JobRequest, JobState, JobStatus, TrainingService

_OVER: Final = frozenset({JobStatus.FAILED, JobStatus.CANCELLED, JobStatus.GONE})
#: A record that a service no longer shows, or a blob it says it wrote, may be late.
_LATE: Final = timedelta(minutes=10)


@dataclass(frozen=True, slots=True)
class JobSteps:
    """Creates, starts, watches and stops one job at a time for a run.

    Args:
        context: the world.
        news: told of a data version that was found while looking; recorded before the
            run that it replaces is ended, so that no version is lost.
    """

    context: Context
    news: Callable[[BlobVersion], None]

    def create(self, run: Run, *, fresh: bool) -> Fact:
        """Get a handle for the next attempt, on the very bytes that were recorded.

        Args:
            run: the run.
            fresh: whether its data was looked at a moment ago by this very call.
        """
        fact = None if fresh else self._changed(run)
        return fact or JobCreated(self._service(run).prepare(self._request(run)))

    def start(self, run: Run, *, fresh: bool) -> Fact | None:
        """Start the recorded job; None when it may have started and does not show it yet.

        Args:
            run: the run, with the handle in its stored record.
            fresh: whether the handle was got a moment ago by this very call, so that
                nobody can have started the job yet.
        """
        service, job = self._service(run), _job(run)
        if not fresh and (seen := _learned(service.state(job), run)) is not None:
            return seen
        try:
            service.ensure_started(job, self._request(run))
        except OutcomeUnknown:
            # It may land late: the claim is kept, and its lease is the time it has for that.
            return _seen_after_all(service, job, run)
        return JobStarted()

    def look(self, run: Run) -> Fact | None:
        """Look at the job; None when nothing has changed."""
        fact = _learned(self._service(run).state(_job(run)), run)
        return None if isinstance(fact, JobStarted) else fact

    def stop(self, run: Run) -> Fact:
        """Make sure that the job is over: it was cancelled, or it takes too long."""
        service, job = self._service(run), _job(run)
        why = "cancelled by a person" if run.cancelling else _overdue(run)
        before = service.state(job)
        if before.status is JobStatus.FINISHED and not run.cancelling:
            return JobFinished()
        if before.status is JobStatus.FAILED:
            return JobFailed(before.details)
        if before.status not in (JobStatus.FINISHED, *_OVER):
            service.cancel(job)
            if service.state(job).status not in (JobStatus.FINISHED, *_OVER):
                raise TransientError(f"{why}, and the service has not ended job {job} yet")
        return JobStopped(why)

    def collect(self, run: Run) -> Fact:
        """Find the model that the job left, provided that its data is still what it was."""
        if fact := self._changed(run):
            return fact
        path = self._model_path(run)
        if run.model is None and path is None:
            return NothingToPromote("the job makes no model")
        container = self.context.models_container
        name = run.model.name if run.model else str(path)
        model = self.context.models.head(container, name)
        if model is None:
            raise TransientError(f"there is no model at {container}/{name} yet", patience=_LATE)
        if not model.size:
            raise PermanentError(f"the model at {container}/{name} is empty")
        if run.config.endpoint is None:
            return NothingToPromote("trained; the pipeline names no endpoint", model)
        return ModelCollected(model)

    def _changed(self, run: Run) -> Fact | None:
        for blob in run.manifest:
            now = self.context.look_up(blob)
            if now is None and run.job is None and run.model is None:
                return DataGone("the data was deleted before training could start")
            if now is not None and not now.same_bytes_as(blob):
                self.news(now)
                return Overtaken(f"{blob.path} was replaced by a newer version, which has its run")
        return None

    def _service(self, run: Run) -> TrainingService:
        training = run.config.training
        return self.context.adapters.jobs(training.service, training.api_key)

    def _request(self, run: Run) -> JobRequest:
        training = run.config.training
        return JobRequest(
            run_id=run.run_id,
            attempt=run.attempt,
            inputs=dict.fromkeys(training.inputs, run.newest),
            outputs={
                output: output_path(run.pipeline, run.run_id, run.attempt, file)
                for output, file in training.outputs.items()
            },
            parameters=run.parameters,
            timeout=training.timeout,
        )

    def _model_path(self, run: Run) -> str | None:
        output = run.config.model_output
        file = run.config.training.outputs[output] if output else None
        return file and output_path(run.pipeline, run.run_id, run.attempt, file)


def _learned(state: JobState, run: Run) -> Fact | None:
    match state.status:
        case JobStatus.NOT_STARTED:
            # Once the start was confirmed, this is the queue (contract studio-classic §1.3).
            return JobStarted() if run.started_at else None
        case JobStatus.RUNNING:
            return JobStarted()
        case JobStatus.FINISHED:
            return JobFinished()
        case JobStatus.FAILED:
            return JobFailed(state.details or "the service gave no details")
        case JobStatus.CANCELLED:
            return JobStopped("the job was cancelled at the service")
        case JobStatus.GONE:
            raise TransientError(
                f"the service does not know job {run.job}: {state.details}", patience=_LATE
            )


def _seen_after_all(service: TrainingService, job: str, run: Run) -> Fact | None:
    try:
        return _learned(service.state(job), run)
    except TransientError:
        return None


def _job(run: Run) -> str:
    if run.job is None:
        raise PermanentError(f"run {run.run_id} is in phase {run.phase} without a job")
    return run.job


def _overdue(run: Run) -> str:
    return f"attempt {run.attempt} took longer than {run.config.training.timeout}"
