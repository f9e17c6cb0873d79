"""The metrics of Azure Monitor for endpoints, computed from the requests that were answered.

See azure-machine-learning-v2 §14.1: they are late, empty for minutes without requests, and only
averages.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from local.azureml.answers import LOCATION, OK, WORKSPACE, Answer, Body, missing
from local.azureml.measured import Measured, Minute, number_of, stamp
from local.azureml.metric_queries import (
    LATENCIES,
    REQUESTS,
    BadQueryError,
    Condition,
    Query,
    read_query,
)
from local.azureml.state import State

_NAMESPACE: Final = "Microsoft.MachineLearningServices/workspaces/onlineEndpoints"
_TITLES: Final = {
    REQUESTS: (
        "Requests Per Minute",
        "The number of requests sent to online endpoint within a minute",
        "Count",
    ),
    "RequestLatency": ("Request Latency", "The complete interval of time taken", "MilliSeconds"),
}
_REFUSALS: Final = {
    "no_role_401": (401, "AuthorizationFailed", "The client has no role to read metrics."),
    "no_role_403": (
        403,
        "AuthorizationFailed",
        "The client does not have authorization to perform action Microsoft.Insights/metrics/read.",
    ),
    "not_registered": (
        403,
        "MissingSubscriptionRegistration",
        "The subscription is not registered to use namespace 'Microsoft.Insights'.",
    ),
    "throttled": (429, "TooManyRequests", "The request is being throttled."),
    "back_off": (529, "Overloaded", "The service is overloaded. Try again later."),
}
#: Sum and number of samples, by the number of a point.
_Points = dict[int, tuple[float, float]]


@dataclass
class PlatformMetrics:
    """Answers queries of an endpoint's metrics."""

    state: State
    measured: Measured

    def query(self, endpoint: str, asked: Mapping[str, str]) -> Answer:
        """Return the metrics of an endpoint.

        Args:
            endpoint: its name.
            asked: the query of the address.

        Returns:
            A value for each metric, or a flat error.
        """
        switches, now = self.state.switches, self.state.clock.now()
        refused = switches.metrics_refused
        if now < self.state.began + switches.metrics_role_late:
            refused = "no_role_403"
        if refused != "no":
            return self._refusal(*_REFUSALS[refused])
        if endpoint not in self.state.endpoints:
            return missing(f"The Resource '{endpoint}' was not found.", "ResourceNotFound")
        try:
            query = read_query(asked, now)
            self._check_stars(query.conditions)
        except BadQueryError as error:
            return self._refusal(400, "BadRequest", str(error))
        body = {
            "cost": query.end - query.first - 1,
            "timespan": f"{stamp(query.first)}/{stamp(query.end)}",
            "interval": query.interval,
            "value": [self._metric(endpoint, query, name) for name in query.metrics],
            "namespace": _NAMESPACE,
            "resourceregion": LOCATION,
        }
        return Answer(OK, body)

    def _refusal(self, status: int, code: str, message: str) -> Answer:
        error = {"code": code, "message": message}
        wrapped = self.state.switches.metrics_errors == "wrapped"
        headers = {"Retry-After": "17"} if status in (429, 529) else {}
        return Answer(status, {"error": error} if wrapped else error, headers)

    def _check_stars(self, conditions: Mapping[str, Condition]) -> None:
        stars = [name for name, one in conditions.items() if one.every]
        if len(stars) > 1 and self.state.switches.metrics_stars == "one":
            raise BadQueryError(f"Only one dimension may be '*', not {', '.join(stars)}.")

    def _metric(self, endpoint: str, query: Query, name: str) -> Body:
        series: dict[tuple[str, ...], _Points] = defaultdict(dict)
        for number, minute in self.measured.between(endpoint, query.first, query.end):
            at = (number - query.first) // query.step
            for key, total, samples in self._samples(query, name, number, minute):
                before = series[key].get(at, (0.0, 0.0))
                series[key][at] = (before[0] + total, before[1] + samples)
        ranked = sorted(series, key=lambda one: -sum(total for total, _ in series[one].values()))
        if query.conditions:
            ranked = ranked[: query.top]
        title, description, unit = _TITLES.get(name, (name, name, "MilliSeconds"))
        if name in LATENCIES:
            title = name.replace("RequestLatency", "Request Latency").replace("_", " ")
        path = f"{WORKSPACE}/onlineEndpoints/{endpoint}"
        return {
            "id": f"{path}/providers/Microsoft.Insights/metrics/{name}",
            "type": "Microsoft.Insights/metrics",
            "name": {"value": name, "localizedValue": title},
            "displayDescription": description,
            "unit": unit,
            "timeseries": [
                {
                    "metadatavalues": _dimensions(query, key),
                    "data": list(self._points(query, series[key])),
                }
                for key in ranked
            ],
            "errorCode": "Success",
        }

    def _samples(
        self, query: Query, name: str, number: int, minute: Minute
    ) -> Iterator[tuple[tuple[str, ...], float, float]]:
        """Yield what a minute adds to each series: sum and number of samples."""
        shown = self._share_shown(number)
        if not shown:
            return
        emitters = self.state.switches.metrics_emitters
        seen: set[tuple[tuple[str, ...], str]] = set()
        for leaf, count in minute.counts.items():
            if (key := query.series_of(leaf)) is None:
                continue
            if name == REQUESTS:
                yield key, float(int(count * shown)), emitters
            elif name in LATENCIES and (key, leaf.deployment) not in seen:
                seen.add((key, leaf.deployment))
                yield key, minute.latencies[leaf.deployment].percentile(LATENCIES[name]), 1

    def _share_shown(self, number: int) -> float:
        """Return how much of a minute is seen by now: metrics are late."""
        late = self.state.switches.metrics_late
        age = self.state.clock.now().timestamp() - (number + 1) * 60
        if not late or age >= late.total_seconds():
            return 1
        return 0.5 if self.state.switches.metrics_partial and age >= 60 else 0  # noqa: PLR2004

    def _points(self, query: Query, points: _Points) -> Iterator[dict[str, Any]]:
        """Yield the points of a series that has some."""
        idle = self.state.switches.idle_minutes
        known = min(query.end, number_of(self.state.clock.now()) + 1)
        for at, number in enumerate(range(query.first, max(known, query.first + 1), query.step)):
            when = stamp(number)
            if at in points:
                total, samples = points[at]
                yield {"timeStamp": when, "average": total / samples}
            elif idle == "null":
                yield {"timeStamp": when}
            elif idle == "zero" and self._share_shown(number) == 1:
                yield {"timeStamp": when, "average": 0.0}


def _dimensions(query: Query, key: tuple[str, ...]) -> list[Body]:
    return [
        {"name": {"value": name, "localizedValue": name}, "value": value}
        for name, value in zip(query.conditions, key, strict=True)
    ]
