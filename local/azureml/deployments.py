"""Deployments: provisioning takes minutes, and one that has traffic cannot be deleted.

azure-machine-learning-v2 §5.1, §5.2, §5.3 and §5.5.
"""

from dataclasses import dataclass

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
    refusal,
    unknown_member,
)
from local.azureml.answers import (
    NAME as WORKSPACE_NAME,
)
from local.azureml.endpoints import NAME, not_found
from local.azureml.invariant import Guard
from local.azureml.operations import Operation
from local.azureml.provisioning import READ_ONLY, Provisioning
from local.azureml.state import Deployment, Endpoint, State
from local.azureml.switches import Duration

_SHAPE = Shape.of(
    top="location tags identity sku kind properties",
    properties=(
        "endpointComputeType model instanceType environmentId codeConfiguration description "
        "environmentVariables requestSettings livenessProbe readinessProbe startupProbe "
        "scaleSettings appInsightsEnabled dataCollector egressPublicNetworkAccess "
        "modelMountPath containerResourceRequirements properties"
    ),
    read_only=" ".join(READ_ONLY),
)
_CONTAINERS = ("InferenceServer", "StorageInitializer")
_USUAL_TAIL = 100
_PATCH = frozenset({"sku", "tags"})
_FIXED = ("instanceType", "endpointComputeType")
_PROBE = {
    "initialDelay": "PT10S",
    "period": "PT10S",
    "timeout": "PT2S",
    "failureThreshold": 30,
    "successThreshold": 1,
}
#: What an answer has besides what was PUT.
_ADDED: Body = {
    "codeConfiguration": None,
    "description": None,
    "environmentId": None,
    "environmentVariables": {},
    "appInsightsEnabled": False,
    "scaleSettings": {"scaleType": "Default"},
    "modelMountPath": None,
    "egressPublicNetworkAccess": "Enabled",
    "requestSettings": {"maxQueueWait": "PT0S", "maxConcurrentRequestsPerInstance": 1},
}


