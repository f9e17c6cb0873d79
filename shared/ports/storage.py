"""The ports of storage: small documents with compare-and-swap, blobs, and queues."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Generic, NewType, Protocol, TypeVar

from shared.core.blobs import BlobVersion

ETag = NewType("ETag", str)
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Document:
    """A stored document, with the storage's own clock: what it says now and said then."""

    name: str
    body: bytes
    etag: ETag
    modified: datetime
    served_at: datetime

    @property
    def age(self) -> timedelta:
        """How long ago it was written, by one clock only: that of the storage (design rule 4)."""
        return self.served_at - self.modified


@dataclass(frozen=True, slots=True)
class Listed:
    """A document as a listing shows it: without its body."""

    name: str
    etag: ETag
    modified: datetime
    metadata: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """A part of a listing."""

    items: tuple[T, ...]
    cursor: str | None  #: where the next page begins; None: this was the last one


class Documents(Protocol):
    """Small documents, every write of which is a compare-and-swap.

    A write that was stored without its answer is recognised as one's own and returned as a
    success, so each method is safe to repeat after an error that says so.
    """

    def time(self) -> datetime:
        """Return what time the storage says it is, in whole seconds. Raises TransientError."""
        ...

    def read(self, name: str) -> Document | None:
        """Return the document, or None. Raises TransientError."""
        ...

    def create(self, name: str, body: bytes, metadata: Mapping[str, str] | None = None) -> ETag:
        """Store a document that must not exist yet.

        Args:
            name: the name of the document.
            body: the content.
            metadata: metadata to store with it.

        Returns:
            The ETag of the document.

        Raises:
            ConflictError: it exists, and another worker wrote it.
            TransientError: nothing was stored.
            OutcomeUnknownError: it may have been stored and could not be read back.
        """
        ...

    def replace(
        self, name: str, body: bytes, expected: ETag, metadata: Mapping[str, str] | None = None
    ) -> ETag:
        """Store `body` over version `expected`. Raises as `create` does.

        Args:
            name: the name of the document.
            body: the content.
            expected: the ETag of the version that is replaced.
            metadata: metadata to store with it.

        Returns:
            The new ETag.
        """
        ...

    def delete(self, name: str, expected: ETag) -> None:
        """Delete version `expected`; one that is gone already is fine. Raises as `create`.

        Args:
            name: the name of the document.
            expected: the ETag of the version that is deleted.
        """
        ...

    def listing(self, prefix: str) -> Iterator[Listed]:
        """Yield the documents whose names start with `prefix`, by name. Raises TransientError."""
        ...

    def page(self, prefix: str, size: int, cursor: str | None) -> Page[Listed]:
        """Return at most `size` documents (1 to 5,000) of a listing, in one call to the storage.

        Args:
            prefix: what their names start with.
            size: how many at most.
            cursor: where the page before ended; None for the first.

        Raises TransientError, and InvalidCursorError for a cursor that no page gave.
        """
        ...


class Access(StrEnum):
    """What a signed URL lets its holder do."""

    READ = "read"
    WRITE = "write"  #: create or overwrite this one blob


@dataclass(frozen=True, slots=True)
class SignedBlob:
    """A blob with the right to read or write it, for a service that has none."""

    account_url: str  #: `https://account.blob.core.windows.net/`
    path: str  #: `container/name`
    signature: str = field(repr=False)  #: with a leading question mark; a secret


class Blobs(Protocol):
    """Blobs of one storage account.

    Training data is listed and signed for, and never read, but for a holdout that is scored.
    """

    @property
    def account(self) -> str:
        """The name of the storage account."""
        ...

    @property
    def account_url(self) -> str:
        """The URL that container names follow, with a slash at its end."""
        ...

    def head(self, container: str, name: str) -> BlobVersion | None:
        """Return the present version of the blob, or None when there is none.

        Args:
            container: the container.
            name: the name of the blob.

        Raises:
            TransientError: the storage gives no usable answer now.
        """
        ...

    def listing(self, container: str, prefix: str) -> Iterator[BlobVersion]:
        """Yield the blobs whose names start with `prefix`.

        Args:
            container: the container.
            prefix: what the names start with.

        Raises:
            TransientError: the storage gives no usable answer now.
        """
        ...

    def page(self, container: str, cursor: str | None, prefix: str = "") -> Page[BlobVersion]:
        """Return at most 5,000 blobs of a container, by name, in one call to the storage.

        Args:
            container: whose blobs.
            cursor: where the page before ended; None for the first.
            prefix: what their names start with.

        Raises TransientError, and InvalidCursorError for a cursor that no page gave.
        """
        ...

    def read(self, container: str, name: str, limit: int) -> bytes | None:
        """Return the content of a small blob, or None when there is none.

        Args:
            container: the container.
            name: the name of the blob.
            limit: the most bytes to read.

        Raises:
            TransientError: the storage gives no usable answer now.
            PermanentError: the blob holds more than `limit` bytes.
        """
        ...

    def write(self, container: str, name: str, content: bytes) -> BlobVersion:
        """Store a small blob of the app, over an earlier one. Safe to repeat.

        Args:
            container: the container.
            name: the name of the blob.
            content: the bytes.

        Returns:
            The version that was written.

        Raises:
            TransientError: the storage gives no usable answer now.
        """
        ...

    def exists(self, container: str) -> bool:
        """Return whether there is such a container. Raises TransientError, PermanentError."""
        ...

    def sign(self, container: str, name: str, access: Access, valid: timedelta) -> SignedBlob:
        """Return the blob with a signature for `access` to only this blob.

        Args:
            container: the container.
            name: the name of the blob.
            access: what the signature allows.
            valid: how long the signature is valid.

        Raises:
            TransientError: the storage gives no usable answer now.
        """
        ...

    def adopt(
        self, source: str, container: str, name: str, since: datetime | None = None
    ) -> BlobVersion | None:
        """Copy the blob at URL `source` here, on the storage's side. Safe to repeat.

        The source is opened only by the signature in `source`, never by the rights of the app: a
        service chose that URL.

        Args:
            source: the URL, with its signature.
            container: the container of the copy.
            name: the name of the copy.
            since: an older copy is replaced; None: every earlier copy counts.

        Returns:
            The copy; None: the signature, or the lack of one, does not open the source.

        Raises:
            TransientError: the copy is under way, or cannot be made now.
            PermanentError: the storage refuses the copy.
        """
        ...


class Queues(Protocol):
    """Queues of one storage account. Only the Functions host reads their messages."""

    @property
    def account(self) -> str:
        """The name of the storage account."""
        ...

    def count(self, name: str) -> int | None:
        """Return about how many messages a queue holds; None where there is no such queue.

        Raises:
            TransientError: the storage gives no usable answer now.
            PermanentError: the storage refuses.
        """
        ...
