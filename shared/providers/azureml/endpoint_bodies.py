"""Bodies of new endpoints, and of answers that are sent back. Pure functions.

Everything but names, locations and create-only members changes by a full PUT: what this
api-version answered goes back without its read-only members (azure-machine-learning-v2 §5.1).
"""

import json
from collections.abc import Collection, Mapping
from typing import Any, Final

from shared.core.config.azureml_endpoint_parts import CreateEndpoint
from shared.core.redaction import secrets_among
from shared.core.secret_shapes import Cleaner
from shared.core.serving.traffic import TrafficMap
from shared.providers.azureml.call import Body
from shared.providers.azureml.online_resources import OPERATION, OnlineResource, ShownEndpoint

_READ_ONLY: Final = frozenset({"id", "name", "type", "kind", "systemData", "etag"})
_READ_ONLY_PROPERTIES: Final = frozenset(
    {"scoringUri", "swaggerUri", "provisioningState", "provisioningErrors"}
)
#: Members without which a PUT would mean something else: never left out.
_NEEDED: Final = frozenset(
    {"properties", "location", "traffic", "authMode", "model", "sku"}
    | {"instanceType", "endpointComputeType"}
)
_ENVIRONMENT: Final = "environmentVariables"
#: Members whose own members are named by people.
_FREE: Final = frozenset(
    {"tags", _ENVIRONMENT, "traffic", "mirrorTraffic", "userAssignedIdentities"}
)
_AUTH_MODES: Final = {"key": "Key", "aml_token": "AMLToken", "aad_token": "AADToken"}
_DEEPEST: Final = 12
_LONGEST_RECORDED: Final = 64 * 1024


def new_endpoint(wanted: CreateEndpoint, location: str) -> Body:
    """Return the body of an endpoint that is made: without traffic.

    Args:
        wanted: as it is configured.
        location: the region of the workspace.
    """
    own: Body = {
        "authMode": _AUTH_MODES[wanted.auth_mode],
        "publicNetworkAccess": wanted.public_network_access.capitalize(),
        "traffic": {},
        "mirrorTraffic": {},
        "properties": {},
    }
    if wanted.description:
        own["description"] = wanted.description
    identity = {"type": "SystemAssigned"}
    return {"location": location, "tags": {}, "identity": identity, "properties": own}


def with_traffic(endpoint: ShownEndpoint, traffic: TrafficMap) -> Body:
    """Return the body of an endpoint as it is, but for its traffic.

    Args:
        endpoint: as it was just read.
        traffic: the map that it gets.
    """
    body = returned(endpoint)
    own = {**body["properties"], "traffic": dict(traffic.shares)}
    return {**body, "properties": {**own, "mirrorTraffic": dict(traffic.mirror)}}


def returned(resource: OnlineResource) -> Body:
    """Return what a resource was answered as, in the form that a PUT of it has."""
    body = {n: v for n, v in resource.body.items() if n not in _READ_ONLY and v is not None}
    own = {
        name: value
        for name, value in resource.properties.items()
        if name not in _READ_ONLY_PROPERTIES and value is not None
    }
    if isinstance(own.get("properties"), Mapping):
        own["properties"] = {n: v for n, v in own["properties"].items() if n != OPERATION}
    if isinstance(body.get("identity"), Mapping):
        body["identity"] = _identity(body["identity"])
    return {**body, "properties": own}


def without_members(body: Mapping[str, Any], names: Collection[str]) -> Body:
    """Return a body without members of these names, but where names are those of people.

    Args:
        body: the body.
        names: members that the api-version does not know.
    """
    return {
        name: one if name in _FREE else _without(one, names)
        for name, one in body.items()
        if name not in names
    }


def may_leave_out(name: str, body: Mapping[str, Any]) -> bool:
    """Whether a PUT means the same without a member that came with an answer.

    Args:
        name: of the member.
        body: what is sent.
    """
    own = body["properties"]
    if name == "mirrorTraffic":
        return not own.get(name)
    return name not in _NEEDED


def recorded(resource: OnlineResource, clean: Cleaner) -> tuple[Body, tuple[str, ...]]:
    """Return the body that makes a deployment again, and what it lost: values that look secret.

    Args:
        resource: the deployment.
        clean: redacts a text.
    """
    lost: list[str] = []
    body = returned(resource)
    own = dict(body["properties"])
    given = own.get(_ENVIRONMENT)
    if isinstance(given, Mapping):
        own[_ENVIRONMENT] = _environment(given, clean, lost)
    rest = {name: one for name, one in own.items() if name != _ENVIRONMENT}
    kept: Body = _kept({**body, "properties": rest}, clean, lost, ())
    if _ENVIRONMENT in own:
        kept["properties"][_ENVIRONMENT] = own[_ENVIRONMENT]
    if len(json.dumps(kept)) > _LONGEST_RECORDED:
        return {"properties": {}}, ("its body, which is too long to record",)
    return kept, tuple(lost)


def _environment(given: Mapping[str, Any], clean: Cleaner, lost: list[str]) -> dict[str, str]:
    """Return variables that may be recorded."""
    kept = {}
    for name, value in given.items():
        text = "" if value is None else str(value)
        if clean(name) != name:
            lost.append("an environment variable")
        elif clean(text) != text or any(secrets_among({name: text})):
            lost.append(f"the environment variable {name}")
        else:
            kept[name] = text
    return kept


def _kept(value: Any, clean: Cleaner, lost: list[str], path: tuple[str, ...]) -> Any:
    """Return a part of a body without texts that hold a secret; what goes is named in `lost`."""
    if isinstance(value, Mapping):
        kept = {}
        for name, one in value.items():
            if clean(name) != name or _is_secret(one, clean) or len(path) > _DEEPEST:
                shown = clean(name)[:100]
                lost.append(".".join((*path, shown)))
            else:
                kept[name] = _kept(one, clean, lost, (*path, name))
        return kept
    if isinstance(value, list):
        parts = [one for one in value if not _is_secret(one, clean)]
        if len(parts) < len(value):
            lost.append(".".join(path))
        return [_kept(one, clean, lost, path) for one in parts]
    return value


def _is_secret(value: Any, clean: Cleaner) -> bool:
    return isinstance(value, str) and clean(value) != value


def _without(value: Any, names: Collection[str]) -> Any:
    if isinstance(value, Mapping):
        return without_members(value, names)
    return [_without(one, names) for one in value] if isinstance(value, list) else value


def _identity(given: Mapping[str, Any]) -> Body:
    """Return an identity without the members that the service adds."""
    users = given.get("userAssignedIdentities")
    kept: Body = {"type": given.get("type")}
    if isinstance(users, Mapping) and users:
        kept["userAssignedIdentities"] = {name: {} for name in users}
    return kept
