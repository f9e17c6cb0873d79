"""Rollback of an endpoint: the recorded map in one PUT, its deployments made again before that."""

import pytest

from shared.core.serving.references import ServingState
from shared.core.serving.traffic import TrafficMap
from shared.errors import ChangedByOthersError, PermanentError, TransientError
from tests.unit.providers.azureml.endpoint_service import Bench, deployment, endpoint, sent_traffic
from tests.unit.providers.azureml.service import RUN, WS


def state_of(bench: Bench, **shares: int) -> ServingState:
    found = bench.service.current()
    assert found is not None
    bench.http.sent.clear()
    return found.evolve(traffic=TrafficMap.of(shares or {"blue": 100}))


def test_a_rollback_is_one_put_of_the_recorded_map() -> None:
    bench = Bench()
    state, shift = state_of(bench), bench.shift()
    assert shift.wanted is not None
    bench.http.put(endpoint(shift.wanted.shares))
    bench.service.restore(state, (shift.wanted,))
    assert bench.http.calls == ["GET deployments/blue", "GET census", "PUT census"]
    assert sent_traffic(bench) == {"blue": 100}


def test_a_rollback_to_what_serves_sends_nothing() -> None:
    bench = Bench()
    bench.service.restore(state_of(bench))
    assert bench.http.writes == []


def test_a_rollback_after_an_update_that_failed_is_sent_though_the_traffic_is_as_it_was() -> None:
    bench = Bench()
    state = state_of(bench)
    bench.http.put(endpoint(provisioningState="Failed"))
    bench.service.restore(state)
    assert sent_traffic(bench) == {"blue": 100}


def test_a_rollback_overwrites_no_map_of_others() -> None:
    bench = Bench()
    state, shift = state_of(bench), bench.shift()
    assert shift.wanted is not None
    bench.http.put(endpoint({"blue": 70, "green": 30}))
    del bench.http.resources["onlineEndpoints/census/deployments/blue"]
    with pytest.raises(ChangedByOthersError, match=r"blue 70 %, green 30 %"):
        bench.service.restore(state, (shift.wanted,))
    assert bench.http.writes == []


def test_a_rollback_without_recorded_traffic_is_refused() -> None:
    bench = Bench()
    state = state_of(bench)
    for wanted in (None, TrafficMap()):
        with pytest.raises(PermanentError, match="the record has no traffic map"):
            bench.service.restore(state.evolve(traffic=wanted))


def test_a_deployment_that_is_gone_is_made_again_before_it_gets_requests() -> None:
    bench = Bench()
    state = state_of(bench)
    candidate = bench.staged()
    bench.http.put(endpoint({candidate.name: 100}))
    del bench.http.resources["onlineEndpoints/census/deployments/blue"]
    known = (TrafficMap.of({candidate.name: 100}),)
    assert bench.service.restorable(state) is False  # its model is not registered any more
    bench.http.resources["models/census/versions/1"] = {}
    assert bench.service.restorable(state)
    with pytest.raises(TransientError, match="deployment blue is made again") as caught:
        bench.service.restore(state, known)
    assert caught.value.patience is not None
    (put,) = bench.http.writes
    assert put.url.partition("?")[0].endswith("/deployments/blue")
    assert put.json()["properties"]["model"].endswith("/models/census/versions/1")
    assert "provisioningState" not in put.json()["properties"]
    bench.http.put(deployment("blue", provisioningState="Updating"))
    with pytest.raises(TransientError, match="blue is Updating"):
        bench.service.restore(state, known)
    bench.http.put(deployment("blue"))
    bench.service.restore(state, known)
    assert [one.method for one in bench.http.writes] == ["PUT", "PUT"]


def test_a_state_without_traffic_cannot_be_restored() -> None:
    bench = Bench()
    state = state_of(bench)
    assert not bench.service.restorable(state.evolve(traffic=None))
    assert not bench.service.restorable(state.evolve(body={}, traffic=TrafficMap.of({"x": 100})))


