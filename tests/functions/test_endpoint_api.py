"""Endpoints over HTTP: the model that serves, a rollback to an earlier one, and resume."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from shared.core.serving.drift import DriftCheck
from tests.fakes.faults import Kind
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


def test_what_serves_is_reported_with_the_data_that_made_it(twice: World, api: Api) -> None:
    answer = api.endpoint()
    assert answer.status == 200
    assert answer.body["serving"]["manifest"][0]["name"] == "two.csv"
    assert answer.body["previous"][0]["manifest"][0]["name"] == "one.csv"
    assert not [secret for secret in secrets_of(twice) if secret in answer.text]


def test_all_endpoints_are_listed_each_with_what_serves_there(twice: World, api: Api) -> None:
    listed = api.endpoints()
    assert listed.status == 200
    (line,) = listed.body["endpoints"]
    assert "two.csv" in line.pop("line")
    known = {"pipeline": "sample", "endpoint": "production", "key": []}
    assert line == {**known, "open_runs": []}
    assert not [secret for secret in secrets_of(twice) if secret in listed.text]


def test_what_a_check_suspects_is_shown_before_it_is_confirmed(twice: World, api: Api) -> None:
    assert "drift" not in api.endpoint().body
    (name,) = [name for name in twice.documents.rows if name.startswith("drift_checks/")]
    row = twice.documents.rows[name]
    for seen, answer in (
        ({"suspicion": "its answers are odd"}, "its answers are odd"),
        ({"suspicion": "odd", "reported": "it names another model"}, "it names another model"),
    ):
        drift_check = DriftCheck.model_validate_json(row.body).model_copy(update=seen)
        body = drift_check.model_dump_json().encode()
        twice.documents.rows[name] = replace(row, body=body)
        assert api.endpoint().body["drift"] == answer


def test_an_endpoint_that_was_never_updated_is_reported_as_such(api: Api) -> None:
    answer = api.endpoint()
    assert answer.status == 200
    assert "serving" not in answer.body


def test_a_rollback_is_accepted_with_the_run_that_does_it(twice: World, api: Api) -> None:
    asked = api.rollback({"reason": "sales fell"}, who="boss@example.com")
    assert asked.status == 202
    assert asked.headers["Location"] == f"/api/runs/{asked.body['run_id']}"
    assert api.rollback().body["run_id"] == asked.body["run_id"]
    for _ in range(20):
        twice.tick()
    answer = api.endpoint().body
    assert answer["serving"]["manifest"][0]["name"] == "one.csv"
    assert (answer["held"]["by"], answer["held"]["reason"]) == ("boss@example.com", "sales fell")
    assert "held" not in api.resume().body


def test_a_rollback_and_a_resume_are_for_the_version_that_was_read(twice: World, api: Api) -> None:
    checked = api.endpoint().headers["ETag"]
    assert api.rollback(version='"old"').status == 412
    assert not twice.open_runs()
    assert api.rollback(version=f'"old", {checked}').status == 202
    late = api.resume(version=checked)
    assert (late.status, late.title) == (412, "Changed since that version")
    assert "held by" in late.body["detail"]
    assert "held" in api.endpoint().body
    for _ in range(20):
        twice.tick()
    resumed = api.resume(version=api.endpoint().headers["ETag"])
    assert resumed.status == 200
    assert resumed.headers["ETag"] == api.endpoint().headers["ETag"] != checked


def test_an_endpoint_that_was_never_updated_has_a_version_too(api: Api) -> None:
    checked = api.endpoint().headers["ETag"]
    assert api.resume(version=checked).status == 200
    assert api.resume(version='"old"').status == 412
    assert api.rollback(version='"old"').status == 412


# If-Match is for the version of the endpoint state that is replaced, not for one before it.
@pytest.mark.parametrize(("version", "status"), [(True, 412), (False, 409)])
def test_of_two_operators_at_an_endpoint_the_slower_one_learns_what_its_state_is(
    twice: World, api: Api, *, version: bool, status: int
) -> None:
    checked = api.endpoint().headers["ETag"] if version else None

    def another() -> None:
        api.rollback({"reason": "faster"}, who="bob")

    twice.faults.other_worker = another
    twice.faults.plan = {
        len(twice.faults.sites) + 1: Kind.PREEMPT
    }  # the endpoint state, after the marker
    late = api.rollback({"to": "baseline"}, who="ada", version=checked)
    assert late.status == status
    assert "held by bob" in late.body["detail"]
    assert "endpoints/" not in late.body["detail"]
    assert api.endpoint().body["held"]["by"] == "bob"


@pytest.mark.parametrize(
    ("who", "held_by"), [(None, "ada (unverified)"), ("boss@example.com", "boss@example.com")]
)
def test_a_rollback_takes_a_name_where_the_platform_vouches_for_none(
    twice: World, api: Api, who: str | None, held_by: str
) -> None:
    assert api.rollback({"by": "ada"}, who=who).status == 202
    assert api.endpoint().body["held"]["by"] == held_by


def test_a_name_that_no_one_vouches_for_is_marked_unverified(twice: World, api: Api) -> None:
    api.rollback()
    assert "unverified" in api.endpoint().body["held"]["by"]
    assert twice.open_runs()


@pytest.mark.parametrize(
    "body", [{"too": "x"}, {"to": 5}, {"to": ""}, [], "x", {"by": 5}, {"reason": "x" * 501}]
)
def test_a_request_that_is_not_understood_changes_nothing(
    twice: World, api: Api, body: Any
) -> None:
    assert api.rollback(body).status == 400
    assert "held" not in api.endpoint().body
    assert not twice.open_runs()


def test_an_unknown_endpoint_key_or_run_is_reported(twice: World, api: Api) -> None:
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
