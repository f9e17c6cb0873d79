"""Secrets that a service repeats, or that deployments of others hold: in no record and no error."""

import logging
from collections.abc import Callable
from typing import Any

import pytest

from shared.core.serving.references import ServingState, Shift
from shared.core.serving.traffic import TrafficMap
from shared.core.serving.traffic_rules import Measure, TrafficQuery
from shared.errors import PermanentError, RelearnError, TransientError
from shared.providers.http.client import Answer
from shared.providers.redacting import RedactingEndpoint
from tests.unit.providers.azureml.endpoint_service import (
    KEY,
    ROWS,
    SETTINGS,
    Bench,
    deployment,
    endpoint,
)
from tests.unit.providers.azureml.service import RUN, says
from tests.unit.samples import NOW

SECRET = SETTINGS["DB"]
SIGNED = (
    "https://a.blob.core.windows.net/c/b?sv=1&sig=c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0c2U%3D"
)


def kept(bench: Bench) -> ServingState:
    state = bench.service.current()
    assert state is not None
    return state


def variables(**given: object) -> tuple[Bench, ServingState]:
    bench = Bench()
    bench.http.put(deployment(environmentVariables=given))
    return bench, kept(bench)


def test_plain_variables_of_others_are_recorded_and_sent_back_as_they_are() -> None:
    bench, state = variables(WORKERS="2", PRICE="5$", REF="${DB}")
    assert "incomplete" not in state.body
    candidate = bench.staged()
    bench.http.put(endpoint({candidate.name: 100}))
    del bench.http.resources["onlineEndpoints/census/deployments/blue"]
    with pytest.raises(TransientError):
        bench.service.restore(state, (TrafficMap.of({candidate.name: 100}),))
    own = bench.http.writes[0].json()["properties"]
    assert own["environmentVariables"] == {"WORKERS": "2", "PRICE": "5$", "REF": "${DB}"}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("DB", SECRET),
        ("STORAGE_KEY", "anything at all"),
        ("DB_PASSWORD", "hunter22"),
        ("URL", SIGNED),
        ("CONNECTION", "AccountName=a;AccountKey=c2VjcmV0c2VjcmV0"),
        (f"X{SECRET}", "value"),
    ],
)
def test_a_variable_that_looks_secret_is_not_recorded_and_the_body_is_marked(
    name: str, value: str
) -> None:
    bench, state = variables(**{name: value, "WORKERS": "2"})
    text = state.model_dump_json()
    assert value not in text
    assert SECRET not in text
    assert state.body["deployments"]["blue"]["properties"]["environmentVariables"] == {
        "WORKERS": "2"
    }
    (lost,) = state.body["incomplete"]["blue"]
    assert "environment variable" in lost
    assert bench.service.restorable(state)  # as long as it is there
    candidate = bench.staged()
    bench.http.put(endpoint({candidate.name: 100}))
    bench.http.resources["models/census/versions/1"] = {}
    del bench.http.resources["onlineEndpoints/census/deployments/blue"]
    assert not bench.service.restorable(state)
    with pytest.raises(PermanentError, match="does not hold") as caught:
        bench.service.restore(state, (TrafficMap.of({candidate.name: 100}),))
    assert "az ml online-deployment create" in caught.value.advice
    assert bench.http.writes == []


def test_a_secret_anywhere_in_a_body_is_left_out_and_named_by_its_place() -> None:
    bench = Bench()
    tags = {"a": f"x{SECRET}", f"{SECRET}": "b", "plain": "c"}
    bench.http.put(deployment(description=SIGNED, tags=tags, deep={"list": [SECRET, "ok"]}))
    state = kept(bench)
    text = state.model_dump_json()
    assert SECRET not in text
    assert "sig=" not in text
    body = state.body["deployments"]["blue"]
    assert body["tags"] == {"plain": "c"}
    assert body["properties"]["deep"] == {"list": ["ok"]}
    lost = state.body["incomplete"]["blue"]
    assert {"properties.description", "tags.a", "tags.***", "properties.deep.list"} == set(lost)


