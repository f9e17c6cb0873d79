"""Clients for storage accounts: by a connection string, or by an identity of the app."""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from azure.storage.blob import BlobServiceClient, ContainerClient, ExponentialRetry

from shared.core.hosts import is_loopback
from shared.errors import ConfigError
from shared.ports.clock import Clock, StorageClock
from shared.providers.azure_storage.blobs import AccountBlobs
from shared.providers.azure_storage.documents import BlobDocuments

if TYPE_CHECKING:
    from azure.core.credentials import TokenCredential

#: Each wait for bytes from a storage account, in seconds, and how often a call is repeated.
STORAGE_READ_TIMEOUT: Final = 8
STORAGE_REPEATS: Final = 2


def account_of(
    environment: Mapping[str, str],
    name: str,
    *,
    development: bool,
    options: Mapping[str, Any] | None = None,
) -> BlobServiceClient:
    """Return a client for a connection.

    Args:
        environment: the app settings.
        name: of the setting with a connection string, or what an identity's settings begin with.
        development: whether plain http to this machine is allowed.
        options: how requests are sent; None: as those of the app are.

    Returns:
        The client; no request is made.

    Raises:
        ConfigError: it is not a connection string, or https is required.
    """
    options = _options() if options is None else options
    try:
        if text := environment.get(name):
            account = BlobServiceClient.from_connection_string(text, **options)
        else:
            url = _service_uri(environment, name)
            account = BlobServiceClient(url, credential_of(environment, name), **options)
    except ValueError:
        raise ConfigError(f"{name} is not a connection string of a storage account") from None
    if account.url.startswith("http://") and not (development and is_loopback(account.url)):
        raise ConfigError(f"{name}: https is required (http only on loopback, in Development)")
    return account


def account_at(url: str, *, development: bool) -> BlobServiceClient:
    """Return a client for an account that no setting names, by the identity of the app.

    Args:
        url: of the account.
        development: whether plain http to this machine is allowed.

    Raises:
        ConfigError: https is required.
    """
    if url.startswith("http://") and not (development and is_loopback(url)):
        raise ConfigError(f"{url}: https is required (http only on loopback, in Development)")
    from azure.identity import DefaultAzureCredential  # noqa: PLC0415 -- slow, and seldom needed

    return BlobServiceClient(url, DefaultAzureCredential(), **_options())


def blobs_of(account: BlobServiceClient, clock: Clock) -> AccountBlobs:
    """Return the blobs of an account.

    Args:
        account: the client.
        clock: of the storage: a signature of a host whose clock is ahead is not valid yet.

    Returns:
        The blobs.
    """
    return AccountBlobs(account, clock, https_only=not is_loopback(account.url), options=_options())


def documents_of(
    container: ContainerClient, host: Clock, new_id: Callable[[], str]
) -> tuple[BlobDocuments, StorageClock]:
    """Return the documents of a container, and the storage's clock, which gives their age.

    Args:
        container: the client.
        host: the clock of this host.
        new_id: draws the id of a write.

    Returns:
        The documents, and the clock.
    """

    def now() -> datetime:
        return clock.now()

    documents = BlobDocuments(container, new_id, now=now)
    clock = StorageClock(host, documents.time)
    return documents, clock


def credential_of(environment: Mapping[str, str], name: str) -> "TokenCredential":
    """Return the identity of a connection without a connection string.

    Args:
        environment: the app settings.
        name: what the settings of the connection begin with.
    """
    # Only where an identity is used; the blob binding is free to stop bringing it.
    from azure.identity import DefaultAzureCredential, ManagedIdentityCredential  # noqa: PLC0415

    if environment.get(f"{name}__credential", "").lower() == "managedidentity":
        return ManagedIdentityCredential(client_id=environment.get(f"{name}__clientId"))
    return DefaultAzureCredential()


def _options() -> dict[str, Any]:
    """Return how requests to storage are sent, with or without an account's credential.

    The SDK's own repeats are the only ones for storage, and end within half a minute: a call
    that writes and then reads back what was written takes two of these, and stays under
    `Limits.longest_step` even if the account accepts everything and never answers.
    """
    retry = ExponentialRetry(
        initial_backoff=1, increment_base=2, retry_total=STORAGE_REPEATS, random_jitter_range=1
    )
    return {
        "retry_policy": retry,
        "connection_timeout": 5,
        "read_timeout": STORAGE_READ_TIMEOUT,
    }


def _service_uri(environment: Mapping[str, str], name: str) -> str:
    for form in ("blobServiceUri", "serviceUri"):
        if uri := environment.get(f"{name}__{form}"):
            return uri
    return f"https://{environment[f'{name}__accountName']}.blob.core.windows.net"
