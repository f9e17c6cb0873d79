"""Opens storage by the name of a connection, as bindings do: a setting, or its identity form."""

from collections.abc import Mapping
from functools import cache
from typing import Any

from azure.storage.blob import BlobServiceClient
from azure.storage.queue import QueueClient, TextBase64EncodePolicy

from local.host.config import RefusedError

# The host's own loops try again; a client that retries for a minute would only delay them.
_OPTIONS: dict[str, Any] = {"retry_total": 0, "connection_timeout": 5, "read_timeout": 20}


def check_connection(name: str, environment: Mapping[str, str], function: str) -> None:
    """Refuse a connection that nothing describes.

    Raises:
        RefusedError: neither `name` nor its identity form is set, or it is malformed.
    """
    if name in environment:
        try:
            BlobServiceClient.from_connection_string(environment[name]).close()
        except ValueError:
            raise RefusedError(
                f"function {function}: the setting {name} is not a connection string"
            ) from None
    elif not _service_uri(name, "blob", environment):
        raise RefusedError(
            f"function {function}: there is no setting {name}"
            f" (nor {name}__blobServiceUri for access by identity)"
        )


def blob_service(name: str, environment: Mapping[str, str]) -> BlobServiceClient:
    """Return a client for the blobs of a checked connection."""
    if name in environment:
        return BlobServiceClient.from_connection_string(environment[name], **_OPTIONS)
    uri = _service_uri(name, "blob", environment)
    return BlobServiceClient(uri, credential=_identity(), **_OPTIONS)


def queue(name: str, environment: Mapping[str, str], queue_name: str) -> QueueClient:
    """Return a client for a queue of a checked connection, writing base64 as the host does.

    Raises:
        ValueError: the connection is given by identity and names no queue service.
    """
    # Not by way of a service client, which keeps the encoding to itself.
    return _queue(name, environment, queue_name, message_encode_policy=TextBase64EncodePolicy())


def raw_queue(name: str, environment: Mapping[str, str], queue_name: str) -> QueueClient:
    """Return a client for a queue of a checked connection that leaves messages as they are.

    Raises:
        ValueError: the connection is given by identity and names no queue service.
    """
    return _queue(name, environment, queue_name)


def _queue(
    name: str, environment: Mapping[str, str], queue_name: str, **encoding: Any
) -> QueueClient:
    options = {**_OPTIONS, **encoding}
    if name in environment:
        return QueueClient.from_connection_string(environment[name], queue_name, **options)
    uri = _service_uri(name, "queue", environment)
    if not uri:
        raise ValueError(f"there is no setting {name}__queueServiceUri")
    return QueueClient(uri, queue_name, credential=_identity(), **options)


def _service_uri(name: str, service: str, environment: Mapping[str, str]) -> str:
    # `__serviceUri` is the blob service's older name (azure-functions §2.6).
    found = environment.get(f"{name}__{service}ServiceUri", "")
    return found or (environment.get(f"{name}__serviceUri", "") if service == "blob" else "")


@cache
def _identity() -> Any:
    from azure.identity import DefaultAzureCredential  # noqa: PLC0415 - slow, and seldom needed

    return DefaultAzureCredential()
