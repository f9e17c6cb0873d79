"""A blob at one point in time, and whether two sightings show the same bytes."""

from datetime import datetime, timedelta
from typing import Final

from pydantic import AwareDatetime, BaseModel, ConfigDict

#: What the storage's clock and a host's may differ by, once the host's is corrected by it.
CLOCK_SKEW: Final = timedelta(seconds=5)


def is_folded(name: str) -> bool:
    """Whether HTTP clients make another path of this blob's name, perhaps another container's."""
    return not {".", ".."}.isdisjoint(name.split("/"))


class BlobVersion(BaseModel):
    """What a HEAD of a blob tells. `etag` comes without quotes; `content_md5` is base64."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    container: str
    name: str
    etag: str
    size: int
    created: AwareDatetime
    modified: AwareDatetime
    content_md5: str | None = None

    @property
    def path(self) -> str:
        """Return `container/name`, as the ML service writes it."""
        return f"{self.container}/{self.name}"

    def is_older_than(self, moment: datetime) -> bool:
        """Whether it was written before `moment`, whichever of the two clocks is a bit ahead."""
        return self.modified < moment - CLOCK_SKEW

    def same_bytes_as(self, other: "BlobVersion") -> bool:
        """Whether both sightings show the same content.

        A metadata write gives a blob a new ETag and leaves its creation time, size and
        Content-MD5: that is a touch, not new data. Without an MD5 on both sides only
        the ETag can tell.
        """
        if self.etag == other.etag:
            return True
        mine = (self.created, self.size, self.content_md5)
        theirs = (other.created, other.size, other.content_md5)
        return self.content_md5 is not None and mine == theirs
