from typing import Any

import azure.identity
import azure.storage.blob  # its own errors join the tree
import pytest
from azure.core import exceptions as azure_errors
from azure.core.exceptions import AzureError

from shared.clients.blob_errors import classify
from shared.errors import OutcomeUnknown, PermanentError, RelearnError, TransientError

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
def test_every_failure_of_the_sdk_is_sorted_by_what_it_proves(
    kind: type[Exception], *, write: bool
) -> None:
    sorted_as = classify(failure(kind), "write runs/x", write=write)
    sent = kind not in NOT_SENT and "Signing" not in kind.__name__
    if write and sent:
        assert type(sorted_as) is OutcomeUnknown
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
        (500, TransientError, OutcomeUnknown),
        (502, TransientError, OutcomeUnknown),
        (503, TransientError, TransientError),
        (504, TransientError, OutcomeUnknown),
    ],
)
def test_each_status_proves_what_it_proves(
    status: int, read: type[RelearnError], write: type[RelearnError]
) -> None:
    exc = failure(azure_errors.HttpResponseError, status)
    assert type(classify(exc, "x", write=False)) is read
    assert type(classify(exc, "x", write=True)) is write


@pytest.mark.parametrize("status", [200, 201, 404])
def test_an_answer_that_broke_off_proves_nothing_whatever_its_status(status: int) -> None:
    for kind in (azure_errors.DecodeError, azure_errors.IncompleteReadError):
        assert type(classify(failure(kind, status), "x", write=True)) is OutcomeUnknown
        assert type(classify(failure(kind, status), "x", write=False)) is TransientError


@pytest.mark.parametrize(("status", "cure"), [(403, "roles"), (404, "container"), (400, "refuses")])
def test_a_refusal_says_what_to_do(status: int, cure: str) -> None:
    error = classify(failure(azure_errors.HttpResponseError, status), "write x", write=True)
    assert cure in str(error)
