"""Definitions of a factory, as tests write them down."""

from typing import Any

from shared.importers.data_factory.account import Account, Element, Line
from shared.importers.data_factory.reading.definitions import Definition, Definitions

WORKSPACE = "a" * 32
JOBS = (
    "https://ussouthcentral.services.azureml.net"
    f"/workspaces/{WORKSPACE}/services/{'b' * 32}/jobs?api-version=2.0"
)
UPDATE = (
    "https://management.azureml.net"
    f"/workspaces/{WORKSPACE}/webservices/{'c' * 32}/endpoints/endpoint2"
)
WEB_SERVICE = (
    "https://management.azure.com/subscriptions/11111111-2222-3333-4444-555555555555"
    "/resourceGroups/ml/providers/Microsoft.MachineLearning/webServices/churn"
    "?api-version=2016-05-01-preview"
)


class Factory:
    """Definitions of version 2 by their names, with the account of them all."""

    def __init__(self) -> None:
        self.account = Account()
        self.roots: dict[str, Any] = {}
        self.all: list[Definition] = []

    def add(self, kind: str, name: str, **properties: Any) -> Definition:
        """Add a definition in a file of its own, and return it."""
        file = f"{kind}/{name}.json"
        root = {"name": name, "properties": properties}
        self.roots[file] = root
        body = Element(root, file, (), self.account)
        self.account.take(file, ("name",))  # as the reader does
        found = Definition(kind, name, 2, body, str(properties.get("type", "")), file)
        self.all.append(found)
        return found

    def service(self, name: str, **values: Any) -> Definition:
        """Add a linked service of type AzureML."""
        return self.add("linkedService", name, type="AzureML", typeProperties=values)

    @property
    def definitions(self) -> Definitions:
        """All of them, as the reader returns them."""
        return Definitions(self.all)

    def lines(self, kind: str = "") -> list[Line]:
        """Return the lines of the report, of one kind or all, after the files are closed."""
        for file, root in self.roots.items():
            self.account.close(file, root)
        return [one for one in self.account.lines.values() if kind in ("", one.kind)]

    def said(self) -> str:
        """Return everything that the report says."""
        return "\n".join(map(str, self.lines()))


def storage_named(name: str) -> dict[str, str]:
    """Return a reference to a linked service."""
    return {"referenceName": name, "type": "LinkedServiceReference"}
