"""Activities that run pipelines of Azure Machine Learning: the block to fill in."""

import yaml

from shared.core.config.azureml_training import AzureMlTraining
from shared.importers.data_factory.account import ImportOutcome
from tests.unit.importers.factory import storage_named
from tests.unit.importers.repository import imported, line, pipeline, reference, schedule_trigger


def test_a_pipeline_of_azure_machine_learning_gets_a_block_to_fill() -> None:
    activity = {
        "name": "run it",
        "type": "AzureMLExecutePipeline",
        "linkedServiceName": storage_named("workspace"),
        "policy": {"timeout": "1.00:00:00", "retry": 1},
        "typeProperties": {
            "mlPipelineId": "11111111-2222-3333-4444-555555555555",
            "experimentName": "churn",
            "dataPathAssignments": {"rows": {"DataStoreName": "lake", "RelativePath": "a/b"}},
            "mlPipelineParameters": {"epochs": 5, "text": "yes", "api key": "k", "day": "@item()"},
        },
    }
    workspace = {"subscriptionId": "1", "resourceGroupName": "ml", "mlWorkspaceName": "churn"}
    found = imported(
        {
            "pipeline/p": pipeline(activity),
            "trigger/daily": schedule_trigger(reference("p")),
            "linkedService/workspace": {"type": "AzureMLService", "typeProperties": workspace},
        }
    )
    said = line(found, "run it")
    assert said.outcome is ImportOutcome.NOT_CARRIED_OVER
    assert "11111111-2222-3333-4444-555555555555" in said.text
    subscription = "11111111-2222-3333-4444-555555555555"
    filled = said.block.replace("/subscriptions/1/", f"/subscriptions/{subscription}/")
    filled = filled.replace("<name of the component>:<version>", "train:3")
    filled = filled.replace("<fill in>", "monday")
    made = AzureMlTraining.model_validate(
        yaml.safe_load(filled)["training"], context={"development": False}
    )
    assert made.parameters == {"epochs": 5, "text": "yes", "api key": "${FILL_IN}", "day": "monday"}
    assert (made.experiment, made.attempts) == ("churn", 2)
    assert '"rows": "{data}" # {"DataStoreName": "lake", "RelativePath": "a/b"}' in said.block
    assert yaml.safe_load(filled)["schedule"] == {"frequency": "Day", "interval": 1, "offset": "3h"}


def test_a_block_has_a_part_for_each_trigger_that_starts_it_differently() -> None:
    typed = {"mlPipelineParameters": {"day": "@pipeline().parameters.day"}}
    run = {"name": "run it", "type": "AzureMLExecutePipeline", "typeProperties": typed}
    stopped = {**schedule_trigger(reference("p", day=2), interval=3), "runtimeState": "Stopped"}
    found = imported(
        {
            "pipeline/p": pipeline(run, parameters={"day": {"type": "int"}}),
            "trigger/first": stopped,
            "trigger/second": schedule_trigger(reference("p", day=1), reference("p", day=1)),
        }
    )
    said = line(found, "run it")
    first, second = yaml.safe_load_all(said.block)
    assert (first["schedule"]["interval"], first["schedule"]["paused"]) == (3, True)
    assert second["schedule"] == {"frequency": "Day", "interval": 1, "offset": "3h"}
    assert [one["training"]["parameters"]["day"] for one in (first, second)] == [2, 1]
    assert said.block.count("# trigger") == 2
    assert "each trigger that starts it differently" in said.text
