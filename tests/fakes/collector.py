"""A collector of OpenTelemetry on loopback: it takes OTLP over HTTP, and keeps what it was sent."""

import gzip
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self

from opentelemetry import context
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from shared import tracing


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


@dataclass(frozen=True)
class Point:
    """One value of a metric as it was exported: of a histogram, its sum and its count."""

    value: float
    count: int
    attributes: dict[str, Any]


class Collector:
    """The server; it listens while it is entered."""

    def __init__(self) -> None:
        self.bodies: list[bytes] = []  #: everything that was sent, decompressed
        self._traces: list[ExportTraceServiceRequest] = []
        self._metrics: list[ExportMetricsServiceRequest] = []
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

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

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        collector = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                if self.headers.get("Content-Encoding") == "gzip":
                    body = gzip.decompress(body)
                collector.bodies.append(body)
                if self.path == "/v1/traces":
                    collector._traces.append(ExportTraceServiceRequest.FromString(body))
                elif self.path == "/v1/metrics":
                    collector._metrics.append(ExportMetricsServiceRequest.FromString(body))
                self.send_response(200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        return Handler


def _point(point: Any) -> Point:
    if hasattr(point, "bucket_counts"):
        return Point(point.sum, point.count, _attributes(point.attributes))
    value = getattr(point, point.WhichOneof("value"))
    return Point(value, 1, _attributes(point.attributes))


def _attributes(pairs: Iterable[Any]) -> dict[str, Any]:
    return {pair.key: getattr(pair.value, pair.value.WhichOneof("value")) for pair in pairs}


@dataclass
class Traced:
    """The SDK and its exporters of OTLP, switched on for the app in this process."""

    collector: Collector
    _tracers: TracerProvider = field(init=False)
    _meters: MeterProvider = field(init=False)

    def __post_init__(self) -> None:
        url = self.collector.url
        self._tracers = TracerProvider()
        self._tracers.add_span_processor(
            BatchSpanProcessor(OTLPSpanExporter(endpoint=f"{url}/v1/traces"))
        )
        exporter = OTLPMetricExporter(endpoint=f"{url}/v1/metrics")
        self._meters = MeterProvider([PeriodicExportingMetricReader(exporter, 3_600_000)])

    def spans(self) -> list[Collected]:
        """Return every span that ended so far, as the collector has it."""
        assert self._tracers.force_flush()
        return self.collector.spans

    def metrics(self) -> dict[str, list[Point]]:
        """Return the points of each metric, as the collector has them."""
        assert self._meters.force_flush()
        return self.collector.metrics

    def close(self) -> None:
        """Switch spans and metrics off, and end the threads of the exporters."""
        tracing.disable()
        self._tracers.shutdown()
        self._meters.shutdown()

    def on(self) -> None:
        """Switch spans and metrics on."""
        assert tracing.enable({tracing.OPEN: "true"}, self._tracers, self._meters)


@contextmanager
def traced() -> Iterator[Traced]:
    """Give a collector to which the app in this process exports spans and metrics."""
    with Collector() as collector:
        made = Traced(collector)
        made.on()
        try:
            yield made
        finally:
            made.close()


@contextmanager
def invocation(trace: str, span: str) -> Iterator[None]:
    """Run what is inside as an invocation of the worker: its trace context is attached."""
    carrier = {"traceparent": f"00-{trace}-{span}-01"}
    token = context.attach(TraceContextTextMapPropagator().extract(carrier))
    try:
        yield
    finally:
        context.detach(token)
