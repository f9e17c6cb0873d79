"""Spans and metrics by the API of OpenTelemetry, where it is installed and switched on.

Only `enable` imports the API. Nothing here ever fails a step, and no attribute holds a
secret: each text is redacted, and of a URL neither query nor user is kept. docs/observability.md
lists the spans and the metrics.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from shared.core.redaction import one_line
from shared.core.run.log_lines import data_age, key_text, serves_now
from shared.core.run.record import Phase, Run
from shared.telemetry import log, redacted
from shared.version import VERSION

if TYPE_CHECKING:
    from opentelemetry.context import Context
    from opentelemetry.metrics import MeterProvider
    from opentelemetry.trace import Link, Span, TracerProvider

#: The settings by which the worker of the platform takes part in traces (azure-functions §5).
DISTRO: Final = "PYTHON_APPLICATIONINSIGHTS_ENABLE_TELEMETRY"
OPEN: Final = "PYTHON_ENABLE_OPENTELEMETRY"
_TRUE: Final = frozenset({"1", "true", "t", "yes", "y"})
_NAME: Final = "relearn"
#: No error: whether something exists is asked for before it is made.
_NOT_FOUND: Final = 404
#: The name of the key, private in the API, by which libraries that record calls leave one out.
_LEFT_OUT: Final = "_SUPPRESS_HTTP_INSTRUMENTATION_KEY"
#: Attributes are cut to this length after they are redacted.
_LONGEST: Final = 300
#: Whether several runs may be opened by the present invocation: each has a trace of its own then.
_SHARED: ContextVar[bool] = ContextVar("shared", default=False)

Value = str | int | float | bool


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric: its kind is histogram, counter or gauge."""

    name: str
    kind: str
    unit: str
    meaning: str


OPEN_RUNS: Final = Metric("relearn.runs.open", "gauge", "{run}", "open runs, by phase")
TO_TRAINING: Final = Metric(
    "relearn.data.to_training", "histogram", "s", "from the newest data to the start of its job"
)
TO_LIVE: Final = Metric("relearn.data.to_live", "histogram", "s", "from the newest data to live")
VERDICTS: Final = Metric("relearn.verdicts", "counter", "{verdict}", "verdicts of the gate")
CONFLICTS: Final = Metric("relearn.ledger.conflicts", "counter", "{write}", "writes that came late")
POLL: Final = Metric("relearn.poll.duration", "histogram", "s", "how long a tick of the poll took")
BACKLOG: Final = Metric("relearn.poll.backlog", "gauge", "{run}", "due runs that a tick left")
METRICS: Final = (OPEN_RUNS, TO_TRAINING, TO_LIVE, VERDICTS, CONFLICTS, POLL, BACKLOG)


class _Live:
    """The API of OpenTelemetry, while it is switched on."""

    def __init__(self, tracers: "TracerProvider | None", meters: "MeterProvider | None") -> None:
        from opentelemetry import context, metrics, trace  # noqa: PLC0415 -- optional
        from opentelemetry.trace.propagation import tracecontext  # noqa: PLC0415 -- optional

        self.trace, self.context = trace, context
        self.propagator = tracecontext.TraceContextTextMapPropagator()
        self.tracer = trace.get_tracer(_NAME, VERSION, tracer_provider=tracers)
        meter = metrics.get_meter(_NAME, VERSION, meter_provider=meters)
        make: dict[str, Callable[[Metric], Callable[..., None]]] = {
            "gauge": lambda one: meter.create_gauge(one.name, one.unit, one.meaning).set,
            "counter": lambda one: meter.create_counter(one.name, one.unit, one.meaning).add,
            "histogram": lambda one: meter.create_histogram(one.name, one.unit, one.meaning).record,
        }
        self.record = {one: make[one.kind](one) for one in METRICS}

    def context_of(self, traceparent: str | None) -> "Context | None":
        """Return the context that a traceparent says; None: go on from the present one."""
        return self.propagator.extract({"traceparent": traceparent}) if traceparent else None

    @contextmanager
    def recorded_once(self) -> Iterator[None]:
        """Have libraries that record calls by themselves leave out those inside.

        Theirs hold the query, and they send a `traceparent` to the service.
        """
        key = getattr(self.context, _LEFT_OUT, _LEFT_OUT)
        token = self.context.attach(self.context.set_value(key, "once"))
        try:
            yield
        finally:
            self.context.detach(token)

    def links_to_here(self, traceparent: str | None) -> "list[Link] | None":
        """Return a link to the present span, where that is of another trace."""
        here = self.trace.get_current_span().get_span_context()
        if not here.is_valid or (traceparent and f"{here.trace_id:032x}" in traceparent):
            return None
        return [self.trace.Link(here)]


