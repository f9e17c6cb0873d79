"""The steps of a run for its training job: create, start, check, stop, collect."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from shared.core.blobs import BlobVersion
from shared.core.counting import they
from shared.core.run.commands import Event
from shared.core.run.control_events import DataDeleted, StepBlocked, Superseded
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
from shared.core.run.parameters import asked_over
from shared.core.run.record import Run
from shared.errors import OutcomeUnknownError, PermanentError, TransientError
from shared.execution.context import Context
from shared.execution.inbox import replacement_of
from shared.execution.inputs import JobInputs, request_of
from shared.execution.models import LATE, ModelSteps
from shared.execution.run_writer import StepResult
from shared.ports.training import JobState, JobStatus, TrainingService
from shared.telemetry import log

#: How many parameters a reason names.
_SHOWN: Final = 10
_ENDED: Final = frozenset(
    {JobStatus.FINISHED, JobStatus.FAILED, JobStatus.CANCELLED, JobStatus.ORPHANED}
)


@dataclass(frozen=True, slots=True)
class CheckedJob:
    """The state of a job from a status check before the run's record was read."""

    job: str
    state: JobState


class JobSteps:
    """Creates, starts, checks and stops one job at a time for a run.

    Args:
        context: the ledger, the services and the clock.
    """

    def __init__(self, context: Context) -> None:
        self.context = context
        self._inputs, self._models = JobInputs(context), ModelSteps(context)

    def create(self, run: Run, *, fresh: bool) -> StepResult:
        """Create the job of the next attempt, on exactly the recorded bytes.

        Args:
            run: the run.
            fresh: whether its data was checked a moment ago by the same call.

        Returns:
            The event, with the data that superseded the run or that returns to the inbox.
        """
        if not fresh and (changed := self._changed(run)):
            return changed
        inputs, models = self._inputs.found(run), self._inputs.other_models(run)
        known = run.evolve(inputs=inputs, given_models=models)
        holdout = self._inputs.holdout(run)
        try:
            job = self._service(run).prepare(request_of(known))
        except PermanentError as exc:
            if (refused := _refused_request(run, exc)) is not None:
                return StepResult(refused)
            raise
        return StepResult(JobCreated(job, inputs, models, holdout))

    def start(self, run: Run, *, fresh: bool) -> Event | StepResult | None:
        """Start the recorded job; None when it may have started and does not show it yet.

        Args:
            run: the run, with the handle in its stored record.
            fresh: whether the same call created the job a moment ago, so that no other
                worker can have started it yet.

        Returns:
            The event, with the data that superseded the run; or None.
        """
        service, job = self._service(run), _job(run)
        note: str | None = None
        # A job that reads the blobs where they are, and that no request was sent for yet.
        unsent = fresh and run.config.training.takes_copies
        if not fresh:
            state, too_old = service.state(job), self._signatures_over(run)
            if too_old and state.status is JobStatus.CANCELLED:
                return JobExpired()  # by Relearn: the worker of the DELETE may have died
            if (seen := _seen(service, job, state, run)) is not None:
                return seen
            if too_old:
                return self._replace(service, job)
            unsent = not state.known  # a service that is asked to start only
        if unsent and not _has_copies(run) and (changed := self._changed(run)):
            return changed
        try:
            note = service.ensure_started(job, request_of(run))
        except OutcomeUnknownError as exc:
            # It may arrive late: the run waits until the claim's lease is over.
            log.warning("run %s: the start of job %s is unconfirmed: %s", run.run_id, job, exc)
            return _seen_after_all(service, job, run)
        except PermanentError as exc:
            if fresh:
                raise
            # An earlier start may have arrived without being shown: the refusal says so.
            log.warning("run %s: starting job %s again was refused: %s", run.run_id, job, exc)
            seen = _seen_after_all(service, job, run)
            if seen is None and not service.state(job).known:
                raise
            return seen
        return JobStarted(note or "")

    def check(self, run: Run, checked: CheckedJob | None = None) -> Event | None:
        """Check the job.

        Args:
            run: the run.
            checked: the state that was asked for a moment ago; used if it is of this very job.

        Returns:
            The event; None where nothing changed.
        """
        job = _job(run)
        known = checked.state if checked is not None and checked.job == job else None
        service = self._service(run)
        event = _seen(service, job, known or service.state(job), run)
        return None if isinstance(event, JobStarted) else event

    def stop(self, run: Run) -> Event:
        """Stop the job of a run that was cancelled or takes too long."""
        service, job = self._service(run), _job(run)
        why = run.cancelled if run.cancelling else _overdue(run)
        seen = service.state(job)
        before = seen.status
        if before is JobStatus.FINISHED and not run.cancelling:
            return JobFinished(seen.note)
        if before is JobStatus.FAILED and not run.cancelling:
            return JobFailed(_failure(seen))
        if before not in _ENDED:
            _cancel(service, job)
            after = service.state(job)
            if after.status is JobStatus.GONE and before is JobStatus.GONE:
                raise _unknown_job(run, after)
            if after.status not in (*_ENDED, JobStatus.GONE):
                raise TransientError(f"{why}, and the service has not ended job {job} yet")
        return JobStopped(why)

    def collect(self, run: Run) -> StepResult:
        """Find the models that the job wrote, if its data is unchanged, or it had a copy of it."""
        event: Event | None = None
        if not _has_copies(run):
            if changed := self._changed(run):
                return changed
            event = self._inputs.changed(run)
        return StepResult(event or self._models.collect(run, self._service(run)))

    def _signatures_over(self, run: Run) -> bool:
        made = run.job_at or run.opened_at
        return self.context.clock.now() - made > run.config.training.timeout

    def _replace(self, service: TrainingService, job: str) -> Event:
        _cancel(service, job)
        if service.state(job).status not in (JobStatus.CANCELLED, JobStatus.GONE):
            raise TransientError(f"job {job} never started, and the service has not ended it yet")
        return JobExpired()

    def _changed(self, run: Run) -> StepResult | None:
        """Return that the run is superseded because its data changed; None where it did not.

        Its other data returns to the inbox: no event of it comes again.
        """
        changed: list[tuple[BlobVersion, BlobVersion]] = []
        gone: list[BlobVersion] = []
        same: list[BlobVersion] = []
        versions: dict[str, list[BlobVersion]] = {}
        for one in run.manifest:
            versions.setdefault(one.name, []).append(one)
        for blob, now in self._inputs.found_up(run):
            if now is None:
                gone.append(blob)
            elif any(_same(run, now, one) for one in versions[blob.name]):
                same.append(blob)  # of two versions of one second either may be the newer one
            else:
                changed.append((blob, now))
        early = run.job is None and run.model is None
        if not changed and not (gone and early):
            return None
        rest = self._others(run, same, gone)
        go = they(len(rest), "goes", "go")
        others = f"; the other {len(rest)} {go} into another run" if rest else ""
        event: Event
        if changed:
            opens = replacement_of(run, changed[0][1]) is not None
            its_run = "has a run of its own" if opens else "opens no run"
            what = f"{changed[0][0].path} was replaced by a newer version, which {its_run}"
            event = Superseded(f"{what}{others}")
        elif rest:
            event = Superseded(f"{gone[0].path} was deleted before training could start{others}")
        else:
            event = DataDeleted("the data was deleted before training could start")
        return StepResult(event, tuple(now for _, now in changed), rest)

    def _others(
        self, run: Run, same: Sequence[BlobVersion], gone: Sequence[BlobVersion]
    ) -> tuple[BlobVersion, ...]:
        """Return the data that no run would train on if this one is superseded."""
        if run.config.training.wants_manifest:
            return tuple(same)
        # Each version is a full snapshot: the one before is the newest now.
        return tuple(blob for blob in run.current if blob not in gone) if gone else ()

    def _service(self, run: Run) -> TrainingService:
        return self.context.providers.training(run.config.training)


