"""The pipelines file as a whole: what is read, and what makes it unreadable."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from local.pipelines_schema import json_schema
from shared.config.loader import load_pipelines
from shared.core.config.pipeline import Pipeline
from tests.unit.config.pipelines_file import Load, only, put, written
from tests.unit.samples import BASE, ROWS, UPDATE
from tests.unit.written_yaml import yaml_of


def test_a_valid_file_gives_its_pipelines(load: Load) -> None:
    found = load()
    assert found.problems == ()
    pipeline = found.pipelines["census"]
    assert pipeline.training.address == f"{BASE}/jobs?api-version=2.0"
    assert pipeline.endpoint is not None
    assert pipeline.endpoint.verify is not None
    assert pipeline.endpoint.verify.rows == ROWS
    assert "SECRET" not in pipeline.model_dump_json()


def test_a_stored_pipeline_is_read_back_as_it_was(load: Load) -> None:
    pipeline = load(put("training.parameters", {"n": 3, "r": 0.5, "b": True, "s": "3"})).pipelines[
        "census"
    ]
    again = Pipeline.model_validate_json(pipeline.model_dump_json())
    assert again == pipeline
    kinds = [type(value) for value in again.training.parameters.values()]
    assert kinds == [int, float, bool, str]


@pytest.mark.parametrize("value", [float("inf"), float("nan")])
def test_a_parameter_that_no_record_can_hold_is_refused(load: Load, value: float) -> None:
    assert load(put("training.parameters", {"n": value})).problems


def test_common_mistakes_of_pasted_values_are_corrected(load: Load) -> None:
    def change(one: dict[str, Any]) -> None:
        one["training"]["service"] = f" {BASE}/jobs. "
        one["endpoints"][0]["update"] = f"{UPDATE}."
        one["endpoints"][0]["verify"]["score"] = f"{BASE}/execute/"

    found = load(change)
    assert found.problems == ()
    pipeline = found.pipelines["census"]
    assert pipeline.training.address == f"{BASE}/jobs?api-version=2.0"
    assert pipeline.endpoint is not None
    assert pipeline.endpoint.address == UPDATE


def test_a_wrong_pipeline_keeps_no_other_from_being_read(load: Load) -> None:
    good, bad = written(lambda _: None), written(put("colour", "x"))
    found = load(yaml_of({"pipelines": {"good": good, "bad": bad, "also": good}}, sort_keys=False))
    assert list(found.pipelines) == ["good", "also"]
    assert list(found.broken) == ["bad"]
    assert found.readable
    assert "pipelines.bad.colour" in "".join(map(str, found.problems))


def test_two_pipelines_of_one_name_are_reported_by_line(load: Load) -> None:
    found = load("pipelines:\n  a: {}\n  b: {}\n  a: {}\n")
    reported = [str(problem) for problem in found.problems]
    assert (
        "pipelines.yaml:4: pipelines.a: a pipeline of this name is written above already: "
        "rename one" in reported
    )


def test_a_key_that_is_there_twice_is_reported(load: Load) -> None:
    found = load("pipelines:\n  a:\n    when_busy: parallel\n    when_busy: queue\n")
    assert any("pipelines.yaml:4" in problem.where for problem in found.problems)


@pytest.mark.parametrize("name", ["Census", "a_b", "-a", "a" * 41, "a/b", "ä"])
def test_a_name_that_is_no_pipeline_name_is_refused(load: Load, name: str) -> None:
    text = only(load(yaml_of({"pipelines": {name: written(lambda _: None)}}, allow_unicode=True)))
    assert "not a pipeline name" in text


@pytest.mark.parametrize(
    "text",
    ["", "a: 1", "[]", "pipelines:", "pipelines: []", "pipelines: {}", "text", "pipelines: {a: 1}"],
)
def test_a_file_without_pipelines_is_reported(load: Load, text: str) -> None:
    found = load(text)
    assert found.pipelines == {}
    assert any("pipelines.azureml.yaml" in str(problem) for problem in found.problems)


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("pipelines: {", id="not closed"),
        pytest.param("pipelines:\n\t- x", id="a tab"),
        pytest.param("a: 1\n---\nb: 2", id="two documents"),
        pytest.param("pipelines: *nothing", id="an unknown alias"),
        pytest.param("pipelines: !!python/object:os.system {}", id="a tag"),
        pytest.param("pipelines: {a: {data: !secret x}}", id="an unknown tag"),
        pytest.param("pipelines: {a: {data: 2026-02-30}}", id="an impossible date"),
        pytest.param("pipelines: {[a, b]: c}", id="a list as key"),
        pytest.param("pipelines: {? {a: b} : c}", id="a mapping as key"),
        pytest.param("pipelines: {a: &x [*x]}", id="a list that holds itself"),
        pytest.param("pipelines: {a: {? 1 : {2026-01-01: b}}}", id="keys that are no texts"),
        pytest.param("pipelines: {a: " + "[" * 3000, id="too deep"),
    ],
)
def test_no_text_makes_reading_fail(load: Load, text: str) -> None:
    found = load(text)
    assert found.pipelines == {}
    assert found.problems


def test_a_missing_file_and_one_of_another_encoding_are_reported(tmp_path: Path) -> None:
    file = tmp_path / "pipelines.yaml"
    assert "PIPELINES_FILE" in only(load_pipelines(file, {}, development=False))
    file.write_bytes(b"pipelines: \xff")
    assert "UTF-8" in only(load_pipelines(file, {}, development=False))


@pytest.mark.parametrize(
    "text",
    [
        "pipelines:\n  a:\n    training:\n      api_key: L1TERAL: x\n",
        'pipelines:\n  a:\n    training:\n      api_key: "L1TERAL\n',
        "pipelines:\n  a:\n    training: {api_key: L1TERAL\n",
        "pipelines:\n  a:\n    training:\n      api_key: L1TERAL\n",
        "pipelines:\n  a:\n    training:\n      api_key: [L1TERAL]\n",
        "pipelines:\n  a:\n    training:\n      api_key: *L1TERAL\n",
        "pipelines:\n  a:\n    training:\n      api_key: &L1TERAL\n        &L1TERAL x\n",
        "pipelines:\n  a:\n    training:\n      api_key: !L1TERAL x\n",
        "pipelines:\n  a:\n    training:\n      api_key: %L1TERAL\n",
        "pipelines:\n  a:\n    training:\n      service: https://u:L1TERAL@host/jobs\n",
    ],
)
def test_a_key_written_out_is_refused_and_never_repeated(load: Load, text: str) -> None:
    found = load(text)
    assert found.problems
    assert "L1TERAL" not in "\n".join(map(str, found.problems))


def test_plain_http_is_allowed_on_loopback_in_development_only(load: Load) -> None:
    local = put("training.service", "http://127.0.0.1:8080/workspaces/w/services/e/jobs")
    assert load(local, development=True).problems == ()
    assert "https is required" in only(load(local))


def walk(node: Any) -> Iterator[dict[str, Any]]:
    if isinstance(node, dict):
        yield node
    for child in (
        node.values() if isinstance(node, dict) else node if isinstance(node, list) else ()
    ):
        yield from walk(child)


def test_the_schema_for_editors_knows_the_same_keys() -> None:
    schema = json_schema()
    definitions = schema["$defs"]
    assert set(definitions["Pipeline"]["properties"]) == set(Pipeline.model_fields) - {"name"}
    assert schema["properties"]["pipelines"]["additionalProperties"] == {"$ref": "#/$defs/Pipeline"}
    for node in walk(schema):
        if "$ref" in node:
            assert node["$ref"].removeprefix("#/$defs/") in definitions
        if "properties" in node:
            assert node["additionalProperties"] is False
            assert set(node.get("required", ())) <= set(node["properties"])
    json.dumps(schema)
    rows = definitions["Verify"]["properties"]["rows"]
    assert rows["type"] == "string"
    assert "properties" not in rows
