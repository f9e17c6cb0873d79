"""Shifts of an endpoint's traffic: reads before a PUT, its body, and forbidden requests."""

from typing import Any

import pytest

from shared.core.serving.references import Shift
from shared.core.serving.traffic import TrafficMap
from shared.errors import (
    ChangedByOthersError,
    OutcomeUnknownError,
    PermanentError,
    TransientError,
)
from tests.unit.providers.azureml.endpoint_service import Bench, deployment, endpoint, sent_traffic
from tests.unit.providers.azureml.service import RUN, refuses, says, vector

READ_ONLY = {"id", "name", "type", "kind", "systemData"}


@pytest.mark.parametrize("share", [10, 50, 100])
def test_a_share_costs_a_read_of_endpoint_and_candidate_and_one_put(share: int) -> None:
    bench = Bench()
    shift = bench.shift(share)
    bench.service.shift(shift)
    name = shift.candidate.name
    assert bench.http.calls == [f"GET deployments/{name}", "GET census", "PUT census"]
    others = {"blue": 100 - share} if share < 100 else {}
    assert sent_traffic(bench) == {**others, name: share}


def test_a_share_that_falls_needs_no_look_at_its_deployment() -> None:
    bench = Bench()
    shift = bench.shift()
    bench.http.put(deployment("blue", provisioningState="Failed"))
    bench.service.shift(shift)
    assert sent_traffic(bench)["blue"] == 90


def test_the_whole_endpoint_goes_back_without_what_is_only_read() -> None:
    bench = Bench()
    users = {"/subscriptions/s/x": {"principalId": "p", "clientId": "c"}}
    identity = {"type": "UserAssigned", "tenantId": "t", "userAssignedIdentities": users}
    bench.http.put(endpoint(identity=identity, newMember={"a": 1}))
    bench.service.shift(bench.shift())
    (put,) = bench.http.writes
    body = put.json()
    assert not READ_ONLY & body.keys()
    assert body["identity"] == {
        "type": "UserAssigned",
        "userAssignedIdentities": {"/subscriptions/s/x": {}},
    }
    own = body["properties"]
    assert own["properties"] == {"azureml.onlineendpointid": "x"}
    assert not {"scoringUri", "swaggerUri", "provisioningState", "description"} & own.keys()
    assert (own["newMember"], own["authMode"], own["mirrorTraffic"]) == ({"a": 1}, "Key", {})
    assert (body["location"], body["tags"]) == ("westus", {"team": "a"})


def test_the_recorded_endpoint_is_read_with_the_traffic_that_it_shows() -> None:
    recorded = vector("rec_online_endpoint_traffic_put_answer_then_get")
    bench = Bench()
    bench.http.put({**recorded["put_answer_body"], "name": "census"})
    lagging = bench.service.update_state()
    assert (lagging.progress.value, lagging.traffic) == ("pending", TrafficMap())
    bench.http.put({**recorded["get_after_body"], "name": "census"})
    (name,) = recorded["get_after_body"]["properties"]["traffic"]
    assert bench.service.update_state().traffic == TrafficMap.of({name: 100})


def test_traffic_that_is_as_wanted_already_is_not_sent() -> None:
    bench = Bench()
    shift = bench.shift()
    bench.http.put(endpoint({"blue": 90, shift.candidate.name: 10, "old": 0}))
    assert bench.service.shift(shift) is None
    assert bench.http.writes == []


def test_an_endpoint_whose_update_failed_is_asked_again_for_the_traffic_that_it_has() -> None:
    bench = Bench()
    shift = bench.shift()
    assert shift.wanted is not None
    bench.http.put(endpoint(shift.wanted.shares, provisioningState="Failed"))
    bench.service.shift(shift)
    assert bench.http.calls[-2:] == ["GET census", "PUT census"]
    assert sent_traffic(bench) == shift.wanted.shares


def test_copies_go_to_the_candidate_and_its_share_stays_0() -> None:
    bench = Bench()
    shift = bench.shift(0, mirror=20)
    bench.service.shift(shift)
    (put,) = bench.http.writes
    own = put.json()["properties"]
    assert (own["traffic"], own["mirrorTraffic"]) == ({"blue": 100}, {shift.candidate.name: 20})


@pytest.mark.parametrize(
    "changed",
    [
        endpoint({"blue": 70, "green": 30}),
        endpoint({}),
        endpoint({"blue": 100}, mirrorTraffic={"green": 10}),
    ],
)
def test_a_change_of_others_is_never_overwritten(changed: dict[str, Any]) -> None:
    bench = Bench()
    shift = bench.shift()
    bench.http.put(changed)
    with pytest.raises(ChangedByOthersError) as caught:
        bench.service.shift(shift)
    assert bench.http.writes == []
    found = TrafficMap.model_validate(caught.value.found)
    assert found != shift.before
    for one in (found, shift.before, shift.wanted):
        assert str(one) in str(caught.value)


@pytest.mark.parametrize("state", ["Creating", "Updating", "updating", "Deleting", "Odd", None])
def test_nothing_is_sent_while_an_operation_runs(state: str | None) -> None:
    bench = Bench()
    shift = bench.shift()
    bench.http.put(endpoint(provisioningState=state))
    with pytest.raises(TransientError, match="waiting for it"):
        bench.service.shift(shift)
    assert bench.http.writes == []


