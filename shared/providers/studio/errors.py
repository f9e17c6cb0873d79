"""The error for each answer of a service, with its reason: its codes, its words, and the advice.

Classes, codes and statuses: studio-classic §5. A row counts only for its HTTP status;
an error that is in no row counts by its status.

* 4xx is a refusal: nothing happened, and repeating cannot help.
* 429 and 503 say that the request was not taken.
* 401 is not final: a service that was just published answers it for some minutes
  (studio-classic §2).
* 408, 440 and 5xx leave open whether a write happened, also where the code names a lasting
  fault: a service that cannot load the model it was just given may have been given it, so
  ModelPackageFormatError and WebServicePackageInternalError are checked like the others.
  Only GetWorkspaceFailed is final: where no workspace was found, nothing was changed in it.

Envelope: studio-classic §5. Some errors are plain text or a gateway's HTML page,
`details` may be missing, and an older form has them next to the error. Resource Manager nests
further codes in inner errors, and an identity service names its code `error`.
"""

import re
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any, Final

from shared.core.redaction import redact
from shared.core.secret_shapes import Cleaner
from shared.errors import OutcomeUnknownError, PermanentError, RelearnError, TransientError
from shared.providers.http.client import Answer
from shared.providers.studio import hints
from shared.providers.studio.web_service_definition import member

#: Refusals that are known to pass, by their words: this one was seen now and then
#: (studio-classic §3).
PASSING: Final = ("URL of the retraining model is invalid",)
_MOST_ADVICE: Final = 2
#: What may be a code in a sentence: words written together, each with a capital.
_IN_WORDS: Final = re.compile(r"\b[A-Z][a-z]+(?:[A-Z][A-Za-z]*)+\b")
_SERVER_ERROR: Final = 500
#: Takes time only by the length of the page, also with tags that are not closed.
_TAGS: Final = re.compile(r"<(script|style)\b.*?(?:</\1>|\Z)|<[^<>]+>", re.IGNORECASE | re.DOTALL)
_LONGEST: Final = 2000
_LONGEST_TEXT: Final = 500
_LONGEST_CODE: Final = 100
#: Codes that are shown, and errors inside one another that are read, at most.
_MOST_CODES: Final = 5
_MOST_ERRORS: Final = 20
#: A service that was just published answers 401 for a while (studio-classic §2); nothing else
#: brief is longer.
_BRIEFLY: Final = timedelta(minutes=10)


class ErrorMeaning(StrEnum):
    """What the caller may conclude from an error."""

    REPEAT = "repeat"  #: it did not happen, and the same call may work later
    REPEAT_BRIEFLY = "repeat briefly"  #: as REPEAT, where only the next minutes can help
    CHECK = "check"  #: a write may have happened; a read may be repeated
    CHECK_BRIEFLY = "check briefly"  #: as CHECK, where waiting longer is unlikely to help
    PARK = "park"  #: it did not happen, and an operator must do something


@dataclass(frozen=True, slots=True)
class ErrorCode:
    """One class of errors: its status, its code, its advice, and the advice of its details."""

    http: int
    code: str
    means: ErrorMeaning
    advice: str = ""
    details: Mapping[str, str] = field(default_factory=dict)


TABLE: Final = (
    ErrorCode(400, "BadArgument", ErrorMeaning.PARK, "", hints.BAD_ARGUMENT),
    ErrorCode(400, "BadUserArgument", ErrorMeaning.PARK, "", hints.BAD_USER_ARGUMENT),
    ErrorCode(400, "InvalidOperation", ErrorMeaning.PARK, "", hints.INVALID_OPERATION),
    ErrorCode(400, "LibraryExecutionError", ErrorMeaning.PARK, hints.MODULE, hints.MODULE_FAULTS),
    ErrorCode(400, "ModuleExecutionError", ErrorMeaning.PARK, hints.MODULE, hints.MODULE_FAULTS),
    ErrorCode(
        400, "WebServicePackageError", ErrorMeaning.PARK, hints.PACKAGE, hints.PACKAGE_FAULTS
    ),
    ErrorCode(400, "BadRequest", ErrorMeaning.PARK, "", hints.NEW_SERVICE),
    ErrorCode(401, "Unauthorized", ErrorMeaning.REPEAT_BRIEFLY, hints.KEY, hints.UNAUTHORIZED),
    ErrorCode(403, "AuthorizationFailed", ErrorMeaning.PARK, hints.RIGHTS),
    ErrorCode(404, "NotFound", ErrorMeaning.PARK, "", hints.NOT_FOUND),
    ErrorCode(408, "RequestTimeout", ErrorMeaning.CHECK, "", hints.TIMED_OUT),
    ErrorCode(409, "Conflict", ErrorMeaning.PARK, "", hints.CONFLICT),
    ErrorCode(413, "MemoryQuotaViolation", ErrorMeaning.PARK, hints.MEMORY, hints.OUT_OF_MEMORY),
    ErrorCode(500, "InternalError", ErrorMeaning.CHECK, "", hints.INTERNAL),
    ErrorCode(500, "InternalErrorSystemLowOnMemory", ErrorMeaning.CHECK),
    ErrorCode(500, "ModelPackageFormatError", ErrorMeaning.CHECK_BRIEFLY, hints.MODEL),
    ErrorCode(
        500,
        "WebServicePackageInternalError",
        ErrorMeaning.CHECK_BRIEFLY,
        hints.PACKAGE,
        hints.INTERNAL_PACKAGE,
    ),
    ErrorCode(500, "GetWorkspaceFailed", ErrorMeaning.PARK, hints.REGION),
    ErrorCode(503, "InitializingContainers", ErrorMeaning.REPEAT, hints.WAKING),
    ErrorCode(503, "ServiceUnavailable", ErrorMeaning.REPEAT, "", hints.UNAVAILABLE),
    ErrorCode(504, "GatewayTimeout", ErrorMeaning.CHECK, "", hints.GATEWAY),
)
#: For answers without a code that is known. Other 5xx are like 500, all the rest like 400.
STATUSES: Final = {
    400: ErrorMeaning.PARK,
    401: ErrorMeaning.REPEAT_BRIEFLY,
    408: ErrorMeaning.CHECK,
    429: ErrorMeaning.REPEAT,
    440: ErrorMeaning.CHECK,
    500: ErrorMeaning.CHECK,
    503: ErrorMeaning.REPEAT,
}

