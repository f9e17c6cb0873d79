"""The error for each answer of Azure Machine Learning that is not 2xx, with the likely advice.

The status decides first, then every code of the envelope: in `details` and down the chain of
inner errors (azure-machine-learning-v2 §2.8). Bodies may be empty, or `null`.
"""

import logging
import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from typing import Any, Final

from shared.core.redaction import redact
from shared.core.secret_shapes import Cleaner
from shared.errors import OutcomeUnknownError, PermanentError, RelearnError, TransientError
from shared.providers.http.client import Answer
from shared.providers.studio.errors import Refusal, read_refusal
from shared.telemetry import log

#: A job of this name exists, and was asked for with another content.
IMMUTABLE: Final = "JobPropertyImmutable"
#: A job that has ended cannot be cancelled.
TERMINAL: Final = "CancelPipelineRunInTerminalStatus"
#: A new role shows after 15 to 60 minutes (azure-machine-learning-v2 §1).
ROLE_IS_LATE: Final = timedelta(hours=1)
_BRIEFLY: Final = timedelta(minutes=10)
_LONGEST_WAIT: Final = timedelta(days=1)
_ROLE: Final = (
    "give the app's identity the role AzureML Data Scientist on the workspace; a new role shows "
    "after up to an hour"
)
#: Which part of pipelines.yaml the advice below name; another part takes its place.
TRAINING: Final = "training"
_VERSION: Final = (
    "the api-version is unknown there: set training.api_versions to one that the message lists"
)
#: What is wrong where a code says more than the status, and what to do.
#: Of a deployment that needs more than there is (azure-machine-learning-v2 §5.5).
QUOTA: Final = (
    "raise the quota of the subscription, delete deployments that are not used, or name another "
    "instance type in the deployment file (20 % more instances than it says are reserved)"
)
_ADVICE: Final = {
    "InvalidApiVersionParameter": _VERSION,
    "NoRegisteredProviderFound": _VERSION,
    "InvalidAuthenticationTokenTenant": "the workspace is of another tenant than the app's "
    "identity: use an identity of that tenant (AZURE_TENANT_ID)",
    "SubscriptionNotFound": "correct the subscription in training.workspace",
    "InvalidSubscriptionId": "correct the subscription in training.workspace",
    "ResourceGroupNotFound": "correct the resource group in training.workspace",
    "ResourceNotFound": "correct training.workspace, and the names below it",
    "AuthorizationFailed": _ROLE,
    "LinkedAuthorizationFailed": _ROLE,
    "OutOfQuota": QUOTA,
    "OutOfCapacity": QUOTA,
    "QuotaExceeded": QUOTA,
    "ModelNotFound": "see the models of the workspace",
}
_SIGN_IN: Final = (
    "use an identity of the tenant that the workspace is in (AZURE_CLIENT_ID, AZURE_TENANT_ID), "
    "and the scopes of its cloud (AZUREML_ARM_SCOPE, AZUREML_ML_SCOPE)"
)
#: What to do where no code says more.
_OF_STATUS: Final[Mapping[int, str]] = {
    HTTPStatus.FORBIDDEN: _ROLE,
    HTTPStatus.UNAUTHORIZED: _SIGN_IN,
}
#: Codes of a 401 that no new token mends.
_NEVER: Final = frozenset({"InvalidAuthenticationTokenTenant"})
_UNKNOWN_MEMBER: Final = "Could not find member"
_MEMBER: Final = re.compile(r"Could not find member '(\w{1,100})'")
_MEMBER_ADVICE: Final = (
    "the api-version does not know a member of the request: set training.api_versions to a newer "
    "one, or remove what the member stands for"
)
_REPEATABLE: Final = frozenset(
    {HTTPStatus.CONFLICT, HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.LOCKED, HTTPStatus.TOO_EARLY}
)


class AzureMlRefusedError(PermanentError):
    """The service refuses; `refusal` holds its own codes and words."""

    def __init__(self, message: str, refusal: Refusal, advice: str = "") -> None:
        super().__init__(message, advice=advice)
        self.refusal = refusal


def names(refusal: Refusal, code: str) -> bool:
    """Whether a refusal names a code: wherever its body has it (azure-machine-learning-v2 §9).

    Args:
        refusal: what the service says.
        code: the code.
    """
    words = (*refusal.codes, refusal.text)
    return any(code.lower() in one.lower() for one in words)


