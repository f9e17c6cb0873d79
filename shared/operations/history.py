"""Lists runs for operators, and finds what open runs wait for.

One listing of open markers shows which runs are open. The details of a run come from
its record. A page names no more runs than `MOST_SHOWN`, those that fail first.

A page costs at most two listings and as many reads as it may hold runs, however many runs
there are (design C6): names carry the time, and hints in their metadata exclude most runs.
"""

import base64
import binascii
import json
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final

from shared.core.names import digest, index_name, pipeline_of
from shared.core.run.record import Phase, Run
from shared.core.run.waiting import Waits, waits_of
from shared.core.service import service
from shared.core.serving.references import EndpointRef
from shared.errors import CorruptRecordError, InvalidCursorError
from shared.execution.context import Context
from shared.ledger.open_markers import Marker
from shared.ledger.store import Stored
from shared.ports.storage import Listed
from shared.telemetry import log

#: Runs that one page shows, each at a read.
MOST_SHOWN: Final = 20
#: Names listed for one page, if a filter excludes most of them.
_NAMES: Final = 5000
_LISTINGS: Final = 2
_AT_ONCE: Final = 8


@dataclass(frozen=True, slots=True)
class OpenRun:
    """An open run, and what it waits for."""

    run_id: str
    phase: Phase
    waiting: Waits


@dataclass(frozen=True, slots=True)
class OpenRunCounts:
    """How many runs of a pipeline are open, by their markers; they may be a tick behind."""

    open: int = 0
    failing: int = 0  #: runs with a step failure, or between two attempts
    awaiting_approval: int = 0
    parked: int = 0


@service
class OpenRuns:
    """Finds open runs. Nothing is changed."""

    context: Context

    def waits(self, stored: Stored[Run]) -> Waits | None:
        """Return what a run waits for, as it is stored; None where it has ended."""
        run = stored.record
        if run.claim is None:
            return waits_of(run)
        return waits_of(run, self.context.clock.now() + self.context.limits.lease - stored.age)

    def markers(self, pipeline: str = "") -> list[Marker]:
        """Return the markers of the open runs, of all pipelines or of one, in one listing."""
        found = self.context.ledger.open_markers.listed(pipeline)
        return [one for one in found if not pipeline or pipeline_of(one.run_id) == pipeline]

    def shown(self, markers: Iterable[Marker], most: int = MOST_SHOWN) -> tuple[OpenRun, ...]:
        """Return the runs of these markers, those first whose last step failed.

        Args:
            markers: of open runs.
            most: how many runs at most, each at a read.
        """
        return self._read([one.run_id for one in sorted(markers, key=_urgency)], most)

    def at_endpoint(
        self, endpoint: EndpointRef, markers: Iterable[Marker], holder: str | None
    ) -> tuple[OpenRun, ...]:
        """Return the runs that are at an endpoint, or wait for it; parked ones too.

        Args:
            endpoint: the endpoint.
            markers: of open runs.
            holder: the run that has the endpoint lease, if one has.
        """
        there = [one for one in markers if one.run.endpoint_id == endpoint.id]
        ids = [one.run_id for one in sorted(there, key=_urgency)]
        known = [holder, *(one for one in ids if one != holder)] if holder else ids
        return self._read(known, MOST_SHOWN)

    def _read(self, run_ids: Sequence[str], most: int) -> tuple[OpenRun, ...]:
        found = []
        for run_id in run_ids[:most]:
            try:
                stored = self.context.ledger.runs.read(run_id)
            except CorruptRecordError as exc:
                log.error("%s", exc)  # the others are shown
                continue
            waits = self.waits(stored) if stored is not None else None
            if stored is not None and waits is not None:
                found.append(OpenRun(run_id, stored.record.phase, waits))
        return tuple(found)


def counts_of(markers: Iterable[Marker]) -> OpenRunCounts:
    """Return how many runs these markers are of, by their phases."""
    all_ = list(markers)
    phases = [one.hints.phase for one in all_]
    return OpenRunCounts(
        open=len(all_),
        failing=sum(map(_failing, all_)),
        awaiting_approval=phases.count(Phase.AWAITING_APPROVAL),
        parked=phases.count(Phase.PARKED),
    )


def _urgency(marker: Marker) -> tuple[bool, bool, str]:
    parked = marker.hints.phase in (Phase.PARKED, Phase.AWAITING_APPROVAL)
    return not _failing(marker), not parked, marker.run_id


def _failing(marker: Marker) -> bool:
    """Whether a run's last step failed, or it pauses; waiting for an endpoint is not a failure."""
    return marker.run.failing


