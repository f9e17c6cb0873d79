"""The Studio training of a pipeline: its inputs, and its refusals."""

from datetime import timedelta
from typing import Any

import pytest
from pydantic import ValidationError

from shared.core.config.studio_training import SINGLE_INPUT, StudioTraining
from tests.unit.samples import BASE

BARE = {"service": f"{BASE}/jobs", "api_key": "${KEY}"}


FILE = {"development": False}


def training(**changes: Any) -> StudioTraining:
    return StudioTraining.model_validate({**BARE, **changes}, context=FILE)


@pytest.mark.parametrize(
    ("changes", "sources"),
    [
        ({}, {"input1": "{data}"}),
        ({"inputs": {}}, {}),
        ({"inputs": {"a": "x/{name}"}}, {"a": "x/{name}"}),
        ({"input": "{data}"}, {SINGLE_INPUT: "{data}"}),
        ({"input": "{data}", "inputs": {}}, {SINGLE_INPUT: "{data}"}),
    ],
)
def test_a_job_is_given_named_inputs_or_a_single_one(
    changes: dict[str, Any], sources: dict[str, str]
) -> None:
    assert training(**changes).sources == sources


@pytest.mark.parametrize(
    ("changes", "data_", "manifest"),
    [
        ({}, True, False),
        ({"inputs": {}}, False, False),
        ({"inputs": {"a": "{data.manifest}"}}, False, True),
        ({"inputs": {"a": "x.csv"}}, False, False),
        ({"inputs": {}, "parameters": {"a": "at {data}"}}, True, False),
        ({"inputs": {}, "parameters": {"a": "at {data.manifest}", "b": 1}}, False, True),
        ({"input": "{data.manifest}", "parameters": {"a": "{data}"}}, True, True),
    ],
)
def test_a_job_wants_the_newest_blob_or_the_list_of_all(
    changes: dict[str, Any], *, data_: bool, manifest: bool
) -> None:
    known = training(**changes)
    assert (known.wants_data, known.wants_manifest) == (data_, manifest)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"input": "{data}", "inputs": {"a": "x.csv"}}, "input and inputs: a job is given one"),
        ({"inputs": {"a": "x{data}"}}, "{data} and {data.manifest} must be the whole value"),
        (
            {"inputs": {"a": "x{data.manifest}"}},
            "{data} and {data.manifest} must be the whole value",
        ),
        ({"inputs": {"a": "/x.csv"}}, "a path starts below the container"),
        ({"inputs": {"a": ""}}, "a path starts below the container"),
        ({"inputs": {"a": "x*.csv"}}, "* and ? are not supported here"),
        ({"inputs": {"": "x.csv"}}, "inputs"),
        ({"inputs": {"a" * 201: "x.csv"}}, "inputs"),
        ({"timeout": "6d22h1s"}, "timeout: at most 6d22h"),
        ({"timeout": "0s"}, "must be longer than 0s"),
        ({"outputs": {"a": "m.csv", "b": "m.csv"}}, "two outputs cannot be written to one file"),
        ({"outputs": {"a": "x/m.csv"}}, "not an output file name"),
        ({"outputs": {"a": ".csv"}}, "not an output file name"),
        (
            {"outputs": {"a": "m.txt"}},
            "not an output file name: the service writes .ilearner, .csv",
        ),
        ({"attempts": 0}, "attempts"),
        ({"attempts": 12}, "attempts"),
        ({"attempts": True}, "must be a number, not true or false"),
        ({"max_parallel": 0}, "max_parallel"),
        ({"max_parallel": 1001}, "max_parallel"),
        ({"azure_batch_pool_id": "x"}, "azure_batch_pool_id"),
        ({"azure_batch_pool_id": ""}, "azure_batch_pool_id"),
        ({"api_key": "a-key"}, "name the app setting that holds the key, as ${NAME}"),
        ({"connection_string": "a"}, "name the app setting that holds the key"),
        ({"service": "http://host/workspaces/w/services/e/jobs"}, "https is required"),
        ({"service": f"{BASE}/execute"}, "request-response"),
    ],
)
def test_a_training_that_cannot_work_is_refused_with_what_to_write(
    changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValidationError) as caught:
        training(**changes)
    assert message in str(caught.value)


def test_the_bounds_of_a_training_are_taken() -> None:
    assert training(timeout="6d22h").timeout == timedelta(days=6, hours=22)
    for attempts in (1, 11):
        assert training(attempts=attempts).attempts == attempts
    for most in (1, 1000):
        assert training(max_parallel=most).max_parallel == most
    assert training(azure_batch_pool_id="00aF-9").azure_batch_pool_id == "00aF-9"
    names = {"a": "m.ilearner", "b": "m.csv", "c": "m.tsv", "d": "m.arff"}
    assert training(outputs=names).outputs == names
    assert training(inputs={"a" * 200: "x.csv"}).inputs == {"a" * 200: "x.csv"}
    bare = training()
    assert (bare.timeout, bare.attempts, bare.pause) == (timedelta(hours=2), 1, timedelta())
