"""Reads a storage listing page by page, so that a long one can be continued later.

In an account with a hierarchical namespace every directory is listed, and read, as an empty
blob with the metadata `hdi_isfolder: true`. Such a blob is not data and no document.
"""

from collections.abc import Mapping
from typing import Final

from azure.core.paging import ItemPaged
from azure.storage.blob import BlobProperties

from shared.errors import InvalidCursorError

_IS_FOLDER: Final = "hdi_isfolder"


def one_page(
    blobs: ItemPaged[BlobProperties], cursor: str | None
) -> tuple[list[BlobProperties], str | None]:
    """Return one page from `cursor` on, and the cursor of the next page, if there is one.

    Args:
        blobs: the listing of the SDK.
        cursor: where the page begins; None: at the first blob.

    Raises:
        InvalidCursorError: the storage never gives such a cursor.
        AzureError: as the SDK raises it.
    """
    if cursor is not None and not (cursor.isascii() and cursor.isprintable()):
        raise InvalidCursorError("the cursor is not one that a page gave: leave it out")
    pages = blobs.by_page(continuation_token=cursor)
    found = list(next(pages, []))
    following = getattr(pages, "continuation_token", None)
    return found, following or None


def is_directory(metadata: Mapping[str, str] | None) -> bool:
    """Whether a blob with this metadata stands for a directory."""
    known = {name.lower(): value for name, value in (metadata or {}).items()}
    return known.get(_IS_FOLDER, "").lower() == "true"
