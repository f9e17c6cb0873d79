"""How long a storage account may keep the app waiting."""

import itertools
import socket
import time
from contextlib import closing
from datetime import timedelta

import pytest

from shared import wiring
from shared.clients.storage import AccountBlobs
from shared.context import Limits
from shared.errors import TransientError
from shared.wiring import STORAGE_READ_TIMEOUT, SystemClock


def connections(server: socket.socket) -> int:
    """Take what has come so far, and return how many that is."""
    server.settimeout(0)
    for count in itertools.count():
        try:
            server.accept()[0].close()
        except BlockingIOError:
            return count
    raise AssertionError("no end of connections")


def test_a_write_and_its_read_back_end_before_a_step_does(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    slept: list[float] = []
    monkeypatch.setattr(time, "sleep", slept.append)  # the SDK's pauses between its calls
    monkeypatch.setattr(wiring, "STORAGE_READ_TIMEOUT", 0.01)
    # It takes every connection, which the system does by itself, and never says anything.
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        text = (
            "DefaultEndpointsProtocol=http;AccountName=a;AccountKey=a2V5;"
            f"BlobEndpoint=http://127.0.0.1:{port}/a"
        )
        with closing(wiring._account({"X": text}, "X", development=True)) as account:
            blobs = AccountBlobs(account, SystemClock(), https_only=False)
            with pytest.raises(TransientError):
                blobs.head("data", "a.csv")
        asked = connections(server)
    assert asked == len(slept) + 1 == 3
    one_call = asked * STORAGE_READ_TIMEOUT + sum(slept)
    assert timedelta(seconds=2 * one_call) < Limits().longest_step
