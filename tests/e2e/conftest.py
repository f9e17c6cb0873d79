"""A storage server, a stand-in over HTTP, and the app in its host, as real processes."""

from collections.abc import Iterator

import pytest

from local.azurite import Azurite
from local.demo.stage import Stage
from tests.e2e.accounts import Accounts, one_server_for_all
from tests.forked import servers_are_forked


@pytest.fixture(scope="package", autouse=True)
def _forked() -> Iterator[None]:
    with servers_are_forked():
        yield


@pytest.fixture(scope="package", autouse=True)
def accounts() -> Iterator[Accounts]:
    with one_server_for_all() as made:
        yield made


@pytest.fixture(scope="module")
def azurite(accounts: Accounts) -> Iterator[Azurite]:
    """Storage that nobody else uses."""
    with accounts.new() as storage:
        yield storage


@pytest.fixture(scope="module")
def stage() -> Iterator[Stage]:
    with Stage(switch_seconds=1) as built:
        yield built
