"""A classic endpoint is scored, and its answers show the state of the model."""

from dataclasses import replace
from typing import Any

import pytest

from shared.core.config.studio_endpoint import Verify
from shared.core.config.studio_urls import require_https
from shared.core.serving.probes import ProbeOutcome, UpdateProgress
from shared.errors import PermanentError, RelearnError, TransientError
from shared.providers.http.client import Answer
from tests.fakes.blobs import ACCOUNT
from tests.unit.providers.endpoint_scripts import (
    API,
    DONE,
    LOST,
    SHOWS,
    by_token,
    endpoint,
    reported,
)
from tests.unit.samples import BASE, ROWS, UPDATE
from tests.unit.scripted import ENVIRONMENT, SAS, answering, call, refuses

VERIFY = Verify.model_validate({"score": f"{BASE}/execute?api-version=2.0", "rows": ROWS})


def scores(*rows: list[Any]) -> Answer:
    value = {"ColumnNames": ["a", "Scored Labels"], "Values": list(rows)}
    return answering({"Results": {"output1": {"type": "table", "value": value}}})


def probed(answer: Answer | RelearnError) -> Any:
    """Return what a check's probe shows when the read-back goes well."""
    return endpoint(reported(None), answer, verify=VERIFY)[0].check().probe


def test_a_check_scores_the_probe_rows_with_the_key_for_scoring() -> None:
    given = {
        "BaseLocation": ACCOUNT,
        "RelativeLocation": "/models/x.ilearner",
        "SasBlobToken": SAS,
    }
    serving, script = endpoint(reported(given), scores(["1", "0"], ["2", "1"]), verify=VERIFY)
    check = serving.check()
    assert check.progress is UpdateProgress.NOT_REPORTED
    assert check.configured == "models/x.ilearner"
    assert check.probe is not None
    assert (check.probe.seen, check.probe.rows) == (ProbeOutcome.GOOD, (("0",), ("1",)))
    sent = script.sent[1]
    assert (sent.method, sent.url) == ("POST", f"{BASE}/execute?api-version=2.0")
    assert sent.headers["Authorization"] == f"Bearer {ENVIRONMENT['SCORE_KEY']}"
    assert sent.json() == ROWS


def test_answers_carry_which_rows_they_are_to() -> None:
    rows = {"Inputs": {"input1": {"ColumnNames": ["a"], "Values": [["1"], ["3"]]}}}
    other = Verify.model_validate({"score": f"{BASE}/execute", "rows": rows})
    checks = [
        endpoint(reported(None), answer, verify=verify)[0].check().probe
        for verify in (VERIFY, other)
        for answer in (scores(["1", "0"], ["2", "1"]), Answer(503, {}, b""))
    ]
    requests = [probe.request for probe in checks if probe is not None]
    assert requests[0] == requests[1] != requests[2] == requests[3]
    assert all(requests)


def test_a_check_continues_without_the_read_back() -> None:
    serving, _ = endpoint(Answer(503, {}, b""), scores(["1", "0"], ["2", "1"]), verify=VERIFY)
    check = serving.check()
    assert check.configured is None
    assert check.probe is not None
    assert check.probe.seen is ProbeOutcome.GOOD


def test_without_probe_rows_nothing_is_scored() -> None:
    serving, script = endpoint(reported(None))
    assert serving.check().probe is None
    assert len(script.sent) == 1


@pytest.mark.parametrize(
    "answer",
    [
        LOST,
        TransientError("refused"),
        refuses(401, "Unauthorized", "ScoreRequestUnauthorized"),
        refuses(408, "RequestTimeout", "ScoreRequestTimeout"),
        Answer(429, {}, b""),
        refuses(500, "InternalError"),
        Answer(502, {}, b"<html>"),
        refuses(503, "InitializingContainers"),
        refuses(503, "ServiceUnavailable", "TooManyConcurrentRequests"),
        refuses(504, "GatewayTimeout", "BackendScoreTimeout"),
        Answer(200, {}, b"<html>"),
    ],
)
def test_an_error_that_is_not_the_models_is_not_an_answer(answer: Answer | RelearnError) -> None:
    assert probed(answer).seen is ProbeOutcome.NO_ANSWER


@pytest.mark.parametrize("answer", [Answer(403, {}, b""), refuses(404, "NotFound")])
def test_what_is_about_the_probes_own_url_or_key_is_refused(answer: Answer) -> None:
    assert probed(answer).seen is ProbeOutcome.REFUSED


@pytest.mark.parametrize(
    "answer",
    [
        refuses(400, "LibraryExecutionError", "ModuleExecutionError"),
        refuses(400, "InvalidOperation", "IncompatibleModel"),
        refuses(400, "WebServicePackageError", "RuntimesError"),
        refuses(413, "MemoryQuotaViolation", "OutOfMemoryLimit"),
        refuses(500, "InternalError", "ModuleExecutionFailed"),
        refuses(500, "InternalError", "ResourceLoadFailed"),
        refuses(500, "InternalError", "OutputConversionFailed"),
        scores(["1", "0"]),
        scores(["1", "NaN"], ["2", "0"]),
        answering({"Results": {}}),
    ],
)
def test_an_error_of_the_model_is_broken(answer: Answer) -> None:
    assert probed(answer).seen is ProbeOutcome.BROKEN


def test_a_500_about_the_model_package_is_the_models_fault_too() -> None:
    assert probed(refuses(500, "ModelPackageFormatError")).seen is ProbeOutcome.BROKEN


