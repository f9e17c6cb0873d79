"""Every request gets an answer, and equal requests get equal answers."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from local.studio import WireRequest
from tests.local.studio.bench import Bench

_NAMES = (
    "Input",
    "Inputs",
    "Outputs",
    "GlobalParameters",
    "Resources",
    "Name",
    "Location",
    "ConnectionString",
    "BaseLocation",
    "RelativeLocation",
    "SasBlobToken",
    "input1",
    "output1",
    "ColumnNames",
    "Values",
    "age",
    "income",
    "Regularization",
    "OverwriteResources",
    "MaxConcurrentCalls",
    "ThrottleLevel",
)
_LEAVES = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=8)
    | st.sampled_from(("c/a.csv", "https://x.net/", "?se=1&sp=r", "High", "Census", "http://["))
)
_JSON = st.recursive(
    _LEAVES,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(_NAMES) | st.text(max_size=4), inner, max_size=4)
    ),
    max_leaves=12,
)


def _urls(bench: Bench) -> list[tuple[str, str]]:
    training, scoring = bench.publish_training(), bench.publish_scoring()
    job = f"{training.jobs_url}/{bench.submit(training).json()}"
    version = "?api-version=2.0"
    return [
        (training.jobs_url + version, training.api_key),
        (f"{job}{version}", training.api_key),
        (f"{job}/start{version}", training.api_key),
        (scoring.execute_url + version, scoring.api_key),
        (f"{scoring.execute_url}{version}&format=swagger&details=true", scoring.api_key),
        (scoring.management_url, scoring.api_key),
        (f"{scoring.management_url}/refresh", scoring.api_key),
        (scoring.management_url, bench.studio.workspace_token),
    ]


@settings(max_examples=150, deadline=None)
@given(
    which=st.integers(0, 7),
    method=st.sampled_from(("GET", "POST", "PUT", "PATCH", "DELETE")),
    body=_JSON.map(lambda value: json.dumps(value).encode()) | st.binary(max_size=20),
)
def test_any_body_is_answered(which: int, method: str, body: bytes) -> None:
    bench = Bench()
    url, key = _urls(bench)[which]
    answer = bench.send(WireRequest(method, url, {"Authorization": f"Bearer {key}"}, body))
    assert 200 <= answer.status < 500
    if answer.body:
        answer.json()


@settings(max_examples=100, deadline=None)
@given(url=st.text(max_size=30) | st.from_regex(r"/workspaces/[^?]*\?[a-z=%&]*", fullmatch=True))
def test_any_url_is_answered(url: str) -> None:
    assert 400 <= Bench().send(WireRequest("GET", url)).status < 500


@pytest.mark.parametrize("body", [b"[" * 100_000, b'{"Inputs": 1' + b"0" * 5_000 + b"}", b"\xff"])
def test_absurd_json_is_refused(body: bytes) -> None:
    bench = Bench()
    for url, key in _urls(bench)[::3]:
        for method in ("POST", "PATCH"):
            request = WireRequest(method, url, {"Authorization": f"Bearer {key}"}, body)
            assert 400 <= bench.send(request).status < 500


def test_equal_calls_give_equal_answers() -> None:
    def story() -> list[Any]:
        bench = Bench()
        training, scoring = bench.publish_training(), bench.publish_scoring()
        status = bench.finished(training)
        bench.patch(scoring, status["Results"]["output1"])
        bench.clock.advance(minutes=1)
        return [status, bench.score(scoring).body, training, scoring]

    assert story() == story()
