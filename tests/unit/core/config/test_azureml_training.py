"""The configuration of `training.kind: azureml`, and its refusals with advice."""

from datetime import timedelta
from typing import Any

import pytest
from pydantic import ValidationError

from shared.core.config.azureml_names import (
    Asset,
    asset_of,
    compute_id,
    place_in_datastore,
    same_uri,
    workspace_of,
)
from shared.core.config.azureml_parts import AzureMlInput
from shared.core.config.azureml_training import AzureMlTraining

WS = (
    "/subscriptions/s1/resourceGroups/rg1/providers/Microsoft.MachineLearningServices"
    "/workspaces/ws1"
)
PARTS = {"subscription": "s1", "resource_group": "rg1", "name": "ws1"}


def training(**changes: Any) -> AzureMlTraining:
    known = {"kind": "azureml", "workspace": WS, "component": "azureml:train:3", **changes}
    written = {name: value for name, value in known.items() if value is not None}
    return AzureMlTraining.model_validate(written, context={"development": False})


def refused(**changes: Any) -> str:
    with pytest.raises(ValidationError) as caught:
        training(**changes)
    (error,) = caught.value.errors()
    return ".".join(map(str, error["loc"])) + " " + error["msg"]


def test_the_proposed_form_is_read() -> None:
    made = training(
        inputs={"training_data": "{data}", "epochs": 5},
        outputs={"model": "model", "metrics": "evaluation"},
        compute="cpu-cluster",
        experiment="relearn-churn",
        timeout="2h",
    )
    assert made.sources == {"training_data": "{data}"}
    assert made.parameters == {"epochs": 5}
    assert made.models == ("model",)
    assert (made.timeout, made.orphan_after) == (timedelta(hours=2), timedelta(minutes=15))
    assert (made.wants_data, made.wants_manifest) == (True, False)
    assert made.address == f"https://management.azure.com{WS}"


def test_a_stored_configuration_is_read_as_it_was() -> None:
    made = training(
        inputs={"a": {"path": "{data.mltable}", "type": "mltable"}, "b": True, "c": "x/{d}.csv"},
        register_as={"model": "churn"},
        workspace=PARTS,
        timeout="3d",
    )
    assert AzureMlTraining.model_validate_json(made.model_dump_json()) == made
    assert made.evolve(attempts=2).inputs == made.inputs


# The workspace


@pytest.mark.parametrize(
    "written",
    [
        WS,
        f"{WS}/",
        PARTS,
        f"https://management.azure.com{WS}",
        f"https://MANAGEMENT.azure.com{WS.replace('resourceGroups', 'resourcegroups')}",
    ],
)
def test_one_workspace_is_one_however_it_is_written(written: Any) -> None:
    assert training(workspace=written).identity == training().identity
    assert training(workspace=written).address.lower() == training().address.lower()


def test_workspaces_of_other_hosts_are_others() -> None:
    elsewhere = training(workspace=f"https://arm.example{WS}")
    assert elsewhere.address == f"https://arm.example{WS}"
    assert elsewhere.identity != training().identity


@pytest.mark.parametrize(
    ("written", "says"),
    [
        ("ws1", "is not the id of a workspace: write /subscriptions/<id>/resourceGroups/<group>"),
        (WS.replace("ws1", "w"), "'w' cannot name a workspace: 3 to 33 letters"),
        (
            "https://ml.azure.com/home?wsid=/subscriptions/s/resourcegroups/rg/workspaces/ws1",
            "is the address of a page, of the workspace /subscriptions/s/resourcegroups/rg",
        ),
        (f"http://management.azure.com{WS}", "https is required"),
        (f"http://127.0.0.1:9{WS}", "https is required"),
        ({"subscription": "s"}, "a workspace in parts has three: subscription, resource_group"),
    ],
)
def test_what_is_no_workspace_is_said(written: Any, says: str) -> None:
    assert says in refused(workspace=written)


def test_the_stand_in_is_called_in_development() -> None:
    written = {"kind": "azureml", "workspace": f"http://127.0.0.1:9{WS}", "like": "job1"}
    made = AzureMlTraining.model_validate(written, context={"development": True})
    assert made.address == f"http://127.0.0.1:9{WS}"


