"""The HTTP functions behind a WSGI app, over a world with a run in every phase."""

import importlib
import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Final
from urllib.parse import parse_qsl, unquote
from wsgiref.types import StartResponse, WSGIEnvironment

import azure.functions as func
from hypothesis import strategies as st
from schemathesis.openapi import from_dict
from werkzeug.wrappers import Request, Response

import function_app
from functions.methods import OWN
from local import api_description
from shared.core.config.pipeline import Pipeline
from shared.operations.commands import OperatorCommand
from tests.fakes.documents import Rows
from tests.fakes.world import World, pipeline
from tests.functions.calls import Api

BASE: Final = "https://studio.example"
GATE: Final = {"metrics": "output2", "rules": [{"metric": "AUC", "at_least": 0.5}]}
UNROUTED: Final = "X-Unrouted"
DOCUMENT: Final = json.loads(api_description.FILE.read_text(encoding="utf-8"))
SCHEMA: Final = from_dict(DOCUMENT)


def http_functions() -> dict[str, func.Function]:
    """Return the app's functions over HTTP; an app is asked for them only once."""
    importlib.reload(function_app)
    found = api_description.http_functions()
    importlib.reload(function_app)  # for the next test
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
                shown = handler(asked)
                headers = dict(shown.headers)
                headers.setdefault("Content-Type", f"{shown.mimetype}; charset={shown.charset}")
                return Response(shown.get_body(), shown.status_code, headers)
        return Response(b"", 404, {UNROUTED: "yes"})


def _match(route: list[str], parts: list[str]) -> dict[str, str] | None:
    """Return the decoded values of the route's parameters; None where the path is not its."""
    if len(route) != len(parts) or "" in parts:
        return None
    found = {}
    for where, part in zip(route, parts, strict=True):
        if where.startswith("{"):
            found[where.strip("{}")] = unquote(part)
        elif where.casefold() != part.casefold():
            return None
    return found


@dataclass(repr=False)
class Setting:
    """An app with something to hit in every phase, reset at will."""

    world: World
    host: Host
    rows: Rows
    runs: dict[str, str]  #: phase -> run id
    etags: list[str]
    cursor: str

    def reset(self) -> None:
        self.world.documents.rows = self.rows.copy()

    def known(self, where: str) -> st.SearchStrategy[str]:
        """Return names that exist, for a part of a path or query; or odd ones."""
        there = {
            "run_id": sorted(self.runs.values()),
            "parent": sorted(self.runs.values()),
            "pipeline": ["sample", "customers", "weekly"],
            "endpoint": ["production", "theirs"],
            "key": ["acme", "beta", "acme/beta", "", "/"],
            "cursor": [self.cursor],
            "due": ["2026-03-01", "2026-02-20T10:00:00 01:00", "9999-12-31", "0001-01-01", "soon"],
            "data": ["new.csv", "acme/monday.csv", "missing.csv", "\x00.csv", "../new.csv"],
        }
        return st.sampled_from(there[where])


def two_pipelines() -> World:
    """A world with a pipeline that a gate and an operator guard, and one for many customers."""
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
    world.app = world.app_over(world.context, world.pipeline, second, windowed(world))
    return world


def windowed(world: World) -> Pipeline:
    """A pipeline whose runs are of windows."""
    changes = {
        "name": "weekly",
        "data": {"blob": "{start:yyyy/MM}/{name}.csv", "opens_runs": False},
        "schedule": {"frequency": "Week", "delay": "1h", "start": "2026-01-01T00:00:00Z"},
        "endpoints": [],
    }
    return pipeline(world.training, world.endpoint, {"pipeline": changes})


def filled(world: World) -> dict[str, str]:
    """Bring runs into every phase that an operator can see; return one of each."""
    api = Api()
    for number in range(2):
        world.clock.move(timedelta(minutes=1))
        world.upload(f"{number}.csv", f"a,b,label\n{number},2,0\n3,4,1\n".encode())
        run_id = str(api.start(key=f"k{number}").body["run_id"])
        until(world, api, run_id, "awaiting_approval")
        world.run_operations.approve(run_id, OperatorCommand("ada", "good"))
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
