"""What each failure of the storage SDK proves (rule 7)."""

from typing import Final

from azure.core.exceptions import (
    AzureError,
    ClientAuthenticationError,
    DecodeError,
    HttpResponseError,
    ServiceRequestError,
)

from shared.errors import BadCursor, OutcomeUnknown, PermanentError, RelearnError, TransientError

_BUSY: Final = frozenset({408, 429, 503})
_SERVER_ERROR: Final = 500


def classify(exc: AzureError, what: str, *, write: bool) -> RelearnError:
    """Return the error to raise for `exc`, met while doing `what`.

    Args:
        exc: what the SDK raised, after its own retries.
        what: the operation and the name it was for; never a URL.
        write: whether it could have had an effect.
    """
    status = exc.status_code if isinstance(exc, HttpResponseError) else None
    code = str(getattr(exc, "error_code", None) or type(exc).__name__)
    where = f"storage: {what}: {code}" + (f" ({status})" if status else "")
    if isinstance(exc, ServiceRequestError) or status in _BUSY:
        return TransientError(f"{where}: the storage account cannot be reached or is busy")
    if isinstance(exc, ClientAuthenticationError) and status is None:
        return TransientError(f"{where}: no token could be got for the storage account")
    if status is not None and status < _SERVER_ERROR and not isinstance(exc, DecodeError):
        return PermanentError(f"{where}: {_cure(status)}")
    return OutcomeUnknown(where) if write else TransientError(where)


def classify_page(exc: AzureError, what: str, cursor: str | None) -> RelearnError:
    """Return the error to raise for `exc`, met while going on with a listing at `cursor`."""
    status = exc.status_code if isinstance(exc, HttpResponseError) else None
    if cursor is not None and status == 400:  # noqa: PLR2004 -- InvalidQueryParameterValue
        return BadCursor("the listing cannot be gone on with from this cursor: begin it again")
    return classify(exc, what, write=False)


def _cure(status: int) -> str:
    if status in (401, 403):
        return "access denied: see the connection setting and the roles of the identity"
    if status == 404:  # noqa: PLR2004 -- the code's own name is its meaning
        return "the container does not exist: create it or correct the setting that names it"
    return "the storage account refuses the request"
