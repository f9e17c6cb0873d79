"""The time of the storage account, so that all hosts go by one clock, however wrong their own is.

Hosts meet in the ledger: a time that one of them writes is compared with the present time of
another. So every time that is kept or compared is the storage's (design rule 4).
"""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final, Protocol

from shared.errors import RelearnError

#: How long a host's clock is trusted to continue as it did when the storage was asked last.
ASK_EVERY: Final = timedelta(minutes=1)
#: The storage gives its time in whole seconds, rounded down.
_RESOLUTION: Final = timedelta(seconds=1)


class Clock(Protocol):
    """The time, so that tests own it."""

    def now(self) -> datetime:
        """Return the present moment, aware, in UTC."""
        ...


class StorageClock:
    """A host's clock, corrected by the storage's time; within a second of it.

    The storage is asked on first use and once a minute; a host whose clock jumps by more than
    that is noticed at once. Where the storage does not answer, the last correction stays.
    Safe to use from several threads.

    Args:
        host: the clock of this host.
        ask: returns what time the storage says it is; may raise RelearnError.
    """

    def __init__(self, host: Clock, ask: Callable[[], datetime]) -> None:
        self._host = host
        self._ask = ask
        self._ahead = timedelta()  #: how far the storage's clock is ahead of the host's
        self._asked_at: datetime | None = None  #: by the host's clock

    def now(self) -> datetime:
        """Return the present moment by the storage's clock, in UTC. Never raises RelearnError."""
        return self._current(self._host.now())

    def at(self, host_time: datetime) -> datetime:
        """Return a moment of this host's clock as a moment of the storage's clock.

        Args:
            host_time: a moment by the host's clock, aware.
        """
        self.now()
        return host_time + self._ahead

    def _current(self, host_now: datetime) -> datetime:
        last = self._asked_at
        if last is None or not timedelta() <= host_now - last < ASK_EVERY:
            host_now = self._corrected(host_now)
        return host_now + self._ahead

    def _corrected(self, sent: datetime) -> datetime:
        """Ask the storage, and return the host's time afterwards."""
        self._asked_at = sent  # also after a failure: a storage that hangs is not asked each time
        try:
            answered = self._ask()
        except RelearnError:
            return self._host.now()
        received = self._host.now()
        least, most = answered - received, answered + _RESOLUTION - sent
        if not least <= self._ahead <= most:
            self._ahead = (least + most) / 2
        self._asked_at = received
        return received
