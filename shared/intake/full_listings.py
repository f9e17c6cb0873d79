"""Lists all blobs once a day and finds those that appeared with an old time, in small steps.

Each blob is compared with the records of the blobs that existed when the pipelines were first
activated, and with the data versions in the ledger. A blob that is in neither gets its run. The
first listing after a pipeline's activation makes these records. The ledger keeps the progress of
a listing, so that any worker can continue it. The decisions are in `shared.core.full_listing`.
"""

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from shared.core.blobs import BlobVersion
from shared.core.full_listing import (
    EVERY,
    RECENT,
    Existing,
    FullListing,
    ListingPlan,
    next_listing,
    short_digest,
)
from shared.core.run.data_version import DataVersion
from shared.errors import ConflictError, CorruptRecordError, InvalidCursorError, RelearnError
from shared.execution.context import Context
from shared.intake.blob_sets import BlobSet
from shared.intake.eligibility import Activations
from shared.intake.existing_blobs import ExistingBlobs, TickBound
from shared.intake.last_good import LastGood
from shared.intake.version_runs import VersionRuns
from shared.ledger.full_listings import FullListingRecords
from shared.ports.storage import ETag
from shared.telemetry import LogOnce, log

#: Calls to the storage of one tick, about.
_CALLS: Final = 300
#: Calls for a page: the listing, the record of existing blobs, and the progress.
_PAGE: Final = 3
#: Calls to read a version and to keep it in the inbox.
_LOOKUP_COST: Final = 3
#: After this number of failed reads in a row the storage counts as failing, not one record.
_FAILURES: Final = 3
#: Unreadable records that health names.
_SHOWN: Final = 5


@dataclass(slots=True)
class FullListings:
    """The full listings of one process: of data, and of operators' models.

    Two processes at once are harmless: the slower one stops.
    """

    context: Context
    last_good: LastGood
    activations: Activations
    version_runs: VersionRuns
    data: BlobSet
    models: BlobSet
    _listings: "tuple[_Listing, _Listing]" = field(init=False)

    def __post_init__(self) -> None:
        """Build both listings."""
        self._listings = _Listing(self, self.data), _Listing(self, self.models)

    def run_until(self, until: datetime) -> None:
        """List for a quarter of the time at most, where that is due. Never raises RelearnError."""
        now = self.context.clock.now()
        quarter = now + (until - now) / 4
        data, models = self._listings
        models.run_until(now + (until - now) / 16)
        data.run_until(quarter)


@dataclass(slots=True)
class _Listing:
    """One of the two full listings."""

    by: FullListings
    blob_set: BlobSet
    _existing: ExistingBlobs | None = None
    _rests: tuple[datetime, frozenset[str]] | None = None
    """Until when nothing is due, while these pipelines are all that open runs."""
    _reported: LogOnce = field(default_factory=LogOnce)

    def run_until(self, until: datetime) -> None:
        """List until then, where that is due. Never raises RelearnError."""
        if self._is_at_rest(self.by.context.clock.now()):
            return
        try:
            self._continue(TickBound(self.by.context, _CALLS, until))
        except ConflictError:
            self._existing = None  # another worker lists
        except CorruptRecordError as exc:
            if self._reported.first(str(exc)):
                log.error("%s with an old time are not found: %s", self.blob_set.what, exc)
        except RelearnError as exc:
            log.warning("the full listing of %s continues later: %s", self.blob_set.what, exc)

    def _is_at_rest(self, now: datetime) -> bool:
        if self._rests is None:
            return False
        until, known = self._rests
        opening, silent = self._in_file()
        return now < until and opening <= known and known.isdisjoint(silent)

    def _in_file(self) -> tuple[frozenset[str], frozenset[str]]:
        """Return the pipelines that open runs here, and the others."""
        opening = frozenset(self.blob_set.opening())
        return opening, frozenset(self.by.last_good.served) - opening

    def _continue(self, bound: TickBound) -> None:
        self._rests = None
        self.by.activations.refresh()
        now = self.by.context.clock.now()
        stored = self._records.read()
        known = stored.record if stored else None
        state = next_listing(known, self._plan(), now)
        if state is None:
            due = known.due_at() if known else now + EVERY
            self._rests = due, frozenset(known.covered if known else ())
            return
        etag = stored.etag if stored else None
        if state is not known:
            etag = self._records.put(state, etag)
        self._list(state, etag, bound)

    @property
    def _records(self) -> FullListingRecords:
        return self.by.context.ledger.full_listings(models=self.blob_set.models)

    def _plan(self) -> ListingPlan:
        activated = set()
        opening, silent = self._in_file()
        for name in opening:
            with suppress(CorruptRecordError):  # reported by `activate`
                self.by.activations.since(name)
                activated.add(name)
        return ListingPlan(
            location=self.blob_set.name,
            activated=frozenset(activated),
            silent=silent,
            sure=not (self.by.last_good.incomplete or self.by.last_good.lacking),
            keep=self.by.context.limits.keep,
        )

    def _list(self, state: FullListing, etag: ETag | None, bound: TickBound) -> None:
        existing = self._existing
        if existing is None or not existing.is_for(state):
            existing = self._existing = ExistingBlobs(self.by.context, state, self.blob_set.models)
        if not existing.load(bound):
            return
        if existing.gone:
            log.warning(
                "records of existing blobs are gone: the blobs are recorded anew, and what "
                "appeared with an old time since the last full listing counts as existing"
            )
            self._records.put(state.without(existing.gone), etag)
            self._existing = None
            return
        named = tuple(sorted(existing.unreadable))[:_SHOWN]
        state = state.evolve(damaged=named)
        while not bound.is_spent:
            step = _Step(self.by.context, self.blob_set, self.by.version_runs, existing, bound)
            state = step.taken(state)
            etag = self._records.put(state, etag)
            if state.complete:
                self._existing = None
                if state.found:
                    log.warning("%d %s appeared with an old time", state.found, self.blob_set.what)
                return
            if step.failures >= _FAILURES:
                return


