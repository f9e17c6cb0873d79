"""Statements of the report of version 1 that were once wrong for public definitions."""

import json
from typing import Any

import yaml

from shared.importers.data_factory.account import ImportOutcome
from shared.importers.data_factory.drafts import ImportOptions
from shared.importers.data_factory.importer import import_definitions
from tests.unit.importers.claims import LEFT, MASKED, NOW, imported, line, service
from tests.unit.importers.factory import JOBS, UPDATE
from tests.unit.importers.version_1 import VersionOne, training, updating, walk_through

DAILY = {"frequency": "Day", "interval": 1}


def blob(path: str) -> dict[str, Any]:
    typed = {"folderPath": path}
    return {"type": "AzureBlob", "typeProperties": typed, "availability": DAILY}


def pipeline(*activities: dict[str, Any]) -> dict[str, Any]:
    return {
        "activities": list(activities),
        "start": "2016-02-13T00:00:00Z",
        "end": "2016-02-14T00:00:00Z",
    }


def train(**changes: Any) -> dict[str, Any]:
    typed = {"webServiceOutputs": {"output1": "model"}}
    return training(typeProperties=typed, inputs=[], outputs=[{"name": "model"}], **changes)


def update(**changes: Any) -> dict[str, Any]:
    typed = {"trainedModelName": "m", "trainedModelDatasetName": "model"}
    return updating(typeProperties=typed, inputs=[{"name": "model"}], outputs=[], **changes)


def test_two_services_with_masked_ids_are_not_the_same_one() -> None:
    result = imported(
        training=service(),
        scoring=service(),
        model=blob("models/m.ilearner"),
        p=pipeline(train(), update()),
    )
    said = line(result, "p.json", "activities[1]")
    assert said.text == "linked service `scoring` has no updateResourceEndpoint"
    same = imported(
        training=service(),
        model=blob("models/m.ilearner"),
        p=pipeline(train(), update(linkedServiceName="training")),
    )
    said = line(same, "p.json", "activities[1]")
    assert said.text == "points at the training service, which has no model to update"


def test_a_definition_of_the_own_folder_counts_before_the_first_one() -> None:
    result = imported(
        a__scoring=service(),
        a__model=blob("first/other.csv"),
        b__training=service(),
        b__scoring=service(updateResourceEndpoint=UPDATE),
        b__model=blob("second/m.ilearner"),
        b__p=pipeline(train(), update()),
    )
    (entry,) = yaml.safe_load(result.pipelines_yaml)["pipelines"].values()
    assert [one["update"] for one in entry["endpoints"]] == [UPDATE]
    assert entry["endpoints"][0]["api_key"] == "${SCORING_B_API_KEY}"
    assert "wrote second/m.ilearner" in line(result, "b/model.json").text
    assert line(result, "a/model.json").outcome is LEFT
    assert line(result, "b/scoring.json").outcome is ImportOutcome.MAPPED


def test_datasets_of_one_name_in_two_folders_do_not_join_pipelines() -> None:
    files: dict[str, Any] = {}
    for folder in ("a", "b"):
        files |= {
            f"{folder}__training": service(),
            f"{folder}__scoring": service(updateResourceEndpoint=f"{UPDATE}{folder}"),
            f"{folder}__model": blob(f"models-{folder}/m.ilearner"),
            f"{folder}__of_{folder}": pipeline(train(), update()),
        }
    made = yaml.safe_load(imported(**files).pipelines_yaml)["pipelines"]
    found = {name: [one["update"] for one in tree["endpoints"]] for name, tree in made.items()}
    assert found == {"of-a": [f"{UPDATE}a"], "of-b": [f"{UPDATE}b"]}


