"""Batch jobs: created, started once, polled, cancelled, and run to their end."""

import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import format_datetime
from enum import StrEnum

from local.studio.orders import Order
from local.studio.predictions import HOLDOUT, predictions
from local.studio.references import BlobReference
from local.studio.refusals import refusal
from local.studio.services import OutputKind, ParameterKind, TrainingService
from local.studio.storage import BlobAccess, BlobRefusedError
from local.studio.training import Trained, Trainer, TrainingFailedError


class JobState(StrEnum):
    """The states a status answer names (studio-classic §1.3)."""

    NOT_STARTED = "NotStarted"
    RUNNING = "Running"
    FAILED = "Failed"
    CANCELLED = "Cancelled"
    FINISHED = "Finished"

    @property
    def number(self) -> int:
        """The same state as older answers send it."""
        return tuple(JobState).index(self)

    @property
    def ended(self) -> bool:
        """Whether nothing more happens to the job."""
        return self not in (JobState.NOT_STARTED, JobState.RUNNING)


@dataclass(slots=True)
class Job:
    """One batch job. `started_at` has one entry per accepted start, so never more than one."""

    id: str
    service: TrainingService
    endpoint_id: str
    created_at: datetime
    order: Order
    started_at: list[datetime] = field(default_factory=list)
    state: JobState = JobState.NOT_STARTED
    details: str | None = None
    queued_polls: int = 0

    @property
    def parameters(self) -> dict[str, str]:
        """The parameters it trains with, defaults filled in."""
        return dict(self.order.parameters)

    @property
    def inputs(self) -> dict[str, BlobReference]:
        """The blobs it reads."""
        return dict(self.order.inputs)

    @property
    def outputs(self) -> dict[str, BlobReference]:
        """The blobs it writes."""
        return dict(self.order.outputs)


