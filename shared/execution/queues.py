"""Advances the queues of waiting runs and of endpoints: of each only the run that is next.

A tick reads the record of each queue once, however many runs wait in it. The run that is next
is checked after a change that may let it begin: of the queue, of the holders of its slots, of a
pause, or at the time that a budget names. Once it has begun, the next one is checked, until one
does not begin. The hints of markers say which runs wait. Each record is read now and then,
because a hint may be out of date.

A run that found another one updating its endpoint tries again by itself, the more seldom the
longer it waits. So that no endpoint is idle meanwhile, each tick checks whether the endpoints
that runs wait for are free, and has the next run of each continue. Which runs wait is a hint of
their markers; whether an endpoint is free is read from its state and the run that has its lease.
"""

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import islice
from typing import Final

from shared.core.counting import counted, they
from shared.core.run.concurrency import RunQueue, next_allowed
from shared.core.run.record import Phase, Run
from shared.errors import CorruptRecordError, RelearnError
from shared.execution.context import Context
from shared.execution.driver import NOT_KNOWN, Advanced
from shared.ledger.open_markers import Marker, queue_of
from shared.ledger.store import Stored
from shared.ports.storage import ETag
from shared.telemetry import LogOnce, log

#: How often a hint is compared with its record, and a queue is checked without a change.
EVERY: Final = timedelta(minutes=10)
#: Slots of one pipeline that are listed, instead of read one by one.
_MANY: Final = 5
#: A listing is one page, and up to this number of other queues for each queue that is wanted.
_PAGE: Final = 5000
_SKIPPED: Final = 50


@dataclass(frozen=True, slots=True)
class CheckResult:
    """The result of one check of a run."""

    well: bool  #: False: its service, or the storage, failed
    advanced: Advanced = NOT_KNOWN  #: without a run where that is not known


Check = Callable[[Marker], CheckResult]


@dataclass(frozen=True, slots=True)
class Queue:
    """The open runs whose markers say that they wait in one queue, by their ids."""

    name: str
    markers: Mapping[str, Marker]

    @property
    def service(self) -> str:
        """The service that the runs call once they begin, as far as that is known."""
        return next((m.hints.service for m in self.markers.values()), "")


@dataclass(frozen=True, slots=True)
class _Blocked:
    """The state of a queue when its next run could not begin."""

    stored: Stored[RunQueue] | None
    stamp: tuple[object, ...]
    until: datetime  #: when it is tried again without a change


