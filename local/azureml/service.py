"""Azure Machine Learning v2 in memory: one workspace with jobs, models and online endpoints.

It behaves as azure-machine-learning-v2 §2, §4, §5 and §7 say. Every method is one HTTP request and
returns an `Answer`; a fault may raise `NoAnswerError` instead. Time is that of its clock. `hooks`
has the other changes that tests make to the workspace.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

from local.azureml.answers import (
    API,
    CREATED,
    LOCATION,
    WORKSPACE,
    WORKSPACE_ID,
    Answer,
    Body,
    RequestBody,
    copied,
    resource,
    styled,
)
from local.azureml.answers import (
    NAME as WORKSPACE_NAME,
)
from local.azureml.assets import Assets
from local.azureml.calls import Call, Calls
from local.azureml.containers import Containers
from local.azureml.credentials import Credentials
from local.azureml.deployments import Deployments
from local.azureml.endpoints import Endpoints
from local.azureml.history import History
from local.azureml.hooks import Hooks
from local.azureml.invariant import Guard, Violation
from local.azureml.jobs import Jobs
from local.azureml.measured import Measured
from local.azureml.metrics import Metrics
from local.azureml.models import Models
from local.azureml.operations import Operations
from local.azureml.places import Datastores, Files, MemoryFiles
from local.azureml.platform_metrics import PlatformMetrics
from local.azureml.provisioning import Provisioning
from local.azureml.scoring import Scoring
from local.azureml.state import State
from local.azureml.switches import Switches
from local.azureml.traffic import Draw, EvenDraw
from local.azureml.training import InstantTrainer, Trainer
from shared.ports.clock import Clock

_TENANT: Final = "00000000-0000-0000-0000-000000000001"
_NOBODY: Final = "00000000-0000-0000-0000-000000000000"


@dataclass
class AzureMl:
    """One workspace; every method is one request."""

    clock: Clock
    switches: Switches = field(default_factory=Switches)
    draw: Draw = field(default_factory=EvenDraw)  #: who answers a request to live traffic
    files: Files = field(default_factory=MemoryFiles)  #: the blobs of the workspace
    trainer: Trainer = field(default_factory=InstantTrainer)
    containers: Containers | None = None  #: what deployments run in; none: scores are made up

    def __post_init__(self) -> None:
        """Put the parts together."""
        self.calls = Calls(self.clock, self.switches)
        self.operations = Operations(self.clock, self.switches)
        self.state = State(self.clock, self.switches, self.operations, containers=self.containers)
        self.datastores = Datastores(self.files, self.switches)
        self.assets = Assets(self.clock, self.datastores)
        self.jobs = Jobs(self.clock, self.switches, self.assets, self.trainer)
        self.history = History(self.jobs)
        self.metrics = Metrics(self.history)
        self.measured = Measured(self.clock)
        self._credentials = Credentials(self.state)
        self.scoring = Scoring(self.state, self.measured, self._credentials, self.draw)
        self._platform_metrics = PlatformMetrics(self.state, self.measured)
        self.hooks = Hooks(self.state, self.jobs)
        self.models = Models(self.state)
        self.guard = Guard(self.state)
        self._endpoints = Endpoints(self.state, self.guard)
        self._deployments = Deployments(
            self.state, Provisioning(self.state, self.assets, self.jobs), self.guard
        )

    @property
    def violations(self) -> list[Violation]:
        """Return what requests of the app did to an endpoint that they may never do."""
        return self.guard.violations

    def stop(self) -> None:
        """End what runs for deployments."""
        if self.containers is not None:
            self.containers.stop()

    # The workspace.

    def get_workspace(self) -> Answer:
        """Return the workspace: its location, and where its data plane is."""
        own = {
            "friendlyName": WORKSPACE_NAME,
            "hbiWorkspace": False,
            "tenantId": _TENANT,
            "provisioningState": "Succeeded",
            "workspaceId": WORKSPACE_ID,
            "publicNetworkAccess": "Enabled",
            "discoveryUrl": f"https://{API}/discovery",
            "mlFlowTrackingUri": f"azureml://{API}/mlflow/v1.0{WORKSPACE}",
            "systemDatastoresAuthMode": "accesskey",
            "storageAccount": f"/storageAccounts/{self.files.account}",
        }
        about: Body = {"location": LOCATION, "tags": {}, "etag": None, "kind": "Default"}
        who = {"principalId": _NOBODY, "tenantId": _TENANT}
        about |= {
            "identity": {"type": "SystemAssigned", **who},
            "sku": {"name": "Basic", "tier": "Basic"},
        }
        body = resource(WORKSPACE, own) | about
        return self.call("GET workspace", WORKSPACE_NAME, lambda: Answer(200, body))

    # Jobs.

    def put_job(self, name: str, body: RequestBody, api: str = "") -> Answer:
        """Start a job, or find it again.

        Args:
            name: of the job.
            body: its `properties`.
            api: the api-version.

        Returns:
            The job.
        """

        def orphan(done: Answer) -> None:
            if done.status == CREATED and body["properties"].get("jobType") == "Pipeline":
                self.jobs.all[name].orphan = True

        return self.call("PUT job", name, lambda: self.jobs.put(name, body, api), orphan)

    def get_job(self, name: str) -> Answer:
        """Return a job."""
        return self.call("GET job", name, lambda: self.jobs.get(name))

    def list_jobs(self, tag: str | None = None, skip: int = 0) -> Answer:
        """Return a page of jobs."""
        query = {"tag": tag or "", "$skip": str(skip)}
        return self.call("GET jobs", tag or "", lambda: self.jobs.page(query))

    def cancel_job(self, name: str) -> Answer:
        """Ask a job to end."""
        return self.call("POST cancel", name, lambda: self.jobs.cancel(name))

    def get_run_data(self, name: str) -> Answer:
        """Return what the run history knows of a run."""
        return self.call("POST rundata", name, lambda: self.history.run_data(name))

    def get_children(self, name: str) -> Answer:
        """Return the steps of a run."""
        return self.call("GET children", name, lambda: self.history.children(name))

    def resolve_uris(self, asset_ids: list[str]) -> Answer:
        """Return where assets are."""
        target = ",".join(asset_ids)
        return self.call("POST resolve", target, lambda: self.history.resolve(asset_ids))

    # Models.

    def put_model(self, name: str, version: str, body: RequestBody, api: str = "") -> Answer:
        """Register a version of a model.

        Args:
            name: of the model.
            version: a text of the caller's.
            body: its `properties`.
            api: the api-version.

        Returns:
            The version.
        """
        target = f"{name}/{version}"
        return self.call("PUT model", target, lambda: self.models.put(name, version, body, api))

    def get_model(self, name: str, version: str) -> Answer:
        """Return a version of a model."""
        target = f"{name}/{version}"
        return self.call("GET model", target, lambda: self.models.get(name, version))

    # Endpoints.

    def put_endpoint(self, endpoint: str, body: RequestBody) -> Answer:
        """Make or replace an endpoint."""
        target = endpoint
        return self.call(
            "PUT endpoint", target, lambda: self._endpoints.put(endpoint, copied(body))
        )

    def get_endpoint(self, endpoint: str) -> Answer:
        """Return an endpoint."""
        return self.call("GET endpoint", endpoint, lambda: self._endpoints.get(endpoint))

    def list_endpoints(self) -> Answer:
        """Return every endpoint."""
        return self.call("GET endpoints", "", self._endpoints.all)

    def delete_endpoint(self, endpoint: str) -> Answer:
        """Delete an endpoint with its deployments."""
        return self.call("DELETE endpoint", endpoint, lambda: self._endpoints.delete(endpoint))

    def patch_endpoint(self, endpoint: str, body: RequestBody) -> Answer:
        """Change identity and tags of an endpoint."""
        target = endpoint
        return self.call(
            "PATCH endpoint", target, lambda: self._endpoints.patch(endpoint, copied(body))
        )

    def list_keys(self, endpoint: str) -> Answer:
        """Return the keys of an endpoint."""
        return self.call("POST listKeys", endpoint, lambda: self._credentials.keys(endpoint))

    def regenerate_keys(self, endpoint: str, body: RequestBody) -> Answer:
        """Replace a key of an endpoint."""
        target = endpoint
        return self.call(
            "POST regenerateKeys", target, lambda: self._credentials.regenerate(endpoint, body)
        )

    def get_token(self, endpoint: str) -> Answer:
        """Return a token of an endpoint."""
        return self.call("POST token", endpoint, lambda: self._credentials.token(endpoint))

    def get_platform_metrics(self, endpoint: str, query: Mapping[str, str]) -> Answer:
        """Return the metrics that Azure Monitor has of an endpoint."""
        target = endpoint
        return self.call(
            "GET platformMetrics", target, lambda: self._platform_metrics.query(endpoint, query)
        )

    # Deployments.

    def put_deployment(self, endpoint: str, name: str, body: RequestBody) -> Answer:
        """Make or change a deployment."""
        target = f"{endpoint}/{name}"
        return self.call(
            "PUT deployment", target, lambda: self._deployments.put(endpoint, name, copied(body))
        )

    def patch_deployment(self, endpoint: str, name: str, body: RequestBody) -> Answer:
        """Change the number of instances and the tags of a deployment."""
        target = f"{endpoint}/{name}"
        return self.call(
            "PATCH deployment", target, lambda: self._deployments.patch(endpoint, name, body)
        )

    def get_deployment(self, endpoint: str, name: str) -> Answer:
        """Return a deployment."""
        target = f"{endpoint}/{name}"
        return self.call("GET deployment", target, lambda: self._deployments.get(endpoint, name))

    def list_deployments(self, endpoint: str) -> Answer:
        """Return the deployments of an endpoint."""
        target = endpoint
        return self.call("GET deployments", target, lambda: self._deployments.all(endpoint))

    def delete_deployment(self, endpoint: str, name: str) -> Answer:
        """Delete a deployment."""
        target = f"{endpoint}/{name}"
        return self.call(
            "DELETE deployment", target, lambda: self._deployments.delete(endpoint, name)
        )

    def get_logs(self, endpoint: str, name: str, body: RequestBody | None = None) -> Answer:
        """Return the log of a deployment.

        Args:
            endpoint: that has it.
            name: of the deployment.
            body: `containerType` and `tail`.

        Returns:
            The last lines.
        """
        target = f"{endpoint}/{name}"
        return self.call(
            "POST getLogs", target, lambda: self._deployments.logs(endpoint, name, body)
        )

    # Operations and scoring.

    def get_operation(self, url: str) -> Answer:
        """Return how an operation is going."""
        target = url.partition("?")[0].rpartition("/")[2]
        return self.call("GET operation", target, lambda: self.operations.read(url))

    def score(self, endpoint: str, body: RequestBody | bytes, headers: Mapping[str, str]) -> Answer:
        """Answer a request to the endpoint's `scoringUri`; header names in any case.

        Args:
            endpoint: whose address it is.
            body: the rows, parsed or not.
            headers: `Authorization`; `azureml-model-deployment` to name a deployment.

        Returns:
            The scores, with `azureml-model-deployment` in the headers.
        """
        target = endpoint
        return self.call("POST score", target, lambda: self.scoring.score(endpoint, body, headers))

    def call(
        self,
        kind: str,
        target: str,
        do: Callable[[], Answer],
        orphan: Callable[[Answer], object] | None = None,
    ) -> Answer:
        """Answer one call: it is logged, may fail, and is spelled as the switches say.

        Args:
            kind: as `GET component`.
            target: what it is about.
            do: does it.
            orphan: what a time-out of the gateway makes of what was done.

        Returns:
            The answer; nothing in it is the state's own.
        """
        call = Call(kind, target)
        of_the_app = None if self.calls.is_other_writer else call

        def after_operations() -> Answer:
            self.operations.finish_due()
            self.jobs.advance()
            with self.guard.watching(of_the_app):
                return do()

        answer = self.calls.run(call, after_operations, orphan)
        whole = Answer(answer.status, copied(answer.body), dict(answer.headers))
        return styled(whole, self.switches)
