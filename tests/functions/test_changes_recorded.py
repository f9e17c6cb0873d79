"""The author and the reason of a change are recorded or refused, and never ignored."""

import json
from typing import Any

import azure.functions as func
import pytest

from functions import endpoints, pipelines, runs
from functions.methods import OWN, OWN_QUERY
from local import api_description
from tests.fakes.world import World
from tests.functions.api_host import http_functions
from tests.functions.calls import Api
from tests.functions.conftest import park
from tests.functions.operators import call

WHO = {"by": "ada", "reason": "because"}
BY = "ada (unverified)"
FUNCTIONS = http_functions()
DOCUMENT = json.loads(api_description.FILE.read_text(encoding="utf-8"))
CHANGES = sorted(
    name
    for name, function in FUNCTIONS.items()
    if getattr(function.get_user_function(), OWN) == "POST"
)
#: Not in the document: it is the document.
ALL = sorted(FUNCTIONS)


def called(name: str, query: dict[str, str], body: bytes = b"") -> func.HttpResponse:
    handler = FUNCTIONS[name].get_user_function()
    places = {"run_id": "sample-1", "pipeline": "sample", "endpoint": "production"}
    method = getattr(handler, OWN)
    request = func.HttpRequest(
        method, "http://localhost/api", params=query, route_params=places, body=body
    )
    answer: func.HttpResponse = handler(request)
    return answer


@pytest.mark.usefixtures("api")
@pytest.mark.parametrize("name", CHANGES)
@pytest.mark.parametrize("body", [b'{"nobody reads": 1}', b"[]", b"{", b'"text"'])
def test_a_body_that_is_not_known_is_refused(name: str, body: bytes) -> None:
    answer = called(name, {}, body)
    assert (answer.status_code, answer.mimetype) == (400, "application/problem+json")


@pytest.mark.usefixtures("api")
def test_what_is_wrong_with_a_body_is_reported_in_plain_words() -> None:
    answer = called("pause_pipeline", {}, b'{"by": 5, "bye": "x"}')
    found = json.loads(answer.get_body())["detail"]
    assert found == "by: must be text: quote it; bye: is not read here: leave it out"


@pytest.mark.usefixtures("api")
@pytest.mark.parametrize("name", ALL)
def test_a_query_parameter_that_is_not_known_is_refused_by_every_route(name: str) -> None:
    answer = called(name, {"nobody_reads": "1"})
    assert answer.status_code == 400
    assert "nobody_reads" in json.loads(answer.get_body())["detail"]


@pytest.mark.usefixtures("api")
@pytest.mark.parametrize("name", ALL)
def test_a_function_key_in_the_query_is_no_such_parameter(name: str) -> None:
    answer = called(name, {"code": "key"})
    assert b"there is no query parameter" not in answer.get_body()


@pytest.mark.parametrize("name", sorted(set(ALL) - api_description.UNDESCRIBED))
def test_the_document_names_the_query_parameters_that_are_read(name: str) -> None:
    read = getattr(FUNCTIONS[name].get_user_function(), OWN_QUERY).model_fields
    found = api_description.OPERATIONS[name].query
    assert set(read) == set(found.model_fields if found else ())


def test_every_operation_of_the_document_may_answer_405_and_says_so() -> None:
    operations = [one for path in DOCUMENT["paths"].values() for one in path.values()]
    for operation in operations:
        assert operation["responses"]["405"]["headers"]["Allow"]["required"] is True
        assert "400" in operation["responses"]


def test_every_change_of_the_document_takes_a_body() -> None:
    posts = [path["post"] for path in DOCUMENT["paths"].values() if "post" in path]
    assert len(posts) == len(CHANGES)
    assert all("requestBody" in one for one in posts)


def test_a_retry_and_a_cancel_keep_who_wanted_them_and_why(world: World, api: Api) -> None:
    run_id = park(world, api)
    world.environment.pop("TRAINING_KEY")
    said = call(runs.retry_run, "POST", WHO, run_id=run_id)
    assert said.status == 202
    asked = api.get(run_id).body["operator_request"]
    assert (asked["what"], asked["by"], asked["why"]) == ("retry", BY, "because")
    said = call(runs.cancel_run, "POST", WHO, run_id=run_id)
    assert said.status == 202
    shown = api.get(run_id).body
    assert (shown["operator_request"]["what"], shown["operator_request"]["by"]) == ("cancel", BY)
    assert f"cancelled by {BY}: because" in shown["history"][-1]["note"]


@pytest.mark.usefixtures("api")
def test_a_resume_of_a_pipeline_keeps_who_wanted_it_and_why() -> None:
    call(pipelines.pause_pipeline, "POST", {"by": "bob"}, pipeline="sample")
    said = call(pipelines.resume_pipeline, "POST", WHO, pipeline="sample")
    assert (said.body["resumed"]["by"], said.body["resumed"]["reason"]) == (BY, "because")
    assert "paused" not in said.body


def twice_promoted(world: World) -> None:
    for name, content in (("one.csv", b"a,b,label\n1,2,0\n"), ("two.csv", b"a,b,label\n9,2,1\n")):
        world.tick()
        world.upload(name, content)
        world.deliver(name)
        world.until_ended()


def test_a_resume_of_an_endpoint_keeps_who_wanted_it_and_why(world: World, api: Api) -> None:
    twice_promoted(world)
    assert api.rollback({"by": "bob"}).status == 202
    where: dict[str, Any] = {"pipeline": "sample", "endpoint": "production"}
    said = call(endpoints.resume_endpoint, "POST", WHO, **where)
    assert (said.body["resumed"]["by"], said.body["resumed"]["reason"]) == (BY, "because")
    assert "held" not in said.body


@pytest.mark.usefixtures("api")
def test_two_keys_in_one_request_are_refused() -> None:
    where: dict[str, Any] = {"pipeline": "sample", "endpoint": "production"}
    said = call(endpoints.rollback_endpoint, "POST", {"key": "a"}, query={"key": "b"}, **where)
    assert said.status == 400
    assert "`key` differs" in said.body["detail"]
