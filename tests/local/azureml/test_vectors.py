"""The recorded requests, replayed: answers have the members of the recorded ones."""

from typing import Any
from urllib.parse import urlsplit

import pytest

from local.azureml.answers import WORKSPACE
from tests.local.azureml.bench import Bench, codes, missing_from, vector


def replay(bench: Bench, name: str) -> list[str]:
    recorded = vector(name)
    asked, answered = recorded["request"], recorded["response"]
    answer = bench.ask(asked["method"], asked["path"], asked.get("body"))
    assert answer.status == answered["status"], answer.body
    ours = answer.json()
    if "body_properties" in answered:
        return missing_from(ours["properties"], answered["body_properties"])
    return missing_from(ours, answered["body"])


def anonymous(bench: Bench, component: str, spec: dict[str, Any]) -> None:
    """Have an anonymous component with the version that a recorded job names."""
    bench.service.assets.put("components", "x", "1", {"properties": {"componentSpec": spec}})
    versions = bench.service.assets.all["components"].setdefault("azureml_anonymous", {})
    versions[component.rpartition("/")[2]] = bench.service.assets.all["components"]["x"]["1"]


def registered(bench: Bench) -> None:
    """Register what the recorded jobs name."""
    shown = vector("rec_component_get_200")["response"]["body"]["properties"]
    own = {name: shown[name] for name in ("tags", "properties", "componentSpec")}
    bench.hooks.add_asset("components", "microsoftsamples_command_component_basic", "0.0.1", own)


@pytest.mark.parametrize(
    "name",
    ["rec_job_put_201", "rec_job_put_201_missing_data_accepted", "rec_job_put_serverless_201"],
)
def test_a_recorded_command_job_is_taken(bench: Bench, name: str) -> None:
    bench.service.assets.computes.clear()
    assert replay(bench, name) == []


def test_a_recorded_pipeline_of_a_registered_node_is_taken(bench: Bench) -> None:
    registered(bench)
    assert replay(bench, "rec_pipeline_job_put_registered_node_201") == []


def test_a_recorded_pipeline_component_is_registered_and_trained(bench: Bench) -> None:
    spec = vector("rec_component_get_200")["response"]["body"]["properties"]["componentSpec"]
    recorded = vector("rec_component_put_pipeline_anonymous_201")
    node = recorded["request"]["body"]["properties"]["componentSpec"]["jobs"]["component_a_job"]
    anonymous(bench, node["componentId"], spec)
    assert replay(bench, "rec_component_put_pipeline_anonymous_201") == []
    made = list(bench.service.assets.all["components"]["azureml_anonymous"])[-1]
    job = vector("rec_pipeline_job_put_component_id_201")
    asked, answered = job["request"], job["response"]
    component = f"{WORKSPACE}/components/azureml_anonymous/versions/{made}"
    asked["body"]["properties"]["componentId"] = component
    answer = bench.ask("PUT", asked["path"], asked["body"])
    assert answer.status == 201
    answered["body"]["properties"]["componentId"] = component
    about = answered["body"]["properties"]["properties"]
    about["azureml.SourceComponentId"] = component
    assert missing_from(answer.json(), answered["body"]) == []


def test_a_recorded_component_is_shown_as_text(bench: Bench) -> None:
    registered(bench)
    assert replay(bench, "rec_component_get_200") == []


@pytest.mark.parametrize(
    "name",
    [
        "rec_workspace_get_200",
        "rec_datastore_get_200",
        "rec_datastore_default_list_200",
        "rec_compute_get_200",
    ],
)
def test_a_recorded_get_is_answered(bench: Bench, name: str) -> None:
    assert replay(bench, name) == []


def test_secrets_are_a_signature_for_the_account(bench: Bench) -> None:
    asked = vector("rec_datastore_list_secrets_200")["request"]
    answer = bench.ask("POST", asked["path"], asked["body"]).json()
    assert answer["secretsType"] == "Sas"
    assert {"srt=co", "sp=rcuwdl"} <= set(answer["sasToken"].lstrip("?").split("&"))
    assert bench.ask("POST", asked["path"]).json()["secretsType"] == "AccountKey"


def test_an_unknown_compute_has_an_empty_404(bench: Bench) -> None:
    recorded = vector("rec_compute_get_404_empty_body")
    answer = bench.ask("GET", recorded["request"]["path"])
    assert (answer.status, answer.body) == (404, b"")
    assert answer.headers["x-ms-response-type"] == "standard"


def test_an_unknown_member_is_refused_in_the_recorded_words(bench: Bench) -> None:
    answered = vector("rec_job_put_400_unknown_field")["response"]
    outputs = {"x": {"jobOutputType": "uri_folder", "assetVersion": "1"}}
    answer = bench.ask("PUT", "jobs/j", {"properties": bench.command(outputs=outputs)})
    error, recorded = answer.json()["error"], answered["body"]["error"]
    assert (answer.status, error["code"], error["message"]) == (
        answered["status"],
        recorded["code"],
        recorded["message"],
    )
    assert error["details"][0]["code"] == recorded["details"][0]["code"]
    assert error["details"][0]["message"].startswith("Could not find member 'assetVersion'")


def test_a_preview_knows_that_member(bench: Bench) -> None:
    outputs = {"x": {"jobOutputType": "uri_folder", "assetVersion": "1"}}
    path = f"{WORKSPACE}/jobs/j?api-version=2025-01-01-preview"
    answer = bench.ask("PUT", path, {"properties": bench.command(outputs=outputs)})
    assert answer.status == 201


