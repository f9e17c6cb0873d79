"""The real thing: storage server, stand-in over HTTP, and the app in its host."""

from collections.abc import Iterator

import pytest

from local.demo.stage import Stage


@pytest.fixture(scope="module")
def stage() -> Iterator[Stage]:
    with Stage(switch_seconds=1) as built:
        yield built
