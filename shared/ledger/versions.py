"""The data versions that were ever seen: `versions/<id>`, each with the run that took it."""

from collections.abc import Mapping
from typing import Final

from shared.core.blobs import BlobVersion
from shared.core.frozen import RecordModel
from shared.core.versions import Fingerprint
from shared.errors import ConflictError
from shared.ledger.store import MOST_LISTED, Records, Store, Stored
from shared.ports.storage import ETag

_FINGERPRINT: Final = "fingerprint"
#: Metadata of a version that is only known as older than its pipeline.
_OLD: Final = "old"


class VersionEntry(RecordModel):
    """A data version that was seen: with the run it opened, or the reason why it opened none."""

    pipeline: str
    blob: BlobVersion
    run_id: str | None
    note: str = ""  #: for operators: why it opened no run
    older_than_pipeline: bool = False  #: it was there before its pipeline, and opened no run
    appeared: bool = False  #: the full listing found it: no event or search could
    in_batch: bool = False  #: claimed for a run that takes all that waited; its record follows
    deleted_run: str | None = None  #: the run that it opened, once its record was deleted

    @property
    def taken_by(self) -> str | None:
        """The run that took it, whether its record is still there or not."""
        return self.run_id or self.deleted_run

    @property
    def is_old(self) -> bool:
        """Whether it is only known as older than its pipeline: a backfill or rename may take it."""
        return self.run_id is None and self.older_than_pipeline

    def without_run(self) -> "VersionEntry":
        """Return the entry once the record of its run is deleted: the run is not opened anew."""
        note = f"run {self.run_id}, whose record was deleted"
        return self.evolve(run_id=None, deleted_run=self.run_id, note=note)


class Versions(Records[VersionEntry]):
    """The entries of data versions."""

    def __init__(self, store: Store) -> None:
        super().__init__(store, "versions/", VersionEntry)

    def entry(self, version_id: str) -> VersionEntry | None:
        """Return the entry of a data version, or None where it was never seen."""
        found = self.read(version_id)
        return found.record if found else None

    def add(self, version_id: str, entry: VersionEntry) -> bool:
        """Store the entry of a data version.

        Args:
            version_id: of the version.
            entry: what is known of it.

        Returns:
            False where it was known already.
        """
        try:
            self.put(version_id, entry, None)
        except ConflictError:
            return False
        return True

    def put(
        self, version_id: str, entry: VersionEntry, expected: ETag | None
    ) -> Stored[VersionEntry]:
        """Store the entry of a data version, as new or over the one that was read.

        Args:
            version_id: of the version.
            entry: what is known of it from now on.
            expected: the version of the entry that was read; None: there was none.

        Raises:
            ConflictError: another worker wrote it meanwhile.
        """
        metadata = {_FINGERPRINT: Fingerprint.of(entry.blob).model_dump_json()}
        metadata |= {_OLD: "yes"} if entry.is_old else {}
        etag = self._store.put(f"versions/{version_id}", entry, expected, metadata)
        return Stored(entry, etag)

    def newest(self, blob_id: str, but: str = "") -> Fingerprint | None:
        """Return the fingerprint of the newest known version of a blob, from one listing.

        Args:
            blob_id: the blob.
            but: the id of a version that does not count.
        """
        listing = self._store.documents.listing(f"versions/{blob_id}-")
        others = (item.metadata for item in listing if item.name != f"versions/{but}")
        known = [one for one in map(_fingerprint, others) if one is not None]
        return max(known, key=lambda one: one.order, default=None)

    def metadata_updated_since(
        self, blob_id: str, blob: BlobVersion, but: str = "", *, trust_size: bool = False
    ) -> str | None:
        """Return when these very bytes were written, where only their metadata changed since.

        Args:
            blob_id: under which the versions of the blob are kept.
            blob: its present version.
            but: the id of a version that does not count.
            trust_size: whether an equal size and creation time are enough without an MD5.
        """
        newest = self.newest(blob_id, but)
        if newest is None or not newest.same_bytes_as(Fingerprint.of(blob)):
            return None
        known = blob.content_md5 is not None or trust_size
        return newest.modified.isoformat() if known else None

    def ids(self, cursor: str | None) -> tuple[list[str], str | None]:
        """Return the ids of some data versions, and where the next ones begin, in one listing.

        Those that are only known as older than their pipeline are left out.

        Raises:
            InvalidCursorError: no page gave this cursor.
        """
        page = self._store.documents.page("versions/", MOST_LISTED, cursor)
        ids = [one.name.partition("/")[2] for one in page.items if _OLD not in one.metadata]
        return ids, page.cursor


def _fingerprint(metadata: Mapping[str, str]) -> Fingerprint | None:
    """Return what the metadata of a version say of its bytes; None where they are damaged."""
    try:
        return Fingerprint.model_validate_json(metadata.get(_FINGERPRINT, ""))
    except ValueError:
        return None