def test_the_signed_address_of_an_operation_is_not_recorded() -> None:
    bench = Bench()
    bench.http.put(deployment(properties={"AzureAsyncOperationUri": SIGNED, "a": "b"}))
    state = kept(bench)
    assert "sig=" not in state.model_dump_json()
    assert "incomplete" not in state.body


def test_a_deployment_or_model_with_a_secret_for_a_name_is_not_recorded() -> None:
    long = "a-secret-that-is-long-0123"
    bench = Bench()
    bench.redactor.learn(long)
    bench.http.put(deployment("blue", f"azureml:{long}:1"))
    with pytest.raises(TransientError) as caught:
        bench.service.current()
    assert long not in str(caught.value)
    bench.http.put(endpoint({long: 100}))
    with pytest.raises(TransientError) as caught:
        bench.service.current()
    assert long not in str(caught.value)


def echoing(value: Any) -> Any:
    """Return a body with a secret in every text, and beside every member."""
    if isinstance(value, dict):
        return {**{name: echoing(one) for name, one in value.items()}, "echo": f"{KEY} {SIGNED}"}
    if isinstance(value, list):
        return [echoing(one) for one in value]
    return f"{value} {KEY} {SECRET} {SIGNED}" if isinstance(value, str) else value


def calls_of(serving: RedactingEndpoint, shift: Shift) -> list[Callable[[], object]]:
    query = TrafficQuery(Measure.REQUESTS, ("blue",), NOW, NOW)
    state = shift.candidate.state
    return [
        serving.ensure,
        serving.current,
        serving.update_state,
        lambda: serving.update_state(None, shift),
        lambda: serving.score(ROWS, shift.candidate),
        lambda: serving.answer(ROWS, shift.candidate.name),
        lambda: serving.stage(shift.candidate),
        lambda: serving.candidate_state(shift.candidate),
        lambda: serving.log_lines(shift.candidate),
        lambda: serving.shift(shift),
        lambda: serving.restore(state),
        lambda: serving.restorable(state),
        lambda: serving.requests(query),
        lambda: serving.discard(shift.candidate),
    ]


def echoes(status: int) -> list[Answer]:
    whole: dict[str, Any] = {"error": {"code": "Code", "message": "m", "details": [{"code": "X"}]}}
    shown: list[Any] = [endpoint(), deployment("m", "2", RUN), {"value": [deployment()]}, whole]
    shown += [{"content": "a"}, {"primaryKey": "k"}, [0.5, "x"], {"value": [{"name": "x"}]}]
    bodies = [says(echoing(one), status) for one in shown]
    return [
        *bodies,
        Answer(status, {"azureml-model-deployment": f"{KEY}{SIGNED}"}, SIGNED.encode()),
    ]


@pytest.mark.parametrize("status", [200, 201, 400, 401, 403, 404, 409, 424, 429, 500])
def test_no_echo_of_a_secret_gets_out(status: int, caplog: pytest.LogCaptureFixture) -> None:
    for answer in echoes(status):
        bench = Bench()
        shift = bench.shift()
        bench.redactor.learn(KEY)
        serving = RedactingEndpoint(bench.service, bench.redactor)
        for method in ("GET", "POST", "PUT", "DELETE"):
            bench.http.script(method, "", answer)
        for call in calls_of(serving, shift):
            with caplog.at_level(logging.DEBUG):
                try:
                    shown = repr(call())
                except RelearnError as exc:
                    shown = f"{exc} {exc.advice} {exc.__dict__}"
            for secret in (KEY, SECRET, "c2VjcmV0c2V"):
                assert secret not in shown, (call, shown)
    for secret in (KEY, SECRET):
        assert secret not in caplog.text


def test_a_provider_shows_no_secret_of_its_own() -> None:
    bench = Bench()
    bench.http.script("POST", "/score", says([1]))
    bench.service.score(ROWS)
    bench.http.sent.clear()
    for shown in (repr(bench.service), repr(bench.connections)):
        assert SECRET not in shown
        assert KEY not in shown
