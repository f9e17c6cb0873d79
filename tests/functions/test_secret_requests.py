"""Secrets in requests of operators are not stored or shown."""

import json

from functions import endpoints, runs
from tests.fakes.world import World
from tests.functions.calls import Api, _answer, _request
from tests.functions.conftest import park

SIGNED = "https://a.example/b?sv=1&sig=c2VjcmV0"


def test_what_an_operator_says_is_kept_without_secrets(world: World, api: Api) -> None:
    world.upload()
    world.deliver()
    world.until_ended()
    key = world.training.api_key
    said = api.rollback({"by": f"me {key}", "reason": f"see {SIGNED}"})
    assert said.status == 202
    assert "see https://a.example/b?***" in world.everything_stored()
    assert "c2VjcmV0" not in world.everything_stored() + said.text
    assert key not in world.everything_stored() + said.text
    other = api.rollback(who=f"somebody {key}")
    assert key not in other.text + world.everything_stored()


def test_a_parameter_that_is_a_secret_is_refused_and_not_changed(world: World, api: Api) -> None:
    world.upload()
    for parameters in ({"Password": world.training.api_key}, {"Path": SIGNED}, {SIGNED: "x"}):
        refused = api.start({"parameters": parameters})
        assert (refused.status, refused.title) == (400, "Secret in the request")
        assert "c2VjcmV0" not in refused.text
    assert world.runs() == []


def test_what_is_asked_for_in_a_url_is_answered_without_secrets(world: World, api: Api) -> None:
    key = world.training.api_key
    for route in ({"pipeline": key, "endpoint": key}, {"pipeline": "sample", "endpoint": key}):
        shown = _answer(endpoints.get_endpoint(_request("GET", route)))
        assert (shown.status, key in shown.text) == (404, False)
    assert key not in _answer(runs.get_run(_request("GET", {"run_id": key}))).text
    for long in (key, f"{'x' * 40}{key}"):  # none is cut short before it is cleaned
        for query in ({long: "x"}, {"parent": long}, {"cursor": long}):
            assert key[:8] not in _answer(runs.list_runs(_request("GET", {}, query=query))).text
        for answer in (runs.get_run, runs.cancel_run):
            assert key[:8] not in _answer(answer(_request("GET", {"run_id": long}))).text
    assert key not in api.start(json.loads(json.dumps({"data": f"x{key}.csv"}))).text
    assert key not in api.start(pipeline=key).text
    assert park(world, api)
