"""The class of each part of a pipeline: each provider has its own, chosen by `kind`.

Nothing above the providers names one of them. `kind` left out means `studio` for the training
and `classic` for an endpoint.
"""

from typing import Annotated, Final

from pydantic import Discriminator, Tag

from shared.core.config.azureml_endpoint import AzureMlEndpoint
from shared.core.config.azureml_training import AzureMlTraining
from shared.core.config.studio_endpoint import StudioEndpoint
from shared.core.config.studio_training import StudioTraining
from shared.core.config.types import Strict

STUDIO: Final = "studio"
AZUREML: Final = "azureml"
CLASSIC: Final = "classic"
#: Each kind of training by its tag, which is its `kind` in the file.
TRAINING_KINDS: Final[dict[str, type[Strict]]] = {STUDIO: StudioTraining, AZUREML: AzureMlTraining}
#: Each kind of endpoint in the file, and the tag of its class.
ENDPOINT_KINDS: Final = {CLASSIC: STUDIO, "webservice": STUDIO, AZUREML: AZUREML}
ENDPOINT_CLASSES: Final[dict[str, type[Strict]]] = {
    STUDIO: StudioEndpoint,
    AZUREML: AzureMlEndpoint,
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
        given: a mapping of the file, or a model.
    """
    kind = (
        given.get("kind", CLASSIC) if isinstance(given, dict) else getattr(given, "kind", CLASSIC)
    )
    return ENDPOINT_KINDS.get(kind) if isinstance(kind, str) else None


Training = Annotated[
    Annotated[StudioTraining, Tag(STUDIO)] | Annotated[AzureMlTraining, Tag(AZUREML)],
    Discriminator(
        training_kind,
        custom_error_type="training_kind",
        custom_error_message=f"kind must be {' or '.join(TRAINING_KINDS)}",
    ),
]
Endpoint = Annotated[
    Annotated[StudioEndpoint, Tag(STUDIO)] | Annotated[AzureMlEndpoint, Tag(AZUREML)],
    Discriminator(
        endpoint_kind,
        custom_error_type="endpoint_kind",
        custom_error_message=f"kind must be {' or '.join(ENDPOINT_KINDS)}",
    ),
]
