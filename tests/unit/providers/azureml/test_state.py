"""The state of a job: statuses, orphans, failures, reused steps, and cancellation."""

from datetime import timedelta
from typing import Any

import pytest

from shared.errors import OutcomeUnknownError, PermanentError, TransientError
from shared.ports.training import JobStatus
from tests.unit.providers.azureml.service import API, WS, Bench, refuses, says, vector

JOB = "rl-census-1"


def failed_step(name: str = "train", **known: Any) -> dict[str, Any]:
    (step,) = vector("rec_run_children_failed_200")["response"]["body"]["value"]
    return {**step, "displayName": name, **known}


def failed(bench: Bench, *steps: dict[str, Any]) -> None:
    bench.workspace.job(JOB, "Failed")
    parent = vector("rec_rundata_failed_pipeline_200")["response"]["body"]
    bench.workspace.history[f"rundata {JOB}"] = parent
    bench.workspace.history[f"children {JOB}"] = list(steps)


@pytest.mark.parametrize(
    ("status", "stands"),
    [
        ("NotStarted", JobStatus.RUNNING),
        ("Starting", JobStatus.RUNNING),
        ("Provisioning", JobStatus.RUNNING),
        ("Preparing", JobStatus.RUNNING),
        ("Queued", JobStatus.RUNNING),
        ("Running", JobStatus.RUNNING),
        ("Finalizing", JobStatus.RUNNING),
        ("CancelRequested", JobStatus.RUNNING),
        ("Completed", JobStatus.FINISHED),
        ("Failed", JobStatus.FAILED),
        ("Canceled", JobStatus.CANCELLED),
        ("completed", JobStatus.FINISHED),
        ("NotResponding", JobStatus.RUNNING),
        ("Paused", JobStatus.RUNNING),
        ("Waiting", JobStatus.RUNNING),
        ("", JobStatus.RUNNING),
    ],
)
def test_each_status_has_a_meaning_and_an_unknown_one_continues(
    status: str, stands: JobStatus
) -> None:
    bench = Bench()
    bench.workspace.job(JOB, status)
    assert bench.service.state(JOB).status is stands


def test_an_unknown_status_is_said() -> None:
    bench = Bench()
    bench.workspace.job(JOB, "Waiting")
    assert bench.service.state(JOB).details == "the service calls its status Waiting"
    bench.workspace.job(JOB, "Running")
    assert bench.service.state(JOB).details == ""


def test_an_unchanged_job_costs_one_get() -> None:
    for status in ("Queued", "Running", "NotStarted"):
        bench = Bench()
        bench.workspace.job(JOB, status)
        bench.service.state(JOB)
        assert [one.method for one in bench.workspace.sent] == ["GET"]


@pytest.mark.parametrize("body", [None, {"error": {"code": "NotFound", "message": "x"}}, "null"])
def test_a_404_with_any_body_means_that_the_job_does_not_exist(body: object) -> None:
    bench = Bench()
    bench.workspace.script("GET", JOB, says(body, 404))
    state = bench.service.state(JOB)
    assert (state.status, state.known) == (JobStatus.NOT_STARTED, False)


@pytest.mark.parametrize("status", [401, 403, 408, 409, 429, 500, 503, 504])
def test_a_look_that_fails_says_nothing_about_the_job(status: int) -> None:
    bench = Bench()
    bench.workspace.script("GET", JOB, refuses(status, "Busy"))
    with pytest.raises(TransientError):
        bench.service.state(JOB)
    bench.workspace.script("GET", JOB, OutcomeUnknownError("GET: the answer was lost"))
    with pytest.raises(TransientError, match="the answer was lost"):
        bench.service.state(JOB)


def test_an_answer_that_is_no_job_says_nothing_about_it() -> None:
    for body in ("null", [1]):
        bench = Bench()
        bench.workspace.script("GET", JOB, says(body))
        with pytest.raises(TransientError, match="holds no JSON object"):
            bench.service.state(JOB)


# Orphans


def old(bench: Bench, status: str, minutes: int = 16, **known: Any) -> None:
    bench.workspace.job(JOB, status, **known)
    bench.clock.move(timedelta(minutes=minutes))