def test_the_reason_is_the_services_own_without_the_key_for_scoring() -> None:
    words = f"missing feature(s): 'hello'. {ENVIRONMENT['SCORE_KEY']} {SAS}"
    seen = probed(refuses(400, "LibraryExecutionError", message=words))
    assert "missing feature(s): 'hello'" in seen.detail
    assert ENVIRONMENT["SCORE_KEY"] not in seen.detail
    assert "c2lnbmF0dXJl" not in seen.detail


def test_a_check_that_can_never_work_is_reported() -> None:
    broken = PermanentError("GET: the service's certificate is not trusted")
    with pytest.raises(PermanentError):
        endpoint(broken, verify=VERIFY)[0].check()


def test_the_scoring_url_and_key_are_read_from_the_endpoint() -> None:
    serving, script = by_token(SHOWS, scores(["1", "0"], ["2", "1"]))
    probe = serving.check().probe
    assert probe is not None
    assert probe.seen is ProbeOutcome.GOOD
    asked, scored = script.sent
    assert (asked.method, asked.url) == ("GET", UPDATE)
    assert (scored.method, scored.url) == ("POST", f"{API}/execute?api-version=2.0&details=true")
    assert scored.headers["Authorization"] == "Bearer ZXAta2V5"


def test_rows_as_objects_are_scored_in_their_own_form() -> None:
    objects = Verify.model_validate({"rows": {"Inputs": {"input1": [{"a": "1"}, {"a": "2"}]}}})
    serving, script = by_token(SHOWS, answering({"Results": {}}), verify=objects)
    serving.check()
    assert script.sent[1].url == f"{API}/execute?api-version=2.0&details=true&format=swagger"


def test_of_url_and_key_only_what_is_not_configured_is_read_from_the_endpoint() -> None:
    serving, script = by_token(SHOWS, DONE, verify=VERIFY)
    serving.check()
    assert script.sent[1].url == f"{BASE}/execute?api-version=2.0"
    assert script.sent[1].headers["Authorization"] == "Bearer ZXAta2V5"
    serving, script = by_token(SHOWS, DONE)
    replace(serving, scoring=call(script, "${SCORE_KEY}")).check()
    assert script.sent[1].url.startswith(f"{API}/execute")
    assert script.sent[1].headers["Authorization"] == f"Bearer {ENVIRONMENT['SCORE_KEY']}"


@pytest.mark.parametrize(
    "location",
    [
        "http://ussouthcentral.services.azureml.net/workspaces/w1/services/e1",
        "http://127.0.0.1:8080/workspaces/w1/services/e1",
        "ftp://ussouthcentral.services.azureml.net/e1",
        "file:///etc/passwd",
        "//ussouthcentral.services.azureml.net/e1",
        "ussouthcentral.services.azureml.net/e1",
        "https://[half.an.address/e1",
    ],
)
def test_no_key_is_sent_to_a_scoring_url_that_is_not_secure(location: str) -> None:
    shown = answering({"ApiLocation": location, "PrimaryKey": "ZXAta2V5"})
    serving, script = by_token(shown, scores(["1", "0"], ["2", "1"]))
    with pytest.raises(PermanentError, match="endpoint production reports a scoring URL") as caught:
        serving.check()
    assert "ZXAta2V5" not in str(caught.value)
    assert len(script.sent) == 1


def test_plain_http_is_fine_on_loopback_in_development() -> None:
    shown = answering({"ApiLocation": "http://127.0.0.1:8080/e1", "PrimaryKey": "ZXAta2V5"})
    serving, script = by_token(
        shown, DONE, allowed=lambda url: require_https(url, development=True)
    )
    serving.check()
    assert script.sent[1].url.startswith("http://127.0.0.1:8080/e1/execute")


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"PrimaryKey": "ZXAta2V5"}, r"write `verify\.score`"),
        ({"ApiLocation": None, "PrimaryKey": "ZXAta2V5"}, r"write `verify\.score`"),
        ({"ApiLocation": API}, r"write `verify\.api_key`"),
        ({"ApiLocation": API, "PrimaryKey": ""}, r"write `verify\.api_key`"),
    ],
)
def test_an_endpoint_that_does_not_report_how_to_score_it_is_reported_with_the_advice(
    body: object, words: str
) -> None:
    serving, script = by_token(answering(body))
    with pytest.raises(PermanentError, match=words):
        serving.check()
    assert len(script.sent) == 1


@pytest.mark.parametrize("status", [401, 403, 404, 405, 429, 500, 503])
def test_a_check_of_an_endpoint_that_does_not_answer_is_no_answer(status: int) -> None:
    serving, script = by_token(Answer(status, {}, b""))
    probe = serving.check().probe
    assert probe is not None
    assert (probe.seen, probe.rows) == (ProbeOutcome.NO_ANSWER, ())
    assert "does not report its scoring URL and key now" in probe.detail
    assert len(script.sent) == 1


@pytest.mark.parametrize("status", [401, 403, 404, 405, 429, 500, 503])
def test_a_refused_read_back_is_no_error_where_url_and_key_are_configured(status: int) -> None:
    serving, _ = endpoint(Answer(status, {}, b""), scores(["1", "0"], ["2", "1"]), verify=VERIFY)
    probe = serving.check().probe
    assert probe is not None
    assert probe.seen is ProbeOutcome.GOOD