def test_newest_first_differs_where_an_update_follows() -> None:
    order = {"executionPriorityOrder": "NewestFirst", "timeout": "01:00:00"}
    factory = walk_through(training(policy=order), updating(policy=order))
    factory.drafts()
    of_both = [
        factory.line("pipeline/walk", f"activities[{at}].policy.executionPriorityOrder")
        for at in (0, 1)
    ]
    assert [one.outcome for one in of_both] == [ImportOutcome.APPROXIMATED] * 2
    assert all("never replaces that of a newer one" in one.text for one in of_both)
    oldest = {"executionPriorityOrder": "OldestFirst"}
    factory = walk_through(training(policy=oldest), updating(policy=oldest))
    factory.drafts()
    said = factory.line("pipeline/walk", "activities[1].policy.executionPriorityOrder")
    assert said.outcome is ImportOutcome.MAPPED


def waiting() -> VersionOne:
    inputs = [{"name": "trainingData"}, {"name": "ready"}]
    factory = walk_through(training(inputs=inputs), updating())
    factory.blob("ready", "signals", "done.csv")
    return factory


def test_a_dataset_that_is_only_waited_for_is_not_mapped() -> None:
    factory = waiting()
    factory.drafts()
    said = next(
        one for (file, path), one in factory.account.lines.items() if "ready" in file and not path
    )
    assert said.outcome is LEFT
    assert "Relearn does not wait for it" in said.text


def test_a_dataset_that_is_written_and_waited_for_is_not_left() -> None:
    inputs = [{"name": "trainingData"}, {"name": "placeholderBlob"}]
    factory = walk_through(training(), training("second", inputs=inputs), updating())
    factory.drafts()
    said = factory.line("dataset/placeholderBlob", "")
    assert said.outcome is ImportOutcome.APPROXIMATED
    assert "Relearn does not wait for it" in said.text


def test_datasets_of_a_job_that_cannot_run_are_not_carried_over() -> None:
    result = imported(
        training=service(),
        model=blob("models/m.ilearner"),
        p=pipeline(
            {
                **train(),
                "typeProperties": {
                    "webServiceInput": "missing",
                    "webServiceOutputs": {"output1": "model"},
                    "globalParameters": {"Day": "$$Text.Format('{0:yyyy}', SliceStart)"},
                },
            },
            update(),
        ),
    )
    assert not result.pipelines_yaml
    of_model = [one for one in result.report.lines if one.file == "model.json"]
    assert [(one.kind, one.outcome) for one in of_model] == [
        ("dataset", LEFT),
        ("availability", LEFT),
        ("availability", LEFT),
    ]
    assert line(result, "p.json", "globalParameters.Day").outcome is LEFT


def test_the_output_of_the_oldest_jobs_names_where_the_factory_wrote() -> None:
    score = train(type="AzureMLBatchScoring")
    score["typeProperties"] = {}
    result = imported(training=service(), model=blob("scored/rows.csv"), p=pipeline(score))
    said = line(result, "model.json")
    assert said.outcome is ImportOutcome.APPROXIMATED
    assert "the factory wrote the output of the job to scored/rows.csv" in said.text


def test_parameters_that_the_factory_fills_in_from_a_database_are_reported() -> None:
    table = {"type": "AzureSqlTable", "typeProperties": {"tableName": "t"}, "availability": DAILY}
    score = train(type="AzureMLBatchScoring")
    score |= {"typeProperties": {"webServiceParameters": {"Database name": "d"}}}
    result = imported(
        training=service(),
        model=blob("scored/rows.csv"),
        rows=table,
        p=pipeline({**score, "inputs": [{"name": "rows"}]}),
    )
    said = line(result, "p.json", "activities[0]")
    assert "fills in Database server name, Server user account name" in said.text
    later = {**score, "type": "AzureMLBatchExecution", "inputs": [{"name": "rows"}]}
    result = imported(
        training=service(), model=blob("scored/rows.csv"), rows=table, p=pipeline(later)
    )
    assert "fills in" not in line(result, "p.json", "activities[0]").text


def test_checks_of_external_data_without_a_number_are_reported() -> None:
    factory = walk_through()
    data = next(one for one in factory.all if one.name == "trainingData")
    data.properties.value["policy"] = {"externalData": {}}
    factory.drafts()
    said = factory.line("dataset/trainingData", "policy.externalData")
    assert (said.kind, said.outcome) == ("policy", ImportOutcome.APPROXIMATED)
    assert "wait_for_data.at_most: 33m" in said.text


