"""The last good configuration of each pipeline: `configurations/<name>`."""

from collections.abc import Iterator, Mapping
from typing import ClassVar

from pydantic import AwareDatetime

from shared.core.config.pipeline import Pipeline
from shared.core.frozen import RecordModel
from shared.ledger.store import Store, Stored
from shared.ports.storage import ETag, Listed


class KeptConfiguration(RecordModel):
    """The last configuration of a pipeline that had no error, probe rows included."""

    pipeline: Pipeline
    recorded_at: AwareDatetime  #: since when it is configured like this
    scheduled_since: AwareDatetime
    """Since when it has these due times; no earlier one counts, unless it is backfilled."""
    newest_form: ClassVar[int] = 2

    @property
    def form(self) -> int:
        """The second form has windows."""
        return self.pipeline.form


class Configurations:
    """The last configuration of each pipeline that had no error."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def listed(self) -> Iterator[Listed]:
        """Yield what is kept of each pipeline; metadata say what changed, without a read."""
        return self._store.documents.listing("configurations/")

    def read(self, pipeline: str) -> Stored[KeptConfiguration] | None:
        """Return the last good configuration of a pipeline, or None."""
        return self._store.read(f"configurations/{pipeline}", KeptConfiguration)

    def put(
        self, kept: KeptConfiguration, metadata: Mapping[str, str], expected: ETag | None
    ) -> None:
        """Store a configuration, as new or over the version that was read.

        Args:
            kept: what is stored from now on.
            metadata: what a listing shows of it.
            expected: the version that was read; None: there was none.

        Raises:
            ConflictError: another worker wrote it meanwhile.
        """
        self._store.put(f"configurations/{kept.pipeline.name}", kept, expected, metadata)

    def delete(self, listed: Listed) -> bool:
        """Delete a configuration unless it was changed since; whether it was deleted."""
        return self._store.delete(listed)
