"""Explains failures of endpoints and deployments (azure-machine-learning-v2 §5.5).

The state says that it failed; the operation says why, at the unsigned copy of its address.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from http import HTTPStatus
from typing import Any, Final

from shared.core.serving.probes import CandidateFailure
from shared.errors import RelearnError, TransientError
from shared.providers.azureml.call import AzureMlCall, host_of, mappings_of, moment_of, text_of
from shared.providers.azureml.errors import QUOTA, header
from shared.providers.azureml.online_resources import OnlineResource
from shared.providers.http.client import Answer

_LONGEST: Final = 500
_MOST_CODES: Final = 20
#: A failure that an operator has to end is not provoked again before this much time.
_NOT_BEFORE: Final = timedelta(minutes=15)
_LOGS: Final = "see its log: `az ml online-deployment get-logs`"
_IMAGE: Final = (
    "correct the environment that the deployment file names, and see the build log in the "
    "workspace's default storage"
)
_ARGUMENT: Final = (
    "make sure that the identity of the endpoint may read the registry and the storage of the "
    "workspace, and correct the deployment file"
)
_ASSET: Final = "register what the message names, or correct its version in the deployment file"
_NETWORK: Final = (
    "provision the managed network of the workspace: `az ml workspace provision-network`"
)
_SECRETS: Final = (
    "give the identity of the endpoint access to the secrets that the environment variables of "
    "the deployment file name"
)
_CODES: Final[Mapping[str, tuple[CandidateFailure, str]]] = {
    **dict.fromkeys(
        ("outofquota", "outofcapacity", "quotaexceeded"), (CandidateFailure.PARK, QUOTA)
    ),
    "imagebuildfailure": (CandidateFailure.PARK, _IMAGE),
    "badargument": (CandidateFailure.PARK, _ARGUMENT),
    "resourcenotready": (
        CandidateFailure.REJECT,
        f"the container does not get ready: correct the model or its scoring script; {_LOGS}",
    ),
    **dict.fromkeys(("resourcenotfound", "modelregistryerror"), (CandidateFailure.PARK, _ASSET)),
    **dict.fromkeys(("operationcanceled", "operationcancelled"), (CandidateFailure.AGAIN, "")),
    **dict.fromkeys(
        ("conflict", "conflicterror", "internalservererror"), (CandidateFailure.AGAIN, "")
    ),
    "workspacemanagednetworknotready": (CandidateFailure.PARK, _NETWORK),
    "secretsinjectionerror": (CandidateFailure.PARK, _SECRETS),
}
_UNKNOWN: Final = "see the message and the endpoint in Studio"


@dataclass(frozen=True, slots=True)
class FailedOperation:
    """An operation that failed, or was cancelled."""

    code: str
    words: str  #: what the service says, without secrets
    failure: CandidateFailure
    advice: str
    age: timedelta | None = None  #: how long ago it ended, by the service's clock

    def __str__(self) -> str:
        return f"{self.code}: {self.words}" if self.code and self.words else self.code or self.words

    @property
    def may_be_repeated(self) -> bool:
        """Whether the same request makes sense now: not while an operator has to do something."""
        hopeless = self.failure is not CandidateFailure.AGAIN
        return not hopeless or self.age is None or self.age >= _NOT_BEFORE


def failure_of(call: AzureMlCall, resource: OnlineResource) -> FailedOperation:
    """Return why the last operation of a resource failed.

    Args:
        call: calls the workspace.
        resource: an endpoint or a deployment that says that it failed.

    Raises:
        TransientError: the operation cannot be read now.
    """
    url = resource.operation
    if not url or host_of(url) != host_of(call.workspace.host):
        return _silent(resource)  # a token travels only to the workspace
    try:
        call.require(url, "the operation")
        answer = call.any_answer(url)
        if not answer.ok and answer.status != HTTPStatus.NOT_FOUND:
            raise call.sorted(answer, f"read why {resource.name} failed", write=False)
    except TransientError:
        raise
    except RelearnError:
        return _silent(resource)
    found = answer.json()
    error = found.get("error") if isinstance(found, Mapping) and answer.ok else None
    if not isinstance(found, Mapping) or not isinstance(error, Mapping):
        return _silent(resource)
    return _of(call, resource, error, _age(answer, found))


def _of(
    call: AzureMlCall, resource: OnlineResource, error: Mapping[str, Any], age: timedelta | None
) -> FailedOperation:
    codes = list(_codes(error))
    known = next((code for code in codes if code.lower() in _CODES), None)
    words = " ".join(call.clean(str(error.get("message") or "")).split())[:_LONGEST]
    if known is None:
        shown = call.clean(codes[0])[:_LONGEST] if codes else ""
        return FailedOperation(shown, words, _usual(resource), _UNKNOWN, age)
    failure, advice = _CODES[known.lower()]
    return FailedOperation(known, words, failure, advice, age)


def _codes(error: Mapping[str, Any]) -> Iterator[str]:
    """Yield every code of an error: its own, of its details, and down its inner errors."""
    waiting: list[Any] = [error]
    for _ in range(_MOST_CODES):
        if not waiting:
            return
        one = waiting.pop(0)
        if not isinstance(one, Mapping):
            continue
        if code := text_of(one.get("code")):
            yield code
        waiting += mappings_of(one.get("details"))
        waiting += [one.get("innerError"), one.get("innererror")]


def _silent(resource: OnlineResource) -> FailedOperation:
    words = f"the service says {resource.state} and no reason"
    return FailedOperation("", words, _usual(resource), _UNKNOWN)


def _usual(resource: OnlineResource) -> CandidateFailure:
    """Return what follows without a code that is known: what was cancelled is asked for again."""
    return (
        CandidateFailure.AGAIN
        if resource.state.lower().startswith("cancel")
        else CandidateFailure.PARK
    )


def _age(answer: Answer, operation: Mapping[str, Any]) -> timedelta | None:
    now, ended = moment_of(header(answer, "date")), moment_of(operation.get("endTime"))
    return now - ended if now and ended else None
