"""The plan of an endpoint, and the body of a new deployment from the deployment file."""

from datetime import timedelta
from typing import Any

import pytest
import yaml

from shared.core.blobs import BlobVersion
from shared.core.config.azureml_endpoint import LEGAL_NAME
from shared.core.config.azureml_models import model_named
from shared.core.config.azureml_names import workspace_of
from shared.core.config.studio_types import model_of
from shared.core.serving.references import Candidate, ServingState
from shared.core.serving.traffic import TrafficMap
from shared.core.serving.traffic_rules import TrafficRules
from shared.errors import ConfigError, PermanentError
from tests.unit.providers.azureml.endpoint_service import Bench, model
from tests.unit.providers.azureml.service import RUN, WS, vector
from tests.unit.samples import blob

OTHER = WS.replace("ws1", "ws2")
FILE = """
$schema: https://azuremlschemas.azureedge.net/latest/managedOnlineDeployment.schema.json
name: green
endpoint_name: another
model: azureml:other:1
type: managed
description: For people.
tags: {team: a, relearn.run: x, number: 7, flag: true}
instance_type: Standard_DS3_v2
instance_count: 3
model_mount_path: /var/model
app_insights_enabled: true
environment: azureml:env:4
code_configuration: {code: azureml:code:2, scoring_script: score.py}
environment_variables: {DB: "${DB}", WORKERS: 2, PRICE: "5$$"}
request_settings:
  request_timeout_ms: 90000
  max_queue_wait_ms: 1500
  max_concurrent_requests_per_instance: 4
liveness_probe: {initial_delay: 600, period: 10, timeout: 2, failure_threshold: 30}
readiness_probe: {initial_delay: 10, success_threshold: 1}
scale_settings: {type: target_utilization, min_instances: 1, polling_interval: 1}
egress_public_network_access: disabled
data_collector:
  collections:
    model_inputs: {enabled: "true", data: azureml:in:1, sampling_rate: 0.5}
    request: {enabled: false}
  rolling_rate: hour
  request_logging: {capture_headers: [x-ms-client-request-id]}
properties: {a: b}
"""


def body_of(file: Any, bench: Bench | None = None) -> dict[str, Any]:
    """Return the body that a candidate's PUT has."""
    bench = bench or Bench(deployment=file)
    bench.service.stage(bench.candidate())
    (put,) = bench.http.writes
    found: dict[str, Any] = put.json()
    return found


def test_the_usual_plan_is_one_step_and_an_operator_decides_on_drift() -> None:
    plan = Bench().service.plan
    assert (plan.stages, plan.asks, plan.shares) == (True, True, (100,))
    assert (plan.bake, plan.mirror, plan.keeps) == (timedelta(), 0, timedelta(days=1))
    assert not plan.rules.need_data


def test_the_plan_is_that_of_the_file() -> None:
    traffic = {"steps": [20, 100], "bake": "10m", "mirror": 30, "give_up_after": "2h"}
    plan = Bench(traffic=traffic, keep_old="3h").service.plan
    assert (plan.shares, plan.bake, plan.mirror) == ((20, 100), timedelta(minutes=10), 30)
    assert (plan.give_up_after, plan.keeps) == (timedelta(hours=2), timedelta(hours=3))
    assert plan.rules == TrafficRules()


@pytest.mark.parametrize(
    ("given", "least"),
    [
        ({"max_error_rate": "1%"}, 100),
        ({"max_latency_increase": "50%"}, 100),
        ({"max_error_rate": "1%", "min_requests": 7}, 7),
        ({"min_requests": 5}, 5),
        ({}, 0),
    ],
)
def test_a_rule_waits_for_100_requests_unless_the_file_says_how_many(
    given: dict[str, Any], least: int
) -> None:
    assert Bench(traffic=given).service.plan.rules.min_requests == least


def test_a_name_is_derived_from_run_model_and_try_and_legal() -> None:
    bench = Bench()
    names = [bench.candidate().name, bench.candidate("3").name, bench.candidate(again=1).name]
    names.append(bench.service.candidate(model("2"), f"{RUN[:-1]}4").name)
    assert len(set(names)) == len(names)
    assert all(LEGAL_NAME.fullmatch(name) for name in names)
    assert bench.candidate() == bench.candidate()
    assert bench.http.sent == []


def test_a_candidate_survives_being_stored_and_has_all_requests_in_its_state() -> None:
    candidate = Bench().candidate()
    assert Candidate.model_validate_json(candidate.model_dump_json()) == candidate
    assert candidate.state.traffic == TrafficMap.of({candidate.name: 100})
    assert candidate.state.model == model("2")


