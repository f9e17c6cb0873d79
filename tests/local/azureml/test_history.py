"""The run history: steps, their errors and outputs, logs and metrics."""

from datetime import timedelta
from typing import Any

import pytest

from local.azureml.answers import API
from tests.local.azureml.bench import DATA, RUN, WORKSPACE, Bench
from tests.local.azureml.conftest import MakeBench


def nested(bench: Bench, **members: Any) -> dict[str, Any]:
    """Return a job whose one node is the sample's pipeline component."""
    parent = {"job_input_type": "literal", "value": "${{parent.inputs.training_data}}"}
    node = {
        "name": "inner",
        "type": "pipeline",
        "componentId": bench.sample["component"],
        "inputs": {"training_data": parent},
        "outputs": {"model": {"type": "literal", "value": "${{parent.outputs.model}}"}},
    }
    own = bench.pipeline(componentId=None, jobs={"inner": node}, **members)
    return {"properties": own}


def test_the_cause_in_a_nested_pipeline_is_two_levels_down(bench: Bench) -> None:
    bench.ask("PUT", "jobs/j", nested(bench))
    bench.hooks.end_job_as("j", "Failed", "UserError", "no such column")
    assert bench.ended() == "Failed"
    (inner,) = bench.children()
    assert (inner["displayName"], inner["parentRunId"]) == ("inner", "j")
    assert inner["error"]["error"]["referenceCode"] == "PipelineHasStepJobFailed"
    (step,) = bench.children(inner["runId"])
    assert (step["displayName"], step["rootRunId"]) == ("train", "j")
    assert step["error"]["error"]["message"] == "no such column"
    assert bench.data_of(step["runId"])["error"] == step["error"]


def test_outputs_of_a_nested_pipeline_are_the_jobs_own(bench: Bench) -> None:
    bench.ask("PUT", "jobs/j", nested(bench))
    assert bench.ended() == "Completed"
    assert bench.service.jobs.uris(bench.service.jobs.all["j"])["model"] == f"{RUN}/model/"
    assert ("models", "runs/census/r7k2/1/model/MLmodel") in bench.files.contents


def test_a_uri_that_is_not_honoured_is_found_by_the_history(make_bench: MakeBench) -> None:
    bench = make_bench(explicit_uri_honoured=False)
    bench.put()
    assert bench.ended() == "Completed"
    assert not [path for container, path in bench.files.contents if container == "models"]
    asset = bench.data_of("j")["outputs"]["model"]["assetId"]
    answer = bench.plane(
        "POST",
        "data/v1.0",
        "dataversion/batchGetResolvedUris?api-version=1.5.0",
        {"values": [asset]},
    )
    place = answer.json()["values"][asset]["uri"]
    container, path = bench.service.datastores.place(place)
    assert (container, path + "MLmodel") in bench.files.contents


def test_outputs_may_be_named_at_the_step_alone(make_bench: MakeBench) -> None:
    bench = make_bench(outputs_at_parent=False)
    bench.put()
    assert bench.ended() == "Completed"
    assert bench.data_of("j")["outputs"] is None
    (step,) = bench.children()
    assert set(bench.data_of(step["runId"])["outputs"]) == {"model", "evaluation"}


def test_a_model_is_resolved_by_the_model_registry(bench: Bench) -> None:
    spec = {
        "type": "command",
        "command": "true",
        "outputs": {"model": {"type": "mlflow_model"}},
    }
    step = bench.hooks.add_asset("components", "makes_model", "1", {"componentSpec": spec})
    node = {"name": "n", "type": "command", "componentId": step}
    own = bench.pipeline(componentId=None, jobs={"n": node}, inputs={}, outputs={})
    assert bench.ask("PUT", "jobs/j", {"properties": own}).status == 201
    bench.ended()
    (child,) = bench.children()
    output = bench.data_of(child["runId"])["outputs"]["model"]
    assert output["type"] == "MLFlowModel"
    path, asked = "models/batchGetResolvedUris", {"values": [output["assetId"]]}
    answer = bench.plane("POST", "modelregistry/v1.0", path, asked)
    assert answer.json()["values"][output["assetId"]]["path"].endswith(f"{child['runId']}/model/")


def test_an_unknown_asset_is_not_resolved(bench: Bench) -> None:
    answer = bench.plane(
        "POST", "data/v1.0", "dataversion/batchGetResolvedUris", {"values": ["azureml://x"]}
    )
    assert answer.status == 404


