"""The `Documents` port over a blob container: one blob a document, every write conditional.

The storage SDK repeats a PUT whose answer was lost, and the second one then fails its own
condition. So each write carries a `write_id`, drawn once above those repeats, and is read
back before a conflict is raised (docs/decisions/0003).
"""

from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, Final

from azure.core import MatchConditions
from azure.core.exceptions import AzureError, ResourceNotFoundError
from azure.storage.blob import BlobProperties, ContainerClient

from shared.errors import ConflictError, OutcomeUnknownError
from shared.ports.storage import Document, ETag, Listed, Page
from shared.providers.azure_storage.errors import classify, classify_page, is_lost
from shared.providers.azure_storage.pages import is_directory, one_page

_WRITE_ID: Final = "write_id"
#: Written only where the storage's answers carry no Date, to learn its time.
_CLOCK: Final = "clock"


def _host_time() -> datetime:
    return datetime.now(UTC)


class BlobDocuments:
    """Documents in one container, which is created on first use.

    Args:
        container: the container.
        new_id: draws the id of a write.
        now: the time that counts where an answer does not say what time it is at the storage.
    """

    def __init__(
        self,
        container: ContainerClient,
        new_id: Callable[[], str],
        *,
        now: Callable[[], datetime] = _host_time,
    ) -> None:
        self._container = container
        self._new_id = new_id
        self._now = now
        self._made = False

    def time(self) -> datetime:
        """Return what time the storage says it is.

        By the Date of an answer; where a proxy drops that, by the time of a write.
        """
        served: list[str] = []

        def keep_date(answer: Any) -> None:
            served.append(answer.http_response.headers.get("Date", ""))

        try:
            self._container.get_container_properties(raw_response_hook=keep_date)
        except ResourceNotFoundError:
            pass  # no container yet; its answer has a date all the same
        except AzureError as exc:
            raise classify(exc, "ask the storage for its time", write=False) from exc
        return _date(served) or self._time_of_a_write()

    def _time_of_a_write(self) -> datetime:
        self._make_container()
        try:
            blob = self._container.get_blob_client(_CLOCK)
            answer = blob.upload_blob(b"", overwrite=True)
        except AzureError as exc:
            raise classify(exc, f"write {_CLOCK}", write=False) from exc
        written: datetime = answer["last_modified"]
        return written

    def read(self, name: str) -> Document | None:
        """Return the document, or None."""
        served: list[str] = []

        def keep_date(answer: Any) -> None:
            served.append(answer.http_response.headers.get("Date", ""))

        try:
            got = self._container.download_blob(name, raw_response_hook=keep_date)
            body = got.readall()
        except ResourceNotFoundError:
            return None
        except AzureError as exc:
            raise classify(exc, f"read {name}", write=False) from exc
        if is_directory(got.properties.metadata):
            return None
        modified = got.properties.last_modified
        # Without a clock that measures its age a claim would be kept for ever.
        served_at = _date(served) or max(self._now(), modified)
        return Document(name, body, _etag(got.properties.etag), modified, served_at)

    def create(self, name: str, body: bytes, metadata: Mapping[str, str] | None = None) -> ETag:
        """Store a document that must not exist yet.

        Args:
            name: the name of the document.
            body: the content.
            metadata: metadata to store with it.

        Returns:
            The ETag of the document.
        """
        return self._put(name, body, metadata, {"overwrite": False})

    def replace(
        self, name: str, body: bytes, expected: ETag, metadata: Mapping[str, str] | None = None
    ) -> ETag:
        """Store `body` over version `expected`.

        Args:
            name: the name of the document.
            body: the content.
            expected: the ETag of the version that is replaced.
            metadata: metadata to store with it.

        Returns:
            The new ETag.
        """
        return self._put(name, body, metadata, {"overwrite": True, **_only(expected)})

    def delete(self, name: str, expected: ETag) -> None:
        """Delete version `expected`; one that is gone already is fine.

        Args:
            name: the name of the document.
            expected: the ETag of the version that is deleted.

        Raises:
            ConflictError: another worker changed it.
            TransientError: the storage gives no usable answer now.
            PermanentError: the storage refuses.
        """
        try:
            # A backup may have taken snapshots; without them no blob is deleted.
            self._container.delete_blob(name, delete_snapshots="include", **_only(expected))
        except ResourceNotFoundError:
            return
        except AzureError as exc:
            if not is_lost(exc):
                raise classify(exc, f"delete {name}", write=True) from exc
            # A condition on a blob that is gone fails like one on a blob that was changed.
            if self.read(name) is not None:
                raise ConflictError(f"{name} was changed by another writer") from exc

    def listing(self, prefix: str) -> Iterator[Listed]:
        """Yield the documents whose names start with `prefix`, with their metadata."""
        try:
            for blob in self._container.list_blobs(name_starts_with=prefix, include=["metadata"]):
                if not is_directory(blob.metadata):
                    yield _listed(blob)
        except ResourceNotFoundError:
            return  # no container yet: nothing was ever written
        except AzureError as exc:
            raise classify(exc, f"list {prefix}", write=False) from exc

    def page(self, prefix: str, size: int, cursor: str | None) -> Page[Listed]:
        """Return at most `size` documents of a listing, in one call to the storage.

        Args:
            prefix: what the names start with.
            size: the most documents on the page.
            cursor: where the page begins; None: at the first blob.

        Raises:
            InvalidCursorError: no page gave this cursor.
            TransientError: the storage gives no usable answer now.
            PermanentError: the storage refuses.
        """
        try:
            blobs = self._container.list_blobs(
                name_starts_with=prefix, include=["metadata"], results_per_page=size
            )
            found, following = one_page(blobs, cursor)
        except ResourceNotFoundError:
            return Page((), None)  # no container yet: nothing was ever written
        except AzureError as exc:
            raise classify_page(exc, f"list {prefix}", cursor) from exc
        documents = (blob for blob in found if not is_directory(blob.metadata))
        return Page(tuple(map(_listed, documents)), following)

    def _put(
        self, name: str, body: bytes, metadata: Mapping[str, str] | None, condition: dict[str, Any]
    ) -> ETag:
        self._make_container()
        write_id = self._new_id()
        try:
            answer = self._container.get_blob_client(name).upload_blob(
                body, metadata={**(metadata or {}), _WRITE_ID: write_id}, **condition
            )
        except AzureError as exc:
            if mine := self._arrived(name, write_id, exc):
                return mine
            if is_lost(exc):
                raise ConflictError(f"{name} was written by another writer") from exc
            raise classify(exc, f"write {name}", write=True) from exc
        return _etag(answer["etag"])

    def _arrived(self, name: str, write_id: str, why: AzureError) -> ETag | None:
        try:
            found = self._container.get_blob_client(name).get_blob_properties()
        except ResourceNotFoundError:
            return None
        except AzureError as exc:
            if is_lost(why):
                raise OutcomeUnknownError(f"{name}: written by us or by another writer") from exc
            return None  # the first error says what is known
        mine = (found.metadata or {}).get(_WRITE_ID) == write_id
        return _etag(found.etag) if mine else None

    def _make_container(self) -> None:
        if self._made:
            return
        try:
            self._container.create_container()
        except AzureError as exc:
            # 409 is also said of a container that is being deleted.
            if getattr(exc, "error_code", "") != "ContainerAlreadyExists":
                raise classify(exc, "create the ledger container", write=False) from exc
        self._made = True


def _listed(blob: BlobProperties) -> Listed:
    metadata = {k: v for k, v in (blob.metadata or {}).items() if k != _WRITE_ID}
    return Listed(blob.name, _etag(blob.etag), blob.last_modified, metadata)


def _only(expected: ETag) -> dict[str, Any]:
    return {"etag": f'"{expected}"', "match_condition": MatchConditions.IfNotModified}


def _etag(raw: object) -> ETag:
    return ETag(str(raw).strip('"'))


def _date(served: list[str]) -> datetime | None:
    """Return what time the answer says it is; None where a proxy dropped or broke that."""
    try:
        at = parsedate_to_datetime(served[-1])
    except (IndexError, ValueError, TypeError, OverflowError):
        return None
    return at if at.tzinfo else at.replace(tzinfo=UTC)
