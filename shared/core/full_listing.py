"""The state of the full listing: how far it is, and which blobs existed before their pipelines.

A blob may appear with an old Last-Modified: a folder was renamed, a deleted blob was restored.
The search for lost events goes by Last-Modified and never sees it. So the first full listing
records which blobs exist, and a later one finds what is neither recorded nor known otherwise.

A recorded blob is 8 bytes: the first 64 bits of a SHA-256 of its name and ETag. A page of
5,000 blobs is 40 KB, 1,000,000 blobs are 8 MB. Among these, a blob that appears has the
digest of another one with a chance of 1,000,000 / 2**64, about 5e-14. It is then taken for
existing: an error opens one run too few, never one too many.

Records of pipelines that were added later hold only what no earlier one does. They are numbered
by time: to a pipeline a blob existed if it is in the pipeline's own generation or an earlier one.
"""

from array import array
from base64 import b64decode, b64encode
from bisect import bisect_left
from collections.abc import Iterable, Iterator
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Annotated, Final

from pydantic import AfterValidator, AwareDatetime, Field

from shared.core.frozen import FrozenModel, RecordModel
from shared.core.names import hashed

#: A full listing begins this long after the last one began.
EVERY: Final = timedelta(days=1)
#: Sooner, where the last one could not check everything.
AGAIN: Final = timedelta(hours=1)
#: What changed later than this before now is left to its event and to the search.
RECENT: Final = timedelta(minutes=30)
#: Should two clocks differ.
_MARGIN: Final = timedelta(minutes=15)
_BYTES: Final = 8
_BUCKETS: Final = 256


def short_digest(*parts: str) -> int:
    """Return 64 bits that stand for `parts`, in order and apart from each other."""
    return int.from_bytes(hashed(*parts)[:_BYTES], "big")


def _whole(text: str) -> str:
    if len(b64decode(text, validate=True)) % _BYTES:
        raise ValueError("digests are not whole")
    return text


class Existing(RecordModel):
    """Some of the blobs that existed when a generation was recorded."""

    digests: Annotated[str, AfterValidator(_whole)]  #: base64 of 8 bytes each

    @classmethod
    def of(cls, digests: Iterable[int]) -> "Existing":
        """Return the record of these digests."""
        packed = b"".join(one.to_bytes(_BYTES, "big") for one in sorted(digests))
        return cls(digests=b64encode(packed).decode())

    def unpacked(self) -> Iterator[int]:
        """Yield the digests."""
        packed = b64decode(self.digests)
        for at in range(0, len(packed), _BYTES):
            yield int.from_bytes(packed[at : at + _BYTES], "big")

    @property
    def seal(self) -> str:
        """What the name of the record ends with, so that another content is another record."""
        return f"{short_digest(self.digests):016x}"


class Digests:
    """A set of digests at 8 bytes each. Membership is asked once it is sealed."""

    def __init__(self) -> None:
        """Begin with none."""
        self._buckets = [array("Q") for _ in range(_BUCKETS)]

    def add(self, digest: int) -> None:
        """Add one."""
        self._buckets[digest >> 56].append(digest)

    def seal(self) -> None:
        """Make it ready to be asked."""
        self._buckets = [array("Q", sorted(bucket)) for bucket in self._buckets]

    def __contains__(self, digest: int) -> bool:
        """Whether it was added before the set was sealed."""
        bucket = self._buckets[digest >> 56]
        at = bisect_left(bucket, digest)
        return at < len(bucket) and bucket[at] == digest


class Covered(FrozenModel):
    """Since when the full listing finds what appears for a pipeline."""

    generation: int  #: what this one and earlier ones recorded existed before the pipeline
    since: AwareDatetime
    """When the recording began, as the storage dates blobs. What changed later is new by its time.
    What changed between the activation and then is found by its event or by the search."""


