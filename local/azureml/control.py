"""The control plane below /_azureml/: sets the workspace up over HTTP, and injects faults."""

import typing
from collections.abc import Callable
from dataclasses import fields
from typing import Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from local.azureml.calls import Fault
from local.azureml.control_endpoints import EndpointControl
from local.azureml.jobs import Job
from local.azureml.sample import publish_sample
from local.azureml.service import AzureMl
from local.azureml.switches import Switches
from local.studio.wire import WireAnswer, WireRequest, json_answer

PREFIX: Final = "/_azureml/"


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid")


class NewFault(_Strict):
    """Something to go wrong with coming calls of a kind, as `PUT job`."""

    kind: str
    fault: Fault
    skip: int = Field(default=0, ge=0)
    times: int = Field(default=1, ge=1)


class Delay(_Strict):
    """Answers that take long: done at once, sent late; `match` is a glob over METHOD /path."""

    match: str
    seconds: float = Field(gt=0, le=600)
    times: int = Field(default=1, ge=0)


class NewDatastore(_Strict):
    """A datastore to register."""

    name: str
    container: str
    kind: Literal["AzureBlob", "AzureDataLakeGen2", "AzureFile"] = "AzureBlob"
    account: str | None = None


class NewAsset(_Strict):
    """A component, an environment, code or data to register."""

    kind: Literal["components", "environments", "codes", "data"]
    name: str
    version: str
    properties: dict[str, Any]


class NewCompute(_Strict):
    """A compute to make."""

    name: str


class JobOrder(_Strict):
    """A status for a job: now, or at its end."""

    name: str
    status: str | None = None
    ends: Literal["Completed", "Failed", "Canceled"] | None = None
    orphan: bool | None = None
    code: str = "UserError"
    message: str = ""


class NewMetric(_Strict):
    """A metric of a run, as if its process had logged it."""

    run: str
    key: str
    value: float
    step: int = 0


class ControlPlane:
    """Answers the control plane; its requests are neither logged nor hit by faults."""

    def __init__(self, service: AzureMl) -> None:
        self._service = service
        self.delays: list[Delay] = []
        self._endpoints = EndpointControl(service)
        self._operations: dict[tuple[str, str], Callable[[bytes], object]] = {
            ("GET", "state"): lambda _: self._state(),
            ("GET", "requests"): lambda _: [f"{c.kind} {c.target}" for c in service.calls.log],
            ("POST", "faults"): self._add_fault,
            ("POST", "delays"): self._add_delay,
            ("POST", "switches"): self._switch,
            ("POST", "datastores"): self._add_datastore,
            ("POST", "assets"): self._add_asset,
            ("POST", "computes"): self._add_compute,
            ("POST", "jobs"): self._order,
            ("POST", "metrics"): self._log_metric,
            ("POST", "sample"): lambda _: publish_sample(service),
            **{("POST", name): do for name, do in self._endpoints.operations.items()},
        }

    def handle(self, request: WireRequest) -> WireAnswer:
        """Answer a request below `PREFIX`; errors are answered as JSON."""
        name = request.url.partition("?")[0].removeprefix(PREFIX)
        operation = self._operations.get((request.method, name))
        if operation is None:
            known = sorted(f"{method} {PREFIX}{path}" for method, path in self._operations)
            return json_answer({"error": "no such operation", "operations": known}, 404)
        try:
            return json_answer(operation(request.body))
        except ValidationError as error:
            found = error.errors(include_url=False, include_context=False, include_input=False)
            return json_answer({"error": "the body is not valid", "details": found}, 400)
        except (ValueError, KeyError) as error:
            return json_answer({"error": str(error)}, 400)

    def _add_fault(self, body: bytes) -> object:
        one = NewFault.model_validate_json(body)
        calls = self._service.calls
        calls.fault_on(one.kind, one.fault, calls.count(one.kind) + one.skip, one.times)
        return one.model_dump(mode="json")

    def _add_delay(self, body: bytes) -> object:
        one = Delay.model_validate_json(body)
        self.delays.append(one)
        return one.model_dump(mode="json")

    def _switch(self, body: bytes) -> object:
        """Set switches by name; a duration is a number of seconds."""
        given = TypeAdapter(dict[str, Any]).validate_json(body)
        kinds = typing.get_type_hints(Switches)
        known = {one.name for one in fields(Switches)}
        for name, value in given.items():
            if name not in known:
                raise ValueError(f"{name} is not a switch; known are {', '.join(sorted(known))}")
            checked = TypeAdapter(kinds[name]).validate_python(value)
            setattr(self._service.switches, name, checked)
        return {"switched": sorted(given)}

    def _add_datastore(self, body: bytes) -> object:
        one = NewDatastore.model_validate_json(body)
        about = {"kind": one.kind} | ({"account": one.account} if one.account else {})
        self._service.hooks.add_datastore(one.name, one.container, **about)
        return {"name": one.name}

    def _add_asset(self, body: bytes) -> object:
        one = NewAsset.model_validate_json(body)
        added = self._service.hooks.add_asset(one.kind, one.name, one.version, one.properties)
        return {"id": added}

    def _add_compute(self, body: bytes) -> object:
        one = NewCompute.model_validate_json(body)
        self._service.hooks.add_compute(one.name)
        return {"name": one.name}

    def _order(self, body: bytes) -> object:
        one, hooks = JobOrder.model_validate_json(body), self._service.hooks
        if one.status is not None:
            hooks.set_job(one.name, one.status, one.code, one.message)
        if one.ends is not None:
            hooks.end_job_as(one.name, one.ends, one.code, one.message)
        if one.orphan is not None:
            self._service.jobs.all[one.name].orphan = one.orphan
        return _job(self._service.jobs.all[one.name])

    def _log_metric(self, body: bytes) -> object:
        one = NewMetric.model_validate_json(body)
        self._service.metrics.log(one.run, one.key, one.value, one.step)
        return {"run": one.run}

    def _state(self) -> object:
        service = self._service
        return {
            "jobs": [_job(job) | {"status": service.jobs.status(job)} for job in _all(service)],
            "models": [f"{name}/{version}" for name, version in service.state.models],
            "components": {
                name: list(versions)
                for name, versions in service.assets.all.get("components", {}).items()
            },
            "datastores": {one.name: one.container for one in service.datastores.all.values()},
            **self._endpoints.state,
        }


def _all(service: AzureMl) -> list[Job]:
    return list(service.jobs.all.values())


def _job(job: Job) -> dict[str, Any]:
    return {
        "name": job.name,
        "type": job.properties["jobType"],
        "tags": job.properties.get("tags") or {},
        "orphan": job.orphan,
        "steps": [
            {
                "run": step.work.run_id,
                "node": step.work.node,
                "reused": step.writer.work.run_id if step.reused else None,
                "outputs": {name: one.value for name, one in step.work.outputs.items()},
            }
            for step in job.steps
        ],
    }
