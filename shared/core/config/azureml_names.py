"""Names of Azure Machine Learning: workspaces, assets, computes, datastores, and their URIs.

Forms: azure-machine-learning-v2 §1, §2.1. Ids are compared without case, since answers differ in
it (azure-machine-learning-v2 §9).
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Annotated, Any, Final
from urllib.parse import parse_qs, quote, urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, ValidationInfo

from shared.core.config.pattern import one_name
from shared.core.config.problems import WrongValueError
from shared.core.config.studio_urls import require_https

RESOURCE_MANAGER: Final = "https://management.azure.com"
PROVIDER: Final = "providers/Microsoft.MachineLearningServices"
LATEST: Final = "latest"
SERVERLESS: Final = "serverless"

_WORKSPACE: Final = re.compile(
    r"/subscriptions/([0-9A-Za-z-]{1,64})/resourcegroups/([\w.()-]{1,90})"
    r"/providers/microsoft\.machinelearningservices/workspaces/([^/]+)/?",
    re.IGNORECASE,
)
#: As the service's own document has it (azure-machine-learning-v2 §1).
_WORKSPACE_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{2,32}")
_NAME: Final = r"[A-Za-z0-9_][\w.-]{0,254}"
_ASSET: Final = re.compile(rf"azureml:(?P<name>{_NAME})(?::(?P<version>[\w.+-]+)|@(?P<label>\w+))")
_ASSET_ID: Final = re.compile(
    rf"(?:azureml:)?(?P<workspace>/subscriptions/.+)/(?P<kind>components|models)/(?P<name>{_NAME})"
    r"/versions/(?P<version>[\w.+-]+)",
    re.IGNORECASE,
)
_DATASTORE_URI: Final = re.compile(
    r"azureml://(?:subscriptions/[^/]+/resourcegroups/[^/]+"
    r"(?:/providers/microsoft\.machinelearningservices)?/workspaces/[^/]+/)?"
    r"datastores/(?P<store>[^/]+)/paths/(?P<path>.*)",
    re.IGNORECASE,
)
_COMPUTE: Final = re.compile(r"(?:azureml:)?([A-Za-z][A-Za-z0-9-]{0,31})")
_COMPUTE_ID: Final = re.compile(r"(?:azureml:)?(/subscriptions/.+/computes/[^/]+)", re.IGNORECASE)
_PARTS: Final = ("subscription", "resource_group", "name")
_WHERE: Final = (
    "write /subscriptions/<id>/resourceGroups/<group>/providers/Microsoft.MachineLearningServices"
    "/workspaces/<name>, as `az ml workspace show --query id` prints it"
)


@dataclass(frozen=True, slots=True)
class Workspace:
    """One workspace, as its calls and bodies name it."""

    host: str  #: where its Resource Manager answers, without a slash at the end
    subscription: str
    group: str
    name: str

    @property
    def id(self) -> str:
        """The id in Resource Manager, which begins with a slash."""
        above = f"/subscriptions/{self.subscription}/resourceGroups/{self.group}"
        return f"{above}/{PROVIDER}/workspaces/{self.name}"

    @property
    def url(self) -> str:
        """The URL that all its calls to Resource Manager begin with."""
        return f"{self.host}{self.id}"

    @property
    def identity(self) -> str:
        """What it is known by, however it is written; ids are unique within a cloud."""
        return (self.id if self.host == RESOURCE_MANAGER else self.url).lower()

    def datastore_uri(self, store: str, path: str) -> str:
        """Return the long form of a datastore's URI, which needs no other context.

        Args:
            store: the name of the datastore.
            path: the path below its container.
        """
        inside = f"subscriptions/{self.subscription}/resourcegroups/{self.group}"
        return f"azureml://{inside}/workspaces/{self.name}/datastores/{store}/paths/{path}"


@dataclass(frozen=True, slots=True)
class Asset:
    """A registered component or model: a version, or the newest one."""

    name: str
    version: str  #: `latest` where the newest is asked for

    @property
    def newest(self) -> bool:
        """Whether the newest version is asked for, which the app has to look up."""
        return self.version == LATEST

    def __str__(self) -> str:
        mark = "@" if self.newest else ":"
        return f"azureml:{self.name}{mark}{self.version}"


@lru_cache(maxsize=64)  # asked for each call
def workspace_of(text: str) -> Workspace:
    """Return the workspace that an id or a URL names.

    Raises:
        ValueError: it names none; the message says what to write.
    """
    parts = urlsplit(text.strip())
    if parts.query and (inside := parse_qs(parts.query).get("wsid")):
        advice = f"write what follows wsid=, with {PROVIDER} in it: {_WHERE}"
        raise WrongValueError(f"is the address of a page, of the workspace {inside[0]}", advice)
    found = _WORKSPACE.fullmatch(parts.path)
    if found is None or parts.query or parts.fragment:
        raise WrongValueError("is not the id of a workspace", _WHERE)
    if not _WORKSPACE_NAME.fullmatch(found[3]):
        what = f"{found[3]!r} cannot name a workspace"
        raise WrongValueError(what, "3 to 33 letters, digits, - or _, a letter or digit first")
    host = f"{parts.scheme}://{parts.netloc.lower()}" if parts.netloc else RESOURCE_MANAGER
    return Workspace(host, found[1], found[2], found[3])


def asset_of(text: str, kind: str = "component") -> Asset:
    """Return the registered component or model that a text names.

    Args:
        text: as `azureml:name:version`, `azureml:name@latest`, or an id in Resource Manager.
        kind: what it is, for messages.

    Raises:
        ValueError: it names none; the message says what to write.
    """
    write = f"write azureml:<name>:<version>, or azureml:<name>@{LATEST}"
    if text.startswith("azureml://registries/"):
        what = f"a {kind} of a registry is not supported yet"
        raise WrongValueError(what, f"register the {kind} in the workspace, and {write}")
    if (found := _ASSET_ID.fullmatch(text)) is not None:
        return Asset(found["name"], found["version"])
    found = _ASSET.fullmatch(text)
    if found is None:
        if text.endswith((".yml", ".yaml")):
            what = "is a file; it is registered once, by `az ml component create -f`"
            raise WrongValueError(what, write)
        raise WrongValueError(f"does not name a registered {kind}", write)
    if found["label"] not in (None, LATEST):
        raise WrongValueError(f"the label @{found['label']} is unknown here", write)
    return Asset(found["name"], found["version"] or LATEST)


def compute_id(text: str, workspace: Workspace) -> str | None:
    """Return the id of a compute; None for serverless, which has none.

    Args:
        text: as it is written.
        workspace: where it is.
    """
    name = text.removeprefix("azureml:")
    if name.lower() == SERVERLESS:
        return None
    return name if name.startswith("/") else f"{workspace.id}/computes/{name}"


def place_in_datastore(uri: str) -> tuple[str, str] | None:
    """Return (datastore, path) of a URI in its short or long form; None for other URIs."""
    found = _DATASTORE_URI.fullmatch(uri)
    return (found["store"], found["path"]) if found else None


def same_uri(one: str, other: str) -> bool:
    """Whether two URIs are of one place; up to `/paths/` case does not count.

    Args:
        one: a URI in a datastore.
        other: another one, perhaps in the other form.
    """
    here, there = place_in_datastore(one), place_in_datastore(other)
    if here is None or there is None:
        return one.rstrip("/") == other.rstrip("/")
    same_store = here[0].lower() == there[0].lower()
    return same_store and here[1].rstrip("/") == there[1].rstrip("/")


def escaped_name(name: str) -> str:
    """Return a name as a segment of a URL."""
    return quote(name, safe="")


def _written_workspace(given: Any) -> Any:
    """Return a workspace that is written in parts as the id that they make."""
    if not isinstance(given, Mapping):
        return given
    missing = [name for name in _PARTS if not isinstance(given.get(name), str)]
    if missing or len(given) > len(_PARTS):
        raise WrongValueError("a workspace in parts has three", ", ".join(_PARTS))
    subscription, group, name = (given[part] for part in _PARTS)
    return f"/subscriptions/{subscription}/resourceGroups/{group}/{PROVIDER}/workspaces/{name}"


def _checked_workspace(text: str, info: ValidationInfo) -> str:
    workspace = workspace_of(text)
    whole = urlsplit(text.strip()).netloc
    if whole and info.context is not None:
        require_https(workspace.host, development=bool(info.context.get("development")))
    return workspace.url if whole else workspace.id


def _checked_component(text: str) -> str:
    return str(asset_of(text))


def _checked_compute(text: str) -> str:
    if text.lower().removeprefix("azureml:").startswith("kubernetes:"):
        raise WrongValueError("Kubernetes is not supported yet", "name a compute cluster")
    found = _COMPUTE_ID.fullmatch(text) or _COMPUTE.fullmatch(text)
    if found is None:
        raise WrongValueError(
            "does not name a compute", "write the name of a cluster of the workspace, or serverless"
        )
    return found[1]


def _checked_name(text: str) -> str:
    if not re.fullmatch(_NAME, one_name(text)):
        raise WrongValueError(
            "cannot be a name there", "use up to 255 letters, digits, _, - and ., a letter first"
        )
    return text


def _checked_version(text: str) -> str:
    if not re.fullmatch(r"\d{4}-\d{2}-\d{2}(-preview)?", text):
        raise WrongValueError("is not an api-version", "write it like 2025-12-01, in quotes")
    return text


WorkspaceId = Annotated[
    str,
    BeforeValidator(_written_workspace, json_schema_input_type=str | dict[str, str]),
    AfterValidator(_checked_workspace),
    Field(examples=[f"/subscriptions/…/resourceGroups/…/{PROVIDER}/workspaces/…"]),
]
ComponentName = Annotated[str, AfterValidator(_checked_component)]
ComputeName = Annotated[str, AfterValidator(_checked_compute)]
#: The name of a model, datastore, experiment or job.
PlainName = Annotated[str, AfterValidator(_checked_name)]
ApiVersion = Annotated[str, AfterValidator(_checked_version)]
