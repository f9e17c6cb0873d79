"""Switches on the SDK of OpenTelemetry and its exporters for the app in this process."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from opentelemetry import context
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader, PeriodicExportingMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from local.collector import Collected, Collector, Point
from shared import tracing


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
        tracing.enable({})
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
def kept() -> Iterator[Callable[[], str]]:
    """Keep spans and metrics in memory; what is given returns all of them as text."""
    exporter, reader = InMemorySpanExporter(), InMemoryMetricReader()
    tracers = TracerProvider(shutdown_on_exit=False)
    tracers.add_span_processor(SimpleSpanProcessor(exporter))
    meters = MeterProvider([reader], shutdown_on_exit=False)
    assert tracing.enable({tracing.OPEN: "true"}, tracers, meters)

    def text() -> str:
        measured = reader.get_metrics_data()
        # On one line each: to indent them takes several times as long.
        spans = [span.to_json(indent=None) for span in exporter.get_finished_spans()]
        return "\n".join([*spans, measured.to_json(indent=None) if measured else ""])

    try:
        yield text
    finally:
        tracing.enable({})


@contextmanager
def invocation(trace: str, span: str) -> Iterator[None]:
    """Run what is inside as an invocation of the worker: its trace context is attached."""
    carrier = {"traceparent": f"00-{trace}-{span}-01"}
    token = context.attach(TraceContextTextMapPropagator().extract(carrier))
    try:
        yield
    finally:
        context.detach(token)
