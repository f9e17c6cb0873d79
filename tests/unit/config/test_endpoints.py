"""Endpoints in the pipelines file: chosen by tokens, created, and none of them twice."""

from typing import Any

import pytest

from shared.core.config.studio_endpoint import StudioEndpoint
from tests.unit.config.pipelines_file import Load, only
from tests.unit.samples import BASE, ROWS, UPDATE, pipeline, tree


def test_two_endpoints_of_one_resource_or_name_are_refused(load: Load) -> None:
    text = only(load(lambda one: one["endpoints"].append({**one["endpoints"][0], "name": "b"})))
    assert "b is there twice (same update, resource)" in text
    text = only(load(lambda one: one["endpoints"].append({**one["endpoints"][0], "resource": "b"})))
    assert "is there twice (same name)" in text


def test_tokens_of_the_data_path_may_choose_the_endpoint(load: Load) -> None:
    def change(one: dict[str, Any]) -> None:
        one["data"]["blob"] = "{customer}/{date}/{name}.csv"
        one["endpoints"][0]["update"] = UPDATE.replace("production", "{customer}")
        one["endpoints"][0]["workspace_token"] = "${TRAINING_KEY}"
        del one["endpoints"][0]["verify"]["score"]

    found = load(change)
    assert found.problems == ()
    pipeline = found.pipelines["census"]
    assert pipeline.key_tokens == ("customer",)
    chosen = pipeline.chosen_by({"customer": "acme", "date": "d", "name": "n"})
    assert chosen.endpoint is not None
    assert chosen.endpoint.address == UPDATE.replace("production", "acme")
    assert chosen.key_tokens == ("customer",)
    for bad in ("Acme", "../x", "a" * 25, "default", "", "{name}", "a}"):
        with pytest.raises(ValueError, match=r"cannot name an endpoint|default endpoint|a brace"):
            pipeline.chosen_by({"customer": bad})


def test_everything_of_an_endpoint_that_holds_a_token_is_chosen_by_it() -> None:
    (endpoint,) = tree()["endpoints"]
    endpoint |= {
        "update": UPDATE.replace("production", "{customer}"),
        "resource": "{customer} [trained model]",
        "workspace_token": "${TRAINING_KEY}",
        "verify": {"score": f"{BASE}-{{customer}}/execute", "rows": ROWS},
    }
    chosen = pipeline(data={"blob": "{customer}/{name}.csv"}, endpoints=[endpoint]).chosen_by(
        {"customer": "acme", "name": "n"}
    )
    (one,) = chosen.endpoints
    assert isinstance(one, StudioEndpoint)
    assert one.verify is not None
    assert one.verify.score == f"{BASE}-acme/execute?api-version=2.0"
    assert (one.resource_name, one.tokens) == ("acme [trained model]", ())


@pytest.mark.parametrize(
    "file", [".csv", ".ilearner", ".model.ilearner", "a/model.ilearner", "model.pickle", ""]
)
def test_an_output_is_a_file_of_a_kind_that_the_service_writes(file: str) -> None:
    for allowed in ("a.csv", "a.tsv", "a.arff", "a.ilearner"):
        assert pipeline(training__outputs={"output1": allowed}).training.outputs
    with pytest.raises(ValueError, match="not an output file name"):
        pipeline(training__outputs={"output1": file})


@pytest.mark.parametrize("calls", [0, 201])
def test_an_endpoint_that_is_made_takes_as_many_calls_at_once_as_the_service_allows(
    calls: int,
) -> None:
    (endpoint,) = tree()["endpoints"]
    endpoint["workspace_token"] = "${TRAINING_KEY}"
    for allowed in (1, 200):
        made = pipeline(endpoints=[{**endpoint, "create": {"MaxConcurrentCalls": allowed}}])
        assert made.endpoints[0].create
    with pytest.raises(ValueError, match="MaxConcurrentCalls"):
        pipeline(endpoints=[{**endpoint, "create": {"MaxConcurrentCalls": calls}}])