def test_a_rollback_to_two_deployments_reads_both_at_once() -> None:
    bench = Bench()
    bench.http.put(deployment("m-1", "2", RUN))
    bench.http.put(endpoint({"blue": 50, "m-1": 50}))
    state = bench.service.current()
    assert state is not None
    for now in ({"green": 100}, {"blue": 100}):
        bench.http.put(endpoint(now))
        bench.http.sent.clear()
        bench.service.restore(state, (TrafficMap.of(now),))
        assert bench.http.calls == ["GET deployments", "GET census", "PUT census"]
        assert sent_traffic(bench) == {"blue": 50, "m-1": 50}


def test_one_deployment_is_made_again_for_each_call() -> None:
    bench = Bench()
    for name in ("m-1", "m-2"):
        bench.http.put(deployment(name, "2", RUN))
    bench.http.put(endpoint({"m-1": 50, "m-2": 50}))
    state = bench.service.current()
    assert state is not None
    bench.http.put(endpoint({"blue": 100}))
    for name in ("m-1", "m-2"):
        del bench.http.resources[f"onlineEndpoints/census/deployments/{name}"]
    bench.http.sent.clear()
    for name in ("m-1", "m-2"):
        with pytest.raises(TransientError, match=f"deployment {name} is made again"):
            bench.service.restore(state, (TrafficMap.of({"blue": 100}),))
        bench.http.put(deployment(name, "2", RUN))
    assert len(bench.http.writes) == 2
    bench.service.restore(state, (TrafficMap.of({"blue": 100}),))
    assert bench.http.writes[-1].json()["properties"]["traffic"] == {"m-1": 50, "m-2": 50}


def test_a_body_that_is_too_long_for_a_record_is_marked() -> None:
    bench = Bench()
    bench.http.put(deployment(description="x" * 100_000))
    state = state_of(bench)
    assert len(state.model_dump_json()) < 5_000
    assert bench.service.restorable(state)
    del bench.http.resources["onlineEndpoints/census/deployments/blue"]
    assert not bench.service.restorable(state)


def test_deployments_may_be_listed_with_their_whole_names() -> None:
    bench = Bench()
    bench.http.put({**deployment("m-1", "2", RUN), "name": "m-1"})
    bench.http.put(endpoint({"blue": 50, "m-1": 50}))
    state = bench.service.current()
    assert state is not None
    for one in bench.http.resources.values():
        if one["name"] != "census":
            one["name"] = f"census/{one['name'].upper()}"
    assert bench.service.restorable(state)


def test_nothing_is_restored_while_an_operation_runs() -> None:
    bench = Bench()
    state, shift = state_of(bench), bench.shift()
    assert shift.wanted is not None
    bench.http.put(endpoint(shift.wanted.shares, provisioningState="Updating"))
    with pytest.raises(TransientError, match="census is Updating"):
        bench.service.restore(state, (shift.wanted,))
    assert bench.http.writes == []


def test_a_deployment_whose_model_others_changed_gets_no_requests_by_a_rollback() -> None:
    bench = Bench()
    state, shift = state_of(bench), bench.shift()
    assert shift.wanted is not None
    bench.http.put(endpoint(shift.wanted.shares))
    bench.http.put(deployment("blue", "7"))
    assert not bench.service.restorable(state)
    with pytest.raises(PermanentError, match=r"has the model .*/7 now, and not .*/1") as caught:
        bench.service.restore(state, (shift.wanted,))
    assert "made again" in caught.value.advice
    assert bench.http.writes == []


@pytest.mark.parametrize(
    "written", [f"{WS.upper()}/models/census/versions/1", "azureml:census:1", ""]
)
def test_a_model_that_is_written_otherwise_is_the_same_one(written: str) -> None:
    bench = Bench()
    state, shift = state_of(bench), bench.shift()
    assert shift.wanted is not None
    bench.http.put(endpoint(shift.wanted.shares))
    bench.http.put(deployment("blue", written))
    assert bench.service.restorable(state)
    bench.service.restore(state, (shift.wanted,))
    assert sent_traffic(bench) == {"blue": 100}