class PolledQueues:
    """The queues as one poller knows them; another poller reads the same records.

    Args:
        context: the ledger and the clock.
    """

    def __init__(self, context: Context) -> None:
        self._context = context
        self._blocked: dict[str, _Blocked] = {}
        self._checked: dict[str, datetime] = {}
        self._unwanted: set[str] = set()
        self._phases: dict[str, Phase | None] = {}
        self._pauses: dict[str, object] = {}
        self._etags: dict[str, ETag] = {}
        self._reported = LogOnce()

    def found(self, markers: Sequence[Marker]) -> list[Queue]:
        """Return the queues that these open runs wait in, and drop those that are gone."""
        sorted_: dict[str, dict[str, Marker]] = {}
        for marker in markers:
            if name := queue_of(marker):
                sorted_.setdefault(name, {})[marker.run_id] = marker
        self._phases = {marker.run_id: marker.hints.phase for marker in markers}
        self._pauses = {}
        now, checked = self._context.clock.now(), self._checked
        waiting = [run_id for queue in sorted_.values() for run_id in queue]
        self._checked = {one: checked.get(one, now - _part(one) * EVERY) for one in waiting}
        self._unwanted &= set(waiting)
        self._blocked = {name: b for name, b in self._blocked.items() if name in sorted_}
        self._etags = self._listed()
        return [Queue(name, found) for name, found in sorted_.items()]

    def note(self, marker: Marker, run: Run | None) -> None:
        """Remember the phase of a run that was checked: it may have a slot.

        Args:
            marker: of the run.
            run: the run after the check; None where it is not known.
        """
        if run is not None:  # else nothing has changed
            self._phases[marker.run_id] = None if run.phase.ended else run.phase

    def bring_forward(self, queue: Queue, until: datetime, check: Check) -> bool:
        """Check the next runs of a queue, until one does not begin.

        Args:
            queue: the queue.
            until: when no further run may be checked.
            check: checks one run, and never raises.

        Returns:
            False when a service failed.
        """
        known = self._blocked.get(queue.name)
        try:
            stored = self._as_it_is(queue.name, known)
        except CorruptRecordError as exc:
            if self._reported.first(queue.name):
                log.error("%s; %s for it", exc, _waiting(len(queue.markers)))
            return True
        order = _order(stored)
        well = self._check(queue, set(order), until, check)
        now = self._context.clock.now()
        if known and now < known.until and known.stamp == self._stamp(queue.name, stored):
            return well
        return self._begin(queue, order, until, check) and well

    def _listed(self) -> dict[str, ETag]:
        """Return the ETags of the queues of pipelines in which the runs of many keys wait."""
        of: dict[str, set[str]] = {}
        for name in self._blocked:
            if pipeline := _pipeline_of(name):
                of.setdefault(pipeline, set()).add(name)
        found: dict[str, ETag] = {}
        for pipeline, names in of.items():
            if len(names) < _MANY:
                continue
            # As long as that is cheaper than reading them: there may be many more keys.
            run_queues = self._context.ledger.run_queues.listed(pipeline)
            for listed in islice(run_queues, _PAGE + _SKIPPED * len(names)):
                if listed.name in names:
                    found[listed.name] = listed.etag
        return found

    def _as_it_is(self, name: str, known: "_Blocked | None") -> Stored[RunQueue] | None:
        if known and known.stored and known.stored.etag == self._etags.get(name):
            return known.stored
        return self._context.ledger.run_queues.read(name)

    def _check(self, queue: Queue, listed: set[str], until: datetime, check: Check) -> bool:
        """Check runs that wait by their markers, but that the queue does not list."""
        well = True
        for run_id, marker in queue.markers.items():
            now = self._context.clock.now()
            strayed = run_id not in listed and run_id not in self._unwanted
            if not well or now >= until:
                break
            if not strayed and now - self._checked[run_id] < EVERY:
                continue
            self._checked[run_id] = now
            if run_id not in listed:
                self._unwanted.add(run_id)
            elif self._waits(run_id, queue.name):
                continue
            well = check(marker).well
        return well

    def _waits(self, run_id: str, name: str) -> bool:
        try:
            stored = self._context.ledger.runs.read(run_id)
        except CorruptRecordError:
            return False
        if stored is None:
            return False
        run = stored.record
        return run.phase is Phase.WAITING and run.queue_name == name and run.step_failure is None

    def _begin(self, queue: Queue, order: Sequence[str], until: datetime, check: Check) -> bool:
        passed: set[str] = set()
        while self._context.clock.now() < until:
            following = (one for one in order if one in queue.markers and one not in passed)
            run_id = next(following, None)
            if run_id is None:
                break
            passed.add(run_id)
            checked = check(queue.markers[run_id])
            # The times differ, so that not all runs are checked again at once.
            self._checked[run_id] = self._context.clock.now() - _part(run_id) * EVERY
            if not checked.well:
                return False
            stored = self._context.ledger.run_queues.read(queue.name)
            order = _order(stored)
            run = checked.advanced.run
            if run is not None and run.phase is Phase.WAITING and run_id in order:
                self._remember(queue.name, stored, run)
                break
        return True

    def _remember(self, name: str, stored: Stored[RunQueue] | None, run: Run) -> None:
        now = self._context.clock.now()
        allowed = next_allowed(stored.record, run.config) if stored else None
        again = now + (1 + _part(name)) * EVERY
        again = min(again, allowed) if allowed and allowed > now else again
        self._blocked[name] = _Blocked(stored, self._stamp(name, stored), again)

    def _stamp(self, name: str, stored: Stored[RunQueue] | None) -> tuple[object, ...]:
        holders = stored.record.holders if stored else ()
        phases = tuple(self._phases.get(run_id) for run_id in holders)
        return stored.etag if stored else "", phases, self._pause(name)

    def _pause(self, name: str) -> object:
        pipeline = _pipeline_of(name)
        if not pipeline:
            return None  # a run that waits in a shared queue has passed the pauses already
        if pipeline not in self._pauses:
            self._pauses[pipeline] = self._context.ledger.pauses.read(pipeline).record
        return self._pauses[pipeline]


def _pipeline_of(name: str) -> str:
    """Return the pipeline of a queue; empty for a shared queue."""
    kind, _, rest = name.partition("/")
    return rest.partition("/")[0] if kind == "run_queues" else ""


def _order(stored: Stored[RunQueue] | None) -> list[str]:
    """Return the runs that wait, the next one first."""
    if stored is None:
        return []
    waiting: Iterable[str] = [queue_entry.run_id for queue_entry in stored.record.waiting]
    return list(waiting)[::-1] if stored.record.newest_first else list(waiting)


def _part(run_id: str) -> float:
    # Derived from the id, so that the checks of many runs are spread over the time.
    return hashlib.sha256(run_id.encode()).digest()[0] / 256


def _waiting(number: int) -> str:
    return f"{counted(number, 'run')} {they(number, 'waits', 'wait')}"


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
            log.info("endpoint %s: its lease cannot be read now: %s", endpoint, exc)
            return False
        return holder is None or not holder.record.phase.updates


def _by_age(marker: Marker) -> tuple[object, ...]:
    """Return what sorts the runs that wait: rollbacks first, then those that wait the longest."""
    wait = marker.run.waits_for
    return (not wait.rollback, wait.since, marker.run_id) if wait else ()
