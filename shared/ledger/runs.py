"""The records of runs, the list of all runs, and the tombstones of their ids.

* `runs/<run id>`   the record
* `index/<time>-<run id>`   every run, the newest first
* `tombstones/<run id>`   empty; outlives the record, so that no id is ever used twice
"""

from datetime import timedelta

from shared.core.names import digest, index_name
from shared.core.run.record import Run
from shared.errors import ConflictError, RunIdUsedError
from shared.ledger.store import Records, Store, Stored
from shared.ports.storage import ETag, Listed, Page


class Tombstones:
    """Which ids of runs are used, also after the record is gone."""

    def __init__(self, store: Store) -> None:
        self._documents = store.documents

    def has(self, run_id: str) -> bool:
        """Return whether there is, or ever was, a record of a run."""
        return self._documents.read(f"tombstones/{run_id}") is not None

    def add(self, run_id: str) -> None:
        """Remember that there was a record of a run. Safe to repeat."""
        try:
            self._documents.create(f"tombstones/{run_id}", b"")
        except ConflictError:
            return

    def renew(self, run_id: str, run_queue: str) -> None:
        """Keep the tombstone of a run whose record is about to be deleted. Safe to repeat.

        Args:
            run_id: the run.
            run_queue: the name of the run queue that may still name it: the tombstone stays for
                as long as it does.
        """
        name, metadata = f"tombstones/{run_id}", {"run_queue": run_queue}
        found = self._documents.read(name)
        try:
            if found is None:
                self._documents.create(name, b"", metadata)
            else:
                self._documents.replace(name, found.body, found.etag, metadata)
        except ConflictError:
            return  # another worker does the same


class Index:
    """The list of all runs."""

    def __init__(self, store: Store) -> None:
        self._documents = store.documents

    def add(self, run: Run) -> None:
        """List a run. Safe to repeat."""
        metadata = {"pipeline": run.pipeline, "key": digest("key", *run.key)}
        if run.parent is not None:
            metadata["parent"] = run.parent
        try:
            self._documents.create(index_name(run.opened_at, run.run_id), b"", metadata)
        except ConflictError:
            return

    def page(self, size: int, cursor: str | None) -> Page[Listed]:
        """Return names of runs, the newest first, in one listing.

        Args:
            size: how many at most.
            cursor: where the page before ended; None for the first.

        Raises:
            InvalidCursorError: no page gave this cursor.
        """
        return self._documents.page("index/", size, cursor)


class Runs(Records[Run]):
    """The records of runs."""

    def __init__(self, store: Store, index: Index, tombstones: Tombstones) -> None:
        super().__init__(store, "runs/", Run)
        self._index, self._tombstones = index, tombstones

    def exists(self, run_id: str) -> bool:
        """Return whether there is a record of a run, readable or not."""
        return self._store.documents.read(f"runs/{run_id}") is not None

    def age(self, run_id: str) -> timedelta:
        """Return how old the record of a run is by the storage's clock, readable or not."""
        found = self._store.documents.read(f"runs/{run_id}")
        return found.age if found else timedelta()

    def create(self, run: Run) -> Stored[Run]:
        """Store a new run, unless its id was used before.

        Raises:
            ConflictError: it exists.
            RunIdUsedError: it existed, and its record was removed.
        """
        if self._tombstones.has(run.run_id):
            if self.exists(run.run_id):
                raise ConflictError(f"runs/{run.run_id} exists already")
            raise RunIdUsedError(
                f"run {run.run_id} existed and its record was removed: no run is opened"
            )
        return self.create_unused(run)

    def create_unused(self, run: Run) -> Stored[Run]:
        """List a new run whose id has no tombstone, store it, and then note that its id is used.

        The order matters: so no run is without its line in the list, and a line without its run
        is not shown.

        Raises:
            ConflictError: it exists.
        """
        self._index.add(run)
        stored = self.put(run.run_id, run, None)
        self._tombstones.add(run.run_id)
        return stored

    def replace(self, run: Run, expected: ETag | None) -> Stored[Run]:
        """Store a run over the version that was read.

        Args:
            run: what is stored from now on.
            expected: the version that was read.

        Raises:
            ConflictError: another worker wrote it meanwhile.
        """
        return self.put(run.run_id, run, expected)
