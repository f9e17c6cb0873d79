"""Parameters of a factory of version 2 have their values; secrets among them are not copied."""

import json

import pytest

from shared.importers.data_factory.account import ImportOutcome
from shared.importers.data_factory.drafts import ImportOptions
from shared.importers.data_factory.importer import import_definitions
from tests.unit.importers.factory import JOBS, storage_named
from tests.unit.importers.repository import (
    NOW,
    imported,
    imported_alone,
    line,
    pipeline,
    pipelines,
    reference,
    schedule_trigger,
    services,
    training,
    with_input,
)


def test_parameters_of_the_factory_have_their_values() -> None:
    activity = with_input("data/@{pipeline().globalParameters.store}/a.csv")
    found = imported(
        {
            "factory/mine": {"globalParameters": {"Store": {"type": "string", "value": "north"}}},
            "pipeline/churn": pipeline(activity),
        }
    )
    assert pipelines(found)["churn"]["data"]["blob"] == "north/a.csv"


def test_secrets_among_parameters_are_not_copied() -> None:
    typed = {
        "globalParameters": {
            "Server": "Password=@{pipeline().parameters.password}",
            "User": "@pipeline().parameters.user",
            "Other": "@pipeline().parameters.other",
            "Member": "@pipeline().parameters.sign_in.password",
            "Whole": "@string(pipeline().parameters.sign_in)",
            "Factory": "@pipeline().globalParameters.api_key",
        }
    }
    parameters = {
        "sign_in": {"type": "Object", "defaultValue": {"user": "u", "password": "hunter11"}},
        "password": {"type": "String", "defaultValue": "hunter22"},
        "other": {"type": "SecureString", "defaultValue": "hunter33"},
        "user": {"type": "String", "defaultValue": "me"},
    }
    activity = training(typeProperties=typed)
    daily = schedule_trigger(reference("churn", password="hunter44"))
    found = imported(
        {
            "factory/mine": {"globalParameters": {"api_key": {"value": "hunter99"}}},
            "pipeline/churn": pipeline(activity, parameters=parameters),
            "trigger/daily": daily,
        }
    )
    assert pipelines(found)["churn"]["training"]["parameters"] == {
        "Server": "${CHURN_TRAIN_SERVER}",
        "User": "me",
        "Other": "${CHURN_TRAIN_OTHER}",
        "Member": "${CHURN_TRAIN_MEMBER}",
        "Whole": "${CHURN_TRAIN_WHOLE}",
        "Factory": "${CHURN_TRAIN_FACTORY}",
    }
    assert "hunter" not in str(found)
    places = [one for one in found.report.lines if one.name == "password"]
    assert [one.file for one in places if "rotate" in one.to_do] == [
        "pipeline/churn.json",
        "trigger/daily.json",
    ]


def test_each_secret_that_is_readable_is_to_be_rotated() -> None:
    call = {
        "name": "call",
        "type": "ExecutePipeline",
        "typeProperties": {
            "pipeline": {"referenceName": "churn", "type": "PipelineReference"},
            "parameters": {"thing": "hunter55"},
        },
    }
    declared = {"thing": {"type": "SecureString"}}
    daily = schedule_trigger(reference("churn", thing="hunter66"))
    daily["description"] = "sign in by Password=hunter77;"
    found = imported(
        {
            "pipeline/churn": pipeline(training(), parameters=declared),
            "pipeline/all": pipeline(call, description="Pwd=hunter88"),
            "trigger/daily": daily,
        }
    )
    assert "hunter" not in str(found)
    lines = [one for one in found.report.lines if "rotate" in one.to_do]
    assert sorted((one.file, one.name) for one in lines) == [
        ("pipeline/all.json", "all"),  # no part of it is carried over
        ("pipeline/all.json", "thing"),
        ("trigger/daily.json", "description"),
        ("trigger/daily.json", "thing"),
    ]


