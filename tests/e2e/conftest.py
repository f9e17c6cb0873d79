"""The real thing: storage server, stand-in over HTTP, and the app in its host."""

import sys
from collections.abc import Iterator

import pytest

from local.demo.stage import Stage
from local.forks import forked_server
from local.served import ServedProcess


@pytest.fixture(scope="session", autouse=True)
def _servers_are_forked() -> Iterator[None]:
    """Dozens of them are started here; how users start them is tested by the demo and `make run`.

    Where there are no forks, and on macOS, whose libraries do not bear them, they are started anew.
    """
    with pytest.MonkeyPatch.context() as patch:
        if sys.platform == "linux":
            patch.setattr(ServedProcess, "launch", staticmethod(forked_server))
        yield


@pytest.fixture(scope="module")
def stage() -> Iterator[Stage]:
    with Stage(switch_seconds=1) as built:
        yield built