def test_a_template_of_a_pipeline_alone_may_leave_out_the_service() -> None:
    activity = {"name": "copy", "type": "Copy", "policy": {"retry": 1}}
    resource: dict[str, Any] = {"type": "pipelines", "apiVersion": "2018-06-01", "name": "p"}
    resource |= {"properties": {"activities": [activity]}}
    content = json.dumps({"resources": [resource]}).encode()
    result = import_definitions({"t.json": content}, ImportOptions(), NOW)
    kinds = {one.at: one.kind for one in result.report.lines}
    inner = "resources[0].properties.activities[0]"
    assert (kinds[inner], kinds[f"{inner}.policy.retry"]) == ("activity", "policy")


def test_a_linked_service_is_mapped_to_where_it_is_used() -> None:
    scoring = service(updateResourceEndpoint=UPDATE)
    writes = {"webServiceOutputs": {"output1": "other"}}
    other: dict[str, Any] = {"typeProperties": writes, "inputs": [], "outputs": [{"name": "other"}]}
    result = imported(
        training=service(JOBS),
        unknown=service(),
        scoring=scoring,
        nobody=service(),
        model=blob("models/m.ilearner"),
        p=pipeline(train(), update()),
        q=pipeline(training(linkedServiceName="unknown", **other)),
        other=blob("models/other.ilearner"),
    )
    said = {one.file: one for one in result.report.lines if one.kind == "linked service"}
    assert said["training.json"].text == "p: training.service"
    assert said["scoring.json"].text == (
        "p: endpoints: scoring: update; an update needs no mlEndpoint"
    )
    assert line(result, "scoring.json", "mlEndpoint").outcome is LEFT
    assert line(result, "unknown.json", "mlEndpoint").outcome is ImportOutcome.APPROXIMATED
    assert said["unknown.json"].outcome is ImportOutcome.APPROXIMATED
    assert said["unknown.json"].text == "q: training.service: an example stands in its place"
    assert said["nobody.json"].text == "no pipeline of the file uses it"
    of_nobody = [one.outcome for one in result.report.lines if one.file == "nobody.json"]
    assert ImportOutcome.MAPPED not in of_nobody


def test_a_placeholder_that_is_the_name_of_its_key_hides_nothing() -> None:
    scoring = service(updateResourceEndpoint=UPDATE, servicePrincipalKey="servicePrincipalKey")
    said = line(imported(scoring=scoring), "scoring.json", "servicePrincipalKey")
    assert said.name == "servicePrincipalKey"


def test_a_pipeline_that_is_paused_until_its_start_is_written_says_so() -> None:
    factory = walk_through(start="<when it begins>", isPaused=False)
    factory.drafts()
    said = factory.line("pipeline/walk", "isPaused")
    assert said.outcome is ImportOutcome.APPROXIMATED
    assert "schedule.paused: true, until what is missing is written" in said.text


def test_a_policy_that_is_an_expression_has_one_line_where_its_activity_is_left() -> None:
    activity: dict[str, Any] = {"name": "copy", "type": "Copy"}
    activity |= {"policy": {"retry": {"value": "@pipeline().parameters.r", "type": "Expression"}}}
    result = imported(p={"activities": [activity], "annotations": []})
    of_policy = [one.at for one in result.report.lines if one.kind == "policy"]
    assert of_policy == ["properties.activities[0].policy.retry"]


def test_a_url_that_is_no_text_is_reported() -> None:
    typed = {"mlEndpoint": MASKED, "apiKey": "*****", "updateResourceEndpoint": ["x"]}
    result = imported(scoring={"type": "AzureML", "typeProperties": typed})
    said = line(result, "scoring.json", "updateResourceEndpoint")
    assert (said.outcome, said.text) == (LEFT, "it is not a text")
