"""Claims data versions for one run by their entries, a part of a burst at a time.

An entry under `versions/` is created only if absent, and a run's manifest contains only versions
that are claimed for it. So a version is never in two runs, however the hosts are configured. A
pointer leaves the inbox after the run with its version is stored. So a worker that is killed or
out of time loses nothing. The run queue keeps the progress.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import islice
from typing import Final, TypeVar

from shared.core import names
from shared.core.blobs import BlobVersion
from shared.core.run.record import Run
from shared.core.versions import Order, mark_of, metadata_update_of, order_of
from shared.errors import ConflictError, CorruptRecordError, TransientError
from shared.execution.context import Context
from shared.ledger.inbox import InboxEntry
from shared.ledger.versions import VersionEntry
from shared.telemetry import log

#: Versions that one run takes; a greater burst needs several runs, so that records stay small.
MOST_VERSIONS: Final = 10_000
#: Versions that are claimed, or leave the inbox, before the time is checked again.
PART: Final = 200
#: Storage calls at once.
_AT_ONCE: Final = 8
#: How far clocks may differ; a younger pointer may have arrived after the claiming passed it.
_YOUNG: Final = timedelta(seconds=5)

T = TypeVar("T")
R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class ClaimProgress:
    """The progress of the claiming for one run, for the worker that continues it."""

    run_id: str
    began_at: datetime
    claimed_to: str = ""  #: pointers up to this one, if older than the claiming, are claimed

    def covers(self, one: InboxEntry) -> bool:
        """Whether a version that is still in the inbox is claimed for the run."""
        old = one.seen_at < self.began_at - _YOUNG
        return old and _order(one) <= self.claimed_to


@dataclass(slots=True)
class BatchClaims:
    """Claims versions for runs. Each call may be repeated, and by any number of workers."""

    context: Context
    trust_size: bool = False  #: whether `data.without_md5` is `ignore`
    _manifests: dict[str, frozenset[tuple[str, str]] | None] = field(default_factory=dict)
    """What runs hold that were read in this call, each once: a great burst has a great record."""
    _known: dict[str, BlobVersion] = field(default_factory=dict)
    """What entries say that were there before their version was claimed, by its id."""

    def first_free(self, arrived: Iterable[InboxEntry], until: datetime) -> InboxEntry | None:
        """Return the first of these versions without a run; those with a run leave the inbox.

        Args:
            arrived: the versions that wait, in the order of their training.
            until: when no further one may be checked.

        Returns:
            The version; None where there is none.

        Raises:
            TransientError, OutcomeUnknownError: the ledger does not work now.
        """
        self._manifests.clear()
        for one in arrived:
            if self.context.clock.now() >= until:
                return None
            known = self.context.ledger.versions.read(one.version_id)
            if known is not None and self._has_run(one, known.record) is not False:
                continue
            if known is None and (since := self._metadata_updated_since(one)):
                self._record_metadata_update(one, since)
                continue
            return one
        return None

    def take(
        self,
        progress: ClaimProgress,
        wanted: Sequence[InboxEntry],
        until: datetime,
        keep: Callable[[str], None],
    ) -> tuple[BlobVersion, ...] | None:
        """Claim versions for a run.

        Args:
            progress: the run that was announced, and the progress of earlier calls.
            wanted: the versions that wait for it, the oldest first.
            until: when no further part may be begun.
            keep: stores the progress of this call.

        Returns:
            The versions of its manifest; None where a later call has to continue.

        Raises:
            TransientError, OutcomeUnknownError: the ledger does not work now.
        """
        self._manifests.clear()
        mine: list[InboxEntry] = []
        whole = True  #: whether everything so far was claimed, or has left the inbox
        burst = _Burst.of(wanted, trust_size=self.trust_size)
        there = sorted(wanted[:MOST_VERSIONS], key=_order)
        for part in _parts(there):
            if self.context.clock.now() >= until:
                return None
            open_ = [one for one in part if not progress.covers(one)]
            mine += [one for one in part if progress.covers(one)]
            claimed = _each(open_, lambda one: self._claim(one, progress.run_id, burst))
            mine += [one for one, is_mine in zip(open_, claimed, strict=True) if is_mine]
            whole = whole and None not in claimed
            if whole and open_ and len(there) > PART:
                keep(_order(part[-1]))
        blobs = (self._known.get(one.version_id, one.blob) for one in mine)
        return tuple(sorted(blobs, key=order_of))

    def remove_taken(
        self, run: Run, arrived: Sequence[InboxEntry], until: datetime
    ) -> tuple[InboxEntry, ...]:
        """Remove the versions of a stored run from the inbox.

        The next call continues where this one had no more time, see `RunQueue.claimed_to`.

        Args:
            run: as it is stored.
            arrived: the versions that wait.
            until: when no further part may be begun.

        Returns:
            The versions that wait for other runs.
        """
        versions = _versions_of(run)
        mine = [
            one
            for one in arrived
            if (one.blob.name, mark_of(one.blob)) in versions and one.returned_by != run.run_id
        ]
        for part in _parts(mine):
            if self.context.clock.now() >= until:
                break
            _each(part, self._leave)
        taken = {one.pointer.name for one in mine}
        return tuple(one for one in arrived if one.pointer.name not in taken)

    def _claim(self, one: InboxEntry, run_id: str, burst: "_Burst") -> bool | None:
        """Claim a version for a run.

        Returns False where it has another run, or is a metadata-only update, and has left the
        inbox; None where that is not known yet.
        """
        ledger = self.context.ledger
        if before := burst.metadata_updates.get(one.pointer.name):
            self._record_metadata_update(one, before)
            return False
        entry = VersionEntry(pipeline=one.pipeline, blob=one.blob, run_id=run_id, in_batch=True)
        known = None
        if one.returned_by is not None or self._may_be_metadata_update(one):
            known = ledger.versions.read(one.version_id)
        if known is None:
            if one.pointer.name in burst.first and (since := self._metadata_updated_since(one)):
                self._record_metadata_update(one, since)
                return False
            if ledger.versions.add(one.version_id, entry):
                return True
            known = ledger.versions.read(one.version_id)
        if known is None:
            return None  # it was deleted meanwhile: checked again
        if known.record.run_id == run_id:
            return True  # before a crash
        if (has := self._has_run(one, known.record)) is not False:
            return None if has is None else False
        # The time when it was first recorded stays the same for every run.
        first = known.record.blob.recorded(one.blob.recorded_at)
        self._known[one.version_id] = first
        entry = entry.evolve(blob=first)
        try:
            ledger.versions.put(one.version_id, entry, known.etag)
        except ConflictError:
            return None  # another worker claimed it meanwhile
        return True

    def _has_run(self, one: InboxEntry, entry: VersionEntry) -> bool | None:
        """Whether the run that an entry names trains on the version; None: not known yet.

        A version that has one leaves the inbox. A run whose worker died before its record, or
        whose stored record lacks this version, does not count.
        """
        ledger, owner = self.context.ledger, entry.run_id
        if entry.is_old:
            return False  # it was noted as old before it became eligible
        if one.returned_by is not None and entry.taken_by == one.returned_by:
            return False
        if owner is not None:
            if owner not in self._manifests:
                try:
                    stored = ledger.runs.read(owner)
                except CorruptRecordError as exc:
                    log.error("blob %s stays with its run: %s", one.blob.path, exc)
                    self._leave(one)
                    return True  # it was claimed for that run
                self._manifests[owner] = _versions_of(stored.record) if stored else None
            found = self._manifests[owner]
            if found is None and not ledger.tombstones.has(owner):
                # Its worker may still store it, for as long as a worker can live.
                young = ledger.open_markers.has(owner)
                young = young and ledger.open_markers.age(owner) < self.context.limits.lease
                return None if young else False
            if found is not None and (one.blob.name, mark_of(one.blob)) not in found:
                return False
        self._leave(one)
        return True

    def _leave(self, one: InboxEntry) -> None:
        """Remove a version from the inbox, now or at a later check.

        A pointer under a lease must not delay the other versions.
        """
        try:
            self.context.ledger.inbox.remove(one)
        except TransientError as exc:
            log.warning("blob %s stays in the inbox for now: %s", one.blob.path, exc)

    def _metadata_updated_since(self, one: InboxEntry) -> str | None:
        """Return since when the bytes of a version are known; None where they are new."""
        blob = one.blob
        if one.returned_by is not None or not self._may_be_metadata_update(one):
            return None
        name = names.blob_id(one.pipeline, blob.container, blob.name)
        return self.context.ledger.versions.metadata_updated_since(
            name, blob, trust_size=self.trust_size
        )

    def _may_be_metadata_update(self, one: InboxEntry) -> bool:
        return one.blob.may_be_metadata_update(trust_size=self.trust_size)

    def _record_metadata_update(self, one: InboxEntry, since: str) -> None:
        note = metadata_update_of(one.blob, since)
        entry = VersionEntry(pipeline=one.pipeline, blob=one.blob, run_id=None, note=note)
        self.context.ledger.versions.add(one.version_id, entry)
        self._leave(one)


@dataclass(frozen=True, slots=True)
class _Burst:
    """The comparison of the versions of one burst, by the names of their pointers."""

    first: frozenset[str]  #: of each blob: compared with the versions known before
    metadata_updates: Mapping[str, str]  #: since when the bytes of a version are known

    @classmethod
    def of(cls, wanted: Sequence[InboxEntry], *, trust_size: bool) -> "_Burst":
        """Compare each version with the one of its blob before it; the oldest come first."""
        latest: dict[str, InboxEntry] = {}
        first: set[str] = set()
        metadata_updates: dict[str, str] = {}
        for one in wanted:
            before = latest.get(one.blob.name)
            if before is None:
                first.add(one.pointer.name)
            elif _is_metadata_update_of(one, before, trust_size=trust_size):
                metadata_updates[one.pointer.name] = before.blob.modified.isoformat()
                continue
            latest[one.blob.name] = one
        return cls(frozenset(first), metadata_updates)


def age_of(one: InboxEntry) -> Order:
    """Return a sort key by the age of the version, the oldest first."""
    return order_of(one.blob)


def each_once(arrived: Iterable[InboxEntry]) -> tuple[InboxEntry, ...]:
    """Return each version once, by the pointer that was returned to the inbox, if any.

    A version has two pointers where the tokens of the key were changed between two events.
    """
    found: dict[str, InboxEntry] = {}
    for one in arrived:
        known = found.get(one.version_id)
        if known is None or (known.returned_by is None and one.returned_by is not None):
            found[one.version_id] = one
    return tuple(found.values())


def _order(one: InboxEntry) -> str:
    """Return the sort key for the claiming of a burst: the same for every worker."""
    return one.pointer.name.rpartition("/")[2]


def _is_metadata_update_of(one: InboxEntry, before: InboxEntry, *, trust_size: bool) -> bool:
    if one.returned_by is not None or not one.blob.may_be_metadata_update(trust_size=trust_size):
        return False
    return before.blob.same_bytes_as(one.blob, trust_size=trust_size)


def _versions_of(run: Run) -> frozenset[tuple[str, str]]:
    return frozenset((blob.name, mark_of(blob)) for blob in run.manifest)


def _parts(items: Iterable[T]) -> Iterator[list[T]]:
    left = iter(items)
    while part := list(islice(left, PART)):
        yield part


def _each(items: Sequence[T], do: Callable[[T], R]) -> list[R]:
    if len(items) <= _AT_ONCE:
        return [do(item) for item in items]
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        return list(pool.map(do, items))
