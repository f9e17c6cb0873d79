"""Finds the blobs that no event announced, page by page and a little in each tick.

There are two searches: for training data, and for operators' models. Candidates are
blobs that changed since the last completed search began, less a margin. Only these are read. The
ledger keeps the progress of a search, so that any worker continues it. A blob that cannot be read
is remembered by its name and tried again by itself.
"""

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Final

from shared.core.blobs import BlobVersion
from shared.core.service import service
from shared.errors import (
    ConflictError,
    CorruptRecordError,
    InvalidCursorError,
    RelearnError,
)
from shared.execution.context import Context
from shared.intake.blob_sets import BlobSet
from shared.intake.eligibility import Activations, Backfill
from shared.intake.version_runs import VersionRuns
from shared.ledger.progress import SearchState
from shared.ledger.store import Stored
from shared.ports.storage import ETag
from shared.telemetry import LogOnce, log

#: What changed this long before a search is a candidate again: clocks differ, listings lag.
_MARGIN: Final = timedelta(minutes=15)
#: The event of a younger blob may still come; if it does not, the next search finds the blob.
_UNDER_WAY: Final = timedelta(minutes=5)
#: Names that are remembered; their records in the ledger have to be corrected by an operator.
_MOST_UNREAD: Final = 200
#: After this number of failed blobs in a row the storage counts as failing, not one record.
_FAILURES: Final = 3
_NONE: Final = ETag("")


@service
class _Search:
    """One of the two searches: the blobs that it lists, and its stored progress."""

    blob_set: BlobSet
    read: Callable[[], Stored[SearchState] | None]
    put: Callable[[SearchState, ETag | None], ETag]

    @property
    def under_way(self) -> timedelta:
        """The age up to which a blob is left to its event; none for models."""
        return timedelta() if self.blob_set.models else _UNDER_WAY


@dataclass(slots=True)
class Search:
    """The search of one process. Two at once are harmless: the slower one stops.

    If the record of a search is unreadable, each process searches by itself, and keeps the
    progress in memory.
    """

    context: Context
    activations: Activations
    backfill: Backfill
    version_runs: VersionRuns
    data: BlobSet
    models: BlobSet
    _own: dict[str, SearchState] = field(default_factory=dict)
    _reported: LogOnce = field(default_factory=LogOnce)

    def run_until(self, until: datetime) -> None:
        """Search for as long as there is time, and begin anew when it is due.

        Models are searched first, for a quarter of the time at most.

        Raises:
            TransientError: storage does not work now.
        """
        self.activations.refresh()
        now = self.context.clock.now()
        try:
            self._continue(self._for_models(), now + (until - now) / 4)
        except RelearnError as exc:
            log.warning("models under promote/ cannot be searched for now: %s", exc)
        now = self.context.clock.now()
        self.backfill.newest(now + (until - now) / 2)
        self._continue(self._for_data(), until)

    def want(self, since: datetime) -> None:
        """Have both searches begin again at once, for all changes since then.

        Called after a change of the pipelines file: earlier events found other pipelines.

        Args:
            since: a moment by the storage's clock.

        Raises:
            ConflictError, TransientError, OutcomeUnknownError: the ledger does not work now;
                call again.
        """
        now = self.context.clock.now()

        def wanted(known: SearchState | None) -> SearchState:
            if known is None:  # the first search checks every blob
                return SearchState(started_at=now, at_once=True)
            return known.evolve(wanted_from=min(since, known.wanted_from or since))

        for search in (self.context.ledger.search, self.context.ledger.search_models):
            with suppress(CorruptRecordError):  # each process searches by itself
                search.update(wanted)

    def _for_data(self) -> _Search:
        search = self.context.ledger.search
        return _Search(self.data, search.read, search.put)

    def _for_models(self) -> _Search:
        search = self.context.ledger.search_models
        return _Search(self.models, search.read, search.put)

    def _in_memory(self, search: _Search) -> _Search:
        """Return the search as only this process knows it."""
        known, own = search.blob_set.what, self._own

        def put(state: SearchState, _: ETag | None) -> ETag:
            own[known] = state
            return _NONE

        def read() -> Stored[SearchState] | None:
            return Stored(own[known], _NONE) if known in own else None

        return replace(search, read=read, put=put)

    def _continue(self, search: _Search, until: datetime) -> None:
        try:
            stored = search.read()
        except CorruptRecordError as exc:
            if self._reported.first(search.blob_set.what):
                log.error("%s", exc)  # never overwritten: an operator has to remove it
            search = self._in_memory(search)
            stored = search.read()
        while self.context.clock.now() < until:
            state = self._due(search, stored.record if stored else None)
            if state is None:
                return
            step = _Step(self, search, until)
            try:
                state = step.taken(state)
            except InvalidCursorError:
                state = state.evolve(cursor=None, checked_to="")
                log.info("the search for lost events begins again: its cursor is not taken")
            try:
                etag = search.put(state, stored.etag if stored else None)
            except ConflictError:
                return  # another worker searches
            if step.stopped or (state.complete and state.wanted_from is None):
                return
            stored = Stored(state, etag)

    def _due(self, search: _Search, known: SearchState | None) -> SearchState | None:
        now = self.context.clock.now()
        if known is None:
            return SearchState(started_at=now)
        if not known.complete:
            return known
        # A search whose clock was ahead did not find later changes.
        backfill = not search.blob_set.models and self.backfill.wanted()
        wanted = backfill or known.started_at > now + _MARGIN
        soon = known.wanted_from is not None
        if not (wanted or soon) and now - known.started_at < self.context.limits.search_every:
            return None
        since = min(known.started_at, known.wanted_from or known.started_at) - _MARGIN
        return SearchState(
            started_at=now,
            since=None if wanted else since,
            again=known.unread,
            completed_at=known.completed_at,
            at_once=soon,
        )


