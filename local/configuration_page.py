"""Makes docs/configuration.md: every field of the pipelines file, from the models."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from local.pipelines_schema import json_schema
from shared.core.config.azureml_deployment_file import Deployment
from shared.core.config.azureml_deployment_parts import (
    CodeConfiguration,
    Collection,
    ContainerProbe,
    DataCollector,
    RequestLogging,
    RequestSettings,
    ScaleSettings,
)
from shared.core.config.azureml_endpoint import AzureMlEndpoint
from shared.core.config.azureml_endpoint_parts import (
    AzureMlVerify,
    CreateEndpoint,
    EndpointVersions,
    Traffic,
)
from shared.core.config.azureml_parts import (
    ApiVersions,
    AzureMlInput,
    PipelineSettings,
    Registration,
)
from shared.core.config.azureml_training import AzureMlTraining
from shared.core.config.compare import Compare
from shared.core.config.data import Data
from shared.core.config.gate import Gate, LoggedMetrics
from shared.core.config.gate_rule import Rule
from shared.core.config.pipeline import Budget, Pipeline, RollOut, WaitForData
from shared.core.config.schedule import Recurrence
from shared.core.config.studio_endpoint import Create, StudioEndpoint, Verify
from shared.core.config.studio_training import StudioTraining
from shared.core.config.types import show_duration

FILE: Final = Path(__file__).parents[1] / "docs" / "configuration.md"
#: Where each model is in the file, in the order of the page.
SECTIONS: Final[tuple[tuple[str, type[BaseModel]], ...]] = (
    ("pipelines.<name>", Pipeline),
    ("data", Data),
    ("schedule", Recurrence),
    ("wait_for_data", WaitForData),
    ("budget", Budget),
    ("training (studio)", StudioTraining),
    ("training (azureml)", AzureMlTraining),
    ("training.inputs (azureml)", AzureMlInput),
    ("training.register_as (azureml)", Registration),
    ("training.settings (azureml)", PipelineSettings),
    ("training.api_versions (azureml)", ApiVersions),
    ("gate", Gate),
    ("gate.metrics", LoggedMetrics),
    ("gate.rules[]", Rule),
    ("gate.compare", Compare),
    ("roll_out", RollOut),
    ("endpoints[] (azureml)", AzureMlEndpoint),
    ("endpoints[].create (azureml)", CreateEndpoint),
    ("endpoints[].traffic (azureml)", Traffic),
    ("endpoints[].verify (azureml)", AzureMlVerify),
    ("endpoints[].api_versions (azureml)", EndpointVersions),
    ("endpoints[] (studio)", StudioEndpoint),
    ("endpoints[].create (studio)", Create),
    ("endpoints[].verify (studio)", Verify),
    ("deployment.yml", Deployment),
    ("deployment.yml: code_configuration", CodeConfiguration),
    ("deployment.yml: request_settings", RequestSettings),
    ("deployment.yml: liveness_probe, readiness_probe, startup_probe", ContainerProbe),
    ("deployment.yml: scale_settings", ScaleSettings),
    ("deployment.yml: data_collector", DataCollector),
    ("deployment.yml: data_collector.collections", Collection),
    ("deployment.yml: data_collector.request_logging", RequestLogging),
)
_HEADER: Final = """\
# Configuration reference

Written by `make schema` from the configuration models; do not edit. This page lists every field of
`pipelines.yaml`. How to write the file, with examples: [pipelines-file.md](pipelines-file.md).

