"""Parts of `training.kind: azureml`: an input, a registered model, settings, versions."""

import re
from typing import Annotated, Any, Final, Literal

from pydantic import AfterValidator, BeforeValidator, Field, StringConstraints

from shared.core.config.azureml_names import ApiVersion, PlainName
from shared.core.config.pattern import checked_pattern, one_name
from shared.core.config.problems import WrongValueError
from shared.core.config.training import DATA, MANIFEST, OTHER_MODELS, named_model
from shared.core.config.types import Name, Scalar, Strict
from shared.core.config.windows import checked_path

#: A folder with an MLTable file, which lists every blob of the run.
MLTABLE: Final = "{data.mltable}"
ALL_DATA: Final = (MANIFEST, MLTABLE)
#: The newest version that was read for this app (azure-machine-learning-v2 §1).
NEWEST_VERSION: Final = "2025-12-01"

_GIVEN: Final = re.compile(r"(?:azureml:|https://|wasbs://|abfss://)\S+", re.IGNORECASE)
_FILE: Final = re.compile(r".*\.[A-Za-z][A-Za-z0-9]{0,7}", re.DOTALL)
_FOLDER: Final = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,99}")


def is_given(path: str) -> bool:
    """Whether an input is a URI, which is passed on as it is written."""
    return _GIVEN.fullmatch(path) is not None


def is_path(value: object) -> bool:
    """Whether a text under `inputs` stands for data; any other one is a literal.

    It is a path where it holds a slash or ends like a file.
    """
    if not isinstance(value, str):
        return False
    alone = value in (DATA, *ALL_DATA) or "{data" in value or value in OTHER_MODELS
    return alone or "/" in value or is_given(value) or _FILE.fullmatch(value) is not None


def is_literal(value: object) -> bool:
    """Whether a value under `inputs` is a literal, and stands for no data."""
    return isinstance(value, bool | int | float | str) and not is_path(value)


def _checked_source(text: str) -> str:
    return checked_path(text, _checked_filled)


def _checked_filled(text: str) -> str:
    if text in (DATA, *ALL_DATA) or named_model(text) or is_given(text):
        return text
    if "{data" in text:
        raise WrongValueError(
            f"{DATA}, {MANIFEST} and {MLTABLE} stand alone", "a path is written with {tokens}"
        )
    if not text or text.startswith(("/", "./")):
        raise WrongValueError(
            "a path starts below TRAINING_DATA_CONTAINER", "remove the slash, or write a URI"
        )
    return checked_pattern(text)


def _checked_folder(text: str) -> str:
    if not _FOLDER.fullmatch(one_name(text)):
        raise WrongValueError(
            "does not name a folder below that of the attempt",
            "use only letters, digits, -, _ and .",
        )
    return text


def _named(given: Any) -> Any:
    return {"name": given} if isinstance(given, str) else given


InputSource = Annotated[str, AfterValidator(_checked_source)]
Folder = Annotated[str, AfterValidator(_checked_folder)]


class AzureMlInput(Strict):
    """An input that is data, with its type and mode."""

    path: InputSource = Field(
        description="{data}, {data.manifest}, {data.mltable}, {live.model}, {anchor.model}, a "
        "path, a URI."
    )
    type: (
        Literal["uri_file", "uri_folder", "mltable", "custom_model", "mlflow_model", "triton_model"]
        | None
    ) = Field(default=None, description="By default the type of the component, otherwise uri_file.")
    mode: Literal["ro_mount", "download", "direct", "eval_mount", "eval_download"] | None = Field(
        default=None, description="How the job reads it."
    )


class Registration(Strict):
    """How an output is registered as a version of a model."""

    name: PlainName | None = Field(
        default=None, description="The name of the model; by default that of the pipeline."
    )
    type: Literal["custom_model", "mlflow_model", "triton_model"] | None = Field(
        default=None,
        description="By default mlflow_model if the output has a file MLmodel, otherwise "
        "custom_model.",
    )
    description: Annotated[str, StringConstraints(max_length=1000)] = Field(
        default="", description="For people."
    )
    tags: dict[Name, str] = Field(default_factory=dict, description="Tags of the version.")


def _as_it_is(given: Any) -> Any:
    return given


#: An input; literals are moved elsewhere before it is read.
InputValue = Annotated[
    AzureMlInput | InputSource,
    BeforeValidator(_as_it_is, json_schema_input_type=AzureMlInput | Scalar),
]
Registered = Annotated[
    Registration, BeforeValidator(_named, json_schema_input_type=Registration | str)
]


class PipelineSettings(Strict):
    """Settings of the pipeline job that runs a component."""

    default_datastore: PlainName | None = Field(
        default=None, description="Where steps write what no output names."
    )
    continue_on_step_failure: bool = Field(
        default=False, description="Whether other steps go on after one has failed."
    )
    continue_on_failed_optional_input: bool | None = Field(
        default=None, description="Whether a step runs without an optional input that failed."
    )
    force_rerun: Literal[True] = Field(
        default=True,
        description="Always true: else a step may take the result of an older run.",
    )


class ApiVersions(Strict):
    """The api-version for each kind of resource."""

    jobs: ApiVersion = Field(default=NEWEST_VERSION, description="The api-version for jobs.")
    components: ApiVersion = Field(
        default=NEWEST_VERSION, description="The api-version for components."
    )
    models: ApiVersion = Field(default=NEWEST_VERSION, description="The api-version for models.")
    datastores: ApiVersion = Field(
        default=NEWEST_VERSION, description="The api-version for datastores."
    )
    computes: ApiVersion = Field(
        default=NEWEST_VERSION, description="The api-version for computes."
    )
    data: ApiVersion = Field(default=NEWEST_VERSION, description="The api-version for data assets.")
    workspaces: ApiVersion = Field(
        default=NEWEST_VERSION, description="The api-version for the workspace itself."
    )
