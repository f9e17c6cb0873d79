"""The deployment file: its refusals with advice, and the request that is made of it."""

from typing import Any

import pytest
from pydantic import ValidationError

from shared.core.config.azureml_deployment_file import Deployment
from shared.core.config.azureml_names import workspace_of
from shared.providers.azureml.deployment_bodies import deployment_properties
from tests.unit.core.config.test_azureml_training import WS

BARE: dict[str, Any] = {
    "$schema": "https://azuremlschemas.azureedge.net/latest/managedOnlineDeployment.schema.json",
    "instance_type": "Standard_DS3_v2",
}
SCRIPTED: dict[str, Any] = {
    **BARE,
    "environment": "azureml:serve:2",
    "code_configuration": {"code": "azureml:serve:3", "scoring_script": "score.py"},
}


def template(known: dict[str, Any], **changes: Any) -> Deployment:
    written = {name: value for name, value in {**known, **changes}.items() if value is not None}
    return Deployment.model_validate(written, context={"development": False})


def properties(known: dict[str, Any], **changes: Any) -> dict[str, Any]:
    return deployment_properties(template(known, **changes), workspace_of(WS))


def refused(known: dict[str, Any], **changes: Any) -> str:
    with pytest.raises(ValidationError) as caught:
        template(known, **changes)
    (error,) = caught.value.errors()
    return f"{'.'.join(map(str, error['loc']))}: {error['msg'].removeprefix('Value error, ')}"


def test_a_model_with_a_server_of_its_own_needs_a_size_alone() -> None:
    made = template(BARE)
    assert made.bare
    assert (made.instance_count, made.replaced_for("churn")) == (1, ())
    assert properties(BARE) == {
        "endpointComputeType": "Managed",
        "instanceType": "Standard_DS3_v2",
        "properties": {},
        "scaleSettings": {"scaleType": "Default"},
        "appInsightsEnabled": False,
    }


def test_what_is_registered_is_named_by_its_id() -> None:
    made = properties(SCRIPTED)
    assert made["environmentId"] == f"{WS}/environments/serve/versions/2"
    assert made["codeConfiguration"] == {
        "codeId": f"{WS}/codes/serve/versions/3",
        "scoringScript": "score.py",
    }
    curated = "azureml://registries/azureml/environments/sklearn-1.5/versions/3"
    for fine in (curated, f"{WS}/environments/serve/versions/2"):
        assert properties(SCRIPTED, environment=fine)["environmentId"] == fine
    known = f"{WS}/codes/serve/versions/3"
    for written in (known, f"azureml:{known}"):
        code = {"code": written, "scoring_script": "score.py"}
        made = properties(SCRIPTED, code_configuration=code)
        assert made["codeConfiguration"]["codeId"] == known


def test_times_are_spans_and_words_are_those_of_the_service() -> None:
    probe = {"initial_delay": 10, "period": 30, "timeout": 2}
    made = properties(
        SCRIPTED,
        request_settings={
            "request_timeout_ms": 90_000,
            "max_concurrent_requests_per_instance": 4,
            "max_queue_wait_ms": 500,
        },
        liveness_probe={**probe, "success_threshold": 1, "failure_threshold": 3},
        readiness_probe=probe,
        environment_variables={"WORKERS": 4, "MODE": "fast"},
        app_insights_enabled=True,
        egress_public_network_access="Disabled",
        scale_settings={"type": "Default"},
        model_mount_path="/var/model",
        description="Scores",
        properties={"team": "churn"},
    )
    assert made["requestSettings"] == {
        "requestTimeout": "PT90S",
        "maxConcurrentRequestsPerInstance": 4,
        "maxQueueWait": "PT0.5S",
    }
    assert made["livenessProbe"] == {
        "initialDelay": "PT10S",
        "period": "PT30S",
        "timeout": "PT2S",
        "successThreshold": 1,
        "failureThreshold": 3,
    }
    assert made["readinessProbe"]["period"] == "PT30S"
    assert made["environmentVariables"] == {"WORKERS": "4", "MODE": "fast"}
    assert (made["appInsightsEnabled"], made["egressPublicNetworkAccess"]) == (True, "Disabled")
    assert (made["modelMountPath"], made["description"]) == ("/var/model", "Scores")
    assert made["properties"] == {"team": "churn"}
    for member in ("model", "tags", "name", "location"):
        assert member not in made


def test_data_is_collected_into_assets_that_are_there() -> None:
    collection = {"enabled": "true", "data": "azureml:inputs:1"}
    collector = {
        "collections": {"model_inputs": collection, "request": {**collection, "enabled": False}},
        "rolling_rate": "Hour",
        "sampling_rate": 1.0,
        "request_logging": {"capture_headers": ["x-id"]},
    }
    made = properties(SCRIPTED, data_collector=collector)["dataCollector"]
    assert made["collections"]["model_inputs"] == {
        "dataCollectionMode": "Enabled",
        "dataId": f"{WS}/data/inputs/versions/1",
        "samplingRate": 1.0,
    }
    assert made["collections"]["request"]["dataCollectionMode"] == "Disabled"
    assert made["rollingRate"] == "Hour"
    assert made["requestLogging"] == {"captureHeaders": ["x-id"]}
    bad = {"collections": {"model_inputs": {"enabled": True, "data": {"path": "x"}}}}
    assert "data_collector.collections.model_inputs.data" in refused(SCRIPTED, data_collector=bad)


