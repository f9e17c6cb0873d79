"""A storage server, a stand-in over HTTP, and the app in its host, as real processes."""

from collections.abc import Iterator

import pytest

from local.demo.stage import Stage
from tests.forked import servers_are_forked


@pytest.fixture(scope="package", autouse=True)
def _forked() -> Iterator[None]:
    with servers_are_forked():
        yield


@pytest.fixture(scope="module")
def stage() -> Iterator[Stage]:
    with Stage(switch_seconds=1) as built:
        yield built
