"""Every error this app raises on purpose, sorted by what the caller may do next.

* RelearnError
  x TransientError       it did not happen; the same call may be repeated later
    + RecordLeasedError         somebody holds a lease on this one record; the storage works
    + EndpointBusyError       another run is updating the endpoint; its turn comes first
  x OutcomeUnknownError       it may have happened; look before doing anything else
  x Conflict             somebody else moved the record; read it again and decide again
  x PermanentError       repeating cannot help; park the run and tell a person
    + ConfigError        settings or pipelines.yaml must be changed
    + CorruptRecordError      a stored record is not understood; it is never overwritten
    + RunIdUsedError             a run of this id existed, and its record was removed
    + InvalidTransitionError  the code asked for a step that the machine forbids

A training job that failed is a fact, not an error: it is not in this tree.
"""

from datetime import timedelta
from typing import ClassVar


class RelearnError(Exception):
    """Base of every error raised on purpose by this app."""

    #: What it says is written for people: the local host shows no traceback with it.
    says_all: ClassVar[bool] = True
    #: What a person can do about it, where that is known; the message holds it too.
    cure: str = ""


class TransientError(RelearnError):
    """The effect did not happen and the same call may succeed later.

    Args:
        message: what happened, for people; never a secret.
        retry_after: how long the other side asked us to wait, when it said so.
        patience: how long repeating makes sense when that is less than the usual hour.
        cure: what a person can do about it, should it last.
    """

    def __init__(
        self,
        message: str,
        *,
        retry_after: timedelta | None = None,
        patience: timedelta | None = None,
        cure: str = "",
    ) -> None:
        super().__init__(message)
        self.cure = cure
        self.retry_after = retry_after
        self.patience = patience


class RecordLeasedError(TransientError):
    """Somebody else holds a lease on this one record or blob; the storage itself works."""


class EndpointBusyError(TransientError):
    """Another run is updating the endpoint. The run that waits goes on once it is free.

    Args:
        message: which run has it, for people.
        endpoint: the id of the endpoint's record.
        patience: how long waiting for a turn makes sense.
    """

    def __init__(self, message: str, endpoint: str, patience: timedelta) -> None:
        super().__init__(message, patience=patience)
        self.endpoint = endpoint


class OutcomeUnknownError(RelearnError):
    """The request may have taken effect; only looking can tell."""


class ConflictError(RelearnError):
    """The stored version is not the one the caller decided from."""


class PermanentError(RelearnError):
    """Repeating the call cannot help.

    Args:
        message: what happened, for people; never a secret.
        cure: what an operator can do about it, where that is known.
    """

    def __init__(self, message: str = "", *, cure: str = "") -> None:
        super().__init__(message)
        self.cure = cure


class ConfigError(PermanentError):
    """Settings or the pipelines file are missing, wrong or contradictory."""


class CorruptRecordError(PermanentError):
    """A stored record cannot be understood by this version of the app."""


class RunIdUsedError(PermanentError):
    """A run of this id existed and its record was removed: an id is never used again."""


class InvalidTransitionError(PermanentError):
    """A fact arrived that the present phase does not accept."""


class BadCursorError(PermanentError):
    """A listing cannot be gone on with from here: begin it again."""