_MEANINGS: Final = {
    (row.http, code): row.means for row in TABLE for code in (row.code, *row.details)
}
_OF_CLASSES: Final = {row.code: row.advice for row in TABLE if row.advice}
_OF_DETAILS: Final = {
    (row.http, code): advice for row in TABLE for code, advice in row.details.items()
}
_ANYWHERE: Final = {code: advice for (_, code), advice in _OF_DETAILS.items() if advice}


def meaning(status: int, codes: Iterable[str], words: str) -> ErrorMeaning:
    """Return what an error means for the caller.

    Args:
        status: the HTTP status of the answer.
        codes: the codes that the answer names, the most specific first.
        words: the service's own words.
    """
    usual = STATUSES[500 if status >= _SERVER_ERROR else 400]
    by_status = STATUSES.get(status, usual)
    means = next((_MEANINGS[status, c] for c in codes if (status, c) in _MEANINGS), by_status)
    if means is ErrorMeaning.PARK and any(text.lower() in words.lower() for text in PASSING):
        return ErrorMeaning.REPEAT_BRIEFLY
    return means


def likely_advice(status: int, code: str, details: Iterable[str], words: str) -> str:
    """Return the likely advice of an error, the most specific ones, or an empty text.

    Args:
        status: the HTTP status of the answer.
        code: its class.
        details: the codes of its details; one seen with another status is known all the same.
        words: the service's own words.
    """
    known_advice = [
        next((advice for known, advice in hints.WORDS.items() if known.search(words)), "")
    ]
    known_advice += [_OF_DETAILS.get((status, one), _ANYWHERE.get(one, "")) for one in details]
    found = list(dict.fromkeys(one for one in known_advice if one))
    if found:
        return "; ".join(found[:_MOST_ADVICE])
    return _OF_CLASSES.get(code) or hints.STATUSES.get(status, "")


def advice_in(words: str) -> str:
    """Return the likely advice of a failure that is reported only in words, or an empty text.

    Codes are among the words there: a failed job's details have them (studio-classic §1.4).
    """
    codes = _IN_WORDS.findall(words)
    named = next((code for code in codes if code in _OF_CLASSES), "")
    return likely_advice(0, named, codes, words)


_PATIENCE: Final = {ErrorMeaning.REPEAT_BRIEFLY: _BRIEFLY, ErrorMeaning.CHECK_BRIEFLY: _BRIEFLY}
_MAY_HAVE_HAPPENED: Final = frozenset({ErrorMeaning.CHECK, ErrorMeaning.CHECK_BRIEFLY})


@dataclass(frozen=True, slots=True)
class Refusal:
    """An error answer, read."""

    status: int  #: 0: it was reported in an answer that is no error
    code: str
    detail_codes: tuple[str, ...]
    text: str  #: the service's own words, without secrets

    @property
    def codes(self) -> frozenset[str]:
        """Every code that the answer names."""
        return frozenset({self.code, *self.detail_codes})

    def __str__(self) -> str:
        named = [code for code in dict.fromkeys((self.code, *self.detail_codes)) if code]
        codes = f"{', '.join(named[:_MOST_CODES])}: " if named else ""
        said = f"{codes}{self.text or 'no reason given'}"
        return f"{said} (HTTP {self.status})" if self.status else said