def test_children_come_in_pages(make_bench: MakeBench) -> None:
    bench = make_bench(children_a_page=1)
    component, training = bench.sample["step"], {"job_input_type": "uri_file", "uri": DATA}
    jobs = {
        name: {"name": name, "componentId": component, "inputs": {"training_data": training}}
        for name in ("one", "two")
    }
    own = bench.pipeline(componentId=None, jobs=jobs, inputs={}, outputs={})
    bench.ask("PUT", "jobs/j", {"properties": own})
    bench.ended()
    first = bench.plane("GET", "history/v1.0", "runs/j/children").json()
    assert [one["displayName"] for one in first["value"]] == ["one"]
    token = first["continuationToken"]
    assert first["nextLink"].endswith(f"continuationtoken={token}")
    rest = bench.plane("GET", "history/v1.0", f"runs/j/children?continuationtoken={token}").json()
    assert ([one["displayName"] for one in rest["value"]], rest["nextLink"]) == (["two"], None)


def test_a_command_job_has_no_children_and_its_own_error(bench: Bench) -> None:
    bench.ask("PUT", "jobs/j", {"properties": bench.command()})
    bench.hooks.end_job_as("j", "Failed", "UserError", "exit code 1")
    assert bench.ended() == "Failed"
    assert bench.children() == []
    assert bench.data_of("j")["error"]["error"]["message"] == "exit code 1"


def test_a_run_is_tagged_and_archived_by_the_portals_way(bench: Bench) -> None:
    bench.put()
    path = "experiments/Default/runs/j"
    body = {"tags": {"seen": "1"}, "hidden": True, "displayName": "new"}
    assert bench.plane("PATCH", "history/v1.0", path, body).status == 200
    shown = bench.job()
    assert shown["tags"] == {"relearn.run": "r7k2", "seen": "1"}
    assert (shown["isArchived"], shown["displayName"]) == (True, "new")


# MLflow: azure-machine-learning-v2 §2.8.


def mlflow(bench: Bench, what: str, version: str = "v2.0") -> dict[str, Any]:
    found: dict[str, Any] = bench.plane("GET", f"mlflow/{version}", f"api/2.0/mlflow/{what}").json()
    return found


@pytest.mark.parametrize("version", ["v1.0", "v2.0"])
def test_metrics_are_on_the_steps_and_the_last_value_is_shown(bench: Bench, version: str) -> None:
    bench.put()
    bench.clock.move(timedelta(minutes=5))
    (step,) = bench.children()
    run = step["runId"]
    for number, value in enumerate((0.7, 0.9)):
        bench.service.metrics.log(run, "AUC", value, number)
    shown = mlflow(bench, f"runs/get?run_id={run}", version)["run"]
    (metric,) = shown["data"]["metrics"]
    assert (metric["key"], metric["value"], metric["step"]) == ("AUC", 0.9, 1)
    assert shown["info"]["status"] == "RUNNING"
    history = mlflow(bench, f"metrics/get-history?run_id={run}&metric_key=AUC", version)
    assert [one["value"] for one in history["metrics"]] == [0.7, 0.9]
    assert mlflow(bench, "runs/get?run_id=j", version)["run"]["data"]["metrics"] == []


def test_a_number_that_is_none_is_sent_as_it_is(bench: Bench) -> None:
    bench.put()
    bench.service.metrics.log("j", "loss", float("nan"))
    answer = bench.plane("GET", "mlflow/v2.0", "api/2.0/mlflow/runs/get?run_id=j")
    assert b'"value": NaN' in answer.body


def test_runs_are_searched_by_their_parent(bench: Bench) -> None:
    bench.put(experimentName="census")
    bench.ended()
    (step,) = bench.children()
    asked = {
        "experiment_ids": ["census"],
        "filter": "tags.`mlflow.parentRunId` = 'j'",
    }
    found = bench.plane("POST", "mlflow/v2.0", "api/2.0/mlflow/runs/search", asked).json()["runs"]
    assert [one["info"]["run_id"] for one in found] == [step["runId"]]
    assert found[0]["info"]["status"] == "FINISHED"


def test_a_process_logs_metrics_by_itself(bench: Bench) -> None:
    bench.put()
    body = {"run_id": "j", "metrics": [{"key": "AUC", "value": 0.8, "step": 0}]}
    bench.plane("POST", "mlflow/v2.0", "api/2.0/mlflow/runs/log-batch", body)
    (metric,) = mlflow(bench, "runs/get?run_id=j")["run"]["data"]["metrics"]
    assert metric["value"] == 0.8
    assert mlflow(bench, "runs/get?run_id=nobody")["error_code"] == "RESOURCE_DOES_NOT_EXIST"


def test_the_workspace_names_its_data_plane(bench: Bench) -> None:
    shown = bench.ask("GET", "").json()["properties"]
    host = shown["mlFlowTrackingUri"].removeprefix("azureml://").partition("/")[0]
    assert shown["mlFlowTrackingUri"].endswith(f"/mlflow/v1.0{WORKSPACE}")
    discovered = bench.ask("GET", "/discovery").json()["api"]
    assert discovered.partition("://")[2] == host
    assert host == API or host.startswith("127.0.0.1:")
