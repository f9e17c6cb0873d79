"""The HTTP API against its own document: generated requests, no 5xx, answers as described.

Long form: RELEARN_API_EXAMPLES=1000 asks that many times for each operation and kind of request.
"""

import importlib
import json
import os
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Final
from urllib.parse import parse_qsl, unquote
from wsgiref.types import StartResponse, WSGIEnvironment

import azure.functions as func
import jsonschema_rs
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from openapi_pydantic import OpenAPI
from schemathesis import Case as AnyCase
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.openapi import from_dict
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)
from werkzeug.test import Client
from werkzeug.wrappers import Request, Response

import function_app
import functions.health
from functions.methods import EVERY, OWN
from local import api_description
from shared import app
from shared.intake.blob_events import Intake
from shared.operations.history import RunFilter
from tests.fakes.documents import Row
from tests.fakes.world import World, pipeline
from tests.functions.calls import Api
from tests.functions.conftest import app_over, secrets_of

Case = AnyCase[Any]

pytestmark = pytest.mark.filterwarnings("ignore:Generating overly large repr")

EXAMPLES: Final = int(os.environ.get("RELEARN_API_EXAMPLES", "14"))
CHECKS: Final = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
BASE: Final = "https://studio.example"
GATE: Final = {"metrics": "output2", "rules": [{"metric": "AUC", "at_least": 0.5}]}
UNROUTED: Final = "X-Unrouted"
DOCUMENT: Final = json.loads(api_description.FILE.read_text(encoding="utf-8"))
OPERATIONS: Final = sorted(
    (method.upper(), path) for path, methods in DOCUMENT["paths"].items() for method in methods
)


def http_functions() -> dict[str, func.Function]:
    """Return the app's functions over HTTP; an app is asked for them only once."""
    importlib.reload(function_app)
    found = api_description.http_functions()
    importlib.reload(function_app)  # for whoever asks next
    return found


