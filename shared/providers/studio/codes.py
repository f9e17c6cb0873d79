"""The table of Studio's documented errors: what each means for the caller, and its cure.

Classes, codes and statuses: studio-classic §5. A row counts for its HTTP status alone;
an error that is in no row counts by its status.

* 4xx is a refusal: nothing happened, and repeating cannot help.
* 429 and 503 say that the request was not taken.
* 401 is not final: a service that was just published answers it for some minutes
  (studio-classic §2).
* 408, 440 and 5xx leave open whether a write happened, also where the code names a lasting
  fault: a service that cannot load the model it was just given may have been given it, so
  ModelPackageFormatError and WebServicePackageInternalError are checked like the others.
  Only GetWorkspaceFailed is final: where no workspace was found, nothing was changed in it.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from shared.providers.studio import hints as cures


class Meaning(StrEnum):
    """What the caller may conclude from an error."""

    REPEAT = "repeat"  #: it did not happen, and the same call may work later
    REPEAT_BRIEFLY = "repeat briefly"  #: as REPEAT, where only the next minutes can help
    CHECK = "check"  #: a write may have happened; a read may be repeated
    CHECK_BRIEFLY = "check briefly"  #: as LOOK, where waiting longer is unlikely to help
    PARK = "park"  #: it did not happen, and an operator must do something


@dataclass(frozen=True, slots=True)
class ErrorCode:
    """One class of errors: its status, its code, its cure, and the cures of its details."""

    http: int
    code: str
    means: Meaning
    cure: str = ""
    details: Mapping[str, str] = field(default_factory=dict)


TABLE: Final = (
    ErrorCode(400, "BadArgument", Meaning.PARK, "", cures.BAD_ARGUMENT),
    ErrorCode(400, "BadUserArgument", Meaning.PARK, "", cures.BAD_USER_ARGUMENT),
    ErrorCode(400, "InvalidOperation", Meaning.PARK, "", cures.INVALID_OPERATION),
    ErrorCode(400, "LibraryExecutionError", Meaning.PARK, cures.MODULE, cures.MODULE_FAULTS),
    ErrorCode(400, "ModuleExecutionError", Meaning.PARK, cures.MODULE, cures.MODULE_FAULTS),
    ErrorCode(400, "WebServicePackageError", Meaning.PARK, cures.PACKAGE, cures.PACKAGE_FAULTS),
    ErrorCode(400, "BadRequest", Meaning.PARK, "", cures.NEW_SERVICE),
    ErrorCode(401, "Unauthorized", Meaning.REPEAT_BRIEFLY, cures.KEY, cures.UNAUTHORIZED),
    ErrorCode(403, "AuthorizationFailed", Meaning.PARK, cures.RIGHTS),
    ErrorCode(404, "NotFound", Meaning.PARK, "", cures.NOT_FOUND),
    ErrorCode(408, "RequestTimeout", Meaning.CHECK, "", cures.TIMED_OUT),
    ErrorCode(409, "Conflict", Meaning.PARK, "", cures.CONFLICT),
    ErrorCode(413, "MemoryQuotaViolation", Meaning.PARK, cures.MEMORY, cures.OUT_OF_MEMORY),
    ErrorCode(500, "InternalError", Meaning.CHECK, "", cures.INTERNAL),
    ErrorCode(500, "InternalErrorSystemLowOnMemory", Meaning.CHECK),
    ErrorCode(500, "ModelPackageFormatError", Meaning.CHECK_BRIEFLY, cures.MODEL),
    ErrorCode(
        500,
        "WebServicePackageInternalError",
        Meaning.CHECK_BRIEFLY,
        cures.PACKAGE,
        cures.INTERNAL_PACKAGE,
    ),
    ErrorCode(500, "GetWorkspaceFailed", Meaning.PARK, cures.REGION),
    ErrorCode(503, "InitializingContainers", Meaning.REPEAT, cures.WAKING),
    ErrorCode(503, "ServiceUnavailable", Meaning.REPEAT, "", cures.UNAVAILABLE),
    ErrorCode(504, "GatewayTimeout", Meaning.CHECK, "", cures.GATEWAY),
)
#: For answers without a code that is known. Other 5xx are like 500, all the rest like 400.
STATUSES: Final = {
    400: Meaning.PARK,
    401: Meaning.REPEAT_BRIEFLY,
    408: Meaning.CHECK,
    429: Meaning.REPEAT,
    440: Meaning.CHECK,
    500: Meaning.CHECK,
    503: Meaning.REPEAT,
}
#: Refusals that are known to pass, by their words: this one was seen now and then
#: (studio-classic §3).
PASSING: Final = ("URL of the retraining model is invalid",)
_MOST_CURES: Final = 2
#: What may be a code in a sentence: words written together, each with a capital.
_IN_WORDS: Final = re.compile(r"\b[A-Z][a-z]+(?:[A-Z][A-Za-z]*)+\b")
_SERVER_ERROR: Final = 500

_MEANINGS: Final = {
    (row.http, code): row.means for row in TABLE for code in (row.code, *row.details)
}
_OF_CLASSES: Final = {row.code: row.cure for row in TABLE if row.cure}
_OF_DETAILS: Final = {(row.http, code): cure for row in TABLE for code, cure in row.details.items()}
_ANYWHERE: Final = {code: cure for (_, code), cure in _OF_DETAILS.items() if cure}


def meaning(status: int, codes: Iterable[str], words: str) -> Meaning:
    """Return what an error means for the caller.

    Args:
        status: the HTTP status of the answer.
        codes: the codes that the answer names, the most specific first.
        words: the service's own words.
    """
    usual = STATUSES[500 if status >= _SERVER_ERROR else 400]
    by_status = STATUSES.get(status, usual)
    means = next((_MEANINGS[status, c] for c in codes if (status, c) in _MEANINGS), by_status)
    if means is Meaning.PARK and any(text.lower() in words.lower() for text in PASSING):
        return Meaning.REPEAT_BRIEFLY
    return means


def likely_cure(status: int, code: str, details: Iterable[str], words: str) -> str:
    """Return the likely cures of an error, the most specific ones, or an empty text.

    Args:
        status: the HTTP status of the answer.
        code: its class.
        details: the codes of its details; one seen with another status is known all the same.
        words: the service's own words.
    """
    telling = [next((cure for known, cure in cures.WORDS.items() if known.search(words)), "")]
    telling += [_OF_DETAILS.get((status, one), _ANYWHERE.get(one, "")) for one in details]
    found = list(dict.fromkeys(one for one in telling if one))
    if found:
        return "; ".join(found[:_MOST_CURES])
    return _OF_CLASSES.get(code) or cures.STATUSES.get(status, "")


def cure_in(words: str) -> str:
    """Return the likely cures of a failure that is reported in words alone, or an empty text.

    Codes stand among the words there: a failed job's details have them (studio-classic §1.4).
    """
    codes = _IN_WORDS.findall(words)
    named = next((code for code in codes if code in _OF_CLASSES), "")
    return likely_cure(0, named, codes, words)
