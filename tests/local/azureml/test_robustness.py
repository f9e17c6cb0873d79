"""The workspace answers every request, and never with an internal error."""

import json
from copy import deepcopy
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.local.azureml.bench import Bench

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner, max_size=2)
    ),
    max_leaves=4,
)
COMPONENT = {
    "type": "pipeline",
    "inputs": {"i": {"type": "uri_file", "optional": "True"}},
    "outputs": {"o": {"type": "uri_folder"}},
    "jobs": {
        "n": {
            "componentId": "azureml:train_tabular:1",
            "inputs": {
                "training_data": {"job_input_type": "literal", "value": "${{parent.inputs.i}}"}
            },
            "outputs": {"model": {"type": "literal", "value": "${{parent.outputs.o}}"}},
        }
    },
}


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Return the path of every value in a body."""
    found = [path]
    items = value.items() if isinstance(value, dict) else ()
    for name, inner in items:
        found += places(inner, (*path, name))
    return found


def changed(body: Any, path: tuple[Any, ...], value: Any) -> Any:
    """Return a body with another value at a place."""
    if not path:
        return value
    body = deepcopy(body)
    inner = body
    for name in path[:-1]:
        inner = inner[name]
    inner[path[-1]] = value
    return body


BENCH = Bench()
BODIES = {
    "jobs/{}": {"properties": BENCH.pipeline(displayName="d", experimentName="e")},
    "jobs/c-{}": {
        "properties": BENCH.command(
            limits={"jobLimitsType": "Command", "timeout": "PT1H"},
            identity={"identityType": "AMLToken"},
            inputs={"x": {"jobInputType": "literal", "value": "1"}},
            environmentVariables={"A": "b"},
            codeId=BENCH.sample["code"],
        )
    },
    "jobs/n-{}": {"properties": BENCH.pipeline(componentId=None, jobs=COMPONENT["jobs"])},
    "components/own/versions/{}": {"properties": {"componentSpec": COMPONENT, "tags": {"a": "b"}}},
    "models/m/versions/{}": {
        "properties": {"modelUri": "azureml://datastores/models/paths/a", "tags": {"a": "b"}}
    },
}


@pytest.mark.parametrize("path", BODIES)
@given(data=st.data())
@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
def test_a_body_with_another_value_somewhere_is_answered(path: str, data: st.DataObject) -> None:
    bench, body = Bench(), BODIES[path]
    at = data.draw(st.sampled_from(places(body)))
    sent = changed(body, at, data.draw(VALUES))
    answer = bench.ask("PUT", path.format("x"), sent)
    assert answer.status in (200, 201, 400), answer.body
    if answer.status != 400:
        assert bench.ask("GET", path.format("x")).status == 200
        if path.startswith("jobs"):
            assert bench.ended(path.format("x").removeprefix("jobs/")) in ("Completed", "Failed")


@pytest.mark.parametrize(
    "path",
    [
        "rundata",
        "runs/search",
        "runs/log-batch",
        "dataversion/batchGetResolvedUris",
        "experiments/e/runs/j",
    ],
)
@given(value=VALUES)
@settings(max_examples=25, deadline=None, derandomize=True)
def test_the_data_plane_answers_any_body(path: str, value: Any) -> None:
    bench = Bench()
    bench.put()
    plane = {
        "rundata": ("POST", "history/v1.0"),
        "runs/search": ("POST", "mlflow/v2.0"),
        "runs/log-batch": ("POST", "mlflow/v2.0"),
        "dataversion/batchGetResolvedUris": ("POST", "data/v1.0"),
        "experiments/e/runs/j": ("PATCH", "history/v1.0"),
    }
    method, what = plane[path]
    whole = f"api/2.0/mlflow/{path}" if what.startswith("mlflow") else path
    for name in ("runId", "values", "tags", "filter", "hidden", "run_id", "metrics"):
        answer = bench.plane(method, what, whole, {name: value})
        assert answer.status < 500, answer.body
    assert json.loads(bench.ask("GET", "jobs/j").body)
