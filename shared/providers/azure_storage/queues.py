"""The `Queues` port over a storage account, by a connection string or an identity of the app."""

from collections.abc import Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any

from azure.core.exceptions import AzureError, ResourceNotFoundError

from shared.core.hosts import is_loopback
from shared.errors import ConfigError, TransientError
from shared.providers.azure_storage.accounts import (
    STORAGE_READ_TIMEOUT,
    STORAGE_REPEATS,
    credential_of,
)
from shared.providers.azure_storage.errors import classify

if TYPE_CHECKING:
    from azure.storage.queue import QueueServiceClient


class AccountQueues:
    """Queues of one storage account.

    Its client is made on first use, because the import is slow and few calls need it.

    Args:
        environment: the app settings.
        name: of the setting with a connection string, or what an identity's settings begin with.
        account: the name of the storage account.
        development: whether plain http to this machine is allowed.
    """

    def __init__(
        self, environment: Mapping[str, str], name: str, account: str, *, development: bool
    ) -> None:
        self._environment, self._name = environment, name
        self._account, self._development = account, development

    @property
    def account(self) -> str:
        """The name of the storage account."""
        return self._account

    def count(self, name: str) -> int | None:
        """Return about how many messages a queue holds; None where there is no such queue.

        Messages that are invisible for a time are counted too.

        Raises:
            TransientError: the storage gives no usable answer now.
            PermanentError: the storage refuses.
            ConfigError: https is required.
        """
        if self._client is None:
            return None
        try:
            with self._client.get_queue_client(name) as queue:
                found = queue.get_queue_properties()
        except ResourceNotFoundError:
            return None
        except AzureError as exc:
            raise classify(exc, f"count the messages of queue {name}", write=False) from exc
        if found.approximate_message_count is None:  # a proxy may answer in its place
            raise TransientError(f"count the messages of queue {name}: no storage queue answers")
        return int(found.approximate_message_count)

    @cached_property
    def _client(self) -> "QueueServiceClient | None":
        """The client; None where the blobs are on this machine, and nothing says where queues are.

        A name in a connection string would lead to an account of that name in the cloud.
        """
        from azure.storage.queue import (  # noqa: PLC0415 -- slow, and seldom needed
            ExponentialRetry,
            QueueServiceClient,
        )

        options: dict[str, Any] = {
            "retry_policy": ExponentialRetry(
                initial_backoff=1,
                increment_base=2,
                retry_total=STORAGE_REPEATS,
                random_jitter_range=1,
            ),
            "connection_timeout": 5,
            "read_timeout": STORAGE_READ_TIMEOUT,
        }
        if text := self._environment.get(self._name):
            client = QueueServiceClient.from_connection_string(text, **options)
            if _on_this_machine(text) and not is_loopback(client.url):
                return None
        elif url := _service_uri(self._environment, self._name):
            client = QueueServiceClient(
                url, credential_of(self._environment, self._name), **options
            )
        else:
            return None
        if client.url.startswith("http://") and not (self._development and is_loopback(client.url)):
            raise ConfigError(
                f"{self._name}: https is required (http only on loopback, in Development)"
            )
        return client


def _on_this_machine(connection_string: str) -> bool:
    """Whether the blobs of a connection string are on this machine."""
    members = (member.partition("=") for member in connection_string.split(";"))
    found = {key.strip().lower(): value.strip() for key, _, value in members}
    return is_loopback(found.get("blobendpoint", ""))


def _service_uri(environment: Mapping[str, str], name: str) -> str | None:
    if uri := environment.get(f"{name}__queueServiceUri"):
        return uri
    account = environment.get(f"{name}__accountName")
    return f"https://{account}.queue.core.windows.net" if account else None
