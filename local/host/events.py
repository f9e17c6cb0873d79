"""Reads what Event Grid posts: the validation handshake, and blob events in both schemas."""

import json
from typing import Any, Final

from azure.storage.blob import BlobClient

from local.host.messages import JsonObject
from local.host.receipts import BlobVersion

_VALIDATION: Final = "Microsoft.EventGrid.SubscriptionValidationEvent"


class MalformedEventError(ValueError):
    """The body is not what Event Grid sends."""


def read_events(body: bytes) -> list[JsonObject]:
    """Return the events of a body: an array (Event Grid schema) or one object (CloudEvents 1.0).

    Raises:
        MalformedEventError: it is neither.
    """
    try:
        found: Any = json.loads(body)
    except ValueError:
        raise MalformedEventError("the body is not JSON") from None
    events = found if isinstance(found, list) else [found]
    if not all(isinstance(event, dict) and isinstance(event.get("data"), dict) for event in events):
        raise MalformedEventError("expected events, each with an object `data`")
    return events


def validation_code(events: list[JsonObject]) -> str | None:
    """Return the code that a new subscription wants to hear back, None for other events."""
    for event in events:
        if event.get("eventType") == _VALIDATION:
            return str(event["data"].get("validationCode", ""))
    return None


def blob_of(event: JsonObject) -> BlobVersion:
    """Return the blob that an event is about, read from `data.url` as the real extension does.

    The event's type is not checked, nor is it there (azure-functions §2.3): a
    deleted blob is dropped later, because it is gone.

    Raises:
        MalformedEventError: there is no address of a blob.
    """
    data = event["data"]
    try:
        client = BlobClient.from_blob_url(str(data["url"]))
    except (KeyError, ValueError):
        raise MalformedEventError("an event without the blob's address in data.url") from None
    etag = str(data.get("eTag", "")).strip('"')
    return BlobVersion(str(client.container_name), str(client.blob_name), etag)