@dataclass(slots=True)
class _Step:
    """The work between two writes of the state: one page, or as much as there is time for."""

    context: Context
    blob_set: BlobSet
    version_runs: VersionRuns
    existing: ExistingBlobs
    bound: TickBound
    failures: int = 0  #: in a row

    def taken(self, state: FullListing) -> FullListing:
        """Do the step and return the new state of the listing. Raises as storage does."""
        self.bound.spend(_PAGE)
        try:
            page = self.blob_set.page(state.cursor)
        except InvalidCursorError:
            log.info("the full listing begins again: its cursor is not taken")
            return state.evolve(cursor=None, checked_to="", listed=0)
        state, whole = self._searched(state, page.items)
        if not whole:
            return state
        state = self._recorded(state, page.items)
        state = state.evolve(listed=state.listed + len(page.items))
        return state.after_page(page.cursor, self.context.clock.now())

    def _searched(
        self, state: FullListing, blobs: Sequence[BlobVersion]
    ) -> tuple[FullListing, bool]:
        """Keep the blobs of a page that appeared; return whether there was time for all."""
        latest = self.context.clock.now() - RECENT
        start = next((at for at, one in enumerate(blobs, 1) if one.name == state.checked_to), 0)
        found, failed, last = state.found, state.failed, state.checked_to
        whole = True
        for blob in blobs[start:]:
            takers = list(self._takers(state, blob)) if blob.modified <= latest else []
            for version in takers:
                if self.failures >= _FAILURES or not self.bound.spend(_LOOKUP_COST):
                    whole = False
                    break
                outcome = self._appeared(version)
                found, failed = found + (outcome is True), failed + (outcome is None)
            if not whole:
                break
            last = blob.name
        changes = {"found": found, "failed": failed, "checked_to": last}
        return state.evolve(**changes), whole

    def _takers(self, state: FullListing, blob: BlobVersion) -> Iterator[DataVersion]:
        """Yield a version for each pipeline that has no record of the blob and is older than it."""
        first = None
        asked = False
        blind = min(self.existing.unreadable.values(), default=None)
        for version in self.blob_set.versions(blob):
            covered = state.covered.get(version.pipeline.name)
            if covered is None or (blind is not None and covered.generation >= blind):
                continue  # without the records of existing blobs no run is opened
            if not asked:
                first = self.existing.recorded_in(short_digest(blob.name, blob.etag))
                asked = True
            if first is not None and first <= covered.generation and blob.modified < covered.since:
                continue
            if not self.existing.has_version(version.version_id):
                yield version

    def _appeared(self, version: DataVersion) -> bool | None:
        """Keep a version for its run; return whether it is new, None where it cannot be read."""
        blob = version.blob
        try:
            found = self.version_runs.appeared(version)
        except CorruptRecordError as exc:
            log.error("blob %s: %s", blob.path, exc)  # an operator has to correct it
            return False
        except RelearnError as exc:
            self.failures += 1
            log.warning("blob %s cannot be looked up now: %s", blob.path, exc)
            return None
        self.failures = 0
        return found

    def _recorded(self, state: FullListing, blobs: Sequence[BlobVersion]) -> FullListing:
        """Record the blobs of a page, for pipelines that were activated since the last listing."""
        if state.generation is None:
            return state
        began = state.started_at.replace(microsecond=0)  # as the storage dates blobs
        old = (blob for blob in blobs if blob.modified < began)
        digests = {short_digest(blob.name, blob.etag) for blob in old}
        new = [one for one in digests if self.existing.recorded_in(one) is None]
        if not new:
            return state
        number = state.pages + 1
        records = self.context.ledger.full_listings(models=self.blob_set.models)
        records.add_existing(state.generation, number, Existing.of(new))
        return state.evolve(pages=number)
