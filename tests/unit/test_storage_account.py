"""How long a storage account may keep the app waiting."""

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import timedelta

import pytest

from shared import wiring
from shared.clients.storage import AccountBlobs
from shared.context import Limits
from shared.errors import TransientError
from shared.wiring import STORAGE_READ_TIMEOUT, SystemClock


@contextmanager
def silent_account() -> Iterator[tuple[int, list[socket.socket]]]:
    """A server that takes every connection and never says anything; its port, and who came."""
    came: list[socket.socket] = []
    with closing(socket.create_server(("127.0.0.1", 0))) as server:

        def accept() -> None:
            while True:
                try:
                    came.append(server.accept()[0])
                except OSError:
                    return

        threading.Thread(target=accept, daemon=True).start()
        try:
            yield server.getsockname()[1], came
        finally:
            for connection in came:
                connection.close()


def test_a_write_and_its_read_back_end_before_a_step_does(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    slept: list[float] = []
    monkeypatch.setattr(time, "sleep", slept.append)  # the SDK's pauses between its calls
    monkeypatch.setattr(wiring, "STORAGE_READ_TIMEOUT", 0.01)
    with silent_account() as (port, came):
        text = (
            "DefaultEndpointsProtocol=http;AccountName=a;AccountKey=a2V5;"
            f"BlobEndpoint=http://127.0.0.1:{port}/a"
        )
        account = wiring._account({"X": text}, "X", development=True)
        with pytest.raises(TransientError):
            AccountBlobs(account, SystemClock(), https_only=False).head("data", "a.csv")
        asked = len(came)
    assert asked == len(slept) + 1 == 3
    one_call = asked * STORAGE_READ_TIMEOUT + sum(slept)
    assert timedelta(seconds=2 * one_call) < Limits().longest_step
