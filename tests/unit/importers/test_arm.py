"""ARM templates: their definitions, and the report about the rest."""

from typing import Any

import pytest

from shared.importers.data_factory.account import ImportOutcome, Place
from tests.unit.importers.templates import (
    dataset,
    lines,
    resource,
    search,
    template,
    values_of,
)


def test_definitions_of_an_exported_template_have_their_values_and_paths() -> None:
    pipeline = resource(
        "pipelines",
        "Retrain",
        {"activities": [{"name": "a", "typeProperties": {"text": "[[literal]", "x": "[not] one"}}]},
    )
    trigger = resource("triggers", "Weekly", {"type": "ScheduleTrigger", "typeProperties": {}})
    definitions, account = search(
        {
            "arm/ARMTemplateForFactory.json": template(
                pipeline,
                dataset(folderPath="[concat(parameters('folder'), '/[x]')]"),
                trigger,
                resource("integrationRuntimes", "Own", {"type": "SelfHosted"}),
                {"type": "Microsoft.Storage/storageAccounts", "apiVersion": "1", "name": "st"},
                variables={"factoryId": "x"},
                outputs={"id": {"type": "string", "value": "x"}},
            )
        },
        FOLDER="data",
    )
    assert [(one.kind, one.name, one.version, one.body.path) for one in definitions.all] == [
        ("pipeline", "Retrain", 2, ("resources", 0)),
        ("dataset", "In", 2, ("resources", 1)),
        ("trigger", "Weekly", 2, ("resources", 2)),
    ]
    activity = definitions.all[0].properties.value["activities"][0]
    assert activity["typeProperties"] == {"text": "[literal]", "x": "[not] one"}
    assert values_of(definitions, 1) == {"folderPath": "data/[x]"}
    told = lines(definitions, account)
    assert set(told) == {(), ("outputs",), *(("resources", at) for at in range(5))}
    assert told["resources", 3].text == "Relearn has no integration runtime"
    assert told["resources", 4].text == (
        "Microsoft.Storage/storageAccounts: it is not part of a data factory"
    )


def test_definitions_nested_in_a_factory_of_version_1_are_found() -> None:
    inner = {
        "type": "datapipelines",
        "apiVersion": "2015-10-01",
        "name": "[variables('pipeline')]",
        "properties": {"activities": [], "start": "2016-01-01"},
    }
    factory = {
        "type": "Microsoft.DataFactory/datafactories",
        "apiVersion": "2015-10-01",
        "name": "[parameters('factoryName')]",
        "location": "[resourceGroup().location]",
        "resources": [{**inner, "type": "linkedservices", "name": "s"}, inner],
    }
    definitions, account = search(
        {"a.json": template(factory, variables={"pipeline": "[concat('Re', 'train')]"})}
    )
    assert [(one.kind, one.name, one.version) for one in definitions.all] == [
        ("linkedService", "s", 1),
        ("pipeline", "Retrain", 1),
    ]
    told = lines(definitions, account)
    own = ("resources", 0)
    assert set(told) == {(), own, (*own, "resources", 0), (*own, "resources", 1)}
    assert (told[own].text, told[own].outcome) == (
        "the factory itself",
        ImportOutcome.NOT_CARRIED_OVER,
    )


def test_deployments_inside_a_template_are_read_in_their_scope() -> None:
    def deployment(scope: str, inner: Any, **more: Any) -> Any:
        return {
            "type": "Microsoft.Resources/deployments",
            "apiVersion": "2020-06-01",
            "name": "inner",
            "properties": {
                "expressionEvaluationOptions": {"scope": scope},
                "template": inner,
                **more,
            },
        }

    own = template(dataset("One", folderPath="[variables('where')]"), variables={"where": "inner"})
    handed = {"folder": {"value": "[concat(variables('where'), '/x')]"}, "k": {"value": "planted1"}}
    taken = template(dataset("Two", folderPath="[parameters('folder')]"))
    taken["parameters"] = {"folder": {"type": "string"}, "factoryName": {"defaultValue": "f"}}
    taken["parameters"]["k"] = {"type": "securestring"}
    root = template(
        deployment("outer", own),
        deployment("inner", taken, parameters=handed),
        variables={"where": "outer"},
    )
    definitions, account = search({"a.json": root})
    assert [values_of(definitions, at) for at in (0, 1)] == [
        {"folderPath": "outer"},
        {"folderPath": "outer/x"},
    ]
    path = ("resources", 0, "properties", "template", "resources", 0)
    assert definitions.all[0].body.path == path
    told = lines(definitions, account)
    assert "rotate" in told.pop(("resources", 1, "properties", "parameters", "k", "value")).to_do
    inner = ("properties", "template")
    below = ((), inner, (*inner, "resources", 0))
    assert set(told) == {(), *(("resources", at, *keys) for at in (0, 1) for keys in below)}


