"""One model for several endpoints, one entry for many customers, and a person's way back."""

from collections.abc import Iterator
from typing import Any

import pytest
import requests

from local.demo.stage import RESOURCE, Stage
from tests.e2e.watching import ended
from tests.waiting import eventually

_SECONDS = 30


def endpoint(stage: Stage, name: str, place: str) -> dict[str, Any]:
    return {
        "name": name,
        "update": stage.endpoint["management_url"].replace("production", place),
        "workspace_token": "${WORKSPACE_TOKEN}",
        "create": True,
        "resource": RESOURCE,
        "verify": {"rows": "probe.json"},
    }


def pipelines(stage: Stage) -> dict[str, Any]:
    training = {
        "service": stage.training["jobs_url"],
        "api_key": "${TRAINING_KEY}",
        "outputs": {"output1": "model.ilearner", "output2": "evaluation.csv"},
    }
    shared = {"when_busy": "parallel", "training": training}
    return {
        "fleet": {
            **shared,
            "data": {"blob": "fleet/{name}.csv"},
            "roll_out": {"first": 1, "then": 2},
            "endpoints": [endpoint(stage, name, name) for name in ("north", "south", "west")],
        },
        "customers": {
            **shared,
            "data": {"blob": "customers/{customer}/{name}.csv"},
            "endpoints": [endpoint(stage, "theirs", "{customer}")],
        },
    }


@pytest.fixture(scope="module")
def stage() -> Iterator[Stage]:
    with Stage(switch_seconds=1, more_pipelines=pipelines) as built:
        yield built


def served(stage: Stage, pipeline: str, name: str, key: str = "") -> dict[str, Any]:
    url = f"{stage.host.url}/api/endpoints/{pipeline}/{name}"
    answer = requests.get(url, params={"key": key} if key else {}, timeout=_SECONDS)
    answer.raise_for_status()
    found: dict[str, Any] = answer.json()
    return found


def test_one_model_goes_to_every_endpoint_and_back_from_one_of_them(stage: Stage) -> None:
    stage.upload("fleet/one.csv", stage.data(0.4))
    first = ended(stage, "fleet/one.csv")
    assert first["phase"] == "promoted", first
    assert [one["outcome"] for one in first["deliveries"]] == ["promoted"] * 3
    stage.upload("fleet/two.csv", stage.data(0.9))
    second = ended(stage, "fleet/two.csv")
    assert second["phase"] == "promoted", second
    model = served(stage, "fleet", "west")["serving"]["model"]["name"]
    assert second["run_id"] in model

    url = f"{stage.host.url}/api/endpoints/fleet/west/rollback"
    who = {"X-MS-CLIENT-PRINCIPAL-NAME": "somebody@example.com"}
    asked = requests.post(url, json={"reason": "odd scores"}, headers=who, timeout=_SECONDS)
    assert asked.status_code == 202, asked.text

    def back() -> bool:
        serving = served(stage, "fleet", "west")["serving"]
        return first["run_id"] in serving["model"]["name"]

    assert eventually(back, "the model from before", 60)
    assert served(stage, "fleet", "west")["held"]["by"] == "somebody@example.com"
    assert second["run_id"] in served(stage, "fleet", "north")["serving"]["model"]["name"]
    assert stage.leaks() == []


def test_each_customers_data_reaches_its_own_endpoint_alone(stage: Stage) -> None:
    stage.upload("customers/acme/one.csv", stage.data(0.3))
    stage.upload("customers/beta/one.csv", stage.data(0.7))
    runs = {name: ended(stage, f"customers/{name}/one.csv") for name in ("acme", "beta")}
    assert {run["phase"] for run in runs.values()} == {"promoted"}, runs
    for name, run in runs.items():
        assert run["run_id"] == served(stage, "customers", "theirs", name)["serving"]["run_id"]
    assert stage.leaks() == []
