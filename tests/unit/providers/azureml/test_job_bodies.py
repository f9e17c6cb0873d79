"""The PUT of a job from a job file, and of a copy of a job that ran once."""

from typing import Any

import pytest

from shared.errors import PermanentError
from shared.providers.azureml.copies import of_copy
from tests.unit.core.config.test_azureml_job_file import COMMAND, PIPELINE, STEP
from tests.unit.providers.azureml.service import RUN, WS, Bench, vector
from tests.unit.providers.azureml.test_bodies import plan, training

PLACE = f"azureml://datastores/modelstore/paths/runs/census/{RUN}/1"


def of_job(job: dict[str, Any], **changes: Any) -> dict[str, Any]:
    known = {"component": None, "inputs": {"data": "{data}"}, "outputs": {}, "compute": None}
    bench = Bench(job=job, **{**known, **changes})
    (blob,) = bench.request().inputs.values()
    request = bench.request(inputs={"data": blob})
    bench.workspace.resources["components/train/versions"] = [{"name": "9"}]
    bench.service.ensure_started(bench.service.prepare(request), request)
    return bench.body()


def test_a_command_is_sent_as_it_was_recorded() -> None:
    recorded = vector("rec_job_put_201")["request"]["body"]["properties"]
    body = of_job(COMMAND)
    assert set(recorded) - set(body) == {"environmentVariables"}
    assert set(body) - set(recorded) == {"codeId"}
    assert body["jobType"] == "Command"
    assert body["codeId"] == f"{WS}/codes/train-code/versions/2"
    assert body["environmentId"] == "azureml:sklearn:4"
    assert body["computeId"] == f"{WS}/computes/cpu-cluster"
    assert body["command"] == COMMAND["command"]
    assert body["inputs"] == {
        "data": {
            "jobInputType": "uri_file",
            "mode": "ReadOnlyMount",
            "uri": "azureml://datastores/landing/paths/census/a.csv",
        },
        "epochs": {"jobInputType": "literal", "value": "5"},
    }
    assert body["outputs"] == {"model": {"jobOutputType": "mlflow_model", "uri": f"{PLACE}/model/"}}


def test_members_of_a_command_are_sent_in_the_words_of_the_service() -> None:
    known = set(vector("spec_job_command_put")["parameters"]["body"]["properties"])
    body = of_job(
        {
            **COMMAND,
            "experiment_name": "mine",
            "description": "d",
            "tags": {"a": 1},
            "limits": {"timeout": 5400},
            "resources": {"instance_count": 2, "shm_size": "2g"},
            "distribution": {"type": "pytorch", "process_count_per_instance": 1},
            "environment_variables": {"N": 3},
            "identity": {"type": "user_identity"},
            "outputs": {"model": {"type": "uri_file", "mode": "upload", "name": "m"}},
        }
    )
    assert set(body) - known == {"isArchived"}
    assert body["limits"] == {"jobLimitsType": "Command", "timeout": "PT1H30M"}
    assert body["resources"] == {"instanceCount": 2, "shmSize": "2g"}
    assert body["distribution"] == {"distributionType": "PyTorch", "processCountPerInstance": 1}
    assert body["environmentVariables"] == {"N": "3"}
    assert body["identity"] == {"identityType": "UserIdentity"}
    assert body["experimentName"] == "mine"
    assert body["tags"]["a"] == "1"
    assert body["outputs"]["model"] == {
        "jobOutputType": "uri_file",
        "mode": "Upload",
        "uri": f"{PLACE}/model",
        "assetName": "m",
    }


def test_serverless_has_no_compute_as_it_was_recorded() -> None:
    recorded = vector("rec_job_put_serverless_201")["request"]["body"]["properties"]
    for changes in ({"compute": "serverless"}, {}):
        body = of_job({**COMMAND, "compute": "azureml:serverless"}, run_as="aml_token", **changes)
        assert "computeId" not in body
        assert body["queueSettings"] == recorded["queueSettings"] == {"jobTier": "Standard"}
        assert body["identity"] == recorded["identity"]


