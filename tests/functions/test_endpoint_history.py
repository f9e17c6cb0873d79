"""The answer about an endpoint lists the models that serve and served."""

from datetime import datetime, timedelta

import pytest

from functions import endpoints
from tests.fakes.world import World
from tests.functions.calls import Api
from tests.functions.operators import (
    BOSS,
    approve,
    awaiting,
    call,
    endpoint_shown,
    rows,
    until,
)


def test_the_line_of_an_endpoint_says_which_data_made_the_model_and_who_approved_it(
    asking: World,
) -> None:
    run_id = awaiting(asking, "monday.csv")
    approve(run_id, **BOSS)
    until(asking, run_id, "promoted")
    answer = endpoint_shown()
    assert "training-data/monday.csv" in answer["line"]
    assert "approved by boss@example.com" in answer["line"]
    assert run_id in answer["line"]
    (line,) = answer["history"]
    assert (line["data"], line["blobs"]) == (["training-data/monday.csv"], 1)
    assert line["approved_by"] == "boss@example.com"
    assert line["run_id"] == line["trained_by"] == run_id
    (one,) = call(endpoints.list_endpoints).body["endpoints"]
    assert one["line"] == answer["line"]


def test_what_served_last_tuesday_is_known_after_more_promotions_than_models_are_kept(
    world: World, api: Api
) -> None:
    served: list[tuple[str, str]] = []
    moments = []
    for number in range(8):
        world.clock.move(timedelta(days=1))
        world.upload(f"day{number}.csv", rows(number))
        (run,) = world.deliver(f"day{number}.csv")
        until(world, run.run_id, "promoted")
        served.append((run.run_id, f"training-data/day{number}.csv"))
        moments.append(world.clock.now() + timedelta(hours=12))
    answer = endpoint_shown()
    assert len(answer["previous"]) == 5
    assert [(one["trained_by"], one["data"][0]) for one in answer["history"]] == served
    for moment, (_, data) in zip(moments, served, strict=True):
        earlier = [one for one in answer["history"] if datetime.fromisoformat(one["at"]) <= moment]
        assert earlier[-1]["data"] == [data]


def test_a_rollback_is_a_line_of_its_own_with_the_data_of_the_older_model(
    asking: World,
) -> None:
    ids = []
    for number in range(2):
        run_id = awaiting(asking, f"{number}.csv", rows(number))
        approve(run_id, {"by": f"person {number}"})
        until(asking, run_id, "promoted")
        ids.append(run_id)
    rollback = Api().rollback({"reason": "sales fell"}, who="boss@example.com").body["run_id"]
    until(asking, rollback, "promoted")
    answer = endpoint_shown()
    last = answer["history"][-1]
    assert (last["run_id"], last["trained_by"]) == (rollback, ids[0])
    assert last["data"] == ["training-data/0.csv"]
    assert last["approved_by"] == "person 0 (unverified)"
    assert "sales fell" in last["why"]
    assert "held by boss@example.com" in answer["line"]
    assert "held" not in Api().resume().body
    assert Api().resume().status == 200
    new = awaiting(asking, "2.csv", rows(2))
    approve(new)
    until(asking, new, "promoted")
    assert [one["trained_by"] for one in endpoint_shown()["history"]] == [*ids, ids[0], new]


# The model of the endpoint's own service is none of ours: `model` is left out of the answer.
def test_an_endpoint_back_at_its_own_model_is_reported(world: World, api: Api) -> None:
    world.upload()
    (run,) = world.deliver()
    until(world, run.run_id, "promoted")
    rollback = Api().rollback({"to": "baseline"})
    assert rollback.status == 202
    until(world, rollback.body["run_id"], "promoted")
    answer = Api().endpoint()
    assert answer.status == 200, answer.text
    assert len(answer.body["history"]) == 2
    assert Api().resume().status == 200


@pytest.mark.parametrize(("name", "key"), [("staging", None), ("..", None), ("production", "acme")])
def test_an_unknown_endpoint_is_not_found(
    world: World, api: Api, name: str, key: str | None
) -> None:
    query = {} if key is None else {"key": key}
    for handler, method in (
        (endpoints.get_endpoint, "GET"),
        (endpoints.resume_endpoint, "POST"),
        (endpoints.rollback_endpoint, "POST"),
    ):
        answer = call(handler, method, query=query, pipeline="sample", endpoint=name)
        assert answer.status == 404
    answer = call(endpoints.get_endpoint, pipeline="simple", endpoint="production")
    assert answer.status == 404
    assert not world.documents.rows
