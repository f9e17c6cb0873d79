"""Reads a query of the platform metrics, and reports errors in it.

See azure-machine-learning-v2 §14.1: `or` is within one dimension, `'*'` makes a series for each
value, and the names of dimensions are compared without case.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final

from local.azureml.measured import Leaf, number_of

REQUESTS: Final = "RequestsPerMinute"
#: How much of the requests a latency covers, in percent; 0: their mean.
LATENCIES: Final = {
    "RequestLatency": 0,
    "RequestLatency_P50": 50,
    "RequestLatency_P90": 90,
    "RequestLatency_P95": 95,
    "RequestLatency_P99": 99,
}
DIMENSIONS: Final[Mapping[str, tuple[str, ...]]] = {
    REQUESTS: ("deployment", "statusCode", "statusCodeClass", "modelStatusCode"),
    **dict.fromkeys(LATENCIES, ("deployment",)),
    "DataCollectionEventsPerMinute": ("deployment", "type"),
    "DataCollectionErrorsPerMinute": ("deployment", "type", "reason"),
    "ConnectionsActive": (),
    "NewConnectionsPerSecond": (),
    "NetworkBytes": (),
}
EVERY: Final = "*"
_TERM: Final = re.compile(r"[\s(]*(\w+)\s+(eq|ne)\s+'((?:[^']|'')*)'[\s)]*", re.IGNORECASE)
_JOINS: Final = re.compile(r"(and|or)\b", re.IGNORECASE)
_INTERVALS: Final = {
    "PT1M": 1,
    "PT5M": 5,
    "PT15M": 15,
    "PT30M": 30,
    "PT1H": 60,
    "PT6H": 360,
    "PT12H": 720,
    "P1D": 1440,
}
_USUAL_WINDOW: Final = timedelta(hours=1)
_USUAL_TOP: Final = 10
_MOST_METRICS: Final = 20


class BadQueryError(ValueError):
    """The query cannot be answered; the message is the service's."""


@dataclass
class Condition:
    """The condition of a filter on one dimension."""

    wanted: set[str] = field(default_factory=set)  #: empty: all
    refused: set[str] = field(default_factory=set)

    @property
    def every(self) -> bool:
        """Whether it asks for a series for each value."""
        return EVERY in self.wanted

    def holds(self, value: str) -> bool:
        """Whether a value is asked for."""
        return (not self.wanted or self.every or value in self.wanted) and (
            value not in self.refused
        )


@dataclass(frozen=True)
class Query:
    """A query."""

    metrics: tuple[str, ...]
    first: int  #: number of the first minute
    end: int  #: number of the minute after the last one
    interval: str
    conditions: dict[str, Condition]  #: by dimension, in lower case
    top: int

    @property
    def step(self) -> int:
        """Return how many minutes a point covers."""
        return _INTERVALS.get(self.interval, self.end - self.first)

    def series_of(self, leaf: Leaf) -> tuple[str, ...] | None:
        """Return the values of the series that a leaf belongs to; None: it is filtered out."""
        values = tuple(leaf.value(name) for name in self.conditions)
        held = zip(self.conditions.values(), values, strict=True)
        return values if all(one.holds(value) for one, value in held) else None


def read_query(query: Mapping[str, str], now: datetime) -> Query:
    """Return what a request asks for.

    Args:
        query: of its address.
        now: the end of the window, where none is asked for.

    Returns:
        The query.

    Raises:
        BadQueryError: it cannot be answered.
    """
    metrics = tuple(one.strip() for one in query.get("metricnames", "").split(",") if one.strip())
    known = {name.lower(): name for name in DIMENSIONS}
    for name in metrics:
        if name.lower() not in known:
            raise BadQueryError(
                "Failed to find metric configuration for provider: Microsoft.MachineLearning"
                f"Services, resource Type: workspaces/onlineEndpoints, metric: {name}, "
                f"Valid metrics: {','.join(DIMENSIONS)}"
            )
    if not metrics or len(metrics) > _MOST_METRICS:
        raise BadQueryError(f"metricnames has to name 1 to {_MOST_METRICS} metrics.")
    interval = (query.get("interval") or "PT1M").upper()
    if interval != "FULL" and interval not in _INTERVALS:
        raise BadQueryError(f"Detected invalid time grain input: {interval}.")
    if (query.get("aggregation") or "Average").lower() != "average":
        raise BadQueryError(
            f"The aggregation type {query['aggregation']} is not supported. Supported: Average"
        )
    named = tuple(known[name.lower()] for name in metrics)
    first, end = _window(query.get("timespan"), now)
    conditions = _conditions(query.get("$filter") or "")
    for name in named:
        _check_dimensions(name, conditions)
    top = query.get("top") or str(_USUAL_TOP)
    if not top.isdecimal():
        raise BadQueryError(f"top is not a number: {top}.")
    return Query(named, first, end, interval, conditions, int(top))


def _window(text: str | None, now: datetime) -> tuple[int, int]:
    if not text:
        return number_of(now - _USUAL_WINDOW), number_of(now)
    try:
        start, end = (datetime.fromisoformat(one) for one in text.split("/"))
    except ValueError:
        raise BadQueryError(f"Detected invalid time interval input: {text}") from None
    first, last = (one if one.tzinfo else one.replace(tzinfo=UTC) for one in (start, end))
    if first >= last:
        raise BadQueryError(f"The end of the time interval has to be after its start: {text}")
    return number_of(first), -(-int(last.timestamp()) // 60)


def _conditions(text: str) -> dict[str, Condition]:
    found: dict[str, Condition] = {}
    place, join, before = 0, "and", ""
    while text.strip():
        term = _TERM.match(text, place)
        if term is None:
            raise BadQueryError(f"The filter is not valid: {text}")
        name, value = term[1].lower(), term[3].replace("''", "'")
        if join == "or" and name != before:
            raise BadQueryError(f"The filter may have 'or' within one dimension only: {text}")
        condition = found.setdefault(name, Condition())
        (condition.wanted if term[2].lower() == "eq" else condition.refused).add(value)
        place, before = term.end(), name
        if place == len(text):
            break
        word = _JOINS.match(text, place)
        if word is None:
            raise BadQueryError(f"The filter is not valid: {text}")
        place, join = word.end(), word[1].lower()
    return found


def _check_dimensions(metric: str, conditions: Mapping[str, Condition]) -> None:
    known = {name.lower() for name in DIMENSIONS[metric]}
    wrong = [name for name in conditions if name not in known]
    if wrong:
        raise BadQueryError(
            f"Metric: {metric} does not support requested dimension combination: "
            f"{','.join(conditions)}, supported ones are: {','.join(DIMENSIONS[metric])}, "
            "TraceId: {00000000-0000-0000-0000-000000000000}"
        )
