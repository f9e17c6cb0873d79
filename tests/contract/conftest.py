"""An adapter of `Blobs`: the fake, and a real storage server by key and by identity."""

import uuid
from base64 import b64encode
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from azure.storage.blob import BlobBlock, BlobClient, BlobServiceClient

from local.azurite import Azurite, make_container
from local.identity import LocalIdentity, make_certificate
from local.studio import HttpBlobs
from local.studio.storage import BlobAccess
from shared.app import SystemClock
from shared.ports.storage import Blobs
from shared.providers.azure_storage.blobs import AccountBlobs
from tests.fakes.blobs import FakeBlobs
from tests.fakes.clock import FakeClock

HOUR = timedelta(hours=1)


@dataclass
class Bench:
    """An adapter, and other ways to do to the same account what the app never does."""

    blobs: Blobs
    container: str
    put: Callable[[str, bytes], object]
    put_blocks: Callable[[str, bytes], object]
    update_metadata: Callable[[str], object]
    remove: Callable[[str], object]
    make_directory: Callable[[str], object]
    as_holder: BlobAccess


@pytest.fixture(scope="session")
def secured(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Azurite, Path]]:
    """A storage server that takes identities, and the certificate to trust."""
    certificate, key = make_certificate(tmp_path_factory.mktemp("certificate"))
    with Azurite(secured_by=(certificate, key)) as storage:
        yield storage, certificate


@pytest.fixture(params=["memory", "azurite", "azurite by identity"])
def bench(request: pytest.FixtureRequest) -> Iterator[Bench]:
    name = f"data-{uuid.uuid4().hex}"
    if request.param == "memory":
        clock = FakeClock()
        fake = FakeBlobs(clock)

        def update_metadata(blob: str) -> None:
            clock.move(HOUR / 60)
            fake.update_metadata(name, blob)

        yield Bench(
            fake,
            name,
            lambda blob, content: fake.put(name, blob, content),
            lambda blob, content: fake.put_blocks(name, blob, content),
            update_metadata,
            lambda blob: fake.remove(name, blob),
            lambda blob: fake.make_directory(name, blob),
            fake.store,
        )
        return
    if request.param == "azurite":
        azurite: Azurite = request.getfixturevalue("azurite")
        options: dict[str, Any] = {}
        client, holder = (
            BlobServiceClient.from_connection_string(azurite.connection_string),
            HttpBlobs(),
        )
    else:
        azurite, certificate = request.getfixturevalue("secured")
        options = {"connection_verify": str(certificate)}
        client, holder = (
            BlobServiceClient(azurite.blob_endpoint, LocalIdentity(), **options),
            HttpBlobs(certificate),
        )
    with client as account:
        container = make_container(account.get_container_client(name))
        yield Bench(
            AccountBlobs(
                account,
                SystemClock(),
                https_only=request.param != "azurite",
                options=options,
            ),
            name,
            lambda blob, content: container.upload_blob(blob, content, overwrite=True),
            lambda blob, content: put_blocks(container.get_blob_client(blob), content),
            lambda blob: container.get_blob_client(blob).set_blob_metadata({"a": "b"}),
            container.delete_blob,
            lambda blob: container.upload_blob(blob, b"", metadata={"hdi_isfolder": "true"}),
            holder,
        )
    holder.close()


def put_blocks(blob: BlobClient, content: bytes) -> None:
    """Upload as large files are: Put Block, then Put Block List."""
    name = b64encode(b"0001").decode()
    blob.stage_block(name, content)
    blob.commit_block_list([BlobBlock(name)])