class _Switch:
    """The API of this process; None while it is off."""

    live: _Live | None = None


_SWITCH: Final = _Switch()


def enable(
    environment: Mapping[str, str],
    tracers: "TracerProvider | None" = None,
    meters: "MeterProvider | None" = None,
) -> bool:
    """Switch spans and metrics on where a setting asks for them and the API is installed, else off.

    Args:
        environment: the app settings.
        tracers: makes the spans; None: what the process has, or what its packages configure.
        meters: the same for metrics.

    Returns:
        Whether they are on.
    """
    given = {DISTRO: environment.get(DISTRO, ""), OPEN: environment.get(OPEN, "")}
    wanted = {name for name, value in given.items() if value.strip().lower() in _TRUE}
    _SWITCH.live = None
    if not wanted:
        return False
    from importlib.util import find_spec  # noqa: PLC0415 -- seldom needed

    if find_spec("opentelemetry") is None:
        log.warning("%s is set, and opentelemetry-api is not installed", min(wanted))
        return False
    if tracers is None and DISTRO not in wanted:  # the worker configures the distro itself
        _configure()
    try:
        _SWITCH.live = _Live(tracers, meters)
    except Exception as exc:  # noqa: BLE001 -- telemetry never keeps the app from working
        log.warning("%s is set, and opentelemetry-api cannot be used: %s", min(wanted), exc)
    return _SWITCH.live is not None


def _configure() -> None:
    """Have the installed distribution of OpenTelemetry, if there is one, set up its exporters."""
    from importlib.metadata import entry_points  # noqa: PLC0415 -- slow, and seldom needed

    for configurator in entry_points(group="opentelemetry_configurator"):
        try:
            configurator.load()().configure(auto_instrumentation_version=None)
        except Exception as exc:  # noqa: BLE001 -- telemetry never keeps the app from working
            log.warning("OpenTelemetry cannot be set up by %s: %s", configurator.value, exc)
        return


@contextmanager
def within(traceparent: str, function: str = "") -> Iterator[None]:
    """Record what is inside below the span that a W3C traceparent names.

    Args:
        traceparent: of the invocation, as the host gives it.
        function: its name: a host that gives none records no invocations, so that is done here.
    """
    live = _SWITCH.live
    if live is None:
        yield
    elif traceparent:
        token = live.context.attach(live.propagator.extract({"traceparent": traceparent}))
        try:
            yield
        finally:
            live.context.detach(token)
    else:
        here = live.trace.get_current_span().get_span_context().is_valid
        with nullcontext() if here or not function else _span(live, function, {}):
            yield


@contextmanager
def shared_invocation() -> Iterator[None]:
    """Give each run that is opened meanwhile a trace of its own, linked to this invocation."""
    token = _SHARED.set(True)
    try:
        yield
    finally:
        _SHARED.reset(token)


class StepSpan:
    """A span that is under way; it does nothing where spans are off."""

    traceparent: str | None = None  #: its context, to be stored

    def __init__(self, span: "Span | None" = None) -> None:
        self._span = span

    def note(self, **values: Value | None) -> None:
        """Add attributes, named `relearn.<name>`; texts are redacted."""
        if self._span is not None:
            self._span.set_attributes(_cleaned({f"{_NAME}.{k}": v for k, v in values.items()}))

    def learned(self, event: object, run: Run) -> None:
        """Note the event of a step.

        Args:
            event: what the step found.
            run: as it is stored since then.
        """
        failure = run.step_failure.reason if run.step_failure else None
        self.note(event=type(event).__name__, to=run.phase.value, job=run.job, failure=failure)

    def answered(self, status: int) -> None:
        """Note the status of an HTTP answer."""
        if self._span is not None:
            self._span.set_attribute("http.response.status_code", status)
            if status >= 400 and status != _NOT_FOUND and _SWITCH.live:  # noqa: PLR2004 -- classes
                self._span.set_attribute("error.type", str(status))
                self._span.set_status(_SWITCH.live.trace.StatusCode.ERROR)

    def failed(self, error: BaseException) -> None:
        """Note an error: its kind, and its text without secrets."""
        if self._span is not None and _SWITCH.live is not None:
            trace = _SWITCH.live.trace
            self._span.set_attribute("error.type", type(error).__name__)
            self._span.set_status(trace.StatusCode.ERROR, _text(str(error)))


