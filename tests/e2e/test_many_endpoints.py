"""Roll-outs, many customers, a gate with approval, and an operator's rollback, on a real host."""

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
        "gated": {
            "data": {"blob": "gated/{name}.csv", "settle": "2s"},
            "training": training,
            "gate": {
                "metrics": "output2",
                "rules": [{"metric": "AUC", "at_least": 0.5}, {"metric": "AUC", "max_drop": 0.5}],
                "first_model": "allow",
                "approval": "required",
            },
            "endpoints": [endpoint(stage, "judged", "judged")],
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


def said(stage: Stage, method: str, path: str, **more: Any) -> dict[str, Any]:
    answer = requests.request(method, f"{stage.host.url}/api/{path}", timeout=_SECONDS, **more)
    assert answer.ok, answer.text
    reported: dict[str, Any] = answer.json()
    return reported


def test_a_burst_is_judged_approved_and_served_by_the_http_api_alone(stage: Stage) -> None:
    names = [f"gated/{number}.csv" for number in range(3)]
    for number, name in enumerate(names):
        stage.upload(name, stage.data(0.5 + number / 10))

    def waiting() -> list[dict[str, Any]]:
        query = {"pipeline": "gated", "phase": "awaiting_approval"}
        return list(said(stage, "GET", "runs", params=query)["runs"])

    (line,) = eventually(waiting, "a run that waits for approval", 60)
    assert line["blobs"] == len(names)
    run = said(stage, "GET", f"runs/{line['run_id']}")
    assert run["verdict"]["passed"], run["verdict"]
    assert run["verdict"]["metrics"]["AUC"] > 0.5
    shown = said(stage, "GET", "pipelines/gated/preview")
    assert "full snapshot" in " ".join(shown["notes"])
    newest = run["manifest"][-1]["name"]  # of blobs of one second, the one recorded last
    assert shown["request"]["body"]["Inputs"]["input1"]["RelativeLocation"].endswith(newest)
    who = {"X-MS-CLIENT-PRINCIPAL-NAME": "somebody@example.com"}
    said(stage, "POST", f"runs/{run['run_id']}/approve", headers=who, json={"reason": "good"})

    def promoted() -> bool:
        found = said(stage, "GET", "runs", params={"pipeline": "gated", "phase": "promoted"})
        return bool(found["runs"])

    assert eventually(promoted, "the promotion", 60)
    serves = served(stage, "gated", "judged")
    assert "approved by somebody@example.com" in serves["line"]
    assert serves["history"][-1]["trained_by"] == run["run_id"]
    described = said(stage, "GET", "openapi.json")
    assert "/runs/{run_id}/approve" in described["paths"]
    assert stage.leaks() == []