def test_a_job_that_never_began_is_an_orphan_after_a_while() -> None:
    bench = Bench()
    old(bench, "NotStarted", 14)
    assert bench.service.state(JOB).status is JobStatus.RUNNING
    bench.clock.move(timedelta(minutes=2))
    state = bench.service.state(JOB)
    assert (state.status, state.details) == (
        JobStatus.ORPHANED,
        "no step of it began within 15m",
    )


def test_the_time_until_then_can_be_set() -> None:
    bench = Bench(orphan_after="1h")
    old(bench, "NotStarted", 59)
    assert bench.service.state(JOB).status is JobStatus.RUNNING


def test_a_job_with_a_step_is_no_orphan_and_no_other_status_is() -> None:
    bench = Bench()
    old(bench, "NotStarted")
    bench.workspace.history[f"children {JOB}"] = [{"runId": "x", "status": "Queued"}]
    assert bench.service.state(JOB).status is JobStatus.RUNNING
    other = Bench()
    old(other, "Preparing")
    assert other.service.state(JOB).status is JobStatus.RUNNING


def test_a_cancelled_orphan_never_ends_and_a_cancelled_command_may_still_run() -> None:
    bench = Bench()
    old(bench, "CancelRequested")
    assert bench.service.state(JOB).status is JobStatus.ORPHANED
    other = Bench()
    old(other, "CancelRequested", jobType="Command")
    assert other.service.state(JOB).status is JobStatus.RUNNING


def test_a_history_that_does_not_know_the_job_knows_no_step_of_it() -> None:
    bench = Bench()
    old(bench, "NotStarted")
    bench.workspace.script("GET", "/children", refuses(404, "UserError", "RunNotFound"))
    assert bench.service.state(JOB).status is JobStatus.ORPHANED


def test_a_job_of_which_no_step_can_be_read_is_no_orphan() -> None:
    bench = Bench()
    old(bench, "NotStarted")
    bench.workspace.script("GET", "/children", refuses(503, "Busy"))
    assert bench.service.state(JOB).status is JobStatus.RUNNING


# Failures


def test_the_reason_of_a_failed_pipeline_is_that_of_its_failed_step() -> None:
    bench = Bench()
    failed(bench, failed_step(), {"runId": "other", "status": "Completed"})
    state = bench.service.state(JOB)
    assert state.status is JobStatus.FAILED
    assert state.details.startswith(
        "step train: UserError: Error Code: ScriptExecution.StreamAccess.Authentication"
    )
    assert "child jobs" not in state.details
    assert "Storage Blob Data Reader" in state.advice
    (rundata,) = bench.workspace.calls("POST", "/rundata")
    assert rundata.url == f"{API}/history/v1.0{WS}/rundata?api-version=v1.0"
    assert rundata.json() == {"runId": JOB, "selectRunMetadata": True}


def test_the_reason_of_a_command_is_its_own() -> None:
    bench = Bench()
    bench.workspace.job(JOB, "Failed", jobType="Command")
    error = {"code": "UserError", "message": "Exit code 1.\nSee the logs."}
    bench.workspace.history[f"rundata {JOB}"] = {"runMetadata": {"error": {"error": error}}}
    state = bench.service.state(JOB)
    assert (state.details, state.advice) == (
        "UserError: Exit code 1. See the logs.",
        "see its logs in Studio",
    )


def test_a_pipeline_inside_a_pipeline_is_followed() -> None:
    inner = {"error": {"error": {"code": "UserError", "referenceCode": "PipelineHasStepJobFailed"}}}
    bench = Bench()
    failed(bench, {"runId": "inner", "status": "Failed", "displayName": "outer", **inner})
    bench.workspace.history["children inner"] = [failed_step("fit")]
    assert bench.service.state(JOB).details.startswith("step outer: step fit: UserError")


def test_a_reason_holds_no_signature() -> None:
    error = {"error": {"code": "UserError", "message": "GET https://x/y?sv=1&sig=abc%2Fdef%3D no"}}
    bench = Bench()
    failed(bench, failed_step(error=error))
    assert "abc" not in bench.service.state(JOB).details