class FullListing(RecordModel):
    """How far the full listing is, and what is recorded."""

    location: str  #: the account and container that are listed
    started_at: AwareDatetime  #: of the listing under way, or of the last one
    covered: dict[str, Covered] = Field(default_factory=dict)
    missing: dict[str, AwareDatetime] = Field(default_factory=dict)
    """Covered pipelines that are not in the file, and since when that is known."""
    generations: dict[int, int] = Field(default_factory=dict)
    """Finished generations, with the number of pages of each."""
    generation: int | None = None  #: that this listing records
    joining: dict[str, Covered] = Field(default_factory=dict)  #: pipelines that it is for
    pages: int = 0  #: of that generation, so far
    cursor: str | None = None  #: the page where it continues; None: the first one
    checked_to: str = ""  #: the last blob of that page that was checked; empty: none was
    complete: bool = False
    completed_at: AwareDatetime | None = None  #: when the last full listing ended
    listed: int = 0  #: blobs
    found: int = 0  #: data versions that appeared with an old time
    failed: int = 0  #: data versions that could not be checked: the next listing comes sooner
    damaged: tuple[str, ...] = ()  #: records of existing blobs that are not understood

    @property
    def last_generation(self) -> int:
        """The highest number that was given."""
        return max((*self.generations, self.generation or 0), default=0)

    def needs(self, generation: int) -> bool:
        """Whether the records of a generation are of use."""
        return generation == self.generation or generation in self.generations

    def due_at(self) -> datetime:
        """Return when the next full listing begins, if nothing else asks for one."""
        return self.started_at + (AGAIN if self.failed else EVERY)

    def without(self, generations: AbstractSet[int]) -> "FullListing":
        """Return it ended, without generations of which records are gone and what builds on them.

        The next one records those pipelines anew: what exists then counts as existing.
        """
        first = min(generations)
        covered = {n: one for n, one in self.covered.items() if one.generation < first}
        left = {number: pages for number, pages in self.generations.items() if number < first}
        kept = {"covered": covered, "generations": left, "complete": True}
        ended = {"generation": None, "joining": dict[str, Covered](), "cursor": None}
        return self.evolve(**kept, **ended, checked_to="")

    def after_page(self, cursor: str | None, now: datetime) -> "FullListing":
        """Return the listing after a page.

        Args:
            cursor: of the next page; None: this was the last one.
            now: the present moment, which becomes its end where this was the last page.
        """
        if cursor is not None:
            return self.evolve(cursor=cursor, checked_to="")
        changes: dict[str, object] = {
            "cursor": None,
            "checked_to": "",
            "complete": True,
            "completed_at": now,
        }
        if self.generation is not None:
            changes |= {
                "covered": {**self.covered, **self.joining},
                "generations": {**self.generations, self.generation: self.pages},
                "generation": None,
                "joining": {},
            }
        return self.evolve(**changes)


@dataclass(frozen=True, slots=True)
class ListingPlan:
    """What the configuration asks of the full listing.

    Args:
        location: the account and container of the data.
        activated: the pipelines that open runs, as far as it is known when they were activated.
        silent: the pipelines of the file for which arriving data opens no run.
        sure: whether what is not in the file is really gone from it.
        keep: how long what belongs to a pipeline stays once it is gone.
    """

    location: str
    activated: AbstractSet[str]
    silent: AbstractSet[str] = field(default_factory=frozenset)
    sure: bool = True
    keep: timedelta = timedelta(days=400)

    def changes(self, covered: AbstractSet[str]) -> bool:
        """Whether other pipelines are to be covered than these."""
        return not self.activated <= covered or not covered.isdisjoint(self.silent)


def next_listing(known: FullListing | None, plan: ListingPlan, now: datetime) -> FullListing | None:
    """Return the listing to continue or to begin; None while none is due.

    Args:
        known: the one under way, or the last one.
        plan: the present configuration.
        now: the present moment, by the storage's clock.
    """
    if known is not None and known.location != plan.location:
        known = None  # another container: nothing is known of its blobs
    if known is not None and not known.complete:
        return known
    if known is None and not plan.activated:
        return None
    known = known or FullListing(location=plan.location, started_at=now, complete=True)
    new = known.completed_at is None or plan.changes(known.covered.keys())
    # A host whose clock was ahead must not delay the next listing for as long.
    if not new and known.started_at <= now + _MARGIN and now < known.due_at():
        return None
    return _begun(known, plan, now)


def _begun(known: FullListing, plan: ListingPlan, now: datetime) -> FullListing:
    missing = _missing(known, plan, now)
    gone = {name for name, since in missing.items() if now - since >= plan.keep}
    covered = {n: one for n, one in known.covered.items() if n not in gone | plan.silent}
    highest = max((one.generation for one in covered.values()), default=0)
    generation = max(int(now.timestamp()), known.last_generation + 1)
    joining = {
        name: Covered(generation=generation, since=now.replace(microsecond=0))
        for name in plan.activated
        if name not in covered
    }
    return FullListing(
        location=plan.location,
        started_at=now,
        covered=covered,
        missing={name: since for name, since in missing.items() if name in covered},
        generations={n: pages for n, pages in known.generations.items() if n <= highest},
        generation=generation if joining else None,
        joining=joining,
        completed_at=known.completed_at,
    )


def _missing(known: FullListing, plan: ListingPlan, now: datetime) -> dict[str, datetime]:
    absent = known.covered.keys() - plan.activated - plan.silent
    if not plan.sure:
        return {name: since for name, since in known.missing.items() if name in absent}
    return {name: known.missing.get(name, now) for name in absent}
