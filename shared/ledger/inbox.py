"""Data that waits for its run: `inbox/<pipeline>/<key>/<version id>`.

A version that a run returned has that run's id after its own (`<version id>~<run id>`), so
that it is apart from an event of the same version that comes late.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from shared.core.blobs import BlobVersion
from shared.core.names import inbox_prefix
from shared.errors import ConflictError, CorruptRecordError
from shared.ledger.store import MOST_LISTED, Store
from shared.ledger.versions import VersionEntry
from shared.ports.storage import Listed
from shared.telemetry import log

#: Metadata of a blob may hold 8 KB in all.
_LONGEST: Final = 4000
_BLOB: Final = "blob"
_APPEARED: Final = "appeared"


@dataclass(frozen=True, slots=True)
class _EntryId:
    """What an entry of the inbox is named by: a version, and the run that returned it."""

    version_id: str
    returned_by: str | None = None

    def __str__(self) -> str:
        return f"{self.version_id}~{self.returned_by}" if self.returned_by else self.version_id

    @classmethod
    def of(cls, listed: Listed) -> "_EntryId":
        version_id, _, returned_by = listed.name.rpartition("/")[2].partition("~")
        return cls(version_id, returned_by or None)


@dataclass(frozen=True, slots=True)
class InboxEntry:
    """A data version that waits in the inbox."""

    pipeline: str
    version_id: str
    blob: BlobVersion
    pointer: Listed
    returned_by: str | None = None  #: the run that was to train on it and did not
    appeared: bool = False  #: the full listing found it: it appeared with an old time

    @property
    def seen_at(self) -> datetime:
        """When the app first saw it, by the storage's clock."""
        return self.pointer.modified


class Inbox:
    """The data versions that no run has taken yet."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def add(self, key: Sequence[str], version_id: str, entry: VersionEntry) -> bool:
        """Keep a data version until a run takes it.

        Args:
            key: the key of its pipeline that it belongs to.
            version_id: of the version.
            entry: what is known of it; its run is the one that returned it.

        Returns:
            False where it is there already.
        """
        name = inbox_prefix(entry.pipeline, key) + str(_EntryId(version_id, entry.run_id))
        text = json.dumps(entry.blob.model_dump(mode="json"), separators=(",", ":"))
        metadata = {_BLOB: text} if len(text) <= _LONGEST else {}
        metadata |= {_APPEARED: "yes"} if entry.appeared else {}
        try:
            self._store.put(name, entry, None, metadata)
        except ConflictError:
            return False
        return True

    def entries(self, prefix: str = "inbox/") -> Iterator[InboxEntry]:
        """Yield the data versions that wait; one read for each long name."""
        for listed in self._store.documents.listing(prefix):
            blob = self._blob(listed)
            if blob is not None:
                id_, pipeline = _EntryId.of(listed), listed.name.split("/")[1]
                appeared = _APPEARED in listed.metadata
                yield InboxEntry(pipeline, id_.version_id, blob, listed, id_.returned_by, appeared)

    def _blob(self, listed: Listed) -> BlobVersion | None:
        """Return the blob that waits; None when it was taken this moment or is not understood."""
        try:
            return BlobVersion.model_validate_json(listed.metadata.get(_BLOB, ""))
        except ValueError:
            pass  # a long name, or damaged metadata: the record has it
        try:
            found = self._store.read(listed.name, VersionEntry)
        except CorruptRecordError as exc:
            log.error("%s", exc)  # the others continue
            return None
        return found.record.blob if found else None

    def size(self, pipeline: str, most: int) -> int:
        """Return how many data versions wait for a pipeline, in one listing.

        Args:
            pipeline: its name.
            most: where the counting ends.
        """
        return len(self._store.documents.page(f"inbox/{pipeline}/", most, None).items)

    def age(self, entry: InboxEntry) -> timedelta | None:
        """Return since when a data version waits, by the storage's clock; None once it is taken."""
        found = self._store.documents.read(entry.pointer.name)
        return found.age if found else None

    def has(self, key: Sequence[str], pipeline: str, version_id: str) -> bool:
        """Return whether a data version waits for its run.

        Args:
            key: the key of the pipeline.
            pipeline: its name.
            version_id: of the version.
        """
        name = f"{inbox_prefix(pipeline, key)}{version_id}"
        return self._store.documents.read(name) is not None

    def read(self, key: Sequence[str], pipeline: str, version_id: str) -> VersionEntry | None:
        """Return what is kept of a data version that waits for its run, or None.

        Args:
            key: the key of the pipeline.
            pipeline: its name.
            version_id: of the version.
        """
        found = self._store.read(f"{inbox_prefix(pipeline, key)}{version_id}", VersionEntry)
        return found.record if found else None

    def version_ids(self, cursor: str | None) -> tuple[list[str], str | None]:
        """Return the ids of some versions that wait, and where the next ones begin.

        It takes one listing. Raises InvalidCursorError.
        """
        page = self._store.documents.page("inbox/", MOST_LISTED, cursor)
        return [_EntryId.of(one).version_id for one in page.items], page.cursor

    def remove(self, entry: InboxEntry) -> None:
        """Remove an entry unless it was changed since it was listed."""
        self._store.delete(entry.pointer)
