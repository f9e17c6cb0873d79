"""The queue of each endpoint: the run that waits the longest continues once its endpoint is free.

A run that found another one updating its endpoint tries again by itself, the more seldom the
longer it waits. So that no endpoint is idle meanwhile, each tick checks whether the endpoints
that runs wait for are free, and has the next run of each continue. Which runs wait is a hint of
their markers; whether an endpoint is free is read from its state and the run that has its lease.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime

from shared.errors import RelearnError
from shared.execution.context import Context
from shared.ledger.open_markers import Marker
from shared.telemetry import log


@dataclass(slots=True)
class EndpointQueue:
    """The runs that wait for endpoints during one tick.

    Args:
        context: the ledger and the clock.
    """

    context: Context
    _waiting: dict[str, list[Marker]] = field(default_factory=dict)

    def found(self, markers: Iterable[Marker]) -> None:
        """Sort the open runs that wait for an endpoint, for each endpoint in their order."""
        self._waiting = {}
        for marker in markers:
            if (wait := marker.run.waits_for) is not None:
                self._waiting.setdefault(wait.endpoint_id, []).append(marker)
        for waiting in self._waiting.values():
            waiting.sort(key=_by_age)

    def next(self, until: datetime) -> list[Marker]:
        """Return the next run of each endpoint that is free; each run is returned once.

        An endpoint that is not free is not asked for again in this tick, nor is one for which
        there was no time.

        Args:
            until: when no further endpoint may be asked for.
        """
        now = self.context.clock.now
        self._waiting = {
            name: left
            for name, left in self._waiting.items()
            if now() < until and self._is_free(name)
        }
        following = [left.pop(0) for left in self._waiting.values()]
        self._waiting = {name: left for name, left in self._waiting.items() if left}
        return following

    def _is_free(self, endpoint: str) -> bool:
        """Whether no run is at work there; where that cannot be read, a later tick asks again."""
        try:
            stored = self.context.ledger.endpoint_states.read(endpoint)
            last = stored.record.endpoint_lease if stored else None
            holder = self.context.ledger.runs.read(last.run_id) if last else None
        except RelearnError as exc:
            log.info("endpoint %s: whether it is free is not known now: %s", endpoint, exc)
            return False
        return holder is None or not holder.record.phase.updates


def _by_age(marker: Marker) -> tuple[object, ...]:
    """Return what sorts the runs that wait: rollbacks first, then those that wait the longest."""
    wait = marker.run.waits_for
    return (not wait.rollback, wait.since, marker.run_id) if wait else ()
