"""Every `Documents` adapter keeps the same promises: the fake, and blobs in a real server."""

import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
from azure.core.exceptions import ServiceResponseError
from azure.core.pipeline.transport import RequestsTransport
from azure.storage.blob import BlobClient, BlobLeaseClient, ContainerClient, ExponentialRetry

from local.azurite import Azurite
from shared.errors import ConflictError, InvalidCursorError, OutcomeUnknownError, TransientError
from shared.ports.storage import Documents
from shared.providers.azure_storage.documents import BlobDocuments
from tests.fakes.clock import FakeClock
from tests.fakes.documents import MemoryDocuments

#: How an account with a hierarchical namespace shows a directory.
DIRECTORY = {"hdi_isfolder": "true"}


class ForgetfulTransport(RequestsTransport):  # type: ignore[misc]  # azure-core leaves it untyped
    """Sends for real, and loses the answers to the next `losses` writes."""

    def __init__(self) -> None:
        super().__init__()
        self.losses = 0

    def send(self, request: Any, **kwargs: Any) -> Any:
        answer = super().send(request, **kwargs)
        if request.method == "PUT" and self.losses:
            self.losses -= 1
            raise ServiceResponseError("the answer was lost")
        return answer


@pytest.fixture
def transport() -> ForgetfulTransport:
    return ForgetfulTransport()


def container(azurite: Azurite, transport: RequestsTransport, retries: int) -> ContainerClient:
    return ContainerClient.from_connection_string(
        azurite.connection_string,
        f"ledger-{uuid.uuid4().hex}",
        transport=transport,
        retry_policy=ExponentialRetry(initial_backoff=0, increment_base=0, retry_total=retries),
    )


@pytest.fixture(params=["memory", "azurite"])
def documents(request: pytest.FixtureRequest, transport: ForgetfulTransport) -> Iterator[Documents]:
    if request.param == "memory":
        yield MemoryDocuments(FakeClock())
        return
    with container(request.getfixturevalue("azurite"), transport, 3) as client:
        yield BlobDocuments(client, lambda: uuid.uuid4().hex)


def test_a_document_that_was_never_written_is_none(documents: Documents) -> None:
    assert documents.read("runs/x") is None
    assert list(documents.listing("runs/")) == []


def test_the_storage_reports_its_time_before_and_after_anything_is_written(
    documents: Documents,
) -> None:
    before = documents.time()
    documents.create("runs/x", b"{}")
    found = documents.read("runs/x")
    assert found is not None
    assert before <= found.served_at <= documents.time() + timedelta(seconds=1)
    assert found.served_at - before < timedelta(minutes=1)


def test_a_document_is_read_as_written_and_young(documents: Documents) -> None:
    etag = documents.create("runs/x", b"{}")
    found = documents.read("runs/x")
    assert found is not None
    assert (found.body, found.etag) == (b"{}", etag)
    assert timedelta() <= found.age < timedelta(minutes=1)


def test_the_second_create_is_a_conflict_and_changes_nothing(documents: Documents) -> None:
    documents.create("runs/x", b"first")
    with pytest.raises(ConflictError):
        documents.create("runs/x", b"second")
    found = documents.read("runs/x")
    assert found is not None
    assert found.body == b"first"


def test_a_stale_replace_is_a_conflict_and_changes_nothing(documents: Documents) -> None:
    stale = documents.create("runs/x", b"1")
    fresh = documents.replace("runs/x", b"2", stale)
    with pytest.raises(ConflictError):
        documents.replace("runs/x", b"3", stale)
    found = documents.read("runs/x")
    assert found is not None
    assert (found.body, found.etag) == (b"2", fresh)


def test_a_replace_of_what_is_gone_is_a_conflict(documents: Documents) -> None:
    etag = documents.create("runs/x", b"1")
    documents.delete("runs/x", etag)
    with pytest.raises(ConflictError):
        documents.replace("runs/x", b"2", etag)


