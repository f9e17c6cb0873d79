from collections.abc import Callable
from datetime import timedelta
from functools import partial

import pytest

from shared.errors import ConfigError, OutcomeUnknownError, RelearnError, TransientError
from shared.ports.storage import SignedBlob
from shared.ports.training import JobRequest, JobStatus
from shared.providers.http.client import Answer
from shared.providers.studio.errors import StudioRefusedError
from tests.fakes.blobs import ACCOUNT
from tests.unit.batches import JOB, URL, batch, request
from tests.unit.samples import BASE, blob
from tests.unit.scripted import KEY, SAS, answering, refuses

DONE = Answer(200, {}, b"")
LOST = OutcomeUnknownError("POST: the answer was lost")


def test_the_submitted_body_is_the_documented_one() -> None:
    service, script = batch(answering(JOB))
    parameters = {"Data date": "2026", "n": 3, "ratio": 0.5, "shuffle": True}
    assert service.prepare(request(parameters=parameters)) == JOB
    (sent,) = script.sent
    assert (sent.method, sent.url) == ("POST", URL)
    assert sent.headers == {"Authorization": f"Bearer {KEY}", "Content-Type": "application/json"}
    body = sent.json()
    assert set(body) == {"Inputs", "Outputs", "GlobalParameters"}
    assert body["GlobalParameters"] == parameters
    locations = {**body["Inputs"], **body["Outputs"]}
    assert set(locations) == {"input1", "output1"}
    for location in locations.values():
        assert set(location) == {"BaseLocation", "RelativeLocation", "SasBlobToken"}
        assert location["BaseLocation"] == ACCOUNT
        assert location["SasBlobToken"].startswith("?")
    assert locations["input1"]["RelativeLocation"] == "training-data/census/new.csv"
    assert (
        locations["output1"]["RelativeLocation"] == "models/runs/sample/sample-1/1/model.ilearner"
    )
    assert "sp=r&" in locations["input1"]["SasBlobToken"]
    assert "sp=cw&" in locations["output1"]["SasBlobToken"]


def test_signatures_outlive_the_timeout_by_an_hour() -> None:
    service, script = batch(answering(JOB))
    service.prepare(request(timeout=timedelta(hours=5)))
    token = script.sent[0].json()["Inputs"]["input1"]["SasBlobToken"]
    assert "se=2026-03-01T18%3A00%3A00" in token


def test_a_service_without_inputs_is_sent_none() -> None:
    service, script = batch(answering(JOB))
    service.prepare(request(inputs={}))
    assert "Inputs" not in script.sent[0].json()


def test_app_settings_in_parameters_are_filled_in_on_the_wire_alone() -> None:
    asked = request(parameters={"query": "key=${ENDPOINT_KEY};x=${SCORE_KEY}", "plain": "$5 {a}"})
    service, script = batch(answering(JOB))
    service.prepare(asked)
    sent = script.sent[0].json()["GlobalParameters"]
    assert sent == {"query": f"key={KEY};x=c2NvcmU=", "plain": "$5 {a}"}
    assert KEY not in repr(asked)


@pytest.mark.parametrize("name", ["MISSING", "EMPTY"])
def test_a_missing_app_setting_is_named_and_nothing_is_sent(name: str) -> None:
    service, script = batch(answering(JOB))
    with pytest.raises(ConfigError, match=name):
        service.prepare(request(parameters={"x": f"${{{name}}}"}))
    assert script.sent == []


def test_the_id_comes_as_a_json_string() -> None:
    service, _ = batch(Answer(200, {}, f' "{JOB}" \r\n'.encode()))
    assert service.prepare(request()) == JOB


@pytest.mark.parametrize("body", [b"", b"{}", b'""', b'" "', b"123", b"null", b"<html>", b"[1]"])
def test_a_2xx_without_an_id_may_have_made_a_job(body: bytes) -> None:
    service, _ = batch(Answer(200, {}, body))
    with pytest.raises(OutcomeUnknownError, match="no job id"):
        service.prepare(request())


def test_a_2xx_that_repeats_the_request_gives_no_secret_away() -> None:
    for echo in (f"x{SAS}", f"Bearer {KEY}", KEY):
        service, _ = batch(answering({"echo": echo}))
        with pytest.raises(OutcomeUnknownError) as caught:
            service.prepare(request())
        assert KEY not in str(caught.value)
        assert "c2lnbmF0dXJl" not in str(caught.value)


