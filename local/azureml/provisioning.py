"""Provisions a deployment: fails if something is missing, and starts the container otherwise.

See azure-machine-learning-v2 §5.2 and §5.5.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from local.azureml.answers import Body, RequestBody, copied
from local.azureml.assets import Assets
from local.azureml.bodies import texts
from local.azureml.containers import Container, ContainerOrder, Progress, seconds_of
from local.azureml.jobs import Jobs
from local.azureml.operations import Failure, Operation
from local.azureml.state import Deployment, Endpoint, State, model_id
from local.azureml.switches import Duration

#: Members that only answers have.
READ_ONLY: Final = frozenset(["id", "name", "type", "kind", "systemData", "provisioningState"])
_REGISTRY: Final = "azureml://registries/"
_OUTPUT: Final = re.compile(
    r"azureml://jobs/(?P<job>[^/]+)/outputs/(?P<output>[^/]+)(?:/paths/(?P<path>.*))?/?"
)


@dataclass
class Provisioning:
    """Starts the containers of deployments."""

    state: State
    assets: Assets
    jobs: Jobs

    def begin(self, parent: Endpoint, deployment: Deployment, body: RequestBody) -> Operation:
        """Begin to provision a deployment, which is new or changed in place.

        Args:
            parent: its endpoint.
            deployment: gets what the body wants at once; its old container answers on until
                the new one is ready.
            body: the whole deployment.

        Returns:
            What runs.
        """
        resource, switches = f"{parent.name}/{deployment.name}", self.state.switches
        kept = copied(dict(body))
        deployment.tags, deployment.sku = kept.get("tags") or {}, kept.get("sku") or {}
        own = kept["properties"]
        deployment.properties = {key: own[key] for key in own if key not in READ_ONLY}
        failure = self.state.failure_of(resource) or self._will_fail(parent, own)
        container = None if failure else self.start(resource, own)
        deployment.newest = container

        def pending() -> bool:
            return container is not None and container.progress() is Progress.STARTING

        def finish(operation: Operation) -> None:
            if operation.failure is None and container is not None:
                operation.failure = container.failure()
            deployment.state = operation.failure.status if operation.failure else "Succeeded"
            if operation.failure is None:
                _replace(deployment, container)
            elif container is not None:
                container.stop()

        takes = Duration(switches.provisioning, switches.provisioning_checks)
        operation = self.state.operations.begin(resource, takes, finish, failure, pending)
        deployment.operation = operation.url
        return operation

    def start(self, resource: str, own: Body) -> Container:
        """Start a container.

        Args:
            resource: the deployment, as `census/blue`.
            own: its properties.

        Returns:
            The container.
        """
        containers = self.state.containers or self.state.made_up
        return containers.start(self._order(resource, own), self.assets.datastores)

    def _order(self, resource: str, own: Body) -> ContainerOrder:
        model = str(own["model"])
        known = self._model(model)
        script: Mapping[str, str] = own.get("codeConfiguration") or {}
        code = self.assets.find("codes", str(script.get("codeId") or ""))
        return ContainerOrder(
            name=resource,
            model=model,
            model_type=str(known.get("modelType") or "custom_model") if known else "",
            model_uri=self._place(str(known.get("modelUri") or "")) if known else "",
            code_uri=str(code.properties["codeUri"]) if code else "",
            script=str(script.get("scoringScript") or ""),
            variables=texts(own.get("environmentVariables")),
            seconds=seconds_of(own),
        )

    def _place(self, uri: str) -> str:
        """Return where a model is that may be named as an output of a job."""
        named = _OUTPUT.fullmatch(uri)
        job = self.jobs.all.get(named["job"]) if named else None
        if named is None or job is None:
            return uri
        found = self.jobs.uris(job).get(named["output"])
        return f"{found.rstrip('/')}/{named['path'] or ''}" if found else uri

    def _model(self, wanted: str) -> Body | None:
        for (name, version), known in self.state.models.items():
            if model_id(name, version).lower() == wanted.lower():
                return known
        return None

    def _will_fail(self, parent: Endpoint, own: Body) -> Failure | None:
        model = str(own["model"])
        if not model.startswith(_REGISTRY) and self._model(model) is None:
            return _no_asset(model)
        code = str((own.get("codeConfiguration") or {}).get("codeId") or "")
        if code and self.assets.find("codes", code) is None:
            return _no_asset(code)
        environment = str(own.get("environmentId") or "")
        looked_up = environment and not environment.startswith(_REGISTRY)
        if looked_up and self._is_missing(environment):
            return _no_asset(environment)
        if len(parent.deployments) > self.state.switches.max_deployments:
            return Failure("OutOfQuota", "The endpoint has too many deployments.")
        return None

    def _is_missing(self, environment: str) -> bool:
        """Whether an environment is not there; while none was registered, every one is."""
        known = self.assets.all.get("environments")
        return bool(known) and self.assets.find("environments", environment) is None


def _no_asset(asset: str) -> Failure:
    return Failure("ResourceNotFound", f"Could not find asset with ID: {asset}")


def _replace(deployment: Deployment, container: Container | None) -> None:
    before, deployment.container = deployment.container, container
    if before is not None:
        before.stop()
