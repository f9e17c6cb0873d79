"""ARM templates, as tests write them down, and what is found in them."""

import json
from typing import Any

from shared.importers.data_factory.account import Account, Line
from shared.importers.data_factory.reading.definitions import Definitions
from shared.importers.data_factory.reading.finder import found

SCHEMA = "http://schema.management.azure.com/schemas/2015-01-01/deploymentTemplate.json#"
OF_PARAMETERS = "https://schema.management.azure.com/schemas/2015-01-01/deploymentParameters.json#"
V2 = "Microsoft.DataFactory/factories"


def template(*resources: Any, **more: Any) -> dict[str, Any]:
    return {
        "$schema": SCHEMA,
        "contentVersion": "1.0.0.0",
        "parameters": {"factoryName": {"type": "string", "defaultValue": "churn-adf"}},
        "resources": list(resources),
        **more,
    }


def resource(kind: str, name: str, properties: Any, **more: Any) -> dict[str, Any]:
    return {
        "name": f"[concat(parameters('factoryName'), '/{name}')]",
        "type": f"{V2}/{kind}",
        "apiVersion": "2018-06-01",
        "properties": properties,
        "dependsOn": ["[concat(variables('factoryId'), '/linkedServices/x')]"],
        **more,
    }


def dataset(name: str = "In", **values: Any) -> dict[str, Any]:
    reference = {"referenceName": "Store", "type": "LinkedServiceReference"}
    return resource(
        "datasets",
        name,
        {"type": "AzureBlob", "linkedServiceName": reference, "typeProperties": values},
    )


def parameters(**values: Any) -> dict[str, Any]:
    return {
        "$schema": OF_PARAMETERS,
        "parameters": {key: {"value": one} for key, one in values.items()},
    }


def search(files: dict[str, Any], **given: Any) -> tuple[Definitions, Account]:
    account = Account()
    written = {name: json.dumps(one).encode() for name, one in files.items()}
    definitions = found(written, given, account)
    return definitions, account


def values_of(definitions: Definitions, at: int = 0) -> Any:
    return definitions.all[at].properties.value["typeProperties"]


def lines(definitions: Definitions, account: Account) -> dict[tuple[str | int, ...], Line]:
    for one in definitions.all:
        one.body.mapped(one.kind, one.name, "read", whole=False)
        one.properties.take()
    definitions.close(account)
    return {path: one for (_, path), one in account.lines.items()}
