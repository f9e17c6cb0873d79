"""What can be learned about a run's training job, and how each fact changes the run."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from shared.core.blobs import BlobVersion
from shared.core.config.durations import show_duration
from shared.core.names import digest
from shared.core.run.record import EndedAttempt, Phase, Run, StepFailure

#: Files of one attempt that are a reason to look; whatever it writes then waits for the poll.
_MOST_OUTPUTS_SEEN: Final = 20


@dataclass(frozen=True, slots=True)
class JobCreated:
    """The service gave a handle; nothing runs yet."""

    job: str
    inputs: Mapping[str, BlobVersion] = field(default_factory=dict)  #: where not simply the newest

    def fold(self, run: Run, at: datetime) -> Run:
        """Keep the handle, and what it was made for, before it starts anything (design rule 3)."""
        note = f"attempt {run.attempt}: job {self.job}"
        known = {"job": self.job, "job_at": at, "inputs": dict(self.inputs)}
        return run.moved_to(Phase.CREATED, at, note, **known)


@dataclass(frozen=True, slots=True)
class JobStarted:
    """The service confirmed the start, or shows the job past it."""

    def fold(self, run: Run, at: datetime) -> Run:
        """Start the attempt's clock, once."""
        return run.moved_to(Phase.TRAINING, at, started_at=run.started_at or at)


@dataclass(frozen=True, slots=True)
class JobFinished:
    """The job ended well."""

    def fold(self, run: Run, at: datetime) -> Run:
        """Go on to what it left behind."""
        return run.moved_to(Phase.TRAINED, at)


@dataclass(frozen=True, slots=True)
class JobFailed:
    """The job ended badly, with the service's own reason."""

    reason: str

    def fold(self, run: Run, at: datetime) -> Run:
        """Try again while attempts are left."""
        return _attempt_over(run, Phase.FAILED, self.reason, at)


@dataclass(frozen=True, slots=True)
class JobStopped:
    """The job is known to be over because we asked for it."""

    reason: str

    def fold(self, run: Run, at: datetime) -> Run:
        """Try again while attempts are left, unless a person cancelled."""
        return _attempt_over(run, Phase.TIMED_OUT, self.reason, at)


@dataclass(frozen=True, slots=True)
class JobCancelled:
    """Somebody cancelled the job at the service."""

    def fold(self, run: Run, at: datetime) -> Run:
        """End the run: a person did not want it."""
        reason = "the job was cancelled at the service"
        over = EndedAttempt(attempt=run.attempt, job=run.job, reason=reason)
        attempts = (*run.ended_attempts, over)
        return run.moved_to(Phase.CANCELLED, at, reason, reason=reason, ended_attempts=attempts)


@dataclass(frozen=True, slots=True)
class JobExpired:
    """A job that never started cannot any more: its signed URLs have run out."""

    def fold(self, run: Run, at: datetime) -> Run:
        """Make another one for the same attempt."""
        note = f"job {run.job} never started and its signatures have run out: making another"
        # It may have been queued, which the service does not tell; it is known to be over.
        over = EndedAttempt(attempt=run.attempt, job=run.job, reason=note)
        ended = (*run.ended_attempts, over)
        return run.moved_to(Phase.RECEIVED, at, note, job=None, ended_attempts=ended)


@dataclass(frozen=True, slots=True)
class OutputSeen:
    """The job wrote a file that was not seen before: a reason to look at it now, once."""

    digest: str

    @classmethod
    def of(cls, run: Run, output: BlobVersion) -> "OutputSeen":
        """Return the fact for a version of an output of the present attempt."""
        return cls(digest(str(run.attempt), output.name, output.etag))

    def known_to(self, run: Run) -> bool:
        """Whether it is in the record; so is everything, once so many files were seen."""
        return self.digest in run.outputs_seen or len(run.outputs_seen) >= _MOST_OUTPUTS_SEEN

    def fold(self, run: Run, at: datetime) -> Run:
        """Remember it, so that the same event is no reason twice, on any host.

        That the job writes says nothing of its service: a trouble with that stays, and the time
        at which it wants to be asked again.
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
        # Its place at the service may have been given to others.
        phase = Phase.RECEIVED if run.config.at_once else Phase.WAITING
        again = run.moved_to(phase, at, note, **changes)
        return _paused(again, at) if training.pause else again
    end = Phase.CANCELLED if run.cancelling else end
    return run.moved_to(end, at, reason, reason=reason, **changes)
