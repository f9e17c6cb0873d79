"""The Swagger description of an endpoint."""

from typing import Any

from local.studio.model import BadModelError
from local.studio.services import Endpoint, ScoringService


def swagger(endpoint: Endpoint, base_url: str, workspace_id: str) -> dict[str, Any]:
    """Describe an endpoint with the parts that clients read (studio-classic §0.1)."""
    columns: tuple[str, ...] = ()
    if isinstance(endpoint.service, ScoringService):
        try:
            columns = endpoint.service.published.model.features
        except BadModelError:
            columns = ()
    example = {"Inputs": {"input1": [dict.fromkeys(columns, "1")]}, "GlobalParameters": {}}
    return {
        "swagger": "2.0",
        "info": {"title": endpoint.service.name, "version": "2.0"},
        "host": base_url.partition("://")[2],
        "basePath": f"/workspaces/{workspace_id}/services/{endpoint.id}",
        "paths": {
            "/swagger.json": {"get": {"operationId": "getSwaggerDocument"}},
            "/execute?api-version=2.0&format=swagger": {"post": {"operationId": "execute"}},
        },
        "definitions": {
            "input1Item": {
                "type": "object",
                "properties": {name: {"type": "number"} for name in columns},
            },
            "ExecutionRequest": {"type": "object", "example": example},
        },
    }
