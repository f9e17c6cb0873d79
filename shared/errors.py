"""Every error that this app raises on purpose, sorted by the caller's next options.

Each class has a `kind`, a stable word that problems of the HTTP API carry (docs/http-api.md).

* RelearnError
  x TransientError                  it did not happen; the same call may be repeated later
    + RecordLeasedError             another program holds a lease on this one blob
    + EndpointBusyError             another run is updating the endpoint
  x OutcomeUnknownError             it may have happened; check before doing anything else
  x ConflictError                   another worker changed the record; read it and decide again
  x PermanentError                  repeating cannot help: park the run, or refuse the request
    + ChangedByOthersError          others changed an endpoint: it is not overwritten
    + ConfigError                   settings or the pipelines file must be changed
      - FileRefusedError            a file of the configuration cannot be used
      - PipelineConfigError         a pipeline has an error, and no last good configuration
    + CorruptRecordError            a stored record is not understood; it is never overwritten
    + RunIdUsedError                a run of this id existed, and its record was deleted
    + InvalidTransitionError        the present phase of the run does not allow this
    + InvalidRequestError           a request cannot be used as it was sent
      - RequestTooLargeError        its body is too large
      - SecretInRequestError        it holds a secret
    + InvalidCursorError            a listing cannot be continued from this cursor
    + PreconditionFailedError       the resource is not at the version that the request names
    + IdempotencyConflictError      an Idempotency-Key was used before, for another request
    + NotFoundError                 what the request names does not exist
      - NoSuchRunError
      - NoVerdictError                the gate has said nothing of the run's model
      - NoSuchPipelineError
      - NoSuchEndpointError
      - NoSuchDataError
      - NoSuchModelError

A training job that failed is a result, not an error: it is not in this tree.
"""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any, ClassVar


class RelearnError(Exception):
    """Base of every error that this app raises on purpose."""

    #: What kind of error this is, for programs; it never changes.
    kind: ClassVar[str] = "error"
    #: The message is written for people: the local host shows no traceback with it.
    says_all: ClassVar[bool] = True
    #: What an operator can do about it, where that is known; the message holds it too.
    advice: str = ""


class TransientError(RelearnError):
    """The effect did not happen and the same call may succeed later.

    Args:
        message: what happened, for people; never a secret.
        retry_after: how long the other side asked us to wait, when it said so.
        patience: how long repeating makes sense when that is less than the usual hour.
        advice: what an operator can do about it, should it last.
    """

    kind = "transient"

    def __init__(
        self,
        message: str,
        *,
        retry_after: timedelta | None = None,
        patience: timedelta | None = None,
        advice: str = "",
    ) -> None:
        super().__init__(message)
        self.advice = advice
        self.retry_after = retry_after
        self.patience = patience


class RecordLeasedError(TransientError):
    """Another program holds a lease on this one record or blob; the storage itself works."""

    kind = "record_leased"


class EndpointBusyError(TransientError):
    """Another run is updating the endpoint. The run that waits continues once it is free.

    Args:
        message: which run has it, for people.
        endpoint: the id of the endpoint's record.
        patience: how long waiting makes sense.
    """

    kind = "endpoint_busy"

    def __init__(self, message: str, endpoint: str, patience: timedelta) -> None:
        super().__init__(message, patience=patience)
        self.endpoint = endpoint


class OutcomeUnknownError(RelearnError):
    """The request may have taken effect; only a check can find out."""

    kind = "outcome_unknown"


class ConflictError(RelearnError):
    """The stored version is not the one that the caller decided from."""

    kind = "conflict"


@dataclass(frozen=True, slots=True)
class RefusedParameters:
    """Which parameters of a job a service refuses, and its own words alone."""

    names: tuple[str, ...]
    why: str


class PermanentError(RelearnError):
    """Repeating the call cannot help.

    Args:
        message: what happened, for people; never a secret.
        advice: what an operator can do about it, where that is known.
    """

    kind = "permanent"
    #: Where a job is refused for some of its parameters.
    refused_parameters: RefusedParameters | None = None

    def __init__(self, message: str = "", *, advice: str = "") -> None:
        super().__init__(message)
        self.advice = advice


class ChangedByOthersError(PermanentError):
    """An operator or another program changed an endpoint: it is not overwritten.

    Args:
        message: what was found, and what was expected.
        found: the traffic as it is now, as JSON of a `TrafficMap`.
        advice: what an operator can do about it.
    """

    def __init__(self, message: str, found: dict[str, Any], *, advice: str = "") -> None:
        super().__init__(message, advice=advice)
        self.found = found

    kind = "changed_by_others"


class ConfigError(PermanentError):
    """Settings or the pipelines file are missing, wrong or contradictory."""

    kind = "configuration"


class FileRefusedError(ConfigError):
    """A file of the configuration cannot be used; the message never repeats its content.

    Args:
        what: what is wrong with the file.
        advice: what to do about it.
    """

    kind = "file_refused"

    def __init__(self, what: str, advice: str = "") -> None:
        super().__init__(what)
        self.what, self.advice = what, advice


class PipelineConfigError(ConfigError):
    """A pipeline has an error in the file, and no last good configuration is stored."""

    kind = "pipeline_configuration"


class CorruptRecordError(PermanentError):
    """A stored record cannot be understood by this version of the app.

    Args:
        message: which record, and what to do about it.
        later: whether it has the form of another release, which can read it.
    """

    kind = "corrupt_record"

    def __init__(self, message: str, *, later: bool = False) -> None:
        super().__init__(message)
        self.later = later


class RunIdUsedError(PermanentError):
    """A run of this id existed and its record was deleted: an id is never used again."""

    kind = "run_id_used"


class InvalidTransitionError(PermanentError):
    """An event arrived that the present phase of the run does not accept."""

    kind = "invalid_transition"


class InvalidRequestError(PermanentError):
    """A request cannot be used as it was sent."""

    kind = "invalid_request"


class RequestTooLargeError(InvalidRequestError):
    """The body of a request is too large."""

    kind = "request_too_large"


class SecretInRequestError(InvalidRequestError):
    """A request holds a secret, which would be stored with the run."""

    kind = "secret_in_request"


class InvalidCursorError(PermanentError):
    """No page gave this cursor: a listing cannot be continued from it."""

    kind = "invalid_cursor"


class PreconditionFailedError(PermanentError):
    """The resource is not at the version that the request is for."""

    kind = "precondition_failed"


class IdempotencyConflictError(PermanentError):
    """An Idempotency-Key was used before, for another request."""

    kind = "idempotency_conflict"


class NotFoundError(PermanentError):
    """What the request names does not exist."""

    kind = "not_found"


class NoSuchRunError(NotFoundError):
    """There is no run of this id."""

    kind = "no_such_run"


class NoVerdictError(NotFoundError):
    """The gate has said nothing of the run's model."""

    kind = "no_verdict"


class NoSuchPipelineError(NotFoundError):
    """The pipelines file has no such pipeline."""

    kind = "no_such_pipeline"


class NoSuchEndpointError(NotFoundError):
    """There is no such endpoint, or not for this key."""

    kind = "no_such_endpoint"


class NoSuchDataError(NotFoundError):
    """The blob that was named is not there, or the pipeline does not take it."""

    kind = "no_such_data"


class NoSuchModelError(NotFoundError):
    """There is no such model to roll back to."""

    kind = "no_such_model"
