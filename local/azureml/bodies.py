"""The bodies that may be PUT: members and their types (azure-machine-learning-v2 §1, §2.1).

An unknown member is refused, as the service does, and so is a member of the wrong type.
"""

from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    StringConstraints,
    Tag,
    ValidationError,
)
from pydantic.alias_generators import to_camel

from local.azureml.answers import Answer, RequestBody, invalid, unknown_member

#: Members that only previews have (azure-machine-learning-v2 §1).
_PREVIEW: Final = frozenset(
    [
        "secretsConfiguration",
        "parentJobName",
        "autologgerSettings",
        "autoDeleteSetting",
        "intellectualProperty",
        "systemMetadata",
    ]
)
_PREVIEW_OUTPUT: Final = frozenset({"assetVersion", "autoDeleteSetting", "pathOnCompute"})
_MOST_SHOWN: Final = 200


class _Body(BaseModel):
    """Members are in camel case, and no others are known."""

    model_config = ConfigDict(extra="forbid", strict=True, alias_generator=to_camel)


class _Open(BaseModel):
    """A specification: its members are in snake case, and others may be there."""

    model_config = ConfigDict(extra="allow", strict=True)


def _lower(value: object) -> object:
    return value.lower() if isinstance(value, str) else value


Given = Annotated[str, StringConstraints(min_length=1)]
Scalar = str | int | float | bool
#: Numbers become texts: azure-ai-ml sends one, and the recorded answer has a text.
Texts = dict[str, Scalar | None]
DataType = Annotated[
    Literal["uri_file", "uri_folder", "mltable", "custom_model", "mlflow_model", "triton_model"],
    BeforeValidator(_lower),
]


class LiteralInput(_Body):
    """An input that is a text."""

    description: str | None = None
    job_input_type: Annotated[Literal["literal"], BeforeValidator(_lower)]
    value: Given


class DataInput(_Body):
    """An input that is data."""

    description: str | None = None
    job_input_type: DataType
    uri: Given
    mode: (
        Literal[
            "ReadOnlyMount", "ReadWriteMount", "Download", "Direct", "EvalMount", "EvalDownload"
        ]
        | None
    ) = None


def _kind(value: Any) -> str:
    kind = value.get("jobInputType") if isinstance(value, dict) else None
    return "literal" if str(kind).lower() == "literal" else "data"


JobInput = Annotated[
    Annotated[LiteralInput, Tag("literal")] | Annotated[DataInput, Tag("data")],
    Discriminator(_kind),
]


class JobOutput(_Body):
    """An output of a job."""

    description: str | None = None
    job_output_type: DataType
    uri: str | None = None
    asset_name: str | None = None
    mode: Literal["ReadWriteMount", "Upload", "Direct"] | None = None


class NodeInput(_Open):
    """An input of a node: data, or a text which may bind it."""

    job_input_type: str | None = None
    uri: str | None = None
    value: Scalar | None = None


class NodeOutput(_Open):
    """An output of a node."""

    uri: str | None = None
    value: str | None = None


class Node(_Open):
    """A node of a pipeline."""

    componentId: str | None = None  # noqa: N815 - one of two members in camel case
    inputs: dict[str, NodeInput | Scalar] | None = None
    outputs: dict[str, NodeOutput] | None = None


class _Job(_Body):
    display_name: str | None = None
    description: str | None = None
    experiment_name: str | None = None
    tags: Texts | None = None
    properties: Texts | None = None
    compute_id: str | None = None
    component_id: str | None = None
    inputs: dict[str, JobInput] | None = None
    outputs: dict[str, JobOutput] | None = None
    services: dict[str, Any] | None = None
    notification_setting: dict[str, Any] | None = None
    is_archived: bool | None = None


class _Identity(_Body):
    identity_type: Literal["AMLToken", "Managed", "UserIdentity"]
    client_id: str | None = None
    object_id: str | None = None
    resource_id: str | None = None


class _Limits(_Body):
    job_limits_type: Literal["Command"]
    timeout: str | None = None


class _Queue(_Body):
    job_tier: Literal["Null", "Spot", "Basic", "Standard", "Premium"] | None = None
    priority: int | None = None


class _Resources(_Body):
    instance_count: int | None = None
    instance_type: str | None = None
    shm_size: str | None = None
    docker_args: str | None = None
    docker_args_list: list[str] | None = None
    properties: dict[str, Any] | None = None
    locations: list[str] | None = None
    max_instance_count: int | None = None


class CommandJob(_Job):
    """A job that is one command."""

    job_type: Literal["Command"]
    identity: _Identity | None = None
    command: Given
    environment_id: Given
    code_id: str | None = None
    environment_variables: Texts | None = None
    limits: _Limits | None = None
    resources: _Resources | None = None
    queue_settings: _Queue | None = None
    distribution: dict[str, Any] | None = None


class PipelineSettings(_Open):
    """The settings of all steps of a pipeline."""

    default_compute: str | None = None
    default_datastore: str | None = None
    force_rerun: bool | None = None
    continue_on_step_failure: bool | None = None


class PipelineJob(_Job):
    """A job of several steps, or of a component."""

    job_type: Literal["Pipeline"]
    identity: _Identity | None = None
    jobs: dict[str, Node] | None = None
    settings: PipelineSettings | None = None
    source_job_id: str | None = None


