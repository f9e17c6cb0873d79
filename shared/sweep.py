"""Finds the data that no event announced, page by page and a little in each tick.

Candidates are blobs that changed since the last completed sweep began, less a margin; only
those are looked up. How far it got is in the ledger, so that any worker goes on with it.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from shared.context import Context, log
from shared.core.blobs import BlobVersion
from shared.errors import (
    BadCursor,
    Conflict,
    CorruptRecord,
    OutcomeUnknown,
    RelearnError,
    TransientError,
)
from shared.intake import Intake
from shared.records import Stored, SweepState

#: What changed this long before a sweep is looked at again: clocks differ, listings lag.
_MARGIN: Final = timedelta(minutes=15)
#: The event of a younger blob may be on its way; the next sweep looks, should it not come.
_UNDER_WAY: Final = timedelta(minutes=5)


@dataclass(slots=True)
class Sweep:
    """The search of one process. Two at once are harmless: the slower one gives way."""

    context: Context
    intake: Intake

    def go_on(self, until: datetime) -> None:
        """Search for as long as there is time, and begin anew when it is due.

        Raises:
            TransientError: storage does not work now.
        """
        try:
            stored = self.context.ledger.sweep()
        except CorruptRecord as exc:
            log.error("%s", exc)  # the events still come; somebody has to move it away
            return
        self.intake.activate()
        self.intake.backfill.newest(until)
        while self.context.clock.now() < until:
            state = self._due(stored.record if stored else None)
            if state is None:
                return
            try:
                state = self._page(state, until)
            except BadCursor:
                state = state.model_copy(update={"cursor": None, "looked_at": ""})
                log.info("the search for lost events begins again: its cursor is not taken")
            try:
                etag = self.context.ledger.put_sweep(state, stored.etag if stored else None)
            except Conflict:
                return  # another worker searches
            if state.complete:
                return
            stored = Stored(state, etag)

    def _due(self, known: SweepState | None) -> SweepState | None:
        now = self.context.clock.now()
        if known is None:
            return SweepState(started_at=now)
        if not known.complete:
            return known
        # A host whose clock was ahead has looked at nothing that changed since.
        wanted = self.intake.backfill.wanted() or known.started_at > now + _MARGIN
        if not wanted and now - known.started_at < self.context.limits.sweep_every:
            return None
        since = known.since if known.skipped else known.started_at - _MARGIN
        since = None if wanted else since
        return SweepState(started_at=now, since=since, completed_at=known.completed_at)

    def _page(self, state: SweepState, until: datetime) -> SweepState:
        """Look through one page, or as much of it as there is time for."""
        page = self.context.data.page(self.context.data_container, state.cursor)
        left = self._candidates(_after(page.items, state.looked_at), state.since)
        met: list[bool | None] = []
        while left and self.context.clock.now() < until:
            blob = left.pop(0)
            met.append(self._found(blob))
            state = state.model_copy(update={"looked_at": blob.name})
        state = state.model_copy(
            update={
                "looked": state.looked + len(met),
                "found": state.found + sum(one is True for one in met),
                "skipped": state.skipped or None in met,
            }
        )
        if left:
            return state
        state = state.model_copy(update={"cursor": page.cursor, "looked_at": ""})
        return self._completed(state) if page.cursor is None else state

    def _candidates(
        self, blobs: Iterable[BlobVersion], since: datetime | None
    ) -> list[BlobVersion]:
        latest = self.context.clock.now() - _UNDER_WAY
        return [
            blob
            for blob in blobs
            if blob.modified <= latest and (since is None or blob.modified >= since)
        ]

    def _completed(self, state: SweepState) -> SweepState:
        if state.since is None:
            self.intake.backfill.done(state.started_at)
        if state.found:
            log.warning("%d data versions were found that no event had announced", state.found)
        now = self.context.clock.now()
        return state.model_copy(update={"complete": True, "completed_at": now})

    def _found(self, blob: BlobVersion) -> bool | None:
        """Return whether a blob was news; None when that cannot be told now."""
        try:
            return self.intake.met(blob)
        except (TransientError, OutcomeUnknown):
            raise  # the page is looked at again
        except RelearnError as exc:
            log.error("blob %s: %s", blob.path, exc)  # the others shall be found all the same
            return None


def _after(blobs: Sequence[BlobVersion], name: str) -> Sequence[BlobVersion]:
    """Return the blobs behind the one of this name; all of them, should it be gone."""
    at = next((at for at, blob in enumerate(blobs, 1) if blob.name == name), 0)
    return blobs[at:]
