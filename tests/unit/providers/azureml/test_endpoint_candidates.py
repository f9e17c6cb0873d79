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
from shared.errors import PermanentError
from tests.unit.providers.azureml.endpoint_service import Bench, model
from tests.unit.providers.azureml.service import RUN, WS, vector
from tests.unit.samples import blob

OTHER = WS.replace("ws1", "ws2")
FILE = """
name: green
endpoint_name: another
model: azureml:other:1
tags: {team: a, relearn.run: x}
instance_type: Standard_DS3_v2
instance_count: 3
environment: azureml:env:4
code_configuration: {code: azureml:code:2, scoring_script: score.py}
environment_variables: {WORKERS: 2, PRICE: "5$"}
request_settings: {request_timeout_ms: 90000}
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
    assert (plan.stages, plan.shares) == (True, (100,))
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


def test_name_model_and_tags_are_ours_and_the_rest_is_that_of_the_file() -> None:
    body = body_of(yaml.safe_load(FILE))
    assert body["sku"] == {"name": "Default", "capacity": 3}
    assert body["tags"] == {"relearn.run": RUN, "relearn.pipeline": "census"}
    own = body["properties"]
    assert own["model"] == f"{WS}/models/census/versions/2"
    assert own["environmentId"] == f"{WS}/environments/env/versions/4"
    assert own["environmentVariables"] == {"WORKERS": "2", "PRICE": "5$"}
    assert own["requestSettings"]["requestTimeout"] == "PT90S"
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


def test_a_model_of_elsewhere_is_not_staged() -> None:
    bench = Bench()
    other = model_named("azureml:census:2", workspace_of(OTHER))
    with pytest.raises(PermanentError, match="registered in workspace ws2"):
        bench.service.stage(bench.service.candidate(other, RUN))
    studio = bench.service.candidate(model_of(BlobVersion.model_validate(blob("m.ilearner"))), RUN)
    with pytest.raises(PermanentError, match="is a model of"):
        bench.service.stage(studio)
    assert bench.http.writes == []


@pytest.mark.parametrize("kind", ["custom_model", "CustomModel"])
def test_a_model_without_a_server_needs_a_scoring_script(kind: str) -> None:
    bench = Bench()
    custom = model("2").evolve(reference={**model("2").reference, "type": kind})
    with pytest.raises(PermanentError, match="has no server of its own") as caught:
        bench.service.stage(bench.service.candidate(custom, RUN))
    assert "code_configuration" in caught.value.advice
    assert bench.http.writes == []
    scripted = Bench(deployment=yaml.safe_load(FILE))
    scripted.service.stage(scripted.service.candidate(custom, RUN))
    assert len(scripted.http.writes) == 1


def test_what_is_no_candidate_of_such_an_endpoint_is_refused() -> None:
    bench = Bench()
    odd = Candidate(name="m-1", state=ServingState(model=model("2")))
    for call in (bench.service.stage, bench.service.candidate_state):
        if call == bench.service.candidate_state:
            bench.http.resources["onlineEndpoints/census/deployments/m-1"] = {
                "properties": {"provisioningState": "Succeeded"}
            }
        with pytest.raises(PermanentError, match="not a deployment of this endpoint"):
            call(odd)
