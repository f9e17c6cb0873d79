"""The name of a job, its start, and its adoption: one name is one job at most."""

from datetime import timedelta
from typing import Any

import pytest

from shared.core.config.azureml_names import workspace_of
from shared.core.names import job_name
from shared.errors import ConfigError, OutcomeUnknownError, PermanentError, TransientError
from shared.ports.training import JobStatus
from tests.unit.providers.azureml.service import (
    RUN,
    WS,
    Bench,
    component,
    refuses,
    says,
    vector,
)

LOST = OutcomeUnknownError("PUT: the answer was lost")


def test_a_name_is_the_same_each_time_and_fit_for_the_service() -> None:
    here = workspace_of(WS).identity
    one = job_name(RUN, 1, 0, here)
    same = workspace_of(WS.replace("resourceGroups", "resourcegroups")).identity
    assert one == job_name(RUN, 1, 0, same)
    others = (job_name(RUN, 2, 0, here), job_name(RUN, 1, 1, here), job_name(f"{RUN}0", 1, 0, here))
    elsewhere = job_name(RUN, 1, 0, workspace_of(WS.replace("ws1", "ws2")).identity)
    assert len({one, *others, elsewhere}) == 5
    longest = job_name(f"{'p' * 40}-0123456789abcdef0123", 10, 9, here)
    assert len(longest) <= 60
    assert longest.replace("-", "").isalnum()


def test_nothing_is_sent_before_the_start() -> None:
    bench = Bench()
    handle = bench.service.prepare(bench.request())
    assert {one.method for one in bench.workspace.sent} == {"GET"}
    state = bench.service.state(handle)
    assert (state.status, state.known) == (JobStatus.NOT_STARTED, False)


def test_a_start_is_a_get_and_a_put_with_both_tokens() -> None:
    bench = Bench()
    handle = bench.started()
    (put,) = bench.workspace.calls("PUT", f"/jobs/{handle}")
    assert put.url == f"https://management.azure.com{WS}/jobs/{handle}?api-version=2025-12-01"
    assert put.headers["Authorization"] == "Bearer token for https://management.azure.com/.default"
    assert put.headers["x-azureml-token"] == "token for https://ml.azure.com/.default"
    assert bench.body()["tags"] == {
        "relearn.run": RUN,
        "relearn.attempt": "1",
        "relearn.pipeline": "census",
    }
    assert bench.service.state(handle).status is JobStatus.RUNNING


def test_a_pipeline_is_tried_without_the_second_token_where_there_is_none(
    caplog: pytest.LogCaptureFixture,
) -> None:
    bench = Bench()
    bench.identity.lacks = {"https://ml.azure.com/.default"}
    handle = bench.started()
    (put,) = bench.workspace.calls("PUT", "/jobs/")
    assert "x-azureml-token" not in put.headers
    assert f"job {handle}: there is no token for https://ml.azure.com/.default" in caplog.text


def test_starting_again_finds_the_job() -> None:
    bench = Bench()
    handle = bench.started()
    bench.service.ensure_started(handle, bench.request())
    assert bench.workspace.count("PUT", "/jobs/") == 1


def test_a_job_that_is_ours_is_adopted_after_a_lost_answer() -> None:
    bench = Bench()
    handle = bench.service.prepare(bench.request())
    bench.workspace.script("PUT", handle, LOST)
    with pytest.raises(OutcomeUnknownError):
        bench.service.ensure_started(handle, bench.request())
    bench.workspace.job(handle, "Preparing", tags={"relearn.run": RUN})
    bench.service.ensure_started(handle, bench.request())
    assert bench.workspace.count("PUT", "/jobs/") == 1


def test_a_job_of_the_same_name_that_is_not_ours_is_left_alone() -> None:
    for tags in ({}, None, {"relearn.run": "other"}):
        bench = Bench()
        handle = bench.service.prepare(bench.request())
        bench.workspace.job(handle, "Running", tags=tags)
        with pytest.raises(PermanentError, match="that is not of this run"):
            bench.service.ensure_started(handle, bench.request())
        assert bench.workspace.count("PUT", "/jobs/") == 0


