"""The assets that have versions (components, environments, code and data), and computes.

See azure-machine-learning-v2 §2.2: what a component needs is read from its answer, in which
booleans and numbers are text.
"""

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from local.azureml.answers import (
    ARM,
    BEGINNING,
    CREATED,
    LOCATION,
    OK,
    WORKSPACE,
    Answer,
    Body,
    RequestBody,
    copied,
    invalid,
    missing,
    resource,
)
from local.azureml.bodies import ASSETS, bad_body, texts
from local.azureml.places import DEFAULT, Datastores
from shared.ports.clock import Clock

ANONYMOUS: Final = "azureml_anonymous"
_KINDS: Final = {
    "components": "Component",
    "environments": "Environment",
    "codes": "Code",
    "data": "Data",
}
_ID: Final = re.compile(
    rf"(?:(?:azureml:)?{re.escape(WORKSPACE)}/(?P<kind>\w+)/|azureml:)(?P<name>[^/:@]+)"
    r"(?:/versions/|:|/labels/|@)(?P<version>[^/]+)",
    re.IGNORECASE,
)


@dataclass
class Asset:
    """One version of something registered."""

    name: str
    version: str
    properties: Body
    created: datetime
    archived: bool = False


@dataclass
class Assets:
    """Everything that is registered, by kind, name and version."""

    clock: Clock
    datastores: Datastores
    all: dict[str, dict[str, dict[str, Asset]]] = field(default_factory=dict)
    computes: dict[str, Body] = field(default_factory=dict)

    def put(self, kind: str, name: str, version: str, body: RequestBody, api: str = "") -> Answer:
        """Register a version, or change one.

        Args:
            kind: as in the address.
            name: of the asset.
            version: a text of the caller's.
            body: its `properties`.
            api: the api-version; one of a preview knows more members.

        Returns:
            201 or 200. An anonymous component gets a version of the service's.
        """
        if refused := bad_body(ASSETS[kind], body, api):
            return refused
        own = copied(dict(body["properties"]))
        if kind == "components" and (problem := _component_problem(own["componentSpec"])):
            return invalid(problem)
        if kind == "components" and name == ANONYMOUS:
            version = _digest(own["componentSpec"])
        versions = self._kind(kind).setdefault(name, {})
        before = versions.get(version)
        made = before.created if before else self.clock.now()
        asset = Asset(name, version, own, made, bool(own.get("isArchived")))
        versions[version] = asset
        status = OK if before else CREATED
        headers = {} if before else {"Location": f"{ARM}{asset_id(kind, name, version)}"}
        return Answer(status, self._shown(kind, asset), headers)

    def get(self, kind: str, name: str, version: str) -> Answer:
        """Return a version, or 404.

        Args:
            kind: as in the address.
            name: of the asset.
            version: its version.

        Returns:
            The version.
        """
        asset = self._kind(kind).get(name, {}).get(version)
        return self._missing(kind, name) if asset is None else Answer(OK, self._shown(kind, asset))

    def label(self, kind: str, name: str, label: str) -> Answer:
        """Return the version that a label means; `default` and `latest` are the newest.

        Args:
            kind: as in the address.
            name: of the asset.
            label: of the version.

        Returns:
            The version, or 404.
        """
        versions = self._newest_first(kind, name)
        if not versions or label not in ("default", "latest"):
            return self._missing(kind, name)
        return Answer(OK, self._shown(kind, versions[0]))

    def page(self, kind: str, name: str, query: Mapping[str, str]) -> Answer:
        """Return versions, the newest first.

        Args:
            kind: as in the address.
            name: of the asset.
            query: `$top`, `listViewType`; of code also `hash`, for which the name says nothing.

        Returns:
            The versions; 404 for a name that is not known.
        """
        if kind == "codes" and "hash" in query:
            return Answer(OK, {"value": self._by_hash(query["hash"])})
        if name not in self._kind(kind):
            return self._missing(kind, name)
        found = self._newest_first(kind, name, query.get("listViewType", "ActiveOnly"))
        top = int(query.get("$top", len(found)))
        return Answer(OK, {"value": [self._shown(kind, one) for one in found[:top]]})

    def container(self, kind: str, name: str) -> Answer:
        """Return what all versions of a name share, or 404.

        Args:
            kind: as in the address.
            name: of the asset.

        Returns:
            The container, with `latestVersion` and `nextVersion`.
        """
        if name not in self._kind(kind):
            return self._missing(kind, name)
        return Answer(OK, container(f"{WORKSPACE}/{kind}/{name}", list(self._kind(kind)[name])))

    def pending_upload(self, name: str, version: str) -> Answer:
        """Say where the files of a version of code go.

        Args:
            name: of the code.
            version: its version.

        Returns:
            The place, and a signature for it.
        """
        files, store = self.datastores.files, self.datastores.all[DEFAULT]
        base = f"{files.protocol}://{files.account}.blob.{files.endpoint}/{store.container}"
        place = {
            "blobUri": base,
            "storageAccountArmId": f"/storageAccounts/{files.account}",
            "credential": {"credentialType": "SAS", "sasUri": base + files.sas()},
        }
        about = {"pendingUploadId": f"{name}-{version}", "pendingUploadType": "None"}
        return Answer(OK, about | {"blobReferenceForConsumption": place})

    def compute(self, name: str) -> Answer:
        """Return a compute; 404 with an empty body when there is none."""
        if (own := self.computes.get(name)) is None:
            return Answer(404, None, {"x-ms-response-type": "standard"})
        about = {"location": LOCATION, "tags": {}}
        return Answer(OK, resource(f"{WORKSPACE}/computes/{name}", own) | about)

    def find(self, kind: str, reference: str) -> Asset | None:
        """Return what an id or `azureml:name:version` means; a label is the newest version.

        Args:
            kind: as in the address.
            reference: as a job has it.

        Returns:
            The asset, if it is registered.
        """
        found = _ID.fullmatch(reference)
        if found is None or (found["kind"] or kind).lower() != kind:
            return None
        if found["version"] in ("default", "latest"):
            return next(iter(self._newest_first(kind, found["name"])), None)
        return self._kind(kind).get(found["name"], {}).get(found["version"])

    def _kind(self, kind: str) -> dict[str, dict[str, Asset]]:
        return self.all.setdefault(kind, {})

    def _newest_first(self, kind: str, name: str, view: str = "ActiveOnly") -> list[Asset]:
        versions = reversed(self._kind(kind).get(name, {}).values())
        found = [one for one in versions if viewed(view, archived=one.archived)]
        return sorted(found, key=lambda one: one.created, reverse=True)

    def _by_hash(self, wanted: str) -> list[Body]:
        return [
            self._shown("codes", one)
            for versions in self._kind("codes").values()
            for one in versions.values()
            if texts(one.properties.get("properties")).get("hash_sha256") == wanted
        ]

    def _shown(self, kind: str, asset: Asset) -> Body:
        own: Body = {"description": None, "tags": {}, "properties": {}} | copied(asset.properties)
        own |= {name: texts(own[name]) for name in ("tags", "properties")}
        own |= {"isArchived": asset.archived, "isAnonymous": asset.name == ANONYMOUS}
        if kind == "components":
            spec = {name: one for name, one in own["componentSpec"].items() if name != "jobs"}
            plain = "False" if spec["type"] == "pipeline" else "True"
            own["componentSpec"] = {"is_deterministic": plain, **_as_text(spec)}
            for one in own["componentSpec"].get("inputs", {}).values():
                one.setdefault("optional", "False")
        else:
            own["provisioningState"] = "Succeeded"
        return resource(asset_id(kind, asset.name, asset.version), own, asset.created)

    def _missing(self, kind: str, name: str) -> Answer:
        known = _KINDS[kind]
        return missing(f"{known} container with name: {name} not found.", f"{known}NotFound")


