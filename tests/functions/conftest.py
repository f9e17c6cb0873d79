"""Replaces the app that the triggers use by one over a world in memory."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime
from typing import Any

import pytest

from functions.process import handed_in
from shared.app import App, Unusable
from shared.config.settings import Problem
from shared.core.config.configuration import Configuration
from tests.fakes.world import World
from tests.functions.calls import Api
from tests.functions.operators import ASK

NO_RUN = "sample-00000000000000000000"

Serve = Callable[[App | Unusable], None]


@pytest.fixture
def world() -> World:
    return present_world()


@pytest.fixture
def serve(monkeypatch: pytest.MonkeyPatch) -> Iterator[Serve]:
    """Let every trigger find this app instead of building one from the process's settings."""
    with ExitStack() as stack:

        def use(built: App | Unusable) -> None:
            stack.enter_context(handed_in(built))

        yield use


@pytest.fixture
def api(world: World, serve: Serve) -> Api:
    """The HTTP functions over the world; its blob and timer triggers find the same app."""
    serve(app_over(world))
    return Api()


@pytest.fixture
def asking(serve: Serve) -> World:
    """A world whose models wait for an operator."""
    world = present_world(**ASK)
    serve(app_over(world))
    return world


def present_world(**config: Any) -> World:
    """Return a world whose time is the present: health compares the last poll with it."""
    made = World(config=config)
    made.clock.time = datetime.now(UTC)
    made.restart()
    return made


def app_over(world: World, *problems: Problem) -> App:
    """Return the app that a new worker of this world runs; `problems` are of its pipeline."""
    if problems:
        world.file = Configuration({}, problems, {world.pipeline.name: problems})
        world.restart()
    return world.app


def park(world: World, api: Api) -> str:
    """Open a run that waits for an operator: its key is missing."""
    world.upload()
    key = world.environment.pop("TRAINING_KEY")
    started = api.start()
    world.environment["TRAINING_KEY"] = key
    assert started.body["phase"] == "parked"
    return str(started.body["run_id"])


def secrets_of(world: World) -> list[str]:
    """Return what no answer, record or log line may hold."""
    return [*world.environment.values(), "sig=", "SECRET"]
