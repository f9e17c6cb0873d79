"""The error for each failure of the storage SDK, by its known effect (design rule 7).

The codes: Microsoft, "Azure Blob Storage error codes" and "Common REST API error codes".
"""

from dataclasses import dataclass
from typing import Final

from azure.core.exceptions import (
    AzureError,
    ClientAuthenticationError,
    DecodeError,
    HttpResponseError,
    ServiceRequestError,
)

from shared.errors import (
    InvalidCursorError,
    OutcomeUnknownError,
    PermanentError,
    RecordLeasedError,
    RelearnError,
    TransientError,
)

_BUSY: Final = frozenset({408, 429, 503})
_SERVER_ERROR: Final = 500
_REFUSED: Final = frozenset({409, 412})
#: Only these say that another worker wrote the blob: 409 to a create, 412 to a replace.
_LOST: Final = frozenset(
    {
        "BlobAlreadyExists",
        "BlobOverwritten",
        "ConditionNotMet",
        "PathAlreadyExists",
        "ResourceAlreadyExists",
        "TargetConditionNotMet",
    }
)


@dataclass(frozen=True, slots=True)
class Cause:
    """Why the storage refuses, and what to do about it where something can be done."""

    why: str
    advice: str = ""

    def __str__(self) -> str:
        return f"{self.why}: {self.advice}" if self.advice else self.why


_LEASED: Final = Cause(
    "another program holds a lease on it, so that nothing else may change it",
    "break the lease (`az storage blob lease break`), and keep other programs from taking leases "
    "there",
)
_IMMUTABLE: Final = Cause(
    "a retention policy or a legal hold keeps it as it is", "the app needs containers without"
)
_DIRECTORY: Final = Cause(
    "a directory, or a blob of another kind, lies at this name", "move it away"
)
#: Refusals that would pass for a lost race, and pass by themselves or by an operator's act.
_PASSING: Final = {
    **dict.fromkeys(
        (
            "LeaseAlreadyBroken",
            "LeaseAlreadyPresent",
            "LeaseIdMismatchWithBlobOperation",
            "LeaseIdMismatchWithContainerOperation",
            "LeaseIdMismatchWithLeaseOperation",
            "LeaseIdMissing",
            "LeaseIsBreakingAndCannotBeAcquired",
            "LeaseIsBreakingAndCannotBeChanged",
            "LeaseIsBrokenAndCannotBeRenewed",
            "LeaseLost",
            "LeaseNotPresentWithBlobOperation",
            "LeaseNotPresentWithContainerOperation",
            "LeaseNotPresentWithLeaseOperation",
        ),
        _LEASED,
    ),
    "AccountBeingCreated": Cause("the storage account is being made"),
    "BlobBeingRehydrated": Cause("it is on its way out of the archive tier, which takes hours"),
    "ContainerBeingDeleted": Cause(
        "the container is being deleted", "it can be used again in a while"
    ),
    "DestinationPathIsBeingDeleted": Cause("a directory of that name is being deleted"),
    "PendingCopyOperation": Cause("a copy to it is under way"),
    "SnapshotOperationRateExceeded": Cause("too many snapshots of it are made"),
    "SystemInUse": Cause("the storage account is busy with it"),
}
#: Refusals that repeating cannot help.
_LASTING: Final = {
    **dict.fromkeys(
        (
            "BlobImmutableDueToLegalHold",
            "BlobImmutableDueToPolicy",
            "ContainerHasLegalHold",
            "ContainerImmutabilityPolicyLocked",
        ),
        _IMMUTABLE,
    ),
    **dict.fromkeys(
        (
            "DirectoryIsNotEmpty",
            "DirectoryNotEmpty",
            "InvalidBlobType",
            "OperationNotSupportedOnDirectory",
            "PathConflict",
            "ResourceTypeMismatch",
        ),
        _DIRECTORY,
    ),
    "BlobArchived": Cause(
        "it is in the archive tier",
        "set its tier to hot or cool, which takes hours, and keep lifecycle rules from archiving "
        "it",
    ),
    "BlobUsesCustomerSpecifiedEncryption": Cause("it is encrypted with a key that the app has not"),
    "ContainerDisabled": Cause("the container was disabled by the administrator of the account"),
    "SnapshotsPresent": Cause("snapshots of it are left", "delete them"),
}


def is_lost(exc: AzureError) -> bool:
    """Whether a conditional write was refused because another worker wrote first."""
    status = exc.status_code if isinstance(exc, HttpResponseError) else None
    return status in _REFUSED and code_of(exc) in ("", *_LOST)


def named_cause(exc: AzureError) -> Cause | None:
    """Return why the storage refuses, where its code says so and it is not a lost race."""
    return _PASSING.get(code_of(exc)) or _LASTING.get(code_of(exc))


def classify(exc: AzureError, what: str, *, write: bool) -> RelearnError:
    """Return the error to raise for `exc`, which `what` raised.

    Args:
        exc: what the SDK raised, after its own retries.
        what: the operation and the name it was for; never a URL.
        write: whether it could have had an effect.
    """
    status = exc.status_code if isinstance(exc, HttpResponseError) else None
    code = code_of(exc) or type(exc).__name__
    where = f"storage: {what}: {code}" + (f" ({status})" if status else "")
    if why := named_cause(exc):
        if why == _LEASED:
            return RecordLeasedError(f"{where}: {why}")
        return (TransientError if code in _PASSING else PermanentError)(f"{where}: {why}")
    if isinstance(exc, ServiceRequestError) or status in _BUSY:
        return TransientError(f"{where}: the storage account cannot be reached or is busy")
    if isinstance(exc, ClientAuthenticationError) and status is None:
        return TransientError(f"{where}: no token could be got for the storage account")
    if status is not None and status < _SERVER_ERROR and not isinstance(exc, DecodeError):
        return PermanentError(f"{where}: {_advice(status)}")
    return OutcomeUnknownError(where) if write else TransientError(where)


def classify_page(exc: AzureError, what: str, cursor: str | None) -> RelearnError:
    """Return the error to raise for `exc`, which continuing a listing at `cursor` raised.

    Args:
        exc: what the SDK raised.
        what: the operation, for the message.
        cursor: where the page begins.
    """
    status = exc.status_code if isinstance(exc, HttpResponseError) else None
    if cursor is not None and status == 400:  # noqa: PLR2004 -- InvalidQueryParameterValue
        return InvalidCursorError(
            "the listing cannot be continued from this cursor: begin it again"
        )
    return classify(exc, what, write=False)


def code_of(exc: AzureError) -> str:
    """Return the code that the storage gave; empty where it gave none."""
    code = getattr(exc, "error_code", None) or ""
    return str(getattr(code, "value", code))  # the SDK gives known ones as members of an enum


def _advice(status: int) -> str:
    if status in (401, 403):
        return "access denied: see the connection setting and the roles of the identity"
    if status == 404:  # noqa: PLR2004 -- the code's own name is its meaning
        return "the container does not exist: create it or correct the setting that names it"
    return "the storage account refuses the request"
