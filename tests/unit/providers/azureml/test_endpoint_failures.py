"""Failed deployments: the meaning of each code, their logs, and which are tried again."""

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest

from shared.core.serving.probes import CandidateFailure, EndpointCheck, UpdateProgress
from shared.core.serving.references import ServingState
from shared.core.serving.traffic import TrafficMap
from shared.errors import OutcomeUnknownError, PermanentError, TransientError
from shared.providers.azureml.errors import advice_for
from shared.providers.http.client import Answer
from shared.providers.studio.errors import Refusal
from tests.unit.providers.azureml.endpoint_service import OPERATION, Bench, deployment, endpoint
from tests.unit.providers.azureml.service import RUN, refuses, says, vector

PARK, REJECT, AGAIN = CandidateFailure.PARK, CandidateFailure.REJECT, CandidateFailure.AGAIN
NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


def operation(error: object, minutes_ago: int = 0, **known: Any) -> Answer:
    ended = (NOW - timedelta(minutes=minutes_ago)).isoformat()
    body = {"status": "Failed", "endTime": ended, "error": error, **known}
    return says(body, 200, {"Date": format_datetime(NOW, usegmt=True)})


def failed(answer: Any, state: str = "Failed", **known: Any) -> EndpointCheck:
    bench = Bench()
    candidate = bench.staged(provisioningState=state, **known)
    bench.http.script("GET", "/od:1", answer)
    check = bench.service.candidate_state(candidate)
    assert check.progress is UpdateProgress.FAILED
    return check


@pytest.mark.parametrize(
    ("code", "follows", "advice"),
    [
        ("OutOfQuota", PARK, "quota"),
        ("ImageBuildFailure", PARK, "environment"),
        ("BadArgument", PARK, "identity of the endpoint"),
        ("ResourceNotReady", REJECT, "get-logs"),
        ("ResourceNotFound", PARK, "register"),
        ("OperationCanceled", AGAIN, ""),
        ("Conflict", AGAIN, ""),
        ("InternalServerError", AGAIN, ""),
        ("WorkspaceManagedNetworkNotReady", PARK, "provision-network"),
        ("SecretsInjectionError", PARK, "secrets"),
        ("ModelRegistryError", PARK, "register"),
        ("resourcenotready", REJECT, "get-logs"),
        ("NeverHeardOf", PARK, "Studio"),
    ],
)
def test_each_code_has_a_class_and_advice(
    code: str, follows: CandidateFailure, advice: str
) -> None:
    check = failed(operation({"code": code, "message": "It is so."}))
    assert (check.failure, check.detail) == (follows, f"{code}: It is so.")
    assert advice in check.advice
    assert bool(check.advice) is (follows is not AGAIN)
    assert "retry" not in check.advice  # the run says that itself, after the advice


def test_a_quota_that_is_short_at_once_has_the_advice_of_one_that_is_short_later() -> None:
    later = failed(operation({"code": "OutOfQuota", "message": "It is so."}))
    assert advice_for(Refusal(400, "UserError", ("OutOfQuota",), "No.")) == later.advice


def test_the_published_failure_is_understood() -> None:
    check = failed(says(vector("pub_operation_failed")["body"]))
    assert (check.failure, check.detail.split(":")[0]) == (PARK, "ModelRegistryError")


def test_the_telling_code_may_be_an_inner_one() -> None:
    inner = {"code": "Wrapped", "innerError": {"code": "OutOfQuota"}}
    for error in (
        {"code": "UserError", "message": "m", "details": [{"code": "OutOfQuota"}]},
        {"code": "UserError", "message": "m", "innerError": inner},
        {"code": "UserError", "message": "m", "details": [None, 7, inner]},
    ):
        assert failed(operation(error)).failure is PARK
        assert "OutOfQuota" in failed(operation(error)).detail


@pytest.mark.parametrize(
    "answer",
    [
        refuses(404, "UserError"),
        refuses(400, "BadRequest"),
        says(None),
        says([]),
        says({"status": "Succeeded"}),
        says({"status": "Failed", "error": None}),
        says({"status": "Failed", "error": "text"}),
        Answer(200, {}, b"<html>"),
    ],
)
def test_a_failure_without_a_reason_is_for_an_operator_and_a_cancelled_one_is_not(
    answer: Answer,
) -> None:
    assert failed(answer).failure is PARK
    assert "no reason" in failed(answer).detail
    assert failed(answer, "Canceled").failure is AGAIN


def test_a_reason_that_cannot_be_read_now_is_read_later() -> None:
    for answer in (refuses(500, "x"), refuses(403, "x"), OutcomeUnknownError("lost")):
        with pytest.raises(TransientError):
            failed(answer)


@pytest.mark.parametrize(
    "address",
    [
        "",
        "https://elsewhere.example/od:1",
        "http://management.azure.com/od:1",
        7,
        None,
        "https://[",
    ],
)
def test_a_token_travels_to_the_workspace_alone(address: Any) -> None:
    bench = Bench()
    candidate = bench.staged(
        provisioningState="Failed", properties={"AzureAsyncOperationUri": address}
    )
    check = bench.service.candidate_state(candidate)
    assert (check.failure, "no reason" in check.detail) == (PARK, True)
    assert bench.http.calls == [f"GET deployments/{candidate.name}"]


