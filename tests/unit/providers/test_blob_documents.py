"""Requests of the ledger's documents to the storage, and errors for its refusals.

A real server is tested in tests/contract; here are its rare answers.
"""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any, cast

import pytest
from azure.core import MatchConditions
from azure.core.exceptions import AzureError, HttpResponseError, ResourceNotFoundError
from azure.storage.blob import ContainerClient

from shared.errors import ConflictError, OutcomeUnknownError, RelearnError, TransientError
from shared.ports.storage import ETag, Page
from shared.providers.azure_storage.documents import BlobDocuments

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
OURS = {"write_id": "w1"}


def refused(status: int, code: str = "") -> HttpResponseError:
    error = HttpResponseError("no", SimpleNamespace(status_code=status, reason="", headers={}))
    error.error_code = code  # type: ignore[attr-defined]  # the storage library sets it
    return error


BROKEN, LOST = refused(500), refused(412, "ConditionNotMet")
GONE = ResourceNotFoundError("gone")


class Container:
    """Answers each kind of call, or fails it, and keeps what it was asked."""

    def __init__(self, **failures: AzureError) -> None:
        self.failures = failures
        self.asked: list[tuple[str, dict[str, Any]]] = []
        self.date: str | None = "Sun, 01 Mar 2026 12:00:05 GMT"
        self.metadata: dict[str, str] | None = OURS

    def called(self, call: str, /, **given: Any) -> None:
        self.asked.append((call, given))
        if hook := given.get("raw_response_hook"):
            headers = {} if self.date is None else {"Date": self.date}
            hook(SimpleNamespace(http_response=SimpleNamespace(headers=headers)))
        if call in self.failures:
            raise self.failures[call]

    def properties(self, name: str = "runs/x") -> SimpleNamespace:
        return SimpleNamespace(
            name=name, etag='"e1"', last_modified=NOW, metadata=self.metadata, size=2
        )

    def get_container_properties(self, **given: Any) -> None:
        self.called("time", **given)

    def create_container(self) -> None:
        self.called("make")

    def download_blob(self, name: str, **given: Any) -> SimpleNamespace:
        self.called("read", name=name, **given)
        return SimpleNamespace(readall=lambda: b"{}", properties=self.properties())

    def delete_blob(self, name: str, **given: Any) -> None:
        self.called("delete", name=name, **given)

    def list_blobs(self, **given: Any) -> list[SimpleNamespace]:
        self.called("list", **given)
        return [self.properties("runs/x"), self.properties("runs/y")]

    def get_blob_client(self, name: str) -> SimpleNamespace:
        def upload_blob(body: bytes, **given: Any) -> dict[str, Any]:
            self.called("write", name=name, body=body, **given)
            return {"etag": '"e2"', "last_modified": NOW}

        def get_blob_properties() -> SimpleNamespace:
            self.called("check", name=name)
            return self.properties(name)

        return SimpleNamespace(upload_blob=upload_blob, get_blob_properties=get_blob_properties)


def over(container: Container) -> BlobDocuments:
    return BlobDocuments(cast(ContainerClient, container), lambda: "w1", now=lambda: NOW)


CALLS: dict[str, Callable[[BlobDocuments], object]] = {
    "time": lambda documents: documents.time(),
    "read": lambda documents: documents.read("runs/x"),
    "list": lambda documents: list(documents.listing("runs/")),
    "delete": lambda documents: documents.delete("runs/x", ETag("e1")),
    "write": lambda documents: documents.create("runs/x", b"{}"),
}


@pytest.mark.parametrize(
    ("call", "what", "kind"),
    [
        ("time", "ask the storage for its time", TransientError),
        ("read", "read runs/x", TransientError),
        ("list", "list runs/", TransientError),
        ("delete", "delete runs/x", OutcomeUnknownError),
        ("write", "write runs/x", OutcomeUnknownError),
    ],
)
def test_a_failure_says_what_was_done_and_whether_it_may_have_had_an_effect(
    call: str, what: str, kind: type[RelearnError]
) -> None:
    container = Container(**{call: BROKEN, "check": GONE})
    with pytest.raises(kind, match=f"storage: {what}: HttpResponseError") as caught:
        CALLS[call](over(container))
    assert type(caught.value) is kind
    assert caught.value.__cause__ is BROKEN


def test_what_is_not_there_is_no_failure() -> None:
    documents = over(Container(read=GONE, list=GONE, delete=GONE, time=GONE))
    assert documents.read("runs/x") is None
    assert list(documents.listing("runs/")) == []
    documents.delete("runs/x", ETag("e1"))
    assert documents.time() == NOW + timedelta(seconds=5)
    assert documents.page("runs/", 10, None) == Page((), None)


def test_a_page_that_cannot_be_listed_says_so() -> None:
    with pytest.raises(TransientError, match="storage: list runs/: HttpResponseError"):
        over(Container(list=BROKEN)).page("runs/", 10, None)


def test_the_container_is_made_once_and_one_that_is_there_is_taken() -> None:
    for failures in ({}, {"make": refused(409, "ContainerAlreadyExists")}):
        container = Container(**failures)
        documents = over(container)
        documents.create("runs/x", b"{}")
        documents.create("runs/y", b"{}")
        assert [name for name, _ in container.asked] == ["make", "write", "write"]