@dataclass
class Deployments:
    """The deployments of all endpoints."""

    state: State
    provisioning: Provisioning
    guard: Guard

    def get(self, endpoint: str, name: str) -> Answer:
        """Return one deployment, or 404."""
        found = self._found(endpoint, name)
        if isinstance(found, Answer):
            return found
        shown = Answer(200, self.shown(endpoint, found))
        self.state.operations.count_check(f"{endpoint}/{name}")
        return shown

    def all(self, endpoint: str) -> Answer:
        """Return the deployments of an endpoint."""
        if (parent := self.state.endpoints.get(endpoint)) is None:
            return not_found(endpoint)
        shown = [self.shown(endpoint, one) for one in parent.deployments.values()]
        return Answer(200, {"value": shown, "nextLink": None})

    def put(self, endpoint: str, name: str, body: RequestBody) -> Answer:
        """Make a deployment, or change one in place; both take minutes.

        Args:
            endpoint: that it belongs to.
            name: of the deployment.
            body: the whole deployment.

        Returns:
            201 or 200; the state is already one of work.
        """
        if (parent := self.state.endpoints.get(endpoint)) is None:
            return not_found(endpoint)
        if refused := self._refused(parent, name, body):
            return refused
        deployment = parent.deployments.get(name)
        if deployment is None:
            first = self.state.switches.new_deployment_state
            deployment = Deployment(name, body["location"], {}, {}, {}, first)
            parent.deployments[name] = deployment
            return self._begun(parent, deployment, body, 201)
        same = self.state.switches.same_deployment == "nothing" and _same(deployment, body)
        if same and deployment.state == "Succeeded":
            return Answer(200, self.shown(endpoint, deployment))
        self.guard.put_deployment(endpoint, deployment, body)
        deployment.state = "Updating"
        return self._begun(parent, deployment, body, 200)

    def patch(self, endpoint: str, name: str, body: RequestBody) -> Answer:
        """Change the number of instances and the tags; nothing else can be patched.

        Args:
            endpoint: that it belongs to.
            name: of the deployment.
            body: `sku` and `tags`.

        Returns:
            202, with an operation.
        """
        found = self._found(endpoint, name)
        if isinstance(found, Answer):
            return found
        if wrong := set(body) - _PATCH:
            return unknown_member(min(wrong), "PartialResource")
        resource = f"{endpoint}/{name}"
        if self.state.operations.running(resource):
            return conflict()
        changed = dict(found.sku) | dict(body.get("sku") or found.sku)
        tags = dict(body.get("tags", found.tags))
        self.guard.patch_deployment(found, changed, tags)
        before, found.state = found.state, "Scaling"

        def finish(_: Operation) -> None:
            found.state, found.sku, found.tags = before, changed, tags

        takes = Duration(self.state.switches.updating_endpoint)
        operation = self.state.operations.begin(resource, takes, finish)
        return Answer(202, None, operation.headers() | {"Location": operation.result_url})

    def delete(self, endpoint: str, name: str) -> Answer:
        """Begin to delete a deployment; 204 if it is not there."""
        found = self._found(endpoint, name)
        if isinstance(found, Answer):
            return Answer(204)
        parent, resource = self.state.endpoints[endpoint], f"{endpoint}/{name}"
        if self.state.operations.running(resource):
            return conflict()
        traffic = parent.traffic.get(name)
        mirror = self.state.switches.mirror_keeps_from_delete and parent.mirror.get(name)
        if traffic or mirror:
            message = f"Deployment {name} has traffic and cannot be deleted."
            return refusal(self.state.switches.delete_refused_with, "UserError", message)
        self.guard.delete_deployment(endpoint, found)
        before, found.state = found.state, "Deleting"

        def finish(operation: Operation) -> None:
            if operation.failure:
                found.state = before
            else:
                parent.deployments.pop(name, None)
                found.stop()

        takes = Duration(self.state.switches.deleting)
        failure = self.state.failure_of(resource)
        operation = self.state.operations.begin(resource, takes, finish, failure)
        return Answer(202, None, operation.headers() | {"Location": operation.result_url})

    def logs(self, endpoint: str, name: str, body: RequestBody | None = None) -> Answer:
        """Return what the container has written.

        Args:
            endpoint: that has the deployment.
            name: of the deployment.
            body: `containerType` and `tail`.

        Returns:
            The last lines.
        """
        found = self._found(endpoint, name)
        if isinstance(found, Answer):
            return found
        asked = dict(body or {})
        kind = str(asked.get("containerType") or "InferenceServer")
        if kind not in _CONTAINERS:
            return invalid(f"{kind} is not a container of a deployment.")
        tail = int(asked.get("tail") or _USUAL_TAIL)
        lines = found.newest.log(kind, tail) if found.newest else ""
        return Answer(200, {"content": lines or f"{name} is {found.state}"})

    def shown(self, endpoint: str, deployment: Deployment) -> Body:
        """Return a deployment as answers show it: more than was sent."""
        own = copied(deployment.properties)
        own["properties"] = {
            **(own.get("properties") or {}),
            "AzureAsyncOperationUri": deployment.operation,
        }
        ready = deployment.state == "Succeeded"
        timeout = {"requestTimeout": "PT5S" if ready else "PT0S"}
        probe = _PROBE if ready else None
        added: Body = copied(_ADDED) | {"livenessProbe": probe, "readinessProbe": probe}
        settings = added["requestSettings"] | timeout | (own.pop("requestSettings", None) or {})
        moment = "2026-03-01T12:00:00.1234567+00:00"
        return {
            "id": f"{WORKSPACE}/onlineEndpoints/{endpoint}/deployments/{deployment.name}",
            "name": deployment.name,
            "type": "Microsoft.MachineLearningServices/workspaces/onlineEndpoints/deployments",
            "location": deployment.location,
            "kind": "Managed",
            "tags": dict(deployment.tags),
            "sku": {"tier": "Standard"} | deployment.sku,
            "systemData": dict.fromkeys(("createdAt", "lastModifiedAt"), moment),
            "properties": added
            | own
            | {"requestSettings": settings, "provisioningState": deployment.state},
        }

    def _begun(
        self, parent: Endpoint, deployment: Deployment, body: RequestBody, status: int
    ) -> Answer:
        headers = self.provisioning.begin(parent, deployment, body).headers()
        shown = self.shown(parent.name, deployment)
        if status == CREATED:
            headers["Location"] = f"{ARM}{shown['id']}"
        return Answer(status, shown, headers)

    def _found(self, endpoint: str, name: str) -> Deployment | Answer:
        if (parent := self.state.endpoints.get(endpoint)) is None:
            return not_found(endpoint)
        message = f"Deployment {name} not found in endpoint {endpoint}, workspace {WORKSPACE_NAME}"
        return parent.deployments.get(name) or missing(message)

    def _refused(self, parent: Endpoint, name: str, body: RequestBody) -> Answer | None:
        read_only = self.state.switches.read_only_members == "ignored"
        if refused := _SHAPE.unknown(
            body, read_only=read_only, refused=self.state.switches.unknown_members
        ):
            return refused
        deployment, own = parent.deployments.get(name), body.get("properties") or {}
        if deployment is None and not (NAME.fullmatch(name) and name == name.lower()):
            return invalid(f"{name} is not a name of a deployment.")
        if not body.get("location") or not all(own.get(key) for key in (*_FIXED, "model")):
            return invalid("location, model, instanceType and endpointComputeType are required.")
        if parent.state == "Creating" or self.state.operations.running(f"{parent.name}/{name}"):
            return conflict()
        return None if deployment is None else self._cannot_change(deployment, own)

    def _cannot_change(self, deployment: Deployment, own: Body) -> Answer | None:
        if deployment.state == "Failed" and self.state.switches.put_on_failed == "refused":
            return invalid(f"Deployment {deployment.name} has failed: delete it.")
        for key in _FIXED:
            if own[key] != deployment.properties[key]:
                return invalid(f"{key} cannot be changed.")
        return None


def _same(deployment: Deployment, body: RequestBody) -> bool:
    own = body["properties"]
    return (
        own["model"].lower() == str(deployment.properties["model"]).lower()
        and (body.get("sku") or {}) == deployment.sku
        and (body.get("tags") or {}) == deployment.tags
    )
