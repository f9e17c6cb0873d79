"""Reads the monitor's metrics of an endpoint's requests (azure-machine-learning-v2 §14.1).

An empty series and null mean that nothing is known, and never that nothing failed.
"""

import math
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import quote

from shared.core.serving.traffic_rules import Measure, TrafficPoint, TrafficQuery
from shared.errors import PermanentError, TransientError
from shared.providers.azureml.call import Body, mapping_of, mappings_of, moment_of
from shared.providers.azureml.endpoint_calls import EndpointCalls
from shared.providers.azureml.errors import refusal_in

_REQUESTS: Final = "RequestsPerMinute"
_LATENCY: Final = "RequestLatency_P90"
_METRICS: Final = {Measure.REQUESTS: _REQUESTS, Measure.LATENCY: f"{_LATENCY},{_REQUESTS}"}
#: Series that one call answers at most: one for each deployment and status.
_MOST_SERIES: Final = 100
_ROLE: Final = (
    "give the app's identity the role Monitoring Reader on the workspace, and register the "
    "resource provider Microsoft.Insights in the subscription"
)
_NOT_ALLOWED: Final = frozenset({HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN})


def measured_requests(calls: EndpointCalls, query: TrafficQuery) -> tuple[TrafficPoint, ...]:
    """Return what the monitor says, by one call.

    Args:
        calls: the calls of the endpoint.
        query: what is asked.

    Raises:
        TransientError: it cannot be read now.
        PermanentError: it is refused.
    """
    what = f"read the metrics of endpoint {calls.name}"
    answer = calls.metrics(_parameters(query))
    if answer.status in _NOT_ALLOWED:
        refusal = refusal_in(answer, calls.call.clean)
        raise PermanentError(f"{what}: {refusal}: {_ROLE}", advice=_ROLE)
    if not answer.ok:
        raise calls.call.sorted(answer, what, write=False)
    decoded = answer.json()
    if not isinstance(decoded, dict) or not isinstance(decoded.get("value"), list):
        raise TransientError(f"{what}: the answer holds no metrics")
    names = {name.lower(): name for name in query.deployments}
    read = list(_read(decoded, what))
    if query.measure is Measure.LATENCY:
        return tuple(_latencies(read, names))
    return tuple(
        TrafficPoint(names[deployment], at, requests=value, status=status)
        for metric, deployment, status, at, value in read
        if metric == _REQUESTS.lower() and deployment in names
    )


#: Metric, deployment, status, minute and value; names in lower case.
_Read = tuple[str, str, str, datetime, float]


def _parameters(query: TrafficQuery) -> str:
    filtered = " or ".join(f"deployment eq '{name}'" for name in query.deployments)
    if query.measure is Measure.REQUESTS:
        filtered = f"({filtered}) and statusCode eq '*'"
    span = "/".join(_written(at) for at in (query.since, query.until))
    parameters = {
        "metricnames": _METRICS[query.measure],
        "timespan": span,
        "interval": "PT1M",
        "aggregation": "Average",
        "$filter": filtered,
        "top": str(_MOST_SERIES),
    }
    return "".join(f"&{name}={quote(value, safe='')}" for name, value in parameters.items())


def _written(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _read(answer: Body, what: str) -> Iterator[_Read]:
    """Yield every point with a number above 0; 0.0 in a minute is not a request."""
    for metric in mappings_of(answer.get("value")):
        name = str(mapping_of(metric.get("name")).get("value") or "").lower()
        series = mappings_of(metric.get("timeseries"))
        if len(series) >= _MOST_SERIES:
            raise TransientError(f"{what}: there may be more series than it answers")
        for one in series:
            about = dict(_dimensions(one))
            for point in mappings_of(one.get("data")):
                value, at = point.get("average"), moment_of(point.get("timeStamp"))
                if not isinstance(value, int | float) or isinstance(value, bool) or at is None:
                    continue
                if 0 < value < math.inf:
                    deployment = about.get("deployment", "")
                    yield name, deployment, about.get("statuscode", ""), at, float(value)


def _latencies(read: list[_Read], names: Mapping[str, str]) -> Iterator[TrafficPoint]:
    """Yield the latencies of the minutes for which the number of requests is known too."""
    counted = {
        (deployment, at): value
        for metric, deployment, _, at, value in read
        if metric == _REQUESTS.lower()
    }
    for metric, deployment, _, at, value in read:
        requests = counted.get((deployment, at))
        if metric == _LATENCY.lower() and deployment in names and requests is not None:
            yield TrafficPoint(names[deployment], at, requests=requests, latency=value)


def _dimensions(series: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield the dimensions of a series; their names come in lower case, or as documented."""
    for one in mappings_of(series.get("metadatavalues")):
        name = str(mapping_of(one.get("name")).get("value") or "")
        yield name.lower(), str(one.get("value") or "").lower()
