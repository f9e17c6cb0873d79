"""The stand-in for jobs behaves as azure-machine-learning-v2 §2 says."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import pytest

from local.azureml.answers import NoAnswerError
from local.azureml.calls import Fault
from local.azureml.service import AzureMl
from local.azureml.switches import Switches
from tests.fakes.clock import FakeClock
from tests.unit.fakes.azureml_bench import codes

SENT = "azureml://datastores/models/paths/relearn/r/1/model/"
PIPELINE = {
    "properties": {
        "jobType": "Pipeline",
        "componentId": "components/train/versions/3",
        "jobs": {},
        "tags": {"relearn.run": "r"},
        "outputs": {"model": {"jobOutputType": "uri_folder", "uri": SENT}},
    }
}


class Jobs:
    def __init__(self, **switches: Any) -> None:
        self.clock = FakeClock()
        self.service = AzureMl(self.clock, Switches(**switches))

    def put(self, name: str = "j") -> int:
        return self.service.put_job(name, PIPELINE).status

    def status(self, name: str = "j") -> str:
        return str(self.service.get_job(name).body["properties"]["status"])

    def after(self, minutes: float) -> str:
        self.clock.move(timedelta(minutes=minutes))
        return self.status()


def test_a_job_runs_its_course() -> None:
    jobs = Jobs()
    assert jobs.service.get_job("j").status == 404
    assert jobs.put() == 201
    assert jobs.status() == "Preparing"
    course = [jobs.after(minutes) for minutes in (2, 1, 20, 1)]
    assert course == ["Queued", "Running", "Finalizing", "Completed"]


def test_every_status_can_be_set() -> None:
    """azure-machine-learning-v2 §2.5."""
    jobs = Jobs()
    jobs.put()
    for status in ("NotStarted", "Queued", "NotResponding", "Waiting", "Failed"):
        jobs.service.hooks.set_job("j", status)
        assert jobs.after(100) == status


# The start: azure-machine-learning-v2 §2.4.


def test_a_second_put_finds_the_job_and_replaces_its_tags() -> None:
    jobs = Jobs()
    jobs.put()
    jobs.clock.move(timedelta(minutes=5))
    other = {"properties": PIPELINE["properties"] | {"tags": {"a": "b"}}}
    again = jobs.service.put_job("j", other)
    assert (again.status, again.body["properties"]["status"]) == (200, "Running")
    assert again.body["properties"]["tags"] == {"a": "b"}


@pytest.mark.parametrize("status", [400, 409])
def test_another_content_under_the_same_name_is_refused(status: int) -> None:
    jobs = Jobs(immutable_status=status)
    jobs.put()
    other = {"properties": PIPELINE["properties"] | {"componentId": "components/other"}}
    refused = jobs.service.put_job("j", other)
    assert refused.status == status
    assert "JobPropertyImmutable" in codes(refused)


def test_an_identical_put_may_be_taken_for_another_content() -> None:
    jobs = Jobs(identical_job="immutable")
    assert (jobs.put(), jobs.put()) == (201, 400)


def test_an_unknown_member_is_refused() -> None:
    body = {"properties": PIPELINE["properties"] | {"parentJobName": "p"}}
    assert "RequestInvalid" in codes(Jobs().service.put_job("j", body))


def test_a_time_out_of_the_gateway_leaves_an_orphan() -> None:
    jobs = Jobs()
    jobs.service.calls.fault_on("PUT job", Fault.GATEWAY)
    assert (jobs.put(), jobs.put()) == (504, 200)
    assert jobs.after(1000) == "NotStarted"
    assert jobs.service.get_children("j").body == {"value": []}
    assert jobs.service.cancel_job("j").status == 200
    assert jobs.after(1000) == "NotStarted"


def test_a_lost_answer_leaves_a_job_that_runs() -> None:
    jobs = Jobs()
    jobs.service.calls.fault_on("PUT job", Fault.LOST)
    with pytest.raises(NoAnswerError):
        jobs.put()
    assert jobs.after(5) == "Running"


def test_a_missing_job_may_be_answered_without_a_body() -> None:
    assert Jobs(missing_job_has_body=False).service.get_job("j").body is None
    assert codes(Jobs().service.get_job("j"))[0] == "UserError"


# Cancel: azure-machine-learning-v2 §2.6.


@pytest.mark.parametrize("status", [200, 202])
def test_a_job_is_cancelled_after_a_while(status: int) -> None:
    jobs = Jobs(cancel_status=status)
    jobs.put()
    assert [jobs.service.cancel_job("j").status for _ in range(2)] == [status, status]
    assert [jobs.after(0), jobs.after(1), jobs.after(100)] == [
        "CancelRequested",
        "Canceled",
        "Canceled",
    ]
    refused = jobs.service.cancel_job("j")
    assert refused.status == 400
    assert "CancelPipelineRunInTerminalStatus" in codes(refused)
    assert jobs.put() == 200  # it does not run again
    assert jobs.status() == "Canceled"


def test_a_job_may_complete_although_it_was_to_be_cancelled() -> None:
    jobs = Jobs(cancel_wins=False, cancelling=timedelta(minutes=3))
    jobs.put()
    jobs.after(22)
    jobs.service.cancel_job("j")
    assert [jobs.after(0), jobs.after(2)] == ["CancelRequested", "Completed"]


def test_a_job_that_was_set_to_run_can_be_cancelled() -> None:
    jobs = Jobs()
    jobs.put()
    jobs.service.hooks.set_job("j", "Running")
    jobs.service.cancel_job("j")
    assert jobs.after(1) == "Canceled"


# Outputs and errors: azure-machine-learning-v2 §2.7 and §2.8.


@pytest.mark.parametrize("honoured", [True, False])
def test_outputs_are_where_they_were_asked_for_or_where_the_history_says(*, honoured: bool) -> None:
    jobs, written = Jobs(explicit_uri_honoured=honoured), list[tuple[str, Mapping[str, str]]]()
    jobs.service.jobs.finished = lambda name, uris: written.append((name, uris))
    jobs.put()
    jobs.service.hooks.finish_jobs()
    assert [jobs.status(), jobs.status()] == ["Completed", "Completed"]
    (name, uris), *more = written
    assert (name, more) == ("j", [])
    assert (uris["model"] == SENT) is honoured
    data = jobs.service.get_run_data("j").body["runMetadata"]
    asset = data["outputs"]["model"]["assetId"]
    assert (
        jobs.service.resolve_uris([asset])
        .body["values"][asset]["uri"]
        .endswith(uris["model"].removeprefix("azureml:/"))
    )


def test_only_a_command_job_shows_where_its_output_went() -> None:
    jobs = Jobs()
    outputs = {"outputs": {"model": {"jobOutputType": "uri_folder"}}}
    command = {"jobType": "Command", "command": "true", "environmentId": "azureml:e:1"}
    pipeline = {"jobType": "Pipeline", "componentId": "azureml:train:1"}
    for name, body in (("c", command), ("p", pipeline)):
        assert jobs.service.put_job(name, {"properties": body | outputs}).status == 201
    shown = {n: jobs.service.get_job(n).body["properties"]["outputs"]["model"] for n in ("c", "p")}
    assert shown["p"]["uri"] is None
    assert shown["c"]["uri"].endswith("/c/model/")


def test_the_cause_of_a_failed_pipeline_is_on_its_children() -> None:
    jobs = Jobs()
    jobs.put()
    jobs.service.hooks.end_job_as("j", "Failed", "UserError", "no such column")
    assert jobs.after(24) == "Failed"
    error = jobs.service.get_run_data("j").body["runMetadata"]["error"]["error"]
    assert error["referenceCode"] == "PipelineHasStepJobFailed"
    (step,) = jobs.service.get_children("j").body["value"]
    assert step["error"]["error"]["message"] == "no such column"


def test_a_list_has_pages_and_filters_by_the_key_of_a_tag() -> None:
    jobs = Jobs(jobs_a_page=2)
    for name in ("a", "b", "c"):
        jobs.put(name)
    first = jobs.service.list_jobs("relearn.run").body
    assert [job["name"] for job in first["value"]] == ["a", "b"]
    skip = int(first["nextLink"].rpartition("=")[2])
    last = jobs.service.list_jobs("relearn.run", skip).body
    assert [job["name"] for job in last["value"]] == ["c"]
    assert "nextLink" not in last
    assert jobs.service.list_jobs("other").body == {"value": []}
