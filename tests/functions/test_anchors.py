"""Anchors over HTTP: a model is pinned, shown and unpinned."""

from datetime import timedelta

import pytest

from tests.fakes.world import World
from tests.functions.calls import Api


@pytest.fixture
def served(world: World) -> World:
    """A world in which a model was promoted."""
    world.clock.move(timedelta(minutes=1))
    world.upload("one.csv", b"a,b,label\n1,2,0\n3,4,1\n")
    world.deliver("one.csv")
    world.until_ended()
    return world


def test_a_model_is_pinned_shown_and_unpinned(served: World, api: Api) -> None:
    assert "anchor" not in api.endpoint().body
    run_id = api.endpoint().body["serving"]["run_id"]

    pinned = api.pin({"run": run_id, "reason": "the best of the year"}, who="boss@example.com")
    assert (pinned.status, pinned.body["anchor"]["by"]) == (200, "boss@example.com")
    assert pinned.body["anchor"]["reason"] == "the best of the year"
    assert pinned.body["anchor"]["served"]["run_id"] == run_id
    assert api.endpoint().body["anchor"] == pinned.body["anchor"]
    assert api.pin(version=pinned.headers["ETag"]).status == 200
    assert api.unpin(version='"old"').status == 412

    unpinned = api.unpin()
    assert unpinned.status == 200
    assert "anchor" not in unpinned.body


def test_an_unknown_model_and_an_unknown_endpoint_are_refused(served: World, api: Api) -> None:
    unknown = api.pin({"run": "sample-x"})
    assert (unknown.status, unknown.body["kind"]) == (409, "no_such_model")
    assert api.pin(name="staging").status == 404
    assert api.pin({"model": "sample-x"}).status == 400
