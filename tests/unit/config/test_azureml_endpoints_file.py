"""Online endpoints in the pipelines file, and the files that they name: all problems at once."""

import json
from pathlib import Path
from typing import Any

import pytest

from shared.config.loader import load_pipelines
from shared.core.config.azureml_endpoint import AzureMlEndpoint
from shared.core.config.configuration import Configuration
from shared.core.config.pipeline import Pipeline
from tests.unit.config.test_azureml_file import CENSUS, problem
from tests.unit.core.config.test_azureml_deployment_file import SCRIPTED
from tests.unit.core.config.test_azureml_training import WS
from tests.unit.written_yaml import yaml_of

ENDPOINT: dict[str, Any] = {
    "name": "production",
    "kind": "azureml",
    "endpoint": "census-ep",
    "deployment": "deployment.yml",
    "verify": {"rows": "request.json"},
}
REQUEST = {"input_data": {"columns": ["a"], "index": [0], "data": [[1.5]]}}


def loaded(
    folder: Path,
    deployment: object = SCRIPTED,
    request: object = REQUEST,
    environment: dict[str, str] | None = None,
    **changes: Any,
) -> Configuration:
    """Return the configuration of one endpoint; `named` is the value of `deployment`."""
    changes["deployment"] = changes.pop("named", ENDPOINT["deployment"])
    written = {name: one for name, one in {**ENDPOINT, **changes}.items() if one is not None}
    return pipelines(folder, {"census": [written]}, deployment, request, environment)


def pipelines(
    folder: Path,
    endpoints: dict[str, list[dict[str, Any]]],
    deployment: object = SCRIPTED,
    request: object = REQUEST,
    environment: dict[str, str] | None = None,
) -> Configuration:
    tree = {name: {**CENSUS, "endpoints": given} for name, given in endpoints.items()}
    (folder / "pipelines.yaml").write_text(yaml_of({"pipelines": tree}), encoding="utf-8")
    for name, content in (("deployment.yml", deployment), ("request.json", request)):
        if content is not None:
            dumped = json.dumps(content) if name.endswith("json") else yaml_of(content)
            text = content if isinstance(content, str) else dumped
            (folder / name).write_text(text, encoding="utf-8")
    file = folder / "pipelines.yaml"
    return load_pipelines(file, environment or {}, development=False)


def said(configuration: Configuration) -> str:
    return "\n".join(map(str, configuration.problems))


def test_an_online_endpoint_is_read_with_its_files(tmp_path: Path) -> None:
    configuration = loaded(tmp_path, traffic={"steps": [10, 100], "max_error_rate": "1%"})
    assert (configuration.problems, configuration.hints[1:]) == ((), ())
    pipeline = configuration.pipelines["census"]
    (endpoint,) = pipeline.endpoints
    assert isinstance(endpoint, AzureMlEndpoint)
    assert (endpoint.workspace, endpoint.rows) == (WS, REQUEST)
    assert endpoint.deployment.instance_type == SCRIPTED["instance_type"]
    assert Pipeline.model_validate_json(pipeline.model_dump_json()) == pipeline


def test_what_is_replaced_in_the_file_is_a_hint(tmp_path: Path) -> None:
    configuration = loaded(tmp_path, {**SCRIPTED, "name": "blue", "model": {"path": "./m"}})
    assert configuration.problems == ()
    (hint,) = configuration.hints
    assert "pipelines.census.endpoints.0.deployment: name, model are replaced: each" in str(hint)


def test_a_hint_about_an_id_is_given_where_it_is_written(tmp_path: Path) -> None:
    zeros = WS.replace("/s1/", f"/{'0' * 8}-0000-0000-0000-{'0' * 12}/")
    tree = {"census": {**CENSUS, "endpoints": [ENDPOINT]}}
    tree["census"]["training"] = {**CENSUS["training"], "workspace": zeros}
    loaded(tmp_path)
    file = tmp_path / "pipelines.yaml"
    file.write_text(yaml_of({"pipelines": tree}))
    hints = load_pipelines(file, {}, development=False).hints
    assert [hint.where.partition(" ")[2] for hint in hints] == [
        "pipelines.census.training.workspace"
    ]


