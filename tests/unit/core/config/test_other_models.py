"""The live model and the anchor as inputs of a job: where they can be written, and where not."""

from typing import Any

import pytest
from pydantic import ValidationError

from shared.core.config.azureml_training import AzureMlTraining
from shared.core.config.pipeline import Pipeline
from shared.core.config.training import TrainingConfig
from tests.unit.core.config.test_azureml_training import training as azureml
from tests.unit.samples import pipeline, tree

STRICT = {"development": False}


def studio(**changes: Any) -> TrainingConfig:
    return pipeline(**{f"training__{name}": value for name, value in changes.items()}).training


def refused(**changes: Any) -> str:
    with pytest.raises(ValidationError) as caught:
        Pipeline.model_validate(tree(**changes), context=STRICT)
    return str(caught.value)


def test_at_azure_machine_learning_a_model_is_an_input() -> None:
    made = azureml(
        inputs={
            "data": "{data}",
            "live": "{live.model}",
            "anchor": {"path": "{anchor.model}", "type": "mlflow_model"},
        }
    )
    assert made.other_models == {"live": "live", "anchor": "anchor"}
    assert made.sources == {"data": "{data}"}  # no blob is looked up for a model
    assert (made.wants_data, made.wants_manifest) == (True, False)
    assert AzureMlTraining.model_validate(made.model_dump(mode="json")) == made


def test_at_studio_a_model_is_a_parameter() -> None:
    made = studio(parameters={"Live model": "{live.model}", "n": 3, "text": "live.model"})

    assert made.other_models == {"Live model": "live"}
    assert made.sources == {"input1": "{data}"}
    assert studio().other_models == azureml().other_models == {}


@pytest.mark.parametrize("inputs", [{"input1": "{data}", "input2": "{live.model}"}])
def test_at_studio_a_model_is_no_input(inputs: dict[str, str]) -> None:
    said = refused(training__inputs=inputs)

    assert "a model is not an input of a batch job" in said
    assert "write {live.model} under parameters" in said


def test_at_azure_machine_learning_a_model_is_no_parameter() -> None:
    with pytest.raises(ValidationError, match="a model is an input: write it under inputs"):
        azureml(parameters={"live": "{live.model}"})


@pytest.mark.parametrize("text", ["{live.model}/x", "s3://{anchor.model}"])
def test_a_model_is_the_whole_value(text: str) -> None:
    assert "must be the whole value" in refused(training__parameters={"a": text})
    with pytest.raises(ValidationError, match="must be the whole value"):
        azureml(inputs={"a": text})


def test_there_is_exactly_one_endpoint_whose_model_it_is() -> None:
    given = {"training__parameters": {"Live": "{live.model}"}}
    (one,) = tree()["endpoints"]
    two = {**one, "name": "other", "update": f"{one['update']}2"}
    for endpoints in ([], [one, two]):
        assert "there is not exactly one endpoint" in refused(**given, endpoints=endpoints)
    assert pipeline(**given).form == 2  # version 0.1.0 would send the text as it is
    assert pipeline().form == 1
