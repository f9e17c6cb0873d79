"""Every `Blobs` adapter finds, lists, reads and writes blobs alike."""

import uuid
from base64 import b64encode
from hashlib import md5

import pytest
from azure.storage.blob import BlobServiceClient

from local.azurite import Azurite, make_container
from shared.app import SystemClock
from shared.core.blobs import BlobVersion
from shared.errors import PermanentError, TransientError
from shared.providers.azure_storage.blobs import AccountBlobs
from tests.contract.conftest import Bench
from tests.fakes.blobs import FakeBlobs


def test_a_missing_blob_or_container_is_none(bench: Bench) -> None:
    assert bench.blobs.head(bench.container, "none.csv") is None
    assert bench.blobs.head("no-such-container", "none.csv") is None
    assert list(bench.blobs.listing("no-such-container", "")) == []


def test_no_name_leads_to_another_blob_or_container(bench: Bench) -> None:
    bench.put("a/b.csv", b"1")
    for name in (f"../{bench.container}/a/b.csv", "a/../a/b.csv", "a/./b.csv", "./a/b.csv"):
        assert bench.blobs.head(bench.container, name) is None
        assert bench.blobs.read(bench.container, name, 10) is None


def test_a_container_is_there_or_not(bench: Bench) -> None:
    bench.put("a.csv", b"1")
    assert bench.blobs.exists(bench.container)


def test_a_check_reports_the_version_without_its_content(bench: Bench) -> None:
    bench.put("a.csv", b"1,2\n")
    found = bench.blobs.head(bench.container, "a.csv")
    assert found is not None
    assert (found.container, found.name, found.size) == (bench.container, "a.csv", 4)
    assert found.etag
    assert '"' not in found.etag
    assert found.created == found.modified
    assert [found] == list(bench.blobs.listing(bench.container, "a"))


def test_a_metadata_only_update_is_distinguished_from_new_bytes(bench: Bench) -> None:
    bench.put("a.csv", b"1")
    before = bench.blobs.head(bench.container, "a.csv")
    bench.update_metadata("a.csv")
    updated = bench.blobs.head(bench.container, "a.csv")
    bench.put("a.csv", b"2")
    changed = bench.blobs.head(bench.container, "a.csv")
    assert before is not None
    assert updated is not None
    assert changed is not None
    assert before.etag != updated.etag
    assert before.same_bytes_as(updated)
    assert not before.same_bytes_as(changed)


def both_ways(bench: Bench, name: str) -> BlobVersion:
    """Return a blob as both HEAD and listing report it."""
    found = bench.blobs.head(bench.container, name)
    assert found is not None
    assert [found] == list(bench.blobs.listing(bench.container, name))
    return found


def test_a_metadata_only_update_changes_neither_creation_time_nor_md5(bench: Bench) -> None:
    bench.put("a.csv", b"1")
    before = both_ways(bench, "a.csv")
    assert before.content_md5 == b64encode(md5(b"1").digest()).decode()  # noqa: S324 -- as storage does
    bench.update_metadata("a.csv")
    updated = both_ways(bench, "a.csv")
    assert updated.etag != before.etag
    assert updated.modified >= before.modified
    assert (updated.created, updated.content_md5) == (before.created, before.content_md5)


def test_an_upload_in_blocks_has_no_md5_and_a_later_one_keeps_the_creation_time(
    bench: Bench,
) -> None:
    bench.put_blocks("a.csv", b"1")
    before = both_ways(bench, "a.csv")
    assert before.content_md5 is None
    bench.update_metadata("a.csv")
    updated = both_ways(bench, "a.csv")
    bench.put_blocks("a.csv", b"2")
    other = both_ways(bench, "a.csv")
    for later in (updated, other):  # new bytes cannot be distinguished from the old ones
        assert later.etag != before.etag
        assert (later.created, later.content_md5, later.size) == (before.created, None, 1)
        assert not before.same_bytes_as(later)
        assert before.same_bytes_as(later, trust_size=True)


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
    listed = [blob.name for blob in bench.blobs.listing(bench.container, "census")]
    assert listed == ["census/a.csv"]
    page = bench.blobs.page(bench.container, None)
    assert [blob.name for blob in page.items] == ["census/a.csv", "empty.csv"]


def test_an_archived_blob_is_seen_and_named_where_its_content_is_wanted(
    azurite: Azurite,
) -> None:
    with BlobServiceClient.from_connection_string(azurite.connection_string) as account:
        container = make_container(account.get_container_client(f"data-{uuid.uuid4().hex}"))
        container.upload_blob("evaluation.csv", b"1").set_standard_blob_tier("Archive")
        blobs = AccountBlobs(account, SystemClock(), https_only=False)
        path = container.container_name
        assert blobs.head(path, "evaluation.csv") is not None
        with pytest.raises(PermanentError, match=r"evaluation\.csv.*archive tier: set its tier"):
            blobs.read(path, "evaluation.csv", 10)


def test_a_leased_blob_is_named_where_it_would_be_written(azurite: Azurite) -> None:
    with BlobServiceClient.from_connection_string(azurite.connection_string) as account:
        container = make_container(account.get_container_client(f"data-{uuid.uuid4().hex}"))
        container.upload_blob("list.csv", b"1").acquire_lease()
        blobs = AccountBlobs(account, SystemClock(), https_only=False)
        with pytest.raises(TransientError, match=r"list\.csv.*break the lease"):
            blobs.write(container.container_name, "list.csv", b"2")
