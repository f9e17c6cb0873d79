"""Endpoints and candidates: made, staged, read, discarded, with answers of any form."""

from datetime import timedelta
from typing import Any

import pytest

from shared.core.serving.probes import CandidateFailure, UpdateProgress
from shared.core.serving.traffic import TrafficMap
from shared.errors import OutcomeUnknownError, PermanentError, TransientError
from tests.unit.providers.azureml.endpoint_service import (
    OPERATION,
    Bench,
    deployment,
    endpoint,
    model,
)
from tests.unit.providers.azureml.service import RUN, refuses, says, vector

GONE = "onlineEndpoints/census"
ODD: list[Any] = [None, [], "text", 7, {"properties": []}, {"properties": None}, {}]


# The endpoint


def test_an_endpoint_that_is_there_is_left_as_it_is() -> None:
    bench = Bench()
    bench.service.ensure()
    assert bench.http.calls == ["GET census"]


def test_an_endpoint_that_is_being_deleted_takes_no_model() -> None:
    bench = Bench()
    bench.http.put(endpoint(provisioningState="Deleting"))
    with pytest.raises(TransientError, match="is Deleting"):
        bench.service.ensure()


def test_a_missing_endpoint_is_for_an_operator_unless_it_may_be_made() -> None:
    bench = Bench()
    del bench.http.resources[GONE]
    with pytest.raises(PermanentError, match="az ml online-endpoint create") as caught:
        bench.service.ensure()
    assert "create: true" in caught.value.advice
    assert bench.http.writes == []


@pytest.mark.parametrize(
    ("create", "mode"),
    [
        (True, "Key"),
        ({"auth_mode": "aml_token"}, "AMLToken"),
        ({"auth_mode": "aad_token"}, "AADToken"),
    ],
)
def test_an_endpoint_is_made_without_traffic_and_waited_for(create: Any, mode: str) -> None:
    bench = Bench(create=create)
    del bench.http.resources[GONE]
    bench.http.resources[""] = {"location": "westus", "properties": {}}
    with pytest.raises(TransientError, match="is being made") as caught:
        bench.service.ensure()
    assert caught.value.patience == timedelta(minutes=30)
    (put,) = bench.http.writes
    body = put.json()
    assert (body["location"], body["identity"]) == ("westus", {"type": "SystemAssigned"})
    own = body["properties"]
    assert (own["authMode"], own["traffic"], own["mirrorTraffic"]) == (mode, {}, {})
    made = vector("rec_online_endpoint_put_201_signed_operation")["response"]["body"]
    bench.http.put({**made, "name": "census"})
    with pytest.raises(TransientError, match="is Creating, and takes no model yet"):
        bench.service.ensure()
    assert len(bench.http.writes) == 1


def test_an_endpoint_is_not_made_where_the_region_is_not_said() -> None:
    bench = Bench(create=True)
    del bench.http.resources[GONE]
    bench.http.resources[""] = {"location": None}
    with pytest.raises(TransientError, match="holds no location"):
        bench.service.ensure()


def test_a_lost_answer_leaves_open_whether_the_endpoint_is_made() -> None:
    bench = Bench(create=True)
    del bench.http.resources[GONE]
    bench.http.resources[""] = {"location": "westus"}
    bench.http.script("PUT", "/census", OutcomeUnknownError("lost"))
    with pytest.raises(OutcomeUnknownError):
        bench.service.ensure()


@pytest.mark.parametrize("code", ["ResourceGroupNotFound", "SubscriptionNotFound"])
def test_a_workspace_that_is_not_there_is_no_missing_endpoint(code: str) -> None:
    bench = Bench(create=True)
    bench.http.script("GET", "/census", refuses(404, code))
    with pytest.raises(PermanentError, match=r"correct the .* in endpoints\[\]\.workspace"):
        bench.service.ensure()


def test_an_endpoint_that_could_not_be_made_is_for_an_operator() -> None:
    bench = Bench(create=True)
    bench.http.put(endpoint({}, scoringUri=None, provisioningState="Failed"))
    failed = {"status": "Failed", "error": {"code": "OutOfQuota", "message": "100 endpoints"}}
    bench.http.script("GET", "/oe:1", says(failed))
    with pytest.raises(PermanentError, match="OutOfQuota: 100 endpoints") as caught:
        bench.service.ensure()
    assert "quota" in caught.value.advice


def test_an_endpoint_whose_last_update_failed_still_serves() -> None:
    bench = Bench()
    bench.http.put(endpoint(provisioningState="Failed"))
    bench.service.ensure()
    assert bench.service.current() is not None


@pytest.mark.parametrize("known", [{"kind": "Kubernetes"}, {"compute": "/subscriptions/x"}])
def test_kubernetes_is_not_supported_yet(known: dict[str, Any]) -> None:
    bench = Bench()
    bench.http.put(endpoint(**known))
    for call in (bench.service.ensure, bench.service.current, bench.service.update_state):
        with pytest.raises(PermanentError, match="Kubernetes is not supported yet"):
            call()


