"""Control calls for endpoints: they simulate other programs, failures and made-up models."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from local.azureml.answers import refusal
from local.azureml.containers import error_of_model
from local.azureml.personalities import PERSONALITIES
from local.azureml.service import AzureMl


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid")


class _AtCall(_Strict):
    """Something that is done at once, or just before a call of a kind."""

    before: str | None = None  #: as `PUT endpoint`
    skip: int = Field(default=0, ge=0)  #: calls of that kind that pass before


class WrittenTraffic(_AtCall):
    """Another writer sets the traffic of an endpoint."""

    endpoint: str
    traffic: dict[str, int]
    mirror: dict[str, int] = Field(default_factory=dict)


class WrittenDeployment(_AtCall):
    """Another writer adds, changes or removes a deployment; a state may come by itself."""

    endpoint: str
    name: str
    does: Literal["add", "model", "remove", "state", "crash"]
    model: str | None = None  #: `name/version`
    state: str | None = None

    @model_validator(mode="after")
    def _is_whole(self) -> Self:
        needed = {"add": self.model, "model": self.model, "state": self.state}
        if self.does in needed and needed[self.does] is None:
            raise ValueError("add and model need `model`, state needs `state`")
        return self


class PlannedFailure(_Strict):
    """How the next operation on `endpoint` or `endpoint/deployment` fails."""

    resource: str
    code: str
    message: str = "It failed."
    log: str | None = None  #: what the container has written


class Busy(_AtCall):
    """An operation of another writer runs: writes are answered 409."""

    resource: str
    seconds: float = Field(gt=0)


class Undone(_Strict):
    """The next update of an endpoint succeeds, and its traffic is the old one all the same."""

    endpoint: str
    after: float = Field(default=0, ge=0)  #: seconds


class Refused(_Strict):
    """A call of a kind that is answered with an error, and not done."""

    kind: str
    status: int = Field(ge=400, le=599)
    code: str = "UserError"
    message: str = "It is refused."
    skip: int = Field(default=0, ge=0)


class NewKey(_AtCall):
    """Somebody makes the keys of an endpoint anew."""

    endpoint: str


class MadeUpModel(_Strict):
    """How a model that is made up answers: with an error of its own, or after some time."""

    model: str  #: `name/version`
    status: int | None = None
    reason: str = "Error"
    milliseconds: float | None = None


class Chosen(_Strict):
    """A personality, by its name."""

    name: str


class EndpointControl:
    """Orders about endpoints.

    Args:
        service: the workspace.
    """

    def __init__(self, service: AzureMl) -> None:
        self._service = service
        self.operations: dict[str, Callable[[bytes], object]] = {
            "traffic": self._traffic,
            "deployments": self._deployment,
            "failures": self._failure,
            "busy": self._busy,
            "undone": self._undone,
            "refusals": self._refuse,
            "keys": self._keys,
            "models": self._model,
            "personality": self._personality,
        }

    @property
    def state(self) -> dict[str, Any]:
        """Return what there is of endpoints."""
        known = self._service.state.endpoints
        return {
            "endpoints": {name: one.traffic for name, one in known.items()},
            "deployments": {
                f"{name}/{one.name}": {
                    "state": one.state,
                    "model": str(one.properties["model"]).partition("/models/")[2],
                    "tags": one.tags,
                }
                for name, parent in known.items()
                for one in parent.deployments.values()
            },
            "violations": [f"{one.request}: {one.problem}" for one in self._service.violations],
        }

    def _when(self, one: _AtCall, do: Callable[[], object]) -> object:
        """Do something now, or at the call that an order names."""
        if one.before is None:
            do()
        else:
            calls = self._service.calls
            calls.before(one.before, do, calls.count(one.before) + one.skip)
        return one.model_dump(mode="json")

    def _traffic(self, body: bytes) -> object:
        one, hooks = WrittenTraffic.model_validate_json(body), self._service.hooks
        self._known(one.endpoint)
        return self._when(one, lambda: hooks.set_traffic(one.endpoint, one.traffic, one.mirror))

    def _deployment(self, body: bytes) -> object:
        one, hooks = WrittenDeployment.model_validate_json(body), self._service.hooks
        self._known(one.endpoint)
        model, state = one.model or "", one.state or ""
        resource = f"{one.endpoint}/{one.name}"
        does: dict[str, Callable[[], object]] = {
            "add": lambda: hooks.add_deployment(one.endpoint, one.name, model),
            "model": lambda: hooks.change_model(one.endpoint, one.name, model),
            "remove": lambda: hooks.remove_deployment(one.endpoint, one.name),
            "crash": lambda: hooks.crash(one.endpoint, one.name),
            "state": lambda: hooks.set_state(resource, state),
        }
        return self._when(one, does[one.does])

    def _failure(self, body: bytes) -> object:
        one = PlannedFailure.model_validate_json(body)
        self._service.hooks.fail_next(one.resource, one.code, one.message)
        if one.log is not None:
            self._service.hooks.set_log(one.resource, one.log)
        return one.model_dump(mode="json")

    def _busy(self, body: bytes) -> object:
        one, hooks = Busy.model_validate_json(body), self._service.hooks
        time = timedelta(seconds=one.seconds)
        return self._when(one, lambda: hooks.keep_busy(one.resource, time))

    def _undone(self, body: bytes) -> object:
        one = Undone.model_validate_json(body)
        self._known(one.endpoint)
        self._service.hooks.undo_next(one.endpoint, timedelta(seconds=one.after))
        return one.model_dump(mode="json")

    def _refuse(self, body: bytes) -> object:
        one, calls = Refused.model_validate_json(body), self._service.calls
        answer = refusal(one.status, one.code, one.message)
        calls.refuse_on(one.kind, answer, calls.count(one.kind) + one.skip)
        return one.model_dump(mode="json")

    def _keys(self, body: bytes) -> object:
        one, hooks = NewKey.model_validate_json(body), self._service.hooks
        self._known(one.endpoint)
        return self._when(one, lambda: hooks.rotate_key(one.endpoint))

    def _model(self, body: bytes) -> object:
        one, hooks = MadeUpModel.model_validate_json(body), self._service.hooks
        if one.status is not None:
            hooks.set_model(one.model, error_of_model(one.status, one.reason))
        if one.milliseconds is not None:
            hooks.set_milliseconds(one.model, one.milliseconds)
        return one.model_dump(mode="json")

    def _personality(self, body: bytes) -> object:
        name = Chosen.model_validate_json(body).name
        if name not in PERSONALITIES:
            raise ValueError(f"{name} is not a personality; known are {', '.join(PERSONALITIES)}")
        for switch, value in PERSONALITIES[name].items():
            setattr(self._service.switches, switch, value)
        return {"switched": sorted(PERSONALITIES[name])}

    def _known(self, endpoint: str) -> None:
        if endpoint not in self._service.state.endpoints:
            raise ValueError(f"there is no endpoint {endpoint}")