def _has_copies(run: Run) -> bool:
    """Whether the job of a run reads copies of the bytes that are recorded (design rule 6)."""
    data = run.config.data
    return data is not None and data.pin == "copy" and not run.config.training.wants_manifest


def _seen(service: TrainingService, job: str, state: JobState, run: Run) -> Event | None:
    """Return what a state means; a job that will never begin is cancelled without waiting."""
    if state.status is not JobStatus.ORPHANED:
        return _learned(state, run)
    try:
        service.cancel(job)
    except (TransientError, PermanentError) as exc:
        # Cancelling it is accepted and never ends (azure-machine-learning-v2 §2.4).
        log.warning("run %s: the orphan %s cannot be cancelled: %s", run.run_id, job, exc)
    return JobGivenUp(state.details or "the service keeps it, and never began it")


def _learned(state: JobState, run: Run) -> Event | None:
    match state.status:
        case JobStatus.NOT_STARTED if run.started_at and not state.known:
            raise _unknown_job(run, state)
        case JobStatus.NOT_STARTED:
            # After a confirmed start, the job waits in the service's queue (studio-classic §1.3).
            return JobStarted() if run.started_at else None
        case JobStatus.RUNNING:
            return JobStarted(state.note)
        case JobStatus.FINISHED:
            return JobFinished(state.note)
        case JobStatus.FAILED:
            return JobFailed(_failure(state))
        case JobStatus.CANCELLED:
            return JobCancelled()
        case JobStatus.GONE:
            raise _unknown_job(run, state)
        case JobStatus.ORPHANED:
            return JobGivenUp(state.details)