def test_linked_templates_are_files_of_their_own() -> None:
    def linked(file: str) -> Any:
        uri = f"[concat(parameters('containerUri'), '/{file}', parameters('token'))]"
        return {
            "type": "Microsoft.Resources/deployments",
            "apiVersion": "2020-06-01",
            "name": file,
            "properties": {"templateLink": {"uri": uri}},
        }

    definitions, account = search(
        {
            "linkedTemplates/ArmTemplate_0.json": template(dataset()),
            "linkedTemplates/ArmTemplate_master.json": template(
                linked("ArmTemplate_0.json"), linked("ArmTemplate_1.json")
            ),
        }
    )
    assert [one.name for one in definitions.all] == ["In"]
    master = "linkedTemplates/ArmTemplate_master.json"
    told = [account.lines[Place(master, ("resources", at))] for at in (0, 1)]
    assert [one.outcome for one in told] == [ImportOutcome.MAPPED, ImportOutcome.NOT_CARRIED_OVER]
    assert told[1].text == "its template ArmTemplate_1.json is not among the files"


def test_a_definition_that_is_not_deployed_or_repeated_is_reported() -> None:
    definitions, account = search(
        {
            "a.json": template(
                {**dataset("Off"), "condition": "[equals(parameters('factoryName'), 'x')]"},
                {**dataset("Many", fileName="[copyIndex()]"), "copy": {"name": "c", "count": 3}},
                {**dataset("Perhaps"), "condition": "[parameters('deploy')]"},
            )
        }
    )
    assert [one.name for one in definitions.all] == ["Many", "Perhaps"]
    definitions.close(account)
    told = lines(definitions, account)
    copied = told["resources", 1, "properties", "typeProperties", "fileName"]
    assert copied.to_do == "write each copy as a resource of its own, without copyIndex()"
    assert told["resources", 0].text == "its condition is false, so it is not deployed"
    assert told["resources", 1, "copy"].outcome is ImportOutcome.NOT_CARRIED_OVER
    assert "`[parameters('deploy')]` counts as true" in told["resources", 2, "condition"].text


def test_resources_with_names_of_their_own_are_read() -> None:
    root = template() | {"languageVersion": "2.0", "resources": {"in": dataset()}}
    definitions, _ = search({"a.json": root})
    assert [(one.name, one.body.path) for one in definitions.all] == [("In", ("resources", "in"))]


def test_a_key_that_nobody_knows_of_a_template_is_reported() -> None:
    root = template(dataset(), apiProfile="2018", newKey={"x": 1}, metadata={"_generator": {}})
    definitions, account = search({"a.json": root})
    assert set(lines(definitions, account)) == {(), ("resources", 0), ("newKey", "x")}


def test_a_template_without_a_factory_is_reported_as_one() -> None:
    store = {"type": "Microsoft.Storage/storageAccounts", "apiVersion": "1", "name": "st"}
    definitions, account = search({"a.json": template(store)})
    assert definitions.all == []
    (only,) = account.lines.values()
    assert only.text == "an ARM template without a part of a data factory"


@pytest.mark.parametrize("region", ["[eu]", "[[eu]"])
def test_what_expressions_can_name_of_a_factory_is_kept(region: str) -> None:
    in_template = region.startswith("[[")
    globals_ = {"region": {"type": "string", "value": region}}
    factory = {"name": "churn-adf", "properties": {"globalParameters": globals_}}
    typed = {**factory, "type": "Microsoft.DataFactory/factories", "apiVersion": "2018-06-01"}
    files = {"a.json": template(typed)} if in_template else {"factory/churn-adf.json": factory}
    definitions, _ = search(files)
    assert definitions.factory == "churn-adf"
    assert definitions.factory_parameters == {"region": "[eu]"}