@pytest.mark.parametrize(
    ("deployment", "changes", "says"),
    [
        (None, {}, "endpoints.0.deployment: deployment.yml cannot be read"),
        ("a: [", {}, "endpoints.0.deployment: deployment.yml is not plain YAML: line"),
        ("- a", {}, "is not a mapping: name a YAML file that `az ml online-deployment create -f`"),
        ("instance_count: 01", {}, "deployment.yml: instance_count a number that would not be"),
        ("", {"named": "../deployment.yml"}, "does not name a file below the folder of this file"),
        ("", {"named": SCRIPTED}, "must name a file: a YAML file that `az ml online-deploy"),
        ("", {"named": None}, "endpoints.0.deployment: is missing"),
        (SCRIPTED, {"kind": None}, "endpoints.0.kind: is missing"),
        (SCRIPTED, {"compute": "azureml:aks"}, "endpoints.0.compute: Kubernetes endpoints are not"),
        (SCRIPTED, {"batch_endpoint": "x"}, "batch endpoints are not supported yet"),
        (SCRIPTED, {"enpoint": "x"}, "endpoints.0.enpoint: unknown key: did you mean `endpoint`?"),
        (
            SCRIPTED,
            {"update": "x"},
            "endpoints.0.update: unknown key: known here: name, model, kin",
        ),
        (SCRIPTED, {"traffic": {"step": [100]}}, "traffic.step: unknown key: did you mean `steps`"),
        (SCRIPTED, {"traffic": {"steps": [*range(1, 21), 100]}}, "steps: must have at most 20"),
        (SCRIPTED, {"create": {"auth": "key"}}, "create.auth: unknown key: did you mean `auth_mod"),
        (SCRIPTED, {"create": "yes"}, "endpoints.0.create: must be true or false"),
        (SCRIPTED, {"create": {"auth_mode": "AADToken"}}, "'key', 'aml_token' or 'aad_token'"),
        (SCRIPTED, {"workspace": "ws1"}, "endpoints.0.workspace: is not the id of a workspace"),
        (SCRIPTED, {"verify": {"row": "x"}}, "verify.row: unknown key: did you mean `rows`?"),
        (SCRIPTED, {"traffic": {"max_error_rate": 0.01}}, "max_error_rate: is not a percentage"),
        ({**SCRIPTED, "instnce_count": 2}, {}, "deployment.instnce_count: unknown key: did you me"),
        ({**SCRIPTED, "sku": {}}, {}, "deployment.sku: is not in this file: write instance_count"),
        ({**SCRIPTED, "auth_mode": "key"}, {}, "deployment.auth_mode: is a key of an endpoint's"),
        ({**SCRIPTED, "package_model": True}, {}, "needs a build by the client: register an env"),
        (
            {**SCRIPTED, "code_configuration": {"cod": 1, "code": "azureml:a:1"}},
            {},
            "deployment.code_configuration.cod: unknown key: did you mean `code`?",
        ),
        (
            {**SCRIPTED, "request_settings": {"request_timeout": 5}},
            {},
            "request_settings.request_timeout: unknown key: did you mean `request_timeout_ms`?",
        ),
        (
            {**SCRIPTED, "scale_settings": {"type": "default", "max_instances": 5}},
            {},
            "scale_settings.max_instances: is for Kubernetes: write instance_count; managed",
        ),
        ({"environment": "azureml:a:1"}, {}, "deployment.instance_type: is missing"),
    ],
)
def test_each_mistake_is_said_at_its_key(
    tmp_path: Path, deployment: object, changes: dict[str, Any], says: str
) -> None:
    found = loaded(tmp_path, deployment, **changes)
    assert found.pipelines == {}
    assert says in said(found)
    assert "cannot be understood" not in said(found)


