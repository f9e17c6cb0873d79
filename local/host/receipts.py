"""Records in the host's storage which blob versions a function has handled."""

import contextlib
import hashlib
import json
from dataclasses import asdict, dataclass
from typing import Final

from azure.core.exceptions import ResourceExistsError
from azure.storage.blob import ContainerClient

HOST_CONTAINER: Final = "azure-webjobs-hosts"
_FOLDER: Final = "relearn-receipts"


@dataclass(frozen=True)
class BlobVersion:
    """One version of one blob; the ETag without quotes."""

    container: str
    name: str
    etag: str


class Receipts:
    """The receipts of one function of one host id.

    The names are read once: a second host that shares the host id sees what this one finished
    before it started, and nothing after, so both deliver what comes in while both run.
    """

    def __init__(self, container: ContainerClient, host_id: str, function: str) -> None:
        self._container = container
        self._host_id, self._function = host_id, function
        self._known: set[str] = set()

    def load(self) -> None:
        """Read the names, making the container first where it is missing.

        Raises:
            AzureError: the storage did not answer well.
        """
        with contextlib.suppress(ResourceExistsError):
            self._container.create_container()
        listed = self._container.list_blob_names(name_starts_with=f"{_FOLDER}/{self._function}/")
        self._known = set(listed)

    def __contains__(self, version: BlobVersion) -> bool:
        return self._path(version) in self._known

    def add(self, version: BlobVersion) -> None:
        """Write a receipt, unless it is there.

        Raises:
            AzureError: the storage did not answer well.
        """
        path = self._path(version)
        note = {"function": self._function, "hostId": self._host_id, **asdict(version)}
        with contextlib.suppress(ResourceExistsError):  # another host of this id was quicker
            self._container.upload_blob(path, json.dumps(note).encode(), overwrite=False)
        self._known.add(path)

    def _path(self, version: BlobVersion) -> str:
        parts = [self._host_id, self._function, version.container, version.name, version.etag]
        digest = hashlib.sha256(json.dumps(parts).encode()).hexdigest()
        return f"{_FOLDER}/{self._function}/{digest}"
