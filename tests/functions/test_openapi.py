"""The OpenAPI document: what it must say of the routes and models."""

import importlib
import json
import re
from typing import Any

import azure.functions as func
import pytest
from openapi_pydantic import OpenAPI

import function_app
from functions.api_models.shared import config_shown
from functions.methods import EVERY, OWN
from local import api_description
from shared.core.config.pipeline import Pipeline
from tests.fakes.world import World, pipeline
from tests.functions.api_host import (
    BASE,
    DOCUMENT,
    SCHEMA,
    http_functions,
)


def test_the_document_is_the_one_that_the_routes_and_models_give() -> None:
    written = api_description.FILE.read_text(encoding="utf-8")
    importlib.reload(function_app)
    made = api_description.text()
    importlib.reload(function_app)
    assert written == made, "run: make schema"


def test_the_document_is_openapi_3_1() -> None:
    read = OpenAPI.model_validate(DOCUMENT)
    assert read.openapi.startswith("3.1")
    SCHEMA.validate()


def test_every_http_function_is_in_the_document_under_its_own_name() -> None:
    answer = {
        method["operationId"]: (path, verb)
        for path, methods in DOCUMENT["paths"].items()
        for verb, method in methods.items()
    }
    functions_ = http_functions()
    assert set(answer) == set(functions_) - {"openapi"}
    for name, (path, verb) in answer.items():
        trigger: Any = functions_[name].get_trigger()
        method = getattr(functions_[name].get_user_function(), OWN)
        assert (f"/{trigger.route}", verb.upper()) == (path, method)


def test_every_route_takes_every_method_and_says_which_is_its_own() -> None:
    for function in http_functions().values():
        trigger: Any = function.get_trigger()
        taken = {str(getattr(method, "value", method)) for method in trigger.methods}
        assert taken == set(EVERY)
        own = getattr(function.get_user_function(), OWN)
        for method in sorted(taken - {own}):
            answer = function.get_user_function()(
                func.HttpRequest(method, "http://x/api", body=b"")
            )
            assert (answer.status_code, answer.headers["Allow"]) == (405, own)
            assert answer.mimetype == "application/problem+json"
            assert f"use {own}" in answer.get_body().decode()


def test_no_two_functions_have_one_route_where_the_platform_would_choose_by_name() -> None:
    routes: list[Any] = [function.get_trigger() for function in http_functions().values()]
    plain = [re.sub(r"\{[^}]*\}", "{}", trigger.route) for trigger in routes]
    assert len(set(plain)) == len(plain)


# Answers leave out what is not known, such as the live model's number for a fixed bound.
def test_nothing_that_answers_leave_out_is_demanded_by_the_document() -> None:
    demanded = {
        f"{name}.{one}"
        for name, schema in DOCUMENT["components"]["schemas"].items()
        for one in schema.get("required", [])
        if {"type": "null"} in schema["properties"][one].get("anyOf", [])
    }
    assert not demanded


@pytest.mark.parametrize("written", ["plain", "full"])
def test_a_configuration_is_shown_whole(written: str) -> None:
    made = World()
    changes: dict[str, Any] = {} if written == "plain" else {"pipeline": full(made)}
    config = pipeline(made.training, made.endpoint, changes)
    shown = json.loads(json.dumps(config_shown(config)))
    assert Pipeline.model_validate(shown) == config


def full(made: World) -> dict[str, Any]:
    """Return nearly everything that the API shows of a pipeline."""
    where = BASE + made.endpoint.management_url
    return {
        "data": {"blob": "{customer}/{date}.csv", "settle": "2m", "min_size": "1KB"},
        "key": "{customer}",
        "schedule": {"frequency": "week", "interval": 2, "offset": "-1h"},
        "catch_up": "all",
        "skip_if_no_new_data": True,
        "wait_for_data": {"every": "5m", "at_most": "1h"},
        "when_busy": "queue",
        "max_parallel": 3,
        "budget": {"least_interval": "1h", "most_per_day": 5},
        "pause_after": 3,
        "gate": {
            "metrics": "output2",
            "row": {"number": 1},
            "rules": [{"metric": "AUC", "max_drop": 0.1}, {"metric": "DriftKind", "at_least": 1}],
            "first_model": "allow",
            "approval": "required",
            "expires": "1h30m",
        },
        "roll_out": {"first": 2, "then": 5},
        "endpoints": [
            {
                "name": name,
                "update": where.replace("production", name),
                "workspace_token": "${WORKSPACE_TOKEN}",
                "create": {"Description": "made", "ThrottleLevel": "High"},
                "resource": "Sample [trained model]",
            }
            for name in ("one", "two")
        ],
    }