def asset_id(kind: str, name: str, version: str) -> str:
    """Return the ARM id of a version.

    Args:
        kind: as in the address.
        name: of the asset.
        version: its version.

    Returns:
        The id.
    """
    return f"{WORKSPACE}/{kind}/{name}/versions/{version}"


def container(arm_id: str, versions: list[str]) -> Body:
    """Return what all versions of a name share.

    Args:
        arm_id: of the container.
        versions: in the order in which they were made.

    Returns:
        The body.
    """
    numbers = [int(one) for one in versions if one.isdecimal()]
    own: Body = {"description": None, "tags": {}, "properties": {}, "isArchived": False}
    following = str(max(numbers, default=0) + 1)
    own |= {"latestVersion": versions[-1] if versions else None, "nextVersion": following}
    return resource(arm_id, own, BEGINNING)


def viewed(view: str, *, archived: bool) -> bool:
    """Whether a `listViewType` shows a version."""
    return view == "All" or (view == "ArchivedOnly") is archived


def _component_problem(spec: Body) -> str | None:
    if spec["type"] == "command" and not spec.get("command"):
        return "componentSpec.command is required."
    if spec["type"] == "pipeline" and not (spec.get("jobs") or spec.get("sourceJobId")):
        return "componentSpec.jobs is required."
    return None


def _as_text(value: Any) -> Any:
    """Return a specification as answers show it: numbers and booleans are text."""
    if isinstance(value, dict):
        return {name: _as_text(one) for name, one in value.items() if one is not None}
    if isinstance(value, list):
        return [_as_text(one) for one in value]
    return value if isinstance(value, str) else str(value)


def _digest(value: object) -> str:
    digest = hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()
    return f"{digest[:8]}-{digest[8:12]}-{digest[12:16]}-{digest[16:20]}-{digest[20:32]}"
