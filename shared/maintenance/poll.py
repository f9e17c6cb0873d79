"""The timer's work: advances every open run, even if every event was lost."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from shared import tracing
from shared.errors import ConflictError, CorruptRecordError, RelearnError, TransientError
from shared.execution.context import Context
from shared.intake.batches import Batches
from shared.intake.eligibility import Activations
from shared.intake.last_good import LastGood
from shared.intake.schedules import Schedules
from shared.intake.unwanted_data import UnwantedData
from shared.ledger.progress import Heartbeat
from shared.ledger.store import Stored
from shared.maintenance.drift import Drift
from shared.maintenance.rounds import Round, Rounds
from shared.maintenance.ticks import Containers
from shared.telemetry import log

#: Up to which part of a tick's time open runs are checked, and runs opened for waiting data;
#: the rest of the time is for drift checks. Time that is not needed is used by the next part.
_SHARES: Final = (5 / 8, 7 / 8)


@dataclass(slots=True)
class Poll:
    """One poller of a process. Two at once are harmless."""

    context: Context
    last_good: LastGood
    activations: Activations
    rounds: Rounds
    batches: Batches
    unwanted: UnwantedData
    drift: Drift
    schedules: Schedules
    _containers: Containers = field(init=False)
    _next_batch_key: Mapping[str, str] = field(default_factory=dict, init=False)

    def __post_init__(self) -> None:
        """Check the containers at the first tick."""
        self._containers = Containers(self.context)

    def tick(self, until: datetime | None = None) -> Heartbeat:
        """Advance every open run that is due, within the tick's budget.

        A run that cannot be advanced is logged; the others continue.

        Args:
            until: when nothing more may be begun; None: as long as a tick may take.

        Returns:
            The record of the tick.

        Raises:
            TransientError: the open runs cannot be listed now.
        """
        until = until or self.until()
        self.activations.refresh()
        last = self._last_tick()
        self._next_batch_key = last.record.next_batch_key if last else {}
        # Many open runs, or much waiting data, must not take all of the time.
        clock, began = self.context.clock, self.context.clock.now()
        rounds, batches = (began + (until - began) * part for part in _SHARES)
        first = self.rounds.run(rounds, last.record.resume_after if last else "")
        later = self._open_batches(batches, first.opened)
        self.rounds.continue_at_endpoints(batches)
        if (now := clock.now()) < until:
            # Only a part of the tick: drift checks may wait for the next tick, runs may not.
            self.drift.check(min(until, now + self.context.limits.tick / 4))
        resume_after = first.resume_after
        if resume_after and clock.now() < until:
            later.append(self.rounds.run(until, resume_after))
            resume_after = later[-1].resume_after
        beat = Heartbeat(
            at=clock.now(),
            checked=sum(round_.checked for round_ in (first, *later)),
            open=(first, *later)[-1].open,
            parked=(first, *later)[-1].parked,
            missing=self._containers.missing(),
            resume_after=resume_after,
            next_batch_key=dict(self._next_batch_key),
        )
        try:
            self.context.ledger.heartbeat.put(beat, last.etag if last else None)
        except ConflictError:
            pass  # another poller stored it: both are right
        except TransientError as exc:  # the tick has done its work
            log.warning("the last tick cannot be recorded now: %s", exc)
        tracing.measure(tracing.POLL, (clock.now() - began).total_seconds())
        return beat

    def start_scheduled(self, until: datetime | None = None) -> None:
        """Open the runs whose due times have come, at most one for each due time and key.

        They are opened for all pipelines before the first of them is advanced, and half of the
        time is left for the rest. A run that is not advanced here is advanced by the poll.

        Args:
            until: when no further run may be begun; None: as long as a tick may take.
        """
        began, until = self.context.clock.now(), until or self.until()
        self.last_good.load()
        end = began + (until - began) / 2
        opened = self.schedules.open_due(end)
        if opened and self.context.clock.now() < end:
            self.rounds.run(end, only=frozenset(opened))

    def until(self) -> datetime:
        """Return when nothing more may be begun in the present invocation."""
        limits = self.context.limits
        return self.context.clock.now() + limits.tick - limits.longest_step

    def _open_batches(self, until: datetime, opened: int) -> list[Round]:
        """Open the runs that waiting data may have now, and check all runs that are new.

        A batch window may have passed, or a slot may be free. New runs, also those of
        roll-outs, do not wait for the next tick.
        """
        rounds: list[Round] = []
        opened += self._opened_from_inbox(until)
        while opened and self.context.clock.now() < until:
            rounds.append(self.rounds.run(until, only_new=True))
            opened = rounds[-1].opened
        return rounds

    def _opened_from_inbox(self, until: datetime) -> int:
        try:
            batches = self.batches.open_all(until, self._next_batch_key)
            self.unwanted.reassign(batches.unwanted, until)
        except RelearnError as exc:
            log.warning("the data that waits cannot be listed now: %s", exc)
            return 0
        self._next_batch_key = batches.next
        return batches.opened

    def _last_tick(self) -> Stored[Heartbeat] | None:
        try:
            return self.context.ledger.heartbeat.read()
        except CorruptRecordError as exc:
            log.error("%s", exc)  # it only says where to continue; the runs do not depend on it
            return None