def test_the_address_that_is_read_is_the_one_without_a_signature() -> None:
    bench = Bench()
    candidate = bench.staged(provisioningState="Failed")
    bench.service.candidate_state(candidate)
    assert bench.http.sent[-1].url == OPERATION.replace("oe:", "od:")


def test_a_message_is_cleaned_before_it_is_cut_short() -> None:
    secret = "s3cr3t-v4lue"
    message = "x" * 490 + secret + "?sig=" + "A" * 43 + "%3D"
    check = failed(operation({"code": "OutOfQuota", "message": message}))
    assert secret[:6] not in check.detail
    assert len(check.detail) < 600


# The log


def test_the_last_lines_of_a_candidate_are_cleaned() -> None:
    bench = Bench()
    lines = [f"line {at}" for at in range(80)]
    signed = "https://a.blob.core.windows.net/c/b?sv=1&sig=c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0c2U%3D"
    content = "\n".join([*lines, "", f"GET {signed}", "KeyError: 's3cr3t-v4lue'"])
    bench.http.script("POST", "/getLogs", says({"content": content}))
    shown = bench.service.log_lines(bench.staged())
    assert "sig=c2V" not in shown
    assert "s3cr3t" not in shown
    assert shown.endswith("'***'")
    assert len(shown.splitlines()) <= 50
    asked = bench.http.sent[-1].json()
    assert asked == {"containerType": "InferenceServer", "tail": 50}


def test_a_container_that_never_ran_has_the_log_of_what_fetches_the_model() -> None:
    bench = Bench()
    bench.http.script("POST", "/getLogs", says({"content": ""}), says({"content": "no blob"}))
    assert bench.service.log_lines(bench.staged()) == "no blob"
    assert bench.http.sent[-1].json()["containerType"] == "StorageInitializer"


@pytest.mark.parametrize("body", [{}, {"content": None}, {"content": 7}, {"content": " \n"}])
def test_a_candidate_without_a_log_has_no_lines(body: object) -> None:
    bench = Bench()
    bench.http.script("POST", "/getLogs", says(body))
    assert bench.service.log_lines(bench.staged()) == ""


def test_a_log_of_a_deployment_that_is_gone_is_empty_and_other_errors_are_raised() -> None:
    bench = Bench()
    bench.http.script("POST", "/getLogs", refuses(404, "UserError"))
    assert bench.service.log_lines(bench.candidate()) == ""
    bench.http.script("POST", "/getLogs", refuses(403, "AuthorizationFailed"))
    with pytest.raises(TransientError):
        bench.service.log_lines(bench.candidate())
    huge = "\n".join("y" * 1_000 for _ in range(50))
    bench.http.script("POST", "/getLogs", says({"content": huge}))
    assert len(bench.service.log_lines(bench.candidate())) <= 4_000


# A deployment that failed, and is to serve again


def broken(run: str | None = None) -> tuple[Bench, ServingState, tuple[TrafficMap, ...]]:
    """Return an endpoint whose former deployment has failed meanwhile."""
    bench = Bench()
    bench.http.put(deployment("blue", "1", run))
    state = bench.service.current()
    assert state is not None
    candidate = bench.staged()
    bench.http.put(deployment("blue", "1", run, provisioningState="Failed"))
    bench.http.put(endpoint({candidate.name: 100}))
    bench.http.sent.clear()
    return bench, state, (TrafficMap.of({candidate.name: 100}),)


def test_a_failed_deployment_is_made_again_from_its_recorded_body() -> None:
    bench, state, known = broken()
    bench.http.script("GET", "/od:1", operation({"code": "InternalServerError", "message": "m"}))
    with pytest.raises(TransientError, match="is made again"):
        bench.service.restore(state, known)
    assert [one.method for one in bench.http.writes] == ["PUT"]


def test_a_deployment_out_of_quota_is_not_made_again_each_minute() -> None:
    bench, state, known = broken()
    bench.http.script("GET", "/od:1", operation({"code": "OutOfQuota", "message": "m"}, 5))
    with pytest.raises(TransientError, match="raise the quota"):
        bench.service.restore(state, known)
    assert bench.http.writes == []
    bench.http.script("GET", "/od:1", operation({"code": "OutOfQuota", "message": "m"}, 20))
    with pytest.raises(TransientError, match="is made again"):
        bench.service.restore(state, known)
    assert len(bench.http.writes) == 1


def test_a_failed_deployment_that_takes_no_put_is_deleted_if_it_is_ours() -> None:
    for run, kind in ((RUN, TransientError), (None, PermanentError)):
        bench, state, known = broken(run)
        bench.http.script("GET", "/od:1", operation({"code": "InternalServerError"}))
        bench.http.script("PUT", "/blue", refuses(400, "UserError", message="It has failed."))
        with pytest.raises(kind):
            bench.service.restore(state, known)
        deleted = [one.method for one in bench.http.writes]
        assert deleted == (["PUT", "DELETE"] if run else ["PUT"])


def test_a_failed_deployment_with_a_registered_model_can_be_restored() -> None:
    bench, state, _ = broken()
    assert not bench.service.restorable(state)
    bench.http.resources["models/census/versions/1"] = {}
    assert bench.service.restorable(state)
