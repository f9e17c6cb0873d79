"""Candidates at an endpoint: staged once, waited for, discarded when nothing needs them."""

from typing import Any

import pytest

from shared.core.serving.probes import CandidateFailure, UpdateProgress
from shared.errors import PermanentError, TransientError
from tests.unit.providers.azureml.endpoint_service import Bench, deployment, endpoint
from tests.unit.providers.azureml.service import RUN, refuses, says, vector


def test_a_candidate_is_staged_once_in_the_region_of_its_endpoint() -> None:
    bench = Bench()
    candidate = bench.candidate()
    bench.service.stage(candidate)
    (put,) = bench.http.writes
    body = put.json()
    assert body["location"] == "westus"
    assert body["tags"] == {"relearn.run": RUN, "relearn.pipeline": "census"}
    assert body["sku"] == {"name": "Default", "capacity": 2}
    assert (candidate.instances, candidate.instance_type) == (2, "Standard_F4s_v2")
    bench.http.put(deployment(candidate.name, "2", RUN, provisioningState="Updating"))
    bench.service.stage(candidate)
    assert len(bench.http.writes) == 1


@pytest.mark.parametrize("there", [{"run": "other"}, {"run": None}, {"run": RUN, "model": "9"}])
def test_a_deployment_of_that_name_of_others_is_not_taken(there: dict[str, Any]) -> None:
    bench = Bench()
    candidate = bench.candidate()
    bench.http.put(deployment(candidate.name, **{"model": "2", **there}))
    with pytest.raises(PermanentError, match="not of this run"):
        bench.service.stage(candidate)
    assert bench.http.writes == []


def test_a_candidate_that_is_being_deleted_is_waited_for() -> None:
    bench = Bench()
    candidate = bench.staged(provisioningState="Deleting")
    with pytest.raises(TransientError, match="being deleted"):
        bench.service.stage(candidate)
    check = bench.service.candidate_state(candidate)
    assert (check.progress, check.failure) == (UpdateProgress.FAILED, CandidateFailure.PARK)


@pytest.mark.parametrize("state", ["Creating", "Updating", "UPDATING", "Scaling", "Odd", None, 7])
def test_a_candidate_is_pending_until_it_says_that_it_succeeded(state: Any) -> None:
    bench = Bench()
    candidate = bench.staged(provisioningState=state)
    assert bench.service.candidate_state(candidate).progress is UpdateProgress.PENDING
    assert bench.http.calls == [f"GET deployments/{candidate.name}"]


def test_a_candidate_that_succeeded_names_its_model() -> None:
    bench = Bench()
    candidate = bench.staged(provisioningState="succeeded")
    check = bench.service.candidate_state(candidate)
    assert (check.progress, check.configured) == (UpdateProgress.DONE, "azureml:census:2")
    bench.http.put(deployment(candidate.name, "3", RUN))
    assert bench.service.candidate_state(candidate).configured == "azureml:census:3"


def test_a_candidate_that_is_not_there_is_pending() -> None:
    bench = Bench()
    candidate = bench.candidate()
    missing = vector("pub_deployment_404")["response"]
    bench.http.script("GET", candidate.name, says(missing["body"], 404))
    assert bench.service.candidate_state(candidate).progress is UpdateProgress.PENDING


# Discarding


def test_a_candidate_without_traffic_is_deleted_and_waited_for() -> None:
    bench = Bench()
    candidate = bench.staged()
    assert bench.service.discard(candidate) is False
    assert [one.method for one in bench.http.writes] == ["DELETE"]
    bench.http.put(deployment(candidate.name, "2", RUN, provisioningState="Deleting"))
    assert bench.service.discard(candidate) is False
    del bench.http.resources[f"onlineEndpoints/census/deployments/{candidate.name}"]
    assert bench.service.discard(candidate) is True
    assert len(bench.http.writes) == 1


def test_the_recorded_answers_to_a_delete_are_understood() -> None:
    recorded = vector("rec_online_delete_202_and_204")
    for name, gone in (("existing", False), ("missing", True)):
        bench = Bench()
        candidate = bench.staged()
        answer = recorded[name]["response"]
        bench.http.script("DELETE", candidate.name, says(None, answer["status"]))
        assert bench.service.discard(candidate) is gone
    bench.http.script("DELETE", candidate.name, refuses(404, "UserError"))
    assert bench.service.discard(candidate) is True


@pytest.mark.parametrize("traffic", [{"blue": 90, "m": 10}, {"m": 100}, {"blue": 100}])
def test_a_deployment_with_requests_or_copies_is_never_deleted(traffic: dict[str, int]) -> None:
    bench = Bench()
    candidate = bench.staged()
    shares = {name.replace("m", candidate.name): share for name, share in traffic.items()}
    mirror = {} if "m" in traffic else {candidate.name: 10}
    bench.http.put(endpoint(shares, mirrorTraffic=mirror))
    with pytest.raises(PermanentError, match="gets requests, and is not deleted"):
        bench.service.discard(candidate)
    assert bench.http.writes == []


def test_nothing_is_deleted_while_the_traffic_changes_or_without_our_tag() -> None:
    bench = Bench()
    candidate = bench.staged()
    bench.http.put(endpoint(provisioningState="Updating"))
    with pytest.raises(TransientError):
        bench.service.discard(candidate)
    bench.http.put(deployment(candidate.name, "2"))
    assert bench.service.discard(candidate) is True
    assert bench.http.writes == []