def test_what_each_deployment_gets_of_its_own_is_taken_and_known() -> None:
    made = template(
        BARE,
        name="Blue_1",
        endpoint_name="churn",
        model={"path": "./model"},
        tags={"a": "b"},
        id="/x",
        provisioning_state="Succeeded",
    )
    assert made.replaced_for("other") == ("name", "endpoint_name", "model", "tags")
    assert made.replaced_for("churn") == ("name", "model", "tags")
    assert Deployment.model_validate_json(made.model_dump_json()) == made


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"instance_type": None}, "instance_type: Field required"),
        ({"instance_type": "big one"}, "instance_type: is not a size of an instance"),
        ({"instance_count": 0}, "instance_count: Input should be greater than or equal to 1"),
        ({"instance_count": True}, "instance_count: must be a number, not true or false"),
        ({"code_configuration": None}, "environment needs code_configuration: give both; only ML"),
        ({"environment": None}, "code_configuration: code_configuration needs environment: give"),
        (
            {"environment": {"image": "i", "conda_file": "c.yml"}},
            "environment: an inline conda file is not uploaded: register it with `az ml env",
        ),
        ({"environment": {"image": "i"}}, "environment: an inline environment is not uploaded"),
        *(
            ({"environment": odd}, "environment: does not name an environment")
            for odd in ("serve", "/subscriptions/x", f"{WS}/codes/a/versions/1", 5)
        ),
        (
            {"environment": "azureml://registries/a/models/b/versions/1"},
            "does not name an environment",
        ),
        ({"model_mount_path": "model"}, "is not a path in the container: begin it with a slash"),
        ({"data_collector": {"collections": {}}}, "data_collector.collections: Dictionary should"),
        ({"environment": "azureml:serve@latest"}, "may be another one at a rollback: name a ver"),
        (
            {"environment": "azureml://registries/a/environments/b/labels/latest"},
            "may be another one at a rollback",
        ),
        (
            {"code_configuration": {"code": "./src", "scoring_script": "score.py"}},
            "code_configuration.code: local code is not uploaded: register it",
        ),
        (
            {"code_configuration": {"code": "azureml:a:1", "scoring_script": "score"}},
            "code_configuration.scoring_script: is not a script",
        ),
        ({"code_configuration": {"code": "azureml:a:1"}}, "scoring_script: Field required"),
        ({"type": "Kubernetes"}, "Kubernetes endpoints are not supported yet"),
        ({"$schema": "x/kubernetesOnlineDeployment.schema.json"}, "Kubernetes endpoints are not"),
        ({"type": "batch"}, "batch deployments are not supported yet: name the file of an online"),
        ({"compute": "azureml:cpu-cluster"}, "batch deployments are not supported yet"),
        ({"mini_batch_size": 10}, "batch deployments are not supported yet"),
        ({"$schema": "x/batchDeployment.schema.json"}, "batch deployments are not supported yet"),
        ({"type": "spot"}, "type: Input should be 'managed'"),
        (
            {"scale_settings": {"type": "target_utilization"}},
            "scale_settings.type: Input should be",
        ),
        ({"request_settings": {"request_timeout_ms": 180_001}}, "less than or equal to 180000"),
        ({"request_settings": {"request_timeout_ms": 0}}, "greater than or equal to 1"),
        ({"liveness_probe": {"period": 0}}, "liveness_probe.period: Input should be greater"),
        ({"environment_variables": {"A": True}}, "environment_variables.A: must be text: quote it"),
        ({"environment_variables": {"A": ["b"]}}, "environment_variables.A: must be text"),
        (
            {"environment_variables": {"KEY": "${SCORING_KEY}"}},
            "environment_variables.KEY: ${SCORING_KEY} is not replaced: a deployment shows",
        ),
        ({"egress_public_network_access": "yes"}, "egress_public_network_access: Input should be"),
        ({"app_insights_enabled": "true"}, "must be true or false, without quotes"),
    ],
)
def test_what_cannot_be_sent_is_refused_with_what_to_do(changes: dict[str, Any], says: str) -> None:
    assert says in refused(SCRIPTED, **changes)


def test_a_secret_of_the_service_is_passed_on() -> None:
    """The service replaces these itself."""
    secret = "${{azureml://connections/store/credentials/key}}"
    made = properties(SCRIPTED, environment_variables={"KEY": secret})
    assert made["environmentVariables"] == {"KEY": secret}
