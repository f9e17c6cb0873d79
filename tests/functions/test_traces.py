"""One trace from the event of new data to the promotion of its model, over many invocations."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Final

import azure.functions as func
import pytest
from azure.functions.timer import TimerRequest
from opentelemetry import context

from functions.manual_runs import start_run
from functions.on_training_data import on_training_data
from functions.poll_jobs import poll_jobs
from functions.process import NoContext
from shared import tracing
from shared.core.run.record import Phase, Run
from shared.errors import ConflictError, PermanentError
from shared.ports.storage import ETag
from shared.providers.http.client import RequestsHttp
from tests.fakes.traced import Traced, invocation, traced
from tests.fakes.world import DATA, World
from tests.functions.calls import Api
from tests.functions.conftest import Serve, app_over, present_world, secrets_of
from tests.functions.test_triggers import client_of, data_arrived
from tests.unit.execution.gated_worlds import gate, trains
from tests.unit.worlds import refused

EVENT: Final = ("a" * 32, "1" * 16)
BOOK: Final = Path(__file__).parents[2] / "docs" / "observability.md"


@pytest.fixture
def otel() -> Iterator[Traced]:
    with traced() as on:
        yield on


def poll(world: World, number: int) -> tuple[str, str]:
    """Let the timer fire, as an invocation of its own; return its trace and span."""
    here = f"{number + 0xB0:032x}", f"{number + 0xB0:016x}"
    with invocation(*here):
        poll_jobs(TimerRequest(past_due=False))
    return here


def lived(world: World) -> tuple[Run, list[tuple[str, str]]]:
    """Deliver an event and poll until its run is over; return it, and the polls' spans."""
    world.upload()
    with invocation(*EVENT):
        data_arrived()
    polls: list[tuple[str, str]] = []
    while not world.run().phase.ended and len(polls) < 20:
        world.studio.work()
        world.clock.move(timedelta(seconds=30))
        polls.append(poll(world, len(polls)))
    return world.run(), polls


@pytest.mark.usefixtures("api")
def test_one_trace_goes_from_the_event_to_the_promotion(world: World, otel: Traced) -> None:
    run, polls = lived(world)
    assert run.phase is Phase.PROMOTED
    spans = [span for span in otel.spans() if span.attributes.get("relearn.run") == run.run_id]
    opened = next(span for span in spans if span.name == "open run")
    assert (opened.trace, opened.parent) == EVENT
    assert run.trace == f"00-{opened.trace}-{opened.id}-01"
    assert {span.trace for span in spans} == {EVENT[0]}
    assert {span.parent for span in spans if span is not opened} == {opened.id}
    names = [span.name for span in spans]
    assert names[:3] == ["open run", "create job", "start job"]
    ends = [span.attributes.get("relearn.to") for span in spans]
    assert ends[-1] == "promoted"
    assert len(polls) > 1
    linked = {link for span in spans for link in span.links}
    assert linked <= set(polls)
    assert polls[-1] in linked
    trained = next(span for span in spans if span.name == "start job")
    assert trained.attributes["relearn.attempt"] == 1
    assert trained.attributes["relearn.job"] == run.job
    assert trained.attributes["relearn.pipeline"] == "sample"


def test_runs_that_one_poll_opens_have_traces_of_their_own(serve: Serve, otel: Traced) -> None:
    data = {"blob": "{customer}/{name}.csv", "settle": "1m"}
    world = present_world(
        pipeline={"data": data, "when_busy": "newest", "key": ["customer"], "endpoints": []}
    )
    serve(app_over(world))
    for name in ("acme/1.csv", "beta/1.csv"):
        world.upload(name)
        with invocation(*EVENT):
            data_arrived(name)
    world.clock.move(timedelta(minutes=2))
    here = poll(world, 1)
    runs = world.runs()
    assert len(runs) == 2
    opened = {s.attributes["relearn.run"]: s for s in otel.spans() if s.name == "open run"}
    assert len({one.trace for one in opened.values()} - {here[0]}) == 2
    assert {one.links for one in opened.values()} == {(here,)}
    assert {one.attributes["relearn.key"] for one in opened.values()} == {"acme", "beta"}