# Component, job, like


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"component": None}, "one of component, job, like; there is none"),
        ({"like": "job1"}, "there are component and like"),
        (
            {"component": "train:3"},
            "component Value error, does not name a registered component: write",
        ),
        ({"component": "azureml:train"}, "write azureml:<name>:<version>"),
        ({"component": "azureml:train@newest"}, "the label @newest is unknown here"),
        ({"component": "./train.yml"}, "is a file; it is registered once, by `az ml component"),
        (
            {"component": "azureml://registries/azureml/components/x/versions/1"},
            "a component of a registry is not supported yet",
        ),
        ({"batch_endpoint": "e"}, "a batch endpoint is not supported yet: name the component"),
        ({"kubernetes": {}}, "a Kubernetes is not supported yet"),
        ({"compute": "kubernetes:aks"}, "Kubernetes is not supported yet"),
        ({"compute": "cpu cluster"}, "does not name a compute"),
        ({"job_tier": "spot"}, "only serverless compute has tiers"),
        ({"timeout": "22d"}, "timeout: at most 21d"),
        ({"settings": {"force_rerun": False}}, "settings.force_rerun"),
        ({"outputs": {"a": "x", "b": "X"}}, "outputs: two outputs cannot be written to one folder"),
        ({"outputs": {"a": "x/y"}}, "does not name a folder below that of the attempt"),
        ({"outputs": {"a": "../y"}}, "does not name a folder below that of the attempt"),
        ({"api_versions": {"jobs": "latest"}}, "is not an api-version: write it like 2025-12-01"),
        ({"inputs": {"a": 1}, "parameters": {"a": 2}}, "a is under inputs and under parameters"),
        ({"inputs": {"a": "x/y"}, "parameters": {"a": 2}}, "a is under inputs and under"),
        ({"inputs": {"a": "x {data}"}}, "{data}, {data.manifest} and {data.mltable} stand alone"),
        ({"inputs": {"a": "/x.csv"}}, "a path starts below TRAINING_DATA_CONTAINER"),
        ({"datastore": "a b"}, "cannot be a name there"),
    ],
)
def test_what_cannot_be_used_is_said_with_what_to_write(changes: dict[str, Any], says: str) -> None:
    with pytest.raises(ValidationError) as caught:
        training(**changes)
    assert says in "\n".join(
        ".".join(map(str, error["loc"])) + " " + error["msg"] for error in caught.value.errors()
    )


def test_a_component_is_named_in_two_ways() -> None:
    by_id = training(component=f"{WS}/components/train/versions/3")
    assert by_id.component == training().component == "azureml:train:3"
    assert asset_of("azureml:train@latest").newest


# Inputs


@pytest.mark.parametrize(
    ("value", "literal"),
    [
        (5, True),
        (0.5, True),
        (False, True),
        ("adam", True),
        ("2026-11-26", True),
        ("{date}", True),
        ("v1.2", True),
        ("", True),
        ("{data}", False),
        ("{data.manifest}", False),
        ("{data.mltable}", False),
        ("census/{date}/a.csv", False),
        ("lookup.csv", False),
        ("azureml:lookup:3", False),
        ("https://a.blob.core.windows.net/c/x", False),
    ],
)
def test_an_input_is_a_literal_or_data(value: Any, literal: object) -> None:
    made = training(inputs={"x": value})
    assert ("x" in made.parameters) is literal
    assert ("x" in made.inputs) is not literal


def test_what_the_app_looks_up_are_paths_and_lists() -> None:
    made = training(
        inputs={
            "a": "census/{date}.csv",
            "b": "{data.mltable}",
            "c": "azureml:lookup:3",
            "d": {"path": "{data}", "mode": "download"},
        }
    )
    assert made.sources == {"a": "census/{date}.csv", "b": "{data.manifest}", "d": "{data}"}
    assert made.wants_manifest
    assert made.input("d") == AzureMlInput(path="{data}", mode="download")


# Models


@pytest.mark.parametrize(
    ("changes", "models"),
    [
        ({}, ()),
        ({"outputs": {"model": "m", "metrics": "e"}}, ("model",)),
        ({"outputs": {"trained": "m"}}, ("trained",)),
        ({"outputs": {"a": "m", "b": "e"}}, ()),
        ({"outputs": {"a": "m", "b": "e"}, "register_as": {"b": {"type": "custom_model"}}}, ("b",)),
    ],
)
def test_which_outputs_are_models(changes: dict[str, Any], models: tuple[str, ...]) -> None:
    assert training(**changes).models == models


# Names and URIs


def test_uris_in_datastores_are_one_in_both_forms() -> None:
    short = "azureml://datastores/Models/paths/runs/x/"
    long = workspace_of(WS).datastore_uri("models", "runs/x")
    assert place_in_datastore(long) == ("models", "runs/x")
    assert same_uri(short, long)
    assert same_uri(long, long.replace("resourcegroups", "resourceGroups"))
    assert not same_uri(short, f"{short}y")
    assert same_uri("https://a/b/", "https://a/b")


def test_a_compute_is_an_id_and_serverless_has_none() -> None:
    here = workspace_of(WS)
    assert compute_id("azureml:cpu", here) == compute_id("cpu", here) == f"{WS}/computes/cpu"
    assert compute_id(f"{WS}/computes/x", here) == f"{WS}/computes/x"
    assert compute_id("serverless", here) is None
    assert str(Asset("a", "latest")) == "azureml:a@latest"
