"""Requests of operators over HTTP, and runs that wait for them."""

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import azure.functions as func

from functions import pipelines, runs
from shared.core.run.record import Phase
from tests.fakes.world import World
from tests.functions.calls import Api, OneLineText

ASK = {"pipeline": {"gate": {"approval": "required", "expires": "2d"}}}
BOSS = {"x-ms-client-principal-name": "boss@example.com"}


def call(
    handler: Callable[[func.HttpRequest], func.HttpResponse],
    method: str = "GET",
    body: Any = None,
    *,
    query: dict[str, str] | None = None,
    headers: dict[str, str] | None = None,
    **route: str,
) -> OneLineText:
    """Call a function as the host does."""
    raw = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
    asked = func.HttpRequest(
        method,
        "http://localhost/api",
        headers=headers or {},
        params=query or {},
        route_params=route,
        body=raw,
    )
    answer = handler(asked)
    text = answer.get_body().decode()
    return OneLineText(answer.status_code, answer.headers, json.loads(text), text)


def approve(run_id: str, body: Any = None, **headers: str) -> OneLineText:
    return call(runs.approve_run, "POST", body, headers=named(headers), run_id=run_id)


def reject(run_id: str, body: Any = None, **headers: str) -> OneLineText:
    return call(runs.reject_run, "POST", body, headers=named(headers), run_id=run_id)


def cancel(run_id: str, **headers: str) -> OneLineText:
    return call(runs.cancel_run, "POST", headers=named(headers), run_id=run_id)


def listed(**query: str) -> OneLineText:
    return call(runs.list_runs, query=query)


def named(headers: dict[str, str]) -> dict[str, str]:
    return {name.replace("_", "-"): value for name, value in headers.items()}


def until(world: World, run_id: str, phase: str, ticks: int = 40) -> dict[str, Any]:
    for _ in range(ticks):
        shown: dict[str, Any] = Api().get(run_id).body
        if shown["phase"] == phase:
            return shown
        world.tick()
    raise AssertionError(Api().get(run_id).text)


def awaiting(world: World, name: str = "new.csv", content: bytes | None = None) -> str:
    """Return a run that waits for approval."""
    world.clock.move(timedelta(minutes=1))
    if content is None:
        world.upload(name)
    else:
        world.upload(name, content)
    run_id = str(Api().start({"data": name}).body["run_id"])
    until(world, run_id, "awaiting_approval")
    return run_id


def rows(number: int) -> bytes:
    """Return data that no other number gives."""
    return f"a,b,label\n{number},2,0\n3,{number + 1},1\n".encode()


def pause(**headers: str) -> OneLineText:
    body = {"by": "ada"}
    return call(pipelines.pause_pipeline, "POST", body, headers=named(headers), pipeline="sample")


def resume(**headers: str) -> OneLineText:
    return call(pipelines.resume_pipeline, "POST", headers=named(headers), pipeline="sample")


def standing_version() -> str:
    return str(call(pipelines.get_pipeline, pipeline="sample").headers["ETag"])


def fails(world: World, number: int) -> None:
    """Have a run parked, because its key is missing."""
    world.clock.move(timedelta(minutes=1))
    world.upload(f"{number}.csv", rows(number))
    key = world.environment.pop("TRAINING_KEY")
    world.deliver(f"{number}.csv")
    for _ in range(5):
        world.tick()
    world.environment["TRAINING_KEY"] = key
    assert world.runs()[-1].phase is Phase.PARKED


def endpoint_shown() -> dict[str, Any]:
    found: dict[str, Any] = Api().endpoint().body
    return found
