"""The PUT of a job: of a component, against the recorded requests."""

from typing import Any

import pytest

from shared.core.config.azureml_names import Asset
from shared.core.config.azureml_training import AzureMlTraining
from shared.errors import PermanentError
from shared.providers.azureml.bodies import (
    ComponentSpec,
    JobPlan,
    PlacedInput,
    needs_second_token,
    of_component,
)
from tests.unit.providers.azureml.service import USUAL, WS, component, vector

ASSET = Asset("train-census", "3")


def training(**changes: Any) -> AzureMlTraining:
    return AzureMlTraining.model_validate({**USUAL, **changes}, context={"development": False})


def plan(**changes: Any) -> JobPlan:
    known: dict[str, Any] = {
        "title": "census (1)",
        "experiment": "relearn-census",
        "tags": {"relearn.run": "census-1"},
        "data": {"training_data": PlacedInput("azureml://datastores/d/paths/a.csv", blob=True)},
        "literals": {"epochs": "5"},
        "output_uri": lambda name, kind: f"azureml://datastores/m/paths/{name}/{kind}",
    }
    return JobPlan(**{**known, **changes})


def made(kind: str = "pipeline", plan_: JobPlan | None = None, **changes: Any) -> dict[str, Any]:
    spec = ComponentSpec.of(component(kind)["properties"]["componentSpec"])
    body = of_component(plan_ or plan(), training(**changes), ASSET, spec)
    found: dict[str, Any] = body["properties"]
    return found


def test_a_pipeline_component_is_the_whole_job_as_it_was_recorded() -> None:
    recorded = vector("rec_pipeline_job_put_component_id_201")["request"]["body"]["properties"]
    properties = made()
    assert set(properties) == set(recorded) - {"description"}
    assert properties["componentId"] == f"{WS}/components/train-census/versions/3"
    assert properties["jobs"] == recorded["jobs"] == {}
    assert set(properties["settings"]) == {*recorded["settings"], "force_rerun"} | {
        "continue_on_step_failure"
    }
    assert properties["settings"]["default_compute"] == f"{WS}/computes/cpu-cluster"
    assert properties["inputs"]["epochs"] == {"jobInputType": "literal", "value": "5"}


def test_no_step_takes_the_result_of_an_older_run() -> None:
    for kind in ("pipeline", "command"):
        assert made(kind)["settings"]["force_rerun"] is True


def test_a_command_component_is_the_one_step_of_a_pipeline_as_it_was_recorded() -> None:
    recorded = vector("rec_pipeline_job_put_registered_node_201")["request"]["body"]["properties"]
    properties = made("command")
    (node,) = properties["jobs"].values()
    (recorded_node,) = recorded["jobs"].values()
    assert set(node) == {*recorded_node, "outputs"}
    assert node["inputs"]["epochs"] == {
        "job_input_type": "literal",
        "value": "${{parent.inputs.epochs}}",
    }
    assert node["outputs"]["model"] == {"type": "literal", "value": "${{parent.outputs.model}}"}
    assert node["componentId"] == f"{WS}/components/train-census/versions/3"
    assert node["name"] in properties["jobs"]
    assert "componentId" not in properties
    assert properties["settings"]["_source"] == recorded["settings"]["_source"]


def test_what_is_optional_comes_back_as_text() -> None:
    spec = ComponentSpec.of(
        vector("rec_component_get_200")["response"]["body"]["properties"]["componentSpec"]
    )
    assert spec.kind == "command"
    assert spec.required == ("component_in_path",)
    assert spec.outputs == {"component_out_path": "uri_folder"}


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        (
            {"data": {"trainin_data": PlacedInput("u")}},
            "azureml:train-census:3 has no input 'trainin_data'; it has training_data, epochs",
        ),
        (
            {"data": {}},
            r"needs the input 'training_data': give it under training.inputs \(uri_file\)",
        ),
    ],
)
def test_inputs_that_are_not_the_components_are_named(changes: dict[str, Any], says: str) -> None:
    with pytest.raises(PermanentError, match=says):
        made(plan_=plan(**changes))


def test_an_output_that_the_component_lacks_is_named() -> None:
    with pytest.raises(PermanentError, match="no output 'modle'; it has model, metrics"):
        made(outputs={"modle": "model"})


def test_a_component_of_another_kind_is_refused() -> None:
    with pytest.raises(PermanentError, match="of type sweep, and only pipeline and command"):
        made("sweep")


def test_every_output_of_the_component_has_a_place_of_ours() -> None:
    outputs = made(outputs={})["outputs"]
    assert outputs["metrics"] == {
        "jobOutputType": "uri_folder",
        "mode": "Upload",
        "uri": "azureml://datastores/m/paths/metrics/uri_folder",
    }
    assert set(outputs) == {"model", "metrics"}


def test_one_blob_of_many_is_no_folder() -> None:
    spec = ComponentSpec(
        "pipeline", {"training_data": {"type": "uri_folder"}}, {}, ("training_data",)
    )
    with pytest.raises(PermanentError, match="is a folder, and is given one blob of many: make it"):
        of_component(plan(literals={}), training(outputs={}), ASSET, spec)
    alone = PlacedInput("u/a.csv", blob=True, folder="u/")
    body = of_component(
        plan(literals={}, data={"training_data": alone}), training(outputs={}), ASSET, spec
    )
    assert body["properties"]["inputs"]["training_data"]["uri"] == "u/"


def test_modes_and_types_are_sent_in_the_words_of_the_service() -> None:
    given = PlacedInput("u", type="mltable", mode="eval_mount")
    assert given.shown("x") == {"jobInputType": "mltable", "mode": "EvalMount", "uri": "u"}
    assert PlacedInput("u").shown("x", "mlflow_model") == {
        "jobInputType": "mlflow_model",
        "uri": "u",
    }


def test_serverless_has_no_compute_but_a_tier() -> None:
    properties = made("command", compute="serverless", job_tier="spot", run_as="managed")
    (node,) = properties["jobs"].values()
    assert "computeId" not in node
    assert node["queue_settings"] == {"job_tier": "Spot"}
    assert properties["settings"]["default_compute"] == "serverless"
    assert properties["identity"] == {"identityType": "Managed"}


def test_settings_name_things_by_their_ids() -> None:
    settings = made(settings={"default_datastore": "files", "continue_on_step_failure": True})
    assert settings["settings"]["default_datastore"] == f"{WS}/datastores/files"
    assert settings["settings"]["continue_on_step_failure"] is True


@pytest.mark.parametrize(
    ("properties", "wants"),
    [
        ({"jobType": "Pipeline"}, True),
        ({"jobType": "Command"}, False),
        ({"jobType": "Command", "identity": {"identityType": "UserIdentity"}}, True),
    ],
)
def test_the_second_token_goes_with_pipelines_and_users(
    properties: dict[str, Any], wants: object
) -> None:
    assert needs_second_token({"properties": properties}) is wants
