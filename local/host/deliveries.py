"""Delivers blobs to one function: at least once, five tries, then the poison queue."""

import contextlib
import json
import logging
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from azure.core.exceptions import AzureError, ResourceExistsError, ResourceNotFoundError
from azure.storage.blob import BlobClient, BlobProperties

from local.host.messages import BlobContent, BlobReference, Outcome
from local.host.receipts import BlobVersion
from local.host.storage import blob_service, queue
from local.host.triggers import BlobTrigger

POISON_QUEUE: Final = "webjobs-blobtrigger-poison"
_PAUSE_SECONDS: Final = 0.1

_log = logging.getLogger(__name__)


class Deliveries:
    """The way from a blob's name to an invocation, and to the poison queue when that fails.

    Args:
        trigger: of the function.
        environment: where its connection is found.
        invoke: runs the function to its end.
        tries: after so many failures a blob is poison.
        parallel: so many blobs at once.
    """

    def __init__(
        self,
        trigger: BlobTrigger,
        environment: Mapping[str, str],
        invoke: Callable[[BlobContent | BlobReference], Outcome],
        *,
        tries: int,
        parallel: int,
    ) -> None:
        self._trigger, self._environment, self._invoke = trigger, environment, invoke
        self._tries = tries
        self._stopping = threading.Event()
        self._service = blob_service(trigger.connection, environment)
        name = f"blob {trigger.function}"
        self._pool = ThreadPoolExecutor(parallel, thread_name_prefix=name)

    def polled(self, version: BlobVersion, ended: Callable[[bool], None]) -> None:
        """Queue a version that a listing showed; it is skipped once its blob has changed.

        Args:
            version: with the ETag listed.
            ended: called at the end with whether this version needs no further delivery.
        """
        self._queue(version, ended, only_this_version=True)

    def announced(self, version: BlobVersion) -> None:
        """Queue a blob that an event or a request names, without checking path, receipt or ETag."""
        self._queue(version, lambda _: None, only_this_version=False)

    def stop(self) -> None:
        """Begin no further try; what is under way ends with its invocation."""
        self._stopping.set()
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _queue(
        self, version: BlobVersion, ended: Callable[[bool], None], *, only_this_version: bool
    ) -> None:
        with contextlib.suppress(RuntimeError):  # stopped in between: the next start finds it
            self._pool.submit(self._deliver, version, ended, only_this_version=only_this_version)

    def _deliver(
        self, version: BlobVersion, ended: Callable[[bool], None], *, only_this_version: bool
    ) -> None:
        done = False
        try:
            done = self._deliver_or_poison(version, only_this_version=only_this_version)
        except (AzureError, ValueError) as error:
            _log.error("%s: %s is not delivered: %s", self._trigger.function, version.name, error)
        finally:
            ended(done)

    def _deliver_or_poison(self, version: BlobVersion, *, only_this_version: bool) -> bool:
        for _ in range(self._tries):
            if self._stopping.is_set():
                return False
            try:
                properties, data = self._read(version)
            except ResourceNotFoundError:
                _log.debug("%s: %s is gone", self._trigger.function, version.name)
                return False
            if only_this_version and properties.etag.strip('"') != version.etag:
                return False  # the next listing brings the newer version
            if self._invoke(data).ok:
                return True
            self._stopping.wait(_PAUSE_SECONDS)
        if self._stopping.is_set():
            return False  # failures of a host that goes down are not the blob's
        self._poison(version, properties)
        return True

    def _read(self, version: BlobVersion) -> tuple[BlobProperties, BlobContent | BlobReference]:
        client = self._service.get_blob_client(version.container, version.name)
        if self._trigger.deferred:
            names = BlobReference(self._trigger.connection, version.container, version.name)
            return client.get_blob_properties(), names
        stream = client.download_blob()
        return stream.properties, _content(client, stream.properties, stream.readall())

    def _poison(self, version: BlobVersion, properties: BlobProperties) -> None:
        # The message of the real extension (azure-functions §2.4).
        message = {
            "FunctionId": f"Host.Functions.{self._trigger.function}",
            "BlobType": str(getattr(properties.blob_type, "value", properties.blob_type)),
            "ContainerName": version.container,
            "BlobName": version.name,
            "ETag": f'"{version.etag}"',
        }
        with queue(self._trigger.connection, self._environment, POISON_QUEUE) as client:
            with contextlib.suppress(ResourceExistsError):
                client.create_queue()
            client.send_message(json.dumps(message))
        _log.error(
            "%s: %s failed %d times and is on the queue %s",
            self._trigger.function,
            version.name,
            self._tries,
            POISON_QUEUE,
        )


def _content(client: BlobClient, properties: BlobProperties, content: bytes) -> BlobContent:
    return BlobContent(
        container=str(client.container_name),
        name=str(client.blob_name),
        uri=str(client.url).partition("?")[0],  # a connection by SAS carries its signature there
        properties={
            "ETag": properties.etag,
            "ContentLength": properties.size,
            "ContentType": properties.content_settings.content_type,
            "LastModified": properties.last_modified.isoformat(),
        },
        metadata=dict(properties.metadata or {}),
        content=content,
    )
