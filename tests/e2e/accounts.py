"""Accounts of one storage server, each used as a server of its own.

A start of a server costs a second, and its first thousand calls half as much again as later ones.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import pytest

from local.azurite import ACCOUNT_KEY, ACCOUNT_NAME, Azurite
from local.demo.app_stage import AppStage

_NAMES: Final = tuple(f"{ACCOUNT_NAME}{number:02}" for number in range(40))


class Account(Azurite):
    """An account of a server that runs on when this one is stopped."""

    def __init__(self, server: Azurite, name: str) -> None:
        super().__init__()
        self._server, self._name = server, name

    @property
    def connection_string(self) -> str:
        """Return what storage clients and app settings take."""
        return self._of_it(self._server.connection_string)

    def start(self) -> None:
        """Take the addresses of the server."""
        self.blob_endpoint = self._of_it(self._server.blob_endpoint)
        self.queue_endpoint = self._of_it(self._server.queue_endpoint)

    def _of_it(self, text: str) -> str:
        return text.replace(ACCOUNT_NAME, self._name)


class Accounts:
    """Accounts that nobody has used, of a server that starts with the first of them."""

    def __init__(self, server: Azurite) -> None:
        self._server, self._left = server, list(_NAMES)

    def new(self, folder: Path | None = None) -> Azurite:
        """Return a new account; what is to be kept in a folder gets a server of its own."""
        if folder is not None:
            return Azurite(folder)
        if not self._server.running:
            with pytest.MonkeyPatch.context() as patch:
                known = (f"{name}:{ACCOUNT_KEY}" for name in (ACCOUNT_NAME, *_NAMES))
                patch.setenv("AZURITE_ACCOUNTS", ";".join(known))
                self._server.start()
        return Account(self._server, self._left.pop())


@contextmanager
def one_server_for_all() -> Iterator[Accounts]:
    """Give each stage that is set meanwhile an account of one server."""
    server = Azurite()
    accounts = Accounts(server)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(AppStage, "new_storage", staticmethod(accounts.new))
        try:
            yield accounts
        finally:
            server.stop()
