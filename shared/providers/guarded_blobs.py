"""Hides blobs whose names hold a secret: names are stored, shown and used unredacted."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from shared.core.blobs import BlobVersion
from shared.core.names import digest
from shared.core.redaction import Redactor
from shared.ports.storage import Access, Blobs, Page, SignedBlob
from shared.telemetry import log


@dataclass(frozen=True, slots=True)
class RedactingBlobs:
    """`Blobs` without those whose names hold a secret; each is reported once for a process."""

    blobs: Blobs
    redactor: Redactor = field(repr=False)
    _reported: dict[str, None] = field(default_factory=dict, repr=False)

    @property
    def account(self) -> str:
        """The name of the storage account."""
        return self.blobs.account

    @property
    def base_location(self) -> str:
        """The URL that containers stand below, with a slash at its end."""
        return self.blobs.base_location

    def head(self, container: str, name: str) -> BlobVersion | None:
        """Return the present version of the blob, or None. Raises as the port says.

        Args:
            container: the container.
            name: the name of the blob.
        """
        return None if self._hidden(container, name) else self.blobs.head(container, name)

    def listing(self, container: str, prefix: str) -> Iterator[BlobVersion]:
        """Yield the blobs whose names start with `prefix`. Raises as the port says.

        Args:
            container: the container.
            prefix: what the names start with.
        """
        for blob in self.blobs.listing(container, prefix):
            if not self._hidden(container, blob.name):
                yield blob

    def page(self, container: str, cursor: str | None, prefix: str = "") -> Page[BlobVersion]:
        """Return a part of the blobs of a container. Raises as the port says.

        Args:
            container: the container.
            cursor: where the page begins; None: at the first blob.
            prefix: what the names start with.
        """
        page = self.blobs.page(container, cursor, prefix)
        shown = tuple(blob for blob in page.items if not self._hidden(container, blob.name))
        return replace(page, items=shown)

    def read(self, container: str, name: str, limit: int) -> bytes | None:
        """Return the content of a small blob, or None. Raises as the port says.

        Args:
            container: the container.
            name: the name of the blob.
            limit: the most bytes to read.
        """
        return self.blobs.read(container, name, limit)

    def write(self, container: str, name: str, content: bytes) -> BlobVersion:
        """Store a small blob of the app. Raises as the port says.

        Args:
            container: the container.
            name: the name of the blob.
            content: the bytes.

        Returns:
            The version that was written.
        """
        return self.blobs.write(container, name, content)

    def exists(self, container: str) -> bool:
        """Return whether there is such a container. Raises as the port says."""
        return self.blobs.exists(container)

    def sign(self, container: str, name: str, access: Access, valid: timedelta) -> SignedBlob:
        """Return the blob with a SAS for `access` to it alone. Raises as the port says.

        Args:
            container: the container.
            name: the name of the blob.
            access: what the signature allows.
            valid: how long the signature is valid.
        """
        return self.blobs.sign(container, name, access, valid)

    def adopt(
        self, source: str, container: str, name: str, since: datetime | None = None
    ) -> BlobVersion | None:
        """Copy the blob at URL `source` here. Raises as the port says.

        Args:
            source: the URL, with its signature.
            container: the container.
            name: the name of the blob.
            since: an older copy is replaced; None: every earlier copy counts.

        Returns:
            The copy; None: the signature does not open the source.
        """
        return self.blobs.adopt(source, container, name, since)

    def located(self, base_location: str, relative_location: str) -> BlobVersion | None:
        """Return the blob at this location when it lies in this account, else None.

        Args:
            base_location: the base location that the service gave.
            relative_location: the relative location that the service gave.
        """
        found = self.blobs.located(base_location, relative_location)
        hidden = found is not None and self._hidden(found.container, found.name)
        return None if hidden else found

    def _hidden(self, container: str, name: str) -> bool:
        if not self.redactor.names_secret(name):
            return False
        known = digest(container, name)
        if known not in self._reported:
            self._reported[known] = None
            log.error(
                "a blob of container %s is left alone, its name holds a secret: %s: rename it",
                container,
                self.redactor.text(name),
            )
        return True
