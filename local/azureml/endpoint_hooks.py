"""Changes of endpoints by a test: set them up, make them fail, change them as another program does.

See `local.azureml.hooks`: none of them is a call.
"""

from dataclasses import dataclass
from datetime import timedelta

from local.azureml.answers import LOCATION
from local.azureml.containers import ContainerOrder, Scores
from local.azureml.jobs import Jobs
from local.azureml.operations import Failure
from local.azureml.state import Deployment, Endpoint, State, model_id
from local.azureml.switches import Duration


@dataclass
class EndpointHooks:
    """The changes that a test can make to endpoints and deployments without a call."""

    state: State
    jobs: Jobs

    def add_endpoint(self, name: str, auth_mode: str = "Key") -> None:
        """Make an endpoint without deployments, ready at once.

        Args:
            name: of the endpoint.
            auth_mode: Key or AMLToken.
        """
        identity, own = {"type": "SystemAssigned"}, {"authMode": auth_mode}
        self.state.endpoints[name] = Endpoint(name, LOCATION, {}, identity, own, "Succeeded")

    def add_deployment(self, endpoint: str, name: str, model: str) -> None:
        """Make or replace a deployment that serves a model at once.

        Args:
            endpoint: that gets it.
            name: of the deployment.
            model: `name/version`; the version is registered if it is not.
        """
        self.state.operations.finish_due()
        title, _, version = model.partition("/")
        place = f"azureml://datastores/models/paths/{title}/{version}"
        known = {"modelType": "custom_model", "modelUri": place}
        self.state.models.setdefault((title, version), known)
        reference = model_id(title, version)
        own = {"endpointComputeType": "Managed", "instanceType": "Standard_F4s_v2"}
        sku = {"name": "Default", "capacity": 1}
        made = Deployment(name, LOCATION, {}, sku, own | {"model": reference}, "Succeeded")
        order = ContainerOrder(f"{endpoint}/{name}", reference)
        made.container = self.state.made_up.start(order, self.jobs.assets.datastores)
        made.newest = made.container
        self.state.endpoints[endpoint].deployments[name] = made

    def remove_deployment(self, endpoint: str, name: str) -> None:
        """Remove a deployment at once, and its traffic.

        Args:
            endpoint: that has it.
            name: of the deployment.
        """
        self.state.operations.finish_due()
        parent = self.state.endpoints[endpoint]
        if (removed := parent.deployments.pop(name, None)) is not None:
            removed.stop()
        for shares in (parent.traffic, parent.mirror):
            shares.pop(name, None)

    def crash(self, endpoint: str, name: str) -> None:
        """End the container of a deployment, which then answers nothing any more.

        Args:
            endpoint: that has it.
            name: of the deployment.
        """
        container = self.state.endpoints[endpoint].deployments[name].container
        if container is not None:
            container.stop()

    def set_traffic(
        self, endpoint: str, traffic: dict[str, int], mirror: dict[str, int] | None = None
    ) -> None:
        """Change the traffic at once; an update that runs will overwrite it.

        Args:
            endpoint: whose traffic.
            traffic: the new map.
            mirror: the new mirror; empty unless given.
        """
        self.state.operations.finish_due()
        parent = self.state.endpoints[endpoint]
        parent.traffic, parent.mirror = dict(traffic), dict(mirror or {})
        parent.old_routes = parent.old_shown = None

    def fail_next(self, resource: str, code: str, message: str = "It failed.") -> None:
        """Let the next operation on a resource fail.

        Args:
            resource: `endpoint` (its update) or `endpoint/deployment`.
            code: one of azure-machine-learning-v2 §5.5; `OperationCanceled` ends as Canceled.
            message: what the operation says.
        """
        status = "Canceled" if code == "OperationCanceled" else "Failed"
        self.state.failures.setdefault(resource, []).append(Failure(code, message, status))

    def set_model(self, model: str, scores: Scores) -> None:
        """Say how a version of a model answers.

        Args:
            model: `name/version`.
            scores: its answer to a body; see `hashed_scores` and `error_of_model`.
        """
        self.state.made_up.scores[model_id(*model.split("/")).lower()] = scores

    def set_milliseconds(self, model: str, milliseconds: float) -> None:
        """Say how long a version of a model takes for each request; it is not waited for.

        Args:
            model: `name/version`.
            milliseconds: as metrics and answers show them.
        """
        self.state.made_up.milliseconds[model_id(*model.split("/")).lower()] = milliseconds

    def rotate_key(self, endpoint: str) -> None:
        """Replace the key of an endpoint; its old key and all its tokens are refused."""
        parent = self.state.endpoints[endpoint]
        parent.key = f"key-{int(parent.key.partition('-')[2]) + 1}"
        parent.second_key = f"{parent.key}-second"
        parent.tokens.clear()

    def change_model(self, endpoint: str, name: str, model: str) -> None:
        """Change the model of a deployment in place, at once.

        Args:
            endpoint: that has it.
            name: of the deployment.
            model: `name/version`.
        """
        before = self.state.endpoints[endpoint].deployments[name]
        self.add_deployment(endpoint, name, model)
        changed = self.state.endpoints[endpoint].deployments[name]
        changed.tags, changed.sku = before.tags, before.sku
        changed.properties = before.properties | {"model": changed.properties["model"]}
        before.stop()

    def set_state(self, resource: str, state: str) -> None:
        """Put an endpoint or a deployment into a state; nothing else changes.

        Args:
            resource: `endpoint` or `endpoint/deployment`.
            state: as `provisioningState` has it.
        """
        self.state.operations.finish_due()
        endpoint, _, name = resource.partition("/")
        parent = self.state.endpoints[endpoint]
        found: Endpoint | Deployment = parent.deployments[name] if name else parent
        found.state = state

    def set_tags(self, endpoint: str, name: str, tags: dict[str, str]) -> None:
        """Replace the tags of a deployment.

        Args:
            endpoint: that has it.
            name: of the deployment.
            tags: the new ones.
        """
        self.state.endpoints[endpoint].deployments[name].tags = dict(tags)

    def keep_busy(self, resource: str, time: timedelta) -> None:
        """Have an operation of another writer run; it changes nothing, and writes meet a 409.

        Args:
            resource: `endpoint` or `endpoint/deployment`.
            time: how long it runs.
        """
        self.state.operations.begin(resource, Duration(time), lambda _: None)

    def undo_next(self, endpoint: str, after: timedelta = timedelta(0)) -> None:
        """Let the next update of an endpoint succeed, and have the old traffic all the same.

        Args:
            endpoint: whose update.
            after: how long the new traffic is there; zero: it never is.
        """
        self.state.undone.setdefault(endpoint, []).append(after)

    def set_log(self, resource: str, text: str) -> None:
        """Say what the container of a deployment has written; for those that are made up.

        Args:
            resource: `endpoint/deployment`.
            text: lines.
        """
        self.state.made_up.logs[resource] = text
