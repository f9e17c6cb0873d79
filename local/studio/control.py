"""The control plane below /_studio/: steers the stand-in over HTTP."""

import base64
import hashlib
from collections import deque
from collections.abc import Callable
from datetime import timedelta
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, TypeAdapter, ValidationError

from local.studio.faults import FaultRule, FaultScript
from local.studio.jobs import Job
from local.studio.refusals import RefusalError
from local.studio.services import (
    Endpoint,
    OutputKind,
    Parameter,
    Published,
    ScoringService,
    TrainingService,
)
from local.studio.state import Studio
from local.studio.storage import BlobRefusedError
from local.studio.training import Trainer, TrainingFailedError
from local.studio.wire import WireAnswer, WireRequest, json_answer, refusal_answer

PREFIX = "/_studio/"
_LOGGED_REQUESTS = 10_000


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid")


def _from_base64(value: object) -> bytes:
    if not isinstance(value, str):
        raise ValueError("base64 text is expected")  # noqa: TRY004 - what pydantic reports
    return base64.b64decode(value, validate=True)


class NewTraining(_Strict):
    """A training service to publish."""

    kind: Literal["training"]
    name: str
    inputs: tuple[str, ...] = ("input1",)
    outputs: dict[str, OutputKind] = Field(
        default={"output1": OutputKind.MODEL, "output2": OutputKind.EVALUATION}
    )
    parameters: dict[str, Parameter] = Field(default={})
    label: str | None = None


class NewScoring(_Strict):
    """A scoring service to publish: with a model, or with a CSV to train its model on first."""

    kind: Literal["scoring"]
    name: str
    resource: str
    model: Annotated[bytes, BeforeValidator(_from_base64)] | None = None
    training_csv: str | None = None
    label: str | None = None


class NewWebService(_Strict):
    """A New (Resource Manager) web service, whose model is trained on a CSV first."""

    kind: Literal["webservice"]
    name: str
    resource: str
    training_csv: str
    uri: str
    label: str | None = None


class NewSwitches(_Strict):
    """How New web services behave from now on; what is left out stays as it is."""

    provision_delay: timedelta | None = None
    ignores_updates: bool | None = None
    fails_updates: str | None = None
    upper_case: bool | None = None
    roles: bool | None = None
    names_operation: bool | None = None


class NewEndpoint(_Strict):
    """An endpoint to add to a service."""

    web_service_id: str
    name: str


_NEW_SERVICE: TypeAdapter[NewTraining | NewScoring | NewWebService] = TypeAdapter(
    Annotated[NewTraining | NewScoring | NewWebService, Field(discriminator="kind")]
)
_RULES: TypeAdapter[FaultRule | list[FaultRule]] = TypeAdapter(FaultRule | list[FaultRule])


