"""Records that the schedule timer runs, and decides whether a timer is silent."""

from datetime import datetime, timedelta
from typing import Final

from shared.core.config.schedule import last_due_of
from shared.errors import ConflictError, RelearnError
from shared.execution.context import Context
from shared.ledger.progress import Tick
from shared.telemetry import log

#: Timers have been seen to stop silently (azure-functions §8).
SILENT: Final = timedelta(minutes=15)
#: A tick of the schedules is recorded this often, to save writes.
NOTED_EVERY: Final = timedelta(minutes=5)


class Ticks:
    """Records that the timer for schedules runs, as the heartbeat of the poll does for the poll.

    Args:
        context: the ledger and the clock.
    """

    def __init__(self, context: Context) -> None:
        self._context = context
        self._noted: datetime | None = None

    def note(self) -> None:
        """Record that the tick runs, at most every five minutes; a failure is logged."""
        now = self._context.clock.now()
        if self._noted is not None and now - self._noted < NOTED_EVERY:
            return
        ledger = self._context.ledger
        try:
            stored = ledger.tick.read()
            ledger.tick.put(Tick(at=now), stored.etag if stored else None)
        except ConflictError:
            pass  # another worker recorded one at this moment
        except RelearnError as exc:
            log.warning("the tick of the schedules cannot be recorded now: %s", exc)
            return
        self._noted = now


def is_silent(
    schedule: str, seen: datetime, now: datetime, noted_every: timedelta = timedelta()
) -> bool:
    """Return whether a timer was due a while ago and has not run since.

    Args:
        schedule: of the timer.
        seen: when it ran last, or when the app started.
        now: the present moment, by the same clock.
        noted_every: how long it may run without a record.
    """
    due = last_due_of(schedule, now - SILENT - noted_every)
    return due is not None and seen < due