class StudioRefusedError(PermanentError):
    """The service refuses; `refusal` holds its own codes and words."""

    def __init__(self, message: str, refusal: Refusal) -> None:
        super().__init__(message)
        self.refusal = refusal


def read_refusal(answer: Answer, clean: Cleaner = redact) -> Refusal:
    """Return what an answer that is not 2xx says.

    Args:
        answer: what came back.
        clean: redacts its texts, before they are cut short.
    """
    decoded = answer.json()
    if (error := _error_in(decoded)) is not None:
        return read_error(error, answer.status, clean)
    text = " ".join(_TAGS.sub(" ", clean(answer.text())).split())
    return Refusal(answer.status, "", (), text[:_LONGEST_TEXT])


def _error_in(decoded: object) -> Mapping[str, Any] | None:
    """Return the error object of a body, in any of the known forms."""
    for name in ("error", "odata.error"):
        error = member(decoded, name)
        if isinstance(error, Mapping):
            inside, beside = member(error, "details"), member(decoded, "details")
            return error if inside else {**error, "details": beside}
    described = member(decoded, "error_description")
    if isinstance(described, str):
        return {"code": member(decoded, "error"), "message": described}
    whole = all(isinstance(member(decoded, name), str) for name in ("code", "message"))
    return decoded if whole and isinstance(decoded, Mapping) else None


def read_error(error: Mapping[str, Any], status: int, clean: Cleaner = redact) -> Refusal:
    """Return what an error object says: one out of an envelope, or an operation's `errorInfo`.

    Args:
        error: the object with `code`, `message` and perhaps `details` (studio-classic §4, §5).
        status: the HTTP status of the answer that it came with; 0 where that is no error.
        clean: redacts its texts, before they are cut short.
    """
    first, *inner = _errors(error)
    words = [_message(first), *(_words(one) for one in inner)]
    text = clean(" ".join(word for word in words if word))
    codes = tuple(_code(one, clean) for one in inner)
    return Refusal(status, _code(first, clean), codes, " ".join(text.split())[:_LONGEST])


def sort_refusal(
    answer: Answer, what: str, clean: Cleaner = redact, *, write: bool
) -> RelearnError:
    """Return the error to raise for an answer that is not 2xx (design rule 7).

    Its message holds what was asked for, the service's own codes and words, and the likely advice.

    Args:
        answer: what came back.
        what: what was asked for, to start the message with.
        clean: redacts its texts, before they are cut short.
        write: whether the request could have had an effect.
    """
    refusal = read_refusal(answer, clean)
    message = f"{what}: {explained(refusal)}"
    means = meaning(refusal.status, (*refusal.detail_codes, refusal.code), refusal.text)
    error: RelearnError
    if means is ErrorMeaning.PARK:
        error = StudioRefusedError(message, refusal)
    elif write and means in _MAY_HAVE_HAPPENED:
        error = OutcomeUnknownError(message)
    else:
        wait = answer.retry_after(datetime.now(UTC))
        error = TransientError(message, retry_after=wait, patience=_PATIENCE.get(means))
    error.advice = advice(refusal)
    return error


def explained(refusal: Refusal) -> str:
    """Return the service's own codes and words, and the likely advice where one is known."""
    likely = advice(refusal)
    return f"{refusal}: {likely}" if likely else str(refusal)


def advice(refusal: Refusal) -> str:
    """Return the likely advice for a refusal, or an empty string."""
    return likely_advice(refusal.status, refusal.code, refusal.detail_codes, refusal.text)


def _errors(error: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Yield an error, then those inside of it: its details, and what caused it."""
    left, read = deque([error]), 0
    while left and read < _MOST_ERRORS:
        one, read = left.popleft(), read + 1
        yield one
        caused = [*_listed(one, "details"), member(one, "innererror"), member(one, "inner_error")]
        caused += [member(info, "info", "value") for info in _listed(one, "additionalInfo")]
        left += [each for each in caused if isinstance(each, Mapping)]


def _listed(holder: Mapping[str, Any], name: str) -> list[Any]:
    found = member(holder, name)
    return found if isinstance(found, list) else []


def _words(detail: Mapping[str, Any]) -> str:
    # The target names the module of the experiment that failed.
    target, message = member(detail, "target"), _message(detail)
    return ": ".join(str(part) for part in (target, message) if part)


def _message(error: Mapping[str, Any]) -> str:
    message = member(error, "message")
    if isinstance(message, Mapping):  # in the form of OData, with its language
        message = member(message, "value")
    return str(message) if message else ""


def _code(error: Mapping[str, Any], clean: Cleaner) -> str:
    code = member(error, "code")
    shown = str(code) if isinstance(code, str | int) else ""
    return " ".join(clean(shown).split())[:_LONGEST_CODE]
