"""The records of full listings: progress, and which blobs existed before their pipelines.

* `full_listing`, `full_listing_models`   how far it is, and for which pipelines blobs are recorded
* `existing/<generation>/<number>-<digest>`, `existing_models/…`   digests of blobs that existed
"""

from shared.core.full_listing import Existing, FullListing
from shared.errors import ConflictError, CorruptRecordError
from shared.ledger.store import MOST_LISTED, SingleRecord, Store


class FullListingRecords(SingleRecord[FullListing]):
    """The full listing of the data, or of the models that operators promote.

    Args:
        store: where the records are.
        suffix: of their names: empty for data, `_models` for models.
    """

    def __init__(self, store: Store, suffix: str = "") -> None:
        super().__init__(store, f"full_listing{suffix}", FullListing)
        self._folder = f"existing{suffix}"

    def existing_names(self, cursor: str | None) -> tuple[list[str], str | None]:
        """Return names of records of existing blobs, and where the next ones begin."""
        page = self._store.documents.page(f"{self._folder}/", MOST_LISTED, cursor)
        return [one.name for one in page.items], page.cursor

    def existing(self, name: str) -> Existing | None:
        """Return a record of existing blobs, or None. Raises CorruptRecordError."""
        found = self._store.read(name, Existing)
        if found is not None and not name.endswith(f"-{found.record.seal}"):
            raise CorruptRecordError(
                f"ledger record {name} does not hold what was stored; it was left untouched: move "
                "it away, and the next full listing records the existing blobs anew"
            )
        return found.record if found else None

    def add_existing(self, generation: int, number: int, record: Existing) -> None:
        """Store a record of existing blobs. Safe to repeat.

        Args:
            generation: that it belongs to.
            number: of the record in its generation; of two workers each may store one.
            record: what existed.
        """
        try:
            self._store.put(f"{self._folder}/{generation}/{number:06d}-{record.seal}", record, None)
        except ConflictError:
            return  # its name is derived from its content
