"""The order of data versions, and how the versions of one blob are distinguished.

Storage dates blobs in whole seconds, so that many versions share a Last-Modified. Preview,
batches, `{data}`, promotion and history all go by `order_of`; nothing else may compare the
times of two versions to find out which is newer.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from pydantic import AwareDatetime

from shared.core import names
from shared.core.blobs import BlobVersion
from shared.core.frozen import FrozenModel

#: Last-Modified, whether and when it was first recorded, name, ETag.
Order = tuple[datetime, datetime, str, str]

#: A version without a record will be recorded after those with one.
_NOT_YET: Final = datetime.max.replace(tzinfo=UTC)
#: Names of a tie that are shown.
_SHOWN: Final = 5


@dataclass(frozen=True, slots=True)
class Newest:
    """The newest of some versions, and those that share its Last-Modified."""

    blob: BlobVersion
    tied: tuple[BlobVersion, ...] = ()


class Fingerprint(FrozenModel):
    """Identifies the bytes of a version, and orders it among others."""

    modified: AwareDatetime
    created: AwareDatetime
    size: int
    content_md5: str | None = None
    recorded_at: AwareDatetime | None = None
    etag: str

    @classmethod
    def of(cls, blob: BlobVersion) -> "Fingerprint":
        """Return the fingerprint of a version."""
        return cls.model_validate({name: getattr(blob, name) for name in cls.model_fields})

    @property
    def order(self) -> tuple[datetime, datetime, str]:
        """What sorts the versions of one blob by their age."""
        return self.modified, self.recorded_at or _NOT_YET, self.etag

    def same_bytes_as(self, other: "Fingerprint") -> bool:
        """Whether both say the same of the bytes: creation time, size and Content-MD5."""
        mine = (self.created, self.size, self.content_md5)
        return mine == (other.created, other.size, other.content_md5)


def mark_of(blob: BlobVersion) -> str:
    """Return what distinguishes this version from others of the same blob.

    A metadata-only update within the second of a write changes only the ETag: the same bytes of
    the same second are one version. Without an MD5 each ETag is a version.
    """
    if blob.content_md5 is None:
        return blob.etag
    at = blob.modified.astimezone(UTC).isoformat()
    return f"{at} {blob.size} {blob.content_md5}"


def version_id(pipeline: str, blob: BlobVersion) -> str:
    """Return the id of a version for one pipeline.

    Args:
        pipeline: its name.
        blob: the version.
    """
    return names.version_id(pipeline, blob.container, blob.name, mark_of(blob))


def order_of(blob: BlobVersion) -> Order:
    """Return what sorts versions by their age, the oldest first; no two versions are equal."""
    return blob.modified, blob.recorded_at or _NOT_YET, blob.name, blob.etag


def newest_of(blobs: Iterable[BlobVersion]) -> BlobVersion | None:
    """Return the newest version; None where there is none."""
    return max(blobs, key=order_of, default=None)


def newest_first(blobs: Iterable[BlobVersion]) -> list[BlobVersion]:
    """Return the versions in order, the newest first."""
    return sorted(blobs, key=order_of, reverse=True)


def are_one(one: BlobVersion, other: BlobVersion) -> bool:
    """Whether both records are of one version of one blob.

    Args:
        one: a version.
        other: another version, or the same one.
    """
    return (one.path, mark_of(one)) == (other.path, mark_of(other))


def is_older(one: BlobVersion, other: BlobVersion) -> bool:
    """Whether `one` comes before `other`; a version is never older than itself.

    Args:
        one: the version that may be older.
        other: what it is compared with.
    """
    return not are_one(one, other) and order_of(one) < order_of(other)


def metadata_update_of(blob: BlobVersion, since: str) -> str:
    """Return in plain words why a version that counts as a metadata-only update opens no run.

    Args:
        blob: the version.
        since: the Last-Modified of the version whose bytes it has.
    """
    if blob.content_md5 is not None:
        return f"only its metadata changed since {since}: no run"
    return (
        f"size and creation time are as at {since}; it has no Content-MD5, so that other bytes "
        "cannot be distinguished from a metadata-only update (data.without_md5: ignore): no run"
    )


def tied_with(newest: BlobVersion, others: Iterable[BlobVersion]) -> tuple[BlobVersion, ...]:
    """Return the other versions that share the Last-Modified of `newest`, in order.

    Args:
        newest: the version in question.
        others: what else there is, with or without `newest`.
    """
    found = (one for one in others if one.modified == newest.modified)
    return tuple(sorted((one for one in found if not are_one(one, newest)), key=order_of))


def tie_of(blob: BlobVersion, tied: Iterable[BlobVersion]) -> str:
    """Return in plain words which versions share the Last-Modified of a blob; empty: none do.

    Args:
        blob: the version in question.
        tied: those that share its Last-Modified.
    """
    others = list(
        dict.fromkeys(
            "an earlier write of it" if one.path == blob.path else one.path for one in tied
        )
    )
    if not others:
        return ""
    more = f" and {len(others) - _SHOWN} more" if len(others) > _SHOWN else ""
    return (
        f"{blob.path} has the same Last-Modified ({blob.modified:%Y-%m-%d %H:%M:%S} UTC) as "
        f"{', '.join(others[:_SHOWN])}{more}: which of them is newer goes by when the app first "
        "recorded each, then by name, then by ETag"
    )
