"""Runs the tests of the service twice: in memory, and through the HTTP server."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from local.studio.server import StudioServer
from tests.local.studio.bench import Bench, over_http

MakeBench = Callable[..., Bench]


@pytest.fixture(params=["memory", "http"])
def make_bench(request: pytest.FixtureRequest) -> Iterator[MakeBench]:
    with ExitStack() as stack:

        def make(**options: Any) -> Bench:
            bench = Bench(**options)
            if request.param == "http":
                server = StudioServer(bench.studio, trainer=bench.trainer, queue_delay=None)
                stack.enter_context(server)
                bench.send = over_http(server.url)
            return bench

        yield make


@pytest.fixture
def bench(make_bench: MakeBench) -> Bench:
    return make_bench()
