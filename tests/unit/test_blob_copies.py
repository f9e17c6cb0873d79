"""Copies of models that lie elsewhere: begun once, waited for, and begun again when they failed."""

from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any, cast

import pytest
from azure.storage.blob import BlobServiceClient

from shared.clients.storage import AccountBlobs
from shared.errors import TransientError
from tests.fakes.clock import FakeClock
from tests.unit.samples import NOW

SOURCE = "https://elsewhere.blob.core.windows.net/c/x.ilearner?sig=x"


@dataclass
class Blob:
    """A destination in the state that an earlier copy left it in."""

    status: str | None
    becomes: str = "success"
    starts: int = 0

    def exists(self) -> bool:
        return self.status is not None

    def start_copy_from_url(self, source: str) -> None:
        assert source == SOURCE
        self.starts += 1
        self.status = self.becomes

    def get_blob_properties(self) -> Any:
        return SimpleNamespace(
            copy=SimpleNamespace(status=self.status),
            etag='"1"',
            size=3,
            creation_time=NOW,
            last_modified=NOW,
            content_settings=SimpleNamespace(content_md5=None),
        )


def over(blob: Blob) -> AccountBlobs:
    account = SimpleNamespace(get_blob_client=lambda *_: blob, account_name="account")
    return AccountBlobs(cast("BlobServiceClient", account), FakeClock(), https_only=True)


def test_a_copy_is_begun_once() -> None:
    blob = Blob(status=None)
    for _ in range(2):
        assert over(blob).adopt(SOURCE, "models", "y.ilearner") is not None
    assert blob.starts == 1


@pytest.mark.parametrize("status", ["failed", "aborted"])
def test_a_copy_that_failed_is_begun_again(status: str) -> None:
    blob = Blob(status)
    assert over(blob).adopt(SOURCE, "models", "y.ilearner") is not None
    assert blob.starts == 1


def test_a_copy_under_way_is_waited_for() -> None:
    blob = Blob(status="pending")
    with pytest.raises(TransientError, match="under way"):
        over(blob).adopt(SOURCE, "models", "y.ilearner")
    assert blob.starts == 0
