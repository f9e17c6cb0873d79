"""Endpoints and deployments by their addresses, from the PUT to a score."""

import json
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest

from local.azureml.answers import ARM, WORKSPACE
from local.azureml.containers import Container, ContainerOrder, MadeUpContainers
from local.azureml.places import Datastores
from local.identity import make_token
from local.studio.wire import WireRequest
from tests.local.azureml.bench import RUN, Bench
from tests.local.azureml.conftest import MakeBench

MODEL = {"modelUri": "azureml://datastores/models/paths/a/", "modelType": "custom_model"}
ROWS = {"input_data": {"columns": ["a"], "data": [[1], [2]]}}


def path_of(url: str) -> str:
    """Return an address as the bench sends it: over HTTP without the server's own."""
    for start in ("http://127.0.0.1", "https://management.azure.com"):
        if url.startswith(start):
            return url[url.index("/", len(start)) :]
    return url


def deploy(bench: Bench) -> dict[str, Any]:
    """Make an endpoint with one deployment, and return the endpoint."""
    bench.ask("PUT", "models/m/versions/1", {"properties": MODEL})
    endpoint = {"location": "westus", "properties": {"authMode": "Key"}}
    made = bench.ask("PUT", "onlineEndpoints/census", endpoint)
    assert (made.status, made.json()["properties"]["provisioningState"]) == (201, "Creating")
    bench.clock.move(timedelta(minutes=2))
    own = {
        "endpointComputeType": "Managed",
        "instanceType": "Standard_F4s_v2",
        "model": f"{bench.ask('GET', 'models/m/versions/1').json()['id']}",
    }
    body = {"location": "westus", "sku": {"name": "Default", "capacity": 1}, "properties": own}
    answer = bench.ask("PUT", "onlineEndpoints/census/deployments/blue", body)
    operation = path_of(answer.headers["Azure-AsyncOperation"])
    assert bench.ask("GET", operation).json()["status"] == "Updating"
    bench.clock.move(timedelta(minutes=10))
    assert bench.ask("GET", operation).json()["status"] == "Succeeded"
    found: dict[str, Any] = bench.ask("GET", "onlineEndpoints/census").json()
    return found


def test_a_model_is_served_and_scored_by_the_address_that_the_endpoint_names(bench: Bench) -> None:
    endpoint = deploy(bench)
    (shown,) = bench.ask("GET", "onlineEndpoints/census/deployments").json()["value"]
    assert shown["properties"]["provisioningState"] == "Succeeded"
    keys = bench.ask("POST", "onlineEndpoints/census/listKeys").json()
    url = path_of(endpoint["properties"]["scoringUri"])
    headers = {
        "Authorization": f"Bearer {keys['primaryKey']}",
        "azureml-model-deployment": "blue",
    }
    answer = bench.send(WireRequest("POST", url, headers, json.dumps(ROWS).encode()))
    assert (answer.status, len(answer.json())) == (200, 2)
    assert answer.headers["azureml-model-deployment"] == "blue"
    named = headers | {"Authorization": f"Bearer {bench.token}"}
    assert bench.send(WireRequest("POST", url, named, b"{}")).status == 401


def test_traffic_moves_by_a_put_of_the_whole_endpoint(bench: Bench) -> None:
    endpoint = deploy(bench)
    own = endpoint["properties"] | {"traffic": {"blue": 100}}
    body = {"location": "westus", "identity": {"type": "SystemAssigned"}, "properties": own}
    answer = bench.ask("PUT", "onlineEndpoints/census", body).json()["properties"]
    assert (answer["traffic"], answer["provisioningState"]) == ({}, "Updating")
    bench.clock.move(timedelta(minutes=1))
    shown = bench.ask("GET", "onlineEndpoints/census").json()["properties"]
    assert shown["traffic"] == {"blue": 100}
    refused = bench.ask("DELETE", "onlineEndpoints/census/deployments/blue")
    assert refused.status == 400
    assert bench.ask("POST", "onlineEndpoints/census/deployments/blue/getLogs").status == 200
    assert bench.ask("PATCH", "onlineEndpoints/census", {"tags": {"a": "b"}}).status == 200
    assert bench.ask("POST", "onlineEndpoints/census/token").status == 400


def test_a_delete_is_answered_by_the_text_null(bench: Bench) -> None:
    deploy(bench)
    answer = bench.ask("DELETE", "onlineEndpoints/census/deployments/blue")
    assert (answer.status, answer.body) == (202, b"null")
    assert "mfeOperationResults" in answer.headers["Location"]
    assert bench.ask("GET", path_of(answer.headers["Location"])).status == 200
    bench.clock.move(timedelta(minutes=2))
    assert bench.ask("DELETE", "onlineEndpoints/census/deployments/blue").status == 204
    assert bench.ask("GET", "onlineEndpoints/census/deployments/blue").status == 404
    assert bench.ask("POST", "onlineEndpoints/census/nothing").status == 405


SCORE = "/scoring/census/score"


