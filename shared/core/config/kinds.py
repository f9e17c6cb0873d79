"""The class of each part of a pipeline: each provider has its own, chosen by `kind`.

Nothing above the providers names one of them. `kind` left out means `studio` for the training
and `classic` for an endpoint. A further provider makes these unions, distinguished by `kind`.
"""

from shared.core.config.studio_endpoint import StudioEndpoint
from shared.core.config.studio_training import StudioTraining

Training = StudioTraining
Endpoint = StudioEndpoint
