"""What each answer of Studio's services proves, and its own reason in words.

Envelope: studio-classic §5. Some errors are plain text or a gateway's HTML page,
`details` may be missing, and an older form has them beside the error.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from shared.clients.http import Answer
from shared.clients.studio_codes import Meaning, likely_cure, meaning
from shared.core.redact import redact
from shared.core.signatures import Cleaner
from shared.errors import OutcomeUnknown, PermanentError, RelearnError, TransientError

#: Takes time by the length of the page alone, whatever is in it and is not closed.
_TAGS: Final = re.compile(r"<(script|style)\b.*?(?:</\1>|\Z)|<[^<>]+>", re.IGNORECASE | re.DOTALL)
_LONGEST: Final = 2000
_LONGEST_TEXT: Final = 500
_LONGEST_CODE: Final = 100
#: A service that was just published answers 401 for a while (studio-classic §2); nothing else
#: brief is longer.
_BRIEFLY: Final = timedelta(minutes=10)
_PATIENCE: Final = {Meaning.REPEAT_BRIEFLY: _BRIEFLY, Meaning.LOOK_BRIEFLY: _BRIEFLY}
_MAY_HAVE_HAPPENED: Final = frozenset({Meaning.LOOK, Meaning.LOOK_BRIEFLY})


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


def read_refusal(answer: Answer, clean: Cleaner = redact) -> Refusal:
    """Return what an answer that is not 2xx says.

    Args:
        answer: what came back.
        clean: takes secrets out of its texts, before they are cut short.
    """
    decoded = answer.json()
    error = decoded.get("error") if isinstance(decoded, dict) else None
    if isinstance(decoded, dict) and isinstance(error, dict):
        beside = {"details": decoded.get("details")} if not error.get("details") else {}
        return read_error({**error, **beside}, answer.status, clean)
    text = " ".join(_TAGS.sub(" ", clean(answer.text())).split())
    return Refusal(answer.status, "", (), text[:_LONGEST_TEXT])


def read_error(error: Mapping[str, Any], status: int, clean: Cleaner = redact) -> Refusal:
    """Return what an error object says: one out of an envelope, or an operation's `errorInfo`.

    Args:
        error: the object with `code`, `message` and perhaps `details` (studio-classic §4, §5).
        status: the HTTP status of the answer that it came with.
        clean: takes secrets out of its texts, before they are cut short.
    """
    listed = error.get("details")
    details = [d for d in listed if isinstance(d, dict)] if isinstance(listed, list) else []
    words = [error.get("message"), *(_words(detail) for detail in details)]
    text = clean(" ".join(str(word) for word in words if word))
    codes = [_code(one, clean) for one in (error, *details)]
    return Refusal(status, codes[0], tuple(codes[1:]), " ".join(text.split())[:_LONGEST])


def sort_refusal(
    answer: Answer, what: str, clean: Cleaner = redact, *, write: bool
) -> RelearnError:
    """Return the error to raise for an answer that is not 2xx (design rule 7).

    Its message holds what was asked for, the service's own reason, and the likely cure.

    Args:
        answer: what came back.
        what: what was asked for, to start the message with.
        clean: takes secrets out of its texts, before they are cut short.
        write: whether the request could have had an effect.
    """
    refusal = read_refusal(answer, clean)
    message = f"{what}: {explained(refusal)}"
    means = meaning(refusal.status, (*refusal.detail_codes, refusal.code), refusal.text)
    if means is Meaning.PARK:
        return StudioRefused(message, refusal)
    if write and means in _MAY_HAVE_HAPPENED:
        return OutcomeUnknown(message)
    wait = answer.retry_after(datetime.now(UTC))
    return TransientError(message, retry_after=wait, patience=_PATIENCE.get(means))


def explained(refusal: Refusal) -> str:
    """Return the service's own reason, and the likely cure where one is known."""
    likely = advice(refusal)
    return f"{refusal}: {likely}" if likely else str(refusal)


def advice(refusal: Refusal) -> str:
    """Return the likely cure for a refusal, or an empty string."""
    return likely_cure(refusal.status, refusal.code, refusal.detail_codes, refusal.text)


def _words(detail: Mapping[str, Any]) -> str:
    # The target names the module of the experiment that failed.
    target, message = detail.get("target"), detail.get("message")
    return ": ".join(str(part) for part in (target, message) if part)


def _code(error: Mapping[str, Any], clean: Cleaner) -> str:
    code = error.get("code")
    return clean("" if code is None else str(code))[:_LONGEST_CODE]
