"""Calls of the management API of a Classic web service, and its answers."""

from collections.abc import Callable
from typing import Any

from shared.core.config.studio_endpoint import Create
from shared.errors import RelearnError
from shared.ports.storage import SignedBlob
from shared.providers.http.client import Answer
from shared.providers.studio.management import StudioManagement
from tests.unit.scripted import KEY, SAS, Script, call

SERVICE = "https://management.azureml.net/workspaces/w1/webservices/s1"
NAME = "production"
RESOURCE = "Census Model [trained model]"
BLOB = SignedBlob("https://account.blob.core.windows.net/", "models/x.ilearner", SAS)
SHOWN = {
    "Name": NAME,
    "Description": "made by Relearn",
    "ApiLocation": "https://ussouthcentral.services.azureml.net/workspaces/w1/services/e1",
    "PrimaryKey": KEY,
    "SecondaryKey": "b3RoZXI=",
    "HelpLocation": "https://studio.azureml.net/apihelp/workspaces/w1",
    "PreventUpdate": False,
    "MaxConcurrentCalls": 4,
    "ThrottleLevel": "Low",
    "Resources": [
        {
            "Name": RESOURCE,
            "Kind": "?",
            "Location": {
                "BaseLocation": BLOB.account_url,
                "RelativeLocation": BLOB.path,
                "SasBlobToken": SAS,
            },
        }
    ],
}
Ask = Callable[[StudioManagement], Any]
WRITES: dict[str, Ask] = {
    "create": lambda one: one.create(NAME, Create()),
    "delete": lambda one: one.delete(NAME),
    "refresh": lambda one: one.refresh(NAME),
    "patch": lambda one: one.patch(NAME, {RESOURCE: BLOB}),
}
READS: dict[str, Ask] = {
    "endpoints": lambda one: one.endpoints(),
    "services": lambda one: one.services(),
    "get": lambda one: one.get(NAME),
}


def management(*answers: Answer | RelearnError) -> tuple[StudioManagement, Script]:
    script = Script(list(answers))
    return StudioManagement(call(script, "${ENDPOINT_KEY}"), SERVICE), script