@pytest.mark.parametrize("body", ODD)
def test_an_odd_answer_is_never_taken_for_an_endpoint_without_traffic(body: Any) -> None:
    bench = Bench()
    bench.http.script("GET", "/census", says(body))
    for call in (bench.service.current, bench.service.ensure):
        with pytest.raises(TransientError):
            call()
    shift = bench.shift()
    bench.http.script("GET", "/census", says(body))
    with pytest.raises(TransientError):
        bench.service.shift(shift)
    assert bench.http.writes == []


@pytest.mark.parametrize(
    "traffic",
    [
        *("blue", [], 7, {"a b": 100}, {"x" * 65: 100}, {f"d{at}": 1 for at in range(300)}),
        *({"blue": share} for share in ("100", True, 101, -1, 99.5)),
    ],
)
def test_traffic_that_makes_no_sense_is_not_relied_on(traffic: Any) -> None:
    bench = Bench()
    bench.http.put({**endpoint(), "properties": {**endpoint()["properties"], "traffic": traffic}})
    with pytest.raises(TransientError, match="does not say its traffic"):
        bench.service.current()


# What serves


def test_the_serving_state_is_the_traffic_map_and_the_bodies_of_its_deployments() -> None:
    bench = Bench()
    state = bench.service.current()
    assert state is not None
    assert state.traffic == TrafficMap.of({"blue": 100})
    assert state.model == model("1")
    assert "incomplete" not in state.body
    body = state.body["deployments"]["blue"]
    assert body["sku"]["capacity"] == 1
    assert not {"name", "kind", "systemData"} & body.keys()
    assert body["properties"]["properties"] == {}
    assert "provisioningState" not in body["properties"]


def test_nothing_serves_without_traffic() -> None:
    for traffic in ({}, {"blue": 0}):
        bench = Bench()
        bench.http.put(endpoint(traffic))
        assert bench.service.current() is None


def test_the_model_is_that_of_the_deployment_with_the_most_requests() -> None:
    bench = Bench()
    bench.http.put(deployment("m-1", "2", RUN))
    bench.http.put(endpoint({"blue": 30, "m-1": 70}))
    state = bench.service.current()
    assert state is not None
    assert state.model == model("2")
    assert set(state.body["deployments"]) == {"blue", "m-1"}


def test_two_deployments_of_others_are_for_an_operator() -> None:
    bench = Bench()
    bench.http.put(deployment("green", "2"))
    bench.http.put(endpoint({"blue": 50, "green": 50}))
    with pytest.raises(PermanentError, match="blue and green") as caught:
        bench.service.current()
    assert "100 %" in caught.value.advice


def test_a_deployment_that_is_gone_while_it_has_traffic_is_read_again() -> None:
    bench = Bench()
    bench.http.put(endpoint({"green": 100}))
    with pytest.raises(TransientError, match="green, which gets requests, is not there"):
        bench.service.current()


@pytest.mark.parametrize(
    ("written", "name"),
    [
        (
            "azureml://registries/r/models/m/versions/3",
            "azureml://registries/r/models/m/versions/3",
        ),
        ("", None),
        ("azureml:census:9", "azureml:census:9"),
    ],
)
def test_a_model_of_another_form_is_named_as_it_is(written: str, name: str | None) -> None:
    bench = Bench()
    bench.http.put(deployment("blue", written))
    state = bench.service.current()
    assert state is not None
    assert (state.model.name if state.model else None) == name
    assert bench.service.update_state().configured == name


# The state of an update


def test_a_failed_update_says_why_and_what_the_traffic_is() -> None:
    bench = Bench()
    bench.http.put(endpoint({"blue": 100}, provisioningState="Failed"))
    failed = {"status": "Failed", "error": {"code": "BadArgument", "message": "no such model"}}
    bench.http.script("GET", "/oe:1", says(failed))
    check = bench.service.update_state()
    assert (check.progress, check.failure) == (UpdateProgress.FAILED, CandidateFailure.PARK)
    assert "BadArgument: no such model" in check.detail
    assert check.traffic == TrafficMap.of({"blue": 100})
    assert bench.http.sent[-1].url.startswith(OPERATION)


def test_an_update_is_pending_by_one_read_and_scored_when_it_is_done() -> None:
    bench = Bench()
    shift = bench.shift()
    bench.http.put(endpoint(provisioningState="Updating"))
    assert bench.service.update_state(None, shift).progress is UpdateProgress.PENDING
    assert bench.http.calls == ["GET census"]
    bench.http.put(endpoint(shift.wanted.shares if shift.wanted else {}))
    check = bench.service.update_state(None, shift)
    assert (check.progress, check.traffic) == (UpdateProgress.DONE, shift.wanted)
    assert check.configured == "azureml:census:2"
    asked = bench.http.sent[-1].headers
    assert asked["azureml-model-deployment"] == shift.candidate.name
    everyone = shift.evolve(share=100)
    bench.service.update_state(None, everyone)
    assert "azureml-model-deployment" not in bench.http.sent[-1].headers


def test_an_update_that_was_undone_names_no_model_of_ours() -> None:
    bench = Bench()
    shift = bench.shift()
    check = bench.service.update_state(None, shift)
    assert (check.traffic, check.configured) == (shift.before, None)