@pytest.mark.parametrize("status", [400, 409])
def test_an_immutable_job_is_one_that_arrived_before(status: int) -> None:
    bench = Bench()
    handle = bench.service.prepare(bench.request())
    bench.workspace.script(
        "PUT", handle, refuses(status, "UserError", "BadArgument", "JobPropertyImmutable")
    )
    ours = {"properties": {"status": "Queued", "tags": {"relearn.run": RUN}}}
    bench.workspace.script("GET", handle, says(None, 404), says(ours))
    bench.service.ensure_started(handle, bench.request())


@pytest.mark.parametrize("status", [408, 500, 502, 503, 504])
def test_a_put_without_a_clear_answer_may_have_worked(status: int) -> None:
    bench = Bench()
    handle = bench.service.prepare(bench.request())
    bench.workspace.script("PUT", handle, refuses(status, "GatewayTimeout"))
    with pytest.raises(OutcomeUnknownError, match=f"HTTP {status}"):
        bench.service.ensure_started(handle, bench.request())


def test_an_unknown_member_is_a_matter_of_the_api_version() -> None:
    bench = Bench()
    handle = bench.service.prepare(bench.request())
    body = vector("rec_job_put_400_unknown_field")["response"]["body"]
    bench.workspace.script("PUT", handle, says(body, 400))
    with pytest.raises(PermanentError, match=r"assetVersion.*set training.api_versions") as caught:
        bench.service.ensure_started(handle, bench.request())
    assert "RequestInvalid" in str(caught.value)


def test_the_next_job_of_an_attempt_has_the_next_name() -> None:
    bench = Bench()
    first = bench.service.prepare(bench.request())
    assert bench.service.prepare(bench.request(replaced=1)) == f"{first}-2"
    with pytest.raises(PermanentError, match="10 jobs of attempt 1 never began"):
        bench.service.prepare(bench.request(replaced=10))


def test_a_job_that_was_named_for_another_workspace_is_not_started_in_this_one() -> None:
    bench = Bench()
    with pytest.raises(PermanentError, match="for another workspace or attempt"):
        bench.service.ensure_started("rl-census-0000-1", bench.request())


def test_a_cancelled_name_is_not_started_any_more() -> None:
    bench = Bench()
    handle = bench.service.prepare(bench.request())
    bench.service.cancel(handle)
    bench.service.ensure_started(handle, bench.request())
    assert bench.workspace.count("PUT", "/jobs/") == 0
    assert bench.service.state(handle).status is JobStatus.CANCELLED


def test_latest_is_looked_up_once_and_the_version_is_recorded() -> None:
    bench = Bench(component="azureml:train-census@latest")
    resources = bench.workspace.resources
    resources["components/train-census/versions"] = [{"name": "3", "properties": {}}]
    handle = bench.service.prepare(bench.request())
    (listed, *_) = bench.workspace.calls("GET", "/components/train-census/versions?")
    assert listed.url.endswith("&$orderBy=createdtime%20desc&$top=1")
    note = bench.service.ensure_started(handle, bench.request())
    assert note == "component azureml:train-census:3 (azureml:train-census@latest then)"
    resources["components/train-census/versions"] = [{"name": "4", "properties": {}}]
    assert bench.service.state(handle).note == note
    assert bench.service.ensure_started(handle, bench.request()) == note


def test_latest_of_nothing_is_refused() -> None:
    nothing: tuple[Any, ...] = ([], None)
    for listed in nothing:
        bench = Bench(component="azureml:train-census@latest")
        if listed is not None:
            bench.workspace.resources["components/train-census/versions"] = listed
        with pytest.raises(PermanentError, match="there is no version of it in the workspace"):
            bench.service.prepare(bench.request())


@pytest.mark.parametrize(
    ("gone", "says"),
    [
        ("components/train-census/versions/3", "no component azureml:train-census:3: register it"),
        ("computes/cpu-cluster", "no compute 'cpu-cluster': correct training.compute"),
    ],
)
def test_what_is_not_there_is_named_before_anything_is_sent(gone: str, says: str) -> None:
    bench = Bench()
    del bench.workspace.resources[gone]
    with pytest.raises(PermanentError, match=says):
        bench.service.prepare(bench.request())
    assert bench.workspace.count("PUT", "") == 0


