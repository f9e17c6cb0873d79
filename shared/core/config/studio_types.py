"""Types of Studio's parts of the pipelines file: output files, models, identities.

Classic's management answers at `management.azureml.net` and, for each region, at
`<region>.management.azureml.net` (studio-classic §0.1); workspaces, services and
subscriptions have ids that are unique over all regions. So the host adds nothing there.
A URL of another host, such as a gateway, keeps its host: whether two of those are one cannot
be known.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Annotated, Final
from urllib.parse import unquote, urlsplit

from pydantic import AfterValidator, ValidationInfo

from shared.core.blobs import BlobVersion, is_folded
from shared.core.config.pattern import one_name
from shared.core.config.studio_urls import is_web_service, jobs_url, require_https, score_url
from shared.core.hosts import is_loopback
from shared.core.names import PROMOTE, digest
from shared.core.serving.references import ModelRef

STUDIO: Final = "studio"
MODEL_SUFFIX: Final = ".ilearner"
#: The folders of the models container whose blobs a service may be given to read as a model.
MODEL_FOLDERS: Final = ("runs", PROMOTE, "baselines")
_OUTPUT_SUFFIXES: Final = (MODEL_SUFFIX, ".csv", ".tsv", ".arff")
_MANAGEMENT: Final = re.compile(r"(?:[a-z0-9-]+\.)?(management\.azureml\.(?:net|de))")
_DATA_PLANE: Final = re.compile(r"[a-z0-9-]+\.(services\.azureml\.(?:net|de))")
_CLASSIC: Final = re.compile(r"(.*?)(/workspaces/.+)")
_SERVICE: Final = re.compile(r"(.*?)(/(?:workspaces|subscriptions)/.+)")


def model_of(blob: BlobVersion) -> ModelRef:
    """Return the reference to a model that is a blob."""
    return ModelRef(
        provider=STUDIO,
        name=blob.path,
        digest=digest("model", blob.path, blob.etag),
        reference=blob.model_dump(mode="json", exclude={"recorded_at"}),
    )


def blob_of(model: ModelRef) -> BlobVersion:
    """Return the blob that a model is.

    Raises:
        ValueError: it is not a model of Studio.
    """
    if model.provider != STUDIO:
        raise ValueError(f"{model.name} is a model of {model.provider}, and not a blob for Studio")
    return BlobVersion.model_validate(model.reference)


def is_model_path(path: str) -> bool:
    """Whether a service may be given a signature for this path of the models container.

    A service names what it serves, and could name any blob: keys and secrets may lie in the
    same account, or in the same container.
    """
    folder, _, rest = path.partition("/")
    return folder in MODEL_FOLDERS and bool(rest) and not is_folded(path)


def checked_url(text: str, check: Callable[[str], str], info: ValidationInfo) -> str:
    """Return the URL as `check` corrects it, when it may be called.

    A stored record is read without a context: its URLs were checked when its run was opened.

    Args:
        text: the URL as it was written.
        check: returns the corrected URL, or raises ValueError.
        info: the context of the validation.

    Raises:
        ValueError: it is not what `check` wants, or not https.
    """
    if info.context is None:
        return text
    return require_https(check(text), development=bool(info.context.get("development")))


def _jobs_url(text: str, info: ValidationInfo) -> str:
    return checked_url(text, jobs_url, info)


def _score_url(text: str, info: ValidationInfo) -> str:
    return checked_url(text, score_url, info)


def _checked_file(name: str) -> str:
    one_name(name)
    if "/" in name or not name.endswith(_OUTPUT_SUFFIXES) or name.startswith("."):
        raise ValueError(
            f"not an output file name: the service writes {', '.join(_OUTPUT_SUFFIXES)} "
            "and the folder is chosen by the app"
        )
    return name


JobsUrl = Annotated[str, AfterValidator(_jobs_url)]
ScoreUrl = Annotated[str, AfterValidator(_score_url)]
OutputFile = Annotated[str, AfterValidator(_checked_file)]


@dataclass(frozen=True, slots=True)
class Identity:
    """What one thing at a service is known by."""

    where: str  #: the service, however many hosts it has; a host of its own otherwise
    path: str

    @property
    def parent(self) -> str:
        """The path without its last name: the web service of an endpoint."""
        return self.path.rpartition("/")[0]


@lru_cache(maxsize=1024)  # an endpoint is looked for among all of them
def endpoint_identity(update: str) -> Identity:
    """Return the identity of an endpoint.

    Case does not count: ids are lower-case hex, endpoint names lower-case letters and digits
    (studio-classic §0.1, §3); Resource Manager ids are compared without case.

    Args:
        update: its update URL.
    """
    if is_web_service(update) and not is_loopback(update):
        return Identity("resource manager", _path(update))
    return _identity(update, _MANAGEMENT, _CLASSIC)


def service_identity(service: str) -> str:
    """Return what a training service is known by.

    Args:
        service: its batch execution URL.
    """
    known = _identity(service, _DATA_PLANE, _SERVICE)
    return f"{known.where}{known.path}"


def _identity(url: str, hosts: re.Pattern[str], form: re.Pattern[str]) -> Identity:
    parts, path = urlsplit(url), _path(url)
    host = parts.netloc.lower().removesuffix(":443").rstrip(".")
    known, shaped = hosts.fullmatch(host), form.fullmatch(path)
    above, below = (shaped[1], shaped[2]) if shaped else ("", path)
    if known is not None and shaped is not None and not above:
        return Identity(known[1], below)
    return Identity(f"{parts.scheme}://{host}{above}", below)


def _path(url: str) -> str:
    return re.sub("/+", "/", unquote(urlsplit(url).path)).rstrip("/").lower()
