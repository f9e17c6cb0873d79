"""The records of every kind as retention lists, reads and deletes them."""

from collections.abc import Mapping
from typing import Final

from shared.errors import ConflictError
from shared.ledger.store import Store
from shared.ports.storage import Document, Listed, Page

#: Records of one page: how far a round is is stored after each.
PAGE: Final = 1000


class OldRecords(Store):
    """The records of the app, whatever their content."""

    def page(self, kind: str, cursor: str | None) -> Page[Listed]:
        """Return records of one kind, in one listing. Raises InvalidCursorError, TransientError."""
        return self.documents.page(f"{kind}/", PAGE, cursor)

    def raw(self, name: str) -> Document | None:
        """Return a record as it is stored, also one that is not understood."""
        return self.documents.read(name)

    def exists(self, name: str) -> bool:
        """Whether there is a record of this name, understood or not."""
        return self.documents.read(name) is not None

    def mark(self, listed: Listed, hints: Mapping[str, str]) -> None:
        """Store a record anew with other hints, unless it was changed since it was listed."""
        found = self.documents.read(listed.name)
        if found is None or found.etag != listed.etag:
            return
        try:
            self.documents.replace(listed.name, found.body, found.etag, hints)
        except ConflictError:
            return
