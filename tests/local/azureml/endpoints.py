"""An endpoint for tests: `census`, whose deployment `blue` serves `m/1`."""

import json
from datetime import timedelta
from typing import Any

from local.azureml.answers import WORKSPACE
from local.studio.wire import WireAnswer, WireRequest
from tests.local.azureml.bench import Bench

ENDPOINT = "onlineEndpoints/census"
ROWS = {"input_data": {"columns": ["a"], "data": [[1], [2]]}}
OWN = {"relearn.run": "r1"}


def served(bench: Bench) -> Bench:
    """Make the endpoint, with all traffic at blue, which is not the app's."""
    bench.hooks.add_endpoint("census")
    bench.hooks.add_deployment("census", "blue", "m/1")
    bench.hooks.set_traffic("census", {"blue": 100})
    return bench


def deployment(tags: dict[str, str] | None = None, version: str = "1") -> dict[str, Any]:
    own = {
        "endpointComputeType": "Managed",
        "instanceType": "Standard_F4s_v2",
        "model": f"{WORKSPACE}/models/m/versions/{version}",
    }
    sku = {"name": "Default", "capacity": 1}
    return {
        "location": "westus",
        "tags": OWN if tags is None else tags,
        "sku": sku,
        "properties": own,
    }


def put(bench: Bench, name: str = "green", **about: Any) -> WireAnswer:
    return bench.ask("PUT", f"{ENDPOINT}/deployments/{name}", deployment(**about))


def add_green(bench: Bench) -> None:
    """Make another deployment, which is the app's, and wait until it has succeeded."""
    assert put(bench).status == 201
    bench.clock.move(timedelta(minutes=10))
    assert state(bench, "green") == "Succeeded"


def state(bench: Bench, name: str = "") -> str:
    path = f"{ENDPOINT}/deployments/{name}" if name else ENDPOINT
    return str(bench.ask("GET", path).json()["properties"]["provisioningState"])


def shown(bench: Bench) -> dict[str, int]:
    found: dict[str, int] = bench.ask("GET", ENDPOINT).json()["properties"]["traffic"]
    return found


def shift(
    bench: Bench, traffic: dict[str, int], headers: dict[str, str] | None = None, **more: Any
) -> WireAnswer:
    """GET the endpoint, change its traffic, PUT it."""
    body = bench.ask("GET", ENDPOINT).json()
    kept = {name: body[name] for name in ("location", "tags")}
    kept["identity"] = more.pop("identity", {"type": body["identity"]["type"]})
    own = body["properties"] | {"traffic": traffic, "mirrorTraffic": {}} | more
    for name in {"provisioningState", "scoringUri", "swaggerUri", "properties"} - set(more):
        own.pop(name)
    return bench.ask("PUT", ENDPOINT, kept | {"properties": own}, headers)


def who(bench: Bench, times: int = 10) -> set[str]:
    headers = {"Authorization": f"Bearer {bench.service.state.endpoints['census'].key}"}
    request = WireRequest("POST", "/scoring/census/score", headers, json.dumps(ROWS).encode())
    answers = [bench.send(request) for _ in range(times)]
    return {answer.headers.get("azureml-model-deployment", "nobody") for answer in answers}
