"""A collector of OpenTelemetry on loopback: it takes OTLP over HTTP, keeps spans and metrics."""

import gzip
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from local.handler import WireHandler
from local.listener import LoopbackServer
from local.studio.wire import WireAnswer, WireRequest


@dataclass(frozen=True)
class Collected:
    """A span as it was exported."""

    name: str
    trace: str
    id: str
    parent: str
    attributes: dict[str, Any]
    links: tuple[tuple[str, str], ...]
    error: str
    failed: bool


@dataclass(frozen=True)
class Point:
    """One value of a metric as it was exported: of a histogram, its sum and its count."""

    value: float
    count: int
    attributes: dict[str, Any]


class Collector(LoopbackServer):
    """Takes spans at `/v1/traces` and metrics at `/v1/metrics`, while it is entered."""

    def __init__(self) -> None:
        self.bodies: list[bytes] = []  #: everything that was sent, decompressed
        self._traces: list[ExportTraceServiceRequest] = []
        self._metrics: list[ExportMetricsServiceRequest] = []
        super().__init__(0, self._handler(), "collector")

    @property
    def spans(self) -> list[Collected]:
        """The spans so far, in the order in which they ended."""
        return [
            Collected(
                span.name,
                span.trace_id.hex(),
                span.span_id.hex(),
                span.parent_span_id.hex(),
                _attributes(span.attributes),
                tuple((link.trace_id.hex(), link.span_id.hex()) for link in span.links),
                span.status.message,
                span.status.code == span.status.STATUS_CODE_ERROR,
            )
            for request in self._traces
            for resource in request.resource_spans
            for scope in resource.scope_spans
            for span in scope.spans
        ]

    @property
    def metrics(self) -> dict[str, list[Point]]:
        """The points of each metric, as they were exported the last time."""
        return {
            metric.name: [
                _point(point) for point in getattr(metric, metric.WhichOneof("data")).data_points
            ]
            for request in self._metrics
            for resource in request.resource_metrics
            for scope in resource.scope_metrics
            for metric in scope.metrics
        }

    def take(self, request: WireRequest) -> WireAnswer:
        """Keep what an exporter sends."""
        packed = request.headers.get("Content-Encoding") == "gzip"
        body = gzip.decompress(request.body) if packed else request.body
        self.bodies.append(body)
        if request.url == "/v1/traces":
            self._traces.append(ExportTraceServiceRequest.FromString(body))
        elif request.url == "/v1/metrics":
            self._metrics.append(ExportMetricsServiceRequest.FromString(body))
        return WireAnswer(200, {}, b"")

    def _handler(self) -> type[WireHandler]:
        collector = self

        class Handler(WireHandler):
            def do_POST(self) -> None:  # noqa: N802 -- name of http.server
                self.answer_with(collector.take)

        return Handler


def _point(point: Any) -> Point:
    if hasattr(point, "bucket_counts"):
        return Point(point.sum, point.count, _attributes(point.attributes))
    value = getattr(point, point.WhichOneof("value"))
    return Point(value, 1, _attributes(point.attributes))


def _attributes(pairs: Iterable[Any]) -> dict[str, Any]:
    return {pair.key: getattr(pair.value, pair.value.WhichOneof("value")) for pair in pairs}
