"""The records that one full listing compares with: loaded once, in parts, within a bound.

The digests of existing blobs and of the ledger's data versions are held at 8 bytes each:
1,000,000 of both are 16 MB. They only show which blobs need no further request.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime

from shared.core.full_listing import Digests, FullListing, short_digest
from shared.errors import CorruptRecordError
from shared.execution.context import Context
from shared.ledger.full_listings import FullListingRecords
from shared.telemetry import log


@dataclass(slots=True)
class TickBound:
    """The bound of one tick: a number of calls and a time."""

    context: Context
    calls: int
    until: datetime

    @property
    def is_spent(self) -> bool:
        """Whether nothing more may be done in this tick."""
        return self.calls <= 0 or self.context.clock.now() >= self.until

    def spend(self, calls: int = 1) -> bool:
        """Whether this number of calls may be made now; then they count."""
        if self.is_spent:
            return False
        self.calls -= calls
        return True


@dataclass(slots=True)
class ExistingBlobs:
    """The records of existing blobs, and the ids of known data versions.

    Args:
        context: the ledger, the storage and the clock.
        listing: the full listing that this is for.
        models: whether it is that of operators' models. These are few: each version is read.
    """

    context: Context
    listing: FullListing
    models: bool
    unreadable: dict[str, int] = field(default_factory=dict)  #: record -> its generation
    _generations: dict[int, Digests] = field(init=False)
    _seen: dict[int, set[int]] = field(init=False)  #: generation -> numbers of its records
    _versions: Digests = field(default_factory=Digests)
    _unread: list[str] = field(default_factory=list)
    _cursor: str | None = None
    _left: list[Callable[[], bool]] = field(default_factory=list)  #: kinds that are to be loaded

    def __post_init__(self) -> None:
        """Prepare the loading."""
        self._generations = {one: Digests() for one in sorted(self.listing.generations)}
        self._seen = {one: set() for one in self._generations}
        if self._generations:
            self._left += [self._list, self._read]
        if self.listing.covered and not self.models:
            self._left += [self._list_versions, self._list_waiting]

    def is_for(self, listing: FullListing) -> bool:
        """Whether it was loaded for this listing, perhaps at an earlier tick."""
        mine = (self.listing.started_at, self.listing.generations)
        return mine == (listing.started_at, listing.generations)

    def load(self, bound: TickBound) -> bool:
        """Continue the loading; return whether all is loaded.

        Raises:
            TransientError: storage does not work now.
        """
        while self._left:
            if not bound.spend():
                return False
            if self._left[0]():
                del self._left[0]
                if not self._left:
                    self._seal()
        return True

    @property
    def _records(self) -> FullListingRecords:
        return self.context.ledger.full_listings(models=self.models)

    def _list(self) -> bool:
        """List the names of records; whether that was the last page."""
        found, self._cursor = self._records.existing_names(self._cursor)
        self._unread += [name for name in found if _generation(name) in self._generations]
        return self._cursor is None

    def _read(self) -> bool:
        """Read one record; whether it was the last."""
        if self._unread:
            name = self._unread.pop()
            generation = _generation(name)
            try:
                record = self._records.existing(name)
            except CorruptRecordError as exc:
                log.error("%s", exc)
                self.unreadable[name] = generation
                record = None
            if record is not None:
                for digest in record.unpacked():
                    self._generations[generation].add(digest)
            if record is not None or name in self.unreadable:
                self._seen[generation].add(_number(name))
        return not self._unread

    def _list_versions(self) -> bool:
        """List known versions; whether that was the last page."""
        ids, self._cursor = self.context.ledger.versions.ids(self._cursor)
        return self._added(ids)

    def _list_waiting(self) -> bool:
        """List versions that wait for their run; whether that was the last page."""
        ids, self._cursor = self.context.ledger.inbox.version_ids(self._cursor)
        return self._added(ids)

    def _added(self, ids: Iterable[str]) -> bool:
        for version in ids:
            self._versions.add(short_digest(version))
        return self._cursor is None

    def _seal(self) -> None:
        for digests in (*self._generations.values(), self._versions):
            digests.seal()

    @property
    def gone(self) -> frozenset[int]:
        """The generations of which a record was deleted."""
        return frozenset(
            generation
            for generation, pages in self.listing.generations.items()
            if not self._seen[generation] >= set(range(1, pages + 1))
        )

    def recorded_in(self, digest: int) -> int | None:
        """Return the first generation that a blob was recorded in, or None."""
        found = (one for one, digests in self._generations.items() if digest in digests)
        return next(found, None)

    def has_version(self, version_id: str) -> bool:
        """Whether the ledger knew a data version when this was loaded."""
        return short_digest(version_id) in self._versions


def _generation(name: str) -> int:
    """Return the generation of a record; 0 where its name has none."""
    part = name.split("/")[1]
    return int(part) if part.isdecimal() else 0


def _number(name: str) -> int:
    number = name.rpartition("/")[2].partition("-")[0]
    return int(number) if number.isdecimal() else 0
