"""A clock that only a test moves."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

START = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


@dataclass
class FakeClock:
    time: datetime = START

    def now(self) -> datetime:
        return self.time

    def move(self, span: timedelta) -> None:
        self.time += span


@dataclass
class Hurried:
    """A clock on which each reading takes a second."""

    clock: FakeClock

    def now(self) -> datetime:
        self.clock.move(timedelta(seconds=1))
        return self.clock.now()


@dataclass
class Shifted:
    """A clock that is ahead of another one, or behind it."""

    clock: FakeClock
    by: timedelta

    def now(self) -> datetime:
        return self.clock.now() + self.by
