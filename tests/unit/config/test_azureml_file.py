"""A pipeline of Azure Machine Learning in the pipelines file, and the job file that it names."""

from pathlib import Path
from typing import Any

import pytest

from shared.config.loader import load_pipelines
from shared.core.config.azureml_training import AzureMlTraining
from shared.core.config.configuration import Configuration
from shared.core.config.pipeline import Pipeline
from tests.unit.core.config.test_azureml_job_file import COMMAND, PIPELINE
from tests.unit.core.config.test_azureml_training import WS
from tests.unit.written_yaml import yaml_of

CENSUS: dict[str, Any] = {
    "data": {"blob": "census/{date}/{name}.csv", "pin": "copy"},
    "training": {
        "kind": "azureml",
        "workspace": WS,
        "component": "azureml:train-census:3",
        "inputs": {"training_data": "{data}", "epochs": 5, "day": "{date}"},
        "outputs": {"model": "model", "metrics": "evaluation"},
        "register_as": {"model": "census"},
    },
    "gate": {"metrics": "metrics", "rules": [{"metric": "AUC", "at_least": 0.8}]},
}


def loaded(
    folder: Path, job: object = None, training: dict[str, Any] | None = None, **changes: Any
) -> Configuration:
    known = {**CENSUS["training"], **(training or {})}
    written = {name: one for name, one in known.items() if one is not None}
    tree = {"pipelines": {"census": {**CENSUS, "training": written, **changes}}}
    (folder / "pipelines.yaml").write_text(yaml_of(tree), encoding="utf-8")
    if job is not None:
        text = job if isinstance(job, str) else yaml_of(job)
        (folder / "train.job.yml").write_text(text, encoding="utf-8")
    return load_pipelines(folder / "pipelines.yaml", {}, development=False)


def problem(configuration: Configuration) -> str:
    (found,) = configuration.problems
    return str(found)


def test_a_pipeline_of_a_workspace_is_read_and_stored(tmp_path: Path) -> None:
    configuration = loaded(tmp_path)
    assert configuration.problems == ()
    pipeline = configuration.pipelines["census"]
    training = pipeline.training
    assert isinstance(training, AzureMlTraining)
    assert training.parameters == {"epochs": 5, "day": "{date}"}
    assert Pipeline.model_validate_json(pipeline.model_dump_json()) == pipeline


def test_metrics_of_mlflow_are_for_such_a_pipeline(tmp_path: Path) -> None:
    gate = {"metrics": {"mlflow": True, "step": "fit"}, "rules": CENSUS["gate"]["rules"]}
    pipeline = loaded(tmp_path, gate=gate).pipelines["census"]
    assert pipeline.gate.source == "mlflow:fit"


def test_a_job_file_is_read_into_the_configuration(tmp_path: Path) -> None:
    known = {"component": None, "job": "train.job.yml", "inputs": {"data": "{data}"}}
    only = {**known, "outputs": {"model": "m"}}
    gate: dict[str, Any] = {}
    for job in (COMMAND, PIPELINE):
        configuration = loaded(tmp_path, job, only, gate=gate)
        assert configuration.problems == ()
        training = configuration.pipelines["census"].training
        assert isinstance(training, AzureMlTraining)
        assert training.job == job


JOB = {"component": None, "job": "train.job.yml", "inputs": {"data": "{data}"}, "outputs": {}}


@pytest.mark.parametrize(
    ("job", "training", "says"),
    [
        (None, {}, "training.job: train.job.yml cannot be read"),
        ("a: [", {}, "training.job: train.job.yml is not plain YAML: line"),
        ("- a", {}, "training.job: train.job.yml is not a mapping"),
        ("", {"job": "../train.job.yml"}, "training.job: does not name a file below the folder"),
        ("", {"job": {"command": "x"}}, "training.job: must name a file"),
        (
            {**COMMAND, "code": "./src"},
            {},
            "training.job.code: local code is not uploaded: run it once with `az ml job create",
        ),
        (
            {**COMMAND, "environment": {"conda_file": "c.yml"}},
            {},
            "training.job.environment: an inline conda file is not uploaded: register it with",
        ),
    ],
)
def test_a_job_file_that_cannot_be_used_is_said_where_it_is_named(
    tmp_path: Path, job: object, training: dict[str, Any], says: str
) -> None:
    assert says in problem(loaded(tmp_path, job, {**JOB, **training}, gate={}))


def test_a_secret_in_a_job_file_is_refused(tmp_path: Path) -> None:
    job = {**COMMAND, "environment_variables": {"X": "AccountKey=abc"}}
    found = problem(loaded(tmp_path, job, JOB, gate={}))
    assert "training.job.environment_variables.X: holds what looks like a signature" in found
    assert "abc" not in found


@pytest.mark.parametrize(
    ("training", "says"),
    [
        ({"workspace": "ws1"}, "training.workspace: is not the id of a workspace"),
        ({"workspace": None}, "training.workspace: is missing"),
        ({"component": None}, "training: a job is made of one of component, job, like"),
        ({"component": "train:3"}, "training.component: does not name a registered component"),
        ({"compte": "x"}, "training.compte: unknown key: did you mean `compute`?"),
        ({"batch_endpoint": "x"}, "a batch endpoint is not supported yet"),
        ({"inputs": {"a": {"pth": "x"}}}, "training.inputs.a"),
        ({"inputs": {"training_data": "{dta}/x"}}, "unknown token {dta}; data.blob captures"),
        ({"parameters": {"x": "{dta}"}}, "unknown token {dta}"),
        ({"attempts": 0}, "training.attempts"),
        (
            {"inputs": {"training_data": "{data.mltable}"}},
            "data.pin: a list names the blobs where they are, so that copies of them are not read",
        ),
        ({"register_as": {"model": {"nme": "x"}}}, "training.register_as.model"),
    ],
)
def test_mistakes_are_said_at_their_keys(
    tmp_path: Path, training: dict[str, Any], says: str
) -> None:
    told = "\n".join(map(str, loaded(tmp_path, None, training).problems))
    assert says in told
