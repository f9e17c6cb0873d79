"""Endpoints: a full PUT, answers that lag, no ETag (azure-machine-learning-v2 §5.1, §5.2, §5.3)."""

import re
from dataclasses import dataclass
from datetime import timedelta

from local.azureml.answers import (
    ARM,
    CREATED,
    WORKSPACE,
    Answer,
    Body,
    RequestBody,
    Shape,
    conflict,
    copied,
    invalid,
    missing,
    unknown_member,
)
from local.azureml.answers import (
    NAME as WORKSPACE_NAME,
)
from local.azureml.invariant import Guard
from local.azureml.operations import Failure, Operation
from local.azureml.state import Endpoint, State
from local.azureml.switches import Duration
from local.azureml.traffic import TrafficRequest

NAME = re.compile(r"(?=.{3,32}$)[a-zA-Z](?:-?[a-zA-Z0-9])*")
_SHAPE = Shape.of(
    top="location tags identity sku kind properties",
    properties=(
        "authMode traffic mirrorTraffic publicNetworkAccess description properties compute keys"
    ),
    read_only=("id name type kind systemData scoringUri swaggerUri provisioningState"),
)
#: Members of an identity that only answers have.
_OF_ANSWERS = frozenset({"principalId", "tenantId"})
_PATCH = frozenset({"identity", "tags"})


