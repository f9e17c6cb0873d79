"""What requests to the endpoints did, minute by minute: the numbers behind the platform metrics.

See azure-machine-learning-v2 §14.1: they are kept for each minute and combination of dimensions.
"""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final

from shared.ports.clock import Clock

MINUTE: Final = timedelta(minutes=1)
#: Deployment, status code, the container's own status code.
Leaf = tuple[str, str, str]


@dataclass
class Minute:
    """What happened in one minute at one endpoint."""

    counts: dict[Leaf, int] = field(default_factory=dict)
    milliseconds: dict[str, list[float]] = field(default_factory=dict)  #: by deployment

    def add(self, leaf: Leaf, milliseconds: float) -> None:
        """Count one request.

        Args:
            leaf: who answered, and how.
            milliseconds: how long that took.
        """
        self.counts[leaf] = self.counts.get(leaf, 0) + 1
        self.milliseconds.setdefault(leaf[0], []).append(milliseconds)


@dataclass
class Measured:
    """Every request that a deployment answered."""

    clock: Clock
    #: By endpoint and the number of the minute.
    minutes: dict[str, dict[int, Minute]] = field(default_factory=lambda: defaultdict(dict))

    def add(
        self, endpoint: str, deployment: str, statuses: tuple[str, str], milliseconds: float
    ) -> None:
        """Count one request, now.

        Args:
            endpoint: that was asked.
            deployment: that answered.
            statuses: of the answer, and of the container.
            milliseconds: how long that took.
        """
        found = self.minutes[endpoint].setdefault(number_of(self.clock.now()), Minute())
        found.add((deployment, *statuses), milliseconds)

    def between(self, endpoint: str, first: int, end: int) -> Iterator[tuple[int, Minute]]:
        """Yield the minutes of a window in which there were requests.

        Args:
            endpoint: that was asked.
            first: minute.
            end: the minute after the last one.

        Yields:
            Number and minute, in order.
        """
        known = self.minutes.get(endpoint, {})
        for number in sorted(number for number in known if first <= number < end):
            yield number, known[number]


def number_of(moment: datetime) -> int:
    """Return which minute a moment is in."""
    return int(moment.timestamp()) // 60


def start_of(number: int) -> datetime:
    """Return when a minute begins."""
    return datetime.fromtimestamp(number * 60, UTC)