class Given(NoContext):
    """The context of an invocation, as the worker gives it to a function in a thread."""

    trace_context = SimpleNamespace(trace_parent=f"00-{EVENT[0]}-{EVENT[1]}-01", trace_state="")


@pytest.mark.parametrize("opened_by", ["blob", "request"])
@pytest.mark.usefixtures("api")
def test_a_function_takes_the_trace_of_its_invocation(
    world: World, otel: Traced, opened_by: str
) -> None:
    world.upload()
    if opened_by == "blob":
        on_training_data(client_of(DATA, "new.csv"), Given())
    else:
        url, route = "http://localhost/api", {"pipeline": "sample"}
        request = func.HttpRequest("POST", url, headers={}, route_params=route, body=b"{}")
        assert start_run(request, Given()).status_code == 202
    (opened,) = [span for span in otel.spans() if span.name == "open run"]
    assert (opened.trace, opened.parent) == EVENT


@pytest.mark.usefixtures("api")
def test_no_secret_is_in_any_span_or_metric(world: World, otel: Traced) -> None:
    key = world.environment["TRAINING_KEY"]
    echoed = f"no: Bearer {key} https://a.example/b?sv=1&sig=SECRETSECRETSECRET"
    world.http.answers.append(
        lambda method, path: refused(400, key, echoed) if path.endswith("/jobs") else None
    )
    run, _ = lived(world)
    assert run.phase is Phase.PARKED
    failed = [span for span in otel.spans() if "relearn.failure" in span.attributes]
    parked = [span for span in otel.spans() if span.attributes.get("relearn.to") == "parked"]
    assert failed or parked
    otel.metrics()
    sent = b"".join(otel.collector.bodies).decode("utf-8", "replace")
    assert run.run_id in sent
    assert [secret for secret in secrets_of(world) if secret in sent] == []


def test_a_call_of_a_service_is_a_span_without_what_its_url_hides(otel: Traced) -> None:
    http = RequestsHttp()
    address = otel.collector.url.removeprefix("http://")
    url = f"http://user:pa55word@{address}/jobs/1?sv=1&sig=SECRET"
    with tracing.call("GET", "http://unused.example/x?code=SECRET") as outer:
        outer.failed(ValueError("https://a.example/b?sig=SECRETSECRETSECRET"))
        assert http.send("POST", url, {}, b"x").status == 200
    http.close()
    inner, failed = otel.spans()
    assert inner.name == "POST"
    assert inner.parent == failed.id
    assert inner.attributes["url.full"] == f"{otel.collector.url}/jobs/1"
    assert inner.attributes["http.response.status_code"] == 200
    assert failed.attributes["error.type"] == "ValueError"
    sent = b"".join(body for body in otel.collector.bodies if body != b"x").decode(
        "utf-8", "replace"
    )
    assert "SECRET" not in sent
    assert "pa55word" not in sent


def test_no_library_records_a_call_once_more_or_sends_its_trace(otel: Traced) -> None:
    left_out = context._SUPPRESS_HTTP_INSTRUMENTATION_KEY
    with tracing.call("GET", "http://unused.example/x"):
        assert context.get_value(left_out)
    assert not context.get_value(left_out)
    assert len(otel.spans()) == 1


@pytest.mark.parametrize(("status", "failed"), [(200, False), (404, False), (401, True)])
def test_a_call_fails_by_the_status_of_its_answer(
    otel: Traced, status: int, *, failed: bool
) -> None:
    with tracing.call("GET", "http://unused.example/x") as span:
        span.answered(status)
    (called,) = otel.spans()
    assert called.failed is failed
    assert ("error.type" in called.attributes) is failed


