"""The invocation core, without a host."""

import json
from collections.abc import Callable
from typing import Any

import azure.functions as func
import pytest

from local.host.indexing import LoadedFunction
from local.host.invocation import invoke
from local.host.messages import (
    BlobContent,
    Ending,
    HttpAnswer,
    HttpCall,
    Invocation,
    Outcome,
    TimerTick,
    TriggerData,
)

CALL = HttpCall("post", "http://h/api/x", {"A": "1"}, {"q": "2"}, {"r": "3"}, b'{"n": 1}')


def _invoke(call: Callable[..., Any], kind: str, data: TriggerData, **options: bool) -> Outcome:
    function = LoadedFunction(
        name="one",
        call=call,
        trigger_type=kind,
        trigger_name="arg",
        sdk_type=None,
        wants_context=options.get("context", False),
        returns=kind == "httpTrigger",
        folder="/app",
    )
    return invoke(function, Invocation("id-1", "one", data))


def test_http_goes_through_the_librarys_types() -> None:
    def answer(arg: func.HttpRequest) -> func.HttpResponse:
        assert isinstance(arg, func.HttpRequest)
        seen = [arg.method, arg.headers["a"], arg.params["q"], arg.route_params["r"]]
        return func.HttpResponse(json.dumps([*seen, arg.get_json()]), status_code=202)

    outcome = _invoke(answer, "httpTrigger", CALL)
    assert outcome.answer is not None
    assert outcome.answer.status == 202
    assert json.loads(outcome.answer.body) == ["POST", "1", "2", "3", {"n": 1}]
    assert ("content-type", "text/plain; charset=utf-8") in outcome.answer.headers


@pytest.mark.parametrize(
    ("result", "status", "body"), [("text é", 200, "text é".encode()), (None, 204, b"")]
)
def test_other_http_results(result: Any, status: int, body: bytes) -> None:
    outcome = _invoke(lambda arg: result, "httpTrigger", CALL)
    assert isinstance(outcome.answer, HttpAnswer)
    assert (outcome.answer.status, outcome.answer.body) == (status, body)


def test_results_that_have_no_binding_fail() -> None:
    http = _invoke(lambda arg: {"a": 1}, "httpTrigger", CALL)
    timer = _invoke(lambda arg: 1, "timerTrigger", TimerTick("{}"))
    assert http.ending is timer.ending is Ending.FAILED
    assert "must return HttpResponse or str" in http.error
    assert "no $return binding" in timer.error


def test_a_coroutine_is_run_to_its_end() -> None:
    async def later(arg: func.TimerRequest) -> None:
        assert arg.past_due

    assert _invoke(later, "timerTrigger", TimerTick('{"IsPastDue": true}')).ok


def test_the_context_names_function_and_invocation() -> None:
    def answer(arg: func.HttpRequest, context: func.Context) -> str:
        assert context.thread_local_storage.invocation_id == context.invocation_id  # type: ignore[attr-defined]  # set at run time
        assert context.retry_context.retry_count == 0
        return f"{context.function_name} {context.invocation_id} {context.function_directory}"

    outcome = _invoke(answer, "httpTrigger", CALL, context=True)
    assert outcome.answer is not None, outcome.error
    assert outcome.answer.body == b"one id-1 /app"


def test_blob_content_carries_name_uri_and_properties() -> None:
    def read(arg: func.InputStream) -> None:
        assert (arg.name, arg.uri, arg.length) == ("c/n", "http://h/c/n", 2)
        assert arg.read() == b"ab"

    blob = BlobContent("c", "n", "http://h/c/n", {"ContentLength": 2}, {}, b"ab")
    outcome = _invoke(read, "blobTrigger", blob)
    assert outcome.ok, outcome.error
