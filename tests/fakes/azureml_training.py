"""The training port over Azure Machine Learning v2 in memory: a job is one idempotent PUT.

See azure-machine-learning-v2 §2 and §4: the name is derived, and a GET decides what an unknown
answer meant.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from local.azureml.answers import WORKSPACE, Body
from local.azureml.service import AzureMl
from shared.core.config.azureml_models import model_asset, model_named
from shared.core.config.azureml_names import workspace_of
from shared.core.names import digest, pipeline_of
from shared.core.serving.references import ModelRef
from shared.errors import InvalidRequestError, PermanentError, TransientError
from shared.ports.training import Evaluation, Job, JobRequest, JobState, JobStatus
from tests.fakes.azureml_serving import answered, model_ref
from tests.fakes.blobs import FakeBlobs
from tests.fakes.faults import Faults

_STATUSES: Final = {
    **dict.fromkeys(("notstarted", "starting", "provisioning", "preparing", "queued"), "started"),
    **dict.fromkeys(("completed",), JobStatus.FINISHED),
    **dict.fromkeys(("failed",), JobStatus.FAILED),
    **dict.fromkeys(("canceled",), JobStatus.CANCELLED),
}


@dataclass
class AzureMlTraining:
    """Pipeline jobs of one registered component.

    Args:
        service: the workspace.
        blobs: where jobs write.
        container: the container there.
        faults: what goes wrong at each write.
        cancelled: names that are never to be started any more.
    """

    service: AzureMl
    blobs: FakeBlobs
    container: str
    faults: Faults = field(default_factory=Faults)
    cancelled: set[str] = field(default_factory=set)

    def prepare(self, request: JobRequest) -> str:
        return f"rl-{digest(request.run_id, str(request.attempt))}"

    def preview(self, request: JobRequest) -> Mapping[str, Any]:
        return {"method": "PUT", "url": f"{WORKSPACE}/jobs/{self.prepare(request)}"}

    def ensure_started(self, handle: str, request: JobRequest) -> None:
        if handle in self.cancelled or self.service.get_job(handle).status == 200:
            return
        body = self._body(request)
        answered("PUT job", self.faults, lambda: self.service.put_job(handle, body))

    def state(self, handle: str) -> JobState:
        answer = self.service.get_job(handle)
        if answer.status == 404:
            # A name that was prepared and never PUT is a job that has not started.
            gone = handle in self.cancelled
            return JobState(JobStatus.CANCELLED if gone else JobStatus.NOT_STARTED)
        if answer.status != 200:
            raise TransientError(f"GET job: HTTP {answer.status}")
        status = _STATUSES.get(str(answer.body["properties"]["status"]).lower())
        return JobState(status if isinstance(status, JobStatus) else JobStatus.RUNNING)

    def cancel(self, handle: str) -> None:
        self.cancelled.add(handle)
        if self.service.get_job(handle).status == 200:
            try:
                answered("POST cancel", self.faults, lambda: self.service.cancel_job(handle))
            except PermanentError:
                return  # it has ended

    def models(self, job: Job, wanted: Mapping[str, str | None]) -> Mapping[str, ModelRef]:
        run_id = job.request.run_id
        title, version = pipeline_of(run_id), f"{run_id}-{job.request.attempt}"
        path = next(iter(job.request.outputs.values()))
        uri = f"azureml://datastores/models/paths/{path}"
        known = {"modelType": "mlflow_model", "modelUri": uri, "jobName": job.handle}
        if self.service.get_model(title, version).status == 404:
            body = {"properties": known}
            put = self.service.put_model
            answered("PUT model", self.faults, lambda: put(title, version, body))
        return dict.fromkeys(wanted, model_ref(f"{WORKSPACE}/models/{title}/versions/{version}"))

    def register(self, job: Job, model: ModelRef) -> ModelRef:
        return model

    def named_model(self, name: str) -> ModelRef:
        try:
            _, asset = model_asset(model_named(name, workspace_of(WORKSPACE)))
        except ValueError as exc:
            raise InvalidRequestError(f"model: {exc}") from None
        if self.service.get_model(asset.name, asset.version).status != 200:
            raise InvalidRequestError(f"model: the workspace has no model {asset}")
        return model_ref(f"{WORKSPACE}/models/{asset.name}/versions/{asset.version}")

    def model_again(self, model: ModelRef) -> ModelRef:
        return model

    def evaluation(self, job: Job, output: str | None) -> Evaluation:
        path = job.request.outputs[output] if output else "evaluation.json"
        return Evaluation(path, self.blobs.read(self.container, path, 10**6))

    def evaluation_beside(self, model: ModelRef) -> Evaluation:
        return Evaluation(f"{model.name}.json", None)

    def _body(self, request: JobRequest) -> Body:
        inputs = {
            name: {"jobInputType": "uri_file", "uri": f"azureml://datastores/x/paths/{blob.name}"}
            for name, blob in request.inputs.items()
        }
        outputs = {
            name: {
                "jobOutputType": "uri_folder",
                "uri": f"azureml://datastores/models/paths/{path}",
            }
            for name, path in request.outputs.items()
        }
        tags = {"relearn.run": request.run_id, "relearn.attempt": str(request.attempt)}
        component = f"{WORKSPACE}/components/train/versions/1"
        own = {"jobType": "Pipeline", "componentId": component, "jobs": {}, "tags": tags}
        return {"properties": {**own, "inputs": inputs, "outputs": outputs}}
