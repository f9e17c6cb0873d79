"""Events of a run's training job, and how each changes the run."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from shared.core.blobs import BlobVersion
from shared.core.config.types import show_duration
from shared.core.names import digest
from shared.core.run.commands import Event
from shared.core.run.record import EndedAttempt, GivenModel, Phase, Run, StepFailure

#: Files of one attempt that cause a status check; later files wait for the poll.
_MOST_OUTPUTS_SEEN: Final = 20


@dataclass(frozen=True, slots=True)
class JobCreated(Event):
    """The service gave a handle; nothing runs yet."""

    job: str
    inputs: Mapping[str, BlobVersion] = field(default_factory=dict)  #: where not simply the newest
    given_models: tuple[GivenModel, ...] = ()  #: other models that it scores
    holdout: BlobVersion | None = None  #: the rows that it scores, as far as they are known

    def fold(self, run: Run, at: datetime) -> Run:
        """Keep the handle, and the inputs of the job, before the job is started (design rule 3)."""
        note = f"attempt {run.attempt}: job {self.job}"
        known = {"job": self.job, "job_at": at, "inputs": dict(self.inputs)}
        scores = {"given_models": self.given_models, "holdout": self.holdout}
        return run.moved_to(Phase.CREATED, at, note, **known, **scores)


@dataclass(frozen=True, slots=True)
class JobStarted(Event):
    """The service confirmed the start, or shows the job past it."""

    note: str = ""  #: what the service made of the request, such as a version that it looked up

    def fold(self, run: Run, at: datetime) -> Run:
        """Set the attempt's start time, once."""
        return run.moved_to(Phase.TRAINING, at, self.note, started_at=run.started_at or at)


@dataclass(frozen=True, slots=True)
class JobFinished(Event):
    """The job finished."""

    note: str = ""  #: what an operator should know of it, such as a step that was not run again

    def fold(self, run: Run, at: datetime) -> Run:
        """Continue with the job's outputs."""
        return run.moved_to(Phase.TRAINED, at, self.note)


@dataclass(frozen=True, slots=True)
class JobFailed(Event):
    """The job failed, with the service's own reason."""

    reason: str

    def fold(self, run: Run, at: datetime) -> Run:
        """Try again while attempts are left."""
        return _attempt_over(run, Phase.FAILED, self.reason, at)


@dataclass(frozen=True, slots=True)
class JobStopped(Event):
    """The job is known to be over because we asked for it."""

    reason: str

    def fold(self, run: Run, at: datetime) -> Run:
        """Try again while attempts are left, unless an operator cancelled."""
        return _attempt_over(run, Phase.TIMED_OUT, self.reason, at)


@dataclass(frozen=True, slots=True)
class JobCancelled(Event):
    """The job was cancelled at the service."""

    def fold(self, run: Run, at: datetime) -> Run:
        """End the run: its job was cancelled on purpose."""
        reason = "the job was cancelled at the service"
        over = EndedAttempt(attempt=run.attempt, job=run.job, reason=reason)
        attempts = (*run.ended_attempts, over)
        return run.moved_to(Phase.CANCELLED, at, reason, reason=reason, ended_attempts=attempts)


@dataclass(frozen=True, slots=True)
class JobExpired(Event):
    """A job that never started cannot any more: its signed URLs have run out."""

    def fold(self, run: Run, at: datetime) -> Run:
        """Make another job for the same attempt."""
        note = f"job {run.job} never started and its signatures have run out: making another"
        # It may have been queued, which the service does not say; it is known to be over.
        over = EndedAttempt(attempt=run.attempt, job=run.job, reason=note)
        ended = (*run.ended_attempts, over)
        return run.moved_to(Phase.RECEIVED, at, note, job=None, ended_attempts=ended)


@dataclass(frozen=True, slots=True)
class JobGivenUp(Event):
    """The service keeps a job that it will never begin; it was asked to cancel it."""

    reason: str

    def fold(self, run: Run, at: datetime) -> Run:
        """Make another job for the same attempt: one that never began counts for none."""
        over = EndedAttempt(attempt=run.attempt, job=run.job, reason=self.reason)
        ended = (*run.ended_attempts, over)
        note = f"job {run.job} was given up, making another: {self.reason}"
        known = {"job": None, "started_at": None, "outputs_seen": (), "ended_attempts": ended}
        return run.moved_to(Phase.RECEIVED, at, note, **known)


@dataclass(frozen=True, slots=True)
class OutputSeen(Event):
    """The job wrote a file that was not seen before: its status is checked at once."""

    digest: str

    @classmethod
    def of(cls, run: Run, output: BlobVersion) -> "OutputSeen":
        """Return the event for a version of an output of the present attempt.

        Args:
            run: the run.
            output: the version of the output.
        """
        return cls(digest(str(run.attempt), output.name, output.etag))

    def known_to(self, run: Run) -> bool:
        """Whether it is in the record; so is everything, once the most files were seen."""
        return self.digest in run.outputs_seen or len(run.outputs_seen) >= _MOST_OUTPUTS_SEEN

    def fold(self, run: Run, at: datetime) -> Run:
        """Note the output, so that the same blob event causes no second status check, on any host.

        An output says nothing about the state of the service: a step failure stays, with the time
        of its next try.
        """
        del at
        return run.evolve(outputs_seen=(*run.outputs_seen, self.digest))


def _paused(run: Run, at: datetime) -> Run:
    pause = run.config.training.pause
    step_failure = StepFailure(
        since=at,
        cause_since=at,
        patience=pause,
        count=0,
        reason=f"the next attempt begins after a pause of {show_duration(pause)}",
        next_check=at + pause,
    )
    return run.evolve(step_failure=step_failure)


def _attempt_over(run: Run, end: Phase, reason: str, at: datetime) -> Run:
    over = EndedAttempt(attempt=run.attempt, job=run.job, reason=reason)
    changes: dict[str, object] = {"ended_attempts": (*run.ended_attempts, over)}
    changes["outputs_seen"] = ()
    training = run.config.training
    if not run.cancelling and run.attempt < training.attempts:
        changes |= {"attempt": run.attempt + 1, "job": None, "started_at": None}
        note = f"attempt {run.attempt} is over: {reason}"
        # Its slot at the service may have been taken by others.
        phase = Phase.RECEIVED if run.config.at_once else Phase.WAITING
        again = run.moved_to(phase, at, note, **changes)
        return _paused(again, at) if training.pause else again
    end = Phase.CANCELLED if run.cancelling else end
    return run.moved_to(end, at, reason, reason=reason, **changes)
