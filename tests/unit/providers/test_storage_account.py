"""The time that a storage account may keep the app waiting."""

import itertools
import socket
import time
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest
from azure.core.credentials import AzureSasCredential
from azure.storage.blob import BlobServiceClient

from shared import app
from shared.app import SystemClock
from shared.errors import TransientError
from shared.execution.context import Limits
from shared.providers.azure_storage import accounts
from shared.providers.azure_storage.accounts import STORAGE_READ_TIMEOUT, account_of
from shared.providers.azure_storage.blobs import AccountBlobs
from shared.providers.http.client import RequestsHttp


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
    monkeypatch.setattr(accounts, "STORAGE_READ_TIMEOUT", 0.01)
    # It takes every connection, which the system does by itself, and never says anything.
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        text = (
            "DefaultEndpointsProtocol=http;AccountName=a;AccountKey=a2V5;"
            f"BlobEndpoint=http://127.0.0.1:{port}/a"
        )
        with closing(account_of({"X": text}, "X", development=True)) as account:
            blobs = AccountBlobs(account, SystemClock(), https_only=False)
            with pytest.raises(TransientError):
                blobs.head("data", "a.csv")
        asked = connections(server)
    assert asked == len(slept) + 1 == 3
    one_call = asked * STORAGE_READ_TIMEOUT + sum(slept)
    assert timedelta(seconds=2 * one_call) < Limits().longest_step


@pytest.mark.parametrize("end", ["", "/", "?sv=1&sig=SECRET", "/?sig=SECRET", "/?sv=1#sig=SECRET"])
def test_no_location_is_made_of_an_account_url_with_its_query(end: str) -> None:
    account = BlobServiceClient(f"https://a.blob.core.windows.net{end}", credential="SECRET==")
    blobs = AccountBlobs(account, SystemClock(), https_only=True)
    assert blobs.account_url == "https://a.blob.core.windows.net/"
    signed = BlobServiceClient.from_connection_string(
        "BlobEndpoint=https://a.blob.core.windows.net;SharedAccessSignature=sv=1&sig=SECRET"
    )
    assert "SECRET" not in AccountBlobs(signed, SystemClock(), https_only=True).account_url


def test_an_app_with_a_signature_for_a_connection_is_not_put_together(tmp_path: Path) -> None:
    text = "BlobEndpoint=https://a.blob.core.windows.net;SharedAccessSignature=sv=1&sig=SECRET"
    environment = {
        "AzureWebJobsStorage": text,
        "TRAINING_DATA_CONTAINER": "training-data",
        "MODELS_CONTAINER": "models",
        "LEDGER_CONTAINER": "ledger",
    }
    built = app.build(environment, tmp_path, RequestsHttp(), SystemClock(), SystemClock().now())
    assert isinstance(built, app.Unusable)
    assert any(one.where == "AzureWebJobsStorage" for one in built.problems)
    assert "SECRET" not in str(built.problems)


@pytest.mark.parametrize(
    ("host", "name"),
    [
        ("mine.blob.core.windows.net", "mine"),
        ("MINE.blob.core.chinacloudapi.cn", "mine"),
        ("mine.z39.blob.storage.azure.net", "mine"),
        ("mine.privatelink.blob.core.windows.net", "mine"),
    ],
)
def test_an_account_is_known_by_each_of_its_addresses(host: str, name: str) -> None:
    account = BlobServiceClient(f"https://{host}", credential=AzureSasCredential("sig"))
    blobs = AccountBlobs(account, SystemClock(), https_only=True)
    assert blobs.account == name  # events name it so, and so does what is signed