@dataclass(frozen=True, slots=True)
class RunFilter:
    """The filter of a list of runs; None for any."""

    pipeline: str | None = None
    key: tuple[str, ...] | None = None
    phase: Phase | None = None
    open: bool | None = None
    parent: str | None = None  #: the deliveries of this run, instead of runs that train

    def by_name(self, listed: Listed) -> bool:
        """Whether the hints of a name allow it to be wanted."""
        hints = listed.metadata
        if self.pipeline is not None and hints.get("pipeline") != self.pipeline:
            return False
        if self.key is not None and hints.get("key") != digest("key", *self.key):
            return False
        return hints.get("parent") == self.parent

    def by_record(self, run: Run) -> bool:
        """Whether the run itself is wanted."""
        if self.phase is not None and run.phase is not self.phase:
            return False
        return self.open is None or self.open is not run.phase.ended


@dataclass(frozen=True, slots=True)
class RunPage:
    """Some runs, and the cursor of the next page; a page may hold fewer than were asked for."""

    stored: tuple[Stored[Run], ...]
    cursor: str | None


@dataclass(frozen=True, slots=True)
class IdPage:
    """Ids of some runs, and the cursor of the next page; it may hold fewer than were asked for."""

    run_ids: tuple[str, ...]
    cursor: str | None


@dataclass(frozen=True, slots=True)
class _PageCursor:
    """Where a page ended: the storage's own cursor, and the last name that was handled."""

    token: str | None = None
    after: str = ""

    def text(self) -> str:
        text = base64.urlsafe_b64encode(json.dumps([self.token, self.after]).encode())
        # With its padding it may look like a signature, and be redacted.
        return text.decode().rstrip("=")


@service
class History:
    """Lists runs. Nothing is changed."""

    context: Context

    def page(self, wanted: RunFilter, limit: int, cursor: str | None) -> RunPage:
        """Return some runs, the newest first.

        Args:
            wanted: which runs.
            limit: how many at most, 1 to 50.
            cursor: where the page before ended; None for the first.

        Returns:
            The page; it may hold fewer runs although there are more.

        Raises:
            InvalidCursorError: no page gave this cursor.
            TransientError: storage does not work now.
        """
        start = _parsed(cursor)
        names: list[str] = []
        for _ in range(_LISTINGS):
            listed = self.context.ledger.index.page(self._size(wanted, limit), start.token)
            for item in listed.items:
                if item.name > start.after and wanted.by_name(item):
                    names.append(item.name)
                    if len(names) == limit:
                        break
            if len(names) == limit:
                start = _PageCursor(start.token, names[-1])
                break
            if listed.cursor is None:
                return RunPage(self._read(names, wanted.by_record), None)
            # Runs opened meanwhile move shown runs into the next listing: these are skipped.
            start = _PageCursor(listed.cursor, start.after)
        return RunPage(self._read(names, wanted.by_record), start.text())

    def parked(self, limit: int, cursor: str | None) -> IdPage:
        """Return the ids of some parked runs, only by the markers of open runs.

        Costs one listing, however many runs are open. A hint may be a tick older than its record.

        Args:
            limit: how many at most.
            cursor: where the page before ended; None for the first.

        Returns:
            The page; it may hold fewer runs although there are more.

        Raises:
            InvalidCursorError: no page gave this cursor.
            TransientError: storage does not work now.
        """
        start = _parsed(cursor)
        listed = self.context.ledger.open_markers.page(_NAMES, start.token)
        found: list[str] = []
        for marker in listed.items:
            if marker.run_id > start.after and marker.hints.phase is Phase.PARKED:
                if len(found) == limit:
                    return IdPage(tuple(found), _PageCursor(start.token, found[-1]).text())
                found.append(marker.run_id)
        following = None if listed.cursor is None else _PageCursor(listed.cursor).text()
        return IdPage(tuple(found), following)

    def _size(self, wanted: RunFilter, limit: int) -> int:
        narrow = wanted.pipeline is not None or wanted.key is not None or wanted.parent is not None
        return _NAMES if narrow else min(_NAMES, 4 * limit)

    def _read(self, names: list[str], wanted: Callable[[Run], bool]) -> tuple[Stored[Run], ...]:
        if not names:
            return ()
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            found = list(pool.map(self._run, names))
        return tuple(one for one in found if one is not None and wanted(one.record))

    def _run(self, name: str) -> Stored[Run] | None:
        run_id = name.partition("-")[2]
        try:
            stored = self.context.ledger.runs.read(run_id)
        except CorruptRecordError as exc:
            log.error("%s", exc)  # the others are shown
            return None
        if stored is None or index_name(stored.record.opened_at, run_id) != name:
            return None  # it was never stored, or another worker stored it a moment later
        return stored


def _parsed(cursor: str | None) -> _PageCursor:
    if cursor is None:
        return _PageCursor()
    try:
        token, after = json.loads(base64.urlsafe_b64decode(cursor.encode() + b"=="))
    except (ValueError, TypeError, RecursionError, binascii.Error):
        raise InvalidCursorError("the cursor is not one that a page gave: leave it out") from None
    if not isinstance(after, str) or not (token is None or isinstance(token, str)):
        raise InvalidCursorError("the cursor is not one that a page gave: leave it out")
    return _PageCursor(token, after)
