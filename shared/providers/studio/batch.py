"""The `TrainingService` port over Studio's batch execution service (studio-classic §1).

Forms: studio-classic §1.2 (sent), studio-classic §1.3, §1.4 (answered). The members that belong
to the other form are left out, as clients of the service did, and not sent as null.
"""

import re
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any, Final
from urllib.parse import urlsplit, urlunsplit

from shared.core.config.setting_references import references_in
from shared.core.config.studio_training import SINGLE_INPUT, StudioTraining
from shared.core.config.studio_types import MODEL_SUFFIX
from shared.core.config.types import Scalar
from shared.core.decisions.predictions import MOST_BYTES
from shared.core.secret_shapes import Cleaner
from shared.core.service import service
from shared.core.serving.references import ModelRef
from shared.errors import (
    InvalidRequestError,
    OutcomeUnknownError,
    PermanentError,
    TransientError,
)
from shared.ports.storage import Access, Blobs, SignedBlob
from shared.ports.training import Evaluation, FinishedJob, JobRequest, JobState, JobStatus
from shared.providers.http.client import Answer
from shared.providers.studio.blob_references import (
    keyed_reference,
    read_results,
    require_account,
    signed_reference,
)
from shared.providers.studio.call import StudioCall
from shared.providers.studio.errors import (
    StudioRefusedError,
    advice_in,
    explained,
    read_refusal,
    sort_refusal,
)
from shared.providers.studio.models import StudioModels
from shared.providers.studio.refused_parameters import refused_parameters

#: Signed URLs outlive the job, queueing included (design rule 11).
_MARGIN: Final = timedelta(hours=1)
_NOT_FOUND: Final = 404
_LONGEST_SHOWN: Final = 100
_LONGEST_DETAILS: Final = 2000
#: The documented page prints the name with a blank (studio-classic §1.3).
_STATUS_NAMES: Final = ("StatusCode", "Status Code")
_JOB_ID: Final = re.compile(r"[0-9a-f]{32}")
#: What an id may be at most: it becomes a part of URLs.
_USABLE_ID: Final = re.compile(r"[0-9A-Za-z][0-9A-Za-z_-]*")
#: Names and numbers are both in use, and a name is spelt two ways (studio-classic §1.3).
_STATUSES: Final = {
    "notstarted": JobStatus.NOT_STARTED,
    "running": JobStatus.RUNNING,
    "failed": JobStatus.FAILED,
    "cancelled": JobStatus.CANCELLED,
    "canceled": JobStatus.CANCELLED,
    "finished": JobStatus.FINISHED,
    "0": JobStatus.NOT_STARTED,
    "1": JobStatus.RUNNING,
    "2": JobStatus.FAILED,
    "3": JobStatus.CANCELLED,
    "4": JobStatus.FINISHED,
}
#: How a blob becomes a part of a request: container, name, and what may be done with it.
_Reference = Callable[[JobRequest, str, str, Access], dict[str, str]]