def test_delete_takes_only_the_version_it_names_and_may_be_repeated(documents: Documents) -> None:
    stale = documents.create("runs/x", b"1")
    fresh = documents.replace("runs/x", b"2", stale)
    with pytest.raises(ConflictError):
        documents.delete("runs/x", stale)
    documents.delete("runs/x", fresh)
    documents.delete("runs/x", fresh)
    assert documents.read("runs/x") is None


def test_a_listing_is_sorted_and_shows_metadata_but_no_inner_workings(
    documents: Documents,
) -> None:
    documents.create("open/b", b"", {"phase": "training"})
    documents.create("open/a", b"")
    documents.create("runs/a", b"")
    listed = [(item.name, dict(item.metadata)) for item in documents.listing("open/")]
    assert listed == [("open/a", {}), ("open/b", {"phase": "training"})]


@pytest.fixture(params=[0, 3], ids=["no SDK retries", "SDK retries"])
def forgetful(
    request: pytest.FixtureRequest, azurite: Azurite, transport: ForgetfulTransport
) -> Iterator[BlobDocuments]:
    with container(azurite, transport, request.param) as client:
        documents = BlobDocuments(client, lambda: uuid.uuid4().hex)
        documents.create("made/container", b"")
        yield documents


def test_a_create_whose_answer_was_lost_is_recognised_as_ours(
    forgetful: BlobDocuments, transport: ForgetfulTransport
) -> None:
    transport.losses = 1
    etag = forgetful.create("runs/x", b"1")
    assert forgetful.replace("runs/x", b"2", etag)


def test_a_replace_whose_answer_was_lost_is_recognised_as_ours(
    forgetful: BlobDocuments, transport: ForgetfulTransport
) -> None:
    first = forgetful.create("runs/x", b"1")
    transport.losses = 1
    second = forgetful.replace("runs/x", b"2", first)
    assert forgetful.replace("runs/x", b"3", second)


def test_a_genuine_race_is_still_a_conflict_when_answers_are_lost(
    forgetful: BlobDocuments, transport: ForgetfulTransport
) -> None:
    etag = forgetful.create("runs/x", b"1")
    forgetful.replace("runs/x", b"theirs", etag)
    transport.losses = 1
    with pytest.raises((ConflictError, OutcomeUnknownError)):
        forgetful.replace("runs/x", b"ours", etag)
    found = forgetful.read("runs/x")
    assert found is not None
    assert found.body == b"theirs"


def test_a_conflict_that_cannot_be_checked_counts_as_nobodys(
    forgetful: BlobDocuments, monkeypatch: pytest.MonkeyPatch
) -> None:
    etag = forgetful.create("runs/x", b"1")
    forgetful.replace("runs/x", b"2", etag)

    def unreadable(*_: object, **__: object) -> None:
        raise ServiceResponseError("the answer was lost")

    monkeypatch.setattr(BlobClient, "get_blob_properties", unreadable)
    with pytest.raises(OutcomeUnknownError, match="by us or by another writer"):
        forgetful.create("runs/x", b"ours")
    with pytest.raises(OutcomeUnknownError, match="by us or by another writer"):
        forgetful.replace("runs/x", b"ours", etag)


def test_pages_show_each_document_once_and_in_order(documents: Documents) -> None:
    names = [f"index/{number:02d}" for number in range(7)]
    for name in reversed(names):
        documents.create(name, b"", {"pipeline": "sample"})
    documents.create("other/1", b"")
    seen: list[str] = []
    cursor, pages = None, 0
    while True:
        page = documents.page("index/", 3, cursor)
        assert len(page.items) <= 3
        assert all(item.metadata == {"pipeline": "sample"} for item in page.items)
        seen += [item.name for item in page.items]
        cursor, pages = page.cursor, pages + 1
        if cursor is None:
            break
    assert seen == names
    assert pages == 3


def test_a_page_of_what_was_never_written_is_empty(documents: Documents) -> None:
    assert documents.page("index/", 5, None).items == ()