def test_cancel_of_an_ended_job_is_refused_as_recorded(bench: Bench) -> None:
    answered = vector("rec_job_cancel_400_terminal")["response"]
    bench.put()
    assert bench.ended() == "Completed"
    answer = bench.ask("POST", "jobs/j/cancel")
    assert answer.status == answered["status"]
    assert codes(answer) >= {"BadArgument", "ArgumentInvalid", "CancelPipelineRunInTerminalStatus"}


def test_a_failed_pipeline_is_as_recorded(bench: Bench) -> None:
    answered = vector("rec_job_get_failed_200")["response"]["body"]["properties"]
    bench.put(outputs={})
    bench.hooks.end_job_as("j", "Failed", "UserError", "Authentication failed")
    assert bench.ended() == "Failed"
    shown = bench.job()
    assert "error" not in shown
    assert shown["outputs"] == {}
    assert shown["status"] == answered["status"]
    error = vector("rec_rundata_failed_pipeline_200")["response"]["body"]["runMetadata"]["error"]
    ours = bench.data_of("j")["error"]["error"]
    assert ours["referenceCode"] == error["error"]["referenceCode"]
    assert "Failed nodes: /train." in ours["message"]
    child = vector("rec_run_children_failed_200")["response"]["body"]["value"][0]
    (step,) = bench.children()
    assert step["runType"] == child["runType"]
    assert step["error"]["error"]["code"] == child["error"]["error"]["code"]
    assert step["parentRunId"] == "j" == step["properties"]["azureml.pipelinerunid"]


def test_outputs_are_resolved_as_recorded(bench: Bench) -> None:
    answered = vector("rec_rundata_outputs_200")["response"]["body"]["runMetadata"]["outputs"]
    recorded = next(iter(answered.values()))
    bench.put(outputs={})
    assert bench.ended() == "Completed"
    (step,) = bench.children()
    output = bench.data_of(step["runId"])["outputs"]["model"]
    assert output["type"] == recorded["type"]
    asked = vector("rec_batch_get_resolved_uris_200")["request"]
    path = "data/" + urlsplit(asked["path"]).path.partition("/data/")[2]
    answer = bench.ask("POST", f"/{path}", {"values": [output["assetId"]]})
    (found,) = answer.json()["values"].values()
    assert found["uri"].endswith(
        f"/datastores/workspaceblobstore/paths/azureml/{step['runId']}/model/"
    )


def test_a_missing_model_is_answered_as_recorded(bench: Bench) -> None:
    recorded = vector("rec_model_put_201_and_404")
    missing = recorded["get_latest_404"]
    answer = bench.ask("GET", missing["path"])
    assert (answer.status, missing_from(answer.json(), missing["body"])) == (404, [])
    put = recorded["put"]
    made = bench.ask("PUT", put["path"], put["request_body"])
    assert made.status == put["status"]
    assert missing_from(made.json()["properties"], put["response_properties"]) == []


def test_a_model_is_archived_and_restored_as_recorded(bench: Bench) -> None:
    update = vector("rec_model_version_put_200_update")
    asked = update["request"]
    archived = {"properties": asked["body"]["properties"] | {"isArchived": True}}
    assert bench.ask("PUT", asked["path"], archived).status == 201
    assert replay(bench, "rec_model_version_get_archived_200") == []
    assert replay(bench, "rec_model_version_put_200_update") == []


def test_a_recorded_mlflow_model_is_registered(bench: Bench) -> None:
    assert replay(bench, "rec_model_put_mlflow_flavors_201") == []


def test_settings_of_a_pipeline_are_mirrored_as_recorded(bench: Bench) -> None:
    recorded = vector("rec_pipeline_job_put_settings_201")
    bench.service.assets.computes.clear()
    own = recorded["request"]["body"]["properties"]
    node = own["jobs"]["hello_world_component_inline_1"]
    outputs = {"output_path": {"type": "uri_folder"}}
    spec = {"type": "command", "command": "true", "outputs": outputs}
    anonymous(bench, node["componentId"], spec)
    assert replay(bench, "rec_pipeline_job_put_settings_201") == []


def test_versions_are_listed_the_newest_first(bench: Bench) -> None:
    body = vector("rec_model_version_put_200_update")["request"]["body"]
    for version in ("1", "2"):
        bench.ask("PUT", f"models/model_test_129743542416/versions/{version}", body)
    assert replay(bench, "rec_model_versions_list_200") == []


def test_a_list_of_jobs_has_an_absolute_link_with_skip(make_bench: Any) -> None:
    bench = make_bench(jobs_a_page=1)
    for name in ("a", "b"):
        bench.put(name)
    link = bench.ask("GET", "jobs?tag=relearn.run").json()["nextLink"]
    recorded = vector("spec_jobs_list_200_2026-07-01")["responses"]["200"]["body"]["nextLink"]
    assert "$skip=" in recorded
    assert link.startswith("http")
    assert "$skip=1" in link
    rest = link[link.index("/subscriptions") :]
    assert [one["name"] for one in bench.ask("GET", rest).json()["value"]] == ["b"]


@pytest.mark.parametrize("name", ["spec_job_cancel", "spec_job_delete_2026-07-01"])
def test_the_statuses_of_the_specification_are_used(bench: Bench, name: str) -> None:
    known = {int(status) for status in vector(name)["responses"]}
    if name == "spec_job_cancel":
        bench.put()
        assert bench.ask("POST", "jobs/j/cancel").status in known
        return
    assert bench.ask("DELETE", "jobs/nobody").status in known
    bench.put()
    bench.ended()
    assert bench.ask("DELETE", "jobs/j").status in known
    assert bench.ask("GET", "jobs/j").status == 404