@pytest.mark.parametrize(
    ("state", "kind"),
    [
        ("Failed", PermanentError),
        ("Canceled", PermanentError),
        ("Deleting", PermanentError),
        ("Updating", TransientError),
        ("Scaling", TransientError),
        ("Odd", TransientError),
        (None, PermanentError),
    ],
)
@pytest.mark.parametrize("mirror", [0, 20])
def test_no_share_goes_to_a_deployment_that_has_not_succeeded(
    state: str | None, kind: type[Exception], mirror: int
) -> None:
    bench = Bench()
    shift = bench.shift(0 if mirror else 10, mirror)
    name = shift.candidate.name
    if state is None:
        del bench.http.resources[f"onlineEndpoints/census/deployments/{name}"]
    else:
        bench.http.put(deployment(name, "2", RUN, provisioningState=state))
    with pytest.raises(kind, match=f"deployment {name} is"):
        bench.service.shift(shift)
    assert bench.http.writes == []


@pytest.mark.parametrize(
    ("shares", "mirror"),
    [
        ({}, {}),
        ({"blue": 90}, {}),
        ({"blue": 90, "m": 20}, {}),
        ({"blue": 100}, {"m": 51}),
        ({"blue": 100}, {"m": 10, "n": 10}),
        ({"blue": 90, "m": 10}, {"m": 10}),
    ],
)
def test_a_map_that_leaves_requests_without_an_answer_is_never_sent(
    shares: dict[str, int], mirror: dict[str, int]
) -> None:
    bench = Bench()
    for name in ("m", "n"):
        bench.http.put(deployment(name))
    known = bench.shift()
    wanted = TrafficMap(shares=shares, mirror=mirror)
    with pytest.raises(PermanentError, match="is not sent"):
        bench.service.shift(known.evolve(wanted=wanted))
    assert bench.http.writes == []


def test_a_shift_without_a_recorded_map_is_refused() -> None:
    bench = Bench()
    candidate = bench.staged()
    with pytest.raises(PermanentError, match="no traffic to begin with"):
        bench.service.shift(Shift(candidate=candidate))
    assert bench.http.sent == []


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (refuses(409, "Conflict"), TransientError),
        (refuses(429, "TooManyRequests"), TransientError),
        (refuses(403, "AuthorizationFailed"), TransientError),
        (refuses(500, "InternalServerError"), OutcomeUnknownError),
        (refuses(504, "GatewayTimeout"), OutcomeUnknownError),
        (refuses(400, "BadArgument"), PermanentError),
        (OutcomeUnknownError("lost"), OutcomeUnknownError),
        (TransientError("not sent"), TransientError),
    ],
)
def test_each_answer_to_the_put_has_a_class(answer: Any, kind: type[Exception]) -> None:
    bench = Bench()
    shift = bench.shift()
    bench.http.script("PUT", "/census", answer)
    with pytest.raises(kind):
        bench.service.shift(shift)


def test_an_unknown_api_version_is_said_with_the_key_of_endpoints() -> None:
    bench = Bench()
    known = refuses(400, "InvalidApiVersionParameter", message="supported: '2026-07-01'")
    bench.http.script("GET", "/census", known)
    with pytest.raises(PermanentError, match=r"set endpoints\[\]\.api_versions") as caught:
        bench.service.update_state()
    assert "training." not in str(caught.value)


# What the api-version answers and does not take


def unknown(name: str) -> Any:
    text = f"Could not find member '{name}' on object of type 'X'. Path '{name}', line 1."
    return refuses(400, "UserError", detail="RequestInvalid", message=text)


def test_a_member_that_the_version_does_not_take_is_left_out_once_and_said() -> None:
    bench = Bench()
    bench.http.put(endpoint(newMember={"a": 1}, tags={"newMember": "kept"}))
    shift = bench.shift()
    bench.http.script("PUT", "/census", unknown("newMember"), says({}))
    bench.service.shift(shift)
    first, second = (one.json() for one in bench.http.writes)
    assert "newMember" in first["properties"]
    assert "newMember" not in second["properties"]
    assert second["tags"] == {"newMember": "kept"}
    bench.http.sent.clear()
    bench.service.shift(shift)
    assert len(bench.http.writes) == 1  # it is known by now
    assert "sent without newMember" in bench.service.update_state().detail


@pytest.mark.parametrize("name", ["traffic", "authMode", "location", "properties"])
def test_a_member_that_matters_is_never_left_out(name: str) -> None:
    bench = Bench()
    shift = bench.shift()
    bench.http.script("PUT", "/census", unknown(name))
    with pytest.raises(PermanentError, match=r"endpoints\[\]\.api_versions"):
        bench.service.shift(shift)
    assert len(bench.http.writes) == 1


def test_copies_are_not_dropped_where_the_version_does_not_know_them() -> None:
    bench = Bench()
    bench.http.script("PUT", "/census", unknown("mirrorTraffic"), says({}))
    with pytest.raises(PermanentError):
        bench.service.shift(bench.shift(0, mirror=20))
    bench.http.sent.clear()
    bench.http.script("PUT", "/census", unknown("mirrorTraffic"), says({}))
    bench.service.shift(bench.shift(10))
    assert "mirrorTraffic" not in bench.http.writes[-1].json()["properties"]


def test_a_version_that_takes_ever_less_is_given_up() -> None:
    bench = Bench()
    names = [f"m{at}" for at in range(9)]
    bench.http.put(endpoint(None, **dict.fromkeys(names, 1)))
    shift = bench.shift()
    bench.http.script("PUT", "/census", *map(unknown, names))
    with pytest.raises(PermanentError, match="does not know 5 members"):
        bench.service.shift(shift)