@dataclass
class Host:
    """Routes requests to the app's functions as the Functions host does, as a WSGI app."""

    routes: list[tuple[str, list[str], Callable[[func.HttpRequest], func.HttpResponse]]] = field(
        default_factory=list
    )
    answered: int = 0
    statuses: dict[int, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for function in http_functions().values():
            trigger: Any = function.get_trigger()
            name = getattr(function.get_user_function(), OWN)
            self.routes.append((name, trigger.route.split("/"), function.get_user_function()))

    def __call__(self, environ: WSGIEnvironment, start: StartResponse) -> Iterable[bytes]:
        request = Request(environ)
        self.answered += 1
        answer = self._answer(request)
        self.statuses[answer.status_code] = self.statuses.get(answer.status_code, 0) + 1
        return answer(environ, start)

    def _answer(self, request: Request) -> Response:
        path = str(request.environ["REQUEST_URI"]).partition("?")[0]
        parts = path.removeprefix("/api/").split("/")
        for method, route, handler in self.routes:
            found = _match(route, parts)
            if method == request.method and found is not None:
                # The host turns a repeated name into one value.
                query = dict(parse_qsl(request.query_string.decode(), keep_blank_values=True))
                asked = func.HttpRequest(
                    request.method,
                    request.url,
                    headers=dict(request.headers),
                    params=query,
                    route_params=found,
                    body=request.get_data(),
                )
                told = handler(asked)
                headers = dict(told.headers)
                headers.setdefault("Content-Type", f"{told.mimetype}; charset={told.charset}")
                return Response(told.get_body(), told.status_code, headers)
        return Response(b"", 404, {UNROUTED: "yes"})


def _match(route: list[str], parts: list[str]) -> dict[str, str] | None:
    """Return the decoded values of the route's places; None where the path is not its."""
    if len(route) != len(parts) or "" in parts:
        return None
    found = {}
    for place, part in zip(route, parts, strict=True):
        if place.startswith("{"):
            found[place.strip("{}")] = unquote(part)
        elif place.casefold() != part.casefold():
            return None
    return found


@dataclass(repr=False)
class Setting:
    """An app with something to hit in every phase, put back to where it was at will."""

    world: World
    host: Host
    rows: dict[str, Row]
    runs: dict[str, str]  #: phase -> run id
    etags: list[str]
    cursor: str

    def reset(self) -> None:
        self.world.documents.rows = dict(self.rows)

    def known(self, place: str) -> st.SearchStrategy[str]:
        """Return names that exist, for a part of a path or query; or odd ones."""
        there = {
            "run_id": sorted(self.runs.values()),
            "parent": sorted(self.runs.values()),
            "pipeline": ["sample", "customers"],
            "endpoint": ["production", "theirs"],
            "key": ["acme", "beta", "acme/beta", "", "/"],
            "cursor": [self.cursor],
            "data": ["new.csv", "acme/monday.csv", "missing.csv", "\x00.csv", "../new.csv"],
        }
        return st.sampled_from(there[place])


@pytest.fixture(scope="module")
def setting() -> Iterator[Setting]:
    world = two_pipelines()
    with pytest.MonkeyPatch.context() as patch:
        built = app_over(world)
        patch.setattr(app, "app_or_problems", lambda: built)
        patch.setattr(functions.health, "app_or_problems", lambda: built)
        runs = filled(world)
        ledger = world.intake._context.ledger
        stored = [ledger.runs.read(run_id) for run_id in runs.values()]
        page = built.history.page(RunFilter(), 1, None)
        assert page.cursor is not None
        etags = [f'"{one.etag}"' for one in stored if one is not None]
        etags += [f'"{built.pipelines.status(name).version}"' for name in ("sample", "customers")]
        etags.append(str(Api().endpoint().headers["ETag"]))
        rows = dict(world.documents.rows)
        yield Setting(world, Host(), rows, runs, etags, page.cursor)


def two_pipelines() -> World:
    """A world with a pipeline that a gate and a person guard, and one for many customers."""
    gate = {**GATE, "approval": "required"}
    world = World(config={"pipeline": {"gate": gate}})
    world.environment["WORKSPACE_TOKEN"] = world.studio.workspace_token
    theirs = {
        "name": "theirs",
        "update": BASE + world.endpoint.management_url.replace("production", "{customer}"),
        "workspace_token": "${WORKSPACE_TOKEN}",
        "create": True,
        "resource": "Sample [trained model]",
    }
    changes = {"name": "customers", "data": {"blob": "{customer}/{date}.csv"}}
    second = pipeline(
        world.training,
        world.endpoint,
        {"pipeline": {**changes, "endpoints": [theirs], "schedule": "0 0 3 * * *"}},
    )
    known = {one.name: one for one in (world.pipeline, second)}
    context = world.intake._context
    world.intake = Intake(context, known, world.clock.now())
    world.poll = type(world.poll)(context, world.intake)
    world.run_operations = type(world.run_operations)(context, world.intake)
    return world


def filled(world: World) -> dict[str, str]:
    """Bring runs into every phase that a person can meet; return one of each."""
    api = Api()
    for number in range(2):
        world.clock.move(timedelta(minutes=1))
        world.upload(f"{number}.csv", f"a,b,label\n{number},2,0\n3,4,1\n".encode())
        run_id = str(api.start(key=f"k{number}").body["run_id"])
        until(world, api, run_id, "awaiting_approval")
        world.run_operations.approve(run_id, "ada", "good")
        until(world, api, run_id, "promoted")
    found = {"promoted": run_id}
    world.upload()
    found["awaiting_approval"] = str(api.start().body["run_id"])
    until(world, api, found["awaiting_approval"], "awaiting_approval")
    found["training"] = str(api.start().body["run_id"])
    found["cancelled"] = str(api.start().body["run_id"])
    world.run_operations.cancel(found["cancelled"])
    world.upload("acme/monday.csv")
    (theirs,) = world.deliver("acme/monday.csv")
    found["theirs"] = theirs.run_id
    key = world.environment.pop("TRAINING_KEY")
    found["parked"] = str(api.start().body["run_id"])
    world.environment["TRAINING_KEY"] = key
    assert api.get(found["parked"]).body["phase"] == "parked"
    return found


def until(world: World, api: Api, run_id: str, phase: str) -> None:
    for _ in range(40):
        if api.get(run_id).body["phase"] == phase:
            return
        world.tick()
    raise AssertionError(api.get(run_id).text)


SCHEMA: Final = from_dict(DOCUMENT)
MODES: Final = (GenerationMode.POSITIVE, GenerationMode.NEGATIVE)


@st.composite
def requests(
    draw: st.DrawFn, setting: Setting, method: str, path: str, mode: GenerationMode
) -> Case:
    """One request for an operation, half of the time about something that is there."""
    operation = SCHEMA[path][method]
    if mode is GenerationMode.NEGATIVE and not has_input(path, method):
        mode = GenerationMode.POSITIVE
    case = draw(operation.as_strategy(generation_mode=mode))
    for place in case.path_parameters or {}:
        if draw(st.booleans()):
            case.path_parameters[place] = draw(setting.known(place))
    described = DOCUMENT["paths"][path][method.lower()]["parameters"]
    for one in described:
        name = one["name"]
        if one["in"] == "query" and name in ("pipeline", "parent", "key", "cursor", "data"):
            if draw(st.booleans()):
                case.query[name] = draw(setting.known(name))
        elif name == "If-Match" and draw(st.booleans()):
            tags = st.sampled_from([*setting.etags, "*", ", ", 'W/"v1", "v2"'])
            case.headers[name] = draw(tags)
    if draw(st.integers(0, 3)) == 0:
        who = draw(st.sampled_from(["ada", "é" * 300]))
        case.headers["X-MS-CLIENT-PRINCIPAL-NAME"] = who
    return case


def has_input(path: str, method: str) -> bool:
    told = DOCUMENT["paths"][path][method.lower()]
    # Any text fits as a part of a path or as a header: only a query or body can be unfitting.
    return "requestBody" in told or any(one["in"] == "query" for one in told["parameters"])


def ask(setting: Setting, case: Case, checks: list[Any]) -> None:
    """Send a request and hold the answer against the document."""
    answer = case.call(base_url="http://localhost/api", app=setting.host)
    if UNROUTED.casefold() in {name.casefold() for name in answer.headers}:
        return  # the host itself finds no function for it
    case.validate_response(answer, checks=checks)
    text = answer.content.decode()
    assert not [secret for secret in secrets_of(setting.world) if secret in text]


def usual(examples: int) -> settings:
    """Return settings under which the same requests are made each time."""
    return settings(
        max_examples=examples,
        derandomize=True,
        database=None,
        deadline=None,
        phases=(Phase.explicit, Phase.generate),
        suppress_health_check=list(HealthCheck),
    )


@pytest.mark.parametrize("mode", MODES, ids=["fitting", "unfitting"])
@pytest.mark.parametrize(("method", "path"), OPERATIONS)
def test_every_answer_is_as_the_document_says_and_no_server_error(
    setting: Setting, method: str, path: str, mode: GenerationMode
) -> None:
    @usual(EXAMPLES)
    @given(case=requests(setting, method, path, mode))
    def asked(case: Case) -> None:
        setting.reset()
        ask(setting, case, CHECKS)

    asked()


def test_changes_one_after_the_other_never_end_in_a_server_error(setting: Setting) -> None:
    changes = [operation for operation in OPERATIONS if operation[0] == "POST"]
    reads = [operation for operation in OPERATIONS if operation[0] == "GET"]
    fitting = GenerationMode.POSITIVE
    one = st.one_of(*(requests(setting, *which, fitting) for which in (*changes, *reads)))

    @usual(EXAMPLES)
    @given(cases=st.lists(one, min_size=2, max_size=6))
    def asked(cases: list[Case]) -> None:
        setting.reset()
        for case in cases:
            ask(setting, case, [not_a_server_error])

    asked()


def test_generated_requests_meet_what_is_there_and_not_only_refusals(setting: Setting) -> None:
    host = setting.host = Host()
    for method, path in (
        ("POST", "/runs/{run_id}/approve"),
        ("POST", "/runs/{run_id}/cancel"),
        ("GET", "/runs/{run_id}"),
    ):

        @usual(100)
        @given(case=requests(setting, method, path, GenerationMode.POSITIVE))
        def asked(case: Case) -> None:
            setting.reset()
            case.call(base_url="http://localhost/api", app=setting.host)

        asked()
    assert {200, 202, 404, 409} <= set(host.statuses), host.statuses


@pytest.mark.parametrize(
    ("method", "path"), [one for one in OPERATIONS if has_input(one[1], one[0])]
)
def test_what_the_document_does_not_allow_in_a_body_or_query_is_refused(
    setting: Setting, method: str, path: str
) -> None:
    places = {"pipeline": "sample", "endpoint": "production", "run_id": setting.runs["training"]}
    operation = SCHEMA[path][method]

    @usual(EXAMPLES)
    @given(case=operation.as_strategy(generation_mode=GenerationMode.NEGATIVE))
    def asked(case: Case) -> None:
        setting.reset()
        for place in case.path_parameters or {}:
            case.path_parameters[place] = places[place]
        said = case.body if isinstance(case.body, dict) else {}
        described = DOCUMENT["paths"][path][method.lower()]
        if set(said) - properties(described):
            answer = case.call(base_url="http://localhost/api", app=setting.host)
            assert 400 <= answer.status_code < 500, answer.content

    asked()


def properties(described: dict[str, Any]) -> set[str]:
    """Return what a body may hold."""
    if "requestBody" not in described:
        return set()
    reference = described["requestBody"]["content"]["application/json"]["schema"]["$ref"]
    return set(DOCUMENT["components"]["schemas"][reference.rpartition("/")[2]]["properties"])


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
    told = {
        method["operationId"]: (path, verb)
        for path, methods in DOCUMENT["paths"].items()
        for verb, method in methods.items()
    }
    functions_ = http_functions()
    assert set(told) == set(functions_) - {"openapi"}
    for name, (path, verb) in told.items():
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
            told = function.get_user_function()(func.HttpRequest(method, "http://x/api", body=b""))
            assert (told.status_code, told.headers["Allow"]) == (405, own)
            assert told.mimetype == "application/problem+json"
            assert f"use {own}" in told.get_body().decode()


def test_no_two_functions_have_one_route_where_the_platform_would_choose_by_name() -> None:
    routes: list[Any] = [function.get_trigger() for function in http_functions().values()]
    plain = [re.sub(r"\{[^}]*\}", "{}", trigger.route) for trigger in routes]
    assert len(set(plain)) == len(plain)


def test_the_app_answers_with_the_document_itself(setting: Setting) -> None:
    told = Client(setting.host).get("/api/openapi.json")
    assert (told.status_code, told.mimetype) == (200, "application/json")
    assert json.loads(told.get_data()) == DOCUMENT


# Answers leave out what is not known, such as the live model's number for a fixed bound.
def test_nothing_that_answers_leave_out_is_demanded_by_the_document() -> None:
    demanded = {
        f"{name}.{one}"
        for name, schema in DOCUMENT["components"]["schemas"].items()
        for one in schema.get("required", [])
        if {"type": "null"} in schema["properties"][one].get("anyOf", [])
    }
    assert not demanded


# In the pipelines file `rows` is the name of a file; a record holds the rows themselves.
@pytest.mark.parametrize("written", ["plain", "full"])
def test_a_configuration_is_shown_as_the_document_says(written: str) -> None:
    made = World()
    changes: dict[str, Any] = {} if written == "plain" else {"pipeline": full(made)}
    config = pipeline(made.training, made.endpoint, changes)
    schema = {**DOCUMENT, "$ref": "#/components/schemas/Pipeline"}
    check = jsonschema_rs.validator_for(schema)
    assert_valid(check, config.model_dump(mode="json", exclude_none=True))


def assert_valid(check: Any, shown: dict[str, Any]) -> None:
    """Have every fault told at once."""
    wrong = [str(error).partition("\n")[0] for error in check.iter_errors(shown)]
    assert not wrong, wrong


def full(made: World) -> dict[str, Any]:
    """Return nearly everything that a pipeline can be told."""
    place = BASE + made.endpoint.management_url
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
                "update": place.replace("production", name),
                "workspace_token": "${WORKSPACE_TOKEN}",
                "create": {"Description": "made", "ThrottleLevel": "High"},
                "resource": "Sample [trained model]",
            }
            for name in ("one", "two")
        ],
    }
