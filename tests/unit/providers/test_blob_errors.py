import re
from typing import Any

import azure.identity
import azure.storage.blob  # its own errors join the tree
import pytest
from azure.core import exceptions as azure_errors
from azure.core.exceptions import AzureError

from shared.errors import (
    OutcomeUnknownError,
    PermanentError,
    RecordLeasedError,
    RelearnError,
    TransientError,
)
from shared.providers.azure_storage import errors
from shared.providers.azure_storage.errors import classify, is_lost

LOADED = (azure.identity, azure.storage.blob)


def leaves(kind: type[Exception]) -> set[type[Exception]]:
    return {kind}.union(*(leaves(child) for child in kind.__subclasses__()))


def failure(kind: type[Exception], status: int | None = None) -> AzureError:
    made = kind.__new__(kind, "SECRET")  # their constructors have nothing in common
    assert isinstance(made, AzureError)
    attributes: dict[str, Any] = {"message": "SECRET", "status_code": status, "args": ("SECRET",)}
    for name, value in attributes.items():
        setattr(made, name, value)
    return made


#: Known to come before the request went out.
NOT_SENT = {
    azure_errors.ServiceRequestError,
    azure_errors.ServiceRequestTimeoutError,
    azure_errors.ClientAuthenticationError,
    azure.identity.CredentialUnavailableError,
    azure.identity.AuthenticationRequiredError,
}


@pytest.mark.parametrize("write", [False, True])
@pytest.mark.parametrize("kind", sorted(leaves(AzureError), key=str))
def test_every_failure_of_the_sdk_is_sorted_by_what_it_shows(
    kind: type[Exception], *, write: bool
) -> None:
    sorted_as = classify(failure(kind), "write runs/x", write=write)
    sent = kind not in NOT_SENT and "Signing" not in kind.__name__
    if write and sent:
        assert type(sorted_as) is OutcomeUnknownError
    elif sent or kind in NOT_SENT:
        assert type(sorted_as) is TransientError
    assert "SECRET" not in str(sorted_as)
    assert "runs/x" in str(sorted_as)


@pytest.mark.parametrize(
    ("status", "read", "write"),
    [
        (400, PermanentError, PermanentError),
        (401, PermanentError, PermanentError),
        (403, PermanentError, PermanentError),
        (404, PermanentError, PermanentError),
        (408, TransientError, TransientError),
        (409, PermanentError, PermanentError),
        (429, TransientError, TransientError),
        (500, TransientError, OutcomeUnknownError),
        (502, TransientError, OutcomeUnknownError),
        (503, TransientError, TransientError),
        (504, TransientError, OutcomeUnknownError),
    ],
)
def test_each_status_has_one_meaning(
    status: int, read: type[RelearnError], write: type[RelearnError]
) -> None:
    exc = failure(azure_errors.HttpResponseError, status)
    assert type(classify(exc, "x", write=False)) is read
    assert type(classify(exc, "x", write=True)) is write


@pytest.mark.parametrize("status", [200, 201, 404])
def test_a_truncated_answer_shows_nothing_with_any_status(status: int) -> None:
    for kind in (azure_errors.DecodeError, azure_errors.IncompleteReadError):
        assert type(classify(failure(kind, status), "x", write=True)) is OutcomeUnknownError
        assert type(classify(failure(kind, status), "x", write=False)) is TransientError


@pytest.mark.parametrize(
    ("status", "advice"), [(403, "roles"), (404, "container"), (400, "refuses")]
)
def test_a_refusal_says_what_to_do(status: int, advice: str) -> None:
    error = classify(failure(azure_errors.HttpResponseError, status), "write x", write=True)
    assert advice in str(error)