@dataclass(slots=True)
class _Step:
    """The work between two writes of the state: some names once more, or one page."""

    by: Search
    search: _Search
    until: datetime
    failures: int = 0  #: in a row

    def taken(self, state: SearchState) -> SearchState:
        """Do the step and return the new state of the search. Raises as storage does."""
        return self._names(state) if state.again else self._page(state)

    @property
    def stopped(self) -> bool:
        """Whether the storage fails, so that no further blob is read now."""
        return self.failures >= _FAILURES

    def _may_continue(self) -> bool:
        return not self.stopped and self.by.context.clock.now() < self.until

    def _names(self, state: SearchState) -> SearchState:
        """Try the blobs once more that the last search could not read."""
        again = list(state.again)
        while again and self._may_continue():
            state = self._checked(state, again.pop(0))
        return state.evolve(again=tuple(again))

    def _page(self, state: SearchState) -> SearchState:
        """Check one page, or as much of it as there is time for."""
        page = self.search.blob_set.page(state.cursor)
        left = self._candidates(_after(page.items, state.checked_to), state)
        while left and self._may_continue():
            blob = left.pop(0)
            state = self._checked(state, blob.name, blob)
            state = state.evolve(checked_to=blob.name)
        if left:
            return state
        state = state.evolve(cursor=page.cursor, checked_to="")
        return self._completed(state) if page.cursor is None else state

    def _candidates(self, blobs: Sequence[BlobVersion], state: SearchState) -> list[BlobVersion]:
        latest = self.by.context.clock.now() - self.search.under_way
        young = state.at_once or not self.search.under_way  # whether young blobs are checked too
        return [
            blob
            for blob in blobs
            if (young or blob.modified <= latest)
            and (state.since is None or blob.modified >= state.since)
        ]

    def _completed(self, state: SearchState) -> SearchState:
        if state.since is None and not self.search.blob_set.models:
            self.by.backfill.done(state.started_at)
        if state.found:
            what = self.search.blob_set.what
            log.warning("%d %s were found that no event had announced", state.found, what)
        now = self.by.context.clock.now()
        return state.evolve(complete=True, completed_at=now)

    def _checked(
        self, state: SearchState, name: str, blob: BlobVersion | None = None
    ) -> SearchState:
        try:
            blob = blob or self.search.blob_set.head(name)
            versions = self.search.blob_set.versions(blob) if blob is not None else ()
            found = self.by.version_runs.discover(versions)
        except RelearnError as exc:
            return self._remembered(state, name, exc)
        self.failures = 0
        changes = {"checked": state.checked + 1, "found": state.found + found}
        return state.evolve(**changes)

    def _remembered(self, state: SearchState, name: str, exc: RelearnError) -> SearchState:
        """Return the state with a blob that cannot be read; the search continues with the others.

        Raises:
            RelearnError: too many cannot be read now: the page is searched again.
        """
        full = len(state.unread) >= _MOST_UNREAD
        if isinstance(exc, CorruptRecordError):
            log.error("%s %s: %s", self.search.blob_set.what, name, exc)
            if full:
                # It has a record, so it was seen before. An operator has to correct that record.
                log.error("%s is not looked up again: too many records are damaged", name)
        else:
            self.failures += 1
            log.warning("%s %s cannot be looked up now: %s", self.search.blob_set.what, name, exc)
            if full:
                raise exc
        unread = state.unread if full or name in state.unread else (*state.unread, name)
        return state.evolve(checked=state.checked + 1, unread=unread)


def _after(blobs: Sequence[BlobVersion], name: str) -> Sequence[BlobVersion]:
    """Return the blobs after the one of this name; all of them if it is gone."""
    at = next((at for at, blob in enumerate(blobs, 1) if blob.name == name), 0)
    return blobs[at:]