def test_mistakes_of_file_and_endpoint_are_said_in_one_round(tmp_path: Path) -> None:
    deployment = {"environment": "azureml:a:1", "instance_count": 0, "instnce_type": "x"}
    found = loaded(
        tmp_path,
        deployment,
        endpoint="Census",
        traffic={"steps": [50, 10], "mirror": 60, "max_error_rate": 1},
        workspace=WS.replace("ws1", "ws2"),
        colour="x",
    )
    for message in (
        "deployment.instance_count: must be greater than or equal to 1",
        "deployment.instance_type: is missing",
        "deployment.instnce_type: unknown key: did you mean `instance_type`?",
        "deployment.environment: environment needs code_configuration",
        "endpoint: cannot name an endpoint",
        "traffic.steps: the steps must rise, and end at 100",
        "traffic.bake: copies are sent for one bake, and bake is 0s",
        "traffic.mirror: must be less than or equal to 50",
        "traffic.max_error_rate: is not a percentage",
        "workspace: is another workspace than that of the training",
        "colour: unknown key",
    ):
        assert message in said(found), said(found)
    assert len(found.problems) == 11


def test_a_workspace_that_is_wrong_is_said_once(tmp_path: Path) -> None:
    loaded(tmp_path)
    tree = {"census": {**CENSUS, "endpoints": [ENDPOINT]}}
    tree["census"]["training"] = {**CENSUS["training"], "workspace": "ws1"}
    file = tmp_path / "pipelines.yaml"
    for training in (tree["census"]["training"], {**CENSUS["training"], "kind": "x"}, 5):
        tree["census"]["training"] = training
        file.write_text(yaml_of({"pipelines": tree}))
        assert "pipelines.census.training" in problem(load_pipelines(file, {}, development=False))


# What must not be in the files


def test_a_secret_in_a_deployment_file_is_refused(tmp_path: Path) -> None:
    deployment = {**SCRIPTED, "environment_variables": {"X": "AccountKey=abc"}}
    found = problem(loaded(tmp_path, deployment))
    assert "deployment.environment_variables.X: holds what looks like a signature" in found
    assert "abc" not in found
    known = {**SCRIPTED, "environment_variables": {"X": "c2VjcmV0c2VjcmV0"}}
    found = problem(loaded(tmp_path, known, environment={"SCORING_KEY": "c2VjcmV0c2VjcmV0"}))
    assert "environment_variables.X: holds what looks like a signature or a key" in found
    assert "c2VjcmV0" not in found


@pytest.mark.parametrize(
    ("request_body", "says"),
    [
        ([[1, 2]], "verify.rows: request.json is not a scoring request: it must be a JSON object"),
        ("{", "verify.rows: request.json is not JSON"),
        (None, "verify.rows: request.json cannot be read"),
    ],
)
def test_a_request_that_cannot_be_sent_is_refused(
    tmp_path: Path, request_body: object, says: str
) -> None:
    assert says in problem(loaded(tmp_path, request=request_body))


def test_any_object_is_a_request(tmp_path: Path) -> None:
    for request in ({}, {"data": "text"}, {"Inputs": 5}):
        assert loaded(tmp_path, request=request).problems == ()


# Several


def test_pipelines_that_share_an_endpoint_are_used_with_a_hint(tmp_path: Path) -> None:
    both = pipelines(tmp_path, {"census": [ENDPOINT], "churn": [{**ENDPOINT, "name": "other"}]})
    assert both.problems == ()
    assert set(both.pipelines) == {"census", "churn"}
    (hint,) = both.hints
    assert "churn.endpoints.0: is the endpoint of census.production too" in str(hint)


def test_an_endpoint_named_twice_is_refused(tmp_path: Path) -> None:
    twice = pipelines(tmp_path, {"census": [ENDPOINT, {**ENDPOINT, "name": "b"}]})
    assert "endpoints: b is there twice (same workspace, endpoint)" in problem(twice)