@service
class StudioBatch:
    """Batch execution of one training service.

    A handle is the service's job id: POST jobs makes a job that never starts by itself,
    POST start starts it, so a job whose id was lost costs nothing (design rule 3).
    """

    call: StudioCall
    service: str  #: `…/services/{endpoint id}/jobs?api-version=2.0`
    data: Blobs
    models_account: Blobs
    models_container: str

    def prepare(self, request: JobRequest) -> str:
        """Create a job without starting it and return its id.

        Raises:
            TransientError: no job was made.
            OutcomeUnknownError: one may have been, without its id.
            PermanentError: the service refuses; the message holds its reason and the advice.
            ConfigError: an app setting is missing, or `training.connection_string` opens
                another account than a blob lies in (studio-classic §1.2).
        """
        self._learn(request)
        try:
            answer = self.call.write("POST", self.service, "create job", self._body(request))
        except StudioRefusedError as exc:
            exc.refused_parameters = refused_parameters(
                exc.refusal, "create job", request.parameters
            )
            raise
        job = answer.json()
        if not isinstance(job, str) and _JOB_ID.fullmatch(answer.text()):
            job = answer.text()  # the id without the quotes that JSON asks for
        if not isinstance(job, str) or not _USABLE_ID.fullmatch(job.strip()):
            # 2xx with something else: a job may exist, but nobody can start it.
            said = self.call.clean(answer.text())[:_LONGEST_SHOWN]
            raise OutcomeUnknownError(f"create job: no job id in the answer: {said!r}")
        return job.strip()

    def preview(self, request: JobRequest) -> Mapping[str, Any]:
        """Return the request that `prepare` would make, with names instead of secrets."""
        parameters = self._left.with_models(request, request.parameters, None)
        body = self._assembled(request, self._unsigned, parameters)
        return {"method": "POST", "url": self.service, "body": body}

    def ensure_started(self, handle: str, request: JobRequest) -> None:
        """Start the job; one that is started already is fine.

        Args:
            handle: the handle of the job.
            request: what the job is to do.

        Raises:
            TransientError: it was not started.
            OutcomeUnknownError: it may have been started.
            PermanentError: it cannot be started.
        """
        del request  # the service has kept it since prepare
        try:
            answer = self.call.write("POST", self._job(handle, "/start"), f"start job {handle}")
            if answer.text():
                # So long an answer is not from the service (studio-classic §1.1).
                raise OutcomeUnknownError(f"start job {handle}: an answer that says something else")
        except StudioRefusedError as exc:
            # "It is in {state} state": past the start, even where its status does not say so yet.
            if "CannotStartJob" in exc.refusal.codes:
                return
            if self.state(handle).status in (JobStatus.NOT_STARTED, JobStatus.GONE):
                raise

    def state(self, handle: str) -> JobState:
        """Return the state of the job."""
        return self._state(handle)[0]

    def models(self, job: FinishedJob, wanted: Mapping[str, str | None]) -> Mapping[str, ModelRef]:
        """Return the model for each endpoint. Raises as the port says.

        Args:
            job: a finished job.
            wanted: endpoint -> the output that is its model; None: the only one.
        """
        return self._left.of(job, wanted)

    def register(self, job: FinishedJob, model: ModelRef) -> ModelRef:
        """Return the model as it is: Studio has no register.

        Args:
            job: the job that made it.
            model: as `models` returned it.
        """
        del job
        return model

    def named_model(self, name: str) -> ModelRef:
        """Refuse: a model of Studio is a blob. Raises InvalidRequestError."""
        del name
        raise InvalidRequestError(
            "model: a model of Studio is a blob, and has no name: upload it to "
            f"{self.models_container}/promote/<pipeline>/<key, if it has one>/<file>{MODEL_SUFFIX}"
        )

    def model_again(self, model: ModelRef) -> ModelRef:
        """Return a model that an operator uploaded, as it is now. Raises as the port says."""
        return self._left.again(model)

    def evaluation(self, job: FinishedJob, output: str | None) -> Evaluation:
        """Return what a finished job says of its model. Raises as the port says.

        Args:
            job: a finished job.
            output: the output that is the evaluation; None: there is none.
        """
        return self._left.evaluation(job, output)

    def predictions(self, job: FinishedJob, output: str) -> Evaluation:
        """Return the rows that a finished job scored. Raises as the port says.

        Args:
            job: a finished job.
            output: the output that holds them.
        """
        return self._left.evaluation(job, output, MOST_BYTES)

    def evaluation_beside(self, model: ModelRef) -> Evaluation:
        """Return the evaluation of an uploaded model. Raises as the port says."""
        return self._left.evaluation_beside(model)

    @property
    def _left(self) -> StudioModels:
        return StudioModels(self.models_account, self.models_container, self._state)

    def answer_for(self, handle: str) -> Answer:
        """Return the answer to a status check, of any status. Raises TransientError."""
        return self.call.any_answer("GET", self._job(handle))

    def _state(self, handle: str) -> tuple[JobState, Mapping[str, SignedBlob]]:
        answer = self.answer_for(handle)
        clean = self.call.clean
        if answer.status == _NOT_FOUND:
            return JobState(JobStatus.GONE, explained(read_refusal(answer, clean))), {}
        if not answer.ok:
            raise sort_refusal(answer, f"check job {handle}", clean, write=False)
        return _state(answer, clean)

    def cancel(self, handle: str) -> None:
        """Delete the job at the service; one it no longer knows is fine."""
        answer = self.call.any_answer("DELETE", self._job(handle))
        if not answer.ok and answer.status != _NOT_FOUND:
            raise sort_refusal(answer, f"delete job {handle}", self.call.clean, write=False)

    def _job(self, handle: str, action: str = "") -> str:
        scheme, host, path, query, _ = urlsplit(self.service)
        return urlunsplit((scheme, host, f"{path}/{handle}{action}", query, ""))

    def _body(self, request: JobRequest) -> dict[str, Any]:
        return self._assembled(request, self._reference, self._parameters(request))

    def _assembled(
        self, request: JobRequest, reference: _Reference, parameters: dict[str, Scalar]
    ) -> dict[str, Any]:
        # Nothing but GlobalParameters is sent empty: a service without such parts expects none.
        training = _of_studio(request)
        inputs = {
            name: reference(request, blob.container, blob.name, Access.READ)
            for name, blob in request.inputs.items()
        }
        outputs = {
            name: reference(request, self.models_container, path, Access.WRITE)
            for name, path in request.outputs.items()
        }
        body: dict[str, Any] = {"GlobalParameters": parameters}
        if SINGLE_INPUT in inputs:
            body["Input"] = inputs.pop(SINGLE_INPUT)
        if inputs:
            body["Inputs"] = inputs
        if outputs:
            body["Outputs"] = outputs
        if training.azure_batch_pool_id:
            body["AzureBatchPoolId"] = training.azure_batch_pool_id
        return body

    def _account(self, container: str) -> Blobs:
        return self.models_account if container == self.models_container else self.data

    def _unsigned(
        self, request: JobRequest, container: str, name: str, access: Access
    ) -> dict[str, str]:
        setting, path = _of_studio(request).connection_string, f"{container}/{name}"
        if setting is not None:
            return keyed_reference(setting, path)
        base = self._account(container).account_url
        return signed_reference(SignedBlob(base, path, f"?<signed to {access} when it is sent>"))

    def _reference(
        self, request: JobRequest, container: str, name: str, access: Access
    ) -> dict[str, str]:
        blobs = self._account(container)
        setting, path = _of_studio(request).connection_string, f"{container}/{name}"
        if setting is None:
            valid = request.training.timeout + _MARGIN
            return signed_reference(blobs.sign(container, name, access, valid))
        connection = self.call.secrets(setting)
        require_account(connection, setting, blobs.account, path)
        return keyed_reference(connection, path)

    def _parameters(self, request: JobRequest) -> dict[str, Scalar]:
        filled = {
            name: self.call.secrets(value) if isinstance(value, str) else value
            for name, value in request.parameters.items()
        }
        return self._left.with_models(request, filled, request.training.timeout + _MARGIN)

    def _learn(self, request: JobRequest) -> None:
        """Redact every secret of a request for this job."""
        texts = [value for value in request.parameters.values() if isinstance(value, str)]
        names = {name for text in texts for name in references_in(text)}
        setting = _of_studio(request).connection_string
        names |= set(references_in(setting or ""))
        self.call.redactor.learn(*(self.call.secrets(f"${{{name}}}") for name in sorted(names)))


def _state(answer: Answer, clean: Cleaner) -> tuple[JobState, Mapping[str, SignedBlob]]:
    decoded = answer.json()
    reported = decoded if isinstance(decoded, dict) else {}
    status = next(
        (reported[name] for name in _STATUS_NAMES if reported.get(name) is not None), None
    )
    known = _STATUSES.get(str(status).replace(" ", "").lower())
    if known is None:
        # Not a status at all, or one nobody has described: the job may still be running.
        shown = clean(repr(status))[:_LONGEST_SHOWN]
        raise TransientError(f"check job: no known status in the answer: {shown}")
    details = clean(str(reported.get("Details") or ""))[:_LONGEST_DETAILS]
    advice = advice_in(details) if known is JobStatus.FAILED else ""
    return JobState(known, details, advice), read_results(reported.get("Results"))


def _of_studio(request: JobRequest) -> StudioTraining:
    training = request.training
    if not isinstance(training, StudioTraining):
        raise PermanentError("the request is configured for another training service")
    return training
