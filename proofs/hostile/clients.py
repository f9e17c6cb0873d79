"""The pipeline, and its clients of services, that are tried with hostile answers."""

from typing import Any, Final

from shared.core.config.pipeline import Pipeline
from tests.fakes.world import ROWS

BASE: Final = "https://studio.example/workspaces/w1"
_ARM: Final = (
    "https://management.azure.com/subscriptions/s/resourceGroups/g/providers"
    "/Microsoft.MachineLearning/webServices/census?api-version=2017-01-01"
)


def pipeline_of(kind: str) -> Pipeline:
    """Return a pipeline whose endpoint is of this kind."""
    tree: dict[str, Any] = {
        "name": "sample",
        "data": {"blob": "{name}.csv"},
        "training": {
            "service": f"{BASE}/services/e1/jobs",
            "api_key": "${TRAINING_KEY}",
            "outputs": {"output1": "model.ilearner"},
            "parameters": {"Password": "${PARAMETER}"},
        },
        "endpoints": [
            {
                "name": "production",
                "kind": kind,
                "resource": "Sample [trained model]",
                "update": _ARM
                if kind == "webservice"
                else BASE + "/webservices/s1/endpoints/production",
                **({} if kind == "webservice" else {"workspace_token": "${ENDPOINT_KEY}"}),
                **({} if kind == "webservice" else {"create": True}),
                "verify": {"rows": ROWS},
            }
        ],
    }
    return Pipeline.model_validate(tree, context={"development": False})