def test_a_pipeline_is_sent_as_it_was_recorded() -> None:
    recorded = vector("rec_pipeline_job_put_registered_node_201")["request"]["body"]["properties"]
    body = of_job(PIPELINE)
    (node,) = body["jobs"].values()
    (recorded_node,) = recorded["jobs"].values()
    assert set(node) - set(recorded_node) == {"outputs"}
    assert set(recorded_node) - set(node) == {"computeId"}
    assert node["inputs"] == {
        "data": {"job_input_type": "literal", "value": "${{parent.inputs.data}}"}
    }
    assert node["outputs"] == {"model": {"type": "literal", "value": "${{parent.outputs.model}}"}}
    assert body["settings"] == {
        "default_compute": f"{WS}/computes/cpu-cluster",
        "force_rerun": True,
        "_source": "YAML.JOB",
    }
    assert "computeId" not in body


def test_every_part_of_a_step_is_sent() -> None:
    inputs = {
        "a": {"path": "${{parent.inputs.data}}", "mode": "download"},
        "b": {"type": "uri_file", "path": "azureml:x:1"},
        "c": 7,
    }
    outputs = {"o": {"type": "uri_folder"}, "p": {"path": "${{parent.outputs.model}}"}}
    step = {**STEP, "inputs": inputs, "outputs": outputs, "compute": "azureml:gpu"}
    job = {**PIPELINE, "jobs": {"train": {**step, "component": "azureml:train@latest"}}}
    settings = {"default_datastore": "azureml:files", "continue_on_step_failure": True}
    body = of_job({**job, "settings": settings}, compute="serverless")
    node = body["jobs"]["train"]
    assert node["componentId"] == f"{WS}/components/train/versions/9"
    assert node["computeId"] == f"{WS}/computes/gpu"
    assert node["inputs"] == {
        "a": {"job_input_type": "literal", "mode": "Download", "value": "${{parent.inputs.data}}"},
        "b": {"job_input_type": "uri_file", "uri": "azureml:x:1"},
        "c": {"job_input_type": "literal", "value": "7"},
    }
    assert node["outputs"] == {
        "o": {"job_output_type": "uri_folder", "mode": "ReadWriteMount"},
        "p": {"type": "literal", "value": "${{parent.outputs.model}}"},
    }
    assert body["settings"]["default_datastore"] == f"{WS}/datastores/files"
    assert body["settings"]["default_compute"] == "serverless"


# Copies


def copied(old: dict[str, Any], **changes: Any) -> dict[str, Any]:
    made = plan(data={}, literals=changes.pop("literals", {}))
    known: dict[str, Any] = {"component": None, "like": "old-job", "inputs": {}, "outputs": {}}
    from_usual = training(**{**known, "compute": None, **changes})
    found: dict[str, Any] = of_copy(made, from_usual, old)["properties"]
    return found


def test_a_copy_keeps_what_makes_the_job_and_nothing_of_the_old_run() -> None:
    old = vector("rec_pipeline_job_put_component_id_201")["response"]["body"]["properties"]
    body = copied(old, literals={"component_in_number": "7"})
    assert body["componentId"] == old["componentId"]
    assert body["jobs"] == {}
    assert body["settings"] == {**old["settings"], "force_rerun": True}
    assert body["inputs"]["component_in_number"] == {"jobInputType": "literal", "value": "7"}
    assert body["inputs"]["component_in_path"] == {
        "uri": "https://dprepdata.blob.core.windows.net/demo/Titanic.csv",
        "mode": "ReadOnlyMount",
        "jobInputType": "uri_file",
    }
    assert body["properties"] == {}
    assert body["tags"] == {"relearn.run": "census-1"}
    assert body["experimentName"] == "azure-ai-ml"
    dropped = {"status", "services", "secretsConfiguration", "sourceJobId", "identity"}
    assert not dropped & set(body)
    (output,) = body["outputs"].values()
    assert set(output) == {"jobOutputType", "uri", "mode"}