def refusal_in(answer: Answer, clean: Cleaner = redact) -> Refusal:
    """Return what an answer that is not 2xx says; an empty body, or `null`, says nothing.

    Args:
        answer: what came back.
        clean: redacts its texts, before they are cut short.
    """
    if answer.text().strip().lower() in ("", "null"):
        return Refusal(answer.status, "", (), "")
    return read_refusal(answer, clean)


def sorted_error(
    answer: Answer, what: str, clean: Cleaner = redact, *, write: bool, part: str = TRAINING
) -> RelearnError:
    """Return the error to raise for an answer that is not 2xx (design rule 7).

    Args:
        answer: what came back.
        what: what was asked for, to start the message with.
        clean: redacts its texts, before they are cut short.
        write: whether the request could have had an effect.
        part: the part of pipelines.yaml that asked for it, which advice name.
    """
    refusal = refusal_in(answer, clean)
    advice = advice_for(refusal, part)
    message = f"{what}: {refusal}" + (f": {advice}" if advice else "")
    status, wait = answer.status, wait_in(answer)
    # To find nothing is often what was hoped for; who must find it says so in an error.
    level = logging.INFO if status == HTTPStatus.NOT_FOUND and not write else logging.WARNING
    log.log(level, "%s: HTTP %s, correlation %s", what, status, correlation_of(answer))
    if status == HTTPStatus.FORBIDDEN:
        return TransientError(message, retry_after=wait, patience=ROLE_IS_LATE, advice=advice)
    if status == HTTPStatus.UNAUTHORIZED and not refusal.codes & _NEVER:
        return TransientError(message, retry_after=wait, patience=_BRIEFLY, advice=advice)
    if status in _REPEATABLE and not names(refusal, IMMUTABLE):
        return TransientError(message, retry_after=wait, advice=advice)
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR or status == HTTPStatus.REQUEST_TIMEOUT:
        if write:
            return OutcomeUnknownError(message)
        return TransientError(message, retry_after=wait, advice=advice)
    return AzureMlRefusedError(message, refusal, advice)


def advice_for(refusal: Refusal, part: str = TRAINING) -> str:
    """Return what an operator can do about a refusal, or an empty string.

    Args:
        refusal: what the service says.
        part: the part of pipelines.yaml that asked for it.
    """
    return _advice_for(refusal).replace(f"{TRAINING}.", f"{part}.")


def unknown_member(refusal: Refusal) -> str | None:
    """Return the member that the api-version does not know; None where that is not the reason."""
    found = _MEMBER.search(refusal.text)
    return found[1] if found else None


def _advice_for(refusal: Refusal) -> str:
    if _UNKNOWN_MEMBER in refusal.text:
        return _MEMBER_ADVICE
    for code in (*refusal.detail_codes, refusal.code):
        if code in _ADVICE:
            return _ADVICE[code]
    return _OF_STATUS.get(refusal.status, "")


def wait_in(answer: Answer) -> timedelta | None:
    """Return how long the service asks to wait, in any of its headers."""
    given = answer.retry_after(datetime.now(UTC))
    if given is not None:
        return given
    text = header(answer, "x-ms-retry-after-ms")
    if not text.isdecimal():
        return None
    return min(timedelta(milliseconds=int(text[:12])), _LONGEST_WAIT)


def correlation_of(answer: Answer) -> str:
    """Return what support asks for: the ids of the request (azure-machine-learning-v2 §2.8)."""
    ids = [header(answer, "x-ms-correlation-request-id")]
    decoded = answer.json()
    error = decoded.get("error") if isinstance(decoded, dict) else None
    listed = error.get("additionalInfo") if isinstance(error, dict) else None
    for one in listed if isinstance(listed, list) else ():
        if isinstance(one, dict) and str(one.get("type")).lower() == "correlation":
            info = one.get("info")
            value: Any = info.get("value") if isinstance(info, dict) else None
            ids += [str(part)[:64] for part in value.values()] if isinstance(value, dict) else []
    return " ".join(one for one in ids if one) or "unknown"


def header(answer: Answer, name: str) -> str:
    """Return a header of an answer, or an empty string.

    Args:
        answer: the answer.
        name: of the header, in lower case.
    """
    return next((v.strip() for k, v in answer.headers.items() if k.lower() == name), "")
