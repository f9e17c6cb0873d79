"""Whole answers for rows that are compared: nothing of them, or of the rows, is in a text."""

import logging

import pytest

from shared.core.serving.probes import ProbeOutcome
from shared.errors import OutcomeUnknownError, RelearnError, TransientError
from shared.providers.http.client import Answer
from tests.unit.providers.azureml.endpoint_service import ROWS, Bench, endpoint
from tests.unit.providers.azureml.test_endpoint_scoring import answers

GOOD, BROKEN = ProbeOutcome.GOOD, ProbeOutcome.BROKEN
SILENT, REFUSED = ProbeOutcome.NO_ANSWER, ProbeOutcome.REFUSED
JANE = "could not convert: Jane Doe"


def test_an_answer_of_any_size_is_complete() -> None:
    bench = Bench()
    scores = [[at / 7, 1 - at / 7] for at in range(2_000)]
    bench.http.script("POST", "/score", answers(200, scores, azureml_model_deployment="m-1"))
    found = bench.service.answer(ROWS, "m-1")
    assert (found.seen, found.answer, found.answered_by) == (GOOD, scores, "m-1")
    assert bench.http.sent[-1].headers["azureml-model-deployment"] == "m-1"
    assert bench.http.sent[-1].json() == ROWS


def test_without_a_name_the_live_deployment_is_called() -> None:
    bench = Bench()
    bench.http.script("POST", "/score", answers(200, [1], azureml_model_deployment="blue"))
    assert bench.service.answer(ROWS, "").answered_by == "blue"
    assert "azureml-model-deployment" not in bench.http.sent[-1].headers


@pytest.mark.parametrize(
    ("status", "headers", "seen", "says_"),
    [
        (424, {"ms_azureml_model_error_statuscode": "500"}, BROKEN, "the model answered 500"),
        (424, {"ms_azureml_model_error_statuscode": "400"}, BROKEN, "the model answered 400"),
        (424, {"ms_azureml_model_error_statuscode": "429"}, SILENT, "the model answered 429"),
        (424, {"ms_azureml_model_error_statuscode": JANE}, BROKEN, "the model answered an error"),
        (424, {"ms_azureml_model_error_reason": JANE}, BROKEN, "the model answered an error"),
        (200, {"x_ms_run_function_failed": "True"}, BROKEN, "its scoring script failed"),
        (408, {}, BROKEN, "within request_settings.request_timeout_ms"),
        (413, {}, REFUSED, "HTTP 413"),
        (400, {}, REFUSED, "HTTP 400"),
        (404, {}, SILENT, "HTTP 404"),
        (403, {}, SILENT, "AzureML Data Scientist"),
        (429, {}, SILENT, "HTTP 429"),
        (500, {}, SILENT, "HTTP 500"),
    ],
)
def test_what_is_no_answer_says_why_in_words_of_ours(
    status: int,
    headers: dict[str, str],
    seen: ProbeOutcome,
    says_: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    bench = Bench()
    bench.http.script("POST", "/score", answers(status, {"error": JANE}, **headers))
    found = bench.service.answer(ROWS, "m-1")
    assert found.seen is seen
    assert says_ in found.detail
    assert "Jane" not in repr(found) + caplog.text


def test_a_deployment_is_missing_only_if_the_workspace_has_none() -> None:
    bench = Bench()
    bench.http.script("POST", "/score", answers(404, {}))
    found = [bench.service.answer(ROWS, name) for name in ("m-1", "blue", "")]
    assert [(one.seen, one.is_missing) for one in found] == [
        (SILENT, True),
        (SILENT, False),
        (SILENT, False),
    ]
    bench.http.script("GET", "/deployments/m-1", answers(500, {}))
    assert not bench.service.answer(ROWS, "m-1").is_missing


def test_what_is_no_json_is_no_answer() -> None:
    bench = Bench()
    bench.http.script("POST", "/score", Answer(200, {}, b"<html>Jane"))
    found = bench.service.answer(ROWS, "m-1")
    assert (found.seen, found.detail) == (SILENT, "the answer is not JSON")


@pytest.mark.parametrize("error", [TransientError("reset"), OutcomeUnknownError("timed out")])
def test_a_request_without_an_answer_may_be_repeated(error: RelearnError) -> None:
    bench = Bench()
    bench.http.script("POST", "/score", error, answers(200, [1]))
    assert bench.service.answer(ROWS, "m-1").seen is SILENT
    assert bench.service.answer(ROWS, "m-1").answer == [1]


def test_an_endpoint_without_an_address_gives_no_answer() -> None:
    bench = Bench()
    bench.http.put(endpoint(scoringUri=None))
    assert "no address yet" in bench.service.answer(ROWS, "m-1").detail
