"""What Relearn makes of one run in the stand-in: its own provider starts the job and registers."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

import requests
from azure.core.credentials import AccessToken
from azure.storage.blob import BlobServiceClient

from local.azureml.answers import WORKSPACE
from local.identity import make_token
from shared.core.config.azureml_models import job_name, model_version
from shared.core.config.azureml_training import AzureMlTraining
from shared.core.names import output_path
from shared.ports.training import Job, JobRequest, JobStatus
from shared.providers.azure_storage.accounts import blobs_of
from shared.providers.azureml.connections import AzureMlConnections
from shared.providers.azureml.placing import Storage
from shared.providers.azureml.tokens import Tokens
from shared.providers.http.client import Answer

DATA, MODELS, BLOB = "training-data", "models", "census/a.csv"
_RUN: Final = "census-0123456789abcdef0123"
_OUTPUTS: Final = ("model", "evaluation")
_SECONDS: Final = 30
_PAUSE: Final = 0.2
_HOUR: Final = 3600
#: The api-versions that this client knows are those of the app's own default.
_TRAINING: Final = {
    "kind": "azureml",
    "component": "azureml:train_census:1",
    "inputs": {"training_data": "{data}"},
    "outputs": {name: name for name in _OUTPUTS},
    "register_as": {"model": "census"},
    "compute": "cpu-cluster",
}


@dataclass(frozen=True)
class _Trusting:
    """The `Http` port over requests, trusting the certificate of the stand-in."""

    certificate: str

    def send(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes | None = None
    ) -> Answer:
        """Send one request.

        Args:
            method: of the request.
            url: of the request.
            headers: of the request.
            body: of the request.
        """
        got = requests.request(
            method,
            url,
            headers=dict(headers),
            data=body,
            verify=self.certificate,
            timeout=_SECONDS,
            allow_redirects=False,
        )
        return Answer(got.status_code, got.headers, got.content)


class _Identity:
    """Has a token for each scope."""

    def get_token(self, *scopes: str, **_: Any) -> AccessToken:
        """Return a token, valid for an hour."""
        token = make_token(scopes[0].removesuffix("/.default"))
        return AccessToken(token, int(time.time()) + _HOUR)


class _Clock:
    def now(self) -> datetime:
        """Return the present moment in UTC."""
        return datetime.now(UTC)


class AppRun:
    """One run of the app: a job of a registered component, and its model.

    Args:
        url: of the stand-in.
        account: the client of its storage account.
        certificate: the file with the certificate that both have.
    """

    def __init__(self, url: str, account: BlobServiceClient, certificate: str) -> None:
        self._training = AzureMlTraining.model_validate(
            {**_TRAINING, "workspace": f"{url}{WORKSPACE}"}, context={"development": True}
        )
        self._blobs, client = blobs_of(account, _Clock()), _Trusting(certificate)
        self._jobs = AzureMlConnections(
            http=client,
            slow=client,
            environment={},
            storage=Storage(self._blobs, self._blobs, MODELS),
            development=True,
            tokens=Tokens(_Identity()),
        ).training(self._training)

    @property
    def names(self) -> dict[str, str]:
        """The names of its job and its model, which are known before it begins."""
        job = job_name(_RUN, 1, 0, self._training.workspace_parts)
        return {"job": job, "model": f"census/{model_version(_RUN, 1)}"}

    def train(self) -> None:
        """Start the job, wait for its end, and register its model.

        Raises:
            RelearnError: the stand-in refuses something.
            RuntimeError: the job ended otherwise than finished.
        """
        data = self._blobs.head(DATA, BLOB)
        request = JobRequest(
            run_id=_RUN,
            attempt=1,
            inputs={"training_data": data} if data else {},
            outputs={name: output_path("census", _RUN, 1, name) for name in _OUTPUTS},
            parameters={},
            training=self._training,
        )
        began, handle = datetime.now(UTC), self._jobs.prepare(request)
        self._jobs.ensure_started(handle, request)
        state = self._jobs.state(handle)
        while state.status in (JobStatus.RUNNING, JobStatus.NOT_STARTED):
            time.sleep(_PAUSE)  # between two status checks
            state = self._jobs.state(handle)
        if state.status is not JobStatus.FINISHED:
            raise RuntimeError(f"job {handle} is {state.status}: {state.details}")
        job = Job(handle, began, request)
        for model in self._jobs.models(job, {"": None}).values():
            self._jobs.register(job, model)