class ControlPlane:
    """Answers the control plane; its requests are neither logged nor hit by faults."""

    def __init__(self, studio: Studio, faults: FaultScript, trainer: Trainer) -> None:
        self._studio = studio
        self._faults = faults
        self._trainer = trainer
        self._requests: deque[str] = deque(maxlen=_LOGGED_REQUESTS)
        self._operations: dict[tuple[str, str], Callable[[bytes], WireAnswer]] = {
            ("GET", "state"): lambda _: json_answer(self._state()),
            ("GET", "requests"): lambda _: json_answer(list(self._requests)),
            ("GET", "faults"): lambda _: self._fault_rules(),
            ("POST", "faults"): self._add_faults,
            ("DELETE", "faults"): self._clear_faults,
            ("POST", "services"): self._publish,
            ("POST", "endpoints"): self._add_endpoint,
            ("POST", "switches"): self._switch,
        }

    def log(self, method: str, path: str) -> None:
        """Remember a request to the service by method and path, without its query."""
        self._requests.append(f"{method} {path}")

    def handle(self, request: WireRequest) -> WireAnswer:
        """Answer a request below `PREFIX`; errors are answered as JSON."""
        name = request.url.partition("?")[0].removeprefix(PREFIX)
        operation = self._operations.get((request.method, name))
        if operation is None:
            known = sorted(f"{method} {PREFIX}{path}" for method, path in self._operations)
            return json_answer({"error": "no such operation", "operations": known}, 404)
        try:
            return operation(request.body)
        except ValidationError as error:
            found = error.errors(include_url=False, include_context=False, include_input=False)
            return json_answer({"error": "the body is not valid", "details": found}, 400)
        except RefusalError as refused:
            return refusal_answer(refused)
        except (TrainingFailedError, BlobRefusedError) as error:
            return json_answer({"error": str(error)}, 400)

    def _publish(self, body: bytes) -> WireAnswer:
        wanted = _NEW_SERVICE.validate_json(body)
        if isinstance(wanted, NewWebService):
            return self._publish_web_service(wanted)
        if isinstance(wanted, NewTraining):
            published = self._studio.publish_training(
                wanted.name,
                inputs=wanted.inputs,
                outputs=wanted.outputs,
                parameters=wanted.parameters,
                label=wanted.label,
            )
            return self._published(published)
        model = wanted.model
        if model is None:
            data = (wanted.training_csv or "").encode()
            model = self._trainer.train({"input1": data}, {}, label=wanted.label).model
        return self._published(
            self._studio.publish_scoring(wanted.name, resource=wanted.resource, model=model)
        )

    def _publish_web_service(self, wanted: NewWebService) -> WireAnswer:
        data = {"input1": wanted.training_csv.encode()}
        model = self._trainer.train(data, {}, label=wanted.label).model
        service = self._studio.publish_web_service(
            wanted.name, resource=wanted.resource, model=model, uri=wanted.uri
        )
        base = self._studio.base_url
        found = {
            "update_url": base + service.path,
            "execute_url": f"{base}{service.data_plane}/execute",
            "api_key": service.api_key,
            "model": base64.b64encode(model).decode(),
            "arm_token": self._studio.arm_token,
            "identity_endpoint": f"{base}/msi/token",
            "identity_secret": self._studio.identity_secret,
        }
        return json_answer(found, 201)

    def _switch(self, body: bytes) -> WireAnswer:
        given = NewSwitches.model_validate_json(body).model_dump(exclude_none=True)
        for name, value in given.items():
            setattr(self._studio.switches, name, value)
        return json_answer({"switched": sorted(given)})

    def _add_endpoint(self, body: bytes) -> WireAnswer:
        wanted = NewEndpoint.model_validate_json(body)
        return self._published(self._studio.add_endpoint(wanted.web_service_id, wanted.name))

    def _published(self, published: Published) -> WireAnswer:
        base = self._studio.base_url
        found = {
            "workspace_id": published.workspace_id,
            "web_service_id": published.web_service_id,
            "endpoint_id": published.endpoint_id,
            "endpoint_name": published.endpoint_name,
            "resource": published.resource,
            "jobs_url": base + published.jobs_url,
            "execute_url": base + published.execute_url,
            "management_url": base + published.management_url,
            "api_key": published.api_key,
            "workspace_token": self._studio.workspace_token,
        }
        return json_answer(found, 201)

    def _add_faults(self, body: bytes) -> WireAnswer:
        rules = _RULES.validate_json(body)
        self._faults.add(rules if isinstance(rules, list) else [rules])
        return self._fault_rules()

    def _clear_faults(self, _: bytes) -> WireAnswer:
        self._faults.clear()
        return self._fault_rules()

    def _fault_rules(self) -> WireAnswer:
        return json_answer([rule.model_dump(mode="json") for rule in self._faults.rules])

    def _state(self) -> dict[str, Any]:
        services = [
            {
                "id": service.id,
                "name": service.name,
                "kind": "training" if isinstance(service, TrainingService) else "scoring",
                "resource": service.resource if isinstance(service, ScoringService) else None,
                "endpoints": [self._endpoint(item) for item in endpoints],
            }
            for service, endpoints in self._studio.services()
        ]
        return {
            "workspace_id": self._studio.workspace_id,
            "services": services,
            "jobs": [_job(job) for job in self._studio.jobs],
        }

    def _endpoint(self, endpoint: Endpoint) -> dict[str, Any]:
        serving = self._studio.serving(endpoint)
        wanted = endpoint.slot.wanted.content if endpoint.slot else None
        return {
            "id": endpoint.id,
            "name": endpoint.name,
            "serving_sha256": _digest(serving),
            "wanted_sha256": _digest(wanted),
        }


def _digest(content: bytes | None) -> str | None:
    return None if content is None else hashlib.sha256(content).hexdigest()


def _job(job: Job) -> dict[str, Any]:
    return {
        "id": job.id,
        "service_id": job.service.id,
        "endpoint_id": job.endpoint_id,
        "state": job.state.value,
        "created_at": job.created_at.isoformat(),
        "started_at": [moment.isoformat() for moment in job.started_at],
        "starts": len(job.started_at),
        "inputs": {name: item.relative_location for name, item in job.inputs.items()},
        "outputs": {name: item.relative_location for name, item in job.outputs.items()},
        "parameters": job.parameters,
        "details": job.details,
    }
