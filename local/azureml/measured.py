"""Counts requests to the endpoints for each minute, as the platform metrics do.

See azure-machine-learning-v2 §14.1: they are kept for each minute and combination of dimensions.
"""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final

from shared.ports.clock import Clock

#: Percentiles are rough in the service too: of so many requests of a minute at most.
_MOST_KEPT: Final = 500


@dataclass(frozen=True)
class Leaf:
    """One combination of the dimensions of a request."""

    deployment: str
    status: str
    model_status: str

    def value(self, dimension: str) -> str:
        """Return the value of a dimension, whose name is in lower case."""
        match dimension:
            case "deployment":
                return self.deployment
            case "statuscode":
                return self.status
            case "modelstatuscode":
                return self.model_status
            case _:
                return f"{self.status[:1]}xx"


@dataclass
class Latencies:
    """How long the requests of one minute to one deployment took."""

    count: int = 0
    total: float = 0.0
    kept: list[float] = field(default_factory=list)

    def add(self, milliseconds: float) -> None:
        """Count one request."""
        if len(self.kept) < _MOST_KEPT:
            self.kept.append(milliseconds)
        else:
            self.kept[self.count % _MOST_KEPT] = milliseconds
        self.count, self.total = self.count + 1, self.total + milliseconds

    def percentile(self, share: int) -> float:
        """Return what so many percent of the requests did not exceed; 0: the mean of all."""
        if not share:
            return self.total / self.count
        ranked = sorted(self.kept)
        return ranked[min(len(ranked) - 1, len(ranked) * share // 100)]


@dataclass
class Minute:
    """The requests of one minute at one endpoint."""

    counts: dict[Leaf, int] = field(default_factory=dict)
    latencies: dict[str, Latencies] = field(default_factory=dict)  #: by deployment


@dataclass
class Measured:
    """Every request that a deployment answered."""

    clock: Clock
    #: By endpoint and the number of the minute, in order.
    minutes: dict[str, dict[int, Minute]] = field(default_factory=lambda: defaultdict(dict))

    def add(self, endpoint: str, leaf: Leaf, milliseconds: float) -> None:
        """Count one request, now.

        Args:
            endpoint: that was asked.
            leaf: who answered, and how.
            milliseconds: how long that took.
        """
        number = number_of(self.clock.now())
        minute = self.minutes[endpoint].setdefault(number, Minute())
        minute.counts[leaf] = minute.counts.get(leaf, 0) + 1
        minute.latencies.setdefault(leaf.deployment, Latencies()).add(milliseconds)

    def between(self, endpoint: str, first: int, end: int) -> Iterator[tuple[int, Minute]]:
        """Yield the minutes of a window in which there were requests.

        Args:
            endpoint: that was asked.
            first: the number of the first minute.
            end: that of the minute after the last one.

        Yields:
            Number and minute, in order.
        """
        for number, minute in self.minutes.get(endpoint, {}).items():
            if first <= number < end:
                yield number, minute


def number_of(moment: datetime) -> int:
    """Return which minute a moment is in."""
    return int(moment.timestamp()) // 60


def stamp(number: int) -> str:
    """Return when a minute begins, as answers show it."""
    return f"{datetime.fromtimestamp(number * 60, UTC):%Y-%m-%dT%H:%M:%SZ}"