class JobBoard:
    """Every job of the workspace. Safe to use from several threads."""

    def __init__(
        self,
        *,
        storage: BlobAccess,
        trainer: Trainer,
        clock: Callable[[], datetime],
        new_id: Callable[[], str],
        queued_polls: int,
        at_once: int = 40,
    ) -> None:
        self._storage = storage
        self._trainer = trainer
        self._clock = clock
        self._new_id = new_id
        self._queued_polls = queued_polls
        self._at_once = at_once  # of one endpoint (studio-classic §1.5)
        self._lock = threading.Lock()
        self._jobs: dict[str, Job] = {}
        self._queue: deque[Job] = deque()

    def jobs(self) -> list[Job]:
        """Give every job, oldest first."""
        with self._lock:
            return list(self._jobs.values())

    def submit(self, service: TrainingService, endpoint_id: str, order: Order) -> Job:
        """Create a job, which then waits for its start for ever.

        Raises:
            RefusalError: An input cannot be read.
        """
        now = self._clock()
        for reference in order.inputs.values():
            try:
                self._storage.read(reference.url("r", now))
            except BlobRefusedError as error:
                raise refusal("BlobNotFound", reference.relative_location, error.message) from None
        with self._lock:
            job = Job(self._new_id(), service, endpoint_id, now, order)
            self._jobs[job.id] = job
        return job

    def start(self, endpoint_id: str, job_id: str) -> None:
        """Queue a job; raises `RefusalError` when it has been started or cancelled before."""
        with self._lock:
            job = self._find(endpoint_id, job_id)
            if job.started_at or job.state is not JobState.NOT_STARTED:
                state = job.state if job.state.ended else JobState.RUNNING
                raise refusal("CannotStartJob", state)
            job.started_at.append(self._clock())
            job.queued_polls = self._queued_polls
            self._queue.append(job)

    def read_job(self, endpoint_id: str, job_id: str) -> Job:
        """Find a job for a status answer, which moves a queued job on by one poll.

        A started job says NotStarted for the first polls, as the real one did, then Running;
        once worked it says its end at once.

        Raises:
            RefusalError: The endpoint has no such job.
        """
        with self._lock:
            job = self._find(endpoint_id, job_id)
            if job.started_at and job.state is JobState.NOT_STARTED:
                if job.queued_polls > 0:
                    job.queued_polls -= 1
                elif self._running(endpoint_id) < self._at_once:
                    job.state = JobState.RUNNING
            return job

    def _running(self, endpoint_id: str) -> int:
        mine = (job for job in self._jobs.values() if job.endpoint_id == endpoint_id)
        return sum(job.state is JobState.RUNNING for job in mine)

    def cancel(self, endpoint_id: str, job_id: str) -> None:
        """Cancel a job that has not ended; an ended one stays as it is."""
        with self._lock:
            job = self._find(endpoint_id, job_id)
            if not job.state.ended:
                job.state = JobState.CANCELLED

    def work(self, started_before: datetime | None = None) -> int:
        """Bring started jobs to their end, oldest first, and return how many ended.

        Args:
            started_before: leave jobs alone that were started at or after this time.
        """
        count = 0
        while (job := self._take(started_before)) is not None:
            self._run(job)
            count += 1
        return count

    def _take(self, started_before: datetime | None) -> Job | None:
        with self._lock:
            while self._queue:
                job = self._queue[0]
                if job.state is JobState.CANCELLED:
                    self._queue.popleft()
                    continue
                if started_before is not None and job.started_at[0] >= started_before:
                    return None
                job.state = JobState.RUNNING
                return self._queue.popleft()
            return None

    def _run(self, job: Job) -> None:
        try:
            trained = self._train(job)
            if job.state is JobState.RUNNING:  # nothing is written for a job cancelled meanwhile
                self._write(job, trained)
        except TrainingFailedError as error:
            self._end(job, f"{error.code}: {error.message}", "LibraryExecutionError", 400)
        except Exception as error:  # noqa: BLE001 - a trainer's bug ends the job, not the service
            text = f"ModuleExecutionFailed: {type(error).__name__}"
            self._end(job, text, "InternalError", 500)
        else:
            self._end(job)

    def _train(self, job: Job) -> Trained:
        inputs: dict[str, bytes] = {}
        for name, reference in job.order.inputs.items():
            if name == HOLDOUT:
                continue
            try:
                inputs[name] = self._storage.read(reference.url("r", self._clock()))
            except BlobRefusedError as error:
                raise _unreachable(reference, error) from error
        return self._trainer.train(inputs, job.order.parameters, label=job.service.label)

    def _write(self, job: Job, trained: Trained) -> None:
        for name, reference in job.order.outputs.items():
            url = reference.url("cw", self._clock())
            content = self._content(job, job.service.outputs[name], trained)
            try:
                self._storage.write(url, content)
            except BlobRefusedError as error:
                raise _unreachable(reference, error) from error

    def _content(self, job: Job, kind: OutputKind, trained: Trained) -> bytes:
        if kind is not OutputKind.PREDICTIONS:
            return trained.model if kind is OutputKind.MODEL else trained.evaluation
        others: dict[str, bytes] = {}
        for name, parameter in job.service.parameters.items():
            url = job.order.parameters.get(name)
            if parameter.kind is ParameterKind.MODEL and url:
                try:
                    others[name] = self._storage.read(url)
                except BlobRefusedError as error:
                    text = f"the model of parameter {name} cannot be loaded: {error.message}"
                    raise TrainingFailedError(text) from error
        rows = self._storage.read(_scored(job).url("r", self._clock()))
        return predictions(trained.model, rows, others, job.service.label)

    def _end(self, job: Job, what: str = "", code: str = "", status: int = 0) -> None:
        with self._lock:
            if job.state is not JobState.RUNNING:
                return
            job.state = JobState.FAILED if what else JobState.FINISHED
            if what:
                # The form is a real one's (studio-classic §1.3).
                stamp = format_datetime(self._clock().astimezone(UTC), usegmt=True)
                job.details = (
                    f"{what}, Error code: {code}, Http status code: {status}, Timestamp: {stamp}"
                )

    def _find(self, endpoint_id: str, job_id: str) -> Job:
        if not job_id:
            raise refusal("MissingJobId")
        job = self._jobs.get(job_id)
        if job is None or job.endpoint_id != endpoint_id:
            raise refusal("JobNotFound", job_id)
        return job


def _scored(job: Job) -> BlobReference:
    """Give the blob whose rows are scored: the input `holdout`, or the first one."""
    return job.order.inputs.get(HOLDOUT) or next(iter(job.order.inputs.values()))


def _unreachable(reference: BlobReference, error: BlobRefusedError) -> TrainingFailedError:
    reason = f"Azure error message: {error.message}."
    text = f"Unable to access the provided Azure blob - {reference.relative_location}. {reason}"
    return TrainingFailedError(text, "BlobNotFound")