def test_each_mode_has_its_credential_and_no_other(bench: Bench) -> None:
    def scored(said: str) -> int:
        headers = {"Authorization": f"Bearer {said}", "azureml-model-deployment": "blue"}
        return bench.send(WireRequest("POST", SCORE, headers, json.dumps(ROWS).encode())).status

    for mode, path in (("AMLToken", "token"), ("AADToken", None), ("Key", "listKeys")):
        bench.hooks.add_endpoint("census", mode)
        bench.hooks.add_deployment("census", "blue", "m/1")
        said = make_token("https://ml.azure.com")
        for other in ("token", "listKeys"):
            answer = bench.ask("POST", f"onlineEndpoints/census/{other}")
            assert answer.status == (200 if other == path else 400)
            if other == path:
                said = answer.json().get("accessToken") or answer.json()["secondaryKey"]
        assert scored(said) == 200
        assert scored(make_token(ARM)) == scored("") == 401


def test_a_key_that_is_made_again_ends_the_old_one(bench: Bench) -> None:
    deploy(bench)

    def status(key: str) -> int:
        headers = {"Authorization": f"Bearer {key}", "azureml-model-deployment": "blue"}
        return bench.send(WireRequest("POST", SCORE, headers, json.dumps(ROWS).encode())).status

    old = bench.ask("POST", "onlineEndpoints/census/listKeys").json()
    path = "onlineEndpoints/census/regenerateKeys"
    assert bench.ask("POST", path, {"keyType": "both"}).status == 400
    answer = bench.ask("POST", path, {"keyType": "Primary"})
    assert (answer.status, "Azure-AsyncOperation" in answer.headers) == (202, True)
    bench.clock.move(timedelta(minutes=1))
    new = bench.ask("POST", "onlineEndpoints/census/listKeys").json()
    assert [status(key) for key in (*old.values(), *new.values())] == [401, 200, 200, 200]


def test_a_role_for_scoring_may_be_late_as_well(make_bench: MakeBench) -> None:
    bench = make_bench(roles_late=timedelta(minutes=15), score_without_role=403)
    bench.hooks.add_endpoint("census", "AADToken")
    bench.hooks.add_deployment("census", "blue", "m/1")
    token = make_token("https://ml.azure.com")
    headers = {"Authorization": f"Bearer {token}", "azureml-model-deployment": "blue"}
    request = WireRequest("POST", SCORE, headers, json.dumps(ROWS).encode())
    assert bench.send(request).status == 403
    bench.clock.move(timedelta(minutes=15))
    assert bench.send(request).status == 200


def test_an_endpoint_is_listed_and_deleted_with_its_deployments(bench: Bench) -> None:
    deploy(bench)
    (listed,) = bench.ask("GET", "onlineEndpoints").json()["value"]
    assert listed["name"] == "census"
    assert bench.ask("DELETE", "onlineEndpoints/census").status == 202
    assert bench.ask("DELETE", "onlineEndpoints/census").status == 409
    bench.clock.move(timedelta(minutes=2))
    assert bench.ask("DELETE", "onlineEndpoints/census").status == 204
    assert bench.ask("GET", "onlineEndpoints/census/deployments").status == 404


@dataclass
class Noted(MadeUpContainers):
    orders: list[ContainerOrder] = field(default_factory=list)

    def start(self, order: ContainerOrder, datastores: Datastores) -> Container:
        self.orders.append(order)
        return super().start(order, datastores)


@pytest.mark.parametrize("below", ["", "/paths/sub/"])
def test_a_container_gets_the_places_of_its_model_and_its_code(bench: Bench, below: str) -> None:
    bench.put()
    assert bench.ended() == "Completed"
    noted = bench.service.state.containers = Noted()
    model = {"modelUri": f"azureml://jobs/j/outputs/model{below}", "modelType": "mlflow_model"}
    bench.ask("PUT", "models/m/versions/1", {"properties": model})
    bench.hooks.add_endpoint("census")
    own = {
        "endpointComputeType": "Managed",
        "instanceType": "Standard_F4s_v2",
        "model": f"{WORKSPACE}/models/m/versions/1",
        "codeConfiguration": {"codeId": bench.sample["code"], "scoringScript": "score.py"},
        "environmentId": bench.sample["environment"],
        "environmentVariables": {"A": "b"},
        "requestSettings": {"requestTimeout": "PT1M30S"},
    }
    body = {"location": "westus", "properties": own}
    assert bench.ask("PUT", "onlineEndpoints/census/deployments/blue", body).status == 201
    (order,) = noted.orders
    assert (order.name, order.is_mlflow, order.seconds) == ("census/blue", True, 90)
    assert order.model_uri == f"{RUN}/model/{below.removeprefix('/paths/')}"
    assert order.code_uri.endswith("code/relearn_train/1")
    assert (order.script, order.variables) == ("score.py", {"A": "b"})
    own |= {"environmentId": f"{WORKSPACE}/environments/none/versions/1"}
    bench.clock.move(timedelta(minutes=10))
    again = bench.ask("PUT", "onlineEndpoints/census/deployments/green", body)
    bench.clock.move(timedelta(minutes=10))
    told = bench.ask("GET", path_of(again.headers["Azure-AsyncOperation"])).json()
    assert told["error"]["code"] == "ResourceNotFound"