def test_no_key_that_a_reference_gives_a_linked_service_is_copied() -> None:
    shared = {
        "type": "AzureML",
        "parameters": {"url": {"type": "string"}, "k": {"type": "string"}},
        "typeProperties": {
            "mlEndpoint": "@{linkedService().url}",
            "apiKey": {"type": "SecureString", "value": "@{linkedService().k}"},
        },
    }
    given = {**storage_named("shared"), "parameters": {"url": JOBS, "k": "hunter2"}}
    made = pipeline(training(linkedServiceName=given))
    found = imported({"linkedService/shared": shared, "pipeline/churn": made})
    assert pipelines(found)["churn"]["training"]["service"] == JOBS
    assert "hunter2" not in found.pipelines_yaml + str(found.settings) + repr(found.report)
    assert line(found, "k", "key").to_do.startswith("rotate it")


def test_a_secret_among_the_parameters_of_a_factory_is_not_copied() -> None:
    typed = {
        **training()["typeProperties"],
        "globalParameters": {"x": "@pipeline().globalParameters.open"},
    }
    declared = {"open": {"type": "SecureString", "value": "hunter2"}}
    files = {
        "pipeline/churn": pipeline(training(typeProperties=typed)),
        "factory/stores": {"globalParameters": declared},
    }
    found = imported(files)
    assert pipelines(found)["churn"]["training"]["parameters"] == {"x": "${CHURN_TRAIN_X}"}
    assert "hunter2" not in found.pipelines_yaml + str(found.settings)


def test_a_secret_is_not_copied_from_another_name_either() -> None:
    typed = {"globalParameters": {"Source": "@concat('/', pipeline().parameters.folder)"}}
    parameters = {"folder": {"type": "String", "defaultValue": "hunter22"}}
    other = {"name": "w", "type": "WebActivity", "typeProperties": {"password": "hunter22"}}
    activity = training(typeProperties=typed)
    found = imported({"pipeline/churn": pipeline(activity, other, parameters=parameters)})
    assert pipelines(found)["churn"]["training"]["parameters"] == {"Source": "${CHURN_SOURCE}"}
    activity = with_input("data/@{pipeline().parameters.folder}/a.csv")
    found = imported({"pipeline/churn": pipeline(activity, other, parameters=parameters)})
    assert not found.report.pipelines
    assert "hunter" not in str(found)


def test_a_value_that_has_the_shape_of_a_secret_where_it_is_known_is_not_copied() -> None:
    given = {"Header": "@variables('v')"}
    typed = {**training()["typeProperties"], "globalParameters": given}
    secret = {"v": {"type": "String", "defaultValue": "Bearer planted7-a-token"}}
    found = imported_alone(training(typeProperties=typed), variables=secret)
    assert pipelines(found)["churn"]["training"]["parameters"] == {
        "Header": "${CHURN_TRAIN_HEADER}"
    }
    assert "planted7" not in f"{found.pipelines_yaml}{found.settings}{found.report}"


@pytest.mark.parametrize("number", ["NaN", "-Infinity", "1e999"])
def test_a_number_that_json_has_not_is_a_text_and_is_said(number: str) -> None:
    properties = json.dumps(pipeline(training(typeProperties={"globalParameters": {"a": 98765}})))
    content = f'{{"name": "churn", "properties": {properties.replace("98765", number)}}}'
    of_service = json.dumps(services()["linkedService/trainingService"])
    files = {
        "pipeline/churn.json": content.encode(),
        "linkedService/trainingService.json": (
            f'{{"name": "trainingService", "properties": {of_service}}}'.encode()
        ),
    }
    found = import_definitions(files, ImportOptions(), NOW)
    assert pipelines(found)["churn"]["training"]["parameters"] == {"a": number}
    said = line(found, "a", "key")
    assert said.outcome is ImportOutcome.APPROXIMATED
    assert f"`{number}` is not a number" in said.text