def test_a_copy_of_a_command_does_not_write_to_the_old_folder() -> None:
    answered = vector("rec_job_put_201")
    old = {
        **answered["request"]["body"]["properties"],
        **answered["response"]["body"]["properties"],
        "parameters": {"a": 1},
    }
    body = copied(old, compute="gpu", experiment="relearn-census")
    assert body["outputs"] == {}
    assert "queueSettings" not in body
    assert "parameters" not in body
    assert body["computeId"] == f"{WS}/computes/gpu"
    assert body["experimentName"] == "relearn-census"
    assert body["command"] == "echo ${{inputs.test1}}"


def test_values_of_a_fixed_set_are_sent_as_they_are_spelled() -> None:
    old = {
        "jobType": "command",
        "command": "x",
        "identity": {"identityType": "amltoken"},
        "limits": {"jobLimitsType": "command", "timeout": "PT1H"},
        "queueSettings": {"jobTier": "null"},
        "inputs": {"a": {"jobInputType": "UriFile", "mode": "readonlymount", "uri": "u"}},
        "outputs": {"m": {"jobOutputType": "uri_folder", "mode": "readwritemount", "uri": None}},
    }
    body = copied(old)
    assert body["jobType"] == "Command"
    assert body["identity"] == {"identityType": "AMLToken"}
    assert body["limits"]["jobLimitsType"] == "Command"
    assert "queueSettings" not in body
    assert body["inputs"]["a"] == {
        "jobInputType": "uri_file",
        "mode": "ReadOnlyMount",
        "uri": "u",
    }
    assert body["outputs"]["m"]["mode"] == "ReadWriteMount"


@pytest.mark.parametrize(
    ("old", "changes", "says"),
    [
        ({"jobType": "Sweep"}, {}, "job old-job is of type Sweep: name a command or pipeline job"),
        (
            {"jobType": "Command"},
            {"literals": {"x": "1"}},
            "has no input 'x'; it has none",
        ),
        ({"jobType": "Command"}, {"outputs": {"m": "m"}}, "has no output 'm'"),
    ],
)
def test_what_cannot_be_copied_is_said(
    old: dict[str, Any], changes: dict[str, Any], says: str
) -> None:
    with pytest.raises(PermanentError, match=says):
        copied(old, **changes)


def test_a_job_to_copy_that_is_not_there_is_named() -> None:
    bench = Bench(component=None, like="old-job")
    with pytest.raises(PermanentError, match="no job 'old-job' to copy"):
        bench.service.prepare(bench.request())
    recorded = vector("rec_job_get_failed_200")["response"]["body"]
    bench.workspace.resources["jobs/old-job"] = recorded
    with pytest.raises(PermanentError, match="job old-job has no input 'training_data'"):
        bench.service.prepare(bench.request())


def test_odd_parts_of_a_file_are_sent_as_they_can_be() -> None:
    inputs = {
        **COMMAND["inputs"],
        "lookup": {"path": "azureml:x:1", "mode": "download"},
        "nothing": None,
        "later": {"type": "number"},
    }
    limits = {"timeout": "PT5M"}
    code = f"azureml:{WS}/codes/c/versions/1"
    body = of_job({**COMMAND, "inputs": inputs, "limits": limits, "code": code})
    assert body["inputs"]["lookup"] == {
        "jobInputType": "uri_folder",
        "mode": "Download",
        "uri": "azureml:x:1",
    }
    assert not {"nothing", "later"} & set(body["inputs"])
    assert body["limits"]["timeout"] == "PT5M"
    assert body["codeId"] == f"{WS}/codes/c/versions/1"
    assert "codeId" not in of_job({**COMMAND, "code": None})
