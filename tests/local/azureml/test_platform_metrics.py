"""The metrics of Azure Monitor: computed from requests, late, and refused as the real ones are."""

import json
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode

import pytest

from local.azureml.answers import WORKSPACE
from local.azureml.containers import error_of_model
from local.azureml.measured import Leaf
from local.studio.wire import WireAnswer, WireRequest
from tests.local.azureml.bench import Bench, missing_from, vector
from tests.local.azureml.conftest import MakeBench

ENDPOINT = f"{WORKSPACE}/onlineEndpoints/census"
LEAVES = "deployment eq 'blue' and statusCode eq '*'"
BODY = json.dumps({"input_data": {"data": [[1]]}}).encode()


@pytest.fixture
def bench(make_bench: MakeBench) -> Bench:
    return prepared(make_bench())


def prepared(bench: Bench) -> Bench:
    """Make `census` serve `m/1` by blue (90 %) and `m/2` by green, which takes longer."""
    bench.hooks.add_endpoint("census")
    for name, model in (("blue", "m/1"), ("green", "m/2")):
        bench.hooks.add_deployment("census", name, model)
    bench.hooks.set_traffic("census", {"blue": 90, "green": 10})
    bench.hooks.set_milliseconds("m/1", 20)
    bench.hooks.set_milliseconds("m/2", 40)
    return bench


def score(bench: Bench, times: int = 1, deployment: str = "") -> None:
    named = {"azureml-model-deployment": deployment} if deployment else {}
    headers = {"Authorization": "Bearer key-0"} | named
    for _ in range(times):
        bench.send(WireRequest("POST", "/scoring/census/score", headers, BODY))


def ask(bench: Bench, **more: str) -> WireAnswer:
    now = bench.clock.now()
    window = f"{(now - timedelta(hours=1)).isoformat()}/{now.isoformat()}"
    query = {"api-version": "2024-02-01", "timespan": window, "aggregation": "Average"}
    query |= {"metricnames": "RequestsPerMinute"} | {
        {"where": "$filter"}.get(name, name): value for name, value in more.items()
    }
    return bench.ask("GET", f"{ENDPOINT}/providers/Microsoft.Insights/metrics?{urlencode(query)}")


def series(bench: Bench, **more: str) -> dict[tuple[str, ...], list[float | None]]:
    """Return the averages of each series that is not idle, by its values."""
    (metric,) = ask(bench, **more).json()["value"]
    return {
        tuple(one["value"] for one in found["metadatavalues"]): [
            point.get("average") for point in found["data"] if point.get("average") != 0
        ]
        for found in metric["timeseries"]
    }


def test_the_shape_is_that_of_the_recording(bench: Bench) -> None:
    score(bench)
    bench.hooks.set_model("m/1", error_of_model(500, "KeyError"))
    score(bench, 3, "blue")
    bench.clock.move(timedelta(minutes=4))
    answer = ask(bench, where="deployment eq 'blue' and statusCodeClass ne '2xx'").json()
    recorded = vector("pub_metrics_online_endpoint_200")["requests"]["body"]
    for body in (answer, recorded):
        for name in ("timespan", "cost", "resourceregion"):
            assert type(body.pop(name)) in (int, str)
        body["value"][0]["timeseries"] = body["value"][0]["timeseries"][:1]
        body["value"][0]["timeseries"][0].pop("data")
        del body["value"][0]["id"]
    assert missing_from(answer, recorded) == []
    found = series(bench, where="deployment eq 'blue' and statusCodeClass ne '2xx'")
    assert found == {("blue", "4xx"): [3.0]}
    latency = vector("pub_metrics_online_endpoint_200")["latency"]["body"]["value"][0]
    (ours,) = ask(bench, metricnames="RequestLatency_P90").json()["value"]
    assert {name: ours[name] for name in ("name", "unit")} == {
        name: latency[name] for name in ("name", "unit")
    }


def test_requests_are_counted_by_deployment_and_status(bench: Bench) -> None:
    score(bench, 100)
    bench.clock.move(timedelta(minutes=1))
    score(bench, 2, "green")
    bench.clock.move(timedelta(minutes=4))
    assert series(bench, where=LEAVES) == {("blue", "200"): [90.0]}
    every = "deployment eq '*' and statusCode eq '*'"
    assert series(bench, where=every) == {("blue", "200"): [90.0], ("green", "200"): [10.0, 2.0]}
    assert series(bench, where=every, top="1") == {("blue", "200"): [90.0]}
    # Without a filter an average is that of all series that were collapsed.
    assert series(bench) == {(): [50.0, 2.0]}
    either = "deployment eq 'green' or deployment eq 'blue'"
    assert set(series(bench, where=either)) == {("blue",), ("green",)}
    assert series(bench, where="deployment eq 'nobody'") == {}
    whole = series(bench, where="deployment eq 'green'", interval="FULL")
    assert whole == {("green",): [6.0]}


