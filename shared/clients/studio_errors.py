"""What each answer of Studio's services proves, and its own reason in words.

Envelope, classes and codes: contract studio-classic §5. Some errors are plain text or a
gateway's HTML page, and `details` may be missing.
"""

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from shared.clients.http import Answer
from shared.core.redact import redact
from shared.errors import OutcomeUnknown, PermanentError, RelearnError, TransientError

_TAGS: Final = re.compile(r"<(script|style).*?</\1>|<[^>]+>", re.IGNORECASE | re.DOTALL)
#: The service says that it did not take the request.
_REFUSED: Final = frozenset({429, 503})
#: Something between us and the effect gave up; a write may have happened.
_UNCLEAR: Final = frozenset({408, 440, 509})
_LONGEST: Final = 2000
_LONGEST_TEXT: Final = 500
_UNAUTHORIZED: Final = 401
_SERVER_ERROR: Final = 500
#: A service that was just published answers 401 for a while (§2).
_UNTIL_PUBLISHED: Final = timedelta(minutes=10)

_CURES: Final = {
    "GetWorkspaceFailed": "use the management host of the workspace's own region",
    "InvalidInputNames": "correct the names under training.inputs",
    "BatchJobInputsNotSpecified": "name the service's inputs under training.inputs",
    "InvalidOutputOverrideName": "correct the names under training.outputs; case matters",
    "InvalidBlobExtension": "inputs must be .csv, .tsv or .arff and a model .ilearner",
    "MissingRequiredGlobalParameters": "add the parameter under training.parameters",
    "UnexpectedParameter": "remove the parameter from training.parameters",
    "WebServiceNotFound": "correct the service URL",
    "WebServiceIdNotFoundInWorkspace": "correct the service URL",
    "WorkspaceNotFound": "correct the workspace in the URL",
}


@dataclass(frozen=True, slots=True)
class Refusal:
    """An error answer, read."""

    status: int
    code: str
    detail_codes: tuple[str, ...]
    text: str  #: the service's own words, without secrets

    @property
    def codes(self) -> frozenset[str]:
        """Every code that the answer names."""
        return frozenset({self.code, *self.detail_codes})

    def __str__(self) -> str:
        return f"{self.text or 'no reason given'} (HTTP {self.status})"


class StudioRefused(PermanentError):  # noqa: N818 -- it names what the service did
    """The service refuses; `refusal` holds its own words and codes."""

    def __init__(self, message: str, refusal: Refusal) -> None:
        super().__init__(message)
        self.refusal = refusal


def read_refusal(answer: Answer, *secrets: str) -> Refusal:
    """Return what an answer that is not 2xx says."""
    decoded = answer.json()
    error = decoded.get("error") if isinstance(decoded, dict) else None
    if not isinstance(error, dict):
        text = " ".join(_TAGS.sub(" ", redact(answer.text(), *secrets)).split())
        return Refusal(answer.status, "", (), text[:_LONGEST_TEXT])
    listed = error.get("details")
    details = [d for d in listed if isinstance(d, dict)] if isinstance(listed, list) else []
    words = [error.get("message"), *(d.get("message") for d in details)]
    text = redact(" ".join(str(word) for word in words if word), *secrets)[:_LONGEST]
    codes = tuple(str(d.get("code", "")) for d in details)
    return Refusal(answer.status, str(error.get("code", "")), codes, text)


def sort_refusal(answer: Answer, what: str, *secrets: str, write: bool) -> RelearnError:
    """Return the error to raise for an answer that is not 2xx (rule 7).

    Args:
        answer: what came back.
        what: what was asked for, to start the message with.
        secrets: keys used in the request, in case the answer repeats them.
        write: whether the request could have had an effect.
    """
    refusal = read_refusal(answer, *secrets)
    message = f"{what}: {refusal}"
    if answer.status in _REFUSED:
        return TransientError(message, retry_after=answer.retry_after(datetime.now(UTC)))
    if answer.status == _UNAUTHORIZED:
        cure = "see whether the key in the app setting belongs to this endpoint"
        return TransientError(f"{message}: {cure}", patience=_UNTIL_PUBLISHED)
    if cure := advice(refusal):
        return StudioRefused(f"{message}: {cure}", refusal)
    if answer.status in _UNCLEAR or answer.status >= _SERVER_ERROR:
        return OutcomeUnknown(message) if write else TransientError(message)
    return StudioRefused(message, refusal)


def advice(refusal: Refusal) -> str:
    """Return the likely cure for a refusal, or an empty string."""
    return next((_CURES[code] for code in sorted(refusal.codes) if code in _CURES), "")
