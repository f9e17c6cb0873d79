"""Reads the state of many blobs at a bounded cost: about one call for each, or less.

Blobs that lie together in a folder are listed, as long as that is cheaper; the others, and
those that a listing did not reach, are requested one by one, several at once. Other blobs of the
container make no difference.
"""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final

from shared.core.blobs import BlobVersion
from shared.execution.context import Context

#: How many blobs of one folder are requested one by one; for more the folder is listed.
_ONE_BY_ONE: Final = 20
#: A page of a listing takes about as long as so many calls for one blob in sequence.
_PAGE: Final = 20
_AT_ONCE: Final = 8


@dataclass(frozen=True, slots=True)
class Lookup:
    """Reads the present state of blobs."""

    context: Context

    def now(self, blobs: Sequence[BlobVersion]) -> Iterator[tuple[BlobVersion, BlobVersion | None]]:
        """Yield each of `blobs`, in order, with its present version; None where it is gone.

        Raises:
            TransientError: storage does not work now.
        """
        folders: dict[tuple[str, str], list[BlobVersion]] = {}
        for blob in blobs:
            folder = blob.name.rpartition("/")[0]
            folders.setdefault((blob.container, folder), []).append(blob)
        found: dict[str, BlobVersion | None] = {}
        left: list[BlobVersion] = []
        for (container, _), together in folders.items():
            if container == self.context.data_container and len(together) > _ONE_BY_ONE:
                listed, complete = self._listed([blob.name for blob in together])
                found |= {blob.path: listed.get(blob.name) for blob in together}
                left += [b for b in together if not complete and b.name not in listed]
            else:
                left += together
        found |= self._one_by_one(left)
        yield from ((blob, found[blob.path]) for blob in blobs)

    def _listed(self, names: Sequence[str]) -> tuple[dict[str, BlobVersion], bool]:
        """List the folder of these names; also return whether the whole of it was listed."""
        wanted, last = frozenset(names), max(names)
        prefix, container = _common(min(names), last), self.context.data_container
        found: dict[str, BlobVersion] = {}
        cursor = None
        for _ in range(len(names) // _PAGE):
            page = self.context.data.page(container, cursor, prefix)
            found |= {blob.name: blob for blob in page.items if blob.name in wanted}
            cursor = page.cursor
            if cursor is None:
                return found, True
            if len(found) == len(wanted) or (page.items and page.items[-1].name > last):
                break
        return found, False

    def _one_by_one(self, blobs: Sequence[BlobVersion]) -> dict[str, BlobVersion | None]:
        at_once = min(_AT_ONCE, self.context.limits.at_once, len(blobs))
        if at_once <= 1:
            return {blob.path: self.context.look_up(blob) for blob in blobs}
        with ThreadPoolExecutor(at_once) as pool:
            looked = pool.map(self.context.look_up, blobs)
            return {blob.path: now for blob, now in zip(blobs, looked, strict=True)}


def _common(one: str, other: str) -> str:
    """Return the common prefix of two names; all names sorted between them have it too."""
    at = next((at for at, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), None)
    return min(one, other, key=len) if at is None else one[:at]
