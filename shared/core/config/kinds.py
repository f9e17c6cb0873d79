"""The class of each part of a pipeline: each provider has its own, chosen by `kind`.

Nothing above the providers names one of them. `kind` left out means `studio` for the training
and `classic` for an endpoint.
"""

from typing import Annotated, Any, Final

from pydantic import Discriminator, Tag, ValidatorFunctionWrapHandler, WrapValidator

from shared.core.blobs import BlobVersion
from shared.core.config.azureml_endpoint import AzureMlEndpoint
from shared.core.config.azureml_training import AzureMlTraining
from shared.core.config.cross_field import is_unknown
from shared.core.config.studio_endpoint import StudioEndpoint
from shared.core.config.studio_training import StudioTraining
from shared.core.config.types import Strict
from shared.core.serving.references import ModelRef

STUDIO: Final = "studio"
AZUREML: Final = "azureml"
CLASSIC: Final = "classic"
#: Each kind of training by its tag, which is its `kind` in the file.
TRAINING_KINDS: Final[dict[str, type[StudioTraining] | type[AzureMlTraining]]] = {
    STUDIO: StudioTraining,
    AZUREML: AzureMlTraining,
}
#: The suffixes by which blobs are known to be complete models.
MODEL_SUFFIXES: Final = tuple(
    kind.model_suffix for kind in TRAINING_KINDS.values() if kind.model_suffix
)
#: Each kind of endpoint in the file, and the tag of its class.
ENDPOINT_KINDS: Final = {CLASSIC: STUDIO, "webservice": STUDIO, AZUREML: AZUREML}
ENDPOINT_CLASSES: Final[dict[str, type[Strict]]] = {
    STUDIO: StudioEndpoint,
    AZUREML: AzureMlEndpoint,
}
#: What else a service calls endpoints.
_NOT_YET: Final = {
    "kubernetes": "Kubernetes endpoints",
    "batch": "batch endpoints",
    "serverless": "serverless endpoints",
}
#: The errors of pydantic for a kind that does not exist, and those that do.
KIND_ERRORS: Final[dict[str, tuple[str, ...]]] = {
    "training_kind": tuple(TRAINING_KINDS),
    "endpoint_kind": tuple(ENDPOINT_KINDS),
}


def training_kind(given: object) -> str | None:
    """Return which kind of training a value is; None: one that does not exist.

    Args:
        given: a mapping of the file, or a model.
    """
    kind = given.get("kind", STUDIO) if isinstance(given, dict) else getattr(given, "kind", STUDIO)
    return kind if isinstance(kind, str) and kind in TRAINING_KINDS else None


def endpoint_kind(given: object) -> str | None:
    """Return the tag of the class of an endpoint; None: of one that does not exist.

    Args:
        given: a mapping of the file, or a model. One without a kind that names a deployment is
            meant for Azure Machine Learning, and reported as such.
    """
    if isinstance(given, dict):
        kind = given.get("kind", AZUREML if "deployment" in given else CLASSIC)
    else:
        kind = getattr(given, "kind", CLASSIC)
    return ENDPOINT_KINDS.get(kind) if isinstance(kind, str) else None


def uploaded_model(blob: BlobVersion) -> ModelRef:
    """Return the model that an operator's blob is, whose name has one of `MODEL_SUFFIXES`."""
    kinds = (kind for kind in TRAINING_KINDS.values() if kind.model_suffix)
    return next(kind for kind in kinds if blob.name.endswith(kind.model_suffix)).uploaded(blob)


def unknown_kind(known: tuple[str, ...], kind: object) -> tuple[str, str]:
    """Return what is wrong with a `kind` that does not exist, and the advice.

    Args:
        known: those that do.
        kind: as it is written.
    """
    written = kind.lower() if isinstance(kind, str) else ""
    for word, service in _NOT_YET.items():
        if word in written:
            what = f"{service} are not supported yet"
            return what, f"use a managed online endpoint, kind: {AZUREML}"
    meant = AZUREML in written.replace("_", "").replace("-", "") or "online" in written
    *others, last = known
    return f"must be {', '.join(others)} or {last}", f"did you mean `{AZUREML}`?" if meant else ""


Training = Annotated[
    Annotated[StudioTraining, Tag(STUDIO)] | Annotated[AzureMlTraining, Tag(AZUREML)],
    Discriminator(
        training_kind,
        custom_error_type="training_kind",
        custom_error_message=f"kind must be {' or '.join(TRAINING_KINDS)}",
    ),
]


def _but_unknown(given: Any, validate: ValidatorFunctionWrapHandler) -> Any:
    """Leave an endpoint as it is of which nothing is known."""
    return given if is_unknown(given) else validate(given)


Endpoint = Annotated[
    Annotated[StudioEndpoint, Tag(STUDIO)] | Annotated[AzureMlEndpoint, Tag(AZUREML)],
    Discriminator(
        endpoint_kind,
        custom_error_type="endpoint_kind",
        custom_error_message=f"kind must be {' or '.join(ENDPOINT_KINDS)}",
    ),
    WrapValidator(_but_unknown),
]