def _failure(state: JobState) -> str:
    """Return why a job failed: the service's message, and what to do where that is known."""
    said = state.details or "the service gave no details"
    return f"{said}: {state.advice}" if state.advice else said


def _refused_request(run: Run, exc: PermanentError) -> StepBlocked | None:
    """Return the event for a refused parameter of the run's own request; None for other errors.

    The file cannot correct it: at every retry the request overrides the file.
    """
    refused = exc.refused_parameters
    names = [name for name in asked_over(run) if refused and name in refused.names]
    if not names or refused is None:
        return None
    listed = ", ".join(repr(name) for name in names[:_SHOWN])
    which = they(len(names), "parameter", "parameters")
    return StepBlocked(
        f"the {which} {listed} of the request for this run cannot be used: {refused.why}",
        f"a retry sends the same again: cancel this run, and start another one without {listed}, "
        f"or with another value (POST /api/pipelines/{run.pipeline}/runs); what every run is to "
        "be given goes under training.parameters in pipelines.yaml",
    )


def _unknown_job(run: Run, state: JobState) -> TransientError:
    why = f"the service does not know job {run.job}: {state.details}"
    return TransientError(why, patience=LATE)


def _cancel(service: TrainingService, job: str) -> None:
    try:
        service.cancel(job)
    except PermanentError as exc:
        # It may have ended meanwhile: its state decides.
        if service.state(job).status not in _ENDED:
            raise TransientError(str(exc), patience=LATE) from exc


def _seen_after_all(service: TrainingService, job: str, run: Run) -> Event | None:
    try:
        return _seen(service, job, service.state(job), run)
    except TransientError:
        return None


def _job(run: Run) -> str:
    if run.job is None:
        raise PermanentError(f"run {run.run_id} is in phase {run.phase} without a job")
    return run.job


def _overdue(run: Run) -> str:
    return f"attempt {run.attempt} took longer than {run.config.training.timeout}"


def _same(run: Run, now: BlobVersion, was: BlobVersion) -> bool:
    return now.same_bytes_as(was, trust_size=run.config.trusts_size)
