"""Finds what open runs wait for, for the views of a run, a pipeline or an endpoint.

One listing of open markers shows which runs are open. The details of a run come from
its record. A page names no more runs than `MOST_SHOWN`, those that fail first.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from shared.core.names import pipeline_of
from shared.core.run.record import Phase, Run
from shared.core.run.waiting import Waits, waits_of
from shared.core.serving.references import EndpointRef
from shared.errors import CorruptRecordError
from shared.execution.context import Context
from shared.ledger.open_markers import Marker
from shared.ledger.store import Stored
from shared.telemetry import log

#: Runs that one page shows, each at a read.
MOST_SHOWN: Final = 20
_AT_ENDPOINT: Final = frozenset({Phase.PROMOTING, Phase.VERIFYING, Phase.ROLLING_BACK})


@dataclass(frozen=True, slots=True)
class OpenRun:
    """An open run, and what it waits for."""

    run_id: str
    phase: Phase
    waiting: Waits


@dataclass(frozen=True, slots=True)
class Counts:
    """How many runs of a pipeline are open, by their markers; they may be a tick behind."""

    open: int = 0
    failing: int = 0  #: runs with a step failure, or between two attempts
    awaiting_approval: int = 0
    parked: int = 0


@dataclass(frozen=True, slots=True)
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
        """Return the runs that are at an endpoint, or wait for it.

        Args:
            endpoint: the endpoint.
            markers: of open runs.
            holder: the run that has the endpoint lease, if one has.
        """
        there = [one for one in markers if _is_at(one, endpoint)]
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


def counts_of(markers: Iterable[Marker]) -> Counts:
    """Return how many runs these markers are of, by their phases."""
    all_ = list(markers)
    phases = [one.hints.phase for one in all_]
    return Counts(
        open=len(all_),
        failing=sum(map(_failing, all_)),
        awaiting_approval=phases.count(Phase.AWAITING_APPROVAL),
        parked=phases.count(Phase.PARKED),
    )


def _is_at(marker: Marker, endpoint: EndpointRef) -> bool:
    return marker.run.phase in _AT_ENDPOINT and marker.run.endpoint_id == endpoint.id


def _urgency(marker: Marker) -> tuple[bool, bool, str]:
    parked = marker.hints.phase in (Phase.PARKED, Phase.AWAITING_APPROVAL)
    return not _failing(marker), not parked, marker.run_id


def _failing(marker: Marker) -> bool:
    """Whether a run's last step failed, or it pauses; waiting for an endpoint is no failure."""
    return marker.run.failing
