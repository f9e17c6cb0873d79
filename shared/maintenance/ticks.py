"""Checks that the timers run, and that the containers exist that they read and write."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from shared.core.config.schedule import last_due_of
from shared.errors import RelearnError
from shared.execution.context import Context
from shared.ledger.progress import Tick
from shared.telemetry import log

#: Timers have been seen to stop silently (azure-functions §8).
SILENT: Final = timedelta(minutes=15)
#: A tick of the schedules is recorded this often, to save writes.
NOTED_EVERY: Final = timedelta(minutes=5)
#: How often a process checks; each check costs a call for each container.
_EVERY: Final = timedelta(minutes=10)


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
        if self._noted is not None and timedelta() <= now - self._noted < NOTED_EVERY:
            return
        try:
            self._context.ledger.tick.update(lambda _: Tick(at=now))
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


def missing_containers(context: Context) -> list[str]:
    """Return a sentence for each container that does not exist. Raises as `Blobs.exists`."""
    named = (
        ("TRAINING_DATA_CONTAINER", context.data, context.data_container),
        ("MODELS_CONTAINER", context.models, context.models_container),
    )
    return [
        f"{setting}: container {container!r} does not exist: create it"
        for setting, account, container in named
        if not account.exists(container)
    ]


@dataclass
class Containers:
    """Checks now and then, for the record that the anonymous health check reads."""

    context: Context
    _checked: datetime | None = field(default=None, init=False)
    _missing: int = field(default=0, init=False)

    def missing(self) -> int:
        """Return how many containers were missing at the last check; at once while one is."""
        now = self.context.clock.now()
        checked = self._checked
        if self._missing or checked is None or not timedelta() <= now - checked < _EVERY:
            try:
                self._missing = len(missing_containers(self.context))
            except RelearnError as exc:
                log.warning("the containers cannot be checked now: %s", exc)
                return self._missing
            self._checked = now
        return self._missing
