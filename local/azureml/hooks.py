"""The changes that a test may make to the workspace: prepare it, break it, be another writer.

Nothing here is a call: it is done at once, is not logged and meets no fault. For another writer
that sends requests see `Calls.other_writer`.
"""

from dataclasses import dataclass

from local.azureml.answers import CREATED, LOCATION, OK, Body
from local.azureml.containers import ContainerOrder, Scores
from local.azureml.jobs import ENDED, Jobs
from local.azureml.operations import Failure
from local.azureml.places import Datastore
from local.azureml.state import Deployment, Endpoint, State, model_id
from local.azureml.training import Outcome


@dataclass
class Hooks:
    """What may be done to the workspace besides its calls."""

    state: State
    jobs: Jobs

    def add_datastore(self, name: str, container: str, **about: str) -> None:
        """Register a datastore.

        Args:
            name: of the datastore.
            container: that it leads to.
            about: `kind` and `account`, where they are not the usual ones.
        """
        self.jobs.assets.datastores.add(Datastore(name, container, **about))

    def add_compute(self, name: str) -> None:
        """Make a cluster; with the first one, no other is there any more."""
        scale = {"maxNodeCount": 4, "minNodeCount": 0, "nodeIdleTimeBeforeScaleDown": "PT2M"}
        inner: Body = {
            "vmSize": "STANDARD_DS2_V2",
            "vmPriority": "Dedicated",
            "scaleSettings": scale,
        }
        inner |= {"currentNodeCount": 0, "targetNodeCount": 0, "allocationState": "Steady"}
        inner["osType"] = "Linux"
        own = {"computeType": "AmlCompute", "provisioningState": "Succeeded", "properties": inner}
        self.jobs.assets.computes[name] = own | {"computeLocation": LOCATION}

    def add_asset(self, kind: str, name: str, version: str, properties: Body) -> str:
        """Register a version of something; with the first component, no other is there any more.

        Args:
            kind: components, environments, codes or data.
            name: of the asset.
            version: of the asset.
            properties: as a PUT has them.

        Returns:
            Its id.

        Raises:
            ValueError: the PUT would be refused.
        """
        answer = self.jobs.assets.put(kind, name, version, {"properties": properties})
        if answer.status not in (OK, CREATED):
            raise ValueError(answer.body["error"]["details"][0]["message"])
        return str(answer.body["id"])

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
        parent.traffic, parent.mirror, parent.old_routes = dict(traffic), dict(mirror or {}), None

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

    def set_job(self, name: str, status: str, code: str = "UserError", message: str = "") -> None:
        """Put a job into a status; it stays there unless it is cancelled.

        Args:
            name: of the job.
            status: any of azure-machine-learning-v2 §2.5.
            code: of a failed job's error.
            message: of a failed job's error.
        """
        job = self.jobs.all[name]
        job.fixed = status
        if status in ENDED:
            job.outcome = Outcome(status, code, message, self._last_step(name))

    def end_job_as(
        self, name: str, status: str, code: str = "UserError", message: str = ""
    ) -> None:
        """Say how a job will end when it has run its course.

        Args:
            name: of the job.
            status: Completed, Failed or Canceled (a time limit, preemption, an operator).
            code: of a failed job's error.
            message: of a failed job's error.
        """
        job = self.jobs.all[name]
        job.outcome = Outcome(status, code, message, self._last_step(name))

    def _last_step(self, name: str) -> str | None:
        steps = self.jobs.all[name].steps
        return steps[-1].work.run_id if steps else None

    def finish_jobs(self) -> None:
        """Complete every job that has not ended, was not cancelled and is no orphan."""
        for job in self.jobs.all.values():
            open_still = self.jobs.status(job) not in ENDED
            if open_still and not job.orphan and job.cancelled_at is None:
                job.fixed = "Completed"
                self.jobs.status(job)
