"""A blob at one point in time, and whether two versions of it have the same bytes."""

import re
from datetime import datetime, timedelta
from typing import Final

from pydantic import AwareDatetime

from shared.core.frozen import FrozenModel

#: What the storage's clock and a host's may differ by, once the host's is corrected by it.
CLOCK_SKEW: Final = timedelta(seconds=5)


#: Blobs below it are the app's own, such as those by which the way of events is tried.
RESERVED: Final = ".relearn/"
_SCRATCH: Final = re.compile(r"\.relearn/scratch/[A-Za-z0-9._-]{1,100}")


def is_reserved(name: str) -> bool:
    """Whether a blob is the app's own: it is not data of any pipeline."""
    return name.startswith(RESERVED)


def is_scratch(name: str) -> bool:
    """Whether a blob was written to see that its event arrives."""
    return _SCRATCH.fullmatch(name) is not None


def is_folded(name: str) -> bool:
    """Whether HTTP clients make another path of this blob's name, perhaps another container's."""
    return not {".", ".."}.isdisjoint(name.split("/"))


class BlobVersion(FrozenModel):
    """What a HEAD of a blob returns. `etag` comes without quotes; `content_md5` is base64.

    `recorded_at` is when a host first recorded the version; None: that is not known, or it was
    not recorded yet. It does not count when two versions are compared.
    """

    container: str
    name: str
    etag: str
    size: int
    created: AwareDatetime
    modified: AwareDatetime
    content_md5: str | None = None
    recorded_at: AwareDatetime | None = None

    def __eq__(self, other: object) -> bool:
        """Whether the storage said the same both times."""
        return isinstance(other, BlobVersion) and self._compared == other._compared

    def __hash__(self) -> int:
        """Agree with `==`."""
        return hash(self._compared)

    @property
    def _compared(self) -> tuple[object, ...]:
        where, times = (self.container, self.name), (self.created, self.modified)
        return (*where, self.etag, self.size, *times, self.content_md5)

    @property
    def path(self) -> str:
        """Return `container/name`, as the ML service writes it."""
        return f"{self.container}/{self.name}"

    def is_older_than(self, moment: datetime) -> bool:
        """Whether it was written before `moment`, if either of the two clocks is a bit ahead."""
        return self.modified < moment - CLOCK_SKEW

    def recorded(self, at: datetime | None) -> "BlobVersion":
        """Return this version as recorded at `at`; what it says of itself stays."""
        known = self.recorded_at is not None or at is None
        return self if known else self.evolve(recorded_at=at)

    def same_bytes_as(self, other: "BlobVersion", *, trust_size: bool = False) -> bool:
        """Whether two versions of one blob have the same content.

        A metadata-only update gives a blob a new ETag and leaves its creation time, size and
        Content-MD5: a metadata-only update, not new data. Within the second of the upload it leaves
        the Last-Modified too, which then does for the creation time.

        Args:
            other: the other version.
            trust_size: whether an equal size and creation time are enough where neither has an
                MD5; else only an equal ETag counts.
        """
        if self.etag == other.etag:
            return True
        if self.size != other.size or self.content_md5 != other.content_md5:
            return False
        if self.content_md5 is None:
            return trust_size and self.created == other.created
        return self.created == other.created or self.modified == other.modified

    def may_be_metadata_update(self, *, trust_size: bool = False) -> bool:
        """Whether it may hold the bytes of a version that has another mark.

        A blob that was just created has none before it; but without an MD5 a metadata-only update
        within the second of the upload cannot be distinguished from the upload.

        Args:
            trust_size: as for `same_bytes_as`.
        """
        return self.created != self.modified or (trust_size and self.content_md5 is None)
