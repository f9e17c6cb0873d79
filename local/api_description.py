"""Generates openapi.json, the description of the HTTP API, from the app's routes and models."""

import importlib
import json
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final, Literal

from azure.functions import Function
from openapi_pydantic import OpenAPI
from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema, models_json_schema

from functions.api_models import backtests, doctor, endpoints, health, pipelines, requests, runs
from functions.api_models.shared import ProblemDetails
from shared.version import VERSION

FILE: Final = Path(__file__).parents[1] / "openapi.json"
_MODELS: Final = "#/components/schemas/{model}"
_JSON: Final = "application/json"
_PROBLEM: Final = "application/problem+json"
#: Set on each function by `functions.methods`.
_OWN_METHOD: Final = "own_method"
_SENTENCE_OF: Final = {
    400: "The request cannot be used; `detail` says why.",
    404: "What the request names does not exist.",
    405: "The method does nothing here; `Allow` names the one that does.",
    409: "The present phase does not allow this, or another change was made at the same moment.",
    412: "It was changed since the version in `If-Match`.",
    413: "The body is too large.",
    422: "The Idempotency-Key stands for another request.",
    500: "A record of the ledger is not understood; it was left untouched.",
    503: "Not configured, or the storage refuses or does not work now: `detail` says what to do.",
}


@dataclass(frozen=True, slots=True)
class OperationDescription:
    """The parts of an operation's description that its route does not have."""

    answer: type[BaseModel] | str  #: its model; or its media type, where it is not JSON
    status: int = 200
    body: type[BaseModel] | None = None
    query: type[BaseModel] | None = None
    problems: tuple[int, ...] = ()
    headers: tuple[str, ...] = ()  #: that a request may carry
    answered: tuple[str, ...] = field(default=())  #: headers of the answer


_CHANGE: Final = (400, 404, 409, 412, 413)
_RUN_CHANGE: Final = OperationDescription(
    runs.RunShown,
    202,
    body=requests.OperatorComment,
    problems=_CHANGE,
    headers=("If-Match",),
    answered=("Location",),
)
_PIPELINE_CHANGE: Final = OperationDescription(
    pipelines.PipelineShown,
    body=requests.OperatorComment,
    problems=_CHANGE,
    headers=("If-Match",),
    answered=("ETag",),
)


def _endpoint_change(body: type[BaseModel]) -> OperationDescription:
    return OperationDescription(
        endpoints.EndpointShown,
        body=body,
        query=requests.KeyQuery,
        problems=_CHANGE,
        headers=("If-Match",),
        answered=("ETag",),
    )


#: By the name of the function.
OPERATIONS: Final = {
    "list_pipelines": OperationDescription(pipelines.PipelineList),
    "get_pipeline": OperationDescription(
        pipelines.PipelineShown, query=requests.PageQuery, problems=(400, 404), answered=("ETag",)
    ),
    "pause_pipeline": _PIPELINE_CHANGE,
    "resume_pipeline": _PIPELINE_CHANGE,
    "preview_pipeline": OperationDescription(
        pipelines.PreviewShown, query=requests.PreviewQuery, problems=(400, 404)
    ),
    "backtest_pipeline": OperationDescription(
        backtests.BacktestShown, body=requests.BacktestBody, problems=(400, 404, 413)
    ),
    "start_run": OperationDescription(
        runs.RunShown,
        202,
        body=requests.RunBody,
        problems=(400, 404, 409, 413, 422),
        headers=("Idempotency-Key",),
        answered=("Location",),
    ),
    "list_runs": OperationDescription(runs.RunList, query=requests.RunsQuery, problems=(400,)),
    "draw_verdict": OperationDescription("image/svg+xml", problems=(404,)),
    "get_run": OperationDescription(runs.RunShown, problems=(404,), answered=("ETag",)),
    "retry_run": _RUN_CHANGE,
    "cancel_run": _RUN_CHANGE,
    "approve_run": _RUN_CHANGE,
    "reject_run": _RUN_CHANGE,
    "list_endpoints": OperationDescription(endpoints.EndpointList),
    "get_endpoint": OperationDescription(
        endpoints.EndpointShown, query=requests.KeyQuery, problems=(400, 404), answered=("ETag",)
    ),
    "rollback_endpoint": replace(_RUN_CHANGE, body=requests.RollbackBody, query=requests.KeyQuery),
    "resume_endpoint": _endpoint_change(requests.OperatorComment),
    "pin_model": _endpoint_change(requests.PinBody),
    "unpin_model": _endpoint_change(requests.OperatorComment),
    "doctor": OperationDescription(
        doctor.DoctorReport, body=requests.DoctorBody, problems=(400, 413)
    ),
    "health": OperationDescription(health.Health),
    "health_details": OperationDescription(
        health.HealthDetails, query=requests.HealthQuery, problems=(400,)
    ),
}
#: Problems that every operation may answer; health asks for no key and never fails.
_FOR_ANYBODY: Final = (400, 405)
_ALWAYS: Final = (*_FOR_ANYBODY, 401, 500, 503)
#: Functions over HTTP that are not part of the API that they describe.
UNDESCRIBED: Final = frozenset({"openapi"})


