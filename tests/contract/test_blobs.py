"""Every `Blobs` adapter keeps the same promises: the fake, and a real storage server."""

import uuid
from base64 import b64encode
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import md5
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from azure.storage.blob import BlobBlock, BlobClient, BlobServiceClient

from local.azurite import Azurite
from local.identity import LocalIdentity, make_certificate
from local.studio import BlobRefusedError, HttpBlobs
from local.studio.storage import BlobAccess
from shared.app import App, SystemClock, build
from shared.core.blobs import BlobVersion
from shared.errors import PermanentError, TransientError
from shared.ports.storage import Access, Blobs
from shared.providers.azure_storage.blobs import AccountBlobs
from shared.providers.http.client import RequestsHttp
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
    touch: Callable[[str], object]
    remove: Callable[[str], object]
    make_directory: Callable[[str], object]
    as_holder: BlobAccess


@pytest.fixture(scope="module")
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

        def touch(blob: str) -> None:
            clock.move(HOUR / 60)
            fake.touch(name, blob)

        yield Bench(
            fake,
            name,
            lambda blob, content: fake.put(name, blob, content),
            lambda blob, content: fake.put_blocks(name, blob, content),
            touch,
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
        container = account.create_container(name)
        yield Bench(
            AccountBlobs(
                account,
                SystemClock(),
                https_only=request.param != "azurite",
                options=options,
            ),
            name,
            lambda blob, content: container.upload_blob(blob, content, overwrite=True),
            lambda blob, content: _put_blocks(container.get_blob_client(blob), content),
            lambda blob: container.get_blob_client(blob).set_blob_metadata({"a": "b"}),
            container.delete_blob,
            lambda blob: container.upload_blob(blob, b"", metadata={"hdi_isfolder": "true"}),
            holder,
        )
    holder.close()


def _put_blocks(blob: BlobClient, content: bytes) -> None:
    """Upload as large files are: Put Block, then Put Block List."""
    name = b64encode(b"0001").decode()
    blob.stage_block(name, content)
    blob.commit_block_list([BlobBlock(name)])


def signed_url(bench: Bench, blob: str, access: Access, valid: timedelta = HOUR) -> str:
    signed = bench.blobs.sign(bench.container, blob, access, valid)
    return f"{signed.base_location}{quote(signed.relative_location)}{signed.signature}"


def test_what_is_not_there_is_none(bench: Bench) -> None:
    assert bench.blobs.head(bench.container, "none.csv") is None
    assert bench.blobs.head("no-such-container", "none.csv") is None
    assert list(bench.blobs.listing("no-such-container", "")) == []


def test_no_name_leads_to_another_blob_or_container(bench: Bench) -> None:
    bench.put("a/b.csv", b"1")
    for name in (f"../{bench.container}/a/b.csv", "a/../a/b.csv", "a/./b.csv", "./a/b.csv"):
        assert bench.blobs.head(bench.container, name) is None
        assert bench.blobs.read(bench.container, name, 10) is None
        assert bench.blobs.located(bench.blobs.base_location, f"{bench.container}/{name}") is None


def test_a_container_is_there_or_not(bench: Bench) -> None:
    bench.put("a.csv", b"1")
    assert bench.blobs.exists(bench.container)


def test_a_look_tells_the_version_without_its_content(bench: Bench) -> None:
    bench.put("a.csv", b"1,2\n")
    found = bench.blobs.head(bench.container, "a.csv")
    assert found is not None
    assert (found.container, found.name, found.size) == (bench.container, "a.csv", 4)
    assert found.etag
    assert '"' not in found.etag
    assert found.created == found.modified
    assert [found] == list(bench.blobs.listing(bench.container, "a"))


def test_a_metadata_write_is_told_from_new_bytes(bench: Bench) -> None:
    bench.put("a.csv", b"1")
    before = bench.blobs.head(bench.container, "a.csv")
    bench.touch("a.csv")
    touched = bench.blobs.head(bench.container, "a.csv")
    bench.put("a.csv", b"2")
    changed = bench.blobs.head(bench.container, "a.csv")
    assert before is not None
    assert touched is not None
    assert changed is not None
    assert before.etag != touched.etag
    assert before.same_bytes_as(touched)
    assert not before.same_bytes_as(changed)


def both_ways(bench: Bench, name: str) -> BlobVersion:
    """Return a blob as a look tells it, and a listing tells it too."""
    found = bench.blobs.head(bench.container, name)
    assert found is not None
    assert [found] == list(bench.blobs.listing(bench.container, name))
    return found


def test_a_metadata_write_changes_neither_creation_time_nor_md5(bench: Bench) -> None:
    bench.put("a.csv", b"1")
    before = both_ways(bench, "a.csv")
    assert before.content_md5 == b64encode(md5(b"1").digest()).decode()  # noqa: S324 -- as storage does
    bench.touch("a.csv")
    touched = both_ways(bench, "a.csv")
    assert touched.etag != before.etag
    assert touched.modified >= before.modified
    assert (touched.created, touched.content_md5) == (before.created, before.content_md5)


def test_an_upload_in_blocks_has_no_md5_and_a_later_one_keeps_the_creation_time(
    bench: Bench,
) -> None:
    bench.put_blocks("a.csv", b"1")
    before = both_ways(bench, "a.csv")
    assert before.content_md5 is None
    bench.touch("a.csv")
    touched = both_ways(bench, "a.csv")
    bench.put_blocks("a.csv", b"2")
    other = both_ways(bench, "a.csv")
    for later in (touched, other):  # what is new bytes, and what is not, cannot be told
        assert later.etag != before.etag
        assert (later.created, later.content_md5, later.size) == (before.created, None, 1)
        assert not before.same_bytes_as(later)
        assert before.same_bytes_as(later, trust_size=True)


def test_a_read_signature_reads_this_blob_and_cannot_write(bench: Bench) -> None:
    bench.put("a b.csv", b"1")
    url = signed_url(bench, "a b.csv", Access.READ)
    assert bench.as_holder.read(url) == b"1"
    with pytest.raises(BlobRefusedError):
        bench.as_holder.write(url, b"2")


def test_a_write_signature_writes_and_overwrites_and_cannot_read(bench: Bench) -> None:
    url = signed_url(bench, "out.csv", Access.WRITE)
    bench.as_holder.write(url, b"1")
    bench.as_holder.write(url, b"2")
    with pytest.raises(BlobRefusedError):
        bench.as_holder.read(url)
    found = bench.blobs.head(bench.container, "out.csv")
    assert found is not None
    assert found.size == 1


def test_an_expired_signature_opens_nothing(bench: Bench) -> None:
    bench.put("a.csv", b"1")
    with pytest.raises(BlobRefusedError):
        bench.as_holder.read(signed_url(bench, "a.csv", Access.READ, timedelta(seconds=-1)))


def test_a_blob_is_located_by_what_a_service_says_of_it(bench: Bench) -> None:
    bench.put("models/a.ilearner", b"1")
    signed = bench.blobs.sign(bench.container, "models/a.ilearner", Access.READ, HOUR)
    found = bench.blobs.located(signed.base_location, f"/{signed.relative_location}")
    assert found == bench.blobs.head(bench.container, "models/a.ilearner")
    assert bench.blobs.located("https://elsewhere.example/", signed.relative_location) is None


def test_a_model_of_another_place_is_copied_by_the_storage(bench: Bench) -> None:
    bench.put("theirs.ilearner", b"model")
    source = signed_url(bench, "theirs.ilearner", Access.READ)
    copied = bench.blobs.adopt(source, bench.container, "baselines/x.ilearner")
    assert copied is not None
    assert copied.size == 5
    assert bench.blobs.adopt(source, bench.container, "baselines/x.ilearner") is not None


def own_url(bench: Bench, blob: str, query: str) -> str:
    return f"{bench.blobs.base_location}{bench.container}/{quote(blob)}{query}"


def signatures(bench: Bench) -> dict[str, str]:
    """Return what a service might send along for `secret.json`, none of which opens it."""

    def signed(blob: str, access: Access, valid: timedelta = HOUR) -> str:
        return bench.blobs.sign(bench.container, blob, access, valid).signature

    good = signed("secret.json", Access.READ)
    return {
        "none": "",
        "empty": "?",
        "made up": "?sig=x",
        "forged": f"{good.partition('sig=')[0]}sig=Zm9yZ2Vk",
        "expired": signed("secret.json", Access.READ, timedelta(seconds=-1)),
        "to write": signed("secret.json", Access.WRITE),
        "of another blob": signed("other.json", Access.READ),
        "with more in it": f"{good}&comp=metadata",
        "twice": f"{good}&sp=r",
    }


@pytest.mark.parametrize(
    "which",
    [
        *("none", "empty", "made up", "forged", "expired", "to write", "of another blob"),
        *("with more in it", "twice"),
    ],
)
def test_a_blob_of_our_own_account_is_copied_only_by_a_signature_that_opens_it(
    bench: Bench, which: str
) -> None:
    bench.put("secret.json", b"keys")
    bench.put("other.json", b"open")
    source = own_url(bench, "secret.json", signatures(bench)[which])
    assert bench.blobs.adopt(source, bench.container, "baselines/x.ilearner") is None
    assert bench.blobs.head(bench.container, "baselines/x.ilearner") is None


@pytest.mark.parametrize("path", ["{container}/a/../secret.json", "{container}", "{container}/"])
def test_no_path_that_is_no_plain_blob_of_our_own_account_is_copied(
    bench: Bench, path: str
) -> None:
    bench.put("secret.json", b"keys")
    token = bench.blobs.sign(bench.container, "secret.json", Access.READ, HOUR).signature
    source = f"{bench.blobs.base_location}{path.format(container=bench.container)}{token}"
    assert bench.blobs.adopt(source, bench.container, "baselines/x.ilearner") is None


def test_a_target_from_before_is_copied_anew_and_a_later_one_is_kept(bench: Bench) -> None:
    bench.put("theirs.ilearner", b"new")
    bench.put("out.ilearner", b"of an earlier job")
    source = signed_url(bench, "theirs.ilearner", Access.READ)
    before = bench.blobs.head(bench.container, "out.ilearner")
    assert before is not None
    long_ago, later = before.modified - HOUR, before.modified + HOUR
    target = (bench.container, "out.ilearner")
    assert bench.blobs.adopt(source, *target, since=long_ago) is None  # it is no copy
    copied = bench.blobs.adopt(source, *target, since=later)
    assert copied is not None
    assert bench.blobs.read(*target, 100) == b"new"
    bench.put("theirs.ilearner", b"newer still")
    assert bench.blobs.adopt(source, *target, since=long_ago) == copied


def test_a_model_that_cannot_be_read_is_not_copied(bench: Bench) -> None:
    source = signed_url(bench, "gone.ilearner", Access.READ)
    assert bench.blobs.adopt(source, bench.container, "baselines/y.ilearner") is None


def test_a_signature_does_not_show_in_a_representation(bench: Bench) -> None:
    signed = bench.blobs.sign(bench.container, "a.csv", Access.READ, HOUR)
    assert "sig" not in repr(signed)


@pytest.mark.parametrize("content", [b"", b"a,b\n1,2\n", "ä".encode() * 100])
def test_a_small_blob_is_written_over_and_read_back(bench: Bench, content: bytes) -> None:
    assert bench.blobs.read(bench.container, "runs/list.csv", 1000) is None
    bench.blobs.write(bench.container, "runs/list.csv", b"something else before")
    written = bench.blobs.write(bench.container, "runs/list.csv", content)
    assert written == bench.blobs.head(bench.container, "runs/list.csv")
    assert bench.blobs.read(bench.container, "runs/list.csv", 1000) == content
    assert bench.blobs.read("no-such-container", "runs/list.csv", 1000) is None


def test_a_blob_of_more_than_the_limit_is_not_read(bench: Bench) -> None:
    bench.put("evaluation.csv", b"x" * 11)
    with pytest.raises(PermanentError, match="more than 10 bytes"):
        bench.blobs.read(bench.container, "evaluation.csv", 10)
    assert bench.blobs.read(bench.container, "evaluation.csv", 11) == b"x" * 11


def test_pages_show_each_blob_once(bench: Bench) -> None:
    for name in ("b.csv", "a.csv", "c d.csv"):
        bench.put(name, b"x")
    page = bench.blobs.page(bench.container, None)
    assert [blob.name for blob in page.items] == ["a.csv", "b.csv", "c d.csv"]
    assert page.cursor is None
    assert page.items[0] == bench.blobs.head(bench.container, "a.csv")
    if isinstance(bench.blobs, FakeBlobs):
        bench.blobs.missing.add("no-such-container")
    with pytest.raises(TransientError, match="does not exist"):
        bench.blobs.page("no-such-container", None)


def test_a_directory_is_no_blob(bench: Bench) -> None:
    bench.make_directory("census")
    bench.put("census/a.csv", b"1")
    bench.make_directory("census/later")
    bench.put("empty.csv", b"")
    assert bench.blobs.head(bench.container, "census") is None
    assert bench.blobs.read(bench.container, "census", 10) is None
    assert bench.blobs.read(bench.container, "empty.csv", 10) == b""
    place = f"{bench.container}/census"
    assert bench.blobs.located(bench.blobs.base_location, place) is None
    listed = [blob.name for blob in bench.blobs.listing(bench.container, "census")]
    assert listed == ["census/a.csv"]
    page = bench.blobs.page(bench.container, None)
    assert [blob.name for blob in page.items] == ["census/a.csv", "empty.csv"]


def test_an_archived_blob_is_seen_and_named_where_its_content_is_wanted(
    azurite: Azurite,
) -> None:
    with BlobServiceClient.from_connection_string(azurite.connection_string) as account:
        container = account.create_container(f"data-{uuid.uuid4().hex}")
        container.upload_blob("evaluation.csv", b"1").set_standard_blob_tier("Archive")
        blobs = AccountBlobs(account, SystemClock(), https_only=False)
        place = container.container_name
        assert blobs.head(place, "evaluation.csv") is not None
        with pytest.raises(PermanentError, match=r"evaluation\.csv.*archive tier: set its tier"):
            blobs.read(place, "evaluation.csv", 10)


def test_a_leased_blob_is_named_where_it_would_be_written(azurite: Azurite) -> None:
    with BlobServiceClient.from_connection_string(azurite.connection_string) as account:
        container = account.create_container(f"data-{uuid.uuid4().hex}")
        container.upload_blob("list.csv", b"1").acquire_lease()
        blobs = AccountBlobs(account, SystemClock(), https_only=False)
        with pytest.raises(TransientError, match=r"list\.csv.*break the lease"):
            blobs.write(container.container_name, "list.csv", b"2")


@pytest.mark.parametrize("ahead", [timedelta(minutes=-25), timedelta(minutes=25)])
def test_a_host_whose_clock_is_wrong_signs_for_the_storages_time(
    ahead: timedelta, azurite: Azurite, tmp_path: Path
) -> None:
    class Wrong:
        def now(self) -> datetime:
            return datetime.now(UTC) + ahead

    environment = {
        "AzureWebJobsStorage": azurite.connection_string,
        "AZURE_FUNCTIONS_ENVIRONMENT": "Development",
        "TRAINING_DATA_CONTAINER": "training-data",
        "MODELS_CONTAINER": f"models-{uuid.uuid4().hex}",
        "LEDGER_CONTAINER": f"ledger-{uuid.uuid4().hex}",
        "BLOB_SOURCE": "LogsAndContainerScan",
    }
    built = build(environment, tmp_path, RequestsHttp(), Wrong(), datetime.now(UTC))
    assert isinstance(built, App), built
    models, place = built.context.models, environment["MODELS_CONTAINER"]
    with BlobServiceClient.from_connection_string(azurite.connection_string) as account:
        account.create_container(place).upload_blob("runs/x.ilearner", b"1")
    signed = models.sign(place, "runs/x.ilearner", Access.READ, HOUR / 6)
    source = f"{signed.base_location}{signed.relative_location}{signed.signature}"
    holder = HttpBlobs()
    assert holder.read(source) == b"1"
    holder.close()
    assert models.adopt(source, place, "baselines/x.ilearner") is not None
