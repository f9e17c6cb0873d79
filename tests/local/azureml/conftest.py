"""Runs the tests of the workspace twice: by its routes, and through the HTTP server."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from local.azureml.server import AzureMlServer
from tests.forked import QUICK, servers_are_forked
from tests.local.azureml.bench import Bench, over_http

MakeBench = Callable[..., Bench]


@pytest.fixture(scope="package", autouse=True)
def _forked() -> Iterator[None]:
    with servers_are_forked(QUICK):
        yield


@pytest.fixture(params=["routes", "http"])
def make_bench(request: pytest.FixtureRequest) -> Iterator[MakeBench]:
    with ExitStack() as stack:

        def make(**options: Any) -> Bench:
            bench = Bench(**options)
            if request.param == "http":
                server = stack.enter_context(AzureMlServer(bench.service))
                bench.send = over_http(server.url)
            return bench

        yield make


@pytest.fixture
def bench(make_bench: MakeBench) -> Bench:
    return make_bench()