A duration is written as `30s`, `2m`, `1h30m` or `3d`. A secret is written as `${NAME}`, the name of
an app setting. `{tokens}` are the parts of the path that `data.blob` captures.
"""
_DURATION: Final = ["30s", "2m", "1h30m", "3d"]
#: A text, a number, true or false.
_MANY: Final = 4
_SECTION_OF: Final = {model.__name__: section for section, model in SECTIONS}


def text() -> str:
    """Return the page as its file should hold it."""
    file = Deployment.model_json_schema()  # not in the schema of the pipelines file
    definitions = {**json_schema()["$defs"], **file.pop("$defs"), Deployment.__name__: file}
    parts = [_HEADER]
    for section, model in SECTIONS:
        summary = " ".join((model.__doc__ or "").split())
        rows = "\n".join(_rows(model, definitions[model.__name__]))
        parts.append(
            f"## `{section}`\n\n{summary}\n\n"
            f"| field | type | default | meaning |\n| --- | --- | --- | --- |\n{rows}\n"
        )
    return "\n".join(parts)


def _rows(model: type[BaseModel], schema: dict[str, Any]) -> Iterator[str]:
    required = schema.get("required", ())
    for name, shape in schema["properties"].items():
        field = model.model_fields[name]
        default = "required" if name in required else _default(field, shape.get("default"))
        cells = (f"`{name}`", _type(shape), default, _meaning(shape))
        yield f"| {' | '.join(cells)} |"


def _meaning(shape: dict[str, Any]) -> str:
    said = shape.get("description")
    held = [_SECTION_OF[name] for name in _models(shape)]
    if said is None and not held:
        raise ValueError(f"{shape.get('title')} has no description")
    see = ", ".join(f"[`{section}`](#{_anchor(section)})" for section in held)
    return " ".join(part for part in (said, f"See {see}." if see else None) if part)


def _models(shape: Any) -> Iterator[str]:
    if isinstance(shape, dict):
        if "$ref" in shape:
            yield shape["$ref"].rpartition("/")[2]
        for part in shape.values():
            yield from _models(part)
    elif isinstance(shape, list):
        for part in shape:
            yield from _models(part)


def _anchor(section: str) -> str:
    kept = (letter for letter in section.lower() if letter.isalnum() or letter in "-_ ")
    return "".join(kept).replace(" ", "-")


def _type(shape: dict[str, Any]) -> str:
    if forms := shape.get("anyOf") or shape.get("oneOf"):
        kinds = dict.fromkeys(_type(part) for part in forms if part.get("type") != "null")
        return " or ".join(kinds) if len(kinds) < _MANY else "single value"
    if "enum" in shape or "const" in shape:
        values = shape.get("enum", (shape.get("const"),))
        return ", ".join(f"`{'true' if one is True else one}`" for one in values)
    match shape.get("type", "mapping" if "$ref" in shape else "any value"):
        case "array":
            return f"list of {_plural(_type(shape['items']))}"
        case "object":
            return f"mapping of names to {_plural(_type(shape['additionalProperties']))}"
        case "string":
            return "duration" if shape.get("examples") == _DURATION else "text"
        case "boolean":
            return "`true` or `false`"
        case "integer" | "number":
            return _number(shape)
        case other:
            return str(other)


def _plural(kind: str) -> str:
    if kind in ("text", "mapping", "single value"):
        return f"{kind}s"
    whole = "whole number"
    return f"{whole}s{kind.removeprefix(whole)}" if kind.startswith(whole) else kind


def _number(shape: dict[str, Any]) -> str:
    least, most = shape.get("minimum"), shape.get("maximum")
    kind = "whole number" if shape["type"] == "integer" else "number"
    if least is not None and most is not None:
        return f"{kind}, {least} to {most}"
    return kind if least is None else f"{kind}, {least} or more"


def _default(field: FieldInfo, shown: object) -> str:
    value = field.get_default(call_default_factory=True) if shown is None else shown
    match value:
        case None | () | [] | "":
            return "none"
        case dict() if not value:
            return "none"
        case BaseModel():
            return "none" if value == type(value)() else str(value)
        case timedelta():
            return f"`{show_duration(value)}`"
        case bool():
            return f"`{str(value).lower()}`"
        case dict():
            inside = ", ".join(f'{name}: "{part}"' for name, part in value.items())
            return f"`{{{inside}}}`"
        case _:
            return f"`{value}`"
