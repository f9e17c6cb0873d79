"""The `TrainingService` port over jobs of Azure Machine Learning (azure-machine-learning-v2 §2).

A job has a name that is derived from run and attempt: GET, then PUT, and after a lost answer GET
again. So one name is one job at most, and `prepare` has no effect that matters.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any, Final

from shared.core.config.azureml_models import RUN_TAG, model_named
from shared.core.config.azureml_names import escaped_name
from shared.core.config.azureml_training import AzureMlTraining
from shared.core.config.types import show_duration
from shared.core.counting import counted
from shared.core.names import job_name
from shared.core.service import service
from shared.core.serving.references import ModelRef
from shared.errors import (
    InvalidRequestError,
    OutcomeUnknownError,
    PermanentError,
    RelearnError,
    TransientError,
)
from shared.ports.training import Evaluation, FinishedJob, JobRequest, JobState, JobStatus
from shared.providers.azureml.bodies import (
    needs_second_token,
)
from shared.providers.azureml.call import (
    AzureMlCall,
    Body,
    Memory,
    mapping_of,
    moment_of,
    properties_of,
)
from shared.providers.azureml.datastores import Datastores
from shared.providers.azureml.errors import (
    IMMUTABLE,
    TERMINAL,
    AzureMlRefusedError,
    header,
    names,
)
from shared.providers.azureml.evaluations import Evaluations
from shared.providers.azureml.history import RunHistory, failure_or_silence
from shared.providers.azureml.job_planner import JobPlanner, Secrets, Storage
from shared.providers.azureml.job_requests import JobRequests
from shared.providers.azureml.models import ModelRegistry
from shared.providers.azureml.outputs import JobOutputs, reuse_note
from shared.providers.azureml.registered import RegisteredAssets
from shared.telemetry import log

#: Any other status is that of a job that still runs: it has a time limit of ours.
_ENDS: Final = {
    "completed": JobStatus.FINISHED,
    "failed": JobStatus.FAILED,
    "canceled": JobStatus.CANCELLED,
    "cancelled": JobStatus.CANCELLED,
}
_KNOWN: Final = frozenset(
    {"notstarted", "starting", "provisioning", "preparing", "queued", "running", "finalizing"}
    | {"cancelrequested"}
)
#: What an orphan says, before and after it was asked to end (azure-machine-learning-v2 §2.4).
_NEVER_BEGUN: Final = "notstarted"
_CANCELLING: Final = "cancelrequested"
_MOST_REPLACED: Final = 10
_SECOND_TOKEN: Final = "x-azureml-token"  # noqa: S105 -- the name of a header
_LONGEST_SHOWN: Final = 100


@service
class AzureMlJobs:
    """Jobs of one workspace. A handle is the job's name.

    Args:
        call: calls the workspace.
        training: the configuration.
        storage: the accounts of data and outputs.
        secrets: returns the values of app settings.
        memory: what this process knows of workspaces.
    """

    call: AzureMlCall
    training: AzureMlTraining
    storage: Storage
    secrets: Secrets
    memory: Memory

    def prepare(self, request: JobRequest) -> str:
        """Return the name of the attempt's job, once everything that it names is there.

        Raises:
            TransientError: the workspace or the storage gives no usable answer now.
            PermanentError: the job cannot be made; the message says what is missing.
            ConfigError: an app setting is missing.
        """
        if request.replaced >= _MOST_REPLACED:
            advice = "see the state of the workspace, cancel this run, and start another one"
            never = counted(request.replaced, "job")
            text = f"{never} of attempt {request.attempt} never began"
            raise PermanentError(f"{text}: {advice}", advice=advice)
        self._requests.body(request)
        self._planner.put_inputs(request)
        return self._name(request)

    def preview(self, request: JobRequest) -> Mapping[str, Any]:
        """Return the PUT that would be sent; what it names is read, and nothing is sent."""
        body, _ = self._requests.body(request, shown=True)
        return {"method": "PUT", "url": self._url(self._name(request)), "body": body}

    def ensure_started(self, handle: str, request: JobRequest) -> str | None:
        """Start the job; one that is there and ours is adopted.

        Args:
            handle: the handle of the job.
            request: what the job is to do.

        Returns:
            Which version `@latest` stood for, where it was asked for.

        Raises:
            TransientError: it was not started.
            OutcomeUnknownError: it may have been started.
            PermanentError: it cannot be started.
        """
        if self._key(handle) in self.memory.cancelled:
            return None  # an operator's command, or a time limit, came first
        if handle != self._name(request):
            advice = "cancel this run, and start another one"
            text = f"job {handle} was named for another workspace or attempt"
            raise PermanentError(f"{text}: {advice}", advice=advice)
        there = self._found(handle)
        if there is not None:
            return self._adopted(handle, there, request)
        body, note = self._requests.body(request)
        try:
            self._put(handle, body)
        except AzureMlRefusedError as exc:
            if not names(exc.refusal, IMMUTABLE):
                raise
            # A PUT before this one has arrived: bodies are normalised before they are compared.
            there = self._found(handle)
            if there is None:
                raise OutcomeUnknownError(str(exc)) from exc
            return self._adopted(handle, there, request)
        return note

    def state(self, handle: str) -> JobState:
        """Return how the job stands, by one GET while nothing has changed.

        Raises TransientError, PermanentError.
        """
        answer = self.call.any_answer(self._url(handle))
        if answer.status == HTTPStatus.NOT_FOUND:
            return self._never_started(handle, "the workspace has no job of this name")
        job = self.call.object_in(answer, f"check job {handle}")
        if not self._may_be_ours(handle, properties_of(job)):
            return self._never_started(handle, "the job of this name is not of this run")
        served = moment_of(header(answer, "date")) or datetime.now(UTC)
        return self._state(handle, job, served)

    def cancel(self, handle: str) -> None:
        """Ask for the job to end; one that has ended, or was never started, is fine.

        Raises TransientError, PermanentError.
        """
        there = self._found(handle)
        if there is None or not self._may_be_ours(handle, properties_of(there)):
            self.memory.cancelled.add(self._key(handle))
            return
        url = self.call.url(f"jobs/{escaped_name(handle)}/cancel", self.call.versions.jobs)
        try:
            self.call.write("POST", url, f"cancel job {handle}")
        except OutcomeUnknownError as exc:
            raise TransientError(str(exc)) from exc  # asking again changes nothing
        except AzureMlRefusedError as exc:
            if exc.refusal.status == HTTPStatus.NOT_FOUND:
                self.memory.cancelled.add(self._key(handle))
            elif not names(exc.refusal, TERMINAL):
                raise

    def models(self, job: FinishedJob, wanted: Mapping[str, str | None]) -> Mapping[str, ModelRef]:
        """Return the registered model for each endpoint. Raises as the port says.

        Args:
            job: a finished job.
            wanted: endpoint -> the output that is its model; None: the only one.
        """
        unknown = any(output is None for output in wanted.values()) and not self.training.models
        return self._registry.of(job, wanted, self._requests.spec_of(job) if unknown else None)

    def register(self, job: FinishedJob, model: ModelRef) -> ModelRef:
        """Register a model under a version of run and attempt; return it. Raises as the port says.

        Args:
            job: the job that made it.
            model: as `models` returned it.
        """
        return self._registry.register(job, model)

    def named_model(self, name: str) -> ModelRef:
        """Return a registered version that an operator names, once it is known to be there.

        Raises InvalidRequestError, TransientError.
        """
        try:
            return self._registry.again(model_named(name, self.training.workspace_parts))
        except (ValueError, PermanentError) as exc:
            raise InvalidRequestError(f"model: {exc}") from None

    def model_again(self, model: ModelRef) -> ModelRef:
        """Return a registered model as it is now. Raises as the port says."""
        return self._registry.again(model)

    def evaluation(self, job: FinishedJob, output: str | None) -> Evaluation:
        """Return what a finished job says of its model. Raises as the port says.

        Args:
            job: a finished job.
            output: as `gate.metrics` names it; None: the usual file in the model's folder.
        """
        return Evaluations(self._outputs, self._history).of(job, output, self.training.models)

    def predictions(self, job: FinishedJob, output: str) -> Evaluation:
        """Return the rows that a finished job scored. Raises as the port says.

        Args:
            job: a finished job.
            output: as `gate.compare.predictions` names it.
        """
        return Evaluations(self._outputs, self._history).predictions(job, output)

    def evaluation_beside(self, model: ModelRef) -> Evaluation:
        """Return that a model which an operator names has no evaluation here."""
        return Evaluation(model.name, None)

    def _state(self, handle: str, job: Body, served: datetime) -> JobState:
        known = properties_of(job)
        said = str(known.get("status") or "").replace(" ", "")
        status = said.lower()
        if status in (_NEVER_BEGUN, _CANCELLING) and self._is_orphan(handle, job, served):
            waited = show_duration(self.training.orphan_after)
            return JobState(JobStatus.ORPHANED, f"no step of it began within {waited}")
        match _ENDS.get(status):
            case JobStatus.FAILED:
                failure = failure_or_silence(self._history, handle)
                return JobState(JobStatus.FAILED, failure.words, failure.advice)
            case JobStatus.FINISHED:
                pipeline = str(known.get("jobType")).lower() == "pipeline"
                note = reuse_note(self._history, handle) if pipeline else ""
                return JobState(JobStatus.FINISHED, note=note)
            case JobStatus.CANCELLED:
                return JobState(JobStatus.CANCELLED, said)
            case _:
                shown = self.call.clean(said)[:_LONGEST_SHOWN] or "nothing"
                words = "" if status in _KNOWN else f"the service calls its status {shown}"
                return JobState(JobStatus.RUNNING, words, note=self._requests.note_of(known))

    def _is_orphan(self, handle: str, job: Body, served: datetime) -> bool:
        """Whether a job never began and never will: it is old, and has no step."""
        created = moment_of(mapping_of(job.get("systemData")).get("createdAt"))
        if created is None or served - created < self.training.orphan_after:
            return False
        known = properties_of(job)
        pipeline = str(known.get("jobType")).lower() == "pipeline"
        cancelling = str(known.get("status")).lower() == _CANCELLING
        if cancelling and not pipeline:
            return False  # a command job has no steps: it may have run
        try:
            return not self._history.children(handle)
        except RelearnError as exc:  # it is not known to be one: its time limit decides
            log.warning("job %s: whether it has steps could not be read: %s", handle, exc)
            return False

    def _adopted(self, handle: str, there: Body, request: JobRequest) -> str | None:
        known = properties_of(there)
        if _owner_of(known) != request.run_id:
            advice = "see that job in Studio; cancel this run, and start another one"
            text = f"a job {handle} is there that is not of this run"
            raise PermanentError(f"{text}: {advice}", advice=advice)
        return self._requests.note_of(known) or None

    def _never_started(self, handle: str, why: str) -> JobState:
        if self._key(handle) in self.memory.cancelled:
            return JobState(JobStatus.CANCELLED, "it was cancelled before it was started")
        return JobState(JobStatus.NOT_STARTED, why, known=False)

    def _may_be_ours(self, handle: str, known: Body) -> bool:
        """Whether the run that a job names would call it so; tags may have been taken off it."""
        owner = _owner_of(known)
        if owner is None:
            return True
        first = job_name(owner, 1, 0, self.training.workspace_parts.identity)
        return handle.startswith(first.removesuffix("1"))

    def _put(self, handle: str, body: Body) -> None:
        headers: dict[str, str] = {}
        if needs_second_token(body):
            token = self.call.ml_token()
            if token is None:
                log.warning("job %s: there is no token for %s", handle, self.call.scopes.ml)
            else:
                headers[_SECOND_TOKEN] = token
        self.call.write("PUT", self._url(handle), f"start job {handle}", body, headers)

    def _found(self, handle: str) -> Body | None:
        return self.call.found(self._url(handle), f"find job {handle}")

    def _name(self, request: JobRequest) -> str:
        place = self.training.workspace_parts.identity
        return job_name(request.run_id, request.attempt, request.replaced, place)

    def _url(self, handle: str) -> str:
        return self.call.url(f"jobs/{escaped_name(handle)}", self.call.versions.jobs)

    def _key(self, handle: str) -> tuple[str, str]:
        return (self.call.workspace.identity, handle)

    @property
    def _planner(self) -> JobPlanner:
        stores = Datastores(self.call, self.memory)
        assets = RegisteredAssets(self.call, self.memory)
        return JobPlanner(self.training, self.storage, stores, assets, self.secrets)

    @property
    def _requests(self) -> JobRequests:
        return JobRequests(self._planner)

    @property
    def _history(self) -> RunHistory:
        return RunHistory(self.call, self.memory)

    @property
    def _outputs(self) -> JobOutputs:
        return JobOutputs(self._planner, self._history)

    @property
    def _registry(self) -> ModelRegistry:
        return ModelRegistry(self.call, self.training, self._outputs)


def _owner_of(known: Mapping[str, Any]) -> str | None:
    """Return the run that a job is said to be of; None where it says nothing."""
    owner = mapping_of(known.get("tags")).get(RUN_TAG)
    return owner if isinstance(owner, str) else None