class _Declared(_Open):
    type: str
    optional: bool | str | None = None
    default: Scalar | None = None


class Specification(_Open):
    """The properties of a component."""

    type: Literal["command", "pipeline"]
    command: str | None = None
    code: str | None = None
    inputs: dict[str, _Declared] | None = None
    outputs: dict[str, _Declared] | None = None
    jobs: dict[str, Node] | None = None
    environment_variables: Texts | None = None
    sourceJobId: str | None = None  # noqa: N815 - as the service has it


class _Asset(_Body):
    description: str | None = None
    tags: Texts | None = None
    properties: Texts | None = None
    is_archived: bool | None = None
    is_anonymous: bool | None = None


class ComponentVersion(_Asset):
    """A version of a component."""

    component_spec: Specification


class CodeVersion(_Asset):
    """A version of code."""

    code_uri: Given


class EnvironmentVersion(_Asset):
    """A version of an environment."""

    image: str | None = None
    build: dict[str, Any] | None = None
    conda_file: str | None = None
    os_type: str | None = None
    inference_config: dict[str, Any] | None = None
    auto_rebuild: str | None = None
    stage: str | None = None


class DataVersion(_Asset):
    """A version of data."""

    data_type: DataType
    data_uri: Given
    referenced_uris: list[str] | None = None
    stage: str | None = None


class ModelVersion(_Asset):
    """A version of a model."""

    model_type: str | None = None
    model_uri: Given
    job_name: str | None = None
    stage: str | None = None
    flavors: dict[str, Any] | None = None
    datasets: list[Any] | None = None
    default_deployment_template: dict[str, Any] | None = None
    provisioning_state: str | None = None


class _Asked(BaseModel):
    """A body of the data plane: unknown members are ignored."""

    model_config = ConfigDict(strict=True, alias_generator=to_camel)


class RunChange(_Asked):
    """The members of a run that the portal changes."""

    tags: Texts | None = None
    display_name: str | None = None
    hidden: bool | None = None


class Wanted(_Asked):
    """Assets whose places are asked for."""

    values: list[str] | None = None


class Logged(BaseModel):
    """A metric that a process logs."""

    key: str
    value: float
    step: int = 0


class LoggedBatch(BaseModel):
    """Metrics of one run."""

    run_id: str
    metrics: list[Logged]


_JOBS: Final[dict[str, type[_Job]]] = {"Command": CommandJob, "Pipeline": PipelineJob}
ASSETS: Final[dict[str, type[_Asset]]] = {
    "components": ComponentVersion,
    "codes": CodeVersion,
    "environments": EnvironmentVersion,
    "data": DataVersion,
}


def bad_job(body: RequestBody, api: str) -> Answer | None:
    """Refuse what is not a job of an api-version.

    Args:
        body: what was sent.
        api: the api-version; one of a preview knows more members.

    Returns:
        The refusal, if there is one.
    """
    own = body.get("properties")
    kind = own.get("jobType") if isinstance(own, Mapping) else None
    model = _JOBS.get(kind) if isinstance(kind, str) else None
    if model is None:
        return invalid("jobType is Command or Pipeline here.")
    if (refused := bad_body(model, body, api)) is not None:
        return refused
    steps = own.get("componentId") or own.get("jobs") if isinstance(own, Mapping) else None
    if kind == "Pipeline" and not steps:
        return invalid("A pipeline has jobs, or is a component.")
    return None


def bad_body(model: type[BaseModel], body: RequestBody, api: str = "") -> Answer | None:
    """Refuse a body that a model does not describe.

    Args:
        model: of its `properties`.
        body: what was sent.
        api: the api-version.

    Returns:
        The refusal, in the words of the recordings for an unknown member.
    """
    own = body.get("properties")
    if not isinstance(own, Mapping):
        return invalid("Required property 'properties' not found in JSON.")
    for name in sorted(set(body) - {"properties"}):
        return unknown_member(name, "Resource")
    try:
        model.model_validate(_stable(own) if "preview" in api else dict(own))
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        *where, last = ("properties", *(str(one) for one in first["loc"] if one not in _TAGS))
        if first["type"] == "extra_forbidden":
            return unknown_member(last, error.title, ".".join(where))
        return invalid(f"Path '{'.'.join((*where, last))[:_MOST_SHOWN]}': {first['msg']}.")
    return None


def texts(value: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return tags or properties as answers show them."""
    return {name: one if one is None else str(one) for name, one in (value or {}).items()}


#: What pydantic puts into a path for the member of a union.
_TAGS: Final = frozenset({"literal", "data"})


def _stable(own: Mapping[str, Any]) -> dict[str, Any]:
    """Return what is left of a preview's body without the members of previews."""
    kept = {name: one for name, one in own.items() if name not in _PREVIEW}
    outputs = kept.get("outputs")
    if isinstance(outputs, Mapping):
        kept["outputs"] = {
            name: {key: value for key, value in one.items() if key not in _PREVIEW_OUTPUT}
            if isinstance(one, Mapping)
            else one
            for name, one in outputs.items()
        }
    return kept
