"""The port of services that train models in batch jobs."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Protocol

from shared.core.blobs import BlobVersion
from shared.core.config.kinds import Training
from shared.core.config.types import Scalar
from shared.core.decisions.comparison import Opponent
from shared.core.serving.references import ModelRef


@dataclass(frozen=True, slots=True)
class JobRequest:
    """One attempt of one run, as every training service can understand it."""

    run_id: str
    attempt: int
    inputs: Mapping[str, BlobVersion]  #: input name -> blob; "" is the name of a single input
    outputs: Mapping[str, str]  #: output name -> path in the models container
    parameters: Mapping[str, Scalar]
    training: Training
    replaced: int = 0  #: jobs of this attempt that were given up before they began
    pin: bool = False  #: whether the job gets copies of its inputs
    #: The live model and the anchor, where the job is given them and there are any.
    models: Mapping[Opponent, ModelRef] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class FinishedJob:
    """A job that is known to be finished, with its request."""

    handle: str
    made_at: datetime | None  #: what lies where it was to write and is older is not of this job
    request: JobRequest


class JobStatus(StrEnum):
    """The state of a job."""

    NOT_STARTED = "not started"  #: or started and still queued: the service does not say
    RUNNING = "running"
    FINISHED = "finished"
    FAILED = "failed"
    CANCELLED = "cancelled"
    GONE = "gone"  #: the service knows no such job
    ORPHANED = "orphaned"  #: the service keeps it, and will never begin it


@dataclass(frozen=True, slots=True)
class JobState:
    """The state of a job, and the service's own words about it."""

    status: JobStatus
    details: str = ""
    advice: str = ""  #: what an operator can do about a failure, where that is known
    note: str = ""  #: what the run's record should say of a job that began or finished
    known: bool = True  #: False: the service has no such job, so it was not started, or deleted


@dataclass(frozen=True, slots=True)
class Evaluation:
    """The evaluation of a model, by its job or by an operator."""

    path: str  #: below the models container
    content: bytes | None  #: None: it is not there
    why: str = ""  #: why what is there is not taken


class TrainingService(Protocol):
    """A service that trains models in batch jobs.

    One creates a job and starts it by its id; another is given a derived name and an
    idempotent request. Both fit: `prepare` has no effect that matters when it is lost.
    """

    def prepare(self, request: JobRequest) -> str:
        """Return a handle for the job. Nothing runs yet; safe to repeat.

        Raises:
            TransientError: no handle was given.
            OutcomeUnknownError: a job may exist that nobody will start.
            PermanentError: the service refuses such a job; `refused_parameters` says where it is
                for those.
        """
        ...

    def preview(self, request: JobRequest) -> Mapping[str, Any]:
        """Return the request that `prepare` would make: `method`, `url` and `body`.

        Sends nothing. Signatures and app settings are named, never shown.
        """
        ...

    def ensure_started(self, handle: str, request: JobRequest) -> str | None:
        """Start the job of `handle`; one that is started already is fine.

        Args:
            handle: the handle of the job.
            request: what the job is to do.

        Returns:
            What the run's record should say of it, such as a version that was looked up; often
            nothing.

        Raises:
            TransientError: it was not started.
            OutcomeUnknownError: it may have been started; check its state.
            PermanentError: it cannot be started.
        """
        ...

    def state(self, handle: str) -> JobState:
        """Return the state of the job. Raises TransientError, PermanentError."""
        ...

    def cancel(self, handle: str) -> None:
        """Ask for the job to end. Safe to repeat. Raises TransientError, PermanentError."""
        ...

    def models(self, job: FinishedJob, wanted: Mapping[str, str | None]) -> Mapping[str, ModelRef]:
        """Return the model for each endpoint, fetched from where the job wrote it. Safe to repeat.

        None of them is registered yet.

        Args:
            job: a finished job.
            wanted: endpoint -> the output that is its model; None: the only one.

        Returns:
            The models; empty when the job makes no model.

        Raises:
            TransientError: a model is not there yet.
            PermanentError: it is empty, or which output is the model is not known.
        """
        ...

    def register(self, job: FinishedJob, model: ModelRef) -> ModelRef:
        """Register a model that passed its gate, where the service has a register.

        Safe to repeat: its version is derived from run and attempt.

        Args:
            job: the job that made it.
            model: as `models` returned it.

        Returns:
            The model as it is registered; the same one where there is no register.

        Raises:
            TransientError: it could not be registered now.
            PermanentError: it cannot be registered.
        """
        ...

    def named_model(self, name: str) -> ModelRef:
        """Return a model that an operator names, such as a registered version.

        Raises:
            InvalidRequestError: it names none, or this service has no models by name.
            TransientError: it cannot be looked up now.
        """
        ...

    def model_again(self, model: ModelRef) -> ModelRef:
        """Return a model that was there once, as it is now. Raises as `models`."""
        ...

    def evaluation(self, job: FinishedJob, output: str | None) -> Evaluation:
        """Return what a finished job said of its model.

        Args:
            job: the job.
            output: the output that holds it; None: the usual file in the model's folder.

        Raises TransientError, PermanentError.
        """
        ...

    def predictions(self, job: FinishedJob, output: str) -> Evaluation:
        """Return the predictions that a finished job wrote, up to 64 MB.

        Args:
            job: the job.
            output: the output that holds them, or `<output>/<file>`.

        Raises TransientError, PermanentError.
        """
        ...

    def evaluation_beside(self, model: ModelRef) -> Evaluation:
        """Return the evaluation that an operator uploaded with a model.

        Raises TransientError, PermanentError.
        """
        ...