#: Every code that Microsoft lists with 409 or 412 for blobs and containers, or for directories, and
#: that a request of this app could be answered with: a lost race, or what else it is.
LOST, PASSES, HELD, LASTS = "lost", TransientError, RecordLeasedError, PermanentError
CODES = {
    "BlobAlreadyExists": LOST,
    "BlobOverwritten": LOST,
    "ConditionNotMet": LOST,
    "PathAlreadyExists": LOST,
    "ResourceAlreadyExists": LOST,
    "TargetConditionNotMet": LOST,
    "AccountBeingCreated": PASSES,
    "BlobBeingRehydrated": PASSES,
    "ContainerBeingDeleted": PASSES,
    "DestinationPathIsBeingDeleted": PASSES,
    "LeaseAlreadyBroken": HELD,
    "LeaseAlreadyPresent": HELD,
    "LeaseIdMismatchWithBlobOperation": HELD,
    "LeaseIdMismatchWithContainerOperation": HELD,
    "LeaseIdMismatchWithLeaseOperation": HELD,
    "LeaseIdMissing": HELD,
    "LeaseIsBreakingAndCannotBeAcquired": HELD,
    "LeaseIsBreakingAndCannotBeChanged": HELD,
    "LeaseIsBrokenAndCannotBeRenewed": HELD,
    "LeaseLost": HELD,
    "LeaseNotPresentWithBlobOperation": HELD,
    "LeaseNotPresentWithContainerOperation": HELD,
    "LeaseNotPresentWithLeaseOperation": HELD,
    "PendingCopyOperation": PASSES,
    "SnapshotOperationRateExceeded": PASSES,
    "SystemInUse": PASSES,
    "BlobArchived": LASTS,
    "BlobImmutableDueToLegalHold": LASTS,
    "BlobImmutableDueToPolicy": LASTS,
    "BlobUsesCustomerSpecifiedEncryption": LASTS,
    "ContainerDisabled": LASTS,
    "ContainerHasLegalHold": LASTS,
    "ContainerImmutabilityPolicyLocked": LASTS,
    "DirectoryIsNotEmpty": LASTS,
    "DirectoryNotEmpty": LASTS,
    "InvalidBlobType": LASTS,
    "OperationNotSupportedOnDirectory": LASTS,
    "PathConflict": LASTS,
    "ResourceTypeMismatch": LASTS,
    "SnapshotsPresent": LASTS,
}
#: Of operations that this app does not ask for: appends, pages, blocks, tiers, shares, queues.
NOT_ASKED = re.compile(
    "AccountAlreadyExists|Append|BlobNotArchived|BlobTier|BlockCount|CannotChange|Container(Already"
    "Exists|Quota)|ContentLengthLarger|CopyIdMismatch|FeatureVersion|Filesystem|Incremental|Infinite"
    "Lease|InvalidSourceBlob|InvalidVersion|LeaseIsAlreadyBroken|LeaseNameMismatch|MaxBlobSize|"
    "NoPendingCopy|OperationNotAllowed|Previous|Queue|Sequence|Share|SnapshotCount|SourceCondition|"
    "SourcePathIsBeing|DeletePending|FileLock|SharingViolation|ClientCache|ReadOnly|PopReceipt"
)


@pytest.mark.parametrize("status", [409, 412])
@pytest.mark.parametrize(("code", "meant"), CODES.items())
@pytest.mark.parametrize("as_enum", [False, True])
def test_only_a_lost_race_is_taken_for_one(
    code: str, meant: object, status: int, *, as_enum: bool
) -> None:
    exc = failure(azure_errors.ResourceExistsError, status)
    known = next((one for one in azure.storage.blob.StorageErrorCode if one.value == code), code)
    exc.error_code = known if as_enum else code  # type: ignore[attr-defined]
    assert is_lost(exc) == (meant == LOST)
    if meant == LOST:
        return
    for write in (False, True):
        error = classify(exc, "write runs/x", write=write)
        assert type(error) is meant
        assert "runs/x" in str(error)
        assert code in str(error)
        assert "Lease" not in code or "break the lease" in str(error)


def test_a_refusal_without_a_code_is_a_lost_race_and_one_of_an_unknown_code_is_none() -> None:
    exc = failure(azure_errors.ResourceModifiedError, 412)
    assert is_lost(exc)
    exc.error_code = "NewInventedCode"  # type: ignore[attr-defined]
    assert not is_lost(exc)
    assert type(classify(exc, "x", write=True)) is PermanentError
    assert not is_lost(failure(azure_errors.ResourceModifiedError, 404))
    assert not is_lost(failure(azure_errors.ServiceRequestError))


def test_every_code_that_the_sdk_knows_and_could_pass_for_a_lost_race_is_sorted() -> None:
    assert errors._LOST | errors._PASSING.keys() | errors._LASTING.keys() == set(CODES)
    words = (
        "Exist|Already|Being|Condition|Lease|Snapshot|Pending|Immutable|Archived|InUse|Overwritten"
    )
    words += "|Disabled|Conflict|Mismatch|NotEmpty|InvalidBlobType"
    suspects = {
        one.value
        for one in azure.storage.blob.StorageErrorCode
        if re.search(words, one.value) and not NOT_ASKED.search(one.value)
    }
    never = {"AccountIsDisabled", "ConditionHeadersNotSupported", "Md5Mismatch"}
    never |= {"MultipleConditionHeadersNotSupported"}  # 400 and 403
    assert suspects - never <= set(CODES)
