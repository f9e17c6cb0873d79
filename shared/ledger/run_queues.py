"""The records of run queues, shared queues and pauses.

* `run_queues/<pipeline>/<key>`, `shared_queues/<id>`   who has a slot, who waits, what began lately
* `pauses/<pipeline>`   whether an operator paused the pipeline, and the last resume
"""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Final

from shared.core.run.concurrency import Pause, Pauses, RunQueue
from shared.errors import CorruptRecordError
from shared.ledger.store import Records, Store, Stored, parsed, retried
from shared.ports.storage import ETag, Listed, Page
from shared.telemetry import log

#: When a record was written that cannot be read.
_UNKNOWN: Final = datetime(1970, 1, 1, tzinfo=UTC)


class RunQueues(Records[RunQueue]):
    """The run queues and shared queues, each by its whole name."""

    def __init__(self, store: Store) -> None:
        super().__init__(store, "", RunQueue)

    def of(self, name: str, pipeline: str, key: Sequence[str]) -> Stored[RunQueue]:
        """Return a queue; an empty one where there is no record.

        Args:
            name: of the queue.
            pipeline: the pipeline of an empty one.
            key: the key of an empty one.
        """
        return self.read(name) or Stored(RunQueue(pipeline=pipeline, key=tuple(key)), None)

    def page(self, pipeline: str, size: int, cursor: str | None) -> Page[Listed]:
        """Return names of run queues of a pipeline, in one listing.

        Args:
            pipeline: its name.
            size: how many at most.
            cursor: where the page before ended; None for the first.

        Raises:
            InvalidCursorError: no page gave this cursor.
        """
        return self._store.documents.page(f"run_queues/{pipeline}/", size, cursor)

    def listed(self, pipeline: str) -> Iterator[Listed]:
        """Yield the run queues of a pipeline, without their bodies, page by page."""
        return self._store.documents.listing(f"run_queues/{pipeline}/")


class PipelinePauses:
    """What pauses each pipeline."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def of(self, pipeline: str) -> Pause | None:
        """Return why an operator paused the pipeline, or None."""
        return self.read(pipeline).record.pause

    def read(self, pipeline: str) -> Stored[Pauses]:
        """Return what pauses the pipeline; nothing does where there is no record.

        A record that cannot be read is a pause too: what the operator wanted is not known. To
        resume the pipeline replaces it, unless a later release wrote it.
        """
        name = f"pauses/{pipeline}"
        found = self._store.documents.read(name)
        if found is None:
            return Stored(Pauses(), None)
        try:
            return Stored(parsed(found, Pauses), found.etag, found.age)
        except CorruptRecordError as exc:
            log.error("%s", exc)
            pause = Pause(by="an unreadable record", at=_UNKNOWN, reason=name)
            return Stored(Pauses(pause=pause), found.etag, found.age)

    def put(self, pipeline: str, pauses: Pauses, expected: ETag | None) -> None:
        """Store what pauses the pipeline over the version that was read.

        Args:
            pipeline: its name.
            pauses: what pauses it from now on.
            expected: the version that was read; None: there was none.

        Raises:
            ConflictError: it was changed meanwhile.
            CorruptRecordError: a later release wrote it.
        """
        name = f"pauses/{pipeline}"
        if expected is not None:
            self._require_no_later_form(name)
        self._store.put(name, pauses, expected)

    def _require_no_later_form(self, name: str) -> None:
        try:
            self._store.read(name, Pauses)
        except CorruptRecordError as exc:
            if exc.later:
                raise

    def pause_by_failures(self, pipeline: str, pause: Pause) -> None:
        """Store a pause by failures, unless an operator paused the pipeline.

        Args:
            pipeline: its name.
            pause: what is stored.

        Raises:
            ConflictError: the record keeps changing.
        """

        def attempt() -> None:
            known = self.read(pipeline)
            if known.record.pause is None:
                self.put(pipeline, known.record.evolve(by_failures=pause), known.etag)

        retried(f"pauses/{pipeline}", attempt)
