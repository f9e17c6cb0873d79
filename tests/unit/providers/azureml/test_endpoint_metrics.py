"""The metrics of Azure Monitor about requests, and missing ones."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from shared.core.serving.traffic_rules import Measure, TrafficPoint, TrafficQuery
from shared.errors import OutcomeUnknownError, PermanentError, TransientError
from shared.providers.http.client import Answer
from tests.unit.providers.azureml.endpoint_service import Bench
from tests.unit.providers.azureml.service import refuses, says, vector

SINCE = datetime(2021, 2, 21, 21, 14, tzinfo=UTC)
QUERY = TrafficQuery(Measure.REQUESTS, ("m-1", "blue"), SINCE, SINCE + timedelta(minutes=25))
LATENCY = TrafficQuery(Measure.LATENCY, ("m-1", "blue"), SINCE, SINCE + timedelta(minutes=25))


def asked(answer: Any, query: TrafficQuery = QUERY) -> tuple[TrafficPoint, ...]:
    bench = Bench()
    bench.http.script("GET", "/metrics", answer)
    found = bench.service.requests(query)
    assert len(bench.http.sent) == 1
    return found


def series(deployment: str, *values: float | None, status: str = "200", **about: str) -> Any:
    known = {"deployment": deployment, "statuscode": status, **about}
    data = [
        {"timeStamp": f"2021-02-21T21:{14 + at}:00Z"}
        | ({} if value is None else {"average": value})
        for at, value in enumerate(values)
    ]
    listed = [{"name": {"value": name}, "value": one} for name, one in known.items()]
    return {"metadatavalues": listed, "data": data}


def metric(name: str, *found: Any) -> Any:
    return {"name": {"value": name, "localizedValue": name}, "timeseries": list(found)}


def test_one_call_asks_for_each_deployment_and_status() -> None:
    bench = Bench()
    bench.http.script("GET", "/metrics", says({"value": []}))
    bench.service.requests(QUERY)
    (sent,) = bench.http.sent
    parts = urlsplit(sent.url)
    assert parts.path.endswith("/onlineEndpoints/census/providers/Microsoft.Insights/metrics")
    assert {name: one for name, (one,) in parse_qs(parts.query).items()} == {
        "api-version": "2024-02-01",
        "metricnames": "RequestsPerMinute",
        "timespan": "2021-02-21T21:14:00Z/2021-02-21T21:39:00Z",
        "interval": "PT1M",
        "aggregation": "Average",
        "$filter": "(deployment eq 'm-1' or deployment eq 'blue') and statusCode eq '*'",
        "top": "100",
    }
    assert sent.headers["Authorization"] == "Bearer token for https://management.azure.com/.default"


def test_latencies_are_asked_for_with_the_requests_that_weigh_them() -> None:
    bench = Bench(api_versions={"metrics": "2023-10-01"})
    bench.http.script("GET", "/metrics", says({"value": []}))
    bench.service.requests(LATENCY)
    query = parse_qs(urlsplit(bench.http.sent[0].url).query)
    assert query["metricnames"] == ["RequestLatency_P90,RequestsPerMinute"]
    assert query["$filter"] == ["deployment eq 'm-1' or deployment eq 'blue'"]
    assert query["api-version"] == ["2023-10-01"]


def test_the_published_answer_has_points_for_minutes_with_requests_only() -> None:
    recorded = vector("pub_metrics_online_endpoint_200")["requests"]
    points = asked(says(recorded["body"]))
    assert [(one.requests, one.at.minute) for one in points] == [
        (2750.0, 15),
        (1.0, 36),
        (47.0, 36),
        (102.0, 37),
    ]
    assert {one.deployment for one in points} == {"blue"}


def test_no_data_is_no_point() -> None:
    known = vector("doc_metrics_no_data_and_errors")
    named = [{"name": {"value": "deployment"}, "value": "blue"}]
    nulls = [one | {"average": None} for one in known["null_points"]["data"]]
    for found in (
        metric("RequestsPerMinute", known["empty"]),
        metric("RequestsPerMinute"),
        metric("RequestsPerMinute", {"metadatavalues": named, "data": nulls}),
        metric("RequestsPerMinute", series("blue", None, 0.0, None, 0)),
        metric("RequestsPerMinute", {"metadatavalues": [], "data": series("x", 5.0)["data"]}),
        metric("RequestsPerMinute", series("another", 5.0)),
        metric("ConnectionsActive", series("blue", 5.0)),
        {"name": None, "timeseries": None},
    ):
        assert asked(says({"value": [found]})) == ()
    assert asked(says({"value": []})) == ()


def test_names_are_compared_without_case_and_returned_as_asked() -> None:
    known = series("BLUE", 3.0, status="424")
    for one in known["metadatavalues"]:
        one["name"]["value"] = one["name"]["value"].title()
    (point,) = asked(says({"value": [metric("requestsperminute", known)]}))
    assert (point.deployment, point.status, point.requests) == ("blue", "424", 3.0)


def test_latencies_have_the_requests_of_their_minute() -> None:
    found = [
        metric("RequestLatency_P90", series("m-1", 95.5, 40.0, None), series("blue", 30.0)),
        metric("RequestsPerMinute", series("m-1", 12.0, 0.0, 5.0), series("blue", 7.0)),
    ]
    points = asked(says({"value": found}), LATENCY)
    assert [(one.deployment, one.latency, one.requests) for one in points] == [
        ("m-1", 95.5, 12.0),
        ("blue", 30.0, 7.0),
    ]


@pytest.mark.parametrize(
    "body",
    [
        {"value": [7, None, {"timeseries": [None, {"data": [None, 7, {}]}]}]},
        {"value": [metric("RequestsPerMinute", series("blue", float("inf")))]},
        {"value": [metric("RequestsPerMinute", {"metadatavalues": 7, "data": 7})]},
        {"value": [metric("RequestsPerMinute", {**series("blue"), "data": [{"average": True}]})]},
        {
            "value": [
                metric(
                    "RequestsPerMinute",
                    {**series("blue"), "data": [{"timeStamp": "then", "average": 1.0}]},
                )
            ]
        },
    ],
)
def test_odd_series_are_no_data(body: Any) -> None:
    assert asked(Answer(200, {}, json.dumps(body).encode())) == ()


@pytest.mark.parametrize("answer", [says(None), says([]), says({}), Answer(200, {}, b"<html>")])
def test_an_answer_without_metrics_is_not_a_quiet_endpoint(answer: Answer) -> None:
    with pytest.raises(TransientError, match="holds no metrics"):
        asked(answer)


def test_an_answer_that_may_be_cut_is_not_counted() -> None:
    found = metric("RequestsPerMinute", *(series(f"d{at}", 1.0) for at in range(100)))
    with pytest.raises(TransientError, match="more series"):
        asked(says({"value": [found]}))


@pytest.mark.parametrize("status", [401, 403])
def test_a_role_that_is_missing_is_named(status: int) -> None:
    error = vector("doc_metrics_no_data_and_errors")["error_single_resource"]
    with pytest.raises(PermanentError, match=r"BadRequest: .*Monitoring Reader") as caught:
        asked(says(error, status))
    assert "Microsoft.Insights" in caught.value.advice


def test_other_errors_are_read_flat_or_in_an_envelope() -> None:
    known = vector("doc_metrics_no_data_and_errors")
    for error in (known["error_single_resource"], known["error_get_batch"]):
        with pytest.raises(PermanentError, match="does not support requested dimension"):
            asked(says(error, 400))
    for answer in (says({"code": "x", "message": "y"}, 429), refuses(500, "x"), says(None, 529)):
        with pytest.raises(TransientError):
            asked(answer)
    with pytest.raises(TransientError):
        asked(OutcomeUnknownError("lost"))
