"""Carries out one run of Relearn against the stand-in: training, and registration of the model."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

import requests
import yaml
from azure.core.credentials import AccessToken
from azure.storage.blob import BlobServiceClient

from local.azureml.answers import WORKSPACE
from local.azureml.sample import EXAMPLES
from local.identity import make_token
from shared.core.config.azureml_endpoint import AzureMlEndpoint
from shared.core.config.azureml_models import model_version, registered_model
from shared.core.config.azureml_names import Asset
from shared.core.config.azureml_training import AzureMlTraining
from shared.core.names import job_name, output_path
from shared.core.serving.probes import EndpointCheck, UpdateProgress
from shared.core.serving.references import Shift
from shared.core.serving.traffic import TrafficMap
from shared.errors import TransientError
from shared.ports.serving import ServingEndpoint
from shared.ports.training import FinishedJob, JobRequest, JobStatus
from shared.providers.azure_storage.accounts import blobs_of
from shared.providers.azureml.connections import AzureMlConnections
from shared.providers.azureml.job_planner import Storage
from shared.providers.azureml.tokens import Tokens
from shared.providers.http.client import Answer

DATA, MODELS, BLOB = "training-data", "models", "census/a.csv"
_RUN: Final = "census-0123456789abcdef0123"
_ENDPOINT: Final = "by-the-app"
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
        self._url, self._connections = (
            url,
            AzureMlConnections(
                http=client,
                slow=client,
                environment={},
                storage=Storage(self._blobs, self._blobs, MODELS),
                development=True,
                tokens=Tokens(_Identity()),
            ),
        )
        self._jobs = self._connections.training(self._training)

    @property
    def names(self) -> dict[str, str]:
        """The names of its job and its model, which are known before it begins."""
        job = job_name(_RUN, 1, 0, self._training.workspace_parts.identity)
        return {
            "job": job,
            "model": f"census/{model_version(_RUN, 1)}",
            "endpoint": _ENDPOINT,
        }

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
        job = FinishedJob(handle, began, request)
        for model in self._jobs.models(job, {"": None}).values():
            self._jobs.register(job, model)

    def serve(self) -> None:
        """Make an endpoint, deploy the registered model, and give it every request.

        Raises:
            RelearnError: the stand-in refuses something.
            RuntimeError: the deployment or the update of the traffic failed.
        """
        deployment = yaml.safe_load((EXAMPLES / "deployment.yml").read_text(encoding="utf-8"))
        about = {"name": "production", "kind": "azureml", "endpoint": _ENDPOINT, "create": True}
        workspace = f"{self._url}{WORKSPACE}"
        config = AzureMlEndpoint.model_validate(
            about | {"workspace": workspace, "deployment": deployment},
            context={"development": True},
        )
        endpoint = self._connections.serving(config)
        _made(endpoint)
        asset = Asset("census", model_version(_RUN, 1))
        candidate = endpoint.candidate(
            registered_model(asset, self._training.workspace_parts), _RUN
        )
        endpoint.stage(candidate)
        _until_done(lambda: endpoint.candidate_state(candidate))
        every = Shift(
            candidate=candidate,
            before=TrafficMap(),
            wanted=TrafficMap.of({candidate.name: 100}),
        )
        endpoint.shift(every)
        _until_done(lambda: endpoint.update_state(shift=every))


def _made(endpoint: ServingEndpoint) -> None:
    """Make an endpoint, and return when it is there."""
    deadline = time.monotonic() + _SECONDS
    while True:
        try:
            return endpoint.ensure()
        except TransientError:
            if time.monotonic() > deadline:
                raise
        time.sleep(_PAUSE)  # between two attempts


def _until_done(look: Callable[[], EndpointCheck]) -> None:
    deadline = time.monotonic() + _SECONDS
    while (check := look()).progress is UpdateProgress.PENDING and time.monotonic() < deadline:
        time.sleep(_PAUSE)  # between two checks
    if check.progress is not UpdateProgress.DONE:
        raise RuntimeError(f"{check.progress}: {check.detail}")