@pytest.mark.parametrize("cursor", ["nonsense", "", "2!92!x", "\x00", "ä"])
def test_a_cursor_that_no_page_gave_is_refused_or_begins_somewhere(
    documents: Documents, cursor: str
) -> None:
    documents.create("index/1", b"")
    try:
        page = documents.page("index/", 5, cursor)
    except InvalidCursorError:
        return
    assert {item.name for item in page.items} <= {"index/1"}


@dataclass
class Meddled:
    """Documents, and what another program may do to one of them."""

    documents: Documents
    lease: Callable[[str], object]
    break_lease: Callable[[str], object]
    snapshot: Callable[[str], object]
    make_directory: Callable[[str], object]


@pytest.fixture(params=["memory", "azurite"])
def meddled(request: pytest.FixtureRequest, transport: ForgetfulTransport) -> Iterator[Meddled]:
    if request.param == "memory":
        fake = MemoryDocuments(FakeClock())
        yield Meddled(
            fake,
            fake.leased.add,
            fake.leased.discard,
            lambda _: None,  # the fake knows no snapshots
            lambda name: fake.create(name, b"", DIRECTORY),
        )
        return
    with container(request.getfixturevalue("azurite"), transport, 0) as client:
        documents = BlobDocuments(client, lambda: uuid.uuid4().hex)
        documents.create("made/container", b"")
        yield Meddled(
            documents,
            lambda name: client.get_blob_client(name).acquire_lease(),
            lambda name: BlobLeaseClient(client.get_blob_client(name)).break_lease(0),
            lambda name: client.get_blob_client(name).create_snapshot(),
            lambda name: client.upload_blob(name, b"", metadata=DIRECTORY),
        )


def test_a_document_with_snapshots_is_deleted_with_them(meddled: Meddled) -> None:
    stale = meddled.documents.create("inbox/x", b"1")
    fresh = meddled.documents.replace("inbox/x", b"2", stale)
    for _ in range(2):
        meddled.snapshot("inbox/x")
    with pytest.raises(ConflictError):
        meddled.documents.delete("inbox/x", stale)
    meddled.documents.delete("inbox/x", fresh)
    assert meddled.documents.read("inbox/x") is None
    assert meddled.documents.create("inbox/x", b"3")


def test_a_leased_document_is_no_lost_race_and_is_named(meddled: Meddled) -> None:
    etag = meddled.documents.create("runs/x", b"1")
    meddled.lease("runs/x")
    for change in (
        lambda: meddled.documents.replace("runs/x", b"2", etag),
        lambda: meddled.documents.delete("runs/x", etag),
    ):
        with pytest.raises(TransientError, match=r"runs/x.*lease.*break") as caught:
            change()
        assert not isinstance(caught.value, ConflictError)
    found = meddled.documents.read("runs/x")
    assert found is not None
    assert (found.body, found.etag) == (b"1", etag)
    with pytest.raises(ConflictError):
        meddled.documents.create("runs/x", b"2")
    meddled.break_lease("runs/x")
    found = meddled.documents.read("runs/x")
    assert found is not None
    assert meddled.documents.replace("runs/x", b"2", found.etag)


def test_a_directory_is_no_document(meddled: Meddled) -> None:
    meddled.make_directory("runs")
    meddled.make_directory("inbox/sample")
    meddled.documents.create("runs/x", b"1")
    meddled.documents.create("inbox/sample/1", b"1", {"blob": "{}"})
    assert meddled.documents.read("runs") is None
    assert [one.name for one in meddled.documents.listing("runs")] == ["runs/x"]
    assert [one.name for one in meddled.documents.listing("inbox/")] == ["inbox/sample/1"]
    shown, cursor = [], None
    while True:
        page = meddled.documents.page("inbox/", 1, cursor)
        shown += [one.name for one in page.items]
        if (cursor := page.cursor) is None:
            break
    assert shown == ["inbox/sample/1"]
