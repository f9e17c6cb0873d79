"""The `Blobs` port over a storage account: listings, copies and signed URLs."""

from base64 import b64encode
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any, Final

from azure.core.exceptions import AzureError, HttpResponseError, ResourceNotFoundError
from azure.storage.blob import (
    BlobProperties,
    BlobSasPermissions,
    BlobServiceClient,
    UserDelegationKey,
    generate_blob_sas,
)

from shared.core.blobs import BlobVersion, is_folded
from shared.core.counting import sized
from shared.errors import PermanentError, TransientError
from shared.ports.clock import Clock
from shared.ports.storage import Access, Page, SignedBlob
from shared.providers.azure_storage.copies import BlobCopies, account_location, name_of
from shared.providers.azure_storage.errors import classify, classify_page
from shared.providers.azure_storage.pages import is_directory, one_page

_PERMISSIONS: Final = {
    Access.READ: BlobSasPermissions(read=True),
    Access.WRITE: BlobSasPermissions(create=True, write=True),
}
_NO_SUCH_RANGE: Final = 416
_SKEW: Final = timedelta(minutes=5)


class AccountBlobs:
    """Blobs of one storage account.

    Args:
        account: a client with an account key, or with a credential that may ask for a
            user delegation key.
        clock: the time that signatures start and end by.
        https_only: whether signed URLs work only over https; False for loopback only.
        options: how requests are sent that do not carry the account's credential: the time-outs
            and repeats that the account's client was built with.
    """

    def __init__(
        self,
        account: BlobServiceClient,
        clock: Clock,
        *,
        https_only: bool,
        options: Mapping[str, Any] | None = None,
    ) -> None:
        self._account = account
        self._copies = BlobCopies(account, self.sign, options or {})
        self._clock = clock
        self._https_only = https_only
        self._delegation: tuple[UserDelegationKey, datetime] | None = None

    @property
    def account(self) -> str:
        """The name of the storage account."""
        return name_of(self._account)

    @property
    def account_url(self) -> str:
        """The URL that container names follow, with a slash at its end."""
        return account_location(self._account.url)

    def head(self, container: str, name: str) -> BlobVersion | None:
        """Return the present version of the blob, or None when there is none.

        Args:
            container: the container.
            name: the name of the blob.

        Raises:
            TransientError: the storage gives no usable answer now.
            PermanentError: the storage refuses.
        """
        if is_folded(name):
            return None  # the SDK would read another blob, perhaps in another container
        try:
            found = self._account.get_blob_client(container, name).get_blob_properties()
        except ResourceNotFoundError:
            return None
        except AzureError as exc:
            raise classify(exc, f"check {container}/{name}", write=False) from exc
        return None if is_directory(found.metadata) else _version(container, name, found)

    def listing(self, container: str, prefix: str) -> Iterator[BlobVersion]:
        """Yield the blobs whose names start with `prefix`.

        Args:
            container: the container.
            prefix: what the names start with.

        Raises:
            TransientError: the storage gives no usable answer now.
            PermanentError: the storage refuses.
        """
        try:
            client = self._account.get_container_client(container)
            for blob in client.list_blobs(name_starts_with=prefix, include=["metadata"]):
                if not is_directory(blob.metadata):
                    yield _version(container, blob.name, blob)
        except ResourceNotFoundError:
            return
        except AzureError as exc:
            raise classify(exc, f"list {container}/{prefix}", write=False) from exc

    def page(self, container: str, cursor: str | None, prefix: str = "") -> Page[BlobVersion]:
        """Return at most 5,000 blobs of a container, by name, in one call to the storage.

        Args:
            container: the container.
            cursor: where the page begins; None: at the first blob.
            prefix: what the names start with.

        Raises:
            InvalidCursorError: no page gave this cursor.
            TransientError: the storage gives no usable answer now.
            PermanentError: the storage refuses.
        """
        try:
            client = self._account.get_container_client(container)
            listing = client.list_blobs(name_starts_with=prefix, include=["metadata"])
            found, following = one_page(listing, cursor)
        except ResourceNotFoundError as exc:
            # Not empty: what is in it may come back with it.
            raise TransientError(f"container {container} does not exist now") from exc
        except AzureError as exc:
            raise classify_page(exc, f"list {container}", cursor) from exc
        blobs = (blob for blob in found if not is_directory(blob.metadata))
        return Page(tuple(_version(container, blob.name, blob) for blob in blobs), following)

    def read(self, container: str, name: str, limit: int) -> bytes | None:
        """Return the content of a small blob, or None when there is none.

        Args:
            container: the container.
            name: the name of the blob.
            limit: the most bytes to read.

        Raises:
            TransientError: the storage gives no usable answer now.
            PermanentError: the storage refuses, or the blob holds more than `limit` bytes.
        """
        if is_folded(name):
            return None
        try:
            got = self._account.get_blob_client(container, name).download_blob(
                offset=0, length=limit + 1
            )
            content = got.readall()
        except ResourceNotFoundError:
            return None
        except HttpResponseError as exc:
            if exc.status_code == _NO_SUCH_RANGE:
                # An empty blob has no first byte; nor has a directory.
                return None if self.head(container, name) is None else b""
            raise classify(exc, f"read {container}/{name}", write=False) from exc
        except AzureError as exc:
            raise classify(exc, f"read {container}/{name}", write=False) from exc
        if len(content) > limit:
            raise PermanentError(f"{container}/{name} holds more than {sized(limit)}")
        return content

    def write(self, container: str, name: str, content: bytes) -> BlobVersion:
        """Store a small blob of the app, over an earlier one.

        Args:
            container: the container.
            name: the name of the blob.
            content: the bytes.

        Returns:
            The version that was written.

        Raises:
            TransientError: the storage gives no usable answer now.
            PermanentError: the storage refuses.
        """
        try:
            self._account.get_blob_client(container, name).upload_blob(content, overwrite=True)
        except AzureError as exc:
            # The same content twice is the same as once: what is unknown may be repeated.
            raise classify(exc, f"write {container}/{name}", write=False) from exc
        written = self.head(container, name)
        if written is None:
            raise TransientError(f"{container}/{name} was written and is gone again")
        return written

    def exists(self, container: str) -> bool:
        """Return whether there is such a container."""
        try:
            return self._account.get_container_client(container).exists()
        except AzureError as exc:
            raise classify(exc, f"check container {container}", write=False) from exc

    def sign(self, container: str, name: str, access: Access, valid: timedelta) -> SignedBlob:
        """Return the blob with a SAS for `access` to only this blob, for `valid` from now.

        Args:
            container: the container.
            name: the name of the blob.
            access: what the signature allows.
            valid: how long the signature is valid.
        """
        now = self._clock.now()
        credential = self._account.credential
        key = getattr(credential, "account_key", None)
        token = generate_blob_sas(
            account_name=name_of(self._account),
            container_name=container,
            blob_name=name,
            account_key=key,
            user_delegation_key=None if key else self._delegation_key(now, valid),
            permission=_PERMISSIONS[access],
            start=now - _SKEW,
            expiry=now + valid,
            protocol="https" if self._https_only else "https,http",
        )
        return SignedBlob(self.account_url, f"{container}/{name}", f"?{token}")

    def adopt(
        self, source: str, container: str, name: str, since: datetime | None = None
    ) -> BlobVersion | None:
        """Copy the blob at URL `source` here, on the storage's side, only by its signature.

        Args:
            source: the URL, with its signature.
            container: the container.
            name: the name of the blob.
            since: an older copy is replaced; None: every earlier copy counts.

        Returns:
            The copy; None: the signature does not open the source.
        """
        copied = self._copies.copied(source, container, name, since)
        return self.head(container, name) if copied else None

    def _delegation_key(self, now: datetime, valid: timedelta) -> UserDelegationKey:
        # A key is good for 7 days; one that outlives what it signs serves many signatures.
        if self._delegation is None or self._delegation[1] < now + valid:
            until = now + max(valid, timedelta(days=1))
            try:
                key = self._account.get_user_delegation_key(now - _SKEW, until)
            except AzureError as exc:
                raise classify(exc, "get a user delegation key", write=False) from exc
            self._delegation = (key, until)
        return self._delegation[0]


def _version(container: str, name: str, found: BlobProperties) -> BlobVersion:
    created: datetime | None = found.creation_time  # older servers leave it out
    settings = found.content_settings
    md5 = settings.content_md5 if settings else None
    return BlobVersion(
        container=container,
        name=name,
        etag=str(found.etag).strip('"'),
        size=int(found.size or 0),
        created=found.last_modified if created is None else created,
        modified=found.last_modified,
        content_md5=None if md5 is None else _base64(md5),
    )


def _base64(md5: bytes | bytearray | str) -> str:
    return md5 if isinstance(md5, str) else b64encode(bytes(md5)).decode()
