"""Endpoints over HTTP: what serves, back to an earlier model, and on again."""

from datetime import timedelta
from typing import Any

import pytest

from tests.fakes.world import World
from tests.functions.calls import Api
from tests.functions.conftest import secrets_of

SECOND = b"a,b,label\n5,6,1\n7,8,0\n"


@pytest.fixture
def twice(world: World) -> World:
    """A world in which two models were promoted, one after the other."""
    for name, content in (("one.csv", b"a,b,label\n1,2,0\n3,4,1\n"), ("two.csv", SECOND)):
        world.clock.move(timedelta(minutes=1))
        world.upload(name, content)
        world.deliver(name)
        world.until_ended()
    return world


def test_what_serves_is_told_with_the_data_that_made_it(twice: World, api: Api) -> None:
    told = api.endpoint()
    assert told.status == 200
    assert told.body["serving"]["manifest"][0]["name"] == "two.csv"
    assert told.body["previous"][0]["manifest"][0]["name"] == "one.csv"
    assert not [secret for secret in secrets_of(twice) if secret in told.text]


def test_an_endpoint_that_was_never_updated_is_told_as_such(api: Api) -> None:
    told = api.endpoint()
    assert told.status == 200
    assert "serving" not in told.body


def test_a_rollback_is_accepted_with_the_run_that_does_it(twice: World, api: Api) -> None:
    asked = api.rollback({"reason": "sales fell"}, who="boss@example.com")
    assert asked.status == 202
    assert asked.headers["Location"] == f"/api/runs/{asked.body['run_id']}"
    assert api.rollback().body["run_id"] == asked.body["run_id"]
    for _ in range(20):
        twice.tick()
    told = api.endpoint().body
    assert told["serving"]["manifest"][0]["name"] == "one.csv"
    assert (told["held"]["by"], told["held"]["reason"]) == ("boss@example.com", "sales fell")
    assert "held" not in api.resume().body


def test_a_name_that_no_one_vouches_for_is_marked_unverified(twice: World, api: Api) -> None:
    api.rollback()
    assert "unverified" in api.endpoint().body["held"]["by"]
    assert twice.open_runs()


@pytest.mark.parametrize(
    "body", [{"too": "x"}, {"to": 5}, {"to": ""}, [], "x", {"reason": "x" * 501}]
)
def test_a_request_that_is_not_understood_changes_nothing(
    twice: World, api: Api, body: Any
) -> None:
    assert api.rollback(body).status == 400
    assert "held" not in api.endpoint().body
    assert not twice.open_runs()


def test_what_is_not_there_is_said(twice: World, api: Api) -> None:
    assert api.endpoint("staging").status == 404
    assert "production" in api.endpoint("staging").body["detail"]
    assert api.endpoint(key="acme").status == 404
    assert api.resume("staging").status == 404
    assert api.rollback(name="staging").status == 404
    refused = api.rollback({"to": "sample-unknown"})
    assert refused.status == 409
    assert "baseline" in refused.body["detail"]
    assert twice.serving() is not None


def test_an_endpoint_with_nothing_to_go_back_to_says_so(api: Api) -> None:
    assert api.rollback().status == 409
