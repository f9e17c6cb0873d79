"""The `TrainingService` port over Studio's batch execution service (contract §1)."""

import re
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final
from urllib.parse import urlsplit, urlunsplit

from shared.clients.http import Answer
from shared.clients.studio_call import StudioCall
from shared.clients.studio_errors import StudioRefused, read_refusal, sort_refusal
from shared.core.redact import redact
from shared.errors import OutcomeUnknown, TransientError
from shared.ports import Access, Blobs, JobRequest, JobState, JobStatus, SignedBlob

#: Signed URLs outlive the job, queueing included (rule 11).
_MARGIN: Final = timedelta(hours=1)
_NOT_FOUND: Final = 404
_JOB_ID: Final = re.compile(r"[0-9a-f]{32}")
#: Names and numbers are both in use, and a name is spelt two ways (§1.3).
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


@dataclass(frozen=True, slots=True)
class StudioBatch:
    """Batch execution of one training service.

    A handle is the service's job id: POST jobs makes a job that never starts by itself,
    POST start starts it, so a job whose id was lost costs nothing (rule 3).
    """

    call: StudioCall
    service: str  #: `…/services/{endpoint id}/jobs?api-version=2.0`
    data: Blobs
    models: Blobs
    models_container: str

    def prepare(self, request: JobRequest) -> str:
        """Create a job without starting it and return its id."""
        answer = self.call.write("POST", self.service, "create job", self._body(request))
        job = answer.json()
        if not isinstance(job, str) and _JOB_ID.fullmatch(answer.text()):
            job = answer.text()  # the id without the quotes that JSON asks for
        if not isinstance(job, str) or not job.strip():
            # 2xx with something else: a job may exist, but nobody can start it.
            key = self.call.secrets(self.call.api_key)
            said = redact(answer.text(), key)[:100]
            raise OutcomeUnknown(f"create job: no job id in the answer: {said!r}")
        return job.strip()

    def ensure_started(self, handle: str, request: JobRequest) -> None:
        """Start the job; one that is started already is fine."""
        del request  # the service has kept it since prepare
        try:
            self.call.write("POST", self._job(handle, "/start"), f"start job {handle}")
        except StudioRefused as exc:
            # "It is in {state} state": past the start, even where a look does not show it yet.
            if "CannotStartJob" in exc.refusal.codes:
                return
            if self.state(handle).status in (JobStatus.NOT_STARTED, JobStatus.GONE):
                raise

    def state(self, handle: str) -> JobState:
        """Return how the job stands."""
        answer = self.call.any_answer("GET", self._job(handle))
        key = self.call.secrets(self.call.api_key)
        if answer.status == _NOT_FOUND:
            return JobState(JobStatus.GONE, str(read_refusal(answer, key)))
        if not answer.ok:
            raise sort_refusal(answer, f"look at job {handle}", key, write=False)
        return _state(answer, key)

    def cancel(self, handle: str) -> None:
        """Delete the job at the service; one it no longer knows is fine."""
        answer = self.call.any_answer("DELETE", self._job(handle))
        if not answer.ok and answer.status != _NOT_FOUND:
            key = self.call.secrets(self.call.api_key)
            raise sort_refusal(answer, f"delete job {handle}", key, write=False)

    def _job(self, handle: str, action: str = "") -> str:
        scheme, host, path, query, _ = urlsplit(self.service)
        return urlunsplit((scheme, host, f"{path}/{handle}{action}", query, ""))

    def _body(self, request: JobRequest) -> dict[str, Any]:
        valid = request.timeout + _MARGIN
        inputs = {
            name: _reference(self.data.sign(blob.container, blob.name, Access.READ, valid))
            for name, blob in request.inputs.items()
        }
        outputs = {
            name: _reference(self.models.sign(self.models_container, path, Access.WRITE, valid))
            for name, path in request.outputs.items()
        }
        parameters = {
            name: self.call.secrets(value) if isinstance(value, str) else value
            for name, value in request.parameters.items()
        }
        body: dict[str, Any] = {"Outputs": outputs, "GlobalParameters": parameters}
        return {"Inputs": inputs, **body} if inputs else body


def _reference(blob: SignedBlob) -> dict[str, str]:
    return {
        "BaseLocation": blob.base_location,
        "RelativeLocation": blob.relative_location,
        "SasBlobToken": blob.sas_token,
    }


def _state(answer: Answer, key: str) -> JobState:
    told = answer.json()
    status = told.get("StatusCode") if isinstance(told, dict) else None
    known = _STATUSES.get(str(status).replace(" ", "").lower())
    if not isinstance(told, dict) or known is None:
        # Not a status at all, or one nobody has described: the job may still be running.
        raise TransientError(f"look at job: no known status in the answer: {status!r:.100}")
    results = told.get("Results")
    located = {
        str(name): str(blob.get("RelativeLocation", "")).lstrip("/")
        for name, blob in (results.items() if isinstance(results, dict) else ())
        if isinstance(blob, dict)
    }
    return JobState(known, redact(str(told.get("Details") or ""), key)[:2000], located)