def test_a_start_is_an_empty_post_to_that_very_job() -> None:
    service, script = batch(DONE)
    service.ensure_started(JOB, request())
    (sent,) = script.sent
    assert (sent.method, sent.url) == ("POST", f"{BASE}/jobs/{JOB}/start?api-version=2.0")
    assert not sent.body


@pytest.mark.parametrize("status", [200, 202, 204])
def test_any_2xx_is_a_start(status: int) -> None:
    service, _ = batch(Answer(status, {}, b""))
    service.ensure_started(JOB, request())


def test_cannot_start_means_started_already() -> None:
    service, script = batch(refuses(400, "InvalidOperation", "CannotStartJob"))
    service.ensure_started(JOB, request())
    assert len(script.sent) == 1


@pytest.mark.parametrize(
    ("status", "raises"), [("Running", False), ("Finished", False), ("NotStarted", True)]
)
def test_another_refusal_of_a_start_is_checked_against_the_job(
    status: str, *, raises: bool
) -> None:
    service, _ = batch(refuses(400, "BadArgument"), answering({"StatusCode": status}))
    if not raises:
        service.ensure_started(JOB, request())
        return
    with pytest.raises(StudioRefusedError):
        service.ensure_started(JOB, request())


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (LOST, OutcomeUnknownError),
        (refuses(500, "InternalError"), OutcomeUnknownError),
        (Answer(504, {}, b""), OutcomeUnknownError),
        (refuses(503, "ServiceUnavailable"), TransientError),
        (TransientError("refused"), TransientError),
    ],
)
@pytest.mark.parametrize("step", ["prepare", "start"])
def test_the_meaning_of_a_failed_write(
    step: str, answer: Answer | RelearnError, error: type[RelearnError]
) -> None:
    service, _ = batch(answer)
    do: Callable[[JobRequest], object] = service.prepare
    if step == "start":
        do = partial(service.ensure_started, JOB)
    with pytest.raises(error):
        do(request())


@pytest.mark.parametrize(
    ("reported", "status"),
    [
        ("NotStarted", JobStatus.NOT_STARTED),
        ("Running", JobStatus.RUNNING),
        ("Failed", JobStatus.FAILED),
        ("Cancelled", JobStatus.CANCELLED),
        ("Canceled", JobStatus.CANCELLED),
        ("Finished", JobStatus.FINISHED),
        ("finished", JobStatus.FINISHED),
        ("Not Started", JobStatus.NOT_STARTED),
        (0, JobStatus.NOT_STARTED),
        (1, JobStatus.RUNNING),
        (2, JobStatus.FAILED),
        (3, JobStatus.CANCELLED),
        (4, JobStatus.FINISHED),
        ("4", JobStatus.FINISHED),
    ],
)
def test_states_are_read_as_names_and_as_numbers(reported: object, status: JobStatus) -> None:
    service, script = batch(
        answering({"StatusCode": reported, "Results": None, "Details": None, "New": 1})
    )
    assert service.state(JOB).status is status
    assert script.sent[0].url == f"{BASE}/jobs/{JOB}?api-version=2.0"
    assert script.sent[0].body is None


@pytest.mark.parametrize("reported", ["Queued", 5, -1, None, "", True, ["Running"]])
def test_an_unknown_state_is_no_answer(reported: object) -> None:
    service, _ = batch(answering({"StatusCode": reported}))
    with pytest.raises(TransientError, match="status"):
        service.state(JOB)


@pytest.mark.parametrize("body", [b"", b"{}", b"[]", b'"Running"', b"{not json", b"<html>"])
def test_garbage_says_nothing_about_a_job(body: bytes) -> None:
    service, _ = batch(Answer(200, {}, body))
    with pytest.raises(TransientError):
        service.state(JOB)


def test_results_are_locations_that_show_no_signature() -> None:
    location = {
        "ConnectionString": None,
        "RelativeLocation": "/experimentoutput/x/x.ilearner",
        "BaseLocation": ACCOUNT,
        "SasBlobToken": SAS,
    }
    reported = {
        "StatusCode": "Finished",
        "Results": {"output1": location, "drift_kind": None},
        "Details": None,
    }
    service, _ = batch(answering(reported))
    state = service._state(JOB)
    assert state[1] == {"output1": SignedBlob(ACCOUNT, "experimentoutput/x/x.ilearner", SAS)}
    assert "sig" not in repr(state)