@dataclass
class Endpoints:
    """The online endpoints of the workspace."""

    state: State
    guard: Guard

    def get(self, name: str) -> Answer:
        """Return one endpoint, or 404."""
        endpoint = self.state.endpoints.get(name)
        if endpoint is None:
            return not_found(name)
        shown = Answer(200, self.shown(endpoint))
        self.state.operations.count_check(name)
        return shown

    def put(self, name: str, body: RequestBody) -> Answer:
        """Make an endpoint, or replace all of it: what the body leaves out is gone.

        Args:
            name: of the endpoint.
            body: the whole endpoint.

        Returns:
            201 or 200, with the traffic as it was before.
        """
        read_only = self.state.switches.read_only_members == "ignored"
        refused = _SHAPE.unknown(
            body, read_only=read_only, refused=self.state.switches.unknown_members
        ) or self._refused(name, body)
        if refused is not None:
            return refused
        endpoint = self.state.endpoints.get(name)
        status = 201 if endpoint is None else 200
        if endpoint is None:
            endpoint = Endpoint(name, body["location"], {}, {}, {}, "Creating")
            self.state.endpoints[name] = endpoint
        else:
            self.guard.put_endpoint(endpoint, body, _traffic_of(body))
            endpoint.state = "Updating"
        return self._begin(endpoint, body, status)

    def patch(self, name: str, body: RequestBody) -> Answer:
        """Change identity and tags; nothing else can be patched.

        Args:
            name: of the endpoint.
            body: `identity` and `tags`.

        Returns:
            200 with the endpoint.
        """
        if (endpoint := self.state.endpoints.get(name)) is None:
            return not_found(name)
        if wrong := set(body) - _PATCH:
            return invalid(f"Could not find member '{min(wrong)}' on object.")
        if self.state.operations.running(name):
            return conflict()
        endpoint.tags = dict(body.get("tags", endpoint.tags))
        endpoint.identity = dict(body.get("identity", endpoint.identity))
        return Answer(200, self.shown(endpoint))

    def all(self) -> Answer:
        """Return every endpoint."""
        return Answer(200, {"value": [self.shown(one) for one in self.state.endpoints.values()]})

    def delete(self, name: str) -> Answer:
        """Begin to delete an endpoint with all its deployments; 204 if it is not there."""
        if (endpoint := self.state.endpoints.get(name)) is None:
            return Answer(204)
        if self.state.operations.running(name):
            return conflict()
        self.guard.delete_endpoint(endpoint)
        endpoint.state = "Deleting"

        def finish(_: Operation) -> None:
            self.state.endpoints.pop(name, None)
            for one in endpoint.deployments.values():
                one.stop()

        takes = Duration(self.state.switches.deleting)
        operation = self.state.operations.begin(name, takes, finish)
        return Answer(202, None, operation.headers() | {"Location": operation.result_url})

    def shown(self, endpoint: Endpoint) -> Body:
        """Return an endpoint as answers show it."""
        traffic, mirror = endpoint.shown_maps(self.state.clock.now())
        own = dict.fromkeys(("description", "compute")) | {"publicNetworkAccess": "Enabled"}
        own |= copied(endpoint.properties)
        made = endpoint.state != "Creating"
        own["properties"] = {
            **(own.get("properties") or {}),
            "AzureAsyncOperationUri": endpoint.operation,
        }
        return {
            "id": f"{WORKSPACE}/onlineEndpoints/{endpoint.name}",
            "name": endpoint.name,
            "type": "Microsoft.MachineLearningServices/workspaces/onlineEndpoints",
            "location": endpoint.location,
            "kind": "Kubernetes" if own.get("compute") else "Managed",
            "tags": dict(endpoint.tags),
            "identity": dict(endpoint.identity) | {"principalId": "p", "tenantId": "t"},
            "systemData": dict.fromkeys(
                ("createdAt", "lastModifiedAt"), "2026-03-01T12:00:00.1234567+00:00"
            ),
            "properties": own
            | {
                "traffic": self._map(traffic),
                "mirrorTraffic": self._map(mirror),
                "scoringUri": endpoint.scoring_uri if made else None,
                "swaggerUri": (
                    endpoint.scoring_uri.replace("/score", "/swagger.json") if made else None
                ),
                "provisioningState": endpoint.state,
            },
        }

    def _map(self, shares: dict[str, int]) -> dict[str, int]:
        zero = self.state.switches.zero_traffic_is_shown
        return {name: share for name, share in shares.items() if share or zero}

    def _refused(self, name: str, body: RequestBody) -> Answer | None:
        endpoint = self.state.endpoints.get(name)
        if endpoint is None and not NAME.fullmatch(name):
            return invalid(f"{name} is not a name of an endpoint.")
        if not body.get("location") or "authMode" not in (body.get("properties") or {}):
            return invalid("location and properties.authMode are required.")
        strict = self.state.switches.read_only_members == "refused"
        if wrong := strict and _OF_ANSWERS & set(body.get("identity") or {}):
            return unknown_member(min(wrong), "ManagedServiceIdentity", "identity")
        if endpoint and body["location"] != endpoint.location:
            return invalid("location cannot be changed.")
        if endpoint and self.state.operations.running(name):
            return conflict()
        return self._bad_traffic(endpoint, body)

    def _bad_traffic(self, endpoint: Endpoint | None, body: RequestBody) -> Answer | None:
        wanted, known = _traffic_of(body), endpoint.deployments if endpoint else {}
        if problem := wanted.problem(kubernetes=bool(body["properties"].get("compute"))):
            return invalid(problem)
        if unknown := wanted.unknown(known):
            late = self.state.switches.bad_traffic == "operation_fails"
            return None if late else invalid(f"Deployment {unknown} does not exist.")
        unready = wanted.unready(known)
        if unready and self.state.switches.traffic_to_unready == "refused":
            return invalid(f"Deployment {unready} has not succeeded.")
        return None

    def _begin(self, endpoint: Endpoint, body: RequestBody, status: int) -> Answer:
        switches, wanted = self.state.switches, _traffic_of(body)
        new = status == CREATED
        time = switches.creating_endpoint if new else switches.updating_endpoint
        failure = self.state.failure_of(endpoint.name)
        if unknown := wanted.unknown(endpoint.deployments):
            failure = Failure("BadArgument", f"Deployment {unknown} does not exist.")
        elif switches.traffic_to_unready == "operation_fails":
            unready = wanted.unready(endpoint.deployments)
            if unready:
                failure = Failure("BadArgument", f"Deployment {unready} has not succeeded.")
        kept = copied(dict(body))
        if new:
            _replace(endpoint, kept)

        def finish(operation: Operation) -> None:
            self._finish(endpoint, kept, operation)

        takes = Duration(time, switches.updating_checks)
        operation = self.state.operations.begin(endpoint.name, takes, finish, failure)
        endpoint.operation = operation.url
        headers = operation.headers()
        if new:
            headers["Location"] = f"{ARM}{WORKSPACE}/onlineEndpoints/{endpoint.name}"
        return Answer(status, self.shown(endpoint), headers)

    def _finish(self, endpoint: Endpoint, body: Body, operation: Operation) -> None:
        switches = self.state.switches
        if operation.failure is not None:
            status = operation.failure.status
            made = bool(endpoint.traffic) or endpoint.state != "Creating"
            stays = made and switches.state_after_failed_update == "Succeeded"
            endpoint.state = "Succeeded" if stays else status
            return
        endpoint.state = "Succeeded"
        before = (endpoint.traffic, endpoint.mirror)
        _replace(endpoint, body)
        waiting = self.state.undone.get(endpoint.name)
        lasts = waiting.pop(0) if waiting else None
        if lasts == timedelta(0):
            return
        endpoint.old_routes = (operation.ends + switches.routing_lag, *before)
        endpoint.old_shown = (operation.ends + switches.traffic_answer_lag, *before)
        wanted = _traffic_of(body)
        endpoint.traffic, endpoint.mirror = wanted.traffic, wanted.mirror
        if lasts is not None:
            self.state.operations.later(lasts, lambda: _undo(endpoint, wanted, before))


def not_found(name: str) -> Answer:
    """Say that there is no such endpoint."""
    return missing(f"Endpoint {name} not found in workspace {WORKSPACE_NAME}")


def _traffic_of(body: RequestBody) -> TrafficRequest:
    properties = body["properties"]
    return TrafficRequest(
        dict(properties.get("traffic") or {}), dict(properties.get("mirrorTraffic") or {})
    )


def _undo(
    endpoint: Endpoint, made: TrafficRequest, before: tuple[dict[str, int], dict[str, int]]
) -> None:
    """Go back to an older traffic by itself, unless it was changed in between."""
    if endpoint.traffic == made.traffic:
        endpoint.traffic, endpoint.mirror = before


def _replace(endpoint: Endpoint, body: Body) -> None:
    own = body["properties"]
    endpoint.tags = dict(body.get("tags") or {})
    endpoint.identity = dict(body.get("identity") or {"type": "SystemAssigned"})
    kept = set(own) - _SHAPE.read_only - {"traffic", "mirrorTraffic", "keys"}
    endpoint.properties = {name: own[name] for name in own if name in kept}
