"""New (Resource Manager) web services in JSON: definitions, errors, and what an update may hold."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from local.studio.references import StorageAccount
from local.studio.services import ModelSlot
from local.studio.wire import WireAnswer, json_answer


@dataclass(slots=True)
class WebService:
    """One New web service: its definition, its keys, and the model that it scores with."""

    id: str
    path: str  #: `/subscriptions/…/webServices/<name>`
    subscription: str
    keys: tuple[str, str] = field(repr=False)
    definition: dict[str, Any]
    resource: str
    slot: ModelSlot
    ready_at: datetime
    failed: bool = False

    @property
    def api_key(self) -> str:
        """The primary key."""
        return self.keys[0]

    @property
    def data_plane(self) -> str:
        """The base of its scoring and batch URLs, relative to the service."""
        return f"/subscriptions/{self.subscription.replace('-', '')}/services/{self.id}"


def first_definition(
    service: WebService, uri: str, base_url: str, own: StorageAccount | None
) -> dict[str, Any]:
    """Return the definition of a service that was just published.

    Args:
        service: without a definition.
        uri: of its model.
        base_url: of the stand-in.
        own: the storage account of the service, if it has one.
    """
    properties: dict[str, Any] = {
        "title": service.path.rpartition("/")[2],
        "readOnly": False,
        "swaggerLocation": f"{base_url}{service.data_plane}/swagger.json",
        "packageType": "Graph",
        "payloadsInBlobStorage": False,
        "realtimeConfiguration": {"maxConcurrentCalls": 4},
        "commitmentPlan": {"id": "plan"},
        "assets": {
            "asset1": {
                "name": "Score Model",
                "type": "Module",
                "locationInfo": {"uri": "aml://module/score-model", "credentials": ""},
            },
            "asset3": {
                "name": service.resource,
                "type": "Resource",
                "locationInfo": {"uri": uri},
                "outputPorts": {"Results dataset": {"type": "Dataset"}},
            },
        },
        "package": {"nodes": {"node1": {"assetId": "asset3"}}, "edges": []},
    }
    if own is not None:
        properties["storageAccount"] = {"name": own.name}
    return {"id": service.path, "location": "South Central US", "properties": properties}


def not_allowed(properties: object, service: WebService) -> WireAnswer | None:
    """Return the refusal of an update, or None if it is allowed.

    Args:
        properties: that were sent.
        service: that is updated.
    """
    if not isinstance(properties, dict) or not properties.get("packageType"):
        return error_answer(400, "BadRequest", "The request is invalid: packageType is required.")
    known = service.definition["properties"]
    if known["readOnly"]:
        return error_answer(400, "BadRequest", "The web service is readOnly and cannot be updated.")
    account = properties.get("storageAccount")
    name = account.get("name") if isinstance(account, dict) else None
    own = known.get("storageAccount", {}).get("name")
    if name and own and name != own:
        detail = {
            "code": "CannotChangeStorageAccount",
            "message": "The StorageAccount cannot be changed. Currently configured storage "
            f"account name = '{own}' .",
        }
        return error_answer(400, "BadRequest", "The request is invalid.", detail)
    return None


def model_uri(assets: dict[str, Any], resource: str) -> str:
    """Return the URI of the model in the assets of an update; empty if there is none.

    Args:
        assets: that were sent.
        resource: the name of the model.
    """
    for asset in assets.values():
        members = {key.lower(): value for key, value in asset.items()}
        if members.get("name") == resource:
            location = {key.lower(): value for key, value in members["locationinfo"].items()}
            return str(location["uri"])
    return ""


def capitals(value: object) -> object:
    """Return a value whose members start with capitals."""
    if isinstance(value, dict):
        return {key[:1].upper() + key[1:]: capitals(one) for key, one in value.items()}
    return value


def provisioning(shown: dict[str, Any]) -> dict[str, Any]:
    """Return the members of an answer while an update is under way."""
    return {"properties": {**shown["properties"], "provisioningState": "Provisioning"}}


def failure_of(code: str, message: str) -> dict[str, Any]:
    """Return the error in which an update ends.

    Args:
        code: of the error.
        message: of the error.
    """
    return {"code": code, "target": "webService", "message": message, "details": []}


def error_answer(status: int, code: str, message: str, *details: dict[str, Any]) -> WireAnswer:
    """Return an error answer of Resource Manager.

    Args:
        status: of the answer.
        code: of the error.
        message: of the error.
        details: of the error.
    """
    error: dict[str, Any] = {"code": code, "message": message}
    if details:
        error["details"] = list(details)
    return json_answer({"error": error}, status)