def document() -> dict[str, Any]:
    """Return the OpenAPI 3.1 document of the app.

    Raises:
        KeyError: a function over HTTP is not described in `OPERATIONS`.
        pydantic.ValidationError: the document would not be one.
    """
    models: dict[str, type[BaseModel]] = {model.__name__: model for model in _models()}
    listed: list[tuple[type[BaseModel], Literal["validation"]]]
    listed = [(models[name], "validation") for name in sorted(models)]
    _, made = models_json_schema(listed, ref_template=_MODELS)
    schemas = made["$defs"]
    for schema in schemas.values():
        _leave_out_what_is_not_known(schema)
    paths: dict[str, Any] = {}
    for name, function in sorted(http_functions().items()):
        if name not in UNDESCRIBED:
            path, method = _route(function)
            paths.setdefault(path, {})[method] = _operation(name, function, schemas)
    openapi = {
        "openapi": "3.1.0",
        "info": {
            "title": "Relearn",
            "version": VERSION,
            "summary": "Retrains machine-learning models and updates their endpoints.",
            "description": "Changes take an `Idempotency-Key` or `If-Match`, or are safe to "
            "repeat. Query parameters that are not described are refused (except `code`, a "
            "function key), and so are other methods (405, with `Allow`). Problems are "
            "answered as RFC 9457 describes them.",
        },
        "servers": [{"url": "/api"}],
        "security": [{"key": []}],
        "paths": paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": {
                "key": {"type": "apiKey", "in": "header", "name": "x-functions-key"}
            },
        },
    }
    OpenAPI.model_validate(openapi)
    return openapi


def http_functions() -> dict[str, Function]:
    """Return the app's functions over HTTP, by name."""
    app = importlib.import_module("function_app").app
    found = {}
    for function in app.get_functions():
        if function.is_http_function():
            found[function.get_function_name()] = function
    return found


def text() -> str:
    """Return the document as the file should hold it."""
    return json.dumps(document(), indent=1, sort_keys=True) + "\n"


def _leave_out_what_is_not_known(schema: dict[str, Any]) -> None:
    """Answers leave out what is null, so nothing that may be null can be demanded."""
    properties = schema.get("properties", {})
    known = [name for name in schema.get("required", ()) if not _may_be_null(properties[name])]
    if "required" in schema:
        schema["required"] = known


def _may_be_null(schema: dict[str, Any]) -> bool:
    return any(one.get("type") == "null" for one in schema.get("anyOf", ()))


def _models() -> Iterator[type[BaseModel]]:
    yield ProblemDetails
    for described in OPERATIONS.values():
        if not isinstance(described.answer, str):
            yield described.answer
        if described.body is not None:
            yield described.body