def test_latencies_are_those_of_each_deployment(bench: Bench) -> None:
    score(bench, 10, "blue")
    bench.hooks.set_milliseconds("m/1", 100)
    score(bench, 1, "blue")
    bench.clock.move(timedelta(minutes=4))
    where = "deployment eq 'blue'"
    assert series(bench, metricnames="RequestLatency_P50", where=where) == {("blue",): [20.0]}
    assert series(bench, metricnames="RequestLatency_P99", where=where) == {("blue",): [100.0]}
    (mean,) = series(bench, metricnames="RequestLatency", where=where)["blue",]
    assert mean == pytest.approx(300 / 11)


def test_the_newest_minutes_are_missing_and_then_partial(bench: Bench) -> None:
    score(bench, 10, "blue")
    seen = []
    for _ in range(5):
        bench.clock.move(timedelta(minutes=1))
        seen.append(series(bench, where=LEAVES).get(("blue", "200"), []))
    assert seen[0] == []
    assert [5.0] in seen
    assert seen[-1] == [10.0]


@pytest.mark.parametrize(
    ("style", "idle"), [("zero", {0.0}), ("null", {None}), ("absent", set[Any]())]
)
def test_a_minute_without_requests_may_be_zero_null_or_absent(
    make_bench: MakeBench, style: str, idle: set[object]
) -> None:
    bench = prepared(make_bench(idle_minutes=style))
    assert ask(bench).json()["value"][0]["timeseries"] == []
    score(bench, 1, "blue")
    bench.clock.move(timedelta(minutes=10))
    (one,) = ask(bench).json()["value"][0]["timeseries"]
    assert {point.get("average") for point in one["data"]} == {1.0} | idle


def test_copies_of_a_mirror_are_counted_or_not(make_bench: MakeBench) -> None:
    for switch, wanted in (("counted", {("green",): [20.0]}), ("not_counted", {})):
        bench = prepared(make_bench(mirrored_requests=switch))
        bench.hooks.set_traffic("census", {"blue": 100}, {"green": 20})
        score(bench, 100)
        bench.clock.move(timedelta(minutes=5))
        assert series(bench, where="deployment eq 'green'") == wanted


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"metricnames": "Requests"}, "Valid metrics: RequestsPerMinute,RequestLatency,"),
        ({"where": "colour eq 'blue'"}, "supported ones are: deployment,statusCode,"),
        ({"where": "deployment eq 'a' or statusCode eq '200'"}, "within one dimension"),
        ({"where": "deployment is 'a'"}, "not valid"),
        ({"where": "deployment eq 'a' deployment eq 'b'"}, "not valid"),
        ({"aggregation": "Total"}, "Supported: Average"),
        ({"interval": "PT2M"}, "time grain"),
        ({"timespan": "yesterday"}, "time interval"),
        ({"timespan": "2026-01-02T00:00:00Z/2026-01-01T00:00:00Z"}, "after its start"),
        ({"metricnames": ""}, "metricnames"),
        ({"top": "many"}, "top"),
    ],
)
def test_a_wrong_query_is_a_flat_error(bench: Bench, more: dict[str, str], said: str) -> None:
    answer = ask(bench, **more)
    assert (answer.status, set(answer.json())) == (400, {"code", "message"})
    assert answer.json()["code"] == "BadRequest"
    assert said in answer.json()["message"]


@pytest.mark.parametrize(
    ("switches", "status", "code"),
    [
        ({"metrics_refused": "no_role_401"}, 401, "AuthorizationFailed"),
        ({"metrics_role_late": timedelta(hours=1)}, 403, "AuthorizationFailed"),
        ({"metrics_refused": "not_registered"}, 403, "MissingSubscriptionRegistration"),
        ({"metrics_refused": "throttled"}, 429, "TooManyRequests"),
        ({"metrics_refused": "back_off"}, 529, "Overloaded"),
    ],
)
def test_metrics_may_not_be_readable(
    make_bench: MakeBench, switches: dict[str, Any], status: int, code: str
) -> None:
    answer = ask(prepared(make_bench(**switches)))
    assert (answer.status, answer.json()["code"]) == (status, code)


def test_metrics_where_the_contract_leaves_the_behaviour_open(make_bench: MakeBench) -> None:
    bench = prepared(make_bench(metrics_stars="one", metrics_errors="wrapped", metrics_emitters=2))
    assert ask(bench, where="deployment eq '*' and statusCode eq '*'").json()["error"]["code"]
    score(bench, 10, "blue")
    bench.clock.move(timedelta(minutes=5))
    assert series(bench, where=LEAVES) == {("blue", "200"): [5.0]}  # each emitter saw half
    gone = f"{WORKSPACE}/onlineEndpoints/nobody/providers/microsoft.insights/metrics"
    assert bench.ask("GET", f"{gone}?api-version=2024-02-01").status == 404
    assert bench.ask("GET", gone).status == 400


def test_a_window_of_a_month_is_answered_with_each_minute_that_had_requests() -> None:
    bench = prepared(Bench(sample=False))
    for _ in range(6 * 60):
        for name in ("blue", "green") * 20:
            bench.service.measured.add("census", Leaf(name, "200", "200"), 20)
        bench.clock.move(timedelta(minutes=1))
    now = bench.clock.now()
    day = f"{(now - timedelta(days=30)).isoformat()}/{now.isoformat()}"
    found = series(bench, timespan=day, where="deployment eq '*'", metricnames="RequestLatency_P95")
    assert {len(points) for points in found.values()} == {6 * 60 - 1}