def test_the_reason_of_a_failed_job_is_the_services_own_without_secrets() -> None:
    details = f"BlobNotFound: https://a/c/b{SAS} with {KEY}, Error code: LibraryExecutionError"
    service, _ = batch(answering({"StatusCode": "Failed", "Details": details}))
    shown = service.state(JOB).details
    assert shown.startswith("BlobNotFound: https://a/c/b?***")
    assert shown.endswith("Error code: LibraryExecutionError")
    assert KEY not in shown


def test_a_job_that_is_not_known_is_gone() -> None:
    service, _ = batch(refuses(404, "NotFound"))
    assert service.state(JOB).status is JobStatus.GONE


@pytest.mark.parametrize("answer", [LOST, Answer(500, {}, b""), Answer(429, {}, b"")])
def test_a_check_without_an_answer_may_be_repeated(answer: Answer | RelearnError) -> None:
    service, _ = batch(answer)
    with pytest.raises(TransientError):
        service.state(JOB)


@pytest.mark.parametrize("status", [200, 204, 404])
def test_a_job_is_cancelled_by_deleting_it(status: int) -> None:
    service, script = batch(Answer(status, {}, b""))
    service.cancel(JOB)
    sent = script.sent[0]
    assert (sent.method, sent.url) == ("DELETE", f"{BASE}/jobs/{JOB}?api-version=2.0")
    assert sent.headers == {"Authorization": f"Bearer {KEY}"}


@pytest.mark.parametrize("answer", [LOST, Answer(500, {}, b"")])
def test_a_cancel_whose_answer_was_lost_may_be_repeated(answer: Answer | RelearnError) -> None:
    service, _ = batch(answer)
    with pytest.raises(TransientError):
        service.cancel(JOB)


def test_the_one_input_of_a_service_is_sent_without_a_name() -> None:
    service, script = batch(answering(JOB))
    service.prepare(request(inputs={"": blob("census/new.csv")}, training={"input": "{data}"}))
    body = script.sent[0].json()
    assert "Inputs" not in body
    assert body["Input"]["RelativeLocation"] == "training-data/census/new.csv"


def test_outputs_that_are_not_named_are_left_to_the_service() -> None:
    service, script = batch(answering(JOB))
    service.prepare(request(outputs={}, training={"outputs": {}}))
    assert "Outputs" not in script.sent[0].json()


def test_a_job_goes_to_the_dedicated_pool_that_is_named() -> None:
    service, script = batch(answering(JOB))
    service.prepare(request(training={"azure_batch_pool_id": "8dfc151b0d3e446497b845f3b29ef53b"}))
    assert script.sent[0].json()["AzureBatchPoolId"] == "8dfc151b0d3e446497b845f3b29ef53b"


@pytest.mark.parametrize("depth", [100, 400, 700, 900, 5000])
def test_an_answer_that_is_nested_without_end_is_no_obstacle(depth: int) -> None:
    body = b"[" * depth + b"]" * depth
    service, _ = batch(Answer(400, {}, body))
    with pytest.raises(StudioRefusedError):
        service.prepare(request())


@pytest.mark.parametrize("reported", ["Service busy", "../other", "a/b", "?x", "{}"])
def test_words_are_no_job_id(reported: str) -> None:
    service, _ = batch(answering(reported))
    with pytest.raises(OutcomeUnknownError, match="no job id"):
        service.prepare(request())


def test_the_misprinted_name_of_the_state_is_read_too() -> None:
    service, _ = batch(
        answering({"Status Code": "Finished"}), answering({"StatusCode": 0, "Status Code": 4})
    )
    assert service.state(JOB).status is JobStatus.FINISHED
    assert service.state(JOB).status is JobStatus.NOT_STARTED


def test_what_a_service_says_of_a_job_it_does_not_know_comes_with_advice() -> None:
    service, _ = batch(refuses(404, "NotFound", "WebServiceNotFound"))
    assert "WebServiceNotFound happened. (HTTP 404): " in service.state(JOB).details
    assert "training.service" in service.state(JOB).details


def test_a_state_that_holds_a_secret_does_not_show_it() -> None:
    service, _ = batch(answering({"StatusCode": f"{KEY} for x{SAS}"}))
    with pytest.raises(TransientError) as caught:
        service.state(JOB)
    assert KEY not in str(caught.value)
    assert "c2lnbmF0dXJl" not in str(caught.value)