def test_what_is_no_url_fails_as_it_does_without_spans(otel: Traced) -> None:
    http = RequestsHttp()
    for url in ("http://[x/jobs", "http://a.example:123456/jobs"):
        with pytest.raises(PermanentError):
            http.send("GET", url, {}, None)
    http.close()
    assert [span.failed for span in otel.spans()] == [True, True]


def test_an_invocation_without_a_trace_is_a_span(world: World, serve: Serve, otel: Traced) -> None:
    class OfAHost(NoContext):
        function_name = "on_training_data"
        trace_context = SimpleNamespace(trace_parent="", trace_state="")

    serve(app_over(world))
    world.upload()
    on_training_data(client_of(DATA, "new.csv"), OfAHost())
    spans = {span.name: span for span in otel.spans()}
    event, opened = spans["on_training_data"], spans["open run"]
    assert (event.parent, opened.parent, opened.trace) == ("", event.id, event.trace)


def test_an_api_that_cannot_be_used_keeps_nothing_from_working(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(tracing, "_configure", lambda: None)
    monkeypatch.delattr("opentelemetry.metrics.Meter.create_gauge")
    monkeypatch.delattr("opentelemetry.metrics._internal._ProxyMeter.create_gauge")
    assert not tracing.enable({tracing.OPEN: "true"})
    assert "opentelemetry-api cannot be used" in caplog.text


def test_the_metrics_are_those_of_the_documentation(serve: Serve, otel: Traced) -> None:
    world = present_world(pipeline={"gate": gate({"metric": "AUC", "at_least": 0.1})})
    trains(world)
    serve(app_over(world))
    lived(world)
    stored = world.context.ledger.heartbeat.read()
    assert stored is not None
    with pytest.raises(ConflictError):
        world.context.ledger.heartbeat.put(stored.record, ETag("another"))
    found = otel.metrics()
    live, training = found[tracing.TO_LIVE.name], found[tracing.TO_TRAINING.name]
    assert [(point.count, point.attributes) for point in (*live, *training)] == [
        (1, {"relearn.pipeline": "sample"})
    ] * 2
    assert live[0].value > training[0].value
    assert found[tracing.POLL.name][0].count > 1
    open_runs = {
        point.attributes["relearn.phase"]: point.value for point in found[tracing.OPEN_RUNS.name]
    }
    assert set(open_runs) == {phase.value for phase in Phase if not phase.ended}
    assert [point.value for point in found[tracing.BACKLOG.name]] == [0]
    (verdict,), (conflict,) = found[tracing.VERDICTS.name], found[tracing.CONFLICTS.name]
    assert (verdict.value, verdict.attributes["relearn.verdict"]) == (1, "passed")
    assert (conflict.value, conflict.attributes) == (1, {"relearn.kind": "poll"})
    assert set(found) == {one.name for one in tracing.METRICS}
    described = BOOK.read_text(encoding="utf-8")
    assert [one.name for one in tracing.METRICS if f"`{one.name}`" not in described] == []


def test_a_round_about_some_runs_says_nothing_of_the_backlog(
    world: World, api: Api, otel: Traced
) -> None:
    del api
    world.upload()
    data_arrived()
    until = world.clock.now() + timedelta(minutes=1)
    world.app.rounds.run(until, only=frozenset())
    world.app.rounds.run(until, only_new=True)
    found = otel.metrics()
    assert tracing.OPEN_RUNS.name in found
    assert tracing.BACKLOG.name not in found
    world.app.rounds.run(until)
    assert tracing.BACKLOG.name in otel.metrics()


def test_without_the_setting_or_the_package_nothing_is_recorded(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    assert not tracing.enable({tracing.OPEN: "false"})
    with monkeypatch.context() as patch:
        patch.setattr("importlib.util.find_spec", lambda _: None)
        assert not tracing.enable({tracing.OPEN: "1"})
    assert "opentelemetry-api is not installed" in caplog.text
    world = present_world()
    world.upload()
    assert world.deliver()[0].trace is None
    assert '"trace"' not in world.everything_stored()
