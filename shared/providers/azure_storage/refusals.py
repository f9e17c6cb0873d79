"""Explains refusals of a storage account to an operator, with the setting to correct.

A 403 says little: its code tells a missing role from the network's rules, a wrong key, and
a clock that is wrong (azure-storage §8). The words of the answer are never shown: they may repeat
what was sent.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Final

from azure.core.exceptions import (
    AzureError,
    ClientAuthenticationError,
    HttpResponseError,
    ServiceRequestError,
)
from urllib3.exceptions import NameResolutionError

from shared.core.findings import Finding, wrong
from shared.providers.azure_storage.errors import code_of, named_cause

BLOBS: Final = "Storage Blob Data Owner"
QUEUES: Final = "Storage Queue Data Contributor"
#: A request by key whose date differs by more is refused (azure-storage §8).
_LATEST: Final = timedelta(minutes=15)
_ROLE: Final = (
    "give the app's identity the role {role} on the storage account {account}; a new role is "
    "effective after up to 10 minutes"
)
_NETWORK: Final = (
    "allow the network of the app in the networking rules of {account} (its subnet, or a private "
    "endpoint)"
)
_NETWORK_OR_ROLE: Final = f"{_NETWORK}; if it is allowed there, {_ROLE}"
_NO_KEY: Final = (
    "remove the setting {connection}, and set {connection}__blobServiceUri to "
    "https://{account}.blob.core.windows.net and {connection}__queueServiceUri to "
    "https://{account}.queue.core.windows.net; then " + _ROLE
)
_KEY: Final = (
    "copy the connection string of {account} into the setting {connection} again: its key was "
    "changed, or is of another account"
)
_TENANT: Final = (
    "use an identity of the tenant that {account} is in (AZURE_TENANT_ID, or the identity in "
    "{connection}__clientId)"
)
_NAME: Final = (
    "correct the name of the account in the setting {connection}; if it is right, link the private "
    "DNS zone of storage to the network of the app"
)
_REACH: Final = (
    "open the way from the app to {account}: a firewall, a private endpoint or a proxy stops it"
)
_SIGN_IN: Final = (
    "assign a managed identity to the app (a user-assigned one needs {connection}__credential and "
    "{connection}__clientId); on your own machine sign in with a developer tool, such as az login"
)
_AGAIN: Final = "run doctor again in some minutes; the status page of Azure may say more"
CLOCK: Final = "set the clock of this host by a time server; in Azure restart the app"
_NOT_ONE: Final = (
    "the answer is not from a storage account",
    "correct the address in the setting {connection}, or the proxy that answers in its place",
)
#: What a code says, and the advice.
_CODES: Final = {
    "AuthorizationPermissionMismatch": ("the identity has no role that allows it", _ROLE),
    "InsufficientAccountPermissions": ("the identity has no role that allows it", _ROLE),
    "KeyBasedAuthenticationNotPermitted": ("the account allows no access by its key", _NO_KEY),
    "InvalidAuthenticationInfo": ("the account does not take the token of the identity", _TENANT),
    "ResourceNotFound": (
        "there is no such account at this address",
        "correct the name or the address of the account in the setting {connection}",
    ),
    "AccountIsDisabled": ("the account is disabled", "enable the storage account {account}"),
}


@dataclass(frozen=True, slots=True)
class Addressee:
    """Whom a request went to, and by which right: what advice names."""

    connection: str  #: the setting, or what its names begin with
    account: str
    by_key: bool
    role: str = BLOBS
    local: bool = False  #: whether it is the emulator, which has no network rules

    def filled(self, advice: str) -> str:
        """Return advice with the names of the setting, the account and the role."""
        return advice.format(connection=self.connection, account=self.account, role=self.role)


def finding_of(error: AzureError, step: str, asked: Addressee, now: datetime) -> Finding:
    """Return what an error of the storage means.

    Args:
        error: what the SDK raised.
        step: what was tried, such as `write a blob`.
        asked: whom the request went to.
        now: the time of this host.
    """
    why, advice = _meaning(error, asked, now)
    status = error.status_code if isinstance(error, HttpResponseError) else None
    code = code_of(error) or type(error).__name__
    shown = f"{code}, {status}" if status else code
    return wrong(f"{step}: {why} ({shown})", asked.filled(advice))


def not_one(step: str, asked: Addressee) -> Finding:
    """Return that something else than a storage account answers, such as a page of a proxy.

    Args:
        step: what was tried.
        asked: whom the request went to.
    """
    why, advice = _NOT_ONE
    return wrong(f"{step}: {why}", asked.filled(advice))


def served_at(error: AzureError) -> datetime | None:
    """Return what time the storage says it is, in an answer that refuses; None where it is not."""
    response = getattr(error, "response", None)
    return moment((getattr(response, "headers", None) or {}).get("Date", ""))


def moment(date: str) -> datetime | None:
    """Return the time in a header `Date`; None where it holds none."""
    try:
        at = parsedate_to_datetime(date)
    except (ValueError, TypeError, OverflowError):
        return None
    return at if at.tzinfo else at.replace(tzinfo=UTC)


def _meaning(error: AzureError, asked: Addressee, now: datetime) -> tuple[str, str]:
    code = code_of(error)
    if code in _CODES:
        return _CODES[code]
    if code == "AuthorizationFailure" and not asked.local:
        advice = _NETWORK if asked.by_key else _NETWORK_OR_ROLE
        return "the network rules of the account refuse this caller", advice
    if code in ("AuthenticationFailed", "AuthorizationFailure"):
        return _of_authentication(error, asked, now)
    if cause := named_cause(error):
        return cause.why, str(cause)
    status = error.status_code if isinstance(error, HttpResponseError) else None
    if status is None:
        return _of_transport(error, asked)
    if status in (401, 403):
        return "access is denied", _ROLE
    if status < 500:  # noqa: PLR2004 -- the class of refusals
        refused = "the account refuses the request", "see what the code says about {account}"
        return refused if status >= 400 else _NOT_ONE  # noqa: PLR2004 -- the class of refusals
    return "the account gives no usable answer", _AGAIN


def _of_authentication(error: AzureError, asked: Addressee, now: datetime) -> tuple[str, str]:
    at = served_at(error)
    if at is not None and abs(now - at) > _LATEST:
        minutes = round(abs(now - at) / timedelta(minutes=1))
        how = "ahead of" if now > at else "behind"
        return f"the clock of this host is {minutes} min {how} the storage's", CLOCK
    if asked.by_key:
        return "the account does not accept the key", _KEY
    return "the account does not accept the token of the identity", _TENANT


def _of_transport(error: AzureError, asked: Addressee) -> tuple[str, str]:
    if isinstance(error, ClientAuthenticationError):
        return "no identity gives a token for it", _SIGN_IN
    unknown = any(isinstance(one, NameResolutionError) for one in _causes(error))
    if isinstance(error, ServiceRequestError) and unknown:
        return f"no host is known by the name of account {asked.account}", _NAME
    return "the account cannot be reached", _REACH


def _causes(error: BaseException) -> Iterator[object]:
    """Yield an error, what it was made from, and so on."""
    left: list[object] = [error]
    for _ in range(20):
        if not left:
            return
        one = left.pop()
        yield one
        if isinstance(one, BaseException):
            inner = (getattr(one, name, None) for name in ("inner_exception", "reason"))
            left += [each for each in (one.__cause__, *inner, *one.args) if each is not None]
