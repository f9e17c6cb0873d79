"""The error for each answer of a service, with its reason: its codes, its words, and the cure.

Envelope: studio-classic §5. Some errors are plain text or a gateway's HTML page,
`details` may be missing, and an older form has them beside the error. Resource Manager nests
further codes in inner errors, and an identity service names its code `error`.
"""

import re
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from shared.core.redaction import redact
from shared.core.secret_shapes import Cleaner
from shared.errors import OutcomeUnknownError, PermanentError, RelearnError, TransientError
from shared.providers.http.client import Answer
from shared.providers.studio.codes import Meaning, likely_cure, meaning
from shared.providers.studio.web_service_definition import member

#: Takes time by the length of the page alone, whatever is in it and is not closed.
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
_PATIENCE: Final = {Meaning.REPEAT_BRIEFLY: _BRIEFLY, Meaning.CHECK_BRIEFLY: _BRIEFLY}
_MAY_HAVE_HAPPENED: Final = frozenset({Meaning.CHECK, Meaning.CHECK_BRIEFLY})


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
        named = [code for code in dict.fromkeys((self.code, *self.detail_codes)) if code]
        codes = f"{', '.join(named[:_MOST_CODES])}: " if named else ""
        return f"{codes}{self.text or 'no reason given'} (HTTP {self.status})"


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
        status: the HTTP status of the answer that it came with.
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

    Its message holds what was asked for, the service's own codes and words, and the likely cure.

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
    if means is Meaning.PARK:
        error = StudioRefusedError(message, refusal)
    elif write and means in _MAY_HAVE_HAPPENED:
        error = OutcomeUnknownError(message)
    else:
        wait = answer.retry_after(datetime.now(UTC))
        error = TransientError(message, retry_after=wait, patience=_PATIENCE.get(means))
    error.cure = advice(refusal)
    return error


def explained(refusal: Refusal) -> str:
    """Return the service's own codes and words, and the likely cure where one is known."""
    likely = advice(refusal)
    return f"{refusal}: {likely}" if likely else str(refusal)


def advice(refusal: Refusal) -> str:
    """Return the likely cure for a refusal, or an empty string."""
    return likely_cure(refusal.status, refusal.code, refusal.detail_codes, refusal.text)


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
