"""Answers for a deployment: by a made-up model, or by a server (`local.inference`).

See azure-machine-learning-v2 §5.4 and §5.5: a deployment has succeeded when its container answers
the health probe, and an answer of the container other than 200 reaches a client as 424.
"""

import hashlib
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Any, Final, Protocol

from local.azureml.answers import Answer, Body, RequestBody
from local.azureml.operations import Failure
from local.azureml.places import Datastores

#: What a model answers to the body of a request.
Scores = Callable[[RequestBody], Answer]
USUAL_MILLISECONDS: Final = 3.1
_USUAL_TIMEOUT: Final = 5.0
_DURATION: Final = re.compile(r"PT(?:(\d+)H)?(?:(\d+)M)?(?:([\d.]+)S)?", re.IGNORECASE)


class Progress(Enum):
    """How far a container is."""

    STARTING = auto()
    READY = auto()
    FAILED = auto()


@dataclass(frozen=True)
class ContainerOrder:
    """The model, code and environment that a deployment runs."""

    name: str  #: as `census/blue`
    model: str  #: its id
    model_type: str = ""  #: empty: the model is not of this workspace
    model_uri: str = ""
    code_uri: str = ""  #: empty: no scoring script
    script: str = ""
    variables: Mapping[str, str] = field(default_factory=dict)
    seconds: float = _USUAL_TIMEOUT  #: how long one request may take

    @property
    def is_mlflow(self) -> bool:
        """Whether the model's own format says how it is loaded."""
        return self.model_type.replace("_", "").lower() == "mlflowmodel"


@dataclass(frozen=True)
class Scored:
    """How a request was answered, and what it cost."""

    answer: Answer
    milliseconds: float
    model_status: int = 200  #: the container's own


class Container(Protocol):
    """One deployment's model, running."""

    instant: bool  #: whether it answers without taking any time

    def progress(self) -> Progress:
        """Return how far it is."""
        ...

    def failure(self) -> Failure | None:
        """Return why it did not get ready."""
        ...

    def score(self, body: RequestBody | bytes, headers: Mapping[str, str]) -> Scored:
        """Answer a request.

        Args:
            body: the rows, parsed or not.
            headers: of the request; names in lower case.

        Returns:
            The answer as the client gets it.
        """
        ...

    def log(self, kind: str, tail: int) -> str:
        """Return the last lines that it wrote.

        Args:
            kind: InferenceServer or StorageInitializer.
            tail: how many.

        Returns:
            The lines.
        """
        ...

    def stop(self) -> None:
        """End it; it may be asked to twice."""
        ...


class Containers(Protocol):
    """Starts what deployments want to run."""

    def start(self, order: ContainerOrder, datastores: Datastores) -> Container:
        """Begin to start a container.

        Args:
            order: what to run.
            datastores: where model and code are.

        Returns:
            It, most likely not ready yet.
        """
        ...

    def stop(self) -> None:
        """End every container."""
        ...


@dataclass
class MadeUpContainers:
    """Answers each row with a number that depends on model and row, at once."""

    scores: dict[str, Scores] = field(default_factory=dict)  #: by model id, lower case
    #: How long a request takes, by the same; it is said, not waited for.
    milliseconds: dict[str, float] = field(default_factory=dict)
    logs: dict[str, str] = field(default_factory=dict)  #: by deployment, as `census/blue`

    def start(self, order: ContainerOrder, datastores: Datastores) -> Container:
        """Return a container that is ready.

        Args:
            order: what to run.
            datastores: not needed.

        Returns:
            The container.
        """
        del datastores
        return _MadeUp(order.name, order.model, self)

    def stop(self) -> None:
        """Do nothing: nothing runs."""


@dataclass
class _MadeUp:
    name: str
    model: str
    parent: MadeUpContainers
    instant: bool = True
    stopped: bool = False

    def progress(self) -> Progress:
        return Progress.READY

    def failure(self) -> Failure | None:
        return None

    def score(self, body: RequestBody | bytes, headers: Mapping[str, str]) -> Scored:
        del headers
        taken = self.parent.milliseconds.get(self.model.lower(), USUAL_MILLISECONDS)
        if self.stopped:
            return Scored(nobody_answers(), taken, 500)
        try:
            rows = _parsed(body)
        except ValueError as error:
            return Scored(error_of_model(500, str(error))({}), taken, 500)
        answer = self.parent.scores.get(self.model.lower(), hashed_scores(self.model))(rows)
        about = {"x-ms-run-function-failed": "False", "x-ms-run-fn-exec-ms": f"{taken:.3f}"}
        said = answer.headers.get("ms-azureml-model-error-statuscode", answer.status)
        return Scored(
            Answer(answer.status, answer.body, about | dict(answer.headers)), taken, int(said)
        )

    def log(self, kind: str, tail: int) -> str:
        del kind
        return "\n".join(self.parent.logs.get(self.name, "").splitlines()[-tail:])

    def stop(self) -> None:
        self.stopped = True


def nobody_answers() -> Answer:
    """Return what a client gets where a container has gone."""
    error = {"code": "InternalServerError", "message": "No container answers."}
    return Answer(500, {"error": error})


def hashed_scores(model: str) -> Scores:
    """Return a model that answers each row with a number of its own."""

    def answer(body: RequestBody) -> Answer:
        scores = []
        for row in rows_of(body):
            seed = f"{model.lower()}|{json.dumps(row)}".encode()
            scores.append(int(hashlib.sha256(seed).hexdigest()[:6], 16) / 0xFFFFFF)
        return Answer(200, scores)

    return answer


def rows_of(body: RequestBody) -> list[Any]:
    """Return the rows of a request, in the form of MLflow servers or as `data`."""
    wrapped = body.get("input_data")
    rows = wrapped.get("data") if isinstance(wrapped, dict) else wrapped
    return list(rows if rows is not None else body.get("data", ()))


def error_of_model(status: int, reason: str) -> Scores:
    """Return a broken model: its container answers `status` (azure-machine-learning-v2 §5.4)."""
    answer = failed_model(status, reason, {"error": reason})
    return lambda _body: answer


def failed_model(status: int, reason: str, body: Any) -> Answer:
    """Return what a client gets when a container answers otherwise than with 200.

    Args:
        status: of the container's answer.
        reason: of the same.
        body: of the same.

    Returns:
        The answer of the endpoint.
    """
    headers = {
        "ms-azureml-model-error-statuscode": str(status),
        "ms-azureml-model-error-reason": reason,
        "x-ms-run-function-failed": "True",
    }
    return Answer(424, body, headers)


def seconds_of(properties: Body) -> float:
    """Return the `requestTimeout` of a deployment, 5 s unless it says another."""
    settings = properties.get("requestSettings") or {}
    found = _DURATION.fullmatch(str(settings.get("requestTimeout") or ""))
    hours, minutes, seconds = (float(one or 0) for one in found.groups()) if found else (0, 0, 0)
    return (hours * 60 + minutes) * 60 + seconds or _USUAL_TIMEOUT


def _parsed(body: RequestBody | bytes) -> RequestBody:
    if not isinstance(body, bytes):
        return body
    value = json.loads(body) if body.strip() else {}
    if not isinstance(value, dict):
        raise ValueError("the body is not a JSON object")  # noqa: TRY004 - one kind for both
    return value
