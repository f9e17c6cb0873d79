"""The file that `az ml online-deployment create -f` takes, as the template of deployments.

Relearn uploads nothing: code and environment are registered. Its own are the name, the endpoint,
the model and the tags of each deployment (azure-machine-learning-v2 §5.1).
"""

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, ClassVar, Final, Literal

from pydantic import BeforeValidator, Field, WithJsonSchema, model_validator

from shared.core.config.azureml_deployment_parts import (
    CodeConfiguration,
    ContainerProbe,
    DataCollector,
    Environment,
    InstanceType,
    MountPath,
    RequestSettings,
    ScaleSettings,
    Switch,
    Texts,
    lower,
)
from shared.core.config.cross_field import together
from shared.core.config.problems import Mistake, WrongValueError
from shared.core.config.types import Strict

_KUBERNETES: Final = (
    "Kubernetes endpoints are not supported yet",
    "name a managed deployment, with an instance_type of Azure",
)
_BATCH: Final = (
    "batch deployments are not supported yet",
    "name the file of an online deployment, as `az ml online-deployment create -f` takes it",
)
_AN_ENDPOINT: Final = (
    "is a key of an endpoint's file",
    "name the file of a deployment; `create` says how an endpoint is made",
)
_BATCH_KEYS: Final = (
    "compute",
    "mini_batch_size",
    "max_concurrency_per_instance",
    "job_definition",
)
_BATCH_KINDS: Final = ("batch", "model", "pipeline", "component")
_OURS: Final = ("name", "endpoint_name", "model", "tags")
#: What the service answers and no request may hold.
_READ_ONLY: Final = ("$schema", "id", "provisioning_state", "creation_context")


class Deployment(Strict):
    """The file that `az ml online-deployment create -f` takes, as a template."""

    refused_keys: ClassVar[Mapping[str, tuple[str, str]]] = {
        "resources": _KUBERNETES,
        "sku": ("is not in this file", "write instance_count: 1"),
        "private_network_connection": (
            "exists only in previews",
            "write egress_public_network_access",
        ),
        "package_model": ("needs a build by the client", "register an environment, and name it"),
        **dict.fromkeys(("auth_mode", "traffic", "mirror_traffic", "defaults"), _AN_ENDPOINT),
    }

    name: Any = Field(default=None, description="Replaced: each deployment has a name of its own.")
    endpoint_name: Any = Field(default=None, description="Replaced by `endpoint`.")
    model: Any = Field(default=None, description="Replaced by the model of the run.")
    tags: Any = Field(default=None, description="Replaced by those of Relearn.")
    type: Annotated[Literal["managed"], BeforeValidator(lower)] = Field(
        default="managed", description="A managed deployment."
    )
    description: str | None = Field(default=None, description="For people.")
    properties: Texts = Field(default_factory=dict, description="Properties, as text.")
    instance_type: InstanceType = Field(
        description="The size of an instance.", examples=["Standard_DS3_v2"]
    )
    instance_count: Annotated[int, Field(ge=1, le=1000)] = Field(
        default=1, description="How many instances; the service reserves 20 % more."
    )
    environment: Environment | None = Field(
        default=None,
        description="A registered environment. MLflow models need none, and no scoring script.",
    )
    code_configuration: CodeConfiguration | None = Field(
        default=None, description="The scoring script, with `environment`."
    )
    environment_variables: Texts = Field(
        default_factory=dict, description="Variables of the container; no secrets."
    )
    request_settings: RequestSettings | None = Field(default=None, description="Time-outs.")
    liveness_probe: ContainerProbe | None = Field(
        default=None, description="When a container counts as alive."
    )
    readiness_probe: ContainerProbe | None = Field(
        default=None, description="When it counts as ready."
    )
    startup_probe: ContainerProbe | None = Field(
        default=None, description="When it counts as started."
    )
    scale_settings: ScaleSettings | None = Field(default=None, description="type: default.")
    app_insights_enabled: bool = Field(default=False, description="Log to Application Insights.")
    egress_public_network_access: Switch | None = Field(
        default=None, description="Whether the container reaches public networks."
    )
    model_mount_path: MountPath | None = Field(
        default=None, description="Where a container of one's own finds the model."
    )
    data_collector: DataCollector | None = Field(
        default=None, description="Collection of requests and answers."
    )

    @model_validator(mode="before")
    @classmethod
    def _managed_online(cls, given: Any) -> Any:
        """Refuse files of other services as a whole, and drop what only answers hold."""
        if not isinstance(given, dict):
            return given
        kind = str(given.get("type") or "managed").lower()
        schema = str(given.get("$schema") or "").lower()
        if kind in _BATCH_KINDS or "batch" in schema or any(key in given for key in _BATCH_KEYS):
            raise WrongValueError(*_BATCH)
        if kind == "kubernetes" or "kubernetes" in schema:
            raise WrongValueError(*_KUBERNETES)
        return {name: value for name, value in given.items() if name not in _READ_ONLY}

    @together
    def _both_or_neither(self) -> Iterator[Mistake]:
        if self.environment is not None and self.code_configuration is None:
            yield Mistake("environment needs code_configuration", _BOTH, ("environment",))
        if self.code_configuration is not None and self.environment is None:
            yield Mistake("code_configuration needs environment", _BOTH, ("code_configuration",))

    def replaced_for(self, endpoint: str) -> tuple[str, ...]:
        """Return the keys of the file that do not count for a deployment of `endpoint`."""
        given = {name: getattr(self, name) for name in _OURS}
        if given["endpoint_name"] == endpoint:
            given["endpoint_name"] = None
        return tuple(name for name, value in given.items() if value is not None)

    @property
    def bare(self) -> bool:
        """Whether it has neither environment nor scoring script: the model must be its own."""
        return self.environment is None and self.code_configuration is None


_BOTH: Final = "give both; only MLflow models are served with neither"
#: The template, as the pipelines file has it: the loader puts the file's content in its place.
DeploymentFile = Annotated[
    Deployment, WithJsonSchema({"type": "string", "examples": ["deployment.yml"]})
]
