"""Parts of a deployment's file: code, time-outs, checks of the container, collection of data.

Each is as `az ml online-deployment create -f` takes it; what that takes from a disk is refused.
"""

import re
from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Final, Literal

from pydantic import AfterValidator, BeforeValidator, Field

from shared.core.config.problems import WrongValueError
from shared.core.config.setting_references import references_in
from shared.core.config.types import Name, Strict

#: A version of an asset that is registered in the workspace.
ASSET: Final = re.compile(r"azureml:(?P<name>[^/:@]+):(?P<version>[^/:@]+)")
_CODE_ID: Final = re.compile(r"(?:azureml:)?/subscriptions/.+/codes/.+/versions/.+", re.IGNORECASE)
_ENVIRONMENT: Final = re.compile(
    r"(?:(?:azureml:)?/subscriptions/.+|azureml://registries/[^/]+)/environments/[^/]+/versions/[^/]+",
    re.IGNORECASE,
)
_NOT_UPLOADED: Final = "is not uploaded"
#: The longest time that a managed endpoint gives a request (azure-machine-learning-v2 §5.4).
_MOST_MS: Final = 180_000


def _checked_code(text: str) -> str:
    if not (ASSET.fullmatch(text) or _CODE_ID.fullmatch(text)):
        raise WrongValueError(
            f"local code {_NOT_UPLOADED}",
            "register it, and write azureml:<name>:<version>, or the id of a version of a code "
            "(docs/azureml.md, step 6)",
        )
    return text


def _checked_asset(text: str) -> str:
    if not ASSET.fullmatch(text):
        what = "does not name a version of a data asset"
        raise WrongValueError(what, "write azureml:<name>:<version>")
    return text


def _checked_mount(text: str) -> str:
    if not text.startswith("/"):
        raise WrongValueError("is not a path in the container", "begin it with a slash")
    return text


def _checked_script(text: str) -> str:
    if not text.endswith(".py"):
        raise WrongValueError("is not a script", "name a file of the code, such as score.py")
    return text


def _checked_size(text: str) -> str:
    if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_-]{2,63}", text):
        raise WrongValueError("is not a size of an instance", "write one such as Standard_DS3_v2")
    return text


def _checked_environment(given: Any) -> Any:
    write = "register it with `az ml environment create -f`, and write azureml:<name>:<version>"
    if isinstance(given, Mapping):
        inline = "an inline conda file" if "conda_file" in given else "an inline environment"
        raise WrongValueError(f"{inline} {_NOT_UPLOADED}", write)
    if isinstance(given, str) and given.lower().endswith(("@latest", "/labels/latest")):
        raise WrongValueError("may be another one at a rollback", "name a version of it")
    if not isinstance(given, str) or not (ASSET.fullmatch(given) or _ENVIRONMENT.fullmatch(given)):
        raise WrongValueError("does not name an environment", write)
    return given


def _checked_text(given: Any) -> str:
    """Return the value of a variable as the text that the container gets."""
    if isinstance(given, bool) or not isinstance(given, str | int | float):
        raise WrongValueError("must be text", "quote it")
    if found := references_in(str(given)):
        what = f"${{{found[0]}}} is not replaced: a deployment shows its variables to its readers"
        raise WrongValueError(what, "have the container read the secret, such as from a key vault")
    return str(given)


def lower(given: Any) -> Any:
    """Return a word in lower case, as the client takes it."""
    return given.lower() if isinstance(given, str) else given


def _truth(given: Any) -> Any:
    return str(given).lower() if isinstance(given, bool) else lower(given)


InstanceType = Annotated[str, AfterValidator(_checked_size)]
Environment = Annotated[str, BeforeValidator(_checked_environment)]
MountPath = Annotated[str, AfterValidator(_checked_mount)]
Switch = Annotated[Literal["enabled", "disabled"], BeforeValidator(lower)]
Texts = dict[Name, Annotated[str, BeforeValidator(_checked_text)]]
Seconds = Annotated[int, Field(ge=1, le=86_400)]


class CodeConfiguration(Strict):
    """The scoring script of a deployment."""

    code: Annotated[str, AfterValidator(_checked_code)] = Field(
        description="A version of a registered code: azureml:name:version, or its id."
    )
    scoring_script: Annotated[str, AfterValidator(_checked_script)] = Field(
        description="The file in it that has init() and run()."
    )


class RequestSettings(Strict):
    """What a deployment does with requests."""

    request_timeout_ms: Annotated[int, Field(ge=1, le=_MOST_MS)] | None = Field(
        default=None, description="How long a request may take; the service takes 5000."
    )
    max_concurrent_requests_per_instance: Annotated[int, Field(ge=1, le=10_000)] | None = Field(
        default=None, description="The service takes 1."
    )
    max_queue_wait_ms: Annotated[int, Field(ge=0, le=_MOST_MS)] | None = Field(
        default=None, description="How long a request may wait for an instance."
    )


class ContainerProbe(Strict):
    """How the service checks a container; times in seconds."""

    initial_delay: Annotated[int, Field(ge=0, le=86_400)] | None = Field(
        default=None, description="The time before the first check."
    )
    period: Seconds | None = Field(default=None, description="The time between two checks.")
    timeout: Seconds | None = Field(default=None, description="The time-out of one check.")
    success_threshold: Annotated[int, Field(ge=1)] | None = Field(
        default=None, description="Consecutive successes until the check passes."
    )
    failure_threshold: Annotated[int, Field(ge=1)] | None = Field(
        default=None, description="Consecutive failures until the check fails."
    )


class ScaleSettings(Strict):
    """How many instances there are."""

    type: Annotated[Literal["default"], BeforeValidator(lower)] = Field(
        description="default: instance_count. Rules of Azure Monitor are not part of a deployment."
    )
    refused_keys: ClassVar[Mapping[str, tuple[str, str]]] = dict.fromkeys(
        ("polling_interval", "target_utilization_percentage", "min_instances", "max_instances"),
        ("is for Kubernetes", "write instance_count; managed deployments scale by Azure Monitor"),
    )


class Collection(Strict):
    """One kind of data that is collected."""

    enabled: Annotated[Literal["true", "false"], BeforeValidator(_truth)] = Field(
        description="Whether it is collected."
    )
    data: Annotated[str, AfterValidator(_checked_asset)] = Field(
        description="The registered data asset that it is written to. (The client makes one for "
        "each deployment; Relearn registers none.)"
    )
    client_id: str | None = Field(default=None, description="Of the identity that writes.")


class RequestLogging(Strict):
    """What is collected of each request."""

    capture_headers: tuple[Name, ...] = Field(default=(), description="Headers that are kept.")


class DataCollector(Strict):
    """Collection of requests and answers; see the traps in azure-machine-learning-v2 §14.2."""

    collections: Annotated[dict[Name, Collection], Field(min_length=1)] = Field(
        description="Collections by name."
    )
    rolling_rate: Annotated[Literal["minute", "hour", "day"], BeforeValidator(lower)] | None = (
        Field(default=None, description="How often a new file is begun.")
    )
    sampling_rate: Annotated[float, Field(ge=0, le=1)] | None = Field(
        default=None, description="The share of requests, 0 to 1, of every collection."
    )
    request_logging: RequestLogging | None = Field(default=None, description="Headers to keep.")
