"""The class of each part of a pipeline: each provider has its own, chosen by `kind`.

Nothing above the providers names one of them. `kind` left out means `studio` for the training
and `classic` for an endpoint.
"""

from typing import Annotated, Any

from pydantic import Discriminator, Tag

from shared.core.config.azureml_models import AZUREML
from shared.core.config.azureml_training import AzureMlTraining
from shared.core.config.studio_endpoint import StudioEndpoint
from shared.core.config.studio_models import STUDIO
from shared.core.config.studio_training import StudioTraining


def _kind_of(given: Any) -> str:
    """Return whose form a training is read by; one of an unknown kind by Studio's."""
    kind = given.get("kind") if isinstance(given, dict) else getattr(given, "kind", None)
    return AZUREML if kind == AZUREML else STUDIO


Training = Annotated[
    Annotated[StudioTraining, Tag(STUDIO)] | Annotated[AzureMlTraining, Tag(AZUREML)],
    Discriminator(_kind_of),
]
Endpoint = StudioEndpoint
