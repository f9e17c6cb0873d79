"""Finds new blobs by listing a container at an interval, in place of both blob sources."""

import logging
import threading
from functools import partial

from azure.core.exceptions import AzureError, ResourceNotFoundError
from azure.storage.blob import ContainerClient

from local.host.deliveries import Deliveries
from local.host.receipts import BlobVersion, Receipts
from local.host.triggers import BlobTrigger

_log = logging.getLogger(__name__)


class BlobPoller:
    """Lists one function's container and queues each version that has no receipt.

    Args:
        trigger: container, pattern and function.
        container: to list.
        receipts: of the function.
        deliveries: of the function.
        seconds: between two listings.
    """

    def __init__(
        self,
        trigger: BlobTrigger,
        container: ContainerClient,
        receipts: Receipts,
        deliveries: Deliveries,
        seconds: float,
    ) -> None:
        self._trigger, self._container, self._seconds = trigger, container, seconds
        self._receipts, self._deliveries = receipts, deliveries
        self._under_way: set[BlobVersion] = set()
        self._last_error = ""
        self._stop = threading.Event()
        name = f"polling {trigger.container}"
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        """Begin to list."""
        self._thread.start()

    def stop(self) -> None:
        """List no more."""
        self._stop.set()

    def _run(self) -> None:
        loaded = False
        while not self._stop.is_set():
            try:
                if not loaded:
                    self._receipts.load()
                    loaded = True
                self._list()
                self._note("")
            except ResourceNotFoundError:
                self._note("the container is not there yet; waiting for it")
            except AzureError as error:
                self._note(f"cannot be listed: {error}")
            self._stop.wait(self._seconds)

    def _list(self) -> None:
        # Paged by the library; the prefix keeps other blobs out of the listing.
        for blob in self._container.list_blobs(name_starts_with=self._trigger.prefix or None):
            version = BlobVersion(self._trigger.container, blob.name, blob.etag.strip('"'))
            if self._trigger.matches(blob.name) and self._is_new(version):
                self._under_way.add(version)
                self._deliveries.polled(version, partial(self._delivered, version))

    def _is_new(self, version: BlobVersion) -> bool:
        return version not in self._under_way and version not in self._receipts

    def _delivered(self, version: BlobVersion, done: bool) -> None:  # noqa: FBT001 - a callback
        try:
            if done:
                self._receipts.add(version)
        except AzureError as error:
            _log.warning("no receipt, so it comes again: %s: %s", version.name, error)
        finally:
            self._under_way.discard(version)

    def _note(self, step_failure: str) -> None:
        if step_failure and step_failure != self._last_error:
            _log.warning(
                "%s: %s: %s", self._trigger.function, self._trigger.container, step_failure
            )
        self._last_error = step_failure