def test_a_job_has_failed_even_if_its_history_fails() -> None:
    bench = Bench()
    bench.workspace.job(JOB, "Failed")
    bench.workspace.script("POST", "/rundata", *[refuses(503, "Busy")] * 2)
    state = bench.service.state(JOB)
    assert state.status is JobStatus.FAILED
    assert "its reason could not be read" in state.details
    failed(bench, failed_step())
    bench.workspace.script("POST", "/rundata", refuses(503, "Busy"))
    assert "step train" in bench.service.state(JOB).details


def test_the_other_token_is_tried_where_the_first_is_refused() -> None:
    bench = Bench()
    bench.workspace.unauthorized = {"token for https://management.azure.com/.default"}
    failed(bench, failed_step())
    assert "step train" in bench.service.state(JOB).details


def test_the_host_of_the_history_is_the_workspaces_own() -> None:
    bench = Bench()
    bench.workspace.resources[""] = {
        "properties": {"discoveryUrl": "https://westus.api.azureml.ms/discovery"}
    }
    bench.workspace.script("GET", "/discovery", says({"api": "https://westus.api.azureml.ms/"}))
    failed(bench, failed_step())
    assert "step train" in bench.service.state(JOB).details
    (discovery,) = bench.workspace.calls("GET", "/discovery")
    assert "Authorization" not in discovery.headers


def test_no_token_travels_to_an_address_that_is_no_service() -> None:
    bench = Bench()
    bench.workspace.resources[""] = {
        "properties": {"mlFlowTrackingUri": f"azureml://169.254.169.254/mlflow/v1.0{WS}"}
    }
    bench.workspace.job(JOB, "Failed")
    assert "the address that the workspace names" in bench.service.state(JOB).details
    assert not bench.workspace.calls("POST", "169.254")


# The end, and the request for it


def test_a_step_that_was_not_run_again_is_said() -> None:
    bench = Bench()
    bench.workspace.job(JOB, "Completed")
    reused = {"azureml.isreused": "true", "azureml.reusedrunid": "old-run"}
    bench.workspace.history[f"children {JOB}"] = [
        {"runId": "a", "displayName": "fit", "properties": reused},
        {"runId": "b", "displayName": "score", "properties": {}},
    ]
    state = bench.service.state(JOB)
    assert state.note == "step fit was not run again: it took the result of old-run"
    bench.workspace.script("GET", "/children", *[refuses(500, "Busy")] * 2)
    assert "could not be read" in bench.service.state(JOB).note


def test_a_finished_command_is_not_asked_about_steps() -> None:
    bench = Bench()
    bench.workspace.job(JOB, "Completed", jobType="Command")
    assert bench.service.state(JOB).note == ""
    assert len(bench.workspace.sent) == 1


def test_cancelling_is_a_post_and_one_that_has_ended_is_fine() -> None:
    bench = Bench()
    bench.workspace.job(JOB, "Running")
    bench.service.cancel(JOB)
    (post,) = bench.workspace.calls("POST", "/cancel")
    assert post.url.endswith(f"/jobs/{JOB}/cancel?api-version=2025-12-01")
    assert post.body == b""
    recorded = vector("rec_job_cancel_400_terminal")["response"]
    bench.workspace.script("POST", "/cancel", says(recorded["body"], recorded["status"]))
    bench.service.cancel(JOB)
    bench.workspace.script("POST", "/cancel", refuses(400, "UserError", "SomethingElse"))
    with pytest.raises(PermanentError, match="SomethingElse"):
        bench.service.cancel(JOB)


@pytest.mark.parametrize("status", [202, 200])
def test_an_accepted_cancel_is_not_followed(status: int) -> None:
    bench = Bench()
    bench.workspace.job(JOB, "Running")
    bench.workspace.script("POST", "/cancel", says(None, status, {"Location": "https://x/y"}))
    bench.service.cancel(JOB)
    assert [one.method for one in bench.workspace.sent] == ["GET", "POST"]


def test_a_cancel_without_a_clear_answer_may_be_repeated() -> None:
    bench = Bench()
    bench.workspace.job(JOB, "Running")
    bench.workspace.script("POST", "/cancel", refuses(504, "GatewayTimeout"))
    with pytest.raises(TransientError):
        bench.service.cancel(JOB)