def test_a_container_that_is_being_deleted_is_not_taken_for_one_that_is_there() -> None:
    container = Container(make=refused(409, "ContainerBeingDeleted"))
    with pytest.raises(TransientError, match="create the ledger container"):
        over(container).create("runs/x", b"{}")
    with pytest.raises(TransientError, match="create the ledger container: HttpResponseError"):
        over(Container(make=BROKEN)).create("runs/x", b"{}")


def test_each_write_is_conditional_and_carries_its_id_beside_the_metadata() -> None:
    container = Container()
    documents = over(container)
    assert documents.create("runs/x", b"{}", {"phase": "waiting"}) == "e2"
    assert documents.replace("runs/x", b"[]", ETag("e1"), {"phase": "ended"}) == "e2"
    documents.delete("runs/x", ETag("e1"))
    only = {"etag": '"e1"', "match_condition": MatchConditions.IfNotModified}
    name = {"name": "runs/x"}
    assert container.asked[1:] == [
        (
            "write",
            {**name, "body": b"{}", "metadata": {"phase": "waiting", **OURS}, "overwrite": False},
        ),
        (
            "write",
            {
                **name,
                "body": b"[]",
                "metadata": {"phase": "ended", **OURS},
                "overwrite": True,
                **only,
            },
        ),
        ("delete", {**name, "delete_snapshots": "include", **only}),
    ]


@pytest.mark.parametrize("failure", [LOST, BROKEN])
def test_our_own_write_is_recognised_by_its_id_after_any_answer(
    failure: AzureError,
) -> None:
    assert over(Container(write=failure)).create("runs/x", b"{}") == "e1"


@pytest.mark.parametrize("metadata", [None, {}, {"write_id": "w2"}])
def test_a_write_of_another_writer_is_a_conflict_and_one_that_is_not_there_is_unknown(
    metadata: dict[str, str] | None,
) -> None:
    for failure, kind in ((LOST, ConflictError), (BROKEN, OutcomeUnknownError)):
        container = Container(write=failure)
        container.metadata = metadata
        with pytest.raises(kind, match="runs/x"):
            over(container).create("runs/x", b"{}")


def test_whose_write_it_was_stays_unknown_where_that_cannot_be_looked_up() -> None:
    with pytest.raises(OutcomeUnknownError, match="runs/x: written by us or by another writer"):
        over(Container(write=LOST, check=refused(503))).create("runs/x", b"{}")
    with pytest.raises(OutcomeUnknownError, match="storage: write runs/x"):
        over(Container(write=BROKEN, check=refused(503))).create("runs/x", b"{}")
    with pytest.raises(ConflictError, match="runs/x was written by another writer"):
        over(Container(write=LOST, check=GONE)).create("runs/x", b"{}")


def test_a_delete_that_was_lost_is_a_conflict_only_where_something_is_there() -> None:
    with pytest.raises(ConflictError, match="runs/x was changed by another writer"):
        over(Container(delete=LOST)).delete("runs/x", ETag("e1"))
    over(Container(delete=LOST, read=GONE)).delete("runs/x", ETag("e1"))


def test_a_listing_asks_for_the_metadata_and_shows_it_without_the_id_of_the_write() -> None:
    container = Container()
    container.metadata = {"phase": "waiting", **OURS}
    found = list(over(container).listing("runs/"))
    assert [(one.name, one.etag, one.modified) for one in found] == [
        ("runs/x", "e1", NOW),
        ("runs/y", "e1", NOW),
    ]
    assert all(one.metadata == {"phase": "waiting"} for one in found)
    assert container.asked == [("list", {"name_starts_with": "runs/", "include": ["metadata"]})]
    container.metadata = None
    assert [one.metadata for one in over(container).listing("runs/")] == [{}, {}]


def test_a_directory_is_no_document() -> None:
    container = Container()
    container.metadata = {"HDI_isfolder": "True"}
    assert over(container).read("runs/x") is None
    assert list(over(container).listing("runs/")) == []


def test_a_document_is_as_old_as_the_storage_says_or_as_the_host_does() -> None:
    container = Container()
    found = over(container).read("runs/x")
    assert found is not None
    assert (found.name, found.body, found.etag, found.modified) == ("runs/x", b"{}", "e1", NOW)
    assert found.served_at == NOW + timedelta(seconds=5)
    for date in (None, "", "soon"):
        container.date = date
        again = over(container).read("runs/x")
        assert again is not None
        assert again.served_at == NOW
    container.date = "Sun, 01 Mar 2026 12:00:05 -0000"  # without a zone: UTC
    assert over(container).time() == NOW + timedelta(seconds=5)
    late = BlobDocuments(
        cast(ContainerClient, Container()), lambda: "w1", now=lambda: NOW - timedelta(hours=1)
    )
    assert late.read("runs/x") is not None


def test_without_a_date_the_time_is_that_of_a_write_that_may_be_repeated() -> None:
    container = Container()
    container.date = None
    assert over(container).time() == NOW
    assert container.asked[1:] == [
        ("make", {}),
        ("write", {"name": "clock", "body": b"", "overwrite": True}),
    ]
    broken = Container(write=BROKEN)
    broken.date = None
    with pytest.raises(TransientError, match="storage: write clock") as caught:
        over(broken).time()
    assert type(caught.value) is TransientError
