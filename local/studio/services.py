"""The web services of a workspace, their endpoints, and the model that each endpoint serves."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from functools import cached_property

from local.studio.model import Model
from local.studio.references import BlobReference

DEFAULT = "default"
"""The endpoint every web service has (studio-classic §0.1)."""


class OutputKind(StrEnum):
    """The kind of a training service's output. It decides which file extensions are accepted."""

    MODEL = "model"
    EVALUATION = "evaluation"
    PREDICTIONS = "predictions"

    @property
    def extensions(self) -> tuple[str, ...]:
        """The extensions accepted for it (studio-classic §1.2)."""
        return (".ilearner",) if self is OutputKind.MODEL else (".csv", ".tsv", ".arff")


class ParameterKind(StrEnum):
    """The type of a parameter's values."""

    TEXT = "text"
    NUMBER = "number"
    MODEL = "model"  #: the URL of a model, for a module Load Trained Model


@dataclass(frozen=True, slots=True)
class Parameter:
    """One web service parameter, given by a job's GlobalParameters."""

    kind: ParameterKind = ParameterKind.TEXT
    default: str | None = None
    required: bool = False


@dataclass(frozen=True, slots=True)
class TrainingService:
    """A web service made of a training experiment."""

    id: str
    name: str
    created_at: datetime
    inputs: tuple[str, ...]
    outputs: Mapping[str, OutputKind]
    parameters: Mapping[str, Parameter]
    label: str | None


@dataclass(frozen=True)
class ModelVersion:
    """One content a resource may have, and where it came from when that is known."""

    content: bytes = field(repr=False)
    location: BlobReference | None = None

    @cached_property
    def model(self) -> Model:
        """The content read as a model; raises `BadModelError`."""
        return Model.loads(self.content)


@dataclass(frozen=True, slots=True)
class ScoringService:
    """A web service made of a predictive experiment, with one updatable resource."""

    id: str
    name: str
    created_at: datetime
    resource: str
    published: ModelVersion


@dataclass(slots=True)
class ModelSlot:
    """The model of one endpoint: the one serving now, and those that will serve later."""

    serving: ModelVersion
    wanted: ModelVersion
    coming: list[tuple[datetime, ModelVersion]] = field(default_factory=list)

    def want(self, version: ModelVersion, visible_from: datetime) -> None:
        """Ask for a version; scoring shows it from the given time on."""
        self.wanted = version
        self.coming.append((visible_from, version))

    def at(self, now: datetime) -> ModelVersion:
        """Give the version that serves at this time, which must not go backwards."""
        while self.coming and self.coming[0][0] <= now:
            self.serving = self.coming.pop(0)[1]
        return self.serving


@dataclass(slots=True)
class Endpoint:
    """One endpoint of a service: its own address, keys and, on a scoring service, model."""

    id: str
    name: str
    service: TrainingService | ScoringService
    keys: tuple[str, str] = field(repr=False)
    created_at: datetime
    slot: ModelSlot | None
    settings: dict[str, object]


@dataclass(frozen=True, slots=True)
class Published:
    """The data of an endpoint that its publisher gets; the URLs are relative to the service."""

    workspace_id: str
    web_service_id: str
    endpoint_id: str
    endpoint_name: str
    api_key: str = field(repr=False)
    resource: str | None

    @property
    def jobs_url(self) -> str:
        """Where batch jobs are posted."""
        return f"{self._data_plane}/jobs"

    @property
    def execute_url(self) -> str:
        """Where rows are scored."""
        return f"{self._data_plane}/execute"

    @property
    def management_url(self) -> str:
        """Where the endpoint is read and patched."""
        service = f"/workspaces/{self.workspace_id}/webservices/{self.web_service_id}"
        return f"{service}/endpoints/{self.endpoint_name}"

    @property
    def _data_plane(self) -> str:
        return f"/workspaces/{self.workspace_id}/services/{self.endpoint_id}"