def test_kubernetes_is_not_supported_yet() -> None:
    bench = Bench()
    bench.workspace.resources["computes/cpu-cluster"] = {
        "properties": {"computeType": "Kubernetes"}
    }
    with pytest.raises(PermanentError, match="Kubernetes is not supported yet"):
        bench.service.prepare(bench.request())


def test_app_settings_are_filled_in_on_the_wire_alone() -> None:
    bench = Bench(parameters={"label": "x-${SECRET}"})
    shown = bench.service.preview(bench.request())
    assert shown["body"]["properties"]["inputs"]["label"]["value"] == "x-${SECRET}"
    bench.started()
    assert bench.body()["inputs"]["label"]["value"] == "x-s3cr3t-v4lue"
    assert "s3cr3t" not in bench.redactor.text("it is s3cr3t-v4lue")
    with pytest.raises(ConfigError, match="MISSING"):
        bench.service.prepare(bench.request(parameters={"label": "${MISSING}"}))


def test_literals_are_text_and_an_empty_one_is_left_out() -> None:
    given = {"epochs": 5.5, "label": ""}
    bench = Bench()
    handle = bench.service.prepare(bench.request(parameters=given))
    bench.service.ensure_started(handle, bench.request(parameters=given))
    assert bench.body()["inputs"]["epochs"]["value"] == "5.5"
    assert "label" not in bench.body()["inputs"]
    again = Bench()
    again.service.ensure_started(
        again.service.prepare(again.request()), again.request(parameters={"label": True})
    )
    assert again.body()["inputs"]["label"]["value"] == "True"


def test_a_preview_is_the_exact_put_and_sends_none() -> None:
    bench = Bench()
    shown = bench.service.preview(bench.request())
    assert {one.method for one in bench.workspace.sent} == {"GET"}
    bench.started()
    (put,) = bench.workspace.calls("PUT", "/jobs/")
    assert (shown["method"], shown["url"], shown["body"]) == ("PUT", put.url, put.json())


# Tokens and roles


def test_a_missing_role_is_waited_for_and_then_named() -> None:
    bench = Bench()
    bench.workspace.script("GET", "datastores", refuses(403, "AuthorizationFailed"))
    with pytest.raises(TransientError, match="AzureML Data Scientist") as caught:
        bench.service.prepare(bench.request())
    assert caught.value.patience == timedelta(hours=1)
    assert "AzureML Data Scientist" in caught.value.advice


def test_a_role_that_may_not_read_computes_may_start_jobs() -> None:
    bench = Bench()
    bench.workspace.script("GET", "cpu-cluster", *[refuses(403, "AuthorizationFailed")] * 2)
    bench.started()
    assert bench.body()["settings"]["default_compute"] == f"{WS}/computes/cpu-cluster"
    bench.workspace.script("GET", "cpu-cluster", refuses(503, "Busy"))
    with pytest.raises(TransientError, match="GET compute cpu-cluster"):
        bench.service.prepare(bench.request())


def test_a_workspace_of_another_tenant_is_not_waited_for() -> None:
    bench = Bench()
    bench.workspace.script("GET", "cpu-cluster", refuses(401, "InvalidAuthenticationTokenTenant"))
    with pytest.raises(PermanentError, match="of another tenant"):
        bench.service.prepare(bench.request())


def test_every_token_is_redacted() -> None:
    bench = Bench()
    bench.started()
    for scope in bench.identity.asked:
        assert f"token for {scope}" not in bench.redactor.text(f"x token for {scope} y")


def test_a_command_component_runs_too() -> None:
    bench = Bench()
    bench.workspace.resources["components/train-census/versions/3"] = component("command")
    bench.started()
    (node,) = bench.body()["jobs"].values()
    assert node["componentId"].endswith("/components/train-census/versions/3")


def test_known_values_are_not_read_again() -> None:
    bench = Bench()
    bench.started()
    before: Any = len(bench.workspace.sent)
    bench.service.prepare(bench.request(attempt=2))
    assert len(bench.workspace.sent) == before
