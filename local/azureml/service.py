"""Azure Machine Learning v2 in memory: one workspace with jobs, models and online endpoints.

It behaves as azure-machine-learning-v2 §2, §4, §5 and §7 say. Every method is one HTTP request and
returns an `Answer`; a fault may raise `NoAnswerError` instead. Time is that of its clock. What
tests may do to the workspace besides is in `hooks`.
"""

from collections.abc import Callable, Mapping
from copy import deepcopy
from dataclasses import dataclass, field

from local.azureml.answers import CREATED, Answer, RequestBody
from local.azureml.calls import Call, Calls
from local.azureml.deployments import Deployments
from local.azureml.endpoints import Endpoints
from local.azureml.hooks import Hooks
from local.azureml.jobs import Jobs
from local.azureml.models import Models
from local.azureml.operations import Operations
from local.azureml.scoring import Scoring
from local.azureml.state import State
from local.azureml.switches import Switches
from local.azureml.traffic import Draw, EvenDraw
from shared.ports.clock import Clock


@dataclass
class AzureMl:
    """One workspace; every method is one request."""

    clock: Clock
    switches: Switches = field(default_factory=Switches)
    draw: Draw = field(
        default_factory=EvenDraw
    )  #: which deployment answers a request to live traffic

    def __post_init__(self) -> None:
        self.calls = Calls(self.clock, self.switches)
        self.operations = Operations(self.clock, self.switches)
        self.state = State(self.clock, self.switches, self.operations)
        self.jobs = Jobs(self.clock, self.switches)
        self.scoring = Scoring(self.state, self.draw)
        self.hooks = Hooks(self.state, self.jobs)
        self._models = Models(self.state)
        self._endpoints = Endpoints(self.state)
        self._deployments = Deployments(self.state)

    # Jobs.

    def put_job(self, name: str, body: RequestBody) -> Answer:
        """Start a job, or find it again."""

        def orphan(done: Answer) -> None:
            if done.status == CREATED and body["properties"].get("jobType") == "Pipeline":
                self.jobs.all[name].orphan = True

        call = Call("PUT job", name)
        return self._answer(call, lambda: self.jobs.put(name, deepcopy(body)), orphan)

    def get_job(self, name: str) -> Answer:
        """Return a job."""
        return self._answer(Call("GET job", name), lambda: self.jobs.get(name))

    def list_jobs(self, tag: str | None = None, skip: int = 0) -> Answer:
        """Return a page of jobs."""
        return self._answer(Call("GET jobs", tag or ""), lambda: self.jobs.page(tag, skip))

    def cancel_job(self, name: str) -> Answer:
        """Ask a job to end."""
        return self._answer(Call("POST cancel", name), lambda: self.jobs.cancel(name))

    def get_run_data(self, name: str) -> Answer:
        """Return what the run history knows of a run."""
        return self._answer(Call("POST rundata", name), lambda: self.jobs.run_data(name))

    def get_children(self, name: str) -> Answer:
        """Return the steps of a run."""
        return self._answer(Call("GET children", name), lambda: self.jobs.children(name))

    def resolve_uris(self, asset_ids: list[str]) -> Answer:
        """Return where assets are."""
        call = Call("POST resolve", ",".join(asset_ids))
        return self._answer(call, lambda: self.jobs.resolve(asset_ids))

    # Models.

    def put_model(self, name: str, version: str, body: RequestBody) -> Answer:
        """Register a version of a model."""
        call = Call("PUT model", f"{name}/{version}")
        return self._answer(call, lambda: self._models.put(name, version, deepcopy(body)))

    def get_model(self, name: str, version: str) -> Answer:
        """Return a version of a model."""
        call = Call("GET model", f"{name}/{version}")
        return self._answer(call, lambda: self._models.get(name, version))

    # Endpoints.

    def put_endpoint(self, endpoint: str, body: RequestBody) -> Answer:
        """Make or replace an endpoint."""
        call = Call("PUT endpoint", endpoint)
        return self._answer(call, lambda: self._endpoints.put(endpoint, deepcopy(body)))

    def get_endpoint(self, endpoint: str) -> Answer:
        """Return an endpoint."""
        return self._answer(Call("GET endpoint", endpoint), lambda: self._endpoints.get(endpoint))

    def patch_endpoint(self, endpoint: str, body: RequestBody) -> Answer:
        """Change identity and tags of an endpoint."""
        call = Call("PATCH endpoint", endpoint)
        return self._answer(call, lambda: self._endpoints.patch(endpoint, deepcopy(body)))

    def list_keys(self, endpoint: str) -> Answer:
        """Return the keys of an endpoint."""
        return self._answer(Call("POST listKeys", endpoint), lambda: self._endpoints.keys(endpoint))

    def get_token(self, endpoint: str) -> Answer:
        """Return a token of an endpoint."""
        return self._answer(Call("POST token", endpoint), lambda: self._endpoints.token(endpoint))

    # Deployments.

    def put_deployment(self, endpoint: str, name: str, body: RequestBody) -> Answer:
        """Make or change a deployment."""
        call = Call("PUT deployment", f"{endpoint}/{name}")
        return self._answer(call, lambda: self._deployments.put(endpoint, name, deepcopy(body)))

    def get_deployment(self, endpoint: str, name: str) -> Answer:
        """Return a deployment."""
        call = Call("GET deployment", f"{endpoint}/{name}")
        return self._answer(call, lambda: self._deployments.get(endpoint, name))

    def list_deployments(self, endpoint: str) -> Answer:
        """Return the deployments of an endpoint."""
        call = Call("GET deployments", endpoint)
        return self._answer(call, lambda: self._deployments.all(endpoint))

    def delete_deployment(self, endpoint: str, name: str) -> Answer:
        """Delete a deployment."""
        call = Call("DELETE deployment", f"{endpoint}/{name}")
        return self._answer(call, lambda: self._deployments.delete(endpoint, name))

    def get_logs(self, endpoint: str, name: str) -> Answer:
        """Return the log of a deployment."""
        call = Call("POST getLogs", f"{endpoint}/{name}")
        return self._answer(call, lambda: self._deployments.logs(endpoint, name))

    # Operations and scoring.

    def get_operation(self, url: str) -> Answer:
        """Return how an operation is going."""
        call = Call("GET operation", url.partition("?")[0].rpartition("/")[2])
        return self._answer(call, lambda: self.operations.read(url))

    def score(self, endpoint: str, body: RequestBody, headers: Mapping[str, str]) -> Answer:
        """Answer a request to the endpoint's `scoringUri`; header names in any case.

        Args:
            endpoint: whose address it is.
            body: the rows.
            headers: `Authorization`; `azureml-model-deployment` to name a deployment.

        Returns:
            The scores, with `azureml-model-deployment` in the headers.
        """
        call = Call("POST score", endpoint)
        return self._answer(call, lambda: self.scoring.score(endpoint, body, headers))

    def _answer(
        self,
        call: Call,
        do: Callable[[], Answer],
        orphan: Callable[[Answer], object] | None = None,
    ) -> Answer:
        def after_operations() -> Answer:
            self.operations.finish_due()
            return do()

        answer = self.calls.run(call, after_operations, orphan)
        return Answer(answer.status, deepcopy(answer.body), dict(answer.headers))
