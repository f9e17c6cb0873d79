"""The JSON Schema of the pipelines file, for editors and for the documentation."""

from typing import Any

from shared.core.config.pipeline import Pipeline


def json_schema() -> dict[str, Any]:
    """Return the JSON Schema of the pipelines file, for editors."""
    pipeline = Pipeline.model_json_schema(by_alias=True)
    definitions = pipeline.pop("$defs")
    pipeline["properties"].pop("name")  # the key of the mapping
    pipeline["required"].remove("name")
    definitions["Pipeline"] = pipeline
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Relearn pipelines",
        "type": "object",
        "required": ["pipelines"],
        "additionalProperties": False,
        "properties": {
            "pipelines": {
                "type": "object",
                "minProperties": 1,
                "additionalProperties": {"$ref": "#/$defs/Pipeline"},
            }
        },
        "$defs": definitions,
    }
