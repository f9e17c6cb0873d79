"""Tokens, roles and versions of the API, and other spellings of answers."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from local.azureml.answers import ARM
from local.azureml.calls import Fault
from local.identity import make_token
from tests.local.azureml.bench import WORKSPACE, Bench, codes
from tests.local.azureml.conftest import MakeBench

ML = "https://ml.azure.com"
STORAGE = "https://storage.azure.com"


@pytest.mark.parametrize(
    ("audience", "on_arm", "on_plane"),
    [
        (ARM, 200, 200),
        (f"{ARM}/", 200, 200),
        ("https://management.core.windows.net/", 200, 200),
        (ML, 401, 200),
        (STORAGE, 401, 401),
    ],
)
def test_which_tokens_are_taken(bench: Bench, audience: str, on_arm: int, on_plane: int) -> None:
    bench.put()
    bench.token = make_token(audience)
    assert bench.ask("GET", "jobs/j").status == on_arm
    assert bench.plane("GET", "history/v1.0", "runs/j/children").status == on_plane


@pytest.mark.parametrize("token", ["", "made-up", "cut"])
def test_texts_that_are_not_tokens_are_refused(bench: Bench, token: str) -> None:
    bench.token = bench.token[:-3] if token == "cut" else token
    answer = bench.ask("GET", "")
    assert (answer.status, answer.headers["WWW-Authenticate"]) == (401, "Bearer")


@pytest.mark.parametrize(("second", "status"), [("", 401), (STORAGE, 401), (ML, 201)])
def test_a_pipeline_may_need_a_second_token(
    make_bench: MakeBench, second: str, status: int
) -> None:
    bench = make_bench(ml_header="needed")
    more = {"x-azureml-token": make_token(second)} if second else {}
    body = {"properties": bench.pipeline()}
    assert bench.ask("PUT", "jobs/j", body, more).status == status
    command = {"properties": bench.command()}
    assert bench.ask("PUT", "jobs/c", command).status == 201


def test_a_role_may_be_late(make_bench: MakeBench) -> None:
    bench = make_bench(roles_late=timedelta(minutes=15))
    answer = bench.put()
    assert (answer.status, codes(answer)) == (403, {"AuthorizationFailed"})
    said = answer.json()["error"]["message"]
    assert "'Microsoft.MachineLearningServices/workspaces/jobs/write'" in said
    bench.clock.move(timedelta(minutes=15))
    assert bench.put().status == 201


def test_a_workspace_may_be_of_another_tenant(make_bench: MakeBench) -> None:
    answer = make_bench(other_tenant=True).ask("GET", "")
    assert (answer.status, codes(answer)) == (401, {"InvalidAuthenticationTokenTenant"})


def test_every_request_has_a_version(bench: Bench) -> None:
    answer = bench.ask("GET", f"{WORKSPACE}/jobs/j")
    assert (answer.status, codes(answer)) == (400, {"MissingApiVersionParameter"})


def test_a_version_may_be_unknown_to_a_cloud(make_bench: MakeBench) -> None:
    bench = make_bench(api_versions=("2023-04-01", "2024-04-01"))
    answer = bench.put()
    assert (answer.status, codes(answer)) == (400, {"InvalidApiVersionParameter"})
    assert "2023-04-01,2024-04-01" in answer.json()["error"]["message"]


def test_another_workspace_is_not_found(bench: Bench) -> None:
    path = f"{WORKSPACE}x/jobs/j?api-version=2025-12-01"
    assert bench.ask("GET", path).status == 404
    bench.put()
    upper = WORKSPACE.replace("resourceGroups", "RESOURCEGROUPS")
    assert bench.ask("GET", f"{upper}/jobs/j?api-version=2025-12-01").status == 200
    assert bench.ask("GET", "jobs/J").status == 404


@pytest.mark.parametrize(
    ("fault", "status"),
    [
        (Fault.THROTTLED, 429),
        (Fault.BUSY, 409),
        (Fault.UNAVAILABLE, 500),
        (Fault.UNAUTHORIZED, 401),
        (Fault.FORBIDDEN, 403),
        (Fault.HTML, 502),
    ],
)
def test_a_fault_that_is_answered_does_nothing(bench: Bench, fault: Fault, status: int) -> None:
    bench.calls.fault_on("PUT job", fault)
    assert bench.put().status == status
    assert bench.ask("GET", "jobs/j").status == 404
    assert bench.put().status == 201


def test_an_answer_may_be_cut(bench: Bench) -> None:
    bench.calls.fault_on("PUT job", Fault.CUT)
    answer = bench.put()
    assert answer.status == 201
    with pytest.raises(ValueError, match=r"Unterminated|Expecting"):
        answer.json()
    assert bench.ask("GET", "jobs/j").status == 200


# Spelling: azure-machine-learning-v2 §9.


def spelled(make_bench: MakeBench, **switches: Any) -> dict[str, Any]:
    bench = make_bench(**switches)
    bench.put()
    found: dict[str, Any] = bench.ask("GET", "jobs/j").json()
    return found


def test_values_may_be_in_another_case(make_bench: MakeBench) -> None:
    own = spelled(make_bench, values="pascal")["properties"]
    assert own["outputs"]["model"]["jobOutputType"] == "UriFolder"
    assert own["inputs"]["training_data"]["jobInputType"] == "UriFile"
    own = spelled(make_bench, values="lower")["properties"]
    assert (own["status"], own["jobType"]) == ("preparing", "pipeline")


def test_ids_may_be_in_another_case(make_bench: MakeBench) -> None:
    job = spelled(make_bench, ids="lower")
    assert job["id"] != f"{WORKSPACE}/jobs/j"
    assert job["id"].lower() == f"{WORKSPACE}/jobs/j".lower()


def keys(value: object) -> list[str]:
    if isinstance(value, dict):
        return [*value, *(name for one in value.values() for name in keys(one))]
    return []


@pytest.mark.parametrize(
    ("members", "holds"),
    [
        ("reversed", lambda job: list(job)[-1] == "id"),
        ("no_nulls", lambda job: "computeId" not in keys(job)),
        ("more", lambda job: "relearnNeverHeardOf" in job),
    ],
)
def test_members_may_be_in_another_order_absent_or_unknown(
    make_bench: MakeBench, members: str, holds: Callable[[dict[str, Any]], bool]
) -> None:
    assert not holds(spelled(make_bench))
    job = spelled(make_bench, members=members)
    assert holds(job)
    assert job["properties"]["tags"] == {"relearn.run": "r7k2"}