def test_every_key_of_the_file_has_its_member() -> None:
    body = body_of(yaml.safe_load(FILE))
    assert body["sku"] == {"name": "Default", "capacity": 3}
    assert body["tags"] == {
        "team": "a",
        "number": "7",
        "flag": "true",
        "relearn.run": RUN,
        "relearn.pipeline": "census",
    }
    own = body["properties"]
    assert own == {
        "endpointComputeType": "Managed",
        "model": f"{WS}/models/census/versions/2",
        "description": "For people.",
        "instanceType": "Standard_DS3_v2",
        "modelMountPath": "/var/model",
        "appInsightsEnabled": True,
        "environmentId": f"{WS}/environments/env/versions/4",
        "codeConfiguration": {"codeId": f"{WS}/codes/code/versions/2", "scoringScript": "score.py"},
        "environmentVariables": {"DB": "s3cr3t-v4lue", "WORKERS": "2", "PRICE": "5$"},
        "requestSettings": {
            "requestTimeout": "PT90S",
            "maxQueueWait": "PT1.5S",
            "maxConcurrentRequestsPerInstance": 4,
        },
        "livenessProbe": {
            "initialDelay": "PT600S",
            "period": "PT10S",
            "timeout": "PT2S",
            "failureThreshold": 30,
        },
        "readinessProbe": {"initialDelay": "PT10S", "successThreshold": 1},
        "scaleSettings": {
            "scaleType": "TargetUtilization",
            "minInstances": 1,
            "pollingInterval": "PT1S",
        },
        "egressPublicNetworkAccess": "Disabled",
        "dataCollector": {
            "collections": {
                "model_inputs": {
                    "dataCollectionMode": "Enabled",
                    "samplingRate": 0.5,
                    "dataId": f"{WS}/data/in/versions/1",
                },
                "request": {"dataCollectionMode": "Disabled"},
            },
            "rollingRate": "Hour",
            "requestLogging": {"captureHeaders": ["x-ms-client-request-id"]},
        },
        "properties": {"a": "b"},
    }
    known = set(vector("spec_online_deployment_put")["parameters"]["body"]["properties"])
    known |= {"dataCollector", "egressPublicNetworkAccess"}
    assert own.keys() <= known


def test_a_small_file_makes_the_body_that_was_recorded() -> None:
    body = body_of({"instance_type": "Standard_DS2_V2"})
    recorded = vector("rec_online_deployment_put_201")["request"]["body"]
    assert body["sku"] == recorded["sku"]
    assert body["properties"]["scaleSettings"] == recorded["properties"]["scaleSettings"]
    assert body.keys() == recorded.keys()
    assert "environmentId" not in body["properties"]


@pytest.mark.parametrize(
    ("written", "sent"),
    [
        (f"{WS}/environments/e/versions/1", f"{WS}/environments/e/versions/1"),
        (f"azureml:{WS}/environments/e/versions/1", f"{WS}/environments/e/versions/1"),
        (
            "azureml://registries/azureml/environments/e/versions/1",
            "azureml://registries/azureml/environments/e/versions/1",
        ),
    ],
)
def test_an_environment_is_named_in_any_form(written: str, sent: str) -> None:
    body = body_of({"instance_type": "x", "environment": written})
    assert body["properties"]["environmentId"] == sent


@pytest.mark.parametrize(
    "newest", ["azureml:env@latest", "azureml://registries/azureml/environments/e/labels/latest"]
)
def test_the_newest_environment_is_refused_since_it_may_be_another_one_later(newest: str) -> None:
    bench = Bench(deployment={"instance_type": "x", "environment": newest})
    with pytest.raises(PermanentError, match="name a version of the environment"):
        bench.service.stage(bench.candidate())
    assert bench.http.writes == []


def test_app_settings_are_named_in_the_record_and_sent_by_value() -> None:
    file = {"instance_type": "x", "environment_variables": {"DB": "${DB}"}}
    bench = Bench(deployment=file)
    stored = bench.candidate().model_dump_json()
    assert "${DB}" in stored
    assert "s3cr3t-v4lue" not in stored
    assert body_of(file, bench)["properties"]["environmentVariables"] == {"DB": "s3cr3t-v4lue"}
    missing = Bench(deployment={"environment_variables": {"X": "${NOT_THERE}"}})
    with pytest.raises(ConfigError, match="NOT_THERE"):
        missing.service.stage(missing.candidate())


def test_a_model_of_elsewhere_is_not_staged() -> None:
    bench = Bench()
    other = model_named("azureml:census:2", workspace_of(OTHER))
    with pytest.raises(PermanentError, match="registered in workspace ws2"):
        bench.service.stage(bench.service.candidate(other, RUN))
    studio = bench.service.candidate(model_of(BlobVersion.model_validate(blob("m.ilearner"))), RUN)
    with pytest.raises(PermanentError, match="is a model of"):
        bench.service.stage(studio)
    assert bench.http.writes == []


def test_what_is_no_candidate_of_such_an_endpoint_is_refused() -> None:
    bench = Bench()
    odd = Candidate(name="m-1", state=ServingState(model=model("2")))
    for call in (bench.service.stage, bench.service.candidate_state):
        if call == bench.service.candidate_state:
            bench.http.resources["onlineEndpoints/census/deployments/m-1"] = {
                "properties": {"provisioningState": "Succeeded"}
            }
        with pytest.raises(PermanentError, match="no deployment of this endpoint"):
            call(odd)
