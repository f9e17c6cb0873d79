"""A job file: the members that Relearn sends, and its refusals with advice."""

from typing import Any

import pytest
from pydantic import ValidationError

from shared.core.config.azureml_job_file import local_inputs, mistakes_in
from shared.core.config.azureml_training import AzureMlTraining
from tests.unit.core.config.test_azureml_training import WS

COMMAND: dict[str, Any] = {
    "$schema": "https://azuremlschemas.azureedge.net/latest/commandJob.schema.json",
    "command": "python train.py --data ${{inputs.data}}",
    "code": "azureml:train-code:2",
    "environment": "azureml:sklearn:4",
    "inputs": {"data": {"type": "uri_file", "path": "data/a.csv"}, "epochs": 5},
    "outputs": {"model": {"type": "mlflow_model"}},
    "compute": "azureml:cpu-cluster",
}
STEP: dict[str, Any] = {
    "type": "command",
    "component": "azureml:train:3",
    "inputs": {"data": "${{parent.inputs.data}}"},
    "outputs": {"model": "${{parent.outputs.model}}"},
}
PIPELINE: dict[str, Any] = {
    "type": "pipeline",
    "inputs": {"data": {"type": "uri_file"}},
    "outputs": {"model": {"type": "uri_folder"}},
    "jobs": {"train": STEP},
    "settings": {"default_compute": "azureml:cpu-cluster"},
}


def said(job: dict[str, Any]) -> list[str]:
    return [str(mistake) for mistake in mistakes_in(job)]


def test_registered_code_and_environments_can_be_sent() -> None:
    assert said(COMMAND) == []
    assert said(PIPELINE) == []
    assert said({**COMMAND, "code": f"azureml:{WS}/codes/x/versions/1"}) == []
    curated = "azureml://registries/azureml/environments/sklearn-1.5/labels/latest"
    assert said({**COMMAND, "environment": curated}) == []


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"code": "./src"}, "job.code: local code is not uploaded: run it once with `az ml job"),
        ({"code": "git+https://x/y"}, "job.code: local code is not uploaded"),
        (
            {"environment": {"image": "i", "conda_file": "conda.yml"}},
            "job.environment: an inline conda file is not uploaded: register it with `az ml env",
        ),
        ({"environment": {"image": "i"}}, "an inline environment is not uploaded"),
        ({"environment": None}, "the environment is missing"),
        ({"environment": "sklearn"}, "does not name an environment"),
        ({"type": "sweep"}, "job.type: a job of type sweep is not supported yet: command or pipe"),
        ({"type": "batch"}, "batch endpoints are not supported yet"),
        ({"type": "quantum"}, "a job of type quantum is not supported: command or pipeline"),
        ({"command": None}, "a command job needs `command`"),
        ({"parent_job_name": "x"}, "job.parent_job_name: is unknown for a job of type command"),
    ],
)
def test_a_command_that_needs_a_disk_is_refused(changes: dict[str, Any], says: str) -> None:
    (found,) = said({**COMMAND, **changes})
    assert says in found


@pytest.mark.parametrize(
    ("step", "says"),
    [
        ({**STEP, "component": "./train.yml"}, "is a file; it is registered once"),
        (
            {**STEP, "component": {"command": "x"}},
            "does not name a registered component: register the",
        ),
        ({"command": "x"}, "a step with code of its own is not uploaded: register the step with"),
        ({**STEP, "type": "spark"}, "a step of type spark is not supported yet"),
        ({**STEP, "code": "./src"}, "job.jobs.train.code: is unknown for a step"),
        ({**STEP, "inputs": {"data": {"path": "./a.csv"}}}, "local data is not uploaded: bind it"),
        ("x", "a step is a mapping"),
    ],
)
def test_a_step_that_needs_a_disk_is_refused(step: Any, says: str) -> None:
    (found,) = said({**PIPELINE, "jobs": {"train": step}})
    assert says in found


def test_settings_of_a_pipeline_are_checked() -> None:
    rerun, unknown = said({**PIPELINE, "settings": {"force_rerun": False, "x": 1}})[::-1]
    assert "a step would take the result of an older run: leave it out" in rerun
    assert "job.settings.x: is not a setting of a pipeline" in unknown
    (nothing,) = said({"type": "pipeline"})
    assert "a pipeline job needs `jobs`" in nothing


@pytest.mark.parametrize(
    ("member", "value", "says"),
    [
        ("tags", "a", "job.tags: is a mapping"),
        ("outputs", ["model"], "job.outputs: is a mapping"),
        ("resources", 5, "job.resources: is a mapping"),
        *(
            ("limits", {"timeout": odd}, "job.limits.timeout: is a number of seconds")
            for odd in (True, 0, -1, "soon", [1], 1.5)
        ),
    ],
)
def test_a_member_of_another_form_is_refused(member: str, value: Any, says: str) -> None:
    job = {**COMMAND, member: value}
    assert says in [f"{'.'.join(map(str, one.at))}: {one.what}" for one in mistakes_in(job)]
    step = {"component": "azureml:c:1", member: value}
    found = [
        f"{'.'.join(map(str, one.at))}: {one.what}" for one in mistakes_in({"jobs": {"a": step}})
    ]
    assert says.replace("job.", "job.jobs.a.") in found
    for fine in (3600, "3600", "PT1H", None):
        assert not [
            one
            for one in mistakes_in({**COMMAND, "limits": {"timeout": fine}})
            if "limits" in one.at
        ]


def test_inputs_with_local_data_are_known() -> None:
    assert local_inputs(COMMAND) == ("data",)
    assert (
        local_inputs({"inputs": {"a": {"path": "azureml:x:1"}, "b": 5, "c": {"type": "number"}}})
        == ()
    )
    assert local_inputs({}) == ()


def training(**changes: Any) -> AzureMlTraining:
    written = {"kind": "azureml", "workspace": WS, "job": COMMAND, **changes}
    return AzureMlTraining.model_validate(written, context={"development": False})


def test_a_local_input_is_fine_where_the_run_gives_it() -> None:
    made = training(inputs={"data": "{data}"})
    assert made.job == COMMAND
    assert made.models == ("model",)
    assert made.all_outputs == ("model",)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({}, "job.inputs.data: local data is not uploaded: give it under training.inputs"),
        (
            {"inputs": {"data": "{data}", "dta": "{data}"}},
            "inputs: the job file has no input 'dta'; it has data, epochs",
        ),
        (
            {"inputs": {"data": "{data}"}, "outputs": {"metrics": "m"}},
            "outputs: the job file has no output 'metrics'; it has model",
        ),
    ],
)
def test_file_and_configuration_fit_together(changes: dict[str, Any], says: str) -> None:
    with pytest.raises(ValidationError, match=says):
        training(**changes)