def _route(function: Function) -> tuple[str, str]:
    trigger: Any = function.get_trigger()
    method = getattr(function.get_user_function(), _OWN_METHOD)
    return f"/{trigger.route}", str(method).lower()


def _operation(name: str, function: Function, schemas: dict[str, Any]) -> dict[str, Any]:
    described, (path, _) = OPERATIONS[name], _route(function)
    doc = (function.get_user_function().__doc__ or "").strip()
    summary, _, more = doc.partition("\n")
    operation: dict[str, Any] = {
        "operationId": name,
        "summary": summary,
        "parameters": [*_path_parameters(path), *_query(described, schemas), *_headers(described)],
        "responses": _responses(name, described),
    }
    if more.strip():
        operation["description"] = " ".join(more.split())
    if described.body is not None:
        content = {_JSON: {"schema": {"$ref": _MODELS.format(model=described.body.__name__)}}}
        operation["requestBody"] = {"required": False, "content": content}
    if name == "health":
        operation["security"] = []
    return operation


def _path_parameters(path: str) -> Iterator[dict[str, Any]]:
    for part in path.split("/"):
        if part.startswith("{"):
            yield {
                "name": part.strip("{}"),
                "in": "path",
                "required": True,
                "schema": {"type": "string", "minLength": 1},
            }


def _query(described: OperationDescription, schemas: dict[str, Any]) -> Iterator[dict[str, Any]]:
    if described.query is None:
        return
    made = described.query.model_json_schema(
        ref_template=_MODELS, schema_generator=GenerateJsonSchema
    )
    schemas.update(made.get("$defs", {}))
    for name, schema in made["properties"].items():
        # A query has no null: what is not asked for is left out.
        some = [one for one in schema.get("anyOf", []) if one.get("type") != "null"]
        kept = {key: value for key, value in schema.items() if key not in ("anyOf", "default")}
        shape = {**kept, **(some[0] if some else {})}
        description = shape.pop("description", "")
        parameter = {"name": name, "in": "query", "required": False, "schema": shape}
        yield {**parameter, "description": description} if description else parameter


def _headers(described: OperationDescription) -> Iterator[dict[str, Any]]:
    longest = {"Idempotency-Key": 255}
    for name in described.headers:
        schema: dict[str, Any] = {"type": "string"}
        if name in longest:
            schema |= {"minLength": 1, "maxLength": longest[name]}
        yield {"name": name, "in": "header", "required": False, "schema": schema}


def _good(answer: type[BaseModel] | str) -> dict[str, Any]:
    if isinstance(answer, str):
        return {
            "description": "A forest plot as SVG.",
            "content": {answer: {"schema": {"type": "string"}}},
        }
    schema = {"$ref": _MODELS.format(model=answer.__name__)}
    summary = (answer.__doc__ or "").strip().partition("\n")[0]
    return {"description": summary, "content": {_JSON: {"schema": schema}}}


def _responses(name: str, described: OperationDescription) -> dict[str, Any]:
    good = _good(described.answer)
    if described.answered:
        good["headers"] = {header: {"schema": {"type": "string"}} for header in described.answered}
    answers = {str(described.status): good}
    unhealthy = {"503": {**good, "description": "Something must be corrected."}}
    always = _FOR_ANYBODY if name == "health" else _ALWAYS
    for status in sorted({*described.problems, *always}):
        problem = {"$ref": _MODELS.format(model=ProblemDetails.__name__)}
        description = _SENTENCE_OF.get(status, "The function key is missing or wrong.")
        answers[str(status)] = {"description": description}
        if status != 401:  # noqa: PLR2004 -- answered by the host, with no body
            answers[str(status)]["content"] = {_PROBLEM: {"schema": problem}}
    allow = {"description": "The method that does something here.", "schema": {"type": "string"}}
    answers["405"]["headers"] = {"Allow": {"required": True, **allow}}
    healths = (health.Health, health.HealthDetails)
    return answers | unhealthy if described.answer in healths else answers