_NO_STEP: Final = StepSpan()


@contextmanager
def opening(run: Run) -> Iterator[StepSpan]:
    """Record that a run is opened; the given `traceparent` is for its record."""
    live = _SWITCH.live
    if live is None:
        yield _NO_STEP
        return
    own = _SHARED.get()
    links = live.links_to_here(None) if own else None
    with _span(
        live, "open run", _of_run(run), live.context.Context() if own else None, links
    ) as step:
        carrier: dict[str, str] = {}
        live.propagator.inject(carrier)
        step.traceparent = carrier.get("traceparent")
        yield step


@contextmanager
def step(run: Run, command: str) -> Iterator[StepSpan]:
    """Record a step of a run, in the trace that its record names.

    Args:
        run: as it is before the step.
        command: what the step does.
    """
    live = _SWITCH.live
    if live is None:
        yield _NO_STEP
        return
    links = live.links_to_here(run.trace) if run.trace else None
    token = _SHARED.set(False)
    try:
        with _span(live, command, _of_run(run), live.context_of(run.trace), links) as made:
            yield made
    finally:
        _SHARED.reset(token)


@contextmanager
def call(method: str, url: str) -> Iterator[StepSpan]:
    """Record a call of a service.

    Args:
        method: the HTTP method.
        url: its query and its user are left out.
    """
    live = _SWITCH.live
    if live is None:
        yield _NO_STEP
        return
    attributes: dict[str, Value | None] = {"http.request.method": method, **_address(url)}
    with _span(live, method, attributes, client=True) as made, live.recorded_once():
        yield made


def _address(url: str) -> dict[str, Value | None]:
    try:
        parts = urlsplit(url)
        return {
            "server.address": parts.hostname,
            "server.port": parts.port,
            "url.full": f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}",
        }
    except ValueError:  # no URL: who sends it says so
        return {}


@contextmanager
def _span(
    live: _Live,
    name: str,
    attributes: Mapping[str, Value | None],
    context: "Context | None" = None,
    links: "list[Link] | None" = None,
    *,
    client: bool = False,
) -> Iterator[StepSpan]:
    kind = live.trace.SpanKind.CLIENT if client else live.trace.SpanKind.INTERNAL
    with live.tracer.start_as_current_span(
        name,
        context,
        kind,
        _cleaned(attributes),
        links,
        record_exception=False,  # its text and its traceback may hold secrets
        set_status_on_exception=False,
    ) as span:
        made = StepSpan(span)
        try:
            yield made
        except BaseException as exc:
            made.failed(exc)
            raise


def _of_run(run: Run) -> dict[str, Value | None]:
    return {
        "relearn.run": run.run_id,
        "relearn.pipeline": run.pipeline,
        "relearn.key": key_text(redacted(run.key)) if run.key else None,
        "relearn.phase": run.phase.value,
        "relearn.attempt": run.attempt,
        "relearn.job": run.job,
    }


def _cleaned(values: Mapping[str, Value | None]) -> dict[str, Value]:
    return {
        name: _text(value) if isinstance(value, str) else value
        for name, value in values.items()
        if value is not None
    }


def _text(text: str) -> str:
    return one_line(redacted(text))[:_LONGEST]


def measure(metric: Metric, value: float, **attributes: str) -> None:
    """Record a value of a metric.

    Args:
        metric: one of `METRICS`.
        value: the value, or by how much a counter grows.
        attributes: named `relearn.<name>`; never a key, of which there may be thousands.
    """
    if _SWITCH.live is not None:
        named = _cleaned({f"{_NAME}.{name}": text for name, text in attributes.items()})
        _SWITCH.live.record[metric](value, named)


def measure_phase(run: Run) -> None:
    """Record how long a run's data took to its first job, or to its model at an endpoint."""
    metric = None
    if run.phase is Phase.TRAINING and run.attempt == 1:
        metric = TO_TRAINING
    elif serves_now(run) is not None:
        metric = TO_LIVE
    if metric is not None and (age := data_age(run)) is not None:
        measure(metric, age.total_seconds(), pipeline=run.pipeline)
